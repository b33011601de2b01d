//! What clients of Valkey look for: filters of CLIENT LIST and KILL, redirection by replicas, import mode. With
//! OXIDIS_VALKEY9 naming a valkey-server, what both answer alike is asked of that one, too.

mod common;

use common::dataset::{own_and_valkey, valkey_9};
use common::{Connection, Reply, Server, words};

/// The names of the clients that a filter leaves, in order.
fn names(client: &mut Connection, filter: &str) -> Vec<String> {
    let list = client.cmd(&words(format!("CLIENT LIST {filter}").trim_end())).text();
    let name = |line: &str| line.split(' ').find_map(|pair| pair.strip_prefix("name=")).unwrap().to_owned();
    list.lines().map(name).collect()
}

fn id(client: &mut Connection) -> String {
    match client.cmd(&["CLIENT", "ID"]) {
        Reply::Integer(id) => id.to_string(),
        other => panic!("{other:?} is no id"),
    }
}

fn named(server: &Server, name: &str) -> Connection {
    let mut client = server.connect();
    client.cmd(&["CLIENT", "SETNAME", name]);
    client
}

#[test]
fn client_list_is_filtered_by_all_that_is_asked_for() {
    for server in own_and_valkey(&[]) {
        let (mut one, mut two, mut three) = (named(&server, "one"), named(&server, "two"), named(&server, "three"));
        two.cmd(&["SELECT", "3"]);
        two.cmd(&["MULTI"]);
        three.cmd(&["CLIENT", "SETINFO", "LIB-NAME", "lib"]);
        three.cmd(&["CLIENT", "SETINFO", "LIB-VER", "1.2"]);
        three.cmd(&["CLIENT", "CAPA", "redirect", "unknown"]);
        let ids = format!("{} {} 99999", id(&mut three), id(&mut one));
        let mut left = |filter: &str| names(&mut one, filter).join(" ");
        for (filter, expected) in [
            ("", "one two three"),
            ("NAME two", "two"),
            ("NOT-NAME two", "one three"),
            ("DB 3", "two"),
            ("NOT-DB 3", "one three"),
            ("FLAGS x", "two"),
            ("FLAGS N", "one three"),
            ("FLAGS Nx", ""),
            ("NOT-FLAGS x", "one three"),
            ("LIB-NAME lib LIB-VER 1.2", "three"),
            ("LIB-NAME lib LIB-VER 1.3", ""),
            ("NOT-LIB-NAME lib", "one two"),
            ("NOT-LIB-VER 1.2 NOT-DB 3", "one"),
            ("CAPA r", "three"),
            ("NOT-CAPA r", "one two"),
            ("IP 127.0.0.1", "one two three"),
            ("IP 127.0.0.2", ""),
            ("NOT-IP 127.0.0.1", ""),
            ("TYPE normal SKIPME yes", "two three"),
            ("type NORMAL skipme no", "one two three"),
            ("NOT-TYPE normal", ""),
            ("TYPE primary", ""),
            ("USER default NAME one", "one"),
            ("NOT-USER default", ""),
            ("ADDR nowhere", ""),
            ("NOT-LADDR nowhere", "one two three"),
            ("MAXAGE 1000", ""),
            ("IDLE 1000", ""),
            ("DB 3 DB 0", "one three"),
        ] {
            assert_eq!(left(filter), expected, "{filter}");
        }
        assert_eq!(left(&format!("NOT-ID {ids}")), "two");
        assert_eq!(left(&format!("ID {ids} CAPA r")), "three");
        assert_eq!(left(&format!("ID {ids} NOT-CAPA r")), "one");
    }
}

#[test]
fn ids_of_client_list_keep_their_order_as_in_redis() {
    let server = Server::start();
    let (mut one, mut two) = (named(&server, "one"), named(&server, "two"));
    let filter = format!("ID {} {}", id(&mut two), id(&mut one));
    assert_eq!(names(&mut one, &filter), ["two", "one"]);
    assert_eq!(names(&mut one, "ID 0"), Vec::<String>::new());
    assert_eq!(one.cmd(&["CLIENT", "LIST", "ID", "x"]).into_error(), "ERR Invalid client ID");
    assert_eq!(one.cmd(&["CLIENT", "LIST", "ID", "1", "x"]).into_error(), "ERR Invalid client ID");
    let error = "ERR client-id should be greater than 0";
    for wrong in ["0", "x", "-1", "9223372036854775808"] {
        assert_eq!(one.cmd(&["CLIENT", "KILL", "ID", wrong]).into_error(), error);
    }
}

#[test]
fn wrong_filters_are_told() {
    for server in own_and_valkey(&[]) {
        let mut client = server.connect();
        for (filter, error) in [
            ("FOO bar", "syntax error"),
            ("NAME", "syntax error"),
            ("NAME a LIB-NAME", "syntax error"),
            ("NOT-IDLE 1", "syntax error"),
            ("NOT-MAXAGE 1", "syntax error"),
            ("NOT-SKIPME yes", "syntax error"),
            ("SKIPME maybe", "syntax error"),
            ("IDLE x", "idle is not an integer or out of range"),
            ("IDLE 0", "idle should be greater than 0"),
            ("MAXAGE x", "maxage is not an integer or out of range"),
            ("MAXAGE -1", "maxage should be greater than 0"),
            ("DB x", "DB is not an integer or out of range"),
            ("DB 16", "DB number should be between 0 and 15"),
            ("NOT-DB -1", "NOT-DB number should be between 0 and 15"),
            ("FLAGS NZ", "Unknown flags found in the provided filter: NZ"),
            ("NOT-FLAGS Z", "Unknown flags found in the NOT-FLAGS filter: Z"),
            ("CAPA rx", "Unknown capa found in the provided filter: rx"),
            ("NOT-CAPA x", "Unknown capa found in the NOT-CAPA filter: x"),
            ("NOT-TYPE x", "Unknown client type 'x'"),
            ("NOT-USER nobody", "No such user 'nobody'"),
        ] {
            for command in ["LIST", "KILL"] {
                // What is left of one word is an address to KILL.
                if filter.contains(' ') {
                    let told = client.cmd(&words(&format!("CLIENT {command} {filter}"))).into_error();
                    assert_eq!(told, format!("ERR {error}"), "{command} {filter}");
                }
            }
        }
    }
}

#[test]
fn client_kill_closes_what_the_filter_leaves() {
    for server in own_and_valkey(&[]) {
        let (mut one, mut two, mut three) = (named(&server, "one"), named(&server, "two"), named(&server, "three"));
        let mut killed = |filter: &str| match one.cmd(&words(&format!("CLIENT KILL {filter}"))) {
            Reply::Integer(count) => count,
            other => panic!("{other:?}"),
        };
        assert_eq!(killed("NAME nobody"), 0);
        assert_eq!(killed("DB 3"), 0);
        assert_eq!(killed("NAME two FLAGS N"), 1);
        let ids = format!("ID {0} {0} 9999", id(&mut three));
        assert_eq!(killed(&ids), 1);
        assert_eq!(killed("NOT-NAME two"), 0, "the asking client is spared");
        assert!(two.is_closed() && three.is_closed());
        assert_eq!(one.cmd(&["PING"]), Reply::Simple("PONG".into()));
    }
}

#[test]
fn the_line_of_a_client_tells_its_traffic() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["CLIENT", "CAPA", "redirect"]);
    let ping = common::encode(&["PING"]);
    client.raw(&[&ping[..], &ping, &ping].concat());
    (0..3).for_each(|_| _ = client.read());
    let info = client.cmd(&["CLIENT", "INFO"]).text();
    let field = |name: &str| info.split(' ').find_map(|pair| pair.trim_end().strip_prefix(name)).unwrap().to_owned();
    assert_eq!(field("tot-cmds="), "4");
    assert_eq!(field("tot-net-out="), (5 + 3 * 7).to_string());
    let sent: usize = [&["CLIENT", "CAPA", "redirect"][..], &["PING"], &["PING"], &["PING"], &["CLIENT", "INFO"]]
        .iter()
        .map(|request| common::encode(request).len())
        .sum();
    assert_eq!(field("tot-net-in="), sent.to_string());
    assert_eq!(field("capa="), "r");
}

/// A primary and a replica of it that is up to date.
fn primary_and_replica(program: Option<&std::ffi::OsStr>) -> (Server, Server) {
    let start = |arguments: &[&str]| match program {
        Some(program) => Server::start_program(program, arguments),
        None => Server::start_with(arguments),
    };
    let primary = start(&["--repl-diskless-sync-delay", "0"]);
    primary.connect().cmd(&["SET", "key", "value"]);
    let replica = start(&["--replicaof", &format!("127.0.0.1 {}", primary.port())]);
    let mut client = replica.connect();
    common::wait_until("the replica has the key", || client.cmd(&["GET", "key"]) == Reply::bulk("value"));
    (primary, replica)
}

#[test]
fn replicas_send_clients_that_can_go_elsewhere_to_the_primary() {
    let valkey = valkey_9();
    for program in [Some(None), valkey.as_deref().map(Some)].into_iter().flatten() {
        let (primary, replica) = primary_and_replica(program);
        let redirection = Reply::error(&format!("REDIRECT 127.0.0.1:{}", primary.port()));
        let mut client = replica.connect();
        assert_eq!(client.cmd(&["CLIENT", "CAPA", "REDIRECT"]), Reply::ok());
        for data in ["GET key", "SET key x", "DBSIZE", "SCAN 0", "BLPOP list 1", "EVAL_RO return(1) 0", "FLUSHALL"] {
            assert_eq!(client.cmd(&words(data)), redirection, "{data}");
        }
        for other in ["PING", "PUBLISH a b", "WATCH key", "UNWATCH", "SELECT 1", "SELECT 0", "EVAL return(1) 0"] {
            assert_ne!(client.cmd(&words(other)), redirection, "{other}");
        }
        client.cmd(&["MULTI"]);
        assert_eq!(client.cmd(&["GET", "key"]), redirection);
        let aborted = "EXECABORT Transaction discarded because of previous errors.";
        assert_eq!(client.cmd(&["EXEC"]).into_error(), aborted);
        assert_eq!(client.cmd(&["READONLY"]), Reply::ok());
        assert_eq!(client.cmd(&["GET", "key"]), Reply::bulk("value"));
        assert_eq!(client.cmd(&["SET", "key", "x"]), redirection);
        assert_eq!(client.cmd(&["READWRITE"]), Reply::ok());
        assert_eq!(client.cmd(&["GET", "key"]), redirection);
        // Others are served as before.
        let mut plain = replica.connect();
        assert_eq!(plain.cmd(&["GET", "key"]), Reply::bulk("value"));
        assert!(plain.cmd(&["SET", "key", "x"]).into_error().starts_with("READONLY"));
        // A script is run where it was sent; what it writes is refused as always.
        let script = client.cmd(&["EVAL", "return redis.pcall('SET', KEYS[1], 'x')", "1", "key"]);
        assert!(script.into_error().starts_with("READONLY"));
        client.cmd(&["REPLICAOF", "NO", "ONE"]);
        assert_eq!(client.cmd(&["SET", "key", "x"]), Reply::ok());
    }
}

#[test]
fn a_transaction_that_a_role_change_overtook_is_sent_on() {
    let valkey = valkey_9();
    for program in [Some(None), valkey.as_deref().map(Some)].into_iter().flatten() {
        let (primary, replica) = primary_and_replica(program);
        let redirection = Reply::error(&format!("REDIRECT 127.0.0.1:{}", replica.port()));
        let mut client = primary.connect();
        client.cmd(&["CLIENT", "CAPA", "redirect"]);
        client.cmd(&["MULTI"]);
        client.cmd(&["SET", "key", "x"]);
        let mut other = primary.connect();
        replica.connect().cmd(&["REPLICAOF", "NO", "ONE"]);
        other.cmd(&["REPLICAOF", "127.0.0.1", &replica.port().to_string()]);
        assert_eq!(client.cmd(&["EXEC"]), redirection);
        assert_eq!(client.cmd(&["EXEC"]).into_error(), "ERR EXEC without MULTI");
    }
}

#[test]
fn blocked_clients_are_sent_on_when_the_server_becomes_a_replica() {
    let valkey = valkey_9();
    for program in [Some(None), valkey.as_deref().map(Some)].into_iter().flatten() {
        let (primary, replica) = primary_and_replica(program);
        let redirection = Reply::error(&format!("REDIRECT 127.0.0.1:{}", replica.port()));
        let (mut able, mut reading, mut plain) = (primary.connect(), primary.connect(), primary.connect());
        for client in [&mut able, &mut reading] {
            client.cmd(&["CLIENT", "CAPA", "redirect"]);
        }
        able.send(&["BLPOP", "list", "0"]);
        reading.send(&["XREAD", "BLOCK", "0", "STREAMS", "stream", "$"]);
        plain.send(&["BLPOP", "list", "0"]);
        let mut other = primary.connect();
        common::wait_until("three wait", || other.cmd(&["INFO", "clients"]).text().contains("blocked_clients:3\r\n"));
        replica.connect().cmd(&["REPLICAOF", "NO", "ONE"]);
        other.cmd(&["REPLICAOF", "127.0.0.1", &replica.port().to_string()]);
        assert_eq!(able.read(), redirection);
        assert_eq!(reading.read(), redirection);
        assert!(plain.read().into_error().starts_with("UNBLOCKED"));
        assert!(plain.is_closed());
        assert_eq!(able.cmd(&["PING"]), Reply::Simple("PONG".into()));
    }
}

#[test]
fn readonly_is_for_clusters_unless_the_client_follows_redirections() {
    let server = Server::start();
    let mut client = server.connect();
    let disabled = "ERR This instance has cluster support disabled";
    assert_eq!(client.cmd(&["READONLY"]).into_error(), disabled);
    assert_eq!(client.cmd(&["READWRITE"]).into_error(), disabled);
    client.cmd(&["CLIENT", "CAPA", "redirect"]);
    assert_eq!(client.cmd(&["READONLY"]), Reply::ok());
    assert!(client.cmd(&["CLIENT", "INFO"]).text().contains(" flags=r "));
    client.cmd(&["RESET"]);
    assert!(client.cmd(&["CLIENT", "INFO"]).text().contains(" flags=N "));
}

#[test]
fn in_import_mode_nothing_expires_and_import_sources_see_all() {
    for server in own_and_valkey(&["--import-mode", "yes"]) {
        let (mut source, mut client) = (server.connect(), server.connect());
        assert_eq!(source.cmd(&["CLIENT", "IMPORT-SOURCE", "ON"]), Reply::ok());
        assert!(source.cmd(&["CLIENT", "INFO"]).text().contains(" flags=I "));
        source.cmd(&["SET", "key", "value", "PXAT", "1"]);
        source.cmd(&["RPUSH", "list", "a"]);
        assert_eq!(source.cmd(&["PEXPIREAT", "list", "1"]), Reply::Integer(1));
        assert_eq!(client.cmd(&["GET", "key"]), Reply::Null);
        assert_eq!(client.cmd(&["EXISTS", "key", "list"]), Reply::Integer(0));
        assert_eq!(client.cmd(&["KEYS", "*"]), Reply::Array(vec![]));
        // The cron has had its turns.
        let started = std::time::Instant::now();
        common::wait_until("some ticks have passed", || started.elapsed().as_millis() > 300);
        assert_eq!(client.cmd(&["DBSIZE"]), Reply::Integer(2));
        assert_eq!(source.cmd(&["GET", "key"]), Reply::bulk("value"));
        assert_eq!(source.cmd(&["TTL", "key"]), Reply::Integer(0));
        assert_eq!(source.cmd(&["LRANGE", "list", "0", "-1"]), Reply::bulks(&["a"]));
        assert_eq!(source.cmd(&["EVAL", "return redis.call('GET', KEYS[1])", "1", "key"]), Reply::bulk("value"));
        source.cmd(&["MULTI"]);
        source.cmd(&["APPEND", "key", "s"]);
        assert_eq!(source.cmd(&["EXEC"]), Reply::Array(vec![Reply::Integer(6)]));
        source.cmd(&["CLIENT", "IMPORT-SOURCE", "OFF"]);
        assert_eq!(source.cmd(&["GET", "key"]), Reply::Null);
        source.cmd(&["CLIENT", "IMPORT-SOURCE", "ON"]);
        assert_eq!(client.cmd(&["CONFIG", "SET", "import-mode", "no"]), Reply::ok());
        assert_eq!(source.cmd(&["GET", "key"]), Reply::Null);
        common::wait_until("all has expired", || client.cmd(&["DBSIZE"]) == Reply::Integer(0));
        let error = client.cmd(&["CLIENT", "IMPORT-SOURCE", "ON"]).into_error();
        assert_eq!(error, "ERR Server is not in import mode");
        assert_eq!(client.cmd(&["CLIENT", "IMPORT-SOURCE", "OFF"]), Reply::ok());
    }
}
