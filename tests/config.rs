//! CONFIG: reading, changing and writing directives of a running server.

mod common;

use std::fs;
use std::net::{TcpListener, TcpStream};

use common::{Connection, Reply, Server, free_port};

fn get(client: &mut Connection, name: &str) -> String {
    match client.cmd(&["CONFIG", "GET", name]) {
        Reply::Array(pair) if pair.len() == 2 => pair[1].text(),
        other => panic!("CONFIG GET {name}: {other:?}"),
    }
}

#[test]
fn config_get_answers_a_map_of_all_matches() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(
        client.cmd(&["CONFIG", "GET", "maxmemory-sa*", "hz"]),
        Reply::bulks(&["maxmemory-samples", "5", "hz", "10"])
    );
    assert_eq!(client.cmd(&["CONFIG", "GET", "nosuch"]), Reply::Array(Vec::new()));
    assert_eq!(client.cmd(&["CONFIG", "GET"]).into_error(), "ERR wrong number of arguments for 'config|get' command");
    assert_eq!(client.cmd(&["CONFIG", "NOSUCH"]).into_error(), "ERR unknown subcommand 'NOSUCH'. Try CONFIG HELP.");
}

#[test]
fn a_failing_config_set_changes_nothing() {
    let server = Server::start();
    let mut client = server.connect();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let taken_port = taken.local_addr().unwrap().port().to_string();
    let refused = client.cmd(&["CONFIG", "SET", "maxmemory", "12345678", "port", &taken_port, "loglevel", "debug"]);
    assert_eq!(
        refused.into_error(),
        "ERR CONFIG SET failed (possibly related to argument 'port') - Unable to listen on this port. Check server logs."
    );
    assert_eq!(get(&mut client, "maxmemory"), "0");
    assert_eq!(get(&mut client, "loglevel"), "notice");
    assert_eq!(server.connect().cmd(&["PING"]), Reply::Simple("PONG".into()), "it listens where it did before");
    assert_eq!(client.cmd(&["CONFIG", "SET", "hz", "20", "timeout"]).into_error(), "ERR syntax error");
}

#[test]
fn amounts_of_memory_are_held_to_their_range() {
    let server = Server::start();
    let mut client = server.connect();
    let beyond = "99999999999999999999";
    let refused = client.cmd(&["CONFIG", "SET", "proto-max-bulk-len", beyond]).into_error();
    assert!(refused.ends_with("argument must be between 1048576 and 9223372036854775807 inclusive"), "{refused}");
    let refused = client.cmd(&["CONFIG", "SET", "proto-max-bulk-len", "1xb"]).into_error();
    assert!(refused.ends_with("argument must be a memory value"), "{refused}");
    assert_eq!(client.cmd(&["CONFIG", "SET", "cluster-link-sendbuf-limit", beyond]), Reply::ok());
    assert_eq!(get(&mut client, "cluster-link-sendbuf-limit"), u64::MAX.to_string());
    assert_eq!(client.cmd(&["CONFIG", "SET", "repl-backlog-size", "1"]), Reply::ok());
    assert_eq!(get(&mut client, "repl-backlog-size"), "16384", "as little as is of use");
}

#[test]
fn config_set_port_and_bind_move_the_listeners() {
    let server = Server::start();
    let mut client = server.connect();
    let port = free_port();
    assert_eq!(client.cmd(&["CONFIG", "SET", "port", &port.to_string()]), Reply::ok());
    assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
    assert_eq!(Connection::to(port).cmd(&["PING"]), Reply::Simple("PONG".into()));
    assert_eq!(client.cmd(&["CONFIG", "SET", "bind", "127.0.0.1"]), Reply::ok());
    assert_eq!(Connection::to(port).cmd(&["PING"]), Reply::Simple("PONG".into()));
    let refused = client.cmd(&["CONFIG", "SET", "bind", "999.999.999.999"]).into_error();
    assert!(refused.ends_with("Failed to bind to specified addresses."), "{refused}");
    assert_eq!(Connection::to(port).cmd(&["PING"]), Reply::Simple("PONG".into()));
    assert_eq!(client.cmd(&["CONFIG", "SET", "bind", ""]), Reply::ok());
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert_eq!(client.cmd(&["CONFIG", "SET", "bind", "* -::*"]), Reply::ok());
    assert_eq!(Connection::to(port).cmd(&["PING"]), Reply::Simple("PONG".into()));
}

#[test]
fn requirepass_concerns_new_connections() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.cmd(&["CONFIG", "SET", "requirepass", "secret"]), Reply::ok());
    assert_eq!(client.cmd(&["PING"]), Reply::Simple("PONG".into()));
    assert_eq!(server.connect().cmd(&["PING"]).into_error(), "NOAUTH Authentication required.");
    assert_eq!(client.cmd(&["CONFIG", "SET", "requirepass", ""]), Reply::ok());
    assert_eq!(server.connect().cmd(&["PING"]), Reply::Simple("PONG".into()));
}

#[test]
fn passwords_are_not_shown_by_the_slow_log() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["CONFIG", "SET", "slowlog-log-slower-than", "0"]);
    client.cmd(&["CONFIG", "SET", "timeout", "0", "masterauth", "secret"]);
    let Reply::Array(entries) = client.cmd(&["SLOWLOG", "GET", "1"]) else { panic!("no entries") };
    let [Reply::Array(entry)] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(entry.len(), 8);
    assert_eq!(entry[3], Reply::bulks(&["CONFIG", "SET", "timeout", "0", "masterauth", "(redacted)"]));
    assert_eq!(client.cmd(&["SLOWLOG", "RESET"]), Reply::ok());
    assert_eq!(client.cmd(&["SLOWLOG", "LEN"]), Reply::Integer(1), "the RESET itself");
    client.cmd(&["CONFIG", "SET", "slowlog-max-len", "3"]);
    client.cmd(&["CONFIG", "SET", "slowlog-max-len", "0"]);
    assert_eq!(client.cmd(&["SLOWLOG", "LEN"]), Reply::Integer(3), "what there is stays");
    client.cmd(&["CONFIG", "SET", "slowlog-max-len", "2"]);
    assert_eq!(client.cmd(&["SLOWLOG", "LEN"]), Reply::Integer(2));
}

#[test]
fn config_rewrite_needs_a_file_and_writes_it() {
    let server = Server::start();
    let refused = server.connect().cmd(&["CONFIG", "REWRITE"]).into_error();
    assert_eq!(refused, "ERR The server is running without a config file");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redis.conf");
    fs::write(&path, "# mine\ntimeout 7\n").unwrap();
    let server = Server::start_with_file(&path);
    let mut client = server.connect();
    assert_eq!(get(&mut client, "timeout"), "7");
    client.cmd(&["CONFIG", "SET", "timeout", "9", "notify-keyspace-events", "KEA"]);
    assert_eq!(client.cmd(&["CONFIG", "REWRITE"]), Reply::ok());
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# mine\ntimeout 9\n"), "{text}");
    assert!(text.contains("\nnotify-keyspace-events \"AKE\"\n"), "{text}");
}

#[test]
fn protected_directives_stay_protected() {
    let server = Server::start();
    let mut client = server.connect();
    assert!(client.cmd(&["CONFIG", "SET", "dir", "/"]).into_error().ends_with("can't set protected config"));
    let server = Server::start_with(&["--enable-protected-configs", "yes"]);
    let mut client = server.connect();
    assert_eq!(client.cmd(&["CONFIG", "SET", "dir", "/"]), Reply::ok());
    assert_eq!(get(&mut client, "dir"), "/");
    assert!(client.cmd(&["CONFIG", "SET", "dir", "/nosuch"]).into_error().ends_with("No such file or directory"));
}

#[cfg(target_os = "linux")]
#[test]
fn the_oom_score_is_set_and_put_back() {
    let server = Server::start();
    let mut client = server.connect();
    let score = || fs::read_to_string(format!("/proc/{}/oom_score_adj", server.pid())).unwrap().trim().to_owned();
    let before: i32 = score().parse().unwrap();
    let values = ["CONFIG", "SET", "oom-score-adj-values", "10 20 30", "oom-score-adj", "relative"];
    assert_eq!(client.cmd(&values), Reply::ok());
    assert_eq!(score(), (before + 10).min(1000).to_string());
    assert_eq!(client.cmd(&["CONFIG", "SET", "oom-score-adj", "no"]), Reply::ok());
    assert_eq!(score(), before.to_string());
}

#[cfg(target_os = "linux")]
#[test]
fn the_title_of_the_process_follows_its_template() {
    let server = Server::start();
    let mut client = server.connect();
    let title = || {
        let line = fs::read_to_string(format!("/proc/{}/cmdline", server.pid())).unwrap();
        line.trim_end_matches('\0').to_owned()
    };
    assert!(title().ends_with(&format!("oxidis *:{}", server.port())), "{:?}", title());
    let template = "TEST {title} {port} {config-file} {server-mode}";
    assert_eq!(client.cmd(&["CONFIG", "SET", "proc-title-template", template]), Reply::ok());
    assert!(title().starts_with("TEST ") && title().ends_with(&format!("{} -", server.port())), "{:?}", title());
    let refused = client.cmd(&["CONFIG", "SET", "proc-title-template", "{nosuch}"]).into_error();
    assert!(refused.contains("template format is invalid"), "{refused}");
}

#[test]
fn connections_are_accepted_a_few_at_a_time() {
    let server = Server::start_with(&["--max-new-connections-per-cycle", "1"]);
    let mut clients: Vec<Connection> = (0..50).map(|_| server.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.cmd(&["PING"]), Reply::Simple("PONG".into()));
    }
    for amount in ["0", "1001", "-1"] {
        let error = clients[0].cmd(&["CONFIG", "SET", "max-new-connections-per-cycle", amount]).into_error();
        assert!(error.ends_with("argument must be between 1 and 1000 inclusive"), "{error}");
    }
}

/// What redis.conf and valkey.conf had last, with what it comes to here.
#[test]
fn directives_of_the_newest_versions_are_taken() {
    const LINES: [(&str, &str); 8] = [
        ("rdbcompression", "lz4"),
        ("hotkeys-top-k", "16"),
        ("hotkeys-sampling-percentage", "100"),
        ("hotkeys-window-seconds", "5"),
        ("reply-buffer-peak-reset-time", "1000"),
        ("tcp-keepalive-probes", "5"),
        ("backupdirname", "backups"),
        ("backup-sealed-ttl", "60"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redis.conf");
    let lines: Vec<String> = LINES.iter().map(|(name, value)| format!("{name} {value}\n")).collect();
    std::fs::write(&path, lines.concat()).unwrap();
    let server = Server::start_with_file(&path);
    let mut client = server.connect();
    for (name, value) in LINES {
        assert_eq!(client.cmd(&["CONFIG", "GET", name]), Reply::bulks(&[name, value]));
    }
    server.await_log("rdbcompression lz4 is not supported: strings are compressed with LZF");
    assert_eq!(client.cmd(&["CONFIG", "SET", "rdbcompression", "zstd"]), Reply::ok());
    server.await_log("rdbcompression zstd is not supported: strings are compressed with LZF");
    client.cmd(&["SET", "key", &"a".repeat(100_000)]);
    let size_with = |client: &mut common::Connection, value: &str| {
        assert_eq!(client.cmd(&["CONFIG", "SET", "rdbcompression", value]), Reply::ok());
        assert_eq!(client.cmd(&["SAVE"]), Reply::ok());
        std::fs::metadata(server.directory().join("dump.rdb")).unwrap().len()
    };
    assert!(size_with(&mut client, "no") > 100_000);
    for value in ["yes", "lz4", "zstd"] {
        assert!(size_with(&mut client, value) < 10_000, "{value}");
    }
    let refused = client.cmd(&["CONFIG", "SET", "rdbcompression", "lzo"]).into_error();
    assert!(refused.contains("argument(s) must be one of the following: no, yes, lz4, zstd"), "{refused}");
}
