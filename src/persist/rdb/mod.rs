//! RDB files: snapshots of the data set, byte for byte those of Redis and Valkey.
//!
//! [`mod@format`] has the numbers, [`version`] whose they are, [`mod@write`] and [`read`] the elements, [`value`] the
//! values, a file per type, [`save`] and [`load`] the file as a whole. [`payload`] is a single value as DUMP gives it
//! and RESTORE takes it, [`check`] looks at a file without keeping it. All this is deaf to clients and to the server:
//! it takes databases and settings.
//!
//! Two tables say what there is: [`kinds`] which types of values can be loaded, by fork and version, and [`forms`] in
//! which forms each is saved. Where to add what:
//! - a type of values: a file in [`value`] that loads and saves it; its number in [`mod@format`]; a row in [`kinds`] for
//!   each number it has in files; its arm in [`forms`]; its name in `values!` of [`value`]. A type for which no other
//!   server has a form, or none that is known, takes a number from 200 on and [`version::Since::OWN`].
//! - a further form of a type that is there: a row in its `FORMS` and one in [`kinds`]. If Redis 7.0 has no form that
//!   holds a value, whoever makes it says so to [`crate::types::uncommon`].
//! - an opcode: a row and its function in `load/opcodes.rs`.
//! - what a newer file has to say before a key is saved in `save.rs`.

pub mod check;
pub mod crc64;
pub mod format;
pub mod forms;
pub mod kinds;
pub mod load;
pub mod payload;
pub mod read;
pub mod save;
#[cfg(test)]
mod tests;
pub mod value;
pub mod version;
pub mod write;

use std::time::Duration;

/// Rests for some microseconds after a key; if that is negative, for one microsecond after each of so many keys. For
/// tests: mostly it is 0, for no rest.
#[inline]
pub fn rest(delay_us: i32, keys: u64) {
    if delay_us != 0 {
        sleep(delay_us, keys);
    }
}

#[cold]
fn sleep(delay_us: i32, keys: u64) {
    let (every, micros) = if delay_us < 0 { (u64::from(delay_us.unsigned_abs()), 1) } else { (1, delay_us as u64) };
    if keys.is_multiple_of(every) {
        std::thread::sleep(Duration::from_micros(micros));
    }
}
