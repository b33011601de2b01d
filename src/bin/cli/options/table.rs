//! The options: a row for each, with its names, what it takes, what it does, and its lines of `--help`.

use std::time::Duration;

use oxidis::quote::split_args;

use super::{Mode, Options, Resp3, StandardInput, exclusive, uri};
use crate::failure::Failure;
use crate::format::Style;
use crate::transport::Family;

/// What an option does.
pub enum Effect {
    /// It stands alone.
    Set(fn(&mut Options) -> Result<(), Failure>),
    /// It takes a value, which `--help` shows by this name.
    Take(&'static str, fn(&mut Options, Vec<u8>) -> Result<(), Failure>),
    /// Prints the help.
    Help,
    /// Prints the version.
    Version,
    /// Takes a command for a cluster, and the words up to the next option.
    Cluster,
    /// Takes words with a `=` in them.
    Weights,
}

impl Effect {
    /// What the option takes, as `--help` shows it; empty for nothing.
    pub fn value(&self) -> &'static str {
        match self {
            Effect::Take(value, _) => value,
            Effect::Cluster => "<command>",
            Effect::Weights => "<weights>",
            Effect::Set(_) | Effect::Help | Effect::Version => "",
        }
    }
}

/// One option: its names, its effect, and its lines of `--help`; none for what is not worth a line.
pub type Row = (&'static [&'static str], Effect, &'static str);

macro_rules! rows {
    (@effect $options:ident, , $set:expr) => {
        Effect::Set(|$options| { $set; Ok(()) })
    };
    (@effect $options:ident, $placeholder:literal $value:ident, $set:expr) => {
        Effect::Take($placeholder, |$options, $value| { $set; Ok(()) })
    };
    ($options:ident; $($($name:literal),+ $(=> $placeholder:literal $value:ident)? { $set:expr } $help:literal;)*) => {
        &[$((&[$($name),+], rows!(@effect $options, $($placeholder $value)?, $set), $help)),*]
    };
}

pub(super) use rows;

/// What takes effect through `parse` itself.
pub const SPECIAL_ROWS: &[Row] = &[
    (
        &["--cluster"],
        Effect::Cluster,
        "Looks after a cluster: makes one, checks it, moves slots.\n\
         \"--cluster help\" names the commands and the words behind them.",
    ),
    (
        &["--cluster-weight"],
        Effect::Weights,
        "Words <id>=<weight>: parts of the slots that rebalance gives to primaries (1).\n\
         The beginning of an id will do.",
    ),
    (&["--ldb", "--ldb-sync-mode"], Effect::Set(|_| no_debugger()), ""),
    (
        &["--verbose"],
        Effect::Set(|o| {
            o.verbose = true;
            Ok(())
        }),
        "rebalance tells the balance of each primary.",
    ),
    (&["--help"], Effect::Help, "Prints this."),
    (&["-v", "--version"], Effect::Version, "Prints the version."),
];

/// The options, in the order of `--help`.
pub const ROWS: &[Row] = rows! { o;
    "-h" => "<host>" v { o.host = text(v)? }
        "Host of the server (127.0.0.1).";
    "-p" => "<port>" v { o.port = number(v)? }
        "Port of the server (6379).";
    "-t" => "<seconds>" v { o.connect_timeout = Some(seconds(v)?).filter(|limit| !limit.is_zero()) }
        "How long connecting may take; may be 0.1. 0 leaves that to the system.";
    "-s" => "<path>" v { o.socket = Some(text(v)?) }
        "Unix socket of the server, instead of host and port.";
    "-u" => "<uri>" v { uri::apply(&text(v)?, o)? }
        "redis://[[user:]password@][host[:port]][/db], or rediss:// for TLS.";
    "-a", "--pass" => "<password>" v { o.password = Some(v) }
        "Password. It is safer in the environment, as REDISCLI_AUTH.";
    "--user" => "<name>" v { o.user = Some(v) }
        "User the password belongs to.";
    "--askpass" { o.ask_password = true }
        "Asks for the password; -a and REDISCLI_AUTH don't count then.";
    "--no-auth-warning" { o.password_warning = false }
        "Says nothing about passwords on the command line.";
    "-n" => "<db>" v { o.db = number(v)? }
        "Number of the database (0).";
    "-c" { o.cluster = true }
        "Goes where a node of a cluster sends it.";
    "-2" { o.resp2 = true }
        "Speaks RESP2.";
    "-3" { o.resp3 = Resp3::Required }
        "Speaks RESP3.";
    "-4" { o.family = Some(Family::V4) }
        "Tries addresses of IPv4 first.";
    "-6" { o.family = Some(Family::V6) }
        "Tries addresses of IPv6 first.";
    "--tls" { o.tls() }
        "Speaks TLS.";
    "--sni" => "<host>" v { o.tls_options.server_name = Some(text(v)?) }
        "Name that is asked for, and expected in the certificate.";
    "--cacert" => "<file>" v { o.tls_options.ca_file = Some(text(v)?) }
        "Certificates of those who may have signed the server's.";
    "--cacertdir" => "<dir>" v { o.tls_options.ca_folder = Some(text(v)?) }
        "A directory of such certificates.";
    "--insecure" { o.tls_options.insecure = true }
        "Doesn't check the server's certificate.";
    "--cert" => "<file>" v { o.tls_options.certificate = Some(text(v)?) }
        "Our own certificate.";
    "--key" => "<file>" v { o.tls_options.key = Some(text(v)?) }
        "Our private key.";
    "--tls-ciphers" => "<list>" v { o.tls_options.ciphers = Some(text(v)?) }
        "Ciphers for TLS 1.2, the best first.";
    "--tls-ciphersuites" => "<list>" v { o.tls_options.ciphersuites = Some(text(v)?) }
        "Cipher suites for TLS 1.3, the best first.";
    "-r" => "<times>" v { o.repeat = u64::try_from(number::<i64>(v)?).ok() }
        "Runs the command so many times; -1 without end.";
    "-i" => "<seconds>" v { o.interval = seconds(v)? }
        "Rests between repetitions, lines of --stat and rounds of --scan, and after\n\
         100 rounds of --bigkeys, --memkeys and --hotkeys. May be 0.1.";
    "-x" { input(o, StandardInput::Last)? }
        "Reads the last argument of the command from standard input.";
    "-X" => "<tag>" v { input(o, StandardInput::Tag(v))? }
        "Reads the argument that is <tag> from standard input.";
    "--quoted-input" { o.quoted_input = true }
        "Reads each argument of the command as a quoted string.";
    "-e" { o.error_exit = true }
        "Ends with status 1 when the server answers with an error.";
    "--raw" { o.layout.style = Style::Raw }
        "Prints replies as they are, which is usual off a terminal.";
    "--no-raw" { o.layout.style = Style::Human }
        "Prints replies for people, off a terminal too.";
    "-d" => "<text>" v { o.layout.delimiter = v }
        "Stands between the elements of a raw reply (a line break).";
    "-D" => "<text>" v { o.layout.end = v }
        "Stands behind each raw reply (a line break).";
    "--csv" { o.layout.style = Style::Csv }
        "Prints comma-separated values.";
    "--json" { o.set_json(Style::Json) }
        "Prints JSON, made of RESP3 unless -2 is given.";
    "--quoted-json" { o.set_json(Style::QuotedJson) }
        "Prints JSON in plain ASCII, other bytes escaped.";
    "--show-pushes" => "<yes|no>" v { pushes(o, &v) }
        "Prints pushes of RESP3 when they come; usual on a terminal.";
    "--eval" => "<file>" v { o.mode = Mode::Eval(text(v)?) }
        "Runs a Lua script: keys, a comma, and other arguments follow.";
    "--pipe" { o.mode = Mode::Pipe }
        "Sends requests, in the protocol, from standard input to the server.";
    "--pipe-timeout" => "<seconds>" v { o.pipe_timeout = Some(seconds(v)?).filter(|limit| !limit.is_zero()) }
        "How long --pipe waits for a reply at the end (30); 0 for ever.";
    "--rdb" => "<file>" v { rdb(o, v, false)? }
        "Fetches a snapshot of the data set; - for standard output.";
    "--functions-rdb" => "<file>" v { rdb(o, v, true)? }
        "Fetches a snapshot of the functions alone.";
    "--replica", "--slave" { o.mode = Mode::Replica }
        "Becomes a replica and prints what it is sent.";
    "--scan" { o.mode = Mode::Scan }
        "Lists keys, through SCAN.";
    "--pattern" => "<glob>" v { o.pattern = Some(v) }
        "Keys that --scan, --bigkeys, --memkeys and --hotkeys look at.";
    "--quoted-pattern" => "<glob>" v { o.pattern = Some(unquoted(&v)?) }
        "The same as a quoted string.";
    "--count" => "<number>" v { o.count = Some(number(v)?) }
        "Keys to ask for at a time.";
    "--type" => "<type>" v { o.key_type = Some(v) }
        "Type of keys that --scan lists.";
    "--bigkeys" { o.mode = Mode::BigKeys }
        "Looks for keys with many elements.";
    "--memkeys" { o.mode = Mode::MemKeys(None) }
        "Looks for keys that take much memory.";
    "--memkeys-samples" => "<number>" v { o.mode = Mode::MemKeys(Some(number(v)?)) }
        "The same, with so many elements of each key looked at.";
    "--keystats" { o.mode = Mode::KeyStats(None) }
        "Tells memory and lengths of keys, and how these are distributed.";
    "--keystats-samples" => "<number>" v { o.mode = Mode::KeyStats(Some(number(v)?)) }
        "The same, with so many elements of each key looked at.";
    "--cursor" => "<number>" v { o.cursor = number(v)? }
        "Cursor at which looking at keys begins, as --keystats tells it on Ctrl-C.";
    "--top" => "<number>" v { o.top = Some(number(v)?) }
        "Largest keys that --keystats shows (10).";
    "--hotkeys" { o.mode = Mode::HotKeys }
        "Looks for keys that are used often; maxmemory-policy must be one of LFU.";
    "--stat" { o.mode = Mode::Stat }
        "Prints a line about the server every second, or -i.";
    "--latency" { o.latency(false) }
        "Measures how long PING takes: on a terminal on and on, otherwise for a\n\
         second, or -i, and one line.";
    "--latency-history" { o.latency(true) }
        "The same, with a new line every 15 seconds, or -i.";
    "--latency-dist" { o.mode = Mode::LatencyDist }
        "Shows the distribution of latencies as a spectrum every second, or -i.";
    "--mono" { o.monochrome = true }
        "That spectrum in shades of grey.";
    "--intrinsic-latency" => "<seconds>" v { o.mode = Mode::IntrinsicLatency(number(v)?) }
        "Measures how long this machine keeps a busy program waiting.";
    "--lru-test" => "<keys>" v { o.mode = Mode::LruTest(number(v)?) }
        "Plays the client of a cache with that many keys, a fifth of them hot.";
};

/// The value as text.
pub fn text(value: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(value)
        .map_err(|error| Failure::new(format!("'{}' is not UTF-8.", String::from_utf8_lossy(error.as_bytes()))))
}

/// The value as a number.
pub fn number<T: std::str::FromStr>(value: Vec<u8>) -> Result<T, Failure> {
    let value = text(value)?;
    value.parse().map_err(|_| Failure::new(format!("'{value}' is not a number in range.")))
}

fn seconds(value: Vec<u8>) -> Result<Duration, Failure> {
    let refused = Failure::new(format!("'{}' is not a number of seconds.", String::from_utf8_lossy(&value)));
    Duration::try_from_secs_f64(number(value)?).map_err(|_| refused)
}

fn unquoted(value: &[u8]) -> Result<Vec<u8>, Failure> {
    match split_args(value).as_deref() {
        Ok([word]) => Ok(word.clone()),
        _ => Err(Failure::new("Invalid quoted string specified for --quoted-pattern.")),
    }
}

fn input(options: &mut Options, input: StandardInput) -> Result<(), Failure> {
    match options.standard_input.replace(input) {
        Some(before) if Some(&before) != options.standard_input.as_ref() => Err(exclusive("-x and -X")),
        _ => Ok(()),
    }
}

fn rdb(options: &mut Options, file: Vec<u8>, functions_only: bool) -> Result<(), Failure> {
    match &options.mode {
        Mode::Rdb { functions_only: before, .. } if *before != functions_only => {
            Err(exclusive("--rdb and --functions-rdb"))
        }
        _ => {
            options.mode = Mode::Rdb { file: text(file)?, functions_only };
            Ok(())
        }
    }
}

fn pushes(options: &mut Options, value: &[u8]) {
    match value.first().map(u8::to_ascii_lowercase) {
        Some(b'y') => options.show_pushes = true,
        Some(b'n') => options.show_pushes = false,
        _ => eprintln!("Unknown --show-pushes value '{}' (valid: '[y]es', '[n]o')", String::from_utf8_lossy(value)),
    }
}

fn no_debugger() -> Result<(), Failure> {
    Err(Failure::new("The debugger for Lua scripts is not there; --eval runs them without it."))
}
