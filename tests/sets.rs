//! Sets and SORT where the upstream suite does not look: events in their order, transactions, digests, memory.

mod common;

use common::{Connection, Reply, Server, run};

/// Runs commands and returns the keyspace events they bring about, as `event key`.
fn events(server: &Server, client: &mut Connection, commands: &[&str]) -> Vec<String> {
    let mut listener = server.connect();
    run(&mut listener, "PSUBSCRIBE __keyevent@0__:*");
    for command in commands {
        let reply = run(client, command);
        assert!(!matches!(reply, Reply::Error(_)), "{command}: {reply:?}");
    }
    run(client, "PUBLISH __keyevent@0__:end .");
    let mut events = Vec::new();
    loop {
        let Reply::Array(parts) = listener.read() else { panic!("no message") };
        let (channel, key) = (parts[2].text(), parts[3].text());
        let event = channel.rsplit(':').next().unwrap_or_default().to_owned();
        if event == "end" {
            return events;
        }
        events.push(format!("{event} {key}"));
    }
}

#[test]
fn events_come_in_the_order_of_redis() {
    let server = Server::start();
    let mut client = server.connect();
    run(&mut client, "CONFIG SET notify-keyspace-events EAn");
    let mut told = |commands: &[&str]| events(&server, &mut client, commands);
    assert_eq!(told(&["SADD s a b", "SADD s a"]), ["new s", "sadd s"]);
    assert_eq!(told(&["SREM s x", "SREM s a b c"]), ["srem s", "del s"]);
    assert_eq!(told(&["SADD s a b c d e f g h", "SPOP s", "SPOP s 2"]), ["new s", "sadd s", "spop s", "spop s"]);
    assert_eq!(told(&["SPOP s 0", "SPOP s 100"]), ["spop s", "del s"]);
    assert_eq!(told(&["SADD s a b", "SADD t a", "SMOVE s t a"]), ["new s", "sadd s", "new t", "sadd t", "srem s"]);
    assert_eq!(told(&["SMOVE s t b"]), ["srem s", "del s", "sadd t"]);
    assert_eq!(
        told(&["SUNIONSTORE u t", "SINTERSTORE u t", "SDIFFSTORE u t"]),
        ["new u", "sunionstore u", "sinterstore u", "sdiffstore u"]
    );
    assert_eq!(told(&["SDIFFSTORE u t t", "SDIFFSTORE u t t"]), ["del u"]);
    assert_eq!(told(&["SORT t ALPHA STORE l", "SORT none STORE l"]), ["new l", "sortstore l", "del l"]);
}

#[test]
fn only_keys_that_change_fail_a_transaction() {
    let server = Server::start();
    let (mut client, mut other) = (server.connect(), server.connect());
    let mut committed = |commands: &[&str]| {
        for command in ["DEL a b d", "SADD a x y", "SADD b x", "WATCH b d"] {
            run(&mut other, command);
        }
        commands.iter().for_each(|command| _ = run(&mut client, command));
        run(&mut other, "MULTI");
        run(&mut other, "EXEC") != Reply::NullArray
    };
    assert!(committed(&["SMOVE a b x"]), "the member was there already");
    assert!(committed(&["SADD b x", "SREM b none", "SPOP b 0", "SINTERSTORE d a none", "SORT a ALPHA"]));
    for command in
        ["SMOVE a b y", "SADD b y", "SREM b x", "SPOP b", "SPOP b 9", "SUNIONSTORE d a", "SORT a ALPHA STORE d"]
    {
        assert!(!committed(&[command]), "{command}");
    }
}

#[test]
fn a_copy_is_a_set_of_its_own_in_the_same_encoding() {
    let server = Server::start_with(&["--enable-debug-command", "yes"]);
    let mut client = server.connect();
    run(&mut client, "CONFIG SET set-max-intset-entries 4");
    run(&mut client, "CONFIG SET set-max-listpack-entries 2");
    let sets = [("SADD k 1 2", "intset"), ("SADD k 1 x", "listpack"), ("SADD k 1 2 x", "hashtable")];
    for (command, encoding) in sets {
        for command in ["DEL k c", command, "COPY k c"] {
            run(&mut client, command);
        }
        assert_eq!(run(&mut client, "OBJECT ENCODING c"), Reply::bulk(encoding));
        let Reply::Array(digests) = run(&mut client, "DEBUG DIGEST-VALUE k c") else { panic!("no digests") };
        assert_eq!(digests[0], digests[1]);
        run(&mut client, "SREM k 1");
        assert_eq!(run(&mut client, "SISMEMBER c 1"), Reply::Integer(1));
    }
}

#[test]
fn a_huge_negative_count_ends_where_the_output_limit_does() {
    let server = Server::start();
    let mut client = server.connect();
    run(&mut client, "SADD s member");
    let limit = ["CONFIG", "SET", "client-output-buffer-limit", "normal 1mb 0 0"];
    assert_eq!(server.connect().cmd(&limit), Reply::ok());
    client.send(&["SRANDMEMBER", "s", "-4000000000000000000"]);
    client.read_to_end();
    assert_eq!(run(&mut server.connect(), "PING"), Reply::Simple("PONG".into()));
}
