//! The rules of the source tree which the compiler does not check.
//!
//! Rooms know only the rooms below them, files and functions stay short, `unsafe` stays where it is
//! named and gives its reason, and nothing is left for later. Limits are a ratchet: what exceeds one
//! stands in a list by name and length, may not grow, and leaves the list when it fits.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A room of `src/` and the modules of the crate it must not name.
const FORBIDDEN: &[(&str, &[&str])] = &[
    ("util", &["types", "db", "resp", "net", "client", "command", "commands", "server"]),
    ("types", &["db", "resp", "net", "client", "command", "commands", "server"]),
    ("db", &["resp", "net", "client", "command", "commands", "server"]),
    ("persist/rdb", &["resp", "net", "client", "command", "commands", "server"]),
];

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
    "src/db/entry/view.rs",
    "src/db/entry/collection.rs",
    "src/script/lua.rs",
    "src/script/lua/calls.rs",
    "src/script/lua/memory.rs",
    "src/server/scripting/run.rs",
    "src/types/item.rs",
    "src/types/hash/field.rs",
    "src/types/hash/form.rs",
    "src/types/sorted_set/item.rs",
    "src/types/sorted_set/ordered.rs",
    "src/types/listpack/thin.rs",
    "src/types/table.rs",
    "src/types/table/arena.rs",
    "src/types/table/resize.rs",
    "src/types/table/segment.rs",
    "src/types/table/tests.rs",
    "src/persist/fork.rs",
    "src/util/alloc.rs",
    "src/util/clock.rs",
    "src/util/platform.rs",
    "src/util/prefetch.rs",
    "src/util/process_title.rs",
];

const LEFTOVER_MACROS: &[&str] = &["todo!", "unimplemented!"];
const LEFTOVER_MARKS: &[&str] = &["TODO", "FIXME", "XXX"];

#[test]
fn rooms_know_only_the_rooms_below() {
    let mut faults = Vec::new();
    for file in sources() {
        let Some((_, modules)) = FORBIDDEN.iter().find(|(room, _)| file.is_in_room(room)) else {
            continue;
        };
        for (line, module) in crate_modules(&file.code) {
            if modules.contains(&module.as_str()) {
                faults.push(format!("{}:{line} names crate::{module}", file.path));
            }
        }
    }
    assert_none(&faults);
}

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

/// A source file, and its code and comments apart, each with the other's characters blanked.
struct Source {
    path: String,
    text: String,
    code: String,
    comments: String,
}

impl Source {
    fn is_in_room(&self, room: &str) -> bool {
        let path = self.path.strip_prefix("src/").unwrap_or(&self.path);
        path.strip_prefix(room).is_some_and(|rest| rest.starts_with('/') || rest == ".rs")
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(&root.join("src"), &mut paths);
    paths.sort();
    assert!(!paths.is_empty(), "no sources below {}", root.display());
    paths
        .iter()
        .map(|path| {
            let text = fs::read_to_string(path).expect("a readable source file");
            let (code, comments) = separate(&text);
            let path = path.strip_prefix(root).expect("a path below the root");
            Source { path: path.display().to_string().replace('\\', "/"), text, code, comments }
        })
        .collect()
}

fn collect(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("a directory entry").path();
        if path.is_dir() {
            collect(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Code,
    Comment,
    Literal,
}

/// Splits a source text into code and comments; literals are blanked in both, line breaks kept.
fn separate(text: &str) -> (String, String) {
    let text: Vec<char> = text.chars().collect();
    let (mut code, mut comments) = (String::new(), String::new());
    let mut at = 0;
    while at < text.len() {
        let (part, length) = next_part(&text, at);
        for &character in &text[at..at + length] {
            let blank = if character == '\n' { '\n' } else { ' ' };
            code.push(if part == Part::Code { character } else { blank });
            comments.push(if part == Part::Comment { character } else { blank });
        }
        at += length;
    }
    (code, comments)
}

/// What starts at `at`, and how many characters it has; code comes one character or word at a time.
fn next_part(text: &[char], at: usize) -> (Part, usize) {
    let rest = &text[at..];
    match (rest[0], rest.get(1)) {
        ('/', Some('/')) => (Part::Comment, until(rest, |i| rest[i] == '\n')),
        ('/', Some('*')) => (Part::Comment, block_comment(rest)),
        ('"', _) => (Part::Literal, quoted(rest, '"')),
        ('\'', Some('\\')) => (Part::Literal, quoted(rest, '\'')),
        ('\'', Some(_)) if rest.get(2) == Some(&'\'') => (Part::Literal, 3),
        (first, _) if is_word(first) => {
            let word = until(rest, |i| !is_word(rest[i]));
            let raw = matches!(rest[..word], ['r'] | ['b', 'r'] | ['c', 'r']);
            let hashes = rest[word..].iter().take_while(|c| **c == '#').count();
            if raw && rest.get(word + hashes) == Some(&'"') {
                (Part::Literal, raw_string(rest, word + hashes, hashes))
            } else {
                (Part::Code, word)
            }
        }
        _ => (Part::Code, 1),
    }
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn until(rest: &[char], is_end: impl Fn(usize) -> bool) -> usize {
    (0..rest.len()).find(|i| is_end(*i)).unwrap_or(rest.len())
}

fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match (rest[at], rest.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(rest.len())
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

fn raw_string(rest: &[char], quote: usize, hashes: usize) -> usize {
    let closes =
        |at: usize| rest[at] == '"' && rest[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes;
    (quote + 1..rest.len()).find(|at| closes(*at)).map_or(rest.len(), |at| at + 1 + hashes)
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c| !is_word(c)).any(|found| found == word)
}

fn line_of(code: &str, offset: usize) -> usize {
    code[..offset].matches('\n').count() + 1
}

/// The top-level modules named after `crate::`, singly or in a group, with their lines.
fn crate_modules(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (offset, start) in code.match_indices("crate::") {
        let line = line_of(code, offset);
        let rest = &code[offset + start.len()..];
        if !rest.starts_with('{') {
            found.push((line, rest.chars().take_while(|c| is_word(*c)).collect()));
            continue;
        }
        let mut depth = 0;
        let mut item = String::new();
        for character in rest.chars() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 || (depth == 1 && character == ',') {
                found.push((line, module_of(&item)));
                item.clear();
            } else {
                item.push(character);
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

fn module_of(item: &str) -> String {
    item.chars().skip_while(|c| !is_word(*c)).take_while(|c| is_word(*c)).collect()
}

struct Function {
    name: String,
    lines: usize,
}

/// Every function with a body, closures not counted, from its `fn` to its closing brace.
fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (offset, _) in code.match_indices("fn ") {
        let before = code[..offset].chars().next_back();
        if before.is_some_and(is_word) {
            continue;
        }
        let rest = &code[offset..];
        let name: String = rest[3..].trim_start().chars().take_while(|c| is_word(*c)).collect();
        if let (false, Some(end)) = (name.is_empty(), body_end(rest)) {
            found.push(Function { name, lines: rest[..end].matches('\n').count() + 1 });
        }
    }
    found
}

/// Where the body ends; `None` for a declaration without one.
fn body_end(rest: &str) -> Option<usize> {
    let (mut braces, mut brackets) = (0, 0);
    for (offset, character) in rest.char_indices() {
        match character {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if braces == 0 && brackets == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 {
                    return Some(offset + 1);
                }
            }
            _ => {}
        }
    }
    None
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
fn the_scanner_tells_code_from_comments_and_literals() {
    let text = "let a = \"// no { comment\"; // fn x() {\nlet b = '{'; let c: &'a str = r#\"\"}\"#; /* { */";
    let (code, comments) = separate(text);
    assert_eq!(code.matches(['{', '}']).count(), 0, "{code}");
    assert!(comments.contains("fn x()") && !comments.contains("no { comment"));
    assert!(code.contains("&'a str"));
    assert_eq!(code.lines().count(), text.lines().count());
}

#[test]
fn the_scanner_measures_functions() {
    let code = "trait T { fn none(&self) -> [u8; 2]; }\nfn one() {\n  if x {\n  }\n}\nfn two() {}\n";
    let found: Vec<_> = functions(code).into_iter().map(|f| (f.name, f.lines)).collect();
    assert_eq!(found, [("one".to_owned(), 4), ("two".to_owned(), 1)]);
}

#[test]
fn the_scanner_finds_modules_in_groups() {
    let code = "use crate::{db::{table, entry}, resp};\nuse crate::net::Loop;";
    let found: Vec<_> = crate_modules(code).into_iter().filter(|(_, m)| !m.is_empty()).collect();
    assert_eq!(found, [(1, "db".to_owned()), (1, "resp".to_owned()), (2, "net".to_owned())]);
}

#[test]
fn exceptions_only_shrink() {
    let found = BTreeMap::from([("a".to_owned(), 90), ("b".to_owned(), 90)]);
    assert_eq!(exceptions(&found, &[("a", 90), ("b", 95)]), Vec::<String>::new());
    assert_eq!(exceptions(&found, &[("a", 85), ("b", 90), ("c", 99)]).len(), 2);
    assert_eq!(exceptions(&found, &[("a", 90)]).len(), 1);
}
