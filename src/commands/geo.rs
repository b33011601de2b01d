//! Places in sorted sets, whose scores tell where they are; see [`crate::types::geo`].
//!
//! GEOADD is ZADD with coordinates in the place of scores, and is propagated as that. All searches are one: a circle or
//! a box around a place or a member. The old commands give theirs in fixed arguments, the new ones as options.
//!
//! Searches with COUNT are sorted unless ANY says that the first found will do.

mod search;

use super::sorted_set::limits;
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::resp::reply::Reply;
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx};
use crate::types::SortedSet;
use crate::types::geo::{Distance, Place};
use crate::types::sorted_set::Change;
use crate::util::number::parse_f64;

const READS: Access = Access::RO.and(Access::ACCESS);
const READ: &[Keys] = &[Keys::at(1, READS)];
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
        ).complexity("O(log(N)) for each member, in a sorted set of N.").history(&[("6.2.0", "`CH`, `NX` and `XX`.")]),
    Command::new("geopos", Arity::at_least(2), geopos).group(Group::Geo).flags(&[READONLY]).keys(READ).docs(
        "3.2.0",
        "key [member [member ...]]",
        "Returns longitude and latitude of members.",
    ).complexity("O(1) for each member."),
    Command::new("geodist", Arity::at_least(4), geodist).group(Group::Geo).flags(&[READONLY]).keys(READ).docs(
        "3.2.0",
        "key member1 member2 [M|KM|FT|MI]",
        "Returns the distance between two members.",
    ).complexity("O(1)"),
    Command::new("geohash", Arity::at_least(2), geohash).group(Group::Geo).flags(&[READONLY]).keys(READ).docs(
        "3.2.0",
        "key [member [member ...]]",
        "Returns the places of members as geohashes.",
    ).complexity("O(1) for each member."),
    Command::new("geosearch", Arity::at_least(7), search::geosearch)
        .group(Group::Geo)
        .flags(&[READONLY])
        .keys(READ)
        .docs(
            "6.2.0",
            "key <<FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius M|KM|FT|MI | BYBOX <width> height \
             M|KM|FT|MI> | BYPOLYGON <num-vertices> longitude latitude [longitude latitude ...]> [ASC|DESC] \
             [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]",
            "Returns the members in a circle, a box or a polygon.",
        ).complexity("O(N+log(M)) for N members in the grid's cells around the area, and M in the area.").history(&[("7.0.0", "Units in capital letters.")]),
    Command::new("geosearchstore", Arity::at_least(8), search::geosearchstore)
        .group(Group::Geo)
        .flags(&[WRITE, DENYOOM])
        .keys(&[Keys::at(1, STORED), Keys::at(2, Access::RO.and(Access::ACCESS))])
        .docs(
            "6.2.0",
            "destination source <<FROMMEMBER member | FROMLONLAT longitude latitude> <BYRADIUS radius M|KM|FT|MI | BYBOX \
             <width> height M|KM|FT|MI> | BYPOLYGON <num-vertices> longitude latitude [longitude latitude ...]> [ASC|DESC] \
             [COUNT count [ANY]] [STOREDIST]",
            "Keeps the members in a circle, a box or a polygon in another key.",
        ).complexity("O(N+log(M)) for N members in the grid's cells around the area, and M in the area.").history(&[("7.0.0", "Units in capital letters.")]),
    Command::new("georadius", Arity::at_least(6), search::georadius)
        .group(Group::Geo)
        .flags(&[WRITE, DENYOOM])
        .keys(RADIUS_KEYS)
        .find_keys(search::georadius_keys)
        .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS`")
        .docs(
            "3.2.0",
            "key longitude latitude radius M|KM|FT|MI [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC|DESC] \
             [STORE key|STOREDIST key]",
            "Returns, or keeps, the members in a circle around a place.",
        ).complexity("O(N+log(M)) for N members in the square around the circle, and M in the index.").history(&[("6.2.0", "`ANY`."), ("7.0.0", "Units in capital letters.")]),
    Command::new("georadius_ro", Arity::at_least(6), search::georadius_ro)
        .group(Group::Geo)
        .flags(&[READONLY])
        .keys(READ)
        .deprecated("6.2.0", "`GEOSEARCH` with `BYRADIUS`")
        .docs(
            "3.2.10",
            "key longitude latitude radius M|KM|FT|MI [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC|DESC]",
            "Returns the members in a circle around a place.",
        ).complexity("O(N+log(M)) for N members in the square around the circle, and M in the index.").history(&[("6.2.0", "`ANY`."), ("7.0.0", "Units in capital letters.")]),
    Command::new("georadiusbymember", Arity::at_least(5), search::georadiusbymember)
        .group(Group::Geo)
        .flags(&[WRITE, DENYOOM])
        .keys(RADIUS_BY_MEMBER_KEYS)
        .find_keys(search::georadiusbymember_keys)
        .deprecated("6.2.0", "`GEOSEARCH` and `GEOSEARCHSTORE` with `BYRADIUS` and `FROMMEMBER`")
        .docs(
            "3.2.0",
            "key member radius M|KM|FT|MI [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC|DESC] [STORE key|STOREDIST \
             key]",
            "Returns, or keeps, the members in a circle around one of them.",
        ).complexity("O(N+log(M)) for N members in the square around the circle, and M in the index.").history(&[("6.2.0", "`ANY`."), ("7.0.0", "Units in capital letters.")]),
    Command::new("georadiusbymember_ro", Arity::at_least(5), search::georadiusbymember_ro)
        .group(Group::Geo)
        .flags(&[READONLY])
        .keys(READ)
        .deprecated("6.2.0", "`GEOSEARCH` with `BYRADIUS` and `FROMMEMBER`")
        .docs(
            "3.2.10",
            "key member radius M|KM|FT|MI [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC|DESC]",
            "Returns the members in a circle around one of them.",
        ).complexity("O(N+log(M)) for N members in the square around the circle, and M in the index.").history(&[("6.2.0", "`ANY`."), ("7.0.0", "Units in capital letters.")]),
];

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
    reply.double(place.longitude);
    reply.double(place.latitude);
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
    let (key, limits) = (args.key(1), limits(&cx.server.config));
    let set = match only_old {
        true => cx.db.collection_mut::<SortedSet>(&key)?,
        false => Some(cx.db.collection_or_new::<SortedSet>(&key)?),
    };
    let (mut added, mut moved) = (0, 0);
    if let Some(set) = set {
        set.expect(scores.len(), limits);
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

#[cfg(test)]
mod tests {
    use crate::resp::Protocol;
    use crate::server::testbed::Testbed;

    fn sicily() -> Testbed {
        let mut bed = Testbed::new();
        assert_eq!(bed.run("geoadd s 13.361389 38.115556 Palermo 15.087269 37.502669 Catania"), ":2\r\n");
        bed
    }

    #[test]
    fn geoadd_is_propagated_as_zadd_if_something_changed() {
        let mut bed = Testbed::new();
        let added = bed.propagated("geoadd s NX ch 13.361389 38.115556 Palermo 15.087269 37.502669 Catania");
        assert_eq!(added, ["zadd s NX ch 3479099956230698 Palermo 3479447370796909 Catania"]);
        assert_eq!(bed.db.dirty, 2);
        assert_eq!(bed.propagated("geoadd s 13.361389 38.115556 Palermo"), [""; 0]);
        assert_eq!(bed.propagated("geoadd s NX 14 38 Palermo"), [""; 0]);
        assert_eq!(bed.propagated("geoadd other XX 14 38 Palermo"), [""; 0]);
        assert_eq!(bed.run("exists other"), ":0\r\n");
    }

    #[test]
    fn geoadd_counts_what_is_new_and_with_ch_what_moved() {
        let mut bed = sicily();
        assert_eq!(bed.run("geoadd s 14 38 Palermo 15 37 Siracusa"), ":1\r\n");
        assert_eq!(bed.run("geoadd s CH 13 38 Palermo 15 37 Siracusa 15.6 38.2 Messina"), ":2\r\n");
        assert_eq!(bed.run("geoadd s CH XX 13 37 Palermo 14 37 Ragusa"), ":1\r\n");
        assert_eq!(bed.run("geoadd s NX 13 38 Palermo 14 37 Ragusa"), ":1\r\n");
    }

    #[test]
    fn geoadd_refuses_bad_coordinates_and_incomplete_members_before_it_adds_any() {
        let mut bed = Testbed::new();
        let pair = "-ERR invalid longitude,latitude pair 200.000000,100.000000\r\n";
        assert_eq!(bed.run("geoadd s 13 38 a 200 100 b"), pair);
        assert_eq!(bed.run("geoadd s 13 38 a x 100 b"), "-ERR value is not a valid float\r\n");
        for command in ["geoadd s NX XX 13 38 a", "geoadd s 13 38 a 14", "geoadd s nx ch ch", "geoadd s ch foo 13 38 a"]
        {
            assert_eq!(bed.run(command), "-ERR syntax error\r\n", "{command}");
        }
        assert_eq!(bed.run("exists s"), ":0\r\n");
    }

    #[test]
    fn geopos_geohash_and_geodist_answer_null_for_what_is_missing() {
        let mut bed = sicily();
        let (longitude, latitude) = ("13.361389338970184", "38.1155563954963");
        let found = format!("*2\r\n*2\r\n$18\r\n{longitude}\r\n$16\r\n{latitude}\r\n*-1\r\n");
        assert_eq!(bed.run("geopos s Palermo Rome"), found);
        assert_eq!(bed.run("geopos missing Palermo"), "*1\r\n*-1\r\n");
        assert_eq!(bed.run("geohash s Palermo Rome"), "*2\r\n$11\r\nsqc8b49rny0\r\n$-1\r\n");
        assert_eq!(bed.run("geodist s Palermo Catania"), "$11\r\n166274.1516\r\n");
        assert_eq!(bed.run("geodist s Palermo Catania KM"), "$8\r\n166.2742\r\n");
        assert_eq!(
            (bed.run("geodist s Palermo Rome"), bed.run("geodist missing a b")),
            ("$-1\r\n".into(), "$-1\r\n".into())
        );
        let unit = "-ERR unsupported unit provided. please use M, KM, FT, MI\r\n";
        assert_eq!(bed.run("geodist missing a b yd"), unit);
        bed.protocol = Protocol::Resp3;
        let found = format!("*2\r\n*2\r\n,{longitude}\r\n,{latitude}\r\n_\r\n");
        assert_eq!(bed.run("geopos s Palermo Rome"), found);
        assert_eq!(bed.run("geodist s Palermo Catania mi"), "$8\r\n103.3182\r\n");
    }

    #[test]
    fn searches_answer_with_what_is_asked_for() {
        let mut bed = sicily();
        let names = "*2\r\n$7\r\nCatania\r\n$7\r\nPalermo\r\n";
        for command in [
            "geosearch s fromlonlat 15 37 byradius 200 km ASC",
            "geosearch s fromlonlat 15 37 bybox 400 400 km asc",
            "georadius s 15 37 200 km asc",
            "georadius_ro s 15 37 200 km asc count 5",
            "georadiusbymember s Catania 200 km asc",
            "georadiusbymember_ro s Catania 200 km COUNT 2",
            "geosearch s frommember Palermo byradius 200 km desc",
        ] {
            assert_eq!(bed.run(command), names, "{command}");
        }
        let expected = "*1\r\n*4\r\n$7\r\nPalermo\r\n$8\r\n190.4424\r\n:3479099956230698\r\n\
                        *2\r\n$18\r\n13.361389338970184\r\n$16\r\n38.1155563954963\r\n";
        let command = "geosearch s fromlonlat 15 37 byradius 200 km withhash withcoord withdist desc count 1";
        assert_eq!(bed.run(command), expected);
        assert_eq!(bed.run("geosearch s fromlonlat 0 0 byradius 1 m"), "*0\r\n");
        assert_eq!(bed.run("geosearch missing frommember x byradius 1 m"), "*0\r\n");
    }

    #[test]
    fn stored_results_replace_the_destination_or_delete_it() {
        let mut bed = sicily();
        bed.run("set d value EX 100");
        assert_eq!(bed.run("geosearchstore d s fromlonlat 15 37 byradius 200 km"), ":2\r\n");
        assert_eq!((bed.run("type d"), bed.run("ttl d")), ("+zset\r\n".into(), ":-1\r\n".into()));
        assert_eq!(bed.run("geohash d Palermo"), "*1\r\n$11\r\nsqc8b49rny0\r\n");
        assert_eq!(bed.db.dirty, 5);
        let command = "geosearchstore d s fromlonlat 0 0 byradius 1 km";
        assert_eq!(bed.propagated(command), [command]);
        assert_eq!((bed.run("exists d"), bed.run(command)), (":0\r\n".into(), ":0\r\n".into()));
        assert_eq!(bed.propagated(command), [""; 0]);
        assert_eq!(bed.run("georadius s 15 37 200 km store d count 1"), ":1\r\n");
        assert_eq!(bed.run("georadiusbymember s Palermo 200 km STOREDIST d"), ":2\r\n");
        assert_eq!(bed.run("georadiusbymember missing Palermo x y store d"), ":0\r\n");
        assert_eq!(bed.run("exists d"), ":0\r\n");
    }

    #[test]
    fn polygons_are_searched_around_the_centre_of_their_vertices() {
        let mut bed = sicily();
        bed.run("geoadd s 12 38 x 14 37 q 16 36 y");
        let square = "bypolygon 4 12 37 12 39 16 39 16 37";
        let reply = bed.run(&format!("geosearch s {square} asc"));
        assert_eq!(reply, "*4\r\n$7\r\nPalermo\r\n$7\r\nCatania\r\n$1\r\nq\r\n$1\r\nx\r\n");
        let reply = bed.run(&format!("geosearch s {square} withdist count 1 desc"));
        assert_eq!(reply, "*1\r\n*2\r\n$1\r\nx\r\n$11\r\n175281.3692\r\n");
        assert_eq!(bed.run(&format!("geosearchstore d s {square} storedist")), ":4\r\n");
        assert_eq!(bed.run("zscore d Palermo"), "$20\r\n5.698749327453733e+4\r\n");
        assert_eq!(bed.run("geosearch s bypolygon 3 1 1 1 1 1 1"), "*0\r\n");
        assert_eq!(bed.run("geosearch missing bypolygon 3 12 37 12 39 16 37"), "*0\r\n");
        for (polygon, error) in [
            ("x 1 1 2 2 3 3", "ERR invalid number of vertices"),
            ("4294967299 1 1 2 2 3 3", "ERR invalid number of vertices"),
            ("2 1 1 2 2", "ERR GEOSEARCH BYPOLYGON must have at least 3 vertices"),
            ("-1 1 1 2 2", "ERR GEOSEARCH BYPOLYGON must have at least 3 vertices"),
            ("2147483647 1 1 2 2 3 3", "ERR GEOSEARCH BYPOLYGON must have at least 3 vertices"),
            ("3 1 1 2 2 3 nan", "ERR value is not a valid float"),
            ("3 1 1 2 2 3 89", "ERR invalid longitude,latitude pair 3.000000,89.000000"),
            ("3 1 1 2 2 3 3 4 4", "ERR syntax error"),
            ("3 1 1 2 2 3 3 frommember Palermo", "ERR syntax error"),
            ("3 1 1 2 2 3 3 byradius 1 km", "ERR syntax error"),
            ("3 1 1 2 2 3 3 withdist any", "ERR the ANY argument requires COUNT argument"),
        ] {
            assert_eq!(bed.run(&format!("geosearch s bypolygon {polygon}")), format!("-{error}\r\n"), "{polygon}");
        }
        for options in ["frommember Palermo", "fromlonlat 1 1", "byradius 1 km", "bybox 1 1 km"] {
            let command = format!("geosearch s {options} bypolygon 3 12 37 12 39 16 37");
            assert_eq!(bed.run(&command), "-ERR syntax error\r\n", "{options}");
        }
        assert_eq!(bed.run("georadius s 15 37 1 km bypolygon 3 1 1 2 2 3 3"), "-ERR syntax error\r\n");
    }

    #[test]
    fn searches_name_what_is_wrong_with_their_arguments() {
        let mut bed = sicily();
        bed.run("set text value");
        for (command, error) in [
            (
                "geosearch text fromlonlat 1 2 foo bar baz",
                "WRONGTYPE Operation against a key holding the wrong kind of value",
            ),
            ("georadius s 15 37 -1 km", "ERR radius cannot be negative"),
            ("georadius s 15 37 x km", "ERR need numeric radius"),
            ("georadius s 15 37 1 yd", "ERR unsupported unit provided. please use M, KM, FT, MI"),
            ("georadiusbymember s Rome 1 km", "ERR could not decode requested zset member"),
            ("geosearch s frommember Palermo bybox x 1 km", "ERR need numeric width"),
            ("geosearch s frommember Palermo bybox 1 x km", "ERR need numeric height"),
            ("geosearch s frommember Palermo bybox 1 -1 km", "ERR height or width cannot be negative"),
            ("georadius s 15 37 1 km count 0", "ERR COUNT must be > 0"),
            ("georadius s 15 37 1 km count x", "ERR value is not an integer or out of range"),
            ("georadius s 15 37 1 km count", "ERR syntax error"),
            ("georadius s 15 37 1 km any", "ERR the ANY argument requires COUNT argument"),
            ("georadius_ro s 15 37 1 km store d", "ERR syntax error"),
            ("geosearch s frommember Palermo byradius 1 km storedist", "ERR syntax error"),
            ("geosearch s frommember Palermo fromlonlat 1 1 byradius 1 km", "ERR syntax error"),
            ("geosearch s frommember Palermo byradius 1 km bybox 1 1 km", "ERR syntax error"),
            (
                "GeoSearch s byradius 1 km asc asc asc",
                "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GeoSearch",
            ),
            (
                "geosearchstore d s fromlonlat 1 1 asc asc",
                "ERR exactly one of BYRADIUS and BYBOX can be specified for geosearchstore",
            ),
            (
                "georadius s 15 37 1 km store d withdist",
                "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
            ),
            (
                "geosearchstore d s frommember Palermo byradius 1 km withhash",
                "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
            ),
        ] {
            assert_eq!(bed.run(command), format!("-{error}\r\n"), "{command}");
        }
    }
}
