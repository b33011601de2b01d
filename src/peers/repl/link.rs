//! The connection to the primary until it becomes a client: its socket, what was sent and what has come.
//!
//! ```text
//! Idle ──> Resolving ──> Connecting ──> Talking (PING, AUTH, REPLCONF …, PSYNC) ──┬──> Receiving ──> Loading ──┐
//!  ▲                                                                              └────────────────────────────┴─> Done
//!  └────────────────────── at most a second after anything fails ──────────────────────────┘
//! ```
//! Where the primary wants to send the snapshot on a connection of its own, the first one is put aside (see
//! `main_channel`), and the way begins anew for the second, with fewer steps. In the end the first one is the client's.

use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::Receiver;

use super::main_channel::MainChannel;
use super::receiving::{Inflow, Receiving};
use super::wire::Wire;

/// What is awaited from the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The answer to PING.
    Ping,
    /// The answer to AUTH.
    Auth,
    /// The answer to REPLCONF listening-port.
    Port,
    /// The answer to REPLCONF ip-address.
    Address,
    /// The answer to REPLCONF capa.
    Capabilities,
    /// The answer to REPLCONF version.
    Version,
    /// The answer to PSYNC.
    Psync,
    /// On the connection of the snapshot, the answer to REPLCONF with all that the primary is to know of it.
    Introduction,
    /// On that connection, where the snapshot stands.
    Snapshot,
}

/// How far the way to the primary is.
#[derive(Debug, Default)]
pub enum State {
    /// Nowhere: there is no primary, or it is tried again soon.
    #[default]
    Idle,
    /// Another thread looks its name up.
    Resolving(Receiver<io::Result<SocketAddr>>),
    /// The connection is being made.
    Connecting,
    /// Answers are awaited.
    Talking(Step),
    /// The data set is on its way.
    Receiving(Receiving),
    /// It is being loaded.
    Loading,
    /// It is loaded, and the connection of the stream is not ready; the rest is what the adoption is to be told.
    Loaded {
        /// The database that the stream has selected.
        selected: Option<usize>,
    },
    /// The connection belongs to a client.
    Done,
}

/// The way to the primary.
#[derive(Debug, Default)]
pub struct Link {
    /// How far it is.
    pub state: State,
    /// Its connection.
    pub wire: Wire,
    /// Something came, in Unix milliseconds.
    pub heard_ms: i64,
    /// Where what comes goes while it is loaded.
    pub inflow: Option<Inflow>,
    /// The history that the primary sends a snapshot of, and where in it that stands.
    pub promised: Option<(String, i64)>,
    /// The database that the stream has selected there, if the primary has said so.
    pub stream_db: Option<usize>,
    /// The connection of the stream, if the snapshot has one of its own: then that is `wire`.
    pub main: Option<MainChannel>,
}

impl Link {
    /// What INFO and ROLE call its state.
    pub fn name(&self) -> &'static str {
        match self.state {
            State::Idle => "connect",
            State::Resolving(_) | State::Connecting => "connecting",
            State::Talking(_) => "handshake",
            State::Receiving(_) | State::Loading | State::Loaded { .. } => "sync",
            State::Done => "connected",
        }
    }

    /// Whether a data set is on its way or being loaded.
    pub fn is_syncing(&self) -> bool {
        matches!(self.state, State::Receiving(_) | State::Loading | State::Loaded { .. })
    }

    /// The connection that will be the client's.
    pub fn main_wire(&mut self) -> &mut Wire {
        self.main.as_mut().map_or(&mut self.wire, |main| &mut main.wire)
    }

    /// Whether a socket may have more.
    pub fn reads_on(&self) -> bool {
        self.wire.reads_on || self.main.as_ref().is_some_and(|main| main.wire.reads_on)
    }
}
