//! What follows from each call, also within a transaction or script: MONITOR, tracking, what is to be propagated.

use super::Ctx;
use super::changes::apply_keyspace_notes;
use super::gate::shown_to_monitors;
use crate::command::spec::RUNS_QUEUE;
use crate::command::{Args, CommandId};
use crate::net::ClientKey;
use crate::resp::request::ArgView;
use crate::server::Server;
use crate::server::clients::tracking;
use crate::server::effects::{Observers, Propagation};
use crate::util::quote;

/// Settles the effects of one call.
pub fn after_call(cx: &mut Ctx<'_>, id: CommandId, args: &Args<'_>, changed: bool, again: bool) {
    apply_keyspace_notes(cx.server, cx.db);
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
