//! Text to [`Config`]: one directive a line, `#` comments, quotes, `include`.
//!
//! File, standard input and command line are one text, in this order, so that a later line wins and
//! error messages count lines across all three, as Redis's do. The first error ends the process, so
//! the state after an error doesn't matter.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use super::directive::{Directive, Occurrence, flags};
use super::nearest::nearest;
use super::table::Config;
use super::version::REDIS_VERSION;
use crate::util::platform::os_error_text;
use crate::util::{glob, quote};

/// Includes within includes beyond this are taken for a circle.
const INCLUDE_DEPTH_MAX: usize = 32;

/// What a line may begin with besides directives.
const KNOWN_BESIDES: [&str; 5] = ["include", "rename-command", "role", "user", "loadmodule"];

/// Directives that once were and are skipped with their one argument: those that Redis skips, and those of its versions
/// up to 6.2 that had a part of the server which is no more.
const DEPRECATED: [&[u8]; 13] = [
    b"list-max-ziplist-entries",
    b"list-max-ziplist-value",
    b"lua-replicate-commands",
    b"glueoutputbuf",
    b"gopher-enabled",
    b"hash-max-zipmap-entries",
    b"hash-max-zipmap-value",
    b"vm-enabled",
    b"vm-max-memory",
    b"vm-max-threads",
    b"vm-page-size",
    b"vm-pages",
    b"vm-swap-file",
];

/// What directives begin with that belong to the modules which Redis 8 bundles: skipped likewise, since nothing of these
/// can be set here.
const OF_MODULES: [&[u8]; 4] = [b"bf-", b"cf-", b"search-", b"ts-"];

/// A line kept for the part of the server that understands it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Line number in its text, from 1.
    pub line: usize,
    /// The line, trimmed.
    pub text: Vec<u8>,
    /// The words after the directive's name.
    pub words: Vec<Vec<u8>>,
    /// It stands in an included file, or on the command line: CONFIG REWRITE can't change it.
    pub is_outside: bool,
}

impl Statement {
    /// Refuses this line, in the format of every other configuration error.
    pub fn error(&self, message: impl Into<String>) -> LoadError {
        LoadError::Line { line: self.line, text: self.text.clone(), message: message.into() }
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
    /// What the lines say is right in form, and can't be done.
    Unusable(String),
}

impl LoadError {
    /// Whether it is a message for the log. The others are for standard error: what they say may be about the log.
    pub fn is_for_log(&self) -> bool {
        match self {
            LoadError::Unreadable { .. } | LoadError::Unusable(_) => true,
            LoadError::Line { .. } | LoadError::Whole(_) => false,
        }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_for_log() {
            writeln!(f, "\n*** FATAL CONFIG FILE ERROR (Redis {REDIS_VERSION}) ***")?;
        }
        match self {
            LoadError::Line { line, text, message } => {
                writeln!(f, "Reading the configuration file, at line {line}")?;
                writeln!(f, ">>> '{}'", String::from_utf8_lossy(text))?;
                writeln!(f, "{message}")
            }
            LoadError::Whole(message) => writeln!(f, "{message}"),
            LoadError::Unreadable { path, error } => {
                write!(f, "Fatal error, can't open config file '{}': {}", path.display(), os_error_text(error))
            }
            LoadError::Unusable(message) => f.write_str(message),
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
        let file_lines = text.split_inclusive(|&byte| byte == b'\n').count();
        if !more.starts_with(b"\n") {
            end_line(&mut text);
        }
        text.extend_from_slice(more);
        let mut config = Config { config_file: file.map(Path::to_owned), ..Config::default() };
        Loader { config: &mut config, seen: HashSet::new(), depth: 0, file_lines }.text(&text)?;
        Ok(config)
    }
}

fn read_into(text: &mut Vec<u8>, path: &Path) -> Result<(), LoadError> {
    let content = fs::read(path).map_err(|error| LoadError::Unreadable { path: path.to_owned(), error })?;
    text.extend_from_slice(&content);
    Ok(())
}

/// What is wrong with a line whose first word is no directive.
fn unknown(name: &[u8]) -> String {
    const TEXT: &str = "Bad directive or wrong number of arguments";
    let is_known = DEPRECATED.contains(&name) || KNOWN_BESIDES.iter().any(|known| known.as_bytes() == name);
    match nearest(name, Directive::all().flat_map(Directive::names).chain(KNOWN_BESIDES)) {
        Some(meant) if !is_known => format!("{TEXT}\nDid you mean '{meant}'?"),
        _ => TEXT.to_owned(),
    }
}

/// What is appended to a text begins a new line.
fn end_line(text: &mut Vec<u8>) {
    if text.last().is_some_and(|&byte| byte != b'\n') {
        text.push(b'\n');
    }
}

struct Loader<'a> {
    config: &'a mut Config,
    seen: HashSet<&'static str>,
    depth: usize,
    /// How many lines of the text are the file itself.
    file_lines: usize,
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
                Stop::Message(message) => LoadError::Line { line: index + 1, text: text.to_vec(), message },
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
        let is_outside = self.depth > 0 || line > self.file_lines;
        let statement = |words| Statement { line, text: text.to_vec(), words, is_outside };
        match (name.as_slice(), words.len()) {
            (name, 1) if DEPRECATED.contains(&name) => {}
            (name, 1) if OF_MODULES.iter().any(|prefix| name.starts_with(prefix)) => {}
            (b"include", 1) => self.include(&words[0])?,
            (b"rename-command", 2) => self.config.renamed_commands.push(statement(words)),
            (b"role", 1..) => self.config.roles.push(statement(words)),
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
            _ => return Err(unknown(&name).into()),
        }
        Ok(())
    }

    fn directive(&mut self, directive: &'static Directive, mut words: Vec<Vec<u8>>) -> Result<(), String> {
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
        if self.depth > 0 {
            self.config.included.insert(directive.name);
        }
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
                end_line(&mut text);
                read_into(&mut text, &path).map_err(Stop::Error)?;
            }
        } else {
            let found = Path::new(&self.config.dir).join(path);
            text = fs::read(found).map_err(|error| Stop::Error(LoadError::Unreadable { path: path.into(), error }))?;
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
            opened.map_err(|error| LoadError::Whole(format!("Can't open the log file: {}", os_error_text(&error))))?;
        }
        if self.config.cluster_enabled && self.config.replicaof.is_some() {
            return Err(LoadError::Whole("replicaof directive not allowed in cluster mode".into()));
        }
        Ok(())
    }
}

fn split(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    quote::split_args(text).map_err(|_| "Unbalanced quotes in configuration line".into())
}

/// The paths a pattern matches, sorted; hidden files only where the pattern has the dot.
fn expand(base: &Path, pattern: &str) -> Vec<PathBuf> {
    let root = if pattern.starts_with('/') { PathBuf::from("/") } else { base.to_owned() };
    let mut found = vec![root];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        if !part.contains(['*', '?', '[']) {
            found = found.into_iter().map(|path| path.join(part)).filter(|path| path.exists()).collect();
            continue;
        }
        let entries = found.iter().filter_map(|path| fs::read_dir(path).ok()).flatten().flatten();
        let matching = entries.filter(|entry| {
            let name = entry.file_name();
            let name = name.as_encoded_bytes();
            (part.starts_with('.') || !name.starts_with(b".")) && glob::matches(part.as_bytes(), name)
        });
        let mut next: Vec<PathBuf> = matching.map(|entry| entry.path()).collect();
        next.sort();
        found = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(text: &str) -> Config {
        Config::load(None, text.as_bytes()).unwrap()
    }

    fn refused(text: &str) -> String {
        Config::load(None, text.as_bytes()).unwrap_err().to_string()
    }

    fn shown(config: &Config, name: &str) -> String {
        let values = config.get(&[name.as_bytes()]);
        values.into_iter().map(|(_, value)| String::from_utf8_lossy(&value).into_owned()).collect()
    }

    #[test]
    fn errors_name_line_text_and_reason() {
        let error = refused("# comment\n  bogus 1  \n");
        let expected = "\n*** FATAL CONFIG FILE ERROR (Redis 8.2.3) ***\n\
                        Reading the configuration file, at line 2\n\
                        >>> 'bogus 1'\n\
                        Bad directive or wrong number of arguments\n";
        assert_eq!(error, expected);
    }

    #[test]
    fn each_kind_of_bad_line_has_its_reason() {
        let cases = [
            ("foo \"bar", "Unbalanced quotes in configuration line"),
            ("save \"1 'x\"", "Unbalanced quotes in configuration line"),
            ("port", "wrong number of arguments"),
            ("port 1 2", "wrong number of arguments"),
            ("port x", "argument couldn't be parsed into an integer"),
            ("include", "Bad directive or wrong number of arguments"),
            ("include a b", "Bad directive or wrong number of arguments"),
            ("rename-command x", "Bad directive or wrong number of arguments"),
            ("list-max-ziplist-value 1 2", "Bad directive or wrong number of arguments"),
            ("module.name", "Module config specified without value"),
            ("sentinel monitor", "sentinel directive while not in sentinel mode"),
            ("replicaof --127.0.0.1", "wrong number of arguments"),
            ("save 1", "Invalid save parameters"),
            ("\"\" 1", "Bad directive or wrong number of arguments"),
        ];
        for (line, reason) in cases {
            let error = refused(line);
            assert!(error.ends_with(&format!("at line 1\n>>> '{line}'\n{reason}\n")), "{line}: {error}");
        }
    }

    #[test]
    fn the_whole_is_checked_after_the_lines() {
        let error = refused("replicaof a 1\ncluster-enabled yes\n");
        assert!(error.ends_with("8.2.3) ***\nreplicaof directive not allowed in cluster mode\n"));
        let error = refused("logfile /nonexistent/folder/file");
        assert!(error.ends_with("Can't open the log file: No such file or directory\n"), "{error}");
    }

    #[test]
    fn lines_for_other_parts_are_kept() {
        let config = loaded(
            "rename-command FLUSHDB badger\nuser alice on >secret ~*\nloadmodule /m.so a b\nmod.x 1 2\n\
             sentinel\nlua-replicate-commands no\nlist-max-ziplist-entries 5",
        );
        let words = |statements: &[Statement]| statements[0].words.join(&b' ');
        assert_eq!(words(&config.renamed_commands), b"FLUSHDB badger");
        assert_eq!(words(&config.users), b"alice on >secret ~*");
        assert_eq!(words(&config.modules), b"/m.so a b");
        assert_eq!(words(&config.module_directives), b"mod.x 1 2");
        let error = config.users[0].error("no such thing").to_string();
        assert!(error.ends_with("at line 2\n>>> 'user alice on >secret ~*'\nno such thing\n"), "{error}");
    }

    #[test]
    fn later_lines_win_and_aliases_are_the_same_directive() {
        let config = loaded("hash-max-listpack-entries 20\nHASH-max-ziplist-entries 21\n");
        assert_eq!(config.hash_max_listpack_entries, 21);
    }

    #[test]
    fn the_first_save_line_replaces_the_defaults_and_others_add_to_it() {
        assert_eq!(shown(&loaded(""), "save"), "3600 1 300 100 60 10000");
        assert_eq!(shown(&loaded("save 100 100"), "save"), "100 100");
        assert_eq!(shown(&loaded("save 900 1\nsave \"100\" \"100\""), "save"), "900 1 100 100");
        assert_eq!(shown(&loaded("save 900 1\nsave \"\""), "save"), "");
        assert_eq!(shown(&loaded("save 900 1\nsave ''\nsave 5 5"), "save"), "5 5");
        assert_eq!(shown(&loaded("save \"3600 1 300 100\""), "save"), "3600 1 300 100");
    }

    #[test]
    fn includes_are_read_in_place_by_path_or_pattern() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("b.conf", "port 2\nsave 2 2");
        write("a.conf", "port 1\ntimeout 9\nsave 1 1");
        write(".hidden.conf", "port 3");
        write("loop.conf", "include loop.conf");
        let dir = folder.path().display();
        let config = loaded(&format!("dir {dir}\nsave 7 7\ninclude *.c[o]nf.none\ninclude [ab].conf\nsave 8 8"));
        assert_eq!((config.port, config.timeout), (2, 9));
        assert_eq!(shown(&config, "save"), "7 7 1 1 2 2 8 8");
        assert_eq!(loaded(&format!("include {dir}/?.conf")).port, 2);
        let error = refused(&format!("include {dir}/none.conf"));
        let expected = format!("Fatal error, can't open config file '{dir}/none.conf': No such file or directory");
        assert_eq!(error, expected);
        assert!(refused(&format!("dir {dir}\ninclude loop.conf")).contains("Too many levels of include"));
    }

    #[test]
    fn configurations_of_distributions_and_test_suites_load() {
        let folder = tempfile::tempdir().unwrap();
        let text = "bind 127.0.0.1 -::1\nprotected-mode yes\nport 6379\ntcp-backlog 511\ntimeout 0\n\
             tcp-keepalive 300\ndaemonize yes\npidfile /run/redis/redis-server.pid\nloglevel notice\n\
             logfile ''\ndatabases 16\nalways-show-logo no\nset-proc-title yes\n\
             proc-title-template \"{title} {listen-addr} {server-mode}\"\nsave 900 1\n\
             slave-serve-stale-data yes\nreplica-read-only yes\nlazyfree-lazy-eviction no\n\
             oom-score-adj-values 0 200 800\nappendfilename \"appendonly.aof\"\n\
             auto-aof-rewrite-min-size 64mb\nnotify-keyspace-events \"\"\nlist-max-listpack-size -2\n\
             client-output-buffer-limit normal 0 0 0\nclient-output-buffer-limit replica 256mb 64mb 60\n\
             client-output-buffer-limit pubsub 32mb 8mb 60\nenable-debug-command yes\n\
             propagation-error-behavior panic";
        let config = loaded(&format!("dir {}\n{text}", folder.path().display()));
        assert_eq!(config.bind, ["127.0.0.1", "-::1"]);
        assert_eq!(config.client_output_buffer_limit, Config::default().client_output_buffer_limit);
    }
}
