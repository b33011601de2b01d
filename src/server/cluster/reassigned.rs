//! What follows for clients when slots get other owners, or the cluster goes down: subscriptions to shard channels end,
//! and who waits for keys is sent on.

use crate::client::pubsub::Kind;
use crate::client::{BlockedFor, Client};
use crate::command::spec::READONLY;
use crate::db::slot::slot_of;
use crate::net::ClientKey;
use crate::peers::cluster::State;
use crate::server::Server;
use crate::server::clients::publish;
use crate::server::cluster::route::Detour;

/// Ends all subscriptions to the channels of slots whose owner has changed. Their clients are told, and subscribe anew
/// elsewhere.
pub fn end_subscriptions(server: &mut Server) {
    let Some(cluster) = &mut server.cluster else { return };
    let slots = cluster.take_reassigned();
    if slots.is_empty() {
        return;
    }
    server.slot_usage.iter_mut().for_each(|usage| usage.reset(slots.iter()));
    let channels = server.pubsub.of(Kind::Shard).iter().filter(|(name, _)| slots.has(slot_of(name)));
    let ended: Vec<(Box<[u8]>, Vec<ClientKey>)> =
        channels.map(|(name, clients)| (name.clone(), clients.iter().copied().collect())).collect();
    for (name, clients) in ended {
        for key in clients {
            publish::unsubscribe(server, key, Kind::Shard, &name);
            let count = Kind::Shard.count(server.clients.at(key));
            server.push(key, |out| {
                out.push(3);
                out.bulk(Kind::Shard.words().1.as_bytes());
                out.bulk(&name);
                out.integer(count as i64);
            });
            server.clients.subscriptions_changed(key);
        }
    }
}

/// Answers those who wait for keys that will not come here.
pub fn send_waiting_on(server: &mut Server) {
    let Some(cluster) = server.cluster.as_deref().filter(|_| server.clients.blocked > 0) else { return };
    let detour = |client: &Client| {
        let blocked = client.blocked.as_deref().filter(|blocked| blocked.reason == BlockedFor::Keys)?;
        let reads = client.reads_replicas && server.commands.entry(blocked.command).row.flags.has(READONLY);
        detour_of_waiting(cluster, blocked.keys.first()?, reads)
    };
    let sent_on: Vec<(ClientKey, Detour)> =
        server.clients.iter().filter_map(|(key, client)| Some((key, detour(client)?))).collect();
    for (key, detour) in sent_on {
        let error = detour.error(server, key);
        server.refuse_blocked(key, &error);
    }
}

fn detour_of_waiting(cluster: &State, key: &[u8], reads: bool) -> Option<Detour> {
    if !cluster.is_ok() {
        return Some(Detour::Down);
    }
    let slot = slot_of(key);
    let is_served =
        cluster.is_mine(slot) || reads && cluster.is_of_my_shard(slot) || cluster.importing_from(slot).is_some();
    (!is_served).then(|| cluster.owner(slot).map_or(Detour::Unbound, |owner| Detour::Moved(slot, owner)))
}
