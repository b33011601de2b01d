//! `rdb-save-for`: the server that is to load what this one saves.

use std::fmt;

use super::directive::Occurrence;
use super::kinds::{Kind, Line, single, utf8};

/// A server by its major and minor version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetServer {
    /// It is a Valkey.
    pub is_valkey: bool,
    /// Major and minor version.
    pub version: (u32, u32),
}

/// The earliest and the latest server of Redis whose files can be written.
const REDIS: ((u32, u32), (u32, u32)) = ((2, 6), (8, 12));
/// Those of Valkey.
const VALKEY: ((u32, u32), (u32, u32)) = ((7, 2), (9, 2));

impl TargetServer {
    /// Whether it has the types of Redis's modules by itself.
    pub fn has_types_of_modules(self) -> bool {
        !self.is_valkey && self.version >= (8, 0)
    }

    /// The server of a text: `7.2`, `8.2.3`, `valkey-9.1`.
    ///
    /// # Errors
    /// Says what it has to be, if it is no server that is known.
    pub fn parse(text: &str) -> Result<TargetServer, &'static str> {
        const WRONG: &str = "must be a version of Redis from 2.6 to 8.12, or of Valkey from valkey-7.2 to valkey-9.2";
        let number = text.strip_prefix("valkey-");
        let (is_valkey, (first, last)) = if number.is_some() { (true, VALKEY) } else { (false, REDIS) };
        let mut parts = number.unwrap_or(text).split('.');
        let mut part = || {
            let digits = parts.next().filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))?;
            digits.parse::<u32>().ok()
        };
        let (major, minor, patch) = (part(), part(), part());
        let is_over = parts.next().is_none() && (patch.is_some() || text.matches('.').count() == 1);
        match (major, minor) {
            (Some(major), Some(minor)) if is_over && (first..=last).contains(&(major, minor)) => {
                Ok(TargetServer { is_valkey, version: (major, minor) })
            }
            _ => Err(WRONG),
        }
    }
}

impl fmt::Display for TargetServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.is_valkey { "valkey-" } else { "" };
        write!(f, "{name}{}.{}", self.version.0, self.version.1)
    }
}

/// A server, or the empty text for none in particular.
pub(super) struct SavedFor;

impl Kind for SavedFor {
    type Value = Option<TargetServer>;

    fn parse(&self, words: &[Vec<u8>], _: &Self::Value, _: Occurrence) -> Result<Self::Value, String> {
        match utf8(single(words)?)? {
            "" => Ok(None),
            text => Ok(Some(TargetServer::parse(text)?)),
        }
    }

    fn show(&self, value: &Self::Value) -> Vec<u8> {
        value.map(|server| server.to_string()).unwrap_or_default().into()
    }

    fn lines(&self, name: &str, value: &Self::Value, _: &Self::Value) -> Vec<Line> {
        value.iter().map(|server| Line::new(name, server.to_string().as_bytes(), true)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_by_its_version() {
        let shown = |text| TargetServer::parse(text).map(|server| server.to_string());
        assert_eq!(shown("7.0"), Ok("7.0".to_owned()));
        assert_eq!(shown("8.2.3"), Ok("8.2".to_owned()));
        assert_eq!(shown("valkey-9.1.2"), Ok("valkey-9.1".to_owned()));
        for wrong in
            ["", "7", "7.", ".7", "7.0.", "7.0.1.2", "2.4", "8.13", "9.0", "valkey-", "valkey-6.2", "+7.0", "a.b"]
        {
            assert!(shown(wrong).is_err(), "{wrong}");
        }
    }
}
