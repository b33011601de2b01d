//! Requests on their way to the append-only file and replicas.
//!
//! They are encoded once, when they are noted; everybody who listens takes the same bytes. Several requests of one
//! command, or of one transaction, leave between MULTI and EXEC, so that nobody ever sees a part of them.

use crate::resp::request::{self, ArgView, Batch, Limits, OwnedRequest, Progress};

/// Room for bytes that is kept for the next time.
pub const KEPT_BYTES: usize = 1 << 20;

pub const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";

pub const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

/// Requests on their way out, in order.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// As they are sent.
    pub bytes: Vec<u8>,
    pub requests: Vec<Item>,
    /// Some are not for everybody.
    pub some_for_one: bool,
}

/// A request on its way out.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    pub db: usize,
    /// Where its bytes end.
    pub end: usize,
    /// Whom it is for.
    pub target: u8,
}

/// The append-only file, as whom a request is for.
pub const TO_FILE: u8 = 1;

/// Replicas, likewise.
pub const TO_REPLICAS: u8 = 2;

/// Both.
pub const TO_ALL: u8 = TO_FILE | TO_REPLICAS;

impl Outgoing {
    /// Adds a request of a database.
    #[inline]
    pub fn push(&mut self, db: usize, request: &ArgView<'_>) {
        request.encode(&mut self.bytes);
        self.requests.push(Item { db, end: self.bytes.len(), target: TO_ALL });
    }

    /// Adds a request that changes nothing, for replicas only.
    pub fn push_for_replicas(&mut self, db: usize, request: &ArgView<'_>) {
        request.encode(&mut self.bytes);
        self.requests.push(Item { db, end: self.bytes.len(), target: TO_REPLICAS });
        self.some_for_one = true;
    }

    /// Adds a request, given word by word.
    pub fn push_words<T: AsRef<[u8]>>(&mut self, db: usize, words: &[T]) {
        self.push(db, &OwnedRequest::of(words).view());
    }

    /// Whether there is nothing.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// How many requests there are.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Keeps the requests behind the first `len` from whom they are not for.
    pub fn restrict(&mut self, len: usize, target: u8) {
        let added = self.requests.get_mut(len..).unwrap_or_default();
        added.iter_mut().for_each(|item| item.target &= target);
        self.some_for_one |= !added.is_empty() && target != TO_ALL;
    }

    /// The requests, each with its database.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[u8])> {
        self.items().map(|(item, bytes)| (item.db, bytes))
    }

    pub fn items(&self) -> impl Iterator<Item = (&Item, &[u8])> {
        let mut from = 0;
        self.requests.iter().map(move |item| (item, &self.bytes[std::mem::replace(&mut from, item.end)..item.end]))
    }

    /// Those for one of the targets.
    pub fn only(&self, target: u8) -> Outgoing {
        let mut kept = Outgoing::default();
        for (item, bytes) in self.items().filter(|(item, _)| item.target & target != 0) {
            kept.bytes.extend_from_slice(bytes);
            kept.requests.push(Item { end: kept.bytes.len(), ..*item });
        }
        kept
    }

    /// What leaves the server: the requests, between MULTI and EXEC if they are a transaction, each with its database.
    /// MULTI and EXEC are of none: a database is chosen within the transaction that needs it.
    pub fn framed(&self, transaction: bool) -> impl Iterator<Item = (Option<usize>, &[u8])> {
        let frames = transaction && !self.is_empty();
        let head = frames.then_some((None, MULTI));
        let tail = frames.then_some((None, EXEC));
        head.into_iter().chain(self.iter().map(|(db, request)| (Some(db), request))).chain(tail)
    }

    /// Forgets all requests.
    pub fn clear(&mut self) {
        self.requests.clear();
        self.some_for_one = false;
        match self.bytes.capacity() > KEPT_BYTES {
            true => self.bytes = Vec::new(),
            false => self.bytes.clear(),
        }
    }

    /// The requests, decoded.
    pub fn decoded(&self) -> Vec<(usize, OwnedRequest)> {
        let limits =
            Limits { bulk_max: usize::MAX, args_max: i64::MAX, requests_max: usize::MAX, unauthenticated: false };
        let (mut progress, mut batch) = (Progress::default(), Batch::default());
        // What was encoded here is sound.
        let _ = request::frame(&self.bytes, 0, &mut progress, &mut batch, &limits);
        let views = batch.requests.iter().map(|request| ArgView::of(&batch, request, &self.bytes));
        self.requests.iter().zip(views).map(|(item, view)| (item.db, OwnedRequest::copy(&view))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_out_as_they_went_in() {
        let mut outgoing = Outgoing::default();
        outgoing.push_words(0, &["SET", "a", "1"]);
        outgoing.push_words(3, &["DEL", ""]);
        let set: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n";
        let del: &[u8] = b"*2\r\n$3\r\nDEL\r\n$0\r\n\r\n";
        assert_eq!(outgoing.iter().collect::<Vec<_>>(), [(0, set), (3, del)]);
        assert_eq!(
            outgoing.framed(true).collect::<Vec<_>>(),
            [(None, MULTI), (Some(0), set), (Some(3), del), (None, EXEC)]
        );
        assert_eq!(outgoing.framed(false).count(), 2);
        outgoing.push_for_replicas(0, &OwnedRequest::of(&["PUBLISH", "a", "b"]).view());
        assert_eq!((outgoing.len(), outgoing.only(TO_FILE).iter().collect::<Vec<_>>()), (3, vec![(0, set), (3, del)]));
        let decoded = outgoing.decoded();
        assert_eq!((decoded[1].0, decoded[1].1.view().get(0)), (3, b"DEL".as_slice()));
        outgoing.clear();
        assert!(outgoing.is_empty());
    }
}
