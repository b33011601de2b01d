//! What is known about a command besides what it does.
//!
//! Each family file under `commands/` has one table of rows ([`crate::server::execution::Command`]), each a [`Spec`]
//! and a handler, side by side. Arity checks, gates, COMMAND and its subcommands, ACL categories, key extraction and
//! statistics all read the spec; nothing about a command stands anywhere else.

mod group;

use super::Args;
use crate::resp::request::ArgView;

pub use group::{CATEGORY_NAMES, Categories, Group};

/// Finds the keys of a call; `None` when its arguments make no sense.
pub type FindKeys = fn(Args<'_>) -> Option<Vec<FoundKey>>;

/// A set of command flags, as COMMAND INFO shows them plus a few of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Flags(pub u32);

impl Flags {
    /// Every flag.
    pub const ALL: Flags = Flags(u32::MAX);

    /// The set less the flags of `other`.
    #[inline]
    pub const fn without(self, other: Flags) -> Flags {
        Flags(self.0 & !other.0)
    }

    /// Whether any flag of `other` is in this set.
    #[inline]
    pub const fn has(self, other: Flags) -> bool {
        self.0 & other.0 != 0
    }
}

impl std::ops::BitOr for Flags {
    type Output = Flags;
    fn bitor(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $bit:expr, $shown:expr;)*) => {
        $($(#[$doc])* pub const $name: Flags = Flags(1 << $bit);)*
        /// Flags that COMMAND INFO shows, in its order, with their names.
        pub const FLAG_NAMES: &[(Flags, &str)] = &[$(($name, $shown)),*];
    };
}

flags! {
    /// May change the data set.
    WRITE = 0, "write";
    /// Reads keys and changes nothing.
    READONLY = 1, "readonly";
    /// Refused when memory is exhausted.
    DENYOOM = 2, "denyoom";
    /// Belongs to what Redis brings as a module. It follows from the chapter.
    MODULE = 20, "module";
    /// Of interest to operators only; not shown to MONITOR.
    ADMIN = 3, "admin";
    /// Belongs to publish/subscribe.
    PUBSUB = 4, "pubsub";
    /// Not to be called from scripts.
    NOSCRIPT = 5, "noscript";
    /// May block its client.
    BLOCKING = 6, "blocking";
    /// Allowed while the data set is loaded.
    LOADING = 7, "loading";
    /// Allowed on a replica with stale data.
    STALE = 8, "stale";
    /// Not shown to MONITOR.
    SKIP_MONITOR = 9, "skip_monitor";
    /// Not entered into the slow log.
    SKIP_SLOWLOG = 10, "skip_slowlog";
    /// Implies ASKING in a cluster.
    ASKING = 11, "asking";
    /// Takes constant or logarithmic time.
    FAST = 12, "fast";
    /// Allowed before authentication.
    NO_AUTH = 13, "no_auth";
    /// Takes keys, but can be called without any.
    NO_MANDATORY_KEYS = 14, "no_mandatory_keys";
    /// Refused during an asynchronous load.
    NO_ASYNC_LOADING = 15, "no_async_loading";
    /// Refused in a transaction.
    NO_MULTI = 16, "no_multi";
    /// Its keys cannot be found by a first/last/step rule alone.
    MOVABLE_KEYS = 17, "movablekeys";
    /// Allowed while a script runs too long.
    ALLOW_BUSY = 18, "allow_busy";
}

/// For servers among themselves: to clients there is no such command.
pub const INTERNAL: Flags = Flags(1 << 21);
/// Moves keys to another server, wherever their slot is on its way.
pub const MOVES_KEYS: Flags = Flags(1 << 19);
/// Runs a script or function: what that reads and changes is what counts.
pub const RUNS_SCRIPT: Flags = Flags(1 << 22);
/// Leaves what CLIENT CACHING said about the next command to the one after it.
pub const KEEPS_CACHING: Flags = Flags(1 << 23);
/// May have effects that replicas must see though it writes no key (PUBLISH, EVAL).
pub const MAY_REPLICATE: Flags = Flags(1 << 24);
/// Needs `enable-debug-command`.
pub const GUARDED_DEBUG: Flags = Flags(1 << 25);
/// Needs `enable-module-command`.
pub const GUARDED_MODULES: Flags = Flags(1 << 30);
/// Runs at once inside MULTI instead of being queued.
pub const NO_QUEUE: Flags = Flags(1 << 26);
/// Allowed to a RESP2 client that has subscriptions.
pub const IN_SUBSCRIPTION: Flags = Flags(1 << 27);
/// Takes the flags of the commands queued by its client (EXEC).
pub const RUNS_QUEUE: Flags = Flags(1 << 28);
/// Refused with the persistence error when the last save failed, though it writes nothing (PING).
pub const REPORTS_DISK_ERROR: Flags = Flags(1 << 29);
/// Names no key in its arguments but touches keys at its own choice (SCAN, FLUSHALL, RANDOMKEY).
pub const ARBITRARY_KEYS: Flags = Flags(1 << 31);

/// Flags that always bring a command before the gate.
pub const ALWAYS_CHECKED: Flags = Flags(GUARDED_DEBUG.0 | GUARDED_MODULES.0);

/// How many arguments a command takes, its name counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arity {
    min: u16,
    /// The most that are allowed; `u16::MAX` for no bound.
    max: u16,
    /// What COMMAND INFO says: the number, negative for a minimum.
    shown: i16,
}

impl Arity {
    /// Exactly `count` arguments.
    pub const fn exactly(count: u16) -> Arity {
        Arity { min: count, max: count, shown: count as i16 }
    }

    /// `count` arguments or more.
    pub const fn at_least(count: u16) -> Arity {
        Arity { min: count, max: u16::MAX, shown: -(count as i16) }
    }

    /// Whether `count` arguments are right.
    #[inline]
    pub const fn allows(self, count: usize) -> bool {
        count >= self.min as usize && (count <= self.max as usize || self.max == u16::MAX)
    }

    /// The number of COMMAND INFO.
    pub const fn shown(self) -> i64 {
        self.shown as i64
    }
}

/// What a command does with a key: the mode and the operations of Redis's key specifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access(pub u16);

#[allow(missing_docs)]
impl Access {
    pub const RO: Access = Access(1 << 0);
    pub const RW: Access = Access(1 << 1);
    pub const OW: Access = Access(1 << 2);
    pub const RM: Access = Access(1 << 3);
    pub const ACCESS: Access = Access(1 << 4);
    pub const UPDATE: Access = Access(1 << 5);
    pub const INSERT: Access = Access(1 << 6);
    pub const DELETE: Access = Access(1 << 7);
    pub const NOT_KEY: Access = Access(1 << 8);
    pub const INCOMPLETE: Access = Access(1 << 9);
    pub const VARIABLE_FLAGS: Access = Access(1 << 10);

    /// Both sets.
    pub const fn and(self, other: Access) -> Access {
        Access(self.0 | other.0)
    }

    /// Whether any flag of `other` is in this set.
    pub const fn has(self, other: Access) -> bool {
        self.0 & other.0 != 0
    }
}

/// Flags of key specifications with their names, in the order Redis lists them.
pub const ACCESS_NAMES: &[(Access, &str)] = &[
    (Access::RO, "RO"),
    (Access::RW, "RW"),
    (Access::OW, "OW"),
    (Access::RM, "RM"),
    (Access::ACCESS, "access"),
    (Access::UPDATE, "update"),
    (Access::INSERT, "insert"),
    (Access::DELETE, "delete"),
    (Access::NOT_KEY, "not_key"),
    (Access::INCOMPLETE, "incomplete"),
    (Access::VARIABLE_FLAGS, "variable_flags"),
];

/// Where the search for keys begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// At this argument.
    Index(u16),
    /// Behind this word, searched from an argument on (negative: backwards from the end).
    Keyword(&'static str, i16),
    /// Not to be told by a rule.
    Unknown,
}

/// How the keys follow from where the search began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// Every `step`th argument up to `last`, which counts from the first key (0: that key alone), or from the end
    /// where negative; a `limit` n above 1 stops after the n-th part of what remains.
    Range { last: i16, step: u16, limit: u16 },
    /// A count stands `count` arguments behind the beginning, keys from `first` on.
    Count { count: u16, first: u16, step: u16 },
    /// Not to be told by a rule.
    Unknown,
}

/// One rule that finds keys among the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys {
    /// Where to begin.
    pub begin: Begin,
    /// How to go on.
    pub find: Find,
    /// What is done with these keys.
    pub access: Access,
}

impl Keys {
    /// One key at argument `index`.
    pub const fn at(index: u16, access: Access) -> Keys {
        Keys { begin: Begin::Index(index), find: Find::Range { last: 0, step: 1, limit: 0 }, access }
    }

    /// Keys from argument `index` on, every `step`th, up to `last`: relative to `index`, or to the end if negative.
    pub const fn range(index: u16, last: i16, step: u16, access: Access) -> Keys {
        Keys { begin: Begin::Index(index), find: Find::Range { last, step, limit: 0 }, access }
    }
}

/// Keys in the form of old: every `step`th argument from `first` to `last` (negative: from the end). All 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key's argument.
    pub first: i64,
    /// The last key's argument.
    pub last: i64,
    /// From one key to the next.
    pub step: i64,
}

/// A command, or a subcommand such as CLIENT LIST. Build it with [`Spec::new`] and the methods that follow it.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Lower-case name; of a subcommand, its own word alone.
    pub name: &'static str,
    /// How many arguments it takes.
    pub arity: Arity,
    /// Its chapter.
    pub group: Group,
    /// Its flags.
    pub flags: Flags,
    /// Where its keys are.
    pub keys: &'static [Keys],
    /// It has subcommands.
    pub has_subcommands: bool,
    /// The Redis version that introduced it.
    pub since: &'static str,
    /// Its arguments in the notation of the Redis documentation.
    pub syntax: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// The Redis version since which another command is preferred, and which one.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// Of use to servers and test suites, not to applications.
    pub for_systems: bool,
    /// What a call costs, in the notation of the Redis documentation; see [`Spec::cost`].
    complexity: &'static str,
    /// What changed since it came, with the Redis version of each change.
    pub history: &'static [(&'static str, &'static str)],
    /// Which arguments are secrets, in order, not to be shown by MONITOR or SLOWLOG.
    pub secrets: fn(&ArgView<'_>) -> Vec<usize>,
    /// Hints to clients, as COMMAND INFO shows them.
    pub tips: &'static [&'static str],
    /// Categories besides those that follow from group and flags.
    extra_categories: Categories,
    /// Whether the group's own category applies.
    in_group_category: bool,
    /// Finds the keys of a call where the rules can't, or can't tell what is done with them.
    pub find_keys: Option<FindKeys>,
    /// Which of its arguments are channels that a right is needed for.
    pub channels: Channels,
    /// Which databases a right is needed for.
    pub databases: DatabasesReached,
}

/// Which databases a call reaches, for the rights to them.
#[derive(Clone, Copy, Debug)]
pub enum DatabasesReached {
    /// The selected one, if keys are read or written at all.
    Selected,
    /// None but those with the numbers at these arguments.
    Named(&'static [usize]),
    /// The selected one and that with the number at an argument, if there is one.
    Further(fn(&ArgView<'_>) -> Option<usize>),
    /// All.
    All,
}

/// Which arguments are channels that a right is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channels {
    /// None.
    None,
    /// The first: it is published to.
    Publish,
    /// All: they are subscribed to.
    Subscribe,
    /// All, as patterns: what matches them is subscribed to.
    SubscribePatterns,
}

/// A key found among the arguments of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FoundKey {
    /// Which argument it is.
    pub index: usize,
    /// What is done with it.
    pub access: Access,
}

impl Spec {
    /// A command with its name and arity; the rest follows through the other methods.
    pub const fn new(name: &'static str, arity: Arity) -> Spec {
        Spec {
            name,
            arity,
            group: Group::Generic,
            flags: Flags(0),
            keys: &[],
            has_subcommands: false,
            since: "1.0.0",
            syntax: "",
            summary: "",
            deprecated: None,
            for_systems: false,
            complexity: "",
            history: &[],
            secrets: |_| Vec::new(),
            tips: &[],
            extra_categories: Categories(0),
            in_group_category: true,
            find_keys: None,
            channels: Channels::None,
            databases: DatabasesReached::Selected,
        }
    }

    /// A command that only carries subcommands.
    pub const fn container(name: &'static str) -> Spec {
        let mut spec = Spec::new(name, Arity::at_least(2));
        spec.has_subcommands = true;
        spec.in_group_category = false;
        spec
    }

    /// Sets the chapter.
    pub const fn group(mut self, group: Group) -> Spec {
        self.group = group;
        if group.is_of_module() {
            self.flags = Flags(self.flags.0 | MODULE.0);
        }
        self
    }

    /// Says since which version there is a better way, and which.
    pub const fn deprecated(mut self, since: &'static str, replaced_by: &'static str) -> Spec {
        self.deprecated = Some((since, replaced_by));
        self
    }

    /// Says that it is of use to servers and test suites alone.
    pub const fn for_systems(mut self) -> Spec {
        self.for_systems = true;
        self
    }

    /// Says what a call costs, where that is neither constant time nor up to a subcommand.
    pub const fn complexity(mut self, complexity: &'static str) -> Spec {
        self.complexity = complexity;
        self
    }

    /// Lists what changed since the command came, with the Redis version of each change.
    pub const fn history(mut self, history: &'static [(&'static str, &'static str)]) -> Spec {
        self.history = history;
        self
    }

    /// What a call costs. A row that says nothing and is fast takes constant time; of a container each subcommand says
    /// so for itself.
    pub const fn cost(&self) -> Option<&'static str> {
        if !self.complexity.is_empty() {
            return Some(self.complexity);
        }
        match () {
            () if self.flags.has(FAST) => Some("O(1)"),
            () if self.has_subcommands => Some("Depends on the subcommand."),
            () => None,
        }
    }

    /// Adds flags.
    pub const fn flags(mut self, flags: &[Flags]) -> Spec {
        let mut index = 0;
        while index < flags.len() {
            self.flags.0 |= flags[index].0;
            index += 1;
        }
        self
    }

    /// Sets the rules that find the keys.
    pub const fn keys(mut self, keys: &'static [Keys]) -> Spec {
        self.keys = keys;
        self
    }

    /// Says that a command which is also callable by itself has subcommands.
    pub const fn with_subcommands(mut self) -> Spec {
        self.has_subcommands = true;
        self
    }

    /// Sets the version, the syntax of the arguments and the sentence of the documentation.
    pub const fn docs(mut self, since: &'static str, syntax: &'static str, summary: &'static str) -> Spec {
        self.since = since;
        self.syntax = syntax;
        self.summary = summary;
        self
    }

    /// Sets the function that names the secret arguments.
    pub const fn secrets(mut self, secrets: fn(&ArgView<'_>) -> Vec<usize>) -> Spec {
        self.secrets = secrets;
        self
    }

    /// Sets which databases a call reaches.
    pub const fn databases(mut self, databases: DatabasesReached) -> Spec {
        self.databases = databases;
        self
    }

    /// Sets the hints to clients.
    pub const fn tips(mut self, tips: &'static [&'static str]) -> Spec {
        self.tips = tips;
        self
    }

    /// Adds ACL categories.
    pub const fn acl(mut self, categories: Categories) -> Spec {
        self.extra_categories.0 |= categories.0;
        self
    }

    /// Leaves the group's own category out.
    pub const fn outside_group_category(mut self) -> Spec {
        self.in_group_category = false;
        self
    }

    /// Sets a function that finds the keys where rules can't.
    pub const fn find_keys(mut self, find: FindKeys) -> Spec {
        self.find_keys = Some(find);
        self
    }

    /// Says which arguments are channels that a right is needed for.
    pub const fn channels(mut self, channels: Channels) -> Spec {
        self.channels = channels;
        self
    }

    /// Its ACL categories.
    pub const fn categories(&self) -> Categories {
        let mut all = self.extra_categories.0;
        if self.in_group_category {
            all |= self.group.category().0;
        }
        let implied = [
            (WRITE, Categories::WRITE),
            (PUBSUB, Categories::PUBSUB),
            (ADMIN, Categories(Categories::ADMIN.0 | Categories::DANGEROUS.0)),
            (BLOCKING, Categories::BLOCKING),
        ];
        let mut index = 0;
        while index < implied.len() {
            if self.flags.has(implied[index].0) {
                all |= implied[index].1.0;
            }
            index += 1;
        }
        if self.flags.has(READONLY) && all & Categories::SCRIPTING.0 == 0 {
            all |= Categories::READ.0;
        }
        all |= if self.flags.has(FAST) { Categories::FAST.0 } else { Categories::SLOW.0 };
        Categories(all)
    }

    /// Its flags as COMMAND INFO shows them: movable keys follow from the rules.
    pub fn shown_flags(&self) -> Flags {
        if self.range_of_rules().1 { self.flags | MOVABLE_KEYS } else { self.flags }
    }

    /// The first, last and step of its keys as clients of old expect them in COMMAND INFO; all 0 for none.
    pub fn key_range(&self) -> KeyRange {
        self.range_of_rules().0
    }

    /// The rules' first/last/step form, and whether it leaves keys out. Consecutive ranges of step 1 are joined into
    /// one; a rule that does not fit, or that is incomplete by itself, makes the keys movable.
    fn range_of_rules(&self) -> (KeyRange, bool) {
        let plain = |keys: &Keys| match (keys.begin, keys.find) {
            (Begin::Index(index), Find::Range { last, step, .. }) => Some((i64::from(index), last, step)),
            _ => None,
        };
        let incomplete = |keys: &Keys| keys.access.has(Access::INCOMPLETE);
        let last_of = |first: i64, last: i16| if last < 0 { i64::from(last) } else { first + i64::from(last) };
        if let [only] = self.keys
            && let Some((first, last, step)) = plain(only)
        {
            return (KeyRange { first, last: last_of(first, last), step: i64::from(step) }, incomplete(only));
        }
        let mut range = KeyRange::default();
        let mut movable = false;
        for keys in self.keys {
            match plain(keys) {
                Some((first, last, 1)) if range.last == 0 || range.last == first - 1 => {
                    movable |= incomplete(keys);
                    range.first = if range.step == 0 { first } else { range.first.min(first) };
                    range.step = 1;
                    let last = last_of(first, last);
                    range.last = if last < 0 || range.last < 0 { last.min(range.last) } else { last.max(range.last) };
                }
                _ => movable = true,
            }
        }
        (range, movable)
    }

    /// Whether any of its arguments may be keys.
    pub fn takes_keys(&self) -> bool {
        self.find_keys.is_some() || self.keys.iter().any(|keys| !keys.access.has(Access::NOT_KEY))
    }

    /// The first key's argument where one stands at a fixed place, if there is any: what can be hashed before the call.
    pub const fn first_key(&self) -> u16 {
        match self.keys {
            [Keys { begin: Begin::Index(index), find, access }, ..] if !access.has(Access::NOT_KEY) => match find {
                Find::Range { .. } => *index,
                Find::Count { first, .. } => *index + *first,
                Find::Unknown => 0,
            },
            _ => 0,
        }
    }

    /// Where the only key of its rules stands, and what happens to it, if that is all they have.
    pub fn only_key(&self) -> Option<(usize, Access)> {
        match self.keys {
            [Keys { begin: Begin::Index(index), find: Find::Range { last: 0, .. }, access }] => {
                (!access.has(Access::NOT_KEY)).then_some((usize::from(*index), *access))
            }
            _ => None,
        }
    }

    /// Whether the first key is all it has of keys, or it has none, whatever its arguments are. What finds the keys of a
    /// call then only says more of what happens to them.
    pub fn has_no_other_key(&self) -> bool {
        match self.find_keys {
            None => self.keys.is_empty() || self.only_key().is_some(),
            Some(_) => self.only_key().is_some_and(|(_, access)| access.has(Access::VARIABLE_FLAGS)),
        }
    }
}

#[cfg(test)]
mod tests;
