//! Lines from a terminal, edited with the help of rustyline: history, search, completion, hints, hidden passwords.

use std::borrow::Cow;
use std::cell::Cell;
use std::rc::Rc;

use rustyline::completion::Completer;
use rustyline::config::Configurer;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter};
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{ColorMode, Config, Context, Editor, Helper};

use crate::assist;
use crate::catalog::Catalog;
use crate::failure::Failure;
use crate::history::LINES_MAX;
use crate::output;

/// What was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// A line.
    Line(String),
    /// Ctrl-C gave a line up.
    Abandoned,
    /// Ctrl-D, or Ctrl-C on an empty line.
    End,
}

/// A terminal to read lines from.
pub struct LineEditor(Editor<Assistant, MemHistory>);

impl LineEditor {
    /// The terminal of this process.
    ///
    /// # Errors
    /// When it can't be used.
    pub fn new() -> Result<LineEditor, Failure> {
        // Lines that are pasted together are typed one after the other: each is a command.
        let colors = if output::has_colors() { ColorMode::Enabled } else { ColorMode::Disabled };
        let config = Config::builder().max_history_size(LINES_MAX).and_then(|config| config.history_ignore_dups(true));
        let config = config.map_err(failure)?.color_mode(colors).bracketed_paste(false).build();
        let history = MemHistory::with_config(&config);
        let mut editor = Editor::with_history(config, history).map_err(failure)?;
        editor.set_helper(Some(Assistant::default()));
        Ok(LineEditor(editor))
    }

    /// Reads a line.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn read(&mut self, prompt: &str) -> Result<Typed, Failure> {
        match self.0.readline(prompt) {
            Ok(line) => Ok(Typed::Line(line)),
            Err(ReadlineError::Interrupted) => {
                let given_up = self.0.helper().is_some_and(|helper| helper.has_text.take());
                Ok(if given_up { Typed::Abandoned } else { Typed::End })
            }
            Err(ReadlineError::Eof) => Ok(Typed::End),
            Err(error) => Err(failure(error)),
        }
    }

    /// Reads a password, which is not shown.
    ///
    /// # Errors
    /// When the terminal fails or the user gives up.
    pub fn read_password(&mut self, prompt: &str) -> Result<String, Failure> {
        let mode = if output::has_colors() { ColorMode::Enabled } else { ColorMode::Disabled };
        // Masking is a way of colouring.
        self.0.set_color_mode(ColorMode::Forced);
        self.mask(true);
        let line = self.read(prompt);
        self.mask(false);
        self.0.set_color_mode(mode);
        match line? {
            Typed::Line(line) => Ok(line),
            Typed::Abandoned | Typed::End => Err(Failure::told()),
        }
    }

    fn mask(&mut self, masked: bool) {
        if let Some(helper) = self.0.helper_mut() {
            helper.masked = masked;
        }
    }

    /// Remembers a line.
    pub fn remember(&mut self, line: &str) {
        // A full or forgetful history is no reason to stop.
        let _ = self.0.add_history_entry(line);
    }

    /// Says what is known of commands, and whether to hint at it.
    pub fn assist(&mut self, catalog: &Rc<Catalog>, hints: bool) {
        if let Some(helper) = self.0.helper_mut() {
            helper.catalog = Rc::clone(catalog);
            helper.hints = hints;
        }
    }

    /// Clears the screen.
    pub fn clear(&mut self) {
        let _ = self.0.clear_screen();
    }
}

fn failure(error: ReadlineError) -> Failure {
    Failure::new(format!("Error reading from the terminal: {error}"))
}

#[derive(Default)]
struct Assistant {
    catalog: Rc<Catalog>,
    hints: bool,
    masked: bool,
    /// The line was not empty when it was looked at last.
    has_text: Cell<bool>,
}

impl Helper for Assistant {}
impl Validator for Assistant {}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let at_end = pos == line.len() && !self.masked;
        Ok(if at_end { assist::completions(&self.catalog, line) } else { (pos, Vec::new()) })
    }
}

/// A hint that can be read but not taken over, since it names values rather than gives them.
struct Syntax(String);

impl Hint for Syntax {
    fn display(&self) -> &str {
        &self.0
    }

    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Hinter for Assistant {
    type Hint = Syntax;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<Syntax> {
        self.has_text.set(!line.is_empty());
        let wanted = self.hints && !self.masked && pos == line.len();
        wanted.then(|| assist::hint(&self.catalog, line)).flatten().map(Syntax)
    }
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if self.masked { Cow::Owned("*".repeat(line.chars().count())) } else { Cow::Borrowed(line) }
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        self.masked
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(output::styled("90", hint))
    }
}
