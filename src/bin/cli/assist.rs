//! What helps while a line is typed: completions of the word at the cursor, and a hint of what may follow.

use oxidis::quote::split_args;

use crate::catalog::Catalog;
use crate::syntax::Remainder;

/// Words that are commands of the client itself.
const OWN_WORDS: &[&str] = &["help", "quit", "exit", "raw", "clear", "connect", ":set hints", ":set nohints"];

/// The words of an unfinished line; `None` while a quote is open. A number in front, which repeats a command, is left
/// out.
fn words(line: &str) -> Option<Vec<String>> {
    let words = split_args(line.as_bytes()).ok()?;
    let mut words: Vec<String> = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    if words.len() > 1 && words.first().is_some_and(|word| word.parse::<u64>().is_ok()) {
        words.remove(0);
    }
    Some(words)
}

/// What may follow the line, with a blank in front unless the line ends with one.
pub fn hint(catalog: &Catalog, line: &str) -> Option<String> {
    let words = words(line)?;
    let (entry, arguments) = catalog.find(&words)?;
    let rest = Remainder::of(&entry.arguments, arguments)?.shown();
    let separated = line.ends_with(|character: char| character.is_ascii_whitespace());
    (!rest.is_empty()).then(|| if separated { rest } else { format!(" {rest}") })
}

/// Where the completed text begins in the line, and what may stand there.
pub fn completions(catalog: &Catalog, line: &str) -> (usize, Vec<String>) {
    let topic_start = topic_start(line);
    if let Some(start) = topic_start {
        let groups = catalog.groups().into_iter().map(|group| format!("@{group}"));
        let names = catalog.entries().iter().map(crate::catalog::Entry::name);
        return (start, matching(groups.chain(names), line.get(start..).unwrap_or_default()));
    }
    let start = command_start(line);
    let typed = line.get(start..).unwrap_or_default();
    let own = OWN_WORDS.iter().map(|word| (*word).to_owned()).filter(|_| start == 0);
    let names = catalog.entries().iter().map(crate::catalog::Entry::name).chain(own);
    let mut found = if typed.is_empty() { Vec::new() } else { matching(names, typed) };
    found.dedup_by(|one, other| one.eq_ignore_ascii_case(other));
    if !found.is_empty() {
        return (start, found);
    }
    // No name goes on here, so it is an argument.
    let word_start = line.rfind(|character: char| character.is_ascii_whitespace()).map_or(0, |at| at + 1);
    let (before, word) = line.split_at(word_start);
    let tokens = words(before).and_then(|words| {
        let (entry, arguments) = catalog.find(&words)?;
        Some(Remainder::of(&entry.arguments, arguments)?.tokens())
    });
    (word_start, matching(tokens.unwrap_or_default(), word))
}

/// Where the topic begins in a line that asks for help.
fn topic_start(line: &str) -> Option<usize> {
    let (word, _) = line.trim_start().split_once(' ')?;
    if !word.eq_ignore_ascii_case("help") && word != "?" {
        return None;
    }
    let topic = line.trim_start().get(word.len()..)?.trim_start();
    Some(line.len() - topic.len())
}

/// Where the command begins: behind blanks and a number of repetitions.
fn command_start(line: &str) -> usize {
    let trimmed = line.trim_start();
    match trimmed.split_once(' ') {
        Some((number, rest)) if number.parse::<u64>().is_ok() => line.len() - rest.trim_start().len(),
        _ => line.len() - trimmed.len(),
    }
}

/// Those that begin with what is typed, in the letters of what is typed.
fn matching(candidates: impl IntoIterator<Item = String>, typed: &str) -> Vec<String> {
    let small = typed.contains(|character: char| character.is_ascii_lowercase())
        && !typed.contains(|character: char| character.is_ascii_uppercase());
    let begins = |candidate: &String| {
        candidate.get(..typed.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(typed))
    };
    let found = candidates.into_iter().filter(begins);
    found.map(|candidate| if small { candidate.to_ascii_lowercase() } else { candidate }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_say_what_may_follow() {
        let catalog = Catalog::built_in();
        for (line, text) in [
            ("get", Some(" key")),
            ("get ", Some("key")),
            ("3 get ", Some("key")),
            ("get \"a b", None),
            ("get a", None),
            ("nothing ", None),
            ("config get ", Some("parameter [parameter ...]")),
            ("", None),
        ] {
            assert_eq!(hint(&catalog, line).as_deref(), text, "{line:?}");
        }
    }

    #[test]
    fn names_subcommands_and_tokens_are_completed() {
        let catalog = Catalog::built_in();
        let complete = |line: &str| completions(&catalog, line);
        assert_eq!(complete("hgetal"), (0, vec!["hgetall".to_owned()]));
        assert_eq!(complete("HGETAL"), (0, vec!["HGETALL".to_owned()]));
        assert_eq!(complete("2 hgetal"), (2, vec!["hgetall".to_owned()]));
        assert_eq!(complete("config rew"), (0, vec!["config rewrite".to_owned()]));
        assert_eq!(complete("set a b kee"), (8, vec!["keepttl".to_owned()]));
        assert_eq!(complete("help @hyp"), (5, vec!["@hyperloglog".to_owned()]));
        assert_eq!(complete("help hgetal"), (5, vec!["hgetall".to_owned()]));
        assert_eq!(complete("qui"), (0, vec!["quit".to_owned()]));
        assert_eq!(complete("get a").1, Vec::<String>::new());
        assert_eq!(complete("").1, Vec::<String>::new());
    }
}
