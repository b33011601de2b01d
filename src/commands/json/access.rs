//! What the commands about JSON documents have in common: documents by key, values by path, replies.
//!
//! Errors have the words of RedisJSON, which has no code before some of them.

use std::cmp::Reverse;

use crate::command::Error;
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::db::{Databases, Key};
use crate::resp::reply::Reply;
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx, Handler};
use crate::types::json::Document;
use crate::types::json::edit;
use crate::types::json::path::Path;
use crate::types::json::path_find::{Location, TooLong, locate};
use crate::types::json::path_text;
use crate::types::json::read::{DEPTH_MAX, TEXT_DEPTH_MAX, read, read_all};
use crate::types::json::value::Json;
use crate::types::json::write::{self, Format};

/// The key of a command that changes a document has to be there.
pub const MISSING: Error = Error::fixed("ERR could not perform this operation on a key that doesn't exist");
const WRONG_KEY: Error = Error::fixed("Existing key has wrong Redis type");
const TOO_DEEP: Error = Error::fixed("ERR the document would be too deep");
/// How long the text of several values may become, in bytes.
const TEXT_BYTES_MAX: usize = 512 << 20;
const TEXT_TOO_LONG: Error = Error::fixed("ERR the text of the values would be too long");
const TOO_LONG: Error = Error::fixed("ERR the path leads through too many values");
/// An argument that should be an integer.
pub const NO_INTEGER: Error = Error::fixed("Couldn't parse as integer");
/// The path of the root.
pub const ROOT: &[u8] = b".";

/// How keys are read.
pub const READS: &[Keys] = &[Keys::at(1, Access::RO.and(Access::ACCESS))];
/// How keys are changed.
pub const UPDATES: &[Keys] = &[Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::UPDATE))];

/// A row.
pub const fn row(name: &'static str, arity: u16, handler: Handler, flags: &[Flags], keys: &'static [Keys]) -> Command {
    Command::new(name, Arity::at_least(arity), handler).group(Group::Json).flags(flags).keys(keys)
}

/// Reads a path.
pub fn path(text: &[u8]) -> Result<Path, Error> {
    path_text::parse(text).map_err(Error::text)
}

/// Reads a value.
pub fn value(text: &[u8]) -> Result<Json, Error> {
    read(text).map_err(Error::text)
}

/// Reads a value behind which nothing stands: of these RedisJSON says otherwise what is wrong.
pub fn operand(text: &[u8]) -> Result<Json, Error> {
    read_all(text).map_err(|wrong| Error::text(format!("ERR {wrong}")))
}

/// Reads an integer.
pub fn integer(text: &[u8]) -> Result<i64, Error> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(NO_INTEGER)
}

impl From<TooLong> for Error {
    fn from(_: TooLong) -> Error {
        TOO_LONG
    }
}

/// The document of a key.
pub fn document<'d>(db: &'d mut Databases, key: &Key<'_>) -> Result<Option<&'d Json>, Error> {
    Ok(db.bundled::<Document>(key).map_err(|_| WRONG_KEY)?.map(|document| &document.0))
}

/// The document of a key, to be changed.
pub fn document_mut<'d>(db: &'d mut Databases, key: &Key<'_>) -> Result<Option<&'d mut Json>, Error> {
    Ok(db.bundled_mut::<Document>(key).map_err(|_| WRONG_KEY)?.map(|document| &mut document.0))
}

/// `Path '...' does not exist`, and what else may be wrong with it.
pub fn no_path(shown: &[u8], or: &str) -> Error {
    Error::text([b"ERR Path '", shown, b"' does not exist", or.as_bytes()].concat())
}

/// The value is of another type.
pub fn wrong_value(expected: &str, found: &str) -> Error {
    Error::text(format!("WRONGTYPE wrong type of path value - expected {expected} but found {found}"))
}

/// Whether something may be put in at a location, however deep it is.
pub fn check_depth(location: &Location) -> CmdResult {
    if location.len() + TEXT_DEPTH_MAX < DEPTH_MAX { Ok(()) } else { Err(TOO_DEEP) }
}

/// Changes the values that a path leads to, one after another; what the change gave of each, `None` where it does not
/// apply.
pub fn change_each<T>(
    root: &mut Json,
    path: &Path,
    mut change: impl FnMut(&mut Json) -> Result<Option<T>, Error>,
) -> Result<Vec<Option<T>>, Error> {
    let locations = locate(&path.steps, root)?;
    locations.iter().try_for_each(check_depth)?;
    let apply = |location: &Location| edit::at(root, location).map_or(Ok(None), &mut change);
    locations.iter().map(apply).collect()
}

/// As [`change_each`], but values within others before these: where a change moves them, their places are still right.
pub fn change_inner_first<T>(
    root: &mut Json,
    path: &Path,
    mut change: impl FnMut(&mut Json) -> Option<T>,
) -> Result<Vec<Option<T>>, Error> {
    let locations = locate(&path.steps, root)?;
    locations.iter().try_for_each(check_depth)?;
    let mut order: Vec<usize> = (0..locations.len()).collect();
    order.sort_by_key(|at| Reverse(locations[*at].len()));
    let mut results: Vec<Option<T>> = locations.iter().map(|_| None).collect();
    for at in order {
        results[at] = edit::at(root, &locations[at]).and_then(&mut change);
    }
    Ok(results)
}

/// Says that a document has changed, if any of the changes applied.
pub fn changed<T>(cx: &mut Ctx<'_>, key: &Key<'_>, results: &[Option<T>], event: &'static str) {
    if results.iter().any(Option::is_some) {
        cx.changed(key, Event::module(event));
    }
}

/// Replies with what a change gave of each value, or of the last one for a path of the older kind; `missing` is the
/// error if there is none.
pub fn reply_each<T>(
    cx: &mut Ctx<'_>,
    path: &Path,
    results: Vec<Option<T>>,
    missing: impl FnOnce() -> Error,
    mut write: impl FnMut(&mut Reply, T),
) -> CmdResult {
    if path.is_legacy {
        let last = results.into_iter().flatten().next_back();
        return last.map(|last| write(cx.reply, last)).ok_or_else(missing);
    }
    cx.reply.array(results.len());
    for result in results {
        match result {
            Some(result) => write(cx.reply, result),
            None => cx.reply.null(),
        }
    }
    Ok(())
}

/// The text of an array of values: those that lie in one another are in it more than once, so that it may become much
/// longer than the document.
pub fn text_of_all(values: &[&Json], format: &Format<'_>, level: usize, out: &mut Vec<u8>) -> CmdResult {
    write::write_array(values.iter().copied(), format, level, out, TEXT_BYTES_MAX).map_err(|_| TEXT_TOO_LONG)
}

/// Writes a value in the types of the protocol; arrays, objects and strings as JSON text, if there is no depth left.
pub fn reply_expanded(reply: &mut Reply, value: &Json, depth: usize) {
    match value {
        Json::Array(_) | Json::Object(_) | Json::Text(_) if depth == 0 => reply.bulk(&write::text(value)),
        Json::Array(array) => {
            reply.array(array.0.len());
            array.0.iter().for_each(|value| reply_expanded(reply, value, depth - 1));
        }
        Json::Object(object) => {
            reply.map(object.len());
            for member in object.members() {
                reply.bulk(member.name.bytes());
                reply_expanded(reply, &member.value, depth - 1);
            }
        }
        Json::Null => reply.null(),
        Json::Bool(value) => reply.boolean(*value),
        Json::Int(value) => reply.integer(*value),
        Json::Big(value) => reply.double(*value as f64),
        Json::Double(value) => reply.double(*value),
        Json::Text(text) => reply.bulk(text.bytes()),
    }
}

/// Whether a reply has the types of RESP3.
pub fn is_resp3(cx: &Ctx<'_>) -> bool {
    cx.reply.resp3
}

/// What GET and ARRPOP call a FORMAT that is text, each its own way.
pub const TEXT_OF_GET: &[u8] = b"STRING";
/// See [`TEXT_OF_GET`].
pub const TEXT_OF_POP: &[u8] = b"STRINGS";

/// How deep a reply of a FORMAT is taken apart; `None` for text.
pub fn format_depth(name: &[u8], text: &[u8]) -> Result<Option<usize>, Error> {
    match &name.to_ascii_uppercase()[..] {
        name if name == text => Ok(None),
        b"EXPAND1" => Ok(Some(0)),
        b"EXPAND" => Ok(Some(usize::MAX)),
        _ => Err(Error::fixed("ERR wrong reply format")),
    }
}

/// A FORMAT needs the types of RESP3.
pub fn check_resp3(cx: &Ctx<'_>) -> CmdResult {
    if is_resp3(cx) { Ok(()) } else { Err(Error::fixed("ERR FORMAT argument is not supported on RESP2")) }
}
