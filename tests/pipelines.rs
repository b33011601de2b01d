//! Pipelines: however many requests come at once, however they are cut and whatever one of them changes for those behind
//! it, they are answered as if each had come by itself.

mod common;

use common::{Reply, Server, encode, words};

/// Requests that begin alike and such that do not: names in any case, other numbers of arguments, lines of text,
/// arguments of all lengths, unknown names, wrong arities.
fn varied_requests() -> Vec<Vec<u8>> {
    let long = "l".repeat(1200);
    let lines: &[&[&str]] = &[
        &["SET", "a", "1"],
        &["SET", "a", "22"],
        &["SET", "abcdefghij", "a value of some length"],
        &["SET", "abcdefghij", "another of that length"],
        &["set", "abcdefghij", "a value of some length"],
        &["SET", "a"],
        &["SET", "a", "3", "GET"],
        &["SET", "a", &long],
        &["GET", "a"],
        &["GET", "abcdefghij"],
        &["get", "abcdefghij"],
        &["GeT", "abcdefghij"],
        &["GET", "missing"],
        &["GET", "a", "b"],
        &["GET"],
        &["GXT", "a"],
        &["MGET", "a", "missing"],
        &["MGET", "a", "missing"],
        &["INCR", "n"],
        &["INCR", "n"],
        &["INCRBY", "n", "5"],
        &["DECR", "n"],
        &["PING"],
        &["PING"],
        &["PING", "text"],
        &["OBJECT", "ENCODING", "a"],
        &["OBJECT", "REFCOUNT", "a"],
        &["OBJECT", "NOPE", "a"],
        &["RPUSH", "list", "x", "y"],
        &["RPUSH", "list", "x", "y"],
        &["LRANGE", "list", "0", "-1"],
        &["GET", "list"],
        &["A-NAME-THAT-IS-LONG", "a"],
        &["A-NAME-THAT-IS-LONG", "a"],
        &["", "a"],
    ];
    let mut requests: Vec<Vec<u8>> = lines.iter().map(|words| encode(words)).collect();
    let inline: &[&[u8]] = &[b"GET a\r\n", b"\r\n", b"*0\r\n", b"get  \"a\"\n", b"*2\r\n$3\r\nGET\r\n$01\r\na\r\n"];
    for (place, bytes) in inline.iter().take(4).enumerate() {
        requests.insert(9 + 2 * place, bytes.to_vec());
    }
    requests
}

/// All the server answers to requests that come in these pieces, on a new connection and with no keys there.
fn answer_to(server: &Server, pieces: &[&[u8]]) -> String {
    let mut other = server.connect();
    assert_eq!(other.cmd(&["FLUSHALL"]), Reply::ok());
    let mut client = server.connect();
    for piece in pieces {
        client.raw(piece);
        // By the time this is answered, the piece has most likely been read.
        assert_eq!(other.cmd(&["PING"]), Reply::Simple("PONG".into()));
    }
    client.half_close();
    String::from_utf8_lossy(&client.read_to_end()).into_owned()
}

fn answer_one_by_one(server: &Server, requests: &[Vec<u8>]) -> String {
    let pieces: Vec<&[u8]> = requests.iter().map(|request| &request[..]).collect();
    answer_to(server, &pieces)
}

#[test]
fn a_pipeline_cut_at_any_byte_is_answered_as_its_requests_one_by_one() {
    let server = Server::start();
    let requests = varied_requests();
    let expected = answer_one_by_one(&server, &requests);
    let lines = expected.lines().count();
    assert!(lines > requests.len() && expected.contains("WRONGTYPE"), "{expected}");
    let stream = requests.concat();
    assert_eq!(answer_to(&server, &[&stream]), expected);
    // The long value is cut in a few places only.
    let long = stream.windows(8).position(|bytes| bytes == b"llllllll").expect("the long value");
    let cuts = (1..stream.len()).filter(|cut| !(long + 8..long + 1180).contains(cut) || cut % 397 == 0);
    for cut in cuts {
        let (left, right) = stream.split_at(cut);
        assert_eq!(answer_to(&server, &[left, right]), expected, "cut at {cut}");
    }
}

#[test]
fn a_breach_of_the_protocol_ends_a_pipeline_where_it_stands() {
    let server = Server::start();
    for breach in
        [&b"*2\r\n$3\r\nGET\r\n$01\r\na\r\n"[..], b"*2\r\n$3\r\nGET\r\n:1\r\na\r\n", b"*2\r\n$3\r\nGET\r\n$-1\r\n"]
    {
        let get = encode(&["GET", "a"]);
        let answer = answer_to(&server, &[&[&get, &get, breach, &get].concat()]);
        assert!(answer.starts_with("$-1\r\n$-1\r\n-ERR Protocol error: "), "{answer}");
        assert_eq!(answer.lines().count(), 3, "{answer}");
    }
}

/// The requests of a scenario, a line each.
fn requests(lines: &[&str]) -> Vec<Vec<u8>> {
    lines.iter().map(|line| encode(&words(line))).collect()
}

/// What follows is governed by what a request before it has changed, in the same pipeline.
#[test]
fn what_a_request_changes_holds_for_the_next_one_of_the_pipeline() {
    let scenarios: &[&[&str]] = &[
        &["SET k 1", "GET k", "SELECT 1", "GET k", "SET k 2", "GET k", "SELECT 0", "GET k", "SELECT 99", "GET k"],
        &["SET k 1", "MULTI", "GET k", "SET k 2", "GET", "EXEC", "GET k", "MULTI", "GET k", "GET k", "EXEC", "GET k"],
        &["GET k", "MULTI", "GET k", "DISCARD", "GET k", "EXEC"],
        &["GET k", "CLIENT REPLY OFF", "GET k", "GET k", "CLIENT REPLY ON", "GET k"],
        &["GET k", "CLIENT REPLY SKIP", "GET k", "GET k", "GET k"],
        &["GET k", "HELLO 3", "GET k", "GET k", "HELLO 2", "GET k"],
        &["GET k", "ACL SETUSER default -get", "GET k", "MGET k", "ACL SETUSER default +get", "GET k"],
        &["GET k", "ACL SETUSER default resetkeys ~a", "GET k", "GET a", "ACL SETUSER default allkeys", "GET k"],
        &["GET k", "ACL SETUSER low on nopass +get +auth ~*", "AUTH low x", "GET k", "SET k 1", "AUTH default x"],
        &["CONFIG RESETSTAT", "CONFIG SET latency-tracking no", "GET k", "LATENCY HISTOGRAM get"],
        &["CONFIG SET latency-tracking yes", "CONFIG RESETSTAT", "GET k", "LATENCY HISTOGRAM mget"],
        &["CONFIG SET latency-tracking yes", "GET k", "CONFIG SET latency-tracking no", "GET k"],
        &["CONFIG SET maxmemory 1", "SET k 1", "GET k", "SET k 2", "CONFIG SET maxmemory 0", "SET k 2", "GET k"],
        &[
            "SET k 1",
            "CONFIG SET notify-keyspace-events KEA",
            "SET k 1",
            "CONFIG SET notify-keyspace-events xx",
            "GET k",
        ],
        &["CONFIG SET notify-keyspace-events nothing", "CONFIG SET notify-keyspace-events KE", "SET k 1", "GET k"],
        &["WATCH k", "SET k 1", "MULTI", "GET k", "EXEC", "GET k"],
        &["SET k v", "SUBSCRIBE c", "GET k", "PING", "UNSUBSCRIBE c", "GET k"],
        &["SET k v PX 100000", "SET k v", "TTL k", "SET k w EX 100000", "SET k x KEEPTTL", "TTL k", "SET k y", "TTL k"],
        &["SET k abcdefgh", "SET k 12345678", "OBJECT ENCODING k", "SET k abcdefgh", "OBJECT ENCODING k", "GET k"],
        &["APPEND k abcdefgh", "SET k 1bcdefgh", "OBJECT ENCODING k", "SETRANGE k 0 x", "SET k 2bcdefgh", "GET k"],
        &["GET k", "FLUSHALL", "SET k 1", "DEL k", "GET k", "SET k 1", "GETDEL k", "GET k"],
        &["RPUSH k a", "GET k", "SET k v", "GET k", "LPUSH k a", "DEL k", "LPUSH k a", "LRANGE k 0 -1"],
        &["GET k", "MONITOR", "GET k", "RESET", "GET k"],
        &["GET k", "RESET", "GET k", "HELLO 9", "GET k"],
    ];
    let (whole, single) = (Server::start(), Server::start());
    let ends = requests(&["GET k", "QUIT", "GET k"]).concat();
    for server in [&whole, &single] {
        assert_eq!(server.answer(&ends, false), "$-1\r\n+OK\r\n");
    }
    for lines in scenarios {
        let requests = requests(lines);
        let expected = answer_one_by_one(&single, &requests);
        assert!(!expected.is_empty(), "{lines:?}");
        let shown = |answer: &str| without_times(answer);
        assert_eq!(shown(&answer_to(&whole, &[&requests.concat()])), shown(&expected), "{lines:?}");
    }
}

#[test]
fn the_slow_log_begins_and_ends_within_a_pipeline() {
    let server = Server::start_with(&["--slowlog-log-slower-than", "-1"]);
    let mut client = server.connect();
    let lines = [
        "GET before",
        "CONFIG SET slowlog-log-slower-than 0",
        "GET k",
        "gEt k",
        "SET k v",
        "CONFIG SET slowlog-log-slower-than -1",
        "GET behind",
        "SET k w",
    ];
    client.raw(&requests(&lines).concat());
    for _ in lines {
        client.read();
    }
    let Reply::Array(entries) = client.cmd(&["SLOWLOG", "GET", "-1"]) else { panic!("no list") };
    let logged = entries.iter().rev().map(|entry| {
        let Reply::Array(fields) = entry else { panic!("no entry") };
        let Reply::Array(words) = &fields[3] else { panic!("no command") };
        words.iter().map(Reply::text).collect::<Vec<_>>().join(" ")
    });
    assert_eq!(logged.collect::<Vec<_>>(), lines[1..5]);
}

/// An answer without the lines in which MONITOR shows times and addresses, and without large numbers, which may be times.
fn without_times(answer: &str) -> String {
    let told = answer.lines().filter(|line| !line.contains("127.0.0.1:"));
    told.map(|line| if line.starts_with(':') && line.len() > 5 { ":many" } else { line }).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_monitor_sees_every_request_of_a_pipeline_as_it_was_sent() {
    let server = Server::start();
    let mut monitor = server.connect();
    assert_eq!(monitor.cmd(&["MONITOR"]), Reply::ok());
    let names = ["GET", "GET", "get", "Get", "GET", "SET", "set", "GET"];
    let mut client = server.connect();
    let request = |name: &&str| match name.eq_ignore_ascii_case("set") {
        true => encode(&[name, "key", "value"]),
        false => encode(&[name, "key"]),
    };
    client.raw(&names.iter().map(request).collect::<Vec<_>>().concat());
    for name in names {
        let Reply::Simple(line) = monitor.read() else { panic!("no line") };
        assert!(line.contains(&format!("\"{name}\" \"key\"")), "{line}");
    }
}

#[test]
fn a_monitor_that_begins_in_between_sees_what_follows() {
    let server = Server::start();
    let (mut client, mut monitor) = (server.connect(), server.connect());
    for round in 0..50 {
        let key = format!("key:{round}");
        client.raw(&[encode(&["GET", "before"]), encode(&["GET", "before"])].concat());
        assert_eq!(monitor.cmd(&["MONITOR"]), Reply::ok());
        assert_eq!((client.read(), client.read()), (Reply::Null, Reply::Null));
        client.raw(&[encode(&["GET", &key]), encode(&["GET", &key])].concat());
        assert_eq!((client.read(), client.read()), (Reply::Null, Reply::Null));
        let mut seen = 0;
        while seen < 2 {
            let Reply::Simple(line) = monitor.read() else { panic!("no line") };
            assert!(line.contains("before") || line.contains(&key), "{line}");
            seen += u32::from(line.contains(&key));
        }
        assert_eq!(monitor.cmd(&["RESET"]), Reply::Simple("RESET".into()));
    }
}

#[test]
fn renamed_commands_are_told_apart_within_a_pipeline() {
    let server = Server::start_with(&["--rename-command", "GET", "fetch", "--rename-command", "SET", "get"]);
    let lines = ["GET k v", "GET k w", "FETCH k", "fetch k", "GET k", "SET k x", "FETCH k", "GET k y", "FETCH k"];
    let requests = requests(&lines);
    let answer = answer_to(&server, &[&requests.concat()]);
    assert_eq!(answer, answer_one_by_one(&server, &requests));
    assert!(
        answer.starts_with("+OK\r\n+OK\r\n$1\r\nw\r\n$1\r\nw\r\n-ERR wrong number of arguments for 'set'"),
        "{answer}"
    );
    assert!(answer.ends_with("$1\r\nw\r\n+OK\r\n$1\r\ny\r\n"), "{answer}");
}
