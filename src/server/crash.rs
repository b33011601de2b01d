//! The report on a crash: what went wrong and where, into the log, before the process ends.
//!
//! A panic is an error of this program. Going on could damage the data, so the process aborts, or exits where
//! `use-exit-on-panic` asks for it. A fatal signal is reported likewise, as far as a process in that state can, and
//! then ends the process as it would have anyway.
//!
//! What the server was doing is read in place, in the middle of whatever was being changed. So the parts of the report
//! come in the order in which they can be relied upon, and each is written before the next is tried.
#![allow(unsafe_code)]

use std::backtrace::Backtrace;
use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use super::clients::describe;
use super::observe::info;
use super::observe::info::Source;
use crate::config::{Config, REDIS_VERSION};
use crate::db::Databases;
use crate::server::Server;
use crate::util::platform;

static ENABLED: AtomicBool = AtomicBool::new(true);
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

/// Has panics reported from now on.
pub fn install(config: &Config) {
    enable(config.crash_log_enabled);
    let exits = config.use_exit_on_panic;
    std::panic::set_hook(Box::new(move |panic| {
        if ENABLED.load(Relaxed) && !REPORTED.swap(true, Relaxed) {
            report(&format!("crashed: {panic}"));
        } else {
            log::warn!("{panic}");
        }
        if exits {
            std::process::exit(1);
        }
        std::process::abort();
    }));
}

/// Switches the report on or off: `crash-log-enabled`.
pub fn enable(on: bool) {
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
    log::warn!("------ STACK TRACE ------\n{}", Backtrace::force_capture());
    if let Ok(Some((server, db))) = WATCHED.try_with(Cell::get) {
        // SAFETY: they live as long as the watch, and this thread, which alone uses them, has stopped for good in the
        // middle of that: it goes no further than this report.
        report_state(unsafe { server.as_ref() }, unsafe { db.as_ref() });
    }
    log::warn!("=== REDIS BUG REPORT END. Make sure to include from START to END. ===");
}

fn report_state(server: &Server, db: &Databases) {
    let sections: [&[u8]; 1] = [b"everything"];
    log::warn!("------ INFO OUTPUT ------\n{}", info::text(&Source { server, db }, sections.into_iter()));
    let line = |key| String::from_utf8_lossy(&describe::line(server, server.clients.at(key), None)).into_owned();
    if let Some(current) = server.current.filter(|key| server.clients.get(*key).is_some()) {
        log::warn!("------ CURRENT CLIENT INFO ------\n{}", line(current));
    }
    let all: Vec<String> = server.clients.in_order().into_iter().map(line).collect();
    log::warn!("------ CLIENT LIST OUTPUT ------\n{}", all.join("\n"));
}
