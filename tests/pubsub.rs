//! Publish/subscribe between connections.

mod common;

use common::{Connection, Reply, Server};

fn confirmation(word: &str, name: &str, count: i64) -> Vec<Reply> {
    vec![Reply::bulk(word), Reply::bulk(name), Reply::Integer(count)]
}

#[test]
fn messages_come_through_channels_and_patterns() {
    let server = Server::start();
    let (mut subscriber, mut publisher) = (server.connect(), server.connect());
    assert_eq!(subscriber.cmd(&["SUBSCRIBE", "news"]), Reply::Array(confirmation("subscribe", "news", 1)));
    assert_eq!(subscriber.cmd(&["PSUBSCRIBE", "n*"]), Reply::Array(confirmation("psubscribe", "n*", 2)));
    assert_eq!(publisher.cmd(&["PUBLISH", "news", "hot"]), Reply::Integer(2));
    assert_eq!(publisher.cmd(&["PUBLISH", "other", "cold"]), Reply::Integer(0));
    assert_eq!(subscriber.read(), Reply::bulks(&["message", "news", "hot"]));
    assert_eq!(subscriber.read(), Reply::bulks(&["pmessage", "n*", "news", "hot"]));
    assert!(matches!(subscriber.cmd(&["GET", "key"]), Reply::Error(text) if text.contains("allowed in this context")));
}

#[test]
fn ends_of_subscriptions_are_confirmed_in_order() {
    let server = Server::start();
    let mut client = server.connect();
    client.send(&["SUBSCRIBE", "c", "a", "b"]);
    (0..3).for_each(|_| drop(client.read()));
    client.send(&["UNSUBSCRIBE"]);
    for (count, name) in [(2, "c"), (1, "a"), (0, "b")] {
        assert_eq!(client.read(), Reply::Array(confirmation("unsubscribe", name, count)));
    }
    let nothing = vec![Reply::bulk("punsubscribe"), Reply::Null, Reply::Integer(0)];
    assert_eq!(client.cmd(&["PUNSUBSCRIBE"]), Reply::Array(nothing));
    assert_eq!(client.cmd(&["PING"]), Reply::Simple("PONG".into()));
}

#[test]
fn resp3_mixes_pushes_and_commands() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["HELLO", "3"]);
    assert_eq!(client.cmd(&["SUBSCRIBE", "ch"]), Reply::Push(confirmation("subscribe", "ch", 1)));
    assert_eq!(client.cmd(&["PUBLISH", "ch", "to myself"]), Reply::Integer(1));
    let message = ["message", "ch", "to myself"].iter().map(Reply::bulk).collect();
    assert_eq!(client.read(), Reply::Push(message));
}

#[test]
fn shard_channels_are_a_world_of_their_own() {
    let server = Server::start();
    let (mut subscriber, mut publisher) = (server.connect(), server.connect());
    assert_eq!(subscriber.cmd(&["SSUBSCRIBE", "ch"]), Reply::Array(confirmation("ssubscribe", "ch", 1)));
    assert_eq!(publisher.cmd(&["PUBLISH", "ch", "x"]), Reply::Integer(0));
    assert_eq!(publisher.cmd(&["SPUBLISH", "ch", "y"]), Reply::Integer(1));
    assert_eq!(subscriber.read(), Reply::bulks(&["smessage", "ch", "y"]));
    assert_eq!(publisher.cmd(&["PUBSUB", "SHARDCHANNELS"]), Reply::bulks(&["ch"]));
    assert_eq!(publisher.cmd(&["PUBSUB", "CHANNELS"]), Reply::bulks(&[]));
}

#[test]
fn large_messages_arrive_whole() {
    let server = Server::start();
    let (mut subscriber, mut publisher) = (server.connect(), server.connect());
    subscriber.cmd(&["SUBSCRIBE", "ch"]);
    let large = "x".repeat(1 << 20);
    assert_eq!(publisher.cmd(&["PUBLISH", "ch", &large]), Reply::Integer(1));
    assert_eq!(subscriber.read(), Reply::bulks(&["message", "ch", &large]));
}

#[test]
fn the_soft_limit_is_one_of_omem() {
    let limit = 200_000;
    let server = Server::start_with(&["--client-output-buffer-limit", &format!("pubsub 0 {limit} 0")]);
    let (mut lazy, mut publisher) = (server.connect(), server.connect());
    lazy.cmd(&["CLIENT", "SETNAME", "lazy"]);
    lazy.cmd(&["SUBSCRIBE", "ch"]);
    let omem = |publisher: &mut Connection| {
        let list = publisher.cmd(&["CLIENT", "LIST"]).text().to_string();
        let line = list.lines().find(|line| line.contains("name=lazy"))?;
        line.split(" omem=").nth(1)?.split(' ').next()?.parse::<usize>().ok()
    };
    let message = "x".repeat(1000);
    let (mut last, mut most) = (0, 0);
    for _ in 0..100_000 {
        publisher.cmd(&["PUBLISH", "ch", &message]);
        match omem(&mut publisher) {
            Some(waiting) => (last, most) = (waiting, most.max(waiting)),
            None => break,
        }
    }
    assert!(last + 3 * message.len() >= limit, "closed at {last}, at most {most}");
    assert_eq!(omem(&mut publisher), None);
}

#[test]
fn a_subscriber_that_does_not_read_is_closed() {
    let server = Server::start_with(&["--client-output-buffer-limit", "pubsub 1mb 0 0"]);
    let (mut lazy, mut publisher) = (server.connect(), server.connect());
    lazy.cmd(&["SUBSCRIBE", "ch"]);
    let message = "x".repeat(10_000);
    let receivers = |publisher: &mut Connection| publisher.cmd(&["PUBLISH", "ch", &message]);
    let sent = (0..100_000).take_while(|_| receivers(&mut publisher) == Reply::Integer(1)).count();
    assert!(sent < 100_000, "the subscriber was never closed");
}
