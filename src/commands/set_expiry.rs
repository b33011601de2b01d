//! When members of sets expire: setting, asking and removing the time, or adding members with one. What is so for
//! fields of hashes too stands in [`super::part_expiry`].

use super::part_expiry::{
    Condition, NewTime, PartList, Parts, delete_due, deleted_as_expired, expire, is_there, persist, plan,
    propagate_absolute, read_time, removed, reply_times, seconds_left, unix_seconds,
};
use super::set::{SADD_EVENT, limits};
use super::time_unit::{MILLISECONDS, SECONDS, TimeUnit, UNIX_MILLISECONDS, UNIX_SECONDS};
use crate::command::args::until_nul;
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::Key;
use crate::server::execution::{Command, Ctx, Handler};
use crate::types::hash::FieldExpiry;
use crate::types::{Collection, ExpiringParts, Set};

const UPDATES: &[Keys] = &[Keys::at(1, Access::RW.and(Access::UPDATE))];
const READS: &[Keys] = &[Keys::at(1, Access::RO.and(Access::ACCESS))];
const TTL_TIPS: &[&str] = &["nondeterministic_output"];

/// The rows.
pub const COMMANDS: &[Command] = &[
    setter("sexpire", |cx, args| sexpire(cx, args, SECONDS)).docs(
        "8.12.0",
        "key seconds [NX|XX|GT|LT] <MEMBERS nummembers member [member ...]>",
        "Has members of a set expire after some seconds.",
    ),
    setter("spexpire", |cx, args| sexpire(cx, args, MILLISECONDS)).docs(
        "8.12.0",
        "key milliseconds [NX|XX|GT|LT] <MEMBERS nummembers member [member ...]>",
        "Has members of a set expire after some milliseconds.",
    ),
    setter("sexpireat", |cx, args| sexpire(cx, args, UNIX_SECONDS)).docs(
        "8.12.0",
        "key unix-time-seconds [NX|XX|GT|LT] <MEMBERS nummembers member [member ...]>",
        "Has members of a set expire at a point of time in Unix seconds.",
    ),
    setter("spexpireat", |cx, args| sexpire(cx, args, UNIX_MILLISECONDS)).docs(
        "8.12.0",
        "key unix-time-milliseconds [NX|XX|GT|LT] <MEMBERS nummembers member [member ...]>",
        "Has members of a set expire at a point of time in Unix milliseconds.",
    ),
    getter("sttl", |cx, args| reply_times::<Set>(cx, args, seconds_left)).tips(TTL_TIPS).docs(
        "8.12.0",
        "key <MEMBERS nummembers member [member ...]>",
        "Returns how long members of a set have yet to live, in seconds.",
    ),
    getter("spttl", |cx, args| reply_times::<Set>(cx, args, |at, now_ms| at - now_ms)).tips(TTL_TIPS).docs(
        "8.12.0",
        "key <MEMBERS nummembers member [member ...]>",
        "Returns how long members of a set have yet to live, in milliseconds.",
    ),
    getter("sexpiretime", |cx, args| reply_times::<Set>(cx, args, unix_seconds)).docs(
        "8.12.0",
        "key <MEMBERS nummembers member [member ...]>",
        "Returns when members of a set expire, in Unix seconds.",
    ),
    getter("spexpiretime", |cx, args| reply_times::<Set>(cx, args, |at, _| at)).docs(
        "8.12.0",
        "key <MEMBERS nummembers member [member ...]>",
        "Returns when members of a set expire, in Unix milliseconds.",
    ),
    Command::new("spersist", Arity::at_least(5), persist::<Set>)
        .group(Group::Set)
        .flags(&[WRITE, FAST])
        .keys(UPDATES)
        .docs("8.12.0", "key <MEMBERS nummembers member [member ...]>", "Removes the expiry of members of a set."),
    Command::new("saddex", Arity::at_least(5), saddex)
        .group(Group::Set)
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(UPDATES)
        .docs(
            "8.12.0",
            "key [MNX|MXX] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL] \
             <MEMBERS nummembers member [member ...]>",
            "Adds members to a set, and sets their expiry.",
        ),
];

const fn setter(name: &'static str, handler: Handler) -> Command {
    Command::new(name, Arity::at_least(6), handler).group(Group::Set).flags(&[WRITE, FAST]).keys(UPDATES)
}

const fn getter(name: &'static str, handler: Handler) -> Command {
    Command::new(name, Arity::at_least(5), handler).group(Group::Set).flags(&[READONLY, FAST]).keys(READS)
}

const MEMBERS_AGAIN: Error = Error::fixed("ERR MEMBERS keyword specified multiple times");
const MEMBERS_MISSING: Error = Error::fixed("ERR missing MEMBERS argument");

fn unknown_argument(argument: &[u8]) -> Error {
    Error::text([b"ERR unknown argument: ", until_nul(argument)].concat())
}

/// Reads the members from the keyword at argument `at` on, which may be followed by something else.
fn read_members<'a>(args: Args<'a>, at: usize, not_a_count: Error) -> Result<PartList<'a>, Error> {
    const TOO_FEW: Error = Error::fixed("ERR wrong number of arguments");
    let count = args.integer_in(at + 1, 1..=i32::MAX.into(), not_a_count)? as usize;
    let first = at + 2;
    if count > args.len() - first { Err(TOO_FEW) } else { Ok(PartList::checked(args, first, count)) }
}

/// Reads what follows the time: a condition and the members, in any order.
fn read_new_time<'a>(args: Args<'a>, at: i64, unit: TimeUnit) -> Result<NewTime<'a>, Error> {
    const NO_MEMBER: Error = Error::fixed("ERR MEMBERS requires at least nummembers and one member argument");
    const NOT_A_COUNT: Error = Error::fixed("ERR Parameter `numMembers` should be greater than 0");
    const TWO_CONDITIONS: Error = Error::fixed("ERR Multiple condition flags specified");
    let (mut condition, mut condition_word, mut parts) = (Condition::Always, None, None);
    let (mut index, mut is_ambiguous) = (3, false);
    while index < args.len() {
        let here = Condition::read(&args, index);
        if args.is(index, Set::WORDS.keyword) {
            if parts.is_some() {
                return Err(MEMBERS_AGAIN);
            }
            if index + 2 >= args.len() {
                return Err(NO_MEMBER);
            }
            let members = read_members(args, index, NOT_A_COUNT)?;
            (parts, index) = (Some(members), members.end());
            continue;
        }
        if here == Condition::Always {
            return Err(unknown_argument(args.get(index)));
        }
        is_ambiguous |= condition != Condition::Always && condition != here;
        (condition, condition_word) = (here, Some(args.get(index)));
        index += 1;
    }
    let parts = parts.ok_or(MEMBERS_MISSING)?;
    if is_ambiguous { Err(TWO_CONDITIONS) } else { Ok(NewTime { at, unit, condition, condition_word, parts }) }
}

fn sexpire(cx: &mut Ctx<'_>, args: Args<'_>, unit: TimeUnit) -> CmdResult {
    let key = args.key(1);
    is_there::<Set>(cx, &key)?;
    let at = read_time(cx, &args, 2, unit)?;
    expire::<Set>(cx, &key, &read_new_time(args, at, unit)?)
}

/// The options of SADDEX.
struct AddOptions<'a> {
    /// MXX: true, MNX: false.
    must_exist: Option<bool>,
    expiry: FieldExpiry,
    /// Where a time stands that is to be propagated in another unit.
    time_at: Option<usize>,
    members: PartList<'a>,
}

impl<'a> AddOptions<'a> {
    fn read(cx: &Ctx<'_>, args: Args<'a>) -> Result<AddOptions<'a>, Error> {
        const NOT_A_COUNT: Error = Error::fixed("ERR invalid number of members");
        const ONE_CONDITION: Error = Error::fixed("ERR Only one of MXX or MNX arguments can be specified");
        const ONE_LIFETIME: Error =
            Error::fixed("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");
        const NO_TIME: Error = Error::fixed("ERR missing expire time");
        let (mut must_exist, mut expiry, mut time_at, mut members) = (None, None, None, None);
        let mut index = 2;
        while index < args.len() {
            let unit = TimeUnit::of_option(&args, index);
            if args.is(index, Set::WORDS.keyword) {
                if members.is_some() {
                    return Err(MEMBERS_AGAIN);
                }
                if index + 1 == args.len() {
                    return Err(Error::wrong_arity(&cx.server.commands.entry(cx.command).full_name));
                }
                let list = read_members(args, index, NOT_A_COUNT)?;
                (members, index) = (Some(list), list.end());
                continue;
            } else if args.is(index, "MNX") || args.is(index, "MXX") {
                if must_exist.replace(args.is(index, "MXX")).is_some() {
                    return Err(ONE_CONDITION);
                }
            } else if unit.is_some() || args.is(index, "KEEPTTL") {
                if expiry.is_some() {
                    return Err(ONE_LIFETIME);
                }
                expiry = match unit {
                    None => Some(FieldExpiry::Keep),
                    Some(_) if index + 1 == args.len() => return Err(NO_TIME),
                    Some(unit) => {
                        time_at = Some(index).filter(|_| unit != UNIX_MILLISECONDS);
                        index += 1;
                        Some(FieldExpiry::At(read_time(cx, &args, index, unit)?))
                    }
                };
            } else {
                return Err(unknown_argument(args.get(index)));
            }
            index += 1;
        }
        let members = members.ok_or(MEMBERS_MISSING)?;
        Ok(AddOptions { must_exist, expiry: expiry.unwrap_or(FieldExpiry::Clear), time_at, members })
    }
}

/// A time that has passed deletes the members that are there, and adds none.
fn saddex(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let AddOptions { must_exist, expiry, time_at, members } = AddOptions::read(cx, args)?;
    let (key, limits, now_ms) = (args.key(1), limits(&cx.server.config), cx.now_ms());
    delete_due::<Set>(cx, &key, members.iter())?;
    if let Some(must_exist) = must_exist {
        let set = cx.db.collection_mut::<Set>(&key)?.map(|set| set.live(now_ms));
        if members.iter().any(|member| set.is_some_and(|set| set.contains(member)) != must_exist) {
            cx.reply.integer(0);
            return Ok(());
        }
    }
    cx.reply.integer(1);
    if let FieldExpiry::At(at) = expiry
        && at <= now_ms
    {
        return delete_instead(cx, &key, members);
    }
    let set = cx.db.collection_or_new::<Set>(&key)?;
    if let (FieldExpiry::Clear | FieldExpiry::Keep, Some(first)) = (expiry, members.iter().next()) {
        set.expect(members.len(), first, &limits);
    }
    members.iter().for_each(|member| _ = set.insert_with(member, expiry, &limits));
    let fits = set.plan_fits();
    plan(cx, &key, fits);
    cx.db.dirty += members.len() as u64;
    cx.touched(&key, SADD_EVENT);
    if let FieldExpiry::At(at) = expiry {
        cx.touched(&key, Set::WORDS.expires);
        propagate_absolute(cx, &args, time_at, at);
    }
    Ok(())
}

fn delete_instead(cx: &mut Ctx<'_>, key: &Key<'_>, members: PartList<'_>) -> CmdResult {
    let Some(set) = cx.db.collection_mut::<Set>(key)? else { return Ok(()) };
    let deleted: Vec<&[u8]> = members.iter().filter(|member| set.remove(member)).collect();
    let (fits, emptied) = (set.plan_fits(), set.is_empty());
    removed::<Set>(cx, key, deleted.len(), fits, emptied);
    deleted_as_expired::<Set>(cx, key, &deleted);
    Ok(())
}

#[cfg(test)]
mod tests;
