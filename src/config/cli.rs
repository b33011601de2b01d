//! The arguments of the process: `oxidis [/path/to/redis.conf] [--directive words…] [-]`.
//!
//! `getopts` handles the options that are not directives, as the first argument only. Everything
//! else is turned into lines of configuration text: `--name` begins a line, other arguments are
//! words of it. The word after a bare `--name` belongs to it even if it begins with `--`, so that
//! any value can be given; `--save` is excepted, since `--save --port 1` has long meant `--save ""`.

use super::kinds::quoted;
use super::load::LoadError;
use super::{Config, REDIS_VERSION};
use crate::util::quote;
use getopts::Options;
use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{self, PathBuf};

/// What the arguments ask for.
#[derive(Debug)]
pub enum CommandLine {
    /// To run the server.
    Run(Box<Config>),
    /// To print something and be gone.
    PrintAndExit {
        /// For standard output when `code` is 0, for standard error otherwise.
        text: String,
        /// The exit status.
        code: i32,
    },
}

/// Reads the arguments, the program's name not among them, and all they point to. `stdin` is read
/// only if `-` asks for it.
pub fn parse_command_line(
    args: &[OsString],
    stdin: &mut dyn Read,
) -> Result<CommandLine, LoadError> {
    let (check_only, args) = match args.split_first() {
        Some((first, rest)) => match own_option(first, rest) {
            Some(OwnOption::Answer { text, code }) => {
                return Ok(CommandLine::PrintAndExit { text, code });
            }
            Some(OwnOption::CheckConfig) => (true, rest),
            None => (false, args),
        },
        None => (false, args),
    };
    let config = configuration(args, stdin)?;
    Ok(match check_only {
        true => CommandLine::PrintAndExit {
            text: "The configuration is valid.\n".into(),
            code: 0,
        },
        false => CommandLine::Run(Box::new(config)),
    })
}

enum OwnOption {
    Answer { text: String, code: i32 },
    CheckConfig,
}

/// The first argument, if it is none of a directive or a file.
fn own_option(first: &OsString, rest: &[OsString]) -> Option<OwnOption> {
    let mut options = Options::new();
    options.optflag("h", "help", "print this help");
    options.optflag("v", "version", "print the version");
    options.optflag(
        "",
        "check-config",
        "read the configuration that follows, and exit",
    );
    options.optflag(
        "",
        "check-system",
        "look for unsuitable settings of the system, and exit",
    );
    options.optflag(
        "",
        "test-memory",
        "test that many megabytes of memory, and exit",
    );
    let given = options.parse([first]).ok()?;
    let answer = |text: String, code| Some(OwnOption::Answer { text, code });
    if given.opt_present("help") {
        return answer(usage(&options), 0);
    }
    if given.opt_present("version") {
        let bits = usize::BITS;
        let build = env!("CARGO_PKG_VERSION");
        let text = format!(
            "Redis server v={REDIS_VERSION} sha=00000000:0 malloc=mimalloc bits={bits} build=oxidis-{build}\n"
        );
        return answer(text, 0);
    }
    if given.opt_present("check-system") {
        return answer("There are no system checks in this build.\n".into(), 0);
    }
    if given.opt_present("test-memory") {
        return match rest {
            [_] => answer(
                "There is no memory test in this build; memtest86 is a thorough one.\n".into(),
                1,
            ),
            _ => answer(
                "How many megabytes? For example: oxidis --test-memory 4096\n".into(),
                1,
            ),
        };
    }
    given
        .opt_present("check-config")
        .then_some(OwnOption::CheckConfig)
}

fn usage(options: &Options) -> String {
    let brief = "Usage: oxidis [/path/to/redis.conf] [--directive words...] [-]\n       \
                 oxidis - (read the configuration from standard input)\n\n\
                 Examples:\n    \
                 oxidis\n    \
                 oxidis /etc/redis/redis.conf\n    \
                 oxidis --port 7777 --replicaof 127.0.0.1 8888\n    \
                 oxidis /etc/redis/redis.conf --loglevel verbose --save \"\"\n    \
                 echo 'maxmemory 128mb' | oxidis -";
    options.usage(brief)
}

fn configuration(args: &[OsString], stdin: &mut dyn Read) -> Result<Config, LoadError> {
    let mut words = args
        .iter()
        .map(|arg| arg.as_encoded_bytes())
        .collect::<Vec<_>>();
    let mut file = None;
    if let Some(name) = args
        .first()
        .filter(|name| !name.as_encoded_bytes().starts_with(b"-"))
    {
        file = Some(absolute(name)?);
        words.remove(0);
    }
    if words.is_empty() {
        return Config::load(file.as_deref(), b"");
    }
    let first_may_be_stdin = file.is_none();
    let (from_stdin, lines) = lines_of(&words, first_may_be_stdin);
    let mut text = Vec::new();
    if from_stdin {
        let unreadable = |error| LoadError::Unreadable {
            path: PathBuf::from("-"),
            error,
        };
        stdin.read_to_end(&mut text).map_err(unreadable)?;
    }
    text.push(b'\n');
    text.extend(lines);
    Config::load(file.as_deref(), &text)
}

fn absolute(name: &OsString) -> Result<PathBuf, LoadError> {
    path::absolute(name).map_err(|error: io::Error| LoadError::Unreadable {
        path: name.into(),
        error,
    })
}

/// Arguments as lines of configuration, and whether `-` is the first or the last of them.
fn lines_of(words: &[&[u8]], first_may_be_stdin: bool) -> (bool, Vec<u8>) {
    let mut lines = Vec::new();
    let mut from_stdin = false;
    let mut name_may_follow = true;
    for (index, &word) in words.iter().enumerate() {
        let is_last = index + 1 == words.len();
        if word == b"-" && ((index == 0 && first_may_be_stdin) || is_last) {
            from_stdin = true;
            continue;
        }
        let Some(name) = word.strip_prefix(b"--").filter(|_| name_may_follow) else {
            lines.extend(quoted(word));
            lines.push(b' ');
            name_may_follow = true;
            continue;
        };
        if !lines.is_empty() {
            lines.push(b'\n');
        }
        lines.extend_from_slice(name);
        lines.push(b' ');
        let is_bare = quote::split_args(word).is_ok_and(|parts| parts.len() == 1);
        let name_follows = words
            .get(index + 1)
            .is_some_and(|next| next.starts_with(b"--"));
        let is = |known: &[u8]| word.eq_ignore_ascii_case(known);
        name_may_follow = !is_bare || (name_follows && (is(b"--save") || is(b"--sentinel")));
        if is_bare && is(b"--save") && (name_follows || is_last) {
            lines.extend_from_slice(b"\"\"");
        }
    }
    (from_stdin, lines)
}
