//! Random commands about JSON documents to Oxidis and to RedisJSON: every reply is compared, and the documents.

use std::env;

use super::common::random::Random;
use super::common::{Reply, Server, encode};
use super::draw;
use super::with_module;

/// How many commands go out at once, behind which the documents are compared.
const BATCH: usize = 50;
/// After how many commands everything is begun anew, in the other protocol.
const ROUND: usize = 500;

fn compare(seed: u64, commands: usize, own: &Server, real: &Server) {
    let mut random = Random(seed);
    let mut sides = [own.connect(), real.connect()];
    let mut before: Vec<String> = Vec::new();
    for count in (0..commands).step_by(BATCH) {
        if count % ROUND == 0 {
            let protocol = if count % (2 * ROUND) == 0 { "2" } else { "3" };
            for side in &mut sides {
                side.cmd(&["FLUSHALL"]);
                side.cmd(&["HELLO", protocol]);
            }
            before.clear();
        }
        let mut batch: Vec<Vec<String>> = (0..BATCH).map(|_| draw::command(&mut random)).collect();
        // Whatever a member's place is, the documents are the same.
        batch.push(["JSON.MGET", "a", "b", "c", "$"].map(str::to_owned).to_vec());
        let sent: Vec<u8> = batch.iter().flat_map(|words| encode(words)).collect();
        sides.iter_mut().for_each(|side| side.raw(&sent));
        for words in batch {
            before.push(words.join(" "));
            let [ours, theirs] = [0, 1].map(|side| draw::canonical(&words, sides[side].read()));
            if ours != theirs {
                let last = before.len().saturating_sub(40);
                panic!("seed {seed}: {words:?}\nours   {ours}\ntheirs {theirs}\nbefore: {:#?}", &before[last..]);
            }
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().and_then(|text| text.parse().ok())
}

#[test]
fn random_commands_get_the_replies_of_redisjson() {
    let Some(real) = with_module("OXIDIS_REJSON", &[]) else { return };
    let own = Server::start();
    (1..=4).for_each(|seed| compare(seed, 2000, &own, &real));
}

#[test]
#[ignore = "as long as OXIDIS_JSON_COMMANDS tells"]
fn many_random_commands_get_the_replies_of_redisjson() {
    let real = with_module("OXIDIS_REJSON", &[]).expect("RedisJSON");
    let commands = number("OXIDIS_JSON_COMMANDS").expect("a number") as usize;
    let own = Server::start();
    let first = number("OXIDIS_JSON_SEED").unwrap_or(100);
    const SEEDS: u64 = 20;
    for seed in first..first + SEEDS {
        compare(seed, commands / SEEDS as usize, &own, &real);
    }
    println!("{commands} commands, seeds from {first} on");
}

#[test]
fn replies_that_differ_in_the_order_of_members_alone_count_as_the_same() {
    let same = |one: &str, other: &str| {
        let words = ["JSON.GET".to_owned(), "k".to_owned()];
        draw::canonical(&words, Reply::bulk(one)) == draw::canonical(&words, Reply::bulk(other))
    };
    assert!(same(r#"{"a":1,"b":[2]}"#, r#"{"b":[2],"a":1}"#));
    assert!(!same("[1,2]", "[2,1]"));
    assert!(!same("1", "1.0"));
    assert!(!same("[1e3]", "[1000.0]"));
    assert!(!same("[1.844674407371955e19]", "[1.8446744073719554e19]"));
    assert!(same(r#"{"a\"1":1.5e-7,"b":"-2"}"#, r#"{"b":"-2","a\"1":1.5e-7}"#));
}

#[test]
fn numbers_that_redisjson_reads_as_a_double_beside_the_nearest_are_not_drawn() {
    for text in ["18446744073719551615", "[1,123.456e-72]", "{\"a\":[1,18446744073719551615]}"] {
        assert!(!draw::has_nearest_doubles(text), "{text}");
    }
    for text in ["18446744073709551615", "123456789012345678901234567890", "[1e300,{\"a\":-0.0}]", "1e+,.", "{}"] {
        assert!(draw::has_nearest_doubles(text), "{text}");
    }
}
