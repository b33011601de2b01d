//! Bitmaps against strings of bytes, which are the naive twin, and against what other implementations write.

use proptest::prelude::*;

use super::*;
use crate::util::bits::Combination;

/// What one container may look like: nothing, all ones, few or many of them, about as many as make the difference
/// between an array and bits, and runs.
fn chunk(len: usize) -> impl Strategy<Value = Vec<u8>> {
    let with = move |fill: u8, set: Vec<(prop::sample::Index, u8)>| {
        let mut bytes = vec![fill; len];
        set.into_iter().for_each(|(at, byte)| bytes[at.index(len)] = byte);
        bytes
    };
    let bytes = |most: usize| prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..most);
    prop_oneof![
        Just(vec![0; len]),
        Just(vec![0xff; len]),
        Just(vec![0x55; len]),
        bytes(60).prop_map(move |set| with(0, set)),
        bytes(6).prop_map(move |set| with(0xff, set)),
        (4095..4098usize).prop_map(move |ones| (0..len).map(|at| if at < ones { 1 << (at % 8) } else { 0 }).collect()),
        (0..len, 0..len, any::<u8>()).prop_map(move |(one, other, edge)| {
            let mut bytes = vec![0; len];
            bytes[one.min(other)..one.max(other)].fill(0xff);
            bytes[one] = edge;
            bytes
        }),
    ]
}

fn string() -> impl Strategy<Value = Vec<u8>> {
    let chunk_bytes = CHUNK_BYTES as usize;
    let last = (1..=chunk_bytes).prop_flat_map(chunk);
    prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..40),
        3 => (prop::collection::vec(chunk(chunk_bytes), 0..3), last).prop_map(|(mut chunks, last)| {
            chunks.push(last);
            chunks.concat()
        }),
    ]
}

/// A bit somewhere in a string or behind it, often where a container ends.
fn place() -> impl Strategy<Value = usize> {
    prop_oneof![
        0..200_000usize,
        (0..4usize, 0..70usize).prop_map(|(chunk, at)| (chunk * 65_536 + at).saturating_sub(35))
    ]
}

fn bitmap_equals(bitmap: &Bitmap, bytes: &[u8]) -> Result<(), TestCaseError> {
    prop_assert_eq!(bitmap.byte_len(), bytes.len() as u64);
    prop_assert!(bitmap.to_bytes() == bytes);
    prop_assert_eq!(bitmap.count_ones(), bits::count_ones(bytes));
    let back = Bitmap::from_portable(bitmap.byte_len(), &bitmap.to_portable());
    prop_assert!(back.is_some_and(|back| back.to_bytes() == bytes));
    Ok(())
}

fn digest_of(bitmap: &Bitmap) -> String {
    let mut digest = Digest::of(&8u32.to_be_bytes());
    bitmap.digest(&mut digest);
    digest.to_text()
}

fn with_bits(bits: &[u64]) -> Bitmap {
    let mut bitmap = Bitmap::default();
    bits.iter().for_each(|bit| _ = bitmap.set(*bit, true));
    bitmap
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn reading_equals_reading_the_string(
        bytes in string(),
        ranges in prop::collection::vec((place(), place(), any::<bool>()), 20),
        fields in prop::collection::vec((place(), 1u32..65), 20),
    ) {
        let bitmap = Bitmap::from_bytes(&bytes);
        bitmap_equals(&bitmap, &bytes)?;
        let (string, bitmap) = (Bits::Bytes(Cow::Borrowed(&bytes)), Bits::Bitmap(&bitmap));
        for (start, end, value) in ranges {
            let (start, end) = (start.min(bytes.len() * 8), end.min(bytes.len() * 8));
            prop_assert_eq!(bitmap.get(start), string.get(start));
            prop_assert_eq!(bitmap.count_ones_in(start..end), string.count_ones_in(start..end));
            if start < end {
                prop_assert_eq!(bitmap.find(value, start..end), string.find(value, start..end));
                let visited = |bits: &Bits<'_>| {
                    let mut visited = Vec::new();
                    bits.visit(value, start..end, |bit| {
                        visited.push(bit);
                        visited.len() < 500
                    });
                    visited
                };
                prop_assert_eq!(visited(&bitmap), visited(&string));
            }
        }
        for (offset, width) in fields {
            prop_assert_eq!(bitmap.field(offset, width), string.field(offset, width));
        }
    }

    #[test]
    fn writing_equals_writing_the_string(
        mut bytes in string(),
        writes in prop::collection::vec((place(), any::<bool>(), 1u32..65, any::<u64>()), 60),
    ) {
        let mut bitmap = Bitmap::from_bytes(&bytes);
        for (offset, on, width, value) in writes {
            let end = if on { offset / 8 + 1 } else { (offset + width as usize).div_ceil(8) };
            prop_assert_eq!(bitmap.grow(end as u64), bytes.len() < end);
            bytes.resize(bytes.len().max(end), 0);
            if on {
                let was_on = bits::field(&bytes, offset, 1) == 1;
                bits::set_field(&mut bytes, offset, 1, value & 1);
                prop_assert_eq!(bitmap.set(offset as u64, value & 1 == 1), was_on);
            } else {
                let value = value >> (64 - width);
                bits::set_field(&mut bytes, offset, width, value);
                bitmap.set_field(offset, width, value);
            }
        }
        bitmap_equals(&bitmap, &bytes)?;
        prop_assert_eq!(digest_of(&bitmap), digest_of(&Bitmap::from_bytes(&bytes)), "however it came about");
    }

    #[test]
    fn combining_equals_combining_strings(
        strings in prop::collection::vec((string(), any::<bool>()), 1..5),
    ) {
        use Combination::*;
        let bitmaps: Vec<Bitmap> = strings.iter().map(|(bytes, _)| Bitmap::from_bytes(bytes)).collect();
        let sources: Vec<Bits<'_>> = strings.iter().zip(&bitmaps).map(|((bytes, is_bitmap), bitmap)| match is_bitmap {
            true => Bits::Bitmap(bitmap),
            false => Bits::Bytes(Cow::Borrowed(bytes)),
        }).collect();
        let texts: Vec<&[u8]> = strings.iter().map(|(bytes, _)| &bytes[..]).collect();
        for combination in [And, Or, Xor, Diff, Diff1, AndOr, One] {
            bitmap_equals(&combine(combination, &sources), &bits::combine(combination, &texts))?;
        }
        bitmap_equals(&combine(Not, &sources[..1]), &bits::combine(Not, &texts[..1]))?;
    }

    #[test]
    fn damaged_bits_are_refused_or_whole(
        bytes in string(),
        len in 0..40_000u64,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut portable = Bitmap::from_bytes(&bytes).to_portable();
        for (at, byte) in damage {
            let at = at.index(portable.len());
            portable[at] = byte;
        }
        let cut = cut.index(portable.len());
        prop_assert!(cut == 0 || Bitmap::from_portable(len, &portable[..cut]).is_none_or(|bitmap| bitmap.byte_len() == len));
        if let Some(bitmap) = Bitmap::from_portable(len, &portable) {
            let back = bitmap.to_bytes();
            prop_assert_eq!(back.len() as u64, len);
            bitmap_equals(&bitmap, &back)?;
        }
    }
}

#[test]
fn what_is_saved_is_the_form_that_others_read() {
    // The length and the bits of Redis's own tests of this form.
    let one_bit = "0100000000000000000000003a3000000100000000000000100000000000";
    assert_eq!(hex(&with_bits(&[0]).to_portable()), one_bit);
    let run = [vec![0; 576], vec![0xff; 32]].concat();
    let wire_run = "0100000000000000000000003b300000010000ff0001000012ff00";
    assert_eq!(hex(&Bitmap::from_bytes(&run).to_portable()), wire_run);
    let bitset = Bitmap::from_bytes(&[0xaa; 8192]).to_portable();
    assert_eq!(
        hex(&bitset[..36]),
        "0100000000000000000000003a30000001000000\
                                    0000ff7f100000005555555555555555"
    );
    let far = with_bits(&[0x1234, (1 << 32) + 0x16000]);
    assert_eq!(
        hex(&far.to_portable()),
        "0200000000000000000000003a30000001000000000000001000000034120100\
         00003a3000000100000001000000100000000060"
    );
    assert_eq!(Bitmap::default().to_portable(), [0; 8]);
}

#[test]
fn the_digest_is_that_of_redis_8_12() {
    for (bits, digest) in [
        (&[3][..], "4af788cd0cac52dc5f1a0c491c5afd79ef086b73"),
        (&[1, 2, 3, 4], "4f213d509203fc746181634c30a9de6b8adba6d0"),
        (&[65_534, 65_535, 65_536, 65_537], "252834eaf1e8586068d6bb75c1b6764718fd0a34"),
    ] {
        assert_eq!(digest_of(&with_bits(bits)), digest, "{bits:?}");
    }
}

#[test]
fn a_length_that_the_bits_do_not_fit_is_refused() {
    let one_bit = with_bits(&[0]).to_portable();
    assert!(Bitmap::from_portable(0, &one_bit).is_none());
    assert!(Bitmap::from_portable(BYTES_MAX, &one_bit).is_some_and(|bitmap| bitmap.count_ones() == 1));
    assert!(Bitmap::from_portable(BYTES_MAX + 1, &one_bit).is_none());
    assert!(Bitmap::from_portable(1, &[&one_bit[..], &[0]].concat()).is_none(), "there is something behind it");
    // Buckets that are not in order, or have no bits.
    let bucket = &one_bit[8..];
    let twice = [&2u64.to_le_bytes()[..], bucket, bucket].concat();
    assert!(Bitmap::from_portable(1 << 40, &twice).is_none());
    let empty = [&1u64.to_le_bytes()[..], &[0; 4], &12_346u32.to_le_bytes(), &[0; 4]].concat();
    assert!(Bitmap::from_portable(1, &empty).is_none());
    // Announced and not there.
    for count in [2, u64::MAX] {
        assert!(Bitmap::from_portable(1, &[&count.to_le_bytes()[..], bucket].concat()).is_none());
    }
    let many = [&1u64.to_le_bytes()[..], &[0; 4], &12_346u32.to_le_bytes(), &65_536u32.to_le_bytes()].concat();
    assert!(Bitmap::from_portable(1, &many).is_none());
}

#[test]
fn bits_far_away_take_little_and_runs_go_on_across_buckets() {
    let mut bitmap = with_bits(&[u64::from(u32::MAX), (1 << 40) - 1, (BYTES_MAX - 1) * 8 + 7]);
    assert!(bitmap.heap_bytes(0) < 1024, "{} bytes", bitmap.heap_bytes(0));
    assert!(bitmap.to_portable().len() < 200);
    assert_eq!((bitmap.byte_len(), bitmap.chunks(), bitmap.free_effort()), (BYTES_MAX, 3, 8));
    assert_eq!(bitmap.find(true, 1 << 33..1 << 50), Some((1 << 40) - 1));
    bitmap.set_field((1 << 32) - 3, 8, 0b0111_1111);
    let start = (1u64 << 32) - 2;
    assert!(bitmap.runs(0..1 << 39).eq(std::iter::once(start..start + 7)));
    assert_eq!(bitmap.find(false, start..1 << 33), Some(start + 7));
    assert_eq!(bitmap.count_ones_in(start + 1..start + 4), 3);
    assert!(bitmap.set(start, false));
    assert!(!bitmap.set(start, false));
    assert_eq!(bitmap.count_ones(), 8);
}

#[test]
fn runs_are_kept_as_such_where_a_whole_value_is_made() {
    let mut bitmap = Bitmap::default();
    (0..70_000).for_each(|bit| _ = bitmap.set(bit, true));
    assert!(bitmap.heap_bytes(0) > 16_384, "two containers of bits");
    let loaded = Bitmap::from_portable(bitmap.byte_len(), &bitmap.to_portable()).expect("sound bits");
    assert!(loaded.heap_bytes(0) < 1024, "{} bytes", loaded.heap_bytes(0));
    assert_eq!(digest_of(&loaded), digest_of(&bitmap));

    let mut empty = Bitmap::default();
    empty.grow(1 << 29 | 1);
    let all = combine(Combination::Not, &[Bits::Bitmap(&empty)]);
    assert_eq!((all.count_ones(), all.chunks()), ((1 << 32) + 8, (1 << 16) + 1));
    assert!(all.heap_bytes(0) < 16 << 20, "{} bytes", all.heap_bytes(0));
    assert_eq!(all.runs(0..u64::MAX).collect::<Vec<_>>(), vec![0..(1 << 32) + 8]);
    assert_eq!(combine(Combination::Not, &[Bits::Bitmap(&all)]).chunks(), 0);
}
