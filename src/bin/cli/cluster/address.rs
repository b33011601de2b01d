//! Where a node is, as arguments say it.

use super::stop::Stop;

/// The place of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

impl Address {
    /// Reads `host:port`, behind which `@bus_port` may follow.
    pub fn read(text: &str) -> Option<Address> {
        let text = text.split_once('@').map_or(text, |(address, _)| address);
        let (host, port) = text.rsplit_once(':')?;
        Address::of(host, port)
    }

    /// Reads `host:port`, or host and port as two arguments.
    ///
    /// # Errors
    /// When it is neither.
    pub fn of_arguments(args: &[String]) -> Result<Address, Stop> {
        let address = match args {
            [address] => Address::read(address),
            [host, port, ..] => Address::of(host, port),
            [] => None,
        };
        address.ok_or_else(|| {
            Stop::failure(
                "[ERR] Invalid arguments: you need to pass either a valid address (ie. 120.0.0.1:7000) or space separated \
                 IP and port (ie. 120.0.0.1 7000)",
            )
        })
    }

    fn of(host: &str, port: &str) -> Option<Address> {
        let port = port.parse().ok().filter(|port| *port != 0)?;
        (!host.is_empty()).then(|| Address { host: host.to_owned(), port })
    }

    /// Host and port.
    pub fn parts(&self) -> (&str, u16) {
        (&self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_stand_together_or_apart() {
        let read = |words: &[&str]| {
            let args: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            Address::of_arguments(&args).ok().map(|address| (address.host, address.port))
        };
        let local = Some(("127.0.0.1".to_owned(), 7000));
        assert_eq!(read(&["127.0.0.1:7000"]), local);
        assert_eq!(read(&["127.0.0.1:7000@17000"]), local);
        assert_eq!(read(&["127.0.0.1", "7000"]), local);
        assert_eq!(read(&["::1:7000"]), Some(("::1".to_owned(), 7000)));
        for wrong in [&["127.0.0.1"][..], &["127.0.0.1:"], &[":7000"], &["a:0"], &["a", "b"], &["a:70000"], &[]] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
