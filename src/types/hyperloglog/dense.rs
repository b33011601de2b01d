//! The dense form: six bits for every register, each byte filled from its lowest bit on.
//!
//! ```text
//! 11000000 22221111 33333322 55444444 …
//! ```
//! Single registers are read and written as the two bytes they lie in. Whatever goes over all of them takes 48 bits,
//! eight registers, at a time and spreads them over the eight bytes of a word in three steps: halves, quarters, single
//! registers.

use super::estimate::{Histogram, Tally};
use super::{Observation, REGISTERS};

/// The length of all registers.
pub const BYTES: usize = REGISTERS * 6 / 8;
const REGISTER_MAX: u16 = 63;
/// The greatest common grain of words and registers: three words, 32 registers.
const BLOCK_BYTES: usize = 24;
const BLOCK_REGISTERS: usize = BLOCK_BYTES * 8 / 6;

/// The two bytes a register lies in, and the bit where it begins. The last register needs no second byte.
#[inline]
fn window(body: &[u8], register: u16) -> (usize, u16, u32) {
    let bit = usize::from(register) * 6;
    let byte = |index: usize| u16::from(body.get(index).copied().unwrap_or(0));
    (bit / 8, byte(bit / 8) | byte(bit / 8 + 1) << 8, (bit % 8) as u32)
}

/// What a register holds.
pub fn register(body: &[u8], register: u16) -> u8 {
    let (_, bits, shift) = window(body, register);
    (bits >> shift & REGISTER_MAX) as u8
}

/// Whether an observation changes its register.
#[inline]
pub fn is_raised(body: &[u8], seen: Observation) -> bool {
    register(body, seen.register) < seen.run
}

/// Takes an observation in; whether that changed its register.
#[inline]
pub fn raise(body: &mut [u8], seen: Observation) -> bool {
    let raised = is_raised(body, seen);
    if raised {
        let (at, bits, shift) = window(body, seen.register);
        let [low, high] = (bits & !(REGISTER_MAX << shift) | u16::from(seen.run) << shift).to_le_bytes();
        body.iter_mut().skip(at).zip([low, high]).for_each(|(byte, new)| *byte = new);
    }
    raised
}

/// Spreads the eight registers in the low 48 bits over the bytes of a word.
#[inline(always)]
fn spread(bits: u64) -> u64 {
    let halves = bits & 0x00ff_ffff | bits << 8 & 0x00ff_ffff_0000_0000;
    let quarters = halves & 0x0000_0fff_0000_0fff | halves << 4 & 0x0fff_0000_0fff_0000;
    quarters & 0x003f_003f_003f_003f | quarters << 2 & 0x3f00_3f00_3f00_3f00
}

/// The reverse of [`spread`].
#[inline(always)]
fn gather(bytes: u64) -> u64 {
    let quarters = bytes & 0x003f_003f_003f_003f | bytes >> 2 & 0x0fc0_0fc0_0fc0_0fc0;
    let halves = quarters & 0x0000_0fff_0000_0fff | quarters >> 4 & 0x00ff_f000_00ff_f000;
    halves & 0x00ff_ffff | halves >> 8 & 0xffff_ff00_0000
}

#[inline(always)]
fn unpack(block: &[u8; BLOCK_BYTES]) -> [u8; BLOCK_REGISTERS] {
    const LOW_48: u64 = (1 << 48) - 1;
    let (words, _) = block.as_chunks::<8>();
    let word = |index: usize| words.get(index).map_or(0, |word| u64::from_le_bytes(*word));
    let [first, second, third] = [word(0), word(1), word(2)];
    let packed =
        [first & LOW_48, (first >> 48 | second << 16) & LOW_48, (second >> 32 | third << 32) & LOW_48, third >> 16];
    let mut registers = [0; BLOCK_REGISTERS];
    let (octets, _) = registers.as_chunks_mut::<8>();
    octets.iter_mut().zip(packed).for_each(|(octet, bits)| *octet = spread(bits).to_le_bytes());
    registers
}

/// Raises registers, a byte each, to those packed in a body.
pub fn merge_into(body: &[u8], registers: &mut [u8; REGISTERS]) {
    let (blocks, _) = body.as_chunks();
    let (parts, _) = registers.as_chunks_mut::<BLOCK_REGISTERS>();
    for (block, part) in blocks.iter().zip(parts) {
        let others = unpack(block);
        part.iter_mut().zip(others).for_each(|(register, other)| *register = (*register).max(other));
    }
}

/// Packs registers, a byte each.
pub fn pack(registers: &[u8; REGISTERS], body: &mut [u8]) {
    let (octets, _) = registers.as_chunks::<8>();
    let (places, _) = body.as_chunks_mut::<6>();
    for (octet, place) in octets.iter().zip(places) {
        let [bytes @ .., _, _] = gather(u64::from_le_bytes(*octet)).to_le_bytes();
        *place = bytes;
    }
}

/// How many registers hold each value.
pub fn histogram(body: &[u8]) -> Histogram {
    let (blocks, _) = body.as_chunks();
    let mut tally = Tally::default();
    blocks.iter().for_each(|block| tally.add(&unpack(block)));
    tally.total()
}
