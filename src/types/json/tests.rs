//! What strangers may send: texts and paths of all kinds, none of which may do harm.

use proptest::prelude::*;

use super::path_find::{TooLong, find, locate};
use super::path_text::parse;
use super::read::{DEPTH_MAX, TEXT_DEPTH_MAX, read, read_all, read_stored};
use super::value::Json;
use super::{edit, quick, write};

/// Pieces that texts of JSON are made of, sound ones and others.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"",
    "\"a\"",
    "\"a\":",
    "\"b\":",
    "\"longer than a short text is\"",
    "1",
    "-1",
    "0",
    "-0",
    "01",
    "1.5",
    "1.",
    ".5",
    "-",
    "1e5",
    "1E+5",
    "1e-400",
    "1e400",
    "1e",
    "18446744073709551615",
    "18446744073709551616",
    "9223372036854775808",
    "-9223372036854775809",
    "123456789012345678901234567890.5e3",
    "0.1234567890123456789",
    "999999999999999.9",
    "true",
    "false",
    "null",
    "tru",
    "nul",
    "\\",
    "\\n",
    "\"\\n\"",
    "\"\\u00e9\"",
    "\"\\ud83d\\ude00\"",
    "\"\\ud83d\"",
    "\"\\ude00\"",
    "\"\\ud83d\\u0041\"",
    "\"\\uD8",
    "\"\\x\"",
    " ",
    "\n",
    "\t",
    "\r",
    "\u{c}",
    "\u{e9}",
    "\u{1f600}",
    "\"\u{1}\"",
    "\u{7f}",
    "x",
    "[[",
    "]]",
    "{\"a\":[",
    "]}",
];

/// Pieces that paths are made of.
const STEPS: &[&str] = &[
    "$",
    ".",
    "..",
    "a",
    "b",
    "*",
    "[",
    "]",
    "['a']",
    "[\"b\"]",
    "['a','b']",
    "[0]",
    "[-1]",
    "[0,1]",
    "[1:]",
    "[:-1]",
    "[::2]",
    "[::0]",
    "[99999999999999999999]",
    "[-9223372036854775808]",
    "[*]",
    "[?",
    "[?(",
    ")]",
    "(",
    ")",
    "@",
    "@.a",
    "$.a",
    "==",
    "!=",
    "<",
    ">=",
    "=~",
    "&&",
    "||",
    "1",
    "1.5",
    "'x'",
    "\"(\"",
    "\"x*\"",
    "true",
    "null",
    " ",
    "\\",
    "'",
    "\"",
    ",",
    ":",
    "-",
    "\u{e9}",
    "[?(@.a==1)]",
    "[?(@>$.b)]",
    "[?(@.a&&(@.b||@.a))]",
    "[?(@=~'^a')]",
];

fn joined(pieces: &'static [&'static str], most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(pieces), 0..most).prop_map(|pieces| pieces.concat())
}

/// A value of any kind.
fn value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        any::<i64>().prop_map(Json::Int),
        (i64::MAX as u64 + 1..).prop_map(Json::Big),
        (-1_000_000i64..1_000_000, 1u32..1000)
            .prop_map(|(over, under)| Json::Double(over as f64 / f64::from(under) + 0.5)),
        "\\PC{0,20}".prop_map(|text| Json::text(text.as_bytes())),
        "[\\x00-\\x7f]{0,30}".prop_map(|text| Json::text(text.as_bytes())),
    ];
    leaf.prop_recursive(6, 60, 30, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..30).prop_map(Json::array),
            prop::collection::vec(("[a-z]{0,20}", inner), 0..30).prop_map(|members| {
                let mut object = Json::Object(Box::default());
                for (name, value) in members {
                    object.as_object_mut().into_iter().for_each(|object| object.set(name.as_bytes(), value.clone()));
                }
                object
            }),
        ]
    })
}

/// What `serde_json` reads, as text.
fn by_serde(text: &str) -> Option<Json> {
    fn convert(value: serde_json::Value) -> Json {
        match value {
            serde_json::Value::Null => Json::Null,
            serde_json::Value::Bool(value) => Json::Bool(value),
            serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(value), _) => Json::Int(value),
                (None, Some(value)) => Json::Big(value),
                (None, None) => Json::Double(number.as_f64().expect("a number")),
            },
            serde_json::Value::String(text) => Json::text(text.as_bytes()),
            serde_json::Value::Array(values) => Json::array(values.into_iter().map(convert).collect()),
            serde_json::Value::Object(members) => {
                let mut object = Json::Object(Box::default());
                for (name, value) in members {
                    object.as_object_mut().expect("an object").set(name.as_bytes(), convert(value));
                }
                object
            }
        }
    }
    serde_json::from_str(text).ok().map(convert)
}

/// Whether values are the same but for the last digit of doubles.
fn alike(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Double(one), Json::Double(other)) => {
            one.is_sign_negative() == other.is_sign_negative() && (one - other).abs() <= one.abs() * 1e-15
        }
        (Json::Array(one), Json::Array(other)) => {
            one.0.len() == other.0.len() && one.0.iter().zip(&other.0).all(|(one, other)| alike(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            let found = |name: &[u8], value| other.get(name).is_some_and(|other| alike(value, other));
            one.len() == other.len() && one.members().iter().all(|member| found(member.name.bytes(), &member.value))
        }
        _ => one == other,
    }
}

/// Numbers by their bits.
fn exactly(value: &Json) -> String {
    String::from_utf8_lossy(&write::text(value)).into_owned()
}

proptest! {
    #[test]
    fn a_text_is_read_as_serde_json_reads_it(text in joined(PIECES, 14)) {
        let (own, expected) = (read_all(text.as_bytes()), by_serde(&text));
        prop_assert_eq!(own.is_ok(), expected.is_some(), "{:?}", own);
        if let (Ok(own), Some(expected)) = (own, expected) {
            prop_assert!(alike(&own, &expected), "{own:?} for {expected:?}");
        }
    }

    #[test]
    fn a_number_is_read_as_the_nearest_one(
        whole in "-?[0-9]{1,22}", part in "(\\.[0-9]{0,22})?", exponent in "([eE][-+]?[0-9]{0,3})?",
    ) {
        let text = format!("{whole}{part}{exponent}");
        let nearest = |value| match value {
            Json::Double(_) => Json::Double(text.parse().expect("a number")),
            integer => integer,
        };
        let own = read_all(text.as_bytes()).ok().map(|value| exactly(&value));
        prop_assert_eq!(own, by_serde(&text).map(|value| exactly(&nearest(value))));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, pieces in joined(PIECES, 8), at: prop::sample::Index) {
        let mut mixed = pieces.into_bytes();
        let at = at.index(mixed.len() + 1);
        mixed.splice(at..at, bytes.iter().copied());
        for text in [&bytes, &mixed] {
            for value in [read(text), read_all(text), read_stored(text)].into_iter().flatten() {
                prop_assert_eq!(read_all(&write::text(&value)), Ok(value));
            }
        }
    }

    #[test]
    fn a_value_comes_back_from_its_text(value in value()) {
        let text = write::text(&value);
        let (found, len) = quick::read(std::str::from_utf8(&text).expect("UTF-8"), DEPTH_MAX).expect("a value");
        prop_assert_eq!(len, text.len());
        prop_assert_eq!(exactly(&found), exactly(&value));
        prop_assert_eq!(read_stored(&text), Ok(value));
    }

    #[test]
    fn a_text_cut_off_or_changed_is_read_as_serde_json_reads_it(value in value(), at: prop::sample::Index, byte in 0..128u8) {
        let mut text = write::text(&value);
        let at = at.index(text.len());
        let cut = std::str::from_utf8(&text[..at]).map(str::to_owned);
        text[at] = byte;
        for text in [cut, String::from_utf8(text).map_err(|error| error.utf8_error())].into_iter().flatten() {
            prop_assert_eq!(read_all(text.as_bytes()).ok().map(|value| exactly(&value)).is_some(), by_serde(&text).is_some());
        }
    }

    #[test]
    fn any_path_is_parsed_or_refused_and_followed(path in joined(STEPS, 10), start in prop::sample::select(&["", "$", "."][..]), value in value()) {
        let text = format!("{start}{path}");
        match parse(text.as_bytes()) {
            Err(wrong) => prop_assert!(wrong.starts_with(b"Error occurred on position ")),
            Ok(path) => {
                if let (Ok(found), Ok(locations)) = (find(&path.steps, &value), locate(&path.steps, &value)) {
                    let mut copy = value.clone();
                    let at: Vec<Json> = locations.iter().filter_map(|at| edit::at(&mut copy, at).cloned()).collect();
                    prop_assert!(found.into_iter().eq(&at));
                    let removed = edit::remove(&mut copy, locations);
                    prop_assert!(removed <= at.len());
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_a_path_or_none(bytes: Vec<u8>) {
        if let Ok(path) = parse(&[b"$[?(@.a==", &bytes[..]].concat()).and(parse(&bytes)) {
            prop_assert!(find(&path.steps, &Json::Null).is_ok());
        }
    }
}

#[test]
fn texts_too_deep_or_never_closed_are_refused_whatever_their_size() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
        let levels = open.matches(['[', '{']).count();
        let nested = |count: usize| format!("{}1{}", open.repeat(count), close.repeat(count)).into_bytes();
        assert!(read(&nested(TEXT_DEPTH_MAX / levels)).is_ok());
        assert!(read(&nested(TEXT_DEPTH_MAX / levels + 1)).is_err_and(|wrong| wrong.starts_with("recursion limit")));
        assert!(read_stored(&nested(DEPTH_MAX / levels)).is_ok());
        assert!(read_stored(&nested(DEPTH_MAX / levels + 1)).is_err());
        assert!(read_stored(&nested(200_000)).is_err());
        assert!(read(open.repeat(200_000).as_bytes()).is_err());
        assert!(read(close.repeat(200_000).as_bytes()).is_err());
    }
    assert!(read(&[b'"'; 1]).is_err());
    assert!(read(&b"9".repeat(1_000_000)).is_err(), "a number beyond all doubles");
    assert!(read(b"\"\xff\"").is_err() && read(b"\"\xed\xa0\x80\"").is_err());
}

#[test]
fn members_of_one_name_count_as_the_last_in_the_place_of_the_first_however_many_there_are() {
    for others in [0, 3, 23, 24, 60] {
        let rest: Vec<String> = (0..others).map(|name| format!("\"m{name}\":{name},")).collect();
        let text = format!("{{\"a\":1,{}\"b\":2,\"a\":3,\"m0\":4}}", rest.concat());
        let value = read(text.as_bytes()).expect("an object");
        let object = value.as_object().expect("an object");
        assert_eq!(object.len(), 2 + others.max(1));
        assert_eq!(object.members()[0].name.bytes(), b"a");
        assert_eq!((object.get(b"a"), object.get(b"m0")), (Some(&Json::Int(3)), Some(&Json::Int(4))));
    }
}

#[test]
fn paths_of_any_length_and_filters_of_any_depth_do_no_harm() {
    let value = read(br#"{"a":[{"a":[1,{"a":2}]}]}"#).expect("a value");
    for step in ["..a", ".*", "[0]", "[?(@.a)]", "..*", "[?(@==1||@.a)]"] {
        let path = parse(format!("${}", step.repeat(20_000)).as_bytes()).expect("a path");
        assert!(find(&path.steps, &value).is_ok(), "{step}");
    }
    for (open, close) in [("(", ")"), ("$[?", "]"), ("@[?(", ")]")] {
        for count in [1, 10, 63, 64, 65, 100_000] {
            let filter = format!("$[?{}@.a{}]", open.repeat(count), close.repeat(count));
            if let Ok(path) = parse(filter.as_bytes()) {
                assert!(count < 65 && find(&path.steps, &value).is_ok(), "{count} times {open}");
            } else {
                assert!(count > 60, "{count} times {open}");
            }
            assert!(parse(format!("$[?{}", open.repeat(count)).as_bytes()).is_err());
        }
    }
}

#[test]
fn a_walk_ends_where_it_has_looked_at_too_many_values() {
    let deep = read(format!("{}0{}", "[".repeat(100), "]".repeat(100)).as_bytes()).expect("a value");
    let (many, in_filter) = (format!("${}", "..*".repeat(12)), format!("$[?(@{})]", "..*".repeat(12)));
    let steps = |path: &str| parse(path.as_bytes()).expect("a path").steps;
    assert_eq!(find(&steps(&in_filter), &deep).err(), Some(TooLong));
    assert_eq!(locate(&steps(&many), &deep).err(), Some(TooLong));
    let path = parse(b"$..*..*").expect("a path");
    assert!(find(&path.steps, &deep).is_ok_and(|found| found.len() == 100 * 99 / 2));
}

#[test]
fn the_text_of_values_ends_where_it_is_too_long() {
    let long = Json::text(&[b'x'; 1000]);
    let write = |bytes_max: usize| {
        let mut out = Vec::new();
        let values = std::iter::repeat_n(&long, 100);
        write::write_array(values, &write::Format::default(), 0, &mut out, bytes_max).map(|()| out.len())
    };
    assert!(write(99_999).is_ok());
    assert!(write(50_000).is_err());
}
