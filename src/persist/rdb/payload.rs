//! A single value: what DUMP gives and RESTORE takes.
//!
//! ```text
//! type | value as in a file | version, 2 bytes | checksum of all before, 8 bytes
//! ```

use super::crc64::crc64;
use super::format::{kind, opcode};
use super::forms;
use super::kinds::{self, Load};
use super::load::module;
use super::read::{Cursor, Fault, Reading};
use super::value::{self, Begun, Context, Rules, Value, bundled};
use super::version::{Fork, Version};
use super::write::Writer;
use crate::db::{Entry, EntryView};

/// Bytes behind the value.
const FOOTER_BYTES: usize = 10;

/// A value as it is handed to another server.
pub fn dump(entry: EntryView<'_>, compress: bool) -> Vec<u8> {
    let mut out = Writer::in_memory(compress);
    let version = forms::since(entry).version();
    if let Some(form) = forms::form(entry, version) {
        out.byte(form.kind);
        (form.save)(entry, &mut out);
    }
    sealed(out, version)
}

/// A payload with its footer.
fn sealed(mut out: Writer<'_>, version: Version) -> Vec<u8> {
    out.raw(&(version.number as u16).to_le_bytes());
    let mut bytes = out.into_bytes();
    let sum = crc64(0, &bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// A payload that was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body<'a> {
    /// The type and the value, or libraries of functions.
    pub bytes: &'a [u8],
    /// The version they are in.
    pub version: Version,
}

/// The content of a payload whose version is known, or later where any is tried, and whose checksum, unless that does
/// not matter or was left out, is right.
pub fn verified(payload: &[u8], skip_checksum: bool, any_version: bool) -> Option<Body<'_>> {
    let (bytes, footer) = payload.split_at_checked(payload.len().checked_sub(FOOTER_BYTES)?)?;
    let mut footer = Cursor::new(footer);
    let version = Version::of_footer(u16::from_le_bytes([footer.byte().ok()?, footer.byte().ok()?]));
    let sum = footer.u64().ok()?;
    // Redis 8.10 sends values to its replicas without a checksum.
    let right = skip_checksum || sum == 0 || sum == crc64(0, &payload[..payload.len() - 8]);
    (version.is_tried(any_version) && right).then_some(Body { bytes, version })
}

/// Libraries of functions as they are handed to another server.
pub fn dump_functions(libraries: &[Vec<u8>], compress: bool) -> Vec<u8> {
    let mut out = Writer::in_memory(compress);
    for library in libraries {
        out.byte(opcode::FUNCTION);
        out.string(library);
    }
    sealed(out, Version::LOWEST)
}

/// The libraries in the body of a payload.
///
/// # Errors
/// Says what is wrong with it.
pub fn functions(body: Body<'_>) -> Result<Vec<Vec<u8>>, &'static str> {
    const MALFORMED: &str = "failed loading the given functions payload";
    let mut cursor = Cursor::new(body.bytes);
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
pub fn restore(body: Body<'_>, rules: &Rules) -> Result<Restored, &'static str> {
    let mut cursor = Cursor::new(body.bytes);
    let mut cx = Context::new(*rules, body.version);
    match read(&mut cursor, &mut cx) {
        Ok(restored) if cursor.is_at_end() => Ok(restored),
        Ok(_) => Err("there is something behind the value"),
        Err(Fault::Incomplete(_)) => Err("Short read: the value is not complete"),
        Err(Fault::Bad(reason)) => Err(reason),
    }
}

fn read(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Restored> {
    let mut number = cursor.byte()?;
    if number == opcode::KEY_META && cx.version.fork == Fork::Redis {
        module::skip_meta(cursor)?;
        number = cursor.byte()?;
    }
    let loaded = kinds::kind(cx.version.fork, number).ok_or(Fault::Bad("Unknown RDB encoding type"))?;
    let begun = match loaded.load {
        Load::Text => return cursor.vec().map(Restored::String),
        Load::Module if number == kind::MODULE => return Err(Fault::Bad("a value of a module in an early form")),
        Load::Module => bundled::begin(cursor.length()?).ok_or(Fault::Bad("a value of a module that is not here"))?,
        Load::Collection(begin) => begin(cursor, cx)?,
    };
    let value = match begun {
        Begun::Whole(value) => value,
        Begun::Parts(mut build) => {
            value::go_on(&mut *build, cursor, cx, usize::MAX)?;
            build.finish(cx)?
        }
    };
    value.map(Restored::Collection).ok_or(Fault::Bad("an empty collection"))
}
