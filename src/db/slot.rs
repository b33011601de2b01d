//! Slots: the shares of the keyspace that the nodes of a cluster divide among them.
//!
//! A key's slot is the CRC16 (XMODEM) of it, or of its hash tag: what stands between the first `{` and the first `}`
//! behind that, unless it is nothing. So keys with one tag are in one slot. See
//! <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>.

/// How many slots there are.
pub const SLOTS: usize = 16384;

const POLYNOMIAL: u16 = 0x1021;

/// For each of eight places in a word, what a byte there makes of the sum.
static TABLES: [[u16; 256]; 8] = tables();

const fn tables() -> [[u16; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 0x8000 != 0 { sum << 1 ^ POLYNOMIAL } else { sum << 1 };
            bit += 1;
        }
        tables[0][byte] = sum;
        byte += 1;
    }
    let mut place = 1;
    while place < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before: u16 = tables[place - 1][byte];
            tables[place][byte] = before << 8 ^ tables[0][(before >> 8) as usize];
            byte += 1;
        }
        place += 1;
    }
    tables
}

/// The CRC16 of some bytes.
fn crc16(bytes: &[u8]) -> u16 {
    let (words, rest) = bytes.as_chunks::<8>();
    let at = |place: usize, byte: u8| TABLES[place][usize::from(byte)];
    let sum = words.iter().fold(0u16, |sum, word| {
        let [high, low] = sum.to_be_bytes();
        let [a, b, c, d, e, f, g, h] = *word;
        at(7, a ^ high) ^ at(6, b ^ low) ^ at(5, c) ^ at(4, d) ^ at(3, e) ^ at(2, f) ^ at(1, g) ^ at(0, h)
    });
    rest.iter().fold(sum, |sum, byte| sum << 8 ^ at(0, (sum >> 8) as u8 ^ byte))
}

/// The slot of a number; `None` if there is none.
pub fn numbered(number: i64) -> Option<u16> {
    u16::try_from(number).ok().filter(|slot| usize::from(*slot) < SLOTS)
}

/// The slot of a key.
#[inline]
pub fn slot_of(key: &[u8]) -> u16 {
    slot_of_tag(if has_brace(key) { hash_tag(key) } else { key })
}

#[inline]
fn slot_of_tag(tag: &[u8]) -> u16 {
    crc16(tag) % SLOTS as u16
}

/// How many bytes are looked at together for the brace that begins a tag.
const CHUNK: usize = 16;

/// Whether there is a `{`, as few keys have one.
#[inline]
fn has_brace(key: &[u8]) -> bool {
    let is_in = |bytes: &[u8]| bytes.iter().fold(false, |found, byte| found | (*byte == b'{'));
    match key.last_chunk::<CHUNK>() {
        Some(last) => is_in(last) || key[..key.len() - 1].as_chunks::<CHUNK>().0.iter().any(|chunk| is_in(chunk)),
        None => is_in(key),
    }
}

/// The part of a key that decides about its slot.
pub fn hash_tag(key: &[u8]) -> &[u8] {
    tag_within(key).unwrap_or(key)
}

/// The hash tag of a key that has one.
fn tag_within(key: &[u8]) -> Option<&[u8]> {
    let behind = &key[memchr::memchr(b'{', key)? + 1..];
    let end = memchr::memchr(b'}', behind)?;
    (end > 0).then(|| &behind[..end])
}

/// The slot that all keys which a pattern matches are in, if it can be told from the pattern.
pub fn slot_of_pattern(pattern: &[u8]) -> Option<u16> {
    let plain = memchr::memchr(b'*', pattern).unwrap_or(pattern.len());
    let plain = pattern[..plain].iter().position(|byte| b"?[\\".contains(byte)).unwrap_or(plain);
    match plain == pattern.len() {
        true => Some(slot_of(pattern)),
        false => tag_within(&pattern[..plain]).map(slot_of_tag),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::util::glob;

    /// Bit by bit.
    fn naive(bytes: &[u8]) -> u16 {
        let mut sum = 0u16;
        for byte in bytes {
            sum ^= u16::from(*byte) << 8;
            for _ in 0..8 {
                sum = if sum & 0x8000 != 0 { sum << 1 ^ POLYNOMIAL } else { sum << 1 };
            }
        }
        sum
    }

    #[test]
    fn the_checksum_is_that_of_xmodem() {
        assert_eq!(crc16(b""), 0);
        assert_eq!(crc16(b"123456789"), 0x31c3);
    }

    #[test]
    fn keys_have_the_slots_that_redis_gives_them() {
        for (key, slot) in [("foo", 12182), ("bar", 5061), ("", 0), ("{user1000}.following", 3443), ("user1000", 3443)]
        {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
    }

    #[test]
    fn a_tag_decides_if_it_is_the_first_and_not_empty() {
        for (key, tag) in [
            ("{a}b", "a"),
            ("x{a}{b}", "a"),
            ("x{{a}}", "{a"),
            ("foo{}{bar}", "foo{}{bar}"),
            ("foo}bar{", "foo}bar{"),
            ("{open", "{open"),
        ] {
            assert_eq!(hash_tag(key.as_bytes()), tag.as_bytes(), "{key}");
        }
    }

    #[test]
    fn a_pattern_with_a_tag_before_its_wildcards_matches_in_one_slot() {
        for (pattern, slot) in [
            (&b"{user}*"[..], Some(slot_of(b"user"))),
            (b"a{user}?[x]", Some(slot_of(b"user"))),
            (b"plain", Some(slot_of(b"plain"))),
            (b"", Some(0)),
            (b"*{user}", None),
            (b"{us?er}", None),
            (b"{us\\er}*", None),
            (b"a{}b}*", None),
            (b"{user*", None),
        ] {
            assert_eq!(slot_of_pattern(pattern), slot, "{}", pattern.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn a_brace_is_found_wherever_it_is(before in "[a-z}]{0,40}", brace in "[{]?", behind in "[a-z}]{0,40}") {
            let key = [before, brace, behind].concat();
            prop_assert_eq!(has_brace(key.as_bytes()), key.contains('{'));
            prop_assert_eq!(slot_of(key.as_bytes()), naive(hash_tag(key.as_bytes())) % SLOTS as u16);
        }

        #[test]
        fn words_at_once_give_the_sum_of_bits_one_by_one(bytes: Vec<u8>) {
            prop_assert_eq!(crc16(&bytes), naive(&bytes));
        }

        #[test]
        fn what_a_pattern_matches_is_in_its_slot(pattern in "[a{}*?\\[\\]\\\\]{0,6}", key in "[a{}]{0,6}") {
            if let Some(slot) = slot_of_pattern(pattern.as_bytes())
                && glob::matches(pattern.as_bytes(), key.as_bytes())
            {
                prop_assert_eq!(slot_of(key.as_bytes()), slot);
            }
        }
    }
}
