//! Names that nodes of a cluster may be given, and where their bus is.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Above the port for clients, unless it is set.
pub const BUS_PORT_OFFSET: u16 = 10_000;
/// The longest name of a host, in bytes, with the zero that ends it on the bus.
const HOSTNAME_BYTES: usize = 256;
/// What a name for people may not contain, besides what would end it in `nodes.conf`.
const NOT_IN_HUMAN_NAMES: &[u8] = b"!#$%&()*+:;<>?@[]^{|}~";

/// What a host is called.
pub fn valid_hostname(name: &str) -> Result<(), &'static str> {
    if name.len() >= HOSTNAME_BYTES {
        return Err("Hostnames must be less than 256 characters");
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)) {
        return Err("Hostnames may only contain alphanumeric characters, hyphens or dots");
    }
    Ok(())
}

/// An address of IPv4, or none.
pub fn valid_ipv4(ip: &str) -> Result<(), &'static str> {
    match ip.is_empty() || ip.parse::<Ipv4Addr>().is_ok() {
        true => Ok(()),
        false => Err("Invalid IPv4 address"),
    }
}

/// An address of IPv6, or none.
pub fn valid_ipv6(ip: &str) -> Result<(), &'static str> {
    match ip.is_empty() || ip.parse::<Ipv6Addr>().is_ok() {
        true => Ok(()),
        false => Err("Invalid IPv6 address"),
    }
}

/// What people call a node.
pub fn valid_human_name(name: &str) -> Result<(), &'static str> {
    match name.bytes().all(|byte| is_word(byte) && !NOT_IN_HUMAN_NAMES.contains(&byte)) {
        true => Ok(()),
        false => Err("Announced human node name contained invalid character"),
    }
}

/// Whether a byte can stand in a field of a line of `nodes.conf` and stay a part of that field.
pub fn is_word(byte: u8) -> bool {
    (byte.is_ascii_graphic() && !b",\"'\\=".contains(&byte)) || byte >= 0x80
}
