//! Places in sorted sets.
//!
//! No two places are the same on purpose: which of two at the same distance comes first is nobody's promise.

use super::Kinds;
use crate::differential::draw::{Draw, Word};
use crate::differential::generate::{Row, row};

/// The commands.
pub const ROWS: &[Row] = &[
    row("geoadd", 8, "<geo> {NX|XX; CH} (<place> <member>)+"),
    row("geodist", 4, "<geo> <member> <member> [<unit>]"),
    row("geohash", 3, "<geo> (<member>)+"),
    row("geopos", 3, "<geo> (<member>)+"),
    row("georadius", 3, "<geo> <place> <radius> <unit> {WITHCOORD; WITHDIST; WITHHASH; COUNT <count> [ANY]; ASC|DESC}"),
    row("georadius", 2, "<geo> <place> <radius> <unit> {COUNT <count>; ASC|DESC; STORE <geo>; STOREDIST <zset>}"),
    row(
        "georadius_ro",
        2,
        "<geo> <place> <radius> <unit> {WITHCOORD; WITHDIST; WITHHASH; COUNT <count> [ANY]; ASC|DESC}",
    ),
    row(
        "georadiusbymember",
        3,
        "<geo> <member> <radius> <unit> {WITHCOORD; WITHDIST; WITHHASH; COUNT <count> [ANY]; ASC|DESC}",
    ),
    row("georadiusbymember", 2, "<geo> <member> <radius> <unit> {COUNT <count>; ASC|DESC; STORE <geo>}"),
    row(
        "georadiusbymember_ro",
        2,
        "<geo> <member> <radius> <unit> {WITHCOORD; WITHDIST; WITHHASH; COUNT <count> [ANY]; ASC|DESC}",
    ),
    row(
        "geosearch",
        6,
        "<geo> (FROMMEMBER <member>|FROMLONLAT <place>) (BYRADIUS <radius> <unit>|BYBOX <radius> <radius> <unit>) \
         {WITHCOORD; WITHDIST; WITHHASH; COUNT <count> [ANY]; ASC|DESC}",
    ),
    row(
        "geosearch",
        1,
        "<geo> {FROMMEMBER <member>; FROMLONLAT <place>; BYRADIUS <radius> <unit>; BYBOX <radius> <radius> <unit>; \
         COUNT <count>; ANY; STORE <geo>; STOREDIST}",
    ),
    row(
        "geosearchstore",
        3,
        "<geo> <geo> (FROMMEMBER <member>|FROMLONLAT <place>) \
         (BYRADIUS <radius> <unit>|BYBOX <radius> <radius> <unit>) {COUNT <count> [ANY]; ASC|DESC; STOREDIST}",
    ),
];

/// By name.
pub const KINDS: Kinds = &[("place", place), ("radius", |d, w| w.push(radius(d))), ("unit", |d, w| w.push(unit(d)))];

/// Longitude and latitude.
fn place(draw: &mut Draw, words: &mut Vec<Word>) {
    if draw.chance(4) {
        const WRONG: &[&str] = &["181", "-180.0001", "86", "-85.06", "abc", "", "nan", "inf"];
        words.extend([draw.pick(WRONG).into(), draw.pick(WRONG).into()]);
        return;
    }
    // Around one place, so that short radiuses find something; sometimes anywhere, poles and date line included.
    let (longitude, latitude) = match draw.below(4) {
        0 => (draw.between(-179, 179), draw.between(-84, 84)),
        1 => (draw.pick(&[-179, 179]), draw.pick(&[-84, 84, 0])),
        _ => (13, 52),
    };
    words.extend([decimal(draw, longitude), decimal(draw, latitude)]);
}

fn decimal(draw: &mut Draw, whole: i64) -> Word {
    format!("{whole}.{:07}", draw.below(10_000_000)).into()
}

fn radius(draw: &mut Draw) -> Word {
    match draw.below(100) {
        0..70 => draw.pick(&["1", "10", "50", "100.5", "200", "1000", "5000", "500000"]).into(),
        70..92 => draw.pick(&["0", "0.0001", "6371", "20015", "30000000", "1e6", "1e10"]).into(),
        _ => draw.pick(&["-1", "abc", "", "nan"]).into(),
    }
}

fn unit(draw: &mut Draw) -> Word {
    draw.pick(&["km", "km", "km", "m", "mi", "ft", "KM", "cm"]).into()
}
