//! Hashes: fields and their values.
//!
//! A field whose time has come is no more to any reader, and the first command that asks for it by name deletes it;
//! commands that name no field pass over it and leave it to active expiry, HLEN counts it. Setting a field ends its
//! expiry, counting it up does not. When fields expire stands in [`super::hash_expiry`],
//! HRANDFIELD in [`super::hash_sample`].

use super::part_expiry::{Parts, Words, plan, removed};
use super::scan::{self, Walk};
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::config::Config;
use crate::resp::Reply;
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx};
use crate::types::hash::{FieldExpiry, Found, Hash, HashLimits, Pair, Sharing};
use crate::types::listpack::{Element, IntText};
use crate::types::{Collection, ExpiringParts};
use crate::util::long_double::LongDouble;

pub(super) const HSET_EVENT: Event = Event::hash("hset");
pub(super) const HDEL_EVENT: Event = Event::hash("hdel");

pub(super) const READS: &[Keys] = &[Keys::at(1, Access::RO.and(Access::ACCESS))];
const LOOKS: &[Keys] = &[Keys::at(1, Access::RO)];
const UPDATES: &[Keys] = &[Keys::at(1, Access::RW.and(Access::UPDATE))];
const READS_AND_UPDATES: &[Keys] = &[Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::UPDATE))];

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("hset", Arity::at_least(4), hset)
        .group(Group::Hash)
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(UPDATES)
        .docs("2.0.0", "key field value [field value ...]", "Sets fields of a hash; returns how many of them are new.")
        .complexity("O(1) for each field, so O(N) for N.")
        .history(&[("4.0.0", "Several fields.")]),
    Command::new("hmset", Arity::at_least(4), hmset)
        .group(Group::Hash)
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(UPDATES)
        .deprecated("4.0.0", "`HSET`")
        .docs("2.0.0", "key field value [field value ...]", "Sets fields of a hash.")
        .complexity("O(N) for N fields."),
    Command::new("hsetnx", Arity::exactly(4), hsetnx)
        .group(Group::Hash)
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[Keys::at(1, Access::RW.and(Access::INSERT))])
        .docs("2.0.0", "key field value", "Sets a field of a hash unless it is there."),
    Command::new("hget", Arity::exactly(3), hget).group(Group::Hash).flags(&[READONLY, FAST]).keys(READS).docs(
        "2.0.0",
        "key field",
        "Returns the value of a field.",
    ),
    Command::new("hmget", Arity::at_least(3), hmget)
        .group(Group::Hash)
        .flags(&[READONLY, FAST])
        .keys(READS)
        .docs("2.0.0", "key field [field ...]", "Returns the values of fields, null for those that are not there.")
        .complexity("O(N) for N fields."),
    Command::new("hdel", Arity::at_least(3), hdel)
        .group(Group::Hash)
        .flags(&[WRITE, FAST])
        .keys(&[Keys::at(1, Access::RW.and(Access::DELETE))])
        .docs("2.0.0", "key field [field ...]", "Deletes fields of a hash, and the hash with the last of them.")
        .complexity("O(N) for N fields.")
        .history(&[("2.4.0", "Several fields.")]),
    Command::new("hlen", Arity::exactly(2), hlen).group(Group::Hash).flags(&[READONLY, FAST]).keys(LOOKS).docs(
        "2.0.0",
        "key",
        "Returns the number of fields in a hash.",
    ),
    Command::new("hstrlen", Arity::exactly(3), hstrlen).group(Group::Hash).flags(&[READONLY, FAST]).keys(LOOKS).docs(
        "3.2.0",
        "key field",
        "Returns the length of a field's value in bytes.",
    ),
    Command::new("hexists", Arity::exactly(3), hexists).group(Group::Hash).flags(&[READONLY, FAST]).keys(LOOKS).docs(
        "2.0.0",
        "key field",
        "Tells whether a hash has a field.",
    ),
    Command::new("hkeys", Arity::exactly(2), |cx, args| reply_all(cx, args, Part::Fields))
        .group(Group::Hash)
        .flags(&[READONLY])
        .keys(READS)
        .tips(&["nondeterministic_output_order"])
        .docs("2.0.0", "key", "Returns all fields of a hash.")
        .complexity("O(N) for a hash of N fields."),
    Command::new("hvals", Arity::exactly(2), |cx, args| reply_all(cx, args, Part::Values))
        .group(Group::Hash)
        .flags(&[READONLY])
        .keys(READS)
        .tips(&["nondeterministic_output_order"])
        .docs("2.0.0", "key", "Returns all values of a hash.")
        .complexity("O(N) for a hash of N fields."),
    Command::new("hgetall", Arity::exactly(2), |cx, args| reply_all(cx, args, Part::Both))
        .group(Group::Hash)
        .flags(&[READONLY])
        .keys(READS)
        .tips(&["nondeterministic_output_order"])
        .docs("2.0.0", "key", "Returns all fields of a hash with their values.")
        .complexity("O(N) for a hash of N fields."),
    Command::new("hincrby", Arity::exactly(4), hincrby)
        .group(Group::Hash)
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(READS_AND_UPDATES)
        .docs("2.0.0", "key field increment", "Adds a number to the integer in a field; a missing one counts as zero."),
    Command::new("hincrbyfloat", Arity::exactly(4), hincrbyfloat)
        .group(Group::Hash)
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(READS_AND_UPDATES)
        .docs("2.6.0", "key field increment", "Adds a float to the number in a field; a missing one counts as zero."),
    Command::new("hscan", Arity::at_least(3), hscan)
        .group(Group::Hash)
        .flags(&[READONLY])
        .keys(READS)
        .tips(&["nondeterministic_output"])
        .docs(
            "2.8.0",
            "key cursor [MATCH pattern] [COUNT count] [NOVALUES]",
            "Returns some fields of a hash with their values, and where to go on.",
        )
        .complexity("O(1) for each call, O(N) for all that it takes to see N elements."),
];

impl Parts for Hash {
    const WORDS: Words = Words {
        keyword: "FIELDS",
        missing: Error::fixed("ERR Mandatory argument FIELDS is missing or not at the right position"),
        not_a_count: Error::fixed("ERR Number of fields must be a positive integer"),
        miscounted: Error::fixed("ERR The `numfields` parameter must match the number of arguments"),
        set_time: "HPEXPIREAT",
        removal: "HDEL",
        removed: HDEL_EVENT,
        expires: Event::hash("hexpire"),
        persists: Event::hash("hpersist"),
    };

    type Limits = HashLimits;

    fn limits(config: &Config) -> HashLimits {
        HashLimits { entries: config.hash_max_listpack_entries, value: config.hash_max_listpack_value }
    }

    fn set_time(&mut self, field: &[u8], at: Option<i64>, _: HashLimits) {
        self.set_expiry(field, at);
    }

    fn expect_times(&mut self) {
        Hash::expect_times(self);
    }
}

pub(super) fn limits(cx: &Ctx<'_>) -> HashLimits {
    Hash::limits(&cx.server.config)
}

/// Has a hash that was written to share the names of its fields, where that is wanted.
#[inline]
fn share_names(hash: &mut Hash, config: &Config, limits: HashLimits) {
    let (entries_min, entries_max) = (config.hash_min_template_entries, config.hash_max_template_entries);
    if entries_min > 0 && (Sharing { entries_min, entries_max, hashes_min: 0 }).is_wanted(hash.len()) {
        hash.share_names(limits);
    }
}

#[inline]
pub(super) fn write(reply: &mut Reply, element: Element<'_>) {
    match element {
        Element::Int(value) => reply.bulk_int(value),
        Element::Bytes(bytes) => reply.bulk_at_once(bytes),
    }
}

pub(super) fn wrong_arity(cx: &Ctx<'_>) -> Error {
    Error::wrong_arity(&cx.server.commands.entry(cx.command).full_name)
}

fn hset(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let created = set_pairs(cx, args)?;
    cx.reply.integer(created);
    Ok(())
}

fn hmset(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    set_pairs(cx, args)?;
    cx.reply.ok();
    Ok(())
}

/// Sets fields to values, which follow the key in turn; how many were new.
#[inline]
fn set_pairs(cx: &mut Ctx<'_>, args: Args<'_>) -> Result<i64, Error> {
    if !args.len().is_multiple_of(2) {
        return Err(wrong_arity(cx));
    }
    let (key, limits) = (args.key(1), limits(cx));
    let hash = cx.db.collection_or_new::<Hash>(&key)?;
    hash.expect((args.len() - 2) / 2, limits);
    let mut created = 0;
    for index in (2..args.len()).step_by(2) {
        created += i64::from(hash.set(args.get(index), args.get(index + 1), limits));
    }
    share_names(hash, &cx.server.config, limits);
    let fits = hash.plan_fits();
    plan(cx, &key, fits);
    cx.db.dirty += (args.len() as u64 - 2) / 2;
    cx.name_fields((2..args.len()).step_by(2).map(|index| args.get(index)));
    cx.touched(&key, HSET_EVENT);
    Ok(created)
}

fn hsetnx(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, field, limits, now_ms) = (args.key(1), args.get(2), limits(cx), cx.now_ms());
    let mut hash = cx.db.collection_or_new::<Hash>(&key)?;
    if hash.has_due(now_ms) {
        cx.db.expire_named(&key, [field]);
        hash = cx.db.collection_or_new(&key)?;
    }
    let is_new = hash.expiry(field).is_none();
    if is_new {
        hash.set(field, args.get(3), limits);
        share_names(hash, &cx.server.config, limits);
        cx.name_fields([field]);
        cx.changed(&key, HSET_EVENT);
    }
    cx.reply.integer(i64::from(is_new));
    Ok(())
}

/// Asks for a field and answers with what `write` makes of it; deletes it if its time has come.
#[inline]
fn look_up(cx: &mut Ctx<'_>, args: Args<'_>, write: impl FnOnce(&mut Reply, Option<Element<'_>>)) -> CmdResult {
    let (key, field, now_ms) = (args.key(1), args.get(2), cx.now_ms());
    let found = cx.db.collection::<Hash>(&key)?.map_or(Found::Missing, |hash| hash.find(field, now_ms));
    match found {
        Found::Value(value) => write(cx.reply, Some(value)),
        Found::Missing => write(cx.reply, None),
        Found::Due => {
            write(cx.reply, None);
            cx.db.expire_named(&key, [field]);
        }
    }
    Ok(())
}

fn hget(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    look_up(cx, args, |reply, value| match value {
        Some(value) => write(reply, value),
        None => reply.null(),
    })
}

fn hstrlen(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    look_up(cx, args, |reply, value| reply.integer(value.map_or(0, Element::text_len) as i64))
}

fn hexists(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    look_up(cx, args, |reply, value| reply.integer(i64::from(value.is_some())))
}

fn hmget(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, now_ms) = (args.key(1), cx.now_ms());
    let hash = cx.db.collection::<Hash>(&key)?;
    let mut met_due = false;
    cx.reply.array(args.len() - 2);
    for field in args.rest(2) {
        match hash.map_or(Found::Missing, |hash| hash.find(field, now_ms)) {
            Found::Value(value) => write(cx.reply, value),
            Found::Missing => cx.reply.null(),
            Found::Due => {
                met_due = true;
                cx.reply.null();
            }
        }
    }
    if met_due {
        cx.db.expire_named(&key, args.rest(2));
    }
    Ok(())
}

fn hdel(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, told) = (args.key(1), cx.tells_fields());
    let Some(hash) = cx.db.collection_mut::<Hash>(&key)? else {
        cx.reply.integer(0);
        return Ok(());
    };
    let mut named = Vec::new();
    let mut deleted = 0;
    for field in args.rest(2).filter(|field| hash.remove(field)) {
        deleted += 1;
        if told {
            named.push(field);
        }
    }
    let (fits, emptied) = (hash.plan_fits(), hash.is_empty());
    cx.reply.integer(deleted as i64);
    cx.name_fields(named);
    removed::<Hash>(cx, &key, deleted, fits, emptied);
    Ok(())
}

fn hlen(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let len = cx.db.collection::<Hash>(&args.key(1))?.map_or(0, |hash| hash.len());
    cx.reply.integer(len as i64);
    Ok(())
}

/// What is wanted of fields and values.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Fields,
    Values,
    Both,
}

impl Part {
    #[inline]
    pub(super) fn write(self, reply: &mut Reply, pair: Pair<'_>) {
        if self != Self::Values {
            write(reply, pair.field);
        }
        if self != Self::Fields {
            write(reply, pair.value);
        }
    }
}

fn reply_all(cx: &mut Ctx<'_>, args: Args<'_>, part: Part) -> CmdResult {
    let now_ms = cx.now_ms();
    let hash = cx.db.collection::<Hash>(&args.key(1))?;
    let len = hash.map_or(0, |hash| hash.live_len(now_ms));
    match part {
        Part::Both => cx.reply.map(len),
        Part::Fields | Part::Values => cx.reply.array(len),
    }
    if let Some(hash) = hash {
        hash.live_pairs(now_ms).for_each(|pair| part.write(cx.reply, pair));
    }
    Ok(())
}

fn hincrby(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const NOT_AN_INTEGER: Error = Error::fixed("ERR hash value is not an integer");
    const OVERFLOW: Error = Error::fixed("ERR increment or decrement would overflow");
    let increment = args.integer(3)?;
    let (key, field, limits, now_ms) = (args.key(1), args.get(2), limits(cx), cx.now_ms());
    let mut hash = cx.db.collection_or_new::<Hash>(&key)?;
    if hash.has_due(now_ms) {
        cx.db.expire_named(&key, [field]);
        hash = cx.db.collection_or_new(&key)?;
    }
    let old = match hash.get(field, now_ms) {
        Some(value) => value.int().ok_or(NOT_AN_INTEGER)?,
        None => 0,
    };
    let sum = old.checked_add(increment).ok_or(OVERFLOW)?;
    hash.set_with(field, IntText::new().format(sum).as_bytes(), FieldExpiry::Keep, limits);
    share_names(hash, &cx.server.config, limits);
    cx.name_fields([field]);
    cx.changed(&key, Event::hash("hincrby"));
    cx.reply.integer(sum);
    Ok(())
}

/// The sum is propagated, in a form that keeps the expiry if there is one.
fn hincrbyfloat(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const INVALID: Error = Error::fixed("ERR value is not a valid float");
    const INFINITE: Error = Error::fixed("ERR value is NaN or Infinity");
    const NOT_A_FLOAT: Error = Error::fixed("ERR hash value is not a float");
    const OVERFLOW: Error = Error::fixed("ERR increment would produce NaN or Infinity");
    let increment = LongDouble::parse(args.get(3)).ok_or(INVALID)?;
    if increment.is_infinite() {
        return Err(INFINITE);
    }
    let (key, field, limits, now_ms) = (args.key(1), args.get(2), limits(cx), cx.now_ms());
    let mut hash = cx.db.collection_or_new::<Hash>(&key)?;
    if hash.has_due(now_ms) {
        cx.db.expire_named(&key, [field]);
        hash = cx.db.collection_or_new(&key)?;
    }
    let old = match hash.get(field, now_ms) {
        Some(value) => LongDouble::parse(value.text(&mut IntText::new())).ok_or(NOT_A_FLOAT)?,
        None => LongDouble::from(0),
    };
    let sum = old.checked_add(increment).ok_or(OVERFLOW)?.to_text();
    hash.set_with(field, &sum, FieldExpiry::Keep, limits);
    share_names(hash, &cx.server.config, limits);
    let expires = hash.expiry(field).flatten().is_some();
    cx.name_fields([field]);
    cx.changed(&key, Event::hash("hincrbyfloat"));
    cx.reply.bulk(&sum);
    match expires {
        false => cx.propagate_instead(&[b"HSET", key.bytes(), field, &sum]),
        true => cx.propagate_instead(&[b"HSETEX", key.bytes(), b"KEEPTTL", b"FIELDS", b"1", field, &sum]),
    }
    Ok(())
}

/// The options are looked at only when the key is there.
fn hscan(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let cursor = scan::parse_cursor(args.get(2))?;
    let now_ms = cx.now_ms();
    let Some(hash) = cx.db.collection::<Hash>(&args.key(1))? else {
        scan::begin_reply(cx.reply, 0, 0);
        return Ok(());
    };
    let walk = Walk::over_fields(args)?;
    let (mut found, mut room) = (Vec::new(), IntText::new());
    let next = walk.run(cursor, |cursor, seen| {
        hash.scan(cursor, |pair| {
            *seen += 1;
            if !pair.is_due(now_ms) && walk.admits(pair.field.text(&mut room)) {
                found.push(pair);
            }
        })
    });
    let (part, each) = if walk.names_only { (Part::Fields, 1) } else { (Part::Both, 2) };
    scan::begin_reply(cx.reply, next, found.len() * each);
    found.into_iter().for_each(|pair| part.write(cx.reply, pair));
    Ok(())
}

#[cfg(test)]
mod tests;
