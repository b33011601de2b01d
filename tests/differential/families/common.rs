//! Kinds of words that many families use.

use super::Kinds;
use crate::differential::draw::{Draw, Word};

/// By name.
pub const KINDS: Kinds = &[
    ("string", |d, w| w.push(d.key(b's'))),
    ("bitmap", |d, w| w.push(d.key(b'b'))),
    ("list", |d, w| w.push(d.key(b'l'))),
    ("hash", |d, w| w.push(d.key(b'h'))),
    ("set", |d, w| w.push(d.key(b't'))),
    ("zset", |d, w| w.push(d.key(b'z'))),
    ("stream", |d, w| w.push(d.key(b'x'))),
    ("hll", |d, w| w.push(d.key(b'p'))),
    ("geo", |d, w| w.push(d.key(b'g'))),
    ("key", |d, w| w.push(d.any_key())),
    ("keys-alike", keys_alike),
    ("value", |d, w| w.push(d.value())),
    ("member", |d, w| w.push(d.member())),
    ("field", |d, w| w.push(d.member())),
    ("index", |d, w| w.push(d.index())),
    ("near-index", |d, w| w.push(near_index(d))),
    ("count", |d, w| w.push(d.count())),
    ("increment", |d, w| w.push(d.increment())),
    ("float", |d, w| w.push(d.float())),
    ("seconds", |d, w| w.push(d.seconds())),
    ("milliseconds", |d, w| w.push(d.milliseconds())),
    ("moment-seconds", |d, w| w.push(d.moment_seconds())),
    ("moment-milliseconds", |d, w| w.push(d.moment_milliseconds())),
    ("pattern", |d, w| w.push(d.pattern())),
    ("database", |d, w| w.push(d.database())),
    ("type", |d, w| w.push(type_name(d))),
    ("step", |d, w| w.push(step(d))),
    ("cursor", |d, w| w.push(cursor(d))),
    ("timeout", |d, w| w.push(timeout(d))),
    ("numkeys-lists", |d, w| counted_keys(d, w, b'l')),
    ("numkeys-sets", |d, w| counted_keys(d, w, b't')),
    ("numkeys-zsets", |d, w| counted_keys(d, w, b'z')),
];

/// One that has 32 bits, to which LSET cuts indices until Redis 8.10.
fn near_index(draw: &mut Draw) -> Word {
    let index = draw.index();
    let is_far = index.len() > 9;
    if is_far { "-100000".into() } else { index }
}

/// Two keys, mostly of one type, so that types mingle slowly.
fn keys_alike(draw: &mut Draw, words: &mut Vec<Word>) {
    let initial = draw.pick(b"sblhzxtpg");
    words.extend([draw.key(initial), draw.key(initial)]);
}

fn type_name(draw: &mut Draw) -> Word {
    draw.pick(&["string", "list", "hash", "set", "zset", "stream", "STRING", "nothing", "module", ""]).into()
}

/// COUNT of an iteration: all at once, or some.
fn step(draw: &mut Draw) -> Word {
    match draw.below(100) {
        0..60 => draw.pick(&["100000", "1000000"]).into(),
        60..90 => (1 + draw.below(30)).to_string().into(),
        _ => draw.pick(&["0", "-1", "abc", "", "9223372036854775808"]).into(),
    }
}

/// The cursor an iteration begins with.
fn cursor(draw: &mut Draw) -> Word {
    match draw.below(100) {
        0..92 => "0".into(),
        _ => draw.pick(&["-1", "abc", "", "18446744073709551616", "1x", " 0"]).into(),
    }
}

/// Seconds to wait: very few, or what cannot be one. Never 0, which is for ever.
fn timeout(draw: &mut Draw) -> Word {
    match draw.below(100) {
        0..85 => draw.pick(&["0.001", "0.003", "0.002"]).into(),
        _ => draw.pick(&["-1", "abc", "", "nan", "-1e30", "-0.5"]).into(),
    }
}

/// A number of keys and the keys; now and then the number is wrong.
fn counted_keys(draw: &mut Draw, words: &mut Vec<Word>, initial: u8) {
    let count = 1 + draw.below(3);
    draw.announced = count;
    let shown = match draw.below(100) {
        0..95 => count.to_string(),
        _ => draw.pick(&["0", "-1", "abc", "2", "9", "9223372036854775807", ""]).into(),
    };
    words.push(shown.into());
    for _ in 0..count {
        let initial = if matches!(initial, b'z') && draw.chance(10) { b't' } else { initial };
        words.push(draw.key(initial));
    }
}
