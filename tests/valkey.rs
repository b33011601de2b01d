//! What Valkey has and Redis does not, apart from what has a file of its own. With OXIDIS_VALKEY9 naming a
//! valkey-server, what is said here of replies is asked of that one, too.

mod common;

use common::dataset::own_and_valkey;
use common::{Reply, Server};

#[test]
fn script_show_tells_the_text_of_a_known_script() {
    for server in own_and_valkey(&[]) {
        let mut client = server.connect();
        let (text, named) = ("return 1", "#!lua flags=no-writes\nreturn 2");
        let sha = client.cmd(&["SCRIPT", "LOAD", text]).text();
        assert_eq!(client.cmd(&["SCRIPT", "SHOW", &sha]), Reply::bulk(text));
        client.cmd(&["EVAL", named, "0"]);
        let sha_named = client.cmd(&["SCRIPT", "LOAD", named]).text();
        assert_eq!(client.cmd(&["SCRIPT", "SHOW", &sha_named]), Reply::bulk(named));
        client.cmd(&["SCRIPT", "FLUSH"]);
        for unknown in [&sha[..], "", "x", "zz"] {
            assert_eq!(client.cmd(&["SCRIPT", "SHOW", unknown]).into_error(), "NOSCRIPT No matching script.");
        }
        let error = client.cmd(&["SCRIPT", "SHOW"]).into_error();
        assert_eq!(error, "ERR wrong number of arguments for 'script|show' command");
    }
}

/// What a Lua table of functions and constants has, by name.
const MEMBERS: &str = "local names = {} for name in pairs(server) do names[#names + 1] = name end table.sort(names) \
                       return table.concat(names, ' ')";

#[test]
fn scripts_and_functions_see_the_table_server() {
    for server in own_and_valkey(&[]) {
        let mut client = server.connect();
        assert_eq!(
            client.cmd(&["EVAL", MEMBERS, "0"]).text(),
            "LOG_DEBUG LOG_NOTICE LOG_VERBOSE LOG_WARNING REDIS_VERSION REDIS_VERSION_NUM REPL_ALL REPL_AOF REPL_NONE \
             REPL_REPLICA REPL_SLAVE SERVER_NAME VALKEY_VERSION VALKEY_VERSION_NUM acl_check_cmd breakpoint call debug \
             error_reply log pcall replicate_commands set_repl setresp sha1hex status_reply"
        );
        let script = "server.call('SET', KEYS[1], server.sha1hex('')) return server.call('STRLEN', KEYS[1])";
        assert_eq!(client.cmd(&["EVAL", script, "1", "key"]), Reply::Integer(40));
        assert_eq!(client.cmd(&["EVAL", "return server.error_reply('MY fault')", "0"]), Reply::error("MY fault"));
        assert_eq!(client.cmd(&["EVAL", "return server.VALKEY_VERSION_NUM", "0"]), Reply::Integer(0x090102));
        let error = client.cmd(&["EVAL", "server.call = nil", "0"]).into_error();
        assert!(error.contains("Attempt to modify a readonly table"), "{error}");
        let library = format!("#!lua name=members\nserver.register_function('members', function() {MEMBERS} end)");
        assert_eq!(client.cmd(&["FUNCTION", "LOAD", &library]), Reply::bulk("members"));
        assert_eq!(
            client.cmd(&["FCALL", "members", "0"]).text(),
            "LOG_DEBUG LOG_NOTICE LOG_VERBOSE LOG_WARNING REDIS_VERSION REDIS_VERSION_NUM REPL_ALL REPL_AOF REPL_NONE \
             REPL_REPLICA REPL_SLAVE SERVER_NAME VALKEY_VERSION VALKEY_VERSION_NUM acl_check_cmd call error_reply log \
             pcall set_repl setresp sha1hex status_reply"
        );
    }
}

#[test]
fn scripts_for_redis_see_its_own_table_unchanged() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.cmd(&["EVAL", "return redis.SERVER_NAME", "0"]), Reply::Null);
    assert_eq!(client.cmd(&["EVAL", "return server.SERVER_NAME", "0"]), Reply::bulk("redis"));
}

#[test]
fn latency_latest_ends_in_sum_and_number_of_the_spikes() {
    for server in own_and_valkey(&["--enable-debug-command", "yes", "--latency-monitor-threshold", "10"]) {
        let mut client = server.connect();
        client.cmd(&["DEBUG", "SLEEP", "0.02"]);
        client.cmd(&["DEBUG", "SLEEP", "0.03"]);
        let Reply::Array(events) = client.cmd(&["LATENCY", "LATEST"]) else { panic!("no events") };
        let [Reply::Array(event)] = &events[..] else { panic!("{events:?}") };
        let [_, _, Reply::Integer(latest), Reply::Integer(worst), Reply::Integer(sum), count] = &event[..] else {
            panic!("{event:?}")
        };
        assert_eq!(*count, Reply::Integer(2));
        assert!(*worst >= 30 && latest <= worst && *sum >= worst + 20, "{event:?}");
    }
}

#[test]
fn a_save_in_the_background_can_be_called_off() {
    for server in own_and_valkey(&["--enable-debug-command", "yes", "--rdb-key-save-delay", "100000"]) {
        let mut client = server.connect();
        let nothing = "ERR Background saving is currently not in progress or scheduled";
        assert_eq!(client.cmd(&["BGSAVE", "CANCEL"]).into_error(), nothing);
        assert_eq!(client.cmd(&["BGSAVE", "CANCEL", "x"]).into_error(), "ERR syntax error");
        client.cmd(&["DEBUG", "POPULATE", "1000"]);
        assert_eq!(client.cmd(&["BGSAVE"]), Reply::Simple("Background saving started".into()));
        assert_eq!(client.cmd(&["BGSAVE", "cancel"]), Reply::Simple("Background saving cancelled".into()));
        common::wait_until("the child is gone", || client.cmd(&["BGSAVE", "CANCEL"]) == Reply::error(nothing));
        let info = client.cmd(&["INFO", "persistence"]).text();
        assert!(info.contains("rdb_bgsave_in_progress:0\r\n") && info.contains("rdb_last_bgsave_status:ok\r\n"));
        assert!(!server.directory().join("dump.rdb").exists());
        // A save that waits for another child is forgotten.
        client.cmd(&["CONFIG", "SET", "aof-use-rdb-preamble", "yes"]);
        client.cmd(&["BGREWRITEAOF"]);
        assert_eq!(client.cmd(&["BGSAVE", "SCHEDULE"]), Reply::Simple("Background saving scheduled".into()));
        assert_eq!(client.cmd(&["BGSAVE", "CANCEL"]), Reply::Simple("Scheduled background saving cancelled".into()));
        assert_eq!(client.cmd(&["BGSAVE", "CANCEL"]).into_error(), nothing);
    }
}

#[test]
fn shutdown_knows_the_options_of_a_cluster() {
    for server in own_and_valkey(&[]) {
        let mut client = server.connect();
        let error = client.cmd(&["SHUTDOWN", "FAILOVER"]).into_error();
        assert_eq!(error, "ERR SHUTDOWN FAILOVER is only supported in cluster mode.");
        for wrong in ["SAFE", "FAILOVER"] {
            assert_eq!(client.cmd(&["SHUTDOWN", wrong, "ABORT"]).into_error(), "ERR syntax error");
        }
        assert_eq!(client.cmd(&["CONFIG", "SET", "shutdown-on-sigterm", "nosave safe failover"]), Reply::ok());
        let shown = Reply::bulks(&["shutdown-on-sigterm", "nosave safe failover"]);
        assert_eq!(client.cmd(&["CONFIG", "GET", "shutdown-on-sigterm"]), shown);
        client.send(&["SHUTDOWN", "NOSAVE", "SAFE"]);
        assert!(client.is_closed());
    }
}

#[test]
fn lines_of_the_log_are_written_as_asked_for() {
    for server in own_and_valkey(&[]) {
        let mut client = server.connect();
        client.cmd(&["CONFIG", "SET", "log-format", "json", "log-timestamp-format", "milliseconds"]);
        client.cmd(&["EVAL", "redis.log(redis.LOG_WARNING, 'a \"quoted\"\\nword')", "0"]);
        server.await_log("\\\"quoted\\\"\\nword\"}\n");
        let log = server.log();
        let line = log.lines().last().unwrap();
        assert!(line.starts_with("{\"pid\":") && line.contains(",\"role\":\"primary\",\"timestamp\":\"1"), "{line}");
        assert!(line.contains("\",\"level\":\"warning\",\"message\":\""), "{line}");
        client.cmd(&["CONFIG", "SET", "log-format", "logfmt", "log-timestamp-format", "iso8601"]);
        client.cmd(&["EVAL", "redis.log(redis.LOG_NOTICE, 'a \"quoted\"\\nword')", "0"]);
        server.await_log("'quoted' word\"\n");
        let log = server.log();
        let line = log.lines().last().unwrap();
        assert!(line.starts_with("pid=") && line.contains(" role=primary timestamp=\"20"), "{line}");
        let stamp = line.split('"').nth(1).unwrap();
        let shape: String = stamp.chars().map(|one| if one.is_ascii_digit() { '0' } else { one }).collect();
        assert!(["0000-00-00T00:00:00.000+00:00", "0000-00-00T00:00:00.000-00:00"].contains(&&*shape), "{stamp}");
        // Only a process has a role of its own. The other server knows nothing else.
        client.cmd(&["CONFIG", "SET", "bgsave-default-method", "fork"]);
        client.cmd(&["BGSAVE"]);
        server.await_log(" role=RDB/AOF timestamp=\"");
        client.cmd(&["CONFIG", "SET", "log-format", "legacy", "log-timestamp-format", "legacy"]);
        client.cmd(&["EVAL", "redis.log(redis.LOG_WARNING, 'plain')", "0"]);
        server.await_log("plain\n");
        let error = client.cmd(&["CONFIG", "SET", "log-format", "xml"]).into_error();
        assert!(error.ends_with("argument(s) must be one of the following: legacy, logfmt, json"), "{error}");
    }
}

#[test]
fn the_availability_zone_is_told_where_it_is_set() {
    for server in own_and_valkey(&["--availability-zone", "eu-west-1a"]) {
        let mut client = server.connect();
        let Reply::Array(fields) = client.cmd(&["HELLO"]) else { panic!("no greeting") };
        assert_eq!(fields[fields.len() - 2..], [Reply::bulk("availability_zone"), Reply::bulk("eu-west-1a")]);
        assert!(client.cmd(&["INFO", "server"]).text().contains("\r\navailability_zone:eu-west-1a\r\n"));
    }
    let server = Server::start();
    let mut client = server.connect();
    assert!(matches!(client.cmd(&["HELLO"]), Reply::Array(fields) if fields.len() == 14));
    assert!(!client.cmd(&["INFO", "server"]).text().contains("availability_zone"));
}

#[test]
fn keys_are_scanned_in_the_order_of_the_hash_seed() {
    let order = |seed: &str| {
        let server = Server::start_with(&["--hash-seed", seed]);
        let mut client = server.connect();
        (0..500).for_each(|number| _ = client.cmd(&["SET", &format!("key:{number}"), "x"]));
        client.cmd(&["KEYS", "*"])
    };
    assert_eq!(order("one"), order("one"));
    assert_ne!(order("one"), order("two"));
}

#[test]
fn reserved_connections_are_for_priority_subnets() {
    let server = Server::start_with(&["--maxclients", "4", "--maxclients-reserved", "2"]);
    let mut admin = server.connect();
    assert_eq!(admin.cmd(&["CONFIG", "SET", "priority-subnets", "10.0.0.0/8 fd00::/8"]), Reply::ok());
    let mut other = server.connect();
    assert_eq!(other.cmd(&["PING"]), Reply::Simple("PONG".into()));
    // Two places are taken, the others are kept.
    let full = Reply::error("ERR max number of clients reached");
    assert_eq!(server.connect().read(), full);
    assert_eq!(admin.cmd(&["CONFIG", "SET", "priority-subnets", "127.0.0.0/8"]), Reply::ok());
    let mut first = server.connect();
    assert_eq!(first.cmd(&["PING"]), Reply::Simple("PONG".into()));
    assert!(first.cmd(&["INFO", "clients"]).text().contains("\r\nconnected_priority_clients:1\r\n"));
    let mut second = server.connect();
    assert_eq!(second.cmd(&["PING"]), Reply::Simple("PONG".into()));
    assert_eq!(server.connect().read(), full, "all places are taken");
    drop(second);
    common::wait_until("it is gone", || {
        first.cmd(&["INFO", "clients"]).text().contains("\r\nconnected_priority_clients:1\r\n")
    });
    assert_eq!(server.connect().cmd(&["PING"]), Reply::Simple("PONG".into()));
    for wrong in ["10.0.0.0/33", "host", "10.0.0.0/8 x"] {
        let error = admin.cmd(&["CONFIG", "SET", "priority-subnets", wrong]).into_error();
        assert!(error.contains("CIDR"), "{error}");
    }
    let shown = Reply::bulks(&["priority-subnets", "127.0.0.0/8"]);
    assert_eq!(admin.cmd(&["CONFIG", "GET", "priority-subnets"]), shown);
}
