//! When fields of hashes expire: setting, asking and removing the time, alone or with the value. What is so for members
//! of sets too stands in [`super::part_expiry`].

use super::hash::{HDEL_EVENT, HSET_EVENT, limits, write, wrong_arity};
use super::part_expiry::{
    Condition, NewTime, PartList, Parts, delete_due, deleted_as_expired, expire, expiry_set, is_there, persist,
    persisted, plan, propagate_absolute, propagate_expiry, read_time, removed, reply_times, seconds_left, unix_seconds,
};
use super::time_unit::{MILLISECONDS, SECONDS, TimeUnit, UNIX_MILLISECONDS, UNIX_SECONDS};
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::Key;
use crate::server::execution::{Command, Ctx};
use crate::types::hash::{FieldExpiry, Hash};
use crate::types::listpack::Element;
use crate::types::{Collection, ExpiringParts};
use crate::util::number::parse_i64;

const SETS: &[Keys] = &[Keys::at(1, Access::RW.and(Access::UPDATE))];
const ASKS: &[Keys] = &[Keys::at(1, Access::RO.and(Access::ACCESS))];
const TTL_TIPS: &[&str] = &["nondeterministic_output"];

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("hexpire", Arity::at_least(6), |cx, args| hexpire(cx, args, SECONDS))
        .group(Group::Hash)
        .flags(&[WRITE, FAST])
        .keys(SETS)
        .docs(
            "7.4.0",
            "key seconds [NX|XX|GT|LT] FIELDS <numfields field [field ...]>",
            "Has fields of a hash expire after some seconds.",
        ).complexity("O(N) for N fields."),
    Command::new("hpexpire", Arity::at_least(6), |cx, args| hexpire(cx, args, MILLISECONDS))
        .group(Group::Hash)
        .flags(&[WRITE, FAST])
        .keys(SETS)
        .docs(
            "7.4.0",
            "key milliseconds [NX|XX|GT|LT] FIELDS <numfields field [field ...]>",
            "Has fields of a hash expire after some milliseconds.",
        ).complexity("O(N) for N fields."),
    Command::new("hexpireat", Arity::at_least(6), |cx, args| hexpire(cx, args, UNIX_SECONDS))
        .group(Group::Hash)
        .flags(&[WRITE, FAST])
        .keys(SETS)
        .docs(
            "7.4.0",
            "key unix-time-seconds [NX|XX|GT|LT] FIELDS <numfields field [field ...]>",
            "Has fields of a hash expire at a point of time in Unix seconds.",
        ).complexity("O(N) for N fields."),
    Command::new("hpexpireat", Arity::at_least(6), |cx, args| hexpire(cx, args, UNIX_MILLISECONDS))
        .group(Group::Hash)
        .flags(&[WRITE, FAST])
        .keys(SETS)
        .docs(
            "7.4.0",
            "key unix-time-milliseconds [NX|XX|GT|LT] FIELDS <numfields field [field ...]>",
            "Has fields of a hash expire at a point of time in Unix milliseconds.",
        ).complexity("O(N) for N fields."),
    Command::new("httl", Arity::at_least(5), |cx, args| reply_times::<Hash>(cx, args, seconds_left))
        .group(Group::Hash)
        .flags(&[READONLY, FAST])
        .keys(ASKS)
        .tips(TTL_TIPS)
        .docs(
            "7.4.0",
            "key FIELDS <numfields field [field ...]>",
            "Returns how long fields have yet to live, in seconds.",
        ).complexity("O(N) for N fields."),
    Command::new("hpttl", Arity::at_least(5), |cx, args| reply_times::<Hash>(cx, args, |at, now| at - now))
        .group(Group::Hash)
        .flags(&[READONLY, FAST])
        .keys(ASKS)
        .tips(TTL_TIPS)
        .docs(
            "7.4.0",
            "key FIELDS <numfields field [field ...]>",
            "Returns how long fields have yet to live, in milliseconds.",
        ).complexity("O(N) for N fields."),
    Command::new("hexpiretime", Arity::at_least(5), |cx, args| reply_times::<Hash>(cx, args, unix_seconds))
        .group(Group::Hash)
        .flags(&[READONLY, FAST])
        .keys(ASKS)
        .docs("7.4.0", "key FIELDS <numfields field [field ...]>", "Returns when fields expire, in Unix seconds.").complexity("O(N) for N fields."),
    Command::new("hpexpiretime", Arity::at_least(5), |cx, args| reply_times::<Hash>(cx, args, |at, _| at))
        .group(Group::Hash)
        .flags(&[READONLY, FAST])
        .keys(ASKS)
        .docs("7.4.0", "key FIELDS <numfields field [field ...]>", "Returns when fields expire, in Unix milliseconds.").complexity("O(N) for N fields."),
    Command::new("hpersist", Arity::at_least(5), persist::<Hash>)
        .group(Group::Hash)
        .flags(&[WRITE, FAST])
        .keys(SETS)
        .docs("7.4.0", "key FIELDS <numfields field [field ...]>", "Removes the expiry of fields.").complexity("O(N) for N fields."),
    Command::new("hgetex", Arity::at_least(5), hgetex).group(Group::Hash).flags(&[WRITE, FAST]).keys(&[Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::UPDATE))]).docs(
        "8.0.0",
        "key [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|PERSIST] FIELDS <numfields \
         field [field ...]>",
        "Returns the values of fields and sets or removes their expiry.",
    ).complexity("O(N) for N fields."),
    Command::new("hsetex", Arity::at_least(6), hsetex)
        .group(Group::Hash)
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(SETS)
        .docs(
            "8.0.0",
            "key [NX|XX] [FNX|FXX] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL] \
             FIELDS <numfields field value [field value ...]>",
            "Sets fields of a hash and their expiry.",
        ).complexity("O(N) for N fields."),
    Command::new("hgetdel", Arity::at_least(5), hgetdel)
        .group(Group::Hash)
        .flags(&[WRITE, FAST])
        .keys(&[Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::DELETE))])
        .docs("8.0.0", "key FIELDS <numfields field [field ...]>", "Returns the values of fields and deletes them.").complexity("O(N) for N fields."),
];

fn hexpire(cx: &mut Ctx<'_>, args: Args<'_>, unit: TimeUnit) -> CmdResult {
    const NOT_A_COUNT: Error = Error::fixed("ERR Parameter `numFields` should be greater than 0");
    let key = args.key(1);
    is_there::<Hash>(cx, &key)?;
    let at = read_time(cx, &args, 2, unit)?;
    let condition = Condition::read(&args, 3);
    let condition_word = (condition != Condition::Always).then(|| args.get(3));
    let parts = PartList::read::<Hash>(args, if condition_word.is_some() { 4 } else { 3 }, NOT_A_COUNT)?;
    expire::<Hash>(cx, &key, &NewTime { at, unit, condition, condition_word, parts })
}

/// What becomes of fields whose values were told.
#[derive(Clone, Copy)]
enum Then {
    /// They are as before.
    Stay,
    /// They are removed, so that a field is there once at most.
    Go,
    /// They expire at this time from now on, which has not come.
    ExpireAt(i64),
}

/// Answers with the values of fields that are there, null for the others; which are there.
fn reply_values<'a>(cx: &mut Ctx<'_>, key: &Key<'_>, fields: PartList<'a>, then: Then) -> Result<Vec<&'a [u8]>, Error> {
    delete_due::<Hash>(cx, key, fields.iter())?;
    let now_ms = cx.now_ms();
    let hash = cx.db.collection_mut::<Hash>(key)?;
    let mut found = Vec::with_capacity(fields.len());
    cx.reply.array(fields.len());
    let mut tell = |field: &'a [u8], value: Option<Element<'_>>| match value {
        Some(value) => {
            write(cx.reply, value);
            found.push(field);
        }
        None => cx.reply.null(),
    };
    match (hash, then) {
        (None, _) => fields.iter().for_each(|field| tell(field, None)),
        (Some(hash), Then::ExpireAt(at)) => hash.expire_each(fields.iter(), at, now_ms, tell),
        (Some(hash), Then::Stay) => fields.iter().for_each(|field| tell(field, hash.get(field, now_ms))),
        (Some(hash), Then::Go) => fields.iter().for_each(|field| {
            tell(field, hash.get(field, now_ms));
            hash.remove(field);
        }),
    }
    Ok(found)
}

/// What HGETEX or HSETEX is to do about the expiry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Lifetime {
    Untouched,
    /// PERSIST of HGETEX.
    Persist,
    /// KEEPTTL of HSETEX.
    Keep,
    /// A time option.
    Until(i64),
}

fn hgetex(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, now_ms) = (args.key(1), cx.now_ms());
    is_there::<Hash>(cx, &key)?;
    let (lifetime, at) = match TimeUnit::of_option(&args, 2) {
        Some(unit) => (Lifetime::Until(read_time(cx, &args, 3, unit)?), 4),
        None if args.is(2, "PERSIST") => (Lifetime::Persist, 3),
        None => (Lifetime::Untouched, 2),
    };
    if args.len() < at + 2 {
        return Err(wrong_arity(cx));
    }
    let fields = PartList::read::<Hash>(args, at, Hash::WORDS.not_a_count)?;
    let is_over = matches!(lifetime, Lifetime::Until(time) if time <= now_ms);
    let then = match lifetime {
        Lifetime::Until(_) if is_over => Then::Go,
        Lifetime::Until(time) => Then::ExpireAt(time),
        Lifetime::Untouched | Lifetime::Persist | Lifetime::Keep => Then::Stay,
    };
    let found = reply_values(cx, &key, fields, then)?;
    let Some(hash) = cx.db.collection_mut::<Hash>(&key)? else { return Ok(()) };
    if lifetime != Lifetime::Untouched {
        hash.expect_times();
    }
    if found.is_empty() {
        return Ok(());
    }
    match lifetime {
        Lifetime::Untouched | Lifetime::Keep => {}
        Lifetime::Persist => {
            let expires = |hash: &Hash, field: &[u8]| hash.expiry(field).flatten().is_some();
            let mut persistent = Vec::new();
            for field in found {
                if expires(hash, field) {
                    hash.set_expiry(field, None);
                    persistent.push(field);
                }
            }
            let fits = hash.plan_fits();
            let count = persistent.len();
            cx.name_fields(persistent);
            persisted::<Hash>(cx, &key, count, fits);
            if cx.server.observers.propagates() {
                let mut request: Vec<&[u8]> = vec![b"HPERSIST", key.bytes()];
                request.extend(args.rest(at));
                cx.propagate_instead(&request);
            }
        }
        Lifetime::Until(_) if is_over => {
            let (fits, emptied) = (hash.plan_fits(), hash.is_empty());
            cx.name_fields(found.iter().copied());
            removed::<Hash>(cx, &key, found.len(), fits, emptied);
            deleted_as_expired::<Hash>(cx, &key, &found);
        }
        Lifetime::Until(time) => {
            let fits = hash.plan_fits();
            cx.name_fields(found.iter().copied());
            expiry_set::<Hash>(cx, &key, found.len(), fits);
            propagate_expiry::<Hash>(cx, &key, time, (None, fields.keyword()), &found);
        }
    }
    Ok(())
}

/// The options of HSETEX.
struct SetOptions {
    /// XX: true, NX: false.
    key_must_exist: Option<bool>,
    /// FXX: true, FNX: false.
    must_exist: Option<bool>,
    lifetime: Lifetime,
    /// Where a relative time stands, for propagation.
    time_at: Option<usize>,
    /// Where the first field stands.
    first: usize,
}

impl SetOptions {
    fn read(cx: &Ctx<'_>, args: &Args<'_>) -> Result<SetOptions, Error> {
        const ONE_CONDITION: Error = Error::fixed("ERR Only one of FXX or FNX arguments can be specified");
        const ONE_LIFETIME: Error =
            Error::fixed("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");
        const NOT_A_COUNT: Error = Error::fixed("ERR invalid number of fields");
        const ONE_KEY_CONDITION: Error = Error::fixed("ERR Only one of NX or XX arguments can be specified");
        let (lifetime, time_at) = (Lifetime::Untouched, None);
        let mut options = SetOptions { key_must_exist: None, must_exist: None, lifetime, time_at, first: 0 };
        let mut index = 2;
        while index < args.len() {
            let unit = TimeUnit::of_option(args, index);
            if args.is(index, "FIELDS") {
                let count = args.try_get(index + 1).ok_or_else(|| wrong_arity(cx))?;
                let count =
                    parse_i64(count).filter(|count| (1..=i32::MAX.into()).contains(count)).ok_or(NOT_A_COUNT)?;
                options.first = index + 2;
                let words = usize::try_from(count).ok().and_then(|count| count.checked_mul(2));
                return if words == Some(args.len() - options.first) { Ok(options) } else { Err(wrong_arity(cx)) };
            } else if args.is(index, "FNX") || args.is(index, "FXX") {
                if options.must_exist.replace(args.is(index, "FXX")).is_some() {
                    return Err(ONE_CONDITION);
                }
            } else if args.is(index, "NX") || args.is(index, "XX") {
                if options.key_must_exist.replace(args.is(index, "XX")).is_some() {
                    return Err(ONE_KEY_CONDITION);
                }
            } else if unit.is_some() || args.is(index, "KEEPTTL") {
                if options.lifetime != Lifetime::Untouched {
                    return Err(ONE_LIFETIME);
                }
                options.lifetime = match unit {
                    None => Lifetime::Keep,
                    Some(_) if index + 1 >= args.len() => return Err(wrong_arity(cx)),
                    Some(unit) => {
                        options.time_at = Some(index).filter(|_| unit != UNIX_MILLISECONDS);
                        index += 1;
                        Lifetime::Until(read_time(cx, args, index, unit)?)
                    }
                };
            } else {
                return Err(Error::text([b"ERR unknown argument: ", args.get(index)].concat()));
            }
            index += 1;
        }
        Err(wrong_arity(cx))
    }
}

/// A time that has passed sets the fields, and deletes them at once.
fn hsetex(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let options = SetOptions::read(cx, &args)?;
    let (key, limits, now_ms) = (args.key(1), limits(cx), cx.now_ms());
    let pairs = || (options.first..args.len()).step_by(2).map(|index| (args.get(index), args.get(index + 1)));
    delete_due::<Hash>(cx, &key, pairs().map(|(field, _)| field))?;
    if let Some(must_exist) = options.key_must_exist
        && cx.db.collection_mut::<Hash>(&key)?.is_some() != must_exist
    {
        cx.reply.integer(0);
        return Ok(());
    }
    if let Some(must_exist) = options.must_exist {
        let hash = cx.db.collection_mut::<Hash>(&key)?;
        let exists = |field: &[u8]| hash.as_deref().is_some_and(|hash| hash.expiry(field).is_some());
        if pairs().any(|(field, _)| exists(field) != must_exist) {
            cx.reply.integer(0);
            return Ok(());
        }
    }
    let expiry = match options.lifetime {
        Lifetime::Keep => FieldExpiry::Keep,
        Lifetime::Until(at) if at > now_ms => FieldExpiry::At(at),
        Lifetime::Until(_) | Lifetime::Untouched | Lifetime::Persist => FieldExpiry::Clear,
    };
    let hash = cx.db.collection_or_new::<Hash>(&key)?;
    hash.expect(pairs().count(), limits);
    if let Lifetime::Until(_) = options.lifetime {
        hash.expect_times();
    }
    pairs().for_each(|(field, value)| _ = hash.set_with(field, value, expiry, limits));
    let fits = hash.plan_fits();
    cx.db.dirty += pairs().count() as u64;
    cx.name_fields(pairs().map(|(field, _)| field));
    cx.touched(&key, HSET_EVENT);
    match options.lifetime {
        Lifetime::Until(at) if at <= now_ms => set_in_vain(cx, &key, pairs().map(|(field, _)| field))?,
        Lifetime::Until(at) => {
            plan(cx, &key, fits);
            cx.name_fields(pairs().map(|(field, _)| field));
            cx.touched(&key, Hash::WORDS.expires);
            propagate_absolute(cx, &args, options.time_at, at);
        }
        Lifetime::Keep | Lifetime::Untouched | Lifetime::Persist => plan(cx, &key, fits),
    }
    cx.reply.integer(1);
    Ok(())
}

/// Deletes fields that were set with a time that has passed.
fn set_in_vain<'a>(cx: &mut Ctx<'_>, key: &Key<'_>, fields: impl Iterator<Item = &'a [u8]>) -> CmdResult {
    let Some(hash) = cx.db.collection_mut::<Hash>(key)? else { return Ok(()) };
    let deleted: Vec<&[u8]> = fields.filter(|field| hash.remove(field)).collect();
    let (fits, emptied) = (hash.plan_fits(), hash.is_empty());
    plan(cx, key, fits);
    cx.name_fields(deleted.iter().copied());
    cx.touched(key, HDEL_EVENT);
    if emptied {
        cx.emptied(key);
    }
    deleted_as_expired::<Hash>(cx, key, &deleted);
    Ok(())
}

fn hgetdel(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    is_there::<Hash>(cx, &key)?;
    let fields = PartList::read::<Hash>(args, 2, Hash::WORDS.not_a_count)?;
    let found = reply_values(cx, &key, fields, Then::Go)?;
    let Some(hash) = cx.db.collection_mut::<Hash>(&key)? else { return Ok(()) };
    let (fits, emptied) = (hash.plan_fits(), hash.is_empty());
    let count = found.len();
    cx.name_fields(found);
    removed::<Hash>(cx, &key, count, fits, emptied);
    if cx.server.observers.propagates() {
        let mut request: Vec<&[u8]> = vec![b"HDEL", key.bytes()];
        request.extend(fields.iter());
        cx.propagate_instead(&request);
    }
    Ok(())
}
