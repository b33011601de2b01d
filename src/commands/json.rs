//! JSON documents, as of RedisJSON: whole documents and any values in them. What is about arrays, and about numbers,
//! strings and objects, has files of its own.
//!
//! The order in which arguments are looked at, and what each error says, are those of RedisJSON 2.8.

mod access;
pub mod arrays;
mod replies;
pub mod scalars;

use access::{
    MISSING, READS, ROOT, TEXT_OF_GET, UPDATES, change_each, changed, check_depth, check_resp3, document, document_mut,
    format_depth, no_path, path, reply_each, reply_expanded, row, text_of_all, value,
};

use crate::command::Args;
use crate::command::Error;
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::db::{Databases, Key};
use crate::resp::reply::Reply;
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx};
use crate::types::json::floats::Floats;
use crate::types::json::path::{Path, Step};
use crate::types::json::path_find::{Location, find, find_first, locate};
use crate::types::json::path_text::shown;
use crate::types::json::value::Json;
use crate::types::json::write::{self, Format};
use crate::types::json::{Document, edit};

const NEW_AT_ROOT: Error = Error::fixed("ERR new objects must be created at the root");
const NOT_STATIC: Error = Error::fixed("Err wrong static path");
const OUT_OF_RANGE: Error = Error::fixed("ERR array index out of range");
const NO_FLOATS: Error = Error::fixed("ERR FPHA is one of FP16, BF16, FP32 and FP64");
const DEBUG_HELP: [&str; 2] = ["MEMORY <key> [path] - reports memory usage", "HELP                - this message"];

/// How long the text of values is expected to be, in bytes: most is not longer, and a buffer of this size costs no more
/// than a smaller one.
const TEXT_BYTES_EXPECTED: usize = 1024;

/// The rows.
pub const COMMANDS: &[Command] = &[
    row("json.clear", 2, clear, &[WRITE], UPDATES)
        .docs("2.0.0", "key [path]", "Empties arrays and objects and sets numbers to 0.")
        .complexity("O(N) for N values in the document."),
    row("json.debug", 2, debug, &[READONLY], &[Keys::at(2, Access::RO)])
        .find_keys(debug_keys)
        .docs("1.0.0", "<MEMORY key [path] | HELP>", "Tells what memory values take.")
        .complexity("O(N) for N values in the document."),
    row("json.del", 2, del, &[WRITE], UPDATES)
        .docs("1.0.0", "key [path]", "Deletes values, or the key.")
        .complexity("O(N) for N values in the document."),
    row("json.forget", 2, del, &[WRITE], UPDATES)
        .docs("1.0.0", "key [path]", "Deletes values, or the key.")
        .complexity("O(N) for N values in the document."),
    row("json.get", 2, get, &[READONLY], READS)
        .docs(
            "1.0.0",
            "key [INDENT indent] [NEWLINE newline] [SPACE space] [FORMAT format] [path [path ...]]",
            "Returns values as text.",
        )
        .complexity("O(N) for N values in the document."),
    row("json.merge", 4, merge, &[WRITE, DENYOOM], UPDATES)
        .docs("2.6.0", "key path value", "Merges a value into those at a path.")
        .complexity("O(N) for N values in the document and in what is merged."),
    row("json.mget", 3, mget, &[READONLY], &[Keys::range(1, -2, 1, Access::RO.and(Access::ACCESS))])
        .docs("1.0.0", "key [key ...] path", "Returns the values at a path of several documents.")
        .complexity("O(N) for N values in the documents."),
    row("json.mset", 4, mset, &[WRITE, DENYOOM], &[Keys::range(1, -1, 3, Access::RW.and(Access::UPDATE))])
        .docs("2.6.0", "key path value [key path value ...]", "Sets values of several documents, or none.")
        .complexity("O(N) for N values in the documents and in what is set."),
    row("json.resp", 2, resp, &[READONLY], READS)
        .docs("1.0.0", "key [path]", "Returns values in the types of the protocol.")
        .complexity("O(N) for N values in the document."),
    row("json.set", 4, set, &[WRITE, DENYOOM], UPDATES)
        .docs(
            "1.0.0",
            "key path value [NX | XX] [FPHA <FP16 | BF16 | FP32 | FP64>] [FORMAT format]",
            "Sets the values at a path.",
        )
        .complexity("O(N) for N values in the document and in what is set."),
    row("json.toggle", 3, toggle, &[WRITE], UPDATES)
        .docs("2.0.0", "key path", "Turns booleans into the other one.")
        .complexity("O(N) for N values in the document."),
    row("json.type", 2, types, &[READONLY], READS)
        .docs("1.0.0", "key [path]", "Returns the types of values.")
        .complexity("O(N) for N values in the document."),
];

/// Whether values are set although they are there, or are not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    None,
    NotThere,
    There,
}

/// Something to be set.
enum Target {
    /// A value that is there.
    Value(Location),
    /// A member that is to be added to an object, if that is one and has none of this name.
    Member(Location, Vec<u8>),
}

/// What a path stands for that a value is to be set at.
fn targets(root: &Json, path: &Path, condition: Condition) -> Result<Vec<Target>, Error> {
    if condition != Condition::NotThere {
        let found = locate(&path.steps, root)?;
        if !found.is_empty() || condition == Condition::There {
            found.iter().try_for_each(check_depth)?;
            return Ok(found.into_iter().map(Target::Value).collect());
        }
    }
    match path.steps.split_last() {
        _ if !path.is_static() => Err(NOT_STATIC),
        Some((Step::Names(names), before)) => {
            let around = locate(before, root)?;
            around.iter().try_for_each(check_depth)?;
            let name = names.first().cloned().unwrap_or_default();
            Ok(around.into_iter().map(|location| Target::Member(location, name.clone())).collect())
        }
        Some(_) if find_first(&path.steps, root)?.is_none() => Err(OUT_OF_RANGE),
        _ => Ok(Vec::new()),
    }
}

/// Sets what a path stands for; whether anything was.
fn set_targets(root: &mut Json, targets: &[Target], value: Json, merges: bool) -> bool {
    let mut any = false;
    for target in targets {
        any |= match target {
            Target::Value(location) => match edit::at(root, location) {
                Some(place) if merges => {
                    edit::merge(place, value.clone());
                    true
                }
                Some(place) => {
                    *place = value.clone();
                    true
                }
                None => false,
            },
            Target::Member(location, name) => match edit::at(root, location).and_then(Json::as_object_mut) {
                Some(object) if object.position(name).is_none() => {
                    object.set(name, value.clone());
                    true
                }
                _ => false,
            },
        };
    }
    any
}

/// What SET is told behind the value: when it sets, and what numbers in arrays are to become.
fn options_of_set(args: Args<'_>) -> Result<(Condition, Option<Floats>), Error> {
    let (mut condition, mut floats, mut at) = (Condition::None, None, 4);
    while at < args.len() {
        if args.is(at, "nx") && condition == Condition::None {
            condition = Condition::NotThere;
        } else if args.is(at, "xx") && condition == Condition::None {
            condition = Condition::There;
        } else if args.is(at, "fpha") && floats.is_none() {
            at += 1;
            floats = Some(args.try_get(at).and_then(Floats::of).ok_or(NO_FLOATS)?);
        } else if args.is(at, "format") {
            at += 1;
            let is_known = at < args.len() && (args.is(at, "json") || args.is(at, "string"));
            if !is_known {
                return Err(Error::fixed("ERR wrong format"));
            }
        } else {
            return Err(SYNTAX);
        }
        at += 1;
    }
    Ok((condition, floats))
}

fn value_as(text: &[u8], floats: Option<Floats>) -> Result<Json, Error> {
    let mut value = value(text)?;
    if let Some(floats) = floats {
        let out_of_range = |_| Error::text(format!("ERR value out of range for {}", floats.name()));
        floats.apply(&mut value).map_err(out_of_range)?;
    }
    Ok(value)
}

fn set(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, (condition, floats)) = (args.key(1), options_of_set(args)?);
    let Some(root) = document_mut(cx.db, &key)? else {
        let new = value_as(args.get(3), floats)?;
        if condition == Condition::There {
            cx.reply.null();
            return Ok(());
        }
        if !is_root(args.get(2)) {
            return Err(NEW_AT_ROOT);
        }
        cx.db.put_bundled(&key, Document(new));
        return done(cx, &key, true, "json.set");
    };
    let new = value_as(args.get(3), floats)?;
    let is_set = if is_root(args.get(2)) {
        let may = condition != Condition::NotThere;
        if may {
            *root = new;
        }
        may
    } else {
        let path = path(args.get(2))?;
        let targets = targets(root, &path, condition)?;
        set_targets(root, &targets, new, false)
    };
    done(cx, &key, is_set, "json.set")
}

fn is_root(path: &[u8]) -> bool {
    matches!(path, b"$" | b".")
}

fn done(cx: &mut Ctx<'_>, key: &Key<'_>, changed: bool, event: &'static str) -> CmdResult {
    if changed {
        cx.changed(key, Event::module(event));
        cx.reply.ok();
    } else {
        cx.reply.null();
    }
    Ok(())
}

fn merge(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    let exists = document(cx.db, &key)?.is_some();
    let new = value(args.get(3))?;
    if !exists {
        if !is_root(args.get(2)) {
            return Err(NEW_AT_ROOT);
        }
        cx.db.put_bundled(&key, Document(new));
        return done(cx, &key, true, "json.merge");
    }
    let Some(root) = document_mut(cx.db, &key)? else { return Err(MISSING) };
    let path = path(args.get(2))?;
    let targets = targets(root, &path, Condition::None)?;
    let is_set = set_targets(root, &targets, new, true);
    done(cx, &key, is_set, "json.merge")
}

/// Everything is looked at before anything is set.
fn mset(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if !(args.len() - 1).is_multiple_of(3) {
        return Err(Error::wrong_arity("json.mset"));
    }
    let mut values = Vec::new();
    for at in (1..args.len()).step_by(3) {
        let key = args.key(at);
        let root = document(cx.db, &key)?;
        let is_root = is_root(args.get(at + 1));
        let path = match (root, is_root) {
            (_, true) => None,
            (None, false) => return Err(NEW_AT_ROOT),
            (Some(_), false) => Some(path(args.get(at + 1))?),
        };
        if let (Some(root), Some(path)) = (root, &path) {
            targets(root, path, Condition::None)?;
        }
        values.push((key, path, value(args.get(at + 2))?));
    }
    for (key, path, value) in values {
        let is_set = match (document_mut(cx.db, &key)?, path) {
            (Some(root), Some(path)) => {
                // What an earlier one has set may have made this path lead nowhere.
                targets(root, &path, Condition::None).is_ok_and(|targets| set_targets(root, &targets, value, false))
            }
            (Some(root), None) => {
                *root = value;
                true
            }
            (None, None) => {
                cx.db.put_bundled(&key, Document(value));
                true
            }
            (None, Some(_)) => false,
        };
        if is_set {
            cx.changed(&key, Event::module("json.mset"));
        }
    }
    cx.reply.ok();
    Ok(())
}

/// What GET is asked for besides paths.
struct Options<'a> {
    format: Format<'a>,
    /// How deep values are taken apart; `None` for text.
    depth: Option<usize>,
    paths: Vec<&'a [u8]>,
}

fn options<'a>(cx: &Ctx<'_>, args: Args<'a>) -> Result<Options<'a>, Error> {
    let mut options = Options { format: Format::default(), depth: None, paths: Vec::new() };
    let mut at = 2;
    while at < args.len() {
        let text = || args.try_get(at + 1).ok_or_else(|| Error::wrong_arity("json.get"));
        if args.is(at, "indent") {
            options.format.indent = text()?;
        } else if args.is(at, "newline") {
            options.format.newline = text()?;
        } else if args.is(at, "space") {
            options.format.space = text()?;
        } else if args.is(at, "format") {
            let name = text()?;
            check_resp3(cx)?;
            options.depth = format_depth(name, TEXT_OF_GET)?;
        } else {
            // Texts were never escaped, which an old option asks for.
            if !args.is(at, "noescape") {
                options.paths.push(args.get(at));
            }
            at += 1;
            continue;
        }
        at += 2;
    }
    if options.paths.is_empty() {
        options.paths.push(ROOT);
    }
    Ok(options)
}

/// Of several paths, and of those whose values are not text, one that makes no sense leads to nothing.
fn get(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let Options { format, depth, paths: texts } = options(cx, args)?;
    let Some(root) = document(cx.db, &args.key(1))? else {
        cx.reply.null();
        return Ok(());
    };
    if let Some(depth) = depth {
        cx.reply.array(texts.len());
        for text in texts {
            let found = path(text).map_or(Ok(Vec::new()), |path| find(&path.steps, root))?;
            cx.reply.array(found.len());
            found.iter().for_each(|value| reply_expanded(cx.reply, value, depth));
        }
        return Ok(());
    }
    let mut out = Vec::with_capacity(TEXT_BYTES_EXPECTED);
    match texts[..] {
        [text] => write_values(root, &path(text)?, &format, 0, &mut out)?.ok_or_else(|| no_path(&shown(text), ""))?,
        _ => write_by_paths(root, &texts, &format, &mut out)?,
    }
    cx.reply.bulk(&out);
    Ok(())
}

/// Adds the text of the values that a path leads to, or of the first one for a path of the older kind; `None` if that
/// leads to nothing.
fn write_values(
    root: &Json,
    path: &Path,
    format: &Format<'_>,
    level: usize,
    out: &mut Vec<u8>,
) -> Result<Option<()>, Error> {
    if path.is_legacy {
        let first = find_first(&path.steps, root)?;
        return Ok(first.map(|value| write::write(value, format, level, out)));
    }
    text_of_all(&find(&path.steps, root)?, format, level, out).map(Some)
}

/// Adds an object of what each path leads to. If all are of the older kind, that is one value each, and has to be there.
fn write_by_paths(root: &Json, texts: &[&[u8]], format: &Format<'_>, out: &mut Vec<u8>) -> CmdResult {
    let is_legacy = texts.iter().all(|text| shown(text) != *text);
    let known = texts.iter().filter_map(|text| Some((*text, Path { is_legacy, ..path(text).ok()? })));
    let members: Vec<_> = known.map(|(text, path)| (text, (text, path))).collect();
    let mut outcome = Ok(());
    write::write_object(members.into_iter(), format, 0, out, &mut |(text, path), level, out| {
        if outcome.is_ok() {
            let written = write_values(root, &path, format, level, out);
            outcome = written.and_then(|any| any.ok_or_else(|| no_path(text, "")));
        }
    });
    outcome
}

/// A key of another type has no value here, and a path that makes no sense leads to none.
fn mget(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let last = args.len() - 1;
    let path = path(args.get(last)).ok();
    cx.reply.array(last - 1);
    for at in 1..last {
        let root = document(cx.db, &args.key(at)).ok().flatten();
        let Some((root, path)) = root.zip(path.as_ref()) else {
            cx.reply.null();
            continue;
        };
        let mut out = Vec::with_capacity(TEXT_BYTES_EXPECTED);
        match write_values(root, path, &Format::default(), 0, &mut out)? {
            Some(()) => cx.reply.bulk(&out),
            None => cx.reply.null(),
        }
    }
    Ok(())
}

fn del(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    let Some(root) = document_mut(cx.db, &key)? else {
        cx.reply.integer(0);
        return Ok(());
    };
    let path = path(args.try_get(2).unwrap_or(ROOT))?;
    let deleted = if path.is_root() {
        cx.db.delete(&key);
        1
    } else {
        let found = locate(&path.steps, root)?;
        edit::remove(root, found)
    };
    if deleted > 0 {
        cx.changed(&key, Event::module("json.del"));
    }
    cx.reply.integer(deleted as i64);
    Ok(())
}

fn clear(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    let root = document_mut(cx.db, &key)?.ok_or(MISSING)?;
    let path = path(args.try_get(2).unwrap_or(ROOT))?;
    let results = change_each(root, &path, |value| Ok(edit::clear(value).then_some(())))?;
    changed(cx, &key, &results, "json.clear");
    cx.reply.integer(results.iter().flatten().count() as i64);
    Ok(())
}

fn toggle(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    let root = document_mut(cx.db, &key)?.ok_or(MISSING)?;
    let path = path(args.get(2))?;
    let results = change_each(root, &path, |value| {
        let Json::Bool(bool) = value else { return Ok(None) };
        *bool = !*bool;
        Ok(Some(*bool))
    })?;
    changed(cx, &key, &results, "json.toggle");
    let is_legacy = path.is_legacy;
    let missing = || no_path(&shown(args.get(2)), " or not a bool");
    reply_each(cx, &path, results, missing, |reply, bool| match is_legacy {
        true => reply.bulk(if bool { b"true" } else { b"false" }),
        false => reply.integer(i64::from(bool)),
    })
}

/// Under RESP3 the reply lies in an array, which has an element for each path.
fn types(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if access::is_resp3(cx) {
        cx.reply.array(1);
    }
    let text = args.try_get(2).unwrap_or(ROOT);
    with_values(cx, args, text, |reply, value| reply.bulk(value.type_name().as_bytes()), None)
}

fn resp(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let text = args.try_get(2).unwrap_or(ROOT);
    let missing = no_path(&shown(text), "");
    with_values(cx, args, text, replies::reply_resp, Some(missing))
}

/// Replies with something about each value at a path, or about the first one for a path of the older kind; null or an
/// error if there is none.
fn with_values(
    cx: &mut Ctx<'_>,
    args: Args<'_>,
    text: &[u8],
    write: impl Fn(&mut Reply, &Json),
    missing: Option<Error>,
) -> CmdResult {
    let Some(root) = document(cx.db, &args.key(1))? else {
        cx.reply.null();
        return Ok(());
    };
    let path = match path(text) {
        // One of the older kind that makes no sense leads to nothing.
        Err(_) if missing.is_none() && shown(text) != text => {
            cx.reply.null();
            return Ok(());
        }
        path => path?,
    };
    let found = find(&path.steps, root)?;
    match (path.is_legacy, found.first(), missing) {
        (false, ..) => {
            cx.reply.array(found.len());
            found.iter().for_each(|value| write(cx.reply, value));
        }
        (true, Some(value), _) => write(cx.reply, value),
        (true, None, None) => cx.reply.null(),
        (true, None, Some(missing)) => return Err(missing),
    }
    Ok(())
}

fn debug_keys(args: Args<'_>) -> Option<Vec<FoundKey>> {
    let has_key = args.is(1, "memory") && args.len() > 2;
    Some(has_key.then_some(FoundKey { index: 2, access: Access::RO }).into_iter().collect())
}

fn debug(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if args.is(1, "help") {
        cx.reply.array(DEBUG_HELP.len());
        DEBUG_HELP.iter().for_each(|line| cx.reply.bulk(line.as_bytes()));
        return Ok(());
    }
    if !args.is(1, "memory") {
        return Err(Error::fixed("ERR unknown subcommand - try `JSON.DEBUG HELP`"));
    }
    let key = args.try_get(2).map(|_| args.key(2)).ok_or_else(|| Error::wrong_arity("json.debug"))?;
    let text = args.try_get(3).unwrap_or(ROOT);
    memory(cx.db, cx.reply, &key, text)
}

fn memory(db: &mut Databases, reply: &mut Reply, key: &Key<'_>, text: &[u8]) -> CmdResult {
    let size = |value: &Json| (size_of::<Json>() + value.heap_bytes()) as i64;
    let path = path(text)?;
    let root = document(db, key)?;
    let values = root.map_or(Ok(Vec::new()), |root| find(&path.steps, root))?;
    let found: Vec<i64> = values.into_iter().map(size).collect();
    match (path.is_legacy, root.is_some(), found.first()) {
        (false, ..) => {
            reply.array(found.len());
            found.iter().for_each(|size| reply.integer(*size));
        }
        (true, _, Some(size)) => reply.integer(*size),
        (true, false, None) => reply.integer(0),
        (true, true, None) => return Err(no_path(&shown(text), "")),
    }
    Ok(())
}
