//! LZF: fast compression, in the format that Redis uses within lists and RDB files.
//!
//! ```text
//! 000lllll  literals                 l + 1 bytes follow as they are
//! lllddddd  dddddddd                 copy l + 2 bytes (l below 7) from d + 1 bytes back
//! 111ddddd  llllllll  dddddddd       copy l + 9 bytes from d + 1 bytes back
//! ```
//! A copy may reach into what it writes itself, which repeats a pattern. The compressor looks up each three bytes in a
//! table of where it last saw such, and takes what it finds there: one candidate, no search.

/// The most bytes that one copy makes.
const COPY_MAX: usize = 2 + 7 + 255;
/// How far back a copy reaches.
const DISTANCE_MAX: usize = 1 << 13;
const LITERALS_MAX: usize = 1 << 5;
const LITERALS_FEW: usize = 6;
/// Three bytes make [`COPY_MAX`] at best: whoever announces more than this per byte lies.
const EXPANSION_MAX: usize = COPY_MAX / 3;

/// Short inputs need a table of two to the power of this only.
const BITS_MIN: u32 = 8;

/// Compresses; `None` if that takes more than `bytes_max` bytes.
pub fn compress(input: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes_max.min(input.len()));
    append_compressed(input, bytes_max, &mut out).then_some(out)
}

/// Compresses to the end of `out`; false, and nothing is added, if that takes more than `bytes_max` bytes.
pub fn append_compressed(input: &[u8], bytes_max: usize, out: &mut Vec<u8>) -> bool {
    if u32::try_from(input.len()).is_err() {
        return false;
    }
    let bits = input.len().max(1).ilog2().clamp(BITS_MIN, 14);
    let (mut few, mut many);
    // Where three bytes of that hash were seen last, plus one.
    let seen: &mut [u32] = if bits == BITS_MIN {
        few = [0; 1 << BITS_MIN];
        &mut few
    } else {
        many = vec![0; 1 << bits];
        &mut many
    };
    let before = out.len();
    out.reserve(bytes_max.min(input.len()) + COPY_MAX);
    let fits = fill(input, bytes_max, out, bits, seen);
    if !fits {
        out.truncate(before);
    }
    fits
}

fn fill(input: &[u8], bytes_max: usize, out: &mut Vec<u8>, bits: u32, seen: &mut [u32]) -> bool {
    let end = out.len() + bytes_max;
    let slot = |three: u32| (three.wrapping_mul(0x9e37_79b1) >> (32 - bits)) as usize;
    let (mut at, mut literals) = (0, 0);
    while let Some(three) = three_bytes(input, at) {
        let candidate = std::mem::replace(&mut seen[slot(three)], at as u32 + 1) as usize;
        let from = candidate.wrapping_sub(1);
        if candidate == 0 || at - from > DISTANCE_MAX || three_bytes(input, from) != Some(three) {
            at += 1;
            continue;
        }
        let same = same_bytes(&input[from..], &input[at..]);
        write_literals(out, &input[literals..at]);
        write_copy(out, same, at - from);
        if out.len() > end {
            return false;
        }
        at += same;
        literals = at;
    }
    // What did not repeat at all is told without being written.
    if out.len() + (input.len() - literals) > end {
        return false;
    }
    write_literals(out, &input[literals..]);
    out.len() <= end
}

/// How many bytes two texts have in common at their beginning, as far as a copy reaches. The second is the shorter one.
#[inline]
fn same_bytes(old: &[u8], new: &[u8]) -> usize {
    let most = new.len().min(COPY_MAX);
    let (old, new) = (&old[..most], &new[..most]);
    let (mut old_words, mut new_words) = (old.chunks_exact(8), new.chunks_exact(8));
    let mut same = 0;
    while let (Some(old), Some(new)) = (old_words.next(), new_words.next()) {
        let difference = word(old) ^ word(new);
        if difference != 0 {
            return same + difference.trailing_zeros() as usize / 8;
        }
        same += 8;
    }
    while same < most && old[same] == new[same] {
        same += 1;
    }
    same
}

#[inline(always)]
fn word(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap_or_default())
}

/// Three bytes as a number; none if fewer than four are left.
#[inline(always)]
fn three_bytes(input: &[u8], at: usize) -> Option<u32> {
    let four = input.get(at..)?.first_chunk::<4>()?;
    Some(u32::from_le_bytes(*four) & 0xff_ffff)
}

#[inline]
fn write_literals(out: &mut Vec<u8>, literals: &[u8]) {
    // Between copies there are mostly few, for which a call would take longer than the copying.
    if literals.len() <= LITERALS_FEW {
        if !literals.is_empty() {
            out.push(literals.len() as u8 - 1);
            literals.iter().for_each(|byte| out.push(*byte));
        }
        return;
    }
    for chunk in literals.chunks(LITERALS_MAX) {
        out.push(chunk.len() as u8 - 1);
        out.extend_from_slice(chunk);
    }
}

fn write_copy(out: &mut Vec<u8>, length: usize, distance: usize) {
    let (length, distance) = (length - 2, distance - 1);
    let high = (distance >> 8) as u8;
    if length < 7 {
        out.push((length as u8) << 5 | high);
    } else {
        out.extend_from_slice(&[7 << 5 | high, (length - 7) as u8]);
    }
    out.push(distance as u8);
}

/// Decompresses to exactly `length` bytes; `None` for anything else.
pub fn decompress(input: &[u8], length: usize) -> Option<Vec<u8>> {
    if length > input.len().saturating_mul(EXPANSION_MAX) {
        return None;
    }
    let mut out = Vec::with_capacity(length);
    let mut rest = input;
    while let Some((&control, tail)) = rest.split_first() {
        let control = usize::from(control);
        if control < LITERALS_MAX {
            let (literals, tail) = tail.split_at_checked(control + 1)?;
            out.extend_from_slice(literals);
            rest = tail;
        } else {
            let (mut run, mut tail) = (control >> 5, tail);
            if run == 7 {
                let (&more, after) = tail.split_first()?;
                run += usize::from(more);
                tail = after;
            }
            let (&low, tail) = tail.split_first()?;
            let distance = ((control & 0x1f) << 8 | usize::from(low)) + 1;
            copy(&mut out, distance, run + 2)?;
            rest = tail;
        }
        if out.len() > length {
            return None;
        }
    }
    (out.len() == length).then_some(out)
}

/// Appends `run` bytes from `distance` bytes back, those included that it appends.
fn copy(out: &mut Vec<u8>, distance: usize, run: usize) -> Option<()> {
    let from = out.len().checked_sub(distance)?;
    let mut left = run;
    while left > 0 {
        // Each round doubles what can be copied at once.
        let piece = left.min(out.len() - from);
        out.extend_from_within(from..from + piece);
        left -= piece;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The format told once more, a byte at a time.
    fn naive(input: &[u8]) -> Option<Vec<u8>> {
        let (mut out, mut bytes) = (Vec::new(), input.iter().map(|byte| usize::from(*byte)));
        while let Some(control) = bytes.next() {
            if control < 32 {
                for _ in 0..=control {
                    out.push(bytes.next()? as u8);
                }
                continue;
            }
            let length = 2 + if control >> 5 == 7 { 7 + bytes.next()? } else { control >> 5 };
            let distance = 1 + (control & 31) * 256 + bytes.next()?;
            for _ in 0..length {
                out.push(*out.get(out.len().checked_sub(distance)?)?);
            }
        }
        Some(out)
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        let word = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..20),
            prop::collection::vec(prop::sample::select(b"ab".as_slice()), 0..60),
            (any::<u8>(), 0..700_usize).prop_map(|(byte, length)| vec![byte; length]),
        ];
        prop::collection::vec(word, 0..12).prop_map(|words| words.concat())
    }

    #[test]
    fn what_repeats_becomes_short() {
        let text = b"abc".repeat(3000);
        let packed = compress(&text, text.len()).expect("it compresses");
        assert!(packed.len() < 120, "{}", packed.len());
        assert_eq!(decompress(&packed, text.len()), Some(text));
    }

    #[test]
    fn what_does_not_fit_is_not_compressed() {
        let random: Vec<u8> = (0..2000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let packed = compress(&random, random.len() * 2).expect("room enough");
        assert_eq!(compress(&random, packed.len() - 1), None);
        assert_eq!(compress(b"", 0), Some(Vec::new()));
    }

    #[test]
    fn streams_of_redis_are_read() {
        // What DUMP of Redis 7.0 contains.
        assert_eq!(decompress(b"\x01aa\xe0S\x00\x01aa", 96), Some(vec![b'a'; 96]));
        let hello = b"hello world, hello world, hello hello";
        assert_eq!(decompress(b"\x0dhello world, h\xe0\x09\x0c\x20\x12\x01lo", hello.len()), Some(hello.to_vec()));
    }

    #[test]
    fn nonsense_is_refused() {
        for (input, length) in [
            (&[5, b'a'][..], 6),
            (&[0x20, 0], 3),
            (&[0, b'a', 0x20], 4),
            (&[0, b'a', 0xe0, 255], 300),
            (&[0, b'a', 0x20, 1], 4),
            (&[0, b'a'], 2),
            (&[1, b'a', b'a'], 1),
            (&[0, b'a'], usize::MAX),
        ] {
            assert_eq!(decompress(input, length), None, "{input:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn what_was_compressed_comes_back(text in text()) {
            let packed = compress(&text, text.len() + text.len() / 32 + 1).expect("literals take no more");
            prop_assert_eq!(naive(&packed), Some(text.clone()));
            prop_assert_eq!(decompress(&packed, text.len()), Some(text));
        }

        #[test]
        fn any_bytes_are_read_like_the_naive_way(input in prop::collection::vec(any::<u8>(), 0..80)) {
            let expected = naive(&input);
            let length = expected.as_ref().map_or(100, Vec::len);
            prop_assert_eq!(decompress(&input, length), expected);
        }
    }
}
