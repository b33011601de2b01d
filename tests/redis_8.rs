//! What is said about commands, users and directives, compared with a redis-server 8 that OXIDIS_REDIS8 names; without
//! one the comparisons say so and test nothing. Where the answers differ on purpose, the reason stands here.

mod common;
#[path = "redis_8/facts.rs"]
mod facts;
#[path = "redis_8/users.rs"]
mod users;

use std::collections::{BTreeMap, BTreeSet};

use common::dataset::redis_8;
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
