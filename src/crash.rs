//! The report on a panic: what went wrong and where, into the log, before the process ends.
//!
//! A panic is an error of this program. Going on could damage the data, so the process aborts, or exits where
//! `use-exit-on-panic` asks for it.

use std::backtrace::Backtrace;
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crate::config::{Config, REDIS_VERSION};
use crate::util::alloc;

static ENABLED: AtomicBool = AtomicBool::new(true);

/// Has panics reported from now on.
pub fn install(config: &Config) {
    enable(config.crash_log_enabled);
    let exits = config.use_exit_on_panic;
    std::panic::set_hook(Box::new(move |panic| {
        if ENABLED.load(Relaxed) {
            report(panic);
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
}

fn report(panic: &PanicHookInfo<'_>) {
    log::warn!("=== REDIS BUG REPORT START: Cut & paste starting from here ===");
    log::warn!("Redis {REDIS_VERSION} (Oxidis {}) crashed: {panic}", env!("CARGO_PKG_VERSION"));
    log::warn!("------ STACK TRACE ------\n{}", Backtrace::force_capture());
    log::warn!(
        "------ INFO OUTPUT ------\nredis_version:{REDIS_VERSION}\nprocess_id:{}\nused_memory:{}",
        std::process::id(),
        alloc::used_memory()
    );
    log::warn!("=== REDIS BUG REPORT END. Make sure to include from START to END. ===");
}
