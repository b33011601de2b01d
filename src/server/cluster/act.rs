//! What follows for the data and its clients from what the rules decide.

use super::moves::strays;
use super::{bus, endpoint, event, reassigned};
use crate::db::Databases;
use crate::peers::cluster::State;
use crate::peers::cluster::message::Body;
use crate::peers::cluster::node::NodeKey;
use crate::peers::cluster::outbox::Action;
use crate::server::Server;
use crate::server::clients::publish;
use crate::server::execution::changes;
use crate::server::pause::WritePauseReason;
use crate::server::persistence::snapshot;
use crate::server::replication::role;

/// What one round of actions has led to may have to be done as well; then the next turn goes on.
const ROUNDS_MAX: usize = 16;

/// Does what the rules want done, before the loop waits.
pub fn settle(server: &mut Server, db: &mut Databases) {
    for _ in 0..ROUNDS_MAX {
        let Some(actions) = bus::due(server) else { break };
        actions.into_iter().for_each(|action| act(server, db, action));
    }
    reassigned::end_subscriptions(server);
}

fn act(server: &mut Server, db: &mut Databases, action: Action) {
    match action {
        Action::Send { .. } | Action::Connect { .. } | Action::Close(_) => bus::act_on_link(server, action),
        Action::Follow(primary) => follow(server, db, primary),
        Action::Promote => role::become_primary(server, db),
        Action::HoldWrites(true) => {
            server.hold_writes(db, WritePauseReason::Failover);
            event::with(server, State::writes_held);
        }
        Action::HoldWrites(false) => server.release_writes(db, WritePauseReason::Failover),
        // They are among the strays by now.
        Action::DropKeys(_) => strays::step(server, db),
        Action::DropAllKeys => drop_all_keys(server, db),
        Action::Deliver(Body::Publish { to_shard, channel, message }) => {
            let _ = match to_shard {
                false => publish::publish(server, &channel, &message),
                true => publish::publish_shard(server, &channel, &message),
            };
        }
        Action::Deliver(_) => {}
    }
}

/// Replicates a node, unless that is so already.
fn follow(server: &mut Server, db: &mut Databases, primary: NodeKey) {
    let Some(wanted) = endpoint::for_replication(server, primary) else { return };
    if server.replica_of() != Some(&wanted) {
        role::become_replica(server, db, wanted);
    }
}

fn drop_all_keys(server: &mut Server, db: &mut Databases) {
    db.begin_command(0, server.clock.unix_ms());
    for index in 0..db.count() {
        changes::replace_database(server, db, index, None);
        db.flush(index, server.config.lazyfree_lazy_user_flush);
    }
    changes::all_keys_gone(server);
    snapshot::after_flush_all(server, db);
}
