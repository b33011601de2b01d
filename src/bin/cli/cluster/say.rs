//! What the user is told and asked, on standard output.

use std::io::{self, IsTerminal};

use super::stop::Stop;
use crate::arguments;
use crate::failure::Failure;
use crate::output::{print, styled};
use crate::transport::reason;

/// What is done now.
pub fn step(text: &str) {
    line("29;1", text);
}

/// What went well.
pub fn good(text: &str) {
    line("32;1", text);
}

/// What to mind.
pub fn warn(text: &str) {
    line("33;1", text);
}

/// What went wrong.
pub fn bad(text: &str) {
    line("31;1", text);
}

/// A line as it is.
pub fn plain(text: &str) {
    print(format!("{text}\n"));
}

fn line(style: &str, text: &str) {
    print(format!("{}\n", styled(style, text)));
}

/// Reads an answer.
///
/// # Errors
/// When there is none, since standard input has ended.
pub fn ask(question: &str) -> Result<String, Stop> {
    print(question);
    match arguments::line(&mut io::stdin().lock()) {
        Ok(Some(line)) => Ok(String::from_utf8_lossy(&line).trim().to_owned()),
        Ok(None) => {
            print("\n");
            Err(Stop::failure("Standard input has ended without an answer."))
        }
        Err(error) => Err(Stop::from(Failure::new(format!("Reading from standard input: {}", reason(&error))))),
    }
}

/// Whether the user says yes; no answer is none.
pub fn confirm(question: &str) -> bool {
    ask(question).is_ok_and(|answer| answer == "yes")
}

/// How far something has got, on a terminal, while nothing else is written.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    shown: bool,
}

impl Progress {
    /// Progress of a work with a name.
    pub fn new(what: &'static str) -> Progress {
        Progress { what, shown: false }
    }

    /// So much of it is done.
    pub fn show(&mut self, done: usize, all: usize) {
        if io::stderr().is_terminal() {
            eprint!("\r{} {done} of {all}\x1b[K", self.what);
            self.shown = true;
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            eprint!("\r\x1b[K");
        }
    }
}
