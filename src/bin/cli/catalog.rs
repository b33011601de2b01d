//! What is known about commands: names, arguments, a sentence. It comes from COMMAND DOCS of the server, or from the
//! commands of this crate where the server has no such command or there is no server.

use oxidis::resp::Value;

use crate::syntax::{self, Argument, Kind};

/// A command or a subcommand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name in capital letters; a subcommand has two words.
    pub words: Vec<String>,
    /// One sentence.
    pub summary: String,
    /// The version that introduced it.
    pub since: String,
    /// Its chapter.
    pub group: String,
    /// What follows the name.
    pub arguments: Vec<Argument>,
}

impl Entry {
    /// Its words with blanks between.
    pub fn name(&self) -> String {
        self.words.join(" ")
    }

    /// The line that shows its arguments.
    pub fn syntax(&self) -> String {
        syntax::shown(&self.arguments)
    }
}

/// All commands, ordered by name.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    entries: Vec<Entry>,
}

impl Catalog {
    /// The commands of this crate.
    pub fn built_in() -> Catalog {
        Catalog::from_docs(&oxidis::manual::command_docs())
    }

    /// What COMMAND DOCS says, in either version of the protocol.
    pub fn from_docs(docs: &Value) -> Catalog {
        let mut entries = Vec::new();
        for (name, facts) in fields(docs) {
            add(&mut entries, vec![name.to_uppercase()], facts);
        }
        entries.sort_by(|one, other| one.words.cmp(&other.words));
        Catalog { entries }
    }

    /// Adds the commands that COMMAND tells of and that are not here yet, with what it tells about their arguments.
    pub fn add_unknown(&mut self, commands: &Value) {
        for command in commands.elements().unwrap_or_default() {
            let facts = command.elements().unwrap_or_default();
            let (Some(name), Some(Value::Integer(arity))) = (facts.first().and_then(|name| text(name)), facts.get(1))
            else {
                continue;
            };
            let words = vec![name.to_uppercase()];
            if self.entries.iter().any(|entry| entry.words == words) {
                continue;
            }
            let has_key = matches!(facts.get(3), Some(Value::Integer(1)));
            let count = usize::try_from(arity.unsigned_abs()).unwrap_or(1).saturating_sub(1).min(10);
            let mut arguments: Vec<Argument> =
                (0..count).map(|index| Argument::value(if index == 0 && has_key { "key" } else { "arg" })).collect();
            if *arity < 0 {
                arguments.push(Argument { optional: true, multiple: true, ..Argument::value("arg") });
            }
            let (summary, since, group) = ("Help not available".to_owned(), String::new(), "generic".to_owned());
            self.entries.push(Entry { words, summary, since, group, arguments });
        }
        self.entries.sort_by(|one, other| one.words.cmp(&other.words));
    }

    /// All entries in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The names of all chapters, in order.
    pub fn groups(&self) -> Vec<&str> {
        let mut groups: Vec<&str> = self.entries.iter().map(|entry| entry.group.as_str()).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// The entry whose name these words begin with, a subcommand before its command, and the words behind the name.
    pub fn find<'w, W: AsRef<str>>(&self, words: &'w [W]) -> Option<(&Entry, &'w [W])> {
        let begins = |entry: &&Entry| {
            entry.words.len() <= words.len()
                && entry.words.iter().zip(words).all(|(name, word)| name.eq_ignore_ascii_case(word.as_ref()))
        };
        let entry = self.entries.iter().filter(begins).max_by_key(|entry| entry.words.len())?;
        Some((entry, words.get(entry.words.len()..).unwrap_or_default()))
    }
}

fn text(value: &Value) -> Option<String> {
    value.bytes().map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// The fields of a map, which RESP2 sends as an array.
fn fields(value: &Value) -> Vec<(String, &Value)> {
    let elements = value.elements().unwrap_or_default();
    let pairs = elements.chunks_exact(2);
    pairs.filter_map(|pair| if let [name, value] = pair { Some((text(name)?, *value)) } else { None }).collect()
}

fn add(entries: &mut Vec<Entry>, words: Vec<String>, facts: &Value) {
    let (summary, since, group) = (String::new(), String::new(), String::new());
    let mut entry = Entry { words, summary, since, group, arguments: Vec::new() };
    for (field, value) in fields(facts) {
        match field.as_str() {
            "summary" => entry.summary = text(value).unwrap_or_default(),
            "since" => entry.since = text(value).unwrap_or_default(),
            "group" => entry.group = text(value).unwrap_or_default(),
            "arguments" => entry.arguments = arguments(value),
            "subcommands" => {
                for (name, facts) in fields(value) {
                    let name = name.split_once('|').map_or(name.as_str(), |(_, name)| name).to_uppercase();
                    let words = entry.words.iter().take(1).cloned().chain([name]).collect();
                    add(entries, words, facts);
                }
            }
            _ => {}
        }
    }
    entries.push(entry);
}

fn arguments(value: &Value) -> Vec<Argument> {
    value.elements().unwrap_or_default().into_iter().map(argument).collect()
}

fn argument(facts: &Value) -> Argument {
    let mut argument = Argument::value("");
    for (field, value) in fields(facts) {
        match field.as_str() {
            "name" => argument.name = text(value).unwrap_or_default(),
            "token" => {
                argument.token = text(value).map(|token| if token.is_empty() { "\"\"".to_owned() } else { token })
            }
            "type" => {
                argument.kind = match text(value).as_deref() {
                    Some("pure-token") => Kind::Token,
                    Some("oneof") => Kind::OneOf,
                    Some("block") => Kind::Block,
                    _ => Kind::Value,
                }
            }
            "arguments" => argument.arguments = arguments(value),
            "flags" => {
                for flag in value.elements().unwrap_or_default() {
                    match flag.bytes() {
                        Some(b"optional") => argument.optional = true,
                        Some(b"multiple") => argument.multiple = true,
                        Some(b"multiple_token") => argument.multiple_token = true,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    argument
}

#[cfg(test)]
mod tests {
    use super::*;
    use oxidis::resp::{Protocol, encode, parse};

    #[test]
    fn both_versions_of_the_protocol_say_the_same() {
        let docs = oxidis::manual::command_docs();
        let mut resp2 = Vec::new();
        encode(&docs, Protocol::Resp2, &mut resp2);
        let (resp2, _) = parse(&resp2).expect("RESP").expect("a whole value");
        assert_eq!(Catalog::from_docs(&resp2).entries, Catalog::built_in().entries);
    }

    #[test]
    fn subcommands_are_found_before_their_command() {
        let catalog = Catalog::built_in();
        let found = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            catalog.find(&words).map(|(entry, rest)| (entry.name(), rest.len()))
        };
        assert_eq!(found("config get x"), Some(("CONFIG GET".to_owned(), 1)));
        assert_eq!(found("config x"), Some(("CONFIG".to_owned(), 1)));
        assert_eq!(found("nothing x"), None);
    }

    #[test]
    fn syntax_lines_are_those_of_the_rows() {
        let catalog = Catalog::built_in();
        let syntax = |name| catalog.find(&[name]).map(|(entry, _)| entry.syntax());
        assert_eq!(syntax("get").as_deref(), Some("key"));
        assert_eq!(syntax("mset").as_deref(), Some("key value [key value ...]"));
    }

    #[test]
    fn commands_without_docs_get_what_command_tells() {
        let mut catalog = Catalog::built_in();
        let (commands, _) = parse(b"*2\r\n*4\r\n$3\r\nget\r\n:2\r\n*0\r\n:1\r\n*4\r\n$3\r\nfoo\r\n:-3\r\n*0\r\n:1\r\n")
            .expect("RESP")
            .expect("a whole value");
        let before = catalog.entries.len();
        catalog.add_unknown(&commands);
        assert_eq!(catalog.entries.len(), before + 1);
        let (entry, _) = catalog.find(&["FOO"]).expect("the new one");
        assert_eq!(entry.syntax(), "key arg [arg [arg ...]]");
    }
}
