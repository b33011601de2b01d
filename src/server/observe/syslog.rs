//! The system logger, for `syslog-enabled`: a datagram for each message, in the form that syslogd has always taken from
//! its socket (RFC 3164, without time and host name, which it adds).
//!
//! Own code: the crate `syslog` brings nine crates for these twenty lines, waits for a logger that does not keep up,
//! and stays with its first socket when syslogd is started anew.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use crate::config::{Config, LogLevel, SyslogFacility};

/// Where syslogd listens.
const SOCKETS: [&str; 2] = ["/dev/log", "/var/run/syslog"];

/// A way to the system logger.
#[derive(Debug)]
pub struct Syslog {
    socket: UnixDatagram,
    paths: Vec<PathBuf>,
    ident: String,
    facility: u32,
}

impl Syslog {
    /// The logger by the configuration's name and facility; `None` when it is not asked for or the system gives no
    /// socket.
    pub fn open(config: &Config) -> Option<Syslog> {
        let paths = SOCKETS.iter().map(PathBuf::from).collect();
        if config.syslog_enabled { Syslog::at(paths, config).ok() } else { None }
    }

    fn at(paths: Vec<PathBuf>, config: &Config) -> std::io::Result<Syslog> {
        let socket = UnixDatagram::unbound()?;
        // A logger that does not keep up must not hold up the server.
        socket.set_nonblocking(true)?;
        let facility = facility_number(config.syslog_facility);
        Ok(Syslog { socket, paths, ident: config.syslog_ident.clone(), facility })
    }

    /// Sends a message; one that cannot be sent is lost, as nobody is left to be told.
    pub fn send(&self, level: LogLevel, message: &str) {
        let priority = self.facility * 8 + severity(level);
        let line = format!("<{priority}>{}[{}]: {message}", self.ident, std::process::id());
        let sent = |path: &Path| self.socket.send_to(line.as_bytes(), path).is_ok();
        self.paths.iter().any(|path| sent(path));
    }
}

fn severity(level: LogLevel) -> u32 {
    match level {
        LogLevel::Debug => 7,
        LogLevel::Verbose => 6,
        LogLevel::Notice => 5,
        LogLevel::Warning | LogLevel::Nothing => 4,
    }
}

fn facility_number(facility: SyslogFacility) -> u32 {
    match facility {
        SyslogFacility::User => 1,
        SyslogFacility::Local0 => 16,
        SyslogFacility::Local1 => 17,
        SyslogFacility::Local2 => 18,
        SyslogFacility::Local3 => 19,
        SyslogFacility::Local4 => 20,
        SyslogFacility::Local5 => 21,
        SyslogFacility::Local6 => 22,
        SyslogFacility::Local7 => 23,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_logger_is_sent_facility_level_name_and_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let config =
            Config { syslog_ident: "cache".into(), syslog_facility: SyslogFacility::Local3, ..Config::default() };
        assert!(Syslog::open(&config).is_none());
        let syslog = Syslog::at(vec![folder.path().join("none"), path], &config).unwrap();
        syslog.send(LogLevel::Notice, "Ready to accept connections");
        let mut message = [0; 128];
        let length = receiver.recv(&mut message).unwrap();
        let expected = format!("<157>cache[{}]: Ready to accept connections", std::process::id());
        assert_eq!(std::str::from_utf8(&message[..length]).unwrap(), expected);
    }
}
