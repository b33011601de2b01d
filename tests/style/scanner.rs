//! Source texts taken apart, well enough for rules about them.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file, and its code and comments apart, each with the other's characters blanked.
pub struct Source {
    /// Below the root of the repository.
    pub path: String,
    pub text: String,
    pub code: String,
    pub comments: String,
}

/// All sources, in the order of their paths.
pub fn sources() -> Vec<Source> {
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

pub fn is_word(character: char) -> bool {
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

pub fn has_word(line: &str, word: &str) -> bool {
    line.split(|c| !is_word(c)).any(|found| found == word)
}

/// A function.
pub struct Function {
    pub name: String,
    pub lines: usize,
}

/// Every function with a body, closures not counted, from its `fn` to its closing brace.
pub fn functions(code: &str) -> Vec<Function> {
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
