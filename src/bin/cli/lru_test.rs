//! `--lru-test`: plays the client of a cache, where a fifth of the keys gets four fifths of the requests, and tells how
//! many reads find their key. Half of the requests write, half read.

use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::print;
use crate::random::Random;

const CYCLE: Duration = Duration::from_secs(1);

/// Requests of a kind that are sent together.
const BATCH: usize = 250;

/// The exponent of the distribution for which a fifth of the keys gets four fifths of the requests.
const ALPHA: f64 = 6.2;

/// Prints a line a second, for ever.
///
/// # Errors
/// When the connection is lost.
pub fn run(mut link: Connection, keys: u64) -> Result<(), Failure> {
    let mut random = Random::new();
    loop {
        let started = Instant::now();
        let (mut hits, mut misses) = (0u64, 0u64);
        while started.elapsed() < CYCLE {
            for _ in 0..BATCH {
                let value: [u8; 5] = std::array::from_fn(|_| b'A' + (random.word() % 57) as u8);
                link.queue([b"SET", key(&mut random, keys).as_bytes(), &value]);
            }
            link.flush()?;
            for _ in 0..BATCH {
                link.reply()?;
            }
            for _ in 0..BATCH {
                link.queue([b"GET", key(&mut random, keys).as_bytes()]);
            }
            link.flush()?;
            for _ in 0..BATCH {
                let reply = link.reply()?;
                match reply.error() {
                    Some(error) => eprintln!("{}", String::from_utf8_lossy(error)),
                    None if reply.is_null() => misses += 1,
                    None => hits += 1,
                }
            }
        }
        print(line(hits, misses));
    }
}

fn line(hits: u64, misses: u64) -> String {
    let all = hits + misses;
    let percent = |part: u64| part as f64 / all.max(1) as f64 * 100.0;
    let (hit, missed) = (percent(hits), percent(misses));
    format!("{all} Gets/sec | Hits: {hits} ({hit:.2}%) | Misses: {misses} ({missed:.2}%)\n")
}

/// The name of one of so many keys.
fn key(random: &mut Random, keys: u64) -> String {
    let fraction = (random.word() >> 11) as f64 / (1u64 << 53) as f64;
    let most = (keys + 1) as f64;
    let power = ALPHA + 1.0;
    let place = ((most.powf(power) - 1.0) * fraction + 1.0).powf(1.0 / power);
    format!("lru:{}", (keys + 1).saturating_sub((place as u64).max(1)).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_the_keys_gets_four_fifths_of_the_requests() {
        let mut random = Random::new();
        let keys = (0..10_000).map(|_| key(&mut random, 1000));
        let numbers: Vec<u64> = keys.map(|key| key[4..].parse().expect("a number")).collect();
        assert!(numbers.iter().all(|number| (1..=1000).contains(number)));
        let hot = numbers.iter().filter(|number| **number <= 200).count();
        assert!((7500..8500).contains(&hot), "{hot}");
    }

    #[test]
    fn a_line_has_shares() {
        assert_eq!(line(3, 1), "4 Gets/sec | Hits: 3 (75.00%) | Misses: 1 (25.00%)\n");
    }
}
