//! Oxidis beside a real Redis 8: the same random commands to both, and every reply the same, byte for byte.
//!
//! `differential/draw` makes words by chance, `grammar` and `families` commands of them, `generate` a stream; `session`
//! sends it to both servers of a `pair`, and `check` says which differences are none. What differs is made short by
//! `shrink` and told by `run`. Where OXIDIS_REDIS8 names no redis-server 8.x nothing is compared, and the tests say so.
//! `scripts/differential` runs as long as one likes.

mod common;

mod differential {
    pub mod check;
    pub mod draw;
    pub mod families;
    pub mod generate;
    pub mod grammar;
    pub mod pair;
    pub mod run;
    pub mod session;
    pub mod shrink;
    pub mod unit;
    pub mod wire;
}

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;

use common::Server;
use differential::families::{EXCUSED, FAMILIES};
use differential::pair::{Pair, Program};
use differential::run::{self, Plan};
use differential::session::Session;
use differential::shrink::shrink;
use differential::unit::{Cmd, Unit};

/// Seeds and commands of the run that is a part of every `cargo test`.
const SHORT_SEEDS: u64 = 3;
const SHORT_COMMANDS: usize = 5000;

fn assert_no_report(reports: &[String]) {
    assert!(reports.is_empty(), "{} differences:\n\n{}", reports.len(), reports.join("\n"));
}

fn short_plan(redis: OsString) -> Plan {
    Plan {
        seeds: run::first_seeds(SHORT_SEEDS),
        commands: SHORT_COMMANDS,
        families: Vec::new(),
        keeps_going: false,
        redis,
        oxidis: common::binary(),
    }
}

#[test]
fn random_commands_have_the_replies_and_effects_of_redis() {
    let Some(redis) = common::dataset::redis_8() else { return };
    assert_no_report(&run::run(&short_plan(redis)));
}

#[test]
fn what_valkey_has_besides_is_as_in_valkey() {
    let Some(valkey) = common::dataset::valkey_9() else { return };
    assert_no_report(&run::run(&short_plan(valkey)));
}

#[test]
#[ignore = "as long as one likes: scripts/differential"]
fn a_run_as_told_by_the_environment_shows_no_difference() {
    let named = env::var_os("OXIDIS_DIFFERENTIAL_REDIS").or_else(|| env::var_os("OXIDIS_REDIS8"));
    let redis = named.expect("the real server, in OXIDIS_DIFFERENTIAL_REDIS or OXIDIS_REDIS8");
    assert_no_report(&run::run(&run::plan_from_environment(redis, common::binary())));
}

#[test]
fn every_command_is_drawn_or_excused() {
    let server = Server::start();
    let mut client = server.connect();
    let common::Reply::Array(names) = client.cmd(&["COMMAND", "LIST"]) else { panic!("no list of commands") };
    let drawn: BTreeSet<&str> = FAMILIES.iter().flat_map(|family| family.rows).map(|row| row.name).collect();
    let is_excused =
        |name: &str| EXCUSED.iter().any(|(known, _)| *known == name || name.split('|').next() == Some(known));
    let names: Vec<String> = names.iter().map(common::Reply::text).collect();
    // A container says nothing by itself.
    let is_container = |name: &str| names.iter().any(|other| other.starts_with(&format!("{name}|")));
    let missing: Vec<&String> = names
        .iter()
        .filter(|name| !drawn.contains(name.as_str()) && !is_excused(name) && !is_container(name))
        .collect();
    assert!(missing.is_empty(), "neither in a family of tests/differential nor excused: {missing:?}");
    let needless: Vec<&str> = EXCUSED.iter().map(|(name, _)| *name).filter(|name| drawn.contains(name)).collect();
    assert!(needless.is_empty(), "excused, but drawn: {needless:?}");
}

#[test]
fn a_difference_is_found_and_made_short() {
    // Ours against itself, where one side got a word that the other did not.
    let program = |name| Program { name, path: common::binary() };
    let mut pair = Pair::start(program("one"), program("other"));
    let unit = |words: &[&str]| Unit::new(0, vec![Cmd::exact(words)]);
    let mut units: Vec<Unit> = (0..40).map(|number| unit(&["SET", &format!("k{number}"), "v"])).collect();
    units.insert(20, unit(&["APPEND", "k7", "w"]));
    units.push(unit(&["CLIENT", "SETNAME", "a"]));
    units.push(unit(&["TIME"]));
    let difference = Session::start(&mut pair).run(&units).expect_err("two clocks");
    assert_eq!(difference.command, [b"TIME"]);
    let shrunk = shrink(&mut pair, units, &difference, Default::default()).expect("a difference at every time");
    assert_eq!(shrunk.units.len(), 1);
}
