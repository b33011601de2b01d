//! Before replies leave: the log is written, and who waited for that is answered.

use crate::server::Server;
use crate::server::clients::blocking::durability;
use crate::server::persistence::aof_write;

/// Writes what there is, before anybody is told of it.
#[inline]
pub fn before_replies(server: &mut Server) {
    aof_write::flush_if_due(server);
    if !server.clients.waiting_for_durability.is_empty() {
        durability::serve(server);
    }
}
