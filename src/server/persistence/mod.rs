//! Snapshots, loading, and the append-only file at work.

pub mod aof;
pub mod background;
pub mod folder;
pub mod load;
pub mod loading;
pub mod snapshot;
