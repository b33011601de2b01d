//! Events: what happens, told to the rules together with the moment and how it stands with this node.

use crate::peers::cluster::State;
use crate::peers::cluster::rules::{Local, Moment};
use crate::server::Server;
use crate::server::pause::WritePauseReason;

/// Of data whose age is not known this is the age, in milliseconds.
const AGES_MS: i64 = i64::MAX / 2;

/// Has the rules look at an event; nothing outside of a cluster. What follows from it is done before the loop waits.
pub fn with<R>(server: &mut Server, look: impl FnOnce(&mut State, &mut Moment<'_>) -> R) -> Option<R> {
    server.cluster.as_ref()?;
    let local = local(server);
    let Server { cluster, random, clock, .. } = server;
    let mut moment = Moment { now_ms: clock.unix_ms(), random, local };
    Some(look(cluster.as_deref_mut()?, &mut moment))
}

/// How it stands with this node's replication.
fn local(server: &Server) -> Local {
    let follows = server.is_replica();
    let offset = if follows { server.repl.replica_offset() } else { server.repl.history.offset };
    let holds_writes = server.pause.holders.contains(&WritePauseReason::Failover);
    Local { offset, data_age_ms: data_age_ms(server), follows, holds_writes }
}

/// How long the primary has not been heard of.
fn data_age_ms(server: &Server) -> i64 {
    let connected = server.repl.primary.as_ref().and_then(|primary| server.clients.get(primary.client));
    let heard_ms = connected.map(|client| client.active_ms).or(server.repl.down_since_ms);
    heard_ms.map_or(AGES_MS, |heard_ms| server.clock.unix_ms() - heard_ms)
}
