//! Directives that have no effect here: configurations of any version load, CONFIG GET shows what was set, CONFIG
//! REWRITE writes it. Each paragraph says why.
//!
//! Rows are as in `table.rs`; the defaults are those of the server that has the directive.

use super::directive::Directive;
use super::directive::flags::*;
use super::kinds::*;

macro_rules! optional {
    () => {
        None
    };
    ($value:expr) => {
        Some($value)
    };
}

pub(super) use optional;

macro_rules! kept {
    ($(
        $(#[$doc:meta])*
        $name:literal $(| $alias:literal)? => $field:ident : $type:ty = $default:expr, $kind:expr, $flags:expr;
    )*) => {
        /// The values of directives without effect.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Kept {
            $( $(#[$doc])* $field: $type, )*
        }

        impl Default for Kept {
            fn default() -> Kept {
                Kept { $( $field: $default, )* }
            }
        }

        /// The rows.
        pub(super) static DIRECTIVES: &[Directive] = &[$(
            Directive {
                name: $name,
                alias: optional!($($alias)?),
                flags: $flags,
                effect: None,
                get: |config| $kind.show(&config.kept.$field),
                set: |config, words, occurrence| set_field($kind, &mut config.kept.$field, words, occurrence),
                lines: |config, default| $kind.lines($name, &config.kept.$field, &default.kept.$field),
                overruling_lines: |config, default| {
                    $kind.overruling_lines($name, &config.kept.$field, &default.kept.$field)
                },
            },
        )*];
    };
}

kept! {
    // Cluster: slots move without these, and clients are told what nodes are.

    /// Percent of commands looked at whether they would work in a cluster.
    "cluster-compatibility-sample-ratio" => cluster_compatibility_sample_ratio: u32 = 0,
        Number::between(0, 100), MUTABLE;
    /// Moves that are remembered.
    "cluster-slot-migration-log-max-len" => cluster_slot_migration_log_max_len: u64 = 1000,
        Number::between(0, LONG_MAX), MUTABLE;
    /// Bytes a replica may lag behind when its primary moves a slot.
    "slot-migration-max-failover-repl-bytes" => slot_migration_max_failover_repl_bytes: i64 = 0,
        Number::bytes(-1, LONG_MAX), MUTABLE;
    /// Milliseconds between pings of nodes.
    "cluster-ping-interval" => cluster_ping_interval_ms: i64 = 0, Number::between(0, LONG_MAX), HIDDEN;
    /// Percent of the nodes that each message tells of.
    "cluster-message-gossip-perc" => cluster_message_gossip_perc: u32 = 10, Number::between(1, 100), HIDDEN;
    /// Refuse strangers on the port of the bus.
    "cluster-bus-port-protected-mode" => cluster_bus_port_protected_mode: bool = false, YES_NO, MUTABLE;
    /// Databases of a cluster.
    "cluster-databases" => cluster_databases: u32 = 1, Number::between(1, INT_MAX), IMMUTABLE;

    // Defragmentation: the allocator is not jemalloc.

    /// Return memory to the system on a thread.
    "jemalloc-bg-thread" => jemalloc_bg_thread: bool = true, YES_NO, MUTABLE;
    /// Least processor time for that, in percent.
    "active-defrag-cycle-min" => active_defrag_cycle_min: u32 = 1, Number::between(1, 99), MUTABLE;
    /// Most processor time for that, in percent.
    "active-defrag-cycle-max" => active_defrag_cycle_max: u32 = 25, Number::between(1, 99), MUTABLE;
    /// Percent of fragmentation at which it starts.
    "active-defrag-threshold-lower" => active_defrag_threshold_lower: u32 = 10,
        Number::between(0, 1000), MUTABLE;
    /// Percent of fragmentation at which it does its most.
    "active-defrag-threshold-upper" => active_defrag_threshold_upper: u32 = 100,
        Number::between(0, 1000), MUTABLE;
    /// Bytes of fragmentation at which it starts.
    "active-defrag-ignore-bytes" => active_defrag_ignore_bytes: usize = 100 << 20,
        Number::bytes(1, LONG_MAX), MUTABLE;
    /// Fields above which a value is moved bit by bit.
    "active-defrag-max-scan-fields" => active_defrag_max_scan_fields: usize = 1000,
        Number::between(1, LONG_MAX), MUTABLE;
    /// Microseconds of it at a time.
    "active-defrag-cycle-us" => active_defrag_cycle_us: u32 = 500, Number::between(0, 100_000), MUTABLE;

    // Threads and processors: commands have one thread, which reads and writes as well.

    /// Mark for the firewall on listening sockets; 0 for none.
    "socket-mark-id" => socket_mark_id: u32 = 0, Number::between(0, UINT_MAX), IMMUTABLE;
    /// Threads that write to sockets.
    "io-threads" => io_threads: u32 = 1, Number::between(1, 128), IMMUTABLE;
    /// Whether they work however little there is to do.
    "io-threads-always-active" => io_threads_always_active: bool = false, YES_NO, HIDDEN;
    /// From how many such threads on replies are sent from where values lie.
    "min-io-threads-avoid-copy-reply" => min_io_threads_avoid_copy_reply: u32 = 7, Number::between(0, INT_MAX), HIDDEN;
    /// From how many bytes on values are sent so,
    "min-string-size-avoid-copy-reply" => min_string_size_avoid_copy_reply: u32 = 16384,
        Number::between(0, INT_MAX), HIDDEN;
    /// and where there are such threads.
    "min-string-size-avoid-copy-reply-threaded" => min_string_size_avoid_copy_reply_threaded: u32 = 65536,
        Number::between(0, INT_MAX), HIDDEN;
    /// Whether those threads read, too.
    "io-threads-do-reads" => io_threads_do_reads: bool = false, YES_NO, IMMUTABLE;
    /// Check the memory in that report.
    "crash-memcheck-enabled" => crash_memcheck_enabled: bool = true, YES_NO, MUTABLE;
    /// Warnings about the system that don't keep the server from starting.
    "ignore-warnings" => ignore_warnings: String = String::new(), TEXT, MUTABLE;
    /// Milliseconds after which a stuck server logs where; 0 for never.
    "watchdog-period" => watchdog_period_ms: u32 = 0, Number::between(0, INT_MAX), HIDDEN;
    /// Go on when writing to disk fails.
    "replica-ignore-disk-write-errors" => replica_ignore_disk_write_errors: bool = false,
        YES_NO, MUTABLE;
    /// Processors for the server.
    "server-cpulist" | "server_cpulist" => server_cpulist: Option<String> = None, OPTIONAL_TEXT, IMMUTABLE;
    /// Processors for helper threads.
    "bio-cpulist" | "bio_cpulist" => bio_cpulist: Option<String> = None, OPTIONAL_TEXT, IMMUTABLE;
    /// Processors for the child that rewrites the append-only file.
    "aof-rewrite-cpulist" | "aof_rewrite_cpulist" => aof_rewrite_cpulist: Option<String> = None, OPTIONAL_TEXT, IMMUTABLE;
    /// Processors for the child that saves.
    "bgsave-cpulist" | "bgsave_cpulist" => bgsave_cpulist: Option<String> = None, OPTIONAL_TEXT, IMMUTABLE;
    /// Commands whose keys are looked up ahead at a time: the server does that anyway.
    "prefetch-batch-max-size" => prefetch_batch_max_size: u32 = 16, Number::between(0, 128), MUTABLE;
    /// Commands read ahead for each client, which it does as well.
    "lookahead" => lookahead: u32 = 16, Number::between(1, INT_MAX), MUTABLE;
    /// Have similarity searches run on the thread of commands.
    "vset-force-single-threaded-execution" => vset_force_single_threaded_execution: bool = false, YES_NO, MUTABLE;

    // Replication: what is sent is not compressed.

    /// Level at which what is sent is compressed; 0 for not at all.
    "repl-compression" => repl_compression: u32 = 0, Number::between(0, 22), IMMUTABLE;
    /// Milliseconds that may wait for it.
    "repl-compression-max-latency" => repl_compression_max_latency_ms: u32 = 100,
        Number::between(0, INT_MAX), MUTABLE;
    /// Slow clients down when replicas lag.
    "repl-throttling-enabled" => repl_throttling_enabled: bool = false, YES_NO, MUTABLE;
    /// Several network paths to replicas.
    "repl-mptcp" => repl_mptcp: bool = false, YES_NO, MUTABLE;

    // Network

    /// Several network paths for clients.
    "mptcp" => mptcp: bool = false, YES_NO, IMMUTABLE;
    /// Remote memory access.
    "rdma-bind" => rdma_bind: Option<String> = None, OPTIONAL_TEXT, IMMUTABLE;
    /// The same.
    "rdma-port" => rdma_port: u16 = 0, Number::between(0, 65535), MUTABLE;
    /// The same.
    "rdma-rx-size" => rdma_rx_size: u32 = 1 << 20, Number::bytes(64 << 10, 16 << 20), IMMUTABLE;
    /// The same.
    "rdma-completion-vector" => rdma_completion_vector: i32 = -1, Number::between(-1, 1024), IMMUTABLE;

    // TLS: files are read again by CONFIG SET, curves and names are not chosen.

    /// Seconds after which files are read again.
    "tls-auto-reload-interval" => tls_auto_reload_interval: u32 = 0, Number::between(0, INT_MAX), MUTABLE;
    /// Name that other servers' certificates must have.
    "tls-expected-peer-name" => tls_expected_peer_name: Option<String> = None, OPTIONAL_TEXT, MUTABLE;
    /// Curves.
    "tls-groups" => tls_groups: Option<String> = None, OPTIONAL_TEXT, MUTABLE;
    /// A second certificate.
    "tls-alt-cert-file" => tls_alt_cert_file: Option<String> = None, OPTIONAL_TEXT, MUTABLE;
    /// Its private key.
    "tls-alt-key-file" => tls_alt_key_file: Option<String> = None, OPTIONAL_TEXT, MUTABLE;
    /// The password of that key.
    "tls-alt-key-file-pass" => tls_alt_key_file_pass: Option<String> = None, OPTIONAL_TEXT, SENSITIVE;

    // Hot keys: HOTKEYS is that of Redis, whose START has options in their place.

    /// Keys that are told.
    "hotkeys-top-k" => hotkeys_top_k: u32 = 0, Number::between(0, 1000), MUTABLE;
    /// Share of accesses that are looked at.
    "hotkeys-sampling-percentage" => hotkeys_sampling_percentage: u32 = 1, Number::between(1, 100), MUTABLE;
    /// Seconds that are looked at.
    "hotkeys-window-seconds" => hotkeys_window_seconds: u32 = 1, Number::between(1, 300), MUTABLE;

    // Replies: each client has a buffer as large as its replies are.

    /// Milliseconds after which the size of a buffer is looked at.
    "reply-buffer-peak-reset-time" => reply_buffer_peak_reset_time: i64 = 5000, Number::between(-1, INT_MAX), MUTABLE;

    // Data and files

    /// Let scripts have functions of Lua's that could leave their room: they never can.
    "lua-enable-insecure-api" => lua_enable_insecure_api: bool = false, YES_NO, HIDDEN;
    /// Stop at checks that are for developers.
    "enable-debug-assert" => enable_debug_assert: bool = false, YES_NO, HIDDEN;
    /// What is said in reports of crashes.
    "debug-context" => debug_context: String = String::new(), TEXT, HIDDEN;
    /// Language by which SORT ALPHA compares: it compares bytes.
    "locale-collate" => locale_collate: String = String::new(), TEXT, MUTABLE;
    /// Sizes in bytes beside those in elements in INFO keysizes.
    "key-memory-histograms" => key_memory_histograms: bool = false, YES_NO, MUTABLE;
    /// Expire keys in commands that name none.
    "lazyexpire-nested-arbitrary-keys" => lazyexpire_nested_arbitrary_keys: bool = true, YES_NO, HIDDEN;
    /// Bytes of a damaged end of the log that may be cut off.
    "aof-load-corrupt-tail-max-size" => aof_load_corrupt_tail_max_size: u64 = 0, Number::bytes(0, LONG_MAX), MUTABLE;
    /// Memory set aside in every key for snapshots without a child: they need none.
    "forkless-infrastructure-enabled" => forkless_infrastructure_enabled: bool = false, YES_NO, IMMUTABLE;
    /// Bytes of scripts that are kept.
    "maxmemory-scripts" => maxmemory_scripts: u64 = 0, Number::bytes(0, ULONG_MAX), MUTABLE;

    // Log

    /// Names that scripts and clients are told.
    "extended-redis-compatibility" => extended_redis_compatibility: bool = false, YES_NO, MUTABLE;
}
