//! What follows from a command once the outermost one is done: propagation, keyspace events, messages, and blocked
//! clients served until none is left. This is the one loop that drains what commands have noted in `Effects`.

use super::{Ctx, subkeys};
use crate::client::Modes;
use crate::command::spec::ARBITRARY_KEYS;
use crate::config::NotifyFlags;
use crate::db::Databases;
use crate::net::ClientKey;
use crate::resp::reply::Reply;
use crate::server::clients::blocking::durability;
use crate::server::clients::{publish, tracking};
use crate::server::effects::{KeyEvent, Observers};
use crate::server::modes::ServerModes;
use crate::server::{Server, propagate};

/// Settles what waits for the end of the outermost command.
pub fn finish_command(cx: &mut Ctx<'_>) {
    // While a script runs too long, what others ask for is part of its turn: the rest waits for its end.
    if !cx.server.modes.has(ServerModes::BUSY) {
        if !cx.server.effects.outgoing.is_empty() {
            hand_over(cx);
        }
        run_pending_effects(cx.server, cx.db, Some(cx.client));
    }
    let own = &mut cx.server.effects.pushes_after_reply;
    if !own.is_empty() {
        match cx.server.clients.at(cx.client).modes.has(Modes::CLOSING) {
            // It has had its last reply.
            true => *own = Reply::default(),
            false => cx.reply.append(own),
        }
    }
    cx.server.observers.set(Observers::PENDING, false);
}

/// Hands over what the command propagates. Keys that expired because a command looked at all there are go one by one.
fn hand_over(cx: &mut Ctx<'_>) {
    let command = cx.client().last_command.map(|id| cx.server.commands.entry(id).row.flags);
    match command.is_some_and(|flags| flags.has(ARBITRARY_KEYS)) {
        true => propagate::propagate_each(cx.server),
        false => propagate::propagate(cx.server),
    }
    durability::note_write(cx.server, cx.client);
}

/// Tells subscribers of noted events and serves blocked clients, until nothing is left. What each of these runs is
/// propagated apart: it is no part of the transaction that made it possible.
pub fn run_pending_effects(server: &mut Server, db: &mut Databases, current: Option<ClientKey>) {
    propagate::propagate_each(server);
    tell_clients(server, current);
    // While the data set is loaded nobody takes anything from it.
    while !server.effects.ready.is_empty() && !server.modes.has(ServerModes::LOADING) {
        for (index, key) in std::mem::take(&mut server.effects.ready) {
            server.serve_waiters(db, index, &key);
        }
        tell_clients(server, current);
    }
    propagate::propagate_each(server);
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
    for noted in std::mem::take(&mut server.effects.events) {
        let KeyEvent { db, ref key, event, .. } = noted;
        let enabled = server.config.notify_keyspace_events;
        if enabled.contains(NotifyFlags::KEYSPACE) {
            let channel = [format!("__keyspace@{db}__:").as_bytes(), key].concat();
            publish::publish(server, &channel, event.name.as_bytes());
        }
        if enabled.contains(NotifyFlags::KEYEVENT) {
            let channel = format!("__keyevent@{db}__:{}", event.name);
            publish::publish(server, channel.as_bytes(), key);
        }
        if !noted.fields.is_empty() && enabled.intersects(NotifyFlags::SUBKEYS) {
            subkeys::deliver(server, enabled, &noted);
        }
    }
}
