//! Sets: members that come and go, and members at random.
//!
//! What is taken at random is propagated as what was taken: replicas must not draw for themselves.
//!
//! A member whose time has come is no more to any reader, and the first command that asks for it by name deletes it;
//! commands that choose members delete such first, all others pass over them and leave them to active expiry. When
//! members expire stands in [`super::set_expiry`].

use super::part_expiry::{Parts, Words, delete_due, plan, removed};
use super::scan::{self, Walk};
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::config::Config;
use crate::db::{Databases, EntryView, Key};
use crate::resp::reply::Reply;
use crate::resp::request::OwnedRequest;
use crate::server::effects::Event;
use crate::server::execution::changes::deletion;
use crate::server::execution::{Command, Ctx, Handler};
use crate::types::hash::FieldExpiry;
use crate::types::listpack::{Element, IntText};
use crate::types::set::{Live, SetLimits};
use crate::types::{Collection, ExpiringParts, Set};

/// Members removed by one SREM that stands for an SPOP.
const REMOVED_TOGETHER_MAX: usize = 1024;
/// Members whose time has come that one call of SRANDMEMBER deletes at most.
const EXPIRED_AT_ONCE: usize = 1000;

pub(super) const SADD_EVENT: Event = Event::set("sadd");
const SPOP_EVENT: Event = Event::set("spop");

const READS: Access = Access::RO.and(Access::ACCESS);

/// The rows.
pub const COMMANDS: &[Command] = &[
    row("sadd", Arity::at_least(3), sadd, &[WRITE, DENYOOM, FAST], &[Keys::at(1, Access::RW.and(Access::INSERT))])
        .docs("1.0.0", "key member [member ...]", "Adds members to a set, and counts those that are new.")
        .complexity("O(1) for each element, so O(N) for N.")
        .history(&[("2.4.0", "Several members.")]),
    row("srem", Arity::at_least(3), srem, &[WRITE, FAST], &[Keys::at(1, Access::RW.and(Access::DELETE))])
        .docs("1.0.0", "key member [member ...]", "Removes members from a set, and counts those that were there.")
        .complexity("O(N) for N members removed.")
        .history(&[("2.4.0", "Several members.")]),
    row("sismember", Arity::exactly(3), sismember, &[READONLY, FAST], &[Keys::at(1, Access::RO)]).docs(
        "1.0.0",
        "key member",
        "Tells whether a set has a member.",
    ),
    row("smismember", Arity::at_least(3), smismember, &[READONLY, FAST], &[Keys::at(1, READS)])
        .docs("6.2.0", "key member [member ...]", "Tells of each of several members whether a set has it.")
        .complexity("O(N) for N members asked for."),
    row("scard", Arity::exactly(2), scard, &[READONLY, FAST], &[Keys::at(1, Access::RO)]).docs(
        "1.0.0",
        "key",
        "Returns the number of members of a set.",
    ),
    row("smembers", Arity::exactly(2), smembers, &[READONLY], &[Keys::at(1, READS)])
        .tips(&["nondeterministic_output_order"])
        .docs("1.0.0", "key", "Returns all members of a set.")
        .complexity("O(N) for a set of N members."),
    row(
        "spop",
        Arity::at_least(2),
        spop,
        &[WRITE, FAST],
        &[Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::DELETE))],
    )
    .tips(&["nondeterministic_output"])
    .docs("1.0.0", "key [count]", "Takes members chosen at random out of a set and returns them.")
    .complexity("O(1); with a count O(N) for N of it.")
    .history(&[("3.2.0", "A count.")]),
    row("srandmember", Arity::at_least(2), srandmember, &[READONLY], &[Keys::at(1, READS)])
        .tips(&["nondeterministic_output"])
        .docs(
            "1.0.0",
            "key [count]",
            "Returns members of a set chosen at random; with a negative count the same one may come several times.",
        )
        .complexity("O(1); with a count O(N) for N of it.")
        .history(&[("2.6.0", "A count.")]),
    Command::new("smove", Arity::exactly(4), smove)
        .group(Group::Set)
        .flags(&[WRITE, FAST])
        .keys(&[
            Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::DELETE)),
            Keys::at(2, Access::RW.and(Access::INSERT)),
        ])
        .docs("1.0.0", "source destination member", "Moves a member from one set to another."),
    row("sscan", Arity::at_least(3), sscan, &[READONLY], &[Keys::at(1, READS)])
        .tips(&["nondeterministic_output"])
        .docs(
            "2.8.0",
            "key cursor [MATCH pattern] [COUNT count]",
            "Returns some of the members of a set, and where to go on.",
        )
        .complexity("O(1) for each call, O(N) for all that it takes to see N elements."),
];

const fn row(name: &'static str, arity: Arity, handler: Handler, flags: &[Flags], keys: &'static [Keys]) -> Command {
    Command::new(name, arity, handler).group(Group::Set).flags(flags).keys(keys)
}

impl Parts for Set {
    const WORDS: Words = Words {
        keyword: "MEMBERS",
        missing: Error::fixed("ERR Mandatory argument MEMBERS is missing or not at the right position"),
        not_a_count: Error::fixed("ERR Number of members must be a positive integer"),
        miscounted: Error::fixed("ERR The `nummembers` parameter must match the number of arguments"),
        set_time: "SPEXPIREAT",
        removal: "SREM",
        removed: Event::set("srem"),
        expires: Event::set("sexpire"),
        persists: Event::set("spersist"),
    };

    type Limits = SetLimits;

    fn limits(config: &Config) -> SetLimits {
        limits(config)
    }

    fn set_time(&mut self, member: &[u8], at: Option<i64>, limits: SetLimits) {
        self.set_expiry(member, at, &limits);
    }
}

/// When sets change their encodings.
pub fn limits(config: &Config) -> SetLimits {
    SetLimits {
        intset_entries: config.set_max_intset_entries,
        listpack_entries: config.set_max_listpack_entries,
        listpack_value: config.set_max_listpack_value,
    }
}

/// Writes a member.
#[inline]
pub fn write_member(reply: &mut Reply, member: Element<'_>) {
    match member {
        Element::Int(value) => reply.bulk_int(value),
        Element::Bytes(text) => reply.bulk_at_once(text),
    }
}

fn sadd(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, limits, now_ms) = (args.key(1), limits(&cx.server.config), cx.now_ms());
    let mut set = cx.db.collection_or_new::<Set>(&key)?;
    if set.has_due(now_ms) {
        cx.db.expire_named(&key, args.rest(2));
        set = cx.db.collection_or_new(&key)?;
    }
    set.expect(args.len() - 2, args.get(2), &limits);
    let added = args.rest(2).filter(|member| set.insert(member, &limits)).count();
    if added > 0 {
        cx.db.dirty += added as u64;
        cx.touched(&key, SADD_EVENT);
    }
    cx.reply.integer(added as i64);
    Ok(())
}

fn srem(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    let Some(set) = cx.db.collection_mut::<Set>(&key)? else {
        cx.reply.integer(0);
        return Ok(());
    };
    let count = args.rest(2).filter(|member| set.remove(member)).count();
    let (fits, emptied) = (set.plan_fits(), set.is_empty());
    removed::<Set>(cx, &key, count, fits, emptied);
    cx.reply.integer(count as i64);
    Ok(())
}

fn sismember(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, member, now_ms) = (args.key(1), args.get(2), cx.now_ms());
    let set = cx.db.collection::<Set>(&key)?;
    let found = set.is_some_and(|set| set.live(now_ms).contains(member));
    let may_be_due = !found && set.is_some_and(|set| set.has_due(now_ms));
    cx.reply.integer(i64::from(found));
    if may_be_due {
        cx.db.expire_named(&key, [member]);
    }
    Ok(())
}

fn smismember(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, now_ms) = (args.key(1), cx.now_ms());
    let set = cx.db.collection::<Set>(&key)?;
    let has_due = set.is_some_and(|set| set.has_due(now_ms));
    cx.reply.array(args.len() - 2);
    for member in args.rest(2) {
        cx.reply.integer(i64::from(set.is_some_and(|set| set.live(now_ms).contains(member))));
    }
    if has_due {
        cx.db.expire_named(&key, args.rest(2));
    }
    Ok(())
}

fn scard(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let now_ms = cx.now_ms();
    let len = cx.db.collection::<Set>(&args.key(1))?.map_or(0, |set| set.live(now_ms).len());
    cx.reply.integer(len as i64);
    Ok(())
}

fn smembers(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let now_ms = cx.now_ms();
    match cx.db.collection::<Set>(&args.key(1))? {
        None => cx.reply.set(0),
        Some(set) => {
            let set = set.live(now_ms);
            cx.reply.set(set.len());
            set.iter().for_each(|member| write_member(cx.reply, member));
        }
    }
    Ok(())
}

/// The member takes its time along, in the place of the one it may have there.
fn smove(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (source, target, member, now_ms) = (args.key(1), args.key(2), args.get(3), cx.now_ms());
    delete_due::<Set>(cx, &source, [member].into_iter())?;
    if cx.db.collection_mut::<Set>(&source)?.is_none() {
        cx.reply.integer(0);
        return Ok(());
    }
    delete_due::<Set>(cx, &target, [member].into_iter())?;
    let Some(set) = cx.db.collection_mut::<Set>(&source)? else { return Ok(()) };
    if source.bytes() == target.bytes() {
        cx.reply.integer(i64::from(set.live(now_ms).contains(member)));
        return Ok(());
    }
    let expiry = if set.planned().is_some() { set.expiry(member).flatten() } else { None };
    let is_due = expiry.is_some_and(|at| at < now_ms);
    let moved = !is_due && set.remove(member);
    let (fits, emptied) = (set.plan_fits(), set.is_empty());
    if moved {
        removed::<Set>(cx, &source, 1, fits, emptied);
        move_in(cx, &target, member, expiry)?;
    }
    cx.reply.integer(i64::from(moved));
    Ok(())
}

/// Puts a member of another set in, with its time.
fn move_in(cx: &mut Ctx<'_>, target: &Key<'_>, member: &[u8], expiry: Option<i64>) -> CmdResult {
    let limits = limits(&cx.server.config);
    let set = cx.db.collection_or_new::<Set>(target)?;
    if set.is_empty() {
        set.expect(1, member, &limits);
    }
    if expiry.is_none() && set.planned().is_none() {
        if set.insert(member, &limits) {
            cx.changed(target, SADD_EVENT);
        }
        return Ok(());
    }
    let old = set.expiry(member);
    set.insert_with(member, expiry.map_or(FieldExpiry::Clear, FieldExpiry::At), &limits);
    let fits = set.plan_fits();
    plan(cx, target, fits);
    let times_differ = old.flatten() != expiry;
    cx.db.dirty += u64::from(old.is_none() || times_differ);
    if old.is_none() {
        cx.touched(target, SADD_EVENT);
    }
    if times_differ {
        cx.touched(target, if expiry.is_some() { Set::WORDS.expires } else { Set::WORDS.persists });
    }
    Ok(())
}

/// Deletes members whose time has come, at most as many: they would only be drawn in vain.
fn expire_some(cx: &mut Ctx<'_>, key: &Key<'_>, most: usize) -> CmdResult {
    let now_ms = cx.now_ms();
    if cx.db.collection_mut::<Set>(key)?.is_some_and(|set| set.has_due(now_ms)) {
        cx.db.expire_parts(key, most);
    }
    Ok(())
}

fn spop(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    match args.len() {
        2 => {}
        3 => return spop_count(cx, args),
        _ => return Err(SYNTAX),
    }
    let (key, now_ms) = (args.key(1), cx.now_ms());
    let (db, propagates) = (cx.db.selected(), cx.server.observers.propagates());
    let mut found = cx.db.collection_mut::<Set>(&key)?;
    if found.as_ref().is_some_and(|set| set.has_due(now_ms)) {
        cx.db.expire_parts(&key, usize::MAX);
        found = cx.db.collection_mut(&key)?;
    }
    let Some(set) = found else {
        cx.reply.null();
        return Ok(());
    };
    let (effects, random, reply) = (&mut cx.server.effects, &mut cx.server.random, &mut *cx.reply);
    let popped = set.pop(now_ms, random, |member| {
        write_member(reply, member);
        if propagates {
            let member = member.to_vec();
            effects.propagate_instead(db, OwnedRequest::of(&[b"SREM", key.bytes(), &member]));
        }
    });
    let (fits, emptied) = (set.plan_fits(), set.is_empty());
    if !popped {
        cx.reply.null();
        return Ok(());
    }
    plan(cx, &key, fits);
    cx.changed(&key, SPOP_EVENT);
    if emptied {
        cx.emptied(&key);
    }
    Ok(())
}

fn spop_count(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, count, limits, now_ms) = (args.key(1), args.positive(2)?, limits(&cx.server.config), cx.now_ms());
    expire_some(cx, &key, usize::MAX)?;
    let set = cx.db.collection_mut::<Set>(&key)?.filter(|_| count > 0);
    let Some(set) = set.filter(|set| !set.live(now_ms).is_empty()) else {
        cx.reply.set(0);
        return Ok(());
    };
    let (len, reply) = (set.live(now_ms).len(), &mut *cx.reply);
    reply.set(count.min(len));
    if count >= len {
        set.live(now_ms).iter().for_each(|member| write_member(reply, member));
        cx.db.dirty += len as u64;
        cx.touched(&key, SPOP_EVENT);
        cx.emptied(&key);
        let delete = deletion(cx.db.lazyfree.lazily.server_del);
        cx.propagate_instead(&[delete.as_bytes(), key.bytes()]);
        return Ok(());
    }
    let (propagates, mut removed) = (cx.server.observers.propagates(), Vec::new());
    set.pop_many((count, now_ms), &mut cx.server.random, &limits, |member| {
        write_member(reply, member);
        if propagates {
            removed.push(member.to_vec());
        }
    });
    let fits = set.plan_fits();
    plan(cx, &key, fits);
    cx.db.dirty += count as u64;
    cx.touched(&key, SPOP_EVENT);
    for together in removed.chunks(REMOVED_TOGETHER_MAX) {
        let removal: Vec<&[u8]> =
            [b"SREM", key.bytes()].into_iter().chain(together.iter().map(Vec::as_slice)).collect();
        cx.propagate_instead(&removal);
    }
    Ok(())
}

/// A set of which members are to be chosen; none if none lives.
fn to_choose_from<'d>(db: &'d mut Databases, key: &Key<'_>) -> Result<Option<Live<'d>>, Error> {
    let now_ms = db.now_ms();
    if db.collection::<Set>(key)?.is_some_and(|set| set.has_due(now_ms)) {
        db.expire_parts(key, EXPIRED_AT_ONCE);
    }
    let set = db.read_only(key).and_then(EntryView::collection::<Set>);
    Ok(set.map(|set| set.live(now_ms)).filter(|set| !set.is_empty()))
}

fn srandmember(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    match args.len() {
        2 => {}
        3 => return srandmember_count(cx, args),
        _ => return Err(SYNTAX),
    }
    let set = to_choose_from(cx.db, &args.key(1))?;
    match set.and_then(|set| set.random(&mut cx.server.random)) {
        Some(member) => write_member(cx.reply, member),
        None => cx.reply.null(),
    }
    Ok(())
}

fn srandmember_count(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const RANGE: Error =
        Error::fixed("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");
    let (key, count) = (args.key(1), args.integer(2)?);
    if count == i64::MIN {
        return Err(RANGE);
    }
    let (repeats, count) = (count < 0, count.unsigned_abs() as usize);
    let Some(set) = to_choose_from(cx.db, &key)?.filter(|_| count > 0) else {
        cx.reply.array(0);
        return Ok(());
    };
    let (reply, random) = (&mut *cx.reply, &mut cx.server.random);
    if repeats {
        reply.array(count);
        for _ in 0..count {
            if let Some(member) = set.random(random) {
                write_member(reply, member);
            }
            if reply.is_cut() {
                break;
            }
        }
        return Ok(());
    }
    let len = set.len();
    reply.array(count.min(len));
    match count >= len {
        true => set.iter().for_each(|member| write_member(reply, member)),
        false => set.sample(count, random, |member| write_member(reply, member)),
    }
    Ok(())
}

/// The options are looked at only when the key is there.
fn sscan(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (cursor, now_ms) = (scan::parse_cursor(args.get(2))?, cx.now_ms());
    let Some(set) = cx.db.collection::<Set>(&args.key(1))?.map(|set| set.live(now_ms)) else {
        scan::begin_reply(cx.reply, 0, 0);
        return Ok(());
    };
    let walk = Walk::over_members(args)?;
    let (mut found, mut room) = (Vec::new(), IntText::new());
    let next = walk.run(cursor, |cursor, seen| {
        set.scan(cursor, |member| {
            *seen += 1;
            if walk.admits(member.text(&mut room)) {
                found.push(member);
            }
        })
    });
    scan::begin_reply(cx.reply, next, found.len());
    found.into_iter().for_each(|member| write_member(cx.reply, member));
    Ok(())
}

#[cfg(test)]
mod tests;
