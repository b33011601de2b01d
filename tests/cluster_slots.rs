//! Slots: the keyspace by slot, redirections, the CLUSTER commands of one node, and the way of slots between two.
//!
//! Nodes know one another from `nodes.conf`; nothing here waits for the bus.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::dataset::figure;
use common::{Connection, Reply, Server, binary, free_port, wait_until};

const IDS: [&str; 2] = ["aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"];

/// A word of a line, in which `\s` and `\n` stand for a blank and a line end, and `""` for nothing.
fn word(word: &str) -> String {
    word.replace("\\n", "\n").replace("\\s", " ").replace("\"\"", "")
}

fn run(client: &mut Connection, line: &str) -> Reply {
    client.cmd(&line.split(' ').map(word).collect::<Vec<_>>())
}

fn state_is_ok(server: &Server) -> bool {
    server.connect().cmd(&["CLUSTER", "INFO"]).text().contains("cluster_state:ok")
}

/// A node of its own cluster, which has all slots.
fn whole(arguments: &[&str]) -> Server {
    let bus_port = free_port().to_string();
    let common = ["--cluster-enabled", "yes", "--cluster-port", &bus_port, "--enable-debug-command", "yes"];
    let server = Server::start_with(&common.iter().chain(arguments).copied().collect::<Vec<_>>());
    let mut client = server.connect();
    // Slots of which it has loaded keys are its own already.
    if run(&mut client, "CLUSTER ADDSLOTSRANGE 0 16383") != Reply::ok() {
        (0..16384).for_each(|slot| client.send(&["CLUSTER", "ADDSLOTS", &slot.to_string()]));
        (0..16384).for_each(|_| _ = client.read());
    }
    wait_until("the cluster serves", || state_is_ok(&server));
    server
}

/// Two nodes, and where their `nodes.conf` are.
struct Pair {
    nodes: [Server; 2],
    _folders: [tempfile::TempDir; 2],
}

/// Two nodes that share all slots: the first has those below 8192.
fn pair() -> Pair {
    let ports = [free_port(), free_port()];
    let bus_ports = [free_port(), free_port()];
    let servers = [0, 1].map(|own| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let lines: String = [0, 1]
            .map(|node| {
                let flags = if node == own { "myself,master" } else { "master" };
                let (port, bus_port, epoch) = (ports[node], bus_ports[node], 2 - node);
                let slots = ["0-8191", "8192-16383"][node];
                format!("{} 127.0.0.1:{port}@{bus_port} {flags} - 0 0 {epoch} connected {slots}\n", IDS[node])
            })
            .concat();
        let file = directory.path().join("nodes.conf");
        fs::write(&file, lines + "vars currentEpoch 2 lastVoteEpoch 0\n").expect("a file");
        let file = file.to_str().expect("a path of text").to_owned();
        let bus_port = bus_ports[own].to_string();
        let arguments = [
            "--cluster-enabled",
            "yes",
            "--cluster-port",
            &bus_port,
            "--cluster-config-file",
            &file,
            "--cluster-node-timeout",
            "600000",
            "--enable-debug-command",
            "yes",
        ];
        let server = Server::start_on(ports[own], &binary(), Path::new("/dev/null"), &arguments);
        (server, directory)
    });
    let [one, other] = servers;
    let pair = Pair { nodes: [one.0, other.0], _folders: [one.1, other.1] };
    pair.nodes.iter().for_each(|server| wait_until("the cluster serves", || state_is_ok(server)));
    pair
}

fn shown(reply: &Reply) -> String {
    let all = |items: &[Reply]| items.iter().map(shown).collect::<Vec<_>>().join(" ");
    let pairs = |items: &[(Reply, Reply)]| {
        items.iter().map(|(key, value)| format!("{} {}", shown(key), shown(value))).collect::<Vec<_>>().join(" ")
    };
    match reply {
        Reply::Simple(text) => format!("+{text}"),
        Reply::Error(text) => format!("-{text}"),
        Reply::Integer(value) => format!(":{value}"),
        Reply::Bulk(bytes) => format!("'{}'", bytes.escape_ascii()),
        Reply::Verbatim(format, text) => format!("={format}'{}'", text.escape_default()),
        Reply::Null | Reply::NullArray => "nil".to_owned(),
        Reply::Array(items) => format!("[{}]", all(items)),
        Reply::Push(items) => format!(">[{}]", all(items)),
        Reply::Map(items) => format!("%[{}]", pairs(items)),
        other => format!("{other:?}"),
    }
}

/// Runs the calls of a list, and answers with what each was answered.
fn answers(server: &Server, calls: &[&str]) -> Vec<String> {
    let (mut client, mut aside) = (server.connect(), server.connect());
    let port = server.port().to_string();
    calls
        .iter()
        .map(|call| {
            match *call {
                "@ok" => wait_until("the cluster serves", || state_is_ok(server)),
                "@resp3" => _ = run(&mut client, "HELLO 3"),
                call => return answer(&mut client, &mut aside, &port, call),
            }
            String::new()
        })
        .collect()
}

/// How fields of CLUSTER INFO begin that the oracle does not have: what is known of slots that move all at once, of nodes
/// that are not reached, and of bytes.
const NEWER_FIELDS: [&str; 6] = [
    "cluster_slot_migration_",
    "cluster_nodes_",
    "cluster_voting_nodes_",
    "cluster_stats_bytes_",
    "cluster_stats_pubsub_bytes_",
    "cluster_stats_module_bytes_",
];

/// What a call is answered, without what differs from node to node.
fn answer(client: &mut Connection, aside: &mut Connection, port: &str, call: &str) -> String {
    let [own, shard] = ["CLUSTER MYID", "CLUSTER MYSHARDID"].map(|call| run(aside, call).text());
    let reply = shown(&run(client, &call.replace("$ME", &own)));
    let is_known = |line: &&str| !NEWER_FIELDS.iter().any(|newer| line.starts_with(newer));
    let reply = reply.split_inclusive("\\r\\n").filter(is_known).collect::<String>();
    reply.replace(&own, "ID").replace(&shard, "SHARD").replace(port, "PORT")
}

#[test]
fn a_node_answers_as_that_of_redis() {
    let file = include_str!("cluster_slots/commands.txt");
    let lines: Vec<(&str, &str)> =
        file.lines().filter(|line| !line.is_empty()).filter_map(|line| line.split_once(" => ")).collect();
    let calls: Vec<&str> = lines.iter().map(|(call, _)| *call).collect();
    let bus_port = free_port().to_string();
    let arguments = ["--cluster-enabled", "yes", "--cluster-port", &bus_port, "--cluster-announce-bus-port", "7"];
    let arguments = [&arguments[..], &["--cluster-announce-ip", "127.0.0.1"]].concat();
    let programs = [Some(binary()), std::env::var_os("OXIDIS_REDIS8")];
    for program in programs.iter().flatten() {
        let server = Server::start_program(program, &arguments);
        let found = answers(&server, &calls);
        for ((call, wanted), found) in lines.iter().zip(&found) {
            assert_eq!(found, wanted, "{call} at {program:?}");
        }
    }
}

#[test]
fn a_command_is_sent_to_the_node_that_has_its_slot() {
    let Pair { nodes, .. } = &pair();
    let [mut one, mut other] = [0, 1].map(|node: usize| nodes[node].connect());
    // foo is in slot 12182, bar in 5061.
    let moved = format!("MOVED 12182 127.0.0.1:{}", nodes[1].port());
    for call in ["GET foo", "SET foo 1", "EVAL return(1) 1 foo", "SPUBLISH foo x", "SSUBSCRIBE foo", "WATCH foo"] {
        assert_eq!(run(&mut one, call), Reply::error(&moved), "{call}");
    }
    assert_eq!(run(&mut other, "SET foo 1"), Reply::ok());
    assert_eq!(run(&mut other, "GET bar"), Reply::error(&format!("MOVED 5061 127.0.0.1:{}", nodes[0].port())));
    let script = run(&mut one, "EVAL return(redis.call('get','foo')) 0").into_error();
    assert!(script.starts_with("ERR Script attempted to access a non local key in a cluster node"), "{script}");
    run(&mut one, "MULTI");
    assert_eq!(run(&mut one, "GET foo"), Reply::error(&moved));
    assert!(run(&mut one, "EXEC").into_error().starts_with("EXECABORT"));
    // Only a replica is asked for what its primary has.
    assert_eq!(run(&mut one, "READONLY"), Reply::ok());
    assert_eq!(run(&mut one, "GET foo"), Reply::error(&moved));
    let flags = |client: &mut Connection| run(client, "CLIENT INFO").text();
    assert!(flags(&mut one).contains(" flags=r "));
    run(&mut one, "READWRITE");
    assert!(flags(&mut one).contains(" flags=N "));
}

#[test]
fn a_slot_moves_with_its_keys_and_nothing_is_lost_on_the_way() {
    let Pair { nodes, .. } = &pair();
    let [mut from, mut to] = [0, 1].map(|node: usize| nodes[node].connect());
    let (slot, port) = ("5061", nodes[1].port().to_string());
    for number in 0..20 {
        assert_eq!(from.cmd(&["SET", &format!("{{bar}}{number}"), &number.to_string()]), Reply::ok());
    }
    run(&mut from, "RPUSH {bar}list a b c");
    run(&mut from, "SET {bar}volatile x PX 600000");
    assert_eq!(run(&mut to, &format!("CLUSTER SETSLOT {slot} IMPORTING {}", IDS[0])), Reply::ok());
    assert_eq!(run(&mut from, &format!("CLUSTER SETSLOT {slot} MIGRATING {}", IDS[1])), Reply::ok());
    // What is there is served there, what is not is asked for at the other node.
    let ask = format!("ASK {slot} 127.0.0.1:{port}");
    let torn = "TRYAGAIN Multiple keys request during rehashing of slot";
    assert_eq!(run(&mut from, "GET {bar}1"), Reply::bulk("1"));
    assert_eq!(run(&mut from, "GET {bar}new"), Reply::error(&ask));
    assert_eq!(run(&mut from, "MGET {bar}1 {bar}new"), Reply::error(torn));
    let moved = format!("MOVED {slot} 127.0.0.1:{}", nodes[0].port());
    assert_eq!(run(&mut to, "SET {bar}new 1"), Reply::error(&moved));
    assert_eq!(run(&mut to, "ASKING"), Reply::ok());
    assert_eq!(run(&mut to, "SET {bar}new 1"), Reply::ok());
    assert_eq!(run(&mut to, "GET {bar}new"), Reply::error(&moved), "ASKING is for one command");
    run(&mut to, "ASKING");
    assert_eq!(run(&mut to, "MGET {bar}new {bar}1"), Reply::error(torn));
    run(&mut to, "ASKING");
    assert_eq!(run(&mut to, "MULTI"), Reply::ok());
    assert_eq!(run(&mut to, "GET {bar}new"), Reply::Simple("QUEUED".into()));
    assert_eq!(run(&mut to, "EXEC"), Reply::Array(vec![Reply::bulk("1")]), "and for a transaction");
    let refused = run(&mut from, &format!("CLUSTER SETSLOT {slot} NODE {}", IDS[1])).into_error();
    assert!(refused.contains("while I still hold keys for this hash slot"), "{refused}");
    loop {
        let Reply::Array(keys) = run(&mut from, &format!("CLUSTER GETKEYSINSLOT {slot} 7")) else { panic!("no list") };
        if keys.is_empty() {
            break;
        }
        let mut call: Vec<String> = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"].map(String::from).into();
        call.extend(keys.iter().map(Reply::text));
        assert_eq!(from.cmd(&call), Reply::ok());
    }
    assert_eq!(run(&mut from, &format!("CLUSTER COUNTKEYSINSLOT {slot}")), Reply::Integer(0));
    assert_eq!(run(&mut to, &format!("CLUSTER COUNTKEYSINSLOT {slot}")), Reply::Integer(23));
    for client in [&mut to, &mut from] {
        assert_eq!(run(client, &format!("CLUSTER SETSLOT {slot} NODE {}", IDS[1])), Reply::ok());
    }
    assert_eq!(run(&mut from, "GET {bar}1"), Reply::error(&format!("MOVED {slot} 127.0.0.1:{port}")));
    assert_eq!(run(&mut to, "GET {bar}19"), Reply::bulk("19"));
    assert_eq!(run(&mut to, "LRANGE {bar}list 0 -1"), Reply::bulks(&["a", "b", "c"]));
    let Reply::Integer(left) = run(&mut to, "PTTL {bar}volatile") else { panic!("no number") };
    assert!((1..=600_000).contains(&left), "{left}");
    let nodes = run(&mut to, "CLUSTER NODES").text();
    let own = nodes.lines().find(|line| line.contains("myself")).expect("a line about the node itself");
    assert!(own.contains(" 3 connected 5061 8192-16383"), "an epoch of its own, and the slot: {own}");
}

#[test]
fn clients_that_wait_are_sent_after_their_slot() {
    let Pair { nodes, .. } = &pair();
    let [mut waits, mut subscribed, mut control] = [(); 3].map(|()| nodes[0].connect());
    waits.send(&["BLPOP", "bar", "0"]);
    assert_eq!(run(&mut subscribed, "SSUBSCRIBE bar {bar}2").text_of_push(), ["ssubscribe", "bar", "1"]);
    assert_eq!(subscribed.read().text_of_push(), ["ssubscribe", "{bar}2", "2"]);
    wait_until("the client waits", || run(&mut control, "INFO clients").text().contains("blocked_clients:1"));
    assert_eq!(run(&mut control, &format!("CLUSTER SETSLOT 5061 NODE {}", IDS[1])), Reply::ok());
    assert_eq!(waits.read(), Reply::error(&format!("MOVED 5061 127.0.0.1:{}", nodes[1].port())));
    let mut ended = [subscribed.read().text_of_push(), subscribed.read().text_of_push()];
    ended.sort();
    assert_eq!([&ended[0][..2], &ended[1][..2]], [["sunsubscribe", "bar"], ["sunsubscribe", "{bar}2"]]);
    assert_eq!(run(&mut subscribed, "PING"), Reply::Simple("PONG".into()), "nothing is left of the subscriptions");
    // Without full coverage being asked for, a slot of nobody takes only its own clients down.
    run(&mut control, "CONFIG SET cluster-require-full-coverage no");
    waits.send(&["BLPOP", "{user1000}", "0"]);
    wait_until("the client waits", || run(&mut control, "INFO clients").text().contains("blocked_clients:1"));
    assert_eq!(run(&mut control, "CLUSTER DELSLOTS 3443"), Reply::ok());
    assert_eq!(waits.read(), Reply::error("CLUSTERDOWN Hash slot not served"));
}

#[test]
fn the_client_goes_where_it_is_sent_if_that_is_wanted() {
    let Pair { nodes, .. } = &pair();
    let client = |options: &[&str], call: &str| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_oxidis-cli"));
        program.args(["-p", &nodes[0].port().to_string()]).args(options).args(call.split(' '));
        String::from_utf8(program.output().expect("the client runs").stdout).expect("a text")
    };
    let moved = format!("MOVED 12182 127.0.0.1:{}\n\n", nodes[1].port());
    assert_eq!(client(&[], "SET foo 1"), moved);
    assert_eq!(client(&["-c"], "SET foo 1"), "OK\n");
    assert_eq!(client(&["-c", "-r", "3"], "INCR foo"), "2\n3\n4\n");
    let [mut from, mut to] = [0, 1].map(|node: usize| nodes[node].connect());
    run(&mut to, &format!("CLUSTER SETSLOT 5061 IMPORTING {}", IDS[0]));
    run(&mut from, &format!("CLUSTER SETSLOT 5061 MIGRATING {}", IDS[1]));
    assert_eq!(client(&["-c"], "SET bar 1"), "OK\n");
    assert_eq!(client(&["-c"], "GET bar"), "1\n");
    assert_eq!(run(&mut to, "CLUSTER COUNTKEYSINSLOT 5061"), Reply::Integer(1));
}

#[test]
fn the_keyspace_by_slot_is_walked_saved_and_loaded_whole() {
    let server = whole(&["--appendonly", "no"]);
    let mut client = server.connect();
    for number in 0..3000 {
        client.cmd(&["SET", &format!("key:{number}"), "v"]);
        client.cmd(&["SET", &format!("{{tag}}{}", number % 100), "v", "EX", "1000"]);
    }
    assert_eq!(run(&mut client, "DBSIZE"), Reply::Integer(3100));
    let walk = |client: &mut Connection, options: &str| {
        let (mut cursor, mut found, mut steps) = ("0".to_owned(), Vec::new(), 0);
        loop {
            let Reply::Array(step) = run(client, &format!("SCAN {cursor}{options}")) else { panic!("no array") };
            let [next, Reply::Array(keys)] = &step[..] else { panic!("no step") };
            found.extend(keys.iter().map(Reply::text));
            (cursor, steps) = (next.text(), steps + 1);
            if cursor == "0" {
                found.sort();
                return (found, steps);
            }
        }
    };
    let (all, _) = walk(&mut client, " COUNT 100");
    assert_eq!(all.len(), 3100);
    let (tagged, steps) = walk(&mut client, " MATCH {tag}* COUNT 1000");
    assert_eq!((tagged.len(), steps), (100, 1), "a pattern with a tag is looked for in one slot");
    let Reply::Array(keys) = run(&mut client, "KEYS {tag}1*") else { panic!("no array") };
    assert_eq!(keys.len(), 11);
    let slot = run(&mut client, "CLUSTER KEYSLOT tag");
    let Reply::Integer(slot) = slot else { panic!("no number") };
    assert_eq!(run(&mut client, &format!("CLUSTER COUNTKEYSINSLOT {slot}")), Reply::Integer(100));
    let mut drawn: Vec<String> = (0..200).map(|_| run(&mut client, "RANDOMKEY").text()).collect();
    drawn.sort();
    drawn.dedup();
    assert!(drawn.len() > 150, "{}", drawn.len());
    let digest = run(&mut client, "DEBUG DIGEST");
    assert_eq!(run(&mut client, "DEBUG RELOAD"), Reply::ok());
    assert_eq!(run(&mut client, "DEBUG DIGEST"), digest);
    assert_eq!(run(&mut client, &format!("CLUSTER COUNTKEYSINSLOT {slot}")), Reply::Integer(100));
    assert!(run(&mut client, "INFO keyspace").text().contains("db0:keys=3100,expires=100,"));
    for key in 0..100 {
        client.cmd(&["PEXPIRE", &format!("{{tag}}{key}"), "1"]);
    }
    wait_until("keys expire by themselves", || run(&mut client, "DBSIZE") == Reply::Integer(3000));
    assert_eq!(run(&mut client, "FLUSHALL ASYNC"), Reply::ok());
    assert_eq!((run(&mut client, "DBSIZE"), run(&mut client, "RANDOMKEY")), (Reply::Integer(0), Reply::Null));
}

#[test]
fn keys_are_evicted_from_all_slots_alike() {
    let server = whole(&["--maxmemory-policy", "allkeys-random"]);
    let mut client = server.connect();
    let value = "v".repeat(1000);
    (0..4000).for_each(|number| _ = client.cmd(&["SET", &format!("old:{number}"), &value]));
    let used = figure(&mut client, "used_memory");
    client.cmd(&["CONFIG", "SET", "maxmemory", &used.to_string()]);
    (0..2000).for_each(|number| assert_eq!(client.cmd(&["SET", &format!("new:{number}"), &value]), Reply::ok()));
    let Reply::Array(old) = run(&mut client, "KEYS old:*") else { panic!("no array") };
    assert!((1500..3500).contains(&old.len()), "{} of 4000 old keys are left", old.len());
}

#[test]
fn a_log_written_outside_of_a_cluster_is_loaded_though_its_commands_cross_slots() {
    let mut plain = Server::start_with(&["--appendonly", "yes"]);
    let mut client = plain.connect();
    for call in
        ["MSET foo 1 bar 2 baz 3", "RENAME foo qux", "SADD one a b", "SADD two b c", "SUNIONSTORE three one two"]
    {
        run(&mut client, call);
    }
    client.send(&["SHUTDOWN", "NOSAVE"]);
    assert!(plain.exit_within(common::PATIENCE).is_some());
    let log = plain.directory().join("appendonlydir");
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::rename(&log, directory.path().join("appendonlydir")).expect("the log moves");
    let path = directory.path().to_str().expect("a path of text");
    let server = whole(&["--appendonly", "yes", "--dir", path]);
    let mut client = server.connect();
    assert_eq!(run(&mut client, "GET qux"), Reply::bulk("1"));
    assert_eq!(run(&mut client, "SCARD three"), Reply::Integer(3));
}

trait PushText {
    fn text_of_push(&self) -> Vec<String>;
}

impl PushText for Reply {
    fn text_of_push(&self) -> Vec<String> {
        let (Reply::Array(items) | Reply::Push(items)) = self else { panic!("no message: {self:?}") };
        let text = |item: &Reply| match item {
            Reply::Integer(number) => number.to_string(),
            other => other.text(),
        };
        items.iter().map(text).collect()
    }
}
