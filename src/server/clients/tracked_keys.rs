//! What changes of keys mean to those who track them: noted here, told by [`super::tracking`].

use crate::client::tracking::Invalidation;
use crate::net::ClientKey;
use crate::server::Server;
use crate::server::modes::ServerModes;

/// Notes whether more keys are remembered than should be: then the next command makes room.
pub fn note_fill(server: &mut Server) {
    let max = server.config.tracking_table_max_keys;
    server.modes.set(ServerModes::TRACKING_FULL, max > 0 && server.tracking.keys.len() > max);
}

/// A key has changed, by a client or by itself.
pub fn key_changed(server: &mut Server, key: &[u8], by: Option<ClientKey>) {
    let Server { tracking, clients, current, .. } = server;
    let by = by.and_then(|client| clients.get(client)).map(|client| client.id);
    tracking.note_change(key, by);
    tracking.forget(key, |client| {
        let options = clients.get(client).and_then(|client| client.tracking.as_deref()).map(|known| &known.options);
        options.is_some_and(|options| !(options.broadcast || options.noloop && *current == Some(client)))
    });
}

/// All keys have gone.
pub fn all_changed(server: &mut Server) {
    let tracking = &mut server.tracking;
    tracking.forget_all();
    let mut receivers: Vec<u64> = tracking.clients.keys().copied().collect();
    receivers.sort_unstable();
    tracking.invalidations.push(Invalidation { key: None, receivers });
    note_fill(server);
}

/// The user of a client may not read any more what it could. It will not be told of changes of that, so that it had
/// better not keep it.
pub fn rights_lost(server: &mut Server, key: ClientKey) {
    if let Some(client) = server.clients.get(key).filter(|client| client.tracking.is_some()) {
        server.tracking.invalidations.push(Invalidation { key: None, receivers: vec![client.id] });
    }
}
