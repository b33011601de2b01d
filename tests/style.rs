//! The rules of the source tree which the compiler does not check.
//!
//! Rooms know only the rooms below them, files and functions stay short, `unsafe` stays where it is
//! named and gives its reason, and nothing is left for later. Limits are a ratchet: what exceeds one
//! stands in a list by name and length, may not grow, and leaves the list when it fits.

#[path = "style/imports.rs"]
mod imports;
#[path = "style/scanner.rs"]
mod scanner;

use std::collections::BTreeMap;

use scanner::{functions, has_word, sources};

const FILE_LINES_MAX: usize = 700;
const FAMILY_FILE_LINES_MAX: usize = 900;
const FUNCTION_LINES_MAX: usize = 80;

/// Files above the limit, with the length they may not exceed.
const LONG_FILES: &[(&str, usize)] = &[];

/// Functions above the limit as `file::function`, with the length they may not exceed.
const LONG_FUNCTIONS: &[(&str, usize)] = &[];

/// The only files that may hold `unsafe`.
const UNSAFE_FILES: &[&str] = &[
    "src/server/crash.rs",
    "src/db/dict.rs",
    "src/db/entry.rs",
    "src/db/entry/packed.rs",
    "src/db/entry/view.rs",
    "src/db/entry/collection.rs",
    "src/resp/reply/strings.rs",
    "src/script/lua.rs",
    "src/script/lua/calls.rs",
    "src/script/lua/memory.rs",
    "src/server/scripting/run.rs",
    "src/types/item.rs",
    "src/types/sharing.rs",
    "src/types/hash/field.rs",
    "src/types/hash/form.rs",
    "src/types/set/form.rs",
    "src/types/set/thin.rs",
    "src/types/sorted_set/item.rs",
    "src/types/sorted_set/ordered.rs",
    "src/types/listpack/thin.rs",
    "src/types/table.rs",
    "src/types/table/arena.rs",
    "src/types/table/lent.rs",
    "src/types/table/resize.rs",
    "src/types/table/segment.rs",
    "src/types/table/tests.rs",
    "src/persist/fork.rs",
    "src/types/vector_set/distance.rs",
    "src/util/alloc.rs",
    "src/util/bits/counting.rs",
    "src/util/clock.rs",
    "src/util/key_hash.rs",
    "src/util/platform.rs",
    "src/util/prefetch.rs",
    "src/util/process_title.rs",
];

const LEFTOVER_MACROS: &[&str] = &["todo!", "unimplemented!"];
const LEFTOVER_MARKS: &[&str] = &["TODO", "FIXME", "XXX"];

#[test]
fn files_and_functions_are_short() {
    let (mut long_files, mut long_functions) = (BTreeMap::new(), BTreeMap::new());
    for file in sources() {
        let family = file.path.starts_with("src/commands/");
        let limit = if family { FAMILY_FILE_LINES_MAX } else { FILE_LINES_MAX };
        let length = file.text.lines().count();
        if length > limit {
            long_files.insert(file.path.clone(), length);
        }
        for function in functions(&file.code) {
            if function.lines > FUNCTION_LINES_MAX {
                let name = format!("{}::{}", file.path, function.name);
                let longest = long_functions.entry(name).or_insert(0);
                *longest = function.lines.max(*longest);
            }
        }
    }
    let mut faults = exceptions(&long_files, LONG_FILES);
    faults.extend(exceptions(&long_functions, LONG_FUNCTIONS));
    assert_none(&faults);
}

#[test]
fn unsafe_code_stays_in_named_files_and_gives_its_reason() {
    let mut faults = Vec::new();
    for file in sources() {
        let named = UNSAFE_FILES.contains(&file.path.as_str());
        let raw: Vec<&str> = file.text.lines().collect();
        let code: Vec<&str> = file.code.lines().collect();
        for (index, line) in code.iter().enumerate() {
            if !has_word(line, "unsafe") {
                continue;
            }
            if !named {
                faults.push(format!("{}:{} has unsafe code", file.path, index + 1));
            } else if needs_reason(&code, index) && !has_reason(&raw, &code, index) {
                faults.push(format!("{}:{} lacks a SAFETY comment", file.path, index + 1));
            }
        }
        if !named && file.code.contains("allow(unsafe_code") {
            faults.push(format!("{} allows unsafe code", file.path));
        }
    }
    assert_none(&faults);
}

/// Whoever sends something to a client needs a permit, and one place makes them: see `net::connection`.
#[test]
fn one_place_permits_what_is_sent_to_clients() {
    let makes = |file: &scanner::Source| file.code.matches("SendPermit::granted(").count();
    let places: Vec<(String, usize)> =
        sources().iter().map(|file| (file.path.clone(), makes(file))).filter(|(_, count)| *count > 0).collect();
    assert_eq!(places, [("src/server/persistence/aof_write.rs".to_owned(), 1)]);
}

#[test]
fn nothing_is_left_for_later() {
    let mut faults = Vec::new();
    for file in sources() {
        for (number, (code, comment)) in file.code.lines().zip(file.comments.lines()).enumerate() {
            let macros = LEFTOVER_MACROS.iter().filter(|name| code.contains(**name));
            let marks = LEFTOVER_MARKS.iter().filter(|mark| has_word(comment, mark));
            for found in macros.chain(marks) {
                faults.push(format!("{}:{} has {found}", file.path, number + 1));
            }
        }
    }
    assert_none(&faults);
}

fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// Compares what exceeds a limit with the list of what may.
fn exceptions(found: &BTreeMap<String, usize>, allowed: &[(&str, usize)]) -> Vec<String> {
    let allowed: BTreeMap<&str, usize> = allowed.iter().copied().collect();
    let mut faults = Vec::new();
    for (name, lines) in found {
        match allowed.get(name.as_str()) {
            None => faults.push(format!("{name} has {lines} lines")),
            Some(most) if lines > most => {
                faults.push(format!("{name} grew from {most} to {lines} lines"));
            }
            Some(_) => {}
        }
    }
    for name in allowed.keys().filter(|name| !found.contains_key(**name)) {
        faults.push(format!("{name} needs no exception any more"));
    }
    faults
}

/// Blocks and implementations owe a reason; an `unsafe fn` has its contract in its documentation.
fn needs_reason(code: &[&str], index: usize) -> bool {
    let after = code[index].split_once("unsafe").map_or("", |(_, after)| after).trim_start();
    after.starts_with('{') || after.starts_with("impl") || after.is_empty()
}

/// Looks for `SAFETY:` on the line, or in the comment above the statement the line belongs to.
fn has_reason(raw: &[&str], code: &[&str], index: usize) -> bool {
    if raw[index].contains("SAFETY:") {
        return true;
    }
    for above in (0..index).rev() {
        let (text, code) = (raw[above].trim(), code[above].trim());
        if text.starts_with("//") {
            if text.contains("SAFETY:") {
                return true;
            }
        } else if text.is_empty() || (!code.starts_with("#[") && code.ends_with([';', '{', '}', ','])) {
            return false;
        }
    }
    false
}

#[test]
fn exceptions_only_shrink() {
    let found = BTreeMap::from([("a".to_owned(), 90), ("b".to_owned(), 90)]);
    assert_eq!(exceptions(&found, &[("a", 90), ("b", 95)]), Vec::<String>::new());
    assert_eq!(exceptions(&found, &[("a", 85), ("b", 90), ("c", 99)]).len(), 2);
    assert_eq!(exceptions(&found, &[("a", 90)]).len(), 1);
}
