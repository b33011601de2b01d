//! Connections: CLIENT, authentication, protocol versions, MONITOR, pauses.

mod common;

use common::{Connection, Reply, Server};

fn field(line: &str, name: &str) -> String {
    let found = line.split(' ').find_map(|pair| pair.trim_end().strip_prefix(&format!("{name}=")).map(str::to_owned));
    found.unwrap_or_else(|| panic!("{line} has no {name}"))
}

fn id(client: &mut Connection) -> String {
    match client.cmd(&["CLIENT", "ID"]) {
        Reply::Integer(id) => id.to_string(),
        other => panic!("{other:?} is no id"),
    }
}

/// The line of a client as another sees it.
fn line_of(asking: &mut Connection, id: &str) -> String {
    asking.cmd(&["CLIENT", "LIST", "ID", id]).text()
}

/// Waits until a client's line has a value in a field.
fn wait_for(asking: &mut Connection, id: &str, name: &str, value: &str) {
    let deadline = std::time::Instant::now() + common::PATIENCE;
    while field(&line_of(asking, id), name) != value {
        assert!(std::time::Instant::now() < deadline, "{name} of client {id} never was {value}");
        std::thread::yield_now();
    }
}

#[test]
fn hello_chooses_the_protocol_and_names_the_client() {
    let server = Server::start();
    let mut client = server.connect();
    assert!(client.cmd(&["HELLO", "4"]).into_error().starts_with("NOPROTO"));
    assert!(client.cmd(&["HELLO", "3", "SETNAME", "a b"]).into_error().contains("cannot contain spaces"));
    assert!(matches!(client.cmd(&["HELLO", "3", "SETNAME", "me"]), Reply::Map(_)));
    assert_eq!(client.cmd(&["CLIENT", "GETNAME"]), Reply::bulk("me"));
    assert_eq!(client.cmd(&["RESET"]), Reply::Simple("RESET".into()));
    assert_eq!(client.cmd(&["CLIENT", "GETNAME"]), Reply::Null);
    assert!(matches!(client.cmd(&["HELLO"]), Reply::Array(fields) if fields.len() == 14));
}

#[test]
fn strangers_must_authenticate() {
    let server = Server::start_with(&["--requirepass", "secret"]);
    let mut client = server.connect();
    assert!(client.cmd(&["GET", "key"]).into_error().starts_with("NOAUTH"));
    assert!(client.cmd(&["HELLO", "3"]).into_error().starts_with("NOAUTH HELLO"));
    for wrong in ["secre", "secret!", ""] {
        assert!(client.cmd(&["AUTH", wrong]).into_error().starts_with("WRONGPASS"));
    }
    assert!(client.cmd(&["AUTH", "nobody", "secret"]).into_error().starts_with("WRONGPASS"));
    // Bounds for strangers do not hold behind an AUTH in the same packet.
    let many: Vec<String> = (0..20).map(|number| format!("key:{number}")).collect();
    let words: Vec<&str> = ["DEL"].into_iter().chain(many.iter().map(String::as_str)).collect();
    client.raw(&[common::encode(&["AUTH", "default", "secret"]), common::encode(&words)].concat());
    assert_eq!(client.read(), Reply::ok());
    assert_eq!(client.read(), Reply::Integer(0));
    client.cmd(&["RESET"]);
    assert!(client.cmd(&["GET", "key"]).into_error().starts_with("NOAUTH"));
}

#[test]
fn kill_closes_others_at_once_and_oneself_behind_the_reply() {
    let server = Server::start();
    let (mut killer, mut first, mut second) = (server.connect(), server.connect(), server.connect());
    let first_id = id(&mut first);
    assert_eq!(killer.cmd(&["CLIENT", "KILL", "ID", &first_id]), Reply::Integer(1));
    assert!(first.is_closed());
    let address = field(&line_of(&mut killer, &id(&mut second)), "addr");
    assert_eq!(killer.cmd(&["CLIENT", "KILL", &address]), Reply::ok());
    assert!(second.is_closed());
    assert_eq!(killer.cmd(&["CLIENT", "KILL", &address]).into_error(), "ERR No such client");
    assert_eq!(killer.cmd(&["CLIENT", "KILL", "MAXAGE", "1000", "SKIPME", "no"]), Reply::Integer(0));
    let refused = killer.cmd(&["CLIENT", "KILL", "MAXAGE", "x"]).into_error();
    assert_eq!(refused, "ERR maxage is not an integer or out of range");
    let refused = killer.cmd(&["CLIENT", "KILL", "MAXAGE", "0"]).into_error();
    assert_eq!(refused, "ERR maxage should be greater than 0");
    assert_eq!(killer.cmd(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"]), Reply::Integer(1));
    assert!(killer.is_closed());
}

#[test]
fn replies_can_be_switched_off() {
    let server = Server::start();
    let mut client = server.connect();
    client.raw(b"CLIENT REPLY OFF\r\nPING\r\nNONSENSE\r\nSUBSCRIBE ch\r\nUNSUBSCRIBE ch\r\nCLIENT REPLY ON\r\n");
    assert!(matches!(client.read(), Reply::Array(confirmation) if confirmation[0] == Reply::bulk("subscribe")));
    assert!(matches!(client.read(), Reply::Array(confirmation) if confirmation[0] == Reply::bulk("unsubscribe")));
    assert_eq!(client.read(), Reply::ok());
    client.raw(b"CLIENT REPLY SKIP\r\nCLIENT REPLY SKIP\r\nPING silent\r\nPING heard\r\n");
    assert_eq!(client.read(), Reply::bulk("heard"));
}

#[test]
fn writes_wait_for_the_end_of_a_pause() {
    let server = Server::start();
    let (mut client, mut held) = (server.connect(), server.connect());
    let held_id = id(&mut held);
    assert_eq!(client.cmd(&["CLIENT", "PAUSE", "100000", "WRITE"]), Reply::ok());
    assert_eq!(held.cmd(&["GET", "key"]), Reply::Null);
    held.raw(b"SET key 1\r\nGET key\r\n");
    wait_for(&mut client, &held_id, "flags", "b");
    assert_eq!(client.cmd(&["GET", "key"]), Reply::Null);
    assert_eq!(client.cmd(&["CLIENT", "UNBLOCK", &held_id]), Reply::Integer(0));
    assert_eq!(client.cmd(&["CLIENT", "UNPAUSE"]), Reply::ok());
    assert_eq!(held.read(), Reply::ok());
    assert_eq!(held.read(), Reply::bulk("1"));
}

#[test]
fn a_pause_beyond_all_time_is_refused() {
    let server = Server::start();
    let mut client = server.connect();
    let pause = |client: &mut Connection, timeout: &str| client.cmd(&["CLIENT", "PAUSE", timeout]).into_error();
    assert_eq!(pause(&mut client, "9223372036854775807"), "ERR timeout is out of range");
    assert_eq!(pause(&mut client, "9223372036854775808"), "ERR timeout is not an integer or out of range");
    assert_eq!(pause(&mut client, "-1"), "ERR timeout is negative");
    assert_eq!(client.cmd(&["CLIENT", "PAUSE", "0"]), Reply::ok());
    assert_eq!(client.cmd(&["PING"]).text(), "PONG");
}

#[test]
fn a_held_client_can_be_killed() {
    let server = Server::start();
    let (mut client, mut held) = (server.connect(), server.connect());
    let held_id = id(&mut held);
    client.cmd(&["CLIENT", "PAUSE", "100000", "WRITE"]);
    held.send(&["SET", "key", "1"]);
    wait_for(&mut client, &held_id, "flags", "b");
    assert_eq!(client.cmd(&["CLIENT", "KILL", "ID", &held_id]), Reply::Integer(1));
    assert!(held.is_closed());
    client.cmd(&["CLIENT", "UNPAUSE"]);
    assert_eq!(client.cmd(&["GET", "key"]), Reply::Null);
}

#[test]
fn monitor_shows_commands_without_secrets() {
    let server = Server::start();
    let (mut monitor, mut client) = (server.connect(), server.connect());
    assert_eq!(monitor.cmd(&["MONITOR"]), Reply::ok());
    client.cmd(&["SET", "key", "a\"b\n"]);
    assert!(monitor.read().text().ends_with(r#"] "SET" "key" "a\"b\n""#));
    client.cmd(&["HELLO", "2", "AUTH", "user", "password"]);
    assert!(monitor.read().text().ends_with(r#""HELLO" "2" "AUTH" "(redacted)" "(redacted)""#));
    client.cmd(&["CLIENT", "LIST"]);
    assert_eq!(monitor.cmd(&["GET", "key"]).into_error(), "ERR Replica can't interact with the keyspace");
    assert_eq!(monitor.cmd(&["RESET"]), Reply::Simple("RESET".into()));
    client.cmd(&["SET", "key", "unseen"]);
    assert_eq!(monitor.cmd(&["PING"]).text(), "PONG");
}

#[test]
fn commands_before_the_end_of_the_stream_are_answered() {
    let server = Server::start();
    let mut client = server.connect();
    let count = 100_000;
    let mut sender = client.sender();
    let writer = std::thread::spawn(move || {
        sender.raw(&b"PING\r\n".repeat(count));
        sender.half_close();
    });
    assert_eq!(client.read_to_end().len(), count * b"+PONG\r\n".len());
    writer.join().expect("all is sent");
}

#[test]
fn clients_above_the_limit_are_told_so() {
    let server = Server::start_with(&["--maxclients", "2"]);
    let (mut first, mut second) = (server.connect(), server.connect());
    assert_eq!((first.cmd(&["PING"]).text(), second.cmd(&["PING"]).text()), ("PONG".into(), "PONG".into()));
    let mut third = server.connect();
    assert_eq!(third.read().into_error(), "ERR max number of clients reached");
    assert!(third.is_closed());
}

#[test]
fn idle_clients_are_closed_but_subscribers_stay() {
    let server = Server::start_with(&["--timeout", "1", "--hz", "100"]);
    let (mut idle, mut subscriber) = (server.connect(), server.connect());
    subscriber.cmd(&["SUBSCRIBE", "ch"]);
    idle.cmd(&["PING"]);
    assert!(idle.is_closed());
    assert!(matches!(subscriber.cmd(&["PING"]), Reply::Array(_)));
}

/// What a batch answers: each command of it, sent at once, by itself or in a transaction.
fn batch(client: &mut Connection, in_transaction: bool, commands: &[&[&str]]) -> Vec<Reply> {
    let mut bytes: Vec<u8> = commands.iter().flat_map(|words| common::encode(words)).collect();
    if in_transaction {
        bytes = [common::encode(&["MULTI"]), bytes, common::encode(&["EXEC"])].concat();
    }
    client.raw(&bytes);
    if !in_transaction {
        return commands.iter().map(|_| client.read()).collect();
    }
    for _ in 0..=commands.len() {
        client.read();
    }
    match client.read() {
        Reply::Array(replies) => replies,
        other => panic!("{other:?} is no result of a transaction"),
    }
}

#[test]
fn a_client_that_was_closed_is_gone_for_the_rest_of_the_batch() {
    let closings: [&[&str]; 4] = [
        &["CLIENT", "KILL", "USER", "u"],
        &["ACL", "DELUSER", "u"],
        &["ACL", "SETUSER", "u", "resetchannels"],
        &["ACL", "LOAD"],
    ];
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("users.acl");
    std::fs::write(&file, "user default on nopass ~* &* +@all\n").expect("a file");
    let server = Server::start_with(&["--aclfile", file.to_str().expect("a path")]);
    let mut admin = server.connect();
    for (closing, in_transaction) in closings.into_iter().flat_map(|closing| [(closing, true), (closing, false)]) {
        admin.cmd(&["FLUSHALL"]);
        admin.cmd(&["ACL", "SETUSER", "u", "on", "nopass", "+@all", "~*", "&*"]);
        let mut listening = server.connect();
        for words in
            [&["AUTH", "u", "x"][..], &["CLIENT", "SETNAME", "mine"], &["SUBSCRIBE", "ch"], &["PSUBSCRIBE", "c*"]]
        {
            listening.cmd(words);
        }
        let mut waiting = server.connect();
        waiting.cmd(&["AUTH", "u", "x"]);
        let waiting_id = id(&mut waiting);
        waiting.send(&["BLPOP", "list", "0"]);
        wait_for(&mut admin, &waiting_id, "flags", "b");
        let is_gone = closing[1] != "SETUSER";
        let unblock = ["CLIENT", "UNBLOCK", &waiting_id];
        let commands: [&[&str]; 9] = [
            closing,
            &["PUBLISH", "ch", "message"],
            &["PUBSUB", "NUMSUB", "ch"],
            &["PUBSUB", "NUMPAT"],
            &["PUBSUB", "CHANNELS"],
            &["CLIENT", "LIST"],
            &["INFO", "clients"],
            if is_gone { &unblock } else { &["PING"] },
            &["RPUSH", "list", "element"],
        ];
        let replies = batch(&mut admin, in_transaction, &commands);
        assert!(matches!(replies[0], Reply::Integer(1 | 2)) || replies[0] == Reply::ok(), "{replies:?}");
        assert_eq!(replies[1], Reply::Integer(0), "{closing:?}");
        assert_eq!(replies[2], Reply::Array(vec![Reply::bulk("ch"), Reply::Integer(0)]), "{closing:?}");
        assert_eq!(replies[3], Reply::Integer(0), "{closing:?}");
        assert_eq!(replies[4], Reply::Array(Vec::new()), "{closing:?}");
        let list = replies[5].text();
        assert!(!list.contains("name=mine"), "{closing:?}: {list}");
        assert_eq!(list.lines().count(), if is_gone { 1 } else { 2 }, "{closing:?}: {list}");
        let (connected, blocked) = if is_gone { (1, 0) } else { (2, 1) };
        let info = replies[6].text();
        assert!(info.contains(&format!("connected_clients:{connected}\r\n")), "{closing:?}: {info}");
        assert!(info.contains(&format!("blocked_clients:{blocked}\r\n")), "{closing:?}: {info}");
        assert!(info.contains("pubsub_clients:0\r\n"), "{closing:?}: {info}");
        if is_gone {
            assert_eq!(replies[7], Reply::Integer(0));
            assert_eq!(admin.cmd(&["LLEN", "list"]), Reply::Integer(1), "nobody has taken it");
            assert!(waiting.is_closed());
        }
        assert!(listening.is_closed());
    }
}

#[test]
fn a_client_that_closes_itself_gets_no_reply_behind_that() {
    let server = Server::start();
    let mut admin = server.connect();
    let closings: [&[&str]; 4] = [
        &["CLIENT", "KILL", "USER", "u", "SKIPME", "no"],
        &["CLIENT", "KILL", "ID", "own", "SKIPME", "no"],
        &["ACL", "DELUSER", "u"],
        &["ACL", "SETUSER", "u", "resetchannels"],
    ];
    for closing in closings {
        for (in_transaction, runs_on) in [(true, Reply::bulk("1")), (false, Reply::Null)] {
            admin.cmd(&["DEL", "behind"]);
            admin.cmd(&["ACL", "SETUSER", "u", "on", "nopass", "+@all", "~*", "&*"]);
            let mut own = server.connect();
            own.cmd(&["AUTH", "u", "x"]);
            own.cmd(&["HELLO", "3"]);
            own.cmd(&["SUBSCRIBE", "ch"]);
            let own_id = id(&mut own);
            let closing: Vec<&str> = closing.iter().map(|word| if *word == "own" { &own_id } else { *word }).collect();
            let mut words = vec![common::encode(&["GET", "x"]), common::encode(&["PUBLISH", "ch", "m"])];
            words.extend([common::encode(&closing), common::encode(&["SET", "behind", "1"])]);
            words.push(common::encode(&["ECHO", "x"]));
            if in_transaction {
                words.insert(0, common::encode(&["MULTI"]));
                words.push(common::encode(&["EXEC"]));
            }
            words.push(common::encode(&["PING"]));
            own.raw(&words.concat());
            let answered = String::from_utf8(own.read_to_end()).expect("a text");
            let first = if closing[1] == "SETUSER" { "+OK\r\n" } else { ":1\r\n" };
            let expected = match in_transaction {
                true => format!("+OK\r\n{}*5\r\n_\r\n:1\r\n{first}", "+QUEUED\r\n".repeat(5)),
                false => format!("_\r\n:1\r\n>3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$1\r\nm\r\n{first}"),
            };
            assert_eq!(answered, expected, "{closing:?}");
            assert_eq!(admin.cmd(&["GET", "behind"]), runs_on, "{closing:?}");
        }
    }
}
