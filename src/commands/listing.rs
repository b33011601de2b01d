//! The table of commands in the README, kept equal to the rows.
//!
//! `OXIDIS_UPDATE_README=1 cargo test readme` writes it anew.

use std::fmt::Write as _;

use super::FAMILIES;
use crate::command::spec::INTERNAL;

const BEGIN: &str = "<!-- commands: begin -->\n";
const END: &str = "<!-- commands: end -->\n";

fn listing() -> String {
    let mut rows: Vec<(&str, String)> = Vec::new();
    for row in FAMILIES.iter().flat_map(|family| family.iter()).filter(|row| !row.flags.has(INTERNAL)) {
        let name = row.name.to_ascii_uppercase();
        let mut entry = format!("`{name}`");
        if !row.subcommands.is_empty() {
            let mut words: Vec<String> = row.subcommands.iter().map(|sub| sub.name.to_ascii_uppercase()).collect();
            words.sort();
            let _ = write!(entry, " ({})", words.join(", "));
        }
        rows.push((row.group.name(), entry));
    }
    rows.sort_by_key(|(group, entry)| (*group, entry.replace('`', "")));
    let mut text = String::from("| Group | Commands |\n|---|---|\n");
    for group in rows.chunk_by(|left, right| left.0 == right.0) {
        let names: Vec<&str> = group.iter().map(|(_, name)| name.as_str()).collect();
        let _ = writeln!(text, "| {} | {} |", group[0].0, names.join(", "));
    }
    text
}

#[test]
fn readme_lists_the_commands_of_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).expect("the README");
    let (head, rest) = readme.split_once(BEGIN).expect("the mark where the list begins");
    let (listed, tail) = rest.split_once(END).expect("the mark where the list ends");
    let wanted = listing();
    if std::env::var_os("OXIDIS_UPDATE_README").is_some() {
        std::fs::write(path, format!("{head}{BEGIN}{wanted}{END}{tail}")).expect("a README that can be written");
    } else {
        assert!(listed == wanted, "the README is stale: run `OXIDIS_UPDATE_README=1 cargo test readme`");
    }
}
