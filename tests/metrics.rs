//! Metrics and the page: HTTP on `metrics-port`.

mod common;
#[path = "metrics/exposition.rs"]
mod exposition;
#[path = "metrics/http.rs"]
mod http;

use std::collections::{BTreeSet, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use common::tls::{TlsServer, showing};
use common::{Connection, Reply, Server, free_port, socket_to, wait_until};
use exposition::Exposition;
use http::{Answer, get, get_with, send, start};
use oxidis::tls::Client;

const OPEN: &str = "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5\r\n";

fn info(client: &mut Connection) -> HashMap<String, String> {
    let text = client.cmd(&["info", "everything"]).text();
    let fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

/// The metrics of a server.
fn read(port: u16) -> Exposition {
    Exposition::parse(&get(port, "/metrics").text(), false)
}

fn work(client: &mut Connection) {
    for index in 0..20 {
        client.cmd(&["set", &format!("key:{index}"), "value"]);
        client.cmd(&["get", &format!("key:{}", index * 2)]);
    }
    client.cmd(&["set", "short-lived", "x", "ex", "1000"]);
    client.cmd(&["lpush", "list", "a", "b", "c"]);
    client.cmd(&["lpush", "key:1", "a"]);
    client.cmd(&["select", "3"]);
    client.cmd(&["hset", "hash", "field", "value"]);
    client.cmd(&["select", "0"]);
}

#[test]
fn metrics_have_the_numbers_of_info_under_the_names_of_the_exporter() {
    let (server, port) = start(&["--slowlog-log-slower-than", "0"]);
    let mut client = server.connect();
    work(&mut client);
    let shown = info(&mut client);
    let metrics = read(port);
    for (field, name) in [
        ("connected_clients", "redis_connected_clients"),
        ("maxclients", "redis_max_clients"),
        ("keyspace_hits", "redis_keyspace_hits_total"),
        ("keyspace_misses", "redis_keyspace_misses_total"),
        ("evicted_keys", "redis_evicted_keys_total"),
        ("total_commands_processed", "redis_commands_processed_total"),
        ("total_connections_received", "redis_connections_received_total"),
        ("total_error_replies", "redis_total_error_replies"),
        ("rdb_changes_since_last_save", "redis_rdb_changes_since_last_save"),
        ("rdb_last_save_time", "redis_rdb_last_save_timestamp_seconds"),
        ("aof_enabled", "redis_aof_enabled"),
        ("maxmemory", "redis_memory_max_bytes"),
        ("used_memory_startup", "redis_memory_used_startup_bytes"),
        ("process_id", "redis_process_id"),
        ("connected_slaves", "redis_connected_slaves"),
        ("master_repl_offset", "redis_master_repl_offset"),
        ("repl_backlog_size", "redis_replication_backlog_bytes"),
    ] {
        // The INFO that asked counts as a command, and what it was answered as written.
        let value: f64 = shown[field].parse().expect("a number");
        let own = if field == "total_commands_processed" { 1.0 } else { 0.0 };
        assert_eq!(metrics.value(name, &[]), Some(value + own), "{field}");
    }
    assert_eq!(metrics.value("redis_rdb_last_bgsave_status", &[]), Some(1.0));
    assert_eq!(metrics.value("redis_up", &[]), Some(1.0));
    assert_eq!(metrics.value("redis_db_keys", &[("db", "db0")]), Some(22.0));
    assert_eq!(metrics.value("redis_db_keys_expiring", &[("db", "db0")]), Some(1.0));
    assert_eq!(metrics.value("redis_db_keys", &[("db", "db3")]), Some(1.0));
    assert_eq!(metrics.value("redis_db_keys", &[("db", "db15")]), Some(0.0));
    assert_eq!(metrics.value("redis_commands_total", &[("cmd", "get")]), Some(20.0));
    assert_eq!(metrics.value("redis_commands_failed_calls_total", &[("cmd", "lpush")]), Some(1.0));
    assert_eq!(metrics.value("redis_commands_slowlog_total", &[("cmd", "get")]), Some(20.0));
    assert_eq!(metrics.value("redis_errors_total", &[("err", "WRONGTYPE")]), Some(1.0));
    assert_eq!(metrics.value("redis_commands_latencies_usec_count", &[("cmd", "set")]), Some(21.0));
    assert_eq!(metrics.value("redis_latency_percentiles_usec_count", &[("cmd", "set")]), Some(21.0));
    let sizes = metrics.value("oxidis_db_keys_by_size", &[("db", "db0"), ("type", "list"), ("size", "2")]);
    assert_eq!(sizes, Some(1.0));
    let labels = metrics.labels("redis_instance_info");
    assert_eq!(labels["role"], "master");
    assert_eq!(labels["run_id"], shown["run_id"]);
    for part in ["commands", "reading", "writing", "cron", "http"] {
        assert!(metrics.value("oxidis_eventloop_seconds_total", &[("part", part)]).is_some(), "{part}");
    }
}

#[test]
fn both_formats_keep_their_rules_and_have_the_same_series() {
    let (server, port) = start(&[]);
    work(&mut server.connect());
    let plain = get(port, "/metrics");
    let open = get_with(port, "/metrics", OPEN);
    assert_eq!(plain.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(open.header("content-type"), "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let names = |text: &str, is_open| Exposition::parse(text, is_open).series().collect::<Vec<String>>();
    // The sums of what is a summary in the one have no place in the other.
    let is_sum = |name: &String| {
        name.starts_with("redis_latency_percentiles_usec_sum")
            || name.starts_with("redis_latency_percentiles_usec_count")
    };
    let mut of_plain = names(&plain.text(), false);
    of_plain.retain(|name| !is_sum(name));
    // One format has its bounds as whole numbers, the other with a fraction.
    let whole = |names: Vec<String>| names.iter().map(|name| name.replace(".0\"", "\"")).collect::<BTreeSet<_>>();
    let (of_plain, of_open) = (whole(of_plain), whole(names(&open.text(), true)));
    let odd: Vec<_> = of_plain.symmetric_difference(&of_open).collect();
    assert!(odd.is_empty(), "{odd:?}");
}

/// Names that the exporter has, and Prometheus would rather not.
fn is_known_to_break_style(complaint: &str) -> bool {
    let name = complaint.split_whitespace().next().unwrap_or_default();
    name.starts_with("redis_")
}

#[test]
fn promtool_reads_the_metrics_and_finds_fault_with_names_of_the_exporter_alone() {
    if Command::new("promtool").arg("--version").output().is_err() {
        eprintln!("promtool is not there");
        return;
    }
    let (server, port) = start(&[]);
    work(&mut server.connect());
    let text = get(port, "/metrics").text();
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    promtool.stdin.take().expect("its input").write_all(text.as_bytes()).expect("it reads");
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
    let faults: Vec<&str> = said.lines().filter(|line| !is_known_to_break_style(line)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn requests_follow_one_another_on_a_connection_until_one_says_it_is_the_last() {
    let (_server, port) = start(&[]);
    let mut stream = socket_to(port);
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    stream
        .write_all(format!("{request}HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n{request}").as_bytes())
        .unwrap();
    let first = Answer::read(&mut stream, false);
    let head = Answer::read(&mut stream, true);
    let third = Answer::read(&mut stream, false);
    assert_eq!([first.status, head.status, third.status], [200; 3]);
    assert!(head.body.is_empty() && head.header("content-length") != "0");
    assert_eq!(third.header("connection"), "keep-alive");
    stream.write_all(request.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let last = Answer::read(&mut stream, false);
    assert_eq!((last.status, last.header("connection")), (200, "close"));
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
fn what_is_no_request_is_told_so_and_ends() {
    let (server, port) = start(&[]);
    for bytes in ["*1\r\n$4\r\nPING\r\n", "PING\r\n", "\x16\x03\x01\x00\x05hello"] {
        let answer = send(port, bytes.as_bytes());
        assert_eq!(answer.status, 400, "{bytes:?}");
        let hint = format!("The Redis protocol is spoken on port {}.", server.port());
        assert!(answer.text().contains(&hint), "{}", answer.text());
    }
    let statuses = [
        ("POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", 405),
        ("GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        ("GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx", 413),
        ("GET /metrics HTTP/1.1\r\nno header\r\n\r\n", 400),
        ("GET /metrics HTTP/1.1\r\nHost: another.example\r\n\r\n", 421),
    ];
    for (request, status) in statuses {
        assert_eq!(send(port, request.as_bytes()).status, status, "{request}");
    }
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(20_000));
    assert_eq!(send(port, long.as_bytes()).status, 431);
    // On the other port it is as it ever was.
    assert_eq!(server.answer(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", false), "");
    server.await_log("Possible SECURITY ATTACK detected");
}

#[test]
fn a_user_is_asked_for_a_password_and_refusals_are_logged() {
    let (server, port) = start(&["--metrics-user", "scraper"]);
    let mut client = server.connect();
    client.cmd(&["acl", "setuser", "scraper", "on", ">secret"]);
    client.cmd(&["acl", "setuser", "other", "on", ">secret"]);
    let with = |credentials: &str| get_with(port, "/metrics", &format!("Authorization: Basic {credentials}\r\n"));
    let asked = get(port, "/metrics");
    assert_eq!((asked.status, asked.header("www-authenticate")), (401, "Basic realm=\"oxidis\", charset=\"UTF-8\""));
    assert_eq!(client.cmd(&["acl", "log"]), Reply::Array(Vec::new()), "who was asked was not refused");
    // scraper:secret, scraper:wrong, other:secret
    assert_eq!(with("c2NyYXBlcjpzZWNyZXQ=").status, 200);
    assert_eq!(with("c2NyYXBlcjp3cm9uZw==").status, 401);
    assert_eq!(with("b3RoZXI6c2VjcmV0").status, 401);
    let logged = format!("{:?}", client.cmd(&["acl", "log"]));
    assert_eq!(info(&mut client)["acl_access_denied_auth"], "2");
    assert!(!logged.contains("secret") && !logged.contains("wrong"), "{logged}");
    client.cmd(&["acl", "setuser", "scraper", "off"]);
    assert_eq!(with("c2NyYXBlcjpzZWNyZXQ=").status, 401);
    client.cmd(&["config", "set", "metrics-user", ""]);
    assert_eq!(get(port, "/metrics").status, 200);
}

#[test]
fn the_port_is_opened_moved_and_closed_at_run_time() {
    let server = Server::start();
    let mut client = server.connect();
    let (one, other) = (free_port(), free_port());
    assert_eq!(client.cmd(&["config", "set", "metrics-port", &one.to_string()]), Reply::ok());
    assert_eq!(get(one, "/metrics").status, 200);
    let taken = server.port().to_string();
    let refused = client.cmd(&["config", "set", "metrics-bind", "0.0.0.0", "metrics-port", &taken]).into_error();
    assert!(refused.contains("Unable to listen on this port"), "{refused}");
    assert_eq!(get(one, "/metrics").status, 200, "all is as before");
    assert_eq!(client.cmd(&["config", "set", "metrics-port", &other.to_string()]), Reply::ok());
    assert_eq!(get(other, "/metrics").status, 200);
    assert!(std::net::TcpStream::connect(("127.0.0.1", one)).is_err());
    let mut kept = socket_to(other);
    kept.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert_eq!(Answer::read(&mut kept, false).header("connection"), "keep-alive");
    assert_eq!(client.cmd(&["config", "set", "metrics-port", "0"]), Reply::ok());
    assert!(std::net::TcpStream::connect(("127.0.0.1", other)).is_err());
    assert_eq!(kept.read(&mut [0]).unwrap(), 0, "connections end with the port");
}

#[test]
fn metrics_are_served_over_tls() {
    let port = free_port();
    let server = TlsServer::start(&["--metrics-port", &port.to_string(), "--metrics-tls", "yes"]);
    let client = Client::new(&showing("client")).expect("options that are fine");
    let mut stream = client.connect(socket_to(port)).expect("a session");
    for _ in 0..2 {
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a request");
        let answer = Answer::read(&mut stream, false);
        assert!(answer.text().contains("redis_up 1\n"), "{}", answer.text());
    }
    // Whoever speaks without it gets no further than that.
    let mut plain = socket_to(port);
    plain.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a request");
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
    assert_eq!(server.server.connect().cmd(&["ping"]), Reply::Simple("PONG".into()));
}

#[test]
fn connections_beyond_the_bound_take_the_place_of_idle_ones() {
    let (_server, port) = start(&[]);
    let mut kept: Vec<_> = (0..63).map(|_| socket_to(port)).collect();
    for stream in &mut kept {
        stream.write_all(b"GET /met").expect("half a request");
    }
    let connections = || read(port).value("oxidis_http_connections", &[]);
    wait_until("the connections are there", || connections() == Some(64.0));
    // The one that has sent nothing makes room.
    let mut idle = socket_to(port);
    assert_eq!(connections(), Some(64.0));
    assert_eq!(idle.read(&mut [0]).unwrap_or(0), 0);
    for mut stream in kept {
        stream.write_all(b"rics HTTP/1.0\r\n\r\n").expect("the other half");
        assert_eq!(Answer::read(&mut stream, false).status, 200);
    }
}

#[test]
fn a_replica_tells_of_its_primary_and_the_primary_of_its_replica() {
    let (primary, primary_port) = start(&[]);
    let replica_port = free_port();
    let of = format!("127.0.0.1 {}", primary.port());
    let replica = Server::start_with(&["--replicaof", &of, "--metrics-port", &replica_port.to_string()]);
    let port = primary.port().to_string();
    let labels = [("master_host", "127.0.0.1"), ("master_port", port.as_str())];
    wait_until("the link stands", || read(replica_port).value("redis_master_link_up", &labels) == Some(1.0));
    assert_eq!(read(replica_port).labels("redis_instance_info")["role"], "slave");
    let own = replica.port().to_string();
    let labels = [("slave_ip", "127.0.0.1"), ("slave_port", own.as_str()), ("slave_state", "online")];
    wait_until("it is online", || read(primary_port).value("oxidis_connected_replica_lag_bytes", &labels) == Some(0.0));
    assert!(read(primary_port).value("redis_connected_slave_lag_seconds", &labels).is_some());
}

/// Requests cut, changed and mixed with noise, on many connections, while a client goes on.
#[test]
fn noise_on_the_port_harms_nobody() {
    let seed = http::seed();
    println!("seed {seed}");
    let (server, port) = start(&[]);
    let mut client = server.connect();
    client.cmd(&["set", "key", "value"]);
    get(port, "/metrics");
    let used = |client: &mut Connection| info(client)["used_memory"].parse::<i64>().expect("a number");
    let before = used(&mut client);
    let mut noise = http::Noise::new(seed);
    let mut open = Vec::new();
    for _ in 0..200 {
        let mut stream = socket_to(port);
        // The server may be done with it before all is sent.
        let _ = stream.write_all(&noise.request());
        match noise.below(3) {
            0 => drop(stream),
            1 => open.push(stream),
            _ => {
                let _ = stream.shutdown(std::net::Shutdown::Write);
                open.push(stream);
            }
        }
        if open.len() > 80 {
            open.drain(..40);
        }
        assert_eq!(client.cmd(&["get", "key"]), Reply::bulk("value"));
    }
    drop(open);
    wait_until("the port is free again", || {
        let mut stream = socket_to(port);
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").is_ok() && Answer::try_read(&mut stream).is_some()
    });
    let grown = used(&mut client) - before;
    assert!(grown < 4 << 20, "{grown} bytes");
}

/// The first events of a stream that satisfies somebody.
fn await_event(port: u16, what: &str, mut holds: impl FnMut(&str) -> bool) -> String {
    let mut stream = BufReader::new(socket_to(port));
    stream.get_mut().write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a request");
    let mut line = String::new();
    for _ in 0..30 {
        line.clear();
        while !line.starts_with("data: ") {
            line.clear();
            assert_ne!(stream.read_line(&mut line).expect("a line"), 0, "the stream ended");
        }
        if holds(&line) {
            return line;
        }
    }
    panic!("no event in time: {what}: {line}");
}

#[test]
fn the_page_is_one_file_under_a_strict_policy() {
    let (_server, port) = start(&[]);
    let page = get(port, "/");
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    for part in ["default-src 'none'", "script-src 'sha256-", "style-src 'sha256-", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"));
    assert_eq!(page.header("x-frame-options"), "DENY");
    let text = page.text();
    assert!(text.starts_with("<!doctype html>"));
    // The one address in it is the name of a language.
    let addresses = text.replace("http://www.w3.org/2000/svg", "").matches("://").count();
    assert_eq!(addresses, 0);
    let past = get(port, "/history").text();
    assert!(past.starts_with("{\"last\":") && past.contains("\"series\":[\"ops\",") && past.ends_with("]}"), "{past}");
}

#[test]
fn events_have_what_info_has_and_hide_what_is_secret() {
    let (server, port) = start(&["--slowlog-log-slower-than", "0", "--masterauth", "hidden-secret"]);
    let mut client = server.connect();
    work(&mut client);
    client.cmd(&["acl", "setuser", "someone", ">typed-secret"]);
    let shown = info(&mut client);
    let event = await_event(port, "the first", |_| true);
    for field in ["run_id", "connected_clients", "keyspace_hits", "maxmemory", "db0", "role", "redis_version"] {
        let pair = format!("\"{field}\":\"{}\"", shown[field]);
        assert!(event.contains(&pair), "{pair}: {event}");
    }
    assert!(event.contains("(redacted)") && event.contains("\"masterauth\",\"(hidden)\""), "{event}");
    assert!(!event.contains("hidden-secret") && !event.contains("typed-secret"), "{event}");
    assert!(event.contains("Ready to accept connections"), "{event}");
    assert!(event.contains("[\"metrics-port\",\""), "{event}");
}

#[test]
fn hot_keys_are_found_and_their_names_harm_nobody() {
    let (server, port) = start(&[]);
    let mut client = server.connect();
    let name = "<script>alert('x')</script>";
    let batch = common::encode(&["get", name]).repeat(50);
    let event = await_event(port, "the hot key", |event| {
        for _ in 0..100 {
            client.raw(&batch);
            (0..50).for_each(|_| assert_eq!(client.read(), Reply::Null));
        }
        event.contains("\\u003cscript\\u003ealert(\\u0027x\\u0027)\\u003c/script\\u003e")
    });
    assert!(!event.contains("<script>"));
    let share = read(port).value("oxidis_hot_key_share", &[("rank", "1")]).expect("a share");
    assert!((0.9..=1.0).contains(&share), "{share}");
}

#[test]
fn big_keys_have_the_size_that_memory_usage_tells() {
    let (server, port) = start(&["--bigkeys-scan", "yes"]);
    let mut client = server.connect();
    for index in 0..300 {
        client.cmd(&["set", &format!("key:{index}"), "value"]);
    }
    client.cmd(&[&["rpush", "list"][..], &["element"; 3000]].concat());
    let Reply::Integer(usage) = client.cmd(&["memory", "usage", "list"]) else { panic!("a number") };
    let labels = [("rank", "1"), ("type", "list")];
    wait_until("the list is found", || read(port).value("oxidis_big_key_bytes", &labels) == Some(usage as f64));
    client.cmd(&["config", "set", "bigkeys-scan", "no"]);
    assert_eq!(read(port).value("oxidis_big_key_bytes", &labels), None);
}

#[test]
fn so_many_may_look_on_and_no_more() {
    let (_server, port) = start(&[]);
    let mut viewers: Vec<_> = (0..16).map(|_| socket_to(port)).collect();
    for viewer in &mut viewers {
        viewer.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("a request");
        let mut head = [0; 15];
        viewer.read_exact(&mut head).expect("an answer");
        assert_eq!(&head, b"HTTP/1.1 200 OK");
    }
    assert_eq!(get(port, "/events").status, 503);
    drop(viewers);
    wait_until("there is room again", || {
        let mut viewer = socket_to(port);
        let asked = viewer.write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let mut head = [0; 15];
        asked.is_ok() && viewer.read_exact(&mut head).is_ok() && &head == b"HTTP/1.1 200 OK"
    });
}

#[test]
fn a_node_of_a_cluster_tells_how_that_is() {
    let bus_port = free_port().to_string();
    let (server, port) = start(&["--cluster-enabled", "yes", "--cluster-port", &bus_port]);
    let mut client = server.connect();
    assert_eq!(read(port).value("redis_cluster_state", &[]), Some(0.0));
    assert_eq!(client.cmd(&["cluster", "addslotsrange", "0", "16319"]), Reply::ok());
    let event = await_event(port, "slots", |line| line.contains("\"slots\":16320"));
    assert!(event.contains("\"cluster\":{\"ok\":false,") && event.contains(",0,-1]}"), "{event}");
    assert_eq!(client.cmd(&["cluster", "addslotsrange", "16320", "16383"]), Reply::ok());
    wait_until("the cluster is whole", || client.cmd(&["cluster", "info"]).text().contains("cluster_state:ok"));
    let metrics = read(port);
    assert_eq!(metrics.value("redis_cluster_state", &[]), Some(1.0));
    assert_eq!(metrics.value("redis_cluster_slots_assigned", &[]), Some(16384.0));
    assert_eq!(metrics.value("redis_cluster_known_nodes", &[]), Some(1.0));
    assert_eq!(metrics.value("redis_cluster_messages_sent_total", &[]), Some(0.0));
    await_event(port, "a cluster that works", |line| line.contains("\"cluster\":{\"ok\":true,"));
}
