//! The command line: one row per option, with what it sets and what `--help` says about it.
//!
//! Options are read until the first word that is none; the rest is the command to run.

mod cluster;
#[cfg(test)]
mod packaged;
mod table;
mod uri;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use oxidis::tls::ClientOptions;

use crate::cluster::settings::Settings;
use crate::failure::Failure;
use crate::format::{Layout, Style};
use crate::transport::Family;
use cluster::CLUSTER_ROWS;
use table::{Effect, ROWS, Row, SPECIAL_ROWS};

/// How the client was asked to speak RESP3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resp3 {
    /// It was not.
    #[default]
    No,
    /// It would be nice to have, as for JSON.
    IfPossible,
    /// It must be.
    Required,
}

/// What the client does instead of running commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing else.
    Commands,
    /// `--eval`, the file.
    Eval(String),
    /// `--pipe`
    Pipe,
    /// `--rdb` or `--functions-rdb`
    Rdb { file: String, functions_only: bool },
    /// `--replica`
    Replica,
    /// `--scan`
    Scan,
    /// `--bigkeys`
    BigKeys,
    /// `--memkeys`; elements looked at per key, if not the server's own choice.
    MemKeys(Option<u64>),
    /// `--keystats`; elements looked at per key, if not the server's own choice.
    KeyStats(Option<u64>),
    /// `--hotkeys`
    HotKeys,
    /// `--stat`
    Stat,
    /// `--latency` and `--latency-history`
    Latency { history: bool },
    /// `--latency-dist`
    LatencyDist,
    /// `--intrinsic-latency`, for so many seconds.
    IntrinsicLatency(u64),
    /// `--lru-test`, with so many keys.
    LruTest(u64),
    /// `--cluster`, with a command of it.
    Cluster(String),
}

/// An argument of the command that is read from standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StandardInput {
    /// `-x`: the last one.
    Last,
    /// `-X`: the one that is this word.
    Tag(Vec<u8>),
}

/// What the command line and the environment say.
#[derive(Clone, Debug)]
pub struct Options {
    pub host: String,
    pub port: u16,
    pub socket: Option<String>,
    /// How long connecting may take; `None` leaves that to the system.
    pub connect_timeout: Option<Duration>,
    /// The version of IP whose addresses are tried first.
    pub family: Option<Family>,
    pub tls: bool,
    pub tls_options: ClientOptions,
    pub user: Option<Vec<u8>>,
    pub password: Option<Vec<u8>>,
    pub ask_password: bool,
    pub password_warning: bool,
    pub db: i64,
    /// Redirections of a cluster are followed.
    pub cluster: bool,
    pub resp2: bool,
    pub resp3: Resp3,
    /// Times to run the command; `None` without end.
    pub repeat: Option<u64>,
    pub interval: Duration,
    pub layout: Layout,
    /// Pushes are shown when they come.
    pub show_pushes: bool,
    pub quoted_input: bool,
    pub standard_input: Option<StandardInput>,
    /// `-e`
    pub error_exit: bool,
    pub mode: Mode,
    pub pattern: Option<Vec<u8>>,
    pub count: Option<u64>,
    /// Where to begin among the keys.
    pub cursor: u64,
    /// Largest keys that `--keystats` shows.
    pub top: Option<usize>,
    pub key_type: Option<Vec<u8>>,
    /// `None` waits for ever.
    pub pipe_timeout: Option<Duration>,
    /// `--mono`
    pub monochrome: bool,
    /// What the options of `--cluster` say.
    pub manager: Settings,
    /// `--verbose`
    pub verbose: bool,
    /// What stands behind the options.
    pub command: Vec<Vec<u8>>,
}

impl Options {
    /// What holds without any option, on a terminal or not.
    pub fn new(on_terminal: bool) -> Options {
        Options {
            host: "127.0.0.1".to_owned(),
            port: 6379,
            socket: None,
            connect_timeout: None,
            family: None,
            tls: false,
            tls_options: ClientOptions::default(),
            user: None,
            password: None,
            ask_password: false,
            password_warning: true,
            db: 0,
            cluster: false,
            resp2: false,
            resp3: Resp3::No,
            repeat: Some(1),
            interval: Duration::ZERO,
            layout: Layout::new(if on_terminal { Style::Human } else { Style::Raw }),
            show_pushes: on_terminal,
            quoted_input: false,
            standard_input: None,
            error_exit: false,
            mode: Mode::Commands,
            pattern: None,
            count: None,
            cursor: 0,
            top: None,
            key_type: None,
            pipe_timeout: Some(Duration::from_secs(30)),
            monochrome: false,
            manager: Settings::default(),
            verbose: false,
            command: Vec::new(),
        }
    }

    fn tls(&mut self) {
        self.tls = true;
    }

    /// `--latency-history` is `--latency` with a history, whichever comes first.
    fn latency(&mut self, history: bool) {
        let before = matches!(self.mode, Mode::Latency { history: true });
        self.mode = Mode::Latency { history: history || before };
    }

    /// JSON is best made of RESP3, but what was said about the protocol stands.
    fn set_json(&mut self, style: Style) {
        self.layout.style = style;
        if self.resp3 == Resp3::No {
            self.resp3 = Resp3::IfPossible;
        }
    }
}

/// What the command line asks for.
#[derive(Debug)]
pub enum Request {
    Run(Box<Options>),
    /// A text to be printed before a good end.
    Print(String),
}

/// Reads the arguments that follow the program's name.
///
/// # Errors
/// Options that don't exist, lack their value, have a wrong one, or exclude each other.
pub fn parse(args: impl IntoIterator<Item = OsString>, on_terminal: bool) -> Result<Request, Failure> {
    let mut options = Options::new(on_terminal);
    let mut args = args.into_iter().map(OsString::into_vec).peekable();
    let is_option = |arg: &Vec<u8>| arg.first() == Some(&b'-');
    loop {
        let Some(name) = args.next_if(is_option) else {
            // The words of a command for a cluster may stand between options.
            if !matches!(options.mode, Mode::Cluster(_)) || !options.command.is_empty() || args.peek().is_none() {
                break;
            }
            options.command = until(&mut args, is_option);
            continue;
        };
        let shown = String::from_utf8_lossy(&name).into_owned();
        if shown == "-h" && args.peek().is_none() {
            return Ok(Request::Print(help()));
        }
        match all_rows().find(|(names, ..)| names.contains(&shown.as_str())).map(|(_, effect, _)| effect) {
            Some(Effect::Set(set)) => set(&mut options)?,
            Some(Effect::Take(_, take)) => take(&mut options, args.next().ok_or_else(|| unknown(&shown))?)?,
            Some(Effect::Help) => return Ok(Request::Print(help())),
            Some(Effect::Version) => return Ok(Request::Print(version())),
            Some(Effect::Cluster) => {
                let command = args.next_if(|arg| !is_option(arg)).ok_or_else(|| unknown(&shown))?;
                options.mode = Mode::Cluster(String::from_utf8_lossy(&command).into_owned());
                options.command = until(&mut args, is_option);
            }
            Some(Effect::Weights) => weights(&mut options, until(&mut args, |arg| !arg.contains(&b'=')))?,
            None => return Err(unknown(&shown)),
        }
    }
    match (&options.mode, args.peek()) {
        (Mode::Cluster(_), Some(word)) => return Err(unknown(&String::from_utf8_lossy(word))),
        (Mode::Cluster(_), None) => {}
        _ => options.command = args.collect(),
    }
    if options.resp2 && options.resp3 == Resp3::Required {
        return Err(exclusive("-2 and -3"));
    }
    if options.password_warning && options.password.is_some() {
        eprintln!("Warning: Using a password with '-a' or '-u' option on the command line interface may not be safe.");
    }
    if std::env::var_os("REDISCLI_CLUSTER_YES").is_some_and(|value| value == "1") {
        options.manager.yes = true;
    }
    if options.password.is_none() {
        options.password = std::env::var_os("REDISCLI_AUTH").map(OsString::into_vec);
    }
    Ok(Request::Run(Box::new(options)))
}

fn all_rows() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().chain(SPECIAL_ROWS).chain(CLUSTER_ROWS)
}

fn unknown(name: &str) -> Failure {
    Failure::new(format!("Unrecognized option or bad number of args for: '{name}'"))
}

/// Takes words up to one at which to stop.
fn until(
    args: &mut std::iter::Peekable<impl Iterator<Item = Vec<u8>>>,
    stops: impl Fn(&Vec<u8>) -> bool,
) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| args.next_if(|arg| !stops(arg))).collect()
}

fn weights(options: &mut Options, words: Vec<Vec<u8>>) -> Result<(), Failure> {
    if !options.manager.weights.is_empty() {
        return Err(Failure::new(
            "WARNING: you cannot use --cluster-weight more than once.\nYou can set more weights by adding them as a \
             space-separated list, ie:\n--cluster-weight n1=w n2=w",
        ));
    }
    options.manager.weights = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    Ok(())
}

fn exclusive(options: &str) -> Failure {
    Failure::new(format!("Options {options} are mutually exclusive."))
}

/// What `--version` prints.
pub fn version() -> String {
    format!("oxidis-cli {} (Redis {})\n", env!("CARGO_PKG_VERSION"), oxidis::manual::REDIS_VERSION)
}

/// What `--help` prints: a paragraph per option, from its row.
pub fn help() -> String {
    const COLUMN: usize = 26;
    let mut help = version();
    help.push_str("\nUsage: oxidis-cli [options] [command [argument ...]]\n\n");
    for (names, effect, text) in all_rows().filter(|(.., text)| !text.is_empty()) {
        let head = format!("{} {}", names.join(", "), effect.value());
        let mut lines = text.lines();
        help.push_str(&format!("  {:COLUMN$} {}\n", head.trim_end(), lines.next().unwrap_or_default()));
        lines.for_each(|line| help.push_str(&format!("  {:COLUMN$} {line}\n", "")));
    }
    help.push_str(
        "\nExamples:
  oxidis-cli -r 100 -i 0.5 incr visits
  oxidis-cli --raw dump key | oxidis-cli -x restore copy 0
  oxidis-cli --quoted-input set '\"with \\x00 in it\"' value
  oxidis-cli --eval script.lua key1 key2 , argument1 argument2
  oxidis-cli --scan --pattern 'user:*' --count 1000

Without a command it is interactive; \"help\" there says more.\n",
    );
    help
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Result<Options, String> {
        match parse(line.split(' ').filter(|word| !word.is_empty()).map(OsString::from), true) {
            Ok(Request::Run(options)) => Ok(*options),
            Ok(Request::Print(text)) => Err(text),
            Err(failure) => Err(failure.to_string()),
        }
    }

    #[test]
    fn the_first_word_that_is_no_option_begins_the_command() {
        let options = options("-p 7000 -n 2 -r -1 -i 0.25 get -p").expect("right options");
        assert_eq!((options.port, options.db, options.repeat), (7000, 2, None));
        assert_eq!(options.interval, Duration::from_millis(250));
        assert_eq!(options.command, [b"get".to_vec(), b"-p".to_vec()]);
    }

    #[test]
    fn the_words_of_a_cluster_command_end_at_an_option_or_follow_later() {
        let words = |line: &str| options(line).map(|options| (options.mode, options.command, options.manager.weights));
        let check = Mode::Cluster("check".to_owned());
        let place = vec![b"a".to_vec(), b"1".to_vec()];
        assert_eq!(words("--cluster check a 1 --cluster-yes"), Ok((check.clone(), place.clone(), vec![])));
        assert_eq!(words("--cluster check --cluster-yes a 1"), Ok((check.clone(), place.clone(), vec![])));
        let weights = vec!["x=1".to_owned(), "y=2.5".to_owned()];
        assert_eq!(words("--cluster-weight x=1 y=2.5 --cluster check a 1"), Ok((check, place, weights)));
        assert!(options("--cluster-weight x=1 --cluster-weight y=1").is_err());
    }

    #[test]
    fn json_asks_for_resp3_unless_the_protocol_was_named() {
        assert_eq!(options("--json").map(|o| o.resp3), Ok(Resp3::IfPossible));
        assert_eq!(options("-3 --json").map(|o| o.resp3), Ok(Resp3::Required));
        assert_eq!(options("--json -2").map(|o| (o.resp2, o.resp3)), Ok((true, Resp3::IfPossible)));
    }

    #[test]
    fn wrong_options_are_refused() {
        for (line, text) in [
            ("--nothing", "Unrecognized option or bad number of args for: '--nothing'"),
            ("-p", "Unrecognized option or bad number of args for: '-p'"),
            ("-X", "Unrecognized option or bad number of args for: '-X'"),
            ("-p x", "'x' is not a number in range."),
            ("-x -X tag", "Options -x and -X are mutually exclusive."),
            ("-X tag -x", "Options -x and -X are mutually exclusive."),
            ("-2 -3", "Options -2 and -3 are mutually exclusive."),
            ("--rdb a --functions-rdb b", "Options --rdb and --functions-rdb are mutually exclusive."),
            ("--cluster", "Unrecognized option or bad number of args for: '--cluster'"),
            ("--cluster -p", "Unrecognized option or bad number of args for: '--cluster'"),
            ("--cluster check a:1 --cluster-yes b", "Unrecognized option or bad number of args for: 'b'"),
            ("--cluster-pipeline 0", "'0' is not a number in range."),
            ("--cluster-slots -1", "'-1' is not a number in range."),
            ("-u http://x", "Invalid URI scheme"),
        ] {
            assert_eq!(options(line).err().as_deref(), Some(text), "{line}");
        }
    }

    #[test]
    fn help_names_every_documented_option() {
        let text = options("--help").expect_err("a text to print");
        for (names, _, help) in all_rows() {
            assert_eq!(text.contains(&format!("  {}", names.join(", "))), !help.is_empty(), "{names:?}");
        }
    }
}
