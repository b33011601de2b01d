//! The log, in Redis's line format: `pid:role day month year time.ms level message`.

use std::fs::OpenOptions;
use std::io::{self, Write};

use log::{Level, LevelFilter};

use crate::config::{Config, LogLevel};

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
    builder.filter_level(LevelFilter::Trace).target(env_logger::Target::Pipe(target));
    builder.format(|out, record| {
        let mark = match record.level() {
            Level::Error | Level::Warn => '#',
            Level::Info => '*',
            Level::Debug => '-',
            Level::Trace => '.',
        };
        writeln!(out, "{}:M {} {mark} {}", std::process::id(), crate::util::time::log_stamp(), record.args())
    });
    builder.try_init().map_err(io::Error::other)?;
    set_level(config.loglevel);
    Ok(())
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
