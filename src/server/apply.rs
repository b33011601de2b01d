//! What a new value of a directive entails outside of the configuration.
//!
//! CONFIG SET stores its values first ([`crate::config::Changes`]), then has them applied here, one [`Effect`] after
//! the other. When one fails the old values are put back and applied again, so that a failing CONFIG SET changes
//! nothing. Effects of parts that act on their directives by themselves have nothing to do here.

use super::clients::{memory, tracked_keys};
use super::effects::Observers;
use super::modes::ServerModes;
use super::observe::slot_usage::SlotUsage;
use super::oom_score::oom_score;
use super::persistence::{aof_folder, snapshot};
use super::web::watch;
use super::{Server, replica_mode, title};
use crate::config::{Changes, Config, Effect, SetError};
use crate::db::Databases;
use crate::net::listeners::Transport;
use crate::peers::cluster;
use crate::util::{alloc, platform};

/// Descriptors kept for files, listeners and the like besides those of clients.
const RESERVED_DESCRIPTORS: u64 = 32;

/// Acts upon what CONFIG SET stored.
///
/// # Errors
/// When an effect fails; then everything is as before.
pub fn apply(server: &mut Server, db: &mut Databases, changes: &Changes) -> Result<(), SetError> {
    let effects = changes.effects();
    for (index, (effect, directive)) in effects.iter().enumerate() {
        let Err(message) = apply_effect(server, db, *effect) else { continue };
        log::warn!(
            "Failed applying new configuration. Possibly related to new {} setting. Restoring previous settings.",
            directive.name
        );
        changes.roll_back(&mut server.config);
        for (effect, _) in &effects[..=index] {
            if let Err(message) = apply_effect(server, db, *effect) {
                log::warn!("Failed to restore the previous settings: {message}");
            }
        }
        return Err(Changes::failed(directive, message));
    }
    server.config_changed();
    Ok(())
}

fn apply_effect(server: &mut Server, db: &mut Databases, effect: Effect) -> Result<(), String> {
    match effect {
        Effect::Bind => {
            const FAILURE: &str = "Failed to bind to specified addresses.";
            listen(server, Transport::Plain, FAILURE).and_then(|()| listen(server, Transport::Tls, FAILURE))
        }
        Effect::Port => listen(server, Transport::Plain, "Unable to listen on this port. Check server logs."),
        Effect::Tls if uses_tls(&server.config) => configure_tls(server),
        Effect::Tls => Ok(()),
        Effect::TlsPort => {
            if server.tls.is_none() {
                configure_tls(server)?;
            }
            listen(server, Transport::Tls, "Unable to listen on this port. Check server logs.")
        }
        Effect::MetricsPort => {
            if server.config.metrics_tls && server.config.metrics_port != 0 && server.tls.is_none() {
                configure_tls(server)?;
            }
            listen(server, Transport::Metrics, "Unable to listen on this port. Check server logs.")
        }
        Effect::MetricsTls if uses_tls(&server.config) && server.tls.is_none() => configure_tls(server),
        Effect::MetricsTls => Ok(()),
        Effect::Dir => std::env::set_current_dir(&server.config.dir).map_err(|error| platform::os_error_text(&error)),
        Effect::LogLevel => {
            super::observe::log_format::set_level(server.config.loglevel);
            Ok(())
        }
        Effect::LogFormat => {
            super::observe::log_format::set_format(&server.config);
            Ok(())
        }
        Effect::MaxClients => max_clients(server.config.maxclients),
        Effect::MaxMemory => {
            warn_of_small_maxmemory(server);
            server.evicting = server.config.maxmemory > 0;
            Ok(())
        }
        Effect::OomScore => oom_score(server),
        Effect::ArraySparseMax if !array_slices_have_a_form(&server.config) => {
            Err("array-sparse-kmax must be greater than array-sparse-kmin when non-zero".into())
        }
        Effect::ArrayDenseMin if !array_slices_have_a_form(&server.config) => {
            Err("array-sparse-kmin must be less than array-sparse-kmax".into())
        }
        Effect::ArraySparseMax | Effect::ArrayDenseMin => Ok(()),
        Effect::ProcTitle => {
            title::show_title(server);
            Ok(())
        }
        Effect::CrashLog => {
            super::crash::enable(&server.config);
            Ok(())
        }
        Effect::RequirePass => {
            server.acl.set_default_password(server.config.requirepass.as_deref());
            Ok(())
        }
        // The cron asks for it each time.
        Effect::Hz => Ok(()),
        Effect::AppendOnly => super::persistence::aof_switch::apply_directive(server, db),
        Effect::AofHistory => {
            aof_folder::delete_history(server);
            Ok(())
        }
        Effect::GoodReplicas => {
            super::replication::roster::update_good_replicas(server);
            Ok(())
        }
        Effect::RdbCompression => {
            snapshot::warn_of_compression(&server.config);
            Ok(())
        }
        Effect::ReplicationBacklog => {
            server.resize_backlog();
            Ok(())
        }
        Effect::ClientMemory => Ok(()),
    }
}

/// Whether slices that are made sparse stay so, unless there are no sparse ones.
fn array_slices_have_a_form(config: &Config) -> bool {
    config.array_sparse_kmax == 0 || config.array_sparse_kmin < config.array_sparse_kmax
}

/// Whether TLS is needed for anything.
pub fn uses_tls(config: &Config) -> bool {
    let for_metrics = config.metrics_tls && config.metrics_port != 0;
    config.tls_port != 0 || config.tls_replication || config.tls_cluster || for_metrics
}

fn configure_tls(server: &mut Server) -> Result<(), String> {
    server.configure_tls().map_err(|_| "Unable to update TLS configuration. Check server logs.".to_owned())
}

fn listen(server: &mut Server, transport: Transport, failure: &str) -> Result<(), String> {
    server.listeners.open_tcp(&server.config, transport).map_err(|error| {
        log::warn!("{}", error.0);
        failure.to_owned()
    })?;
    title::show_title(server);
    Ok(())
}

fn max_clients(wanted: u32) -> Result<(), String> {
    let allowed = make_room_for_clients(wanted);
    if allowed == wanted {
        return Ok(());
    }
    Err(format!("The operating system is not able to handle the specified number of clients, try with {allowed}"))
}

fn warn_of_small_maxmemory(server: &Server) {
    let (limit, used) = (server.config.maxmemory, alloc::used_memory() as u64);
    if limit > 0 && limit < used {
        log::warn!(
            "WARNING: the new maxmemory value set via CONFIG SET ({limit}) is smaller than the current memory usage \
             ({used}). This will result in key eviction and/or the inability to accept new write commands depending on \
             the maxmemory-policy."
        );
    }
}

/// Raises the limit of open descriptors to what `wanted` clients need; how many clients the system allows then.
pub fn make_room_for_clients(wanted: u32) -> u32 {
    let descriptors = u64::from(wanted) + RESERVED_DESCRIPTORS;
    let Ok((soft, hard)) = platform::descriptor_limit() else {
        log::warn!(
            "Unable to obtain the current NOFILE limit, assuming 1024 and setting the max clients configuration \
             accordingly."
        );
        return 1024 - RESERVED_DESCRIPTORS as u32;
    };
    if soft >= descriptors {
        return wanted;
    }
    let raise = |soft: u64, hard: u64| platform::set_descriptor_limit(soft, hard).map(|()| soft);
    let reached = raise(descriptors, hard.max(descriptors)).or_else(|_| raise(hard.min(descriptors), hard));
    let reached = reached.unwrap_or(soft);
    if reached >= descriptors {
        log::info!("Increased maximum number of open files to {descriptors} (it was originally set to {soft}).");
        return wanted;
    }
    let allowed = reached.saturating_sub(RESERVED_DESCRIPTORS).max(1) as u32;
    log::warn!("You requested maxclients of {wanted} requiring at least {descriptors} max file descriptors.");
    log::warn!("Server can't set maximum open files to {descriptors} because of OS error.");
    log::warn!(
        "Current maximum open files is {reached}. maxclients has been reduced to {allowed} to compensate for low \
         ulimit. If you need higher maxclients increase 'ulimit -n'."
    );
    allowed
}

impl Server {
    /// Brings what is derived from directives in line with them.
    pub fn config_changed(&mut self) {
        self.observers.set(Observers::NOTIFY, !self.config.notify_keyspace_events.is_empty());
        self.observers.set(Observers::EVICTION, self.config.maxmemory_policy.is_lrm());
        self.modes.set(ServerModes::IMPORT, self.config.import_mode);
        self.modes.set(ServerModes::MEMORY_LIMIT, self.config.maxmemory > 0);
        self.command_log.config_changed(&self.config);
        self.latency.threshold_ms = self.config.latency_monitor_threshold_ms;
        tracked_keys::note_fill(self);
        memory::config_changed(self);
        watch::config_changed(self);
        self.modes.set(ServerModes::NEW_SETTINGS, true);
        self.note_disk_error();
        replica_mode::update_role(self);
        if let Some(cluster) = &mut self.cluster {
            cluster.set_settings(cluster::Settings::new(&self.config));
        }
        let words = &self.config.cluster_slot_stats_enabled;
        let counts_slots = self.config.cluster_enabled && words.iter().all(|word| word != "no");
        if counts_slots != self.slot_usage.is_some() {
            self.slot_usage = counts_slots.then(SlotUsage::default);
            self.observers.set(Observers::SLOT_USAGE, counts_slots);
        }
    }
}
