//! What commands have changed and what is yet to follow from it, noted while they run: events, propagation, keys that
//! may serve somebody, messages. `execution::changes` notes it, `after_call` and `settle` carry it out.
//!
//! When nobody observes anything (see [`Observers`]), none of this is entered at all.

use crate::config::NotifyFlags;
use crate::peers::repl::outgoing::Outgoing;
use crate::resp::reply::Reply;
use crate::resp::request::OwnedRequest;
use crate::util::bit_set::bit_set;

/// A keyspace event: its class and its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The class of `notify-keyspace-events`.
    pub class: NotifyFlags,
    /// The name subscribers are told.
    pub name: &'static str,
}

impl Event {
    /// An event of any type of key: `del`, `expire`, `rename_from` …
    pub const fn generic(name: &'static str) -> Event {
        Event { class: NotifyFlags::GENERIC, name }
    }

    /// The value of a key was replaced.
    pub const OVERWRITTEN: Event = Event { class: NotifyFlags::OVERWRITTEN, name: "overwritten" };
    /// The value of a key was replaced by one of another type.
    pub const TYPE_CHANGED: Event = Event { class: NotifyFlags::TYPE_CHANGED, name: "type_changed" };

    /// An event of a string.
    pub const fn string(name: &'static str) -> Event {
        Event { class: NotifyFlags::STRING, name }
    }

    /// An event of a list.
    pub const fn list(name: &'static str) -> Event {
        Event { class: NotifyFlags::LIST, name }
    }

    /// An event of a set.
    pub const fn set(name: &'static str) -> Event {
        Event { class: NotifyFlags::SET, name }
    }

    /// An event of a hash.
    pub const fn hash(name: &'static str) -> Event {
        Event { class: NotifyFlags::HASH, name }
    }

    /// An event of a sorted set.
    pub const fn sorted_set(name: &'static str) -> Event {
        Event { class: NotifyFlags::ZSET, name }
    }

    /// An event of an array.
    pub const fn array(name: &'static str) -> Event {
        Event { class: NotifyFlags::ARRAY, name }
    }

    /// An event of a path hash.
    pub const fn path_hash(name: &'static str) -> Event {
        Event { class: NotifyFlags::PATH_HASH, name }
    }

    /// An event of a bitmap that is a value of its own.
    pub const fn bitmap(name: &'static str) -> Event {
        Event { class: NotifyFlags::BITMAP, name }
    }

    /// An event of a value of a type that Redis brings as a module.
    pub const fn module(name: &'static str) -> Event {
        Event { class: NotifyFlags::MODULE, name }
    }

    /// An event of a stream.
    pub const fn stream(name: &'static str) -> Event {
        Event { class: NotifyFlags::STREAM, name }
    }
}

/// Who wants to know of changes; kept up to date by those who come and go. Usually nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observers(u16);

impl Observers {
    /// Some keyspace events are enabled.
    pub const NOTIFY: Observers = Observers(1 << 0);
    /// Some key is watched.
    pub const WATCH: Observers = Observers(1 << 1);
    /// Some client is blocked on a key.
    pub const WAITERS: Observers = Observers(1 << 2);
    /// Some client runs MONITOR.
    pub const MONITOR: Observers = Observers(1 << 3);
    /// The append-only file or a replica wants the changes.
    pub const PROPAGATE: Observers = Observers(1 << 4);
    /// Something waits for the end of the command.
    pub const PENDING: Observers = Observers(1 << 5);
    /// Some client wants to be told of changes: CLIENT TRACKING.
    pub const TRACKING: Observers = Observers(1 << 6);
    /// This is a replica that its clients may write to.
    pub const OWN_WRITES: Observers = Observers(1 << 7);
    /// Eviction judges keys by their last change.
    pub const EVICTION: Observers = Observers(1 << 8);
    /// Somebody wants to know which keys are hot: HOTKEYS.
    pub const HOTKEYS: Observers = Observers(1 << 9);
    /// It is counted how much the slots of a node are used.
    pub const SLOT_USAGE: Observers = Observers(1 << 10);

    /// Whether changes are propagated.
    #[inline]
    pub fn propagates(self) -> bool {
        self.has(Observers::PROPAGATE)
    }
}

bit_set!(Observers);

/// How a call is propagated.
#[derive(Debug, Default)]
pub enum Propagation {
    /// As the client sent it, if it changed something.
    #[default]
    Verbatim,
    /// As these requests.
    Instead(Vec<(usize, OwnedRequest)>),
    /// As the client sent it, whether it changed something or not.
    Always,
    /// As the client sent it, though it changes nothing: it is to happen at replicas, too.
    AtReplicas,
    /// Not at all.
    Nothing,
}

/// A keyspace event of a key.
#[derive(Debug)]
pub struct KeyEvent {
    /// The database.
    pub db: usize,
    /// The key.
    pub key: Box<[u8]>,
    /// What happened to it.
    pub event: Event,
    /// The fields it happened to, if somebody wants to know.
    pub fields: Box<[Box<[u8]>]>,
}

/// Effects noted and not yet carried out.
#[derive(Debug, Default)]
pub struct Effects {
    /// Keyspace events.
    pub events: Vec<KeyEvent>,
    /// The fields that the next change is about: see `Ctx::name_fields`.
    pub fields: Vec<Box<[u8]>>,
    pub propagation: Propagation,
    /// What is to be propagated at the end of the outermost command.
    pub outgoing: Outgoing,
    /// Keys on which somebody waits and something came, in order.
    pub ready: Vec<(usize, Box<[u8]>)>,
    /// Messages to the client whose command runs, sent behind its reply.
    pub pushes_after_reply: Reply,
}

impl Effects {
    /// Notes a keyspace event, of these fields if it is about some, if its class is enabled.
    pub fn notify(&mut self, enabled: &NotifyFlags, db: usize, key: &[u8], event: Event, fields: Box<[Box<[u8]>]>) {
        if enabled.contains(event.class) {
            self.events.push(KeyEvent { db, key: key.into(), event, fields });
        }
    }

    /// See `Ctx::propagate_instead`.
    pub fn propagate_instead(&mut self, db: usize, request: OwnedRequest) {
        match &mut self.propagation {
            Propagation::Instead(requests) => requests.push((db, request)),
            other => *other = Propagation::Instead(vec![(db, request)]),
        }
    }

    /// See `Ctx::propagate_nothing`.
    pub fn propagate_nothing(&mut self) {
        self.propagation = Propagation::Nothing;
    }

    /// See `Ctx::propagate_always`.
    pub fn propagate_always(&mut self) {
        self.propagation = Propagation::Always;
    }

    /// See `Ctx::propagate_to_replicas`.
    pub fn propagate_to_replicas(&mut self) {
        self.propagation = Propagation::AtReplicas;
    }

    /// Where messages to the running client are collected.
    pub fn pushes_after_reply(&mut self, resp3: bool) -> &mut Reply {
        self.pushes_after_reply.resp3 = resp3;
        &mut self.pushes_after_reply
    }

    /// Takes the messages collected so far out of the way.
    pub fn take_pushes_after_reply(&mut self) -> Reply {
        std::mem::take(&mut self.pushes_after_reply)
    }

    /// Puts messages back and returns what was collected in between.
    pub fn replace_pushes_after_reply(&mut self, messages: Reply) -> Reply {
        std::mem::replace(&mut self.pushes_after_reply, messages)
    }
}
