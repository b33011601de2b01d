//! CLIENT TRACKING: clients with caches of their own are told when what they hold has changed.
//!
//! By default the server remembers which client has read which key, once: the first change of the key is told to each
//! of them, and forgotten. A client in broadcast mode is told of all changes of keys with its prefixes instead, and
//! nothing is remembered; what one turn of the event loop changed is told together. Either way what is told goes to
//! the client itself as a push of RESP3, or to another one (REDIRECT), which may be a RESP2 client with subscriptions.
//!
//! A client that stops tracking, or goes, stays in the memory of keys until they change: its id, which is never used
//! twice, is passed over then. When nobody tracks any more all is forgotten.
//!
//! What is to be told waits for the end of the command that brought it about ([`deliver`]), so that it never stands in
//! the middle of a reply. No bit of this is entered while nobody tracks.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::rc::Rc;

use super::ClientKey;
use crate::command::effects::Observers;
use crate::command::spec::{KEEPS_CACHING, PUBSUB, READONLY, RUNS_SCRIPT};
use crate::command::{Args, CommandId, Ctx, keys};
use crate::resp::reply::Reply;
use crate::server::{Server, ServerModes};
use crate::util::shrink::shrink;

/// The channel that a RESP2 client hears of changes through.
const CHANNEL: &[u8] = b"__redis__:invalidate";
/// Keys forgotten at once when there are too many; more each time that was not enough.
const FORGOTTEN_AT_ONCE: u32 = 100;

/// Which of the keys a client reads are remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// All.
    #[default]
    All,
    /// Those read by the command behind a CLIENT CACHING YES.
    OptIn,
    /// All but those read by the command behind a CLIENT CACHING NO.
    OptOut,
}

/// Another client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Its id.
    pub id: u64,
    /// Its place, as long as it is connected.
    pub key: ClientKey,
}

/// How a client wants to track.
#[derive(Debug, Default)]
pub struct Options {
    /// Who is told.
    pub redirect: Option<Target>,
    /// Changes of all keys with a prefix are told.
    pub broadcast: bool,
    /// Which keys are remembered.
    pub choice: Choice,
    /// The client's own changes are not told.
    pub noloop: bool,
}

/// A client's tracking.
#[derive(Debug, Default)]
pub struct ClientTracking {
    /// As it was asked for.
    pub options: Options,
    /// CLIENT CACHING was called: the next command is different.
    pub caching: bool,
    /// Who is to be told has gone.
    pub redirect_broken: bool,
    /// The prefixes, in broadcast mode.
    pub prefixes: BTreeSet<Box<[u8]>>,
    /// Bytes of these.
    prefix_bytes: usize,
}

impl ClientTracking {
    /// Bytes it takes, roughly.
    pub fn bytes(&self) -> usize {
        size_of::<ClientTracking>() + self.prefix_bytes
    }

    fn add_prefix(&mut self, prefix: &[u8]) {
        if self.prefixes.insert(prefix.into()) {
            self.prefix_bytes += size_of::<Box<[u8]>>() + prefix.len();
        }
    }

    /// Whether the keys are remembered that the client reads now.
    fn wants_keys(&self) -> bool {
        let chosen = match self.options.choice {
            Choice::All => true,
            Choice::OptIn => self.caching,
            Choice::OptOut => !self.caching,
        };
        chosen && !self.options.broadcast
    }
}

/// The ids of the clients that have read a key: mostly one.
#[derive(Debug)]
enum Readers {
    One(u64),
    #[allow(clippy::box_collection, reason = "most keys have one reader, whose number is shorter than a set")]
    Many(Box<BTreeSet<u64>>),
}

impl Readers {
    /// Adds a client; false when it was there.
    fn add(&mut self, id: u64) -> bool {
        match self {
            Readers::One(only) if *only == id => false,
            Readers::One(only) => {
                *self = Readers::Many(Box::new(BTreeSet::from([*only, id])));
                true
            }
            Readers::Many(ids) => ids.insert(id),
        }
    }

    fn ids(self) -> Vec<u64> {
        match self {
            Readers::One(id) => vec![id],
            Readers::Many(ids) => ids.into_iter().collect(),
        }
    }
}

/// A prefix somebody wants to be told about.
#[derive(Debug, Default)]
struct Prefix {
    /// The ids of those who do.
    clients: BTreeSet<u64>,
    /// The keys that have changed, each with the client that changed it last.
    changed: BTreeMap<Box<[u8]>, Option<u64>>,
}

/// Something to be told to clients: that a key has changed, or all.
#[derive(Debug)]
struct News {
    key: Option<Box<[u8]>>,
    receivers: Vec<u64>,
}

/// What is remembered for all clients.
#[derive(Debug, Default)]
pub struct Tracking {
    /// The clients that track, by id.
    clients: HashMap<u64, ClientKey>,
    keys: BTreeMap<Box<[u8]>, Readers>,
    /// How many readers all keys have together.
    items: usize,
    prefixes: BTreeMap<Box<[u8]>, Prefix>,
    /// Those of them that keys have changed with.
    changed: BTreeSet<Box<[u8]>>,
    news: Vec<News>,
    /// The key last forgotten to make room.
    forgotten: Box<[u8]>,
    /// How many times in a row there was not enough room.
    shortages: u32,
}

impl Tracking {
    /// How many clients track.
    pub fn clients(&self) -> usize {
        self.clients.len()
    }

    /// How many keys are remembered.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// How many readers of keys are remembered.
    pub fn items(&self) -> usize {
        self.items
    }

    /// How many prefixes are wanted.
    pub fn prefixes(&self) -> usize {
        self.prefixes.len()
    }

    /// Notes a change of a key, and who has made it, with all prefixes that it has.
    fn note_change(&mut self, key: &[u8], by: Option<u64>) {
        let mut rest = key;
        // Of the prefixes that do not come behind the key the last one is it, or shows how long a shorter one may be.
        loop {
            let until = (Bound::Unbounded, Bound::Included(rest));
            let Some((prefix, state)) = self.prefixes.range_mut::<[u8], _>(until).next_back() else { return };
            let common = rest.iter().zip(prefix).take_while(|(one, other)| one == other).count();
            if common == prefix.len() {
                if state.changed.is_empty() {
                    self.changed.insert(prefix.clone());
                }
                state.changed.insert(key.into(), by);
                let Some(shorter) = common.checked_sub(1) else { return };
                rest = &rest[..shorter];
            } else {
                rest = &rest[..common];
            }
        }
    }

    fn remember(&mut self, key: &[u8], id: u64) {
        match self.keys.get_mut(key) {
            Some(readers) => self.items += usize::from(readers.add(id)),
            None => {
                self.keys.insert(key.into(), Readers::One(id));
                self.items += 1;
            }
        }
    }

    /// Forgets who has read a key, and has them told.
    fn forget(&mut self, key: &[u8], is_told: impl Fn(ClientKey) -> bool) {
        let Some((key, readers)) = self.keys.remove_entry(key) else { return };
        let readers = readers.ids();
        self.items -= readers.len();
        let receives = |id: &u64| self.clients.get(id).is_some_and(|client| is_told(*client));
        let receivers: Vec<u64> = readers.into_iter().filter(receives).collect();
        if !receivers.is_empty() {
            self.news.push(News { key: Some(key), receivers });
        }
    }

    /// The next key to forget: one after the other, around and around.
    fn next_to_forget(&self) -> Option<Box<[u8]>> {
        let behind = (Bound::Excluded(&self.forgotten), Bound::Unbounded);
        let next = self.keys.range::<Box<[u8]>, _>(behind).next().or_else(|| self.keys.first_key_value());
        next.map(|(key, _)| key.clone())
    }

    fn forget_all(&mut self) {
        self.keys.clear();
        self.items = 0;
    }
}

/// Has a client track, or track differently; in broadcast mode these prefixes besides those it has.
pub fn start(server: &mut Server, key: ClientKey, options: Options, prefixes: &[&[u8]]) {
    let client = server.clients.at_mut(key);
    let tracking = client.tracking.get_or_insert_default();
    server.tracking.clients.insert(client.id, key);
    if options.broadcast {
        let everything: &[&[u8]] = &[b""];
        for prefix in if prefixes.is_empty() { everything } else { prefixes } {
            tracking.add_prefix(prefix);
            server.tracking.prefixes.entry((*prefix).into()).or_default().clients.insert(client.id);
        }
    }
    tracking.options = options;
    tracking.redirect_broken = false;
    server.observers.set(Observers::TRACKING, true);
}

/// Ends a client's tracking.
pub fn stop(server: &mut Server, key: ClientKey) {
    let Some(client) = server.clients.get_mut(key) else { return };
    let Some(tracking) = client.tracking.take() else { return };
    let all = &mut server.tracking;
    all.clients.remove(&client.id);
    shrink(&mut all.clients);
    for prefix in tracking.prefixes {
        if let Some(known) = all.prefixes.get_mut(&prefix) {
            known.clients.remove(&client.id);
            if known.clients.is_empty() {
                all.prefixes.remove(&prefix);
                all.changed.remove(&prefix);
            }
        }
    }
    if all.clients.is_empty() {
        server.tracking = Tracking::default();
        server.modes.set(ServerModes::TRACKING_FULL, false);
        server.observers.set(Observers::TRACKING, false);
    }
}

/// After a command has run for a client: remembers the keys it has read, if it tracks. Of a script that are those it
/// was called with, once one of its commands reads: [`after_call_by_script`].
pub fn after_call(cx: &mut Ctx<'_>, id: CommandId, args: &Args<'_>) {
    let row = cx.server.commands.entry(id).row;
    if cx.by_script() {
        return;
    }
    let in_exec = cx.server.in_exec;
    let client = cx.server.clients.at_mut(cx.client);
    let Some(tracking) = client.tracking.as_deref_mut() else { return };
    let wanted = tracking.wants_keys();
    if !row.flags.has(KEEPS_CACHING) && !in_exec && client.transaction.is_none() {
        tracking.caching = false;
    }
    if wanted && row.flags.has(READONLY) && !row.flags.has(PUBSUB | RUNS_SCRIPT) {
        remember(cx, id, args);
    }
}

/// After a script has called a command: `caller` is the command that runs the script, with its arguments.
pub fn after_call_by_script(cx: &mut Ctx<'_>, id: CommandId, caller: CommandId, args: &Args<'_>) {
    let reads = cx.server.commands.entry(id).row.flags.has(READONLY);
    if reads && cx.client().tracking.as_deref().is_some_and(ClientTracking::wants_keys) {
        remember(cx, caller, args);
    }
}

/// Remembers that a client has read the keys of a call.
pub fn remember(cx: &mut Ctx<'_>, id: CommandId, args: &Args<'_>) {
    let row = cx.server.commands.entry(id).row;
    let client = cx.client().id;
    if let Some(key) = keys::find_only(row, *args) {
        cx.server.tracking.remember(args.get(key.index), client);
    } else if row.takes_keys() {
        for key in keys::find(row, *args) {
            cx.server.tracking.remember(args.get(key.index), client);
        }
    }
    note_fill(cx.server);
}

/// Notes whether more keys are remembered than should be: then the next command makes room.
pub fn note_fill(server: &mut Server) {
    let max = server.config.tracking_table_max_keys;
    server.modes.set(ServerModes::TRACKING_FULL, max > 0 && server.tracking.keys.len() > max);
}

/// A key has changed, by a client or by itself.
pub fn key_changed(server: &mut Server, key: &[u8], by: Option<ClientKey>) {
    let Server { tracking, clients, current, .. } = server;
    let by = by.and_then(|client| clients.get(client)).map(|client| client.id);
    tracking.note_change(key, by);
    tracking.forget(key, |client| {
        let options = clients.get(client).and_then(|client| client.tracking.as_deref()).map(|known| &known.options);
        options.is_some_and(|options| !(options.broadcast || options.noloop && *current == Some(client)))
    });
}

/// All keys have gone.
pub fn all_changed(server: &mut Server) {
    let tracking = &mut server.tracking;
    tracking.forget_all();
    let mut receivers: Vec<u64> = tracking.clients.keys().copied().collect();
    receivers.sort_unstable();
    tracking.news.push(News { key: None, receivers });
    note_fill(server);
}

/// Forgets keys as long as too many are remembered, but not endlessly, and has their readers told: they would not hear
/// of a change.
pub fn make_room(server: &mut Server) {
    let tracking = &mut server.tracking;
    let effort = FORGOTTEN_AT_ONCE.saturating_mul(tracking.shortages + 1);
    let max = server.config.tracking_table_max_keys;
    let clients = &server.clients;
    for _ in 0..effort {
        if max == 0 || tracking.keys.len() <= max {
            break;
        }
        let Some(key) = tracking.next_to_forget() else { break };
        tracking.forget(&key, |client| {
            let tracking = clients.get(client).and_then(|client| client.tracking.as_deref());
            tracking.is_some_and(|tracking| !tracking.options.broadcast)
        });
        tracking.forgotten = key;
    }
    note_fill(server);
    let short = server.modes.has(ServerModes::TRACKING_FULL);
    server.tracking.shortages = if short { server.tracking.shortages + 1 } else { 0 };
}

/// Tells what has changed so far.
pub fn deliver(server: &mut Server) {
    for News { key, receivers } in std::mem::take(&mut server.tracking.news) {
        let payload = key.map(|key| encode(std::iter::once(&*key)));
        receivers.into_iter().for_each(|id| tell(server, id, payload.as_deref()));
    }
}

/// Tells what has changed before a command runs, in front of its reply: it belongs to what was there before.
pub fn deliver_before_reply(cx: &mut Ctx<'_>) {
    deliver(cx.server);
    if !cx.client().modes.has(super::Modes::REPLY_OFF) {
        let mut messages = cx.server.effects.take_own_messages();
        cx.reply.append(&mut messages);
    }
}

/// Tells those in broadcast mode what has changed since the last time.
pub fn broadcast(server: &mut Server) {
    let mut told: Vec<(u64, Rc<[u8]>)> = Vec::new();
    for prefix in std::mem::take(&mut server.tracking.changed) {
        let Some(prefix) = server.tracking.prefixes.get_mut(&prefix) else { continue };
        let changed = std::mem::take(&mut prefix.changed);
        let all: Rc<[u8]> = encode(changed.keys().map(|key| &**key)).into();
        for id in &prefix.clients {
            let client = server.tracking.clients.get(id).and_then(|key| server.clients.get(*key));
            let noloop = client.and_then(|client| client.tracking.as_deref()).is_some_and(|known| known.options.noloop);
            if !noloop {
                told.push((*id, Rc::clone(&all)));
                continue;
            }
            let others: Vec<&[u8]> =
                changed.iter().filter(|(_, by)| **by != Some(*id)).map(|(key, _)| &**key).collect();
            if !others.is_empty() {
                told.push((*id, encode(others.into_iter()).into()));
            }
        }
    }
    told.iter().for_each(|(id, payload)| tell(server, *id, Some(payload)));
}

fn encode<'k>(keys: impl Iterator<Item = &'k [u8]>) -> Vec<u8> {
    let keys: Vec<&[u8]> = keys.collect();
    let mut reply = Reply::default();
    reply.array(keys.len());
    keys.into_iter().for_each(|key| reply.bulk(key));
    reply.to_vec()
}

/// Tells the client with an id, or who is told in its place, of changed keys, or of all.
fn tell(server: &mut Server, id: u64, payload: Option<&[u8]>) {
    let Some(key) = server.tracking.clients.get(&id).copied() else { return };
    let Some(client) = server.clients.get(key) else { return };
    let Some(tracking) = client.tracking.as_deref() else { return };
    let redirect = tracking.options.redirect;
    let target = match redirect {
        None => key,
        Some(target) if server.clients.get(target.key).is_some_and(|client| client.id == target.id) => target.key,
        Some(target) => return tell_of_broken_redirect(server, key, target.id),
    };
    let Some(receiver) = server.clients.get(target) else { return };
    let write_payload = |out: &mut Reply| match payload {
        Some(encoded) => out.raw(encoded),
        None => out.null(),
    };
    if receiver.resp3 {
        server.push(target, |out| {
            out.push(2);
            out.bulk(b"invalidate");
            write_payload(out);
        });
    } else if redirect.is_some() && receiver.subscriptions.is_some() {
        server.push(target, |out| {
            out.array(3);
            out.bulk(b"message");
            out.bulk(CHANNEL);
            write_payload(out);
        });
    }
}

fn tell_of_broken_redirect(server: &mut Server, key: ClientKey, missing: u64) {
    let client = server.clients.at_mut(key);
    if let Some(tracking) = client.tracking.as_deref_mut() {
        tracking.redirect_broken = true;
    }
    if client.resp3 {
        server.push(key, |out| {
            out.push(2);
            out.bulk(b"tracking-redir-broken");
            out.integer(missing as i64);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn news(tracking: &mut Tracking) -> Vec<(String, Vec<u64>)> {
        let text = |key: Option<Box<[u8]>>| String::from_utf8_lossy(&key.unwrap_or_default()).into_owned();
        std::mem::take(&mut tracking.news).into_iter().map(|news| (text(news.key), news.receivers)).collect()
    }

    #[test]
    fn each_reader_of_a_key_is_told_once() {
        let mut tracking = Tracking { clients: HashMap::from([(1, 10), (2, 20), (3, 30)]), ..Tracking::default() };
        for (key, id) in [("a", 1), ("a", 2), ("a", 1), ("b", 1), ("c", 9)] {
            tracking.remember(key.as_bytes(), id);
        }
        assert_eq!((tracking.keys(), tracking.items()), (3, 4));
        tracking.forget(b"a", |client| client != 20);
        tracking.forget(b"a", |_| true);
        tracking.forget(b"c", |_| true);
        assert_eq!(news(&mut tracking), [("a".to_owned(), vec![1])]);
        assert_eq!((tracking.keys(), tracking.items()), (1, 1));
    }

    proptest! {
        #[test]
        fn a_change_is_noted_with_each_prefix_of_the_key(
            prefixes in prop::collection::btree_set("[a-c]{0,4}", 0..12), keys in prop::collection::vec("[a-c]{0,6}", 1..6),
        ) {
            let mut tracking = Tracking::default();
            for prefix in &prefixes {
                tracking.prefixes.insert(prefix.as_bytes().into(), Prefix::default());
            }
            keys.iter().for_each(|key| tracking.note_change(key.as_bytes(), None));
            for (prefix, state) in &tracking.prefixes {
                let expected: BTreeSet<&[u8]> =
                    keys.iter().map(|key| key.as_bytes()).filter(|key| key.starts_with(prefix)).collect();
                prop_assert!(state.changed.keys().map(|key| &**key).eq(expected.iter().copied()));
                prop_assert_eq!(tracking.changed.contains(prefix), !expected.is_empty());
            }
        }
    }

    #[test]
    fn keys_are_forgotten_one_after_the_other() {
        let mut tracking = Tracking::default();
        for key in ["a", "b", "c"] {
            tracking.remember(key.as_bytes(), 1);
        }
        let mut order = String::new();
        for _ in 0..4 {
            let key = tracking.next_to_forget().unwrap();
            order.push_str(std::str::from_utf8(&key).unwrap());
            tracking.forgotten = key;
        }
        assert_eq!(order, "abca");
        tracking.forget_all();
        assert_eq!(tracking.next_to_forget(), None);
    }
}
