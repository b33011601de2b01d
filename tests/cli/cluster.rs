//! `--cluster`, with clusters of our nodes, beside redis-cli where that has the same to say.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::comparison::redis_cli;
use super::program::{Destination, client, run};
use crate::common::tls::{TlsServer, file};
use crate::common::{Connection, Reply, Server, binary, free_port, wait_until};

/// Longer than any test, so that no node takes another for dead that only waits for the processor.
const NODE_TIMEOUT_MS: &str = "60000";

/// Nodes that know nothing of one another.
fn nodes(count: usize, arguments: &[&str]) -> Vec<Server> {
    (0..count).map(|_| node(arguments)).collect()
}

fn node(arguments: &[&str]) -> Server {
    let bus_port = free_port().to_string();
    let own = ["--cluster-enabled", "yes", "--cluster-port", &bus_port, "--cluster-node-timeout", NODE_TIMEOUT_MS];
    Server::start_with(&[&own, arguments].concat())
}

fn place(node: &Server) -> String {
    format!("127.0.0.1:{}", node.port())
}

fn id(node: &Server) -> String {
    node.connect().cmd(&["CLUSTER", "MYID"]).text()
}

/// Runs a command of `--cluster`.
fn manage(args: &[&str], input: &str) -> Output {
    run(&client(), &[&["--cluster"], args].concat(), Destination::Pipe, input.as_bytes())
}

/// Its output, when all goes well.
fn managed(args: &[&str], input: &str) -> String {
    let output = manage(args, input);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{args:?}:\n{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Its output and what it says on standard error, when it fails.
fn refused(args: &[&str]) -> String {
    let output = manage(args, "");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert_eq!(output.status.code(), Some(1), "{args:?}:\n{text}");
    text
}

fn serves(node: &Server) -> bool {
    node.connect().cmd(&["CLUSTER", "INFO"]).text().contains("cluster_state:ok")
}

/// Makes a cluster of nodes.
fn create(nodes: &[Server], options: &[&str]) -> String {
    let places: Vec<String> = nodes.iter().map(place).collect();
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    let text = managed(&[&["create"], &places[..], &["--cluster-yes"], options].concat(), "");
    nodes.iter().for_each(|node| wait_until("the cluster serves", || serves(node)));
    text
}

/// A cluster of so many primaries.
fn cluster(count: usize, arguments: &[&str]) -> Vec<Server> {
    let nodes = nodes(count, arguments);
    create(&nodes, &[]);
    nodes
}

/// How many slots a node has, as it says itself.
fn slots(node: &Server) -> usize {
    let lines = node.connect().cmd(&["CLUSTER", "NODES"]).text();
    let own = lines.lines().find(|line| line.contains("myself")).expect("a line about itself").to_owned();
    let ranges = own.split(' ').skip(8).filter(|range| !range.starts_with('['));
    let length = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        last.parse::<usize>().expect("a slot") + 1 - first.parse::<usize>().expect("a slot")
    };
    ranges.map(length).sum()
}

/// A client that goes where it is sent.
struct Follower {
    port: u16,
    connections: BTreeMap<u16, Connection>,
}

impl Follower {
    fn of(node: &Server) -> Follower {
        Follower { port: node.port(), connections: BTreeMap::new() }
    }

    fn cmd(&mut self, words: &[&str]) -> Reply {
        let (mut port, mut asks) = (self.port, false);
        loop {
            let connection = self.connections.entry(port).or_insert_with(|| Connection::to(port));
            if asks {
                connection.cmd(&["ASKING"]);
            }
            let reply = connection.cmd(words);
            let Reply::Error(text) = &reply else { return reply };
            asks = text.starts_with("ASK ");
            if !asks && !text.starts_with("MOVED ") {
                return reply;
            }
            port = text.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        }
    }
}

/// Checks a cluster until it is found well, since nodes hear of what was done through one another.
fn becomes_well(node: &Server) {
    wait_until("the cluster is well", || manage(&["check", &place(node)], "").status.success());
}

#[test]
fn a_cluster_with_replicas_is_made_and_shown_as_redis_cli_shows_it() {
    let nodes = nodes(6, &[]);
    let text = create(&nodes, &["--cluster-replicas", "1"]);
    for line in
        ["Master[0] -> Slots 0 - 5460\n", "Master[2] -> Slots 10923 - 16383\n", "[OK] All 16384 slots covered.\n"]
    {
        assert!(text.contains(line), "{text}");
    }
    assert!(text.contains("[WARNING] Some slaves are in the same host as their master\n"), "{text}");
    let first = place(&nodes[0]);
    let roles: Vec<Reply> = nodes.iter().map(|node| node.connect().cmd(&["ROLE"])).collect();
    let is_replica = |role: &Reply| matches!(role, Reply::Array(parts) if parts[0] == Reply::bulk("slave"));
    assert_eq!(roles.iter().map(is_replica).collect::<Vec<_>>(), [false, false, false, true, true, true]);
    becomes_well(&nodes[0]);

    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path().to_str().expect("a path");
    let ids: Vec<String> = nodes.iter().map(id).collect();
    let (weight, other) = (format!("{}=2.5", &ids[0][..9]), place(&nodes[4]));
    let port = nodes[1].port().to_string();
    let Some(theirs) = redis_cli("a_cluster_with_replicas_is_made_and_shown_as_redis_cli_shows_it") else { return };
    for args in [
        &["check", &first][..],
        &["check", "127.0.0.1", &port],
        &["info", &other],
        &["fix", &first],
        &["call", &first, "CONFIG", "GET", "port"],
        &["call", &first, "GET", "--cluster-only-replicas"],
        &["call", &first, "CLUSTER", "MYID", "--cluster-only-masters"],
        &["set-timeout", &first, NODE_TIMEOUT_MS],
        &["set-timeout", &first, "50"],
        &["create", &first, &other],
        &["create", &first, &other, "nowhere"],
        &["rebalance", &first],
        &["rebalance", &first, "--cluster-simulate", "--verbose", "--cluster-weight", &weight],
        &["rebalance", &first, "--cluster-weight", "none=3"],
        &["reshard", &first, "--cluster-from", "all", "--cluster-to", &ids[1], "--cluster-slots", "100"],
        &["reshard", &first, "--cluster-from", &ids[1], "--cluster-to", &ids[1], "--cluster-slots", "1"],
        &["reshard", &first, "--cluster-from", &ids[3], "--cluster-to", &ids[1], "--cluster-slots", "1"],
        &["add-node", &other, &first],
        &["add-node", &other, &first, "--cluster-slave", "--cluster-master-id", "none"],
        &["del-node", &first, &ids[1]],
        &["del-node", &first, "none"],
        &["import", &first],
        &["import", &first, "--cluster-from", &other],
        &["backup", &first, "/nowhere/at/all"],
        &["backup", &first, folder],
        &["check"],
        &["nothing"],
    ] {
        let said = |program| {
            let output = run(program, &[&["--cluster"], args].concat(), Destination::Pipe, b"no\n");
            // Snapshots made one after the other need not be of the same size.
            let told = String::from_utf8_lossy(&output.stderr).replace(|c: char| c.is_ascii_digit(), "");
            (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), told)
        };
        assert_eq!(said(&client()), said(&theirs), "{args:?}");
    }
}

/// For each of the first slots a hash tag that leads there.
fn tags(slots: usize) -> Vec<String> {
    let mut tags: Vec<Option<String>> = vec![None; slots];
    for number in 0.. {
        let tag = number.to_string();
        if let Some(place) = tags.get_mut(usize::from(oxidis::slot_of(tag.as_bytes()))) {
            place.get_or_insert(tag);
        }
        if tags.iter().all(Option::is_some) {
            break;
        }
    }
    tags.into_iter().flatten().collect()
}

#[test]
fn slots_move_with_keys_of_every_kind_while_clients_write() {
    const SLOTS: usize = 40;
    let nodes = cluster(3, &[]);
    let tags = tags(SLOTS);
    let mut follower = Follower::of(&nodes[0]);
    for tag in &tags {
        let key = |kind: &str| format!("{kind}:{{{tag}}}");
        follower.cmd(&["SET", &key("string"), "value", "EX", "10000"]);
        follower.cmd(&["RPUSH", &key("list"), "a", "b"]);
        follower.cmd(&["SADD", &key("set"), "a", "1"]);
        follower.cmd(&["ZADD", &key("sorted"), "1", "a"]);
        follower.cmd(&["HSET", &key("hash"), "field", "value"]);
        follower.cmd(&["XADD", &key("stream"), "1-1", "field", "value"]);
    }
    let counter = |number: usize| format!("counter:{{{}}}", tags[number % SLOTS]);
    let ends = AtomicBool::new(false);
    let written = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut follower = Follower::of(&nodes[1]);
            let mut written = 0;
            while !ends.load(Ordering::Relaxed) {
                let reply = follower.cmd(&["INCR", &counter(written)]);
                assert!(matches!(reply, Reply::Integer(_)), "{reply:?}");
                written += 1;
            }
            written
        });
        let [from, to, count] = [id(&nodes[0]), id(&nodes[2]), SLOTS.to_string()];
        let options = ["--cluster-from", &from, "--cluster-to", &to, "--cluster-slots", &count, "--cluster-yes"];
        let output = manage(&[&["reshard", &place(&nodes[1])], &options[..]].concat(), "");
        ends.store(true, Ordering::Relaxed);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.matches("\nMoving slot ").count() == SLOTS, "{text}");
        writer.join().expect("a writer")
    });
    assert_eq!((slots(&nodes[0]), slots(&nodes[2])), (5461 - SLOTS, 5461 + SLOTS));
    becomes_well(&nodes[0]);
    let counted = (0..SLOTS).map(|number| follower.cmd(&["GET", &counter(number)]).text().parse().unwrap_or(0));
    assert_eq!(counted.sum::<usize>(), written);
    for tag in &tags {
        let key = |kind: &str| format!("{kind}:{{{tag}}}");
        assert_eq!(follower.cmd(&["GET", &key("string")]), Reply::bulk("value"));
        assert!(matches!(follower.cmd(&["TTL", &key("string")]), Reply::Integer(9000..=10000)));
        assert_eq!(follower.cmd(&["LRANGE", &key("list"), "0", "-1"]), Reply::bulks(&["a", "b"]));
        assert_eq!(follower.cmd(&["SCARD", &key("set")]), Reply::Integer(2));
        assert_eq!(follower.cmd(&["ZSCORE", &key("sorted"), "a"]), Reply::bulk("1"));
        assert_eq!(follower.cmd(&["HGET", &key("hash"), "field"]), Reply::bulk("value"));
        assert_eq!(follower.cmd(&["XLEN", &key("stream")]), Reply::Integer(1));
    }
    let left = nodes[0].connect().cmd(&["DBSIZE"]);
    assert_eq!(left, Reply::Integer(0));
}

#[test]
fn slots_are_balanced_by_weights() {
    let nodes = cluster(3, &[]);
    // Few slots are to move, since each takes its time.
    let weights: Vec<String> =
        nodes.iter().zip(["1", "1.01", "1"]).map(|(node, weight)| format!("{}={weight}", &id(node)[..10])).collect();
    let options = ["--cluster-threshold", "0.3", "--cluster-weight", &weights[0], &weights[1], &weights[2]];
    let text = managed(&[&["rebalance", &place(&nodes[0])], &options[..]].concat(), "");
    assert!(text.contains(">>> Rebalancing across 3 nodes. Total weight = 3.01\n"), "{text}");
    let signs: usize = text.lines().filter(|line| line.starts_with('#')).map(str::len).sum();
    let counts: Vec<usize> = nodes.iter().map(slots).collect();
    assert_eq!((signs, counts), (36, vec![5443, 5498, 5443]), "{text}");
    assert!(managed(&["rebalance", &place(&nodes[0])], "").contains("No rebalancing needed!"));
    let zero: Vec<String> = nodes.iter().map(|node| format!("{}=0", id(node))).collect();
    assert!(
        refused(&["rebalance", &place(&nodes[0]), "--cluster-weight", &zero[0], &zero[1], &zero[2]])
            .contains("weights")
    );
    assert!(refused(&["rebalance", &place(&nodes[0]), "--cluster-weight", "x=-1"]).contains("*** invalid input x=-1"));
}

#[test]
fn nodes_come_and_go() {
    let nodes = cluster(3, &[]);
    let first = place(&nodes[0]);
    let code = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    managed(&["call", &first, "FUNCTION", "LOAD", code], "");
    let [primary, replica, with_function] = [node(&[]), node(&[]), node(&[])];
    let text = managed(&["add-node", &place(&primary), &first], "");
    assert!(text.ends_with("[OK] New node added correctly.\n"), "{text}");
    assert!(primary.connect().cmd(&["FUNCTION", "LIST"]) != Reply::Array(Vec::new()));
    let knows = |node: &Server, count: usize| {
        let text = node.connect().cmd(&["CLUSTER", "NODES"]).text();
        text.lines().count() == count && !text.contains("handshake")
    };
    nodes.iter().chain([&primary]).for_each(|node| wait_until("all know the new node", || knows(node, 4)));
    becomes_well(&nodes[0]);

    let second = id(&nodes[1]);
    let options = ["--cluster-slave", "--cluster-master-id", &second];
    let text = managed(&[&["add-node", &place(&replica), &first], &options[..]].concat(), "");
    assert!(text.contains(&format!(">>> Configure node as replica of {}.\n", place(&nodes[1]))), "{text}");
    assert!(replica.connect().cmd(&["CLUSTER", "NODES"]).text().contains(&format!("myself,slave {second} ")));
    let all: Vec<&Server> = nodes.iter().chain([&primary, &replica]).collect();
    all.iter().for_each(|node| wait_until("all know the replica", || knows(node, 5)));
    becomes_well(&nodes[0]);

    with_function.connect().cmd(&["FUNCTION", "LOAD", code]);
    assert!(refused(&["add-node", &place(&with_function), &first]).contains("already contains functions"));
    assert!(refused(&["del-node", &first, &second]).contains("is not empty! Reshard data away and try again."));
    managed(&["del-node", &first, &id(&primary)], "");
    wait_until("the node that left knows itself alone", || knows(&primary, 1));
    nodes.iter().for_each(|node| assert!(knows(node, 4)));
    managed(&["del-node", &first, &id(&replica)], "");
    becomes_well(&nodes[0]);
}

#[test]
fn broken_moves_lost_slots_and_scattered_keys_are_mended() {
    let nodes = cluster(3, &[]);
    let ids: Vec<String> = nodes.iter().map(id).collect();
    let mut each: Vec<Connection> = nodes.iter().map(Server::connect).collect();
    let first = place(&nodes[0]);
    // The slots of "foo" and "{a}", 12182 and 15495, are the third node's, those of "b" and "bar", 3300 and 5061, the first's.
    let mut set = |node: usize, key: &str, from: Option<(&str, usize)>| {
        if let Some((slot, owner)) = from {
            each[node].cmd(&["CLUSTER", "SETSLOT", slot, "IMPORTING", &ids[owner]]);
            each[node].cmd(&["ASKING"]);
        }
        assert_eq!(each[node].cmd(&["SET", key, "value"]), Reply::ok(), "{key}");
    };
    set(2, "foo", None);
    set(2, "{a}1", None);
    set(0, "{a}2", Some(("15495", 2)));
    set(0, "b", None);
    set(0, "bar", None);
    each[2].cmd(&["CLUSTER", "SETSLOT", "12182", "MIGRATING", &ids[1]]);
    each[1].cmd(&["CLUSTER", "SETSLOT", "12182", "IMPORTING", &ids[2]]);
    each[0].cmd(&["CLUSTER", "SETSLOT", "3300", "MIGRATING", &ids[1]]);
    let text = refused(&["check", &first]);
    assert!(text.contains("[WARNING] The following slots are open: 3300,12182,15495.\n"), "{text}");
    assert!(refused(&["reshard", &first]).contains("*** Please fix your cluster problems before resharding\n"));
    let text = managed(&["fix", &first], "");
    for case in
        ["Case 4: Closing slot 3300 on", "Case 1: Moving slot 12182 from", "Case 2: Moving all the 15495 slot keys"]
    {
        assert!(text.contains(case), "{text}");
    }
    becomes_well(&nodes[0]);
    assert_eq!(nodes[1].connect().cmd(&["GET", "foo"]), Reply::bulk("value"));

    // Nobody has the slot any more, but one has its key.
    nodes.iter().for_each(|node| assert_eq!(node.connect().cmd(&["CLUSTER", "DELSLOTS", "5061"]), Reply::ok()));
    let text = managed(&["fix", &first], "yes\n");
    assert!(text.contains("The following uncovered slots have keys in just one node:\n[5061]\n"), "{text}");
    assert!(text.contains(&format!(">>> Covering slot 5061 with {first}\n")), "{text}");
    becomes_well(&nodes[0]);
    nodes.iter().for_each(|node| wait_until("the cluster serves", || serves(node)));
    assert_eq!(nodes[0].connect().cmd(&["GET", "bar"]), Reply::bulk("value"));

    // Two have keys of the slot, and only one knows.
    let mut second = nodes[1].connect();
    second.cmd(&["CLUSTER", "SETSLOT", "3300", "IMPORTING", &ids[0]]);
    second.cmd(&["ASKING"]);
    assert_eq!(second.cmd(&["SET", "{b}", "other"]), Reply::ok());
    second.cmd(&["CLUSTER", "SETSLOT", "3300", "STABLE"]);
    assert!(manage(&["check", &first], "").status.success());
    let search = "--cluster-search-multiple-owners";
    assert!(refused(&["check", &first, search]).contains("[WARNING] Slot 3300 has 2 owners:\n"));
    managed(&["fix", &first, search], "");
    wait_until("one node has the slot", || manage(&["check", &first, search], "").status.success());
    let mut follower = Follower::of(&nodes[2]);
    for (key, value) in [("b", "value"), ("{b}", "other"), ("{a}1", "value"), ("{a}2", "value"), ("foo", "value")] {
        assert_eq!(follower.cmd(&["GET", key]), Reply::bulk(value), "{key}");
    }
}

/// A node whose state outlives it.
fn lasting(port: u16, bus_port: u16, folder: &Path) -> Server {
    let (bus_port, folder) = (bus_port.to_string(), folder.to_str().expect("a path"));
    let state = ["--dir", folder, "--appendonly", "yes", "--appendfsync", "always"];
    let own = ["--cluster-enabled", "yes", "--cluster-port", &bus_port, "--cluster-node-timeout", NODE_TIMEOUT_MS];
    Server::start_on(port, &binary(), Path::new("/dev/null"), &[&own[..], &state].concat())
}

#[test]
fn a_node_that_dies_while_slots_move_to_it_loses_nothing_and_the_move_is_mended() {
    let folder = tempfile::tempdir().expect("a folder");
    let (port, bus_port) = (free_port(), free_port());
    let mut nodes = nodes(2, &[]);
    nodes.push(lasting(port, bus_port, folder.path()));
    create(&nodes, &[]);
    let mut follower = Follower::of(&nodes[0]);
    for number in 0..300 {
        assert_eq!(follower.cmd(&["SET", &format!("key:{number}"), &number.to_string()]), Reply::ok());
    }
    let [from, to] = [id(&nodes[0]), id(&nodes[2])];
    let mut reshard = Command::new(client())
        .args(["--cluster", "reshard", &place(&nodes[1]), "--cluster-from", &from, "--cluster-to", &to])
        .args(["--cluster-slots", "4000", "--cluster-timeout", "5000", "--cluster-yes"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the client starts");
    let mut stdout = reshard.stdout.take().expect("a pipe");
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    let moving = |text: &[u8]| String::from_utf8_lossy(text).contains("\nMoving slot 20 ");
    while !moving(&text) {
        let count = stdout.read(&mut buffer).expect("output");
        assert!(count > 0, "{}", String::from_utf8_lossy(&text));
        text.extend_from_slice(&buffer[..count]);
    }
    let mut dying = nodes.pop().expect("the third node");
    dying.signal("KILL");
    dying.exit_within(std::time::Duration::from_secs(30)).expect("an end");
    stdout.read_to_end(&mut text).expect("output");
    let text = String::from_utf8_lossy(&text).into_owned();
    assert_eq!(reshard.wait().expect("an end").code(), Some(1), "{text}");
    assert!(text.contains("\nclusterManagerMoveSlot failed: "), "{text}");
    assert!(text.ends_with("may be left open: once its nodes are reachable, --cluster fix ends its move.\n"), "{text}");
    drop(dying);

    nodes.push(lasting(port, bus_port, folder.path()));
    wait_until("the cluster is mended", || {
        manage(&["fix", &place(&nodes[1])], "yes\n").status.success()
            && manage(&["check", &place(&nodes[1])], "").status.success()
    });
    nodes.iter().for_each(|node| wait_until("the cluster serves", || serves(node)));
    let mut follower = Follower::of(&nodes[0]);
    for number in 0..300 {
        assert_eq!(follower.cmd(&["GET", &format!("key:{number}")]), Reply::bulk(number.to_string()), "{number}");
    }
}

#[test]
fn keys_of_a_single_server_are_imported() {
    let password = ["--requirepass", "secret"];
    let nodes = nodes(3, &[&password[..], &["--masterauth", "secret"]].concat());
    let places: Vec<String> = nodes.iter().map(place).collect();
    let login = ["-a", "secret", "--no-auth-warning"];
    let made = ["create", &places[0], &places[1], &places[2], "--cluster-yes"];
    managed(&[&made[..], &login].concat(), "");
    let source = Server::start_with(&["--requirepass", "other"]);
    let mut connection = source.connect();
    connection.cmd(&["AUTH", "other"]);
    for number in 0..200 {
        connection.cmd(&["SET", &format!("key:{number}"), "value"]);
    }
    connection.cmd(&["SET", "binary\0\r\n\u{e9}", "value"]);
    let import = ["import", &places[1], "--cluster-from", &place(&source)];
    assert!(refused(&[&import[..], &login].concat()).contains("Source 127.0.0.1:"));
    let wrong = ["--cluster-from-pass", "wrong"];
    assert!(refused(&[&import[..], &login, &wrong].concat()).contains("AUTH failed: WRONGPASS"));
    let right = ["--cluster-from-user", "default", "--cluster-from-pass", "other", "--cluster-copy"];
    let wait = |node: &Server| {
        let mut connection = node.connect();
        connection.cmd(&["AUTH", "secret"]);
        wait_until("the cluster serves", || connection.cmd(&["CLUSTER", "INFO"]).text().contains("cluster_state:ok"));
    };
    nodes.iter().for_each(wait);
    let text = managed(&[&import[..], &login, &right].concat(), "");
    assert_eq!(text.matches(": OK\n").count(), 201, "{text}");
    assert_eq!(connection.cmd(&["DBSIZE"]), Reply::Integer(201));
    assert!(refused(&[&import[..], &login, &right].concat()).contains("BUSYKEY"));
    managed(&[&import[..], &login, &right[..4], &["--cluster-replace"]].concat(), "");
    assert_eq!(connection.cmd(&["DBSIZE"]), Reply::Integer(0));
    let sizes = managed(&[&["call", &places[0], "DBSIZE"], &login[..]].concat(), "");
    let sizes =
        sizes.lines().skip(1).map(|line| line.rsplit(' ').next().expect("a size").parse::<usize>().expect("a size"));
    assert_eq!(sizes.sum::<usize>(), 201);
}

#[test]
fn a_backup_has_a_snapshot_of_each_primary_and_tells_who_had_what() {
    let nodes = cluster(3, &[]);
    let mut follower = Follower::of(&nodes[0]);
    for number in 0..100 {
        follower.cmd(&["SET", &format!("key:{number}"), "value"]);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let text = managed(&["backup", &place(&nodes[0]), folder.path().to_str().expect("a path")], "");
    assert!(text.ends_with(&format!("[OK] Backup created into: {}\n", folder.path().display())), "{text}");
    let mut keys = 0;
    for node in &nodes {
        let name = format!("redis-node-127.0.0.1-{}-{}.rdb", node.port(), id(node));
        let loaded = Server::start_with(&["--dir", folder.path().to_str().expect("a path"), "--dbfilename", &name]);
        let Reply::Integer(size) = loaded.connect().cmd(&["DBSIZE"]) else { panic!("a number of keys") };
        keys += size;
    }
    assert_eq!(keys, 100);
    let json = fs::read_to_string(folder.path().join("nodes.json")).expect("a file");
    assert!(json.starts_with("[\n  {\n    \"name\": \"") && json.ends_with("\n  }\n]"), "{json}");
    assert!(
        json.contains("    \"slots\": [[0,5460]],\n    \"slots_count\": 5461,\n    \"flags\": \"master\",\n"),
        "{json}"
    );
}

#[test]
fn a_cluster_of_nodes_that_speak_tls_is_made_and_slots_move() {
    let nodes: Vec<TlsServer> = (0..3)
        .map(|_| {
            let bus_port = free_port().to_string();
            let own = ["--cluster-enabled", "yes", "--cluster-port", &bus_port, "--tls-cluster", "yes"];
            TlsServer::start(&[&own[..], &["--cluster-node-timeout", NODE_TIMEOUT_MS]].concat())
        })
        .collect();
    let places: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
    let [authority, certificate, key] = ["ca.crt", "client.crt", "client.key"].map(file);
    let tls = ["--tls", "--cacert", &authority, "--cert", &certificate, "--key", &key];
    let made = ["create", &places[0], &places[1], &places[2], "--cluster-yes"];
    managed(&[&made[..], &tls].concat(), "");
    nodes.iter().for_each(|node| wait_until("the cluster serves", || serves(&node.server)));
    // The slot of "b" is 3300.
    assert_eq!(nodes[0].connect().cmd(&["SET", "b", "value"]), Reply::ok());
    let [from, to] = [id(&nodes[0].server), id(&nodes[1].server)];
    let reshard = ["reshard", &places[2], "--cluster-from", &from, "--cluster-to", &to, "--cluster-slots", "20"];
    let text = managed(&[&reshard[..], &["--cluster-yes"], &tls].concat(), "");
    assert_eq!(text.matches("\nMoving slot ").count(), 20, "{text}");
    nodes[1].connect().cmd(&["CLUSTER", "SETSLOT", "3300", "IMPORTING", &from]);
    nodes[0].connect().cmd(&["CLUSTER", "SETSLOT", "3300", "MIGRATING", &to]);
    managed(&[&["fix", &places[2]], &tls[..]].concat(), "");
    assert_eq!(nodes[1].connect().cmd(&["GET", "b"]), Reply::bulk("value"));
}

#[test]
fn questions_are_asked_and_no_answer_is_none() {
    let nodes = cluster(3, &[]);
    let first = place(&nodes[0]);
    let ids: Vec<String> = nodes.iter().map(id).collect();
    let answers = format!("0\n17000\n3\n{}\n{}\ndone\nyes\n", ids[1], ids[0]);
    let text = managed(&["reshard", &first], &answers);
    assert_eq!(text.matches("How many slots do you want to move (from 1 to 16384)? ").count(), 3, "{text}");
    assert_eq!((slots(&nodes[0]), slots(&nodes[1])), (5458, 5465));
    becomes_well(&nodes[0]);
    for input in ["", "3\n", "3\nnobody\n"] {
        let output = manage(&["reshard", &first], input);
        assert_eq!(output.status.code(), Some(1), "{input:?}");
    }
    let answers = format!("3\n{}\nall\nno\n", ids[1]);
    assert_eq!(manage(&["reshard", &first], &answers).status.code(), Some(1));
    assert_eq!((slots(&nodes[0]), slots(&nodes[1])), (5458, 5465));
    assert!(refused(&["help"]).contains("\n  reshard        <host:port> or <host> <port>\n"));
}
