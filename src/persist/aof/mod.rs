//! The append-only file: a log of the commands that changed the data.

pub mod check;
pub mod disk;
pub mod manifest;
pub mod reader;
pub mod rewrite;
pub mod writer;
