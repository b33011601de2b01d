//! INFO keysizes, as of Redis 8: how many keys have values of which size, by powers of two.
//!
//! Redis counts on each write. Here nothing is counted: where there are more than [`LOOKED_AT_MAX`] keys in a database,
//! that many are drawn at random and taken for all, so that neither a write nor INFO pays for it.

use std::fmt::Write;

use super::section::{Section, Source};
use crate::db::{Databases, EntryView};
use crate::types::ValueType;
use crate::util::random::Random;

/// Keys looked at in a database: every key if there are no more.
const LOOKED_AT_MAX: usize = 4096;
/// Powers of two told apart.
const POWERS: usize = 60;

/// The types in the order in which they are shown, and what each line is called.
pub const SHOWN: [(ValueType, &str); 7] = [
    (ValueType::String, "strings_sizes"),
    (ValueType::List, "lists_items"),
    (ValueType::Set, "sets_items"),
    (ValueType::SortedSet, "zsets_items"),
    (ValueType::Hash, "hashes_items"),
    (ValueType::Array, "arrays_items"),
    (ValueType::Bitmap, "bitmaps_sizes"),
];

/// Keys of each type and power.
pub type Counts = [[u64; POWERS]; SHOWN.len()];

/// The section.
pub fn section(source: &Source<'_>, section: &mut Section<'_>) {
    for index in 0..source.db.count() {
        let counts = counts(source.db, index, LOOKED_AT_MAX);
        for ((_, name), powers) in SHOWN.iter().zip(&counts) {
            let mut text = String::new();
            for (power, count) in powers.iter().enumerate().filter(|(_, count)| **count > 0) {
                let comma = if text.is_empty() { "" } else { "," };
                // Writing to a string cannot fail.
                let _ = write!(text, "{comma}{}={count}", label(power));
            }
            if !text.is_empty() {
                section.field(format_args!("db{index}_distrib_{name}"), text);
            }
        }
    }
}

/// The counts of a database, of which `looked_at` keys are drawn if it has more.
pub fn counts(db: &Databases, index: usize, looked_at: usize) -> Counts {
    let dict = &db.database(index).dict;
    let mut counts = [[0; POWERS]; SHOWN.len()];
    let mut count = |entry: EntryView<'_>| {
        if let Some(row) = SHOWN.iter().position(|(kind, _)| *kind == entry.value_type()) {
            counts[row][power_of(entry.size_of_value())] += 1;
        }
    };
    let keys = dict.len();
    if keys <= looked_at {
        dict.iter().for_each(count);
        return counts;
    }
    let mut random = Random::from_seed(keys as u64);
    (0..looked_at).filter_map(|_| dict.random(&mut random)).for_each(&mut count);
    let scaled = |seen: u64| (u128::from(seen) * keys as u128 / looked_at as u128) as u64;
    counts.map(|powers| powers.map(scaled))
}

/// 0 for nothing, 1 for 1, 2 for 2 and 3, 3 for 4 to 7, and so on.
fn power_of(size: usize) -> usize {
    ((usize::BITS - size.leading_zeros()) as usize).min(POWERS - 1)
}

/// The least size of a power, as it is shown: `0`, `1`, `512`, `1K`, `64M`.
pub fn label(power: usize) -> String {
    const UNITS: [&str; 6] = ["", "K", "M", "G", "T", "P"];
    match power.checked_sub(1) {
        None => "0".to_owned(),
        Some(exponent) => format!("{}{}", 1u64 << (exponent % 10), UNITS[exponent / 10]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_apart_by_powers_of_two() {
        let labels = [0, 1, 2, 3, 4, 1023, 1024, 5 << 20].map(|size| label(power_of(size)));
        assert_eq!(labels, ["0", "1", "2", "2", "4", "512", "1K", "4M"]);
    }
}
