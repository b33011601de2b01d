//! INFO, and the commands that tell about the server: LATENCY, MEMORY, ROLE, TIME, LOLWUT.

mod common;

use common::dataset::{info_fields, redis_7};
use common::{Connection, Reply, Server, wait_until};

fn info(client: &mut Connection, sections: &[&str]) -> String {
    client.cmd(&[&["INFO"], sections].concat()).text()
}

fn field(client: &mut Connection, section: &str, name: &str) -> Option<String> {
    let text = info(client, &[section]);
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.map(str::to_owned)
}

fn number(text: &str, name: &str) -> usize {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.expect(name).parse().expect("a number")
}

fn titles(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("# ")).collect()
}

#[test]
fn info_shows_the_sections_asked_for_in_its_own_order() {
    let server = Server::start();
    let mut client = server.connect();
    let default = info(&mut client, &[]);
    let titles_by_default = titles(&default);
    assert_eq!(titles_by_default[..3], ["Server", "Clients", "Memory"]);
    assert!(titles_by_default.contains(&"Errorstats") && !titles_by_default.contains(&"Commandstats"));
    assert_eq!(titles(&info(&mut client, &["default"])), titles_by_default);
    let everything = info(&mut client, &["everything"]);
    assert!(titles(&everything).contains(&"Threads") && titles(&everything).len() >= 15);
    assert_eq!(titles(&info(&mut client, &["KEYSPACE", "cpu", "nosuch"])), ["CPU", "Keyspace"]);
    assert_eq!(info(&mut client, &["nosuch"]), "");
    assert!(everything.lines().all(|line| line.is_empty() || line.starts_with("# ") || line.contains(':')));
}

/// Fields of Redis 7.0 that are left out: of a C compiler, and of reply buffers that each client has for good.
const LEFT_OUT: [&str; 4] = ["atomicvar_api", "gcc_version", "reply_buffer_shrinks", "reply_buffer_expands"];

#[test]
fn info_has_the_fields_of_redis_in_their_order() {
    let Some(redis) = redis_7() else { return };
    let redis = Server::start_program(&redis, &[]);
    let fields = |server: &Server| -> Vec<String> {
        let mut client = server.connect();
        client.cmd(&["SET", "key", "value"]);
        client.cmd(&["NOSUCH"]);
        info_fields(&mut client)
    };
    let expected: Vec<String> =
        fields(&redis).into_iter().filter(|field| !LEFT_OUT.iter().any(|left_out| field.ends_with(left_out))).collect();
    let known: Vec<String> = fields(&Server::start()).into_iter().filter(|field| expected.contains(field)).collect();
    assert_eq!(known, expected);
}

#[test]
fn keysizes_tell_values_apart_by_powers_of_two() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["SET", "empty", ""]);
    for command in ["SET a x", "SET b 12345", "RPUSH list 1 2 3", "HSET hash f v", "XADD stream * f v"] {
        client.cmd(&command.split(' ').collect::<Vec<_>>());
    }
    client.cmd(&["SELECT", "3"]);
    client.cmd(&["ZADD", "zset", "1", "a", "2", "b"]);
    let text = info(&mut client, &["keysizes"]);
    let lines: Vec<&str> = text.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            "db0_distrib_strings_sizes:0=1,1=1,4=1",
            "db0_distrib_lists_items:2=1",
            "db0_distrib_hashes_items:1=1",
            "db3_distrib_zsets_items:2=1",
        ]
    );
    for number in 0..9000 {
        client.send(&["SET", &number.to_string(), "12345678"]);
    }
    (0..9000).for_each(|_| assert_eq!(client.read(), Reply::ok()));
    assert_eq!(field(&mut client, "keysizes", "db0_distrib_lists_items").as_deref(), Some("2=1"));
    let many = field(&mut client, "keysizes", "db3_distrib_strings_sizes").expect("strings");
    assert!(many.starts_with("8=") && many[2..].parse::<u64>().unwrap() > 8900, "{many}");
}

#[test]
fn info_counts_commands_errors_and_keys() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.cmd(&["CONFIG", "RESETSTAT"]), Reply::ok());
    client.cmd(&["SET", "key", "value"]);
    client.cmd(&["GET", "key"]);
    client.cmd(&["GET", "missing"]);
    client.cmd(&["SET", "key"]);
    client.cmd(&["NOSUCH"]);
    let set = field(&mut client, "commandstats", "cmdstat_set").unwrap();
    assert!(set.starts_with("calls=1,usec=") && set.ends_with(",rejected_calls=1,failed_calls=0"), "{set}");
    assert!(field(&mut client, "commandstats", "cmdstat_config|resetstat").is_some());
    assert_eq!(field(&mut client, "errorstats", "errorstat_ERR").as_deref(), Some("count=2"));
    assert_eq!(field(&mut client, "stats", "total_error_replies").as_deref(), Some("2"));
    assert_eq!(field(&mut client, "stats", "keyspace_hits").as_deref(), Some("1"));
    assert_eq!(field(&mut client, "stats", "keyspace_misses").as_deref(), Some("1"));
    assert_eq!(field(&mut client, "keyspace", "db0").as_deref(), Some("keys=1,expires=0,avg_ttl=0"));
    assert_eq!(field(&mut client, "clients", "connected_clients").as_deref(), Some("1"));
    let latency = field(&mut client, "latencystats", "latency_percentiles_usec_get").unwrap();
    assert!(latency.starts_with("p50=") && latency.contains(",p99.9="), "{latency}");
    client.cmd(&["CONFIG", "RESETSTAT"]);
    assert_eq!(field(&mut client, "commandstats", "cmdstat_set"), None);
    assert_eq!(field(&mut client, "errorstats", "errorstat_ERR"), None);
}

#[test]
fn used_memory_follows_the_data() {
    let server = Server::start();
    let mut client = server.connect();
    let mut used = || field(&mut client, "memory", "used_memory").unwrap().parse::<usize>().unwrap();
    let before = used();
    let value = vec![b'x'; 4 << 20];
    server.connect().cmd(&[b"SET".as_slice(), b"big", &value]);
    assert!(used() >= before + value.len(), "{before} then {}", used());
    let peak: usize = field(&mut client, "memory", "used_memory_peak").unwrap().parse().unwrap();
    assert!(peak >= before + value.len());
    let Reply::Integer(usage) = client.cmd(&["MEMORY", "USAGE", "big", "SAMPLES", "0"]) else { panic!("no size") };
    assert!(usage as usize > value.len() && (usage as usize) < value.len() * 2, "{usage}");
    assert_eq!(client.cmd(&["MEMORY", "USAGE", "missing"]), Reply::Null);
    assert_eq!(client.cmd(&["MEMORY", "USAGE", "big", "SAMPLES", "-1"]), Reply::Error("ERR syntax error".into()));
    assert_eq!(client.cmd(&["MEMORY", "PURGE"]), Reply::ok());
    client.cmd(&["CONFIG", "SET", "maxmemory", "1mb"]);
    let refused = client.cmd(&["SET", "another", "value"]).text();
    assert_eq!(refused, "OOM command not allowed when used memory > 'maxmemory'.");
}

#[test]
fn memory_stats_is_a_map_with_doubles_in_resp3() {
    let server = Server::start_with(&["--protected-mode", "no"]);
    let mut client = server.connect();
    client.cmd(&["SET", "key", "value"]);
    let Reply::Array(flat) = client.cmd(&["MEMORY", "STATS"]) else { panic!("no array") };
    assert_eq!(flat[0], Reply::bulk("peak.allocated"));
    assert!(flat.contains(&Reply::bulk("db.0")) && flat.contains(&Reply::bulk("fragmentation.bytes")));
    let report = client.cmd(&["MEMORY", "DOCTOR"]).text();
    assert!(!report.is_empty() && !report.to_lowercase().contains("sam"), "{report}");
    assert!(!client.cmd(&["MEMORY", "MALLOC-STATS"]).text().is_empty());
}

#[test]
fn latency_histogram_shows_what_ran() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["CONFIG", "RESETSTAT"]);
    client.cmd(&["SET", "key", "value"]);
    client.cmd(&["SET", "key", "value"]);
    let Reply::Array(all) = client.cmd(&["LATENCY", "HISTOGRAM"]) else { panic!("no array") };
    assert_eq!(all.len(), 4, "{all:?}");
    let Reply::Array(set) = client.cmd(&["LATENCY", "HISTOGRAM", "nosuch", "set"]) else { panic!("no array") };
    assert_eq!(set[0], Reply::bulk("set"));
    let Reply::Array(fields) = &set[1] else { panic!("{set:?}") };
    assert_eq!(fields[..3], [Reply::bulk("calls"), Reply::Integer(2), Reply::bulk("histogram_usec")]);
    let Reply::Array(container) = client.cmd(&["LATENCY", "HISTOGRAM", "config"]) else { panic!("no array") };
    assert_eq!(container[0], Reply::bulk("config|resetstat"));
}

#[test]
fn the_latency_monitor_answers_when_nothing_happened() {
    let server = Server::start();
    let mut client = server.connect();
    assert!(client.cmd(&["LATENCY", "DOCTOR"]).text().contains("latency-monitor-threshold"));
    client.cmd(&["CONFIG", "SET", "latency-monitor-threshold", "100000"]);
    assert_eq!(client.cmd(&["LATENCY", "LATEST"]), Reply::Array(Vec::new()));
    assert_eq!(client.cmd(&["LATENCY", "HISTORY", "command"]), Reply::Array(Vec::new()));
    assert_eq!(client.cmd(&["LATENCY", "RESET", "command"]), Reply::Integer(0));
    let graph = client.cmd(&["LATENCY", "GRAPH", "command"]);
    assert_eq!(graph, Reply::Error("ERR No samples available for event 'command'".into()));
    let help = client.cmd(&["LATENCY", "HELP", "x"]).text();
    assert_eq!(help, "ERR wrong number of arguments for 'latency|help' command");
}

#[test]
fn the_server_tells_role_time_and_version() {
    let server = Server::start();
    let mut client = server.connect();
    let role = [Reply::bulk("master"), Reply::Integer(0), Reply::Array(Vec::new())];
    assert_eq!(client.cmd(&["ROLE"]), Reply::Array(role.into()));
    let Reply::Array(time) = client.cmd(&["TIME"]) else { panic!("no time") };
    let seconds: i64 = time[0].text().parse().unwrap();
    let micros: i64 = time[1].text().parse().unwrap();
    assert!(seconds > 1_700_000_000 && (0..1_000_000).contains(&micros));
    let Reply::Integer(last_save) = client.cmd(&["LASTSAVE"]) else { panic!("no time") };
    assert!((seconds - 60..=seconds).contains(&last_save));
    let art = client.cmd(&["LOLWUT", "VERSION", "5", "10", "2"]).text();
    assert!(art.ends_with("Redis ver. 8.2.3\n") && art.lines().next().is_some_and(|line| line.len() == 10), "{art}");
}

/// The statistics of BLPOP and of errors.
fn of_blocked(client: &mut Connection) -> Vec<String> {
    let text = info(client, &["commandstats", "errorstats", "latencystats"]);
    let lines = text.lines().filter(|line| line.contains("blpop") || line.starts_with("errorstat"));
    // Times vary.
    let without_times = |line: &str| {
        let is_time = |part: &&str| part.starts_with("usec") || part.starts_with('p');
        line.split(',').filter(|part| !is_time(part)).collect::<Vec<_>>().join(",")
    };
    lines.map(|line| without_times(line.split_once(":p").map_or(line, |(name, _)| name))).collect()
}

#[test]
fn what_waited_in_vain_is_counted_with_its_errors_and_times() {
    let server = Server::start();
    let mut admin = server.connect();
    let block = |admin: &mut Connection| {
        let mut client = server.connect();
        let Reply::Integer(id) = client.cmd(&["CLIENT", "ID"]) else { panic!("no id") };
        client.send(&["BLPOP", "list", "0"]);
        wait_until("it waits", || info(admin, &["clients"]).contains("blocked_clients:1\r"));
        (client, id.to_string())
    };
    let calls = |calls: u64, failed: u64| {
        vec![
            format!("cmdstat_blpop:calls={calls},rejected_calls=0,failed_calls={failed}"),
            format!("errorstat_UNBLOCKED:count={failed}"),
            "latency_percentiles_usec_blpop".to_owned(),
        ]
    };
    let (mut client, id) = block(&mut admin);
    assert_eq!(admin.cmd(&["CLIENT", "UNBLOCK", &id, "ERROR"]), Reply::Integer(1));
    assert!(client.read().into_error().starts_with("UNBLOCKED "));
    assert_eq!(of_blocked(&mut admin), calls(1, 1));
    let (mut client, id) = block(&mut admin);
    assert_eq!(admin.cmd(&["CLIENT", "UNBLOCK", &id]), Reply::Integer(1));
    assert_eq!(client.read(), Reply::NullArray);
    assert_eq!(of_blocked(&mut admin), calls(2, 1));
    let (mut client, _) = block(&mut admin);
    assert_eq!(admin.cmd(&["REPLICAOF", "127.0.0.1", "1"]), Reply::ok());
    assert!(client.read().into_error().starts_with("UNBLOCKED force unblock"));
    assert!(client.is_closed());
    assert_eq!(of_blocked(&mut admin), calls(3, 2));
}

#[test]
fn resetting_statistics_forgets_all_of_them() {
    let server = Server::start();
    let mut client = server.connect();
    for number in 0..501 {
        client.cmd(&["EVAL", &format!("return {number}"), "0"]);
    }
    assert_eq!(field(&mut client, "stats", "evicted_scripts").as_deref(), Some("1"));
    client.cmd(&["CONFIG", "RESETSTAT"]);
    for name in ["evicted_scripts", "total_error_replies", "expired_keys"] {
        assert_eq!(field(&mut client, "stats", name).as_deref(), Some("0"), "{name}");
    }
}

#[test]
fn too_many_kinds_of_errors_end_their_counting_until_a_reset() {
    let server = Server::start();
    let mut client = server.connect();
    let fail = |client: &mut Connection, code: &str| {
        client.cmd(&["EVAL", "return redis.error_reply(ARGV[1])", "0", &format!("{code} x")]);
    };
    (0..130).for_each(|number| fail(&mut client, &format!("E{number}")));
    assert_eq!(field(&mut client, "errorstats", "errorstat_ERRORSTATS_DISABLED").as_deref(), Some("count=1"));
    assert_eq!(field(&mut client, "errorstats", "errorstat_E1"), None);
    assert_eq!(field(&mut client, "stats", "total_error_replies").as_deref(), Some("130"));
    server.await_log("Errorstats stopped adding new errors");
    server.await_log("Current errors code list: E0, E1, E10, ");
    client.cmd(&["CONFIG", "RESETSTAT"]);
    fail(&mut client, "E1");
    assert_eq!(field(&mut client, "errorstats", "errorstat_E1").as_deref(), Some("count=1"));
}

#[test]
fn a_replica_tells_how_it_goes_with_its_primary() {
    let (primary, replica) = (Server::start_with(&["--repl-diskless-sync-delay", "0"]), Server::start());
    let mut client = replica.connect();
    client.cmd(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    let is_up = |client: &mut Connection| field(client, "replication", "master_link_status").as_deref() == Some("up");
    wait_until("the link is up", || is_up(&mut client));
    let numbers = |client: &mut Connection| {
        ["master_current_sync_attempts", "master_total_sync_attempts"]
            .map(|name| field(client, "replication", name).expect(name).parse::<u64>().expect("a number"))
    };
    assert_eq!(numbers(&mut client), [1, 1]);
    assert!(field(&mut client, "replication", "master_link_up_since_seconds").is_some());
    assert_eq!(field(&mut client, "replication", "total_disconnect_time_sec").as_deref(), Some("0"));
    primary.connect().cmd(&["CLIENT", "KILL", "TYPE", "replica"]);
    wait_until("the link is up again", || is_up(&mut client) && numbers(&mut client)[1] > 1);
    assert_eq!(numbers(&mut client), [1, 2]);
}

#[test]
fn a_save_that_takes_long_tells_how_far_it_is() {
    let server = Server::start_with(&["--rdb-key-save-delay", "500", "--enable-debug-command", "yes"]);
    let mut client = server.connect();
    client.cmd(&["debug", "populate", "40000"]);
    client.cmd(&["bgsave"]);
    server.await_log("Saving: ");
    wait_until("INFO tells how long it will take", || {
        let text = client.cmd(&["info", "persistence"]).text();
        text.contains("current_fork_eta_seconds:") && text.contains("rdb_bgsave_in_progress:1")
    });
    // The next line knows more.
    server.await_log("% done, about ");
}

#[test]
fn clients_are_counted_while_they_listen_watch_and_wait() {
    let server = Server::start();
    let (mut client, mut other) = (server.connect(), server.connect());
    let counts = |client: &mut Connection| {
        let text = info(client, &["clients"]);
        ["connected_clients", "pubsub_clients", "watching_clients", "blocked_clients", "clients_in_timeout_table"]
            .map(|name| number(&text, name))
    };
    other.cmd(&["SUBSCRIBE", "news"]);
    other.cmd(&["PSUBSCRIBE", "n*"]);
    assert_eq!(counts(&mut client), [2, 1, 0, 0, 0]);
    other.cmd(&["UNSUBSCRIBE"]);
    assert_eq!(counts(&mut client), [2, 1, 0, 0, 0]);
    other.cmd(&["PUNSUBSCRIBE"]);
    assert_eq!(counts(&mut client), [2, 0, 0, 0, 0]);
    other.cmd(&["WATCH", "a", "b", "a"]);
    other.cmd(&["WATCH", "c"]);
    assert_eq!(counts(&mut client), [2, 0, 1, 0, 0]);
    other.cmd(&["UNWATCH"]);
    other.cmd(&["UNWATCH"]);
    assert_eq!(counts(&mut client), [2, 0, 0, 0, 0]);
    other.cmd(&["WATCH", "a"]);
    other.cmd(&["MULTI"]);
    other.cmd(&["EXEC"]);
    assert_eq!(counts(&mut client), [2, 0, 0, 0, 0]);
    let mut waiting = server.connect();
    waiting.send(&["BLPOP", "list", "1000"]);
    other.send(&["BLPOP", "list", "0"]);
    wait_until("both to wait", || counts(&mut client) == [3, 0, 0, 2, 1]);
    client.cmd(&["SET", "list", "no list"]);
    client.cmd(&["DEL", "list"]);
    assert_eq!(counts(&mut client), [3, 0, 0, 2, 1]);
    client.cmd(&["RPUSH", "list", "one", "other"]);
    assert_eq!(counts(&mut client), [3, 0, 0, 0, 0]);
    waiting.read();
    other.read();
    waiting.cmd(&["WATCH", "a"]);
    waiting.cmd(&["HELLO", "3"]);
    waiting.cmd(&["SUBSCRIBE", "news"]);
    waiting.send(&["BLPOP", "list", "1000"]);
    wait_until("one to wait", || counts(&mut client) == [3, 1, 1, 1, 1]);
    drop(waiting);
    wait_until("that one to be gone", || counts(&mut client) == [2, 0, 0, 0, 0]);
}

#[test]
fn what_clients_take_is_told_soon_and_forgotten_when_they_go() {
    let server = Server::start();
    let mut client = server.connect();
    let of = |client: &mut Connection, name: &str| number(&info(client, &["clients", "memory"]), name);
    let mut other = server.connect();
    other.raw(&[b"*2\r\n$4\r\nECHO\r\n$20000\r\n", &b"x".repeat(15_000)[..]].concat());
    wait_until("its input to be seen", || of(&mut client, "client_recent_max_input_buffer") >= 15_000);
    assert!(of(&mut client, "mem_clients_normal") >= 15_000);
    drop(other);
    wait_until("its memory to be forgotten", || of(&mut client, "mem_clients_normal") < 15_000);
}
