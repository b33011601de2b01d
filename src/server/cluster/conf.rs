//! `nodes.conf` at work: read at start, written before anything is sent that promises what it says.

use super::endpoint;
use crate::config::SaveBehavior;
use crate::db::Databases;
use crate::db::slot::SLOTS;
use crate::peers::cluster::file::{ConfFile, OpenError};
use crate::peers::cluster::{Settings, State};
use crate::server::Server;
use crate::server::modes::ServerModes;
use crate::util::platform::os_error_text;

/// Makes the server a node, if it is to be one: the one of its file, or a new one.
///
/// # Errors
/// When it cannot be one: the text for the log.
pub fn begin(server: &mut Server) -> Result<(), String> {
    if !server.config.cluster_enabled {
        return Ok(());
    }
    if server.config.bus_port().is_none() {
        return Err("Redis port number too high. Cluster communication port is 10,000 port numbers higher than your \
                    Redis port. Your Redis port number must be 55535 or less."
            .to_owned());
    }
    let path = server.config.cluster_config_file.clone();
    let (file, text) = ConfFile::open(&path).map_err(|OpenError(text)| text)?;
    let (settings, now_ms) = (Settings::new(&server.config), server.clock.unix_ms());
    let state = match text {
        Some(text) => {
            let read = State::from_nodes_conf(&text, settings, now_ms, &mut server.random);
            let state = read
                .map_err(|error| format!("Unrecoverable error: corrupted cluster config file \"{path}\": {error}."))?;
            log::info!("Node configuration loaded, I'm {}", state.myself().id);
            state
        }
        None => {
            let mut state = State::new(settings, now_ms, &mut server.random);
            log::info!("No cluster configuration found, I'm {}", state.myself().id);
            state.outbox.save(true);
            state
        }
    };
    let primary = state.my_primary().map(|(key, _)| key);
    server.cluster = Some(Box::new(state));
    server.modes.set(ServerModes::CLUSTER, true);
    // What a replica loads is a primary's: no key expires on the way, and the history goes on.
    server.config.replicaof = primary.and_then(|key| endpoint::for_replication(server, key));
    server.nodes_conf = Some(file);
    save_if_due(server)
}

/// Brings what this node knows in line with the keys it has loaded: a slot that nobody has is its own, and one of
/// another node is on its way here. What counts for nothing is on its way out.
pub fn agree_with_data(server: &mut Server, db: &Databases) {
    let Some(cluster) = server.cluster.as_deref_mut().filter(|cluster| cluster.myself().is_primary()) else { return };
    let (myself, dict) = (cluster.my_key(), &db.database(0).dict);
    for slot in (0..SLOTS as u16).filter(|slot| dict.len_of_slot(usize::from(*slot)) > 0) {
        let is_expected = cluster.is_mine(slot) || cluster.strays().has(slot) || cluster.importing_from(slot).is_some();
        match cluster.owner(slot) {
            _ if is_expected => {}
            None => {
                log::info!("I have keys for unassigned slot {slot}. Taking responsibility for it.");
                cluster.assign(slot, myself);
            }
            Some(owner) => {
                log::info!(
                    "I have keys for slot {slot}, but the slot is assigned to another node. Setting it to importing \
                     state."
                );
                cluster.set_importing(slot, Some(owner));
            }
        }
    }
}

/// Writes the file if what it says has changed.
///
/// # Errors
/// When that cannot be done, and the server is to end rather than break a promise.
pub fn save_if_due(server: &mut Server) -> Result<(), String> {
    let (Some(cluster), Some(file)) = (&mut server.cluster, &mut server.nodes_conf) else { return Ok(()) };
    let Some(on_disk) = cluster.outbox.take_save() else { return Ok(()) };
    let Err(error) = file.save(&cluster.to_nodes_conf(), on_disk) else { return Ok(()) };
    let error = os_error_text(&error);
    match server.config.cluster_config_save_behavior {
        SaveBehavior::Sync => Err(format!("Fatal: can't update cluster config file: {error}")),
        SaveBehavior::BestEffort => {
            log::warn!("Can't update cluster config file: {error}");
            // The next change, or the next turn, tries again.
            cluster.outbox.save(on_disk);
            Ok(())
        }
    }
}
