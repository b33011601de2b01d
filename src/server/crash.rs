//! The report on a crash: what went wrong and where, into the log, before the process ends.
//!
//! A panic is an error of this program. Going on could damage the data, so the process aborts, or exits where
//! `use-exit-on-panic` asks for it. A fatal signal is reported likewise, as far as a process in that state can, and
//! then ends the process as it would have anyway.
//!
//! What the server was doing is read in place, in the middle of whatever was being changed. So the parts of the report
//! come in the order in which they can be relied upon, and each is written before the next is tried.
//!
//! Each thread has a second stack for the report on a signal: the first may be full. What fills a stack calls itself,
//! so of a long trace the middle is left out.
#![allow(unsafe_code)]

use std::backtrace::Backtrace;
use std::cell::Cell;
use std::panic::PanicHookInfo;
use std::ptr::NonNull;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use super::Server;
use super::clients::describe;
use super::observe::info;
use super::observe::info::section::Source;
use crate::config::{Config, REDIS_VERSION};
use crate::db::Databases;
use crate::util::platform::{self, SignalStack};
use crate::util::redact::REDACTED;

static ENABLED: AtomicBool = AtomicBool::new(true);
/// `hide-user-data-from-log`.
static HIDES_DATA: AtomicBool = AtomicBool::new(false);
/// A report was begun: what happens in it is not reported again.
static REPORTED: AtomicBool = AtomicBool::new(false);
/// Seconds after which a report that does not come to an end is given up.
const PATIENCE_SECONDS: u32 = 10;

thread_local! {
    /// What a crash of this thread is told with.
    static WATCHED: Cell<Option<(NonNull<Server>, NonNull<Databases>)>> = const { Cell::new(None) };
}

/// As long as it lives a crash of this thread is reported with the state of a server.
#[derive(Debug)]
#[must_use = "the state is shown as long as this lives"]
pub struct Watch(());

impl Watch {
    /// Watches over a server, which may be used as before and must outlive the watch.
    pub fn over(server: &mut Server, db: &mut Databases) -> Watch {
        WATCHED.set(Some((NonNull::from(server), NonNull::from(db))));
        Watch(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        WATCHED.set(None);
    }
}

/// Lines of a stack trace that are shown at each of its ends, if it is longer.
const TRACE_LINES_MAX: usize = 100;

/// Has panics reported from now on, and fatal signals of this thread.
pub fn install(config: &Config) {
    // It is needed up to the end of the process.
    std::mem::forget(SignalStack::begin());
    enable(config);
    let exits = config.use_exit_on_panic;
    std::panic::set_hook(Box::new(move |panic| {
        if ENABLED.load(Relaxed) && !REPORTED.swap(true, Relaxed) {
            report(&format!("crashed: {}", told(panic)));
        } else {
            log::warn!("{}", told(panic));
        }
        if exits {
            std::process::exit(1);
        }
        std::process::abort();
    }));
}

/// What went wrong. The words may have data in them; where it went wrong does not.
fn told(panic: &PanicHookInfo<'_>) -> String {
    match panic.location() {
        Some(place) if HIDES_DATA.load(Relaxed) => format!("panicked at {place}:\n{REDACTED}"),
        None if HIDES_DATA.load(Relaxed) => REDACTED.to_owned(),
        Some(_) | None => panic.to_string(),
    }
}

/// Switches the report on or off, and says what it may show: `crash-log-enabled`, `hide-user-data-from-log`.
pub fn enable(config: &Config) {
    let on = config.crash_log_enabled;
    HIDES_DATA.store(config.hide_user_data_from_log, Relaxed);
    ENABLED.store(on, Relaxed);
    platform::catch_fatal_signals(on.then_some(on_signal as extern "C" fn(i32)));
}

/// Reports a fatal signal. The process is damaged: the report may fail or get stuck, its end must not.
extern "C" fn on_signal(signal: i32) {
    platform::die_after(PATIENCE_SECONDS);
    if !REPORTED.swap(true, Relaxed) {
        report(&format!("crashed by signal: {signal}"));
    }
    platform::die_of(signal);
}

fn report(what: &str) {
    log::warn!("=== REDIS BUG REPORT START: Cut & paste starting from here ===");
    log::warn!("Redis {REDIS_VERSION} (Oxidis {}) {what}", env!("CARGO_PKG_VERSION"));
    log::warn!("------ STACK TRACE ------\n{}", ends(&Backtrace::force_capture().to_string(), TRACE_LINES_MAX));
    if let Ok(Some((server, db))) = WATCHED.try_with(Cell::get) {
        // SAFETY: they live as long as the watch, and this thread, which alone uses them, has stopped for good in the
        // middle of that: it goes no further than this report.
        report_state(unsafe { server.as_ref() }, unsafe { db.as_ref() });
    }
    log::warn!("=== REDIS BUG REPORT END. Make sure to include from START to END. ===");
}

fn report_state(server: &Server, db: &Databases) {
    let sections: [&[u8]; 1] = [b"everything"];
    log::warn!("------ INFO OUTPUT ------\n{}", info::text(&Source::of(server, db), sections.into_iter()));
    let line = |key| describe::logged(server, server.clients.at(key));
    if let Some(current) = server.current.filter(|key| server.clients.get(*key).is_some()) {
        log::warn!("------ CURRENT CLIENT INFO ------\n{}", line(current));
    }
    let all: Vec<String> = server.clients.in_order().into_iter().map(line).collect();
    log::warn!("------ CLIENT LIST OUTPUT ------\n{}", all.join("\n"));
}

/// The first lines of a text and the last, if it has more than both.
fn ends(text: &str, lines_max: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let Some(left_out) = lines.len().checked_sub(2 * lines_max).filter(|count| *count > 0) else {
        return text.to_owned();
    };
    let left_out = format!("... {left_out} lines ...");
    let tail = &lines[lines.len() - lines_max..];
    [&lines[..lines_max], &[&left_out], tail].concat().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;
    use std::process::Command;

    const CHILD: &str = "OXIDIS_TEST_OVERFLOWS";

    #[test]
    fn of_a_long_trace_the_middle_is_left_out() {
        assert_eq!(ends("a\nb\nc\nd", 2), "a\nb\nc\nd");
        assert_eq!(ends("a\nb\nc\nd\ne\nf", 2), "a\nb\n... 2 lines ...\ne\nf");
    }

    #[inline(never)]
    fn calls_itself(depth: u64) -> u64 {
        let room = black_box([depth; 16]);
        if black_box(depth) < u64::MAX { calls_itself(depth + 1) + room[1] } else { 0 }
    }

    /// The process that crashes is a child that runs this test.
    #[test]
    fn a_full_stack_leaves_a_report() {
        if std::env::var_os(CHILD).is_some() {
            let config = Config::default();
            crate::server::observe::log_format::install(&config).expect("a log");
            install(&config);
            calls_itself(0);
            return;
        }
        let name = "server::crash::tests::a_full_stack_leaves_a_report";
        let program = std::env::current_exe().expect("this program");
        let output = Command::new(program).args([name, "--exact", "--nocapture"]).env(CHILD, "yes").output();
        let output = output.expect("a child");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success());
        for part in ["crashed by signal", "calls_itself", "lines ...", "=== REDIS BUG REPORT END"] {
            assert!(text.contains(part), "no {part} in:\n{text}\n{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
