//! JSON documents, which Redis has by a module and which are built in here: replies, events, files, damaged ones too, and
//! random commands beside the module.
//!
//! OXIDIS_REJSON names the module `rejson.so` for the redis-server 7.0 that is compared with; without it, that is
//! skipped, which is said. A longer comparison runs by OXIDIS_JSON_COMMANDS, the number of commands, with `--ignored`.

mod common;
#[path = "modules/damage.rs"]
mod damage;
#[path = "modules/draw.rs"]
mod draw;
#[path = "modules/exchange.rs"]
mod exchange;
#[path = "modules/random.rs"]
mod random;
#[path = "modules/replies.rs"]
mod replies;

use std::env;

use common::dataset::redis_7;
use common::{Connection, Reply, Server, run, wait_until};

/// A redis-server with a module that a variable names.
fn with_module(variable: &str, arguments: &[&str]) -> Option<Server> {
    let Ok(module) = env::var(variable) else {
        assert!(env::var_os("OXIDIS_REDIS_REQUIRED").is_none(), "{variable} names no module");
        println!("SKIPPED: {variable} names no module");
        return None;
    };
    redis_7().map(|program| Server::start_program(&program, &[&["--loadmodule", &module], arguments].concat()))
}

const DOCUMENT: &str = r#"{"text":"a\"b\né","numbers":[1,-2.5,1e300,18446744073709551615,-0.0],"deep":{"a":{"b":[{"c":null},true]}},"long":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}"#;

fn filled(arguments: &[&str]) -> (Server, Connection) {
    let server = Server::start_with(&[&["--enable-debug-command", "yes"], arguments].concat());
    let mut client = server.connect();
    assert_eq!(client.cmd(&["JSON.SET", "k", "$", DOCUMENT]), Reply::ok());
    (server, client)
}

#[test]
fn a_document_survives_snapshots_logs_copies_and_renames() {
    let (_server, mut client) = filled(&["--appendonly", "yes", "--aof-use-rdb-preamble", "no"]);
    client.cmd(&["PEXPIRE", "k", "100000000"]);
    let digest = |client: &mut Connection, key: &str| client.cmd(&["DEBUG", "DIGEST-VALUE", key]);
    let before = digest(&mut client, "k");
    client.cmd(&["BGREWRITEAOF"]);
    wait_until("the log is rewritten", || {
        run(&mut client, "INFO persistence").text().contains("rewrite_in_progress:0")
    });
    for how in [&["DEBUG", "RELOAD"][..], &["DEBUG", "LOADAOF"]] {
        assert_eq!(client.cmd(how), Reply::ok());
        assert_eq!(digest(&mut client, "k"), before);
        assert_eq!(client.cmd(&["JSON.GET", "k"]), Reply::bulk(DOCUMENT));
    }
    assert_eq!(run(&mut client, "COPY k copy"), Reply::Integer(1));
    run(&mut client, "JSON.SET copy $.deep.a 1");
    assert_eq!(digest(&mut client, "k"), before);
    assert_ne!(digest(&mut client, "copy"), before);
    run(&mut client, "RENAME k other");
    assert_eq!(digest(&mut client, "other"), before);
    assert_eq!(run(&mut client, "TYPE other"), Reply::Simple("ReJSON-RL".into()));
    assert_eq!(run(&mut client, "OBJECT ENCODING other"), Reply::bulk("raw"));
    assert_eq!(run(&mut client, "SCAN 0 COUNT 100 TYPE rejson-rl").text_of_keys(), ["copy", "other"]);
    let Reply::Integer(bytes) = run(&mut client, "MEMORY USAGE other") else { panic!("no size") };
    assert!((300..1000).contains(&bytes), "{bytes}");
    assert!(run(&mut client, "GET other").into_error().starts_with("WRONGTYPE"));
    assert_eq!(run(&mut client, "UNLINK other"), Reply::Integer(1));
}

trait Keys {
    fn text_of_keys(&self) -> Vec<String>;
}

impl Keys for Reply {
    /// The keys that a step of SCAN found, in order.
    fn text_of_keys(&self) -> Vec<String> {
        let Reply::Array(parts) = self else { panic!("{self:?}") };
        let Reply::Array(keys) = &parts[1] else { panic!("{self:?}") };
        let mut keys: Vec<String> = keys.iter().map(Reply::text).collect();
        keys.sort();
        keys
    }
}

#[test]
fn a_document_without_a_preamble_in_the_log_and_on_a_replica_is_the_same() {
    let (server, mut client) = filled(&[]);
    let replica = Server::start_with(&["--replicaof", "127.0.0.1", &server.port().to_string()]);
    let mut copy = replica.connect();
    wait_until("the replica is there", || run(&mut copy, "INFO replication").text().contains("master_link_status:up"));
    for line in ["JSON.NUMINCRBY k $.numbers[0] 4", "JSON.ARRAPPEND k $.deep.a.b 7", "JSON.DEL k .text"] {
        run(&mut client, line);
    }
    let text = client.cmd(&["JSON.GET", "k"]);
    wait_until("the replica has it", || copy.cmd(&["JSON.GET", "k"]) == text);
}

#[test]
fn changes_of_documents_are_events_of_modules() {
    let server = Server::start_with(&["--notify-keyspace-events", "Kd"]);
    let (mut listener, mut client) = (server.connect(), server.connect());
    run(&mut listener, "SUBSCRIBE __keyspace@0__:k");
    let lines = [
        ("JSON.SET k $ {\"a\":[1],\"n\":1,\"b\":true,\"s\":\"x\"}", Some("json.set")),
        ("JSON.SET k $.q.r 1", None),
        ("JSON.NUMINCRBY k $.n 1", Some("json.numincrby")),
        ("JSON.NUMMULTBY k $.n 2", Some("json.nummultby")),
        ("JSON.STRAPPEND k $.s \"y\"", Some("json.strappend")),
        ("JSON.ARRAPPEND k $.a 2", Some("json.arrappend")),
        ("JSON.ARRAPPEND k $.s 2", None),
        ("JSON.ARRINSERT k $.a 0 2", Some("json.arrinsert")),
        ("JSON.ARRPOP k $.a", Some("json.arrpop")),
        ("JSON.ARRTRIM k $.a 0 0", Some("json.arrtrim")),
        ("JSON.TOGGLE k $.b", Some("json.toggle")),
        ("JSON.CLEAR k $.a", Some("json.clear")),
        ("JSON.CLEAR k $.a", None),
        ("JSON.MERGE k $ {\"z\":1}", Some("json.merge")),
        ("JSON.MSET k $.y 1", Some("json.mset")),
        ("JSON.DEL k $.y", Some("json.del")),
        ("JSON.DEL k", Some("json.del")),
    ];
    for (line, event) in lines {
        let reply = run(&mut client, line);
        assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
        if let Some(event) = event {
            assert_eq!(listener.read(), Reply::bulks(&["message", "__keyspace@0__:k", event]), "{line}");
        }
    }
}

#[test]
fn clients_find_the_module_and_its_commands() {
    let server = Server::start_with(&["--enable-module-command", "yes"]);
    let mut client = server.connect();
    assert!(format!("{:?}", run(&mut client, "MODULE LIST")).contains(&format!("{:?}", Reply::bulk("ReJSON"))));
    assert!(run(&mut client, "INFO modules").text().contains("module:name=ReJSON,ver="));
    assert!(format!("{:?}", run(&mut client, "HELLO 3")).contains(&format!("{:?}", Reply::bulk("ReJSON"))));
    run(&mut client, "HELLO 2");
    let Reply::Array(listed) = run(&mut client, "COMMAND LIST FILTERBY MODULE ReJSON") else { panic!("no list") };
    assert_eq!(listed.len(), 25);
    assert_eq!(run(&mut client, "COMMAND LIST FILTERBY MODULE other"), Reply::Array(Vec::new()));
    let docs = format!("{:?}", run(&mut client, "COMMAND DOCS json.get"));
    assert!(docs.contains(&format!("{:?}", Reply::bulk("module"))), "{docs}");
    assert!(run(&mut client, "MODULE UNLOAD ReJSON").into_error().contains("built in"));
    run(&mut client, "ACL SETUSER reader on nopass ~* +@json -@write");
    run(&mut client, "JSON.SET k $ 1");
    run(&mut client, "AUTH reader x");
    assert_eq!(run(&mut client, "JSON.GET k"), Reply::bulk("1"));
    assert!(run(&mut client, "JSON.SET k $ 1").into_error().starts_with("NOPERM"));
}

#[test]
fn a_document_cannot_become_too_deep_nor_a_filter() {
    let (_server, mut client) = filled(&[]);
    let deep = format!("{}1{}", "[".repeat(127), "]".repeat(127));
    assert_eq!(client.cmd(&["JSON.SET", "d", "$", &deep]), Reply::ok());
    assert!(client.cmd(&["JSON.SET", "d", "$", &format!("[{deep}]")]).into_error().starts_with("recursion limit"));
    let mut path = "$".to_owned();
    let mut refused = false;
    for _ in 0..10 {
        path.push_str(&"[0]".repeat(127));
        refused |= matches!(client.cmd(&["JSON.SET", "d", &path, &deep]), Reply::Error(_));
    }
    assert!(refused);
    let Reply::Bulk(payload) = client.cmd(&["DUMP", "d"]) else { panic!("no payload") };
    assert_eq!(client.cmd(&[b"RESTORE".as_slice(), b"e", b"0", &payload]), Reply::ok());
    let filter = format!("$[?{}@{}]", "(".repeat(10_000), ")".repeat(10_000));
    assert!(matches!(client.cmd(&["JSON.GET", "d", &filter]), Reply::Error(_)));
    let steps = format!("${}", "..a".repeat(10_000));
    assert_eq!(client.cmd(&["JSON.GET", "d", &steps]), Reply::bulk("[]"));
    assert_eq!(run(&mut client, "PING"), Reply::Simple("PONG".into()));
}
