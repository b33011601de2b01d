//! The encodings of former times: ziplists and zipmaps. They are checked whole and taken apart.
//!
//! ```text
//! ziplist  bytes u32 | offset of the last entry u32 | entries u16 (65535: count them) | entry… | FF
//! entry    length of the entry before: 1 byte, or FE and u32 | encoding | data
//!
//! 00xxxxxx             string of 6 bits of length      1100xxxx  i16        11110000  i24
//! 01xxxxxx +1 byte     14 bits, the highest first      1101xxxx  i32        11111110  i8
//! 10xxxxxx +4 bytes    32 bits, the highest first      1110xxxx  i64        1111xxxx  0 to 12, in 0001 to 1101
//!
//! zipmap   entries u8 | (length field  length unused value unused…)… | FF
//! length   1 byte, or FE and u32
//! ```

use super::super::read::{Fault, Reading};
use super::{Context, DOUBLED_FIELDS, DOUBLED_SCORES};
use crate::types::hash::FieldExpiry;
use crate::types::list::End;
use crate::types::listpack::{Element, IntText, Listpack, RoomyListpack};
use crate::types::{Hash, List, SortedSet};
use crate::util::number;

const ZIPLIST_HEAD: usize = 10;
const END: u8 = 0xff;
const LONG: u8 = 0xfe;
/// The number of entries that says: count them.
const UNCOUNTED: u16 = u16::MAX;

const BAD_ZIPMAP: Fault = Fault::Bad("Zipmap integrity check failed.");

/// The entries of a ziplist of unknown origin.
fn entries(bytes: &[u8]) -> Option<Vec<Element<'_>>> {
    let u32_at = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
    let (total, tail) = (u32_at(0)? as usize, u32_at(4)? as usize);
    let counted = u16::from_le_bytes([*bytes.get(8)?, *bytes.get(9)?]);
    let mut entries = Vec::new();
    let (mut at, mut before, mut last) = (ZIPLIST_HEAD, 0, ZIPLIST_HEAD);
    while *bytes.get(at)? != END {
        let begin = at;
        let length_before = match bytes[at] {
            LONG => {
                at += 5;
                u32_at(begin + 1)? as usize
            }
            short => {
                at += 1;
                usize::from(short)
            }
        };
        if length_before != before {
            return None;
        }
        let (element, taken) = read_entry(bytes.get(at..)?)?;
        entries.push(element);
        at += taken;
        (before, last) = (at - begin, begin);
    }
    let counts = counted == UNCOUNTED || usize::from(counted) == entries.len();
    (at + 1 == bytes.len() && total == bytes.len() && tail == last && counts).then_some(entries)
}

/// The element at the beginning of some bytes, and how many of them it takes.
fn read_entry(bytes: &[u8]) -> Option<(Element<'_>, usize)> {
    let first = *bytes.first()?;
    let string = |head: usize, length: usize| {
        let text = bytes.get(head..)?.get(..length)?;
        Some((Element::Bytes(text), head + length))
    };
    let int = |width: usize| {
        let mut wide = [0; 8];
        wide[8 - width..].copy_from_slice(bytes.get(1..=width)?);
        Some((Element::Int(i64::from_le_bytes(wide) >> (64 - 8 * width)), 1 + width))
    };
    match first {
        0..0x40 => string(1, usize::from(first)),
        0x40..0x80 => string(2, usize::from(first & 0x3f) << 8 | usize::from(*bytes.get(1)?)),
        0x80 => string(5, u32::from_be_bytes(bytes.get(1..5)?.try_into().ok()?) as usize),
        0xc0 => int(2),
        0xd0 => int(4),
        0xe0 => int(8),
        0xf0 => int(3),
        0xfe => int(1),
        0xf1..=0xfd => Some((Element::Int(i64::from(first & 0x0f) - 1), 1)),
        _ => None,
    }
}

/// A list from a ziplist.
pub fn list(bytes: &[u8], cx: &mut Context) -> Reading<List> {
    let (mut list, mut room) = (List::default(), IntText::new());
    for element in entries(bytes).ok_or(Fault::Bad("List ziplist integrity check failed."))? {
        list.push(End::Tail, element.text(&mut room), &cx.rules.list);
    }
    list.settle(&cx.rules.list);
    Ok(list)
}

/// A listpack of the entries of a ziplist.
pub fn repack(bytes: &[u8]) -> Reading<Listpack> {
    let entries = entries(bytes).ok_or(Fault::Bad("Ziplist integrity check failed."))?;
    let mut pack = RoomyListpack::new();
    if !entries.is_empty() {
        // Text of an integer becomes one.
        pack.extend(|out| {
            entries.iter().for_each(|element| match element {
                Element::Int(_) => out.push(*element),
                Element::Bytes(text) => out.push_text(text),
            });
        });
    }
    Ok(pack.into_exact())
}

/// A sorted set from a ziplist of members and scores.
pub fn sorted_set(bytes: &[u8], cx: &mut Context) -> Reading<SortedSet> {
    const BAD: Fault = Fault::Bad("Zset ziplist integrity check failed.");
    let elements = entries(bytes).ok_or(BAD)?;
    let (pairs, rest) = elements.as_chunks::<2>();
    let score = |element: Element<'_>| match element {
        Element::Int(value) => Some(value as f64),
        Element::Bytes(text) => number::parse_f64(text),
    };
    let pairs: Option<Vec<_>> = pairs.iter().map(|[member, value]| Some((member.to_vec(), score(*value)?))).collect();
    let (pairs, limits) = (pairs.filter(|_| rest.is_empty()).ok_or(BAD)?, cx.rules.sorted_set);
    SortedSet::checked(pairs, limits, &mut || cx.correct(DOUBLED_SCORES).is_ok()).ok_or(BAD)
}

/// A hash from a ziplist of fields and values.
pub fn hash_ziplist(bytes: &[u8], cx: &mut Context) -> Reading<Hash> {
    const REASON: &str = "Hash ziplist integrity check failed.";
    const BAD: Fault = Fault::Bad(REASON);
    let elements = entries(bytes).ok_or(BAD)?;
    let (pairs, rest) = elements.as_chunks::<2>();
    let (mut field_room, mut value_room) = (IntText::new(), IntText::new());
    let pairs = pairs.iter().map(|[field, value]| (field.text(&mut field_room).to_vec(), *value));
    if !rest.is_empty() {
        return Err(BAD);
    }
    hash(pairs.map(|(field, value)| (field, value.text(&mut value_room).to_vec())), REASON, cx)
}

/// A hash of fields and values. Of a field that comes twice the last value counts, where it is not refused.
fn hash(pairs: impl Iterator<Item = (Vec<u8>, Vec<u8>)>, doubled: &'static str, cx: &mut Context) -> Reading<Hash> {
    let mut hash = Hash::default();
    for (field, value) in pairs {
        if !hash.set_with(&field, &value, FieldExpiry::Clear, cx.rules.hash) {
            cx.correct(doubled)?;
        }
    }
    Ok(hash)
}

/// A hash from a zipmap.
pub fn hash_zipmap(bytes: &[u8], cx: &mut Context) -> Reading<Hash> {
    hash(zipmap(bytes).ok_or(BAD_ZIPMAP)?.into_iter(), DOUBLED_FIELDS, cx)
}

fn zipmap(bytes: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let counted = *bytes.first()?;
    let mut rest = &bytes[1..];
    let mut pairs = Vec::new();
    while *rest.first()? != END {
        let (length, head) = zipmap_length(rest)?;
        let field = rest.get(head..)?.get(..length)?;
        rest = &rest[head + length..];
        let (length, head) = zipmap_length(rest)?;
        let unused = usize::from(*rest.get(head)?);
        let value = rest.get(head + 1..)?.get(..length)?;
        rest = rest.get(head + 1 + length..)?.get(unused..)?;
        pairs.push((field.to_vec(), value.to_vec()));
    }
    let counts = counted >= LONG || usize::from(counted) == pairs.len();
    (rest.len() == 1 && counts && !pairs.is_empty()).then_some(pairs)
}

/// A length, and how many bytes it takes: no more than it must.
fn zipmap_length(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.first()? {
        END => None,
        LONG => {
            let length = u32::from_le_bytes(bytes.get(1..5)?.try_into().ok()?);
            (length >= u32::from(LONG)).then_some((length as usize, 5))
        }
        short => Some((usize::from(short), 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::rules;
    use super::super::super::version::Version;
    use super::super::Rules;
    use super::*;
    use crate::types::Collection;
    use proptest::prelude::*;

    /// A ziplist by the book, with the shortest encodings of strings and some of integers.
    fn ziplist(elements: &[Element<'_>]) -> Vec<u8> {
        let mut bytes = vec![0; ZIPLIST_HEAD];
        let (mut before, mut last) = (0, ZIPLIST_HEAD);
        for element in elements {
            let begin = bytes.len();
            match before {
                0..254 => bytes.push(before as u8),
                _ => {
                    bytes.push(LONG);
                    bytes.extend_from_slice(&(before as u32).to_le_bytes());
                }
            }
            match *element {
                Element::Int(value @ 0..=12) => bytes.push(0xf1 + value as u8),
                Element::Int(value @ -128..=127) => bytes.extend_from_slice(&[0xfe, value as u8]),
                Element::Int(value @ -0x80_0000..=0x7f_ffff) => {
                    bytes.push(0xf0);
                    bytes.extend_from_slice(&value.to_le_bytes()[..3]);
                }
                Element::Int(value) => {
                    bytes.push(0xe0);
                    bytes.extend_from_slice(&value.to_le_bytes());
                }
                Element::Bytes(text) => {
                    match text.len() {
                        length @ 0..64 => bytes.push(length as u8),
                        length @ 64..16384 => bytes.extend_from_slice(&[0x40 | (length >> 8) as u8, length as u8]),
                        length => {
                            bytes.push(0x80);
                            bytes.extend_from_slice(&(length as u32).to_be_bytes());
                        }
                    }
                    bytes.extend_from_slice(text);
                }
            }
            (before, last) = (bytes.len() - begin, begin);
        }
        bytes.push(END);
        let total = bytes.len() as u32;
        bytes[..4].copy_from_slice(&total.to_le_bytes());
        bytes[4..8].copy_from_slice(&(last as u32).to_le_bytes());
        bytes[8..10].copy_from_slice(&(elements.len() as u16).to_le_bytes());
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn ziplists_are_read_as_written_and_refused_when_cut_or_changed(
            items in prop::collection::vec(
                prop_oneof![
                    any::<i64>().prop_map(Ok), (-200i64..200).prop_map(Ok),
                    prop::collection::vec(any::<u8>(), 0..400).prop_map(Err),
                ], 0..12),
            at: prop::sample::Index, byte: u8,
        ) {
            let elements: Vec<_> = items.iter().map(|item| match item {
                Ok(value) => Element::Int(*value),
                Err(text) => Element::Bytes(text),
            }).collect();
            let bytes = ziplist(&elements);
            prop_assert_eq!(entries(&bytes), Some(elements));
            let at = at.index(bytes.len());
            prop_assert_eq!(entries(&bytes[..at]), None);
            let mut changed = bytes.clone();
            changed[at] = byte;
            let _ = entries(&changed);
            let _ = zipmap(&changed);
        }
    }

    #[test]
    fn what_is_there_twice_counts_once_or_is_refused() {
        let rules = |strict| Rules { strict, ..rules(8) };
        let texts =
            |texts: &[&'static str]| texts.iter().map(|text| Element::Bytes(text.as_bytes())).collect::<Vec<_>>();
        let [pairs, scores] = [&["f", "1", "f", "2"], &["m", "1", "m", "2"]].map(|items| ziplist(&texts(items)));
        let zipmap = b"\x02\x01a\x01\x00x\x01a\x01\x00y\xff";
        let mut cx = Context::new(rules(false), Version::LOWEST);
        for hash in [hash_ziplist(&pairs, &mut cx), hash_zipmap(zipmap, &mut cx)] {
            assert_eq!(hash.map(|hash| hash.len()).ok(), Some(1));
        }
        assert_eq!(cx.take_corrected(), ["Hash ziplist integrity check failed.", DOUBLED_FIELDS]);
        assert_eq!(sorted_set(&scores, &mut cx).ok().and_then(|set| set.score(b"m")), Some(1.0));
        assert_eq!(cx.take_corrected(), [DOUBLED_SCORES]);
        let mut cx = Context::new(rules(true), Version::LOWEST);
        assert!(hash_ziplist(&pairs, &mut cx).is_err() && hash_zipmap(zipmap, &mut cx).is_err());
        assert!(sorted_set(&scores, &mut cx).is_err());
    }

    #[test]
    fn zipmaps_are_read_with_their_unused_bytes() {
        let bytes = b"\x02\x01a\x02\x01xy_\x02bb\x00\x00\xff";
        let pairs = zipmap(bytes).expect("a zipmap");
        assert_eq!(pairs, [(b"a".to_vec(), b"xy".to_vec()), (b"bb".to_vec(), b"".to_vec())]);
        for end in 0..bytes.len() {
            assert_eq!(zipmap(&bytes[..end]), None, "cut at {end}");
        }
    }
}
