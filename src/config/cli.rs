//! The arguments of the process: `oxidis [/path/to/redis.conf] [--directive words…] [-]`.
//!
//! `getopts` handles the options that are not directives, as the first argument only. Everything
//! else is turned into lines of configuration text: `--name` begins a line, other arguments are
//! words of it. The word after a bare `--name` belongs to it even if it begins with `--`, so that
//! any value can be given; `--save` is excepted, since `--save --port 1` has long meant `--save ""`.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::{self, PathBuf};

use getopts::Options;

use super::kinds::quoted;
use super::load::LoadError;
use super::table::Config;
use super::version::REDIS_VERSION;
use crate::util::quote;

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
pub fn parse_command_line(args: &[OsString], stdin: &mut dyn Read) -> Result<CommandLine, LoadError> {
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
        true => CommandLine::PrintAndExit { text: "The configuration is valid.\n".into(), code: 0 },
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
    options.optflag("", "check-config", "read the configuration that follows, and exit");
    options.optflag("", "convert", "write the data of a file as a snapshot for another server, and exit");
    options.optflag("", "check-system", "look for unsuitable settings of the system, and exit");
    options.optflag("", "test-memory", "test that many megabytes of memory, and exit");
    let given = options.parse([first]).ok()?;
    let answer = |text: String, code| Some(OwnOption::Answer { text, code });
    if given.opt_present("help") {
        return answer(usage(&options), 0);
    }
    if given.opt_present("version") {
        let bits = usize::BITS;
        let build = env!("CARGO_PKG_VERSION");
        let text =
            format!("Redis server v={REDIS_VERSION} sha=00000000:0 malloc=mimalloc bits={bits} build=oxidis-{build}\n");
        return answer(text, 0);
    }
    if given.opt_present("test-memory") {
        return match rest {
            [_] => answer("There is no memory test in this build; memtest86 is a thorough one.\n".into(), 1),
            _ => answer("How many megabytes? For example: oxidis --test-memory 4096\n".into(), 1),
        };
    }
    given.opt_present("check-config").then_some(OwnOption::CheckConfig)
}

fn usage(options: &Options) -> String {
    let brief = "Usage: oxidis [/path/to/redis.conf] [--directive words...] [-]\n       \
                 oxidis - (read the configuration from standard input)\n\n\
                 Examples:\n    \
                 oxidis\n    \
                 oxidis /etc/redis/redis.conf\n    \
                 oxidis --port 7777 --replicaof 127.0.0.1 8888\n    \
                 oxidis /etc/redis/redis.conf --loglevel verbose --save \"\"\n    \
                 echo 'maxmemory 128mb' | oxidis -\n\n\
                 Every directive of a configuration file is an option, too. What people need first:";
    format!("{brief}\n{}\nOther work:\n{}", first_directives(), options.usage("").trim_start_matches(['\n', ' ']))
}

/// Directives by what they are for, with an example of each.
const FIRST: &[(&str, &[(&str, &str)])] = &[
    (
        "Where it listens",
        &[
            ("port 6379", "TCP port; 0 for none"),
            ("bind 127.0.0.1", "addresses; all of them unless this is given"),
            ("unixsocket /run/oxidis.sock", "a socket of this machine besides"),
            ("tls-port 6380", "a port for TLS, with tls-cert-file and tls-key-file"),
        ],
    ),
    (
        "Who may come in",
        &[("requirepass SECRET", "the password of the default user"), ("aclfile users.acl", "users and their rights")],
    ),
    (
        "Where data goes",
        &[
            ("dir /var/lib/oxidis", "the folder of all files"),
            ("appendonly yes", "log each change, so that little is lost in a crash"),
            ("save \"3600 1 300 100\"", "save after so many seconds if so many keys changed; \"\" for never"),
        ],
    ),
    (
        "How much memory",
        &[
            ("maxmemory 2gb", "the most that data may take"),
            ("maxmemory-policy allkeys-lru", "which keys go when it is full; noeviction refuses writes"),
        ],
    ),
    ("Copies", &[("replicaof HOST PORT", "follow another server")]),
    (
        "What it is doing",
        &[
            ("metrics-port 9121", "metrics for Prometheus, and a page for people at http://127.0.0.1:9121/"),
            ("logfile oxidis.log", "where the log goes; standard output unless this is given"),
            ("daemonize yes", "run in the background"),
        ],
    ),
];

fn first_directives() -> String {
    let group = |(title, directives): &(&str, &[(&str, &str)])| {
        let lines: String =
            directives.iter().map(|(example, meaning)| format!("    --{example:<30}{meaning}\n")).collect();
        format!("\n{title}:\n{lines}")
    };
    FIRST.iter().map(group).collect()
}

fn configuration(args: &[OsString], stdin: &mut dyn Read) -> Result<Config, LoadError> {
    let mut words = args.iter().map(|arg| arg.as_encoded_bytes()).collect::<Vec<_>>();
    let mut file = None;
    if let Some(name) = args.first().filter(|name| !name.as_encoded_bytes().starts_with(b"-")) {
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
        let unreadable = |error| LoadError::Unreadable { path: PathBuf::from("-"), error };
        stdin.read_to_end(&mut text).map_err(unreadable)?;
    }
    text.push(b'\n');
    text.extend(lines);
    Config::load(file.as_deref(), &text)
}

fn absolute(name: &OsString) -> Result<PathBuf, LoadError> {
    path::absolute(name).map_err(|error: io::Error| LoadError::Unreadable { path: name.into(), error })
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
        let name_follows = words.get(index + 1).is_some_and(|next| next.starts_with(b"--"));
        let is = |known: &[u8]| word.eq_ignore_ascii_case(known);
        name_may_follow = !is_bare || (name_follows && (is(b"--save") || is(b"--sentinel")));
        if is_bare && is(b"--save") && (name_follows || is_last) {
            lines.extend_from_slice(b"\"\"");
        }
    }
    (from_stdin, lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "loglevel verbose\nlogfile ''\nsave 900 1\n";

    fn parse(args: &[&str], stdin: &str) -> Result<CommandLine, LoadError> {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        parse_command_line(&args, &mut stdin.as_bytes())
    }

    fn config(args: &[&str], stdin: &str) -> Config {
        match parse(args, stdin).unwrap() {
            CommandLine::Run(config) => *config,
            other => panic!("{other:?}"),
        }
    }

    /// The configuration with [`FILE`] as the first argument, as texts.
    fn with_file(args: &[&str], names: &[&str]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("default.conf");
        std::fs::write(&path, FILE).unwrap();
        let all = [&[path.to_str().unwrap()], args].concat();
        let config = config(&all, "");
        let value = |name: &&str| config.get(&[name.as_bytes()]).remove(0).1;
        names.iter().map(|name| String::from_utf8(value(name)).unwrap()).collect()
    }

    fn refused(args: &[&str]) -> String {
        parse(args, "").unwrap_err().to_string()
    }

    #[test]
    fn no_arguments_are_the_defaults() {
        assert_eq!(config(&[], ""), Config::default());
    }

    #[test]
    fn file_then_stdin_then_arguments_win() {
        assert_eq!(config(&["-"], "port 1\ntimeout 5").port, 1);
        let config = config(&["--port", "2", "-"], "port 1\ntimeout 5");
        assert_eq!((config.port, config.timeout), (2, 5));
        assert_eq!(with_file(&["--loglevel", "debug"], &["loglevel", "save"]), ["debug", "900 1"]);
        assert_eq!(with_file(&["--SAVE", "100", "100"], &["save"]), ["900 1 100 100"]);
    }

    #[test]
    fn the_file_is_remembered_by_its_absolute_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("redis.conf");
        std::fs::write(&path, "port 7777").unwrap();
        let config = config(&[path.to_str().unwrap()], "");
        assert_eq!(config.config_file.as_deref(), Some(path.as_path()));
        assert!(refused(&["nowhere.conf"]).ends_with("/nowhere.conf': No such file or directory"));
    }

    #[test]
    fn name_and_value_may_share_an_argument() {
        let args = ["--maxmemory 700mb", "--maxmemory-policy volatile-lru"];
        assert_eq!(with_file(&args, &["maxmemory", "maxmemory-policy"]), ["734003200", "volatile-lru"]);
        let args = ["loglevel", "debug", "--maxmemory '700mb'"];
        assert_eq!(with_file(&args, &["loglevel", "maxmemory"]), ["debug", "734003200"]);
    }

    #[test]
    fn a_value_may_begin_with_dashes() {
        let names = ["proc-title-template", "loglevel"];
        for args in [
            &["--proc-title-template", "--my--title", "--loglevel", "debug"][..],
            &["--proc-title-template --my--title", "--loglevel debug"],
        ] {
            assert_eq!(with_file(args, &names), ["--my--title", "debug"]);
        }
    }

    #[test]
    fn save_without_value_clears_the_rules() {
        let names = ["save", "loglevel"];
        for args in [
            &["--save", "--loglevel", "debug"][..],
            &["--loglevel", "debug", "--save"],
            &["--save", "", "--loglevel", "debug"],
            &["--loglevel", "debug", "--save", ""],
        ] {
            assert_eq!(with_file(args, &names), ["", "debug"], "{args:?}");
        }
        let args = ["--proc-title-template", "--save", "--save", "", "--loglevel", "debug"];
        assert_eq!(with_file(&args, &["proc-title-template", "save", "loglevel"]), ["--save", "", "debug"]);
    }

    #[test]
    fn several_words_may_come_as_one() {
        let args = ["--shutdown-on-sigint", "nosave", "force", "now", "--shutdown-on-sigterm", "nosave force"];
        let names = ["shutdown-on-sigint", "shutdown-on-sigterm"];
        assert_eq!(with_file(&args, &names), ["nosave now force", "nosave force"]);
    }

    #[test]
    fn bad_arguments_are_shown_as_lines() {
        let cases: [(&[&str], &str, &str); 9] = [
            (&["--port"], "2\n>>> 'port'", "wrong number of arguments"),
            (&["--port", "6380", "--loglevel"], "3\n>>> 'loglevel'", "wrong number of arguments"),
            (&["--port", "6379", "6380"], "2\n>>> 'port \"6379\" \"6380\"'", "wrong number of arguments"),
            (&["--port", "--loglevel", "verbose"], "'port \"--loglevel\" \"verbose\"'", "wrong number"),
            (&["--port", "--bla", "--loglevel", "verbose"], "'port \"--bla\"'", "couldn't be parsed"),
            (&["--shutdown-on-sigint"], "'shutdown-on-sigint'", "must be one of the following"),
            (&["--replicaof", "--127.0.0.1", "abc"], "'replicaof \"--127.0.0.1\" \"abc\"'", "Invalid master port"),
            (&["--replicaof", "--127.0.0.1", "--abc"], "'replicaof \"--127.0.0.1\"'", "wrong number"),
            (&["-x"], "2\n>>> '\"-x\"'", "Bad directive or wrong number of arguments"),
        ];
        for (args, line, reason) in cases {
            let error = refused(args);
            assert!(error.contains(line) && error.contains(reason), "{args:?}: {error}");
        }
    }

    #[test]
    fn sentinel_as_a_word_alone_is_passed_over() {
        assert_eq!(config(&["--sentinel", "--port", "1"], "").port, 1);
        assert_eq!(config(&["--port", "1", "--sentinel"], "").port, 1);
    }

    #[test]
    fn own_options_answer_and_end() {
        let answer = |args: &[&str]| match parse(args, "port 70000").unwrap() {
            CommandLine::PrintAndExit { text, code } => (text, code),
            CommandLine::Run(_) => panic!("{args:?} runs"),
        };
        for option in ["-v", "--version"] {
            assert!(answer(&[option]).0.starts_with("Redis server v=8.2.3 sha="));
        }
        for option in ["-h", "--help"] {
            let (text, code) = answer(&[option]);
            assert!(text.starts_with("Usage: oxidis ") && text.contains("    --check-config"), "{text}");
            for (_, directives) in FIRST {
                for (example, _) in *directives {
                    let name = example.split(' ').next().unwrap();
                    assert!(super::super::Directive::find(name.as_bytes()).is_some(), "{name}");
                    assert!(text.contains(&format!("    --{example} ")), "{example}");
                }
            }
            assert_eq!(code, 0);
        }
        assert_eq!(answer(&["--test-memory"]).1, 1);
        assert_eq!(answer(&["--check-config", "--port", "1"]).1, 0);
        assert!(parse(&["--check-config", "-"], "port 70000").is_err());
    }
}
