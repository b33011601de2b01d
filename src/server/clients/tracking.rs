//! CLIENT TRACKING: clients with caches of their own are told when what they hold has changed.
//!
//! By default the server remembers which client has read which key, once: the first change of the key is told to each
//! of them, and forgotten. A client in broadcast mode is told of all changes of keys with its prefixes instead, and
//! nothing is remembered; what one turn of the event loop changed is told together. Either way what is told goes to
//! the client itself as a push of RESP3, or to another one (REDIRECT), which may be a RESP2 client with subscriptions.
//!
//! Nobody is told of a key that its user may not read: rights are asked for when something is told. Who loses some of
//! them is told to forget everything, and may miss changes then without harm.
//!
//! A client that stops tracking, or goes, stays in the memory of keys until they change: its id, which is never used
//! twice, is passed over then. When nobody tracks any more all is forgotten.
//!
//! What is to be told waits for the end of the command that brought it about ([`deliver`]), so that it never stands in
//! the middle of a reply. No bit of this is entered while nobody tracks.

use std::rc::Rc;

use super::tracked_keys::note_fill;
use crate::client::acl::Acl;
use crate::client::tracking::{ClientTracking, Invalidation, Options, Tracking};
use crate::client::{Client, Modes};
use crate::command::spec::{KEEPS_CACHING, PUBSUB, READONLY, RUNS_SCRIPT};
use crate::command::{Args, CommandId, keys};
use crate::net::ClientKey;
use crate::resp::reply::Reply;
use crate::server::Server;
use crate::server::effects::Observers;
use crate::server::execution::Ctx;
use crate::server::modes::ServerModes;
use crate::util::shrink::shrink;

/// The channel that a RESP2 client hears of changes through.
const CHANNEL: &[u8] = b"__redis__:invalidate";
/// Keys forgotten at once when there are too many; more each time that was not enough.
const FORGOTTEN_AT_ONCE: u32 = 100;

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

/// After a command has run for a client: remembers the keys it has read, if it tracks. Of a script that are those of
/// the commands it calls: [`after_call_by_script`].
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

/// After a script has called a command.
pub fn after_call_by_script(cx: &mut Ctx<'_>, id: CommandId, args: &Args<'_>) {
    let flags = cx.server.commands.entry(id).row.flags;
    let reads = flags.has(READONLY) && !flags.has(PUBSUB);
    if reads && cx.client().tracking.as_deref().is_some_and(ClientTracking::wants_keys) {
        remember(cx, id, args);
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
        tracking.eviction_cursor = key;
    }
    note_fill(server);
    let short = server.modes.has(ServerModes::TRACKING_FULL);
    server.tracking.shortages = if short { server.tracking.shortages + 1 } else { 0 };
}

/// Whether a client may be told the name of a key.
fn may_hear(acl: &Acl, client: &Client, key: &[u8]) -> bool {
    !client.modes.has(Modes::RESTRICTED) || acl.user(client.user).may_read(key)
}

/// Tells what has changed so far.
pub fn deliver(server: &mut Server) {
    for Invalidation { key, mut receivers } in std::mem::take(&mut server.tracking.invalidations) {
        if let Some(key) = &key {
            receivers.retain(|id| {
                let client = server.tracking.clients.get(id).and_then(|key| server.clients.get(*key));
                client.is_some_and(|client| may_hear(&server.acl, client, key))
            });
        }
        let payload = key.map(|key| encode(std::iter::once(&*key)));
        receivers.into_iter().for_each(|id| tell(server, id, payload.as_deref()));
    }
}

/// Tells what has changed before a command runs, in front of its reply: it belongs to what was there before.
pub fn deliver_before_reply(cx: &mut Ctx<'_>) {
    deliver(cx.server);
    if !cx.client().modes.has(Modes::REPLY_OFF) {
        let mut messages = cx.server.effects.take_pushes_after_reply();
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
            let Some(client) = client else { continue };
            let noloop = client.tracking.as_deref().is_some_and(|known| known.options.noloop);
            if !noloop && !client.modes.has(Modes::RESTRICTED) {
                told.push((*id, Rc::clone(&all)));
                continue;
            }
            let others = changed.iter().filter(|(_, by)| !(noloop && **by == Some(*id))).map(|(key, _)| &**key);
            let some: Vec<&[u8]> = others.filter(|key| may_hear(&server.acl, client, key)).collect();
            if !some.is_empty() {
                told.push((*id, encode(some.into_iter()).into()));
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
