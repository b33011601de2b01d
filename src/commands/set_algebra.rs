//! Intersection, union and difference of sets, returned, counted or kept. A key that is not there is an empty set, and
//! a member whose time has come is not there.
//!
//! What is kept expires when it does in the sets it comes from: of several times the earliest counts.

use super::set::{limits, write_member};
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::{Databases, EntryView, Key};
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx, Handler};
use crate::types::hyperloglog::{Observation, Registers};
use crate::types::listpack::{Element, IntText};
use crate::types::set::{Live, SetLimits, difference, intersection, smallest, strikes_out, union};
use crate::types::{Collection, ExpiringParts, Set};

const READS: Access = Access::RO.and(Access::ACCESS);
const SOURCES: &[Keys] = &[Keys::range(1, -1, 1, READS)];
const COUNTED: &[Keys] =
    &[Keys { begin: Begin::Index(1), find: Find::Count { count: 0, first: 1, step: 1 }, access: READS }];
const TARGET_AND_SOURCES: &[Keys] = &[Keys::at(1, Access::OW.and(Access::UPDATE)), Keys::range(2, -1, 1, READS)];

const ALL: &str = "O(N) for N members of all sets together.";
const COMMON: &str = "O(N*M) at worst for M sets, of which the smallest has N members.";

/// The rows.
pub const COMMANDS: &[Command] = &[
    answer("sinter", sinter, "Returns the members that all sets have.").complexity(COMMON),
    answer("sunion", sunion, "Returns the members that any of the sets has.").complexity(ALL),
    answer("sdiff", sdiff, "Returns the members of the first set that no other set has.").complexity(ALL),
    store("sinterstore", sinterstore, "Keeps the members that all sets have in a key.")
        .complexity(COMMON)
        .keys(&[Keys::at(1, Access::OW.and(Access::UPDATE)), Keys::range(2, -1, 1, READS)]),
    store("sunionstore", sunionstore, "Keeps the members that any of the sets has in a key.").complexity(ALL),
    store("sdiffstore", sdiffstore, "Keeps the members of the first set that no other set has in a key.")
        .complexity(ALL),
    Command::new("sintercard", Arity::at_least(3), sintercard)
        .group(Group::Set)
        .flags(&[READONLY])
        .keys(COUNTED)
        .docs("7.0.0", "numkeys key [key ...] [LIMIT limit]", "Counts the members that all sets have.")
        .complexity(COMMON),
    Command::new("sunioncard", Arity::at_least(3), sunioncard)
        .group(Group::Set)
        .flags(&[READONLY])
        .keys(COUNTED)
        .docs(
            "8.10.0",
            "numkeys key [key ...] [APPROX] [LIMIT limit]",
            "Counts, or estimates, the members that any of the sets has.",
        )
        .complexity(ALL),
    Command::new("sdiffcard", Arity::at_least(3), sdiffcard)
        .group(Group::Set)
        .flags(&[READONLY])
        .keys(COUNTED)
        .docs(
            "8.10.0",
            "numkeys key [key ...] [LIMIT limit]",
            "Counts the members of the first set that no other set has.",
        )
        .complexity(ALL),
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

/// The sets of keys; a missing one is `None`.
fn look_up<'d>(db: &'d mut Databases, keys: &[Key<'_>]) -> Result<Vec<Option<Live<'d>>>, Error> {
    let now_ms = db.now_ms();
    let sets = db.collections::<Set>(keys)?;
    Ok(sets.into_iter().map(|set| set.map(|set| set.live(now_ms))).collect())
}

/// The sets of keys, for what will be kept: see [`Databases::expire_all_parts_of`].
fn look_up_to_keep<'d>(db: &'d mut Databases, keys: &[Key<'_>]) -> Result<Vec<Option<Live<'d>>>, Error> {
    let now_ms = db.now_ms();
    for key in keys {
        if db.collection::<Set>(key)?.is_some_and(|set| set.has_due(now_ms)) {
            db.expire_parts(key, usize::MAX);
        }
    }
    let find = |key: &Key<'_>| db.read_only(key).and_then(EntryView::collection::<Set>);
    Ok(keys.iter().map(|key| find(key).map(|set| set.live(now_ms))).collect())
}

/// Calls `visit` for each member that all sets have, until it says no.
fn intersect<'c>(sets: Vec<Option<Live<'c>>>, visit: impl FnMut(Element<'c>) -> bool) {
    if let Some(mut sets) = sets.into_iter().collect::<Option<Vec<_>>>() {
        intersection(&mut sets, visit);
    }
}

/// Calls `visit` for each member that any of the sets has, until it says no.
fn unite<'c>(sets: &[Option<Live<'c>>], visit: impl FnMut(Element<'c>) -> bool) {
    let sets: Vec<Live<'_>> = sets.iter().flatten().copied().collect();
    union(&sets, visit);
}

/// Calls `visit` for each member of the first set that no other has, until it says no.
fn subtract<'c>(sets: &[Option<Live<'c>>], visit: impl FnMut(Element<'c>) -> bool) {
    let [Some(first), others @ ..] = sets else { return };
    let mut others: Vec<Live<'_>> = others.iter().flatten().copied().collect();
    difference(*first, &mut others, visit);
}

fn sinter(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let sets = look_up(cx.db, &keys_from(args, 1))?;
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
    let sets = look_up(cx.db, &keys_from(args, 1))?;
    let (head, mut count) = (cx.reply.defer(), 0);
    unite(&sets, |member| {
        write_member(cx.reply, member);
        count += 1;
        true
    });
    cx.reply.finish_set(head, count);
    Ok(())
}

fn sdiff(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let sets = look_up(cx.db, &keys_from(args, 1))?;
    let (head, mut count) = (cx.reply.defer(), 0);
    subtract(&sets, |member| {
        write_member(cx.reply, member);
        count += 1;
        true
    });
    cx.reply.finish_set(head, count);
    Ok(())
}

/// What the commands that count members are asked for.
struct Count<'a> {
    keys: Vec<Key<'a>>,
    /// Where counting ends; 0 for nowhere.
    limit: u64,
    /// APPROX.
    estimates: bool,
}

impl<'a> Count<'a> {
    fn parse(args: &Args<'a>, may_estimate: bool) -> Result<Count<'a>, Error> {
        const NO_KEYS: Error = Error::fixed("ERR numkeys should be greater than 0");
        const TOO_MANY_KEYS: Error = Error::fixed("ERR Number of keys can't be greater than number of args");
        const NEGATIVE_LIMIT: Error = Error::fixed("ERR LIMIT can't be negative");
        let keys = args.integer_in(1, 1..=i64::MAX, NO_KEYS)? as usize;
        if keys > args.len() - 2 {
            return Err(TOO_MANY_KEYS);
        }
        let (mut limit, mut estimates) = (0, false);
        let mut index = 2 + keys;
        while index < args.len() {
            if args.is(index, "limit") && index + 1 < args.len() {
                limit = args.integer_in(index + 1, 0..=i64::MAX, NEGATIVE_LIMIT)? as u64;
                index += 2;
            } else if may_estimate && args.is(index, "approx") {
                estimates = true;
                index += 1;
            } else {
                return Err(SYNTAX);
            }
        }
        Ok(Count { keys: args.keys(2, 1).take(keys).collect(), limit, estimates })
    }

    /// Counts what `visit_all` visits, up to the limit.
    fn of<'c>(&self, visit_all: impl FnOnce(&mut dyn FnMut(Element<'c>) -> bool)) -> u64 {
        let mut count = 0;
        visit_all(&mut |_| {
            count += 1;
            count != self.limit
        });
        count
    }

    /// The count, or the limit if that is less.
    fn limited(&self, count: u64) -> u64 {
        if self.limit == 0 { count } else { count.min(self.limit) }
    }
}

fn sintercard(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let request = Count::parse(&args, false)?;
    let sets = look_up(cx.db, &request.keys)?;
    let count = request.of(|visit| intersect(sets, visit));
    cx.reply.integer(count as i64);
    Ok(())
}

fn sunioncard(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let request = Count::parse(&args, true)?;
    let sets = look_up(cx.db, &request.keys)?;
    let count = match &sets.iter().flatten().collect::<Vec<_>>()[..] {
        _ if request.estimates => request.limited(estimate(&sets)),
        [only] => request.limited(only.len() as u64),
        _ => request.of(|visit| unite(&sets, visit)),
    };
    cx.reply.integer(count as i64);
    Ok(())
}

/// About how many members sets have together, told by a HyperLogLog.
fn estimate(sets: &[Option<Live<'_>>]) -> u64 {
    let (mut registers, mut room) = (Registers::default(), IntText::new());
    for member in sets.iter().flatten().flat_map(|set| set.iter()) {
        registers.observe(Observation::of(member.text(&mut room)));
    }
    registers.count()
}

fn sdiffcard(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let request = Count::parse(&args, false)?;
    let sets = look_up(cx.db, &request.keys)?;
    let count = request.of(|visit| subtract(&sets, visit));
    cx.reply.integer(count as i64);
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

    /// Adds a member, and wants more.
    fn add(&mut self, member: Element<'_>) -> bool {
        self.set.insert(member.text(&mut self.room), &self.limits);
        true
    }

    /// Takes all members of a set, and takes those of the others out again: the form they have together remains.
    fn strike_out(&mut self, first: Live<'_>, others: &[Option<Live<'_>>]) {
        if others.iter().flatten().any(|other| other.is(first)) {
            return;
        }
        first.iter().for_each(|member| _ = self.add(member));
        for member in others.iter().flatten().flat_map(|other| other.iter()) {
            self.set.remove(member.text(&mut self.room));
            if self.set.is_empty() {
                return;
            }
        }
    }

    /// Gives the members the times they have in a set.
    fn add_times(&mut self, set: Live<'_>) {
        for (member, at) in set.expiring() {
            let member = member.text(&mut self.room);
            if let Some(old) = self.set.expiry(member)
                && old.is_none_or(|old| at < old)
            {
                self.set.set_expiry(member, Some(at), &self.limits);
            }
        }
    }
}

fn sinterstore(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let mut result = Collected::new(cx);
    let sets = look_up_to_keep(cx.db, &keys_from(args, 2))?;
    let present: Vec<Live<'_>> = sets.iter().flatten().copied().collect();
    // Of what is no intset the members come in no order in which an intset would like to be given them.
    if smallest(&present).is_some_and(|set| !set.is_intset()) {
        result.set = Set::for_texts();
    }
    intersect(sets.clone(), |member| result.add(member));
    result.set.make_intset_if_fits(&result.limits);
    sets.into_iter().flatten().for_each(|set| result.add_times(set));
    keep(cx, args.key(1), result.set, "sinterstore");
    Ok(())
}

fn sunionstore(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let mut result = Collected::new(cx);
    let sets = look_up_to_keep(cx.db, &keys_from(args, 2))?;
    let largest = sets.iter().flatten().map(|set| set.len()).max();
    result.set = Set::with_room(largest.unwrap_or(0), &result.limits);
    for member in sets.iter().flatten().flat_map(|set| set.iter()) {
        result.add(member);
    }
    sets.into_iter().flatten().for_each(|set| result.add_times(set));
    keep(cx, args.key(1), result.set, "sunionstore");
    Ok(())
}

fn sdiffstore(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let mut result = Collected::new(cx);
    let sets = look_up_to_keep(cx.db, &keys_from(args, 2))?;
    match &sets[..] {
        [Some(first), others @ ..] if strikes_out(*first, &others.iter().flatten().copied().collect::<Vec<_>>()) => {
            result.strike_out(*first, others);
        }
        _ => subtract(&sets, |member| result.add(member)),
    }
    sets.into_iter().take(1).flatten().for_each(|set| result.add_times(set));
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
