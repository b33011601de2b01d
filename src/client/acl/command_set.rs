//! Sets of commands, one bit each.

use crate::command::spec::Categories;
use crate::command::{CommandId, CommandTable};

/// The most commands a table may have, subcommands counted.
const COMMANDS_MAX: usize = 1024;

/// A set of commands of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandSet {
    words: [u64; COMMANDS_MAX / 64],
}

impl CommandSet {
    /// All commands of a table.
    pub fn all(table: &CommandTable) -> CommandSet {
        table.ids().collect()
    }

    /// The commands whose own row is in a category.
    pub fn of_category(table: &CommandTable, category: Categories) -> CommandSet {
        table.ids().filter(|id| table.entry(*id).row.categories().has(category)).collect()
    }

    /// This set, and the subcommands of its containers.
    pub fn with_subcommands(&self, table: &CommandTable) -> CommandSet {
        let mut all = self.clone();
        for id in table.ids().filter(|id| self.has(*id)) {
            table.subcommands(id).for_each(|sub| all.set(sub, true));
        }
        all
    }

    /// Whether a command is in the set.
    #[inline]
    pub fn has(&self, id: CommandId) -> bool {
        let index = id.index();
        self.words.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// Takes a command in, or out.
    pub fn set(&mut self, id: CommandId, on: bool) {
        debug_assert!(id.index() < COMMANDS_MAX, "a larger table needs larger sets");
        let (word, bit) = (id.index() / 64, 1 << (id.index() % 64));
        if let Some(word) = self.words.get_mut(word) {
            *word = if on { *word | bit } else { *word & !bit };
        }
    }

    /// Takes all commands of another set in, or out.
    pub fn set_all(&mut self, other: &CommandSet, on: bool) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word = if on { *word | other } else { *word & !other };
        }
    }
}

impl FromIterator<CommandId> for CommandSet {
    fn from_iter<I: IntoIterator<Item = CommandId>>(ids: I) -> CommandSet {
        let mut set = CommandSet::default();
        ids.into_iter().for_each(|id| set.set(id, true));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::FAMILIES;
    use crate::server::execution::row::Rows;

    /// How many commands of another set are in a set, and how many are not.
    fn share_of(set: &CommandSet, other: &CommandSet) -> (u32, u32) {
        let both = set.words.iter().zip(&other.words).map(|(word, other)| (word & other).count_ones()).sum();
        let all: u32 = other.words.iter().map(|word| word.count_ones()).sum();
        (both, all - both)
    }

    #[test]
    fn containers_bring_their_subcommands() {
        let table = Rows::new(FAMILIES).0;
        let id = |name: &str| table.find_original(name.as_bytes()).unwrap();
        let slow = CommandSet::of_category(&table, Categories::SLOW);
        assert!(slow.has(id("config|get")) && !slow.has(id("get")));
        let config: CommandSet = [id("config")].into_iter().collect();
        assert!(!config.has(id("config|get")));
        let both = config.with_subcommands(&table);
        assert!(both.has(id("config|get")) && !both.has(id("client|list")));
        assert_eq!(share_of(&CommandSet::all(&table), &both), share_of(&both, &both));
        assert_eq!(share_of(&config, &both), (1, share_of(&both, &both).0 - 1));
    }

    #[test]
    fn sets_are_added_and_subtracted() {
        let table = Rows::new(FAMILIES).0;
        let writes = CommandSet::of_category(&table, Categories::WRITE);
        let mut set = CommandSet::all(&table);
        set.set_all(&writes, false);
        assert_eq!(share_of(&set, &writes).0, 0);
        set.set_all(&writes, true);
        assert_eq!(set, CommandSet::all(&table));
        let mut empty = CommandSet::default();
        empty.set_all(&writes, false);
        empty.set_all(&writes, true);
        assert_eq!(share_of(&empty, &writes).1, 0);
    }
}
