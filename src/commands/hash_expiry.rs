//! When fields of hashes expire: setting, asking and removing the time, alone or with the value.
//!
//! Times are kept in Unix milliseconds and propagated as such. A time that has passed already deletes the field, and is
//! propagated as that, each field by itself. A condition is judged field by field, so that only those it allowed are
//! propagated.

use super::hash::{HDEL_EVENT, HSET_EVENT, limits, plan, removed, write, wrong_arity};
use super::time_unit::{MILLISECONDS, SECONDS, TimeUnit, UNIX_MILLISECONDS, UNIX_SECONDS};
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::Key;
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx};
use crate::types::Collection;
use crate::types::hash::{FieldExpiry, Hash};
use crate::util::number::parse_i64;

const HEXPIRE_EVENT: Event = Event::hash("hexpire");
const HPERSIST_EVENT: Event = Event::hash("hpersist");

/// The latest time at which a field may expire, in Unix milliseconds.
const LATEST_MS: i64 = (1 << 46) - 1;

const SETS: &[Keys] = &[Keys::at(1, Access::RW.and(Access::UPDATE))];
const ASKS: &[Keys] = &[Keys::at(1, Access::RO.and(Access::ACCESS))];
const TTL_TIPS: &[&str] = &["nondeterministic_output"];

const FIELDS_MISSING: Error = Error::fixed("ERR Mandatory argument FIELDS is missing or not at the right position");
const FIELDS_MISCOUNTED: Error = Error::fixed("ERR The `numfields` parameter must match the number of arguments");
const NOT_A_COUNT: Error = Error::fixed("ERR Number of fields must be a positive integer");

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("hexpire", Arity::at_least(6), |cx, args| hexpire(cx, args, SECONDS))
        .group(Group::Hash)
        .flags(&[WRITE, FAST])
        .keys(SETS)
        .docs(
            "7.4.0",
            "key seconds [NX|XX|GT|LT] <FIELDS numfields field [field ...]>",
            "Has fields of a hash expire after some seconds.",
        ),
    Command::new("hpexpire", Arity::at_least(6), |cx, args| hexpire(cx, args, MILLISECONDS))
        .group(Group::Hash)
        .flags(&[WRITE, FAST])
        .keys(SETS)
        .docs(
            "7.4.0",
            "key milliseconds [NX|XX|GT|LT] <FIELDS numfields field [field ...]>",
            "Has fields of a hash expire after some milliseconds.",
        ),
    Command::new("hexpireat", Arity::at_least(6), |cx, args| hexpire(cx, args, UNIX_SECONDS))
        .group(Group::Hash)
        .flags(&[WRITE, FAST])
        .keys(SETS)
        .docs(
            "7.4.0",
            "key unix-time-seconds [NX|XX|GT|LT] <FIELDS numfields field [field ...]>",
            "Has fields of a hash expire at a point of time in Unix seconds.",
        ),
    Command::new("hpexpireat", Arity::at_least(6), |cx, args| hexpire(cx, args, UNIX_MILLISECONDS))
        .group(Group::Hash)
        .flags(&[WRITE, FAST])
        .keys(SETS)
        .docs(
            "7.4.0",
            "key unix-time-milliseconds [NX|XX|GT|LT] <FIELDS numfields field [field ...]>",
            "Has fields of a hash expire at a point of time in Unix milliseconds.",
        ),
    Command::new("httl", Arity::at_least(5), |cx, args| reply_times(cx, args, |at, now| (at - now + 999) / 1000))
        .group(Group::Hash)
        .flags(&[READONLY, FAST])
        .keys(ASKS)
        .tips(TTL_TIPS)
        .docs(
            "7.4.0",
            "key <FIELDS numfields field [field ...]>",
            "Returns how long fields have yet to live, in seconds.",
        ),
    Command::new("hpttl", Arity::at_least(5), |cx, args| reply_times(cx, args, |at, now| at - now))
        .group(Group::Hash)
        .flags(&[READONLY, FAST])
        .keys(ASKS)
        .tips(TTL_TIPS)
        .docs(
            "7.4.0",
            "key <FIELDS numfields field [field ...]>",
            "Returns how long fields have yet to live, in milliseconds.",
        ),
    Command::new("hexpiretime", Arity::at_least(5), |cx, args| reply_times(cx, args, |at, _| (at + 999) / 1000))
        .group(Group::Hash)
        .flags(&[READONLY, FAST])
        .keys(ASKS)
        .docs("7.4.0", "key <FIELDS numfields field [field ...]>", "Returns when fields expire, in Unix seconds."),
    Command::new("hpexpiretime", Arity::at_least(5), |cx, args| reply_times(cx, args, |at, _| at))
        .group(Group::Hash)
        .flags(&[READONLY, FAST])
        .keys(ASKS)
        .docs("7.4.0", "key <FIELDS numfields field [field ...]>", "Returns when fields expire, in Unix milliseconds."),
    Command::new("hpersist", Arity::at_least(5), hpersist).group(Group::Hash).flags(&[WRITE, FAST]).keys(SETS).docs(
        "7.4.0",
        "key <FIELDS numfields field [field ...]>",
        "Removes the expiry of fields.",
    ),
    Command::new("hgetex", Arity::at_least(5), hgetex).group(Group::Hash).flags(&[WRITE, FAST]).keys(SETS).docs(
        "8.0.0",
        "key [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|PERSIST] <FIELDS numfields \
         field [field ...]>",
        "Returns the values of fields and sets or removes their expiry.",
    ),
    Command::new("hsetex", Arity::at_least(6), hsetex)
        .group(Group::Hash)
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(SETS)
        .docs(
            "8.0.0",
            "key [FNX|FXX] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL] \
             <FIELDS numfields field value [field value ...]>",
            "Sets fields of a hash and their expiry.",
        ),
    Command::new("hgetdel", Arity::at_least(5), hgetdel)
        .group(Group::Hash)
        .flags(&[WRITE, FAST])
        .keys(&[Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::DELETE))])
        .docs("8.0.0", "key <FIELDS numfields field [field ...]>", "Returns the values of fields and deletes them."),
];

/// The Unix time in milliseconds that argument `index` means.
fn read_time(cx: &Ctx<'_>, args: &Args<'_>, index: usize, unit: TimeUnit) -> Result<i64, Error> {
    let amount = args.integer(index)?;
    if amount < 0 {
        return Err(Error::fixed("ERR invalid expire time, must be >= 0"));
    }
    unit.unix_ms(cx, amount, |at| at <= LATEST_MS)
}

/// The fields named at the end of a command: `FIELDS`, their number, and themselves.
#[derive(Clone, Copy)]
struct FieldList<'a> {
    args: Args<'a>,
    first: usize,
}

impl<'a> FieldList<'a> {
    /// Reads the list from `FIELDS` on, with a given error for a number that is none.
    fn read(args: Args<'a>, at: usize, not_a_count: Error) -> Result<FieldList<'a>, Error> {
        if !args.is(at, "FIELDS") {
            return Err(FIELDS_MISSING);
        }
        let count = args.try_get(at + 1).and_then(parse_i64).filter(|count| *count > 0).ok_or(not_a_count)?;
        let list = FieldList { args, first: at + 2 };
        if usize::try_from(count) == Ok(list.len()) { Ok(list) } else { Err(FIELDS_MISCOUNTED) }
    }

    fn len(self) -> usize {
        self.args.len() - self.first
    }

    /// The word FIELDS.
    fn keyword(self) -> &'a [u8] {
        self.args.get(self.first - 2)
    }

    fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        self.args.rest(self.first)
    }
}

/// When an expiry may be set, given the one that is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    /// NX: there is none.
    None,
    /// XX: there is one.
    Some,
    /// GT: the new one is later.
    Later,
    /// LT: the new one is earlier.
    Earlier,
}

impl Condition {
    fn read(args: &Args<'_>, index: usize) -> Condition {
        let words = [("NX", Self::None), ("XX", Self::Some), ("GT", Self::Later), ("LT", Self::Earlier)];
        words.into_iter().find(|(word, _)| args.is(index, word)).map_or(Self::Always, |(_, condition)| condition)
    }

    /// A field without an expiry lives forever, which is later than anything.
    fn allows(self, old: Option<i64>, new: i64) -> bool {
        match self {
            Self::Always => true,
            Self::None => old.is_none(),
            Self::Some => old.is_some(),
            Self::Later => old.is_some_and(|old| new > old),
            Self::Earlier => old.is_none_or(|old| new < old),
        }
    }
}

/// Whether a key is there; one of another type is an error.
fn has_hash(cx: &mut Ctx<'_>, key: &Key<'_>) -> Result<bool, Error> {
    Ok(cx.db.collection_mut::<Hash>(key)?.is_some())
}

/// Deletes those of the fields named whose time has come.
fn delete_due<'f>(cx: &mut Ctx<'_>, key: &Key<'_>, fields: impl Iterator<Item = &'f [u8]>) -> CmdResult {
    let now_ms = cx.now_ms();
    if cx.db.collection_mut::<Hash>(key)?.is_some_and(|hash| hash.has_due(now_ms)) {
        cx.db.expire_named(key, fields);
    }
    Ok(())
}

fn hexpire(cx: &mut Ctx<'_>, args: Args<'_>, unit: TimeUnit) -> CmdResult {
    const NOT_A_COUNT: Error = Error::fixed("ERR Parameter `numFields` should be greater than 0");
    const NO_FIELD: i64 = -2;
    const DELETED: i64 = 2;
    let (key, now_ms) = (args.key(1), cx.now_ms());
    has_hash(cx, &key)?;
    let at = read_time(cx, &args, 2, unit)?;
    let condition = Condition::read(&args, 3);
    let fields = FieldList::read(args, if condition == Condition::Always { 3 } else { 4 }, NOT_A_COUNT)?;
    cx.reply.array(fields.len());
    let Some(hash) = cx.db.collection_mut::<Hash>(&key)? else {
        fields.iter().for_each(|_| cx.reply.integer(NO_FIELD));
        return Ok(());
    };
    hash.expect_times();
    let mut changed: Vec<&[u8]> = Vec::new();
    for field in fields.iter() {
        let answer = match hash.expiry(field) {
            None => NO_FIELD,
            Some(old) if old.is_some_and(|old| old < now_ms) => NO_FIELD,
            Some(old) if !condition.allows(old, at) => 0,
            Some(_) if at <= now_ms => {
                hash.remove(field);
                DELETED
            }
            Some(_) => {
                hash.set_expiry(field, Some(at));
                1
            }
        };
        if answer > 0 {
            changed.push(field);
        }
        cx.reply.integer(answer);
    }
    let (fits, emptied) = (hash.plan_fits(), hash.is_empty());
    if at <= now_ms {
        removed(cx, &key, changed.len(), fits, emptied);
        deleted_as_expired(cx, &key, &changed);
    } else if !changed.is_empty() {
        expiry_set(cx, &key, changed.len(), fits);
        if unit != UNIX_MILLISECONDS || changed.len() < fields.len() {
            let word = (condition != Condition::Always).then(|| args.get(3));
            propagate_expiry(cx, &key, at, (word, fields.keyword()), &changed);
        }
    }
    Ok(())
}

/// What follows when so many fields have got an expiry.
fn expiry_set(cx: &mut Ctx<'_>, key: &Key<'_>, count: usize, fits: bool) {
    plan(cx, key, fits);
    cx.db.dirty += count as u64;
    cx.touched(key, HEXPIRE_EVENT);
}

/// Counts and propagates the deletion of fields that were given a time which had passed.
fn deleted_as_expired(cx: &mut Ctx<'_>, key: &Key<'_>, fields: &[&[u8]]) {
    cx.db.stats.expired_fields += fields.len() as u64;
    fields.iter().for_each(|field| cx.propagate_instead(&[b"HDEL", key.bytes(), field]));
}

/// The words `condition` and FIELDS are passed on as they came.
fn propagate_expiry(
    cx: &mut Ctx<'_>,
    key: &Key<'_>,
    at: i64,
    (condition, keyword): (Option<&[u8]>, &[u8]),
    fields: &[&[u8]],
) {
    if cx.server.observers.propagates() {
        let (at, count) = (at.to_string(), fields.len().to_string());
        let mut request: Vec<&[u8]> = vec![b"HPEXPIREAT", key.bytes(), at.as_bytes()];
        request.extend(condition);
        request.extend([keyword, count.as_bytes()]);
        request.extend(fields);
        cx.propagate_instead(&request);
    }
}

/// Answers -2 for a field that is not there and -1 for one that does not expire.
fn reply_times(cx: &mut Ctx<'_>, args: Args<'_>, shown: impl Fn(i64, i64) -> i64) -> CmdResult {
    let now_ms = cx.now_ms();
    let hash = cx.db.collection::<Hash>(&args.key(1))?;
    let fields = FieldList::read(args, 2, NOT_A_COUNT)?;
    cx.reply.array(fields.len());
    for field in fields.iter() {
        cx.reply.integer(match hash.and_then(|hash| hash.expiry(field)) {
            None => -2,
            Some(None) => -1,
            Some(Some(at)) if at < now_ms => -2,
            Some(Some(at)) => shown(at, now_ms),
        });
    }
    Ok(())
}

fn hpersist(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, now_ms) = (args.key(1), cx.now_ms());
    has_hash(cx, &key)?;
    let fields = FieldList::read(args, 2, NOT_A_COUNT)?;
    let mut hash = cx.db.collection_mut::<Hash>(&key)?;
    let mut count = 0;
    cx.reply.array(fields.len());
    for field in fields.iter() {
        let expiry = hash.as_deref().and_then(|hash| hash.expiry(field));
        cx.reply.integer(match (expiry, &mut hash) {
            (Some(Some(at)), Some(hash)) if at >= now_ms => {
                hash.set_expiry(field, None);
                count += 1;
                1
            }
            (Some(None), _) => -1,
            (Some(Some(_)) | None, _) => -2,
        });
    }
    let fits = hash.is_none_or(|hash| hash.plan_fits());
    persisted(cx, &key, count, fits);
    Ok(())
}

/// What follows when so many fields have lost their expiry.
fn persisted(cx: &mut Ctx<'_>, key: &Key<'_>, count: usize, fits: bool) {
    if count > 0 {
        plan(cx, key, fits);
        cx.db.dirty += count as u64;
        cx.touched(key, HPERSIST_EVENT);
    }
}

/// Answers with the values of fields that are there, null for the others; which are there. Taken, a field is there once
/// at most.
fn reply_values<'a>(
    cx: &mut Ctx<'_>,
    key: &Key<'_>,
    fields: FieldList<'a>,
    takes: bool,
) -> Result<Vec<&'a [u8]>, Error> {
    delete_due(cx, key, fields.iter())?;
    let now_ms = cx.now_ms();
    let mut hash = cx.db.collection_mut::<Hash>(key)?;
    let mut found = Vec::with_capacity(fields.len());
    cx.reply.array(fields.len());
    for field in fields.iter() {
        match hash.as_deref().and_then(|hash| hash.get(field, now_ms)) {
            Some(value) => {
                write(cx.reply, value);
                found.push(field);
            }
            None => cx.reply.null(),
        }
        if let Some(hash) = hash.as_deref_mut().filter(|_| takes) {
            hash.remove(field);
        }
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
    has_hash(cx, &key)?;
    let (lifetime, at) = match TimeUnit::of_option(&args, 2) {
        Some(unit) => (Lifetime::Until(read_time(cx, &args, 3, unit)?), 4),
        None if args.is(2, "PERSIST") => (Lifetime::Persist, 3),
        None => (Lifetime::Untouched, 2),
    };
    if args.len() < at + 2 {
        return Err(wrong_arity(cx));
    }
    let fields = FieldList::read(args, at, NOT_A_COUNT)?;
    let is_over = matches!(lifetime, Lifetime::Until(time) if time <= now_ms);
    let found = reply_values(cx, &key, fields, is_over)?;
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
            let mut count = 0;
            for field in found {
                if expires(hash, field) {
                    hash.set_expiry(field, None);
                    count += 1;
                }
            }
            let fits = hash.plan_fits();
            persisted(cx, &key, count, fits);
            if cx.server.observers.propagates() {
                let mut request: Vec<&[u8]> = vec![b"HPERSIST", key.bytes()];
                request.extend(args.rest(at));
                cx.propagate_instead(&request);
            }
        }
        Lifetime::Until(_) if is_over => {
            let (fits, emptied) = (hash.plan_fits(), hash.is_empty());
            removed(cx, &key, found.len(), fits, emptied);
            deleted_as_expired(cx, &key, &found);
        }
        Lifetime::Until(time) => {
            found.iter().for_each(|field| hash.set_expiry(field, Some(time)));
            let fits = hash.plan_fits();
            expiry_set(cx, &key, found.len(), fits);
            propagate_expiry(cx, &key, time, (None, fields.keyword()), &found);
        }
    }
    Ok(())
}

/// The options of HSETEX.
struct SetOptions {
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
        let mut options = SetOptions { must_exist: None, lifetime: Lifetime::Untouched, time_at: None, first: 0 };
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
    delete_due(cx, &key, pairs().map(|(field, _)| field))?;
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
    if let Lifetime::Until(_) = options.lifetime {
        hash.expect_times();
    }
    pairs().for_each(|(field, value)| _ = hash.set_with(field, value, expiry, limits));
    let fits = hash.plan_fits();
    cx.db.dirty += pairs().count() as u64;
    cx.touched(&key, HSET_EVENT);
    match options.lifetime {
        Lifetime::Until(at) if at <= now_ms => set_in_vain(cx, &key, pairs().map(|(field, _)| field))?,
        Lifetime::Until(at) => {
            plan(cx, &key, fits);
            cx.touched(&key, HEXPIRE_EVENT);
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
    cx.touched(key, HDEL_EVENT);
    if emptied {
        cx.emptied(key);
    }
    deleted_as_expired(cx, key, &deleted);
    Ok(())
}

/// Propagates HSETEX with its time, whose option stands at `time_at`, in Unix milliseconds.
fn propagate_absolute(cx: &mut Ctx<'_>, args: &Args<'_>, time_at: Option<usize>, at: i64) {
    if let Some(time_at) = time_at.filter(|_| cx.server.observers.propagates()) {
        let at = at.to_string();
        let mut request: Vec<&[u8]> = args.rest(0).collect();
        request[time_at] = b"PXAT";
        request[time_at + 1] = at.as_bytes();
        cx.propagate_instead(&request);
    }
}

fn hgetdel(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    has_hash(cx, &key)?;
    let fields = FieldList::read(args, 2, NOT_A_COUNT)?;
    let count = reply_values(cx, &key, fields, true)?.len();
    let Some(hash) = cx.db.collection_mut::<Hash>(&key)? else { return Ok(()) };
    let (fits, emptied) = (hash.plan_fits(), hash.is_empty());
    removed(cx, &key, count, fits, emptied);
    if cx.server.observers.propagates() {
        let mut request: Vec<&[u8]> = vec![b"HDEL", key.bytes()];
        request.extend(fields.iter());
        cx.propagate_instead(&request);
    }
    Ok(())
}
