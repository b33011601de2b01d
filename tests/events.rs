//! Keyspace events that came with Redis 8: values that were replaced.

mod common;

use common::{Connection, Reply, Server};

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

fn run(client: &mut Connection, line: &str) -> Reply {
    client.cmd(&line.split(' ').collect::<Vec<_>>())
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
