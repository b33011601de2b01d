//! ACL LOG: what was refused, the latest first. Refusals that are alike, and not far apart in time, are one entry.

use std::collections::VecDeque;

/// Refusals further apart than this are entries of their own, in milliseconds.
const ALIKE_WITHIN_MS: i64 = 60_000;
/// How many of the latest entries a refusal is compared with.
const COMPARED: usize = 10;

/// What was missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A valid password.
    Auth,
    /// The right to a command.
    Command,
    /// The right to a key.
    Key,
    /// The right to a channel.
    Channel,
    /// A user with the name in the certificate that was shown.
    Certificate,
    /// The right to a database.
    Database,
}

impl Reason {
    /// All of them, in the order of their numbers.
    pub const ALL: [Reason; 6] =
        [Reason::Auth, Reason::Command, Reason::Key, Reason::Channel, Reason::Certificate, Reason::Database];

    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Channel => "channel",
            Reason::Auth => "auth",
            Reason::Certificate => "tls-cert",
            Reason::Database => "database",
        }
    }

    /// Its word in the names of counters.
    pub fn short_name(self) -> &'static str {
        match self {
            Reason::Command => "cmd",
            Reason::Certificate => "tls_cert",
            Reason::Database => "db",
            Reason::Auth | Reason::Key | Reason::Channel => self.name(),
        }
    }
}

/// Where a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "scripts come later")]
pub enum Context {
    /// By itself.
    TopLevel,
    /// In a transaction.
    Multi,
    /// In a script.
    Script,
}

impl Context {
    /// Its word.
    pub fn name(self) -> &'static str {
        match self {
            Context::TopLevel => "toplevel",
            Context::Multi => "multi",
            Context::Script => "lua",
        }
    }
}

/// A refusal, or several that are alike.
#[derive(Clone, Debug)]
pub struct Entry {
    /// How many.
    pub count: u64,
    /// What was missing.
    pub reason: Reason,
    /// Where.
    pub context: Context,
    /// The command, key or channel; nothing where a certificate did.
    pub object: Vec<u8>,
    /// The user.
    pub user: Vec<u8>,
    /// The number of the entry; the log gives it.
    pub id: u64,
    /// When it happened first, in Unix milliseconds.
    pub created_ms: i64,
    /// When it happened last, in Unix milliseconds.
    pub at_ms: i64,
    /// The client, the last one of several, as in CLIENT LIST.
    pub client: Vec<u8>,
}

impl Entry {
    fn is_like(&self, other: &Entry) -> bool {
        self.reason == other.reason
            && self.context == other.context
            && self.at_ms.abs_diff(other.at_ms) <= ALIKE_WITHIN_MS as u64
            && self.object == other.object
            && self.user == other.user
    }
}

/// The log.
#[derive(Debug, Default)]
pub struct AclLog {
    entries: VecDeque<Entry>,
    /// The number of the next entry. Clearing does not begin anew.
    next_id: u64,
}

impl AclLog {
    /// Enters a refusal and forgets what is beyond `max` entries.
    pub fn add(&mut self, mut entry: Entry, max: usize) {
        let alike = self.entries.iter().take(COMPARED).position(|known| known.is_like(&entry));
        if let Some(known) = alike.and_then(|place| self.entries.remove(place)) {
            entry.count += known.count;
            (entry.id, entry.created_ms) = (known.id, known.created_ms);
            self.entries.push_front(entry);
        } else {
            entry.id = self.next_id;
            self.next_id += 1;
            self.entries.push_front(entry);
            self.entries.truncate(max);
        }
    }

    /// The entries, the latest first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(object: &str, at_ms: i64) -> Entry {
        Entry {
            count: 1,
            reason: Reason::Key,
            context: Context::TopLevel,
            object: object.into(),
            user: b"u".to_vec(),
            id: 0,
            created_ms: at_ms,
            at_ms,
            client: Vec::new(),
        }
    }

    fn shown(log: &AclLog) -> Vec<(String, u64)> {
        log.entries().map(|entry| (String::from_utf8_lossy(&entry.object).into_owned(), entry.count)).collect()
    }

    #[test]
    fn refusals_that_are_alike_are_one_entry_and_the_latest_comes_first() {
        let mut log = AclLog::default();
        for (object, at) in [("a", 0), ("b", 1), ("a", 60_000), ("b", 60_002), ("a", 60_003)] {
            log.add(entry(object, at), 10);
        }
        assert_eq!(shown(&log), [("a".into(), 3), ("b".into(), 1), ("b".into(), 1)]);
        let other = Entry { context: Context::Multi, ..entry("a", 60_003) };
        log.add(other, 2);
        assert_eq!(shown(&log), [("a".into(), 1), ("a".into(), 3)]);
        log.clear();
        assert_eq!(log.entries().len(), 0);
    }
}
