//! What a server does for others while a script runs too long must change nothing: neither what the script sees nor
//! what is kept of it.

mod common;

use common::replication::{Node, wait_for_same};
use common::{Connection, Reply, Server, binary, wait_until};

/// Put in front of a script: `wait()` comes back once another client has connected, or one has gone.
const WAIT: &str = "
    local function clients() return redis.call('INFO', 'clients'):match('connected_clients:(%d+)') end
    local before = clients()
    local function wait() repeat until clients() ~= before end
";

/// Has a client run a script that waits; another one has been told that the server is busy then.
fn begin(caller: &mut Connection, other: &mut Connection, script: &str) {
    assert_eq!(other.cmd(&["PING"]), Reply::Simple("PONG".into()));
    caller.send(&["EVAL", &format!("{WAIT} {script}"), "0"]);
    wait_until("the server is busy", || matches!(other.cmd(&["PING"]), Reply::Error(text) if text.starts_with("BUSY")));
}

/// A primary, and a replica that says it is busy after few milliseconds and logs what it does.
fn pair() -> (Node, Node) {
    let primary = Node::start(&binary(), &[]);
    let follows = format!("replicaof 127.0.0.1 {}", primary.port());
    let lines = ["busy-reply-threshold 10", "appendonly yes", "appendfsync always", &follows];
    let replica = Node::start(&binary(), &lines);
    common::replication::wait_for_link(replica.server());
    let mut client = primary.server().connect();
    assert_eq!(client.cmd(&["SET", "key", "old"]), Reply::ok());
    let library = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    assert_eq!(client.cmd(&["FUNCTION", "LOAD", library]), Reply::bulk("lib"));
    assert_eq!(client.cmd(&["WAIT", "1", "0"]), Reply::Integer(1));
    (primary, replica)
}

#[test]
fn what_the_primary_sends_waits_for_the_end_of_a_script() {
    let (mut primary, mut replica) = pair();
    let (mut caller, mut other) = (replica.server().connect(), replica.server().connect());
    begin(
        &mut caller,
        &mut other,
        "local old = redis.call('GET', 'key') wait() return {old, redis.call('GET', 'key')}",
    );
    let mut client = primary.server().connect();
    assert_eq!(client.cmd(&["SET", "key", "new"]), Reply::ok());
    assert_eq!(client.cmd(&["FUNCTION", "FLUSH"]), Reply::ok());
    assert_eq!(client.cmd(&["WAIT", "1", "100"]), Reply::Integer(0), "nothing has been done there");
    let _another = replica.server().connect();
    assert_eq!(caller.read(), Reply::bulks(&["old", "old"]));
    assert_eq!(client.cmd(&["WAIT", "1", "0"]), Reply::Integer(1));
    assert_eq!(other.cmd(&["GET", "key"]), Reply::bulk("new"));
    assert_eq!(other.cmd(&["FUNCTION", "LIST"]), Reply::Array(Vec::new()));
    assert_eq!(common::replication::field(replica.server(), "unexpected_error_replies"), "0");
    wait_for_same(&[primary.server(), replica.server()]);
    // What the primary was told of is in the log.
    primary.kill();
    replica.kill();
    replica.revive();
    let mut client = replica.server().connect();
    assert_eq!(client.cmd(&["GET", "key"]), Reply::bulk("new"));
    assert_eq!(client.cmd(&["FUNCTION", "LIST"]), Reply::Array(Vec::new()));
}

#[test]
fn a_primary_heard_during_a_script_is_not_given_up_after_it() {
    let (primary, replica) = pair();
    let (mut caller, mut other) = (replica.server().connect(), replica.server().connect());
    assert_eq!(other.cmd(&["CONFIG", "SET", "repl-timeout", "1"]), Reply::ok());
    assert_eq!(primary.server().connect().cmd(&["CONFIG", "SET", "repl-ping-replica-period", "1"]), Reply::ok());
    begin(&mut caller, &mut other, "wait() return 1");
    // Longer than the timeout, and that in which the primary sends something.
    let begun = std::time::Instant::now();
    wait_until("time passes", || begun.elapsed().as_millis() > 2500);
    let _another = replica.server().connect();
    assert_eq!(caller.read(), Reply::Integer(1));
    assert_eq!(primary.server().connect().cmd(&["SET", "key", "new"]), Reply::ok());
    wait_until("the write comes", || other.cmd(&["GET", "key"]) == Reply::bulk("new"));
    assert!(!replica.server().log().contains("MASTER timeout"), "{}", replica.server().log());
}

#[test]
fn no_key_is_evicted_under_a_script_that_keeps_others_waiting() {
    let server = Server::start_with(&["--busy-reply-threshold", "10", "--maxmemory-policy", "allkeys-random"]);
    let (mut caller, mut other) = (server.connect(), server.connect());
    for number in 0..1000 {
        assert_eq!(caller.cmd(&["SET", &format!("key:{number}"), "value"]), Reply::ok());
    }
    let used = common::dataset::info(&mut caller, "used_memory").parse::<usize>().expect("a number");
    assert_eq!(caller.cmd(&["CONFIG", "SET", "maxmemory", &(used + 5_000_000).to_string()]), Reply::ok());
    let script = "redis.call('SETRANGE', 'big', 10000000, 'x')
        local keys = redis.call('DBSIZE') wait() return {keys, redis.call('DBSIZE')}";
    begin(&mut caller, &mut other, script);
    let _another = server.connect();
    assert_eq!(caller.read(), Reply::Array(vec![Reply::Integer(1001), Reply::Integer(1001)]));
}

#[test]
fn a_message_of_a_script_to_its_own_client_reaches_no_other() {
    let server = Server::start_with(&["--busy-reply-threshold", "10"]);
    let (mut caller, mut other) = (server.connect(), server.connect());
    caller.cmd(&["HELLO", "3"]);
    caller.cmd(&["SUBSCRIBE", "channel"]);
    begin(&mut caller, &mut other, "redis.call('PUBLISH', 'channel', 'message') wait() return 1");
    let _another = server.connect();
    assert_eq!(caller.read(), Reply::Integer(1));
    assert_eq!(caller.read(), Reply::Push(["message", "channel", "message"].map(Reply::bulk).to_vec()));
    assert_eq!(other.cmd(&["PING"]), Reply::Simple("PONG".into()));
}

#[test]
fn what_was_answered_before_a_script_is_sent_during_it_and_is_on_the_disk() {
    let lines = ["busy-reply-threshold 10", "appendonly yes", "appendfsync always"];
    let mut node = Node::start(&binary(), &lines);
    let mut clients: Vec<Connection> = (0..3).map(|_| node.server().connect()).collect();
    // What comes while the server sleeps is found at once.
    clients[0].send(&["DEBUG", "SLEEP", "0.3"]);
    clients[1].send(&["SET", "key", "value"]);
    clients[2].send(&["EVAL", "while true do end", "0"]);
    assert_eq!(clients[1].read(), Reply::ok());
    clients[1].send(&["PING"]);
    assert!(clients[1].read().into_error().starts_with("BUSY"));
    node.kill();
    node.revive();
    assert_eq!(node.server().connect().cmd(&["GET", "key"]), Reply::bulk("value"));
}
