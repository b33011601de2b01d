//! What a connection is to commands: its database, user, protocol, modes, and what waits for it.
//!
//! A client lives in the [`registry`], under a [`ClientKey`](crate::net::ClientKey) that stays the same as long as it
//! is connected. Handlers reach their own client through the context and others through the registry, one at a time.

pub mod acl;
pub mod class;
pub mod durability;
pub mod field_sets;
pub mod internal;
pub mod pubsub;
pub mod recent;
pub mod registry;
pub mod reply_mode;
pub mod subscriptions;
pub mod tracking;

use crate::client::acl::UserId;
use crate::client::durability::Durability;
use crate::client::tracking::ClientTracking;
use crate::command::spec::{READONLY, WRITE};
use crate::command::{CommandId, Flags};
use crate::net::connection::Connection;
use crate::peers::repl::replica::Replica;
use crate::resp::reply::Reply;
use crate::resp::request::OwnedRequest;
use crate::util::bit_set::bit_set;
use field_sets::FieldSets;
use subscriptions::Subscriptions;

/// A set of conditions that make the gate look closer at each command of a client; none is set for most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes(pub u16);

impl Modes {
    /// Has yet to authenticate.
    pub const UNAUTHENTICATED: Modes = Modes(1 << 0);
    /// Collects commands for EXEC.
    pub const MULTI: Modes = Modes(1 << 1);
    /// Has subscriptions and speaks RESP2.
    pub const SUBSCRIBED: Modes = Modes(1 << 2);
    /// Waits in a blocking command or for the end of a pause.
    pub const BLOCKED: Modes = Modes(1 << 3);
    /// To be closed once its output is written; reads no more.
    pub const CLOSING: Modes = Modes(1 << 4);
    /// Wants some of its replies not to be sent.
    pub const REPLY_OFF: Modes = Modes(1 << 5);
    /// Shows the commands of all clients.
    pub const MONITOR: Modes = Modes(1 << 6);
    /// Does not change the access time of keys.
    pub const NO_TOUCH: Modes = Modes(1 << 7);
    /// Has no connection, is obeyed and never waits: see [`internal`].
    pub const INTERNAL: Modes = Modes(1 << 8);
    /// Its user may not do everything.
    pub const RESTRICTED: Modes = Modes(1 << 9);
    /// Sees what has expired while `import-mode` is on: CLIENT IMPORT-SOURCE.
    pub const IMPORT_SOURCE: Modes = Modes(1 << 12);
    /// Is the primary this server follows.
    pub const PRIMARY: Modes = Modes(1 << 11);
    /// Is a replica of this server.
    pub const REPLICA: Modes = Modes(1 << 10);
    /// Has its next command served though the slot is still being moved here: ASKING.
    pub const ASKING: Modes = Modes(1 << 15);
    /// Has yet to finish its TLS handshake, which comes before any command.
    pub const HANDSHAKE: Modes = Modes(1 << 13);
    /// Was given the commands that servers have among themselves: DEBUG MARK-INTERNAL-CLIENT.
    pub const CALLS_INTERNAL: Modes = Modes(1 << 14);
    /// Cannot simply have what it sent run.
    pub const UNREADY: Modes = Modes(Modes::CLOSING.0 | Modes::HANDSHAKE.0);
    /// Is the other end of a replication, or none at all: what it is does not change while it is connected.
    pub const PEER: Modes = Modes(Modes::MUST_OBEY.0 | Modes::REPLICA.0);
    /// Is obeyed, whatever it asks for.
    pub const MUST_OBEY: Modes = Modes(Modes::INTERNAL.0 | Modes::PRIMARY.0);
}

bit_set!(Modes);

/// What CLIENT REPLY asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    /// All replies are sent.
    #[default]
    On,
    /// None is.
    Off,
    /// The next command's is not, this one's neither.
    SkipNext,
    /// This command's is not.
    Skip,
}

/// The commands collected since MULTI.
#[derive(Debug, Default)]
pub struct Transaction {
    /// The commands, each with its row.
    pub queue: Vec<(CommandId, OwnedRequest)>,
    /// All flags of the queued commands together,
    pub flags: crate::command::Flags,
    /// and those that one of them lacks.
    pub lacking: crate::command::Flags,
    /// Bytes of the queued commands.
    pub bytes: usize,
    /// A command was refused while queueing: EXEC will fail.
    pub refused: bool,
}

/// Why a client is blocked.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub enum BlockedFor {
    /// Until one of some keys is ready.
    Keys,
    /// Until CLIENT PAUSE ends.
    Pause,
    /// Until the server ends, or that is called off.
    Shutdown,
    /// Until what it wrote is safe.
    Durability(Durability),
}

/// A blocked client's state.
#[derive(Debug)]
pub struct Blocked {
    /// Why.
    pub reason: BlockedFor,
    /// Its place among all who wait: lower ones came earlier.
    pub ticket: u64,
    /// When it gives up, in Unix milliseconds; `None` waits forever.
    pub deadline_ms: Option<i64>,
    /// The keys waited for.
    pub keys: Vec<Box<[u8]>>,
    /// Which of them something happened to, while the command runs again for that alone.
    pub ready: Option<usize>,
    /// The command is run again as well when a key is gone.
    pub needs_keys: bool,
    /// The database of the keys.
    pub db: usize,
    /// The command to run again.
    pub request: OwnedRequest,
    /// Its row.
    pub command: CommandId,
    /// Time its command took so far, in nanoseconds.
    pub nanos: u64,
    /// What is answered when the time is up: the null of RESP2 arrays rather than of bulk strings.
    pub null_array: bool,
    /// When the command is run again by itself.
    pub alarm: Option<Alarm>,
}

impl Blocked {
    /// When something is to be done about the client, in Unix milliseconds; `None` for never.
    pub fn due_ms(&self) -> Option<i64> {
        self.deadline_ms.into_iter().chain(self.alarm.map(|alarm| alarm.at_ms)).min()
    }
}

/// A moment from which on a key may be ready though nothing happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// In Unix milliseconds.
    pub at_ms: i64,
}

/// A connected client.
#[derive(Debug)]
pub struct Client {
    /// Its number, never used twice.
    pub id: u64,
    /// Its socket and input.
    pub connection: Connection,
    /// What is to be sent.
    pub output: Box<Reply>,
    /// Whether it speaks RESP3.
    pub resp3: bool,
    /// Selected database.
    pub db: usize,
    /// Conditions the gate looks at.
    pub modes: Modes,
    /// CLIENT REPLY.
    pub reply_mode: ReplyMode,
    /// CLIENT SETNAME.
    pub name: Option<Box<[u8]>>,
    /// CLIENT SETINFO LIB-NAME.
    pub lib_name: Option<Box<[u8]>>,
    /// CLIENT SETINFO LIB-VER.
    pub lib_version: Option<Box<[u8]>>,
    /// The user it acts as.
    pub user: UserId,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    /// It came from one of `priority-subnets`.
    pub has_priority: bool,
    /// A replica may send it to its primary: CLIENT CAPA.
    pub follows_redirects: bool,
    /// READONLY: what it reads it wants from a replica all the same.
    pub reads_replicas: bool,
    /// Slots are on their way to a node by it.
    pub exports_slots: bool,
    /// ASKING came before the command that runs.
    pub asked: bool,
    /// When it connected, in Unix milliseconds.
    pub created_ms: i64,
    /// When it last sent something or was sent something, in Unix milliseconds.
    pub active_ms: i64,
    /// How much the append-only file had been fed when its latest write was done: see
    /// [`crate::persist::aof::Aof::fed`].
    pub written: u64,
    /// How far the history of the data set was then.
    pub last_write_offset: i64,
    /// What is known of it as a replica.
    pub replica: Option<Box<Replica>>,
    /// Its latest command.
    pub last_command: Option<CommandId>,
    /// MULTI.
    pub transaction: Option<Box<Transaction>>,
    /// Keys under WATCH.
    pub watched: Vec<WatchedKey>,
    /// Bytes of these.
    pub watched_bytes: usize,
    /// A watched key has changed: EXEC answers null.
    pub dirty: bool,
    /// SUBSCRIBE and its kin.
    pub subscriptions: Option<Box<Subscriptions>>,
    /// CLIENT TRACKING.
    pub tracking: Option<Box<ClientTracking>>,
    /// HIMPORT PREPARE.
    pub field_sets: Option<Box<FieldSets>>,
    /// A blocking command or a pause.
    pub blocked: Option<Box<Blocked>>,
    /// Whether it stands in the list of clients with output to be sent.
    pub flush_pending: bool,
    /// Largest input seen lately, in bytes: what the cron shrinks its buffer by.
    pub input_peak: usize,
    /// Bytes it took when the cron last saw it.
    pub memory_seen: usize,
    /// Bytes read from it,
    pub input_bytes: u64,
    /// bytes written to it,
    pub output_bytes: u64,
    /// and commands it ran, those of scripts counted.
    pub commands: u64,
    /// Bytes it takes, as they were last counted for `maxmemory-clients`.
    pub counted: usize,
}

/// A key under WATCH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedKey {
    /// Its database.
    pub db: usize,
    /// The key.
    pub key: Box<[u8]>,
}

impl Client {
    /// A new client on a connection, at `now_ms`.
    pub fn new(id: u64, connection: Connection, now_ms: i64) -> Client {
        Client {
            id,
            connection,
            output: Box::default(),
            resp3: false,
            db: 0,
            modes: Modes::default(),
            reply_mode: ReplyMode::On,
            name: None,
            lib_name: None,
            lib_version: None,
            user: UserId::DEFAULT,
            no_evict: false,
            has_priority: false,
            follows_redirects: false,
            reads_replicas: false,
            exports_slots: false,
            asked: false,
            created_ms: now_ms,
            active_ms: now_ms,
            written: 0,
            last_write_offset: 0,
            replica: None,
            last_command: None,
            transaction: None,
            watched: Vec::new(),
            watched_bytes: 0,
            dirty: false,
            subscriptions: None,
            tracking: None,
            field_sets: None,
            blocked: None,
            flush_pending: false,
            input_peak: 0,
            memory_seen: size_of::<Client>(),
            input_bytes: 0,
            output_bytes: 0,
            commands: 0,
            counted: 0,
        }
    }

    /// Whether it waits.
    pub fn is_blocked(&self) -> bool {
        self.modes.has(Modes::BLOCKED)
    }

    /// Whether a replica sends it to the primary with a call that has these flags.
    pub fn belongs_at_primary(&self, flags: Flags) -> bool {
        self.follows_redirects && (flags.has(WRITE) || flags.has(READONLY) && !self.reads_replicas)
    }

    /// Closes it once its output is written.
    pub fn close_after_reply(&mut self) {
        self.modes.set(Modes::CLOSING, true);
    }

    /// Its subscriptions, made when it has none; [`registry::Clients::subscriptions_changed`] ends what is done to
    /// them.
    pub fn subscriptions_mut(&mut self) -> &mut Subscriptions {
        self.subscriptions.get_or_insert_default()
    }
}
