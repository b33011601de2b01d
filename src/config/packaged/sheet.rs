//! Reading the explained configuration, and writing the defaults into it.

use crate::config::directive::Directive;
use crate::config::table::Config;

/// How the text of a directive begins that has no effect.
pub const WITHOUT_EFFECT: &str = "Accepted without effect: ";

/// The explained configuration.
#[derive(Debug)]
pub struct Sheet {
    /// In the order of the file.
    pub sections: Vec<Section>,
}

/// What stands below a heading.
#[derive(Debug)]
pub struct Section {
    /// The heading.
    pub title: String,
    /// Its paragraphs, with what they are about.
    pub entries: Vec<Entry>,
}

/// A paragraph and the directives that it is about.
#[derive(Debug, Default)]
pub struct Entry {
    /// The paragraph, in one line.
    pub text: String,
    /// The names, each once.
    pub names: Vec<String>,
    /// The lines that show what is the default, or how it is used.
    pub lines: Vec<String>,
}

impl Sheet {
    /// Reads the file; what stands before the first heading is left out.
    pub fn read(text: &str) -> Sheet {
        let mut sections: Vec<Section> = Vec::new();
        for block in text.split("\n\n") {
            let block = block.trim_matches('\n');
            if let Some(title) = block.strip_prefix("## ") {
                sections.push(Section { title: title.to_owned(), entries: Vec::new() });
            } else if let Some(section) = sections.last_mut() {
                section.entries.push(Entry::read(block));
            }
        }
        Sheet { sections }
    }

    /// The entries of all sections.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.sections.iter().flat_map(|section| &section.entries)
    }
}

impl Entry {
    fn read(block: &str) -> Entry {
        let mut entry = Entry::default();
        for line in block.lines() {
            if let Some((name, shown)) = shown_default(line) {
                if entry.names.last().is_none_or(|last| last != name) {
                    entry.names.push(name.to_owned());
                }
                entry.lines.push(shown.to_owned());
            } else if let Some(text) = line.strip_prefix("# ") {
                if !entry.text.is_empty() {
                    entry.text.push(' ');
                }
                entry.text.push_str(text);
            }
        }
        entry
    }
}

/// The first word of a line.
pub fn name_of(line: &str) -> Option<&str> {
    line.split(' ').next().filter(|name| !name.is_empty())
}

/// The name and the line that is switched off by a `#`.
pub fn shown_default(line: &str) -> Option<(&str, &str)> {
    let shown = line.strip_prefix('#').filter(|rest| rest.starts_with(|first: char| first.is_ascii_lowercase()))?;
    Some((name_of(shown)?, shown))
}

/// The same file with the defaults as they are.
pub fn with_defaults(text: &str) -> String {
    let mut result = String::new();
    let mut before = None;
    for line in text.lines() {
        let row = shown_default(line).and_then(|(name, _)| Directive::find(name.as_bytes())).map(|(row, _)| row);
        match row {
            Some(row) if before == Some(row.name) => {}
            Some(row) => default_lines(row).iter().for_each(|line| result.push_str(&format!("#{line}\n"))),
            None => result.push_str(&format!("{line}\n")),
        }
        before = row.map(|row| row.name);
    }
    result
}

/// The lines of a file that set what holds without them.
fn default_lines(row: &Directive) -> Vec<String> {
    if row.name == "dir" {
        return vec!["dir .".to_owned()];
    }
    let default = Config::default();
    let lines = (row.overruling_lines)(&default, &default);
    lines.into_iter().map(|line| String::from_utf8(line.text).expect("a default in UTF-8")).collect()
}
