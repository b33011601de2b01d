//! The stages of CodeCrafters' "Build your own Redis" that concern data types, as their descriptions tell them: what
//! is sent, and the bytes that must come back.

mod common;

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{Connection, Reply, Server, binary, encode, free_port, wait_until};

const SMALLER_ID: &str = "-ERR The ID specified in XADD is equal or smaller than the target stream top item\r\n";
const ZERO_ID: &str = "-ERR The ID specified in XADD must be greater than 0-0\r\n";

/// The reply to a command as bytes: those of a PONG behind it end it.
fn exchange(client: &mut Connection, command: &str) -> String {
    client.send(&command.split(' ').collect::<Vec<_>>());
    client.raw(&encode(&["PING"]));
    raw_until_pong(client)
}

fn raw_until_pong(client: &mut Connection) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"+PONG\r\n") {
        bytes.push(client.byte());
    }
    bytes.truncate(bytes.len() - b"+PONG\r\n".len());
    String::from_utf8(bytes).expect("a reply of text")
}

fn check(steps: &[(&str, &str)]) {
    let server = Server::start();
    let mut client = server.connect();
    for (command, expected) in steps {
        assert_eq!(exchange(&mut client, command), *expected, "{command}");
    }
}

/// An array of bulk strings as bytes.
fn array(items: &[&str]) -> String {
    String::from_utf8(encode(items)).expect("text")
}

#[test]
fn lists_are_made_appended_prepended_and_counted() {
    check(&[
        ("RPUSH list_key a", ":1\r\n"),
        ("RPUSH list_key b", ":2\r\n"),
        ("RPUSH list_key c d e", ":5\r\n"),
        ("LPUSH other c", ":1\r\n"),
        ("LPUSH other b a", ":3\r\n"),
        ("LRANGE other 0 -1", &array(&["a", "b", "c"])),
        ("LLEN list_key", ":5\r\n"),
        ("LLEN missing", ":0\r\n"),
    ]);
}

#[test]
fn ranges_of_lists_take_positive_and_negative_indexes() {
    check(&[
        ("RPUSH list_key a b c d e", ":5\r\n"),
        ("LRANGE list_key 0 1", &array(&["a", "b"])),
        ("LRANGE list_key 2 4", &array(&["c", "d", "e"])),
        ("LRANGE list_key 2 99", &array(&["c", "d", "e"])),
        ("LRANGE list_key -2 -1", &array(&["d", "e"])),
        ("LRANGE list_key 0 -3", &array(&["a", "b", "c"])),
        ("LRANGE list_key -99 0", &array(&["a"])),
        ("LRANGE list_key 3 1", "*0\r\n"),
        ("LRANGE list_key 5 9", "*0\r\n"),
        ("LRANGE missing 0 -1", "*0\r\n"),
    ]);
}

#[test]
fn elements_are_removed_one_by_one_and_several_at_once() {
    check(&[
        ("RPUSH list_key one two three four five", ":5\r\n"),
        ("LPOP list_key", "$3\r\none\r\n"),
        ("LPOP list_key 2", &array(&["two", "three"])),
        ("LRANGE list_key 0 -1", &array(&["four", "five"])),
        ("LPOP list_key 9", &array(&["four", "five"])),
        ("LPOP list_key", "$-1\r\n"),
    ]);
}

#[test]
fn who_waited_longest_for_a_list_is_served_first() {
    let server = Server::start();
    let (mut first, mut second, mut pusher) = (server.connect(), server.connect(), server.connect());
    for (index, client) in [&mut first, &mut second].into_iter().enumerate() {
        client.send(&["BLPOP", "list_key", "0"]);
        let blocked = format!("blocked_clients:{}", index + 1);
        wait_until("a client blocks", || pusher.cmd(&["INFO", "clients"]).text().contains(&blocked));
    }
    assert_eq!(pusher.cmd(&["RPUSH", "list_key", "foo"]), Reply::Integer(1));
    assert_eq!(first.read(), Reply::bulks(&["list_key", "foo"]));
    assert_eq!(pusher.cmd(&["RPUSH", "list_key", "bar"]), Reply::Integer(1));
    assert_eq!(second.read(), Reply::bulks(&["list_key", "bar"]));
}

#[test]
fn waiting_for_a_list_or_stream_in_vain_gives_a_null_array_after_the_time_given() {
    let server = Server::start();
    let mut client = server.connect();
    for command in ["BLPOP list_key 0.1", "XREAD BLOCK 100 STREAMS stream_key 0-1"] {
        let begin = Instant::now();
        assert_eq!(exchange(&mut client, command), "*-1\r\n", "{command}");
        assert!(begin.elapsed() >= Duration::from_millis(100), "{command} came back early");
    }
}

#[test]
fn entries_of_streams_get_ids_that_only_grow() {
    check(&[
        ("XADD stream_key 0-1 temperature 96", "$3\r\n0-1\r\n"),
        ("TYPE stream_key", "+stream\r\n"),
        ("TYPE missing", "+none\r\n"),
        ("XADD stream_key 1-1 foo bar", "$3\r\n1-1\r\n"),
        ("XADD stream_key 1-1 foo bar", SMALLER_ID),
        ("XADD stream_key 0-3 foo bar", SMALLER_ID),
        ("XADD stream_key 0-0 foo bar", ZERO_ID),
        ("XADD missing 0-0 foo bar", ZERO_ID),
        ("XADD stream_key 1-* foo bar", "$3\r\n1-2\r\n"),
        ("XADD stream_key 5-* foo bar", "$3\r\n5-0\r\n"),
        ("XADD zero 0-* foo bar", "$3\r\n0-1\r\n"),
    ]);
}

#[test]
fn ids_that_the_server_chooses_begin_with_its_clock() {
    let server = Server::start();
    let mut client = server.connect();
    let id = client.cmd(&["XADD", "stream_key", "*", "foo", "bar"]).text();
    let (milliseconds, sequence) = id.split_once('-').expect("two parts");
    let seconds: i64 = match client.cmd(&["TIME"]) {
        Reply::Array(parts) => parts[0].text().parse().expect("seconds"),
        other => panic!("{other:?} is no time"),
    };
    let age = seconds - milliseconds.parse::<i64>().expect("milliseconds") / 1000;
    assert!((0..60).contains(&age), "{id} is not now");
    assert_eq!(sequence, "0");
}

#[test]
fn entries_of_streams_are_read_by_range() {
    let entry = |id: &str, fields: &[&str]| format!("*2\r\n${}\r\n{id}\r\n{}", id.len(), array(fields));
    let (second, third) = (entry("0-2", &["b", "2"]), entry("0-3", &["c", "3"]));
    let all = format!("*3\r\n{}{second}{third}", entry("0-1", &["a", "1"]));
    check(&[
        ("XADD stream_key 0-1 a 1", "$3\r\n0-1\r\n"),
        ("XADD stream_key 0-2 b 2", "$3\r\n0-2\r\n"),
        ("XADD stream_key 0-3 c 3", "$3\r\n0-3\r\n"),
        ("XRANGE stream_key 0-2 0-3", &format!("*2\r\n{second}{third}")),
        ("XRANGE stream_key - 0-3", &all),
        ("XRANGE stream_key 0-2 +", &format!("*2\r\n{second}{third}")),
        ("XRANGE stream_key 0 0", &all),
        ("XREAD STREAMS stream_key 0-2", &format!("*1\r\n*2\r\n$10\r\nstream_key\r\n*1\r\n{third}")),
        ("XADD other 0-2 b 2", "$3\r\n0-2\r\n"),
        (
            "XREAD STREAMS stream_key other 0-2 0-1",
            &format!("*2\r\n*2\r\n$10\r\nstream_key\r\n*1\r\n{third}*2\r\n$5\r\nother\r\n*1\r\n{second}"),
        ),
    ]);
}

#[test]
fn a_reader_waits_for_new_entries_only() {
    let server = Server::start();
    let (mut reader, mut writer) = (server.connect(), server.connect());
    writer.cmd(&["XADD", "stream_key", "0-1", "old", "1"]);
    for (last, id) in [("0-1", "0-2"), ("$", "0-3")] {
        reader.send(&["XREAD", "BLOCK", "0", "STREAMS", "stream_key", last]);
        wait_until("the reader blocks", || writer.cmd(&["INFO", "clients"]).text().contains("blocked_clients:1"));
        writer.cmd(&["XADD", "stream_key", id, "new", "2"]);
        let entry = Reply::Array(vec![Reply::bulk(id), Reply::bulks(&["new", "2"])]);
        let stream = Reply::Array(vec![Reply::bulk("stream_key"), Reply::Array(vec![entry])]);
        assert_eq!(reader.read(), Reply::Array(vec![stream]));
    }
}

#[test]
fn members_of_sorted_sets_are_ranked_by_score_then_by_name() {
    check(&[
        ("ZADD zset_key 100.0 foo", ":1\r\n"),
        ("ZADD zset_key 100.0 bar", ":1\r\n"),
        ("ZADD zset_key 20.0 baz", ":1\r\n"),
        ("ZADD zset_key 30.1 caz", ":1\r\n"),
        ("ZADD zset_key 40.2 paz", ":1\r\n"),
        ("ZRANK zset_key caz", ":1\r\n"),
        ("ZRANK zset_key baz", ":0\r\n"),
        ("ZRANK zset_key foo", ":4\r\n"),
        ("ZRANK zset_key bar", ":3\r\n"),
        ("ZRANK zset_key missing", "$-1\r\n"),
        ("ZRANK missing foo", "$-1\r\n"),
        ("ZADD zset_key 10 foo", ":0\r\n"),
        ("ZRANK zset_key foo", ":0\r\n"),
    ]);
}

#[test]
fn sorted_sets_are_listed_counted_asked_and_shortened() {
    check(&[
        ("ZADD racers 8.5 Sam-Bodden", ":1\r\n"),
        ("ZADD racers 10.2 Royce", ":1\r\n"),
        ("ZADD racers 6.1 Ford 14.9 Prickett 10.2 Ford", ":2\r\n"),
        ("ZRANGE racers 0 2", &array(&["Sam-Bodden", "Ford", "Royce"])),
        ("ZRANGE racers -2 -1", &array(&["Royce", "Prickett"])),
        ("ZRANGE racers 0 -3", &array(&["Sam-Bodden", "Ford"])),
        ("ZRANGE racers 0 99", &array(&["Sam-Bodden", "Ford", "Royce", "Prickett"])),
        ("ZRANGE racers 4 9", "*0\r\n"),
        ("ZRANGE missing 0 -1", "*0\r\n"),
        ("ZCARD racers", ":4\r\n"),
        ("ZCARD missing", ":0\r\n"),
        ("ZADD zset_key 24.34 one", ":1\r\n"),
        ("ZSCORE zset_key one", "$5\r\n24.34\r\n"),
        ("ZSCORE zset_key two", "$-1\r\n"),
        ("ZREM racers Royce", ":1\r\n"),
        ("ZREM racers Royce", ":0\r\n"),
        ("ZRANGE racers 0 -1", &array(&["Sam-Bodden", "Ford", "Prickett"])),
    ]);
}

#[test]
fn places_are_kept_as_scores_and_refused_off_the_map() {
    check(&[
        ("GEOADD places 11.5030378 48.164271 Munich", ":1\r\n"),
        ("GEOADD places 180 90 North", "-ERR invalid longitude,latitude pair 180.000000,90.000000\r\n"),
        ("GEOADD places 200 100 Nowhere", "-ERR invalid longitude,latitude pair 200.000000,100.000000\r\n"),
        ("ZRANGE places 0 -1", &array(&["Munich"])),
        ("GEOADD places 2.2944692 48.8584625 Paris", ":1\r\n"),
        ("ZSCORE places Paris", "$16\r\n3663832614298053\r\n"),
    ]);
}

#[test]
fn places_are_given_back_measured_and_searched() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["GEOADD", "places", "11.5030378", "48.164271", "Munich", "2.2944692", "48.8584625", "Paris"]);
    client.cmd(&["GEOADD", "places", "-0.0884948", "51.506479", "London"]);
    assert_eq!(exchange(&mut client, "GEOPOS places missing"), "*1\r\n*-1\r\n");
    assert_eq!(exchange(&mut client, "GEOPOS missing Paris"), "*1\r\n*-1\r\n");
    let Reply::Array(positions) = client.cmd(&["GEOPOS", "places", "London"]) else { panic!("no positions") };
    let Reply::Array(pair) = &positions[0] else { panic!("no position") };
    for (text, expected) in pair.iter().zip([-0.0884948, 51.506479]) {
        assert!((text.text().parse::<f64>().expect("a number") - expected).abs() < 1e-5);
    }
    let distance: f64 = client.cmd(&["GEODIST", "places", "Munich", "Paris"]).text().parse().expect("metres");
    assert!((distance - 682477.7582).abs() < 1e-4, "{distance}");
    let search = "GEOSEARCH places FROMLONLAT 2 48 BYRADIUS";
    assert_eq!(exchange(&mut client, &format!("{search} 100000 m")), array(&["Paris"]));
    assert_eq!(exchange(&mut client, &format!("{search} 500000 m ASC")), array(&["Paris", "London"]));
    assert_eq!(exchange(&mut client, &format!("{search} 1 km")), "*0\r\n");
}

/// The program as the tester runs it, in a folder of its choice, until it answers.
fn run_stage(folder: &Path, arguments: &[&str]) -> (Child, Connection) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(".codecrafters/run.sh");
    let port = free_port();
    let child = Command::new("sh")
        .arg(script)
        .args(["--port", &port.to_string()])
        .args(arguments)
        .current_dir(folder)
        .env("TMPDIR", folder.join("tmp"))
        .stdout(Stdio::null())
        .spawn()
        .expect("a shell");
    wait_until("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    (child, Connection::to(port))
}

#[test]
fn a_stage_does_not_load_what_the_one_before_has_left_unless_it_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = std::fs::canonicalize(folder.path()).expect("a path");
    let built = path.join("tmp/codecrafters-build-redis-rust/release");
    std::fs::create_dir_all(&built).expect("folders");
    std::os::unix::fs::symlink(binary(), built.join("oxidis")).expect("a link");
    let end = |mut child: Child, mut client: Connection| {
        client.cmd(&["SET", "left", "1"]);
        let pid = child.id().to_string();
        assert!(Command::new("kill").arg(pid).status().expect("kill").success());
        assert!(child.wait().expect("its end").success());
        assert!(path.join("dump.rdb").exists(), "the end of a stage leaves a snapshot");
    };
    let (child, client) = run_stage(&path, &[]);
    end(child, client);
    let (child, mut client) = run_stage(&path, &[]);
    assert_eq!(client.cmd(&["KEYS", "*"]), Reply::Array(Vec::new()));
    let dir = path.to_str().expect("text");
    assert_eq!(client.cmd(&["CONFIG", "GET", "dir"]), Reply::bulks(&["dir", dir]));
    end(child, client);
    for arguments in [&["--dir", dir][..], &["--dbfilename", "dump.rdb"], &["--dir", dir, "--dbfilename", "dump.rdb"]] {
        let (child, mut client) = run_stage(&path, arguments);
        assert_eq!(client.cmd(&["KEYS", "*"]), Reply::bulks(&["left"]), "{arguments:?}");
        end(child, client);
    }
}
