//! The prompt: reads lines, carries out those that are for the client, sends the others.

use std::io::{self, IsTerminal};
use std::rc::Rc;
use std::time::{Duration, Instant};

use oxidis::quote::split_args;
use oxidis::resp::Value;

use crate::arguments;
use crate::catalog::Catalog;
use crate::editor::{LineEditor, Typed};
use crate::failure::Failure;
use crate::format::Style;
use crate::help;
use crate::history::{HistoryFile, is_secret};
use crate::output::{print, styled};
use crate::preferences::Preferences;
use crate::session::Session;
use crate::transport::reason;

/// Commands that take longer have their time shown.
const SLOW: Duration = Duration::from_millis(500);

/// Reads lines until the user leaves.
///
/// # Errors
/// When no lines can be read.
pub fn run(session: Session) -> Result<(), Failure> {
    let mut prompt = Prompt { session, catalog: None, preferences: Preferences { hints: true } };
    prompt.session.make_interactive();
    prompt.session.connect(true);
    if io::stdin().is_terminal() { prompt.on_terminal() } else { prompt.without_terminal() }
}

/// What follows a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    GoOn,
    ClearScreen,
    Leave,
}

struct Prompt {
    session: Session,
    catalog: Option<Rc<Catalog>>,
    preferences: Preferences,
}

impl Prompt {
    fn without_terminal(&mut self) -> Result<(), Failure> {
        let mut input = io::stdin().lock();
        loop {
            let line = arguments::line(&mut input);
            let line =
                line.map_err(|error| Failure::new(format!("Reading from standard input: {}", reason(&error))))?;
            let Some(line) = line else { return Ok(()) };
            match split_args(&line) {
                Err(_) => print("Invalid argument(s)\n"),
                Ok(words) => {
                    if self.carry_out(&words) == Next::Leave {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn on_terminal(&mut self) -> Result<(), Failure> {
        let mut editor = LineEditor::new()?;
        let mut history = HistoryFile::of_user();
        history.load().iter().for_each(|line| editor.remember(line));
        let faults;
        (self.preferences, faults) = Preferences::of_user();
        faults.iter().for_each(|fault| print(format!("{fault}\n")));
        let greeting = "\"help\" says what there is, \"quit\" leaves.";
        print(format!("{}\n", styled("90", &format!("{}: {greeting}", crate::options::version().trim_end()))));
        loop {
            let catalog = self.catalog();
            editor.assist(&catalog, self.preferences.hints);
            let line = match editor.read(&self.session.prompt())? {
                Typed::End => return Ok(()),
                Typed::Abandoned => continue,
                Typed::Line(line) => line,
            };
            let words = split_args(line.as_bytes());
            let secret = words.as_ref().is_ok_and(|words| is_secret(behind_number(words)));
            if !line.trim().is_empty() && !secret {
                editor.remember(&line);
                history.add(&line);
            }
            match words.map(|words| self.carry_out(&words)) {
                Err(_) => print("Invalid argument(s)\n"),
                Ok(Next::GoOn) => {}
                Ok(Next::ClearScreen) => editor.clear(),
                Ok(Next::Leave) => return Ok(()),
            }
        }
    }

    /// What is known of commands, asked of the server the first time.
    fn catalog(&mut self) -> Rc<Catalog> {
        let session = &mut self.session;
        Rc::clone(self.catalog.get_or_insert_with(|| Rc::new(catalog_of(session))))
    }

    fn carry_out(&mut self, words: &[Vec<u8>]) -> Next {
        let text: Vec<String> = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let lower: Vec<String> = text.iter().map(|word| word.to_ascii_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        match lower.as_slice() {
            [] => {}
            ["quit" | "exit", ..] => return Next::Leave,
            [own, ..] if own.starts_with(':') => {
                if let Err(fault) = self.preferences.set(words) {
                    print(format!("{fault}\n"));
                }
            }
            ["raw"] => {
                let shown = if self.session.toggle_raw() { "shown" } else { "hidden" };
                print(format!("Raw replies are {shown}.\n"));
            }
            ["clear"] => return Next::ClearScreen,
            ["connect", _, _] => self.connect(&text),
            ["help" | "?"] => print(help::general()),
            ["help" | "?", ..] => print(help::topic(&self.catalog(), text.get(1..).unwrap_or_default())),
            _ => self.send(words, &text),
        }
        Next::GoOn
    }

    fn connect(&mut self, words: &[String]) {
        let [_, host, port] = words else { return };
        match port.parse() {
            Ok(port) => {
                self.session.options.host.clone_from(host);
                self.session.options.port = port;
                self.session.options.socket = None;
                self.session.connect(true);
                self.catalog = None;
            }
            Err(_) => print(format!("'{port}' is not a port.\n")),
        }
    }

    fn send(&mut self, words: &[Vec<u8>], text: &[String]) {
        let command = behind_number(words);
        let mut repeat = 1;
        if command.len() < words.len() {
            match text.first().and_then(|number| number.parse::<u64>().ok()).filter(|number| *number > 0) {
                Some(number) => repeat = number,
                None => return print("Invalid repetition count: it must be 1 at least.\n"),
            }
        }
        let started = Instant::now();
        self.session.run(command, Some(repeat));
        let elapsed = started.elapsed();
        if elapsed >= SLOW && self.session.options.layout.style == Style::Human {
            print(format!("({:.2}s)\n", elapsed.as_secs_f64()));
        }
    }
}

/// The command behind the number of its repetitions.
fn behind_number(words: &[Vec<u8>]) -> &[Vec<u8>] {
    match words.split_first() {
        Some((first, rest)) if !rest.is_empty() && is_number(first) => rest,
        _ => words,
    }
}

fn is_number(word: &[u8]) -> bool {
    std::str::from_utf8(word).is_ok_and(|word| word.parse::<i128>().is_ok())
}

/// What is known of the commands of a server, or of this crate where it doesn't tell.
pub fn catalog_of(session: &mut Session) -> Catalog {
    let commands = match session.ask(&[b"COMMAND", b"DOCS"]) {
        Some(docs @ (Value::Map(_) | Value::Array(_))) => return Catalog::from_docs(&docs),
        Some(_) => session.ask(&[b"COMMAND"]),
        None => None,
    };
    let mut catalog = Catalog::built_in();
    if let Some(commands) = commands {
        catalog.add_unknown(&commands);
    }
    catalog
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_in_front_repeats_what_follows() {
        let words = |line: &str| -> Vec<Vec<u8>> { line.split(' ').map(|word| word.as_bytes().to_vec()).collect() };
        assert_eq!(behind_number(&words("3 ping")), words("ping"));
        assert_eq!(behind_number(&words("-3 ping")), words("ping"));
        assert_eq!(behind_number(&words("3")), words("3"));
        assert_eq!(behind_number(&words("3x ping")), words("3x ping"));
    }
}
