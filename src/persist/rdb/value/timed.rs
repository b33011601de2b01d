//! Times of parts that expire, as they count from the first of them, beginning at 1: 0 is none.

use super::super::read::{Cursor, Fault, Reading};
use super::super::write::Writer;
use crate::types::hash::FieldExpiry;

/// Times have that many bits.
const TIME_BITS: u32 = 48;

/// Saves when a part expires.
pub fn save(expiry: Option<i64>, first: i64, out: &mut Writer<'_>) {
    out.length(expiry.map_or(0, |at| (at - first) as u64 + 1));
}

/// Reads it.
pub fn read(first: i64, cursor: &mut Cursor<'_>) -> Reading<FieldExpiry> {
    let Some(later) = cursor.length()?.checked_sub(1) else { return Ok(FieldExpiry::Clear) };
    let at = i64::try_from(later).ok().and_then(|later| first.checked_add(later));
    expiry_at(at.unwrap_or(0))
}

/// A time that is told by the clock.
pub fn expiry_at(at: i64) -> Reading<FieldExpiry> {
    const BAD_TIME: Fault = Fault::Bad("invalid expireAt time of a field or member");
    if (1..1 << TIME_BITS).contains(&at) { Ok(FieldExpiry::At(at)) } else { Err(BAD_TIME) }
}
