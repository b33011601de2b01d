//! The log, in Redis's line format: `pid:role day month year time.ms level message`.
//!
//! The role is `C` while the server is starting, and `M` for a primary.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;

use log::{Level, LevelFilter};

use super::syslog::Syslog;
use crate::config::{Config, LogLevel};

static ROLE: AtomicU8 = AtomicU8::new(b'C');

/// Sets the letter of the role.
pub fn set_role(letter: u8) {
    ROLE.store(letter, Relaxed);
}

/// Installs the logger. Lines go to `logfile`, or to standard output when that is empty.
///
/// # Errors
/// When the log file cannot be opened.
pub fn install(config: &Config) -> io::Result<()> {
    let mut builder = env_logger::Builder::new();
    if !config.logfile.is_empty() {
        OpenOptions::new().create(true).append(true).open(&config.logfile)?;
    }
    let target: Box<dyn Write + Send> = match config.logfile.as_str() {
        "" => Box::new(io::stdout()),
        path => Box::new(Reopening(path.to_owned())),
    };
    // The crates below us have nothing to say that an operator would look for.
    builder
        .filter_level(LevelFilter::Warn)
        .filter_module(env!("CARGO_CRATE_NAME"), LevelFilter::Trace)
        .target(env_logger::Target::Pipe(target));
    let syslog = Syslog::open(config);
    builder.format(move |out, record| {
        let (mark, level) = match record.level() {
            Level::Error | Level::Warn => ('#', LogLevel::Warning),
            Level::Info => ('*', LogLevel::Notice),
            Level::Debug => ('-', LogLevel::Verbose),
            Level::Trace => ('.', LogLevel::Debug),
        };
        if let Some(syslog) = &syslog {
            syslog.send(level, &record.args().to_string());
        }
        let (role, stamp) = (char::from(ROLE.load(Relaxed)), crate::util::time::log_stamp());
        writeln!(out, "{}:{role} {stamp} {mark} {}", std::process::id(), record.args())
    });
    builder.try_init().map_err(io::Error::other)?;
    set_level(config.loglevel);
    Ok(())
}

/// Writes text as it is to where the log goes.
pub fn write_plain(config: &Config, text: &str) {
    let written = match config.logfile.as_str() {
        "" => io::stdout().write_all(text.as_bytes()),
        path => Reopening(path.to_owned()).write_all(text.as_bytes()),
    };
    if let Err(error) = written {
        log::warn!("Writing to the log failed: {error}");
    }
}

/// Opens the file for each line, so that it can be moved away at any time, as Redis does.
struct Reopening(String);

impl Write for Reopening {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        OpenOptions::new().create(true).append(true).open(&self.0)?.write_all(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sets `loglevel`.
pub fn set_level(level: LogLevel) {
    log::set_max_level(match level {
        LogLevel::Debug => LevelFilter::Trace,
        LogLevel::Verbose => LevelFilter::Debug,
        LogLevel::Notice => LevelFilter::Info,
        LogLevel::Warning => LevelFilter::Warn,
    });
}
