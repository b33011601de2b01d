//! Replication between real processes: this server and, where it is installed, real Redis on either side.
//!
//! Each test ends with the same data on all nodes, which DEBUG DIGEST tells.

mod common;

use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::{Connection, PATIENCE, Reply, Server, binary, free_port, wait_until};

/// Arguments every node gets: tests look at digests, and nobody should wait for further replicas.
const COMMON: [&str; 4] = ["--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0"];

/// Real Redis, if it is there.
fn redis() -> Option<OsString> {
    let paths = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&paths).map(|path| path.join("redis-server")).find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: there is no redis-server");
    }
    found.map(Into::into)
}

fn start(program: &OsStr, arguments: &[&str]) -> Server {
    let all: Vec<&str> = COMMON.iter().chain(arguments).copied().collect();
    Server::start_program(program, &all)
}

fn node(arguments: &[&str]) -> Server {
    start(&binary(), arguments)
}

/// A field of INFO replication.
fn field(server: &Server, name: &str) -> String {
    let text = server.connect().cmd(&["INFO", "ALL"]).text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in:\n{text}")).to_owned()
}

fn follow(replica: &Server, port: u16) {
    assert_eq!(replica.connect().cmd(&["REPLICAOF", "127.0.0.1", &port.to_string()]), Reply::ok());
    wait_for_link(replica);
}

fn wait_for_link(replica: &Server) {
    wait_until("the link is up", || field(replica, "master_link_status") == "up");
}

fn digest(server: &Server) -> String {
    server.connect().cmd(&["DEBUG", "DIGEST"]).text()
}

/// Waits until all have the history and the data of the first.
fn wait_for_same(nodes: &[&Server]) {
    let offset = |server: &Server| {
        let role = server.connect().cmd(&["ROLE"]);
        let Reply::Array(parts) = role else { panic!("{role:?}") };
        let at = if parts[0] == Reply::bulk("master") { &parts[1] } else { &parts[4] };
        at.clone()
    };
    wait_until("all have the same offset", || {
        let first = offset(nodes[0]);
        nodes[1..].iter().all(|node| offset(node) == first) && offset(nodes[0]) == first
    });
    // What expires at this moment is there on some of them a little longer.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let digests: Vec<String> = nodes.iter().map(|node| digest(node)).collect();
        assert!(digests[0] != "0".repeat(40), "there is no data");
        if digests.iter().all(|digest| *digest == digests[0]) {
            return;
        }
        assert!(Instant::now() < deadline, "{digests:?}: {:?}", differing(nodes));
        thread::sleep(Duration::from_millis(20));
    }
}

/// Keys that are not the same everywhere.
fn differing(nodes: &[&Server]) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for db in 0..3 {
        let mut clients: Vec<Connection> = nodes.iter().map(|node| node.connect()).collect();
        let db_name = db.to_string();
        clients.iter_mut().for_each(|client| _ = client.cmd(&["SELECT", &db_name]));
        let mut keys = Vec::new();
        for client in &mut clients {
            let Reply::Array(here) = client.cmd(&["KEYS", "*"]) else { continue };
            keys.extend(here.iter().map(Reply::text));
        }
        keys.sort();
        keys.dedup();
        for key in keys {
            let values: Vec<String> = clients
                .iter_mut()
                .map(|client| format!("{:?}", client.cmd(&["DEBUG", "DIGEST-VALUE", &key])))
                .collect();
            if values.iter().any(|value| *value != values[0]) {
                found.push((db, [vec![key.clone()], values].concat()));
            }
        }
    }
    found
}

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)) % sides
    }
}

/// Writes of all types, the same for the same seed.
fn write_everything(client: &mut Connection, seed: u64, commands: usize) {
    let mut dice = Dice(seed);
    let mut asked = 0;
    for number in 0..commands {
        let (key, member) = (dice.roll(40), dice.roll(60));
        let big = "x".repeat(dice.roll(300) as usize);
        let line = match dice.roll(22) {
            0 => format!("SET s{key} {member}{big}"),
            1 => format!("SET s{key} v PX {}", 1 + dice.roll(2000)),
            2 => format!("INCR n{key}"),
            3 => format!("APPEND s{key} {member}"),
            4 => format!("LPUSH l{key} {member} {big}y"),
            5 => format!("RPOP l{key}"),
            6 => format!("LREM l{key} 1 {member}"),
            7 => format!("SADD t{key} {member} m{member}"),
            8 => format!("SPOP t{key}"),
            9 => format!("HSET h{key} f{member} {big}1"),
            10 => format!("HINCRBYFLOAT g{key} f{member} 0.25"),
            11 => format!("HDEL h{key} f{member}"),
            12 => format!("ZADD z{key} {} m{member}", dice.roll(1000)),
            13 => format!("ZPOPMIN z{key}"),
            14 => format!("XADD x{key} MAXLEN ~ 50 * f {member}"),
            15 => format!("XGROUP CREATE x{key} g 0 MKSTREAM"),
            16 => format!("XREADGROUP GROUP g c COUNT 2 STREAMS x{key} >"),
            17 => format!("PEXPIRE h{key} {}", 1 + dice.roll(3000)),
            18 => format!("PFADD p{key} {member}"),
            19 => format!("DEL s{key} l{key}"),
            20 => format!("SETRANGE r{key} {} {member}", 40_000 + dice.roll(100)),
            _ => format!("SELECT {}", dice.roll(3)),
        };
        let transaction = dice.roll(20) == 0;
        if transaction {
            client.send(&["MULTI"]);
        }
        client.send(&line.split(' ').collect::<Vec<_>>());
        asked += 1;
        if transaction {
            client.send(&["INCR".to_owned(), format!("n{key}")]);
            client.send(&["EXEC"]);
            asked += 3;
        }
        if asked > 200 || number + 1 == commands {
            (0..std::mem::take(&mut asked)).for_each(|_| _ = client.read());
        }
    }
}

/// A way between two nodes that can be cut.
struct Wire {
    port: u16,
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl Wire {
    fn to(target: u16) -> Wire {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let streams: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let kept = Arc::clone(&streams);
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else { continue };
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"));
                    thread::spawn(move || carry(from, to));
                }
                kept.lock().expect("the streams").extend([near, far]);
            }
        });
        Wire { port, streams }
    }

    fn cut(&self) {
        for stream in self.streams.lock().expect("the streams").drain(..) {
            // It may be cut already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// A primary under load gets a replica, whose link is then cut again and again.
fn under_load(primary: &Server, replica: &Server) {
    write_everything(&mut primary.connect(), 1, 3000);
    let wire = Wire::to(primary.port());
    let port = primary.port();
    let writer = thread::spawn(move || write_everything(&mut Connection::to(port), 2, 6000));
    follow(replica, wire.port);
    for _ in 0..4 {
        let before: u64 = field(primary, "sync_partial_ok").parse().expect("a number");
        wire.cut();
        wait_until("the replica comes back", || {
            field(primary, "sync_partial_ok").parse::<u64>().expect("a number") > before
        });
        wait_for_link(replica);
    }
    writer.join().expect("all was written");
    wait_for_same(&[primary, replica]);
    assert_eq!(field(primary, "sync_full"), "1", "all later ones were partial");
}

#[test]
fn a_replica_follows_under_load_and_through_cuts() {
    for diskless in ["yes", "no"] {
        let primary = node(&["--repl-diskless-sync", diskless]);
        under_load(&primary, &node(&[]));
    }
}

#[test]
fn a_replica_loads_from_the_socket() {
    for (mode, diskless) in [("on-empty-db", "yes"), ("swapdb", "yes"), ("swapdb", "no")] {
        let primary = node(&["--repl-diskless-sync", diskless]);
        let replica = node(&["--repl-diskless-load", mode]);
        replica.connect().cmd(&["SET", "old", "data"]);
        if mode == "on-empty-db" {
            replica.connect().cmd(&["FLUSHALL"]);
        }
        under_load(&primary, &replica);
    }
}

#[test]
fn redis_follows_this_server() {
    let Some(redis) = redis() else { return };
    for diskless in ["yes", "no"] {
        let primary = node(&["--repl-diskless-sync", diskless]);
        under_load(&primary, &start(&redis, &[]));
    }
}

#[test]
fn this_server_follows_redis() {
    let Some(redis) = redis() else { return };
    for diskless in ["yes", "no"] {
        let primary = start(&redis, &["--repl-diskless-sync", diskless]);
        under_load(&primary, &node(&[]));
    }
}

#[test]
fn a_chain_of_both_has_one_history() {
    let Some(redis) = redis() else { return };
    let first = node(&[]);
    write_everything(&mut first.connect(), 3, 2000);
    let (second, third, fourth) = (start(&redis, &[]), node(&[]), start(&redis, &[]));
    follow(&second, first.port());
    let wire = Wire::to(second.port());
    follow(&third, wire.port);
    follow(&fourth, third.port());
    write_everything(&mut first.connect(), 4, 2000);
    wire.cut();
    write_everything(&mut first.connect(), 5, 500);
    wait_for_link(&third);
    wait_for_same(&[&first, &second, &third, &fourth]);
    let ids = [&first, &second, &third, &fourth].map(|node| field(node, "master_replid"));
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(field(&second, "sync_full"), "1");
}

#[test]
fn a_replica_that_is_promoted_keeps_the_others_and_the_old_primary_partially() {
    let (first, second, third) = (node(&[]), node(&[]), node(&[]));
    follow(&second, first.port());
    follow(&third, first.port());
    write_everything(&mut first.connect(), 6, 1000);
    wait_for_same(&[&first, &second, &third]);
    assert_eq!(second.connect().cmd(&["REPLICAOF", "NO", "ONE"]), Reply::ok());
    follow(&third, second.port());
    follow(&first, second.port());
    write_everything(&mut second.connect(), 7, 500);
    wait_for_same(&[&second, &first, &third]);
    assert_eq!((field(&second, "sync_full"), field(&second, "sync_partial_ok")), ("0".into(), "2".into()));
}

#[test]
fn a_restarted_replica_goes_on_where_its_file_ends() {
    let primary = node(&[]);
    write_everything(&mut primary.connect(), 8, 1000);
    let port = free_port().to_string();
    let folder = tempfile::tempdir().expect("a folder");
    let of = format!("127.0.0.1 {}", primary.port());
    let folder = folder.path().to_str().expect("a path").to_owned();
    let arguments = ["--save", "3600 1", "--dir", &folder, "--port", &port, "--replicaof", &of];
    let mut replica = node(&arguments);
    let port: u16 = port.parse().expect("a port");
    let up = || Connection::to(port).cmd(&["INFO", "replication"]).text().contains("master_link_status:up");
    wait_until("the link is up", up);
    replica.terminate();
    replica.exit_within(PATIENCE).expect("it ends");
    write_everything(&mut primary.connect(), 9, 300);
    let _again = node(&arguments);
    wait_until("the link is up", up);
    assert_eq!((field(&primary, "sync_full"), field(&primary, "sync_partial_ok")), ("1".into(), "1".into()));
    let digest_of_replica = || Connection::to(port).cmd(&["DEBUG", "DIGEST"]).text();
    wait_until("it has the data", || digest_of_replica() == digest(&primary));
}

#[test]
fn a_replica_refuses_writes_and_hides_what_has_expired() {
    let (primary, replica) = (node(&[]), node(&[]));
    follow(&replica, primary.port());
    let (mut at_primary, mut at_replica) = (primary.connect(), replica.connect());
    assert!(at_replica.cmd(&["SET", "a", "b"]).into_error().starts_with("READONLY "));
    at_primary.cmd(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    at_primary.cmd(&["SET", "gone", "1", "PX", "20"]);
    at_primary.cmd(&["WAIT", "1", "0"]);
    wait_until("it is hidden", || at_replica.cmd(&["GET", "gone"]) == Reply::Null);
    assert_eq!(at_replica.cmd(&["DBSIZE"]), Reply::Integer(1), "but it is there");
    assert_eq!(at_primary.cmd(&["GET", "gone"]), Reply::Null);
    at_primary.cmd(&["WAIT", "1", "0"]);
    assert_eq!(at_replica.cmd(&["DBSIZE"]), Reply::Integer(0));
}

#[test]
fn failover_exchanges_two_nodes_without_losing_a_write() {
    let (first, second) = (node(&[]), node(&[]));
    follow(&second, first.port());
    write_everything(&mut first.connect(), 10, 500);
    wait_until("the replica is online", || field(&first, "slave0").contains("state=online"));
    assert_eq!(first.connect().cmd(&["FAILOVER", "TO", "127.0.0.1", &second.port().to_string()]), Reply::ok());
    wait_until("the first follows", || field(&first, "role") == "slave");
    wait_for_link(&first);
    assert_eq!(
        (field(&second, "role"), field(&first, "master_failover_state")),
        ("master".into(), "no-failover".into())
    );
    write_everything(&mut second.connect(), 11, 200);
    wait_for_same(&[&second, &first]);
    assert_eq!(field(&second, "sync_full"), "0");
}

#[test]
fn writes_are_refused_without_enough_good_replicas() {
    let (primary, replica) = (node(&["--min-replicas-to-write", "1"]), node(&[]));
    let mut client = primary.connect();
    assert!(client.cmd(&["SET", "a", "1"]).into_error().starts_with("NOREPLICAS "));
    follow(&replica, primary.port());
    wait_until("a replica is good", || client.cmd(&["SET", "a", "1"]) == Reply::ok());
}

#[test]
fn a_cut_off_replica_shows_nothing_stale_where_that_is_not_wanted() {
    let replica = node(&["--replica-serve-stale-data", "no"]);
    let mut client = replica.connect();
    client.cmd(&["SET", "a", "1"]);
    client.cmd(&["REPLICAOF", "127.0.0.1", &free_port().to_string()]);
    assert!(client.cmd(&["GET", "a"]).into_error().starts_with("MASTERDOWN "));
    assert_eq!(client.cmd(&["PING"]).into_error().split(' ').next(), Some("MASTERDOWN"));
    client.cmd(&["REPLICAOF", "NO", "ONE"]);
    assert_eq!(client.cmd(&["GET", "a"]), Reply::bulk("1"));
}

/// The bytes of a request.
fn request(words: &[&str]) -> Vec<u8> {
    common::encode(words)
}

/// What a primary by hand is asked, and how it answers.
fn serve_handshake(stream: &mut TcpStream, steps: &[(&[&str], &str)]) {
    for (words, answer) in steps {
        let expected = request(words);
        let mut came = vec![0; expected.len()];
        stream.read_exact(&mut came).expect("a request");
        assert_eq!(String::from_utf8_lossy(&came), String::from_utf8_lossy(&expected));
        stream.write_all(answer.as_bytes()).expect("an answer is taken");
    }
}

/// An empty data set.
const EMPTY: &[u8] =
    b"REDIS0011\xfa\tredis-ver\x057.2.0\xfa\nredis-bits\xc0@\xfa\x05ctime\xc2m\x08\xbce\xfa\x08used-mem\
\xc2\xb0\xc4\x10\x00\xfa\x08aof-base\xc0\x00\xff\xf0n;\xfe\xc0\xffZ\xa2";

#[test]
fn a_primary_by_hand_is_greeted_in_order_and_told_offsets() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let of = format!("127.0.0.1 {}", listener.local_addr().expect("an address").port());
    let replica = node(&["--replicaof", &of]);
    let (mut stream, _) = listener.accept().expect("the replica comes");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let port = replica.port().to_string();
    let id = "75cd7bc10c49047e0d163660f3b90625b1af31dc";
    serve_handshake(
        &mut stream,
        &[
            (&["PING"], "+PONG\r\n"),
            (&["REPLCONF", "listening-port", &port], "+OK\r\n"),
            (&["REPLCONF", "capa", "eof", "capa", "psync2"], "+OK\r\n"),
            (&["PSYNC", "?", "-1"], &format!("+FULLRESYNC {id} 0\r\n")),
        ],
    );
    // The data set and the first requests arrive in one packet.
    let mut packet = format!("${}\r\n", EMPTY.len()).into_bytes();
    packet.extend_from_slice(EMPTY);
    packet.extend(request(&["REPLCONF", "GETACK", "*"]));
    packet.extend(request(&["PING"]));
    packet.extend(request(&["SET", "foo", "123"]));
    packet.extend(request(&["REPLCONF", "GETACK", "*"]));
    stream.write_all(&packet).expect("the packet is taken");
    let mut acks = Vec::new();
    while acks.len() < 2 {
        acks.push(read_ack(&mut stream));
    }
    assert_eq!(acks, ["0", "82"], "each counts what came before it");
    assert_eq!(replica.connect().cmd(&["GET", "foo"]), Reply::bulk("123"));
}

/// Reads `REPLCONF ACK <offset>`, the offset.
fn read_ack(stream: &mut TcpStream) -> String {
    let head = b"*3\r\n$8\r\nREPLCONF\r\n$3\r\nACK\r\n$";
    let mut came = vec![0; head.len()];
    stream.read_exact(&mut came).expect("an ACK");
    assert_eq!(came, head);
    let mut line = || {
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\r\n") {
            stream.read_exact(&mut byte).expect("a byte");
            line.push(byte[0]);
        }
        String::from_utf8(line).expect("text").trim().to_owned()
    };
    line();
    line()
}

/// A replica by hand: it has the empty data set, and nothing more has come.
fn replica_by_hand(primary: &Server) -> Connection {
    let mut replica = primary.connect();
    assert_eq!(replica.cmd(&["PING"]), Reply::Simple("PONG".into()));
    assert_eq!(replica.cmd(&["REPLCONF", "listening-port", "6380"]), Reply::ok());
    assert_eq!(replica.cmd(&["REPLCONF", "capa", "psync2"]), Reply::ok());
    let text = replica.cmd(&["PSYNC", "?", "-1"]).text();
    let words: Vec<&str> = text.split(' ').collect();
    assert_eq!((words[0], words[1].len(), words[2]), ("FULLRESYNC", 40, "0"));
    let mut head = String::new();
    while !head.ends_with("\r\n") {
        head.push(replica.byte() as char);
        // Signs of life while the data set is saved.
        head = head.trim_start_matches('\n').to_owned();
    }
    let length: usize = head.trim().strip_prefix('$').expect("a length").parse().expect("a number");
    let file: Vec<u8> = (0..length).map(|_| replica.byte()).collect();
    assert!(file.starts_with(b"REDIS0"));
    replica
}

#[test]
fn replicas_by_hand_get_the_stream_and_are_waited_for() {
    let primary = node(&[]);
    let mut replicas: Vec<Connection> = (0..3).map(|_| replica_by_hand(&primary)).collect();
    let mut client = primary.connect();
    assert_eq!(client.cmd(&["WAIT", "0", "60000"]), Reply::Integer(3), "nobody is waited for");
    assert_eq!(client.cmd(&["WAIT", "3", "60000"]), Reply::Integer(3), "nothing was written");
    client.cmd(&["SET", "foo", "123"]);
    client.send(&["WAIT", "2", "500"]);
    let started = Instant::now();
    for replica in &mut replicas {
        assert_eq!(replica.read(), Reply::bulks(&["SELECT", "0"]));
        assert_eq!(replica.read(), Reply::bulks(&["SET", "foo", "123"]));
        assert_eq!(replica.read(), Reply::bulks(&["REPLCONF", "GETACK", "*"]));
    }
    let offset = field(&primary, "master_repl_offset").parse::<i64>().expect("a number") - 37;
    replicas[0].send(&["REPLCONF", "ACK", &offset.to_string()]);
    assert_eq!(client.read(), Reply::Integer(1), "one has told so within the time");
    let waited = started.elapsed();
    assert!(waited >= Duration::from_millis(480) && waited < Duration::from_millis(900), "{waited:?}");
    replicas[1].send(&["REPLCONF", "ACK", &offset.to_string()]);
    assert_eq!(client.cmd(&["WAIT", "2", "5000"]), Reply::Integer(2));
}

#[test]
fn nonsense_from_a_primary_ends_the_link_and_is_tried_again() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let of = format!("127.0.0.1 {}", listener.local_addr().expect("an address").port());
    let replica = node(&["--replicaof", &of]);
    let answers: [&[u8]; 6] = [
        b"-ERR no\r\n",
        b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC what\r\n",
        b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC 75cd7bc10c49047e0d163660f3b90625b1af31dc 0\r\nhello\r\n",
        b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC 75cd7bc10c49047e0d163660f3b90625b1af31dc 0\r\n$5\r\nREDIS",
        b"+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC 75cd7bc10c49047e0d163660f3b90625b1af31dc 0\r\n$x\r\n",
        b"+PONG\r\n+OK\r\n+OK\r\n+CONTINUE\r\n",
    ];
    for answer in answers {
        let (mut stream, _) = listener.accept().expect("the replica comes again");
        stream.write_all(answer).expect("bytes are taken");
        stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert_eq!(replica.connect().cmd(&["PING"]), Reply::Simple("PONG".into()));
}
