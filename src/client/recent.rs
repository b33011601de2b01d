//! The largest buffers of clients, seen of late: what INFO has as `client_recent_max_input_buffer` and its like.
//!
//! A ring has a place for each second. The place of a second that is over is begun anew when its turn comes, and is
//! passed over until then.

/// For so many seconds what was seen is told.
const SECONDS: i64 = 8;

/// The largest in one second, in bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    at: i64,
    input: usize,
    output: usize,
}

/// The largest in each of the last seconds.
#[derive(Debug, Default)]
pub struct Recent([Second; SECONDS as usize]);

impl Recent {
    /// Notes how many bytes one client's input and output have, at a time in Unix milliseconds.
    pub fn note(&mut self, input: usize, output: usize, now_ms: i64) {
        let at = now_ms.div_euclid(1000);
        let second = &mut self.0[at.rem_euclid(SECONDS) as usize];
        if second.at != at {
            *second = Second { at, ..Second::default() };
        }
        second.input = second.input.max(input);
        second.output = second.output.max(output);
    }

    /// The largest input and the largest output, in bytes.
    pub fn largest(&self, now_ms: i64) -> (usize, usize) {
        let now = now_ms.div_euclid(1000);
        let told = self.0.iter().filter(|second| (0..SECONDS).contains(&(now - second.at)));
        told.fold((0, 0), |(input, output), second| (input.max(second.input), output.max(second.output)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_are_told_for_some_seconds() {
        let mut recent = Recent::default();
        assert_eq!(recent.largest(0), (0, 0));
        recent.note(10, 1, 5_000);
        recent.note(3, 7, 5_900);
        recent.note(4, 0, 6_000);
        assert_eq!(recent.largest(6_000), (10, 7));
        assert_eq!(recent.largest(12_999), (10, 7));
        assert_eq!(recent.largest(13_000), (4, 0));
        recent.note(1, 1, 13_000);
        assert_eq!(recent.largest(13_000), (4, 1), "the place of the second that is over is begun anew");
        assert_eq!(recent.largest(0), (0, 0), "a clock that was set back");
    }
}
