//! What there ever was that the snapshots of Redis 7.0 cannot hold.
//!
//! A snapshot says at its beginning in which version of the format it is, and that ought to be the lowest that holds
//! the data. As long as nothing uncommon was made that needs no look at the keys; afterwards each is asked, or, where
//! that would take too long, whatever was made is thought to be there still.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Something uncommon, and its bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uncommon {
    /// A stream that knows of its producers.
    Producers = 1,
    /// A stream with entries that were handed back.
    HandedBack = 2,
    /// A set whose members expire.
    MemberExpiry = 4,
    /// An array.
    Array = 8,
    /// A path hash.
    PathHash = 16,
    /// A bitmap that is compressed.
    Bitmap = 32,
    /// A value of a type that Redis brings as a module.
    Bundled = 64,
}

impl Uncommon {
    const ALL: [Uncommon; 7] = [
        Uncommon::Producers,
        Uncommon::HandedBack,
        Uncommon::MemberExpiry,
        Uncommon::Array,
        Uncommon::PathHash,
        Uncommon::Bitmap,
        Uncommon::Bundled,
    ];
}

static MADE: AtomicU8 = AtomicU8::new(0);

/// Notes that a value is being made, or becomes one, that is uncommon. (Collections of types that came after Redis 7.0
/// are noted when they get into their entry.)
#[inline]
pub fn note_made(what: Uncommon) {
    let (made, bit) = (MADE.load(Relaxed), what as u8);
    if made & bit == 0 {
        MADE.fetch_or(bit, Relaxed);
    }
}

/// What there ever was in this process.
pub fn made() -> impl Iterator<Item = Uncommon> {
    let made = MADE.load(Relaxed);
    Uncommon::ALL.into_iter().filter(move |what| made & *what as u8 != 0)
}
