//! When parts of collections expire: what commands on the fields of hashes and on the members of sets have in common.
//!
//! Times are kept in Unix milliseconds and propagated as such. A time that has passed already deletes the part, and is
//! propagated as that, each part by itself. A condition is judged part by part, so that only those it allowed are
//! propagated.

use super::time_unit::{TimeUnit, UNIX_MILLISECONDS};
use crate::command::error::CmdResult;
use crate::command::{Args, Error};
use crate::config::{Config, NotifyFlags};
use crate::db::{InEntry, Key};
use crate::server::effects::Event;
use crate::server::execution::Ctx;
use crate::types::ExpiringParts;
use crate::util::number::parse_i64;

/// The latest time at which a part may expire, in Unix milliseconds.
const LATEST_MS: i64 = (1 << 46) - 1;

const NO_PART: i64 = -2;
const NO_TIME: i64 = -1;

/// A collection whose parts commands give times.
pub(super) trait Parts: InEntry + ExpiringParts {
    /// How its commands, events and errors call things.
    const WORDS: Words;

    /// What its forms depend on.
    type Limits: Copy;

    /// The limits of now.
    fn limits(config: &Config) -> Self::Limits;

    /// Gives a part a time, or takes its time, if it is there.
    fn set_time(&mut self, part: &[u8], at: Option<i64>, limits: Self::Limits);

    /// A command is about to set times, whether it will set one or not.
    fn expect_times(&mut self) {}
}

/// How the commands, events and errors of a type call things.
pub(super) struct Words {
    /// What stands before the number of parts.
    pub keyword: &'static str,
    /// The keyword does not stand where it has to.
    pub missing: Error,
    /// The number of parts is none.
    pub not_a_count: Error,
    /// The number of parts is wrong.
    pub miscounted: Error,
    /// The command that gives parts a time in Unix milliseconds.
    pub set_time: &'static str,
    /// The command that removes parts.
    pub removal: &'static str,
    /// Parts were removed.
    pub removed: Event,
    /// Parts were given a time.
    pub expires: Event,
    /// Parts have lost their time.
    pub persists: Event,
}

/// The Unix time in milliseconds that argument `index` means.
pub(super) fn read_time(cx: &Ctx<'_>, args: &Args<'_>, index: usize, unit: TimeUnit) -> Result<i64, Error> {
    let amount = args.integer(index)?;
    if amount < 0 {
        return Err(Error::fixed("ERR invalid expire time, must be >= 0"));
    }
    unit.unix_ms(cx, amount, |at| at <= LATEST_MS)
}

/// The parts that a command names: a keyword, their number, and themselves.
#[derive(Clone, Copy)]
pub(super) struct PartList<'a> {
    args: Args<'a>,
    first: usize,
    count: usize,
}

impl<'a> PartList<'a> {
    /// Reads a list at the end of a command from the keyword on, with a given error for a number that is none.
    pub fn read<T: Parts>(args: Args<'a>, at: usize, not_a_count: Error) -> Result<PartList<'a>, Error> {
        if !args.is(at, T::WORDS.keyword) {
            return Err(T::WORDS.missing);
        }
        let count = args.try_get(at + 1).and_then(parse_i64).filter(|count| *count > 0).ok_or(not_a_count)?;
        let list = PartList { args, first: at + 2, count: args.len() - at - 2 };
        if usize::try_from(count) == Ok(list.len()) { Ok(list) } else { Err(T::WORDS.miscounted) }
    }

    /// The list of `count` parts from argument `first` on, which has been checked.
    pub fn checked(args: Args<'a>, first: usize, count: usize) -> PartList<'a> {
        PartList { args, first, count }
    }

    /// The number of parts.
    pub fn len(self) -> usize {
        self.count
    }

    /// The keyword, as it came.
    pub fn keyword(self) -> &'a [u8] {
        self.args.get(self.first - 2)
    }

    /// The parts.
    pub fn iter(self) -> impl Iterator<Item = &'a [u8]> {
        self.args.rest(self.first).take(self.count)
    }

    /// Where the arguments behind it begin.
    pub fn end(self) -> usize {
        self.first + self.count
    }
}

/// When an expiry may be set, given the one that is there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
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
    /// The condition that argument `index` names, if it does.
    pub fn read(args: &Args<'_>, index: usize) -> Condition {
        let words = [("NX", Self::None), ("XX", Self::Some), ("GT", Self::Later), ("LT", Self::Earlier)];
        words.into_iter().find(|(word, _)| args.is(index, word)).map_or(Self::Always, |(_, condition)| condition)
    }

    /// A part without an expiry lives forever, which is later than anything.
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
pub(super) fn is_there<T: Parts>(cx: &mut Ctx<'_>, key: &Key<'_>) -> Result<bool, Error> {
    Ok(cx.db.collection_mut::<T>(key)?.is_some())
}

/// Deletes those of the parts named whose time has come.
pub(super) fn delete_due<'p, T: Parts>(
    cx: &mut Ctx<'_>,
    key: &Key<'_>,
    parts: impl Iterator<Item = &'p [u8]>,
) -> CmdResult {
    let now_ms = cx.now_ms();
    if cx.db.collection_mut::<T>(key)?.is_some_and(|collection| collection.has_due(now_ms)) {
        cx.db.expire_named(key, parts);
    }
    Ok(())
}

/// What a command of the kind of HEXPIRE asks for.
pub(super) struct NewTime<'a> {
    /// In Unix milliseconds.
    pub at: i64,
    /// How the time was given.
    pub unit: TimeUnit,
    /// For which of the parts.
    pub condition: Condition,
    /// The word for that, as it came.
    pub condition_word: Option<&'a [u8]>,
    /// For which parts at all.
    pub parts: PartList<'a>,
}

/// Gives parts a time. Answers part by part: -2 it is not there, 0 the condition does not hold, 1 it has got the time,
/// 2 it was deleted since the time has passed.
pub(super) fn expire<T: Parts>(cx: &mut Ctx<'_>, key: &Key<'_>, new: &NewTime<'_>) -> CmdResult {
    const DELETED: i64 = 2;
    let (now_ms, limits, at) = (cx.now_ms(), T::limits(&cx.server.config), new.at);
    cx.reply.array(new.parts.len());
    let Some(collection) = cx.db.collection_mut::<T>(key)? else {
        new.parts.iter().for_each(|_| cx.reply.integer(NO_PART));
        return Ok(());
    };
    collection.expect_times();
    let mut changed: Vec<&[u8]> = Vec::new();
    for part in new.parts.iter() {
        let answer = match collection.expiry(part) {
            None => NO_PART,
            Some(old) if old.is_some_and(|old| old < now_ms) => NO_PART,
            Some(old) if !new.condition.allows(old, at) => 0,
            Some(_) if at <= now_ms => {
                collection.remove(part);
                DELETED
            }
            Some(_) => {
                collection.set_time(part, Some(at), limits);
                1
            }
        };
        if answer > 0 {
            changed.push(part);
        }
        cx.reply.integer(answer);
    }
    let (fits, emptied) = (collection.plan_fits(), collection.is_empty());
    if at <= now_ms {
        name_parts::<T>(cx, &changed);
        removed::<T>(cx, key, changed.len(), fits, emptied);
        deleted_as_expired::<T>(cx, key, &changed);
    } else if !changed.is_empty() {
        name_parts::<T>(cx, &changed);
        expiry_set::<T>(cx, key, changed.len(), fits);
        if new.unit != UNIX_MILLISECONDS || changed.len() < new.parts.len() {
            propagate_expiry::<T>(cx, key, at, (new.condition_word, new.parts.keyword()), &changed);
        }
    }
    Ok(())
}

/// Has active expiry know when parts have got an expiry, or the last of them has lost its own.
#[inline]
pub(super) fn plan(cx: &mut Ctx<'_>, key: &Key<'_>, fits: bool) {
    if !fits {
        cx.db.plan_parts(key);
    }
}

/// See [`Ctx::name_fields`]: subscribers are told of the parts of hashes alone.
fn name_parts<T: Parts>(cx: &mut Ctx<'_>, parts: &[&[u8]]) {
    if T::WORDS.removed.class == NotifyFlags::HASH {
        cx.name_fields(parts.iter().copied());
    }
}

/// What follows from the removal of so many parts.
#[inline]
pub(super) fn removed<T: Parts>(cx: &mut Ctx<'_>, key: &Key<'_>, count: usize, fits: bool, emptied: bool) {
    if count == 0 {
        return;
    }
    plan(cx, key, fits);
    cx.db.dirty += count as u64;
    cx.touched(key, T::WORDS.removed);
    if emptied {
        cx.emptied(key);
    }
}

/// What follows when so many parts have got an expiry.
pub(super) fn expiry_set<T: Parts>(cx: &mut Ctx<'_>, key: &Key<'_>, count: usize, fits: bool) {
    plan(cx, key, fits);
    cx.db.dirty += count as u64;
    cx.touched(key, T::WORDS.expires);
}

/// Counts and propagates the deletion of parts that were given a time which had passed.
pub(super) fn deleted_as_expired<T: Parts>(cx: &mut Ctx<'_>, key: &Key<'_>, parts: &[&[u8]]) {
    cx.db.stats.expired_parts += parts.len() as u64;
    parts.iter().for_each(|part| cx.propagate_instead(&[T::WORDS.removal.as_bytes(), key.bytes(), part]));
}

/// The words `condition` and the keyword are passed on as they came.
pub(super) fn propagate_expiry<T: Parts>(
    cx: &mut Ctx<'_>,
    key: &Key<'_>,
    at: i64,
    (condition, keyword): (Option<&[u8]>, &[u8]),
    parts: &[&[u8]],
) {
    if cx.server.observers.propagates() {
        let (at, count) = (at.to_string(), parts.len().to_string());
        let mut request: Vec<&[u8]> = vec![T::WORDS.set_time.as_bytes(), key.bytes(), at.as_bytes()];
        request.extend(condition);
        request.extend([keyword, count.as_bytes()]);
        request.extend(parts);
        cx.propagate_instead(&request);
    }
}

/// Propagates a command with its time, whose option stands at `time_at`, in Unix milliseconds.
pub(super) fn propagate_absolute(cx: &mut Ctx<'_>, args: &Args<'_>, time_at: Option<usize>, at: i64) {
    if let Some(time_at) = time_at.filter(|_| cx.server.observers.propagates()) {
        let at = at.to_string();
        let mut request: Vec<&[u8]> = args.rest(0).collect();
        request[time_at] = b"PXAT";
        request[time_at + 1] = at.as_bytes();
        cx.propagate_instead(&request);
    }
}

/// Answers -2 for a part that is not there and -1 for one that does not expire.
pub(super) fn reply_times<T: Parts>(cx: &mut Ctx<'_>, args: Args<'_>, shown: impl Fn(i64, i64) -> i64) -> CmdResult {
    let now_ms = cx.now_ms();
    let collection = cx.db.collection::<T>(&args.key(1))?;
    let parts = PartList::read::<T>(args, 2, T::WORDS.not_a_count)?;
    cx.reply.array(parts.len());
    for part in parts.iter() {
        cx.reply.integer(match collection.and_then(|collection| collection.expiry(part)) {
            None => NO_PART,
            Some(None) => NO_TIME,
            Some(Some(at)) if at < now_ms => NO_PART,
            Some(Some(at)) => shown(at, now_ms),
        });
    }
    Ok(())
}

/// What [`reply_times`] shows: the seconds left.
pub(super) fn seconds_left(at: i64, now_ms: i64) -> i64 {
    (at - now_ms + 999) / 1000
}

/// What [`reply_times`] shows: the time in Unix seconds.
pub(super) fn unix_seconds(at: i64, _: i64) -> i64 {
    (at + 999) / 1000
}

/// Takes the time of parts: -2 it is not there, -1 it has none, 1 it has none any more.
pub(super) fn persist<T: Parts>(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, now_ms, limits) = (args.key(1), cx.now_ms(), T::limits(&cx.server.config));
    is_there::<T>(cx, &key)?;
    let parts = PartList::read::<T>(args, 2, T::WORDS.not_a_count)?;
    let mut collection = cx.db.collection_mut::<T>(&key)?;
    let mut persistent = Vec::new();
    cx.reply.array(parts.len());
    for part in parts.iter() {
        let expiry = collection.as_deref().and_then(|collection| collection.expiry(part));
        cx.reply.integer(match (expiry, &mut collection) {
            (Some(Some(at)), Some(collection)) if at >= now_ms => {
                collection.set_time(part, None, limits);
                persistent.push(part);
                1
            }
            (Some(None), _) => NO_TIME,
            (Some(Some(_)) | None, _) => NO_PART,
        });
    }
    let fits = collection.is_none_or(|collection| collection.plan_fits());
    name_parts::<T>(cx, &persistent);
    persisted::<T>(cx, &key, persistent.len(), fits);
    Ok(())
}

/// What follows when so many parts have lost their expiry.
pub(super) fn persisted<T: Parts>(cx: &mut Ctx<'_>, key: &Key<'_>, count: usize, fits: bool) {
    if count > 0 {
        plan(cx, key, fits);
        cx.db.dirty += count as u64;
        cx.touched(key, T::WORDS.persists);
    }
}
