//! Whether there ever was a value that the snapshots of Redis 7.0 cannot hold.
//!
//! A snapshot says at its beginning in which version of the format it is, and that ought to be the lowest that holds
//! the data. As long as nothing uncommon was made that needs no look at the keys; afterwards each is asked.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

static MADE: AtomicBool = AtomicBool::new(false);

/// Notes that a value is being made, or becomes one, that the snapshots of Redis 7.0 cannot hold. (Collections of types
/// that came later are noted when they get into their entry.)
#[inline]
pub fn note_made() {
    if !MADE.load(Relaxed) {
        MADE.store(true, Relaxed);
    }
}

/// Whether there ever was one in this process.
pub fn were_made() -> bool {
    MADE.load(Relaxed)
}
