//! A data set on its way from the primary: where it ends, how much has come, and the pool between socket and loader.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;

use crate::persist::rdb::load::{Filled, Source};

/// Bytes from the socket that may wait to be loaded.
pub const INFLOW_BYTES_MAX: usize = 1 << 20;

/// Where the data set ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// That has yet to be told.
    Unknown,
    /// After so many bytes.
    Length(u64),
    /// Before these bytes.
    Mark(Vec<u8>),
}

/// A data set on its way.
#[derive(Debug)]
pub struct Receiving {
    /// Where it ends.
    pub end: End,
    /// Where it is written to.
    pub file: Option<(File, PathBuf)>,
    /// Bytes that came,
    pub received: u64,
    /// and how many of them were sent to the disk.
    pub synced: u64,
    /// It was loaded from the socket, and only the mark is missing; the database that the stream has selected.
    pub loaded: Option<Option<usize>>,
}

impl Receiving {
    /// Bytes that came, of how many: for INFO.
    pub fn progress(&self) -> (u64, Option<u64>) {
        let total = match self.end {
            End::Length(total) => Some(total),
            End::Unknown | End::Mark(_) => None,
        };
        (self.received, total)
    }
}

/// What came from the socket and has yet to be loaded: the link puts in, the loader takes out.
#[derive(Clone, Debug, Default)]
pub struct Inflow(Rc<RefCell<Pool>>);

/// The bytes that wait, and whether more may come.
#[derive(Debug, Default)]
struct Pool {
    bytes: Vec<u8>,
    ended: bool,
}

impl Inflow {
    /// Takes bytes that came.
    pub fn put(&self, bytes: &mut Vec<u8>) {
        self.0.borrow_mut().bytes.append(bytes);
    }

    /// No more will come.
    pub fn end(&self) {
        self.0.borrow_mut().ended = true;
    }

    /// Whether the loader has to catch up first.
    pub fn is_full(&self) -> bool {
        self.0.borrow().bytes.len() >= INFLOW_BYTES_MAX
    }

    /// What the loader has left.
    pub fn take_rest(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.borrow_mut().bytes)
    }
}

impl Source for Inflow {
    fn fill(&mut self, buffer: &mut Vec<u8>, room: usize) -> io::Result<Filled> {
        let mut pool = self.0.borrow_mut();
        if pool.bytes.is_empty() {
            return Ok(if pool.ended { Filled::End } else { Filled::NotYet });
        }
        let count = room.min(pool.bytes.len());
        buffer.extend(pool.bytes.drain(..count));
        Ok(Filled::Some)
    }
}
