//! What the client does without a prompt.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use super::program::{Destination, client, ours, run};
use crate::common::certificates::Certificates;
use crate::common::{self, Reply, Server};

#[test]
fn replies_off_a_terminal_are_raw() {
    let server = Server::start();
    assert_eq!(ours(&server, &["PING"], b""), "PONG\n");
    assert_eq!(ours(&server, &["ECHO", "hey"], b""), "hey\n");
    assert_eq!(ours(&server, &["--no-raw", "ECHO", "hey"], b""), "\"hey\"\n");
    assert_eq!(ours(&server, &["-n", "2", "set", "k", "v"], b""), "OK\n");
    assert_eq!(ours(&server, &["-u", &format!("redis://127.0.0.1:{}/2", server.port()), "get", "k"], b""), "v\n");
}

#[test]
fn arguments_may_come_from_standard_input() {
    let server = Server::start();
    assert_eq!(ours(&server, &["-x", "set", "last"], b"a\nb\n"), "OK\n");
    assert_eq!(ours(&server, &["-X", "TAG", "set", "TAG", "value"], b"first"), "OK\n");
    assert_eq!(ours(&server, &["mget", "last", "first"], b""), "a\nb\n\nvalue\n");
    assert_eq!(ours(&server, &["--quoted-input", "set", "\"\\x00\"", "zero"], b""), "OK\n");
    assert_eq!(
        ours(&server, &[], b"get \"\\x00\"\n2 ping\nget \"a\"b\nquit\nping\n"),
        "zero\nPONG\nPONG\nInvalid argument(s)\n"
    );
}

#[test]
fn a_command_is_repeated_and_its_error_may_end_the_client() {
    let server = Server::start();
    assert_eq!(ours(&server, &["-r", "3", "-i", "0.001", "incr", "n"], b""), "1\n2\n3\n");
    let port = server.port().to_string();
    let failed = run(&client(), &["-p", &port, "-e", "incr", "n", "x"], Destination::Pipe, b"");
    assert_eq!(failed.status.code(), Some(1));
    assert!(failed.stdout.is_empty() && failed.stderr.starts_with(b"ERR wrong number of arguments"));
}

#[test]
fn a_missing_server_and_wrong_credentials_are_told() {
    let port = common::free_port().to_string();
    let failed = run(&client(), &["-p", &port, "ping"], Destination::Pipe, b"");
    assert_eq!(failed.status.code(), Some(1));
    let text = format!("Could not connect to Redis at 127.0.0.1:{port}: Connection refused\n");
    assert_eq!(String::from_utf8_lossy(&failed.stderr), text);

    let server = Server::start_with(&["--requirepass", "secret"]);
    let port = server.port().to_string();
    let failed = run(&client(), &["-p", &port, "--no-auth-warning", "-a", "wrong", "ping"], Destination::Pipe, b"");
    assert!(failed.stderr.starts_with(b"AUTH failed: WRONGPASS "), "{}", String::from_utf8_lossy(&failed.stderr));
    assert!(failed.stdout.starts_with(b"NOAUTH "), "{}", String::from_utf8_lossy(&failed.stdout));
    assert_eq!(ours(&server, &["-a", "secret", "ping"], b""), "PONG\n");
    assert_eq!(ours(&server, &["-u", &format!("redis://default:secret@127.0.0.1:{port}"), "ping"], b""), "PONG\n");
}

#[test]
fn scripts_run_with_keys_and_arguments() {
    let server = Server::start();
    let script = server.directory().join("script.lua");
    fs::write(&script, "return {KEYS[1], ARGV[1], ARGV[2]}").expect("a script");
    let script = script.to_str().expect("a path");
    assert_eq!(ours(&server, &["--eval", script, "k", ",", "a", "b"], b""), "k\na\nb\n");
}

#[test]
fn pipe_counts_replies_and_errors() {
    let server = Server::start();
    let mut input = Vec::new();
    for number in 0..20_000 {
        input.extend(common::encode(&["SET", &format!("key:{number}"), &"x".repeat(number % 200)]));
    }
    let text = ours(&server, &["--pipe"], &input);
    assert_eq!(
        text,
        "All data transferred. Waiting for the last reply...\nLast reply received from server.\nerrors: 0, replies: 20000\n"
    );
    assert_eq!(server.connect().cmd(&["DBSIZE"]), Reply::Integer(20_000));

    let port = server.port().to_string();
    let failed = run(&client(), &["-p", &port, "--pipe"], Destination::Pipe, b"PING\r\nNOTHING\r\nGET key:3\r\n");
    assert_eq!(failed.status.code(), Some(1));
    assert!(failed.stdout.ends_with(b"errors: 1, replies: 3\n"), "{}", String::from_utf8_lossy(&failed.stdout));
    assert!(failed.stderr.starts_with(b"ERR unknown command"));
}

#[test]
fn pipe_gives_up_on_a_server_that_stays_silent() {
    let server = Server::start();
    let port = server.port().to_string();
    let failed =
        run(&client(), &["-p", &port, "--pipe", "--pipe-timeout", "1"], Destination::Pipe, b"BLPOP nothing 0\r\n");
    assert_eq!(failed.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&failed.stderr), "No replies for 1 seconds: exiting.\n");
}

#[test]
fn connecting_is_limited_in_time_and_to_a_version_of_ip_first() {
    let server = Server::start_with(&["--bind", "127.0.0.1"]);
    for options in [&["-4"][..], &["-6"], &["-t", "5"], &["-t", "0"], &["-t", "0.5", "-4"]] {
        let all = [&["-h", "localhost"], options, &["PING"]].concat();
        assert_eq!(ours(&server, &all, b""), "PONG\n", "{options:?}");
    }
}

#[test]
fn keys_are_listed_and_surveyed() {
    let server = Server::start_with(&["--maxmemory-policy", "allkeys-lfu"]);
    let mut connection = server.connect();
    for number in 0..100 {
        connection.cmd(&["SET", &format!("key:{number}"), "value"]);
    }
    connection.cmd(&["RPUSH", "long", "a", "b", "c"]);
    let listed = ours(&server, &["--scan", "--pattern", "*:1?", "--count", "1000", "--type", "string"], b"");
    assert_eq!(listed.lines().count(), 10);
    assert_eq!(ours(&server, &["--scan", "--quoted-pattern", "\"lon\\x67\""], b""), "long\n");

    let survey = ours(&server, &["--bigkeys"], b"");
    assert!(survey.contains("Sampled 101 keys in the keyspace!\n"), "{survey}");
    assert!(survey.contains("\nBiggest   list found '\"long\"' has 3 items\n"), "{survey}");
    assert!(survey.contains("\n100 strings with 500 bytes (99.01% of keys, avg size 5.00)\n"), "{survey}");
    let survey = ours(&server, &["--memkeys-samples", "2"], b"");
    assert!(survey.contains("\nBiggest   list found '\"long\"' has "), "{survey}");
    let survey = ours(&server, &["--keystats", "--top", "1", "--pattern", "*"], b"");
    assert!(survey.contains("\nKeys sampled: 101\n"), "{survey}");
    assert!(survey.contains("--- Top 1 key sizes ---\n  1 ") && !survey.contains("\n  2 "), "{survey}");
    assert!(survey.contains("\nlist       \"long\" has 3\n"), "{survey}");
    assert!(survey.contains("\nstring              100  99.01%"), "{survey}");
    let hot = ours(&server, &["--hotkeys"], b"");
    assert!(hot.contains("hot key found with counter: "), "{hot}");
}

#[test]
fn a_snapshot_is_fetched() {
    let server = Server::start();
    let mut connection = server.connect();
    connection.cmd(&["SET", "key", "value"]);
    let file = server.directory().join("fetched.rdb");
    ours(&server, &["--rdb", file.to_str().expect("a path")], b"");
    let snapshot = fs::read(&file).expect("a file");
    assert!(snapshot.starts_with(b"REDIS") && snapshot.windows(8).any(|bytes| bytes == b"key\x05valu"), "{snapshot:?}");

    let functions = server.directory().join("functions.rdb");
    connection.cmd(&["FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)"]);
    ours(&server, &["--functions-rdb", functions.to_str().expect("a path")], b"");
    let snapshot = fs::read(&functions).expect("a file");
    assert!(!snapshot.windows(3).any(|bytes| bytes == b"key") && snapshot.windows(3).any(|bytes| bytes == b"lib"));
}

#[test]
fn latencies_are_measured() {
    let server = Server::start();
    let line = ours(&server, &["--latency", "-i", "0.05"], b"");
    assert_eq!(line.split_whitespace().count(), 4, "{line}");
    let line = ours(&server, &["--latency", "--csv", "-i", "0.05"], b"");
    assert_eq!(line.split(',').count(), 4, "{line}");
    let text = ours(&server, &["--intrinsic-latency", "1"], b"");
    assert!(text.contains(" total runs (avg latency: "), "{text}");
}

#[test]
fn a_unix_socket_is_as_good_as_a_port() {
    let server = Server::start_with(&["--unixsocket", "socket"]);
    let path = server.directory().join("socket");
    let output = run(&client(), &["-s", path.to_str().expect("a path"), "echo", "hey"], Destination::Pipe, b"");
    assert_eq!(output.stdout, b"hey\n");
}

/// What a client prints that goes on for ever, up to a text.
fn printed_until(args: &[&str], text: &str, mut meanwhile: impl FnMut()) -> String {
    let mut child = Command::new(client())
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the client starts");
    let mut stdout = child.stdout.take().expect("a pipe");
    let printed = Arc::new(Mutex::new(Vec::new()));
    let reader = Arc::clone(&printed);
    let thread = thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = stdout.read(&mut buffer) {
            reader.lock().expect("a whole text").extend_from_slice(&buffer[..count]);
        }
    });
    let now = || String::from_utf8_lossy(&printed.lock().expect("a whole text")).into_owned();
    common::wait_until(text, || {
        meanwhile();
        now().contains(text)
    });
    child.kill().and_then(|()| child.wait()).expect("a client to end");
    thread.join().expect("a reader");
    now()
}

#[test]
fn a_replica_prints_the_commands_it_is_sent() {
    let server = Server::start();
    let mut connection = server.connect();
    let port = server.port().to_string();
    let text = printed_until(&["-p", &port, "--replica"], "\"SET\",\"key\",\"a b\"\n", || {
        connection.cmd(&["SET", "key", "a b"]);
    });
    assert!(text.contains("\"SELECT\",\"0\"\n"), "{text}");
}

#[test]
fn messages_and_lines_about_the_server_are_printed_as_they_come() {
    let server = Server::start();
    let mut connection = server.connect();
    connection.cmd(&["SET", "key", "value"]);
    let port = server.port().to_string();
    let text = printed_until(&["-p", &port, "subscribe", "news"], "message\nnews\nhello\n", || {
        connection.cmd(&["PUBLISH", "news", "hello"]);
    });
    assert!(text.starts_with("subscribe\nnews\n1\n"), "{text}");
    let text = printed_until(&["-p", &port, "--stat", "-i", "0.01"], "(+1)", || ());
    assert!(text.starts_with("------- data ------ "), "{text}");
    assert!(text.lines().nth(2).is_some_and(|line| line.starts_with("1          ")), "{text}");
    let mut killed = false;
    let text = printed_until(&["-p", &port, "--stat", "-i", "0.01"], "Reconnecting... 1", || {
        killed = killed
            || matches!(connection.cmd(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]), Reply::Integer(1..));
    });
    assert!(!text.contains("Could not connect"), "{text}");
    let text = printed_until(&["-p", &port, "--latency-dist", "-i", "0.05"], "\x1b[0m\n", || ());
    assert!(text.contains("From 0 to 100%: "), "{text}");
    let text = printed_until(&["-p", &port, "--lru-test", "100"], "Gets/sec | Hits: ", || ());
    assert!(text.contains("Misses: "), "{text}");
}

#[test]
fn invalidations_are_shown_between_replies() {
    let server = Server::start();
    let port = server.port().to_string();
    let input = b"client tracking on\nget a\nset a 1\nget a\n";
    let to_terminal = run(&client(), &["-3", "-p", &port], Destination::Terminal, input);
    let text = String::from_utf8_lossy(&to_terminal.stdout).into_owned();
    assert_eq!(text, "OK\n(nil)\nOK\n-> invalidate: 'a'\n\"1\"\n");
    let silent = run(&client(), &["-3", "-p", &port, "--show-pushes", "no"], Destination::Terminal, input);
    assert_eq!(String::from_utf8_lossy(&silent.stdout), "OK\n\"1\"\nOK\n\"1\"\n");
}

#[test]
fn tls_is_spoken_to_a_server_whose_certificate_is_trusted() {
    let certificates = Certificates::make();
    let file = |name: &str| certificates.file(name);
    let port = common::free_port().to_string();
    let files = [file("server.crt"), file("server.key"), file("ca.crt")];
    let server = Server::start_with(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        &files[0],
        "--tls-key-file",
        &files[1],
        "--tls-ca-cert-file",
        &files[2],
    ]);
    let (authority, folder) = (file("ca.crt"), file("ca-dir"));
    let identity = [file("client.crt"), file("client.key")];
    let identity = ["--cert", &identity[0], "--key", &identity[1]];
    let printed = |args: &[&str], input: &[u8]| {
        let output = run(&client(), &[&identity, args].concat(), Destination::Pipe, input);
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat()
    };
    assert_eq!(printed(&["--tls", "-p", &port, "--cacert", &authority, "set", "key", "value"], b""), "OK\n");
    assert_eq!(printed(&["--tls", "-p", &port, "--cacert", &authority, "--sni", "localhost", "ping"], b""), "PONG\n");
    assert_eq!(printed(&["-u", &format!("rediss://127.0.0.1:{port}"), "--cacertdir", &folder, "ping"], b""), "PONG\n");
    assert_eq!(
        printed(&["--tls", "-p", &port, "--insecure", "--tls-ciphersuites", "TLS_AES_128_GCM_SHA256", "ping"], b""),
        "PONG\n"
    );
    let text = printed(&["--tls", "-p", &port, "ping"], b"");
    assert!(text.starts_with(&format!("Could not connect to Redis at 127.0.0.1:{port}: ")), "{text}");
    let text = printed(&["--tls", "-p", &port, "--cacert", "/nowhere", "ping"], b"");
    assert!(text.starts_with("Could not negotiate a TLS connection: "), "{text}");

    let request = common::encode(&["SET", "key", &"x".repeat(1000)]);
    let text = printed(&["--tls", "-p", &port, "--insecure", "--pipe"], &request.repeat(20_000));
    assert!(text.ends_with("errors: 0, replies: 20000\n"), "{text}");
    let snapshot = server.directory().join("fetched.rdb");
    printed(&["--tls", "-p", &port, "--insecure", "--rdb", snapshot.to_str().expect("a path")], b"");
    assert!(fs::read(snapshot).expect("a snapshot").starts_with(b"REDIS"));
}
