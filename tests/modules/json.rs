//! Random commands about JSON documents, and their replies in a form in which the order of members is no matter.

use super::Chance;
use super::common::Reply;

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
    "$..a",
    "$..b",
    "..a",
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
    "$..c",
    "$[",
    "$.a[",
    "$.",
    "x y",
    "$.a[-2:]",
    "$..[0]",
    "$.c[::2]",
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
];
const WRONG: &[&str] = &["nope", "{", "[1,", "{\"a\":}", "\"x", "1 2", "", "tru"];
const NUMBERS: &[&str] = &["1", "-1", "2", "0.5", "0", "3", "\"a\"", "x", "1.0"];
const INDEXES: &[&str] = &["0", "1", "-1", "2", "-2", "5", "-5", "x"];
const KEYS: &[&str] = &["a", "a", "b", "b", "c", "missing", "string"];

fn value(chance: &mut Chance, depth: usize) -> String {
    match chance.below(if depth == 0 { 3 } else { 8 }) {
        0..=2 => chance.choose(SCALARS).to_owned(),
        3..=4 => {
            let values: Vec<String> = (0..chance.below(4)).map(|_| value(chance, depth - 1)).collect();
            format!("[{}]", values.join(","))
        }
        _ => {
            let count = chance.below(4);
            let member = |name: &&str| (*name).to_owned();
            let names: Vec<String> = NAMES.iter().take(count).map(member).collect();
            let members: Vec<String> =
                names.iter().map(|name| format!("\"{name}\":{}", value(chance, depth - 1))).collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

/// A call of any command.
pub fn command(chance: &mut Chance) -> Vec<String> {
    let key = chance.choose(KEYS);
    let mut path = chance.choose(PATHS);
    let new = match chance.below(20) {
        0 => chance.choose(WRONG).to_owned(),
        _ => value(chance, 3),
    };
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let (one, other) = (chance.choose(INDEXES), chance.choose(INDEXES));
    let drawn = chance.below(32);
    let reads = matches!(drawn, 8..=10 | 12 | 15 | 18 | 20 | 21 | 23 | 27 | 28 | 31);
    if reads && chance.below(4) == 0 {
        path = chance.choose(FILTERS);
    }
    match drawn {
        0 => owned(&["SET", "string", "x"]),
        1..=5 => owned(&["JSON.SET", key, chance.choose(&["$", "$", "."]), &new]),
        6 => owned(&["JSON.SET", key, path, &new]),
        7 => owned(&["JSON.SET", key, path, &new, chance.choose(&["NX", "XX", "xx", "NXX"])]),
        8 => owned(&["JSON.GET", key, path]),
        9 => owned(&["JSON.GET", key, path, "INDENT", "  ", "NEWLINE", "\n", "SPACE", " "]),
        10 => owned(&["JSON.GET", key]),
        11 => owned(&["JSON.DEL", key, path]),
        12 => owned(&["JSON.MGET", "a", "b", "string", "c", path]),
        13 => owned(&["JSON.MSET", "b", "$", &new, key, path, &value(chance, 1)]),
        14 => owned(&["JSON.MERGE", key, path, &new]),
        15 => owned(&["JSON.TYPE", key, path]),
        16 => owned(&[chance.choose(&["JSON.NUMINCRBY", "JSON.NUMMULTBY"]), key, path, chance.choose(NUMBERS)]),
        17 => owned(&["JSON.STRAPPEND", key, path, chance.choose(&["\"x\"", "\"yz\"", "1", "x"])]),
        18 => owned(&["JSON.STRLEN", key, path]),
        19 => owned(&["JSON.ARRAPPEND", key, path, &new]),
        20 => owned(&["JSON.ARRINDEX", key, path, chance.choose(SCALARS)]),
        21 => owned(&["JSON.ARRINDEX", key, path, chance.choose(SCALARS), one, other]),
        22 => owned(&["JSON.ARRINSERT", key, path, one, &new]),
        23 => owned(&["JSON.ARRLEN", key, path]),
        24 => owned(&["JSON.ARRPOP", key, path]),
        25 => owned(&["JSON.ARRPOP", key, path, one]),
        26 => owned(&["JSON.ARRTRIM", key, path, one, other]),
        27 => owned(&["JSON.OBJKEYS", key, path]),
        28 => owned(&["JSON.OBJLEN", key, path]),
        29 => owned(&["JSON.TOGGLE", key, path]),
        30 => owned(&["JSON.CLEAR", key, path]),
        _ => owned(&["JSON.RESP", key, path]),
    }
}

/// A reply whose documents have their members by name, and whose lists of names are sorted.
pub fn canonical(command: &str, reply: Reply) -> String {
    let sorts = matches!(command, "JSON.OBJKEYS" | "JSON.RESP");
    match reply {
        Reply::Bulk(text) => match serde_json::from_slice::<serde_json::Value>(&text) {
            Ok(value) if value.is_object() || value.is_array() => value.to_string(),
            _ => format!("{:?}", String::from_utf8_lossy(&text)),
        },
        Reply::Array(items) => {
            let mut items: Vec<String> = items.into_iter().map(|item| canonical(command, item)).collect();
            if sorts {
                items.sort();
            }
            format!("[{}]", items.join(", "))
        }
        other => format!("{other:?}"),
    }
}
