//! INFO: one function per section, each a list of `field:value` lines.
//!
//! Names and order are those of Redis 8.2, since people and tools look for them, with those of later versions between
//! them that have something to tell here. Left out is what is about a C compiler (`gcc_version`, `atomicvar_api`), and the
//! resizing of each client's reply buffer (`reply_buffer_shrinks`, `reply_buffer_expands`), which there is none of.

mod commands;
pub mod keysizes;
pub mod memory;
mod persistence;
pub mod replication;
pub mod section;

use std::fmt::Write;

use crate::client::acl::log::Reason;
use crate::command::modules::{MODULES, Module};
use crate::config::{Config, REDIS_VERSION};
use crate::server::observe::info::section::{Section, Source};
use crate::server::{Server, shutdown};
use crate::types::hash::template_figures;
use crate::util::clock::unix_micros;
use crate::util::platform::{self, CpuOf};

/// When a section is shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Shown {
    /// Always.
    Default,
    /// In INFO ALL.
    All,
}

struct Row {
    name: &'static str,
    title: &'static str,
    shown: Shown,
    write: fn(&Source<'_>, &mut Section<'_>),
}

const SECTIONS: &[Row] = &[
    Row { name: "server", title: "Server", shown: Shown::Default, write: server },
    Row { name: "clients", title: "Clients", shown: Shown::Default, write: clients },
    Row { name: "memory", title: "Memory", shown: Shown::Default, write: memory::section },
    Row { name: "persistence", title: "Persistence", shown: Shown::Default, write: persistence::section },
    Row { name: "threads", title: "Threads", shown: Shown::Default, write: threads },
    Row { name: "stats", title: "Stats", shown: Shown::Default, write: stats },
    Row { name: "replication", title: "Replication", shown: Shown::Default, write: replication::section },
    Row { name: "cpu", title: "CPU", shown: Shown::Default, write: cpu },
    Row { name: "modules", title: "Modules", shown: Shown::Default, write: modules },
    Row { name: "commandstats", title: "Commandstats", shown: Shown::All, write: commands::calls },
    Row { name: "errorstats", title: "Errorstats", shown: Shown::Default, write: commands::errors },
    Row { name: "latencystats", title: "Latencystats", shown: Shown::All, write: commands::latencies },
    Row { name: "cluster", title: "Cluster", shown: Shown::Default, write: cluster },
    Row { name: "keyspace", title: "Keyspace", shown: Shown::Default, write: keyspace },
    Row { name: "hotkeys", title: "Hotkeys", shown: Shown::All, write: hotkeys },
    Row { name: "keysizes", title: "Keysizes", shown: Shown::All, write: keysizes::section },
];

/// The text of INFO for the sections named; those shown by default when none is.
pub fn text<'a>(source: &Source<'_>, names: impl Iterator<Item = &'a [u8]>) -> String {
    let names: Vec<Vec<u8>> = names.map(<[u8]>::to_ascii_lowercase).collect();
    let named = |name: &str| names.iter().any(|given| given == name.as_bytes());
    let most = if named("all") || named("everything") {
        Some(Shown::All)
    } else {
        (names.is_empty() || named("default")).then_some(Shown::Default)
    };
    let mut text = String::new();
    for row in SECTIONS {
        if most.is_some_and(|most| row.shown <= most) || named(row.name) {
            let gap = if text.is_empty() { "" } else { "\r\n" };
            let _ = write!(text, "{gap}# {}\r\n", row.title);
            (row.write)(source, &mut Section(&mut text));
        }
    }
    text
}

/// The lines of one section.
pub fn section_lines(source: &Source<'_>, name: &str) -> String {
    let mut text = String::new();
    if let Some(row) = SECTIONS.iter().find(|row| row.name == name) {
        (row.write)(source, &mut Section(&mut text));
    }
    text
}

fn server(source: &Source<'_>, section: &mut Section<'_>) {
    let Server { config, clock, .. } = source.server;
    let uptime = clock.uptime().as_secs();
    section.field("redis_version", REDIS_VERSION);
    section.field("oxidis_version", env!("CARGO_PKG_VERSION"));
    section.field("redis_git_sha1", "00000000");
    section.field("redis_git_dirty", 0);
    section.field("redis_build_id", format_args!("oxidis-{}", env!("CARGO_PKG_VERSION")));
    section.field("redis_mode", config.mode_name());
    section.field("os", platform::system_name());
    section.field("arch_bits", usize::BITS);
    section.field("monotonic_clock", clock.source());
    section.field("multiplexing_api", if cfg!(target_os = "linux") { "epoll" } else { "kqueue" });
    section.field("process_id", std::process::id());
    section.field("process_supervised", source.server.supervisor);
    section.field("run_id", &source.server.run_id);
    section.field("tcp_port", config.shown_port());
    section.field("server_time_usec", unix_micros());
    section.field("uptime_in_seconds", uptime);
    section.field("uptime_in_days", uptime / (24 * 3600));
    section.field("hz", crate::server::cron::hz(source.server));
    section.field("configured_hz", config.hz);
    section.field("lru_clock", (clock.unix_ms() / 1000) & 0xff_ffff);
    section.field("executable", source.server.executable.display());
    let config_file = config.config_file.as_ref().map(|path| path.display().to_string());
    section.field("config_file", config_file.unwrap_or_default());
    section.field("io_threads_active", 0);
    if !config.availability_zone.is_empty() {
        section.field("availability_zone", &config.availability_zone);
    }
    if let Some(left) = shutdown::wait_left_ms(source.server) {
        section.field("shutdown_in_milliseconds", left);
    }
    listeners(config, section);
}

/// A line for each kind of socket that is listened on.
fn listeners(config: &Config, section: &mut Section<'_>) {
    let binds: String = config.bind.iter().map(|bind| format!("bind={bind},")).collect();
    let tcp = (config.port != 0).then(|| format!("name=tcp,{binds}port={}", config.port));
    let unix = config.unixsocket.as_ref().map(|path| format!("name=unix,bind={path}"));
    let tls = (config.tls_port != 0).then(|| format!("name=tls,{binds}port={}", config.tls_port));
    for (number, line) in [tcp, unix, tls].into_iter().flatten().enumerate() {
        section.field(format_args!("listener{number}"), line);
    }
}

/// The one thread that reads and writes runs the commands as well.
fn threads(source: &Source<'_>, section: &mut Section<'_>) {
    let stats = &source.server.stats;
    let (clients, reads, writes) = (source.server.clients.len(), stats.reads_processed, stats.writes_processed);
    section.field("io_thread_0", format_args!("clients={clients},reads={reads},writes={writes}"));
}

fn clients(source: &Source<'_>, section: &mut Section<'_>) {
    let clients = &source.server.clients;
    let replicas = source.server.repl.replicas.iter().filter(|key| clients.is_live(**key)).count();
    debug_assert!(clients.counts_hold(), "what is counted is what a walk finds");
    let (largest_input, largest_output) = clients.largest_buffers(source.server.clock.unix_ms());
    section.field("connected_clients", clients.live_len() - replicas);
    // Each other node has a link to this one, and this one to each.
    let others = source.server.cluster.as_ref().map_or(0, |cluster| cluster.nodes().len() - 1);
    section.field("cluster_connections", others * 2);
    section.field("maxclients", source.server.config.maxclients);
    if !source.server.config.priority_subnets.is_empty() {
        section.field("connected_priority_clients", clients.with_priority);
    }
    section.field("client_recent_max_input_buffer", largest_input);
    section.field("client_recent_max_output_buffer", largest_output);
    section.field("blocked_clients", clients.blocked);
    section.field("tracking_clients", source.server.tracking.clients());
    section.field("pubsub_clients", clients.subscribed());
    section.field("watching_clients", clients.watching);
    section.field("clients_in_timeout_table", clients.blocked_with_deadline);
    section.field("total_watched_keys", source.server.watches.len());
    section.field("total_blocking_keys", source.server.waiters.len());
    section.field("total_blocking_keys_on_nokey", source.server.waiters.len_with_dependents());
}

fn stats(source: &Source<'_>, section: &mut Section<'_>) {
    let (stats, pubsub, keys) = (&source.server.stats, &source.server.pubsub, &source.db.stats);
    let repl = &source.server.repl.counts;
    let kilobytes = |rate: u64| format!("{:.2}", rate as f64 / 1024.0);
    section.field("total_connections_received", stats.connections);
    section.field("total_commands_processed", stats.commands);
    section.field("instantaneous_ops_per_sec", stats.commands_rate.per_second());
    section.field("total_net_input_bytes", stats.input_bytes);
    section.field("total_net_output_bytes", stats.output_bytes);
    section.field("total_net_repl_input_bytes", repl.bytes_in);
    section.field("total_net_repl_output_bytes", repl.bytes_out);
    section.field("instantaneous_input_kbps", kilobytes(stats.input_rate.per_second()));
    section.field("instantaneous_output_kbps", kilobytes(stats.output_rate.per_second()));
    section.field("instantaneous_input_repl_kbps", "0.00");
    section.field("instantaneous_output_repl_kbps", "0.00");
    section.field("rejected_connections", stats.rejected_connections);
    section.field("sync_full", repl.full);
    section.field("sync_partial_ok", repl.partial);
    section.field("sync_partial_err", repl.refused);
    section.field("expired_subkeys", keys.expired_parts);
    section.field("expired_keys", keys.expired);
    section.field("expired_stale_perc", format_args!("{:.2}", stats.expired_stale_percent));
    section.field("expired_time_cap_reached_count", stats.expired_time_cap_reached);
    section.field("expire_cycle_cpu_milliseconds", stats.expire_cycle_us / 1000);
    section.field("evicted_keys", stats.evicted_keys);
    section.field("evicted_clients", stats.evicted_clients);
    section.field("evicted_scripts", source.server.script.evicted);
    let exceeding = stats.eviction_exceeded_since.map(|since| since.elapsed()).unwrap_or_default();
    section.field("total_eviction_exceeded_time", (stats.eviction_exceeded + exceeding).as_millis());
    section.field("current_eviction_exceeded_time", exceeding.as_millis());
    section.field("keyspace_hits", keys.hits);
    section.field("keyspace_misses", keys.misses);
    section.field("pubsub_channels", pubsub.channels.len());
    section.field("pubsub_patterns", pubsub.patterns.len());
    section.field("pubsubshard_channels", pubsub.shard_channels.len());
    section.field("latest_fork_usec", stats.latest_fork_us);
    section.field("total_forks", stats.forks);
    section.field("migrate_cached_sockets", source.server.links.len());
    section.field("slave_expires_tracked_keys", source.server.repl.own_keys.len());
    section.field("active_defrag_hits", 0);
    section.field("active_defrag_misses", 0);
    section.field("active_defrag_key_hits", 0);
    section.field("active_defrag_key_misses", 0);
    section.field("total_active_defrag_time", 0);
    section.field("current_active_defrag_time", 0);
    let tracking = &source.server.tracking;
    section.field("tracking_total_keys", tracking.keys());
    section.field("tracking_total_items", tracking.items());
    section.field("tracking_total_prefixes", tracking.prefixes());
    let templates = template_figures();
    section.field("hash_templates", templates.templates);
    section.field("hash_template_keys", templates.hashes);
    section.field("slowlog_commands_count", stats.slow.count);
    section.field("slowlog_commands_time_ms_max", format_args!("{:.2}", stats.slow.max_us as f64 / 1000.0));
    section.field("slowlog_commands_time_ms_sum", format_args!("{:.2}", stats.slow.sum_us as f64 / 1000.0));
    section.field("unexpected_error_replies", stats.unexpected_error_replies);
    section.field("total_error_replies", stats.error_replies);
    section.field("dump_payload_sanitizations", stats.sanitizations);
    section.field("total_reads_processed", stats.reads_processed);
    section.field("total_writes_processed", stats.writes_processed);
    section.field("io_threaded_reads_processed", 0);
    section.field("io_threaded_writes_processed", 0);
    section.field("io_threaded_total_prefetch_batches", 0);
    section.field("io_threaded_total_prefetch_entries", 0);
    section.field("client_query_buffer_limit_disconnections", stats.query_buffer_disconnections);
    section.field("client_output_buffer_limit_disconnections", stats.output_buffer_disconnections);
    section.field("eventloop_cycles", stats.loop_cycles);
    section.field("eventloop_duration_sum", stats.loop_us);
    section.field("eventloop_duration_cmd_sum", source.server.commands.micros());
    section.field("instantaneous_eventloop_cycles_per_sec", stats.cycles_rate.per_second());
    section.field("instantaneous_eventloop_duration_usec", stats.cycle_us.per_second());
    for (reason, count) in Reason::ALL.iter().zip(stats.denials) {
        section.field(format_args!("acl_access_denied_{}", reason.short_name()), count);
    }
}

fn cpu(_: &Source<'_>, section: &mut Section<'_>) {
    let kinds = [(CpuOf::Process, ""), (CpuOf::Children, "_children"), (CpuOf::Thread, "_main_thread")];
    for (of, suffix) in kinds {
        let times = platform::cpu_times(of);
        section.field(format_args!("used_cpu_sys{suffix}"), format_args!("{:.6}", times.system));
        section.field(format_args!("used_cpu_user{suffix}"), format_args!("{:.6}", times.user));
    }
}

fn modules(_: &Source<'_>, section: &mut Section<'_>) {
    for Module { name, version, options, .. } in MODULES {
        let rest = "api=1,filters=0,usedby=[],using=[]";
        section.field("module", format_args!("name={name},ver={version},{rest},options={options}"));
    }
}

fn cluster(source: &Source<'_>, section: &mut Section<'_>) {
    section.field("cluster_enabled", u8::from(source.server.config.cluster_enabled));
}

fn hotkeys(source: &Source<'_>, section: &mut Section<'_>) {
    let hotkeys = &source.server.hotkeys;
    if let Some(session) = hotkeys.session() {
        section.field("tracking_active", u8::from(session.is_active()));
        section.field("used_memory", hotkeys.memory());
        section.field("cpu_time", session.nanos / 1000);
    }
}

fn keyspace(source: &Source<'_>, section: &mut Section<'_>) {
    for index in 0..source.db.count() {
        let database = source.db.database(index);
        let (keys, expires) = (database.dict.len(), database.dict.expires_len());
        if keys > 0 {
            let average = database.cycle.average_ttl_ms;
            // Redis 7.0, as which this server presents itself, has no fields that expire; nor have most data sets.
            let timed = match database.dict.planned_len() {
                0 => String::new(),
                count => format!(",subexpiry={count}"),
            };
            let text = format_args!("keys={keys},expires={expires},avg_ttl={average}{timed}");
            section.field(format_args!("db{index}"), text);
        }
    }
}
