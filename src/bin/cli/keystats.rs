//! `--keystats`: memory and lengths of all keys, by key, by type, and how they are distributed.
//!
//! What is known of a key is forgotten when it is counted, but for the largest: sizes are told apart by powers of two, so
//! that any number of keys can be looked at.

use std::fmt::Write;

use crate::bigkeys::{Measure, Survey};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::format::shown;
use crate::interrupt;
use crate::options::Options;
use crate::output::print;
use crate::progress::human_bytes;
use crate::scan::{Scan, database_size};

/// Largest keys shown when it is not said how many.
const TOP_SHOWN: usize = 10;
/// Powers of two told apart.
const POWERS: usize = 64;

/// Looks at all keys and tells about their sizes.
///
/// # Errors
/// When the server refuses or the connection is lost.
pub fn run(mut link: Connection, options: &Options, samples: Option<u64>) -> Result<(), Failure> {
    interrupt::catch();
    let expected = database_size(&mut link)?;
    let mut lengths = Survey::new(Measure::Elements, expected);
    let memory = Survey::new(Measure::Memory(samples), expected);
    let mut stats = Stats::new(options.top.unwrap_or(TOP_SHOWN));
    print(
        "\n# Looking at all keys. -i 0.1 rests after every 100 rounds, --top shows more or fewer of the largest;\n\
         # Ctrl-C ends early and tells the cursor, with which --cursor goes on.\n\n",
    );
    let mut scan = Scan::new(options);
    while let Some(keys) = scan.next(&mut link)? {
        let places = lengths.types_of(&mut link, &keys)?;
        let bytes = memory.sizes_of(&mut link, &keys, &places)?;
        let counts = lengths.sizes_of(&mut link, &keys, &places)?;
        let known = keys.iter().zip(places).zip(bytes.into_iter().zip(counts));
        for ((key, place), (bytes, length)) in known {
            if let Some(place) = place {
                stats.add(lengths.name(place), key, bytes, length);
            }
        }
        scan.rest(options.interval);
    }
    print(stats.report(expected, interrupt::raised().then_some(scan.cursor())));
    Ok(())
}

/// A key that is among the largest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Large {
    size: u64,
    kind: String,
    key: Vec<u8>,
}

/// What was found of one type.
#[derive(Clone, Debug, Default)]
struct OfType {
    keys: u64,
    bytes: u64,
    length: u64,
    largest: Option<Large>,
    longest: Option<Large>,
}

/// Numbers by powers of two, with their mean and deviation.
#[derive(Clone, Debug)]
struct Distribution {
    counts: [u64; POWERS + 1],
    sum: f64,
    squares: f64,
}

impl Distribution {
    fn new() -> Distribution {
        Distribution { counts: [0; POWERS + 1], sum: 0.0, squares: 0.0 }
    }

    fn add(&mut self, value: u64) {
        // The last of the numbers that have as many bits.
        self.counts[(u64::BITS - value.leading_zeros()) as usize] += 1;
        self.sum += value as f64;
        self.squares += (value as f64).powi(2);
    }

    /// A line for each power that occurs: the largest number it stands for, and what share is not larger.
    fn lines(&self) -> String {
        let total: u64 = self.counts.iter().sum();
        let (mut text, mut seen) = (String::new(), 0);
        for (bits, count) in self.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            seen += count;
            let most = if bits == POWERS { u64::MAX } else { (1 << bits) - 1 };
            let share = 100.0 * seen as f64 / total as f64;
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{:>10} {share:>9.4}% {seen:>12}", human_bytes(most as f64));
        }
        let mean = self.sum / total.max(1) as f64;
        let deviation = (self.squares / total.max(1) as f64 - mean * mean).max(0.0).sqrt();
        let _ = writeln!(text, "Mean {}, standard deviation {}", human_bytes(mean), human_bytes(deviation));
        text
    }
}

struct Stats {
    top: usize,
    keys: u64,
    bytes: u64,
    name_bytes: u64,
    largest: Vec<Large>,
    types: Vec<(String, OfType)>,
    sizes: Distribution,
    names: Distribution,
}

impl Stats {
    fn new(top: usize) -> Stats {
        let (sizes, names) = (Distribution::new(), Distribution::new());
        Stats { top, keys: 0, bytes: 0, name_bytes: 0, largest: Vec::new(), types: Vec::new(), sizes, names }
    }

    fn add(&mut self, kind: &str, key: &[u8], bytes: u64, length: u64) {
        self.keys += 1;
        self.bytes += bytes;
        self.name_bytes += key.len() as u64;
        self.sizes.add(bytes);
        self.names.add(key.len() as u64);
        let large = |size: u64| Large { size, kind: kind.to_owned(), key: key.to_vec() };
        if self.largest.len() < self.top || self.largest.last().is_some_and(|least| least.size < bytes) {
            let place = self.largest.partition_point(|known| known.size >= bytes);
            self.largest.insert(place, large(bytes));
            self.largest.truncate(self.top);
        }
        let place = self.types.iter().position(|(name, _)| name == kind).unwrap_or_else(|| {
            self.types.push((kind.to_owned(), OfType::default()));
            self.types.len() - 1
        });
        let of_type = &mut self.types[place].1;
        of_type.keys += 1;
        of_type.bytes += bytes;
        of_type.length += length;
        if of_type.largest.as_ref().is_none_or(|known| known.size < bytes) {
            of_type.largest = Some(large(bytes));
        }
        if of_type.longest.as_ref().is_none_or(|known| known.size < length) {
            of_type.longest = Some(large(length));
        }
    }

    /// What is printed at the end; `cursor` is where to go on if not all keys were seen.
    fn report(&self, expected: u64, cursor: Option<u64>) -> String {
        let Stats { keys, bytes, name_bytes, .. } = self;
        let mut text = String::new();
        let share = 100.0 * *keys as f64 / expected.max(*keys).max(1) as f64;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{share:.2}% of keys looked at");
        if let Some(cursor) = cursor {
            let _ = writeln!(text, "Ended early; go on with --cursor {cursor}");
        }
        let _ = writeln!(text, "Keys sampled: {keys}\nKeys size:    {}", human_bytes(*bytes as f64));
        let _ = writeln!(text, "\n--- Top {} key sizes ---", self.top);
        for (place, large) in self.largest.iter().enumerate() {
            let (place, size) = (place + 1, human_bytes(large.size as f64));
            let _ = writeln!(text, "{place:>3} {size:>8} {:<10} {}", large.kind, shown(&large.key));
        }
        text.push_str("\n--- Top size per type ---\n");
        for (name, of_type) in &self.types {
            if let Some(large) = &of_type.largest {
                let _ = writeln!(text, "{name:<10} {} is {}", shown(&large.key), human_bytes(large.size as f64));
            }
        }
        text.push_str("\n--- Top length and cardinality per type ---\n");
        for (name, of_type) in &self.types {
            if let Some(long) = &of_type.longest {
                let _ = writeln!(text, "{name:<10} {} has {}", shown(&long.key), long.size);
            }
        }
        text.push_str("\nKey size   Percentile   Total keys\n---------- ---------- ------------\n");
        text.push_str(&self.sizes.lines());
        text.push_str("\nKey name   Percentile   Total keys\n---------- ---------- ------------\n");
        text.push_str(&self.names.lines());
        let _ = writeln!(text, "Total length of names {}", human_bytes(*name_bytes as f64));
        text.push_str("\nType         Total keys  Keys %   Tot size   Avg size  Total length  Avg length\n");
        text.push_str("---------- ------------ ------- ---------- ---------- ------------- -----------\n");
        for (name, of_type) in &self.types {
            let OfType { keys: count, bytes, length, .. } = of_type;
            let average = |sum: &u64| *sum as f64 / *count as f64;
            let _ = writeln!(
                text,
                "{name:<10} {count:>12} {:>6.2}% {:>10} {:>10} {length:>13} {:>11.2}",
                100.0 * *count as f64 / *keys as f64,
                human_bytes(*bytes as f64),
                human_bytes(average(bytes)),
                average(length)
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_keys_and_the_shares_of_sizes_are_told() {
        let mut stats = Stats::new(2);
        for (kind, key, bytes, length) in
            [("list", "a", 100, 3), ("hash", "bb", 5000, 2), ("list", "ccc", 90, 9), ("list", "d", 70, 1)]
        {
            stats.add(kind, key.as_bytes(), bytes, length);
        }
        let sizes: Vec<u64> = stats.largest.iter().map(|large| large.size).collect();
        assert_eq!(sizes, [5000, 100]);
        let text = stats.report(8, Some(17));
        for part in [
            "50.00% of keys looked at\nEnded early; go on with --cursor 17\nKeys sampled: 4\nKeys size:    5.14K\n",
            "\n  1    4.88K hash       \"bb\"\n  2     100B list       \"a\"\n",
            "\nlist       \"a\" is 100B\n",
            "\nlist       \"ccc\" has 9\n",
            "\n      127B   75.0000%            3\n     8.00K  100.0000%            4\n",
            "\nlist                  3  75.00%       260B        87B            13        4.33\n",
        ] {
            assert!(text.contains(part), "no {part:?} in\n{text}");
        }
    }

    #[test]
    fn nothing_at_all_is_reported_without_dividing_by_it() {
        let text = Stats::new(TOP_SHOWN).report(0, None);
        assert!(text.contains("Keys sampled: 0\n") && !text.contains("NaN"), "{text}");
    }
}
