//! Time, read cheaply.
//!
//! Two clocks are needed: a monotonic one to time each command, and the wall clock for expiry. A system call (or
//! even the kernel's user-space clock) per command is a noticeable part of a pipelined GET, so the monotonic clock
//! counts processor ticks where the processor promises that they pass at a constant rate, and falls back to
//! [`Instant`] elsewhere. Ticks become microseconds through a rate measured against `Instant` since the start, which
//! gets more exact the longer the process runs.
//!
//! The wall clock is read once a turn of the event loop and after anything slow, and stands still in between.

// The processor's tick counter and its identification are intrinsics, which Rust counts as unsafe.
#![allow(unsafe_code)]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A point on the monotonic clock, in processor ticks or nanoseconds; only differences mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticks(u64);

/// The server's clock. All durations it returns are in microseconds, all times in Unix milliseconds.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
    started_ticks: u64,
    counts_cycles: bool,
    /// Nanoseconds per tick, scaled by 2^32.
    scale: u64,
    now: Ticks,
    unix_ms: i64,
    /// The wall clock as it was read last, in microseconds, and when that was.
    unix_us: i64,
    unix_read_at: Ticks,
}

impl Clock {
    /// Starts the clock. Where processor ticks can be used it takes a first measure of their rate, which takes
    /// about a millisecond.
    pub fn start() -> Clock {
        let counts_cycles = has_constant_ticks();
        let (started, started_ticks) = if counts_cycles { both_clocks() } else { (Instant::now(), 0) };
        let mut clock = Clock {
            started,
            started_ticks,
            counts_cycles,
            scale: 1 << 32,
            now: Ticks(started_ticks),
            unix_ms: 0,
            unix_us: 0,
            unix_read_at: Ticks(started_ticks),
        };
        if counts_cycles {
            while started.elapsed() < Duration::from_millis(1) {
                std::hint::spin_loop();
            }
            clock.calibrate();
        }
        clock.read_wall();
        clock
    }

    /// Measures the tick rate over the whole life of the process. Called now and then from the cron.
    pub fn calibrate(&mut self) {
        if !self.counts_cycles {
            return;
        }
        let (now, ticks) = both_clocks();
        let elapsed_ns = now.duration_since(self.started).as_nanos() as f64;
        let ticks = ticks.wrapping_sub(self.started_ticks) as f64;
        if ticks > 0.0 {
            self.scale = (elapsed_ns / ticks * (1u64 << 32) as f64) as u64;
        }
    }

    /// Reads the monotonic clock and remembers it as the present.
    #[inline]
    pub fn tick(&mut self) -> Ticks {
        self.now =
            if self.counts_cycles { Ticks(cycle_count()) } else { Ticks(self.started.elapsed().as_nanos() as u64) };
        self.now
    }

    /// The latest reading of the monotonic clock.
    #[inline]
    pub fn now(&self) -> Ticks {
        self.now
    }

    /// Nanoseconds between two readings.
    #[inline]
    pub fn nanos_between(&self, earlier: Ticks, later: Ticks) -> u64 {
        let ticks = u128::from(later.0.saturating_sub(earlier.0));
        ((ticks * u128::from(self.scale)) >> 32) as u64
    }

    /// Microseconds between two readings.
    #[inline]
    pub fn micros_between(&self, earlier: Ticks, later: Ticks) -> u64 {
        self.nanos_between(earlier, later) / 1000
    }

    /// The reading `micros` microseconds after another.
    pub fn ticks_after(&self, earlier: Ticks, micros: u64) -> Ticks {
        Ticks(earlier.0 + (((u128::from(micros) * 1000) << 32) / u128::from(self.scale.max(1))) as u64)
    }

    /// Reads the wall clock, to be called once a turn of the event loop and after anything slow.
    pub fn read_wall(&mut self) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.unix_us = since.as_micros() as i64;
        self.unix_ms = self.unix_us / 1000;
        self.unix_read_at = self.tick();
    }

    /// Carries the wall clock forward to the latest tick, so that time passes within a long turn.
    pub fn advance_wall(&mut self) {
        let us = self.micros_between(self.unix_read_at, self.now) as i64;
        self.unix_ms = (self.unix_us + us) / 1000;
    }

    /// The latest reading of the wall clock, in Unix milliseconds.
    #[inline]
    pub fn unix_ms(&self) -> i64 {
        self.unix_ms
    }

    /// What the monotonic time is read from.
    pub fn source(&self) -> &'static str {
        if self.counts_cycles { "processor ticks" } else { "POSIX clock_gettime" }
    }

    /// Time since the server started.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }
}

/// The exact wall clock in Unix microseconds, for TIME and log lines.
pub fn unix_micros() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros() as i64
}

/// The same in seconds.
pub fn unix_seconds() -> i64 {
    unix_micros() / 1_000_000
}

/// Readings of the system's monotonic clock and of the tick counter at the same time: the closest of a few pairs, since
/// the process may be suspended between the two.
fn both_clocks() -> (Instant, u64) {
    let mut closest = (u64::MAX, Instant::now(), cycle_count());
    for _ in 0..8 {
        let before = cycle_count();
        let now = Instant::now();
        let apart = cycle_count().wrapping_sub(before);
        if apart < closest.0 {
            closest = (apart, now, before);
        }
    }
    (closest.1, closest.2)
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn cycle_count() -> u64 {
    // SAFETY: every x86-64 processor has the time stamp counter; reading it has no effect on memory.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(target_arch = "x86_64")]
fn has_constant_ticks() -> bool {
    use core::arch::x86_64::__cpuid;
    const INVARIANT_TSC: u32 = 1 << 8;
    __cpuid(0x8000_0000).eax >= 0x8000_0007 && __cpuid(0x8000_0007).edx & INVARIANT_TSC != 0
}

#[cfg(not(target_arch = "x86_64"))]
fn cycle_count() -> u64 {
    0
}

#[cfg(not(target_arch = "x86_64"))]
fn has_constant_ticks() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_agree_with_the_system_clock() {
        let mut clock = Clock::start();
        let mut ratio = || {
            let (before, begun) = (clock.tick(), Instant::now());
            while begun.elapsed() < Duration::from_millis(20) {
                std::hint::spin_loop();
            }
            clock.calibrate();
            let after = clock.tick();
            clock.micros_between(before, after) as f64 / begun.elapsed().as_micros() as f64
        };
        // On a busy machine something may come between the readings of the two clocks, but not always.
        let ratios: Vec<f64> = std::iter::repeat_with(&mut ratio).take(5).collect();
        assert!(ratios.iter().any(|ratio| (ratio - 1.0).abs() < 0.05), "{ratios:?}");
    }

    #[test]
    fn wall_clock_stands_still_until_it_is_read() {
        let mut clock = Clock::start();
        let (start, begun) = (clock.unix_ms(), Instant::now());
        while begun.elapsed() < Duration::from_millis(5) {
            clock.tick();
        }
        clock.tick();
        clock.advance_wall();
        assert!(clock.unix_ms() - start >= 4);
    }
}
