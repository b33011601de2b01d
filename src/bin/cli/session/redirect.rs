//! Where a node of a cluster sends a client.

/// A redirection.
#[derive(Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The slot that the command is about.
    pub slot: u16,
    /// The other node; empty for the host where this one is.
    pub host: String,
    pub port: u16,
    /// The slot is still on its way there: the command goes there this once, and says that it was sent.
    pub asks: bool,
}

/// The redirection that an error is: `MOVED slot host:port` or `ASK slot host:port`.
pub fn read(error: &[u8]) -> Option<Redirect> {
    let mut words = std::str::from_utf8(error).ok()?.split(' ');
    let asks = match words.next()? {
        "MOVED" => false,
        "ASK" => true,
        _ => return None,
    };
    let slot = words.next()?.parse().ok()?;
    let (host, port) = words.next()?.rsplit_once(':')?;
    Some(Redirect { slot, host: host.to_owned(), port: port.parse().ok()?, asks })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirections_tell_slot_and_place() {
        let redirect = |slot, host: &str, port, asks| Some(Redirect { slot, host: host.to_owned(), port, asks });
        assert_eq!(read(b"MOVED 3999 127.0.0.1:6381"), redirect(3999, "127.0.0.1", 6381, false));
        assert_eq!(read(b"ASK 0 ::1:6381"), redirect(0, "::1", 6381, true));
        assert_eq!(read(b"MOVED 1 :6381"), redirect(1, "", 6381, false));
        for other in [&b"ERR MOVED 1 a:1"[..], b"MOVED", b"MOVED x a:1", b"MOVED 1 a", b"MOVED 1 a:70000", b"ASK 1"] {
            assert_eq!(read(other), None, "{}", other.escape_ascii());
        }
    }
}
