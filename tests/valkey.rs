//! What Valkey has and Redis does not, apart from what has a file of its own. With OXIDIS_VALKEY naming a
//! valkey-server, what is said here of replies is asked of that one, too.

mod common;

use std::env;

use common::{Reply, Server};

/// Oxidis, and Valkey if there is one.
fn servers(arguments: &[&str]) -> Vec<Server> {
    let valkey = env::var_os("OXIDIS_VALKEY").map(|program| Server::start_program(&program, arguments));
    [Some(Server::start_with(arguments)), valkey].into_iter().flatten().collect()
}

#[test]
fn script_show_tells_the_text_of_a_known_script() {
    for server in servers(&[]) {
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
    for server in servers(&[]) {
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
    for server in servers(&["--enable-debug-command", "yes", "--latency-monitor-threshold", "10"]) {
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
    for server in servers(&["--enable-debug-command", "yes", "--rdb-key-save-delay", "100000"]) {
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
    for server in servers(&[]) {
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
    for server in servers(&[]) {
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
        client.cmd(&["BGSAVE"]);
        server.await_log(" role=RDB/AOF timestamp=\"");
        client.cmd(&["CONFIG", "SET", "log-format", "legacy", "log-timestamp-format", "legacy"]);
        client.cmd(&["EVAL", "redis.log(redis.LOG_WARNING, 'plain')", "0"]);
        server.await_log("plain\n");
        let error = client.cmd(&["CONFIG", "SET", "log-format", "xml"]).into_error();
        assert!(error.ends_with("argument(s) must be one of the following: legacy, logfmt, json"), "{error}");
    }
}
