//! The log, in Redis's line format: `pid:role day month year time.ms level message`; or, with `log-format`, as pairs
//! of a name and a value, or as JSON.
//!
//! The role is `C` while the server is starting and in its children, and `M` for a primary.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;

use log::{Level, LevelFilter};

use super::log_tail;
use super::syslog::Syslog;
use crate::config::{Choice, Config, LogFormat, LogLevel, LogTimestampFormat};
use crate::util::clock::unix_micros;
use crate::util::time::{iso_stamp, log_stamp};

/// The role while the server is starting.
const STARTING: u8 = 0;
static ROLE: AtomicU8 = AtomicU8::new(STARTING);
/// `log-format` and `log-timestamp-format`, by their places among the choices there are.
static FORMAT: AtomicU8 = AtomicU8::new(0);
static TIMESTAMP_FORMAT: AtomicU8 = AtomicU8::new(0);

/// Sets the letter of the role.
pub fn set_role(letter: u8) {
    ROLE.store(letter, Relaxed);
}

/// Takes `log-format` and `log-timestamp-format` over.
pub fn set_format(config: &Config) {
    FORMAT.store(place(config.log_format), Relaxed);
    TIMESTAMP_FORMAT.store(place(config.log_timestamp_format), Relaxed);
}

fn place<T: Choice>(choice: T) -> u8 {
    T::NAMES.iter().position(|(_, known)| *known == choice).unwrap_or(0) as u8
}

fn choice<T: Choice>(place: &AtomicU8) -> T {
    T::NAMES[usize::from(place.load(Relaxed))].1
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
        let level = match record.level() {
            Level::Error | Level::Warn => LogLevel::Warning,
            Level::Info => LogLevel::Notice,
            Level::Debug => LogLevel::Verbose,
            Level::Trace => LogLevel::Debug,
        };
        let message = record.args().to_string();
        if let Some(syslog) = &syslog {
            syslog.send(level, &message);
        }
        let ms = unix_micros() / 1000;
        let stamp = match choice(&TIMESTAMP_FORMAT) {
            LogTimestampFormat::Legacy => log_stamp(ms),
            LogTimestampFormat::Iso8601 => iso_stamp(ms),
            LogTimestampFormat::Milliseconds => ms.to_string(),
        };
        let line = line(choice(&FORMAT), ROLE.load(Relaxed), &stamp, level, &message);
        log_tail::keep(&line);
        writeln!(out, "{line}")
    });
    set_format(config);
    builder.try_init().map_err(io::Error::other)?;
    set_level(config.loglevel);
    Ok(())
}

/// A line of the log, without its end.
fn line(format: LogFormat, role: u8, stamp: &str, level: LogLevel, message: &str) -> String {
    let pid = std::process::id();
    let (letter, role) = match role {
        STARTING => ('C', "primary"),
        b'C' => ('C', "RDB/AOF"),
        b'S' => ('S', "replica"),
        _ => ('M', "primary"),
    };
    let level_name = level.name();
    match format {
        LogFormat::Legacy => {
            let mark = match level {
                LogLevel::Warning | LogLevel::Nothing => '#',
                LogLevel::Notice => '*',
                LogLevel::Verbose => '-',
                LogLevel::Debug => '.',
            };
            format!("{pid}:{letter} {stamp} {mark} {message}")
        }
        LogFormat::Logfmt => {
            let message = logfmt_text(message);
            format!(r#"pid={pid} role={role} timestamp="{stamp}" level={level_name} message="{message}""#)
        }
        LogFormat::Json => {
            let message = json_text(message);
            format!(
                r#"{{"pid":{pid},"role":"{role}","timestamp":"{stamp}","level":"{level_name}","message":"{message}"}}"#
            )
        }
    }
}

/// A text that neither ends the quotes it stands in nor the line, as Valkey has it.
fn logfmt_text(text: &str) -> String {
    text.replace('"', "'").replace(['\r', '\n'], " ")
}

fn json_text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            '\x00'..' ' => escaped.push_str(&format!("\\u{:04x}", character as u32)),
            _ => escaped.push(character),
        }
    }
    escaped
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
        LogLevel::Nothing => LevelFilter::Off,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_same_things_in_every_format() {
        let pid = std::process::id();
        let all = |role, level, message| {
            [LogFormat::Legacy, LogFormat::Logfmt, LogFormat::Json]
                .map(|format| line(format, role, "T", level, message))
        };
        assert_eq!(
            all(b'S', LogLevel::Warning, "say \"hi\"\n\tto C:\\ \u{1} \u{e9}"),
            [
                format!("{pid}:S T # say \"hi\"\n\tto C:\\ \u{1} \u{e9}"),
                format!(
                    "pid={pid} role=replica timestamp=\"T\" level=warning message=\"say 'hi' \tto C:\\ \u{1} \u{e9}\""
                ),
                format!(
                    "{{\"pid\":{pid},\"role\":\"replica\",\"timestamp\":\"T\",\"level\":\"warning\",\
                     \"message\":\"say \\\"hi\\\"\\n\\tto C:\\\\ \\u0001 \u{e9}\"}}"
                ),
            ]
        );
        let roles = [STARTING, b'C', b'M'].map(|role| all(role, LogLevel::Notice, ""));
        assert_eq!(roles[0][0], format!("{pid}:C T * "));
        assert_eq!(roles[1][1], format!("pid={pid} role=RDB/AOF timestamp=\"T\" level=notice message=\"\""));
        assert_eq!(roles[2][0], format!("{pid}:M T * "));
        assert!(roles[0][1].contains("role=primary"), "{:?}", roles[0]);
    }
}
