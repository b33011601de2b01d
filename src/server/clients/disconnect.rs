//! A client that goes is taken out of everything that knows it.

use super::{lifecycle, publish, tracking};
use crate::net::ClientKey;
use crate::server::Server;
use crate::server::replication::{primary, role};

/// Takes a client out of everything that knows it, before it is removed. It may come here twice, when somebody has it
/// closed and when its connection ends, so each step has to do nothing the second time.
pub fn unlink_client(server: &mut Server, key: ClientKey) {
    lifecycle::unwatch(server, key);
    tracking::stop(server, key);
    publish::forget(server, key);
    primary::forget(server, key);
    role::forget(server, key);
    server.moves.forget(key);
    server.unblock(key);
    lifecycle::stop_monitoring(server, key);
}

/// Closes a client that somebody wants gone. It is, at once, for all who ask: its subscriptions end, and it takes
/// nothing any more. The one whose command runs gets the reply first.
pub fn close_client(server: &mut Server, key: ClientKey) {
    if server.current == Some(key) {
        server.clients.at_mut(key).close_after_reply();
    } else {
        unlink_client(server, key);
        server.clients.close_soon(key);
    }
}
