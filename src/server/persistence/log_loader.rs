//! The log of commands while it is loaded: its files, and how far it is.

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::time::Instant;

use crate::client::internal::Internal;
use crate::command::lookahead::Lookahead;
use crate::persist::aof::reader::Reader;
use crate::persist::rdb::load::Loader;
use crate::resp::reply::Reply;

/// A file of the log.
#[derive(Debug)]
pub struct Part {
    pub name: String,
    pub is_base: bool,
    pub bytes: u64,
}

/// What is read from the present file.
pub enum Content {
    Snapshot(Box<Loader>),
    Commands(Box<Reader<File>>),
}

/// The file that is being loaded.
pub struct Current {
    pub part: Part,
    pub path: PathBuf,
    pub started: Instant,
    pub content: Content,
    /// The offset up to which commands were run that are whole, transactions included.
    pub good_up_to: u64,
}

/// The log, while it is loaded.
pub struct LogLoader {
    /// Where its files are.
    pub folder: PathBuf,
    pub parts: VecDeque<Part>,
    pub current: Option<Current>,
    pub client: Internal,
    pub reply: Reply,
    /// Room for what is known of a batch.
    pub lookahead: Lookahead,
    /// Bytes of files that are done.
    pub done_bytes: u64,
    /// Commands run.
    pub commands: u64,
    /// Bytes of all files.
    pub total_bytes: u64,
    pub base_bytes: u64,
}

impl LogLoader {
    /// Bytes loaded so far.
    pub fn loaded_bytes(&self) -> u64 {
        let current = self.current.as_ref().map_or(0, |current| match &current.content {
            Content::Snapshot(loader) => loader.offset(),
            Content::Commands(reader) => reader.offset(),
        });
        self.done_bytes + current
    }

    /// The snapshot that is being loaded, if one is.
    pub fn snapshot(&self) -> Option<&Loader> {
        match &self.current.as_ref()?.content {
            Content::Snapshot(loader) => Some(loader),
            Content::Commands(_) => None,
        }
    }
}
