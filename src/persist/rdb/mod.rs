//! RDB files: snapshots of the data set, byte for byte those of Redis.
//!
//! [`mod@format`] has the numbers, [`mod@write`] and [`read`] the elements, [`save`] and [`load`] the values, one function per
//! type, and the file as a whole. [`payload`] is a single value as DUMP gives it and RESTORE takes it, [`check`] looks
//! at a file without keeping it. All this is deaf to clients and to the server: it takes databases and settings.

pub mod check;
pub mod crc64;
pub mod format;
pub mod load;
pub mod payload;
pub mod read;
pub mod save;
#[cfg(test)]
mod tests;
pub mod write;

use std::time::Duration;

/// Rests for some microseconds after a key; if that is negative, for one microsecond after each of so many keys. For
/// tests.
#[cold]
pub fn rest(delay_us: i32, keys: u64) {
    let (every, micros) = if delay_us < 0 { (u64::from(delay_us.unsigned_abs()), 1) } else { (1, delay_us as u64) };
    if keys.is_multiple_of(every) {
        std::thread::sleep(Duration::from_micros(micros));
    }
}
