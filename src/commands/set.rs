//! Sets: members that come and go, and members at random.
//!
//! What is taken at random is propagated as what was taken: replicas must not draw for themselves.

use super::scan::{self, Walk};
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::config::Config;
use crate::resp::reply::Reply;
use crate::resp::request::OwnedRequest;
use crate::server::effects::Event;
use crate::server::execution::changes::deletion;
use crate::server::execution::{Command, Ctx, Handler};
use crate::types::listpack::{Element, IntText};
use crate::types::set::SetLimits;
use crate::types::{Collection, Set};

/// Members removed by one SREM that stands for an SPOP.
const REMOVED_TOGETHER_MAX: usize = 1024;

const READS: Access = Access::RO.and(Access::ACCESS);

/// The rows.
pub const COMMANDS: &[Command] = &[
    row("sadd", Arity::at_least(3), sadd, &[WRITE, DENYOOM, FAST], &[Keys::at(1, Access::RW.and(Access::INSERT))])
        .docs("1.0.0", "key member [member ...]", "Adds members to a set, and counts those that are new."),
    row("srem", Arity::at_least(3), srem, &[WRITE, FAST], &[Keys::at(1, Access::RW.and(Access::DELETE))]).docs(
        "1.0.0",
        "key member [member ...]",
        "Removes members from a set, and counts those that were there.",
    ),
    row("sismember", Arity::exactly(3), sismember, &[READONLY, FAST], &[Keys::at(1, Access::RO)]).docs(
        "1.0.0",
        "key member",
        "Tells whether a set has a member.",
    ),
    row("smismember", Arity::at_least(3), smismember, &[READONLY, FAST], &[Keys::at(1, READS)]).docs(
        "6.2.0",
        "key member [member ...]",
        "Tells of each of several members whether a set has it.",
    ),
    row("scard", Arity::exactly(2), scard, &[READONLY, FAST], &[Keys::at(1, Access::RO)]).docs(
        "1.0.0",
        "key",
        "Returns the number of members of a set.",
    ),
    row("smembers", Arity::exactly(2), smembers, &[READONLY], &[Keys::at(1, READS)])
        .tips(&["nondeterministic_output_order"])
        .docs("1.0.0", "key", "Returns all members of a set."),
    row(
        "spop",
        Arity::at_least(2),
        spop,
        &[WRITE, FAST],
        &[Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::DELETE))],
    )
    .tips(&["nondeterministic_output"])
    .docs("1.0.0", "key [count]", "Takes members chosen at random out of a set and returns them."),
    row("srandmember", Arity::at_least(2), srandmember, &[READONLY], &[Keys::at(1, READS)])
        .tips(&["nondeterministic_output"])
        .docs(
            "1.0.0",
            "key [count]",
            "Returns members of a set chosen at random; with a negative count the same one may come several times.",
        ),
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
        ),
];

const fn row(name: &'static str, arity: Arity, handler: Handler, flags: &[Flags], keys: &'static [Keys]) -> Command {
    Command::new(name, arity, handler).group(Group::Set).flags(flags).keys(keys)
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
        Element::Bytes(text) => reply.bulk(text),
    }
}

fn sadd(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, limits) = (args.key(1), limits(&cx.server.config));
    let set = cx.db.collection_or_new::<Set>(&key)?;
    if args.len() > 3 {
        set.expect(args.len() - 2, args.get(2), &limits);
    }
    let added = args.rest(2).filter(|member| set.insert(member, &limits)).count();
    if added > 0 {
        cx.db.dirty += added as u64;
        cx.touched(&key, Event::set("sadd"));
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
    let removed = args.rest(2).filter(|member| set.remove(member)).count();
    let empty = set.is_empty();
    if removed > 0 {
        cx.db.dirty += removed as u64;
        cx.touched(&key, Event::set("srem"));
    }
    if empty {
        cx.emptied(&key);
    }
    cx.reply.integer(removed as i64);
    Ok(())
}

fn sismember(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let found = cx.db.collection::<Set>(&args.key(1))?.is_some_and(|set| set.contains(args.get(2)));
    cx.reply.integer(i64::from(found));
    Ok(())
}

fn smismember(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let set = cx.db.collection::<Set>(&args.key(1))?;
    cx.reply.array(args.len() - 2);
    for member in args.rest(2) {
        cx.reply.integer(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

fn scard(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let len = cx.db.collection::<Set>(&args.key(1))?.map_or(0, Collection::len);
    cx.reply.integer(len as i64);
    Ok(())
}

fn smembers(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    match cx.db.collection::<Set>(&args.key(1))? {
        None => cx.reply.set(0),
        Some(set) => {
            cx.reply.set(set.len());
            set.iter().for_each(|member| write_member(cx.reply, member));
        }
    }
    Ok(())
}

fn smove(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (source, target, member) = (args.key(1), args.key(2), args.get(3));
    if cx.db.collection_mut::<Set>(&source)?.is_none() {
        cx.reply.integer(0);
        return Ok(());
    }
    cx.db.collection_mut::<Set>(&target)?;
    let Some(set) = cx.db.collection_mut::<Set>(&source)? else { return Ok(()) };
    if source.bytes() == target.bytes() {
        cx.reply.integer(i64::from(set.contains(member)));
        return Ok(());
    }
    let (removed, empty) = (set.remove(member), set.is_empty());
    if removed {
        cx.changed(&source, Event::set("srem"));
        if empty {
            cx.emptied(&source);
        }
        let limits = limits(&cx.server.config);
        if cx.db.collection_or_new::<Set>(&target)?.insert(member, &limits) {
            cx.changed(&target, Event::set("sadd"));
        }
    }
    cx.reply.integer(i64::from(removed));
    Ok(())
}

fn spop(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    match args.len() {
        2 => {}
        3 => return spop_count(cx, args),
        _ => return Err(SYNTAX),
    }
    let key = args.key(1);
    let (db, propagates) = (cx.db.selected(), cx.server.observers.propagates());
    let Some(set) = cx.db.collection_mut::<Set>(&key)? else {
        cx.reply.null();
        return Ok(());
    };
    let (effects, random, reply) = (&mut cx.server.effects, &mut cx.server.random, &mut *cx.reply);
    set.pop(random, |member| {
        write_member(reply, member);
        if propagates {
            let member = member.to_vec();
            effects.propagate_instead(db, OwnedRequest::of(&[b"SREM", key.bytes(), &member]));
        }
    });
    let empty = set.is_empty();
    cx.changed(&key, Event::set("spop"));
    if empty {
        cx.emptied(&key);
    }
    Ok(())
}

fn spop_count(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, count, limits) = (args.key(1), args.positive(2)?, limits(&cx.server.config));
    let Some(set) = cx.db.collection_mut::<Set>(&key)?.filter(|_| count > 0) else {
        cx.reply.set(0);
        return Ok(());
    };
    let (len, reply) = (set.len(), &mut *cx.reply);
    reply.set(count.min(len));
    if count >= len {
        set.iter().for_each(|member| write_member(reply, member));
        cx.db.dirty += len as u64;
        cx.touched(&key, Event::set("spop"));
        cx.emptied(&key);
        let delete = deletion(cx.db.lazyfree.lazily.server_del);
        cx.propagate_instead(&[delete.as_bytes(), key.bytes()]);
        return Ok(());
    }
    let (propagates, mut removed) = (cx.server.observers.propagates(), Vec::new());
    set.pop_many(count, &mut cx.server.random, &limits, |member| {
        write_member(reply, member);
        if propagates {
            removed.push(member.to_vec());
        }
    });
    cx.db.dirty += count as u64;
    cx.touched(&key, Event::set("spop"));
    for together in removed.chunks(REMOVED_TOGETHER_MAX) {
        let removal: Vec<&[u8]> =
            [b"SREM", key.bytes()].into_iter().chain(together.iter().map(Vec::as_slice)).collect();
        cx.propagate_instead(&removal);
    }
    Ok(())
}

fn srandmember(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    match args.len() {
        2 => {}
        3 => return srandmember_count(cx, args),
        _ => return Err(SYNTAX),
    }
    let set = cx.db.collection::<Set>(&args.key(1))?;
    match set.and_then(|set| set.random(&mut cx.server.random)) {
        Some(member) => write_member(cx.reply, member),
        None => cx.reply.null(),
    }
    Ok(())
}

fn srandmember_count(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const RANGE: Error =
        Error::fixed("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");
    let count = args.integer(2)?;
    if count == i64::MIN {
        return Err(RANGE);
    }
    let (repeats, count) = (count < 0, count.unsigned_abs() as usize);
    let Some(set) = cx.db.collection::<Set>(&args.key(1))?.filter(|_| count > 0) else {
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
    reply.array(count.min(set.len()));
    match count >= set.len() {
        true => set.iter().for_each(|member| write_member(reply, member)),
        false => set.sample(count, random, |member| write_member(reply, member)),
    }
    Ok(())
}

/// The options are looked at only when the key is there.
fn sscan(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let cursor = scan::parse_cursor(args.get(2))?;
    let Some(set) = cx.db.collection::<Set>(&args.key(1))? else {
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
