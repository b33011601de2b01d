//! Talking to whoever watches over the process: systemd through its notification socket, upstart by stopping.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::{env, io};

use crate::config::Supervised;
use crate::util::platform;

/// Who watches over this process.
#[derive(Debug)]
pub enum Supervisor {
    /// Nobody.
    Nobody,
    /// upstart.
    Upstart,
    /// systemd, with the address of its socket.
    Systemd(OsString),
}

impl Supervisor {
    /// Looks for the supervisor that `supervised` names and tells it that the server is starting.
    pub fn find(wanted: Supervised) -> Supervisor {
        let wanted = match wanted {
            Supervised::Auto if env::var_os("UPSTART_JOB").is_some() => Supervised::Upstart,
            Supervised::Auto if env::var_os("NOTIFY_SOCKET").is_some() => Supervised::Systemd,
            wanted => wanted,
        };
        match wanted {
            Supervised::No | Supervised::Auto => Supervisor::Nobody,
            Supervised::Upstart => {
                if env::var_os("UPSTART_JOB").is_none() {
                    log::warn!("upstart supervision requested, but UPSTART_JOB not found!");
                    return Supervisor::Nobody;
                }
                log::info!("supervised by upstart, will stop to signal readiness.");
                platform::stop_self();
                Supervisor::Upstart
            }
            Supervised::Systemd => {
                let Some(socket) = env::var_os("NOTIFY_SOCKET") else {
                    log::warn!("systemd supervision error: NOTIFY_SOCKET not found!");
                    return Supervisor::Nobody;
                };
                log::info!(
                    "Supervised by systemd. Please make sure you set appropriate values for TimeoutStartSec and \
                     TimeoutStopSec in your service unit."
                );
                let supervisor = Supervisor::Systemd(socket);
                supervisor.tell("STATUS=Redis is loading...\n");
                supervisor
            }
        }
    }

    /// Whether there is one: it wants the process to stay in the foreground.
    pub fn is_there(&self) -> bool {
        !matches!(self, Supervisor::Nobody)
    }

    /// What INFO calls it.
    pub fn name(&self) -> &'static str {
        match self {
            Supervisor::Nobody => "no",
            Supervisor::Upstart => "upstart",
            Supervisor::Systemd(_) => "systemd",
        }
    }

    /// Sends a message, such as `READY=1`, to a supervisor that takes messages.
    pub fn tell(&self, message: &str) {
        let Supervisor::Systemd(socket) = self else { return };
        if let Err(error) = send(socket, message) {
            log::warn!("systemd supervision error: {}", platform::os_error_text(&error));
        }
    }
}

fn send(socket: &OsString, message: &str) -> io::Result<()> {
    let address = address(socket)?;
    UnixDatagram::unbound()?.send_to_addr(message.as_bytes(), &address).map(drop)
}

/// A path, or on Linux an `@` and an abstract name.
fn address(socket: &OsString) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    if let Some(name) = socket.as_bytes().strip_prefix(b"@") {
        return <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name);
    }
    match socket.as_bytes().first() {
        Some(b'/') => SocketAddr::from_pathname(socket),
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_is_told_through_its_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let supervisor = Supervisor::Systemd(path.into_os_string());
        supervisor.tell("READY=1\n");
        let mut message = [0; 64];
        let length = receiver.recv(&mut message).unwrap();
        assert_eq!(&message[..length], b"READY=1\n");
        assert!(address(&"relative".into()).is_err());
    }
}
