//! A client that goes is taken out of everything that knows it.

use super::{lifecycle, publish, tracking};
use crate::client::ClientKey;
use crate::server::Server;
use crate::server::replication::primary;
use crate::server::replication::role;

/// Takes a client out of everything that knows it, before it is removed.
pub fn forget(server: &mut Server, key: ClientKey) {
    lifecycle::unwatch(server, key);
    tracking::stop(server, key);
    publish::forget(server, key);
    primary::forget(server, key);
    role::forget(server, key);
    server.unblock(key);
    lifecycle::stop_monitoring(server, key);
}
