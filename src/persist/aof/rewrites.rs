//! What is known of rewrites of the log, and how long the next has to wait after failures.

/// Failures in a row from which on rewrites wait.
pub const FAILURES_UNTIL_DELAY: u64 = 3;

/// The longest they wait, in minutes.
pub const DELAY_MINUTES_MAX: i64 = 60;

/// What is known of rewrites.
#[derive(Debug)]
pub struct Rewrites {
    /// One is to begin as soon as nothing keeps it from that.
    pub scheduled: bool,
    /// The last one went well.
    pub last_ok: bool,
    /// How long it took, in seconds.
    pub last_seconds: Option<i64>,
    /// Memory that it had copied, in bytes.
    pub last_copied: u64,
    /// Rewrites begun.
    pub count: u64,
    /// Failures in a row.
    pub failures: u64,
    pub delay_minutes: i64,
    /// When the next may begin by itself, in Unix seconds.
    pub next_s: Option<i64>,
}

impl Default for Rewrites {
    fn default() -> Self {
        Rewrites {
            scheduled: false,
            last_ok: true,
            last_seconds: None,
            last_copied: 0,
            count: 0,
            failures: 0,
            delay_minutes: 0,
            next_s: None,
        }
    }
}

impl Rewrites {
    pub fn failed(&mut self) {
        self.last_ok = false;
        self.failures += 1;
    }

    /// Whether one that begins by itself has to wait because others failed.
    pub fn has_to_wait(&mut self, now_s: i64) -> bool {
        if self.failures < FAILURES_UNTIL_DELAY {
            (self.delay_minutes, self.next_s) = (0, None);
            return false;
        }
        if let Some(next_s) = self.next_s {
            self.next_s = Some(next_s).filter(|next_s| now_s < *next_s);
            return self.next_s.is_some();
        }
        self.delay_minutes = (self.delay_minutes * 2).clamp(1, DELAY_MINUTES_MAX);
        self.next_s = Some(now_s + self.delay_minutes * 60);
        log::warn!(
            "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in {} minutes",
            self.delay_minutes
        );
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_three_failures_in_a_row_rewrites_wait_longer_and_longer() {
        let mut rewrites = Rewrites { failures: 2, ..Rewrites::default() };
        assert!(!rewrites.has_to_wait(0));
        rewrites.failed();
        let mut now_s = 0;
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(rewrites.has_to_wait(now_s));
            assert!(rewrites.has_to_wait(now_s + minutes * 60 - 1));
            now_s += minutes * 60;
            assert!(!rewrites.has_to_wait(now_s), "{minutes}");
        }
        rewrites.failures = 0;
        assert!(!rewrites.has_to_wait(now_s));
        assert_eq!(rewrites.delay_minutes, 0);
    }
}
