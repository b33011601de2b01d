//! Data of modules, of which there are none here: it is made of marked pieces, so that it can at least be passed over.

use super::super::format::module as piece;
use super::super::read::{Cursor, Fault, Reading};

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

/// The name of a module, or of a type of its: nine letters of six bits, above a version of ten.
pub fn name(id: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..9).rev().map(|place| char::from(LETTERS[(id >> (10 + 6 * place)) as usize & 0x3f])).collect()
}
