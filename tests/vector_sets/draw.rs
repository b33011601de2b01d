//! Random commands on vector sets, and in what their replies may differ from those of Redis 8.
//!
//! Sets are small: a search then meets every element, and what it finds follows from the vectors alone. Which elements
//! are linked does not, nor which are chosen at random: of those only the form of the reply is compared. Scores may
//! differ in the last digits, by the order in which floats are added, and what is equally far comes in any order.
//! Components that are no numbers, or whose squares are none, are not drawn: nothing is near or far from such a vector,
//! and one of them puts the order of all that Redis finds in disarray. Nor is REDUCE with more components than the vector
//! has: Redis 8.2.3 takes that, and makes vectors longer by it; later versions refuse it, as is done here.

use crate::common::Reply;
use crate::common::random::Random;

/// Keys, with the form of their vectors, the components of these, and how many of them are reduced to how many.
const SETS: &[(&str, &str, usize, Option<usize>)] = &[
    ("bytes", "Q8", 4, None),
    ("default", "", 3, None),
    ("bits", "BIN", 7, None),
    ("floats", "NOQUANT", 5, None),
    ("reduced", "NOQUANT", 6, Some(3)),
];
/// How near scores and components are that count as the same.
const NEAR: f64 = 2e-6;

const ATTRIBUTES: &[&str] = &[
    "{}",
    "",
    "{\"n\":1}",
    "{\"n\":2,\"s\":\"a\"}",
    "{\"n\":-3.5,\"s\":\"b\",\"t\":[\"x\",\"y\",3]}",
    "{\"n\":1e2,\"b\":true,\"z\":null}",
    "{\"s\":\"\\u00e9\\\"\\n\",\"o\":{\"n\":1}}",
    "{\"n\":\"7\"}",
    "no json",
    "{\"n\":",
    "[1,2]",
    "{\"n\": 5 , \"s\" : \"long long long long long\"}",
];

fn name(random: &mut Random) -> String {
    match random.below(40) {
        0 => "none".to_owned(),
        1 => String::new(),
        _ => format!("e{}", random.below(20)),
    }
}

fn component(random: &mut Random) -> String {
    match random.below(60) {
        0 => random.word(&["x", "", "-0", "1e15", "1e-15"]).to_owned(),
        1..20 => (random.below(9) as i64 - 4).to_string(),
        _ => format!("{}.{:03}", random.below(9) as i64 - 4, random.below(1000)),
    }
}

/// A vector as VADD and VSIM take it, now and then of another dimension, but of no fewer components than the least.
fn vector(random: &mut Random, dimension: usize, least: usize, words: &mut Vec<Vec<u8>>) {
    let dimension = if random.below(30) == 0 { least.max(1 + random.below(8)) } else { dimension };
    if random.below(3) == 0 {
        let floats = (0..dimension).map(|_| (random.below(2001) as f32 - 1000.0) / 100.0);
        let mut blob: Vec<u8> = floats.flat_map(f32::to_le_bytes).collect();
        blob.truncate(blob.len() - usize::from(random.below(40) == 0));
        words.extend([b"FP32".to_vec(), blob]);
        return;
    }
    let count = match random.below(60) {
        0 => random.word(&["0", "-1", "x", "99999999999999999999"]).to_owned(),
        1 => least.max(2).to_string(),
        _ => dimension.to_string(),
    };
    words.extend(["VALUES".into(), count.into_bytes()]);
    words.extend((0..dimension).map(|_| component(random).into_bytes()));
}

/// An expression over attributes, mostly a sound one.
pub fn filter(random: &mut Random, depth: usize) -> String {
    let value = |random: &mut Random| {
        random
            .word(&["1", "2", "-3.5", "\"a\"", "'b'", ".n", ".s", ".t", ".b", ".z", ".o", "100", "true", "null"])
            .to_string()
    };
    if random.below(60) == 0 {
        return random.word(&["", "(", ")", ".n=1", "and", "1 +", ".n == ", "\"a", "in", "[1", "!"]).to_owned();
    }
    match random.below(if depth == 0 { 3 } else { 8 }) {
        0..3 => {
            let operator = random.word(&["==", "!=", "<", ">", "<=", ">=", "+", "-", "*", "/", "%", "**"]);
            let right = value(random);
            format!("{} {operator} {right}", value(random))
        }
        3 => format!("{} in [1, \"a\", {}]", value(random), random.word(&["2", "\"b\"", "'x'"])),
        4 => format!("{} in {}", value(random), random.word(&[".t", ".s", ".n"])),
        5 => format!("not ({})", filter(random, depth - 1)),
        6 => format!("!{}", filter(random, depth - 1)),
        _ => {
            let operator = random.word(&["and", "or", "&&", "||"]);
            format!("({}) {operator} {}", filter(random, depth - 1), filter(random, depth - 1))
        }
    }
}

fn add(random: &mut Random, words: &mut Vec<Vec<u8>>, form: &str, dimension: usize, reduced: Option<usize>) {
    let reduced = reduced.filter(|_| random.below(30) > 0);
    if let Some(to) = reduced {
        words.extend(["REDUCE".into(), to.to_string().into_bytes()]);
    }
    vector(random, dimension, reduced.unwrap_or(1), words);
    words.push(name(random).into_bytes());
    if !form.is_empty() && random.below(30) > 0 {
        words.push(form.into());
    }
    let options: &[&[&str]] = &[&["CAS"], &["EF", "100"], &["M", "16"], &["SETATTR"]];
    for option in options {
        if random.below(5) == 0 {
            words.extend(option.iter().map(|word| word.as_bytes().to_vec()));
            if option == &["SETATTR"] {
                words.push(random.word(ATTRIBUTES).as_bytes().to_vec());
            }
        }
    }
    if random.below(30) == 0 {
        let wrong: &[&[&str]] = &[&["EF", "0"], &["M", "3"], &["M", "8"], &["BIN"], &["SETATTR"], &["x"], &["EF", "x"]];
        words.extend(random.pick(wrong).iter().map(|word| word.as_bytes().to_vec()));
    }
}

fn search(random: &mut Random, words: &mut Vec<Vec<u8>>, dimension: usize) {
    match random.below(2) {
        0 => words.extend(["ELE".into(), name(random).into_bytes()]),
        _ => vector(random, dimension, 1, words),
    }
    if random.below(6) > 0 {
        words.push("WITHSCORES".into());
    }
    let mut option = |random: &mut Random, chances: usize, word: &str, values: &[&'static str]| {
        if random.below(chances) == 0 {
            words.push(word.into());
            if !values.is_empty() {
                words.push(random.word(values).as_bytes().to_vec());
            }
        }
    };
    option(random, 3, "WITHATTRIBS", &[]);
    option(random, 3, "TRUTH", &[]);
    option(random, 8, "NOTHREAD", &[]);
    option(random, 3, "COUNT", &["1", "3", "20", "100", "1", "5", "0", "x", "-1"]);
    option(random, 8, "EF", &["50", "100", "1000", "0", "x", "1000001"]);
    option(random, 6, "EPSILON", &["0.11", "0.47", "0.9", "0.23", "0", "-1", "x", "nan"]);
    option(random, 20, "FILTER-EF", &["500", "10000", "x", "-1"]);
    option(random, 80, "x", &[]);
    if random.below(3) == 0 {
        let filter = filter(random, 2);
        words.extend([b"FILTER".to_vec(), filter.into_bytes()]);
    }
}

/// A command.
pub fn command(random: &mut Random) -> Vec<Vec<u8>> {
    let &(key, form, dimension, reduced) = random.pick(SETS);
    let key = match random.below(50) {
        0 => "string",
        1 => "missing",
        _ => key,
    };
    let mut words: Vec<Vec<u8>> = Vec::new();
    let mut say = |some: &[&str]| words.extend(some.iter().map(|word| word.as_bytes().to_vec()));
    match random.below(40) {
        0..14 if key != "missing" => {
            say(&["VADD", key]);
            add(random, &mut words, form, dimension, reduced);
        }
        14..22 => {
            say(&["VSIM", key]);
            search(random, &mut words, dimension);
        }
        22 | 23 => say(&["VREM", key, &name(random)]),
        24 => say(&["VCARD", key]),
        25 => say(&["VDIM", key]),
        26 | 27 => say(&["VEMB", key, &name(random)]),
        28 => say(&["VEMB", key, &name(random), "RAW"]),
        29 => say(&["VGETATTR", key, &name(random)]),
        30..33 => say(&["VSETATTR", key, &name(random), random.word(ATTRIBUTES)]),
        33 => say(&["VINFO", key]),
        34 => say(&["VISMEMBER", key, &name(random)]),
        35 => match random.below(2) {
            0 => say(&["VLINKS", key, &name(random)]),
            _ => say(&["VLINKS", key, &name(random), "WITHSCORES"]),
        },
        36 => match random.below(3) {
            0 => say(&["VRANDMEMBER", key]),
            _ => say(&["VRANDMEMBER", key, random.word(&["1", "3", "100", "-5", "0", "x"])]),
        },
        37 if random.below(4) == 0 && key != "string" => say(&["DEL", key]),
        // A word too few.
        38 => say(&[random.word(&["VADD", "VSIM", "VREM", "VEMB", "VLINKS", "VSETATTR", "VCARD"]), key]),
        _ => say(&["EXISTS", key]),
    }
    words
}

/// Whether a reply says the same as that of Redis.
pub fn alike(words: &[Vec<u8>], one: &Reply, other: &Reply) -> bool {
    match words[0].as_slice() {
        b"VSIM" => same_found(words, one, other),
        // Which elements are linked or chosen depends on chance.
        b"VLINKS" | b"VRANDMEMBER" => std::mem::discriminant(one) == std::mem::discriminant(other),
        b"VINFO" => same_but_chance(one, other),
        _ => near(one, other),
    }
}

fn number(reply: &Reply) -> Option<f64> {
    match reply {
        Reply::Double(number) => Some(*number),
        Reply::Bulk(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
        _ => None,
    }
}

fn near(one: &Reply, other: &Reply) -> bool {
    match (one, other) {
        (Reply::Array(one), Reply::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| near(one, other))
        }
        (Reply::Bulk(_), Reply::Bulk(_)) | (Reply::Double(_), Reply::Double(_)) => {
            let close = |(one, other): (f64, f64)| (one - other).abs() <= NEAR * one.abs().max(1.0);
            one == other || number(one).zip(number(other)).is_some_and(close)
        }
        _ => one == other,
    }
}

/// Figures of a set but for its highest level, which is chance, its number in the process, and how many attributes there
/// are: Redis 8.2.3 does not count those that VADD with CAS sets, and gets below zero when they are taken away.
fn same_but_chance(one: &Reply, other: &Reply) -> bool {
    let is_chance = |name: &Reply| matches!(name.text().as_str(), "max-level" | "vset-uid" | "attributes-count");
    match (one, other) {
        (Reply::Array(one), Reply::Array(other)) => {
            let same = |(one, other): (&[Reply], &[Reply])| one == other || one[0] == other[0] && is_chance(&one[0]);
            one.len() == other.len() && one.chunks(2).zip(other.chunks(2)).all(same)
        }
        (Reply::Map(one), Reply::Map(other)) => {
            let same = |(one, other): (&(Reply, Reply), &(Reply, Reply))| {
                one == other || one.0 == other.0 && is_chance(&one.0)
            };
            one.len() == other.len() && one.iter().zip(other).all(same)
        }
        _ => one == other,
    }
}

/// A row of what a search found.
struct Row {
    name: String,
    score: Option<f64>,
    attributes: String,
}

/// The same scores in order, and the same elements for each but the last, of which some may have been left out. Without
/// scores nothing tells which elements are equally far: then the same elements, or as many.
fn same_found(words: &[Vec<u8>], one: &Reply, other: &Reply) -> bool {
    let (Some(one), Some(other)) = (rows(words, one), rows(words, other)) else { return one == other };
    let same_score = |one: &Row, other: &Row| match (one.score, other.score) {
        (Some(one), Some(other)) => (one - other).abs() <= NEAR,
        (one, other) => one == other,
    };
    if one.len() != other.len() || !one.iter().zip(&other).all(|(one, other)| same_score(one, other)) {
        return false;
    }
    let sorted = |rows: &[Row]| {
        let mut sorted: Vec<(String, String)> =
            rows.iter().map(|row| (row.name.clone(), row.attributes.clone())).collect();
        sorted.sort();
        sorted
    };
    let mut at = 0;
    for group in one.chunk_by(same_score) {
        let range = at..at + group.len();
        at = range.end;
        if at < one.len() && sorted(group) != sorted(&other[range]) {
            return false;
        }
    }
    true
}

fn rows(words: &[Vec<u8>], reply: &Reply) -> Option<Vec<Row>> {
    let has = |option: &str| words.iter().any(|word| word == option.as_bytes());
    let (scores, attributes) = (has("WITHSCORES"), has("WITHATTRIBS"));
    let row = |items: &[&Reply]| {
        let score = if scores { number(items[1]) } else { None };
        let told = items.last().filter(|_| attributes).map(|told| format!("{told:?}"));
        Row { name: items[0].text(), score, attributes: told.unwrap_or_default() }
    };
    Some(match reply {
        Reply::Array(items) => {
            let items: Vec<&Reply> = items.iter().collect();
            items.chunks(1 + usize::from(scores) + usize::from(attributes)).map(row).collect()
        }
        Reply::Map(pairs) => {
            let items = |(name, told): &(Reply, Reply)| match told {
                Reply::Array(told) => row(&[&[name][..], &told.iter().collect::<Vec<_>>()].concat()),
                told => row(&[name, told]),
            };
            pairs.iter().map(items).collect()
        }
        _ => return None,
    })
}
