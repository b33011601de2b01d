//! Data of modules that are not here: it is made of marked pieces, so that it can at least be passed over.

use super::super::format::module as piece;
use super::super::read::{Cursor, Fault, Reading};
use super::super::value::bundled::name;

/// Skips pieces to the end of them.
pub fn skip(cursor: &mut Cursor<'_>) -> Reading<()> {
    loop {
        match cursor.length()? {
            piece::EOF => return Ok(()),
            piece::SIGNED | piece::UNSIGNED => _ = cursor.length()?,
            piece::FLOAT => _ = cursor.u32()?,
            piece::DOUBLE => _ = cursor.u64()?,
            piece::STRING => _ = cursor.text()?,
            _ => return Err(Fault::Bad("an unknown piece in the data of a module")),
        }
    }
}

/// Skips what modules have attached to a key: a count, and as many times four bytes and pieces.
pub fn skip_meta(cursor: &mut Cursor<'_>) -> Reading<()> {
    for _ in 0..cursor.count()? {
        cursor.u32()?;
        skip(cursor)?;
    }
    Ok(())
}

/// Skips what a module had to say besides its values.
pub fn skip_aux(cursor: &mut Cursor<'_>) -> Reading<()> {
    let id = cursor.length()?;
    skip(cursor)?;
    log::warn!("The RDB file contains AUX module data I can't load: no matching module '{}'. Skipped.", name(id));
    Ok(())
}
