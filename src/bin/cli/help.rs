//! The `help` of the prompt.

use crate::catalog::{Catalog, Entry};
use crate::output::styled;

/// What `help` says without a topic.
pub fn general() -> String {
    format!(
        "{}
      \"help @<group>\"    the commands of a group, such as @list
      \"help <command>\"   what a command does and takes
      \"help <tab>\"       the topics there are
      \"<n> <command>\"    runs a command n times
      \"raw\"              shows the bytes of replies too, or no longer
      \"connect <h> <p>\"  connects to another server
      \"clear\"            clears the screen
      \"quit\"             leaves, as do \"exit\" and Ctrl-D

Preferences, also read from ~/.redisclirc:
      \":set hints\"       shows while you type what may follow
      \":set nohints\"     does not
",
        crate::options::version().trim_end()
    )
}

/// What `help` says about a group (`@list`) or the commands whose names begin with these words.
pub fn topic(catalog: &Catalog, words: &[String]) -> String {
    let group = words.first().and_then(|word| word.strip_prefix('@'));
    let wanted = |entry: &&Entry| match group {
        Some(group) => entry.group.eq_ignore_ascii_case(group),
        None => {
            words.len() <= entry.words.len()
                && words.iter().zip(&entry.words).all(|(word, name)| word.eq_ignore_ascii_case(name))
        }
    };
    let mut text = String::new();
    for entry in catalog.entries().iter().filter(wanted) {
        let (name, syntax) = (styled("1", &entry.name()), styled("90", &entry.syntax()));
        text.push_str(&format!("\r\n  {name} {syntax}\r\n"));
        let mut facts = vec![("summary:", &entry.summary)];
        if !entry.since.is_empty() {
            facts.push(("since:", &entry.since));
        }
        if group.is_none() {
            facts.push(("group:", &entry.group));
        }
        for (name, fact) in facts {
            text.push_str(&format!("  {} {fact}\r\n", styled("33", name)));
        }
    }
    text + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(words: &[&str]) -> String {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        topic(&Catalog::built_in(), &words)
    }

    #[test]
    fn a_command_is_described() {
        assert_eq!(
            about(&["strlen"]),
            "\r\n  STRLEN key\r\n  summary: Returns the length of a string in bytes.\r\n  since: 2.2.0\r\n  group: string\r\n\r\n"
        );
        assert!(about(&["config"]).contains("\r\n  CONFIG GET parameter"));
        assert_eq!(about(&["nothing"]), "\r\n");
    }

    #[test]
    fn a_group_lists_its_commands() {
        let text = about(&["@hyperloglog"]);
        assert!(text.contains("\r\n  PFADD ") && !text.contains("group:") && !text.contains("STRLEN"), "{text}");
    }
}
