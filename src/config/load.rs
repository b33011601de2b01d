//! Text to [`Config`]: one directive a line, `#` comments, quotes, `include`.
//!
//! File, standard input and command line are one text, in this order, so that a later line wins and
//! error messages count lines across all three, as Redis's do. The first error ends the process, so
//! the state after an error doesn't matter.

use super::directive::{Directive, Occurrence, flags};
use super::special::os_error_text;
use super::{Config, REDIS_VERSION};
use crate::util::{glob, quote};
use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Includes within includes beyond this are taken for a circle.
const INCLUDE_DEPTH_MAX: usize = 32;

/// Directives that once were and are skipped with their one argument.
const DEPRECATED: [&[u8]; 3] = [
    b"list-max-ziplist-entries",
    b"list-max-ziplist-value",
    b"lua-replicate-commands",
];

/// A line kept for the part of the server that understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Line number in its text, from 1.
    pub line: usize,
    /// The line, trimmed.
    pub text: Vec<u8>,
    /// The words after the directive's name.
    pub words: Vec<Vec<u8>>,
}

impl Statement {
    /// Refuses this line, in the format of every other configuration error.
    pub fn error(&self, message: impl Into<String>) -> LoadError {
        LoadError::Line {
            line: self.line,
            text: self.text.clone(),
            message: message.into(),
        }
    }
}

/// Why a configuration can't be loaded; the text is for the user.
#[derive(Debug)]
pub enum LoadError {
    /// One line is wrong.
    Line {
        /// From 1.
        line: usize,
        /// The line, trimmed.
        text: Vec<u8>,
        /// What is wrong with it.
        message: String,
    },
    /// The lines contradict each other or the machine.
    Whole(String),
    /// A file can't be read. Redis logs this one in place of printing it.
    Unreadable {
        /// As the user wrote it.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let LoadError::Unreadable { path, error } = self {
            let (path, error) = (path.display(), os_error_text(error));
            return write!(f, "Fatal error, can't open config file '{path}': {error}");
        }
        writeln!(
            f,
            "\n*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***"
        )?;
        match self {
            LoadError::Line {
                line,
                text,
                message,
            } => {
                writeln!(f, "Reading the configuration file, at line {line}")?;
                writeln!(f, ">>> '{}'", String::from_utf8_lossy(text))?;
                writeln!(f, "{message}")
            }
            LoadError::Whole(message) => writeln!(f, "{message}"),
            LoadError::Unreadable { .. } => Ok(()),
        }
    }
}

impl std::error::Error for LoadError {}

impl Config {
    /// Reads a configuration over the defaults: the file, then `more` lines.
    pub fn load(file: Option<&Path>, more: &[u8]) -> Result<Config, LoadError> {
        let mut text = Vec::new();
        if let Some(path) = file {
            read_into(&mut text, path)?;
        }
        text.extend_from_slice(more);
        let mut config = Config {
            config_file: file.map(Path::to_owned),
            ..Config::default()
        };
        Loader {
            config: &mut config,
            seen: HashSet::new(),
            depth: 0,
        }
        .text(&text)?;
        Ok(config)
    }
}

fn read_into(text: &mut Vec<u8>, path: &Path) -> Result<(), LoadError> {
    let content = fs::read(path).map_err(|error| LoadError::Unreadable {
        path: path.to_owned(),
        error,
    })?;
    text.extend_from_slice(&content);
    Ok(())
}

struct Loader<'a> {
    config: &'a mut Config,
    seen: HashSet<&'static str>,
    depth: usize,
}

/// What stops a line: a message about it, or an error that already knows its place.
enum Stop {
    Message(String),
    Error(LoadError),
}

impl From<String> for Stop {
    fn from(message: String) -> Stop {
        Stop::Message(message)
    }
}

impl From<&str> for Stop {
    fn from(message: &str) -> Stop {
        Stop::Message(message.to_owned())
    }
}

impl Loader<'_> {
    fn text(&mut self, text: &[u8]) -> Result<(), LoadError> {
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            let text = line.trim_ascii();
            self.line(index + 1, text).map_err(|stop| match stop {
                Stop::Message(message) => LoadError::Line {
                    line: index + 1,
                    text: text.to_vec(),
                    message,
                },
                Stop::Error(error) => error,
            })?;
        }
        self.check_whole()
    }

    fn line(&mut self, line: usize, text: &[u8]) -> Result<(), Stop> {
        if text.is_empty() || text.starts_with(b"#") {
            return Ok(());
        }
        let mut words = split(text)?;
        if words.is_empty() {
            return Ok(());
        }
        let name = words.remove(0).to_ascii_lowercase();
        if let Some((directive, _)) = Directive::find(&name) {
            return Ok(self.directive(directive, words)?);
        }
        let statement = |words| Statement {
            line,
            text: text.to_vec(),
            words,
        };
        match (name.as_slice(), words.len()) {
            (name, 1) if DEPRECATED.contains(&name) => {}
            (b"include", 1) => self.include(&words[0])?,
            (b"rename-command", 2) => self.config.renamed_commands.push(statement(words)),
            (b"user", 1..) => self.config.users.push(statement(words)),
            (b"loadmodule", 1..) => self.config.modules.push(statement(words)),
            (name, 0) if name.contains(&b'.') => {
                return Err("Module config specified without value".into());
            }
            (name, _) if name.contains(&b'.') => {
                words.insert(0, name.to_vec());
                self.config.module_directives.push(statement(words));
            }
            (b"sentinel", 0) => {}
            (b"sentinel", _) => return Err("sentinel directive while not in sentinel mode".into()),
            _ => return Err("Bad directive or wrong number of arguments".into()),
        }
        Ok(())
    }

    fn directive(
        &mut self,
        directive: &'static Directive,
        mut words: Vec<Vec<u8>>,
    ) -> Result<(), String> {
        if !directive.is(flags::MULTI_ARG) {
            if words.len() != 1 {
                return Err("wrong number of arguments".into());
            }
        } else if let [word] = words.as_slice()
            && !word.is_empty()
        {
            words = split(word)?;
        }
        let occurrence = match self.seen.insert(directive.name) {
            true => Occurrence::First,
            false => Occurrence::Repeated,
        };
        (directive.set)(self.config, &words, occurrence)?;
        Ok(())
    }

    /// A pattern may match nothing; a plain path must be there.
    fn include(&mut self, path: &[u8]) -> Result<(), Stop> {
        if self.depth == INCLUDE_DEPTH_MAX {
            return Err("Too many levels of include".into());
        }
        let path = super::kinds::utf8(path)?;
        let mut text = Vec::new();
        if path.contains(['*', '?', '[']) {
            for path in expand(Path::new(&self.config.dir), path) {
                read_into(&mut text, &path).map_err(Stop::Error)?;
            }
        } else {
            let found = Path::new(&self.config.dir).join(path);
            let content = fs::read(found);
            let content = content.map_err(|error| {
                Stop::Error(LoadError::Unreadable {
                    path: path.into(),
                    error,
                })
            })?;
            text.extend_from_slice(&content);
        }
        self.depth += 1;
        let included = self.text(&text).map_err(Stop::Error);
        self.depth -= 1;
        included
    }

    fn check_whole(&self) -> Result<(), LoadError> {
        if !self.config.logfile.is_empty() {
            let path = Path::new(&self.config.dir).join(&self.config.logfile);
            let opened = fs::OpenOptions::new().append(true).create(true).open(path);
            opened.map_err(|error| {
                LoadError::Whole(format!(
                    "Can't open the log file: {}",
                    os_error_text(&error)
                ))
            })?;
        }
        if self.config.cluster_enabled && self.config.replicaof.is_some() {
            return Err(LoadError::Whole(
                "replicaof directive not allowed in cluster mode".into(),
            ));
        }
        Ok(())
    }
}

fn split(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    quote::split_args(text).map_err(|_| "Unbalanced quotes in configuration line".into())
}

/// The paths a pattern matches, sorted; hidden files only where the pattern has the dot.
fn expand(base: &Path, pattern: &str) -> Vec<PathBuf> {
    let root = if pattern.starts_with('/') {
        PathBuf::from("/")
    } else {
        base.to_owned()
    };
    let mut found = vec![root];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        if !part.contains(['*', '?', '[']) {
            found = found
                .into_iter()
                .map(|path| path.join(part))
                .filter(|path| path.exists())
                .collect();
            continue;
        }
        let entries = found
            .iter()
            .filter_map(|path| fs::read_dir(path).ok())
            .flatten()
            .flatten();
        let matching = entries.filter(|entry| {
            let name = entry.file_name();
            let name = name.as_encoded_bytes();
            (part.starts_with('.') || !name.starts_with(b"."))
                && glob::matches(part.as_bytes(), name, false)
        });
        let mut next: Vec<PathBuf> = matching.map(|entry| entry.path()).collect();
        next.sort();
        found = next;
    }
    found
}
