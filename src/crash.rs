//! The report on a crash: what went wrong and where, into the log, before the process ends.
//!
//! A panic is an error of this program. Going on could damage the data, so the process aborts, or exits where
//! `use-exit-on-panic` asks for it. A fatal signal is reported likewise, as far as a process in that state can, and
//! then ends the process as it would have anyway.

use std::backtrace::Backtrace;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::config::{Config, REDIS_VERSION};
use crate::util::{alloc, platform};

static ENABLED: AtomicBool = AtomicBool::new(true);
/// A report was begun: what happens in it is not reported again.
static REPORTED: AtomicBool = AtomicBool::new(false);
/// Seconds after which a report that does not come to an end is given up.
const PATIENCE_SECONDS: u32 = 10;

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
    log::warn!(
        "------ INFO OUTPUT ------\nredis_version:{REDIS_VERSION}\nprocess_id:{}\nused_memory:{}",
        std::process::id(),
        alloc::used_memory()
    );
    log::warn!("=== REDIS BUG REPORT END. Make sure to include from START to END. ===");
}
