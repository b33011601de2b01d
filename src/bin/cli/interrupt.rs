//! Ctrl-C: asked for where something may take long, so that what was under way can end in good order.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::SIGINT;
use signal_hook::flag;

/// How often a wait looks whether it was interrupted.
pub const LOOK: Duration = Duration::from_millis(50);

fn raised_flag() -> &'static Arc<AtomicBool> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    FLAG.get_or_init(Arc::default)
}

/// From now on Ctrl-C only raises a flag; pressed again before anybody has looked, it ends the client.
pub fn catch() {
    // In this order: the first looks at what the second has done before. Where they fail, Ctrl-C ends the client
    // anyway.
    let _ = flag::register_conditional_default(SIGINT, Arc::clone(raised_flag()));
    let _ = flag::register(SIGINT, Arc::clone(raised_flag()));
}

/// Whether Ctrl-C was pressed.
pub fn raised() -> bool {
    raised_flag().load(Ordering::Relaxed)
}

/// Whether Ctrl-C was pressed since this was asked last.
pub fn take() -> bool {
    raised_flag().swap(false, Ordering::Relaxed)
}

/// Sleeps, but not on when Ctrl-C is pressed.
pub fn sleep(duration: Duration) {
    let end = Instant::now() + duration;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        if raised() {
            return;
        }
        thread::sleep(left.min(LOOK));
    }
}
