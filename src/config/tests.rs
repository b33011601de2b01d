//! What holds for all rows together: Redis's defaults, and the way of a value from CONFIG SET
//! through CONFIG GET and CONFIG REWRITE back to a loaded file.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::kinds::quoted;
use super::*;

const LOCAL: Access = Access { loading: false, local_client: true };

/// Each name with the value CONFIG GET shows on a redis-server 7.0.15 started without arguments; names it does not know
/// with that of 8.2.3, else of Valkey 9.1.2, and what came later with what its documents say. `dir` is missing, since it
/// depends on where that was.
const DEFAULTS: &[(&str, &str)] = &[
    ("acl-pubsub-default", "resetchannels"),
    ("aclfile", ""),
    ("acllog-max-len", "128"),
    ("active-defrag-cycle-max", "25"),
    ("active-defrag-cycle-min", "1"),
    ("active-defrag-cycle-us", "500"),
    ("active-defrag-ignore-bytes", "104857600"),
    ("active-defrag-max-scan-fields", "1000"),
    ("active-defrag-threshold-lower", "10"),
    ("active-defrag-threshold-upper", "100"),
    ("active-expire-effort", "1"),
    ("activedefrag", "no"),
    ("activerehashing", "yes"),
    ("always-show-logo", "no"),
    ("aof-disable-auto-gc", "no"),
    ("aof-load-corrupt-tail-max-size", "0"),
    ("aof-load-truncated", "yes"),
    ("aof-rewrite-cpulist", ""),
    ("aof-rewrite-incremental-fsync", "yes"),
    ("aof-timestamp-enabled", "no"),
    ("aof-use-rdb-preamble", "yes"),
    ("aof_rewrite_cpulist", ""),
    ("appenddirname", "appendonlydir"),
    ("appendfilename", "appendonly.aof"),
    ("appendfsync", "everysec"),
    ("appendonly", "no"),
    ("array-slice-size", "4096"),
    ("array-sparse-kmax", "10"),
    ("array-sparse-kmin", "5"),
    ("auto-aof-rewrite-min-size", "67108864"),
    ("auto-aof-rewrite-percentage", "100"),
    ("availability-zone", ""),
    ("backup-sealed-ttl", "0"),
    ("backupdirname", "backupdir"),
    ("bgsave-cpulist", ""),
    ("bgsave-default-method", "forkless"),
    ("bgsave_cpulist", ""),
    ("bind", "* -::*"),
    ("bigkeys-scan", "no"),
    ("bind-source-addr", ""),
    ("bio-cpulist", ""),
    ("bitmap-default-roaring", "no"),
    ("bio_cpulist", ""),
    ("busy-reply-threshold", "5000"),
    ("client-output-buffer-limit", "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"),
    ("client-query-buffer-limit", "1073741824"),
    ("cluster-allow-pubsubshard-when-down", "yes"),
    ("cluster-allow-reads-when-down", "no"),
    ("cluster-allow-replica-migration", "yes"),
    ("cluster-announce-bus-port", "0"),
    ("cluster-announce-client-ipv4", ""),
    ("cluster-announce-client-ipv6", ""),
    ("cluster-announce-client-port", "0"),
    ("cluster-announce-client-tls-port", "0"),
    ("cluster-announce-hostname", ""),
    ("cluster-announce-human-nodename", ""),
    ("cluster-announce-ip", ""),
    ("cluster-announce-port", "0"),
    ("cluster-announce-tls-port", "0"),
    ("cluster-blacklist-ttl", "60"),
    ("cluster-bus-port-protected-mode", "no"),
    ("cluster-compatibility-sample-ratio", "0"),
    ("cluster-config-file", "nodes.conf"),
    ("cluster-config-save-behavior", "sync"),
    ("cluster-databases", "1"),
    ("cluster-enabled", "no"),
    ("cluster-link-sendbuf-limit", "0"),
    ("cluster-manual-failover-timeout", "5000"),
    ("cluster-message-gossip-perc", "10"),
    ("cluster-migration-barrier", "1"),
    ("cluster-node-timeout", "15000"),
    ("cluster-ping-interval", "0"),
    ("cluster-port", "0"),
    ("cluster-preferred-endpoint-type", "ip"),
    ("cluster-replica-no-failover", "no"),
    ("cluster-replica-validity-factor", "10"),
    ("cluster-require-full-coverage", "yes"),
    ("cluster-slave-no-failover", "no"),
    ("cluster-slave-validity-factor", "10"),
    ("commandlog-execution-slower-than", "10000"),
    ("commandlog-large-reply-max-len", "128"),
    ("commandlog-large-request-max-len", "128"),
    ("commandlog-reply-larger-than", "1048576"),
    ("commandlog-request-larger-than", "1048576"),
    ("commandlog-slow-execution-max-len", "128"),
    ("cluster-slot-migration-handoff-max-lag-bytes", "1048576"),
    ("cluster-slot-migration-log-max-len", "1000"),
    ("cluster-slot-migration-max-archived-tasks", "32"),
    ("cluster-slot-migration-sync-buffer-drain-timeout", "60000"),
    ("cluster-slot-migration-write-pause-timeout", "10000"),
    ("cluster-slot-stats-enabled", "no"),
    ("crash-log-enabled", "yes"),
    ("crash-memcheck-enabled", "yes"),
    ("daemonize", "no"),
    ("databases", "16"),
    ("dbfilename", "dump.rdb"),
    ("debug-context", ""),
    ("disable-thp", "yes"),
    ("dual-channel-replication-enabled", "no"),
    ("dynamic-hz", "yes"),
    ("enable-debug-assert", "no"),
    ("enable-debug-command", "no"),
    ("enable-module-command", "no"),
    ("enable-protected-configs", "no"),
    ("extended-redis-compatibility", "no"),
    ("forkless-infrastructure-enabled", "no"),
    ("hash-max-listpack-entries", "512"),
    ("hash-max-listpack-value", "64"),
    ("hash-max-template-entries", "0"),
    ("hash-max-ziplist-entries", "512"),
    ("hash-max-ziplist-value", "64"),
    ("hash-min-template-entries", "0"),
    ("hash-rdb-load-max-template-entries", "0"),
    ("hash-rdb-load-min-template-entries", "0"),
    ("hash-rdb-load-template-disassembly-threshold", "0"),
    ("hash-seed", ""),
    ("hide-user-data-from-log", "no"),
    ("hll-sparse-max-bytes", "3000"),
    ("hotkeys-sampling-percentage", "1"),
    ("hotkeys-top-k", "0"),
    ("hotkeys-window-seconds", "1"),
    ("hz", "10"),
    ("ignore-warnings", ""),
    ("import-mode", "no"),
    ("io-threads", "1"),
    ("io-threads-always-active", "no"),
    ("io-threads-do-reads", "no"),
    ("jemalloc-bg-thread", "yes"),
    ("key-load-delay", "0"),
    ("key-memory-histograms", "no"),
    ("latency-monitor-threshold", "0"),
    ("latency-tracking", "yes"),
    ("latency-tracking-info-percentiles", "50 99 99.9"),
    ("lazyexpire-nested-arbitrary-keys", "yes"),
    ("lazyfree-lazy-eviction", "no"),
    ("lazyfree-lazy-expire", "no"),
    ("lazyfree-lazy-server-del", "no"),
    ("lazyfree-lazy-user-del", "no"),
    ("lazyfree-lazy-user-flush", "no"),
    ("lfu-decay-time", "1"),
    ("lfu-log-factor", "10"),
    ("list-compress-depth", "0"),
    ("list-max-listpack-size", "-2"),
    ("list-max-ziplist-size", "-2"),
    ("loading-process-events-interval-bytes", "2097152"),
    ("locale-collate", ""),
    ("log-format", "legacy"),
    ("log-timestamp-format", "legacy"),
    ("logfile", ""),
    ("loglevel", "notice"),
    ("lookahead", "16"),
    ("lua-enable-deprecated-api", "no"),
    ("lua-enable-insecure-api", "no"),
    ("lua-time-limit", "5000"),
    ("masterauth", ""),
    ("masteruser", ""),
    ("max-new-connections-per-cycle", "10"),
    ("max-new-tls-connections-per-cycle", "1"),
    ("maxclients", "10000"),
    ("maxclients-reserved", "0"),
    ("maxmemory", "0"),
    ("maxmemory-clients", "0"),
    ("maxmemory-eviction-tenacity", "10"),
    ("maxmemory-policy", "noeviction"),
    ("maxmemory-samples", "5"),
    ("maxmemory-scripts", "0"),
    ("metrics-bind", "127.0.0.1 -::1"),
    ("metrics-port", "0"),
    ("metrics-tls", "no"),
    ("metrics-user", ""),
    ("min-io-threads-avoid-copy-reply", "7"),
    ("min-replicas-max-lag", "10"),
    ("min-replicas-to-write", "0"),
    ("min-slaves-max-lag", "10"),
    ("min-slaves-to-write", "0"),
    ("min-string-size-avoid-copy-reply", "16384"),
    ("min-string-size-avoid-copy-reply-threaded", "65536"),
    ("mptcp", "no"),
    ("no-appendfsync-on-rewrite", "no"),
    ("notify-keyspace-events", ""),
    ("oom-score-adj", "no"),
    ("oom-score-adj-values", "0 200 800"),
    ("pidfile", ""),
    ("port", "6379"),
    ("prefetch-batch-max-size", "16"),
    ("preload-file", ""),
    ("primaryauth", ""),
    ("primaryuser", ""),
    ("priority-subnets", ""),
    ("proc-title-template", "{title} {listen-addr} {server-mode}"),
    ("propagation-error-behavior", "ignore"),
    ("protected-mode", "yes"),
    ("proto-max-bulk-len", "536870912"),
    ("rdb-del-sync-files", "no"),
    ("rdb-key-save-delay", "0"),
    ("rdb-load-skip-unknown-modules", "no"),
    ("rdb-save-for", ""),
    ("rdb-save-incremental-fsync", "yes"),
    ("rdb-version-check", "strict"),
    ("rdbchecksum", "yes"),
    ("rdbcompression", "yes"),
    ("rdma-bind", ""),
    ("rdma-completion-vector", "-1"),
    ("rdma-port", "0"),
    ("rdma-rx-size", "1048576"),
    ("repl-backlog-size", "1048576"),
    ("repl-backlog-ttl", "3600"),
    ("repl-compression", "0"),
    ("repl-compression-max-latency", "100"),
    ("repl-disable-tcp-nodelay", "no"),
    ("repl-diskless-load", "disabled"),
    ("repl-diskless-sync", "yes"),
    ("repl-diskless-sync-delay", "5"),
    ("repl-diskless-sync-max-replicas", "0"),
    ("repl-mptcp", "no"),
    ("repl-ping-replica-period", "10"),
    ("repl-ping-slave-period", "10"),
    ("repl-rdb-channel", "yes"),
    ("repl-throttling-enabled", "no"),
    ("repl-timeout", "60"),
    ("replica-announce-ip", ""),
    ("replica-announce-port", "0"),
    ("replica-announced", "yes"),
    ("replica-full-sync-buffer-limit", "0"),
    ("replica-ignore-disk-write-errors", "no"),
    ("replica-ignore-maxmemory", "yes"),
    ("replica-lazy-flush", "no"),
    ("replica-priority", "100"),
    ("replica-read-only", "yes"),
    ("replica-serve-stale-data", "yes"),
    ("replicaof", ""),
    ("reply-buffer-peak-reset-time", "5000"),
    ("requirepass", ""),
    ("sanitize-dump-payload", "no"),
    ("save", "3600 1 300 100 60 10000"),
    ("server-cpulist", ""),
    ("server_cpulist", ""),
    ("set-max-intset-entries", "512"),
    ("set-max-listpack-entries", "128"),
    ("set-max-listpack-value", "64"),
    ("set-proc-title", "yes"),
    ("shutdown-on-sigint", "default"),
    ("shutdown-on-sigterm", "default"),
    ("shutdown-timeout", "10"),
    ("slave-announce-ip", ""),
    ("slave-announce-port", "0"),
    ("slave-ignore-maxmemory", "yes"),
    ("slave-lazy-flush", "no"),
    ("slave-priority", "100"),
    ("slave-read-only", "yes"),
    ("slave-serve-stale-data", "yes"),
    ("slaveof", ""),
    ("slowlog-entry-max-argc", "32"),
    ("slowlog-entry-max-string-len", "128"),
    ("slot-migration-max-failover-repl-bytes", "0"),
    ("slowlog-log-slower-than", "10000"),
    ("slowlog-max-len", "128"),
    ("snapshot-cpu-percent", "30"),
    ("socket-mark-id", "0"),
    ("stop-writes-on-bgsave-error", "yes"),
    ("stream-node-max-bytes", "4096"),
    ("stream-node-max-entries", "100"),
    ("stream-idmp-duration", "100"),
    ("stream-idmp-maxsize", "100"),
    ("supervised", "no"),
    ("syslog-enabled", "no"),
    ("syslog-facility", "local0"),
    ("syslog-ident", "redis"),
    ("tcp-backlog", "511"),
    ("tcp-keepalive", "300"),
    ("tcp-keepalive-probes", "3"),
    ("timeout", "0"),
    ("tls-alt-cert-file", ""),
    ("tls-alt-key-file", ""),
    ("tls-alt-key-file-pass", ""),
    ("tls-auth-clients", "yes"),
    ("tls-auth-clients-user", "off"),
    ("tls-auto-reload-interval", "0"),
    ("tls-ca-cert-dir", ""),
    ("tls-ca-cert-file", ""),
    ("tls-cert-file", ""),
    ("tls-ciphers", ""),
    ("tls-ciphersuites", ""),
    ("tls-client-cert-file", ""),
    ("tls-client-key-file", ""),
    ("tls-client-key-file-pass", ""),
    ("tls-cluster", "no"),
    ("tls-dh-params-file", ""),
    ("tls-expected-peer-name", ""),
    ("tls-groups", ""),
    ("tls-key-file", ""),
    ("tls-key-file-pass", ""),
    ("tls-port", "0"),
    ("tls-prefer-server-ciphers", "no"),
    ("tls-protocols", ""),
    ("tls-replication", "no"),
    ("tls-session-cache-size", "20480"),
    ("tls-session-cache-timeout", "300"),
    ("tls-session-caching", "yes"),
    ("tracking-table-max-keys", "1000000"),
    ("unixsocket", ""),
    ("unixsocketgroup", ""),
    ("unixsocketperm", "0"),
    ("use-exit-on-panic", "no"),
    ("vset-force-single-threaded-execution", "no"),
    ("watchdog-period", "0"),
    ("zset-max-listpack-entries", "128"),
    ("zset-max-listpack-value", "64"),
    ("zset-max-ziplist-entries", "128"),
    ("zset-max-ziplist-value", "64"),
];

#[test]
fn every_default_is_that_of_redis() {
    let config = Config::default();
    let names = Directive::all().flat_map(|directive| directive.names());
    let ours: BTreeMap<&str, String> = names
        .filter(|name| *name != "dir")
        .map(|name| {
            let (directive, _) = Directive::find(name.as_bytes()).unwrap();
            (name, String::from_utf8(directive.value(&config)).unwrap())
        })
        .collect();
    let theirs: BTreeMap<&str, String> = DEFAULTS.iter().map(|&(name, value)| (name, value.to_owned())).collect();
    assert_eq!(ours, theirs);
}

/// What files of other servers may have, a directive a line.
const KNOWN_LINES: &str = include_str!("../../tests/config/directives.conf");

#[test]
fn every_directive_of_redis_and_valkey_loads() {
    let lines: Vec<&str> = KNOWN_LINES.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    assert!(lines.len() > 300);
    let refused: Vec<String> =
        lines.iter().filter_map(|line| Some(Config::load(None, line.as_bytes()).err()?.to_string())).collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    load(KNOWN_LINES.as_bytes());
}

#[test]
fn no_two_rows_share_a_name() {
    let mut names: Vec<&str> = Directive::all().flat_map(|directive| directive.names()).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(names.iter().all(|name| *name == name.to_ascii_lowercase()));
}

#[test]
fn every_default_can_be_set_to_itself_without_changing_anything() {
    for directive in Directive::all().filter(|directive| !directive.is(flags::IMMUTABLE)) {
        let mut config = Config::default();
        let value = directive.value(&config);
        let changed = directive.set_text(&mut config, &value);
        assert_eq!(changed, Ok(directive.is(flags::VOLATILE)), "{}", directive.name);
        assert_eq!(config, Config::default(), "{}", directive.name);
    }
}

/// Texts of which each directive takes at least one that is not its default.
const SAMPLES: &[&str] = &[
    "512",
    "yes",
    "no",
    "1",
    "2",
    "0",
    "7",
    "99",
    "5000",
    "2mb",
    "3kb",
    "1gb",
    "rdb:/var/lib/x.rdb",
    "1500001",
    "100000000",
    "5%",
    "644",
    "",
    "name",
    "two words",
    "it's \"quoted\" \\ here",
    "10.0.0.1 -::1",
    "10.1.2.3",
    "fd00::7",
    "127.0.0.1 6380",
    "1 2 3",
    "900 1 60 5",
    "nosave now",
    "save",
    "KEA",
    "gm",
    "normal 1mb 2 3 pubsub 1gb 512mb 1",
    "50 99.5",
    "/",
    "{title} on {port}",
    "debug",
    "warning",
    "allkeys-lfu",
    "always",
    "local1",
    "systemd",
    "swapdb",
    "optional",
    "absolute",
    "allchannels",
    "clients",
    "local",
    "hostname",
    "panic-on-replicas",
    "relaxed",
    "7.0",
    "valkey-9.1",
    "best-effort",
    "cpu mem",
    "CN",
    "json",
    "milliseconds",
    "fork",
    "10.0.0.0/8 ::1/128",
];

/// Sets a text; when it is taken, checks that it survives CONFIG GET and CONFIG REWRITE. True when
/// it is not the default.
fn survives(directive: &Directive, text: &[u8]) -> bool {
    let mut config = Config::default();
    if directive.set_text(&mut config, text).is_err() {
        assert_eq!(config, Config::default(), "{}: changed in spite of the error", directive.name);
        return false;
    }
    let mut again = Config::default();
    directive.set_text(&mut again, &directive.value(&config)).unwrap();
    assert_eq!(again, config, "{}: CONFIG GET differs", directive.name);
    let written = Rewrite::default().text(&config, b"");
    assert_eq!(load(&written), config, "{}: reloaded differs", directive.name);
    assert_eq!(Rewrite::default().text(&config, &written), written, "{}: rewrite moves", directive.name);
    let forced = Rewrite { force_all: true, users: None }.text(&config, &written);
    assert_eq!(load(&forced), config, "{}: reloaded in full differs", directive.name);
    config != Config::default()
}

fn load(text: &[u8]) -> Config {
    match Config::load(None, text) {
        Ok(config) => config,
        Err(error) => panic!("{error}\n{}", String::from_utf8_lossy(text)),
    }
}

/// `logfile` is opened on loading, so its value must name a writable place.
fn is_pure(directive: &Directive) -> bool {
    directive.name != "logfile"
}

#[test]
fn every_directive_takes_a_new_value_and_keeps_it() {
    for directive in Directive::all().filter(|directive| is_pure(directive)) {
        let taken = SAMPLES.iter().filter(|text| survives(directive, text.as_bytes())).take(3).count();
        let refuses_all = directive.name == "activedefrag";
        assert_eq!(taken == 0, refuses_all, "{}: {taken} samples taken", directive.name);
    }
}

fn any_directive() -> impl Strategy<Value = &'static Directive> {
    prop::sample::select(Directive::all().filter(|directive| is_pure(directive)).collect::<Vec<_>>())
}

fn any_text() -> impl Strategy<Value = Vec<u8>> {
    let number = any::<i64>().prop_map(|number| number.to_string().into_bytes());
    let small = (0..5000u32, prop::sample::select(vec!["", "kb", "mb", "gb", "k", "m", "g", "%"]))
        .prop_map(|(number, unit)| format!("{number}{unit}").into_bytes());
    let words = prop::collection::vec(0..4000u32, 0..6)
        .prop_map(|numbers| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(" ").into_bytes());
    let text = any::<String>().prop_map(String::into_bytes);
    prop_oneof![number, small, words, text, prop::collection::vec(any::<u8>(), 0..20)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_accepted_value_survives_rewriting_and_loading(directive in any_directive(), text in any_text()) {
        survives(directive, &text);
    }

    #[test]
    fn any_text_loads_or_is_refused(text in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assume!(!text.windows(4).any(|window| window.eq_ignore_ascii_case(b"logf")));
        let _ = Config::load(None, &text);
    }

    #[test]
    fn any_old_file_is_rewritten_into_one_that_loads(
        lines in prop::collection::vec((any_directive(), any_text(), any::<bool>()), 0..12)
    ) {
        let mut config = Config::default();
        let mut old = Vec::new();
        for (directive, text, is_set) in lines {
            if is_set && !directive.is(flags::IMMUTABLE) {
                let _ = config.set_many(&[(directive.name.as_bytes(), &text)], LOCAL);
            }
            old.extend([directive.name.as_bytes(), b" ", &quoted(&text), b"\n"].concat());
        }
        let written = Rewrite::default().text(&config, &old);
        prop_assert_eq!(load(&written), config);
    }
}
