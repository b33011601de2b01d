//! `--intrinsic-latency`: how long the system keeps a program waiting that asks for nothing but the processor. No
//! server on this machine can answer more evenly than that.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::interrupt;
use crate::output::print;

/// Runs for so many seconds.
///
/// # Errors
/// Never.
pub fn run(seconds: u64) -> Result<(), Failure> {
    interrupt::catch();
    let limit = Duration::from_secs(seconds);
    let (started, mut worst_us, mut runs) = (Instant::now(), 0, 0u64);
    let mut before = started;
    loop {
        work();
        let now = Instant::now();
        let latency_us = now.duration_since(before).as_micros();
        before = now;
        runs += 1;
        if latency_us > worst_us {
            worst_us = latency_us;
            print(format!("Max latency so far: {worst_us} microseconds.\n"));
            before = Instant::now();
        }
        if now.duration_since(started) >= limit || interrupt::raised() {
            break;
        }
    }
    print(summary(started.elapsed(), runs, worst_us));
    Ok(())
}

fn summary(time: Duration, runs: u64, worst_us: u128) -> String {
    let average_us = time.as_secs_f64() * 1e6 / runs.max(1) as f64;
    format!(
        "\n{runs} total runs (avg latency: {average_us:.4} microseconds / {:.2} nanoseconds per run).\n\
         Worst run took {:.0}x longer than the average latency.\n",
        average_us * 1e3,
        worst_us as f64 / average_us
    )
}

/// Less than a microsecond of work on bytes that stay in the first-level cache.
fn work() {
    let mut state: [u8; 256] = std::array::from_fn(|index| index as u8);
    let mut place = 0u8;
    for index in 0..100usize {
        place = place.wrapping_add(state[index % 256]);
        state.swap(index % 256, usize::from(place));
    }
    black_box(state);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_run_is_compared_with_the_average() {
        let text = summary(Duration::from_secs(1), 500_000, 100);
        assert_eq!(
            text,
            "\n500000 total runs (avg latency: 2.0000 microseconds / 2000.00 nanoseconds per run).\n\
             Worst run took 50x longer than the average latency.\n"
        );
    }
}
