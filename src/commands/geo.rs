//! Places in sorted sets, whose scores tell where they are; see [`crate::types::geo`].
//!
//! GEOADD is ZADD with coordinates in the place of scores, and is propagated as that. All searches are one: a circle or
//! a box around a place or a member. The old commands give theirs in fixed arguments, the new ones as options.
//!
//! Searches with COUNT are sorted unless ANY says that the first found will do.

mod search;

use crate::command::context::Event;
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Ctx, Error};
use crate::resp::reply::Reply;
use crate::types::SortedSet;
use crate::types::geo::{Distance, Place};
use crate::types::sorted_set::{Change, Limits};
use crate::util::long_double::LongDouble;
use crate::util::number::parse_f64;

const READ: &[Keys] = &[Keys::at(1, Access::RO.and(Access::ACCESS))];
const STORED: Access = Access::OW.and(Access::UPDATE);

/// A key behind a word among the options, which begin at argument `from`.
const fn behind(word: &'static str, from: i16) -> Keys {
    Keys { begin: Begin::Keyword(word, from), find: Find::Range { last: 0, step: 1, limit: 0 }, access: STORED }
}

const RADIUS_KEYS: &[Keys] = &[READ[0], behind("STORE", 6), behind("STOREDIST", 6)];
const RADIUS_BY_MEMBER_KEYS: &[Keys] = &[READ[0], behind("STORE", 5), behind("STOREDIST", 5)];

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("geoadd", Arity::at_least(5), geoadd)
        .group(Group::Geo)
        .flags(&[WRITE, DENYOOM])
        .keys(&[Keys::at(1, Access::RW.and(Access::UPDATE))])
        .docs(
            "3.2.0",
            "key [NX|XX] [CH] longitude latitude member [longitude latitude member ...]",
            "Adds members with their places, or moves them.",
        ),
    Command::new("geopos", Arity::at_least(2), geopos).group(Group::Geo).flags(&[READONLY]).keys(READ).docs(
        "3.2.0",
        "key [member [member ...]]",
        "Returns longitude and latitude of members.",
    ),
    Command::new("geodist", Arity::at_least(4), geodist).group(Group::Geo).flags(&[READONLY]).keys(READ).docs(
        "3.2.0",
        "key member1 member2 [M|KM|FT|MI]",
        "Returns the distance between two members.",
    ),
    Command::new("geohash", Arity::at_least(2), geohash).group(Group::Geo).flags(&[READONLY]).keys(READ).docs(
        "3.2.0",
        "key [member [member ...]]",
        "Returns the places of members as geohashes.",
    ),
    Command::new("geosearch", Arity::at_least(7), search::geosearch)
        .group(Group::Geo)
        .flags(&[READONLY])
        .keys(READ)
        .docs(
            "6.2.0",
            "key <FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius M|KM|FT|MI | BYBOX width height \
             M|KM|FT|MI> [ASC|DESC] [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]",
            "Returns the members in a circle or a box.",
        ),
    Command::new("geosearchstore", Arity::at_least(8), search::geosearchstore)
        .group(Group::Geo)
        .flags(&[WRITE, DENYOOM])
        .keys(&[Keys::at(1, STORED), Keys::at(2, Access::RO.and(Access::ACCESS))])
        .docs(
            "6.2.0",
            "destination source <FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius M|KM|FT|MI | BYBOX \
             width height M|KM|FT|MI> [ASC|DESC] [COUNT count [ANY]] [STOREDIST]",
            "Keeps the members in a circle or a box in another key.",
        ),
    Command::new("georadius", Arity::at_least(6), search::georadius)
        .group(Group::Geo)
        .flags(&[WRITE, DENYOOM])
        .keys(RADIUS_KEYS)
        .docs(
            "3.2.0",
            "key longitude latitude radius M|KM|FT|MI [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC|DESC] \
             [STORE key] [STOREDIST key]",
            "Returns, or keeps, the members in a circle around a place.",
        ),
    Command::new("georadius_ro", Arity::at_least(6), search::georadius_ro)
        .group(Group::Geo)
        .flags(&[READONLY])
        .keys(READ)
        .docs(
            "3.2.10",
            "key longitude latitude radius M|KM|FT|MI [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC|DESC]",
            "Returns the members in a circle around a place.",
        ),
    Command::new("georadiusbymember", Arity::at_least(5), search::georadiusbymember)
        .group(Group::Geo)
        .flags(&[WRITE, DENYOOM])
        .keys(RADIUS_BY_MEMBER_KEYS)
        .docs(
            "3.2.0",
            "key member radius M|KM|FT|MI [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC|DESC] [STORE key] \
             [STOREDIST key]",
            "Returns, or keeps, the members in a circle around one of them.",
        ),
    Command::new("georadiusbymember_ro", Arity::at_least(5), search::georadiusbymember_ro)
        .group(Group::Geo)
        .flags(&[READONLY])
        .keys(READ)
        .docs(
            "3.2.10",
            "key member radius M|KM|FT|MI [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC|DESC]",
            "Returns the members in a circle around one of them.",
        ),
];

/// How big a sorted set may be and still be a listpack.
fn limits(cx: &Ctx<'_>) -> Limits {
    let config = &cx.server.config;
    Limits { entries: config.zset_max_listpack_entries, value: config.zset_max_listpack_value }
}

/// Arguments `index` and the next as longitude and latitude.
fn place(args: &Args<'_>, index: usize) -> Result<Place, Error> {
    let number = |index| parse_f64(args.get(index)).ok_or(Error::fixed("ERR value is not a valid float"));
    let (longitude, latitude) = (number(index)?, number(index + 1)?);
    Place::new(longitude, latitude)
        .ok_or_else(|| Error::text(format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}")))
}

/// Argument `index` as a unit of length, in metres.
fn unit(args: &Args<'_>, index: usize) -> Result<f64, Error> {
    const UNITS: [(&str, f64); 4] = [("m", 1.0), ("km", 1000.0), ("ft", 0.3048), ("mi", 1609.34)];
    let known = UNITS.into_iter().find(|(name, _)| args.is(index, name));
    known.map(|(_, metres)| metres).ok_or(Error::fixed("ERR unsupported unit provided. please use M, KM, FT, MI"))
}

fn reply_place(reply: &mut Reply, place: Place) {
    reply.array(2);
    reply.double_text(&LongDouble::from(place.longitude).to_text());
    reply.double_text(&LongDouble::from(place.latitude).to_text());
}

fn reply_distance(reply: &mut Reply, distance: f64) {
    reply.bulk(Distance(distance).to_string().as_bytes());
}

fn geoadd(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (mut only_new, mut only_old, mut counts_changes, mut first) = (false, false, false, 2);
    while first < args.len() {
        match () {
            () if args.is(first, "NX") => only_new = true,
            () if args.is(first, "XX") => only_old = true,
            () if args.is(first, "CH") => counts_changes = true,
            () => break,
        }
        first += 1;
    }
    if !(args.len() - first).is_multiple_of(3) || (only_new && only_old) {
        return Err(SYNTAX);
    }
    let score = |index| place(&args, index).map(Place::score);
    let scores = (first..args.len()).step_by(3).map(score).collect::<Result<Vec<u64>, Error>>()?;
    if scores.is_empty() {
        return Err(SYNTAX);
    }
    let (key, limits) = (args.key(1), limits(cx));
    let set = match only_old {
        true => cx.db.collection_mut::<SortedSet>(&key)?,
        false => Some(cx.db.collection_or_new::<SortedSet>(&key)?),
    };
    let (mut added, mut moved) = (0, 0);
    if let Some(set) = set {
        for (index, score) in (first + 2..args.len()).step_by(3).zip(&scores) {
            let wanted = |old: Option<f64>| if old.is_some() { !only_new } else { !only_old };
            let change = set.update(args.get(index), limits, |old| wanted(old).then_some(*score as f64));
            added += u64::from(change == Change::Added);
            moved += u64::from(change == Change::Updated);
        }
    }
    if added + moved > 0 {
        cx.db.dirty += added + moved;
        cx.touched(&key, Event::sorted_set("zadd"));
        propagate_as_zadd(cx, args, first, &scores);
    }
    cx.reply.integer(if counts_changes { added + moved } else { added } as i64);
    Ok(())
}

/// Arguments from `first` on are members with their places, whose scores these are.
fn propagate_as_zadd(cx: &mut Ctx<'_>, args: Args<'_>, first: usize, scores: &[u64]) {
    if !cx.server.observers.propagates() {
        return;
    }
    let scores: Vec<String> = scores.iter().map(u64::to_string).collect();
    let mut zadd: Vec<&[u8]> = vec![b"zadd"];
    zadd.extend((1..first).map(|index| args.get(index)));
    for (score, index) in scores.iter().zip((first + 2..args.len()).step_by(3)) {
        zadd.extend([score.as_bytes(), args.get(index)]);
    }
    cx.propagate_instead(&zadd);
}

/// Answers with something for each of the members from argument 2 on: `reply` for one that is there, `missing` for
/// another.
fn for_each_member(
    cx: &mut Ctx<'_>,
    args: Args<'_>,
    reply: impl Fn(&mut Reply, Place),
    missing: impl Fn(&mut Reply),
) -> CmdResult {
    let set = cx.db.collection::<SortedSet>(&args.key(1))?;
    cx.reply.array(args.len() - 2);
    for member in args.rest(2) {
        match set.and_then(|set| set.score(member)) {
            Some(score) => reply(cx.reply, Place::of_score(score)),
            None => missing(cx.reply),
        }
    }
    Ok(())
}

fn geopos(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    for_each_member(cx, args, reply_place, Reply::null_array)
}

fn geohash(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    for_each_member(cx, args, |reply, place| reply.bulk(&place.geohash()), Reply::null)
}

fn geodist(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let unit = match args.len() {
        4 => 1.0,
        5 => unit(&args, 4)?,
        _ => return Err(SYNTAX),
    };
    let set = cx.db.collection::<SortedSet>(&args.key(1))?;
    let place = |index: usize| set.and_then(|set| set.score(args.get(index))).map(Place::of_score);
    match (place(2), place(3)) {
        (Some(one), Some(other)) => reply_distance(cx.reply, one.distance(other) / unit),
        _ => cx.reply.null(),
    }
    Ok(())
}
