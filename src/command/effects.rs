//! What follows from commands, carried out in one place: failed transactions, keyspace events, propagation, MONITOR,
//! blocked clients woken, messages to other clients.
//!
//! Handlers only say what changed. While a command runs its effects are noted in [`Effects`]; [`after_call`] settles
//! those of each call, [`finish`] those that wait for the end of the outermost command, so that nothing reaches
//! another client (or this one) in the middle of a transaction's reply. When nobody observes anything (see
//! [`Observers`]), none of this is entered at all.

use super::context::Event;
use super::gate::shown_to_monitors;
use super::spec::{ARBITRARY_KEYS, RUNS_QUEUE};
use super::{Args, CommandId, Ctx};
use crate::client::{ClientKey, tracking};
use crate::config::NotifyFlags;
use crate::db::keyspace::{Happening, Note};
use crate::db::{Databases, Key};
use crate::repl::propagate::{self, Outgoing};
use crate::repl::replica;
use crate::resp::reply::Reply;
use crate::resp::request::{ArgView, OwnedRequest};
use crate::server::{Server, ServerModes};
use crate::util::bit_set::bit_set;
use crate::util::quote;

/// Who wants to know of changes; kept up to date by those who come and go. Usually nobody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observers(u8);

impl Observers {
    /// Some keyspace events are enabled.
    pub const NOTIFY: Observers = Observers(1 << 0);
    /// Some key is watched.
    pub const WATCH: Observers = Observers(1 << 1);
    /// Some client is blocked on a key.
    pub const WAITERS: Observers = Observers(1 << 2);
    /// Some client runs MONITOR.
    pub const MONITOR: Observers = Observers(1 << 3);
    /// The append-only file or a replica wants the changes.
    pub const PROPAGATE: Observers = Observers(1 << 4);
    /// Something waits for the end of the command.
    pub const PENDING: Observers = Observers(1 << 5);
    /// Some client wants to be told of changes: CLIENT TRACKING.
    pub const TRACKING: Observers = Observers(1 << 6);
    /// This is a replica that its clients may write to.
    pub const OWN_WRITES: Observers = Observers(1 << 7);

    /// Whether changes are propagated.
    #[inline]
    pub fn propagates(self) -> bool {
        self.has(Observers::PROPAGATE)
    }
}

bit_set!(Observers);

/// How a call is propagated.
#[derive(Debug, Default)]
enum Propagation {
    /// As the client sent it, if it changed something.
    #[default]
    Verbatim,
    /// As these requests.
    Instead(Vec<(usize, OwnedRequest)>),
    /// As the client sent it, whether it changed something or not.
    Always,
    /// As the client sent it, though it changes nothing: it is to happen at replicas, too.
    AtReplicas,
    /// Not at all.
    Nothing,
}

/// Effects noted and not yet carried out.
#[derive(Debug, Default)]
pub struct Effects {
    /// Keyspace events: database, key, event.
    events: Vec<(usize, Box<[u8]>, Event)>,
    propagation: Propagation,
    /// What is to be propagated at the end of the outermost command.
    pub outgoing: Outgoing,
    /// Keys on which somebody waits and something came, in order.
    ready: Vec<(usize, Box<[u8]>)>,
    /// Messages to the client whose command runs, sent behind its reply.
    own_messages: Reply,
}

impl Effects {
    /// Notes a keyspace event if its class is enabled.
    pub fn notify(&mut self, enabled: &NotifyFlags, db: usize, key: &[u8], event: Event) {
        if enabled.contains(event.class) {
            self.events.push((db, key.into(), event));
        }
    }

    /// See [`Ctx::propagate_instead`].
    pub fn propagate_instead(&mut self, db: usize, request: OwnedRequest) {
        match &mut self.propagation {
            Propagation::Instead(requests) => requests.push((db, request)),
            other => *other = Propagation::Instead(vec![(db, request)]),
        }
    }

    /// See [`Ctx::propagate_nothing`].
    pub fn propagate_nothing(&mut self) {
        self.propagation = Propagation::Nothing;
    }

    /// See [`Ctx::propagate_always`].
    pub fn propagate_always(&mut self) {
        self.propagation = Propagation::Always;
    }

    /// See [`Ctx::propagate_to_replicas`].
    pub fn propagate_to_replicas(&mut self) {
        self.propagation = Propagation::AtReplicas;
    }

    /// Where messages to the running client are collected.
    pub fn own_messages(&mut self, resp3: bool) -> &mut Reply {
        self.own_messages.resp3 = resp3;
        &mut self.own_messages
    }

    /// Takes the messages collected so far out of the way.
    pub fn take_own_messages(&mut self) -> Reply {
        std::mem::take(&mut self.own_messages)
    }

    /// Puts messages back and returns what was collected in between.
    pub fn replace_own_messages(&mut self, messages: Reply) -> Reply {
        std::mem::replace(&mut self.own_messages, messages)
    }
}

/// A key changed: see [`Ctx::changed`].
pub fn touched(cx: &mut Ctx<'_>, db: usize, key: &[u8], event: Event) {
    settle_notes(cx.server, cx.db);
    mark_touched(cx.server, db, key, Cause::Client(cx.client));
    if cx.server.observers.has(Observers::OWN_WRITES) {
        replica::note_own_write(cx, db, key);
    }
    cx.server.effects.notify(&cx.server.config.notify_keyspace_events, db, key, event);
}

/// A key changed, of which neither persistence nor subscribers need to know.
pub fn key_changed(cx: &mut Ctx<'_>, key: &[u8]) {
    settle_notes(cx.server, cx.db);
    mark_touched(cx.server, cx.db.selected(), key, Cause::Client(cx.client));
}

/// Has those who wait on a key look again, though it did not change.
pub fn wake(cx: &mut Ctx<'_>, key: &[u8]) {
    let db = cx.db.selected();
    if cx.server.waiters.signal(db, key) {
        cx.server.effects.ready.push((db, key.into()));
    }
}

/// Why a key changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// A client's command changed it.
    Client(ClientKey),
    /// Its time had come.
    Expired,
    /// The server changed it otherwise.
    Server,
}

/// Fails the transactions that watch a key, has those told who hold a copy of it, and notes that its waiters can be
/// served. That a key which had expired before it was watched is now deleted, too, is no change.
fn mark_touched(server: &mut Server, db: usize, key: &[u8], cause: Cause) {
    if server.observers.has(Observers::TRACKING) {
        let by = if let Cause::Client(client) = cause { Some(client) } else { None };
        tracking::key_changed(server, key, by);
    }
    let Server { watches, clients, .. } = server;
    for (client, was_expired) in watches.watchers(db, key).into_iter().flatten() {
        let Some(client) = clients.get_mut(*client) else { continue };
        match *was_expired && cause == Cause::Expired {
            true => *was_expired = false,
            false => client.dirty = true,
        }
    }
    if server.waiters.signal(db, key) {
        server.effects.ready.push((db, key.into()));
    }
}

/// All keys of a database are about to go, and those of `replacement`, if any, to come: see FLUSHDB and SWAPDB. Call it
/// while the keys are still there.
pub fn database_replaced(cx: &mut Ctx<'_>, db: usize, replacement: Option<usize>) {
    replace_database(cx.server, cx.db, db, replacement);
}

/// [`database_replaced`], outside of commands.
pub fn replace_database(server: &mut Server, databases: &mut Databases, db: usize, replacement: Option<usize>) {
    if !server.observers.any() {
        return;
    }
    settle_notes(server, databases);
    let Server { watches, clients, .. } = server;
    for (key, watchers) in watches.of_database(db) {
        let hashed = Key::new(key);
        let entry_in = |db: usize| databases.database(db).dict.find(hashed.hash(), key);
        let now_ms = databases.now_ms();
        let existed = entry_in(db).is_some();
        let replaced_by = replacement.and_then(entry_in);
        let expired = replaced_by.is_some_and(|entry| entry.is_due(now_ms));
        if !existed && replaced_by.is_none() {
            continue;
        }
        for (client, was_expired) in watchers {
            let Some(client) = clients.get_mut(*client) else { continue };
            match *was_expired {
                // What had expired goes, or is replaced by what has expired as well: no change.
                true if replaced_by.is_none() => *was_expired = false,
                true if expired => {}
                false if !existed && expired => *was_expired = true,
                true | false => client.dirty = true,
            }
        }
    }
    // Who waits looks again: for what came, or because what there was has gone.
    let waited = server.waiters.keys(db);
    server.effects.ready.extend(waited.into_iter().map(|key| (db, key)));
}

/// A database, or all of them, was emptied: who holds copies throws all of them away, since those don't tell databases
/// apart.
pub fn all_keys_gone(server: &mut Server) {
    if server.observers.has(Observers::TRACKING) {
        tracking::all_changed(server);
    }
}

/// Carries out what the happenings in the keyspace entail: expired keys are propagated as deleted, and subscribers
/// told.
pub fn settle_notes(server: &mut Server, db: &mut Databases) {
    let enabled = server.config.notify_keyspace_events;
    for Note { db, key, happening, fields } in db.take_notes() {
        let event = match happening {
            Happening::Expired => Event { class: NotifyFlags::EXPIRED, name: "expired" },
            Happening::Missed => Event { class: NotifyFlags::KEY_MISS, name: "keymiss" },
            Happening::Created => Event { class: NotifyFlags::NEW, name: "new" },
            Happening::Evicted => Event { class: NotifyFlags::EVICTED, name: "evicted" },
            Happening::FieldsExpired => Event::hash("hexpired"),
            Happening::Emptied => Event::generic("del"),
        };
        if !fields.is_empty() {
            mark_touched(server, db, &key, Cause::Server);
            if server.observers.propagates() {
                let outgoing = &mut server.effects.outgoing;
                fields.iter().for_each(|field| outgoing.push_words(db, &[b"HDEL", &key[..], field]));
            }
        }
        if matches!(happening, Happening::Expired | Happening::Evicted) {
            let cause = if happening == Happening::Expired { Cause::Expired } else { Cause::Server };
            mark_touched(server, db, &key, cause);
            if server.observers.propagates() {
                let config = &server.config;
                let lazily = if happening == Happening::Evicted {
                    config.lazyfree_lazy_eviction
                } else {
                    config.lazyfree_lazy_expire
                };
                let delete = deletion(lazily);
                server.effects.outgoing.push_words(db, &[delete.as_bytes(), &key]);
            }
        }
        server.effects.notify(&enabled, db, &key, event);
    }
}

/// The command that a deletion by the server itself is propagated as.
pub fn deletion(lazily: bool) -> &'static str {
    if lazily { "UNLINK" } else { "DEL" }
}

/// Settles the effects of one call.
pub fn after_call(cx: &mut Ctx<'_>, id: CommandId, args: &Args<'_>, changed: bool, again: bool) {
    settle_notes(cx.server, cx.db);
    let flags = cx.server.commands.entry(id).row.flags;
    // A blocked command was shown when it came.
    if cx.server.observers.has(Observers::MONITOR) && shown_to_monitors(flags) && !again {
        feed_monitors(cx.server, cx.client, args);
    }
    if cx.server.observers.has(Observers::TRACKING) {
        tracking::after_call(cx, id, args);
    }
    let propagation = std::mem::take(&mut cx.server.effects.propagation);
    if cx.server.observers.propagates() && !flags.has(RUNS_QUEUE) {
        let db = cx.db.selected();
        let outgoing = &mut cx.server.effects.outgoing;
        match propagation {
            Propagation::Verbatim if changed => outgoing.push(db, args),
            Propagation::Instead(requests) if changed => {
                requests.iter().for_each(|(db, request)| outgoing.push(*db, &request.view()));
            }
            Propagation::Always => outgoing.push(db, args),
            Propagation::AtReplicas => outgoing.push_for_replicas(db, args),
            Propagation::Verbatim | Propagation::Instead(_) | Propagation::Nothing => {}
        }
    }
}

/// Settles what waits for the end of the outermost command.
pub fn finish(cx: &mut Ctx<'_>) {
    // While a script runs too long, what others ask for is part of its turn: the rest waits for its end.
    if !cx.server.modes.has(ServerModes::BUSY) {
        if !cx.server.effects.outgoing.is_empty() {
            hand_over(cx);
        }
        settle(cx.server, cx.db, Some(cx.client));
    }
    let own = &mut cx.server.effects.own_messages;
    if !own.is_empty() {
        cx.reply.append(own);
    }
    cx.server.observers.set(Observers::PENDING, false);
}

/// Hands over what the command propagates. Keys that expired because a command looked at all there are go one by one.
fn hand_over(cx: &mut Ctx<'_>) {
    let command = cx.client().last_command.map(|id| cx.server.commands.entry(id).row.flags);
    match command.is_some_and(|flags| flags.has(ARBITRARY_KEYS)) {
        true => propagate::hand_over_apart(cx.server),
        false => propagate::hand_over(cx.server),
    }
    let (written, offset) = (cx.server.persist.aof.fed(), cx.server.repl.history.offset);
    let client = cx.client_mut();
    (client.written, client.written_offset) = (written, offset);
}

/// Tells subscribers of noted events and serves blocked clients, until nothing is left. What each of these runs is
/// propagated apart: it is no part of the transaction that made it possible.
pub fn settle(server: &mut Server, db: &mut Databases, current: Option<ClientKey>) {
    propagate::hand_over_apart(server);
    tell_clients(server, current);
    // While the data set is loaded nobody takes anything from it.
    while !server.effects.ready.is_empty() && !server.modes.has(ServerModes::LOADING) {
        for (index, key) in std::mem::take(&mut server.effects.ready) {
            server.serve_waiters(db, index, &key);
        }
        tell_clients(server, current);
    }
    propagate::hand_over_apart(server);
}

fn tell_clients(server: &mut Server, current: Option<ClientKey>) {
    deliver_events(server, current);
    if server.observers.has(Observers::TRACKING) {
        server.current = current;
        tracking::deliver(server);
    }
}

fn deliver_events(server: &mut Server, current: Option<ClientKey>) {
    if server.effects.events.is_empty() {
        return;
    }
    server.current = current;
    for (db, key, event) in std::mem::take(&mut server.effects.events) {
        let enabled = server.config.notify_keyspace_events;
        if enabled.contains(NotifyFlags::KEYSPACE) {
            let channel = [format!("__keyspace@{db}__:").as_bytes(), &key].concat();
            crate::pubsub::publish(server, &channel, event.name.as_bytes());
        }
        if enabled.contains(NotifyFlags::KEYEVENT) {
            let channel = format!("__keyevent@{db}__:{}", event.name);
            crate::pubsub::publish(server, channel.as_bytes(), &key);
        }
    }
}

/// Shows a command to all clients in MONITOR mode; in the place of the client's address those of scripts say so.
pub fn feed_monitors(server: &mut Server, client: ClientKey, args: &ArgView<'_>) {
    let micros = crate::util::clock::unix_micros();
    let from = server.clients.at(client);
    let by_script = server.script.calls();
    let unix = if from.connection.is_unix() && !by_script { "unix:" } else { "" };
    let peer = if by_script { "lua".to_owned() } else { from.connection.peer_name() };
    let peer = peer.strip_suffix(":0").filter(|_| from.connection.is_unix()).unwrap_or(&peer);
    let mut line = format!("+{}.{:06} [{} {unix}{peer}]", micros / 1_000_000, micros % 1_000_000, from.db).into_bytes();
    let redacted = server.redacted_args(args);
    for index in 0..args.len() {
        line.push(b' ');
        let arg = if redacted.binary_search(&index).is_ok() { b"(redacted)" } else { args.get(index) };
        quote::quote(arg, &mut line);
    }
    line.extend_from_slice(b"\r\n");
    for monitor in server.monitors.clone() {
        server.push(monitor, |out| out.raw(&line));
    }
}
