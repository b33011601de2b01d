//! The connection that the stream comes on while another one brings the snapshot.
//!
//! Redis (8.0 and later) and Valkey agree in what each connection is for, and differ in how they are tied together:
//! ```text
//!            stream's connection                         snapshot's connection
//! Redis      PSYNC ? -1        +RDBCHANNELSYNC <id> ──>  REPLCONF … main-ch-client-id <id>    +OK
//!            ◁── the stream                              PSYNC ? -1     +FULLRESYNC <history> <offset>, the snapshot
//!
//! Valkey     PSYNC ? -1        +DUALCHANNELSYNC ──────>  REPLCONF …                           +OK
//!            REPLCONF set-rdb-client-id <id>  +OK   <──  SYNC           $ENDOFF:<offset> <history> <database> <id>,
//!            PSYNC <history> <offset+1>  +CONTINUE, the stream          the snapshot
//! ```
//! What comes of the stream is kept as it is until the snapshot is loaded.

use super::wire::Wire;

/// How the two connections are tied together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tie {
    /// The snapshot's connection names the client that the stream's one is.
    Redis {
        /// Its number at the primary.
        client_id: u64,
    },
    /// The stream's connection names that of the snapshot, and asks for the stream from its offset on.
    Valkey,
}

/// What is awaited on the connection of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing: first the other connection has to tell where the snapshot stands.
    Parked,
    /// The answer to REPLCONF set-rdb-client-id.
    Identifying,
    /// The answer to PSYNC.
    Asking,
    /// The stream.
    Streaming,
}

/// The connection of the stream.
#[derive(Debug)]
pub struct MainChannel {
    /// The connection.
    pub wire: Wire,
    /// How it belongs to the other.
    pub tie: Tie,
    /// What is awaited.
    pub stage: Stage,
    /// As much is kept as may be: the rest waits at the primary.
    pub is_full: bool,
}

impl MainChannel {
    /// The connection on which a primary has answered so.
    pub fn new(wire: Wire, tie: Tie) -> MainChannel {
        let stage = match tie {
            Tie::Redis { .. } => Stage::Streaming,
            Tie::Valkey => Stage::Parked,
        };
        MainChannel { wire, tie, stage, is_full: false }
    }

    /// Bytes of the stream that are kept.
    pub fn kept_bytes(&self) -> usize {
        if self.stage == Stage::Streaming { self.wire.input.len() } else { 0 }
    }
}
