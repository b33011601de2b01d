//! Who imports whom: rooms in one order, few and small circles of files, a root that is read at a glance.
//!
//! An import is any path in a source that leads to another source of the crate, in a `use` or elsewhere; what only
//! tests name does not count. Limits are a ratchet: what is listed here may shrink, and then the list has to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::scanner::{Source, is_word, sources};

/// The rooms of the library, each above those it may import from.
const ROOMS: &[&str] = &[
    "util", "resp", "types", "config", "db", "command", "net", "persist", "peers", "client", "script", "server",
    "commands",
];

/// The most folders below `src/`; the program `bin/` is one of them.
const FOLDERS_MAX: usize = 14;

/// The circles of files that import one another: the first file of each by name, and how many they are. `src/lib.rs`
/// says why those of more than three files are there.
const CIRCLES: &[(&str, usize)] = &[
    ("command/mod.rs", 3),
    ("commands/geo.rs", 2),
    ("config/directive.rs", 8),
    ("db/evict.rs", 4),
    ("net/tls/ciphers.rs", 6),
    ("persist/rdb/load/mod.rs", 2),
    ("resp/decoder.rs", 4),
    ("script/api.rs", 3),
    ("script/lua.rs", 3),
    ("script/sandbox.rs", 3),
    ("server/execution/context.rs", 3),
    ("types/hyperloglog/dense.rs", 3),
    ("types/listpack.rs", 4),
    ("types/sorted_set/tree.rs", 2),
];

type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn rooms_import_from_the_rooms_below_alone() {
    let place = |file: &str| ROOMS.iter().position(|room| *room == room_of(file));
    let mut faults = Vec::new();
    for (file, imports) in &graph() {
        let Some(own) = place(file) else {
            faults.push(format!("{file} is in no room of the order"));
            continue;
        };
        let upwards = imports.iter().filter(|import| place(import).is_some_and(|other| other > own));
        faults.extend(upwards.map(|import| format!("{file} imports {import}")));
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn files_import_one_another_in_small_known_circles() {
    let found: Vec<(String, usize, Vec<String>)> =
        circles(&graph()).into_iter().map(|files| (files[0].clone(), files.len(), files)).collect();
    let known: BTreeMap<&str, usize> = CIRCLES.iter().copied().collect();
    for (first, size, files) in &found {
        let most = known.get(first.as_str()).copied();
        assert!(most == Some(*size), "a circle of {size} files, known are {most:?}: {}", files.join(" "));
    }
    assert_eq!(found.len(), CIRCLES.len(), "a circle of the list is gone");
}

#[test]
fn the_root_is_read_at_a_glance() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let entries = fs::read_dir(root).expect("a readable directory").map(|entry| entry.expect("an entry"));
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|entry| entry.path().is_dir());
    let mut names: Vec<_> = files.iter().map(|entry| entry.file_name()).collect();
    names.sort();
    assert_eq!(names, ["lib.rs", "main.rs"]);
    assert!(folders.len() <= FOLDERS_MAX, "{} folders", folders.len());
}

fn room_of(file: &str) -> &str {
    file.split('/').next().unwrap_or_default()
}

/// The library's files below `src/`, with the files each imports.
fn graph() -> Graph {
    let files: Vec<(String, Source)> = sources()
        .into_iter()
        .filter_map(|source| Some((source.path.strip_prefix("src/")?.to_owned(), source)))
        .filter(|(path, _)| is_of_library(path))
        .collect();
    let modules: BTreeMap<Vec<String>, String> =
        files.iter().map(|(path, _)| (module_of(path), path.clone())).collect();
    let mut graph = Graph::new();
    for (path, source) in &files {
        let own = module_of(path);
        let found = paths(without_tests(&source.code)).into_iter().filter_map(|names| resolve(&modules, &own, &names));
        graph.insert(path.clone(), found.filter(|other| other != path).collect());
    }
    graph
}

fn is_of_library(path: &str) -> bool {
    let of_tests = path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "testbed.rs"));
    !path.starts_with("bin/") && !of_tests && !matches!(path, "lib.rs" | "main.rs")
}

fn module_of(path: &str) -> Vec<String> {
    let path = path.strip_suffix("/mod.rs").or(path.strip_suffix(".rs")).unwrap_or(path);
    path.split('/').map(str::to_owned).collect()
}

/// The code before the tests of a file, and without what is marked as theirs.
fn without_tests(code: &str) -> &str {
    code.find("#[cfg(test)]\nmod tests").map_or(code, |end| &code[..end])
}

/// The file a path leads to: that of the longest part of it which is a module.
fn resolve(modules: &BTreeMap<Vec<String>, String>, own: &[String], names: &[String]) -> Option<String> {
    let mut rest = names;
    let mut base = match rest.first()?.as_str() {
        "crate" => Vec::new(),
        "super" | "self" => own.to_vec(),
        child => {
            let mut base = own.to_vec();
            base.push(child.to_owned());
            modules.get(&base)?;
            own.to_vec()
        }
    };
    while let Some((first, behind)) = rest.split_first() {
        match first.as_str() {
            "crate" | "self" => {}
            "super" => _ = base.pop(),
            _ => break,
        }
        rest = behind;
    }
    base.extend(rest.iter().cloned());
    while !base.is_empty() {
        if let Some(file) = modules.get(&base) {
            return Some(file.clone());
        }
        base.pop();
    }
    None
}

/// All paths of the code that have more than one part or stand in a `use`, groups taken apart.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(start) = rest.find(is_word) {
        rest = &rest[start..];
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let word = &rest[..end];
        if word == "use" {
            let statement = &rest[end..rest.find(';').unwrap_or(rest.len())];
            leaves(statement, &[], &mut found);
            rest = &rest[end + statement.len()..];
        } else if rest[end..].starts_with("::") {
            let length = rest.find(|c| !is_word(c) && c != ':').unwrap_or(rest.len());
            let names = rest[..length].split("::").filter(|name| !name.is_empty());
            found.push(names.map(|name| name.trim_matches(':').to_owned()).collect());
            rest = &rest[length..];
        } else {
            rest = &rest[end..];
        }
    }
    found
}

/// The paths of a tree of imports.
fn leaves(tree: &str, before: &[String], found: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    let (own, group) = match tree.split_once('{') {
        Some((own, group)) => (own, group.rsplit_once('}').map(|(group, _)| group)),
        None => (tree.split(" as ").next().unwrap_or(tree), None),
    };
    let mut path = before.to_vec();
    path.extend(own.split("::").map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned));
    let Some(group) = group else {
        found.push(path);
        return;
    };
    let mut depth = 0;
    let inner = |c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    };
    group.split(inner).filter(|item| !item.trim().is_empty()).for_each(|item| leaves(item, &path, found));
}

/// The sets of files that import one another, each sorted.
fn circles(graph: &Graph) -> Vec<Vec<String>> {
    let reach: BTreeMap<&String, BTreeSet<&String>> = graph.keys().map(|file| (file, reachable(graph, file))).collect();
    let mut found = BTreeSet::new();
    for (file, others) in &reach {
        let circle: Vec<String> =
            others.iter().filter(|other| reach[**other].contains(*file)).map(|other| (*other).clone()).collect();
        if circle.len() > 1 {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

fn reachable<'g>(graph: &'g Graph, from: &String) -> BTreeSet<&'g String> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<&String> = graph[from].iter().collect();
    while let Some(file) = waiting.pop() {
        if reached.insert(file) {
            waiting.extend(&graph[file]);
        }
    }
    reached
}

#[test]
fn paths_are_found_in_groups_and_in_code() {
    let code = "use crate::{db::{table, entry as other}, resp};\nfn x() { super::Loop::new(crate::net::LEN) }";
    let found: Vec<String> = paths(code).into_iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["crate::db::table", "crate::db::entry", "crate::resp", "super::Loop::new", "crate::net::LEN"]);
}

#[test]
fn circles_are_found() {
    let edges = [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e")];
    let mut graph: Graph = ["a", "b", "c", "d", "e"].map(|file| (file.to_owned(), BTreeSet::new())).into();
    for (from, to) in edges {
        graph.get_mut(from).expect("a file").insert(to.to_owned());
    }
    assert_eq!(circles(&graph), [["a", "b", "c"]]);
}
