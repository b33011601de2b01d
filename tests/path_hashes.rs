//! Path hashes: what needs a real server, from files and logs to events and rights.

mod common;

use common::dataset::figure;
use common::{Connection, Reply, Server, wait_until};

fn server() -> (Server, Connection) {
    let server = Server::start_with(&["--enable-debug-command", "yes"]);
    let client = server.connect();
    (server, client)
}

fn integer(value: i64) -> Reply {
    Reply::Integer(value)
}

fn digest(client: &mut Connection, key: &str) -> Reply {
    client.cmd(&["DEBUG", "DIGEST-VALUE", key])
}

/// Paths with few and with many fields, the path without bytes among them; and a path hash without paths.
fn fill(client: &mut Connection) {
    client.cmd(&["PHSET", "t", "", "FIELDS", "1", "root", "value"]);
    client.cmd(&["PHSET", "t", "a\r\nb", "FIELDS", "2", "f", "1", "", &"x".repeat(300)]);
    let fields: Vec<String> = (0..600).flat_map(|number| [format!("field:{number}"), number.to_string()]).collect();
    let head = ["PHSET", "t", "many", "FIELDS", "600"].map(str::to_owned);
    assert_eq!(client.cmd(&[&head[..], &fields].concat()), Reply::ok());
    client.cmd(&["PHSET", "empty", "x", "FIELDS", "1", "f", "v"]);
    client.cmd(&["PHDEL", "empty", "x"]);
}

#[test]
fn a_path_hash_survives_snapshots_payloads_and_copies() {
    let (server, mut client) = server();
    fill(&mut client);
    client.cmd(&["PEXPIRE", "t", "100000000"]);
    let before = ["t", "empty"].map(|key| digest(&mut client, key));
    assert_eq!(client.cmd(&["DEBUG", "RELOAD"]), Reply::ok());
    assert_eq!(["t", "empty"].map(|key| digest(&mut client, key)), before);
    let magic = || std::fs::read(server.directory().join("dump.rdb")).expect("a snapshot")[..9].to_vec();
    assert_eq!(magic(), b"VALKEY081", "the version that has path hashes");

    assert_eq!(client.cmd(&["COPY", "t", "copy"]), integer(1));
    assert_eq!(digest(&mut client, "copy"), before[0]);
    client.cmd(&["PHDEL", "copy", "many", "field:1"]);
    assert_ne!(digest(&mut client, "copy"), before[0]);
    for (key, ttl, index) in [("t", "100000000", 0), ("empty", "0", 1)] {
        let Reply::Bulk(payload) = client.cmd(&["DUMP", key]) else { panic!("no payload") };
        let reply = client.cmd(&[b"RESTORE".as_slice(), b"back", ttl.as_bytes(), &payload, b"REPLACE"]);
        assert_eq!(reply, Reply::ok());
        assert_eq!(digest(&mut client, "back"), before[index]);
    }
    assert_eq!(client.cmd(&["PHCARD", "back"]), integer(0));

    // Beside an array no other server could hold it.
    client.cmd(&["ARSET", "array", "0", "x"]);
    assert_eq!(client.cmd(&["DEBUG", "RELOAD"]), Reply::ok());
    assert_eq!(digest(&mut client, "t"), before[0]);
    assert!(magic().starts_with(b"REDIS"));
}

/// As the public tests of Valkey change it byte by byte.
#[test]
fn a_payload_has_the_layout_of_valkey_9_2() {
    let (_server, mut client) = server();
    client.cmd(&["PHMSET", "t", "a", "FIELDS", "1", "f", "x", "b", "FIELDS", "1", "f", "y"]);
    let Reply::Bulk(payload) = client.cmd(&["DUMP", "t"]) else { panic!("no payload") };
    let expected = [&[23, 2, 1][..], b"a\x01\x01f\x01x", b"\x01b\x01\x01f\x01y", &[81, 0]].concat();
    assert_eq!(payload[..payload.len() - 8], expected);
    client.cmd(&["DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", "1"]);
    for (at, byte) in [(4, 0), (10, b'a'), (1, 3), (4, 2)] {
        let mut wrong = payload.clone();
        wrong[at] = byte;
        let reply = client.cmd(&[b"RESTORE".as_slice(), b"r", b"0", &wrong]);
        assert_eq!(reply, Reply::error("ERR Bad data format"), "{byte} at {at}");
    }
    client.cmd(&["PHSET", "two", "p", "FIELDS", "2", "a", "x", "b", "y"]);
    let Reply::Bulk(mut payload) = client.cmd(&["DUMP", "two"]) else { panic!("no payload") };
    payload[10] = payload[6];
    assert_eq!(client.cmd(&[b"RESTORE".as_slice(), b"r", b"0", &payload]), Reply::error("ERR Bad data format"));
}

#[test]
fn the_log_brings_path_hashes_back_as_written_and_rewritten() {
    let folder = tempfile::tempdir().expect("a folder");
    let dir = folder.path().to_str().expect("a name");
    let server = Server::start_with(&[
        "--dir",
        dir,
        "--appendonly",
        "yes",
        "--aof-use-rdb-preamble",
        "no",
        "--enable-debug-command",
        "yes",
    ]);
    let mut client = server.connect();
    fill(&mut client);
    client.cmd(&["PHMSET", "t", "gone:1", "FIELDS", "1", "f", "v", "gone:2", "FIELDS", "1", "f", "v"]);
    assert_eq!(client.cmd(&["PHDELPREFIX", "t", "gone:"]), integer(2));
    let digests = |client: &mut Connection| ["t", "empty"].map(|key| digest(client, key));
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
    assert_eq!(client.cmd(&["EXISTS", "empty"]), integer(1));
}

#[test]
fn a_replica_gets_path_hashes_with_the_data_set_and_one_by_one() {
    let (primary, mut client) = server();
    fill(&mut client);
    let replica = Server::start_with(&["--enable-debug-command", "yes"]);
    let mut reader = replica.connect();
    reader.cmd(&["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    wait_until("the data set is there", || reader.cmd(&["DBSIZE"]) == integer(2));
    client.cmd(&["PHMSET", "u", "a", "FIELDS", "1", "f", "v", "ab", "FIELDS", "2", "f", "v", "g", "w"]);
    client.cmd(&["PHSET", "u", "a", "FNX", "FIELDS", "1", "f", "ignored"]);
    client.cmd(&["PHDEL", "u", "ab", "g"]);
    client.cmd(&["PHDELPREFIX", "t", "m"]);
    client.cmd(&["SET", "end", "1"]);
    wait_until("all has arrived", || reader.cmd(&["EXISTS", "end"]) == integer(1));
    for key in ["t", "u", "empty"] {
        assert_eq!(digest(&mut reader, key), digest(&mut client, key), "{key}");
    }
    assert_eq!(reader.cmd(&["PHCARD", "empty"]), integer(0));
    assert_eq!(reader.cmd(&["PHCARD", "t"]), integer(2));
}

#[test]
fn what_memory_usage_tells_is_what_a_path_hash_takes() {
    let (_server, mut client) = server();
    // The long requests may be slow, and what is noted of them takes memory, too.
    client.cmd(&["CONFIG", "SET", "slowlog-log-slower-than", "-1"]);
    let used = |client: &mut Connection| figure(client, "used_memory");
    let before = used(&mut client);
    for hundred in 0..100 {
        let mut words = vec!["PHMSET".to_owned(), "t".to_owned()];
        for path in 0..100 {
            words.extend([format!("/shelf/{hundred}/book/{path}"), "FIELDS".into(), "2".into()]);
            words.extend(["title", "a title", "year", "1984"].map(str::to_owned));
        }
        client.cmd(&words);
    }
    let took = used(&mut client) - before;
    let Reply::Integer(told) = client.cmd(&["MEMORY", "USAGE", "t", "SAMPLES", "0"]) else { panic!("no size") };
    assert!((told - took).abs() < took / 4 + 50_000, "{took} bytes taken, {told} told");
}

#[test]
fn events_have_a_class_of_their_own() {
    let (server, mut client) = server();
    client.cmd(&["CONFIG", "SET", "notify-keyspace-events", "Kpg"]);
    assert_eq!(
        client.cmd(&["CONFIG", "GET", "notify-keyspace-events"]),
        Reply::bulks(&["notify-keyspace-events", "gpK"])
    );
    let mut listener = server.connect();
    listener.cmd(&["PSUBSCRIBE", "*"]);
    client.cmd(&["PHSET", "t", "a", "FIELDS", "1", "f", "v"]);
    client.cmd(&["PHSET", "t", "a", "FNX", "FIELDS", "1", "f", "v"]);
    client.cmd(&["PHMSET", "t", "ab", "FIELDS", "1", "f", "v"]);
    client.cmd(&["PHDEL", "t", "x"]);
    client.cmd(&["PHDEL", "t", "a", "f"]);
    client.cmd(&["PHDELPREFIX", "t", ""]);
    client.cmd(&["DEL", "t"]);
    for event in ["phset", "phmset", "phdel", "phdelprefix", "del"] {
        assert_eq!(listener.read(), Reply::bulks(&["pmessage", "*", "__keyspace@0__:t", event]));
    }
}

#[test]
fn rights_types_and_memory_know_path_hashes() {
    let (_server, mut client) = server();
    client.cmd(&["ACL", "SETUSER", "u", "on", "nopass", "~*", "+@pathhash"]);
    assert_eq!(client.cmd(&["ACL", "DRYRUN", "u", "PHSET", "t", "a", "FIELDS", "1", "f", "v"]), Reply::ok());
    assert!(client.cmd(&["ACL", "DRYRUN", "u", "SET", "t", "v"]).text().contains("no permissions"));
    let Reply::Array(commands) = client.cmd(&["ACL", "CAT", "pathhash"]) else { panic!("no category") };
    assert_eq!(commands.len(), 12);
    fill(&mut client);
    let found = client.cmd(&["SCAN", "0", "TYPE", "pathhash", "COUNT", "100"]);
    let Reply::Array(parts) = found else { panic!("no keys") };
    assert!(matches!(&parts[1], Reply::Array(keys) if keys.len() == 2));
    let Reply::Integer(bytes) = client.cmd(&["MEMORY", "USAGE", "t"]) else { panic!("no size") };
    assert!(bytes > 600 * 10, "{bytes} bytes");
    let paths: Vec<String> = (0..1000)
        .flat_map(|path| [format!("path:{path}"), "FIELDS".into(), "1".into(), "f".into(), "v".into()])
        .collect();
    client.cmd(&[&["PHMSET", "wide"].map(str::to_owned)[..], &paths].concat());
    client.cmd(&["CONFIG", "RESETSTAT"]);
    assert_eq!(client.cmd(&["UNLINK", "wide"]), integer(1));
    wait_until("it is freed", || client.cmd(&["INFO", "memory"]).text().contains("lazyfreed_objects:1"));
    client.cmd(&["MULTI"]);
    client.cmd(&["PHSET", "m", "a", "FIELDS", "1", "f", "v"]);
    client.cmd(&["PHCARD", "m"]);
    assert_eq!(client.cmd(&["EXEC"]), Reply::Array(vec![Reply::ok(), integer(1)]));
}
