//! Numbers, strings and the names of members in JSON documents.

use super::access::{
    MISSING, READS, ROOT, UPDATES, change_each, changed, document, document_mut, is_resp3, no_path, operand, path,
    reply_each, reply_expanded, row, text_of_all, wrong_value,
};
use crate::command::Args;
use crate::command::Error;
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::resp::reply::Reply;
use crate::server::execution::{Command, Ctx};
use crate::types::json::edit::{self, Arithmetic};
use crate::types::json::path_find::{find, locate};
use crate::types::json::path_text::shown;
use crate::types::json::value::{Json, Text};
use crate::types::json::write::{self, Format};

const NO_RESULT: Error = Error::fixed("ERR result is not a number");
const NO_NUMBER: Error = Error::fixed("bad input number");

/// The rows.
pub const COMMANDS: &[Command] = &[
    row("json.numincrby", 4, increment, &[WRITE], UPDATES)
        .docs("1.0.0", "key path value", "Adds a number to numbers.")
        .complexity("O(N) for N values in the document."),
    row("json.nummultby", 4, multiply, &[WRITE], UPDATES)
        .docs("1.0.0", "key path value", "Multiplies numbers by a number.")
        .complexity("O(N) for N values in the document."),
    row("json.numpowby", 4, power, &[WRITE], UPDATES)
        .docs("1.0.0", "key path value", "Raises numbers to a power.")
        .complexity("O(N) for N values in the document."),
    row("json.objkeys", 2, keys, &[READONLY], READS)
        .docs("1.0.0", "key [path]", "Returns the names of the members of objects.")
        .complexity("O(N) for N values in the document."),
    row("json.objlen", 2, object_len, &[READONLY], READS)
        .docs("1.0.0", "key [path]", "Returns how many members objects have.")
        .complexity("O(N) for N values in the document."),
    row("json.strappend", 3, append, &[WRITE, DENYOOM], UPDATES)
        .docs("1.0.0", "key [path] value", "Adds a text at the end of strings.")
        .complexity("O(N) for N values in the document."),
    row("json.strlen", 2, text_len, &[READONLY], READS)
        .docs("1.0.0", "key [path]", "Returns the length of strings in bytes.")
        .complexity("O(N) for N values in the document."),
];

fn increment(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    calculate(cx, args, Arithmetic::Add, "json.numincrby")
}

fn multiply(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    calculate(cx, args, Arithmetic::Multiply, "json.nummultby")
}

fn power(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    calculate(cx, args, Arithmetic::Power, "json.numpowby")
}

/// Nothing changes if one of the results is not a number.
fn calculate(cx: &mut Ctx<'_>, args: Args<'_>, arithmetic: Arithmetic, event: &'static str) -> CmdResult {
    let (key, text, is_resp3) = (args.key(1), args.get(2), is_resp3(cx));
    let root = document_mut(cx.db, &key)?.ok_or(MISSING)?;
    let path = path(text)?;
    let locations = locate(&path.steps, root)?;
    let is_number = |value: &Json| value.number().is_some();
    let any = locations.iter().any(|location| edit::at(root, location).is_some_and(|value| is_number(value)));
    let missing = || no_path(&shown(text), " or does not contains a number");
    if path.is_legacy && !any && !is_resp3 {
        return Err(missing());
    }
    let operand = if any { Some(operand(args.get(3))?) } else { None };
    if operand.as_ref().is_some_and(|operand| !is_number(operand)) {
        return Err(NO_NUMBER);
    }
    let (mut old, mut results) = (Vec::new(), Vec::new());
    for location in &locations {
        let place = edit::at(root, location).filter(|value| is_number(value));
        let Some((place, operand)) = place.zip(operand.as_ref()) else {
            results.push(None);
            continue;
        };
        let Some(result) = arithmetic.of(place, operand) else {
            for (location, value) in old.into_iter().rev() {
                if let Some(place) = edit::at(root, location) {
                    *place = value;
                }
            }
            return Err(NO_RESULT);
        };
        old.push((location, std::mem::replace(place, result.clone())));
        results.push(Some(result));
    }
    changed(cx, &key, &results, event);
    reply_numbers(cx, path.is_legacy, &results)
}

/// Under RESP3 numbers are numbers, in an array whatever the path. Before that they are text.
fn reply_numbers(cx: &mut Ctx<'_>, is_legacy: bool, results: &[Option<Json>]) -> CmdResult {
    let null = Json::Null;
    let all: Vec<&Json> = results.iter().map(|result| result.as_ref().unwrap_or(&null)).collect();
    if is_resp3(cx) {
        cx.reply.array(all.len());
        all.iter().for_each(|value| reply_expanded(cx.reply, value, 0));
        return Ok(());
    }
    let mut out = Vec::new();
    match results.iter().flatten().next_back() {
        Some(last) if is_legacy => write::write(last, &Format::default(), 0, &mut out),
        _ => text_of_all(&all, &Format::default(), 0, &mut out)?,
    }
    cx.reply.bulk(&out);
    Ok(())
}

fn append(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    let (text, added) = match args.try_get(3) {
        Some(added) => (args.get(2), added),
        None => (ROOT, args.get(2)),
    };
    let root = document_mut(cx.db, &key)?.ok_or(MISSING)?;
    let path = path(text)?;
    let locations = locate(&path.steps, root)?;
    let any = locations.iter().any(|location| edit::at(root, location).is_some_and(|value| value.as_text().is_some()));
    let missing = || no_path(&shown(text), " or not a string");
    if path.is_legacy && !any {
        return Err(missing());
    }
    // What is to be added is looked at only where there is something to add it to.
    let added = if any { operand(added)? } else { Json::text(b"") };
    let Some(added) = added.as_text() else {
        let shown = write::text(&added);
        return Err(wrong_value("string", &String::from_utf8_lossy(&shown)));
    };
    let results = change_each(root, &path, |value| {
        let Json::Text(text) = value else { return Ok(None) };
        let whole = [text.bytes(), added].concat();
        *text = Text::new(&whole);
        Ok(Some(whole.len() as i64))
    })?;
    changed(cx, &key, &results, "json.strappend");
    reply_each(cx, &path, results, missing, |reply, len| reply.integer(len))
}

fn text_len(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let text = args.try_get(2).unwrap_or(ROOT);
    let about = About { missing_key: MISSING, missing: Some(no_path(&shown(text), "")) };
    about.each(cx, args, text, |reply, value| {
        let bytes = value.as_text().ok_or_else(|| wrong_value("string", value.type_name()))?;
        reply.integer(bytes.len() as i64);
        Ok(())
    })
}

fn object_len(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let text = args.try_get(2).unwrap_or(ROOT);
    let about = About { missing_key: no_path(text, " or not an object"), missing: None };
    about.each(cx, args, text, |reply, value| {
        let object = value.as_object().ok_or_else(|| wrong_value("object", value.type_name()))?;
        reply.integer(object.len() as i64);
        Ok(())
    })
}

fn keys(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let text = args.try_get(2).unwrap_or(ROOT);
    let about = About { missing_key: MISSING, missing: None };
    about.each(cx, args, text, |reply, value| {
        let object = value.as_object().ok_or_else(|| no_path(&shown(text), " or not an object"))?;
        reply.array(object.len());
        object.members().iter().for_each(|member| reply.bulk(member.name.bytes()));
        Ok(())
    })
}

/// What is said where there is nothing to tell about.
struct About {
    /// The key is not there, and the path is no older one.
    missing_key: Error,
    /// An older path leads to nothing; null without it.
    missing: Option<Error>,
}

impl About {
    /// Replies with something about each value at a path, null where that does not apply; for an older path about the
    /// first value, or with the error if it does not apply.
    fn each(
        self,
        cx: &mut Ctx<'_>,
        args: Args<'_>,
        text: &[u8],
        tell: impl Fn(&mut Reply, &Json) -> CmdResult,
    ) -> CmdResult {
        let is_legacy = shown(text) != text;
        let Some(root) = document(cx.db, &args.key(1))? else {
            if !is_legacy {
                return Err(self.missing_key);
            }
            cx.reply.null();
            return Ok(());
        };
        let path = match path(text) {
            Ok(path) => path,
            Err(_) if is_legacy && self.missing.is_none() => {
                cx.reply.null();
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let found = find(&path.steps, root)?;
        if !is_legacy {
            cx.reply.array(found.len());
            for value in found {
                if tell(cx.reply, value).is_err() {
                    cx.reply.null();
                }
            }
            return Ok(());
        }
        match (found.first(), self.missing) {
            (Some(value), _) => tell(cx.reply, value),
            (None, Some(missing)) => Err(missing),
            (None, None) => {
                cx.reply.null();
                Ok(())
            }
        }
    }
}
