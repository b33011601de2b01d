//! What is under way between this node and others: the tasks with their connections, and what waits to be said.

use std::collections::VecDeque;
use std::io::{self, Read};

use mio::Registry;

use crate::client::internal::Internal;
use crate::client::registry::Clients;
use crate::command::{Args, CommandTable, keys};
use crate::db::Databases;
use crate::db::slot::slot_of;
use crate::net::ClientKey;
use crate::net::socket::Socket;
use crate::peers::cluster::moves::Task;
use crate::peers::cluster::moves::export::{Export, Fate};
use crate::peers::cluster::moves::import::Import;
use crate::peers::cluster::{SlotSet, State};
use crate::peers::repl::outgoing::Outgoing;
use crate::peers::repl::wire::Wire;
use crate::persist::aof::reader::Reader;
use crate::resp::reply::Reply;
use crate::resp::request::OwnedRequest;

/// Keys are sent as long as less than this waits to be sent, in bytes.
pub const WINDOW_BYTES: usize = 4 << 20;

/// Slots on their way from here and to here; one task of each kind at a time.
#[derive(Debug, Default)]
pub struct Moves {
    pub import: Option<Box<ImportWork>>,
    pub export: Option<Box<ExportWork>>,
    /// Tasks that have ended, the latest first.
    pub ended: VecDeque<Task>,
    /// Keys that count for nothing, on their way out.
    pub trim: Trim,
    /// The most that has come at a time and was not worked off yet, in bytes.
    pub input_peak: usize,
    /// Replicas have yet to be told which keys count for nothing.
    pub strays_untold: bool,
    /// All keys were deleted: what was said about them does not hold.
    pub flushed: bool,
}

/// How far the deletion of keys that count for nothing is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Trim {
    /// Keys are being deleted.
    pub running: bool,
    /// Keys deleted since that began.
    pub trimmed: u64,
    /// How often it began, came to its end, and was broken off.
    pub started: u64,
    pub completed: u64,
    pub cancelled: u64,
}

impl Moves {
    /// How many tasks have not ended.
    pub fn active(&self) -> usize {
        usize::from(self.import.is_some()) + usize::from(self.export.is_some())
    }

    /// All tasks, those that have not ended first.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        let import = self.import.iter().map(|work| &work.rules.task);
        let export = self.export.iter().map(|work| &work.rules.task);
        import.chain(export).chain(&self.ended)
    }

    /// Keeps a task that has ended, and so many of the latest.
    pub fn archive(&mut self, task: Task, most: u32) {
        self.ended.push_front(task);
        self.ended.truncate(most as usize);
    }

    /// The task that a client's connection is for.
    pub fn export_of(&mut self, key: ClientKey) -> Option<&mut ExportWork> {
        self.export.as_deref_mut().filter(|work| work.client == Some(key))
    }

    /// A client is gone; it may have been the destination.
    pub fn forget(&mut self, key: ClientKey) {
        if let Some(work) = self.export_of(key) {
            work.client = None;
        }
    }

    /// Bytes that have come and were not worked off.
    pub fn input_bytes(&self) -> usize {
        let stream = self.import.as_ref().and_then(|work| work.stream.as_ref());
        stream.map_or(0, |stream| stream.requests.waiting_bytes())
    }

    /// Slots whose keys are to go; those that are just being imported are not among them.
    pub fn to_trim(&self, cluster: &State) -> SlotSet {
        let coming = self.import.as_ref().and_then(|work| work.slots_coming());
        cluster.strays().iter().filter(|slot| !coming.is_some_and(|coming| coming.has(*slot))).collect()
    }

    /// How many keys are still to go.
    pub fn keys_to_trim(&self, cluster: &State, db: &Databases) -> u64 {
        if self.trim.running { keys_in(db, &self.to_trim(cluster)) } else { 0 }
    }

    /// Adds what is propagated to the stream, as far as it is about slots that are on their way.
    #[cold]
    pub fn feed(&mut self, commands: &CommandTable, outgoing: &Outgoing, now_ms: i64) {
        let Some(work) = self.export.as_deref_mut() else { return };
        for ((db, request), (_, bytes)) in outgoing.decoded().iter().zip(outgoing.iter()) {
            if *db == 0 {
                work.feed(commands, request, bytes, now_ms);
            }
        }
    }
}

/// Keys of some slots.
pub fn keys_in(db: &Databases, slots: &SlotSet) -> u64 {
    slots.iter().map(|slot| db.database(0).dict.len_of_slot(slot.into()) as u64).sum()
}

/// A task at the source.
#[derive(Debug)]
pub struct ExportWork {
    pub rules: Export,
    /// The connection of the destination, while there is one.
    pub client: Option<ClientKey>,
    /// What is to be added to its output.
    pub pending: Vec<u8>,
    /// The destination has said that it is ready, with an offset and an epoch, and waits for an answer.
    pub ready: Option<(u64, u64)>,
    /// Why the task cannot go on.
    pub broken: Option<&'static str>,
}

impl ExportWork {
    /// Adds a request to the stream.
    pub fn say<T: AsRef<[u8]>>(&mut self, words: &[T], now_ms: i64) {
        let before = self.pending.len();
        OwnedRequest::of(words).view().encode(&mut self.pending);
        self.rules.added(self.pending.len() - before, now_ms);
    }

    /// Whether keys can be sent at once.
    pub fn has_work(&self, clients: &Clients) -> bool {
        self.rules.has_keys_left() && self.waiting_bytes(clients) < WINDOW_BYTES
    }

    /// Bytes that wait to be sent.
    pub fn waiting_bytes(&self, clients: &Clients) -> usize {
        let client = self.client.and_then(|key| clients.get(key));
        self.pending.len() + client.map_or(0, |client| client.output.len())
    }

    /// A request is propagated.
    fn feed(&mut self, commands: &CommandTable, request: &OwnedRequest, bytes: &[u8], now_ms: i64) {
        let args = Args::from(request.view());
        let Some(id) = commands.resolve(&request.view()) else { return };
        let found = keys::find(commands.entry(id).row, args);
        let Some(slot) = found.first().map(|key| slot_of(args.get(key.index))) else { return };
        let fate = self.rules.fate(slot);
        let mut elsewhere = found.iter().map(|key| slot_of(args.get(key.index))).filter(|other| *other != slot);
        if elsewhere.any(|other| fate == Fate::Touch || self.rules.fate(other) != fate) {
            self.broken = Some("A command has changed keys of several slots");
        }
        match fate {
            Fate::Ignore => {}
            Fate::Send => {
                self.pending.extend_from_slice(bytes);
                self.rules.added(bytes.len(), now_ms);
            }
            Fate::Touch => found.iter().for_each(|key| self.rules.touch(args.get(key.index))),
            Fate::Forbidden => self.broken = Some("Keys have changed while writes were held"),
        }
    }
}

/// A task at the destination.
#[derive(Debug)]
pub struct ImportWork {
    pub rules: Import,
    /// The connection until the stream begins,
    pub wire: Wire,
    /// and then.
    pub stream: Option<Box<Stream>>,
    /// How far in the history replicas have to be to have all that has come.
    pub wanted: i64,
    /// A slot was given to a node meanwhile: what has come does not hold.
    pub overtaken: bool,
}

/// The stream of a source.
#[derive(Debug)]
pub struct Stream {
    pub requests: Reader<Source>,
    /// What is to be said to the source.
    pub output: Vec<u8>,
    /// Runs the requests.
    pub client: Internal,
    pub reply: Reply,
    /// There may be more than was worked off in the last turn.
    pub reads_on: bool,
}

/// What came with the answer that the stream follows, and then the socket.
#[derive(Debug)]
pub struct Source {
    pub head: io::Cursor<Vec<u8>>,
    pub socket: Socket,
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.head.read(buffer)? {
            0 => self.socket.read(buffer),
            read => Ok(read),
        }
    }
}

impl ImportWork {
    /// The slots, while their keys come.
    pub fn slots_coming(&self) -> Option<&SlotSet> {
        (!self.rules.rests()).then_some(&self.rules.task.slots)
    }

    /// Whether more can be worked off at once.
    pub fn has_work(&self) -> bool {
        self.wire.reads_on || self.stream.as_ref().is_some_and(|stream| stream.reads_on)
    }

    /// Says something to the source of a stream.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn say<T: AsRef<[u8]>>(&mut self, words: &[T]) -> io::Result<()> {
        if let Some(stream) = &mut self.stream {
            OwnedRequest::of(words).view().encode(&mut stream.output);
        }
        self.flush()
    }

    /// Sends what waits, as far as the socket takes it.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn flush(&mut self) -> io::Result<()> {
        let Some(Stream { requests, output, .. }) = self.stream.as_deref_mut() else { return self.wire.flush() };
        let socket = &mut requests.source_mut().socket;
        socket.flush_some()?;
        let written = socket.write_some(output)?;
        output.drain(..written);
        socket.flush_some().map(|_| ())
    }

    /// Ends the connection.
    pub fn hang_up(&mut self, registry: &Registry) {
        let socket = self.stream.take().map(|stream| stream.requests.into_source().socket);
        let wire = std::mem::take(&mut self.wire);
        if let Some(mut socket) = socket.or(wire.socket) {
            socket.close();
            socket.deregister(registry).ok();
        }
    }
}
