//! What is said about commands, users and directives, compared with a redis-server 8 that OXIDIS_REDIS8 names; without
//! one the comparisons say so and test nothing. Where the answers differ on purpose, the reason stands here.

mod common;
#[path = "redis_8/facts.rs"]
mod facts;
#[path = "redis_8/users.rs"]
mod users;

use std::collections::{BTreeMap, BTreeSet};

use common::dataset::{info_fields, redis_8};
use common::{Connection, Reply, Server, binary};

/// A Redis and this server, each with a connection.
struct Pair {
    redis: (Server, Connection),
    own: (Server, Connection),
}

impl Pair {
    fn start(arguments: &[&str]) -> Option<Pair> {
        let program = redis_8()?;
        let with = |server: Server| {
            let client = server.connect();
            (server, client)
        };
        let redis = with(Server::start_program(&program, arguments));
        let own = with(Server::start_program(&binary(), arguments));
        Some(Pair { redis, own })
    }

    fn both(&mut self, words: &[&str]) -> (Reply, Reply) {
        (self.redis.1.cmd(words), self.own.1.cmd(words))
    }
}

/// Directives that only one of the two has, with the reason.
const OWN_DIRECTIVES_ALONE: &str = "directives of later versions and of Valkey are accepted as well";

/// Directives whose defaults differ, with the reason.
const OTHER_DEFAULTS: &[(&str, &str)] = &[
    ("dir", "each server has a folder of its own"),
    ("port", "and a port"),
    ("pidfile", "Redis makes one up when it is a service"),
];

fn directives(client: &mut Connection) -> BTreeMap<String, String> {
    let Reply::Array(words) = client.cmd(&["CONFIG", "GET", "*"]) else { panic!("no list") };
    words.chunks(2).map(|pair| (pair[0].text(), pair[1].text())).collect()
}

#[test]
fn every_directive_of_redis_8_is_there_with_its_default() {
    let Some(mut pair) = Pair::start(&[]) else { return };
    let (redis, own) = (directives(&mut pair.redis.1), directives(&mut pair.own.1));
    let missing: Vec<&String> = redis.keys().filter(|name| !own.contains_key(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let other = |name: &str| OTHER_DEFAULTS.iter().any(|(other, _)| *other == name);
    for (name, value) in redis.iter().filter(|(name, _)| !other(name)) {
        assert_eq!(own[name], *value, "{name}");
    }
    assert!(own.len() > redis.len(), "{OWN_DIRECTIVES_ALONE}");
}

#[test]
fn a_configuration_with_every_directive_of_redis_and_valkey_starts_the_server() {
    const TEXT: &str = include_str!("redis_8/every_directive.conf");
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("every.conf");
    std::fs::write(&path, TEXT).expect("a file");
    let server = Server::start_with_file(&path);
    let shown = directives(&mut server.connect());
    // In the order of the file, so that the latter of two lines counts.
    let wanted: BTreeMap<&str, &str> = TEXT
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .map(|(name, value)| (name, value.trim_matches('"')))
        .collect();
    for (name, value) in wanted {
        let amount = value.strip_suffix("mb").and_then(|amount| amount.parse::<u64>().ok());
        let value = amount.map_or(value.to_owned(), |amount| (amount << 20).to_string());
        // What is hidden is told only to who asks for it by its name.
        assert!(shown.get(name).is_none_or(|shown| *shown == value), "{name}: {:?}, not {value}", shown.get(name));
    }
}

/// Words of replies that are texts, in a set: the order tells nothing.
fn words(reply: &Reply) -> BTreeSet<String> {
    match reply {
        Reply::Array(items) | Reply::Set(items) => items.iter().map(Reply::text).collect(),
        Reply::Null => BTreeSet::new(),
        other => panic!("{other:?} is no list"),
    }
}

/// A field of a map in the shape of RESP2.
fn field<'a>(map: &'a Reply, name: &str) -> Option<&'a Reply> {
    let Reply::Array(items) = map else { panic!("{map:?} is no map") };
    items.chunks(2).find(|pair| pair[0] == Reply::bulk(name)).map(|pair| &pair[1])
}

/// Fields of INFO that are left out: of a C compiler, of reply buffers that each client has for good, and of modules.
const LEFT_OUT: &[&str] = &["atomicvar_api", "gcc_version", "reply_buffer_shrinks", "reply_buffer_expands", "module"];

/// The fields of INFO that are compared.
fn compared_fields(client: &mut Connection) -> Vec<String> {
    let is_left_out = |field: &String| field.split_once(' ').is_some_and(|(_, name)| LEFT_OUT.contains(&name));
    info_fields(client).into_iter().filter(|field| !is_left_out(field)).collect()
}

#[test]
fn info_has_the_fields_of_redis_8_in_their_order() {
    let Some(mut pair) = Pair::start(&[]) else { return };
    pair.both(&["SET", "key", "value"]);
    let compare = |pair: &mut Pair| {
        let expected = compared_fields(&mut pair.redis.1);
        let own = compared_fields(&mut pair.own.1);
        let known: Vec<String> = own.into_iter().filter(|field| expected.contains(field)).collect();
        assert_eq!(known, expected);
    };
    compare(&mut pair);
    pair.both(&["REPLICAOF", "127.0.0.1", "1"]);
    compare(&mut pair);
}

#[test]
fn clients_are_described_with_the_words_of_redis_8() {
    let Some(mut pair) = Pair::start(&[]) else { return };
    pair.both(&["WATCH", "a", "b"]);
    for _ in 0..2 {
        let (redis, own) = pair.both(&["CLIENT", "LIST"]);
        let words = |reply: Reply| -> Vec<(String, String)> {
            let text = reply.text();
            let pairs = text.trim_end().split(' ').map(|word| word.split_once('=').expect("a name and a value"));
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        let (redis, own) = (words(redis), words(own));
        let names = |words: &[(String, String)]| words.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        // What Valkey tells besides stands behind it.
        assert!(names(&own).starts_with(&names(&redis)), "{own:?}");
        for name in
            ["watch", "multi", "io-thread", "tot-net-in", "tot-cmds", "cmd", "flags", "user", "qbuf", "argv-mem"]
        {
            let value = |words: &[(String, String)]| words.iter().find(|(known, _)| known == name).cloned();
            assert_eq!(value(&own), value(&redis));
        }
    }
}

#[test]
fn memory_is_told_in_the_parts_of_redis_8() {
    let Some(mut pair) = Pair::start(&[]) else { return };
    pair.both(&["SET", "key", "value"]);
    let (redis, own) = pair.both(&["MEMORY", "STATS"]);
    let names = |reply: &Reply| -> Vec<String> {
        let Reply::Array(items) = reply else { panic!("{reply:?}") };
        items.iter().step_by(2).map(Reply::text).collect()
    };
    // With those of later versions between them.
    let known: Vec<String> = names(&own).into_iter().filter(|name| names(&redis).contains(name)).collect();
    assert_eq!(known, names(&redis));
    assert_eq!(field(&own, "db.0").map(names), field(&redis, "db.0").map(names));
}
