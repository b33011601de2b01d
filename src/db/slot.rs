//! Slots: the shares of the keyspace that nodes of a cluster divide among them.
//!
//! A key's slot is the CRC16 of it, or of its hash tag: what stands between the first `{` and the first `}` behind
//! that, unless it is nothing. So keys with one tag are in one slot. CRC16 is the one of XMODEM: polynomial 0x1021, no
//! reflection, beginning with 0 (see <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>).

/// How many there are.
pub const SLOTS: usize = 16384;

const POLYNOMIAL: u16 = 0x1021;

const TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let mut sum = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 0x8000 != 0 { (sum << 1) ^ POLYNOMIAL } else { sum << 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
};

/// The slot of a key.
#[inline]
pub fn slot_of(key: &[u8]) -> u16 {
    crc16(hash_tag(key)) % SLOTS as u16
}

/// The part of a key that decides on its slot.
pub fn hash_tag(key: &[u8]) -> &[u8] {
    let Some(open) = memchr::memchr(b'{', key) else { return key };
    let tag = &key[open + 1..];
    match memchr::memchr(b'}', tag) {
        None | Some(0) => key,
        Some(close) => &tag[..close],
    }
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| (sum << 8) ^ TABLE[usize::from((sum >> 8) as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
