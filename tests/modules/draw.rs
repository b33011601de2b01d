//! Random commands about JSON documents, and their replies in a form in which the order of members is no matter.
//!
//! What RedisJSON itself stumbles over is not drawn:
//! - SET, MERGE and MSET with `..`, and MSET of one key twice: the places of values are noted before the first is set,
//!   and it falls over where one of them is then gone;
//! - ARRINSERT, ARRTRIM and ARRPOP with `..`: of arrays within arrays the outer ones change first, and where an inner
//!   one is then at another place RedisJSON falls over, or says that the path does not exist after half of the change,
//!   which it tells neither replicas nor the log;
//! - ARRINSERT of several arrays at a place that one of them may not have, and products and powers of several numbers
//!   of which one may be infinite: the others have changed when RedisJSON refuses, which nobody is told;
//! - DEL with `*`: a place whose text begins with that of another, as 10 and 1, counts as one within that;
//! - writes that come to a value on more ways than one, as `$..b..a`: RedisJSON counts it as often, or leaves it;
//! - writes with filters: what changes may move what the filter is still to be asked about;
//! - numbers that RedisJSON reads as a double beside the nearest, as it does with some of more digits than a double has
//!   and some of large exponents: here they are read as the nearest, so that what was saved comes back;
//! - DEBUG MEMORY: memory is laid out in another way.

use super::common::Reply;
use super::common::random::Random;

const PATHS: &[&str] = &[
    "$",
    ".",
    "$.a",
    "$.b",
    "$.c",
    ".a",
    ".b",
    "c",
    "a.b",
    ".a[0]",
    "$.a[0]",
    "$.a[-1]",
    "$.b[1]",
    "$.a.b",
    "$.a.b.c",
    "$.*",
    "$.a[*]",
    "$[0]",
    "$.a[1:]",
    "$.a[0,1]",
    "$['a','b']",
    "$.a[9]",
    "$.d",
    ".d",
    "$.c.d",
    "$[",
    "$.a[",
    "$.",
    "x y",
    "$.a[-2:]",
    "$.c[::2]",
    "$.long",
    "$[\"a\"]",
    "$.a.*",
    "$.b[-1].a",
];
/// Those of any depth.
const DESCENDING: &[&str] = &["$..a", "$..b", "..a", "$..c", "$..[0]", "$..*", "$..a.b", "$..b..a", "$..[1:]"];
/// Those of these that lead to each value on one way.
const DESCENDING_ONCE: &[&str] = &["$..a", "$..b", "..a", "$..c", "$..[0]", "$..*", "$..a.b"];
/// Those that lead to one value at most.
const STATIC: &[&str] =
    &["$", ".", "$.a", "$.b", ".c", "a.b", ".a[0]", "$.a[-1]", "$.b[1]", "$.a.b.c", "$[0]", "$.d", ".d", "$[", "x y"];
/// Those from which values may be removed.
const REMOVABLE: &[&str] = &[
    "$.a",
    "$.b",
    "c",
    ".a[0]",
    "$.b[1]",
    "$.a.b",
    "$..a",
    "$..b",
    "..a",
    "$['a','b']",
    "$.a[0,1]",
    "$.d",
    "$[",
    ".",
    "$",
];
/// Paths for reading: where the module changes what a filter finds in an object, it changes nothing.
const FILTERS: &[&str] = &[
    "$[?(@.a)]",
    "$.a[?(@>1)]",
    "$[?(@==1)]",
    "$..[?(@.b==\"x\")]",
    "$.a[?(@.b",
    "$.a[?(@=~\"^x\")]",
    "$[?(@.a>1||@.b<=2)]",
    "$[?@.a!=null]",
    "$.a[?(@==$.b)]",
    "$.*[?(@>=1&&@<3)]",
    "$[?(@.a&&(@.b||@.c))]",
    "$..[?(@==true)]",
    "$.a[?(@.a[0]==1)]",
    "$[?(@.a.b)].a",
    "$..[?(@.a>$.b)]",
    "$.a[?(@==[1])]",
    "$[?(1<2)]",
    "$[?('x'==@)]",
];
const NAMES: &[&str] = &["a", "b", "c"];
const SCALARS: &[&str] = &[
    "1",
    "2",
    "0",
    "-3",
    "1.5",
    "2.0",
    "\"x\"",
    "\"xyz\"",
    "\"\"",
    "true",
    "false",
    "null",
    "1e3",
    "9223372036854775807",
    "\"a text that is longer than others\"",
    "-0.0",
    "1e300",
    "-9223372036854775808",
    "18446744073709551615",
    "123456789012345678901234567890",
    "0.1",
    "123.456e-7",
    "\"\\u00e9\\ud83d\\ude00\\n\\t\\\"\\\\/\\u0001\"",
    "\"a\u{e9}\u{1f600} and what follows it here\"",
];
const WRONG: &[&str] = &[
    "nope",
    "{",
    "[1,",
    "{\"a\":}",
    "\"x",
    "1 2",
    "",
    "tru",
    "[1,]",
    "{\"a\":1,}",
    "01",
    "1.",
    "-",
    "1e",
    "1e999",
    "\"\\x\"",
    "\"\\ud800\"",
    "\"\\ud800\\u0041\"",
    "\"a\nb\"",
    "[1 2]",
    "{a:1}",
    "{\"a\" 1}",
    " \n [1,\n  x]",
    "]",
    "nul",
    "+1",
    "NaN",
];
const NUMBERS: &[&str] =
    &["1", "-1", "2", "0.5", "0", "3", "\"a\"", "x", "1.0", "1x", "9223372036854775807", "1e200", "-2", "[1]"];
const INDEXES: &[&str] = &["0", "1", "-1", "2", "-2", "5", "-5", "x"];
const KEYS: &[&str] = &["a", "a", "b", "b", "c", "missing", "string"];

fn value(random: &mut Random, depth: usize) -> String {
    match random.below(if depth == 0 { 3 } else { 8 }) {
        0..=2 => random.word(SCALARS).to_owned(),
        3..=4 => {
            let values: Vec<String> = (0..random.below(4)).map(|_| value(random, depth - 1)).collect();
            format!("[{}]", values.join(","))
        }
        _ => {
            let count = random.below(4);
            let member = |name: &&str| (*name).to_owned();
            let names: Vec<String> = NAMES.iter().take(count).map(member).collect();
            let members: Vec<String> =
                names.iter().map(|name| format!("\"{name}\":{}", value(random, depth - 1))).collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A text that is to be set, rarely one that is none.
fn text(random: &mut Random) -> String {
    match random.below(60) {
        0..3 => random.word(WRONG).to_owned(),
        3 => {
            // Some byte is another one, or all behind it is missing.
            let mut text = value(random, 3);
            let at = (0..=random.below(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            let rest = text.split_off(at);
            text += random.word(&["", ",", "]", "}", "\"", " ", "1", "x", ":"]);
            text += rest.get(1..).unwrap_or_default();
            if has_nearest_doubles(&text) { text } else { value(random, 3) }
        }
        4 => {
            let names = 20 + random.below(20);
            let members: Vec<String> =
                (0..names).map(|name| format!("\"m{}\":{}", 10 + name * 7 % 31, value(random, 0))).collect();
            format!("{{\"a\":1,{},\"b\":[1]}}", members.join(","))
        }
        5 => format!(" {{ \"a\" : {} ,\n\t\"a\" :{} }} ", value(random, 1), value(random, 1)),
        _ => value(random, 3),
    }
}

/// Whether `serde_json`, by which RedisJSON reads, finds the nearest double for each number of a text.
pub fn has_nearest_doubles(text: &str) -> bool {
    let is_of_number = |byte: char| byte.is_ascii_digit() || matches!(byte, '.' | 'e' | 'E' | '+' | '-');
    text.split(|byte| !is_of_number(byte))
        .all(|number| serde_json::from_str(number).map_or(true, |value: f64| number.parse() == Ok(value)))
}

/// A call of any command.
pub fn command(random: &mut Random) -> Vec<String> {
    match random.below(32) {
        0..6 => sets(random),
        6..18 => {
            let path = match random.below(4) {
                0 => random.word(FILTERS),
                1 => random.word(DESCENDING),
                _ => random.word(PATHS),
            };
            reads(random, path)
        }
        18..24 => {
            let paths = if random.below(4) == 0 { DESCENDING_ONCE } else { PATHS };
            let path = random.word(paths);
            changes(random, path)
        }
        24..31 => arrays(random),
        _ => owned(&["SET", "string", "x"]),
    }
}

fn sets(random: &mut Random) -> Vec<String> {
    let (key, path, new) = (random.word(KEYS), random.word(PATHS), text(random));
    match random.below(10) {
        0..5 => owned(&["JSON.SET", key, random.word(&["$", "$", "."]), &new]),
        5..7 => owned(&["JSON.SET", key, path, &new]),
        7 => owned(&["JSON.SET", key, path, &new, random.word(&["NX", "XX", "xx", "NXX"])]),
        8 => {
            let other = random.word(&["a", "c", "missing", "string"]);
            owned(&["JSON.MSET", "b", random.word(&["$", "$", path]), &new, other, path, &value(random, 1)])
        }
        _ => owned(&["JSON.MERGE", key, path, &new]),
    }
}

fn reads(random: &mut Random, path: &str) -> Vec<String> {
    let key = random.word(KEYS);
    let other = random.word(PATHS);
    let (one, two) = (random.word(INDEXES), random.word(INDEXES));
    match random.below(14) {
        0 | 1 => owned(&["JSON.GET", key, path]),
        2 => owned(&["JSON.GET", key, path, "INDENT", "  ", "NEWLINE", "\n", "SPACE", " "]),
        3 => owned(&["JSON.GET", key, random.word(&["NOESCAPE", "noescape", "$", path])]),
        4 => owned(&["JSON.GET", key, path, other, "$.a"]),
        5 => owned(&["JSON.GET", key, "FORMAT", random.word(&["EXPAND", "EXPAND1", "STRING", "x"]), path]),
        6 => owned(&["JSON.MGET", "a", "b", "string", "c", path]),
        7 => owned(&["JSON.TYPE", key, path]),
        8 => owned(&["JSON.STRLEN", key, path]),
        9 => owned(&["JSON.ARRINDEX", key, path, &value(random, 1)]),
        10 => owned(&["JSON.ARRINDEX", key, path, random.word(SCALARS), one, two]),
        11 => owned(&["JSON.ARRLEN", key, path]),
        12 => owned(&[random.word(&["JSON.OBJKEYS", "JSON.OBJLEN"]), key, path]),
        _ => owned(&["JSON.RESP", key, path]),
    }
}

fn changes(random: &mut Random, path: &str) -> Vec<String> {
    let key = random.word(KEYS);
    let one = random.word(STATIC);
    match random.below(9) {
        0 => owned(&[random.word(&["JSON.DEL", "JSON.FORGET"]), key, random.word(REMOVABLE)]),
        1 => owned(&[random.word(&["JSON.CLEAR", "JSON.TOGGLE"]), key, path]),
        2..4 => owned(&["JSON.NUMINCRBY", key, path, random.word(NUMBERS)]),
        4 => owned(&["JSON.NUMMULTBY", key, one, random.word(NUMBERS)]),
        5 => owned(&["JSON.NUMPOWBY", key, one, random.word(&["2", "0.5", "3", "-1", "0", "x"])]),
        6 => owned(&["JSON.STRAPPEND", key, path, random.word(&["\"x\"", "\"yz\"", "1", "x", "\"\"", "\"a\"b"])]),
        7 => owned(&["JSON.TOGGLE", key, path]),
        _ => owned(&["JSON.ARRAPPEND", key, path, &text(random)]),
    }
}

fn arrays(random: &mut Random) -> Vec<String> {
    let (key, path) = (random.word(KEYS), random.word(PATHS));
    let (one, other, new) = (random.word(INDEXES), random.word(INDEXES), text(random));
    match random.below(8) {
        0 => owned(&["JSON.ARRAPPEND", key, path, &new, "1"]),
        1 => owned(&["JSON.ARRINSERT", key, path, "0", &new]),
        2 => owned(&["JSON.ARRINSERT", key, random.word(STATIC), one, &new]),
        3 => owned(&["JSON.ARRPOP", key, path]),
        4 => owned(&["JSON.ARRPOP", key, path, one]),
        5 => owned(&["JSON.ARRPOP", key, "FORMAT", random.word(&["STRINGS", "EXPAND", "EXPAND1", "x"]), path, one]),
        _ => owned(&["JSON.ARRTRIM", key, path, one, other]),
    }
}

fn is_number(text: &str) -> bool {
    serde_json::from_str::<f64>(text).is_ok()
}

/// A document with its numbers as texts, so that each of their digits counts: `serde_json` takes some that differ for the
/// same.
fn with_numbers_quoted(text: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::new();
    let (mut is_in_text, mut is_in_number, mut is_escaped) = (false, false, false);
    for &byte in text {
        let is_of_number = !is_in_text
            && if is_in_number {
                matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')
            } else {
                matches!(byte, b'0'..=b'9' | b'-')
            };
        if is_of_number != is_in_number {
            quoted.push(b'"');
            is_in_number = is_of_number;
        }
        is_in_text ^= byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        quoted.push(byte);
    }
    quoted.extend(is_in_number.then_some(b'"'));
    quoted
}

/// Where in a wrong escape the fault is, versions of `serde_json` tell in different ways.
const ESCAPE: &str = "invalid escape at line ";

/// A reply whose documents have their members by name, and in which what is told of members is sorted. Redis 7.0 gives clients
/// doubles of RESP2 with other digits than later ones do.
pub fn canonical(words: &[String], reply: Reply) -> String {
    let lists_members = matches!(&*words[0], "JSON.OBJKEYS" | "JSON.RESP");
    let sorts = lists_members || words.iter().any(|word| word.contains("..") || word.contains(['*', '?']));
    canonical_by(&words[0], sorts, reply)
}

fn canonical_by(command: &str, sorts: bool, reply: Reply) -> String {
    match reply {
        Reply::Bulk(text) => match serde_json::from_slice::<serde_json::Value>(&with_numbers_quoted(&text)) {
            Ok(serde_json::Value::Array(values)) if sorts => {
                let mut values: Vec<String> = values.iter().map(serde_json::Value::to_string).collect();
                values.sort();
                format!("[{}]", values.join(","))
            }
            Ok(value) if value.is_object() || value.is_array() => value.to_string(),
            _ => match String::from_utf8_lossy(&text) {
                text if command == "JSON.RESP" && is_number(&text) => format!("{:?}", text.parse::<f64>()),
                text => format!("{text:?}"),
            },
        },
        Reply::Array(items) => {
            let mut items: Vec<String> = items.into_iter().map(|item| canonical_by(command, sorts, item)).collect();
            if sorts {
                items.sort();
            }
            format!("[{}]", items.join(", "))
        }
        Reply::Map(pairs) => {
            let mut pairs: Vec<String> = pairs
                .into_iter()
                .map(|(name, value)| {
                    format!("{}: {}", canonical_by(command, sorts, name), canonical_by(command, sorts, value))
                })
                .collect();
            pairs.sort();
            format!("{{{}}}", pairs.join(", "))
        }
        Reply::Error(text) if text.starts_with(ESCAPE) => ESCAPE.to_owned(),
        other => format!("{other:?}"),
    }
}
