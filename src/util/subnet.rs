//! Ranges of IP addresses, as CIDR writes them: `10.0.0.0/8`, `fd00::/8`, or an address alone.

use std::fmt;
use std::net::IpAddr;

/// Bits that come first in IPv4 in IPv6.
const MAPPED_BITS: u32 = 96;

/// Addresses that have their first bits in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    address: IpAddr,
    prefix_bits: u32,
}

impl Subnet {
    /// Reads a range. An address alone is a range of one; what follows the common bits is of no concern. IPv4 in IPv6 is
    /// IPv4.
    pub fn parse(text: &str) -> Option<Subnet> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match bits {
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().ok().filter(|bits| *bits <= bits_max)?
            }
            Some(_) => return None,
            None => bits_max,
        };
        let canonical = address.to_canonical();
        match canonical != address && prefix_bits >= MAPPED_BITS {
            true => Some(Subnet { address: canonical, prefix_bits: prefix_bits - MAPPED_BITS }),
            false => Some(Subnet { address, prefix_bits }),
        }
    }

    /// Whether an address lies in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (differing, length) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (u128::from(own.to_bits() ^ other.to_bits()), 32),
            (IpAddr::V6(own), IpAddr::V6(other)) => (own.to_bits() ^ other.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        // All bits are out of the way when none has to be the same.
        differing.checked_shr(length - self.prefix_bits).unwrap_or(0) == 0
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.prefix_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn contains(range: &str, address: &str) -> bool {
        Subnet::parse(range).unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn a_range_has_the_addresses_that_begin_like_it() {
        for (range, address, expected) in [
            ("10.0.0.0/8", "10.255.1.2", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("192.168.1.77/24", "192.168.1.3", true),
            ("0.0.0.0/0", "1.2.3.4", true),
            ("0.0.0.0/0", "::1", false),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("127.0.0.1/32", "::ffff:127.0.0.1", true),
            ("::ffff:10.0.0.0/104", "10.1.2.3", true),
            ("::ffff:10.0.0.0/104", "11.1.2.3", false),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe12::1", false),
            ("::/0", "2001:db8::1", true),
            ("::/0", "1.2.3.4", false),
            ("::1", "::1", true),
        ] {
            assert_eq!(contains(range, address), expected, "{address} in {range}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "/",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0/8",
            "::/129",
            "host/8",
            "1.2.3.4/8/8",
        ] {
            assert_eq!(Subnet::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_range_of_v4_is_its_bits_compared(range: [u8; 4], address: [u8; 4], length in 0u32..=32) {
            let subnet = Subnet { address: range.into(), prefix_bits: length };
            let naive = (0..length).all(|bit| {
                let bit_of = |bytes: [u8; 4]| bytes[bit as usize / 8] >> (7 - bit % 8) & 1;
                bit_of(range) == bit_of(address)
            });
            prop_assert_eq!(subnet.contains(address.into()), naive);
            prop_assert_eq!(Subnet::parse(&subnet.to_string()), Some(subnet));
        }
    }
}
