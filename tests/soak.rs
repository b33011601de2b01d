//! Many connections, most of them idle: the short form of `scripts/soak`.

mod common;

use std::io::Write;
use std::net::{Ipv4Addr, TcpStream};

use common::{Connection, PATIENCE, Reply, Server, encode, wait_until};

const IDLE: usize = 300;
/// The most that an idle connection may take, in bytes; a redis-server 7.0 needs 2,252.
const IDLE_BYTES_MAX: u64 = 1200;

fn number(client: &mut Connection, name: &str) -> u64 {
    let text = client.cmd(&["INFO"]).text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn idle_connections_are_cheap_and_load_leaves_nothing_behind() {
    let server = Server::start();
    let mut client = server.connect();
    let ping = |client: &mut Connection| assert_eq!(client.cmd(&["PING"]), Reply::Simple("PONG".into()));
    let load = |rounds: usize| {
        let mut busy: Vec<Connection> = (0..10).map(|_| server.connect()).collect();
        for round in 0..rounds {
            for (number, client) in busy.iter_mut().enumerate() {
                let key = format!("key:{}", (round * 31 + number) % 500);
                client.raw(&[encode(&["SET", &key, &"x".repeat(100)]), encode(&["GET", &key])].concat());
            }
            busy.iter_mut().for_each(|client| {
                client.read();
                client.read();
            });
        }
    };
    load(500);
    wait_until("the clients to be gone", || number(&mut client, "connected_clients") == 1);
    let before = number(&mut client, "used_memory");
    let mut idle: Vec<Connection> = (0..IDLE).map(|_| server.connect()).collect();
    idle.iter_mut().for_each(ping);
    let with_idle = number(&mut client, "used_memory");
    assert!(with_idle - before < IDLE as u64 * IDLE_BYTES_MAX, "{} bytes", (with_idle - before) / IDLE as u64);
    load(1000);
    wait_until("the clients to be gone", || number(&mut client, "connected_clients") == IDLE as u64 + 1);
    let after = number(&mut client, "used_memory");
    assert!(after < with_idle + 300_000, "{with_idle} then {after}");
    idle.iter_mut().for_each(ping);
}

#[test]
fn slow_readers_are_cut_by_their_limits_and_their_memory_is_free_again() {
    let server =
        Server::start_with(&["--client-output-buffer-limit", "normal", "1mb", "0", "0", "pubsub", "1mb", "0", "0"]);
    let mut client = server.connect();
    client.cmd(&["SET", "big", &"x".repeat(20_000)]);
    let before = number(&mut client, "used_memory");
    let slow = |request: Vec<u8>| {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).expect("a connection");
        stream.set_write_timeout(Some(PATIENCE)).expect("a write timeout");
        stream.write_all(&request).expect("a request that is taken");
        stream
    };
    let _greedy: Vec<TcpStream> = (0..5).map(|_| slow(encode(&["GET", "big"]).repeat(1500))).collect();
    let cut = "client_output_buffer_limit_disconnections";
    wait_until("those who ask for too much to be cut", || number(&mut client, cut) == 5);
    let _deaf: Vec<TcpStream> = (0..5).map(|_| slow(encode(&["SUBSCRIBE", "news"]))).collect();
    wait_until("subscribers", || number(&mut client, "pubsub_clients") == 5);
    let message = "x".repeat(100_000);
    wait_until("subscribers that read nothing to be cut", || {
        (0..10).for_each(|_| drop(client.cmd(&["PUBLISH", "news", &message])));
        number(&mut client, cut) == 10
    });
    wait_until("their memory to be free", || number(&mut client, "used_memory") < before + 500_000);
}

#[test]
fn clients_that_take_too_much_together_go_the_largest_first() {
    let server = Server::start_with(&["--maxmemory-clients", "1mb"]);
    let mut control = server.connect();
    assert_eq!(control.cmd(&["CLIENT", "NO-EVICT", "on"]), Reply::ok());
    let hold = |name: &str, bytes: usize| {
        let mut client = server.connect();
        assert_eq!(client.cmd(&["CLIENT", "SETNAME", name]), Reply::ok());
        client.raw(&[format!("*2\r\n${bytes}\r\n").into_bytes(), vec![b'x'; bytes]].concat());
        client
    };
    let named = |control: &mut Connection, name: &str| control.cmd(&["CLIENT", "LIST"]).text().contains(name);
    let arrived = |control: &mut Connection, bytes: usize| {
        let field = format!(" qbuf={bytes} ");
        wait_until("its input", || control.cmd(&["CLIENT", "LIST"]).text().contains(&field));
    };
    let _small = hold("small", 200_000);
    arrived(&mut control, 200_000);
    let _large = hold("large", 600_000);
    arrived(&mut control, 600_000);
    let _last = hold("last", 400_000);
    wait_until("the largest to go", || !named(&mut control, "name=large"));
    arrived(&mut control, 400_000);
    assert!(named(&mut control, "name=small") && named(&mut control, "name=last"));
    assert_eq!(number(&mut control, "evicted_clients"), 1);
}

#[test]
fn eviction_takes_as_many_keys_as_it_must_and_no_more() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["CONFIG", "SET", "latency-tracking", "no"]);
    for policy in ["allkeys-random", "allkeys-lru", "allkeys-lfu", "volatile-ttl"] {
        client.cmd(&["CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", policy]);
        client.cmd(&["FLUSHALL"]);
        let set = |client: &mut Connection, number: usize| {
            assert_eq!(client.cmd(&["SETEX", &format!("key:{number}"), "10000", "x"]), Reply::ok(), "{policy}");
        };
        (0..2000).for_each(|number| set(&mut client, number));
        number(&mut client, "used_memory");
        let limit = number(&mut client, "used_memory");
        client.cmd(&["CONFIG", "SET", "maxmemory", &limit.to_string()]);
        (2000..4000).for_each(|number| set(&mut client, number));
        // How many keys that is depends on how full the table happens to be.
        let Reply::Integer(kept) = client.cmd(&["DBSIZE"]) else { panic!("no size") };
        assert!(kept >= 1500, "{policy} left {kept} of 2000 keys");
        let used = number(&mut client, "used_memory");
        assert!(used.abs_diff(limit) <= limit / 50, "{policy} left {used} of {limit} bytes in use");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn memory_goes_back_to_the_system_when_all_is_deleted() {
    let server = Server::start();
    let mut client = server.connect();
    let value = "x".repeat(1000);
    for start in (0..60_000).step_by(1000) {
        let mut words = vec!["MSET".to_owned()];
        (start..start + 1000).for_each(|number| words.extend([format!("key:{number}"), value.clone()]));
        assert_eq!(client.cmd(&words), Reply::ok());
    }
    let full = number(&mut client, "used_memory_rss");
    client.cmd(&["FLUSHALL", "ASYNC"]);
    wait_until("memory to be given back", || number(&mut client, "used_memory_rss") < full / 2);
}
