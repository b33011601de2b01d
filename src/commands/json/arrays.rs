//! Arrays in JSON documents.
//!
//! Of arrays within arrays that a path leads to, RedisJSON changes the outer ones first, and stops with an error where
//! an inner one is no longer at its place, what came before being changed, or falls over. Only POP does it like this
//! here, where RedisJSON has an answer: no value for those that are gone.

use super::access::{
    MISSING, READS, ROOT, TEXT_OF_POP, UPDATES, change_each, change_inner_first, changed, check_resp3, document,
    document_mut, format_depth, integer, no_path, operand, path, reply_each, reply_expanded, row, value, wrong_value,
};
use crate::command::Args;
use crate::command::Error;
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::server::execution::{Command, Ctx};
use crate::types::json::path_find::find;
use crate::types::json::path_text::shown;
use crate::types::json::value::Json;
use crate::types::json::write;

const NO_ARRAY: &str = " or not an array";
const LEGACY_EXPANDED: Error = Error::fixed("Legacy paths are supported only with FORMAT STRINGS");
const OUT_OF_BOUNDS: Error = Error::fixed("ERR index out of bounds");

/// The rows.
pub const COMMANDS: &[Command] = &[
    row("json.arrappend", 4, append, &[WRITE, DENYOOM], UPDATES)
        .docs("1.0.0", "key path value [value ...]", "Adds values at the end of arrays.")
        .complexity("O(N) for N values in the document."),
    row("json.arrindex", 4, index, &[READONLY], READS)
        .docs("1.0.0", "key path value [start [stop]]", "Returns the first place of a value in arrays.")
        .complexity("O(N) for N values in the document."),
    row("json.arrinsert", 5, insert, &[WRITE, DENYOOM], UPDATES)
        .docs("1.0.0", "key path index value [value ...]", "Puts values into arrays before a place.")
        .complexity("O(N) for N values in the document."),
    row("json.arrlen", 2, len, &[READONLY], READS)
        .docs("1.0.0", "key [path]", "Returns how many values arrays have.")
        .complexity("O(N) for N values in the document."),
    row("json.arrpop", 2, pop, &[WRITE], UPDATES)
        .docs("1.0.0", "key [FORMAT format] [path [index]]", "Removes and returns a value of arrays.")
        .complexity("O(N) for N values in the document."),
    row("json.arrtrim", 5, trim, &[WRITE], UPDATES)
        .docs("1.0.0", "key path start stop", "Removes all values of arrays but those of a range.")
        .complexity("O(N) for N values in the document."),
];

fn values(args: Args<'_>, from: usize) -> Result<Vec<Json>, Error> {
    args.rest(from).map(value).collect()
}

fn append(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, added) = (args.key(1), values(args, 3)?);
    let root = document_mut(cx.db, &key)?.ok_or(MISSING)?;
    let path = path(args.get(2))?;
    let results = change_each(root, &path, |value| {
        Ok(value.as_array_mut().map(|array| {
            array.extend(added.iter().cloned());
            array.len() as i64
        }))
    })?;
    changed(cx, &key, &results, "json.arrappend");
    reply_each(cx, &path, results, || no_path(args.get(2), NO_ARRAY), |reply, len| reply.integer(len))
}

/// A place counted from the beginning; a negative one counts from the end.
fn from_end(index: i64, len: usize) -> i64 {
    if index < 0 { index.saturating_add(len as i64) } else { index }
}

fn insert(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, index, added) = (args.key(1), integer(args.get(3))?, values(args, 4)?);
    let root = document_mut(cx.db, &key)?.ok_or(MISSING)?;
    let path = path(args.get(2))?;
    let fits = |len: usize| usize::try_from(from_end(index, len)).ok().filter(|index| *index <= len);
    let arrays = find(&path.steps, root)?.into_iter().filter_map(Json::as_array);
    if arrays.into_iter().any(|array| fits(array.len()).is_none()) {
        return Err(OUT_OF_BOUNDS);
    }
    let results = change_inner_first(root, &path, |value| {
        let array = value.as_array_mut()?;
        let index = fits(array.len())?;
        array.splice(index..index, added.iter().cloned());
        Some(array.len() as i64)
    })?;
    changed(cx, &key, &results, "json.arrinsert");
    reply_each(cx, &path, results, || no_path(&shown(args.get(2)), NO_ARRAY), |reply, len| reply.integer(len))
}

fn pop(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, has_format) = (args.key(1), args.len() > 3 && args.is(2, "format"));
    let at = if has_format { 4 } else { 2 };
    let text = args.try_get(at).unwrap_or(ROOT);
    let depth = if has_format { format_depth(args.get(3), TEXT_OF_POP)? } else { None };
    if has_format {
        check_resp3(cx)?;
    }
    if depth.is_some() && shown(text) != text {
        return Err(LEGACY_EXPANDED);
    }
    let index = args.try_get(at + 1).and_then(|text| integer(text).ok()).unwrap_or(-1);
    let root = document_mut(cx.db, &key)?.ok_or(MISSING)?;
    let path = path(text)?;
    let results = change_each(root, &path, |value| {
        let Some(array) = value.as_array_mut() else { return Ok(None) };
        if array.is_empty() {
            return Ok(Some(None));
        }
        let index = from_end(index, array.len()).clamp(0, array.len() as i64 - 1);
        Ok(Some(Some(array.remove(index as usize))))
    })?;
    let popped: Vec<Option<()>> = results.iter().map(|result| result.as_ref()?.as_ref().map(|_| ())).collect();
    changed(cx, &key, &popped, "json.arrpop");
    reply_each(
        cx,
        &path,
        results,
        || no_path(&shown(text), NO_ARRAY),
        |reply, popped| match (popped, depth) {
            (None, _) => reply.null(),
            (Some(value), None) => reply.bulk(&write::text(&value)),
            (Some(value), Some(depth)) => reply_expanded(reply, &value, depth),
        },
    )
}

/// The first and the last place of what TRIM keeps. A last one before the beginning is the first place.
fn kept(start: i64, stop: i64, len: usize) -> Option<(usize, usize)> {
    let last = i64::try_from(len).ok()?.checked_sub(1).filter(|last| *last >= 0)?;
    let within = |index: i64| from_end(index, len).clamp(0, last);
    let (first, stop) = (within(start), within(stop));
    let keeps = first <= stop && start <= last;
    keeps.then_some((first as usize, stop as usize))
}

fn trim(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, start, stop) = (args.key(1), integer(args.get(3))?, integer(args.get(4))?);
    let root = document_mut(cx.db, &key)?.ok_or(MISSING)?;
    let path = path(args.get(2))?;
    let results = change_inner_first(root, &path, |value| {
        let array = value.as_array_mut()?;
        match kept(start, stop, array.len()) {
            Some((start, stop)) => {
                array.truncate(stop + 1);
                array.drain(..start);
            }
            None => array.clear(),
        }
        Some(array.len() as i64)
    })?;
    changed(cx, &key, &results, "json.arrtrim");
    reply_each(cx, &path, results, || no_path(&shown(args.get(2)), NO_ARRAY), |reply, len| reply.integer(len))
}

fn len(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let text = args.try_get(2).unwrap_or(ROOT);
    let is_legacy = shown(text) != text;
    let Some(root) = document(cx.db, &args.key(1))? else {
        if !is_legacy {
            return Err(MISSING);
        }
        cx.reply.null();
        return Ok(());
    };
    let path = path(text)?;
    let found = find(&path.steps, root)?;
    if is_legacy {
        let first = found.first().ok_or_else(|| no_path(text, ""))?;
        let array = first.as_array().ok_or_else(|| no_path(text, NO_ARRAY))?;
        cx.reply.integer(array.len() as i64);
        return Ok(());
    }
    cx.reply.array(found.len());
    for value in found {
        match value.as_array() {
            Some(array) => cx.reply.integer(array.len() as i64),
            None => cx.reply.null(),
        }
    }
    Ok(())
}

/// Where a value is between two places, the second excluded; 0 for that is the end.
fn place_of(array: &[Json], sought: &Json, start: i64, stop: i64) -> i64 {
    let len = array.len();
    if len == 0 {
        return -1;
    }
    let within = |index: i64, most: usize| from_end(index, len).clamp(0, most as i64) as usize;
    let start = within(start, len - 1);
    let stop = if stop == 0 { len } else { within(stop, len) };
    let found = (start..stop).find(|index| array[*index] == *sought);
    found.map_or(-1, |index| index as i64)
}

fn index(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let text = args.get(2);
    let sought = operand(args.get(3))?;
    let start = args.try_get(4).map_or(Ok(0), integer)?;
    let stop = args.try_get(5).map_or(Ok(0), integer)?;
    let Some(root) = document(cx.db, &args.key(1))? else { return Err(no_path(text, "")) };
    let path = path(text)?;
    let found = find(&path.steps, root)?;
    if path.is_legacy {
        let first = found.first().ok_or_else(|| no_path(&shown(text), ""))?;
        let array = first.as_array().ok_or_else(|| wrong_value("array", first.type_name()))?;
        cx.reply.integer(place_of(array, &sought, start, stop));
        return Ok(());
    }
    cx.reply.array(found.len());
    for value in found {
        match value.as_array() {
            Some(array) => cx.reply.integer(place_of(array, &sought, start, stop)),
            None => cx.reply.null(),
        }
    }
    Ok(())
}
