//! Arrays: what needs a real server, from files and logs to events and rights.

mod common;

use common::dataset::figure;
use common::{Connection, Reply, Server, wait_until};

fn server() -> (Server, Connection) {
    let server = Server::start_with(&["--enable-debug-command", "yes"]);
    let client = server.connect();
    (server, client)
}

/// All texts and numbers of a reply.
fn shown(reply: &Reply) -> String {
    match reply {
        Reply::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(" "),
        Reply::Integer(value) => value.to_string(),
        other => other.text(),
    }
}

fn integer(value: i64) -> Reply {
    Reply::Integer(value)
}

/// Elements of every form: integers, decimals, short and long texts, in sparse and dense slices, far apart.
fn fill(client: &mut Connection, key: &str) {
    let numbers: Vec<String> = (0..300).map(|value| (value * value).to_string()).collect();
    let words: Vec<&str> = ["ARSET", key, "10"].into_iter().chain(numbers.iter().map(String::as_str)).collect();
    assert_eq!(client.cmd(&words), integer(300));
    let long = "long text ".repeat(20);
    let pairs = ["5000", "-3.25", "5001", "", "9000000", "short", "9223372036854775807", &long, "77777", "+1"];
    assert_eq!(client.cmd(&[&["ARMSET", key][..], &pairs].concat()), integer(5));
    client.cmd(&["ARSEEK", key, "5002"]);
    assert_eq!(client.cmd(&["ARINSERT", key, "1.5", "x\r\ny"]), integer(5003));
}

fn digest(client: &mut Connection, key: &str) -> Reply {
    client.cmd(&["DEBUG", "DIGEST-VALUE", key])
}

#[test]
fn an_array_survives_snapshots_payloads_and_copies() {
    let (server, mut client) = server();
    fill(&mut client, "a");
    client.cmd(&["PEXPIRE", "a", "100000000"]);
    let (before, all) = (digest(&mut client, "a"), client.cmd(&["ARSCAN", "a", "0", "9223372036854775807"]));
    assert_eq!(client.cmd(&["DEBUG", "RELOAD"]), Reply::ok());
    assert_eq!(client.cmd(&["ARSCAN", "a", "0", "9223372036854775807"]), all);
    assert_eq!(digest(&mut client, "a"), before);
    assert_eq!(client.cmd(&["ARNEXT", "a"]), integer(5004));
    let file = std::fs::read(server.directory().join("dump.rdb")).expect("a snapshot");
    assert!(file.starts_with(b"REDIS0014"), "the version that has arrays");

    assert_eq!(client.cmd(&["COPY", "a", "b"]), integer(1));
    assert_eq!(digest(&mut client, "b"), before);
    client.cmd(&["ARSET", "b", "0", "other"]);
    assert_ne!(digest(&mut client, "b"), before);
    assert_eq!(digest(&mut client, "a"), before);
    let Reply::Bulk(payload) = client.cmd(&["DUMP", "a"]) else { panic!("no payload") };
    assert_eq!(client.cmd(&[&b"RESTORE"[..], b"c", b"100000000", &payload]), Reply::ok());
    assert_eq!(digest(&mut client, "c"), before);
    client.cmd(&["ARSEEK", "c", "1"]);
    assert_ne!(digest(&mut client, "c"), before, "the cursor counts");
    client.cmd(&["RENAME", "b", "d"]);
    assert_eq!(client.cmd(&["ARGET", "d", "0"]), Reply::bulk("other"));
}

/// As public readers of the format describe it.
#[test]
fn a_payload_has_the_layout_of_redis_8_8() {
    let (_server, mut client) = server();
    client.cmd(&["ARMSET", "a", "3", "-2", "70", "abc", "20000", "a longer text"]);
    client.cmd(&["ARSEEK", "a", "4"]);
    let Reply::Bulk(payload) = client.cmd(&["DUMP", "a"]) else { panic!("no payload") };
    let mut expected = vec![28, 3, 1, 3];
    expected.extend([3, 1, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    expected.extend([0x40, 70, 3, 3, b'a', b'b', b'c']);
    expected.extend([0x80, 0, 0, 0x4e, 0x20, 0, 13]);
    expected.extend(b"a longer text");
    expected.extend([14, 0]);
    assert_eq!(payload[..payload.len() - 8], expected);

    client.cmd(&["DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", "1"]);
    let mut restore = |value: &[u8]| {
        let payload = [value, &[14, 0], &[0; 8]].concat();
        client.cmd(&[b"RESTORE".as_slice(), b"r", b"0", &payload, b"REPLACE"])
    };
    let floats = [&[28, 2, 0, 0, 2][..], &0.375f64.to_le_bytes(), &[9, 2], &7f64.to_le_bytes()].concat();
    assert_eq!(restore(&floats), Reply::ok());
    let bad = Reply::error("ERR Bad data format");
    assert_eq!(restore(&[28, 0, 0]), bad, "nothing is no array");
    assert_eq!(restore(&[28, 1, 2, 0, 3, 1, b'a']), bad, "an unknown mark of the cursor");
    assert_eq!(restore(&[28, 1, 0, 0, 4, 1, b'a']), bad, "an unknown tag");
    assert_eq!(restore(&[28, 2, 0, 5, 3, 1, b'a', 5, 3, 1, b'b']), bad, "an index twice");
    let last = [&[28, 1, 0, 0x81][..], &[0xff; 8], &[3, 1, b'a']].concat();
    assert_eq!(restore(&last), bad, "an index beyond the last");
    let many = [&[28, 0x81][..], &[0x7f; 8], &[0, 0, 3, 1, b'a']].concat();
    assert_eq!(restore(&many), bad, "fewer than announced");
    assert_eq!(client.cmd(&["ARGET", "r", "0"]), Reply::bulk("0.375"));
    assert_eq!(client.cmd(&["ARGET", "r", "9"]), Reply::bulk("7.0"));
}

#[test]
fn the_log_brings_arrays_back_as_written_and_rewritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let arguments = [
        "--dir",
        folder.path().to_str().expect("a name"),
        "--appendonly",
        "yes",
        "--aof-use-rdb-preamble",
        "no",
        "--enable-debug-command",
        "yes",
    ];
    let server = Server::start_with(&arguments);
    let mut client = server.connect();
    fill(&mut client, "a");
    client.cmd(&["ARRING", "ring", "3", "a", "b", "c", "d"]);
    client.cmd(&["ARINSERT", "full", "x"]);
    client.cmd(&["ARSEEK", "full", "18446744073709551615"]);
    client.cmd(&["ARDEL", "a", "12"]);
    let digests = |client: &mut Connection| ["a", "ring", "full"].map(|key| digest(client, key));
    let before = digests(&mut client);
    assert_eq!(client.cmd(&["DEBUG", "LOADAOF"]), Reply::ok());
    assert_eq!(digests(&mut client), before);
    client.cmd(&["BGREWRITEAOF"]);
    wait_until("the log is rewritten", || {
        let info = client.cmd(&["INFO", "persistence"]).text();
        info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrites:1")
    });
    assert_eq!(client.cmd(&["DEBUG", "LOADAOF"]), Reply::ok());
    assert_eq!(digests(&mut client), before);
    assert_eq!(client.cmd(&["ARNEXT", "full"]), Reply::Null);
    assert_eq!(client.cmd(&["ARRING", "ring", "3", "e"]), integer(1));
}

#[test]
fn a_replica_gets_arrays_with_the_data_set_and_one_by_one() {
    let (primary, mut client) = server();
    fill(&mut client, "a");
    let replica = Server::start_with(&["--enable-debug-command", "yes"]);
    let mut reader = replica.connect();
    reader.cmd(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    wait_until("the data set is there", || reader.cmd(&["EXISTS", "a"]) == integer(1));
    for words in [
        &["ARRING", "ring", "3", "a", "b", "c", "d"][..],
        &["ARRING", "ring", "5", "e"],
        &["ARMSET", "a", "1", "x", "2", "y"],
        &["ARDELRANGE", "a", "20", "90"],
        &["ARSEEK", "a", "7"],
        &["ARINSERT", "a", "z"],
        &["ARSET", "gone", "0", "x"],
        &["ARDEL", "gone", "0"],
    ] {
        client.cmd(words);
    }
    client.cmd(&["SET", "end", "1"]);
    wait_until("all has arrived", || reader.cmd(&["EXISTS", "end"]) == integer(1));
    for key in ["a", "ring", "gone"] {
        assert_eq!(digest(&mut reader, key), digest(&mut client, key), "{key}");
    }
    assert_eq!(reader.cmd(&["ARLASTITEMS", "ring", "9"]), Reply::bulks(&["b", "c", "d", "e"]));
}

#[test]
fn what_memory_usage_tells_is_what_an_array_takes() {
    let (_server, mut client) = server();
    // The long requests may be slow, and what is noted of them takes memory, too.
    client.cmd(&["CONFIG", "SET", "slowlog-log-slower-than", "-1"]);
    let used = |client: &mut Connection| figure(client, "used_memory");
    for (name, index, value) in
        [("numbers", 1, "1234567"), ("texts", 1, "a text of thirty bytes, as it is"), ("far", 5000, "x")]
    {
        let words: Vec<String> = (0..20_000).flat_map(|at| [(at * index).to_string(), value.to_owned()]).collect();
        let before = used(&mut client);
        for portion in words.chunks(1000) {
            client.cmd(&[&["ARMSET".to_owned(), name.to_owned()][..], portion].concat());
        }
        let took = used(&mut client) - before;
        let Reply::Integer(told) = client.cmd(&["MEMORY", "USAGE", name, "SAMPLES", "0"]) else { panic!("no size") };
        assert!((told - took).abs() < took / 4 + 50_000, "{name}: {took} bytes taken, {told} told");
    }
}

#[test]
fn events_tell_what_was_done_and_then_that_the_key_is_gone() {
    let (server, mut client) = server();
    client.cmd(&["CONFIG", "SET", "notify-keyspace-events", "KEag"]);
    assert_eq!(
        client.cmd(&["CONFIG", "GET", "notify-keyspace-events"]),
        Reply::bulks(&["notify-keyspace-events", "gaKE"])
    );
    let mut listener = server.connect();
    listener.cmd(&["PSUBSCRIBE", "__keyevent@0__:*"]);
    client.cmd(&["ARSET", "a", "0", "x"]);
    client.cmd(&["ARMSET", "a", "1", "x"]);
    client.cmd(&["ARINSERT", "a", "x"]);
    client.cmd(&["ARRING", "a", "2", "x"]);
    client.cmd(&["ARSEEK", "a", "7"]);
    client.cmd(&["ARDEL", "a", "9"]);
    client.cmd(&["ARDEL", "a", "0"]);
    client.cmd(&["ARDELRANGE", "a", "9", "0"]);
    for event in ["arset", "armset", "arinsert", "arring", "arseek", "ardel", "ardelrange", "del"] {
        let told = Reply::bulks(&["pmessage", "__keyevent@0__:*", &format!("__keyevent@0__:{event}"), "a"]);
        assert_eq!(listener.read(), told);
    }
}

#[test]
fn the_category_gives_and_takes_rights_and_the_group_is_documented() {
    let (_server, mut client) = server();
    client.cmd(&["ACL", "SETUSER", "u", "on", "nopass", "~*", "+@array"]);
    assert_eq!(client.cmd(&["ACL", "DRYRUN", "u", "ARSET", "a", "0", "v"]), Reply::ok());
    assert!(client.cmd(&["ACL", "DRYRUN", "u", "SET", "a", "v"]).text().contains("no permissions"));
    client.cmd(&["ACL", "SETUSER", "u", "+@all", "-@array"]);
    assert!(client.cmd(&["ACL", "DRYRUN", "u", "ARGET", "a", "0"]).text().contains("no permissions"));
    let Reply::Array(commands) = client.cmd(&["ACL", "CAT", "array"]) else { panic!("no category") };
    assert_eq!(commands.len(), 18);
    let docs = shown(&client.cmd(&["COMMAND", "DOCS", "argrep"]));
    assert!(docs.contains("since 8.8.0 group array"), "{docs}");
    assert_eq!(client.cmd(&["COMMAND", "GETKEYS", "ARMSET", "k", "1", "v"]), Reply::bulks(&["k"]));
}

#[test]
fn arrays_are_found_measured_and_freed_like_other_values() {
    let (_server, mut client) = server();
    fill(&mut client, "a");
    client.cmd(&["SET", "s", "x"]);
    let found = client.cmd(&["SCAN", "0", "TYPE", "array", "COUNT", "100"]);
    assert_eq!(found, Reply::Array(vec![Reply::bulk("0"), Reply::bulks(&["a"])]));
    let number =
        |reply: Reply| if let Reply::Integer(number) = reply { number } else { panic!("no number: {reply:?}") };
    let before = number(client.cmd(&["MEMORY", "USAGE", "a"]));
    client.cmd(&["ARSET", "a", "100000", &"x".repeat(100_000)]);
    let after = number(client.cmd(&["MEMORY", "USAGE", "a", "SAMPLES", "0"]));
    assert!(before > 2400 && after > before + 100_000, "{before} and {after}");
    assert!(client.cmd(&["INFO", "keysizes"]).text().contains("db0_distrib_arrays_items:256=1"));
    let wide: Vec<String> = (0..5000).map(|index| (index * 5000).to_string()).collect();
    let words: Vec<&str> = wide.iter().flat_map(|index| [index.as_str(), "text beyond a word"]).collect();
    client.cmd(&[&["ARMSET", "wide"][..], &words].concat());
    client.cmd(&["CONFIG", "RESETSTAT"]);
    assert_eq!(client.cmd(&["UNLINK", "wide"]), integer(1));
    wait_until("it is freed", || client.cmd(&["INFO", "memory"]).text().contains("lazyfreed_objects:1"));
    client.cmd(&["ARSET", "huge", "0", "a"]);
    client.cmd(&["ARSET", "huge", "9000000000000000000", "b"]);
    assert_eq!(client.cmd(&["ARDELRANGE", "huge", "18446744073709551614", "1"]), integer(1));
}

#[test]
fn directives_shape_new_arrays_and_contradictions_are_refused() {
    let (_server, mut client) = server();
    let mut set = |name: &str, value: &str| client.cmd(&["CONFIG", "SET", name, value]);
    let refused = |name: &str, reason: &str| {
        Reply::error(&format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}"))
    };
    let power = refused("array-slice-size", "array-slice-size must be a power of two");
    assert_eq!(set("array-slice-size", "5000"), power);
    let range = refused("array-slice-size", "argument must be between 256 and 65536 inclusive");
    assert_eq!(set("array-slice-size", "128"), range);
    let above = "array-sparse-kmax must be greater than array-sparse-kmin when non-zero";
    assert_eq!(set("array-sparse-kmax", "5"), refused("array-sparse-kmax", above));
    let below = "array-sparse-kmin must be less than array-sparse-kmax";
    assert_eq!(set("array-sparse-kmin", "10"), refused("array-sparse-kmin", below));
    assert_eq!(set("array-slice-size", "256"), Reply::ok());
    assert_eq!(set("array-sparse-kmax", "0"), Reply::ok());
    client.cmd(&["ARMSET", "a", "0", "x", "300", "x"]);
    let info = shown(&client.cmd(&["ARINFO", "a", "FULL"]));
    assert!(info.contains("slice-size 256 dense-slices 2 sparse-slices 0"), "{info}");
    assert!(shown(&client.cmd(&["CONFIG", "GET", "array-*"])).contains("array-sparse-kmin"));
}
