//! Where changes leave the server: towards the append-only file and replicas.
//!
//! What a command changed is noted while it runs and handed over when the outermost command is done. Requests are
//! encoded once, when they are noted; everybody who listens takes the same bytes. Several requests of one command, or
//! of one transaction, leave between MULTI and EXEC, so that nobody ever sees a part of them. What the server does by
//! itself (keys that expired or were evicted) is no transaction, however much of it comes at once.

use crate::command::effects::Observers;
use crate::resp::request::{self, ArgView, Batch, Limits, OwnedRequest, Progress};
use crate::server::{Server, ServerModes};

/// Room for bytes that is kept for the next time.
const KEPT_BYTES: usize = 1 << 20;

const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

/// Requests on their way out, in order.
#[derive(Debug, Default)]
pub struct Outgoing {
    /// As they are sent.
    bytes: Vec<u8>,
    requests: Vec<Item>,
    /// Some are not for everybody.
    some_for_one: bool,
}

/// A request on its way out.
#[derive(Clone, Copy, Debug)]
struct Item {
    db: usize,
    /// Where its bytes end.
    end: usize,
    /// Whom it is for.
    target: u8,
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

    fn items(&self) -> impl Iterator<Item = (&Item, &[u8])> {
        let mut from = 0;
        self.requests.iter().map(move |item| (item, &self.bytes[std::mem::replace(&mut from, item.end)..item.end]))
    }

    /// Those for one of the targets.
    fn only(&self, target: u8) -> Outgoing {
        let mut kept = Outgoing::default();
        for (item, bytes) in self.items().filter(|(item, _)| item.target & target != 0) {
            kept.bytes.extend_from_slice(bytes);
            kept.requests.push(Item { end: kept.bytes.len(), ..*item });
        }
        kept
    }

    /// What leaves the server: the requests, between MULTI and EXEC if they are a transaction.
    pub fn framed(&self, transaction: bool) -> impl Iterator<Item = (usize, &[u8])> {
        let (first, last) = (self.requests.first(), self.requests.last());
        let head = first.filter(|_| transaction).map(|item| (item.db, MULTI));
        let tail = last.filter(|_| transaction).map(|item| (item.db, EXEC));
        head.into_iter().chain(self.iter()).chain(tail)
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
    fn decoded(&self) -> Vec<(usize, OwnedRequest)> {
        let limits =
            Limits { bulk_max: usize::MAX, args_max: i64::MAX, requests_max: usize::MAX, unauthenticated: false };
        let (mut progress, mut batch) = (Progress::default(), Batch::default());
        // What was encoded here is sound.
        let _ = request::frame(&self.bytes, 0, &mut progress, &mut batch, &limits);
        let views = batch.requests.iter().map(|request| ArgView::of(&batch, request, &self.bytes));
        self.requests.iter().zip(views).map(|(item, view)| (item.db, OwnedRequest::copy(&view))).collect()
    }
}

/// Brings [`Observers::PROPAGATE`] in line with who listens. Nobody does while the data set is being loaded.
pub fn update_listeners(server: &mut Server) {
    let loading = server.modes.has(ServerModes::LOADING);
    // What a replica changes by itself stays with it.
    let stream = server.repl.backlog.is_some() && !server.is_replica();
    let listens = server.persist.aof.is_on() || stream || server.propagation_tap.is_some();
    server.observers.set(Observers::PROPAGATE, listens && !loading);
}

/// Hands what the finished command propagates to whoever listens. Several requests form a transaction.
#[inline]
pub fn hand_over(server: &mut Server) {
    if !server.effects.outgoing.is_empty() {
        deliver(server, true);
    }
}

/// Hands over what the server did by itself: each request stands for itself.
pub fn hand_over_apart(server: &mut Server) {
    if !server.effects.outgoing.is_empty() {
        deliver(server, false);
    }
}

fn deliver(server: &mut Server, transaction: bool) {
    let mut outgoing = std::mem::take(&mut server.effects.outgoing);
    let transaction = transaction && outgoing.len() > 1;
    let stamp_s = server.config.aof_timestamp_enabled.then(|| server.clock.unix_ms() / 1000);
    let parts = outgoing.some_for_one.then(|| (outgoing.only(TO_FILE), outgoing.only(TO_REPLICAS)));
    let (kept, sent) = parts.as_ref().map_or((&outgoing, &outgoing), |(kept, sent)| (kept, sent));
    server.persist.aof.feed(kept.framed(transaction && kept.len() > 1), stamp_s);
    if server.repl.backlog.is_some() && !server.is_replica() {
        server.repl.feed(sent.framed(transaction && sent.len() > 1));
    }
    if parts.is_some() {
        outgoing = outgoing.only(TO_ALL);
    }
    if let Some(tap) = &mut server.propagation_tap {
        let requests = outgoing.decoded();
        match transaction {
            true => tap.push(requests),
            false => tap.extend(requests.into_iter().map(|request| vec![request])),
        }
    }
    outgoing.clear();
    server.effects.outgoing = outgoing;
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
        assert_eq!(outgoing.framed(true).collect::<Vec<_>>(), [(0, MULTI), (0, set), (3, del), (3, EXEC)]);
        assert_eq!(outgoing.framed(false).count(), 2);
        outgoing.push_for_replicas(0, &OwnedRequest::of(&["PUBLISH", "a", "b"]).view());
        assert_eq!((outgoing.len(), outgoing.only(TO_FILE).iter().collect::<Vec<_>>()), (3, vec![(0, set), (3, del)]));
        let decoded = outgoing.decoded();
        assert_eq!((decoded[1].0, decoded[1].1.view().get(0)), (3, b"DEL".as_slice()));
        outgoing.clear();
        assert!(outgoing.is_empty());
    }
}
