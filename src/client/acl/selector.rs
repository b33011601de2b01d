//! What one set of permissions allows: commands, keys and channels.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::command_set::CommandSet;
use super::unique::{Named, Unique};
use crate::command::spec::{Access, Channels, DatabasesReached, FoundKey, NO_AUTH, READONLY, WRITE};
use crate::command::{Args, CommandId, CommandTable, Spec, keys};
use crate::util::{glob, number};

/// What may be done with the keys of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRights {
    /// Their values may be read.
    pub read: bool,
    /// They may be changed.
    pub write: bool,
}

impl KeyRights {
    /// All.
    pub const BOTH: KeyRights = KeyRights { read: true, write: true };
    /// To read.
    pub const READ: KeyRights = KeyRights { read: true, write: false };

    /// What a command needs that has this access to a key; nothing at all if it only looks whether there is one.
    fn needed(access: Access) -> KeyRights {
        let write = Access::INSERT.and(Access::DELETE).and(Access::UPDATE);
        KeyRights { read: access.has(Access::ACCESS), write: access.has(write) }
    }

    fn cover(self, needed: KeyRights) -> bool {
        (self.read || !needed.read) && (self.write || !needed.write)
    }
}

impl KeyPattern {
    /// Whether a key with a prefix may match. That is sure where what the pattern begins with differs from the prefix;
    /// else it is assumed.
    fn may_match_with(&self, prefix: &[u8]) -> bool {
        let is_special = |byte: &u8| matches!(byte, b'*' | b'?' | b'[' | b'\\');
        match self.glob.iter().position(is_special) {
            Some(end) => prefix.iter().zip(&self.glob[..end]).all(|(one, other)| one == other),
            None => self.glob.starts_with(prefix),
        }
    }
}

/// A pattern of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPattern {
    /// The pattern.
    pub glob: Box<[u8]>,
    /// What is allowed with keys that match it.
    pub rights: KeyRights,
}

impl Named for KeyPattern {
    fn name(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.glob)
    }
}

/// A command that is allowed with one word as its first argument, in upper or lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstArg {
    /// The command.
    pub id: CommandId,
    /// The word, in small letters.
    pub word: Box<[u8]>,
}

impl Named for FirstArg {
    fn name(&self) -> Cow<'_, [u8]> {
        Cow::Owned([&self.id.index().to_le_bytes()[..], &self.word].concat())
    }
}

/// What a rule about commands said: `+get`, `-@write`, `+config|get`. It is told as it was given, in small letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRule {
    /// It allows rather than forbids.
    pub allowed: bool,
    /// The command or, with `@`, the category.
    pub name: Box<[u8]>,
}

impl Named for CommandRule {
    fn name(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.name)
    }
}

/// One set of permissions. Every user has a first one; a command is allowed if one of them allows all of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector {
    /// The commands allowed.
    pub commands: CommandSet,
    /// Commands that a later version may bring are allowed as well: the rules began with all.
    pub future_commands: bool,
    /// Commands allowed with these words as their first argument only.
    pub first_args: Unique<FirstArg>,
    /// The rules that made the three above since all commands, or none, were allowed; in their order, without those that
    /// a later one has overruled.
    pub rules: Unique<CommandRule>,
    /// All keys are allowed.
    pub all_keys: bool,
    /// The keys allowed.
    pub keys: Unique<KeyPattern>,
    /// All channels are allowed.
    pub all_channels: bool,
    /// Patterns of the channels allowed.
    pub channels: Unique<Box<[u8]>>,
    /// The databases allowed; `None` for all.
    pub databases: Option<BTreeSet<u32>>,
}

/// Why a call is refused, in rising order of how much it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denial {
    /// A database is not allowed: the one with the number at this argument, else the selected one or some of all.
    Database(Option<usize>),
    /// The command is not allowed.
    Command,
    /// The key at this argument is not.
    Key(usize),
    /// The channel at this argument is not.
    Channel(usize),
}

/// A call to be checked. Its keys are looked for once, when the first selector asks for them.
pub struct Call<'a> {
    table: &'a CommandTable,
    id: CommandId,
    args: Args<'a>,
    databases: CallDatabases,
    keys: CallKeys,
}

/// In what database a call is made.
#[derive(Clone, Copy, Debug)]
pub struct CallDatabases {
    /// The one that is selected.
    pub selected: usize,
    /// How many there are.
    pub count: usize,
}

/// The keys of a call.
enum CallKeys {
    Unknown,
    One(FoundKey),
    Some(Vec<FoundKey>),
}

impl<'a> Call<'a> {
    /// A call of a command.
    pub fn new(table: &'a CommandTable, id: CommandId, args: Args<'a>, databases: CallDatabases) -> Call<'a> {
        Call { table, id, args, databases, keys: CallKeys::Unknown }
    }

    fn keys(&mut self) -> &[FoundKey] {
        if let CallKeys::Unknown = self.keys {
            let row = self.table.entry(self.id).row;
            self.keys = match keys::find_only(row, self.args) {
                Some(key) => CallKeys::One(key),
                None if row.takes_keys() => CallKeys::Some(keys::find(row, self.args)),
                None => CallKeys::Some(Vec::new()),
            };
        }
        match &self.keys {
            CallKeys::Unknown => &[],
            CallKeys::One(key) => std::slice::from_ref(key),
            CallKeys::Some(keys) => keys,
        }
    }
}

impl Selector {
    /// Whether a call is allowed.
    ///
    /// # Errors
    /// Says what is not.
    pub fn check(&self, call: &mut Call<'_>) -> Result<(), Denial> {
        let (row, args) = (call.table.entry(call.id).row, call.args);
        if let Some(allowed) = &self.databases {
            check_databases(allowed, row, call)?;
        }
        if !self.commands.has(call.id) && !row.flags.has(NO_AUTH) && !self.allows_first_arg(call.id, args) {
            return Err(Denial::Command);
        }
        if !self.all_keys {
            let denied = call.keys().iter().find(|key| !self.allows_key(args.get(key.index), key.access));
            if let Some(key) = denied {
                return Err(Denial::Key(key.index));
            }
        }
        if !self.all_channels {
            let (end, by_name) = match row.channels {
                Channels::None => return Ok(()),
                Channels::Publish => (2, true),
                Channels::Subscribe => (args.len(), true),
                Channels::SubscribePatterns => (args.len(), false),
            };
            let allowed = |index: &usize| channel_matches(&self.channels, args.get(*index), by_name);
            if let Some(index) = (1..end.min(args.len())).find(|index| !allowed(index)) {
                return Err(Denial::Channel(index));
            }
        }
        Ok(())
    }

    fn allows_first_arg(&self, id: CommandId, args: Args<'_>) -> bool {
        let given = args.try_get(1).filter(|_| !self.first_args.is_empty());
        given.is_some_and(|given| {
            let first = FirstArg { id, word: given.to_ascii_lowercase().into() };
            self.first_args.find(&first.name()).is_some()
        })
    }

    fn allows_key(&self, key: &[u8], access: Access) -> bool {
        let needed = KeyRights::needed(access);
        self.keys.iter().any(|pattern| pattern.rights.cover(needed) && glob::matches(&pattern.glob, key))
    }

    /// Whether it allows a key to be read.
    pub fn allows_reading(&self, key: &[u8]) -> bool {
        self.all_keys || self.allows_key(key, Access::ACCESS)
    }

    /// Whether it may allow a key with a prefix to be read.
    pub fn may_allow_reading_with(&self, prefix: &[u8]) -> bool {
        self.all_keys || self.keys.iter().any(|pattern| pattern.rights.read && pattern.may_match_with(prefix))
    }

    /// Whether it allows these rights to any key whatever.
    pub fn allows_all_keys(&self, needed: KeyRights) -> bool {
        self.all_keys || self.keys.iter().any(|pattern| pattern.rights.cover(needed) && *pattern.glob == *b"*")
    }

    /// Whether it allows everything.
    pub fn is_unlimited(&self, all_commands: &CommandSet) -> bool {
        self.all_keys && self.all_channels && self.databases.is_none() && self.commands == *all_commands
    }
}

/// Whether the databases that a call reaches are allowed. A number that is none of a database is for the command to
/// refuse, and nothing else is looked at then.
fn check_databases(allowed: &BTreeSet<u32>, row: &Spec, call: &Call<'_>) -> Result<(), Denial> {
    let CallDatabases { selected, count } = call.databases;
    let allows = |number: usize| u32::try_from(number).is_ok_and(|number| allowed.contains(&number));
    let (named, and_selected) = match row.databases {
        DatabasesReached::Selected => (Vec::new(), row.flags.has(WRITE | READONLY) || row.takes_keys()),
        DatabasesReached::Named(indexes) => (indexes.to_vec(), false),
        DatabasesReached::Further(find) => (find(&call.args).into_iter().collect(), true),
        DatabasesReached::All => return Err(Denial::Database(None)),
    };
    let number = |index: usize| {
        let number = call.args.try_get(index).and_then(number::parse_i64)?;
        usize::try_from(number).ok().filter(|number| *number < count)
    };
    if and_selected && !allows(selected) {
        return Err(Denial::Database(None));
    }
    let Some(numbers) = named.iter().map(|index| Some((*index, number(*index)?))).collect::<Option<Vec<_>>>() else {
        return Ok(());
    };
    match numbers.into_iter().find(|(_, number)| !allows(*number)) {
        Some((index, _)) => Err(Denial::Database(Some(index))),
        None => Ok(()),
    }
}

/// Whether a channel, or a pattern to subscribe to, is among those allowed. A pattern has to be there word for word.
pub fn channel_matches(allowed: &Unique<Box<[u8]>>, channel: &[u8], by_name: bool) -> bool {
    match by_name {
        true => allowed.iter().any(|pattern| glob::matches(pattern, channel)),
        false => allowed.find(channel).is_some(),
    }
}
