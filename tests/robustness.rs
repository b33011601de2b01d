//! Bad input and bad manners: whatever some clients do, they get Redis's error or are closed, memory stays bounded,
//! and the others are served.

mod common;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::dataset::figure;
use common::{Connection, Reply, Server, encode, wait_until};

/// The longest a PING takes while `busy` is set.
fn slowest_ping(server: &Server, busy: &AtomicBool) -> (Duration, u64) {
    let mut client = server.connect();
    let (mut slowest, mut count) = (Duration::ZERO, 0);
    while busy.load(Ordering::Relaxed) {
        let start = Instant::now();
        assert_eq!(client.cmd(&["PING"]), Reply::Simple("PONG".into()));
        slowest = slowest.max(start.elapsed());
        count += 1;
        // To look is enough; a flood of PINGs would be a load of its own.
        thread::sleep(Duration::from_millis(1));
    }
    (slowest, count)
}

#[test]
fn malformed_frames_get_their_error_and_are_closed() {
    let server = Server::start();
    let too_long = vec![b'1'; 70_000];
    let cases: &[(&[&[u8]], &str)] = &[
        (&[b"*a\r\n"], "invalid multibulk length"),
        (&[b"*3000000000\r\n"], "invalid multibulk length"),
        (&[b"*01\r\n"], "invalid multibulk length"),
        (&[b"*\r\n"], "invalid multibulk length"),
        (&[b"*1\r\n$-1\r\n"], "invalid bulk length"),
        (&[b"*1\r\n$x\r\n"], "invalid bulk length"),
        (&[b"*1\r\n$2000000000\r\n"], "invalid bulk length"),
        (&[b"*1\r\n$01\r\n"], "invalid bulk length"),
        (&[b"*1\r\nfoo\r\n"], "expected '$', got 'f'"),
        (&[b"*1\r\n\r\n\r\n"], "expected '$', got ' '"),
        (&[b"*3\r\n$3\r\nSET\r\n$1\r\nx\r\nfooz\r\n"], "expected '$', got 'f'"),
        (&[b"SET \"a b\r\n"], "unbalanced quotes in request"),
        (&[b"SET 'a'b\r\n"], "unbalanced quotes in request"),
        (&[&too_long], "too big inline request"),
        (&[b"*", &too_long], "too big mbulk count string"),
        (&[b"*1\r\n$", &too_long], "too big bulk count string"),
        (&[b"*1\r\n1", &too_long], "too big bulk count string"),
    ];
    for (parts, text) in cases {
        let bytes = parts.concat();
        let answer = server.answer(&bytes, false);
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        assert_eq!(answer, format!("-ERR Protocol error: {text}\r\n"), "{shown:?}");
        let answer = server.answer(&[b"*1\r\n$4\r\nPING\r\n".as_slice(), &bytes].concat(), false);
        assert_eq!(answer, format!("+PONG\r\n-ERR Protocol error: {text}\r\n"), "behind PING: {shown:?}");
    }
    assert_eq!(server.connect().cmd(&["PING"]), Reply::Simple("PONG".into()));
}

#[test]
fn a_hundred_thousand_garbage_connections_leave_others_served() {
    const WORKERS: usize = 16;
    const EACH: usize = 100_000 / WORKERS;
    const UNANSWERED_MAX: usize = 400 / WORKERS;
    let server = &Server::start();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock that runs");
    let seed = now.as_nanos() as u64;
    println!("seed {seed}");
    let before = resident_bytes(server);
    let busy = AtomicBool::new(true);
    let (slowest, pings) = thread::scope(|scope| {
        let watcher = scope.spawn(|| slowest_ping(server, &busy));
        let workers: Vec<_> = (1..=WORKERS as u64)
            .map(|worker| {
                let (port, mut state) = (server.port(), (seed ^ worker).max(1));
                scope.spawn(move || {
                    for number in 0..EACH {
                        // Who outruns the server fills its backlog, and waits seconds for the next try to connect.
                        if number % UNANSWERED_MAX == 0 {
                            assert_eq!(server.connect().cmd(&["PING"]), Reply::Simple("PONG".into()));
                        }
                        let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { continue };
                        // Ports come back at once when the end is a reset.
                        let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                        let _ = stream.write_all(&garbage(&mut state));
                    }
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().expect("a worker that ends"));
        busy.store(false, Ordering::Relaxed);
        watcher.join().expect("a watcher that ends")
    });
    assert!(pings > 10, "{pings} pings");
    assert!(slowest < Duration::from_secs(10), "a PING took {slowest:?}");
    let stats = server.connect().cmd(&["INFO", "stats"]).text();
    let received = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
    let received: usize = received.and_then(|count| count.parse().ok()).expect("a count of connections");
    assert!(received > 100_000, "{received} connections");
    if let (Some(before), Some(after)) = (before, resident_bytes(server)) {
        assert!(after < before + (64 << 20), "grew from {before} to {after} bytes");
    }
}

/// Some bytes that look more or less like a request.
fn garbage(state: &mut u64) -> Vec<u8> {
    let mut random = move || {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    };
    let mut bytes = match random() % 4 {
        0 => b"*2\r\n$3\r\nGET\r\n$1\r\n".to_vec(),
        1 => b"*1000000\r\n$100000000\r\n".to_vec(),
        2 => b"\x16\x03\x01\x02\x00GET / HTTP/1.1\r\n".to_vec(),
        _ => Vec::new(),
    };
    bytes.extend((0..random() % 40).map(|_| random() as u8));
    bytes
}

#[test]
fn one_byte_at_a_time_is_enough() {
    let server = Server::start();
    let stream = [encode(&["SET", "key", "value"]), b"GET key\r\n".to_vec(), encode(&["PING"])].concat();
    let mut slow: Vec<Connection> = (0..20).map(|_| server.connect()).collect();
    let mut other = server.connect();
    for byte in &stream {
        slow.iter_mut().for_each(|client| client.raw(&[*byte]));
        assert_eq!(other.cmd(&["PING"]), Reply::Simple("PONG".into()));
    }
    for client in &mut slow {
        assert_eq!([client.read(), client.read()], [Reply::ok(), Reply::bulk("value")]);
        assert_eq!(client.read(), Reply::Simple("PONG".into()));
    }
}

#[test]
fn slow_readers_of_big_replies_hinder_nobody() {
    const GETS: usize = 20;
    let server = Server::start();
    let value = vec![b'v'; 4 << 20];
    let mut client = server.connect();
    assert_eq!(client.cmd(&[b"SET", b"big".as_slice(), &value]), Reply::ok());
    let mut readers: Vec<Connection> = (0..5).map(|_| server.connect()).collect();
    for reader in &mut readers {
        (0..GETS).for_each(|_| reader.send(&["GET", "big"]));
        reader.send(&["PING"]);
    }
    for number in 0..200 {
        let start = Instant::now();
        assert_eq!(client.cmd(&["SET", "key", &number.to_string()]), Reply::ok());
        assert!(start.elapsed() < Duration::from_secs(10));
    }
    for reader in &mut readers {
        for _ in 0..GETS {
            assert!(reader.read() == Reply::Bulk(value.clone()));
        }
        assert_eq!(reader.read(), Reply::Simple("PONG".into()));
    }
}

#[test]
fn half_closed_clients_get_all_their_replies() {
    let server = Server::start();
    let mut client = server.connect();
    client.raw(b"PING\r\nSET key value\r\nGET key\r\n");
    client.half_close();
    assert_eq!(client.read_to_end(), b"+PONG\r\n+OK\r\n$5\r\nvalue\r\n");

    let pipeline = b"GET key\r\n".repeat(200_000);
    let mut client = server.connect();
    let replies = thread::scope(|scope| {
        let mut sender = client.sender();
        scope.spawn(move || {
            sender.raw(&pipeline);
            sender.half_close();
        });
        client.read_to_end()
    });
    assert_eq!(replies.len(), b"$5\r\nvalue\r\n".len() * 200_000);
}

#[test]
fn clients_that_vanish_mid_request_change_nothing() {
    let server = Server::start();
    let mut witness = server.connect();
    let whole = encode(&[b"SET", b"key".as_slice(), &[b'v'; 40_000]]);
    for end in (1..whole.len()).step_by(1999).chain([whole.len() - 2, whole.len() - 1]) {
        let mut stream = server.plain();
        stream.write_all(&whole[..end]).expect("the server takes bytes");
        if end % 2 == 0 {
            stream.shutdown(Shutdown::Write).expect("a half-closed socket");
        }
    }
    for _ in 0..20 {
        let mut stream = server.plain();
        stream.write_all(&b"GET key\r\n".repeat(1000)).expect("the server takes bytes");
    }
    assert_eq!(witness.cmd(&["GET", "key"]), Reply::Null);
}

#[test]
fn announced_lengths_are_not_allocated() {
    let server = Server::start();
    let Some(before) = resident_bytes(&server) else { return };
    let mut clients: Vec<Connection> = (0..200).map(|_| server.connect()).collect();
    for (index, client) in clients.iter_mut().enumerate() {
        client.raw(match index % 3 {
            0 => b"*2147483647\r\n$3\r\nGET\r\n",
            1 => b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\nabc",
            _ => b"*1\r\n$536870911\r\n",
        });
    }
    assert_eq!(server.connect().cmd(&["PING"]), Reply::Simple("PONG".into()));
    clients.iter_mut().for_each(|client| client.raw(b"x"));
    assert_eq!(server.connect().cmd(&["PING"]), Reply::Simple("PONG".into()));
    let after = resident_bytes(&server).expect("a size again");
    assert!(after < before + (64 << 20), "grew from {before} to {after} bytes");
}

#[test]
fn a_heavy_pipeline_does_not_starve_others() {
    let server = Server::start();
    let value = "v".repeat(1000);
    let commands = encode(&["SET", "key", &value]).repeat(200_000);
    let busy = AtomicBool::new(true);
    let (slowest, pings) = thread::scope(|scope| {
        let watcher = scope.spawn(|| slowest_ping(&server, &busy));
        let mut client = server.connect();
        let mut sender = client.sender();
        scope.spawn(move || sender.raw(&commands));
        (0..200_000).for_each(|_| assert_eq!(client.read(), Reply::ok()));
        busy.store(false, Ordering::Relaxed);
        watcher.join().expect("a watcher that ends")
    });
    assert!(pings > 10, "{pings} pings");
    assert!(slowest < Duration::from_millis(500), "a PING took {slowest:?}");
}

#[test]
fn the_client_too_many_is_told_and_room_is_given_back() {
    let server = Server::start_with(&["--maxclients", "5"]);
    let mut clients: Vec<Connection> = (0..5).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.cmd(&["PING"]), Reply::Simple("PONG".into())));
    for _ in 0..3 {
        let mut refused = server.connect();
        assert_eq!(refused.read(), Reply::Error("ERR max number of clients reached".into()));
        assert!(refused.is_closed());
    }
    clients.pop();
    wait_until("room for one more", || server.answer(b"QUIT\r\n", false) == "+OK\r\n");
    clients.iter_mut().for_each(|client| assert_eq!(client.cmd(&["PING"]), Reply::Simple("PONG".into())));
}

#[test]
fn exhausted_descriptors_hold_new_clients_up_for_a_while() {
    let server = Server::start();
    // The server keeps some descriptors for itself, so its limit is lowered behind its back, where that can be done.
    let limit = ["--pid", &server.pid().to_string(), "--nofile=24:24"];
    if !Command::new("prlimit").args(limit).status().is_ok_and(|status| status.success()) {
        return;
    }
    let mut clients: Vec<Connection> = (0..40).map(|_| server.connect()).collect();
    clients.iter_mut().for_each(|client| client.send(&["PING"]));
    wait_until("descriptors to run out", || server.log().contains("Accepting client connection: accept"));
    for _ in 0..100 {
        assert_eq!(clients[0].read(), Reply::Simple("PONG".into()));
        clients[0].send(&["PING"]);
    }
    clients.drain(..30);
    clients.iter_mut().for_each(|client| assert_eq!(client.read(), Reply::Simple("PONG".into())));
    drop(clients);
    wait_until("recovery", || server.answer(b"PING\r\nQUIT\r\n", false) == "+PONG\r\n+OK\r\n");
    assert!(server.log().matches("Accepting client connection").count() < 200, "accepting does not back off");
}

#[test]
fn input_beyond_the_query_buffer_limit_closes_its_client() {
    let server = Server::start_with(&["--client-query-buffer-limit", "1mb"]);
    let mut witness = server.connect();
    for head in [b"*1\r\n$100000000\r\n".as_slice(), b"*2000000\r\n$100\r\n"] {
        let mut stream = server.plain();
        stream.write_all(head).expect("the server takes bytes");
        let piece = match head.len() > 17 {
            true => [vec![b'x'; 100], b"\r\n$100\r\n".to_vec()].concat().repeat(600),
            false => vec![b'x'; 60_000],
        };
        let closed = (0..200).any(|_| stream.write_all(&piece).is_err());
        assert!(closed || stream.read(&mut [0; 1]).map_or(true, |count| count == 0), "still open");
        assert_eq!(witness.cmd(&["PING"]), Reply::Simple("PONG".into()));
    }
    let value = vec![b'v'; 900_000];
    assert_eq!(witness.cmd(&[b"SET", b"key".as_slice(), &value]), Reply::ok());
}

#[test]
fn input_behind_a_breach_of_the_protocol_is_not_kept() {
    let server = Server::start();
    let value = "x".repeat(100_000);
    server.connect().cmd(&["SET", "key", &value]);
    let mut stream = server.plain();
    // Unread replies keep the connection open behind the fault.
    stream.write_all(&encode(&["GET", "key"]).repeat(1000)).expect("room for requests");
    stream.write_all(b"*2\r\n$3\r\nGET\r\n").expect("room for a piece");
    wait_until("the replies are stuck", || {
        let list = server.connect().cmd(&["CLIENT", "LIST"]).text();
        list.lines().any(|line| line.contains("events=rw") && line.contains("cmd=get"))
    });
    stream.write_all(b"no bulk\r\n").expect("room for the fault");
    let before = resident_bytes(&server);
    let junk = vec![b'x'; 1 << 20];
    for _ in 0..200 {
        stream.write_all(&junk).expect("an open connection");
    }
    if let (Some(before), Some(after)) = (before, resident_bytes(&server)) {
        assert!(after < before + (64 << 20), "{} bytes are kept", after - before);
    }
}

#[test]
fn clients_in_the_middle_of_a_request_hold_no_output_buffer() {
    let server = Server::start();
    let (mut observer, mut reader, mut sender) = (server.connect(), server.connect(), server.connect());
    observer.cmd(&["SET", "key", &"x".repeat(15_000)]);
    sender.cmd(&["CLIENT", "SETNAME", "sender"]);
    // Its output leaves a buffer of that size behind for others.
    reader.cmd(&["MGET", "key", "key", "key", "key"]);
    sender.raw(b"*1\r\n");
    wait_until("the piece has arrived", || {
        let list = observer.cmd(&["CLIENT", "LIST"]).text();
        let line = list.lines().find(|line| line.contains("name=sender")).expect("its line").to_owned();
        let arrived = line.contains("qbuf=4 ");
        assert!(!arrived || line.contains(" rbs=0 "), "{line}");
        arrived
    });
}

#[test]
fn a_client_without_replies_gets_none_to_a_breach_of_the_protocol() {
    let server = Server::start();
    let requests = [encode(&["CLIENT", "REPLY", "OFF"]), b"*1\r\nbad\r\n".to_vec()].concat();
    assert_eq!(server.answer(&requests, false), "");
}

#[test]
fn output_beyond_its_limit_is_not_sent() {
    let server = Server::start_with(&["--client-output-buffer-limit", "normal 100000 0 0"]);
    let mut client = server.connect();
    client.cmd(&["SET", "key", &"x".repeat(10_000)]);
    assert_eq!(server.answer(&encode(&["GET", "key"]).repeat(50), false), "");
}

#[test]
fn the_longest_time_above_the_soft_output_limit_is_endless() {
    let server = Server::start();
    let mut client = server.connect();
    let limit = format!("normal 0 1 {}", i64::MAX);
    assert_eq!(client.cmd(&["CONFIG", "SET", "client-output-buffer-limit", &limit]), Reply::ok());
    client.cmd(&["SET", "key", &"x".repeat(20_000)]);
    for _ in 0..3 {
        assert_eq!(client.cmd(&["GET", "key"]).text().len(), 20_000);
    }
}

/// The server's resident memory, where the system tells it.
fn resident_bytes(server: &Server) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

/// Sends requests that have far longer answers than the limit of a megabyte, and says by how much memory grew.
fn asked_for_too_much(server: &Server, admin: &mut Connection, requests: &[Vec<&str>], usual: i64) -> i64 {
    let closed = "client_output_buffer_limit_disconnections";
    // What is left of the request before is not to be counted.
    wait_until("it is freed", || figure(admin, "used_memory") < usual + 1_000_000);
    admin.cmd(&["CONFIG", "RESETSTAT"]);
    let memory = figure(admin, "used_memory");
    let mut client = server.connect();
    let bytes: Vec<u8> = requests.iter().flat_map(|request| common::encode(request)).collect();
    client.raw(&bytes);
    assert!(client.read_to_end().len() < 2_000_000, "{:?}", requests[0][0]);
    wait_until("it is closed", || figure(admin, closed) == 1);
    figure(admin, "used_memory_peak") - memory
}

#[test]
fn an_answer_past_the_output_limit_is_not_built_to_its_end() {
    let server = Server::start_with(&["--client-output-buffer-limit", "normal 1mb 0 0"]);
    let mut admin = server.connect();
    let text = "x".repeat(10_000);
    for command in [
        &["SET", "text", &text][..],
        &["HSET", "hash", "field", &text],
        &["SADD", "set", &text],
        &["ZADD", "sorted", "1", &text],
        &["RPUSH", "list", "text"],
        &["XADD", "stream", "1-1", "f", &text],
        &["EVAL", "for i = 1, 300 do redis.call('rpush', 'long', ARGV[1]) end", "0", &text],
    ] {
        assert!(!matches!(admin.cmd(command), Reply::Error(_)), "{:?}", command[0]);
    }
    let many = |words: &[&'static str], times: usize| -> Vec<&'static str> {
        words.iter().copied().cycle().take(words.len() * times).collect()
    };
    let usual = figure(&mut admin, "used_memory");
    const TIMES: usize = 20_000;
    let huge = "-1000000000000";
    let streams = [many(&["stream"], 5000), many(&["0"], 5000)].concat();
    let script = "local all = {} for i = 1, 20000 do all[i] = ARGV[1] end return all";
    let transaction =
        [vec![vec!["MULTI"]], vec![vec!["GET", "text"]; TIMES], vec![vec!["SET", "done", "1"], vec!["EXEC"]]];
    let longs = [vec![vec!["MULTI"]], vec![vec!["LRANGE", "long", "0", "-1"]; 100], vec![vec!["EXEC"]]];
    for requests in [
        vec![vec!["SRANDMEMBER", "set", huge]],
        vec![vec!["HRANDFIELD", "hash", huge, "WITHVALUES"]],
        vec![vec!["ZRANDMEMBER", "sorted", huge]],
        vec![vec!["ZRANDMEMBER", "sorted", huge, "WITHSCORES"]],
        vec![[vec!["MGET"], many(&["text"], TIMES)].concat()],
        vec![[vec!["HMGET", "hash"], many(&["field"], TIMES)].concat()],
        vec![[vec!["SORT", "list", "BY", "nosort"], many(&["GET", "*"], TIMES)].concat()],
        vec![[vec!["XREAD", "STREAMS"], streams].concat()],
        vec![[vec!["COMMAND", "DOCS"], many(&["xadd"], TIMES)].concat()],
        vec![[vec!["COMMAND", "INFO"], many(&["xgroup"], TIMES)].concat()],
        vec![vec!["EVAL", script, "0", &text]],
        transaction.concat(),
        longs.concat(),
        vec![vec!["LRANGE", "long", "0", "-1"]],
    ] {
        let grown = asked_for_too_much(&server, &mut admin, &requests, usual);
        assert!(grown < 17_000_000, "{:?}: {grown}", requests[requests.len() / 2][0]);
    }
    // What a transaction writes is written all the same.
    assert_eq!(admin.cmd(&["GET", "done"]), Reply::bulk("1"));
}

#[test]
fn scripts_see_whole_answers_whatever_the_output_limit_of_their_client() {
    let server = Server::start_with(&["--client-output-buffer-limit", "normal 100kb 0 0"]);
    let mut client = server.connect();
    client.cmd(&["SADD", "set", &"x".repeat(1000)]);
    let script = "return #redis.call('srandmember', 'set', -5000)";
    assert_eq!(client.cmd(&["EVAL", script, "0"]), Reply::Integer(5000));
}
