//! What the sections of INFO are made of.

use std::fmt::{Display, Write};

use crate::db::Databases;
use crate::server::Server;

/// What the sections are made from.
pub struct Source<'a> {
    /// The server.
    pub server: &'a Server,
    /// The databases.
    pub db: &'a Databases,
}

impl<'a> Source<'a> {
    /// Both, as they are.
    pub fn of(server: &'a Server, db: &'a Databases) -> Source<'a> {
        Source { server, db }
    }
}

/// A section that is being written.
pub struct Section<'a>(pub &'a mut String);

impl Section<'_> {
    /// Writes one line.
    pub fn field(&mut self, name: impl Display, value: impl Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{name}:{value}\r\n");
    }
}

/// A number of bytes as people read it: `1.50K`.
pub fn human(bytes: usize) -> String {
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut units = ["K", "M", "G", "T"].iter();
    let mut unit = units.next();
    while value >= 1024.0 && units.len() > 0 {
        value /= 1024.0;
        unit = units.next();
    }
    format!("{value:.2}{}", unit.unwrap_or(&""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_shown_with_two_digits_and_a_unit() {
        assert_eq!(human(1023), "1023B");
        assert_eq!(human(1536), "1.50K");
        assert_eq!(human(5 << 30), "5.00G");
        assert_eq!(human(2000 << 40), "2000.00T");
    }
}
