//! From the command line to the running loop.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use mio::Poll;

use crate::command::CommandTable;
use crate::config::{self, CommandLine, Config};
use crate::db::Databases;
use crate::net::event_loop::EventLoop;
use crate::net::listeners::{ListenError, Listeners};
use crate::server::Server;
use crate::signals::Signals;
use crate::util::platform;

/// Descriptors kept for files, listeners and the like besides those of clients.
const RESERVED_DESCRIPTORS: u64 = 32;

/// The program: reads the command line, starts the server, runs it to its end.
pub fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let config = match config::parse_command_line(&args, &mut io::stdin().lock()) {
        Ok(CommandLine::Run(config)) => *config,
        Ok(CommandLine::PrintAndExit { text, code }) => {
            let _ = if code == 0 { write!(io::stdout(), "{text}") } else { write!(io::stderr(), "{text}") };
            return exit_code(code);
        }
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    match serve(config) {
        Ok(status) => exit_code(status),
        Err(error) => {
            log::warn!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn exit_code(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Why the server did not start; the text is logged.
#[derive(Debug)]
struct StartError(String);

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ListenError> for StartError {
    fn from(error: ListenError) -> StartError {
        StartError(error.0)
    }
}

fn serve(mut config: Config) -> Result<i32, StartError> {
    let fail = |what: &'static str| move |error: io::Error| StartError(format!("{what}: {error}"));
    if config.daemonize {
        platform::daemonize().map_err(fail("Can't go into the background"))?;
    }
    crate::log_format::install(&config).map_err(fail("Can't open the log file"))?;
    platform::ignore_broken_pipes();
    log::warn!("oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo");
    log::warn!(
        "Redis version={}, bits=64, commit=00000000, modified=0, pid={}, just started",
        config::REDIS_VERSION,
        std::process::id()
    );
    match &config.config_file {
        Some(_) => log::warn!("Configuration loaded"),
        None => log::warn!(
            "Warning: no config file specified, using the default config. In order to specify a config file use {} \
             /path/to/redis.conf",
            std::env::args().next().unwrap_or_default()
        ),
    }
    adjust_descriptor_limit(&mut config);
    let commands = table(&config)?;
    let poll = Poll::new().map_err(fail("Can't create the event loop"))?;
    let registry = || poll.registry().try_clone();
    let mut listeners = Listeners::new(registry().map_err(fail("Can't create the event loop"))?);
    listeners.open_tcp(&config)?;
    listeners.open_unix(&config)?;
    write_pid_file(&config);
    announce(&config);
    let signals = Signals::install(poll.registry()).map_err(fail("Can't catch signals"))?;
    let db = Databases::new(config.databases as usize);
    let server = Server::new(config, commands, listeners);
    log::warn!("Server initialized");
    if server.config.port != 0 {
        log::info!("Ready to accept connections");
    }
    if let Some(path) = &server.config.unixsocket {
        log::info!("The server is now ready to accept connections at {path}");
    }
    let mut event_loop = EventLoop::new(poll, server, db, signals);
    Ok(event_loop.run())
}

/// The table of commands, with `rename-command` applied.
fn table(config: &Config) -> Result<CommandTable, StartError> {
    let mut commands = CommandTable::new(crate::commands::FAMILIES);
    for statement in &config.renamed_commands {
        if let [from, to] = &statement.words[..] {
            commands.rename(from, to).map_err(|error| StartError(statement.error(error).to_string()))?;
        }
    }
    Ok(commands)
}

fn announce(config: &Config) {
    log::info!("Running mode=standalone, port={}.", config.port);
    log::info!("Oxidis {}, PID: {}", env!("CARGO_PKG_VERSION"), std::process::id());
}

fn write_pid_file(config: &Config) {
    let default = config.daemonize.then(|| "/var/run/redis.pid".to_owned());
    let Some(path) = config.pidfile.clone().or(default) else { return };
    if let Err(error) = std::fs::write(&path, format!("{}\n", std::process::id())) {
        log::warn!("Failed to write PID file: {error}");
    }
}

/// Raises the limit of open descriptors to what `maxclients` needs; where that is refused, fewer clients it is.
fn adjust_descriptor_limit(config: &mut Config) {
    let wanted = u64::from(config.maxclients) + RESERVED_DESCRIPTORS;
    let Ok((soft, hard)) = platform::descriptor_limit() else {
        log::warn!(
            "Unable to obtain the current NOFILE limit, assuming 1024 and setting the max clients configuration accordingly."
        );
        config.maxclients = 1024 - RESERVED_DESCRIPTORS as u32;
        return;
    };
    if soft >= wanted {
        return;
    }
    let raised = platform::set_descriptor_limit(wanted, hard.max(wanted)).map(|()| wanted);
    let reached = raised.or_else(|_| platform::set_descriptor_limit(hard.min(wanted), hard).map(|()| hard.min(wanted)));
    match reached {
        Ok(reached) if reached >= wanted => {
            log::info!("Increased maximum number of open files to {wanted} (it was originally set to {soft}).")
        }
        other => {
            let reached = other.unwrap_or(soft);
            let allowed = reached.saturating_sub(RESERVED_DESCRIPTORS).max(1) as u32;
            log::warn!(
                "You requested maxclients of {} requiring at least {wanted} max file descriptors.",
                config.maxclients
            );
            log::warn!("Server can't set maximum open files to {wanted} because of OS error.");
            log::warn!(
                "Current maximum open files is {reached}. maxclients has been reduced to {allowed} to compensate for \
                 low ulimit. If you need higher maxclients increase 'ulimit -n'."
            );
            config.maxclients = allowed;
        }
    }
}
