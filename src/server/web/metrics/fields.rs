//! Fields of INFO as metrics.
//!
//! A field that is a number is a metric of that name with `redis_` before it, and a gauge, unless a table here has it
//! otherwise: the tables have the names of `redis_exporter`. What has labels there is written by [`super::parts`].

use super::exposition::{Exposition, Kind};

/// Gauges by another name, as a field and a metric.
const GAUGES: &[(&str, &str)] = &[
    ("active_defrag_hits", "defrag_hits"),
    ("active_defrag_key_hits", "defrag_key_hits"),
    ("active_defrag_key_misses", "defrag_key_misses"),
    ("active_defrag_misses", "defrag_misses"),
    ("allocator_active", "allocator_active_bytes"),
    ("allocator_allocated", "allocator_allocated_bytes"),
    ("allocator_muzzy", "allocator_muzzy_bytes"),
    ("allocator_resident", "allocator_resident_bytes"),
    ("aof_base_size", "aof_base_size_bytes"),
    ("aof_current_rewrite_time_sec", "aof_current_rewrite_duration_sec"),
    ("aof_current_size", "aof_current_size_bytes"),
    ("aof_last_cow_size", "aof_last_cow_size_bytes"),
    ("aof_last_rewrite_time_sec", "aof_last_rewrite_duration_sec"),
    ("client_recent_max_input_buffer", "client_recent_max_input_buffer_bytes"),
    ("client_recent_max_output_buffer", "client_recent_max_output_buffer_bytes"),
    ("current_eviction_exceeded_time", "current_eviction_exceeded_time_ms"),
    ("expired_stale_perc", "expired_stale_percentage"),
    ("loading", "loading_dump_file"),
    ("maxclients", "max_clients"),
    ("maxmemory", "memory_max_bytes"),
    ("mem_aof_buffer", "mem_aof_buffer_bytes"),
    ("mem_cluster_links", "mem_cluster_links_bytes"),
    ("mem_not_counted_for_evict", "mem_not_counted_for_eviction_bytes"),
    ("mem_overhead_db_hashtable_rehashing", "mem_overhead_db_hashtable_rehashing_bytes"),
    ("mem_replication_backlog", "mem_replication_backlog_bytes"),
    ("mem_total_replication_buffers", "mem_total_replication_buffers_bytes"),
    ("migrate_cached_sockets", "migrate_cached_sockets_total"),
    ("rdb_current_bgsave_time_sec", "rdb_current_bgsave_duration_sec"),
    ("rdb_last_bgsave_time_sec", "rdb_last_bgsave_duration_sec"),
    ("rdb_last_cow_size", "rdb_last_cow_size_bytes"),
    ("rdb_last_load_keys_expired", "rdb_last_load_expired_keys"),
    ("rdb_last_load_keys_loaded", "rdb_last_load_loaded_keys"),
    ("rdb_last_save_time", "rdb_last_save_timestamp_seconds"),
    ("rdb_saves", "rdb_saves_total"),
    ("repl_backlog_active", "repl_backlog_is_active"),
    ("repl_backlog_histlen", "repl_backlog_history_bytes"),
    ("repl_backlog_size", "replication_backlog_bytes"),
    ("sync_full", "replica_resyncs_full"),
    ("sync_partial_err", "replica_partial_resync_denied"),
    ("sync_partial_ok", "replica_partial_resync_accepted"),
    ("total_system_memory", "total_system_memory_bytes"),
    ("used_memory", "memory_used_bytes"),
    ("used_memory_dataset", "memory_used_dataset_bytes"),
    ("used_memory_functions", "memory_used_functions_bytes"),
    ("used_memory_hash_templates", "memory_used_hash_templates_bytes"),
    ("used_memory_lua", "memory_used_lua_bytes"),
    ("used_memory_overhead", "memory_used_overhead_bytes"),
    ("used_memory_peak", "memory_used_peak_bytes"),
    ("used_memory_rss", "memory_used_rss_bytes"),
    ("used_memory_scripts", "memory_used_scripts_bytes"),
    ("used_memory_scripts_eval", "memory_used_scripts_eval_bytes"),
    ("used_memory_startup", "memory_used_startup_bytes"),
    ("used_memory_vm_eval", "memory_used_vm_eval_bytes"),
    ("used_memory_vm_functions", "memory_used_vm_functions_bytes"),
    ("used_memory_vm_total", "memory_used_vm_total"),
];

/// Counters, likewise.
const COUNTERS: &[(&str, &str)] = &[
    ("acl_access_denied_auth", "acl_access_denied_auth_total"),
    ("acl_access_denied_channel", "acl_access_denied_channel_total"),
    ("acl_access_denied_cmd", "acl_access_denied_cmd_total"),
    ("acl_access_denied_db", "acl_access_denied_db_total"),
    ("acl_access_denied_key", "acl_access_denied_key_total"),
    ("acl_access_denied_tls_cert", "acl_access_denied_tls_cert_total"),
    ("aof_rewrites", "aof_rewrites_total"),
    ("client_output_buffer_limit_disconnections", "client_output_buffer_limit_disconnections_total"),
    ("client_query_buffer_limit_disconnections", "client_query_buffer_limit_disconnections_total"),
    ("dump_payload_sanitizations", "dump_payload_sanitizations"),
    ("eventloop_cycles", "eventloop_cycles_total"),
    ("eventloop_duration_cmd_sum", "eventloop_duration_cmd_sum_usec_total"),
    ("eventloop_duration_sum", "eventloop_duration_sum_usec_total"),
    ("evicted_clients", "evicted_clients_total"),
    ("evicted_keys", "evicted_keys_total"),
    ("evicted_scripts", "evicted_scripts_total"),
    ("expire_cycle_cpu_milliseconds", "expire_cycle_cpu_time_ms_total"),
    ("expired_keys", "expired_keys_total"),
    ("expired_subkeys", "expired_subkeys_total"),
    ("expired_time_cap_reached_count", "expired_time_cap_reached_total"),
    ("io_threaded_reads_processed", "io_threaded_reads_processed"),
    ("io_threaded_writes_processed", "io_threaded_writes_processed"),
    ("keyspace_hits", "keyspace_hits_total"),
    ("keyspace_misses", "keyspace_misses_total"),
    ("lazyfreed_objects", "lazyfreed_objects"),
    ("rejected_connections", "rejected_connections_total"),
    ("slowlog_commands_count", "slowlog_commands_total"),
    ("total_commands_processed", "commands_processed_total"),
    ("total_connections_received", "connections_received_total"),
    ("total_error_replies", "total_error_replies"),
    ("total_eviction_exceeded_time", "eviction_exceeded_time_ms_total"),
    ("total_forks", "forks_total"),
    ("total_net_input_bytes", "net_input_bytes_total"),
    ("total_net_output_bytes", "net_output_bytes_total"),
    ("total_net_repl_input_bytes", "net_repl_input_bytes_total"),
    ("total_net_repl_output_bytes", "net_repl_output_bytes_total"),
    ("total_reads_processed", "total_reads_processed"),
    ("total_writes_processed", "total_writes_processed"),
    ("unexpected_error_replies", "unexpected_error_replies"),
    ("used_cpu_sys", "cpu_sys_seconds_total"),
    ("used_cpu_sys_children", "cpu_sys_children_seconds_total"),
    ("used_cpu_sys_main_thread", "cpu_sys_main_thread_seconds_total"),
    ("used_cpu_user", "cpu_user_seconds_total"),
    ("used_cpu_user_children", "cpu_user_children_seconds_total"),
    ("used_cpu_user_main_thread", "cpu_user_main_thread_seconds_total"),
];

/// Fields in another unit than their metrics: what they are multiplied by.
const SCALED: &[(&str, &str, Kind, f64)] = &[
    ("latest_fork_usec", "latest_fork_seconds", Kind::Gauge, 1e-6),
    ("slowlog_commands_time_ms_max", "slowlog_commands_duration_seconds_max", Kind::Gauge, 1e-3),
    ("slowlog_commands_time_ms_sum", "slowlog_commands_duration_seconds_total", Kind::Counter, 1e-3),
];

/// Texts, which may look like numbers.
const TEXTS: &[&str] = &[
    "availability_zone",
    "config_file",
    "executable",
    "master_host",
    "master_replid",
    "master_replid2",
    "redis_build_id",
    "redis_git_sha1",
    "redis_version",
    "run_id",
];

/// What has labels, and is written elsewhere.
const LABELLED: &[&str] =
    &["master_last_io_seconds_ago", "master_link_status", "master_sync_in_progress", "slave_repl_offset"];

/// Writes the fields of a section of INFO.
pub fn write(lines: &str, out: &mut Exposition) {
    for line in lines.lines() {
        let Some((field, text)) = line.split_once(':') else { continue };
        if TEXTS.contains(&field) || LABELLED.contains(&field) || is_numbered(field) {
            continue;
        }
        let Some(value) = number(text) else { continue };
        let help = format!("The field {field} of INFO.");
        if let Some((_, name, kind, scale)) = SCALED.iter().find(|(known, ..)| *known == field) {
            let value = value.parse().unwrap_or(f64::NAN);
            out.single(&format!("redis_{name}"), *kind, &help, value * scale);
            continue;
        }
        let find = |table: &'static [(&str, &str)]| {
            let place = table.binary_search_by_key(&field, |(known, _)| known).ok()?;
            Some(table[place].1)
        };
        let (name, kind) = match (find(GAUGES), find(COUNTERS)) {
            (Some(name), _) => (name, Kind::Gauge),
            (None, Some(name)) => (name, Kind::Counter),
            (None, None) => (field, Kind::Gauge),
        };
        out.single(&format!("redis_{name}"), kind, &help, value);
    }
}

/// Whether a field is one of several with a number each: a replica, a database, a listener.
fn is_numbered(field: &str) -> bool {
    let stem = field.trim_end_matches(|character: char| character.is_ascii_digit());
    stem.len() < field.len() && matches!(stem, "slave" | "db" | "listener" | "io_thread_")
}

/// The number of a text, as it is written: digits, a share in per cent, or how something went.
fn number(text: &str) -> Option<&str> {
    match text {
        "ok" => return Some("1"),
        "err" | "fail" => return Some("0"),
        _ => {}
    }
    let digits = text.strip_suffix('%').unwrap_or(text);
    let is_number = digits.bytes().any(|byte| byte.is_ascii_digit())
        && digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-'))
        && digits.parse::<f64>().is_ok();
    is_number.then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::super::exposition::Format;
    use super::*;

    fn samples(lines: &str) -> Vec<String> {
        let mut out = Exposition::new(Format::Prometheus);
        write(lines, &mut out);
        out.finish().lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn numbers_become_metrics_and_texts_do_not() {
        let lines = "used_memory:5\r\nused_memory_human:5B\r\nused_memory_peak_perc:12.50%\r\nhz:10\r\n\
                     run_id:0123456789012345678901234567890123456789\r\nrdb_last_bgsave_status:err\r\n\
                     latest_fork_usec:1500\r\nkeyspace_hits:7\r\nslave0:ip=1\r\ndb0:keys=1\r\nredis_version:8.2.3\r\n\
                     rdb_last_bgsave_time_sec:-1\r\nrole:master\r\n";
        assert_eq!(
            samples(lines),
            [
                "redis_memory_used_bytes 5",
                "redis_used_memory_peak_perc 12.50",
                "redis_hz 10",
                "redis_rdb_last_bgsave_status 0",
                "redis_latest_fork_seconds 0.0015",
                "redis_keyspace_hits_total 7",
                "redis_rdb_last_bgsave_duration_sec -1",
            ]
        );
    }

    #[test]
    fn the_tables_can_be_searched_and_share_no_field() {
        for table in [GAUGES, COUNTERS] {
            assert!(table.is_sorted_by(|(one, _), (next, _)| one < next), "{table:?}");
        }
        assert!(GAUGES.iter().all(|(field, _)| !COUNTERS.iter().any(|(other, _)| field == other)));
    }
}
