//! Conditions of the whole server that make the gate look closer at each command.

use crate::util::bit_set::bit_set;

/// Conditions of the whole server that make the gate look closer at each command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServerModes(u16);

impl ServerModes {
    /// The data set is being loaded.
    pub const LOADING: ServerModes = ServerModes(1 << 0);
    /// CLIENT PAUSE is in force.
    pub const PAUSED: ServerModes = ServerModes(1 << 1);
    /// `maxmemory` is set.
    pub const MEMORY_LIMIT: ServerModes = ServerModes(1 << 2);
    /// The data cannot be saved or logged, and writes are to be refused.
    pub const DISK_ERROR: ServerModes = ServerModes(1 << 3);
    /// The databases have yet to be told of new settings.
    pub const NEW_SETTINGS: ServerModes = ServerModes(1 << 4);
    /// Another server is followed.
    pub const REPLICA: ServerModes = ServerModes(1 << 5);
    /// It cannot be, and what is here is not to be shown.
    pub const STALE: ServerModes = ServerModes(1 << 6);
    /// Too few replicas follow for writes to be taken.
    pub const FEW_REPLICAS: ServerModes = ServerModes(1 << 7);
    /// A data set is being loaded beside the one that is shown.
    pub const ASYNC_LOADING: ServerModes = ServerModes(1 << 8);
    /// More keys are remembered for client-side caching than should be.
    pub const TRACKING_FULL: ServerModes = ServerModes(1 << 9);
    /// A script runs too long.
    pub const BUSY: ServerModes = ServerModes(1 << 10);
    /// Data is being brought here from elsewhere, and nothing expires: `import-mode`.
    pub const IMPORT: ServerModes = ServerModes(1 << 12);
    /// It is a node of a cluster.
    pub const CLUSTER: ServerModes = ServerModes(1 << 13);
    /// Expired keys stay where they are, unseen.
    pub const KEEPS_EXPIRED: ServerModes =
        ServerModes(ServerModes::PAUSED.0 | ServerModes::REPLICA.0 | ServerModes::IMPORT.0);
    /// `maxmemory-clients` is set.
    pub const CLIENT_MEMORY_LIMIT: ServerModes = ServerModes(1 << 11);
}

bit_set!(ServerModes);
