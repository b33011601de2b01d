//! From the command line to the running loop.

mod convert;
mod greeting;
mod logo;
pub mod modules;
mod supervise;
mod system;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::process::ExitCode;

use mio::Poll;

use super::event_loop::EventLoop;
use super::execution::row::{Command, Rows};
use super::persistence::{load_step, loading, snapshot};
use super::scripting::host::HOST;
use super::signals::Signals;
use super::{Server, apply, oom_score, title};
use crate::command::CommandTable;
use crate::config::{self, CommandLine, Config, LoadError, REDIS_VERSION};
use crate::db::{self, Databases};
use crate::net::listeners::{ListenError, Listeners, Transport};
use crate::persist;
use crate::util::key_hash::HashSeed;
use crate::util::platform;
use crate::util::process_title::ProcessTitle;
use supervise::Supervisor;

/// The program: reads the command line, starts the server, runs it to its end.
///
/// `families` are the commands there are.
pub fn main(families: &[&'static [Command]]) -> ExitCode {
    let mut args = std::env::args_os();
    let program = args.next().unwrap_or_default().to_string_lossy().into_owned();
    let args: Vec<OsString> = args.collect();
    if let Some(status) = check(&program, &args) {
        return status;
    }
    if args.first().is_some_and(|first| first == "--convert") {
        return convert::run(&args[1..], families);
    }
    let config = match config::parse_command_line(&args, &mut io::stdin().lock()) {
        Ok(CommandLine::Run(config)) => *config,
        Ok(CommandLine::PrintAndExit { text, code }) => {
            let _ = if code == 0 { write!(io::stdout(), "{text}") } else { write!(io::stderr(), "{text}") };
            return exit_code(code);
        }
        Err(error) => {
            // Where the log goes is not known yet.
            super::observe::log_format::install(&Config::default()).ok();
            complain(&error, false);
            return ExitCode::FAILURE;
        }
    };
    let logs_to_file = !config.logfile.is_empty();
    match serve(config, families, program, !args.is_empty()) {
        Ok(status) => return exit_code(status),
        Err(StartError::Config(error)) => complain(&error, logs_to_file),
        Err(StartError::Other(message)) => {
            // What went wrong may be the log: then there is none yet.
            super::observe::log_format::install(&Config::default()).ok();
            log::warn!("{message}");
            if let Some(advice) = advice(&message) {
                log::warn!("{advice}");
            }
        }
    }
    ExitCode::FAILURE
}

/// Says what is wrong with the configuration: on standard error, and in the log if that is a file, since a server in
/// the background has nothing else.
fn complain(error: &LoadError, logs_to_file: bool) {
    if !error.is_for_log() {
        eprint!("{error}");
    }
    if error.is_for_log() || logs_to_file {
        log::warn!("{error}");
    }
}

/// What may be done about it that the server did not start.
fn advice(message: &str) -> Option<&'static str> {
    const ADVICE: [(&str, &str); 3] = [
        ("Failed listening", "If another server runs there, end it or choose another port, such as: --port 6380"),
        ("Configured to not listen", "Give it a port or a socket: --port 6379, or --unixsocket PATH"),
        (
            "Failed to configure TLS",
            "TLS needs --tls-cert-file, --tls-key-file, and --tls-ca-cert-file unless --tls-auth-clients is no",
        ),
    ];
    ADVICE.iter().find(|(begin, _)| message.starts_with(begin)).map(|(_, advice)| *advice)
}

/// Does what is no server's work where that is asked for, by the first argument or by the name of the program: checks
/// the files of a data set or the settings of the system, and refuses to be a Sentinel.
fn check(program: &str, args: &[OsString]) -> Option<ExitCode> {
    let asked = |option: &str, name: &str| match args.split_first() {
        Some((first, rest)) if first == option => Some(rest),
        _ if program.ends_with(name) => Some(args),
        _ => None,
    };
    if let Some(args) = asked("--check-aof", "redis-check-aof") {
        let args: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
        let args: Vec<&str> = args.iter().map(|arg| &**arg).collect();
        let (mut out, mut input) = (io::stdout().lock(), io::stdin().lock());
        return Some(exit_code(persist::aof::check::run(program, &args, &mut out, &mut input, &check_snapshot)));
    }
    if asked("--check-system", "redis-check-system").is_some() {
        let fine = system::report(&mut io::stdout().lock());
        return Some(if fine.unwrap_or(false) { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if program.ends_with("redis-sentinel") || args.iter().any(|arg| arg == "--sentinel") {
        eprintln!("Oxidis has no Sentinel mode. Those of Redis watch over it.");
        return Some(ExitCode::FAILURE);
    }
    let files = asked("--check-rdb", "redis-check-rdb")?;
    let [file] = files else {
        eprintln!("Usage: {program} <rdb-file-name>");
        return Some(ExitCode::FAILURE);
    };
    if matches!(file.to_str(), Some("-v" | "--version")) {
        println!("redis-check-rdb {REDIS_VERSION}");
        return Some(ExitCode::SUCCESS);
    }
    let rules = loading::rules(&Config::default(), None, true);
    let checked = persist::rdb::check::check(file.as_ref(), rules, &mut io::stdout().lock());
    Some(if checked.unwrap_or(false) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Checks the snapshot at the head of a file and reports; where it ends, if it is sound.
fn check_snapshot(file: &File, shown: &str, out: &mut dyn Write) -> io::Result<Option<u64>> {
    let rules = loading::rules(&Config::default(), None, true);
    persist::rdb::check::check_file(file.try_clone()?, shown, rules, out)
}

fn exit_code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Why the server did not start.
#[derive(Debug)]
enum StartError {
    /// The configuration is wrong.
    Config(LoadError),
    /// Something else; the text is logged.
    Other(String),
}

impl From<LoadError> for StartError {
    fn from(error: LoadError) -> StartError {
        StartError::Config(error)
    }
}

impl From<ListenError> for StartError {
    fn from(error: ListenError) -> StartError {
        StartError::Other(error.0)
    }
}

/// Starts the server and runs it to its end; the exit status. `is_configured` is whether it was given any arguments.
fn serve(
    mut config: Config,
    families: &[&'static [Command]],
    program: String,
    is_configured: bool,
) -> Result<i32, StartError> {
    let fail = |what: &'static str| move |error: io::Error| StartError::Other(format!("{what}: {error}"));
    // Paths in the configuration are relative to `dir`, so it comes before all files.
    std::env::set_current_dir(&config.dir).map_err(fail("Can't chdir to the working directory"))?;
    super::observe::log_format::install(&config).map_err(fail("Can't open the log file"))?;
    let commands = table(&config, families)?;
    let supervisor = Supervisor::find(config.supervised);
    let in_background = config.daemonize && !supervisor.is_there();
    if in_background {
        platform::daemonize().map_err(fail("Can't go into the background"))?;
    }
    platform::ignore_broken_pipes();
    super::crash::install(&config);
    announce(&program, is_configured);
    snapshot::warn_of_compression(&config);
    let title = if config.set_proc_title { ProcessTitle::take_over() } else { None };
    super::observe::log_format::set_role(b'M');
    config.maxclients = apply::make_room_for_clients(config.maxclients);
    let poll = Poll::new().map_err(fail("Can't create the event loop"))?;
    let registry = || poll.registry().try_clone();
    let mut listeners = Listeners::new(registry().map_err(fail("Can't create the event loop"))?);
    listeners.open_tcp(&config, Transport::Plain)?;
    listeners.open_tcp(&config, Transport::Tls)?;
    listeners.open_tcp(&config, Transport::Metrics)?;
    listeners.open_unix(&config)?;
    if !listeners.is_open() {
        return Err(StartError::Other("Configured to not listen anywhere, exiting.".to_owned()));
    }
    write_pid_file(&mut config, in_background);
    logo::show(&config);
    let signals = Signals::install(poll.registry()).map_err(fail("Can't catch signals"))?;
    if !config.hash_seed.is_empty() {
        HashSeed::set_process_seed(config.hash_seed.as_bytes());
    }
    if config.cluster_enabled {
        db::keep_keys_by_slot();
        config.databases = 1;
    }
    let mut db = Databases::new(config.databases as usize);
    warn_of_tiny_maxmemory(&config);
    let mut server = Server::new(config, commands, listeners, HOST);
    server.config_changed();
    if apply::uses_tls(&server.config) && server.configure_tls().is_err() {
        return Err(StartError::Other("Failed to configure TLS. Check logs for more info.".to_owned()));
    }
    super::clients::users::at_start(&mut server)?;
    super::cluster::conf::begin(&mut server).map_err(StartError::Other)?;
    super::cluster::bus::listen(&mut server).map_err(StartError::Other)?;
    server.program = program;
    server.title = title;
    server.supervisor = supervisor.name();
    title::show_title(&mut server);
    // A kernel that refuses is no reason not to serve; the log has it.
    oom_score::oom_score(&mut server).ok();
    log::warn!("Server initialized");
    system::check(&server.config);
    modules::refuse_configured(&server.config).map_err(StartError::Other)?;
    server.persist.interrupted = signals.interrupted();
    super::replica_mode::update_role(&mut server);
    if load_step::begin(&mut server, &mut db).is_err() {
        return Ok(1);
    }
    let status = EventLoop::new(poll, server, db, signals).run(|server| report_ready(server, &supervisor));
    supervisor.tell("STOPPING=1\n");
    Ok(status)
}

fn announce(program: &str, is_configured: bool) {
    log::warn!("oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo");
    log::warn!(
        "Redis version={REDIS_VERSION}, bits=64, commit=00000000, modified=0, pid={}, just started",
        std::process::id()
    );
    match is_configured {
        true => log::warn!("Configuration loaded"),
        false => log::warn!(
            "Warning: no config file specified, using the default config. In order to specify a config file use \
             {program} /path/to/redis.conf"
        ),
    }
}

/// Says that clients may come, in the words that tools wait for.
fn report_ready(server: &Server, supervisor: &Supervisor) {
    if server.config.port != 0 || server.config.tls_port != 0 {
        log::info!("Ready to accept connections");
    }
    if let Some(path) = &server.config.unixsocket {
        log::info!("The server is now ready to accept connections at {path}");
    }
    greeting::show(&server.config);
    supervisor.tell("STATUS=Ready to accept connections\nREADY=1\n");
}

/// The table of commands, with `rename-command` applied.
fn table(config: &Config, families: &[&'static [Command]]) -> Result<(CommandTable, Rows), LoadError> {
    let (mut commands, rows) = Rows::new(families);
    for statement in &config.renamed_commands {
        if let [from, to] = &statement.words[..] {
            commands.rename(from, to).map_err(|error| statement.error(error))?;
        }
    }
    Ok((commands, rows))
}

/// Less than a megabyte is hardly meant.
fn warn_of_tiny_maxmemory(config: &Config) {
    let limit = config.maxmemory;
    if limit > 0 && limit < 1 << 20 {
        log::warn!(
            "WARNING: You specified a maxmemory value that is less than 1MB (current value is {limit} bytes). Are you \
             sure this is what you really want?"
        );
    }
}

/// A process in the background always has a file with its number.
fn write_pid_file(config: &mut Config, in_background: bool) {
    if in_background && config.pidfile.is_none() {
        config.pidfile = Some("/var/run/redis.pid".to_owned());
    }
    let Some(path) = &config.pidfile else { return };
    if let Err(error) = std::fs::write(path, format!("{}\n", std::process::id())) {
        log::warn!("Failed to write PID file: {}", platform::os_error_text(&error));
    }
}
