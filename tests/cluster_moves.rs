//! Atomic slot migration: slots with all they hold go from node to node, whatever happens on the way.
//!
//! Nodes know one another from `nodes.conf`. Where a node has to misbehave a test takes its place on the connection.

mod common;

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use common::cluster::{IDS, Node, Role, slots_of, start_cluster};
use common::{Connection, Reply, Server, binary, free_port, run, wait_until};

/// Slots of the first node.
const MOVED: &str = "0 8191";
/// Hash tags whose slots are the first node's.
const TAGS: [&str; 6] = ["bar", "b", "f", "j", "2", "6"];

/// Primaries `a` (slots below 8192) and `b`, and, with replicas, one of each.
fn cluster(replicas: bool, options: &[&str]) -> Vec<Node> {
    let options = [&["--cluster-node-timeout", "60000"], options].concat();
    let primaries = [Role::Primary("0-8191"), Role::Primary("8192-16383")];
    let all = [&primaries[..], &[Role::Replica(0), Role::Replica(1)]].concat();
    start_cluster(if replicas { &all } else { &primaries }, &binary(), &options)
}

/// Fields of a task at a node, by name.
fn task(node: &Node, id: &str) -> Vec<(String, String)> {
    let Reply::Array(tasks) = node.ask(&format!("CLUSTER MIGRATION STATUS ID {id}")) else { panic!("no list") };
    let Some(Reply::Array(fields)) = tasks.first() else { return Vec::new() };
    let shown = |reply: &Reply| if let Reply::Integer(value) = reply { value.to_string() } else { reply.text() };
    fields.chunks(2).map(|pair| (pair[0].text(), shown(&pair[1]))).collect()
}

fn field(node: &Node, id: &str, name: &str) -> String {
    let fields = task(node, id);
    fields.into_iter().find(|(field, _)| field == name).map_or_else(String::new, |(_, value)| value)
}

fn import(node: &Node, ranges: &str) -> String {
    node.ask(&format!("CLUSTER MIGRATION IMPORT {ranges}")).text()
}

fn completes(node: &Node, id: &str) {
    wait_until("the task completes", || match field(node, id, "state").as_str() {
        "completed" => true,
        "canceled" => panic!("{:?}", task(node, id)),
        _ => false,
    });
}

/// Keys of every type, in slots of the first node.
fn fill(client: &mut Connection) -> Vec<String> {
    let mut keys = Vec::new();
    for tag in TAGS {
        let calls = [
            "SET {t}string text",
            "SET {t}number 12345",
            "SET {t}expiring text PX 3600000",
            "RPUSH {t}list a b 3 d",
            "SADD {t}intset 1 2 3",
            "SADD {t}set a b c",
            "ZADD {t}sorted 1 a 2.5 b",
            "HSET {t}hash f v g w",
            "HPEXPIRE {t}hash 3600000 FIELDS 1 f",
            "XADD {t}stream 1-1 f v",
            "XADD {t}stream 2-1 f v",
            "XGROUP CREATE {t}stream group 0",
            "XREADGROUP GROUP group me COUNT 1 STREAMS {t}stream >",
            "PFADD {t}log a b c",
            "SETBIT {t}bits 1000 1",
        ];
        for call in calls {
            let reply = run(client, &call.replace("{t}", &format!("{{{tag}}}")));
            assert!(!matches!(reply, Reply::Error(_)), "{call}: {reply:?}");
        }
        let big = format!("{{{tag}}}big");
        for part in 0..5 {
            let members: Vec<String> = (0..1000).map(|number| format!("member:{part}:{number}")).collect();
            let words: Vec<&str> = ["SADD", &big].into_iter().chain(members.iter().map(String::as_str)).collect();
            client.cmd(&words);
        }
        let names =
            ["string", "number", "expiring", "list", "intset", "set", "sorted", "hash", "stream", "log", "bits"];
        keys.extend(names.iter().map(|name| format!("{{{tag}}}{name}")));
        keys.push(big);
    }
    keys
}

/// What keys are, with when they expire.
fn contents(client: &mut Connection, keys: &[String]) -> Vec<String> {
    let one = |key: &String| {
        let digest = client.cmd(&["DEBUG", "DIGEST-VALUE", key]);
        let Reply::Integer(expiry) = client.cmd(&["PEXPIRETIME", key]) else { panic!("no time") };
        format!("{key} {digest:?} {expiry}")
    };
    keys.iter().map(one).collect()
}

/// Small keys in slots of the first node, `each` with every tag.
fn small_keys(client: &mut Connection, each: usize) {
    for number in 0..each {
        TAGS.iter().for_each(|tag| client.send(&["SET", &format!("{{{tag}}}{number}"), "value"]));
    }
    (0..each * TAGS.len()).for_each(|_| assert_eq!(client.read(), Reply::ok()));
}

/// Increments counters of all tags until told to stop, wherever they are; the last value of each that was acknowledged.
fn count_up(ports: [u16; 2], name: &str, stop: &AtomicBool) -> Vec<(String, i64)> {
    let mut clients = ports.map(Connection::to);
    let mut counters: Vec<(String, i64)> = TAGS.iter().map(|tag| (format!("{{{tag}}}{name}"), 0)).collect();
    let mut at = 0;
    while !stop.load(Ordering::Relaxed) {
        for (key, value) in &mut counters {
            match clients[at].cmd(&["INCR", key]) {
                Reply::Integer(now) => *value = now,
                Reply::Error(error) if error.starts_with("MOVED") => at = 1 - at,
                other => panic!("{other:?}"),
            }
        }
    }
    counters
}

#[test]
fn slots_move_with_all_they_hold_and_no_acknowledged_write_is_lost() {
    let nodes = cluster(true, &[]);
    let (from, to) = (&nodes[0], &nodes[1]);
    let mut source = from.client();
    let keys = fill(&mut source);
    small_keys(&mut source, 500);
    assert_eq!(run(&mut to.client(), "SET foo stays"), Reply::ok());
    let before = contents(&mut source, &keys);
    let stop = AtomicBool::new(false);
    let ports = [from.port, to.port];
    thread::scope(|scope| {
        let stop = &stop;
        let writers: Vec<_> = ["one", "other"].map(|name| scope.spawn(move || count_up(ports, name, stop))).into();
        let id = import(to, MOVED);
        assert_eq!(id.len(), 40);
        completes(to, &id);
        wait_until("the source knows", || field(from, &id, "state") == "completed");
        stop.store(true, Ordering::Relaxed);
        let mut dest = to.client();
        for writer in writers {
            for (key, value) in writer.join().expect("a writer") {
                assert!(value > 0, "{key}");
                assert_eq!(dest.cmd(&["GET", &key]), Reply::bulk(value.to_string()), "{key}");
            }
        }
        for (node, operation) in [(to, "import"), (from, "migrate")] {
            let shown = task(node, &id);
            let names: Vec<&str> = shown.iter().map(|(name, _)| name.as_str()).collect();
            let known = ["id", "slots", "source", "dest", "operation", "state", "last_error", "retries", "create_time"];
            assert_eq!(names[..9], known);
            assert_eq!(names[9..12], ["start_time", "end_time", "write_pause_ms"]);
            let value = |name: &str| field(node, &id, name);
            assert_eq!([value("slots"), value("operation")], ["0-8191", operation]);
            assert_eq!([value("source"), value("dest")], [IDS[0], IDS[1]]);
            assert_eq!([value("last_error"), value("retries"), value("progress_percent")], ["", "0", "100"]);
        }
    });
    assert_eq!(contents(&mut to.client(), &keys), before);
    assert_eq!(run(&mut to.client(), "GET foo"), Reply::bulk("stays"));
    let moved = format!("MOVED 5061 127.0.0.1:{}", to.port);
    assert_eq!(run(&mut source, "GET bar"), Reply::error(&moved));
    for node in &nodes {
        wait_until("everybody knows", || slots_of(node, IDS[1]) == 16384 && slots_of(node, IDS[0]) == 0);
    }
    // The source has nothing left, nor has its replica; the destination's replica has what the destination has.
    for node in [&nodes[0], &nodes[2]] {
        wait_until("keys are gone", || node.keys_held() == 0);
    }
    wait_until("the replica has it all", || nodes[1].ask("DEBUG DIGEST") == nodes[3].ask("DEBUG DIGEST"));
}

/// The other end of a migration, played by a test: it asks for the slots of the first node on behalf of the second.
struct Destination {
    connection: Connection,
    /// Bytes of the stream so far.
    offset: usize,
}

impl Destination {
    fn ask(source: &Node) -> Destination {
        let mut connection = source.client();
        let id = "0123456789012345678901234567890123456789";
        let reply = connection.cmd(&["CLUSTER", "SYNCSLOTS", "SYNC", id, IDS[1], "0", "8191"]);
        assert!(matches!(&reply, Reply::Simple(text) if text.starts_with("SLOTSSNAPSHOT ")), "{reply:?}");
        Destination { connection, offset: 0 }
    }

    /// The next request of the stream.
    fn next(&mut self) -> Vec<String> {
        let Reply::Array(words) = self.connection.read() else { panic!("no request") };
        let words: Vec<Vec<u8>> =
            words.into_iter().map(|word| if let Reply::Bulk(word) = word { word } else { panic!("no word") }).collect();
        self.offset += common::encode(&words).len();
        words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    }

    /// Reads on to a word about the stream.
    fn reach(&mut self, word: &str) -> Vec<String> {
        loop {
            let request = self.next();
            if request.len() > 2 && request[1] == "SYNCSLOTS" && request[2] == word {
                return request;
            }
        }
    }

    fn say(&mut self, words: &[&str]) {
        self.connection.send(&[&["CLUSTER", "SYNCSLOTS"], words].concat());
    }

    fn ready(&mut self) {
        let offset = self.offset.to_string();
        self.say(&["READY", &offset, "9"]);
    }
}

/// The state of the latest task at the source.
fn latest(source: &Node) -> (String, String) {
    let id = "0123456789012345678901234567890123456789";
    (field(source, id, "state"), field(source, id, "last_error"))
}

#[test]
fn a_destination_that_stops_at_any_point_leaves_all_at_the_source() {
    let nodes = cluster(false, &["--cluster-slot-migration-write-pause-timeout", "1000"]);
    let source = &nodes[0];
    small_keys(&mut source.client(), 300);
    let digest = source.ask("DEBUG DIGEST");
    let whole = |why: &str| {
        wait_until("it has failed", || latest(source).0 == "failed");
        assert!(latest(source).1.contains(why), "{:?}", latest(source));
        assert_eq!(source.ask("SET bar 1"), Reply::ok(), "writes go on");
        assert_eq!(source.ask("DEL bar"), Reply::Integer(1));
        assert_eq!(source.ask("DEBUG DIGEST"), digest);
        assert_eq!(slots_of(source, IDS[0]), 8192);
    };
    // It goes when it was asked, when all keys were sent, and when writes are held.
    drop(Destination::ask(source));
    whole("disconnected");
    for word in ["SNAPSHOT-EOF", "STREAM-EOF"] {
        let mut destination = Destination::ask(source);
        destination.reach(word);
        drop(destination);
        whole("disconnected");
    }
    // It stays, and says nothing.
    let mut destination = Destination::ask(source);
    destination.reach("STREAM-EOF");
    whole("Server paused timeout");
    // It says that it has what it has not.
    let mut destination = Destination::ask(source);
    destination.reach("STREAM-EOF");
    destination.say(&["READY", "1", "9"]);
    whole("what it was not sent");
    // It is cancelled here.
    let mut destination = Destination::ask(source);
    destination.reach("STREAM-EOF");
    assert_eq!(source.ask("CLUSTER MIGRATION CANCEL ALL"), Reply::Integer(1));
    assert_eq!(latest(source).0, "canceled");
    assert!(latest(source).1.starts_with("Cancelled due to user request"));
    source.ask("CONFIG SET cluster-slot-migration-write-pause-timeout 4000");
    // It is told to take the slots, and goes without having said that it has: then its claim would come too late.
    let mut destination = Destination::ask(source);
    destination.reach("STREAM-EOF");
    destination.ready();
    destination.reach("TAKEOVER");
    drop(destination);
    whole("Server paused timeout");
    let epoch: u64 = source.field("cluster_my_epoch").parse().expect("a number");
    assert!(epoch > 10, "what could be claimed under epoch 10 is outrun: {epoch}");
    assert_eq!(source.field("cluster_slot_migration_active_tasks"), "0");
}

#[test]
fn writes_wait_while_slots_change_hands_and_go_where_these_went() {
    let nodes = cluster(false, &[]);
    let source = &nodes[0];
    small_keys(&mut source.client(), 10);
    let mut destination = Destination::ask(source);
    let mut restored = 0;
    loop {
        match destination.next() {
            request if request[0] == "RESTORE" => restored += 1,
            request if request.len() > 2 && request[2] == "STREAM-EOF" => break,
            _ => {}
        }
    }
    assert_eq!(restored, 60);
    let mut writer = source.client();
    writer.send(&["SET", "bar", "1"]);
    assert_eq!(source.ask("GET {bar}1"), Reply::bulk("value"), "reads go on");
    wait_until("the writer waits", || source.ask("INFO clients").text().contains("blocked_clients:1"));
    let mut other = source.client();
    assert_eq!(
        run(&mut other, "CLUSTER SYNCSLOTS SYNC id cccccccccccccccccccccccccccccccccccccccc 0 1").into_error(),
        "ERR the destination is no primary that this node knows"
    );
    destination.ready();
    destination.reach("TAKEOVER");
    destination.say(&["TAKEN", "10"]);
    assert_eq!(writer.read(), Reply::error(&format!("MOVED 5061 127.0.0.1:{}", nodes[1].port)));
    assert_eq!(latest(source).0, "completed");
    wait_until("keys are gone", || source.ask("DBSIZE") == Reply::Integer(0));
    assert_eq!(source.field("cluster_slot_migration_stats_active_trim_completed"), "1");
}

#[test]
fn an_import_is_begun_again_when_the_source_comes_back_and_nothing_is_shown_before() {
    let mut nodes = cluster(false, &["--rdb-key-save-delay", "1000", "--appendonly", "yes"]);
    small_keys(&mut nodes[0].client(), 200);
    let id = import(&nodes[1], MOVED);
    wait_until("keys come", || nodes[1].keys_held() > 0);
    for call in ["KEYS *", "CLUSTER GETKEYSINSLOT 5061 10"] {
        assert_eq!(nodes[1].ask(call), Reply::Array(Vec::new()), "{call}");
    }
    for call in ["DBSIZE", "CLUSTER COUNTKEYSINSLOT 5061"] {
        assert_eq!(nodes[1].ask(call), Reply::Integer(0), "{call}");
    }
    assert_eq!(nodes[1].ask("RANDOMKEY"), Reply::Null);
    assert_eq!(nodes[1].ask("SCAN 0 COUNT 10000"), Reply::Array(vec![Reply::bulk("0"), Reply::Array(Vec::new())]));
    assert_eq!(import(&nodes[1], "1 2"), "ERR overlapping import exists for slot range: 1-2");
    nodes[0].kill();
    wait_until("it has failed", || field(&nodes[1], &id, "state") == "failed");
    wait_until("what had come is gone", || nodes[1].keys_held() == 0);
    nodes[0].start();
    completes(&nodes[1], &id);
    assert_ne!(field(&nodes[1], &id, "retries"), "0");
    assert_eq!(nodes[1].ask("DBSIZE"), Reply::Integer(1200));
}

#[test]
fn a_destination_that_dies_on_the_way_has_nothing_of_the_slots_when_it_comes_back() {
    let mut nodes = cluster(false, &["--rdb-key-save-delay", "1000", "--appendonly", "yes"]);
    small_keys(&mut nodes[0].client(), 200);
    let digest = nodes[0].ask("DEBUG DIGEST");
    assert_eq!(nodes[1].ask("SET foo own"), Reply::ok());
    import(&nodes[1], MOVED);
    wait_until("keys come", || nodes[1].keys_held() > 1);
    nodes[1].kill();
    nodes[1].start();
    wait_until("only what is its own is left", || {
        nodes[1].keys_held() == 1 && nodes[1].ask("DBSIZE") == Reply::Integer(1)
    });
    assert_eq!(nodes[1].ask("CLUSTER MIGRATION STATUS ALL"), Reply::Array(Vec::new()));
    let conf = fs::read_to_string(nodes[1].folder().join("nodes.conf")).expect("a file");
    wait_until("the source is free", || nodes[0].field("cluster_slot_migration_active_tasks") == "0");
    assert!(!conf.contains("[5061"), "no slot is open: {conf}");
    assert_eq!(nodes[0].ask("DEBUG DIGEST"), digest);
    wait_until("it serves", || nodes[1].field("cluster_state") == "ok");
    let id = import(&nodes[1], MOVED);
    completes(&nodes[1], &id);
    assert_eq!(nodes[1].ask("DBSIZE"), Reply::Integer(1201));
}

#[test]
fn an_import_can_be_cancelled_and_another_takes_a_part() {
    let nodes = cluster(false, &["--rdb-key-save-delay", "1000"]);
    small_keys(&mut nodes[0].client(), 200);
    let id = import(&nodes[1], MOVED);
    wait_until("keys come", || nodes[1].keys_held() > 0);
    assert_eq!(nodes[1].ask("CLUSTER MIGRATION CANCEL ID nosuch"), Reply::Integer(0));
    assert_eq!(nodes[1].ask(&format!("CLUSTER MIGRATION CANCEL ID {id}")), Reply::Integer(1));
    assert_eq!(nodes[1].ask("CLUSTER MIGRATION CANCEL ALL"), Reply::Integer(0));
    assert_eq!(field(&nodes[1], &id, "state"), "canceled");
    wait_until("the source gives up", || field(&nodes[0], &id, "state") == "failed");
    wait_until("what had come is gone", || nodes[1].keys_held() == 0);
    assert_eq!(nodes[0].ask("SET bar 1"), Reply::ok());
    // Two ranges, one of a single slot.
    let part = import(&nodes[1], "5061 5061 0 99");
    completes(&nodes[1], &part);
    assert_eq!(field(&nodes[1], &part, "slots"), "0-99 5061-5061");
    assert_eq!(nodes[1].ask("GET bar"), Reply::bulk("1"));
    assert_eq!(nodes[1].ask("DBSIZE"), Reply::Integer(201));
    wait_until("the source knows", || slots_of(&nodes[0], IDS[1]) == 8192 + 101);
    // And back again.
    let back = import(&nodes[0], "0 99 5061 5061");
    completes(&nodes[0], &back);
    assert_eq!(nodes[0].ask("DBSIZE"), Reply::Integer(1201));
    let Reply::Array(tasks) = nodes[0].ask("CLUSTER MIGRATION STATUS ALL") else { panic!("no list") };
    assert_eq!(tasks.len(), 3);
}

#[test]
fn each_node_imports_from_the_other_at_once() {
    let nodes = cluster(false, &[]);
    small_keys(&mut nodes[0].client(), 50);
    assert_eq!(nodes[1].ask("SET foo 1"), Reply::ok());
    let (one, other) = (import(&nodes[1], MOVED), import(&nodes[0], "8192 16383"));
    completes(&nodes[1], &one);
    completes(&nodes[0], &other);
    assert_eq!(nodes[0].ask("GET foo"), Reply::bulk("1"));
    for (node, keys) in [(0, 1), (1, 300)] {
        wait_until("keys are gone", || nodes[node].ask("DBSIZE") == Reply::Integer(keys));
        assert!(!nodes[node].ask("CLUSTER NODES").text().contains('['));
    }
}

/// Has the first node send its keys slowly.
fn slow_down(source: &Node) {
    assert_eq!(source.ask("CONFIG SET rdb-key-save-delay 20000"), Reply::ok());
}

#[test]
fn a_replica_of_the_destination_that_takes_its_place_on_the_way_removes_what_has_come() {
    for how in ["from the beginning", "restarted", "synchronized anew"] {
        let mut nodes = cluster(true, &["--appendonly", "yes"]);
        small_keys(&mut nodes[0].client(), 200);
        let digest = nodes[0].ask("DEBUG DIGEST");
        assert_eq!(nodes[1].ask("SET foo own"), Reply::ok());
        slow_down(&nodes[0]);
        import(&nodes[1], MOVED);
        wait_until("keys come to the replica", || nodes[3].keys_held() > 1);
        assert_eq!(nodes[3].ask("DBSIZE"), Reply::Integer(1), "{how}: nobody is shown them");
        if how == "synchronized anew" {
            let full = common::replication::field(nodes[1].server(), "sync_full");
            nodes[1].ask("DEBUG CHANGE-REPL-ID");
            nodes[1].ask("CLIENT KILL TYPE replica");
            let synchronized = || common::replication::field(nodes[1].server(), "sync_full") != full;
            wait_until("it is synchronized anew", synchronized);
            common::replication::wait_for_link(nodes[3].server());
            assert!(nodes[3].keys_held() > 1 && nodes[3].ask("DBSIZE") == Reply::Integer(1), "{how}");
        }
        nodes[1].kill();
        if how == "restarted" {
            nodes[3].kill();
            nodes[3].start();
            assert!(nodes[3].keys_held() > 1, "{how}");
        }
        assert_eq!(nodes[3].ask("CLUSTER FAILOVER TAKEOVER"), Reply::ok());
        wait_until("only what is its own is left", || nodes[3].keys_held() == 1);
        assert_eq!(nodes[3].ask("DBSIZE"), Reply::Integer(1), "{how}");
        assert_eq!(nodes[3].field("cluster_slot_migration_stats_active_trim_completed"), "1");
        assert!(!nodes[3].ask("CLUSTER NODES").text().contains('['), "{how}: no slot is open");
        nodes[1].start();
        wait_until("the former primary has no more than that", || {
            nodes[1].ask("ROLE") != Reply::Null && nodes[1].keys_held() == 1
        });
        // The slots are the source's as before, and can be asked for again.
        assert_eq!(nodes[0].ask("DEBUG DIGEST"), digest, "{how}");
        assert_eq!(nodes[0].ask("CONFIG SET rdb-key-save-delay 0"), Reply::ok());
        let id = import(&nodes[3], MOVED);
        completes(&nodes[3], &id);
        assert_eq!(nodes[3].ask("DBSIZE"), Reply::Integer(1201), "{how}");
    }
}

#[test]
fn an_import_goes_on_at_the_replica_that_takes_the_place_of_the_source() {
    let nodes = cluster(true, &[]);
    small_keys(&mut nodes[0].client(), 200);
    let digest = nodes[0].ask("DEBUG DIGEST");
    wait_until("the replica has it all", || nodes[2].ask("DEBUG DIGEST") == digest);
    slow_down(&nodes[0]);
    let id = import(&nodes[1], MOVED);
    wait_until("keys come", || nodes[1].keys_held() > 0);
    assert_eq!(nodes[2].ask("CLUSTER FAILOVER TAKEOVER"), Reply::ok());
    completes(&nodes[1], &id);
    assert_eq!(field(&nodes[1], &id, "source"), IDS[2]);
    assert_ne!(field(&nodes[1], &id, "retries"), "0");
    for node in &nodes {
        wait_until("everybody knows", || slots_of(node, IDS[1]) == 16384);
    }
    for node in [&nodes[1], &nodes[3]] {
        wait_until("all is there", || node.ask("DEBUG DIGEST") == digest);
    }
    for node in [&nodes[0], &nodes[2]] {
        wait_until("keys are gone", || node.keys_held() == 0);
    }
}

#[test]
fn what_a_destination_takes_its_replica_has_and_keeps_when_it_is_promoted_at_once() {
    let mut nodes = cluster(true, &[]);
    small_keys(&mut nodes[0].client(), 200);
    let digest = nodes[0].ask("DEBUG DIGEST");
    let id = import(&nodes[1], MOVED);
    completes(&nodes[1], &id);
    nodes[1].kill();
    wait_until("the replica knows", || slots_of(&nodes[3], IDS[1]) == 16384);
    assert_eq!(nodes[3].ask("CLUSTER FAILOVER TAKEOVER"), Reply::ok());
    wait_until("it has the slots", || slots_of(&nodes[3], IDS[3]) == 16384);
    assert_eq!(nodes[3].ask("DEBUG DIGEST"), digest);
    assert_eq!(nodes[3].ask("DBSIZE"), Reply::Integer(1200));
}

#[test]
fn a_source_gives_slots_to_one_destination_at_a_time_and_none_twice() {
    let roles = ["0-8191", "8192-12000", "12001-16383"].map(Role::Primary);
    let nodes = start_cluster(&roles, &binary(), &["--cluster-node-timeout", "60000"]);
    let [source, one, other] = [&nodes[0], &nodes[1], &nodes[2]];
    small_keys(&mut source.client(), 200);
    slow_down(source);
    let first = import(one, "0 4000");
    wait_until("keys come", || one.keys_held() > 0);
    let refused = |id: &str| {
        wait_until("it is refused", || {
            field(other, id, "last_error").contains("another slot migration task is in progress")
        });
    };
    refused(&import(other, "4001 8191"));
    let overlapping = import(other, "3000 5000");
    refused(&overlapping);
    assert_eq!(source.ask("CONFIG SET rdb-key-save-delay 0"), Reply::ok());
    completes(one, &first);
    wait_until("it is given up", || field(other, &overlapping, "state") == "canceled");
    assert!(field(other, &overlapping, "last_error").contains("slots belong to different source nodes"));
    let second = import(other, "4001 8191");
    completes(other, &second);
    let keys = |node: &Node| if let Reply::Integer(keys) = node.ask("DBSIZE") { keys } else { panic!("no number") };
    wait_until("the source has none", || source.keys_held() == 0);
    assert!(keys(one) > 0 && keys(other) > 0);
    assert_eq!(keys(one) + keys(other), 1200);
}

#[test]
fn waiting_clients_and_subscribers_follow_their_slot_and_what_expires_on_the_way_is_gone() {
    let nodes = cluster(false, &["--rdb-key-save-delay", "500"]);
    let mut client = nodes[0].client();
    small_keys(&mut client, 100);
    let [mut waits, mut subscribed] = [(); 2].map(|()| nodes[0].client());
    waits.send(&["BLPOP", "bar", "0"]);
    assert!(matches!(run(&mut subscribed, "SSUBSCRIBE bar"), Reply::Array(_)));
    for number in 0..50 {
        run(&mut client, &format!("SET {{2}}{number} v PX {}", 1 + number));
        run(&mut client, &format!("SET {{bar}}{number} v PX {}", 1 + number));
    }
    run(&mut client, "SET {2}kept v PX 10000");
    let id = import(&nodes[1], MOVED);
    run(&mut client, "PERSIST {2}kept");
    completes(&nodes[1], &id);
    assert_eq!(waits.read(), Reply::error(&format!("MOVED 5061 127.0.0.1:{}", nodes[1].port)));
    let Reply::Array(ended) = subscribed.read() else { panic!("no message") };
    assert_eq!(ended[0], Reply::bulk("sunsubscribe"));
    wait_until("what expires goes", || nodes[1].ask("DBSIZE") == Reply::Integer(501));
    assert_eq!(nodes[1].ask("PTTL {2}kept"), Reply::Integer(-1));
}

#[test]
fn what_cannot_be_moved_is_refused() {
    let nodes = cluster(true, &[]);
    let (node, replica) = (&nodes[1], &nodes[2]);
    let wrong = "wrong number of arguments for 'cluster|migration' command";
    for (call, error) in [
        ("IMPORT 0", wrong),
        ("IMPORT 0 1 2", wrong),
        ("STATUS ID", wrong),
        ("STATUS ALL x", wrong),
        ("CANCEL ALL x", wrong),
        ("CANCEL ID x y", wrong),
        ("STATUS x", "unknown argument"),
        ("CANCEL x", "unknown argument"),
        ("MOVE 1", "unknown argument"),
        ("IMPORT 0 16384", "Invalid or out of range slot"),
        ("IMPORT -1 5", "Invalid or out of range slot"),
        ("IMPORT 5 1", "start slot number 5 is greater than end slot number 1"),
        ("IMPORT 1 3 2 2", "Slot 2 specified multiple times"),
        ("IMPORT 9000 9001", "this node is already the owner of the slot range"),
        ("IMPORT 8191 8192", "slots belong to different source nodes"),
    ] {
        assert_eq!(node.ask(&format!("CLUSTER MIGRATION {call}")), Reply::error(&format!("ERR {error}")), "{call}");
    }
    assert_eq!(import(replica, "0 1"), "ERR slot migration not allowed on replica.");
    assert_eq!(node.ask("CLUSTER SETSLOT 1 IMPORTING aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), Reply::ok());
    assert_eq!(import(node, "3 4"), "ERR all slot states must be STABLE to start a slot migration task.");
    assert_eq!(node.ask("CLUSTER SETSLOT 1 STABLE"), Reply::ok());
    assert_eq!(nodes[0].ask("CLUSTER DELSLOTS 7"), Reply::ok());
    assert_eq!(import(&nodes[0], "7 7"), "ERR slot has no owner: 7");
    let syncslots = |call: &str| node.ask(&format!("CLUSTER SYNCSLOTS {call}")).into_error();
    for call in ["SYNC x y", "ACK x", "READY 1", "TAKEN x", "nonsense x"] {
        assert_eq!(
            syncslots(call),
            if call == "SYNC x y" {
                "ERR wrong number of arguments for 'cluster|syncslots' command"
            } else {
                "ERR unknown argument"
            }
        );
    }
    let of_others = format!("SYNC id {} 0 1", IDS[0]);
    assert_eq!(syncslots(&of_others), "ERR slots are not owned by this node or not in a STABLE state");
    assert_eq!(
        syncslots(&format!("SYNC id {} 9000 9001", IDS[2])),
        "ERR the destination is no primary that this node knows"
    );
    let standalone = Server::start();
    let disabled = "ERR This instance has cluster support disabled";
    for call in ["CLUSTER MIGRATION STATUS ALL", "CLUSTER SYNCSLOTS ACK 1"] {
        assert_eq!(run(&mut standalone.connect(), call), Reply::error(disabled));
    }
}

#[test]
fn what_a_node_loads_in_slots_of_nobody_is_its_own_and_in_those_of_others_imported() {
    let mut nodes = cluster(false, &["--save", ""]);
    let node = &mut nodes[0];
    small_keys(&mut node.client(), 2);
    assert_eq!(node.ask("SAVE"), Reply::ok());
    let file = node.folder().join("nodes.conf");
    node.kill();
    // Nobody has the slot of bar, and the other node that of b.
    let conf = fs::read_to_string(&file).expect("a file");
    let conf = conf.replace(" 0-8191", " 0-3299 3301-5060 5062-8191").replace(" 8192-16383", " 3300 8192-16383");
    fs::write(&file, conf).expect("a file");
    node.start();
    let own = node.ask("CLUSTER NODES").text();
    let own = own.lines().find(|line| line.contains("myself")).expect("a line about the node itself").to_owned();
    assert!(own.ends_with(&format!(" 0-3299 3301-8191 [3300-<-{}]", IDS[1])), "{own}");
    node.server().await_log("I have keys for unassigned slot 5061. Taking responsibility for it.");
    let imported =
        "I have keys for slot 3300, but the slot is assigned to another node. Setting it to importing state.";
    node.server().await_log(imported);
    assert_eq!(node.ask("DBSIZE"), Reply::Integer(12));
}

#[test]
fn a_snapshot_of_a_newer_form_tells_how_many_keys_each_slot_has() {
    let nodes = cluster(false, &["--save", ""]);
    let mut client = nodes[0].client();
    fill(&mut client);
    let digest = nodes[0].ask("DEBUG DIGEST");
    assert_eq!(nodes[0].ask("SAVE"), Reply::ok());
    let file = fs::read(nodes[0].folder().join("dump.rdb")).expect("a file");
    assert_eq!(&file[..9], b"REDIS0012", "fields that expire need that form");
    // Slot 5061 as a number of fourteen bits: twelve keys, one of them expiring.
    let told = [244, 0x40 | (5061 >> 8) as u8, (5061 & 0xff) as u8, 12, 1];
    assert!(file.windows(told.len()).any(|window| window == told), "the slot of bar is announced");
    assert_eq!(nodes[0].ask("DEBUG RELOAD"), Reply::ok());
    assert_eq!(nodes[0].ask("DEBUG DIGEST"), digest);
    if let Some(program) = std::env::var_os("OXIDIS_REDIS8") {
        let folder = tempfile::tempdir().expect("a temporary directory");
        fs::write(folder.path().join("dump.rdb"), &file).expect("a file");
        let bus_port = free_port().to_string();
        let arguments = ["--cluster-enabled", "yes", "--cluster-port", &bus_port, "--dir"];
        let place = folder.path().to_str().expect("a path of text");
        let server = Server::start_program(&program, &[&arguments[..], &[place]].concat());
        assert_eq!(run(&mut server.connect(), "DBSIZE"), Reply::Integer(12 * 6));
    }
}
