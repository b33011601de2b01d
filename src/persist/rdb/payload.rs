//! A single value: what DUMP gives and RESTORE takes.
//!
//! ```text
//! type | value as in a file | version, 2 bytes | checksum of all before, 8 bytes
//! ```

use super::crc64::crc64;
use super::format::{VERSION, VERSION_FIELD_EXPIRY, VERSION_MAX, kind, opcode};
use super::load::value::{self, Begun, Rules, Value};
use super::read::{Cursor, Fault, Reading};
use super::save::value::{kind_of, save};
use super::write::Writer;
use crate::db::{Entry, EntryView};

/// Bytes behind the value.
const FOOTER_BYTES: usize = 10;

/// A value as it is handed to another server.
pub fn dump(entry: EntryView<'_>, compress: bool) -> Vec<u8> {
    let mut out = Writer::in_memory(compress);
    let kind = kind_of(entry);
    out.byte(kind);
    save(entry, &mut out);
    let version = if kind > kind::STREAM_3 { VERSION_FIELD_EXPIRY } else { VERSION };
    out.raw(&(version as u16).to_le_bytes());
    let mut bytes = out.into_bytes();
    let sum = crc64(0, &bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// The type and value of a payload whose version is known and whose checksum, unless that does not matter, is right.
pub fn verified(payload: &[u8], skip_checksum: bool) -> Option<&[u8]> {
    let (body, footer) = payload.split_at_checked(payload.len().checked_sub(FOOTER_BYTES)?)?;
    let mut footer = Cursor::new(footer);
    let version = u32::from(footer.byte().ok()?) | u32::from(footer.byte().ok()?) << 8;
    let sum = footer.u64().ok()?;
    let right = skip_checksum || sum == crc64(0, &payload[..payload.len() - 8]);
    (version <= VERSION_MAX && right).then_some(body)
}

/// Libraries of functions as they are handed to another server.
pub fn dump_functions(libraries: &[Vec<u8>], compress: bool) -> Vec<u8> {
    let mut out = Writer::in_memory(compress);
    for library in libraries {
        out.byte(opcode::FUNCTION);
        out.string(library);
    }
    out.raw(&(VERSION as u16).to_le_bytes());
    let mut bytes = out.into_bytes();
    let sum = crc64(0, &bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// The libraries in the body of a payload.
///
/// # Errors
/// Says what is wrong with it.
pub fn functions(body: &[u8]) -> Result<Vec<Vec<u8>>, &'static str> {
    const MALFORMED: &str = "failed loading the given functions payload";
    let mut cursor = Cursor::new(body);
    let mut libraries = Vec::new();
    while !cursor.is_at_end() {
        match cursor.byte() {
            Ok(opcode::FUNCTION) => libraries.push(cursor.vec().map_err(|_| MALFORMED)?),
            Ok(opcode::FUNCTION_EARLY) => return Err("Pre-release function format not supported."),
            _ => return Err("given type is not a function"),
        }
    }
    Ok(libraries)
}

/// A value taken from a payload.
pub enum Restored {
    /// A string.
    String(Vec<u8>),
    /// A collection.
    Collection(Value),
}

impl Restored {
    /// An entry with this value.
    pub fn into_entry(self, key: &[u8], expire: Option<i64>, access: u32) -> Entry {
        match self {
            Restored::String(bytes) => Entry::string(key, &bytes, expire, access),
            Restored::Collection(value) => value.into_entry(key, expire, access),
        }
    }
}

/// Takes a value from the body of a payload.
///
/// # Errors
/// What is wrong with it. An empty collection is wrong, and so is anything behind the value.
pub fn restore(body: &[u8], rules: &Rules) -> Result<Restored, &'static str> {
    let mut cursor = Cursor::new(body);
    match read(&mut cursor, rules) {
        Ok(restored) if cursor.is_at_end() => Ok(restored),
        Ok(_) => Err("there is something behind the value"),
        Err(Fault::Incomplete(_)) => Err("Short read: the value is not complete"),
        Err(Fault::Bad(reason)) => Err(reason),
    }
}

fn read(cursor: &mut Cursor<'_>, rules: &Rules) -> Reading<Restored> {
    let kind = cursor.byte()?;
    if kind == kind::STRING {
        return cursor.vec().map(Restored::String);
    }
    let value = match value::begin(kind, cursor, rules)? {
        Begun::Whole(value) => value,
        Begun::Parts(mut build) => {
            value::go_on(&mut *build, cursor, rules, usize::MAX)?;
            build.finish(rules)?
        }
    };
    value.map(Restored::Collection).ok_or(Fault::Bad("an empty collection"))
}
