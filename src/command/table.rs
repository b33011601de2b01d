//! The table of commands at run time: names to rows, and what is counted for each.

use std::collections::HashMap;

use super::spec::{ALWAYS_CHECKED, INTERNAL, Spec};
use crate::resp::request::ArgView;
use crate::util::histogram::Histogram;

/// A row's place in the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CommandId(u16);

impl CommandId {
    /// The place as a number: below the number of entries.
    #[inline]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// What is counted for a command; CONFIG RESETSTAT clears it.
#[derive(Debug, Default)]
pub struct CommandStats {
    /// Times it ran.
    pub calls: u64,
    /// Time it ran, in nanoseconds.
    pub nanos: u64,
    /// Times it was refused before it ran.
    pub rejected: u64,
    /// Times it answered with an error.
    pub failed: u64,
    /// What is counted of its calls that entered the slow log, made at the first one.
    pub slow: Option<Box<SlowCalls>>,
    /// Distribution of its run time in nanoseconds, made at the first call.
    pub latency: Option<Box<Histogram>>,
}

impl CommandStats {
    /// Whether there is anything to tell of it: a call, or one that was refused.
    pub fn is_anything(&self) -> bool {
        self.calls > 0 || self.rejected > 0 || self.failed > 0
    }
}

/// What is counted of calls that entered the slow log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlowCalls {
    /// How many there were.
    pub count: u64,
    /// Time they ran, in microseconds,
    pub sum_us: u64,
    /// and the longest.
    pub max_us: u64,
}

impl SlowCalls {
    /// Counts a call.
    pub fn count(&mut self, micros: u64) {
        self.count += 1;
        self.sum_us += micros;
        self.max_us = self.max_us.max(micros);
    }
}

/// A command of the table.
#[derive(Debug)]
pub struct Entry {
    /// What is known about it.
    pub row: &'static Spec,
    /// Its name; of a subcommand `container|name`.
    pub full_name: String,
    /// What is counted.
    pub stats: CommandStats,
    /// Its subcommands by name.
    subcommands: Vec<(&'static str, CommandId)>,
    /// The argument that is hashed in advance; 0 for none.
    pub first_key: u16,
    /// That is all it has of keys: see [`Spec::has_no_other_key`].
    pub has_no_other_key: bool,
    /// The gate need not look at it for its own sake, and its first word alone is its name.
    pub is_plain: bool,
}

/// All commands.
#[derive(Debug)]
pub struct CommandTable {
    entries: Vec<Entry>,
    by_name: HashMap<Box<[u8]>, CommandId>,
    /// The commands that servers have among themselves.
    internal: HashMap<&'static str, CommandId>,
    /// Length of the longest name, in bytes: what is longer need not be looked up.
    longest_name: usize,
    /// The commands with short names, by a hash of the name: most calls are found here without hashing a string.
    short: Box<[Option<(u64, CommandId)>; SHORT_SLOTS]>,
}

const SHORT_SLOTS: usize = 512;

/// A name of up to eight bytes as one word, padded with zeros.
fn short_word(name: &[u8]) -> Option<u64> {
    let mut bytes = [0; 8];
    bytes.get_mut(..name.len())?.copy_from_slice(name);
    Some(u64::from_le_bytes(bytes))
}

/// The word with its upper-case letters made lower-case, all eight bytes at once.
#[inline]
fn lower_case(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let low = word & (0x7f * ONES);
    let from_a = low + (0x80 - u64::from(b'A')) * ONES;
    let behind_z = low + (0x7f - u64::from(b'Z')) * ONES;
    let upper = !word & (from_a ^ behind_z) & (0x80 * ONES);
    word | upper >> 2
}

#[inline]
fn short_slot(word: u64) -> usize {
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 55) as usize
}

impl CommandTable {
    /// A table of commands, each with its subcommands; a command's place is behind those of all that stand before it.
    pub fn new<S>(rows: impl Iterator<Item = (&'static Spec, S)>) -> CommandTable
    where
        S: Iterator<Item = &'static Spec>,
    {
        let mut table = CommandTable {
            entries: Vec::new(),
            by_name: HashMap::new(),
            internal: HashMap::new(),
            longest_name: 0,
            short: Box::new([None; SHORT_SLOTS]),
        };
        for (row, subcommands) in rows {
            let id = table.add(row, row.name.to_owned());
            if row.flags.has(INTERNAL) {
                table.internal.insert(row.name, id);
                continue;
            }
            let previous = table.by_name.insert(row.name.as_bytes().into(), id);
            debug_assert!(previous.is_none(), "{} stands in the table twice", row.name);
            for sub in subcommands {
                let sub_id = table.add(sub, format!("{}|{}", row.name, sub.name));
                table.entries[usize::from(sub_id.0)].is_plain = false;
                table.entries[usize::from(id.0)].subcommands.push((sub.name, sub_id));
            }
        }
        table.index_names();
        table
    }

    fn index_names(&mut self) {
        self.longest_name = self.by_name.keys().map(|name| name.len()).max().unwrap_or(0);
        self.short.fill(None);
        for (name, id) in &self.by_name {
            if let Some(word) = short_word(name) {
                self.short[short_slot(word)] = Some((word, *id));
            }
        }
    }

    fn add(&mut self, row: &'static Spec, full_name: String) -> CommandId {
        let id = CommandId(self.entries.len() as u16);
        let stats = CommandStats::default();
        let (first_key, has_no_other_key) = (row.first_key(), row.has_no_other_key());
        let is_plain = !row.has_subcommands && !row.flags.has(ALWAYS_CHECKED);
        let subcommands = Vec::new();
        self.entries.push(Entry { row, full_name, stats, subcommands, first_key, has_no_other_key, is_plain });
        id
    }

    /// Renames a command, or removes it when `to` is empty: `rename-command`.
    ///
    /// # Errors
    /// Says what is wrong with the names.
    pub fn rename(&mut self, from: &[u8], to: &[u8]) -> Result<(), &'static str> {
        let from = from.to_ascii_lowercase();
        let to = to.to_ascii_lowercase();
        if self.find_internal(&from).is_some() {
            return Err("Cannot rename an internal command");
        }
        let id = self.by_name.remove(&from[..]).ok_or("No such command in rename-command")?;
        if !to.is_empty() && self.by_name.insert(to.into(), id).is_some() {
            return Err("Target command name already exists");
        }
        self.index_names();
        Ok(())
    }

    /// The command called `name`, in any case.
    #[inline]
    pub fn find(&self, name: &[u8]) -> Option<CommandId> {
        if name.len() > self.longest_name {
            return None;
        }
        self.by_name.get(&name.to_ascii_lowercase()[..]).copied()
    }

    /// The command called `name`, in any case, that servers have among themselves.
    pub fn find_internal(&self, name: &[u8]) -> Option<CommandId> {
        self.internal.get(std::str::from_utf8(&name.to_ascii_lowercase()).ok()?).copied()
    }

    /// The command whose name, of at most eight bytes, is this word.
    #[inline]
    fn find_short(&self, word: u64) -> Option<CommandId> {
        let word = lower_case(word);
        self.short[short_slot(word)].filter(|(name, _)| *name == word).map(|(_, id)| id)
    }

    /// The subcommand of `container` called `name`, in any case.
    pub fn find_sub(&self, container: CommandId, name: &[u8]) -> Option<CommandId> {
        let subcommands = &self.entry(container).subcommands;
        subcommands.iter().find(|(sub, _)| name.eq_ignore_ascii_case(sub.as_bytes())).map(|(_, id)| *id)
    }

    /// The command that the first arguments of a call name. A container with an unknown or missing subcommand is
    /// found as itself.
    #[inline]
    pub fn resolve(&self, args: &ArgView<'_>) -> Option<CommandId> {
        let short = args.word(0).and_then(|word| self.find_short(word));
        let id = short.or_else(|| self.find(args.get(0)))?;
        if self.entry(id).subcommands.is_empty() || args.len() == 1 {
            return Some(id);
        }
        Some(self.find_sub(id, args.get(1)).unwrap_or(id))
    }

    /// The command of these names; an unknown subcommand is not found.
    pub fn resolve_exactly(&self, name: &[u8], next: Option<&[u8]>) -> Option<CommandId> {
        let id = self.find(name)?;
        match next {
            Some(next) if !self.entry(id).subcommands.is_empty() => self.find_sub(id, next),
            _ => Some(id),
        }
    }

    /// The command of a full name (`get`, `client|list`), in any case.
    pub fn find_full(&self, full_name: &[u8]) -> Option<CommandId> {
        let mut parts = full_name.splitn(2, |byte| *byte == b'|');
        let id = self.find(parts.next()?)?;
        match parts.next() {
            Some(sub) => self.find_sub(id, sub),
            None => Some(id),
        }
    }

    /// The command of a full name, in any case, whatever it may have been renamed to.
    pub fn find_original(&self, full_name: &[u8]) -> Option<CommandId> {
        self.public_ids().find(|id| full_name.eq_ignore_ascii_case(self.entry(*id).full_name.as_bytes()))
    }

    /// All commands with their subcommands, renamed or not; a container stands before its subcommands.
    pub fn ids(&self) -> impl Iterator<Item = CommandId> + use<> {
        (0..self.entries.len() as u16).map(CommandId)
    }

    /// The same but for those that servers have among themselves.
    pub fn public_ids(&self) -> impl Iterator<Item = CommandId> {
        self.ids().filter(|id| !self.entry(*id).row.flags.has(INTERNAL))
    }

    /// An entry.
    #[inline]
    pub fn entry(&self, id: CommandId) -> &Entry {
        &self.entries[usize::from(id.0)]
    }

    /// An entry's counters.
    #[inline]
    pub fn stats_mut(&mut self, id: CommandId) -> &mut CommandStats {
        &mut self.entries[usize::from(id.0)].stats
    }

    /// The commands that are not subcommands and can be called (not renamed away), in the table's order.
    pub fn top_level(&self) -> Vec<CommandId> {
        let mut ids: Vec<CommandId> = self.by_name.values().copied().collect();
        ids.sort_by_key(|id| id.0);
        ids
    }

    /// The subcommands of a command.
    pub fn subcommands(&self, id: CommandId) -> impl Iterator<Item = CommandId> {
        self.entry(id).subcommands.iter().map(|(_, id)| *id)
    }

    /// All entries, for the statistics.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// How long all commands ran, in microseconds.
    pub fn micros(&self) -> u64 {
        self.entries.iter().map(|entry| entry.stats.nanos).sum::<u64>() / 1000
    }

    /// Clears what is counted for all commands.
    pub fn reset_stats(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.stats = CommandStats::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::spec::Arity;
    use crate::resp::request::OwnedRequest;

    const GET: Spec = Spec::new("get", Arity::exactly(2));
    const LONG: Spec = Spec::new("a-rather-long-name", Arity::exactly(1));
    const CONFIG: Spec = Spec::container("config");
    const CONFIG_SUBCOMMANDS: [Spec; 2] = [Spec::new("get", Arity::at_least(3)), Spec::new("set", Arity::at_least(4))];

    fn table() -> CommandTable {
        let rows: [(&Spec, &[Spec]); 3] = [(&GET, &[]), (&LONG, &[]), (&CONFIG, &CONFIG_SUBCOMMANDS)];
        CommandTable::new(rows.into_iter().map(|(row, subcommands)| (row, subcommands.iter())))
    }

    fn name(table: &CommandTable, id: Option<CommandId>) -> Option<&str> {
        id.map(|id| table.entry(id).full_name.as_str())
    }

    fn resolve<'a>(table: &'a CommandTable, words: &[&str]) -> Option<&'a str> {
        name(table, table.resolve(&OwnedRequest::of(words).view()))
    }

    #[test]
    fn names_are_found_in_any_case() {
        let table = table();
        for given in ["get", "GET", "gEt"] {
            assert_eq!(name(&table, table.find(given.as_bytes())), Some("get"));
            assert_eq!(resolve(&table, &[given, "key"]), Some("get"));
        }
        assert_eq!(name(&table, table.find(b"A-RATHER-LONG-NAME")), Some("a-rather-long-name"));
        for unknown in ["", "ge", "gets", "\0et", "get\0", "G\u{5}T", "no-such-thing", &"x".repeat(1000)] {
            assert_eq!(table.find(unknown.as_bytes()), None, "{unknown:?}");
            assert_eq!(resolve(&table, &[unknown]), None, "{unknown:?}");
        }
    }

    #[test]
    fn subcommands_are_resolved_by_the_next_argument() {
        let table = table();
        assert_eq!(resolve(&table, &["CONFIG", "GET"]), Some("config|get"));
        assert_eq!(resolve(&table, &["config", "nope"]), Some("config"));
        assert_eq!(resolve(&table, &["config"]), Some("config"));
        assert_eq!(resolve(&table, &["get", "get"]), Some("get"));
        assert_eq!(table.resolve_exactly(b"config", Some(b"nope")), None);
        assert_eq!(name(&table, table.resolve_exactly(b"config", Some(b"set"))), Some("config|set"));
        assert_eq!(name(&table, table.resolve_exactly(b"get", Some(b"nope"))), Some("get"));
        assert_eq!(name(&table, table.find_full(b"CONFIG|Get")), Some("config|get"));
        for unknown in ["config|", "config|get|key", "get|key", "|get", ""] {
            assert_eq!(table.find_full(unknown.as_bytes()), None, "{unknown:?}");
        }
    }

    #[test]
    fn a_renamed_command_is_known_by_its_new_name_alone() {
        let mut table = table();
        let long = "b840fc02d524045429941cc15f59e41cb7be6c52".repeat(4);
        table.rename(b"GET", long.as_bytes()).unwrap();
        assert_eq!(table.find(b"get"), None);
        assert_eq!(name(&table, table.find(long.to_uppercase().as_bytes())), Some("get"));
        table.rename(long.as_bytes(), b"Fetch").unwrap();
        assert_eq!(name(&table, table.find(b"fetch")), Some("get"));
        table.rename(b"config", b"get").unwrap();
        assert_eq!(resolve(&table, &["get", "set"]), Some("config|set"));
        assert_eq!(table.top_level().len(), 3);
    }

    #[test]
    fn renaming_can_remove_a_command_and_refuses_bad_names() {
        let mut table = table();
        table.rename(b"get", b"").unwrap();
        assert_eq!((table.find(b"get"), table.top_level().len()), (None, 2));
        assert_eq!(table.rename(b"get", b"x"), Err("No such command in rename-command"));
        assert_eq!(table.rename(b"config", b"a-rather-long-name"), Err("Target command name already exists"));
        table.rename(b"a-rather-long-name", b"a-rather-long-name").unwrap();
    }
}
