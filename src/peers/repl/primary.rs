//! The primary as its replica sees it, with and without a connection.

use std::collections::VecDeque;

use crate::net::ClientKey;

/// Notes of how far the append-only file is.
pub const MARKS_MAX: usize = 64;

/// The primary this server follows.
#[derive(Debug)]
pub struct Primary {
    /// Its client.
    pub client: ClientKey,
    /// How far its stream has run.
    pub offset: i64,
    /// The database it has selected.
    pub db: usize,
    /// It does not want to know how far this replica is: it was asked with SYNC.
    pub is_old: bool,
    /// It wants to know at once.
    pub wants_ack: bool,
    /// What it has sent were requests.
    pub is_trusted: bool,
    /// Bytes that have run but for the end of their transaction.
    pub open: Vec<u8>,
    /// How far the append-only file is.
    pub logged: Logged,
}

/// What is known of a primary without a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cached {
    /// The name of its history.
    pub id: String,
    /// How far its stream has run.
    pub offset: i64,
    /// The database it had selected.
    pub db: usize,
}

/// How far in the history the append-only file on the disk is: the file counts its own bytes, so what is in it of the
/// history is noted now and then.
#[derive(Debug, Default)]
pub struct Logged {
    /// Bytes the file was fed, and how far that was in the history.
    pub marks: VecDeque<(u64, i64)>,
    pub offset: i64,
}

impl Logged {
    pub fn note(&mut self, fed: u64, offset: i64) {
        let full = self.marks.len() >= MARKS_MAX;
        match self.marks.back_mut() {
            Some(last) if last.1 == offset => {}
            // The disk is slow; what is noted in between would be of little use.
            Some(last) if full => *last = (fed, offset),
            _ => self.marks.push_back((fed, offset)),
        }
    }

    pub fn reach(&mut self, durable: u64) -> i64 {
        while let Some((_, offset)) = self.marks.front().copied().filter(|(fed, _)| *fed <= durable) {
            self.marks.pop_front();
            self.offset = offset;
        }
        self.offset
    }
}
