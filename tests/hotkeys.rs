//! HOTKEYS: which keys take the most processor time and network.

mod common;

use std::collections::HashMap;

use common::{Connection, Reply, Server, run, wait_until};

/// What HOTKEYS GET answers, by name.
fn found(client: &mut Connection) -> HashMap<String, Reply> {
    let Reply::Array(items) = run(client, "HOTKEYS GET") else { panic!("nothing is found") };
    items.chunks_exact(2).map(|pair| (pair[0].text(), pair[1].clone())).collect()
}

fn keys(reply: &Reply) -> Vec<String> {
    let Reply::Array(items) = reply else { panic!("no list: {reply:?}") };
    items.chunks_exact(2).map(|pair| pair[0].text()).collect()
}

#[test]
fn the_keys_with_the_most_bytes_are_told_first() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(run(&mut client, "HOTKEYS START METRICS 2 CPU NET COUNT 2"), Reply::ok());
    for (key, bytes) in [("small", 10), ("large", 10_000), ("middle", 1000)] {
        client.cmd(&["SET", key, &"x".repeat(bytes)]);
    }
    run(&mut client, "GET middle");
    assert_eq!(run(&mut client, "HOTKEYS STOP"), Reply::ok());
    run(&mut client, "SET small later");
    let found = found(&mut client);
    assert_eq!(keys(&found["by-net-bytes"]), ["large", "middle"]);
    assert_eq!(keys(&found["by-cpu-time-us"]).len(), 2);
    assert_eq!(found["tracking-active"], Reply::Integer(0));
    assert_eq!(found["total-net-bytes"], found["net-bytes-all-commands-all-slots"]);
    let Reply::Integer(bytes) = found["total-net-bytes"] else { panic!("no number") };
    assert!((12_010..13_000).contains(&bytes), "{bytes}");
    assert!(found.contains_key("total-cpu-time-user-ms") && found.contains_key("total-cpu-time-sys-ms"));
}

#[test]
fn only_what_was_asked_for_is_told() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(run(&mut client, "HOTKEYS GET"), Reply::Null);
    assert_eq!(run(&mut client, "HOTKEYS STOP"), Reply::Null);
    for (metric, there, missing) in
        [("CPU", "by-cpu-time-us", "by-net-bytes"), ("NET", "by-net-bytes", "total-cpu-time-user-ms")]
    {
        run(&mut client, &format!("HOTKEYS START METRICS 2 OTHER {metric} SAMPLE 5"));
        let found = found(&mut client);
        assert_eq!(found["tracking-active"], Reply::Integer(1));
        assert_eq!(found["sample-ratio"], Reply::Integer(5));
        assert!(found.contains_key(there) && !found.contains_key(missing), "{found:?}");
        run(&mut client, "HOTKEYS STOP");
        assert_eq!(run(&mut client, "HOTKEYS RESET"), Reply::ok());
    }
    assert_eq!(run(&mut client, "HOTKEYS GET"), Reply::Null);
    run(&mut client, "HELLO 3");
    run(&mut client, "HOTKEYS START METRICS 1 NET");
    assert!(matches!(run(&mut client, "HOTKEYS GET"), Reply::Map(_)));
}

#[test]
fn commands_of_scripts_and_transactions_count_for_their_keys() {
    let server = Server::start();
    let mut client = server.connect();
    run(&mut client, "HOTKEYS START METRICS 1 NET");
    client.cmd(&["EVAL", "redis.call('set', KEYS[1], 1) redis.call('get', 'y')", "1", "x"]);
    run(&mut client, "MULTI");
    run(&mut client, "SET z 1");
    run(&mut client, "EXEC");
    let mut found = keys(&found(&mut client)["by-net-bytes"]);
    found.sort();
    assert_eq!(found, ["x", "y", "z"]);
}

#[test]
fn a_session_ends_by_itself_and_cannot_be_begun_twice() {
    let server = Server::start();
    let mut client = server.connect();
    run(&mut client, "HOTKEYS START METRICS 1 CPU DURATION 1");
    let busy = run(&mut client, "HOTKEYS START METRICS 1 NET");
    assert_eq!(busy, Reply::error("ERR hotkey tracking session already in progress"));
    let running = run(&mut client, "HOTKEYS RESET");
    assert_eq!(running, Reply::error("ERR hotkey tracking session in progress, stop tracking first"));
    wait_until("it ends", || found(&mut client)["tracking-active"] == Reply::Integer(0));
    assert_eq!(found(&mut client)["collection-duration-ms"], Reply::Integer(1000));
    assert_eq!(run(&mut client, "HOTKEYS RESET"), Reply::ok());
}

#[test]
fn what_makes_no_sense_is_refused() {
    let server = Server::start();
    let mut client = server.connect();
    for (options, expected) in [
        ("", "METRICS parameter is required"),
        ("METRICS 0", "METRICS count must be a positive integer"),
        ("METRICS -1 CPU", "METRICS count must be a positive integer"),
        ("METRICS 9223372036854775807 CPU", "METRICS count must be a positive integer"),
        ("METRICS 2 CPU", "METRICS count does not match number of metric types provided"),
        ("METRICS 3 CPU NET", "METRICS count does not match number of metric types provided"),
        ("METRICS 1 CPU NET", "syntax error"),
        ("METRICS 1 GPU", "METRICS no valid metrics passed"),
        ("METRICS 2 CPU CPU", "METRICS CPU defined more than once"),
        ("METRICS 2 NET NET", "METRICS NET defined more than once"),
        ("METRICS 1 CPU COUNT 0", "COUNT must be between 1 and 64"),
        ("METRICS 1 CPU COUNT 65", "COUNT must be between 1 and 64"),
        ("METRICS 1 CPU SAMPLE 0", "SAMPLE ratio must be positive"),
        ("METRICS 1 CPU DURATION -1", "DURATION must be between 0 and 1000000"),
        ("METRICS 1 CPU SLOTS 1 0", "SLOTS parameter cannot be used in non-cluster mode"),
    ] {
        let line = format!("HOTKEYS START {options}");
        assert_eq!(run(&mut client, line.trim_end()), Reply::error(&format!("ERR {expected}")), "{options}");
    }
}
