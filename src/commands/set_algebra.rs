//! Intersection, union and difference of sets, returned, counted or kept. A key that is not there is an empty set.

use super::set::{limits, write_member};
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::Key;
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx, Handler};
use crate::types::listpack::{Element, IntText};
use crate::types::set::{SetLimits, difference, intersection, union};
use crate::types::{Collection, Set};

const READS: Access = Access::RO.and(Access::ACCESS);
const SOURCES: &[Keys] = &[Keys::range(1, -1, 1, READS)];
const TARGET_AND_SOURCES: &[Keys] = &[Keys::at(1, Access::OW.and(Access::UPDATE)), Keys::range(2, -1, 1, READS)];

/// The rows.
pub const COMMANDS: &[Command] = &[
    answer("sinter", sinter, "Returns the members that all sets have."),
    answer("sunion", sunion, "Returns the members that any of the sets has."),
    answer("sdiff", sdiff, "Returns the members of the first set that no other set has."),
    store("sinterstore", sinterstore, "Keeps the members that all sets have in a key.")
        .keys(&[Keys::at(1, Access::RW.and(Access::UPDATE)), Keys::range(2, -1, 1, READS)]),
    store("sunionstore", sunionstore, "Keeps the members that any of the sets has in a key."),
    store("sdiffstore", sdiffstore, "Keeps the members of the first set that no other set has in a key."),
    Command::new("sintercard", Arity::at_least(3), sintercard)
        .group(Group::Set)
        .flags(&[READONLY])
        .keys(&[Keys { begin: Begin::Index(1), find: Find::Count { count: 0, first: 1, step: 1 }, access: READS }])
        .docs("7.0.0", "numkeys key [key ...] [LIMIT limit]", "Counts the members that all sets have."),
];

const fn answer(name: &'static str, handler: Handler, summary: &'static str) -> Command {
    Command::new(name, Arity::at_least(2), handler)
        .group(Group::Set)
        .flags(&[READONLY])
        .keys(SOURCES)
        .tips(&["nondeterministic_output_order"])
        .docs("1.0.0", "key [key ...]", summary)
}

const fn store(name: &'static str, handler: Handler, summary: &'static str) -> Command {
    Command::new(name, Arity::at_least(3), handler)
        .group(Group::Set)
        .flags(&[WRITE, DENYOOM])
        .keys(TARGET_AND_SOURCES)
        .docs("1.0.0", "destination key [key ...]", summary)
}

fn keys_from(args: Args<'_>, from: usize) -> Vec<Key<'_>> {
    args.keys(from, 1).collect()
}

/// Calls `visit` for each member that all sets have, until it says no.
fn intersect<'c>(sets: Vec<Option<&'c Set>>, visit: impl FnMut(Element<'c>) -> bool) {
    if let Some(mut sets) = sets.into_iter().collect::<Option<Vec<_>>>() {
        intersection(&mut sets, visit);
    }
}

fn unite<'c>(sets: &[Option<&'c Set>], emit: impl FnMut(Element<'c>)) {
    let sets: Vec<&Set> = sets.iter().flatten().copied().collect();
    union(&sets, emit);
}

fn subtract<'c>(sets: &[Option<&'c Set>], emit: impl FnMut(Element<'c>)) {
    let [Some(first), others @ ..] = sets else { return };
    let mut others: Vec<&Set> = others.iter().flatten().copied().collect();
    difference(first, &mut others, emit);
}

fn sinter(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let sets = cx.db.collections::<Set>(&keys_from(args, 1))?;
    let (head, mut count) = (cx.reply.defer(), 0);
    intersect(sets, |member| {
        write_member(cx.reply, member);
        count += 1;
        true
    });
    cx.reply.finish_set(head, count);
    Ok(())
}

fn sunion(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let sets = cx.db.collections::<Set>(&keys_from(args, 1))?;
    let (head, mut count) = (cx.reply.defer(), 0);
    unite(&sets, |member| {
        write_member(cx.reply, member);
        count += 1;
    });
    cx.reply.finish_set(head, count);
    Ok(())
}

fn sdiff(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let sets = cx.db.collections::<Set>(&keys_from(args, 1))?;
    let (head, mut count) = (cx.reply.defer(), 0);
    subtract(&sets, |member| {
        write_member(cx.reply, member);
        count += 1;
    });
    cx.reply.finish_set(head, count);
    Ok(())
}

fn sintercard(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const NO_KEYS: Error = Error::fixed("ERR numkeys should be greater than 0");
    const TOO_MANY_KEYS: Error = Error::fixed("ERR Number of keys can't be greater than number of args");
    const NEGATIVE_LIMIT: Error = Error::fixed("ERR LIMIT can't be negative");
    let keys = args.integer_in(1, 1..=i64::MAX, NO_KEYS)? as usize;
    if keys > args.len() - 2 {
        return Err(TOO_MANY_KEYS);
    }
    let mut limit = 0;
    for index in (2 + keys..args.len()).step_by(2) {
        if !args.is(index, "limit") || index + 1 == args.len() {
            return Err(SYNTAX);
        }
        limit = args.integer_in(index + 1, 0..=i64::MAX, NEGATIVE_LIMIT)?;
    }
    let keys: Vec<Key<'_>> = args.keys(2, 1).take(keys).collect();
    let mut count = 0;
    intersect(cx.db.collections::<Set>(&keys)?, |_| {
        count += 1;
        count != limit
    });
    cx.reply.integer(count);
    Ok(())
}

/// Collects the members of a result.
struct Collected {
    set: Set,
    limits: SetLimits,
    room: IntText,
}

impl Collected {
    fn new(cx: &Ctx<'_>) -> Collected {
        Collected { set: Set::default(), limits: limits(&cx.server.config), room: IntText::new() }
    }

    fn add(&mut self, member: Element<'_>) {
        self.set.insert(member.text(&mut self.room), &self.limits);
    }
}

fn sinterstore(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let mut result = Collected::new(cx);
    intersect(cx.db.collections::<Set>(&keys_from(args, 2))?, |member| {
        result.add(member);
        true
    });
    keep(cx, args.key(1), result.set, "sinterstore");
    Ok(())
}

fn sunionstore(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let mut result = Collected::new(cx);
    let sets = cx.db.collections::<Set>(&keys_from(args, 2))?;
    let largest = sets.iter().flatten().map(|set| set.len()).max();
    result.set = Set::with_room(largest.unwrap_or(0), &result.limits);
    sets.into_iter().flatten().for_each(|set| set.iter().for_each(|member| result.add(member)));
    keep(cx, args.key(1), result.set, "sunionstore");
    Ok(())
}

fn sdiffstore(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let mut result = Collected::new(cx);
    subtract(&cx.db.collections::<Set>(&keys_from(args, 2))?, |member| result.add(member));
    keep(cx, args.key(1), result.set, "sdiffstore");
    Ok(())
}

/// Sets a key to the result, whatever it held; no members, no key.
fn keep(cx: &mut Ctx<'_>, key: Key<'_>, result: Set, event: &'static str) {
    let len = result.len();
    if len > 0 {
        cx.db.put_collection(&key, result);
        cx.changed(&key, Event::set(event));
    } else if cx.db.delete(&key) {
        cx.changed(&key, Event::generic("del"));
    }
    cx.reply.integer(len as i64);
}
