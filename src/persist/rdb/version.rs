//! Who wrote a file, and in which version of the format.
//!
//! Redis and Valkey share the versions up to 11 and have gone their own ways since. The fork is told by what a file
//! begins with, and by the number where there is nothing else, in what DUMP gives:
//! ```text
//! "REDIS" and four digits    Redis 1–16, which is also what Valkey writes up to 11
//! "VALKEY" and three digits  Valkey from 80 on; it leaves 12–79 to Redis
//! ```

use std::fmt;

/// Whose form a file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// That of Redis, and of all its descendants up to version 11.
    Redis,
    /// That of Valkey, from version 80 on.
    Valkey,
    /// One that only this server reads: the latest of Redis, with types that Redis does not have. It is written when
    /// there is nobody who could hold all of the data.
    Own,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fork {
            Fork::Redis => write!(f, "version {} of Redis", self.number),
            Fork::Valkey => write!(f, "version {} of Valkey", self.number),
            Fork::Own => write!(f, "version {} of Redis with types of our own", self.number),
        }
    }
}

/// A version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Whose it is.
    pub fork: Fork,
    /// Its number.
    pub number: u32,
}

/// The bytes that every file begins with: a name, and the number in the digits that are left.
pub const MAGIC_BYTES: usize = 9;
const REDIS: &[u8] = b"REDIS";
const VALKEY: &[u8] = b"VALKEY";
/// The latest version of Redis that is known, that of Redis 8.12.
const REDIS_MAX: u32 = 16;
/// The first version that Valkey has by itself.
const VALKEY_MIN: u32 = 80;
/// The latest version of Valkey that is known, that of Valkey 9.2.
const VALKEY_MAX: u32 = 81;

/// The first servers of Redis that wrote each version.
const REDIS_SERVERS: &[((u32, u32), u32)] = &[
    ((2, 6), 6),
    ((3, 2), 7),
    ((4, 0), 8),
    ((5, 0), 9),
    ((7, 0), 10),
    ((7, 2), 11),
    ((7, 4), 12),
    ((8, 6), 13),
    ((8, 8), 14),
    ((8, 10), 15),
    ((8, 12), 16),
];
/// The first servers of Valkey that wrote each version.
const VALKEY_SERVERS: &[((u32, u32), u32)] = &[((7, 2), 11), ((9, 0), 80), ((9, 2), 81)];

impl Version {
    /// The lowest version that is written unless another is asked for: that of Redis 7.0.
    pub const LOWEST: Version = Version::redis(10);
    /// What holds everything.
    pub const OWN: Version = Version { fork: Fork::Own, number: REDIS_MAX };

    /// A version of Redis.
    pub const fn redis(number: u32) -> Version {
        Version { fork: Fork::Redis, number }
    }

    /// A version of Valkey.
    pub const fn valkey(number: u32) -> Version {
        if number < VALKEY_MIN { Version::redis(number) } else { Version { fork: Fork::Valkey, number } }
    }

    /// The version that stands at the beginning of a file, known or not; `None` if that is no magic.
    pub fn of_magic(magic: &[u8; MAGIC_BYTES]) -> Option<Version> {
        let (fork, digits) = match (magic.strip_prefix(VALKEY), magic.strip_prefix(REDIS)) {
            (Some(digits), _) => (Fork::Valkey, digits),
            (None, Some(digits)) => (Fork::Redis, digits),
            (None, None) => return None,
        };
        let number = match digits.iter().all(u8::is_ascii_digit) {
            true => digits.iter().fold(0, |number, digit| 10 * number + u32::from(digit - b'0')),
            false => 0,
        };
        Some(Version { fork, number })
    }

    /// The version that a payload ends with.
    pub fn of_footer(number: u16) -> Version {
        Version::valkey(u32::from(number))
    }

    /// What a file of this version begins with.
    pub fn magic(self) -> [u8; MAGIC_BYTES] {
        let text = match self.fork {
            Fork::Redis | Fork::Own => format!("REDIS{:04}", self.number),
            Fork::Valkey => format!("VALKEY{:03}", self.number),
        };
        let mut magic = [0; MAGIC_BYTES];
        magic.copy_from_slice(&text.as_bytes()[..MAGIC_BYTES]);
        magic
    }

    /// Whether there are servers that read the lowest version and not this one.
    pub fn is_later_than_lowest(self) -> bool {
        self.number > Version::LOWEST.number
    }

    /// Whether files of this version can be read in every part.
    pub fn is_known(self) -> bool {
        match self.fork {
            Fork::Redis | Fork::Own => (1..=REDIS_MAX).contains(&self.number),
            Fork::Valkey => (VALKEY_MIN..=VALKEY_MAX).contains(&self.number),
        }
    }

    /// Whether files of this version are read: it is known, or later if any is to be tried.
    pub fn is_tried(self, any: bool) -> bool {
        self.is_known() || any && self.is_later()
    }

    /// Whether it came after all those that are known.
    fn is_later(self) -> bool {
        match self.fork {
            Fork::Redis | Fork::Own => self.number > REDIS_MAX && self.number < VALKEY_MIN,
            Fork::Valkey => self.number > VALKEY_MAX,
        }
    }

    /// The version of the format that a server writes, by its major and minor version.
    pub fn of_server(is_valkey: bool, server: (u32, u32)) -> Version {
        let versions = if is_valkey { VALKEY_SERVERS } else { REDIS_SERVERS };
        let number = versions.iter().rev().find(|(first, _)| *first <= server).map_or(1, |(_, number)| *number);
        Version::valkey(number)
    }

    /// Whether the format is that of this version of Redis or later. What Valkey has by itself came after 11.
    pub fn is_from(self, redis: u32) -> bool {
        self.fork == Fork::Valkey || self.number >= redis
    }
}

/// Whether a file that begins like this is a snapshot rather than a log of commands.
pub fn is_snapshot(head: &[u8]) -> bool {
    head.starts_with(REDIS) || head.starts_with(VALKEY)
}

/// Since which versions something is in the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    /// Since which version of Redis, if it is there at all.
    redis: Option<u32>,
    /// Since which version of Valkey, if it is there at all.
    valkey: Option<u32>,
}

impl Since {
    /// In a version that both have, up to 11.
    pub const fn both(number: u32) -> Since {
        Since { redis: Some(number), valkey: Some(number) }
    }

    /// In a version of Redis alone.
    pub const fn redis(number: u32) -> Since {
        Since { redis: Some(number), valkey: None }
    }

    /// In a version of Valkey alone.
    pub const fn valkey(number: u32) -> Since {
        Since { redis: None, valkey: Some(number) }
    }

    /// In no other server's format.
    pub const OWN: Since = Since { redis: None, valkey: None };

    /// Whether a file of this version may have it.
    pub fn allows(self, version: Version) -> bool {
        match version.fork {
            Fork::Redis => self.redis.is_some_and(|since| since <= version.number),
            Fork::Valkey => self.valkey.is_some_and(|since| since <= version.number),
            Fork::Own => self.redis.is_some() || self.valkey.is_none(),
        }
    }

    /// Whether files of a fork have it in some version. What is nobody's comes in files that begin like those of
    /// Redis.
    pub const fn is_of(self, fork: Fork) -> bool {
        match fork {
            Fork::Redis | Fork::Own => self.redis.is_some() || self.valkey.is_none(),
            Fork::Valkey => self.valkey.is_some(),
        }
    }

    /// Since when both are there.
    pub fn and(self, other: Since) -> Since {
        let both = |one: Option<u32>, other: Option<u32>| Some(one?.max(other?));
        Since { redis: both(self.redis, other.redis), valkey: both(self.valkey, other.valkey) }
    }

    /// Since when one of them is there.
    pub const fn or(self, other: Since) -> Since {
        Since { redis: lower(self.redis, other.redis), valkey: lower(self.valkey, other.valkey) }
    }

    /// The lowest version that has it.
    pub fn version(self) -> Version {
        match (self.redis, self.valkey) {
            (Some(number), _) => Version::redis(number.max(Version::LOWEST.number)),
            (None, Some(number)) => Version::valkey(number),
            (None, None) => Version::OWN,
        }
    }
}

const fn lower(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    match (one, other) {
        (Some(one), Some(other)) if one > other => Some(other),
        (Some(one), _) => Some(one),
        (None, other) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fork_is_told_by_the_magic() {
        for version in [Version::redis(1), Version::redis(11), Version::redis(16), Version::valkey(80)] {
            assert_eq!(Version::of_magic(&version.magic()), Some(version));
            assert!(version.is_known());
        }
        assert_eq!(Version::valkey(80).magic(), *b"VALKEY080");
        assert_eq!(Version::valkey(11).magic(), *b"REDIS0011");
        assert_eq!(Version::of_magic(b"REDOS0011"), None);
        for unknown in [b"REDIS0000", b"REDIS0017", b"REDIS0080", b"REDIS00x1", b"VALKEY011", b"VALKEY082"] {
            assert!(
                Version::of_magic(unknown).is_some_and(|version| !version.is_known()),
                "{}",
                unknown.escape_ascii()
            );
        }
    }

    #[test]
    fn what_no_fork_holds_together_is_written_in_our_own_form() {
        let (array, paths) = (Since::redis(14), Since::valkey(81));
        assert_eq!(Since::both(9).and(Since::both(4)).version(), Version::LOWEST);
        assert_eq!(Since::both(9).and(array).version(), Version::redis(14));
        assert_eq!(Since::both(9).and(paths).version(), Version::valkey(81));
        assert_eq!(array.and(paths).version(), Version::OWN);
        assert_eq!(Since::redis(12).or(Since::valkey(80)).and(paths).version(), Version::valkey(81));
        assert!(
            array.allows(Version::OWN) && Since::OWN.allows(Version::OWN) && !Since::OWN.allows(Version::redis(16))
        );
    }
}
