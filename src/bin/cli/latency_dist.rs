//! `--latency-dist`: the distribution of latencies as a row of characters, each for a range of time and coloured by its
//! share of the samples. It needs a terminal of 256 colours.

use std::thread;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::latency::REST;
use crate::options::Options;
use crate::output::print;
use crate::reconnecting::Reconnecting;

const COLORS: &[u8] = &[0, 233, 234, 235, 237, 239, 241, 243, 245, 247, 144, 143, 142, 184, 226, 214, 208, 202, 196];
const GREYS: &[u8] = &[0, 233, 234, 235, 237, 239, 241, 243, 245, 247, 249, 251, 253];

/// The longest time of each range in microseconds, and its character. What takes longer is `?`.
const RANGES: &[(u128, char)] = &[
    (10, '.'),
    (125, '-'),
    (250, '*'),
    (500, '#'),
    (1_000, '1'),
    (2_000, '2'),
    (3_000, '3'),
    (4_000, '4'),
    (5_000, '5'),
    (6_000, '6'),
    (7_000, '7'),
    (8_000, '8'),
    (9_000, '9'),
    (10_000, 'A'),
    (20_000, 'B'),
    (30_000, 'C'),
    (40_000, 'D'),
    (50_000, 'E'),
    (100_000, 'F'),
    (200_000, 'G'),
    (300_000, 'H'),
    (400_000, 'I'),
    (500_000, 'J'),
    (1_000_000, 'K'),
    (2_000_000, 'L'),
    (4_000_000, 'M'),
    (8_000_000, 'N'),
    (16_000_000, 'O'),
    (30_000_000, 'P'),
    (60_000_000, 'Q'),
    (u128::MAX, '?'),
];

const ROWS_PER_LEGEND: u64 = 20;

/// Prints rows for ever.
///
/// # Errors
/// When what comes is no RESP.
pub fn run(mut link: Reconnecting, options: &Options) -> Result<(), Failure> {
    let palette = if options.monochrome { GREYS } else { COLORS };
    let interval = if options.interval.is_zero() { Duration::from_secs(1) } else { options.interval };
    let mut counts = vec![0; RANGES.len()];
    let (mut since, mut rows) = (Instant::now(), 0u64);
    loop {
        let start = Instant::now();
        link.call(["PING"])?;
        let latency_us = start.elapsed().as_micros();
        let range = RANGES.partition_point(|(longest, _)| *longest < latency_us);
        counts.iter_mut().skip(range).take(1).for_each(|count| *count += 1);
        if since.elapsed() > interval {
            if rows.is_multiple_of(ROWS_PER_LEGEND) {
                print(legend(palette));
            }
            print(row(&counts, palette));
            rows += 1;
            counts.fill(0);
            since = Instant::now();
        }
        thread::sleep(REST);
    }
}

fn row(counts: &[u64], palette: &[u8]) -> String {
    let total = counts.iter().sum::<u64>().max(1);
    let mut row = "\x1b[38;5;0m".to_owned();
    for (count, (_, character)) in counts.iter().zip(RANGES) {
        let shade = (*count as f64 / total as f64 * (palette.len() - 1) as f64).ceil() as usize;
        let color = palette.get(shade).copied().unwrap_or(0);
        row.push_str(&format!("\x1b[48;5;{color}m{character}"));
    }
    row + "\x1b[0m\n"
}

fn legend(palette: &[u8]) -> String {
    let line = "---------------------------------------------\n";
    let shades: String = palette.iter().map(|color| format!("\x1b[48;5;{color}m ")).collect();
    format!(
        "{line}\
         . - * #          .01 .125 .25 .5 milliseconds\n\
         1,2,3,...,9      from 1 to 9     milliseconds\n\
         A,B,C,D,E        10,20,30,40,50  milliseconds\n\
         F,G,H,I,J        .1,.2,.3,.4,.5       seconds\n\
         K,L,M,N,O,P,Q,?  1,2,4,8,16,30,60,>60 seconds\n\
         From 0 to 100%: {shades}\x1b[0m\n\
         {line}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shades_follow_the_share_of_the_samples() {
        let mut counts = vec![0; RANGES.len()];
        (counts[0], counts[1]) = (1, 3);
        let row = row(&counts, GREYS);
        assert!(row.starts_with("\x1b[38;5;0m\x1b[48;5;235m.\x1b[48;5;247m-\x1b[48;5;0m*"), "{row:?}");
        assert!(row.ends_with("\x1b[48;5;0m?\x1b[0m\n"), "{row:?}");
    }

    #[test]
    fn the_legend_has_all_shades() {
        assert_eq!(legend(COLORS).matches("\x1b[48;5;").count(), COLORS.len());
    }
}
