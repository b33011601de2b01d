//! `oxidis-cli`, a client for people and scripts, with the options and the output of redis-cli 7.0.
//!
//! ```text
//! options ──> session ──> connection ──> transport        a command, or many from a prompt (repl)
//!                │
//!                └──> pipe, rdb, replica, scan, bigkeys, hotkeys, stat, latency, … one file per mode
//!
//! options ──> cluster ──> connection                      --cluster: many nodes at once
//!
//! repl ──> editor ──> assist ──> catalog, syntax          completions and hints
//! session ──> format                                      replies as people or programs like them
//! ```
//! It needs nothing of the server but the public parts of the library: the protocol, quoting, and the documentation of
//! the commands, for servers that have none.

mod arguments;
mod assist;
mod bigkeys;
mod catalog;
mod cluster;
mod connection;
mod editor;
mod failure;
mod format;
mod help;
mod history;
mod hotkeys;
mod interrupt;
mod intrinsic;
mod keystats;
mod latency;
mod latency_dist;
mod lru_test;
mod options;
mod output;
mod pipe;
mod preferences;
mod progress;
mod random;
mod rdb;
mod reconnecting;
mod repl;
mod replica;
mod scan;
mod session;
mod stat;
mod sync;
mod syntax;
mod transport;

use std::process::ExitCode;

use bigkeys::Measure;
use editor::LineEditor;
use failure::Failure;
use options::{Mode, Options, Request};
use reconnecting::Reconnecting;
use session::{Outcome, Session};

fn main() -> ExitCode {
    let request = options::parse(std::env::args_os().skip(1), output::is_terminal());
    let done = match request {
        Ok(Request::Run(options)) => run(*options),
        Ok(Request::Print(text)) => {
            output::print(text);
            Ok(())
        }
        Err(failure) => Err(failure),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell();
            ExitCode::FAILURE
        }
    }
}

fn run(mut options: Options) -> Result<(), Failure> {
    if options.ask_password {
        options.password = Some(LineEditor::new()?.read_password("Please input password: ")?.into_bytes());
    }
    if options.manager.ask_from_password {
        let question = "Please input import source node password: ";
        options.manager.from_password = Some(LineEditor::new()?.read_password(question)?.into_bytes());
    }
    let session = Session::new(options.clone())?;
    match &options.mode {
        Mode::Commands if options.command.is_empty() => repl::run(session),
        Mode::Commands => command(session, &options),
        Mode::Eval(file) => eval(session, &options, file),
        Mode::Pipe => pipe::run(session.into_connection()?, options.pipe_timeout),
        Mode::Rdb { file, functions_only } => rdb::run(session.into_connection()?, file, *functions_only),
        Mode::Replica => replica::run(session.into_connection()?),
        Mode::Scan => scan::run(session.into_connection()?, &options),
        Mode::BigKeys => bigkeys::run(session.into_connection()?, &options, Measure::Elements),
        Mode::MemKeys(samples) => bigkeys::run(session.into_connection()?, &options, Measure::Memory(*samples)),
        Mode::KeyStats(samples) => keystats::run(session.into_connection()?, &options, *samples),
        Mode::HotKeys => hotkeys::run(session.into_connection()?, &options),
        Mode::Stat => stat::run(Reconnecting::new(session)?, options.interval),
        Mode::Latency { history } => latency::run(Reconnecting::new(session)?, &options, *history),
        Mode::LatencyDist => latency_dist::run(Reconnecting::new(session)?, &options),
        Mode::IntrinsicLatency(seconds) => intrinsic::run(*seconds),
        Mode::Cluster(name) => {
            let input = options.standard_input.as_ref();
            let words = arguments::with_input(options.command.clone(), input, &mut std::io::stdin().lock())?;
            cluster::run(&options, name, words)
        }
        Mode::LruTest(keys) => lru_test::run(session.into_connection()?, *keys),
    }
}

/// Runs the command that stands behind the options.
fn command(mut session: Session, options: &Options) -> Result<(), Failure> {
    if options.command.first().is_some_and(|name| name.eq_ignore_ascii_case(b"help") || name == b"?") {
        let words = options.command.iter().skip(1).map(|word| String::from_utf8_lossy(word).into_owned());
        let words: Vec<String> = words.collect();
        if words.is_empty() {
            output::print(help::general());
        } else {
            session.connect(false);
            output::print(help::topic(&repl::catalog_of(&mut session), &words));
        }
        return Ok(());
    }
    let mut args = options.command.clone();
    if options.quoted_input {
        args = arguments::unquoted(&args).ok_or_else(|| {
            output::print("Invalid quoted string\n");
            Failure::told()
        })?;
    }
    let args = arguments::with_input(args, options.standard_input.as_ref(), &mut std::io::stdin().lock())?;
    session.connect(false);
    ended(session.run(&args, options.repeat))
}

/// Runs a script with the keys and arguments that stand behind the options.
fn eval(mut session: Session, options: &Options, file: &str) -> Result<(), Failure> {
    if !session.connect(true) {
        return Err(Failure::told());
    }
    let args = arguments::eval(file, &options.command)?;
    ended(session.run(&args, options.repeat))
}

fn ended(outcome: Outcome) -> Result<(), Failure> {
    if outcome == Outcome::Done { Ok(()) } else { Err(Failure::told()) }
}
