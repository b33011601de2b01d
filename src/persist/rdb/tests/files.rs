//! Files of every fork and version, made by hand from the facts of the format.

use std::io;

use proptest::prelude::*;

use super::super::crc64::crc64;
use super::super::format::{kind, opcode};
use super::super::forms;
use super::super::kinds;
use super::super::load::{Counts, LoadError, Settings};
use super::super::payload;
use super::super::read::Cursor;
use super::super::save::{self, Options, Refused, Usage};
use super::super::value::bundled::samples::Sample;
use super::super::value::{Rules, bundled};
use super::super::version::{Fork, Version};
use super::super::write::Writer;
use super::{Model, NOW_MS, databases, load, model, rules, settings, states};
use crate::db::digest;
use crate::types::bundled::Bundled;
use crate::types::listpack::{Element, Listpack};
use crate::types::uncommon::{self, Uncommon};
use crate::types::{Collection, Hash, Set, SortedSet, Stream};

/// A file in the making.
pub struct Made {
    version: Version,
    out: Writer<'static>,
}

impl Made {
    pub fn new(version: Version) -> Made {
        let mut out = Writer::in_memory(false);
        out.raw(&version.magic());
        Made { version, out }
    }

    fn opcode(mut self, number: u8, write: impl FnOnce(&mut Writer<'static>)) -> Made {
        self.out.byte(number);
        write(&mut self.out);
        self
    }

    fn key(mut self, kind: u8, key: &str, write: impl FnOnce(&mut Writer<'static>)) -> Made {
        self.out.byte(kind);
        self.out.string(key.as_bytes());
        write(&mut self.out);
        self
    }

    fn end(mut self) -> Vec<u8> {
        self.out.byte(opcode::EOF);
        let mut bytes = self.out.into_bytes();
        if self.version.is_from(5) {
            let sum = crc64(0, &bytes);
            bytes.extend_from_slice(&sum.to_le_bytes());
        }
        bytes
    }
}

fn strings(texts: &[&str]) -> impl FnOnce(&mut Writer<'static>) {
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    move |out| texts.iter().for_each(|text| out.string(text.as_bytes()))
}

fn pack(texts: &[&str]) -> impl FnOnce(&mut Writer<'static>) {
    let mut pack = Listpack::new();
    texts.iter().for_each(|text| pack.push_back(text.as_bytes()));
    let bytes = pack.into_bytes();
    move |out| out.bytes_string(&bytes)
}

fn intset(values: &[i16]) -> impl FnOnce(&mut Writer<'static>) {
    let mut bytes = vec![2, 0, 0, 0, values.len() as u8, 0, 0, 0];
    values.iter().for_each(|value| bytes.extend_from_slice(&value.to_le_bytes()));
    move |out| out.bytes_string(&bytes)
}

/// What a file is loaded to: all that is in it, as text.
fn shown(bytes: &[u8], settings: Settings) -> Result<(Vec<String>, Counts), LoadError> {
    let (db, loader) = load(io::Cursor::new(bytes.to_vec()), settings, u64::MAX)?;
    let mut shown: Vec<String> = Vec::new();
    for entry in (0..db.count()).flat_map(|index| db.database(index).dict.iter()) {
        let text = |element: Element<'_>| element.to_vec().escape_ascii().to_string();
        let mut parts: Vec<String> = Vec::new();
        if let Some(hash) = entry.collection::<Hash>() {
            let pair = |(field, value, at): (String, String, Option<i64>)| match at {
                Some(at) => format!("{field}={value}@{at}"),
                None => format!("{field}={value}"),
            };
            parts.extend(hash.pairs().map(|found| pair((text(found.field), text(found.value), found.expiry))));
            assert_eq!(parts.len(), hash.len());
            parts.sort();
        } else if let Some(set) = entry.collection::<Set>() {
            parts.extend(set.iter().map(text));
            assert_eq!(parts.len(), set.len());
        } else if let Some(set) = entry.collection::<SortedSet>() {
            parts.extend(set.iter().map(|entry| format!("{}:{}", text(entry.member), entry.score())));
            assert_eq!(parts.len(), set.len());
        } else if let Some(stream) = entry.collection::<Stream>() {
            let log = stream.log();
            parts.push(format!("{} {:?} {}", log.len(), log.last_id, log.entries_added));
        } else if let Some(string) = entry.string() {
            parts.push(string.to_vec().escape_ascii().to_string());
        }
        shown.push(format!("{} {}", entry.key().escape_ascii(), parts.join(" ")));
    }
    shown.sort();
    Ok((shown, loader.counts()))
}

fn lenient() -> Settings {
    settings(Rules { strict: false, ..rules(8) })
}

fn strict() -> Settings {
    settings(rules(8))
}

#[track_caller]
fn holds(bytes: &[u8], expected: &[&str]) {
    let (shown, counts) = shown(bytes, strict()).expect("a sound file");
    assert_eq!(shown, expected);
    assert_eq!(counts.corrected, 0);
}

/// Loads what is not quite sound, and refuses it where that is asked for.
#[track_caller]
fn is_corrected(bytes: &[u8], expected: &str, reason: &str) {
    let (shown, counts) = shown(bytes, lenient()).expect("a file that can be loaded");
    assert_eq!((shown, counts.corrected, counts.loaded), (vec![expected.to_owned()], 1, 1));
    let refused = load(io::Cursor::new(bytes.to_vec()), strict(), u64::MAX).err().map(|error| error.reason);
    assert_eq!(refused.as_deref(), Some(reason));
}

#[test]
fn a_number_that_forks_have_given_twice_is_read_by_the_magic() {
    // Early Redis 7.4: the time before the field, counted from 1 (which is the beginning of all times), 0 for none.
    let early = |out: &mut Writer<'static>| {
        out.length(2);
        for (time, field, value) in [(NOW_MS as u64, "f", "1"), (0, "g", "2")] {
            out.length(time);
            out.string(field.as_bytes());
            out.string(value.as_bytes());
        }
    };
    let file = Made::new(Version::redis(12)).key(22, "h", early).end();
    holds(&file, &[&format!("h f=1@{NOW_MS} g=2")]);
    // Valkey: the time behind the value, by the clock, -1 for none.
    let triples = |out: &mut Writer<'static>| {
        out.length(2);
        for (field, value, time) in [("f", "1", NOW_MS), ("g", "2", -1)] {
            out.string(field.as_bytes());
            out.string(value.as_bytes());
            out.time_ms(time);
        }
    };
    for version in [80, 81] {
        let file = Made::new(Version::valkey(version)).key(22, "h", triples).end();
        holds(&file, &[&format!("h f=1@{NOW_MS} g=2")]);
    }
    let theirs = Made::new(Version::valkey(80)).key(kind::HASH_FIELD_EXPIRY, "h", triples).end();
    assert_eq!(
        shown(&theirs, lenient()).err().map(|error| error.reason),
        Some("Unknown RDB encoding type 24".to_owned())
    );
}

#[test]
fn what_stands_between_keys_is_read_or_passed_over() {
    let meta = |out: &mut Writer<'static>| {
        out.length(2);
        for (spec, text) in [(0x1234_5678_u32, "x"), (0x9abc_def0, "yy")] {
            out.raw(&spec.to_le_bytes());
            // A string, an unsigned number, the end.
            out.length(5);
            out.string(text.as_bytes());
            out.length(2);
            out.length(77);
            out.length(0);
        }
    };
    let slot_info = |out: &mut Writer<'static>| [100, 3, 1].into_iter().for_each(|number| out.length(number));
    let file = Made::new(Version::redis(16))
        .opcode(opcode::SELECT_DB, |out| out.length(0))
        .opcode(opcode::SLOT_INFO, slot_info)
        .opcode(opcode::EXPIRE_MS, |out| out.time_ms(NOW_MS + 5))
        .opcode(opcode::KEY_META, meta)
        .opcode(opcode::KEY_NO_EVICT, |_| {})
        .key(kind::STRING, "a", strings(&["1"]))
        .end();
    holds(&file, &["a 1"]);
    let slots = |out: &mut Writer<'static>| {
        out.string(&[b'j'; 40]);
        out.length(2);
        [0, 99, 500, 16383].into_iter().for_each(|slot| out.length(slot));
    };
    let file = Made::new(Version::valkey(80))
        .opcode(opcode::VALKEY_SLOT_IMPORT, slots)
        .opcode(opcode::SLOT_INFO, slot_info)
        .key(kind::STRING, "a", strings(&["1"]))
        .end();
    holds(&file, &["a 1"]);
}

#[test]
fn hashes_find_the_names_of_their_fields_in_templates() {
    let template = |out: &mut Writer<'static>| {
        out.length(5);
        out.length(2);
        strings(&["age", "name"])(out);
    };
    let by_number = |out: &mut Writer<'static>| {
        out.length(5);
        strings(&["42", "Ada"])(out);
    };
    let counted = |texts: &'static [&'static str]| {
        move |out: &mut Writer<'static>| {
            out.length(2);
            strings(texts)(out);
        }
    };
    let packed = |out: &mut Writer<'static>| {
        counted(&["age", "name"])(out);
        pack(&["42", "Ada"])(out);
    };
    let file = Made::new(Version::redis(15))
        .opcode(opcode::HASH_TEMPLATE, template)
        .key(kind::HASH_TEMPLATE_PACK_REF, "a", pack(&["5", "42", "Ada"]))
        .key(kind::HASH_TEMPLATE_ARRAY_REF, "b", by_number)
        .key(kind::HASH_TEMPLATE_PACK, "c", packed)
        .key(kind::HASH_TEMPLATE_ARRAY, "d", counted(&["age", "42", "name", "Ada"]))
        .end();
    holds(&file, &["a age=42 name=Ada", "b age=42 name=Ada", "c age=42 name=Ada", "d age=42 name=Ada"]);
    let unknown = Made::new(Version::redis(15)).key(kind::HASH_TEMPLATE_PACK_REF, "a", pack(&["6", "1", "2"])).end();
    assert!(shown(&unknown, lenient()).is_err());
    let short = Made::new(Version::redis(15)).opcode(opcode::HASH_TEMPLATE, template);
    let short = short.key(kind::HASH_TEMPLATE_PACK_REF, "a", pack(&["5", "1"])).end();
    assert!(shown(&short, lenient()).is_err());
}

#[test]
fn values_of_modules_are_named_and_refused_or_skipped() {
    // A type of time series, in version 4.
    let id = bundled::identity("TSDB-TYPE", 4);
    let value = |out: &mut Writer<'static>| {
        out.length(id);
        out.length(5);
        out.string(b"{}");
        out.length(4);
        out.double(1.5);
        out.length(0);
    };
    let file =
        |kind| Made::new(Version::redis(12)).key(kind, "doc", value).key(kind::STRING, "a", strings(&["1"])).end();
    let refused = shown(&file(kind::MODULE_2), lenient()).expect_err("no such module here").reason;
    assert!(refused.contains("'TSDB-TYPE'") && refused.contains("'doc'"), "{refused}");
    let skips = Settings { skips_modules: true, ..strict() };
    let (shown, counts) = self::shown(&file(kind::MODULE_2), skips).expect("a file without the value");
    assert_eq!((shown, counts.skipped, counts.loaded), (vec!["a 1".to_owned()], 1, 1));
    assert!(self::shown(&file(kind::MODULE), skips).is_err(), "early ones have no end that could be found");
}

#[test]
fn values_of_types_that_are_built_in_are_read_in_the_versions_that_are_known() {
    for name in ["Sample-At", "Sample-St"] {
        let file = |version, rest: fn(&mut Writer<'static>)| {
            let value = move |out: &mut Writer<'static>| {
                out.length(bundled::identity(name, version));
                out.length(2);
                out.length(1);
                out.length(2);
                out.length(7);
                out.length(4);
                out.double(0.5);
                out.length(5);
                out.string(b"text");
                rest(out);
            };
            Made::new(Version::redis(10)).key(kind::MODULE_2, "a", value).end()
        };
        let (db, loader) = load(io::Cursor::new(file(2, |out| out.length(0))), strict(), 1).expect("a sound file");
        let sample = Sample { in_steps: name == "Sample-St", items: vec![(7, 0.5, b"text".to_vec())] };
        let found = db.database(0).dict.iter().next().and_then(|entry| entry.collection::<Bundled>()?.get::<Sample>());
        assert_eq!((found, loader.counts().loaded), (Some(&sample), 1));
        let refused = |file: Vec<u8>| load(io::Cursor::new(file), strict(), 1).err().expect("not sound").reason;
        assert!(refused(file(4, |out| out.length(0))).contains(name), "a later version");
        assert!(refused(file(1, |out| out.length(0))).contains(name), "an earlier version");
        assert!(refused(file(3, |out| [2, 5, 0].iter().for_each(|byte| out.byte(*byte)))).contains("more pieces"));
        assert!(refused(file(3, |out| out.length(9))).contains("more pieces"), "an unknown mark");
    }
}

#[test]
fn files_of_unknown_versions_are_refused_or_tried() {
    for version in [Version::redis(17), Version::valkey(82)] {
        let file = Made::new(version).key(kind::STRING, "a", strings(&["1"])).end();
        let reason = shown(&file, strict()).expect_err("not known").reason;
        assert_eq!(reason, format!("Can't handle RDB format version {}", version.number));
        let (shown, _) = self::shown(&file, Settings { any_version: true, ..strict() }).expect("it was tried");
        assert_eq!(shown, ["a 1"]);
    }
    for wrong in [b"REDIS0000", b"VALKEY011", b"REDIS0080", b"REDISabcd"] {
        let file = [&wrong[..], &[opcode::EOF]].concat();
        assert!(shown(&file, Settings { any_version: true, ..strict() }).is_err(), "{}", wrong.escape_ascii());
    }
}

#[test]
fn every_known_version_is_loaded() {
    let versions = (1..=16).map(Version::redis).chain([80, 81].map(Version::valkey));
    for version in versions {
        let file = Made::new(version).opcode(opcode::EXPIRE, |out| out.raw(&u32::MAX.to_le_bytes()));
        holds(&file.key(kind::STRING, "a", strings(&["1"])).end(), &["a 1"]);
    }
}

#[test]
fn a_stream_whose_counters_contradict_its_entries_is_counted_anew() {
    let db = databases(&[(Model::Stream(vec![(1, 1), (1, 2), (1, 3)]), None)], &rules(8));
    let entry = db.database(0).dict.iter().next().expect("a stream");
    let stream = entry.collection::<Stream>().expect("a stream");
    let with = |length: u64, last: u64, added: u64| {
        let log = stream.log();
        let write = |out: &mut Writer<'static>| {
            out.length(log.block_count() as u64);
            for (first, block) in log.blocks() {
                out.bytes_string(&(u128::from(first.ms) << 64 | u128::from(first.seq)).to_be_bytes());
                out.bytes_string(block);
            }
            [length, last, 0, 1, 1, 0, 0, added, 0].into_iter().for_each(|number| out.length(number));
        };
        Made::new(Version::redis(10)).key(kind::STREAM_2, "s", write).end()
    };
    let last = stream.log().last_id.ms;
    let sound = format!("s 3 {:?} 3", stream.log().last_id);
    const REASON: &str = "Stream integrity check failed: its counters contradict its entries.";
    for file in [with(2, last + 1, 3), with(4, last + 1, 9), with(3, last + 1, 2)] {
        assert_eq!(shown(&file, lenient()).map(|(_, counts)| counts.corrected), Ok(1));
        assert_eq!(shown(&file, strict()).err().map(|error| error.reason).as_deref(), Some(REASON));
    }
    is_corrected(&with(3, 1, 3), &sound, REASON);
}

#[test]
fn what_is_there_twice_or_in_no_order_is_put_right() {
    let file =
        |kind, write: Box<dyn FnOnce(&mut Writer<'static>)>| Made::new(Version::redis(11)).key(kind, "k", write).end();
    let counted = |count: u64, texts: &'static [&'static str]| {
        Box::new(move |out: &mut Writer<'static>| {
            out.length(count);
            strings(texts)(out);
        })
    };
    const HASH: &str = "Duplicate hash fields detected";
    const SET: &str = "Duplicate set members detected";
    const ZSET: &str = "Zset dup fields detected";
    is_corrected(&file(kind::SET_INTSET, Box::new(intset(&[3, 1, 2, 1]))), "k 1 2 3", "Intset integrity check failed.");
    is_corrected(&file(kind::SET_LISTPACK, Box::new(pack(&["a", "b", "a"]))), "k a b", SET);
    is_corrected(&file(kind::SET, counted(3, &["a", "a", "a"])), "k a", SET);
    is_corrected(&file(kind::HASH, counted(2, &["f", "1", "f", "2"])), "k f=2", HASH);
    let doubled = pack(&["f", "1", "g", "2", "f", "3"]);
    let refused = "Hash listpack integrity check failed.";
    is_corrected(&file(kind::HASH_LISTPACK, Box::new(doubled)), "k f=1 g=2", refused);
    let many: Vec<String> = (0..9).flat_map(|number| [format!("f{}", number % 8), number.to_string()]).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let expected = "k f0=0 f1=1 f2=2 f3=3 f4=4 f5=5 f6=6 f7=7";
    is_corrected(&file(kind::HASH_LISTPACK, Box::new(pack(&many))), expected, refused);
    let refused = "Zset listpack integrity check failed.";
    is_corrected(&file(kind::ZSET_LISTPACK, Box::new(pack(&["m", "1", "n", "2", "m", "3"]))), "k m:1 n:2", refused);
    let scores = |out: &mut Writer<'static>| {
        out.length(2);
        for score in [1.0, 2.0] {
            out.string(b"m");
            out.double(score);
        }
    };
    is_corrected(&file(kind::ZSET_2, Box::new(scores)), "k m:1", ZSET);
    let timed = Made::new(Version::redis(12)).key(kind::HASH_LISTPACK_EXPIRY, "k", |out| {
        out.time_ms(NOW_MS);
        let time = NOW_MS.to_string();
        pack(&["f", "1", &time, "f", "2", "0"])(out);
    });
    is_corrected(&timed.end(), &format!("k f=1@{NOW_MS}"), "Hash listpack integrity check failed.");
}

#[test]
fn a_payload_has_the_fork_of_its_footer() {
    let sealed = |kind: u8, version: u16, write: &dyn Fn(&mut Writer<'static>)| {
        let mut out = Writer::in_memory(false);
        out.byte(kind);
        write(&mut out);
        out.raw(&version.to_le_bytes());
        out.raw(&0_u64.to_le_bytes());
        out.into_bytes()
    };
    let triple = |out: &mut Writer<'static>| {
        out.length(1);
        strings(&["f", "v"])(out);
        out.time_ms(NOW_MS);
    };
    let restored = |payload: &[u8], any| {
        payload::verified(payload, false, any).map(|body| payload::restore(body, &rules(8)).is_ok())
    };
    assert_eq!(restored(&sealed(22, 80, &triple), false), Some(true));
    assert_eq!(restored(&sealed(22, 12, &triple), false), Some(false));
    assert_eq!(restored(&sealed(22, 82, &triple), false), None);
    assert_eq!(restored(&sealed(22, 82, &triple), true), Some(true));
    let with_meta = |out: &mut Writer<'static>| {
        out.length(1);
        out.raw(&[1, 2, 3, 4]);
        out.length(0);
        out.byte(kind::STRING);
        out.string(b"x");
    };
    assert_eq!(restored(&sealed(opcode::KEY_META, 13, &with_meta), false), Some(true));
    assert_eq!(restored(&sealed(opcode::KEY_META, 80, &with_meta), false), Some(false));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_saved_for_a_server_is_loaded_again_and_the_rest_is_named(
        models in prop::collection::vec((model(), any::<Option<u16>>()), 0..20),
        version in prop::sample::select(&[6, 7, 8, 9, 10, 11, 12, 16, 80, 81][..]),
    ) {
        let version = Version::valkey(version);
        let rules = rules(6);
        let db = databases(&models, &rules);
        let mut left_out = Vec::new();
        let options = Options { checksum: true, usage: Usage::Idle, version: Some(version), ..Options::default() };
        let mut bytes: Vec<u8> = Vec::new();
        save::save_some(&db, &options, &mut bytes, &mut |_| {}, &mut |refused| {
            if let Refused::Key(_, entry) = refused {
                left_out.push(entry.key().to_vec());
            }
            true
        }).expect("memory takes everything");
        prop_assert!(bytes.starts_with(&version.magic()));
        let (back, _) = load(io::Cursor::new(bytes), settings(rules), u64::MAX).expect("a sound file");
        let mut all: Vec<String> = states(&db).iter().map(|state| state.split(' ').next().unwrap_or_default().to_owned()).collect();
        let mut found: Vec<String> = states(&back).iter().map(|state| state.split(' ').next().unwrap_or_default().to_owned()).collect();
        found.extend(left_out.iter().map(|key| format!("{key:?}").split(' ').next().unwrap_or_default().to_owned()));
        all.sort();
        found.sort();
        prop_assert_eq!(all, found);
        // Older servers get bitmaps as strings.
        let stays = |(model, _): &(Model, Option<u16>)| version.number == 16 || !matches!(model, Model::Bitmap(..));
        if left_out.is_empty() && version.number > 9 && models.iter().all(stays) {
            prop_assert_eq!(digest::of_databases(&back), digest::of_databases(&db));
        }
        let strict = save::save(&db, &options, &mut Vec::new(), &mut |_| {});
        prop_assert_eq!(strict.is_err(), !left_out.is_empty());
    }

    #[test]
    fn any_value_of_any_fork_does_no_harm(
        number in prop_oneof![4 => 0..34u8, 1 => 200..210u8, 1 => any::<u8>()], fork in prop::sample::select(&[Fork::Redis, Fork::Valkey][..]),
        body in prop::collection::vec(prop_oneof![3 => 0u8..4, 1 => Just(0x81u8), 1 => Just(0xffu8), 2 => any::<u8>()], 0..120),
        strict: bool,
    ) {
        let version = if fork == Fork::Redis { Version::redis(16) } else { Version::valkey(81) };
        let file = Made::new(version).key(number, "k", |out| out.raw(&body)).end();
        let settings = Settings { checksum: false, ..settings(Rules { strict, ..rules(8) }) };
        if let Ok((db, _)) = load(io::Cursor::new(file), settings, 64) {
            digest::of_databases(&db);
            let mut bytes: Vec<u8> = Vec::new();
            save::save(&db, &Options::default(), &mut bytes, &mut |_| {}).expect("memory takes everything");
        }
        prop_assert!(kinds::kind(fork, number).is_none_or(|kind| !kind.name.is_empty()));
        prop_assert!(Cursor::new(&body).left() == body.len());
    }
}

#[test]
fn announced_counts_are_not_believed() {
    for number in 0..=255 {
        for fork in [Version::redis(16), Version::valkey(81)] {
            for count in [u64::MAX, i64::MAX as u64, 1 << 62, 1 << 40, u64::from(u32::MAX)] {
                let file = Made::new(fork).key(number, "k", |out| (0..4).for_each(|_| out.length(count))).end();
                assert!(
                    load(io::Cursor::new(file), lenient(), u64::MAX).is_err() || number > 200,
                    "type {number} with {count}"
                );
            }
        }
    }
}

#[test]
fn a_snapshot_says_that_it_has_what_is_uncommon_only_while_there_is_any() {
    uncommon::note_made(Uncommon::Producers);
    let db = databases(&[(Model::Text(b"x".to_vec()), None)], &rules(8));
    let mut bytes: Vec<u8> = Vec::new();
    save::save(&db, &Options::default(), &mut bytes, &mut |_| {}).expect("memory takes everything");
    assert!(bytes.starts_with(b"REDIS0010"));
    // Where keys are too many to be asked it holds whatever there was.
    assert_eq!(save::lowest_of(&db, 1), Version::redis(10));
    assert!(forms::since_made(Uncommon::Producers).allows(save::lowest_of(&db, 0)));
}

#[test]
fn what_was_made_is_held_by_the_version_that_holds_it_alone() {
    let lowest = |what| forms::since_made(what).version();
    assert_eq!(lowest(Uncommon::Producers), Version::redis(13));
    assert_eq!(lowest(Uncommon::HandedBack), Version::redis(14));
    assert_eq!(lowest(Uncommon::Array), Version::redis(14));
    assert_eq!(lowest(Uncommon::Bitmap), Version::redis(16));
    assert_eq!(lowest(Uncommon::PathHash), Version::valkey(81));
    assert_eq!(lowest(Uncommon::MemberExpiry), Version::OWN);
}
