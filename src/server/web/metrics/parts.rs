//! Metrics with labels, and those that no field of INFO has.

use super::exposition::{Exposition, Kind};
use super::fields;
use crate::config::{Choice, REDIS_VERSION};
use crate::peers::cluster::message::Kind as Message;
use crate::server::cluster::info;
use crate::server::observe::command_log;
use crate::server::observe::info::replication::primary_silent_s;
use crate::server::observe::info::section::Source;
use crate::server::replication::roster;
use crate::util::platform;

/// Databases told apart; the keys of further ones are told together.
pub const DATABASES_MAX: usize = 64;
/// Databases that are told of though they have no keys.
const EMPTY_DATABASES: usize = 16;
/// Replicas told apart.
pub const REPLICAS_MAX: usize = 64;

/// Who this is, how it is set up, and how scrapes went.
pub fn instance(source: &Source<'_>, out: &mut Exposition) {
    let server = source.server;
    let (config, history) = (&server.config, &server.repl.history);
    let role = if server.replica_of().is_some() { "slave" } else { "master" };
    let build = format!("oxidis-{}", env!("CARGO_PKG_VERSION"));
    let (port, process) = (config.shown_port().to_string(), std::process::id().to_string());
    let system = platform::system_name();
    out.family("redis_instance_info", Kind::Gauge, "What this server is.");
    out.sample(
        &[
            ("role", role),
            ("redis_version", REDIS_VERSION),
            ("redis_build_id", &build),
            ("redis_mode", config.mode_name()),
            ("os", &system),
            ("maxmemory_policy", config.maxmemory_policy.name()),
            ("tcp_port", &port),
            ("run_id", &server.run_id),
            ("process_id", &process),
            ("master_replid", &history.id),
        ],
        1,
    );
    let now = server.clock.unix_ms() / 1000;
    let started = now - server.clock.uptime().as_secs() as i64;
    out.single("redis_up", Kind::Gauge, "Whether the server answers.", 1);
    out.single("redis_start_time_seconds", Kind::Gauge, "When the server started, in Unix seconds.", started);
    out.single("redis_config_maxmemory", Kind::Gauge, "The directive maxmemory.", config.maxmemory);
    out.single("redis_config_maxclients", Kind::Gauge, "The directive maxclients.", config.maxclients);
    let scrapes = server.web.scrapes;
    out.family("redis_exporter_last_scrape_error", Kind::Gauge, "Whether the last scrape failed: never.");
    out.sample(&[("err", "")], 0);
    out.single("redis_exporter_scrapes_total", Kind::Counter, "Scrapes before this one.", scrapes.count);
    out.single(
        "redis_exporter_last_scrape_duration_seconds",
        Kind::Gauge,
        "Seconds of the event loop that the last scrape took.",
        scrapes.last_us as f64 / 1e6,
    );
}

/// A family by database: its name, its help, and its sample.
type CountOfDatabase = (&'static str, &'static str, fn(&Source<'_>, usize) -> u64);

/// Keys of each database.
pub fn databases(source: &Source<'_>, out: &mut Exposition) {
    let is_shown = |index: &usize| *index < EMPTY_DATABASES || !source.db.database(*index).dict.is_empty();
    let shown: Vec<usize> = (0..source.db.count()).filter(is_shown).take(DATABASES_MAX).collect();
    let families: [CountOfDatabase; 3] = [
        ("redis_db_keys", "Keys by database.", |source, index| source.db.database(index).dict.len() as u64),
        ("redis_db_keys_expiring", "Keys that expire by database.", |source, index| {
            source.db.database(index).dict.expires_len() as u64
        }),
        ("redis_db_keys_with_expiring_items", "Keys with parts that expire by database.", |source, index| {
            source.db.database(index).dict.planned_len() as u64
        }),
    ];
    for (name, help, count) in families {
        out.family(name, Kind::Gauge, help);
        let mut others: u64 = (0..source.db.count()).map(|index| count(source, index)).sum();
        for index in &shown {
            let counted = count(source, *index);
            others -= counted;
            out.sample(&[("db", &format!("db{index}"))], counted);
        }
        if others > 0 {
            out.sample(&[("db", "others")], others);
        }
    }
    out.family("redis_db_avg_ttl_seconds", Kind::Gauge, "Average time to live of keys that expire by database.");
    for index in &shown {
        let database = source.db.database(*index);
        if !database.dict.is_empty() {
            let seconds = database.cycle.average_ttl_ms as f64 / 1000.0;
            out.sample(&[("db", &format!("db{index}"))], seconds);
        }
    }
}

/// The other ends of replication.
pub fn replication(source: &Source<'_>, out: &mut Exposition) {
    let server = source.server;
    let (repl, now) = (&server.repl, server.clock.unix_ms());
    if let Some(of) = server.replica_of() {
        let port = of.port.to_string();
        let labels: [(&str, &str); 2] = [("master_host", &of.host), ("master_port", &port)];
        let mut family = |name: &str, help: &str, value: i64| {
            out.family(name, Kind::Gauge, help);
            out.sample(&labels, value);
        };
        family("redis_master_link_up", "Whether the link to the primary stands.", i64::from(repl.primary.is_some()));
        let silent_s = primary_silent_s(server);
        family("redis_master_last_io_seconds_ago", "Seconds since the primary was heard.", silent_s);
        let syncing = i64::from(repl.link.is_syncing());
        family("redis_master_sync_in_progress", "Whether a snapshot comes from the primary.", syncing);
        family("redis_slave_repl_offset", "How far this replica is.", repl.replica_offset());
        let read_only = u8::from(server.config.replica_read_only).to_string();
        out.family("redis_slave_info", Kind::Gauge, "What this replica is.");
        out.sample(&[labels[0], labels[1], ("read_only", &read_only)], 1);
    }
    let replicas: Vec<_> = roster::followers(server)
        .filter_map(|(key, replica)| Some((roster::address(server, key), replica, replica.state()?)))
        .take(REPLICAS_MAX)
        .collect();
    if replicas.is_empty() {
        return;
    }
    let mut family = |name: &str, help: &str, value: &dyn Fn(usize) -> i64| {
        out.family(name, Kind::Gauge, help);
        for (place, ((ip, port), _, state)) in replicas.iter().enumerate() {
            let labels = [("slave_ip", ip.as_str()), ("slave_port", &port.to_string()), ("slave_state", state)];
            out.sample(&labels, value(place));
        }
    };
    let offset = |place: usize| replicas[place].1.acked;
    family("redis_connected_slave_offset_bytes", "How far each replica is.", &offset);
    let lag = |place: usize| replicas[place].1.lag_s(now);
    family("redis_connected_slave_lag_seconds", "Seconds since each replica was heard.", &lag);
    let behind = |place: usize| (repl.history.offset - replicas[place].1.acked).max(0);
    family("oxidis_connected_replica_lag_bytes", "Bytes each replica is behind.", &behind);
}

/// How the cluster is, as CLUSTER INFO has it.
pub fn cluster(source: &Source<'_>, out: &mut Exposition) {
    let Some(cluster) = source.server.cluster.as_deref() else { return };
    fields::write(&info::state(cluster), out);
    let counters = &cluster.counters;
    for (way, counts) in [("sent", &counters.sent), ("received", &counters.received)] {
        let name = format!("redis_cluster_messages_{way}_total");
        out.single(&name, Kind::Counter, "Messages of the bus.", counts.iter().sum::<u64>());
    }
    out.family("oxidis_cluster_messages_total", Kind::Counter, "Messages of the bus by kind and way.");
    for (way, counts) in [("sent", &counters.sent), ("received", &counters.received)] {
        for (kind, count) in Message::ALL.iter().zip(counts) {
            out.sample(&[("kind", &kind.to_string()), ("way", way)], count);
        }
    }
    let help = "Links of the bus that were given up since too much waited to be sent.";
    out.single("oxidis_cluster_links_over_limit_total", Kind::Counter, help, counters.links_over_limit);
}

/// Errors, spikes of latency, and the slow log.
pub fn incidents(source: &Source<'_>, out: &mut Exposition) {
    let server = source.server;
    if !server.stats.errors.is_empty() {
        out.family("redis_errors_total", Kind::Counter, "Error replies by code.");
        server.stats.errors.iter().for_each(|(code, count)| out.sample(&[("err", code)], count));
    }
    let latest = || server.latency.events.iter().filter_map(|(name, series)| Some((*name, *series.samples.back()?)));
    if latest().next().is_some() {
        out.family("redis_latency_spike_last", Kind::Gauge, "When the last spike was by event, in Unix seconds.");
        latest().for_each(|(name, (at, _))| out.sample(&[("event_name", name)], at));
        out.family("redis_latency_spike_duration_seconds", Kind::Gauge, "Seconds the last spike took by event.");
        latest().for_each(|(name, (_, ms))| out.sample(&[("event_name", name)], ms as f64 / 1000.0));
    }
    let slow = &server.command_log.log(command_log::Kind::Slow).entries;
    let last = slow.front();
    out.single("redis_slowlog_length", Kind::Gauge, "Entries of the slow log.", slow.len());
    let (id, micros) = last.map_or((0, 0), |entry| (entry.id, entry.value));
    out.single("redis_slowlog_last_id", Kind::Gauge, "Number of the latest entry of the slow log.", id);
    let help = "Seconds that the latest command of the slow log took.";
    out.single("redis_last_slow_execution_duration_seconds", Kind::Gauge, help, micros as f64 / 1e6);
}

/// What the exporter does not have.
pub fn own(source: &Source<'_>, out: &mut Exposition) {
    let (server, keys) = (source.server, &source.db.stats);
    let ratio = keys.hits as f64 / (keys.hits + keys.misses).max(1) as f64;
    out.single("oxidis_keyspace_hit_ratio", Kind::Gauge, "Share of look-ups that found their key.", ratio);
    out.family("oxidis_eventloop_seconds_total", Kind::Counter, "Seconds the event loop was busy, by what with.");
    for (part, micros) in server.stats.loop_parts(server.commands.micros()) {
        out.sample(&[("part", part)], micros as f64 / 1e6);
    }
    let now = server.clock.unix_ms() / 1000;
    let age = (now - server.persist.snapshots.last_save).max(0);
    out.single("oxidis_rdb_last_save_age_seconds", Kind::Gauge, "Seconds since the last snapshot, or the start.", age);
    if let Some(watch) = &server.web.watch {
        let hot = watch.hot.top();
        if !hot.is_empty() {
            let help = "Share of all commands that the hottest keys have, by rank.";
            out.family("oxidis_hot_key_share", Kind::Gauge, help);
            for (rank, (_, _, share)) in hot.iter().enumerate() {
                out.sample(&[("rank", &(rank + 1).to_string())], share);
            }
        }
        if !watch.big.told().is_empty() {
            out.family("oxidis_big_key_bytes", Kind::Gauge, "Bytes that the biggest keys take, by rank.");
            for (rank, big) in watch.big.told().iter().enumerate() {
                let labels = [("rank", &*(rank + 1).to_string()), ("type", big.kind.name())];
                out.sample(&labels, big.bytes);
            }
        }
    }
    let connections = server.web.exchanges.len();
    out.single("oxidis_http_connections", Kind::Gauge, "Connections to metrics-port.", connections);
}
