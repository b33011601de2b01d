//! The table: a row is a directive, and nothing about it stands elsewhere.
//!
//! ```text
//! /// What the field means.
//! "name" | "older-name" => field: type = default, kind, flags, Effect;
//! ```
//!
//! Directives without any effect stand in `kept.rs`. Alias and effect may be missing. Names, ranges and defaults are those of Redis 7.0; fields carry
//! the directive's name, with its unit where the name leaves that open.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::choices::*;
use super::cluster::{valid_hostname, valid_human_name, valid_ipv4, valid_ipv6};
use super::directive::flags::*;
use super::directive::{Directive, Effect};
use super::kept::{Kept, optional};
use super::kinds::*;
use super::load::Statement;
use super::notify::{NotifyFlags, NotifyLetters};
use super::proc_title::valid_proc_title;
use super::special::*;
use super::target::{SavedFor, TargetServer};
use crate::util::subnet::Subnet;

/// Fewer bytes of the stream of commands are of no use to a replica that comes back.
const BACKLOG_MIN: i128 = 16 << 10;

macro_rules! directives {
    ($(
        $(#[$doc:meta])*
        $name:literal $(| $alias:literal)? => $field:ident : $type:ty = $default:expr,
            $kind:expr, $flags:expr $(, $effect:ident)? ;
    )*) => {
        /// The value of every directive.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Config {
            $( $(#[$doc])* pub $field: $type, )*
            /// The file given at start, absolute; CONFIG REWRITE writes it.
            pub config_file: Option<PathBuf>,
            /// Directives met in files that the file includes: a line of its own has to stand behind these to count.
            pub included: BTreeSet<&'static str>,
            /// `rename-command` lines, for whoever knows commands.
            pub renamed_commands: Vec<Statement>,
            /// `role` lines, for whoever knows users.
            pub roles: Vec<Statement>,
            /// `user` lines, for whoever knows users.
            pub users: Vec<Statement>,
            /// `loadmodule` lines.
            pub modules: Vec<Statement>,
            /// `module.directive` lines.
            pub module_directives: Vec<Statement>,
            /// Directives without effect.
            pub kept: Kept,
        }

        impl Default for Config {
            fn default() -> Config {
                Config {
                    $( $field: $default, )*
                    config_file: None,
                    included: BTreeSet::new(),
                    renamed_commands: Vec::new(),
                    roles: Vec::new(),
                    users: Vec::new(),
                    modules: Vec::new(),
                    module_directives: Vec::new(),
                    kept: Kept::default(),
                }
            }
        }

        /// The rows of directives that have an effect.
        pub static DIRECTIVES: &[Directive] = &[$(
            Directive {
                name: $name,
                alias: optional!($($alias)?),
                flags: $flags,
                effect: optional!($(Effect::$effect)?),
                get: |config| $kind.show(&config.$field),
                set: |config, words, occurrence| set_field($kind, &mut config.$field, words, occurrence),
                lines: |config, default| $kind.lines($name, &config.$field, &default.$field),
                overruling_lines: |config, default| $kind.overruling_lines($name, &config.$field, &default.$field),
            },
        )*];
    };
}

directives! {
    // Network

    /// Addresses to listen on; `-` before one that may be missing, `*` for all.
    "bind" => bind: Vec<String> = vec!["*".into(), "-::*".into()], Addresses, MULTI_ARG, Bind;
    /// Address outgoing connections start from.
    "bind-source-addr" => bind_source_addr: Option<String> = None, OPTIONAL_TEXT, MUTABLE;
    /// TCP port; 0 for none.
    "port" => port: u16 = 6379, Number::between(0, 65535), MUTABLE, Port;
    /// Refuse strangers from other machines while there is no password.
    "protected-mode" => protected_mode: bool = true, YES_NO, MUTABLE;
    /// Connections the kernel may hold ready.
    "tcp-backlog" => tcp_backlog: u32 = 511, Number::between(0, INT_MAX), IMMUTABLE;
    /// Seconds between probes of a silent connection; 0 for none.
    "tcp-keepalive" => tcp_keepalive: u32 = 300, Number::between(0, INT_MAX), MUTABLE;
    /// How many of them a client may leave unanswered. Of Valkey.
    "tcp-keepalive-probes" => tcp_keepalive_probes: u32 = 3, Number::between(1, 127), MUTABLE;
    /// Seconds after which an idle client is closed; 0 for never.
    "timeout" => timeout: u32 = 0, Number::between(0, INT_MAX), MUTABLE;
    /// Path of a Unix socket to listen on.
    "unixsocket" => unixsocket: Option<String> = None, OPTIONAL_TEXT, IMMUTABLE;
    /// The name of its group; that of the process if there is none.
    "unixsocketgroup" => unixsocketgroup: Option<String> = None, OPTIONAL_TEXT, IMMUTABLE;
    /// Its permission bits; 0 leaves them to the umask.
    "unixsocketperm" => unixsocketperm: u32 = 0, Number::octal(0, 0o777), IMMUTABLE;
    /// Connections at a time.
    "maxclients" => maxclients: u32 = 10000, Number::between(1, UINT_MAX), MUTABLE, MaxClients;
    /// Connections accepted from one listener in one turn of the event loop.
    "max-new-connections-per-cycle" => max_new_connections_per_cycle: u32 = 10, Number::between(1, 1000), MUTABLE;
    /// The same on the TLS port.
    "max-new-tls-connections-per-cycle" => max_new_tls_connections_per_cycle: u32 = 1,
        Number::between(1, 1000), MUTABLE;
    /// How many of them are kept for clients of `priority-subnets`.
    "maxclients-reserved" => maxclients_reserved: u32 = 0, Number::between(0, UINT_MAX), MUTABLE;
    /// Where clients come from that may still connect when all others may not.
    "priority-subnets" => priority_subnets: Vec<Subnet> = Vec::new(), Subnets, MULTI_ARG;
    /// Unread output allowed per class of clients.
    "client-output-buffer-limit" => client_output_buffer_limit: OutputLimits = OutputLimits::DEFAULT,
        OutputLimitsByClass, MULTI_ARG;
    /// Bytes of unfinished commands a client may pile up.
    "client-query-buffer-limit" => client_query_buffer_limit: usize = 1 << 30,
        Number::bytes(1 << 20, LONG_MAX), MUTABLE;
    /// Bytes of one argument.
    "proto-max-bulk-len" => proto_max_bulk_len: usize = 512 << 20, Number::bytes(1 << 20, LONG_MAX), MUTABLE;
    /// Memory of all clients together.
    "maxmemory-clients" => maxmemory_clients: MemoryShare = MemoryShare::Bytes(0),
        BytesOrPercent, MUTABLE, ClientMemory;

    // TLS

    /// TLS port; 0 for none.
    "tls-port" => tls_port: u16 = 0, Number::between(0, 65535), MUTABLE, TlsPort;
    /// Sessions kept for resumption.
    "tls-session-cache-size" => tls_session_cache_size: u32 = 20 * 1024, Number::between(0, INT_MAX), MUTABLE, Tls;
    /// Seconds they are kept.
    "tls-session-cache-timeout" => tls_session_cache_timeout: u32 = 300, Number::between(0, INT_MAX), MUTABLE, Tls;
    /// Whether the cluster bus speaks TLS.
    "tls-cluster" => tls_cluster: bool = false, YES_NO, MUTABLE, Tls;
    /// Whether links to a primary speak TLS.
    "tls-replication" => tls_replication: bool = false, YES_NO, MUTABLE, Tls;
    /// Whether clients must show a certificate.
    "tls-auth-clients" => tls_auth_clients: TlsAuthClients = TlsAuthClients::Yes, OneOf::names(), MUTABLE;
    /// What of a client's certificate names the user it acts as.
    "tls-auth-clients-user" => tls_auth_clients_user: TlsClientUser = TlsClientUser::Off, OneOf::names(), MUTABLE;
    /// Whether the server's order of ciphers counts.
    "tls-prefer-server-ciphers" => tls_prefer_server_ciphers: bool = false, YES_NO, MUTABLE, Tls;
    /// Whether sessions are resumed.
    "tls-session-caching" => tls_session_caching: bool = true, YES_NO, MUTABLE, Tls;
    /// The server's certificate.
    "tls-cert-file" => tls_cert_file: Option<String> = None, OPTIONAL_TEXT, VOLATILE, Tls;
    /// Its private key.
    "tls-key-file" => tls_key_file: Option<String> = None, OPTIONAL_TEXT, VOLATILE, Tls;
    /// The password of that key.
    "tls-key-file-pass" => tls_key_file_pass: Option<String> = None, OPTIONAL_TEXT, SENSITIVE, Tls;
    /// The certificate shown when connecting to others.
    "tls-client-cert-file" => tls_client_cert_file: Option<String> = None, OPTIONAL_TEXT, VOLATILE, Tls;
    /// Its private key.
    "tls-client-key-file" => tls_client_key_file: Option<String> = None, OPTIONAL_TEXT, VOLATILE, Tls;
    /// The password of that key.
    "tls-client-key-file-pass" => tls_client_key_file_pass: Option<String> = None, OPTIONAL_TEXT, SENSITIVE, Tls;
    /// Diffie-Hellman parameters.
    "tls-dh-params-file" => tls_dh_params_file: Option<String> = None, OPTIONAL_TEXT, VOLATILE, Tls;
    /// Certificates of trusted authorities, in a file.
    "tls-ca-cert-file" => tls_ca_cert_file: Option<String> = None, OPTIONAL_TEXT, VOLATILE, Tls;
    /// Certificates of trusted authorities, in a folder.
    "tls-ca-cert-dir" => tls_ca_cert_dir: Option<String> = None, OPTIONAL_TEXT, VOLATILE, Tls;
    /// Versions of TLS to speak.
    "tls-protocols" => tls_protocols: Option<String> = None, OPTIONAL_TEXT, MUTABLE, Tls;
    /// Ciphers up to TLS 1.2.
    "tls-ciphers" => tls_ciphers: Option<String> = None, OPTIONAL_TEXT, MUTABLE, Tls;
    /// Ciphers of TLS 1.3.
    "tls-ciphersuites" => tls_ciphersuites: Option<String> = None, OPTIONAL_TEXT, MUTABLE, Tls;

    // Metrics and the page

    /// Port on which metrics and the page are served by HTTP; 0 for none.
    "metrics-port" => metrics_port: u16 = 0, Number::between(0, 65535), MUTABLE, MetricsPort;
    /// Addresses it is listened for on, as in `bind`.
    "metrics-bind" => metrics_bind: Vec<String> = vec!["127.0.0.1".into(), "-::1".into()], Addresses, MULTI_ARG,
        MetricsPort;
    /// The user as whom a request has to come, with its password; none for anybody.
    "metrics-user" => metrics_user: Option<String> = None, OPTIONAL_TEXT, MUTABLE;
    /// Whether TLS is spoken there.
    "metrics-tls" => metrics_tls: bool = false, YES_NO, MUTABLE, MetricsTls;

    /// Whether big keys are searched for in the background, for the page and the metrics.
    "bigkeys-scan" => bigkeys_scan: bool = false, YES_NO, MUTABLE;

    // Process

    /// Run in the background.
    "daemonize" => daemonize: bool = false, YES_NO, IMMUTABLE;
    /// Who watches over the process.
    "supervised" => supervised: Supervised = Supervised::No, OneOf::names(), IMMUTABLE;
    /// File to write the process id to.
    "pidfile" => pidfile: Option<String> = None, OPTIONAL_TEXT, IMMUTABLE;
    /// Least weight of messages logged.
    "loglevel" => loglevel: LogLevel = LogLevel::Notice, OneOf::names(), MUTABLE, LogLevel;
    /// How a line of the log is written.
    "log-format" => log_format: LogFormat = LogFormat::Legacy, OneOf::names(), MUTABLE, LogFormat;
    /// How the time stands in it.
    "log-timestamp-format" => log_timestamp_format: LogTimestampFormat = LogTimestampFormat::Legacy,
        OneOf::names(), MUTABLE, LogFormat;
    /// File to log to; empty for standard output.
    "logfile" => logfile: String = String::new(), TEXT, IMMUTABLE;
    /// Log to the system logger, too.
    "syslog-enabled" => syslog_enabled: bool = false, YES_NO, IMMUTABLE;
    /// Name given to the system logger.
    "syslog-ident" => syslog_ident: String = "redis".into(), TEXT, IMMUTABLE;
    /// Facility given to the system logger.
    "syslog-facility" => syslog_facility: SyslogFacility = SyslogFacility::Local0, OneOf::names(), IMMUTABLE;
    /// Where the server stands, for clients that prefer what is near.
    "availability-zone" => availability_zone: String = String::new(), TEXT, MUTABLE;
    /// What the order of keys in tables follows from; empty for chance.
    "hash-seed" => hash_seed: String = String::new(), TEXT, IMMUTABLE | SENSITIVE;
    /// Leave what clients have sent out of the log: names, keys, values, arguments.
    "hide-user-data-from-log" => hide_user_data_from_log: bool = false, YES_NO, MUTABLE, CrashLog;
    /// Write a report on a crash.
    "crash-log-enabled" => crash_log_enabled: bool = true, YES_NO, MUTABLE, CrashLog;
    /// Exit rather than abort on a panic.
    "use-exit-on-panic" => use_exit_on_panic: bool = false, YES_NO, HIDDEN;
    /// Number of databases.
    "databases" => databases: u32 = 16, Number::between(1, INT_MAX), IMMUTABLE;
    /// Show the logo even when the log isn't a terminal.
    "always-show-logo" => always_show_logo: bool = false, YES_NO, IMMUTABLE;
    /// Show the state in the title of the process.
    "set-proc-title" => set_proc_title: bool = true, YES_NO, IMMUTABLE;
    /// What to show there.
    "proc-title-template" => proc_title_template: String = "{title} {listen-addr} {server-mode}".into(),
        Text(Some(valid_proc_title)), MUTABLE, ProcTitle;
    /// Turn transparent huge pages off.
    "disable-thp" => disable_thp: bool = true, YES_NO, IMMUTABLE;
    /// Whether to tell the kernel whom to kill first when memory runs out.
    "oom-score-adj" => oom_score_adj: OomScoreAdj = OomScoreAdj::No, OneOf::names(), MUTABLE, OomScore;
    /// Scores of a primary, a replica, a saving child.
    "oom-score-adj-values" => oom_score_adj_values: [i32; 3] = [0, 200, 800],
        OomScores, MULTI_ARG, OomScore;
    /// Turns of periodic work in a second, from 1 to 500.
    "hz" => hz: u32 = 10, Number::between(0, INT_MAX).clamped(1, 500), MUTABLE, Hz;
    /// More turns while there are many clients.
    "dynamic-hz" => dynamic_hz: bool = true, YES_NO, MUTABLE;
    /// Seconds to wait at shutdown for replicas to catch up.
    "shutdown-timeout" => shutdown_timeout: u32 = 10, Number::between(0, INT_MAX), MUTABLE;
    /// How to shut down on SIGINT.
    "shutdown-on-sigint" => shutdown_on_sigint: SignalFlags = SignalFlags::default(),
        SignalWords, MULTI_ARG;
    /// How to shut down on SIGTERM.
    "shutdown-on-sigterm" => shutdown_on_sigterm: SignalFlags = SignalFlags::default(),
        SignalWords, MULTI_ARG;

    /// Data is being brought here from another server: nothing expires, and CLIENT IMPORT-SOURCE sees what has.
    "import-mode" => import_mode: bool = false, YES_NO, MUTABLE;

    // Rights

    /// Password of the default user.
    "requirepass" => requirepass: Option<Vec<u8>> = None, OptionalBytes, SENSITIVE, RequirePass;
    /// File with users.
    "aclfile" => aclfile: String = String::new(), TEXT, IMMUTABLE;
    /// Entries of ACL LOG.
    "acllog-max-len" => acllog_max_len: usize = 128, Number::between(0, LONG_MAX), MUTABLE;
    /// Channels of a new user.
    "acl-pubsub-default" => acl_pubsub_default: AclPubsubDefault = AclPubsubDefault::ResetChannels,
        OneOf::names(), MUTABLE;
    /// Who may CONFIG SET what could harm the machine.
    "enable-protected-configs" => enable_protected_configs: ProtectedAction = ProtectedAction::No,
        OneOf::names(), IMMUTABLE;
    /// Who may DEBUG.
    "enable-debug-command" => enable_debug_command: ProtectedAction = ProtectedAction::No,
        OneOf::names(), IMMUTABLE;
    /// Who may MODULE.
    "enable-module-command" => enable_module_command: ProtectedAction = ProtectedAction::No,
        OneOf::names(), IMMUTABLE;

    // Memory

    /// Bytes of data; 0 for no limit.
    "maxmemory" => maxmemory: u64 = 0, Number::bytes(0, ULONG_MAX), MUTABLE, MaxMemory;
    /// Which keys make room.
    "maxmemory-policy" => maxmemory_policy: MaxmemoryPolicy = MaxmemoryPolicy::NoEviction,
        OneOf::names(), MUTABLE;
    /// Keys looked at for each that goes.
    "maxmemory-samples" => maxmemory_samples: u32 = 5, Number::between(1, INT_MAX), MUTABLE;
    /// How long eviction may hold up commands: 0 hardly, 100 without end.
    "maxmemory-eviction-tenacity" => maxmemory_eviction_tenacity: u32 = 10,
        Number::between(0, 100), MUTABLE;
    /// How slowly access counters grow.
    "lfu-log-factor" => lfu_log_factor: u32 = 10, Number::between(0, INT_MAX), MUTABLE;
    /// Minutes in which they lose one.
    "lfu-decay-time" => lfu_decay_time: u32 = 1, Number::between(0, INT_MAX), MUTABLE;
    /// How hard expired keys are looked for, 1 to 10.
    "active-expire-effort" => active_expire_effort: u32 = 1, Number::between(1, 10), MUTABLE;
    /// Evict on a helper thread.
    "lazyfree-lazy-eviction" => lazyfree_lazy_eviction: bool = false, YES_NO, MUTABLE;
    /// Expire on a helper thread.
    "lazyfree-lazy-expire" => lazyfree_lazy_expire: bool = false, YES_NO, MUTABLE;
    /// Free overwritten values on a helper thread.
    "lazyfree-lazy-server-del" => lazyfree_lazy_server_del: bool = false, YES_NO, MUTABLE;
    /// DEL means UNLINK.
    "lazyfree-lazy-user-del" => lazyfree_lazy_user_del: bool = false, YES_NO, MUTABLE;
    /// FLUSHALL means FLUSHALL ASYNC.
    "lazyfree-lazy-user-flush" => lazyfree_lazy_user_flush: bool = false, YES_NO, MUTABLE;
    /// Rehash while idle.
    "activerehashing" => activerehashing: bool = true, YES_NO, MUTABLE;
    /// Move values together while running.
    "activedefrag" => activedefrag: bool = false, YesNo(Some(no_defragmentation)), MUTABLE;

    // Encodings of values

    /// Fields of a compact hash.
    "hash-max-listpack-entries" | "hash-max-ziplist-entries" => hash_max_listpack_entries: usize = 512,
        Number::between(0, LONG_MAX), MUTABLE;
    /// Bytes of a field or value of a compact hash.
    "hash-max-listpack-value" | "hash-max-ziplist-value" => hash_max_listpack_value: usize = 64,
        Number::bytes(0, LONG_MAX), MUTABLE;
    /// Fields from which on a hash that is written to shares their names with others of the same; 0 for never.
    "hash-min-template-entries" => hash_min_template_entries: usize = 0, Number::between(0, LONG_MAX), MUTABLE;
    /// The most fields of a hash that is to share their names; 0 for any number.
    "hash-max-template-entries" => hash_max_template_entries: usize = 0, Number::between(0, LONG_MAX), MUTABLE;
    /// The same of hashes that are loaded from a snapshot.
    "hash-rdb-load-min-template-entries" => hash_rdb_load_min_template_entries: usize = 0,
        Number::between(0, LONG_MAX), MUTABLE;
    /// The same of hashes that are loaded from a snapshot.
    "hash-rdb-load-max-template-entries" => hash_rdb_load_max_template_entries: usize = 0,
        Number::between(0, LONG_MAX), MUTABLE;
    /// Hashes of a snapshot that have to share names for that to stay so; 0 for any number.
    "hash-rdb-load-template-disassembly-threshold" => hash_rdb_load_template_disassembly_threshold: usize = 0,
        Number::between(0, LONG_MAX), MUTABLE;
    /// Elements of a compact list node, or its size class when negative.
    "list-max-listpack-size" | "list-max-ziplist-size" => list_max_listpack_size: i32 = -2,
        Number::between(INT_MIN, INT_MAX), MUTABLE;
    /// Nodes at both ends of a list that stay uncompressed; 0 to compress none.
    "list-compress-depth" => list_compress_depth: u32 = 0, Number::between(0, INT_MAX), MUTABLE;
    /// Members of a set of integers kept as such.
    "set-max-intset-entries" => set_max_intset_entries: usize = 512, Number::between(0, LONG_MAX), MUTABLE;
    /// Members of a compact set; 0 for none at all, as in Redis 7.0.
    "set-max-listpack-entries" => set_max_listpack_entries: usize = 128,
        Number::between(0, LONG_MAX), MUTABLE;
    /// Bytes of a member of a compact set.
    "set-max-listpack-value" => set_max_listpack_value: usize = 64, Number::bytes(0, LONG_MAX), MUTABLE;
    /// Members of a compact sorted set.
    "zset-max-listpack-entries" | "zset-max-ziplist-entries" => zset_max_listpack_entries: usize = 128,
        Number::between(0, LONG_MAX), MUTABLE;
    /// Bytes of a member of a compact sorted set.
    "zset-max-listpack-value" | "zset-max-ziplist-value" => zset_max_listpack_value: usize = 64,
        Number::bytes(0, LONG_MAX), MUTABLE;
    /// Whether commands that write bits make bitmaps, values of their own, rather than strings.
    "bitmap-default-roaring" => bitmap_default_roaring: bool = false, YES_NO, MUTABLE;
    /// Bytes of a sparse HyperLogLog.
    "hll-sparse-max-bytes" => hll_sparse_max_bytes: usize = 3000,
        Number::bytes(0, LONG_MAX), MUTABLE;
    /// Bytes of a stream node; 0 for no limit.
    "stream-node-max-bytes" => stream_node_max_bytes: usize = 4096,
        Number::bytes(0, LONG_MAX), MUTABLE;
    /// Entries of a stream node; 0 for no limit.
    "stream-node-max-entries" => stream_node_max_entries: u64 = 100,
        Number::between(0, LONG_MAX), MUTABLE;
    /// Seconds for which a stream remembers what a producer has added, unless XCFGSET says otherwise.
    "stream-idmp-duration" => stream_idmp_duration: u32 = 100, Number::between(1, 86_400), MUTABLE;
    /// Entries of each producer that a stream remembers, unless XCFGSET says otherwise.
    "stream-idmp-maxsize" => stream_idmp_maxsize: u32 = 100, Number::between(1, 10_000), MUTABLE;
    /// Elements that a slice of a new array may have.
    "array-slice-size" => array_slice_size: usize = 4096,
        Number::between(256, 65536).checked(power_of_two), MUTABLE;
    /// Elements of a sparse slice; 0 for no sparse slices.
    "array-sparse-kmax" => array_sparse_kmax: usize = 10,
        Number::between(0, UINT_MAX), MUTABLE, ArraySparseMax;
    /// Elements below which a dense slice becomes sparse; 0 for never.
    "array-sparse-kmin" => array_sparse_kmin: usize = 5,
        Number::between(0, UINT_MAX), MUTABLE, ArrayDenseMin;

    // Snapshots

    /// When to save by itself.
    "save" => save: Vec<SavePoint> = default_save_points(), SavePoints, MULTI_ARG;
    /// Where files are read and written; absolute.
    "dir" => dir: String = working_directory(), Directory, PROTECTED | DENY_LOADING, Dir;
    /// Name of the snapshot.
    "dbfilename" => dbfilename: String = "dump.rdb".into(),
        Text(Some(valid_snapshot_name)), PROTECTED;
    /// Whether the snapshot ends with a checksum.
    "rdbchecksum" => rdbchecksum: bool = true, YES_NO, IMMUTABLE;
    /// Compress strings in the snapshot.
    "rdbcompression" => rdbcompression: RdbCompression = RdbCompression::Yes, OneOf::names(), MUTABLE, RdbCompression;
    /// Remove snapshots made only for replication.
    "rdb-del-sync-files" => rdb_del_sync_files: bool = false, YES_NO, MUTABLE;
    /// Hand the snapshot to the disk piece by piece.
    "rdb-save-incremental-fsync" => rdb_save_incremental_fsync: bool = true, YES_NO, MUTABLE;
    /// Refuse writes when the last snapshot failed.
    "stop-writes-on-bgsave-error" => stop_writes_on_bgsave_error: bool = true, YES_NO, MUTABLE;
    /// Check values deeply before taking them over.
    "sanitize-dump-payload" => sanitize_dump_payload: SanitizeDumpPayload = SanitizeDumpPayload::No,
        OneOf::names(), MUTABLE;
    /// What becomes of snapshots and payloads of versions that are not known. Of Valkey.
    "rdb-version-check" => rdb_version_check: VersionCheck = VersionCheck::Strict, OneOf::names(), MUTABLE;
    /// Leave out keys whose values are those of modules, rather than refuse the file. Ours.
    "rdb-load-skip-unknown-modules" => rdb_load_skip_unknown_modules: bool = false, YES_NO, MUTABLE;
    /// The server that is to load the snapshots; none for the lowest version that holds the data. Ours.
    "rdb-save-for" => rdb_save_for: Option<TargetServer> = None, SavedFor, MUTABLE;
    /// How snapshots are made in the background. Of Valkey.
    "bgsave-default-method" => bgsave_default_method: SnapshotMethod = SnapshotMethod::Forkless, OneOf::names(), MUTABLE;
    /// The share of the event loop's time that goes into snapshots without a child while clients are served, in per
    /// cent. Ours.
    "snapshot-cpu-percent" => snapshot_cpu_percent: u32 = 30, Number::between(1, 95), MUTABLE;
    /// Microseconds to sleep per key while saving; negative for a fraction. For tests.
    "rdb-key-save-delay" => rdb_key_save_delay_us: i32 = 0,
        Number::between(INT_MIN, INT_MAX), HIDDEN;
    /// Microseconds to sleep per key while loading; negative for a fraction. For tests.
    "key-load-delay" => key_load_delay_us: i32 = 0, Number::between(INT_MIN, INT_MAX), HIDDEN;
    /// Bytes loaded between turns of the event loop.
    "loading-process-events-interval-bytes" => loading_process_events_interval_bytes: u64 = 2 << 20,
        Number::between(1024, INT_MAX), HIDDEN;

    // Append-only file

    /// Keep an append-only file.
    "appendonly" => appendonly: bool = false, YES_NO, MUTABLE, AppendOnly;
    /// First part of its names.
    "appendfilename" => appendfilename: String = "appendonly.aof".into(),
        Text(Some(valid_append_name)), IMMUTABLE;
    /// Folder for it.
    "appenddirname" => appenddirname: String = "appendonlydir".into(),
        Text(Some(valid_append_folder)), IMMUTABLE;
    /// What is loaded at start in place of the server's own files: `rdb:` or `aof:` and a path.
    "preload-file" => preload_file: Option<String> = None,
        OptionalText(Some(valid_preload)), IMMUTABLE;
    /// Folder of the files that BACKUP makes.
    "backupdirname" => backupdirname: String = "backupdir".into(),
        Text(Some(valid_backup_folder)), IMMUTABLE;
    /// Seconds until a sealed backup is deleted; 0 for never.
    "backup-sealed-ttl" => backup_sealed_ttl: u64 = 0, Number::between(0, LONG_MAX), MUTABLE;
    /// When it reaches the disk.
    "appendfsync" => appendfsync: AppendFsync = AppendFsync::EverySec, OneOf::names(), MUTABLE;
    /// Leave that to the kernel while a child writes.
    "no-appendfsync-on-rewrite" => no_appendfsync_on_rewrite: bool = false, YES_NO, MUTABLE;
    /// Growth in percent at which it is rewritten; 0 for never.
    "auto-aof-rewrite-percentage" => auto_aof_rewrite_percentage: u32 = 100,
        Number::between(0, INT_MAX), MUTABLE;
    /// Bytes below which it is not.
    "auto-aof-rewrite-min-size" => auto_aof_rewrite_min_size: u64 = 64 << 20,
        Number::bytes(0, LONG_MAX), MUTABLE;
    /// Hand the rewritten file to the disk piece by piece.
    "aof-rewrite-incremental-fsync" => aof_rewrite_incremental_fsync: bool = true, YES_NO, MUTABLE;
    /// Load a file whose end is cut off.
    "aof-load-truncated" => aof_load_truncated: bool = true, YES_NO, MUTABLE;
    /// Begin a rewritten file with a snapshot.
    "aof-use-rdb-preamble" => aof_use_rdb_preamble: bool = true, YES_NO, MUTABLE;
    /// Write times between the commands.
    "aof-timestamp-enabled" => aof_timestamp_enabled: bool = false, YES_NO, MUTABLE;
    /// Keep files that are no longer needed.
    "aof-disable-auto-gc" => aof_disable_auto_gc: bool = false, YES_NO, MUTABLE, AofHistory;

    // Replication

    /// The server to copy.
    "replicaof" | "slaveof" => replicaof: Option<ReplicaOf> = None, Primary, IMMUTABLE | MULTI_ARG;
    /// User to log in to it as.
    "masteruser" | "primaryuser" => masteruser: Option<String> = None, OPTIONAL_TEXT, SENSITIVE;
    /// Password for that.
    "masterauth" | "primaryauth" => masterauth: Option<Vec<u8>> = None, OptionalBytes, SENSITIVE;
    /// Answer reads while cut off from the primary.
    "replica-serve-stale-data" | "slave-serve-stale-data" => replica_serve_stale_data: bool = true,
        YES_NO, MUTABLE;
    /// Refuse writes of clients.
    "replica-read-only" | "slave-read-only" => replica_read_only: bool = true, YES_NO, MUTABLE;
    /// Leave eviction to the primary.
    "replica-ignore-maxmemory" | "slave-ignore-maxmemory" => replica_ignore_maxmemory: bool = true,
        YES_NO, MUTABLE;
    /// Drop the old data on a helper thread before a full sync.
    "replica-lazy-flush" | "slave-lazy-flush" => replica_lazy_flush: bool = false, YES_NO, MUTABLE;
    /// Rank for promotion, lowest first; 0 for never.
    "replica-priority" | "slave-priority" => replica_priority: u32 = 100,
        Number::between(0, INT_MAX), MUTABLE;
    /// Be listed by sentinels.
    "replica-announced" => replica_announced: bool = true, YES_NO, MUTABLE;
    /// Address to be listed with.
    "replica-announce-ip" | "slave-announce-ip" => replica_announce_ip: Option<String> = None,
        OPTIONAL_TEXT, MUTABLE;
    /// Port to be listed with; 0 for the real one.
    "replica-announce-port" | "slave-announce-port" => replica_announce_port: u16 = 0,
        Number::between(0, 65535), MUTABLE;
    /// Send a full sync without a file between.
    "repl-diskless-sync" => repl_diskless_sync: bool = true, YES_NO, MUTABLE;
    /// Seconds to wait for more replicas before that.
    "repl-diskless-sync-delay" => repl_diskless_sync_delay: u32 = 5, Number::between(0, INT_MAX), MUTABLE;
    /// Replicas at which it starts at once; 0 for no such number.
    "repl-diskless-sync-max-replicas" => repl_diskless_sync_max_replicas: u32 = 0,
        Number::between(0, INT_MAX), MUTABLE;
    /// Receive a full sync without a file between.
    "repl-diskless-load" => repl_diskless_load: ReplDisklessLoad = ReplDisklessLoad::Disabled,
        OneOf::names(), DENY_LOADING;
    /// Offer a Redis to take a full sync on a second connection, while the stream comes on the first.
    "repl-rdb-channel" => repl_rdb_channel: bool = true, YES_NO, HIDDEN;
    /// Offer that to a Valkey.
    "dual-channel-replication-enabled" => dual_channel_replication_enabled: bool = false, YES_NO, MUTABLE;
    /// Bytes of the stream kept meanwhile; 0 for the hard limit of replicas' output.
    "replica-full-sync-buffer-limit" => replica_full_sync_buffer_limit: u64 = 0, Number::bytes(0, ULONG_MAX), MUTABLE;
    /// Fewer, later packets to replicas.
    "repl-disable-tcp-nodelay" => repl_disable_tcp_nodelay: bool = false, YES_NO, MUTABLE;
    /// Seconds between pings to replicas.
    "repl-ping-replica-period" | "repl-ping-slave-period" => repl_ping_replica_period: u32 = 10,
        Number::between(1, INT_MAX), MUTABLE;
    /// Seconds of silence after which a link is dead.
    "repl-timeout" => repl_timeout: u32 = 60, Number::between(1, INT_MAX), MUTABLE;
    /// Bytes kept for replicas that come back.
    "repl-backlog-size" => repl_backlog_size: u64 = 1 << 20,
        Number::bytes(1, LONG_MAX).clamped(BACKLOG_MIN, LONG_MAX), MUTABLE, ReplicationBacklog;
    /// Seconds they are kept without any replica; 0 for ever.
    "repl-backlog-ttl" => repl_backlog_ttl: u64 = 3600, Number::between(0, LONG_MAX), MUTABLE;
    /// Good replicas needed to accept writes.
    "min-replicas-to-write" | "min-slaves-to-write" => min_replicas_to_write: u32 = 0,
        Number::between(0, INT_MAX), MUTABLE, GoodReplicas;
    /// Seconds of lag up to which a replica is good.
    "min-replicas-max-lag" | "min-slaves-max-lag" => min_replicas_max_lag: u32 = 10,
        Number::between(0, INT_MAX), MUTABLE, GoodReplicas;
    /// What an error on a replicated command means.
    "propagation-error-behavior" => propagation_error_behavior: PropagationErrorBehavior =
        PropagationErrorBehavior::Ignore, OneOf::names(), MUTABLE;

    // Cluster

    /// Be a node of a cluster.
    "cluster-enabled" => cluster_enabled: bool = false, YES_NO, IMMUTABLE;
    /// File the node keeps its view of the cluster in.
    "cluster-config-file" => cluster_config_file: String = "nodes.conf".into(), TEXT, IMMUTABLE;
    /// Whether the server ends when that cannot be written.
    "cluster-config-save-behavior" => cluster_config_save_behavior: SaveBehavior = SaveBehavior::Sync,
        OneOf::names(), MUTABLE;
    /// Port of the bus; 0 for 10000 above the client port.
    "cluster-port" => cluster_port: u16 = 0, Number::between(0, 65535), IMMUTABLE;
    /// Milliseconds of silence after which a node is failing.
    "cluster-node-timeout" => cluster_node_timeout_ms: i64 = 15000, Number::between(0, LONG_MAX), MUTABLE;
    /// How stale a replica may be and still stand for election, in node timeouts; 0 for no limit.
    "cluster-replica-validity-factor" | "cluster-slave-validity-factor" => cluster_replica_validity_factor: u32 = 10,
        Number::between(0, INT_MAX), MUTABLE;
    /// Never stand for election.
    "cluster-replica-no-failover" | "cluster-slave-no-failover" => cluster_replica_no_failover: bool = false,
        YES_NO, MUTABLE;
    /// Milliseconds a manual failover may take.
    "cluster-manual-failover-timeout" => cluster_manual_failover_timeout_ms: u32 = 5000,
        Number::between(1, INT_MAX), MUTABLE;
    /// Replicas a primary keeps when one of them moves to another.
    "cluster-migration-barrier" => cluster_migration_barrier: u32 = 1, Number::between(0, INT_MAX), MUTABLE;
    /// Whether replicas move at all.
    "cluster-allow-replica-migration" => cluster_allow_replica_migration: bool = true, YES_NO, MUTABLE;
    /// Stop serving when a slot has no node.
    "cluster-require-full-coverage" => cluster_require_full_coverage: bool = true, YES_NO, MUTABLE;
    /// Answer reads while the cluster is down.
    "cluster-allow-reads-when-down" => cluster_allow_reads_when_down: bool = false, YES_NO, MUTABLE;
    /// Serve shard channels while the cluster is down.
    "cluster-allow-pubsubshard-when-down" => cluster_allow_pubsubshard_when_down: bool = true, YES_NO, MUTABLE;
    /// Bytes of lag at which a slot that moves is handed over.
    "cluster-slot-migration-handoff-max-lag-bytes" => slots_handoff_lag_bytes_max: u64 = 1 << 20,
        Number::bytes(0, LONG_MAX), MUTABLE;
    /// Moves that are remembered once they are done.
    "cluster-slot-migration-max-archived-tasks" => slots_archived_tasks_max: u32 = 32,
        Number::between(1, INT_MAX), HIDDEN;
    /// Milliseconds in which the last changes have to follow.
    "cluster-slot-migration-sync-buffer-drain-timeout" => slots_drain_ms_max: u64 = 60000,
        Number::between(0, LONG_MAX), HIDDEN;
    /// Milliseconds that writes are held meanwhile.
    "cluster-slot-migration-write-pause-timeout" => slots_write_pause_ms_max: u64 = 10000,
        Number::between(0, LONG_MAX), MUTABLE;
    /// Bytes a link of the bus may pile up; 0 for no limit.
    "cluster-link-sendbuf-limit" => cluster_link_sendbuf_limit: u64 = 0, Number::bytes(0, ULONG_MAX), MUTABLE;
    /// Address to be known by.
    "cluster-announce-ip" => cluster_announce_ip: Option<String> = None, OPTIONAL_TEXT, MUTABLE;
    /// Name to be known by.
    "cluster-announce-hostname" => cluster_announce_hostname: Option<String> = None,
        OptionalText(Some(valid_hostname)), MUTABLE;
    /// Name of the node for people.
    "cluster-announce-human-nodename" => cluster_announce_human_nodename: Option<String> = None,
        OptionalText(Some(valid_human_name)), MUTABLE;
    /// Port to be known by; 0 for the real one.
    "cluster-announce-port" => cluster_announce_port: u16 = 0, Number::between(0, 65535), MUTABLE;
    /// TLS port to be known by; 0 for the real one.
    "cluster-announce-tls-port" => cluster_announce_tls_port: u16 = 0, Number::between(0, 65535), MUTABLE;
    /// Bus port to be known by; 0 for the real one.
    "cluster-announce-bus-port" => cluster_announce_bus_port: u16 = 0, Number::between(0, 65535), MUTABLE;
    /// Address that clients are told that come by IPv4; empty for the real one.
    "cluster-announce-client-ipv4" => cluster_announce_client_ipv4: Option<String> = None,
        OptionalText(Some(valid_ipv4)), MUTABLE;
    /// The same by IPv6.
    "cluster-announce-client-ipv6" => cluster_announce_client_ipv6: Option<String> = None,
        OptionalText(Some(valid_ipv6)), MUTABLE;
    /// Port that clients are told; 0 for the real one.
    "cluster-announce-client-port" => cluster_announce_client_port: u16 = 0, Number::between(0, 65535), MUTABLE;
    /// The same for those with TLS.
    "cluster-announce-client-tls-port" => cluster_announce_client_tls_port: u16 = 0,
        Number::between(0, 65535), MUTABLE;
    /// How redirections name a node.
    "cluster-preferred-endpoint-type" => cluster_preferred_endpoint_type: EndpointType = EndpointType::Ip,
        OneOf::names(), MUTABLE;
    /// Seconds a node that was forgotten stays so.
    "cluster-blacklist-ttl" => cluster_blacklist_ttl: u32 = 60, Number::between(0, INT_MAX), MUTABLE;
    /// What is counted for each slot.
    "cluster-slot-stats-enabled" => cluster_slot_stats_enabled: Vec<String> = vec!["no".into()],
        WordsOf(&["no", "yes", "cpu", "net", "mem"]), MULTI_ARG;

    // Scripts

    /// Milliseconds after which others are told that a script is running.
    "busy-reply-threshold" | "lua-time-limit" => busy_reply_threshold_ms: u64 = 5000,
        Number::between(0, LONG_MAX), MUTABLE;
    /// Offer calls that Redis has deprecated.
    "lua-enable-deprecated-api" => lua_enable_deprecated_api: bool = false, YES_NO, IMMUTABLE | HIDDEN;

    // Watching the server

    /// Events to publish.
    "notify-keyspace-events" => notify_keyspace_events: NotifyFlags = NotifyFlags::default(), NotifyLetters, MUTABLE;
    /// Keys remembered for client-side caching.
    "tracking-table-max-keys" => tracking_table_max_keys: usize = 1_000_000, Number::between(0, LONG_MAX), MUTABLE;
    /// Microseconds above which a command enters the slow log; -1 for never.
    "slowlog-log-slower-than" | "commandlog-execution-slower-than" => slowlog_log_slower_than_us: i64 = 10000,
        Number::between(-1, LONG_MAX), MUTABLE;
    /// Entries of the slow log.
    "slowlog-max-len" | "commandlog-slow-execution-max-len" => slowlog_max_len: usize = 128,
        Number::between(0, LONG_MAX), MUTABLE;
    /// Arguments kept of a logged command, one that tells how many are missing included.
    "slowlog-entry-max-argc" => slowlog_entry_max_argc: usize = 32, Number::between(2, INT_MAX), MUTABLE;
    /// Bytes kept of each of them.
    "slowlog-entry-max-string-len" => slowlog_entry_max_string_len: usize = 128, Number::between(1, INT_MAX), MUTABLE;
    /// Bytes of a request from which on it is logged; -1 for never.
    "commandlog-request-larger-than" => commandlog_request_larger_than_bytes: i64 = 1 << 20,
        Number::between(-1, LONG_MAX), MUTABLE;
    /// Entries of that log.
    "commandlog-large-request-max-len" => commandlog_large_request_max_len: usize = 128,
        Number::between(0, LONG_MAX), MUTABLE;
    /// Bytes of a reply from which on its command is logged; -1 for never.
    "commandlog-reply-larger-than" => commandlog_reply_larger_than_bytes: i64 = 1 << 20,
        Number::between(-1, LONG_MAX), MUTABLE;
    /// Entries of that log.
    "commandlog-large-reply-max-len" => commandlog_large_reply_max_len: usize = 128,
        Number::between(0, LONG_MAX), MUTABLE;
    /// Milliseconds above which the latency monitor takes note; 0 for never.
    "latency-monitor-threshold" => latency_monitor_threshold_ms: u64 = 0, Number::between(0, LONG_MAX), MUTABLE;
    /// Keep the distribution of times per command.
    "latency-tracking" => latency_tracking: bool = true, YES_NO, MUTABLE;
    /// Percentiles of it that INFO shows.
    "latency-tracking-info-percentiles" => latency_tracking_info_percentiles: Vec<f64> = vec![50.0, 99.0, 99.9],
        Percentiles, MULTI_ARG;
}

fn default_save_points() -> Vec<SavePoint> {
    let rules = [(3600, 1), (300, 100), (60, 10000)];
    rules.map(|(seconds, changes)| SavePoint { seconds, changes }).into()
}

fn working_directory() -> String {
    let path = std::env::current_dir().unwrap_or_default();
    path.into_os_string().into_string().unwrap_or_default()
}

fn is_base_name(name: &str) -> bool {
    !name.contains(['/', '\\'])
}

fn power_of_two(size: &i128) -> Result<(), &'static str> {
    if size.count_ones() == 1 { Ok(()) } else { Err("array-slice-size must be a power of two") }
}

fn valid_snapshot_name(name: &str) -> Result<(), &'static str> {
    if is_base_name(name) { Ok(()) } else { Err("dbfilename can't be a path, just a filename") }
}

fn valid_append_name(name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err("appendfilename can't be empty"),
        _ if !is_base_name(name) => Err("appendfilename can't be a path, just a filename"),
        _ => Ok(()),
    }
}

fn valid_append_folder(name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err("appenddirname can't be empty"),
        _ if !is_base_name(name) => Err("appenddirname can't be a path, just a dirname"),
        _ => Ok(()),
    }
}

fn no_defragmentation(enabled: &bool) -> Result<(), &'static str> {
    if *enabled {
        return Err("Active defragmentation cannot be enabled: it requires a Redis server compiled with a \
                    modified Jemalloc like the one shipped by default with the Redis source distribution");
    }
    Ok(())
}
