//! How far this replica is, told to its primary.

use crate::net::ClientKey;
use crate::resp::reply::Reply;
use crate::server::Server;

/// REPLCONF GETACK: answered when the request is done, with the offset before it.
pub fn ack_wanted(server: &mut Server, asking: ClientKey) {
    if let Some(primary) = server.repl.primary.as_mut().filter(|primary| primary.client == asking) {
        primary.wants_ack = true;
    }
}

/// Notes how far in the history the append-only file has come.
pub fn note_logged(server: &mut Server) {
    if let Some(primary) = server.repl.primary.as_mut().filter(|_| server.config.appendonly) {
        primary.logged.note(server.persist.aof.fed(), primary.offset);
    }
}

pub fn logged(server: &mut Server) -> Option<i64> {
    let primary = server.repl.primary.as_mut().filter(|_| server.config.appendonly)?;
    Some(primary.logged.reach(server.persist.aof.durable()))
}

pub fn write_ack(out: &mut Reply, offset: i64, logged: Option<i64>) {
    let offset = offset.to_string();
    let logged = logged.map(|logged| logged.to_string());
    out.array(if logged.is_some() { 5 } else { 3 });
    [&b"REPLCONF"[..], b"ACK", offset.as_bytes()].iter().for_each(|word| out.bulk(word));
    if let Some(logged) = logged {
        out.bulk(b"FACK");
        out.bulk(logged.as_bytes());
    }
}

/// Tells the primary how far this replica is.
pub fn send_ack(server: &mut Server) {
    let Some(primary) = server.repl.primary.as_ref().filter(|primary| !primary.is_old) else { return };
    let (key, offset) = (primary.client, primary.offset);
    let logged = logged(server);
    if let Some(client) = server.clients.get_mut(key) {
        write_ack(&mut client.output, offset, logged);
        server.clients.flush_later(key);
    }
}
