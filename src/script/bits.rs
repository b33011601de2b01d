//! The library `bit`: operations on numbers as 32 bits.

use super::functions::Functions;
use super::lua::{Exit, Kind, Lua, Outcome, function};

/// Its functions.
pub const FUNCTIONS: Functions = &[
    ("tobit", || function(|lua| reply(lua, bits(lua, 1)?))),
    ("bnot", || function(|lua| reply(lua, !bits(lua, 1)?))),
    ("band", || function(|lua| fold(lua, |one, other| one & other))),
    ("bor", || function(|lua| fold(lua, |one, other| one | other))),
    ("bxor", || function(|lua| fold(lua, |one, other| one ^ other))),
    ("lshift", || function(|lua| shift(lua, |bits, by| bits << by))),
    ("rshift", || function(|lua| shift(lua, |bits, by| bits >> by))),
    ("arshift", || function(|lua| shift(lua, |bits, by| (bits as i32 >> by) as u32))),
    ("rol", || function(|lua| shift(lua, u32::rotate_left))),
    ("ror", || function(|lua| shift(lua, u32::rotate_right))),
    ("bswap", || function(|lua| reply(lua, bits(lua, 1)?.swap_bytes()))),
    ("tohex", || function(to_hex)),
];

/// An argument modulo 2³², rounded to the nearest integer, to the even one of two.
fn bits(lua: Lua, index: i32) -> Result<u32, Exit> {
    /// Added to a number, its lowest bits become those of the sum's fraction.
    const SHIFTER: f64 = 6_755_399_441_055_744.0;
    let bits = (lua.number(index) + SHIFTER).to_bits() as u32;
    if bits == 0 && !lua.is_number(index) {
        return Err(Exit::Type(index, c"number"));
    }
    Ok(bits)
}

fn reply(lua: Lua, bits: u32) -> Outcome {
    lua.push_number(f64::from(bits as i32));
    Ok(1)
}

fn fold(lua: Lua, operation: fn(u32, u32) -> u32) -> Outcome {
    let mut folded = bits(lua, 1)?;
    for index in (2..=lua.top()).rev() {
        folded = operation(folded, bits(lua, index)?);
    }
    reply(lua, folded)
}

fn shift(lua: Lua, operation: fn(u32, u32) -> u32) -> Outcome {
    let value = bits(lua, 1)?;
    reply(lua, operation(value, bits(lua, 2)? & 31))
}

fn to_hex(lua: Lua) -> Outcome {
    let value = bits(lua, 1)?;
    let digits = if lua.kind(2) == Kind::None { 8 } else { bits(lua, 2)? as i32 };
    let count = digits.unsigned_abs().min(8) as usize;
    let text = if digits < 0 { format!("{value:08X}") } else { format!("{value:08x}") };
    lua.push_bytes(&text.as_bytes()[8 - count..]);
    Ok(1)
}
