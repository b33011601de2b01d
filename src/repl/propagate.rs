//! Where changes leave the server: towards the append-only file and replicas.

use crate::server::Server;

/// Hands what the finished command propagates to whoever listens. Several requests form a transaction.
pub fn hand_over(server: &mut Server) {
    let outgoing = server.effects.take_outgoing();
    if outgoing.is_empty() {
        return;
    }
    if let Some(tap) = &mut server.propagation_tap {
        tap.push(outgoing);
    }
}
