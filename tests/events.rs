//! Keyspace events that came with Redis 8: values that were replaced, and fields that are named.

mod common;

use common::{Connection, Reply, Server, run};

/// What a subscriber to all `__keyevent@0__` channels is told, as `event key`.
struct Listener(Connection);

impl Listener {
    fn to(server: &Server) -> Listener {
        let mut subscriber = server.connect();
        subscriber.cmd(&["PSUBSCRIBE", "__key*"]);
        Listener(subscriber)
    }

    fn expect(&mut self, told: &[&str]) {
        for expected in told {
            let Reply::Array(parts) = self.0.read() else { panic!("no message") };
            let (channel, message) = (parts[2].text(), parts[3].text());
            let event = channel.split_once("__:").map_or("", |(_, event)| event);
            assert_eq!(format!("{event} {message}"), *expected);
        }
    }
}

#[test]
fn a_replaced_value_is_told_of_and_so_is_its_new_type() {
    let server = Server::start_with(&["--notify-keyspace-events", "EAnoc"]);
    let (mut client, mut listener) = (server.connect(), Listener::to(&server));
    run(&mut client, "SET key value");
    listener.expect(&["new key", "set key"]);
    run(&mut client, "SETEX key 100 value");
    listener.expect(&["overwritten key", "set key", "expire key"]);
    run(&mut client, "SADD set a b");
    listener.expect(&["new set", "sadd set"]);
    run(&mut client, "SUNIONSTORE key set");
    listener.expect(&["overwritten key", "type_changed key", "sunionstore key"]);
    run(&mut client, "SUNIONSTORE key set set");
    listener.expect(&["overwritten key", "sunionstore key"]);
    run(&mut client, "MSET key other");
    listener.expect(&["overwritten key", "type_changed key", "set key"]);
    run(&mut client, "APPEND key more");
    run(&mut client, "SUNIONSTORE key missing");
    listener.expect(&["append key", "del key"]);
}

#[test]
fn a_key_that_takes_the_place_of_another_is_told_of_first() {
    let server = Server::start_with(&["--notify-keyspace-events", "EAnoc"]);
    let (mut client, mut listener) = (server.connect(), Listener::to(&server));
    run(&mut client, "SET string value");
    run(&mut client, "RPUSH list a");
    listener.expect(&["new string", "set string", "new list", "rpush list"]);
    run(&mut client, "COPY string list REPLACE");
    listener.expect(&["new list", "copy_to list", "overwritten list", "type_changed list"]);
    run(&mut client, "COPY string fresh REPLACE");
    listener.expect(&["new fresh", "copy_to fresh"]);
    run(&mut client, "RENAME string list");
    listener.expect(&["new list", "rename_from string", "rename_to list", "overwritten list"]);
    let Reply::Bulk(payload) = run(&mut client, "DUMP list") else { panic!("no payload") };
    client.cmd(&[b"RESTORE".as_slice(), b"list", b"0", &payload, b"REPLACE"]);
    listener.expect(&["new list", "restore list", "overwritten list"]);
}

/// What a subscriber to all channels that name fields is told, as channel and message.
struct Fields(Connection);

impl Fields {
    fn to(server: &Server) -> Fields {
        let mut subscriber = server.connect();
        subscriber.cmd(&["PSUBSCRIBE", "__subkey*"]);
        Fields(subscriber)
    }

    fn expect(&mut self, told: &[(&str, &str)]) {
        for (channel, message) in told {
            let Reply::Array(parts) = self.0.read() else { panic!("no message") };
            assert_eq!((parts[2].text(), parts[3].text()), ((*channel).to_owned(), (*message).to_owned()));
        }
    }
}

#[test]
fn subscribers_are_told_of_the_fields_that_change_on_channels_of_four_kinds() {
    let server = Server::start_with(&["--notify-keyspace-events", "hSTIV"]);
    let (mut client, mut fields) = (server.connect(), Fields::to(&server));
    run(&mut client, "HSET key one 1 two,2 2");
    fields.expect(&[
        ("__subkeyspace@0__:key", "hset|3:one,5:two,2"),
        ("__subkeyevent@0__:hset", "3:key|3:one,5:two,2"),
        ("__subkeyspaceitem@0__:key\none", "hset"),
        ("__subkeyspaceitem@0__:key\ntwo,2", "hset"),
        ("__subkeyspaceevent@0__:hset|key", "3:one,5:two,2"),
    ]);
    run(&mut client, "CONFIG SET notify-keyspace-events hI");
    client.cmd(&["HSET", "with\nfeed", "one", "1"]);
    run(&mut client, "HSET key one 1");
    fields.expect(&[("__subkeyspaceitem@0__:key\none", "hset")]);
}

#[test]
fn each_command_of_hashes_names_the_fields_it_changed() {
    let server = Server::start_with(&["--notify-keyspace-events", "hS", "--enable-debug-command", "yes"]);
    let (mut client, mut fields) = (server.connect(), Fields::to(&server));
    for (line, told) in [
        ("HSETNX key a 1", "hset|1:a"),
        ("HINCRBY key a 1", "hincrby|1:a"),
        ("HINCRBYFLOAT key b 1", "hincrbyfloat|1:b"),
        ("HMSET key c 1 d 1", "hset|1:c,1:d"),
        ("HDEL key d missing", "hdel|1:d"),
        ("HEXPIRE key 100 FIELDS 2 a missing", "hexpire|1:a"),
        ("HPERSIST key FIELDS 2 a b", "hpersist|1:a"),
        ("HGETEX key EX 100 FIELDS 2 b missing", "hexpire|1:b"),
        ("HGETEX key PERSIST FIELDS 2 a b", "hpersist|1:b"),
        ("HGETDEL key FIELDS 2 c missing", "hdel|1:c"),
        ("HSETEX key FIELDS 1 e 1", "hset|1:e"),
        ("HEXPIRE key 0 FIELDS 1 e", "hdel|1:e"),
        ("HPEXPIRE key 1 FIELDS 1 a", "hexpire|1:a"),
    ] {
        run(&mut client, line);
        fields.expect(&[("__subkeyspace@0__:key", told)]);
    }
    fields.expect(&[("__subkeyspace@0__:key", "hexpired|1:a")]);
    // What is no event of a hash names nothing, and neither do members of sets.
    run(&mut client, "DEL key");
    run(&mut client, "CONFIG SET notify-keyspace-events AS");
    run(&mut client, "SADD set a");
    run(&mut client, "SEXPIRE set 100 MEMBERS 1 a");
    run(&mut client, "HSETEX key EX 100 FIELDS 1 f 1");
    fields.expect(&[("__subkeyspace@0__:key", "hset|1:f"), ("__subkeyspace@0__:key", "hexpire|1:f")]);
}
