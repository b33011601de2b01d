//! LZF: fast compression, in the format that Redis uses within lists and RDB files.
//!
//! ```text
//! 000lllll  literals                 l + 1 bytes follow as they are
//! lllddddd  dddddddd                 copy l + 2 bytes (l below 7) from d + 1 bytes back
//! 111ddddd  llllllll  dddddddd       copy l + 9 bytes from d + 1 bytes back
//! ```
//! A copy may reach into what it writes itself, which repeats a pattern. The compressor looks up each three bytes in a
//! table of where it last saw such, and takes what it finds there: one candidate, no search.
//!
//! Pieces are mostly shorter than a call of `memcpy` takes. So where there is room for it, 16 or 32 bytes are moved at
//! once in either direction, and what was too much is written over next.
//!
//! Own code: the crate `lzf` is no longer kept up and takes 1.3 to 2.2 times as long to compress, 1.4 to 1.8 to read.

/// The most bytes that one copy makes.
const COPY_MAX: usize = 2 + 7 + 255;
/// How far back a copy reaches.
const DISTANCE_MAX: usize = 1 << 13;
const LITERALS_MAX: usize = 1 << 5;
/// Three bytes make [`COPY_MAX`] at best: whoever announces more than this per byte lies.
const EXPANSION_MAX: usize = COPY_MAX / 3;

/// Where nothing has repeated for so many bytes, one more is passed over each time, and so on up to a limit.
const PATIENCE: usize = 128;
const PASSED_MAX: usize = 16;

/// Compresses; `None` if that takes more than `bytes_max` bytes.
pub fn compress(input: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    let mut out = vec![0; bytes_max.min(input.len() + input.len().div_ceil(LITERALS_MAX))];
    let length = compress_into(input, &mut out)?;
    out.truncate(length);
    Some(out)
}

/// Compresses to the beginning of `out`; how many bytes that took, or `None` if there are not as many.
pub fn compress_into(input: &[u8], out: &mut [u8]) -> Option<usize> {
    if u32::try_from(input.len()).is_err() {
        return None;
    }
    let packer = Packer { input, out, length: 0 };
    // A short input is done before a big table is filled with zeros.
    if input.len() < 512 { packer.pack(&mut [0; 1 << 8]) } else { packer.pack(&mut [0; 1 << 12]) }
}

struct Packer<'a> {
    input: &'a [u8],
    out: &'a mut [u8],
    /// How much of it is written.
    length: usize,
}

impl Packer<'_> {
    /// Compresses all of the input. `seen` tells where three bytes of a hash were seen last.
    fn pack<const SLOTS: usize>(mut self, seen: &mut [u32; SLOTS]) -> Option<usize> {
        let input = self.input;
        let (mut at, mut literals) = (0, 0);
        let Some(last) = input.len().checked_sub(4) else {
            self.literals(0, input.len())?;
            return Some(self.length);
        };
        while at <= last {
            let three = three_bytes(input, at);
            let slot = three.wrapping_mul(0x9e37_79b1) >> (32 - SLOTS.ilog2());
            let from = std::mem::replace(&mut seen[slot as usize], at as u32) as usize;
            // A place without a note says 0, which is as good as any: what it says is looked at before it is believed.
            if from <= last && three_bytes(input, from) == three {
                let distance = at.wrapping_sub(from);
                if (1..=DISTANCE_MAX).contains(&distance) {
                    let same = same_bytes(&input[from..], &input[at..]);
                    self.literals(literals, at)?;
                    self.copy(same, distance)?;
                    at += same;
                    literals = at;
                    continue;
                }
            }
            at += 1;
            if at - literals >= PATIENCE {
                at += ((at - literals) / PATIENCE).min(PASSED_MAX);
            }
        }
        self.literals(literals, input.len())?;
        Some(self.length)
    }

    /// Writes a part of the input as it is.
    #[inline(always)]
    fn literals(&mut self, from: usize, until: usize) -> Option<()> {
        const WIDE: usize = 16;
        let count = until - from;
        let text = self.input.get(from..).and_then(|text| text.first_chunk::<WIDE>());
        let room = self.out.get_mut(self.length..).and_then(|room| room.first_chunk_mut::<{ 1 + WIDE }>());
        match (text, room) {
            (Some(text), Some(room)) if count <= WIDE => {
                room[0] = (count as u8).wrapping_sub(1);
                room[1..].copy_from_slice(text);
                self.length += if count == 0 { 0 } else { 1 + count };
                Some(())
            }
            _ => self.many_literals(from, until),
        }
    }

    #[cold]
    fn many_literals(&mut self, from: usize, until: usize) -> Option<()> {
        let count = until - from;
        let mut room = self.out.get_mut(self.length..)?.get_mut(..count + count.div_ceil(LITERALS_MAX))?;
        self.length += room.len();
        for text in self.input[from..until].chunks(LITERALS_MAX) {
            let (control, after) = room.split_first_mut()?;
            let (to, after) = after.split_at_mut_checked(text.len())?;
            *control = text.len() as u8 - 1;
            to.copy_from_slice(text);
            room = after;
        }
        Some(())
    }

    #[inline(always)]
    fn copy(&mut self, length: usize, distance: usize) -> Option<()> {
        let room = self.out.get_mut(self.length..)?;
        let (length, distance) = (length - 2, distance - 1);
        let (high, low) = ((distance >> 8) as u8, distance as u8);
        if length < 7 {
            *room.first_chunk_mut()? = [(length as u8) << 5 | high, low];
            self.length += 2;
        } else {
            *room.first_chunk_mut()? = [7 << 5 | high, (length - 7) as u8, low];
            self.length += 3;
        }
        Some(())
    }
}

/// How many bytes two texts have in common, of which the first three are known to be; as far as a copy reaches. The
/// second is the shorter one.
///
/// Most have few. Those are compared one by one: the processor guesses how many they are and goes on, where it would
/// have to wait for the result of anything cleverer.
#[inline(always)]
fn same_bytes(old: &[u8], new: &[u8]) -> usize {
    const FEW: usize = 8;
    let most = new.len().min(COPY_MAX);
    let (old, new) = (&old[..most], &new[..most]);
    let mut same = 3;
    while same < most.min(FEW) {
        if old[same] != new[same] {
            return same;
        }
        same += 1;
    }
    while let (Some(old), Some(new)) = (old[same..].first_chunk(), new[same..].first_chunk()) {
        let difference = u64::from_le_bytes(*old) ^ u64::from_le_bytes(*new);
        if difference != 0 {
            return same + difference.trailing_zeros() as usize / 8;
        }
        same += 8;
    }
    same + old[same..].iter().zip(&new[same..]).take_while(|(old, new)| old == new).count()
}

/// Three bytes as a number. There are four.
#[inline(always)]
fn three_bytes(input: &[u8], at: usize) -> u32 {
    input[at..at + 4].first_chunk().map_or(0, |four| u32::from_le_bytes(*four) & 0xff_ffff)
}

/// Decompresses to exactly `length` bytes; `None` for anything else.
pub fn decompress(input: &[u8], length: usize) -> Option<Vec<u8>> {
    if length > input.len().saturating_mul(EXPANSION_MAX) {
        return None;
    }
    let mut out = vec![0; length];
    let (mut rest, mut at) = (input, 0);
    while let Some((&control, tail)) = rest.split_first() {
        let control = usize::from(control);
        if control < LITERALS_MAX {
            let count = control + 1;
            let room = out.get_mut(at..)?;
            match (tail.first_chunk::<LITERALS_MAX>(), room.first_chunk_mut::<LITERALS_MAX>()) {
                (Some(text), Some(room)) => *room = *text,
                _ => room.get_mut(..count)?.copy_from_slice(tail.get(..count)?),
            }
            rest = &tail[count..];
            at += count;
        } else {
            let (mut count, mut tail) = (2 + (control >> 5), tail);
            if control >> 5 == 7 {
                let (&more, after) = tail.split_first()?;
                count += usize::from(more);
                tail = after;
            }
            let (&low, tail) = tail.split_first()?;
            copy(&mut out, at, ((control & 0x1f) << 8 | usize::from(low)) + 1, count)?;
            rest = tail;
            at += count;
        }
    }
    (at == length).then_some(out)
}

/// Writes `count` bytes at a place, from `distance` bytes back, those included that it writes.
#[inline]
fn copy(out: &mut [u8], at: usize, distance: usize, count: usize) -> Option<()> {
    const WIDE: usize = 16;
    let from = at.checked_sub(distance)?;
    if distance >= WIDE && out.len() - at >= count + WIDE {
        for done in (0..count).step_by(WIDE) {
            let (old, new) = out.split_at_mut(at + done);
            *new.first_chunk_mut::<WIDE>()? = *old[from + done..].first_chunk()?;
        }
        return Some(());
    }
    let end = at + count;
    if end > out.len() {
        return None;
    }
    let mut done = at;
    while done < end {
        // Each round doubles what can be copied at once.
        let piece = (end - done).min(done - from);
        out.copy_within(from..from + piece, done);
        done += piece;
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
