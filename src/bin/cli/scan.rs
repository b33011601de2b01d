//! Rounds of SCAN, for the modes that look at all keys, and `--scan`, which lists them.

use std::time::Duration;

use oxidis::resp::Value;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::format::{Style, quoted};
use crate::interrupt;
use crate::options::Options;
use crate::output::print;

/// The keys of a server, a round at a time.
#[derive(Debug)]
pub struct Scan {
    pattern: Option<Vec<u8>>,
    count: Option<u64>,
    key_type: Option<Vec<u8>>,
    cursor: u64,
    rounds: u64,
}

impl Scan {
    /// The keys that the options name.
    pub fn new(options: &Options) -> Scan {
        let Options { pattern, count, key_type, .. } = options.clone();
        Scan { pattern, count, key_type, cursor: options.cursor, rounds: 0 }
    }

    /// Where the next round begins.
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    /// The keys of the next round; `None` after the last, or when the user has had enough.
    ///
    /// # Errors
    /// When the server refuses or the connection is lost.
    pub fn next(&mut self, link: &mut Connection) -> Result<Option<Vec<Vec<u8>>>, Failure> {
        if self.rounds > 0 && (self.cursor == 0 || interrupt::raised()) {
            return Ok(None);
        }
        self.rounds += 1;
        let mut request: Vec<&[u8]> = vec![b"SCAN"];
        let (cursor, count) = (self.cursor.to_string(), self.count.map(|count| count.to_string()));
        request.push(cursor.as_bytes());
        if let Some(pattern) = &self.pattern {
            request.extend([&b"MATCH"[..], pattern]);
        }
        if let Some(count) = &count {
            request.extend([&b"COUNT"[..], count.as_bytes()]);
        }
        if let Some(key_type) = &self.key_type {
            request.extend([&b"TYPE"[..], key_type]);
        }
        let reply = link.call(&request).map_err(|_| Failure::new("\nI/O error"))?;
        if let Some(error) = reply.error() {
            return Err(Failure::new(format!("SCAN error: {}", String::from_utf8_lossy(error))));
        }
        let wrong = || Failure::new("Non ARRAY response from SCAN!");
        let Value::Array(parts) = reply else { return Err(wrong()) };
        let [cursor, Value::Array(keys)] = parts.as_slice() else { return Err(wrong()) };
        let cursor = cursor.bytes().and_then(|cursor| std::str::from_utf8(cursor).ok()?.parse().ok());
        self.cursor = cursor.ok_or_else(wrong)?;
        Ok(Some(keys.iter().filter_map(|key| key.bytes().map(<[u8]>::to_vec)).collect()))
    }

    /// Rests after every hundredth round.
    pub fn rest(&self, interval: Duration) {
        if self.rounds.is_multiple_of(100) {
            interrupt::sleep(interval);
        }
    }
}

/// How many keys the server has.
///
/// # Errors
/// When the server refuses or the connection is lost.
pub fn database_size(link: &mut Connection) -> Result<u64, Failure> {
    match link.call(["DBSIZE"]).map_err(|_| Failure::new("\nI/O error"))? {
        Value::Integer(size) => Ok(u64::try_from(size).unwrap_or(0)),
        other => Err(Failure::new(match other.error() {
            Some(error) => format!("Couldn't determine DBSIZE: {}", String::from_utf8_lossy(error)),
            None => "Non INTEGER response from DBSIZE!".to_owned(),
        })),
    }
}

/// `--scan`: the keys, one a line.
///
/// # Errors
/// When the server refuses or the connection is lost.
pub fn run(mut link: Connection, options: &Options) -> Result<(), Failure> {
    interrupt::catch();
    let mut scan = Scan::new(options);
    while let Some(keys) = scan.next(&mut link)? {
        let mut lines = Vec::new();
        for key in keys {
            lines.extend(if options.layout.style == Style::Human { quoted(&key) } else { key });
            lines.push(b'\n');
        }
        print(lines);
        interrupt::sleep(options.interval);
    }
    Ok(())
}
