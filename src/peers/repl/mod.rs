//! Replication's state: copies of the data set that follow its changes.
//!
//! All changes of a data set form one stream of bytes, its history, with a name and an offset ([`History`]).
//! [`outgoing`] is changes on their way into it, the [`backlog`] keeps the end of it for all who read. [`replica`] is a
//! replica as its primary sees it, [`primary`] the primary as its replica does; [`link`] and [`receiving`] are a
//! replica's way to its primary and to a data set, over one [`wire`] or with a [`main_channel`] beside it, [`transfer`]
//! is a snapshot on its way to replicas, [`failover`] how far a change of places is. A replica passes the stream on to
//! replicas of its own as it came, so that everybody below one primary has the same history. What is done with all that
//! stands in `server::replication`.

pub mod backlog;
pub mod failed_loads;
pub mod failover;
pub mod link;
pub mod main_channel;
pub mod outgoing;
pub mod own_keys;
pub mod primary;
pub mod receiving;
pub mod replica;
pub mod transfer;
pub mod wire;

use crate::net::ClientKey;
use crate::peers::repl::failed_loads::FailedLoads;
use crate::peers::repl::failover::Failover;
use crate::peers::repl::link::Link;
use crate::peers::repl::primary::{Cached, Primary};
use crate::peers::repl::replica::Replica;
use crate::peers::repl::transfer::Transfer;
use crate::util::random::Random;
use backlog::Backlog;
use own_keys::OwnKeys;

/// Characters of the name of a history.
pub const ID_CHARS: usize = 40;
/// The largest offset of a history that is taken over from others: it leaves room for all that may follow.
pub const OFFSET_MAX: i64 = i64::MAX / 2;
/// The name of none.
pub const NO_ID: &str = "0000000000000000000000000000000000000000";

/// Forty hexadecimal digits by chance.
pub fn new_id(random: &mut Random) -> String {
    (0..ID_CHARS / 8).map(|_| format!("{:08x}", random.next_u64() as u32)).collect()
}

/// Reads the name of a history and an offset in it, where a snapshot stands.
pub fn read_promise<'l>(mut words: impl Iterator<Item = &'l str>) -> Option<(String, i64)> {
    let (id, offset) = (words.next()?, words.next()?.trim().parse().ok()?);
    let is_one = id.len() == ID_CHARS && (0..=OFFSET_MAX).contains(&offset);
    is_one.then(|| (id.to_owned(), offset))
}

/// The history of the data set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// Its name.
    pub id: String,
    /// How many bytes it has.
    pub offset: i64,
    /// The name it had under another primary,
    pub second_id: String,
    /// and the byte from which on it is another than that; -1 without one.
    pub second_offset: i64,
}

impl History {
    pub fn new(id: String) -> History {
        History { id, offset: 0, second_id: NO_ID.to_owned(), second_offset: -1 }
    }

    /// Takes another name, with no past under the old one.
    pub fn begin(&mut self, id: String) {
        self.id = id;
        self.forget_second();
    }

    /// Forgets the second name.
    pub fn forget_second(&mut self) {
        self.second_id = NO_ID.to_owned();
        self.second_offset = -1;
    }

    /// Takes another name from here on; the old one stays good for what has been.
    pub fn continue_as(&mut self, id: String) {
        self.second_id = std::mem::replace(&mut self.id, id);
        self.second_offset = self.offset + 1;
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Snapshots sent to replicas.
    pub full: u64,
    /// Replicas that went on where they had been.
    pub partial: u64,
    /// Those that wanted to and could not.
    pub refused: u64,
    /// Bytes from the primary.
    pub bytes_in: u64,
    /// Bytes to replicas.
    pub bytes_out: u64,
}

/// The server's state of replication.
#[derive(Debug)]
pub struct Replication {
    /// The history of the data set.
    pub history: History,
    /// It was taken over from the data set that was loaded at start.
    pub history_is_known: bool,
    /// The end of it, once there was a replica.
    pub backlog: Option<Backlog>,
    /// Replicas of this server, those that came first first.
    pub replicas: Vec<ClientKey>,
    /// The database the stream has selected.
    pub selected: Option<usize>,
    /// The stream has something that replicas have yet to be sent.
    pub fed: bool,
    /// Replicas are to be asked how far they are.
    pub wants_acks: bool,
    /// Replicas that are good enough to count for `min-replicas-to-write`.
    pub good_replicas: usize,
    /// Since when there is no replica, in Unix milliseconds.
    pub no_replicas_since_ms: i64,
    /// A snapshot on its way to replicas without a file.
    pub transfer: Option<Transfer>,
    /// Replicas that could not load what they were sent.
    pub failed_loads: FailedLoads,
    /// The file of the data set was made for replicas only.
    pub file_is_for_replicas: bool,
    /// The way to the primary, until it is a client.
    pub link: Link,
    /// The most bytes of the stream that were kept during the last full sync.
    pub kept_bytes_peak: usize,
    /// The primary has broken off while it gave a snapshot: the next time it is told which Valkey this one is like.
    pub tells_version: bool,
    /// When it was begun last, in Unix milliseconds.
    pub tried_ms: i64,
    /// The primary, while there is a connection.
    pub primary: Option<Primary>,
    /// The primary there was, or this server itself before it became a replica.
    pub cached: Option<Cached>,
    /// Since when the primary is away, in Unix milliseconds.
    pub down_since_ms: Option<i64>,
    /// How it went with the connection to the primary.
    pub link_history: LinkHistory,
    /// Keys to which clients of this replica have given an expiry, of which the primary knows nothing.
    pub own_keys: OwnKeys,
    /// A change of places on its way.
    pub failover: Failover,
    /// What is counted.
    pub counts: Counts,
    /// When the steps of each second are due, in Unix milliseconds, and how often they were done.
    pub next_cron_ms: i64,
    pub cron_loops: u64,
    /// Room for pieces of files.
    pub room: Vec<u8>,
}

/// How it went with the connection to the primary since this server follows that.
#[derive(Debug, Default)]
pub struct LinkHistory {
    /// Tries since the connection was lost, with the one that made it again.
    pub tries: u64,
    /// All tries.
    pub tries_in_all: u64,
    /// Since when it is there, in Unix milliseconds.
    pub up_since_ms: Option<i64>,
    /// How long it was lost before, in milliseconds.
    pub down_ms: i64,
}

impl LinkHistory {
    /// The connection is tried.
    pub fn try_again(&mut self) {
        self.tries += 1;
        self.tries_in_all += 1;
    }

    /// The connection is there, and was lost at `down_since_ms`.
    pub fn made(&mut self, now_ms: i64, down_since_ms: Option<i64>) {
        self.up_since_ms = Some(now_ms);
        self.down_ms += down_since_ms.map_or(0, |since_ms| (now_ms - since_ms).max(0));
    }

    /// The connection is lost.
    pub fn lost(&mut self) {
        self.up_since_ms = None;
        self.tries = 0;
    }
}

impl Replication {
    /// A primary without replicas.
    pub fn new(id: String, now_ms: i64) -> Replication {
        Replication {
            history: History::new(id),
            history_is_known: false,
            backlog: None,
            replicas: Vec::new(),
            selected: None,
            fed: false,
            wants_acks: false,
            good_replicas: 0,
            no_replicas_since_ms: now_ms,
            transfer: None,
            failed_loads: FailedLoads::default(),
            file_is_for_replicas: false,
            link: Link::default(),
            kept_bytes_peak: 0,
            tells_version: false,
            tried_ms: 0,
            primary: None,
            cached: None,
            down_since_ms: None,
            link_history: LinkHistory::default(),
            own_keys: OwnKeys::default(),
            failover: Failover::default(),
            counts: Counts::default(),
            next_cron_ms: 0,
            cron_loops: 0,
            room: Vec::new(),
        }
    }

    /// Appends bytes to the history, for all who read it.
    pub fn append(&mut self, bytes: &[u8]) {
        self.history.offset += bytes.len() as i64;
        if let Some(backlog) = &mut self.backlog {
            backlog.append(bytes);
            self.fed = true;
        }
    }

    /// Writes requests into the history, each with its database if it matters which.
    pub fn feed<'a>(&mut self, requests: impl Iterator<Item = (Option<usize>, &'a [u8])>) {
        for (db, request) in requests {
            if let Some(db) = db.filter(|db| self.selected != Some(*db)) {
                self.selected = Some(db);
                let number = db.to_string();
                let select = format!("*2\r\n$6\r\nSELECT\r\n${}\r\n{number}\r\n", number.len());
                self.append(select.as_bytes());
            }
            self.append(request);
        }
    }

    /// Has the next change of the stream preceded by the choice of its database.
    pub fn forget_selected(&mut self) {
        self.selected = None;
    }

    pub fn begin_backlog(&mut self, size: u64) {
        self.backlog = Some(Backlog::new(self.history.offset, size));
    }

    /// Bytes of memory of the stream: what is kept for all, and what is kept beyond that for replicas that lag.
    pub fn memory(&self) -> (usize, usize) {
        let Some(backlog) = &self.backlog else { return (0, 0) };
        let (memory, size) = (backlog.memory(), backlog.size() as usize);
        match self.replicas.is_empty() {
            true => (memory, 0),
            false => (memory.min(size), memory.saturating_sub(size)),
        }
    }

    /// Bytes of the stream that wait for a replica.
    pub fn waiting_bytes(&self, replica: &Replica) -> u64 {
        let waiting = if replica.needs_stream() { self.history.offset - replica.position } else { 0 };
        waiting.max(0) as u64
    }

    /// How far a replica is in the history of its primary.
    pub fn replica_offset(&self) -> i64 {
        let connected = self.primary.as_ref().map(|primary| primary.offset);
        connected.or(self.cached.as_ref().map(|cached| cached.offset)).unwrap_or(0)
    }

    /// Fields of a snapshot that tell where in which history it stands.
    pub fn aux(&self, is_replica: bool) -> Vec<(&'static str, String)> {
        let database = match (is_replica, &self.primary, &self.cached) {
            (false, ..) if self.backlog.is_some() => self.selected.unwrap_or(0),
            (true, Some(primary), _) => primary.db,
            (true, None, Some(cached)) => cached.db,
            _ => return Vec::new(),
        };
        vec![
            ("repl-stream-db", database.to_string()),
            ("repl-id", self.history.id.clone()),
            ("repl-offset", self.history.offset.to_string()),
        ]
    }
}
