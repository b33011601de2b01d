//! The last lines of the log, for whoever looks on.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// Lines kept.
const LINES: usize = 60;
/// Bytes kept of a line.
const LINE_BYTES: usize = 400;

static TAIL: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());
static VERSION: AtomicU64 = AtomicU64::new(0);

/// Keeps a line. Where another thread is at it, in the parent of this process perhaps, the line is not kept.
pub fn keep(line: &str) {
    let Ok(mut tail) = TAIL.try_lock() else { return };
    let mut end = line.len().min(LINE_BYTES);
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    if tail.len() == LINES {
        tail.pop_front();
    }
    tail.push_back(line[..end].to_owned());
    VERSION.fetch_add(1, Relaxed);
}

/// A number that changes with each line.
pub fn version() -> u64 {
    VERSION.load(Relaxed)
}

/// The lines, the oldest first.
pub fn lines() -> Vec<String> {
    TAIL.try_lock().map(|tail| tail.iter().cloned().collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_long_ones_cut() {
        let before = version();
        (0..2 * LINES).for_each(|number| keep(&format!("line {number} of a test")));
        keep(&"é".repeat(LINE_BYTES));
        let lines = lines();
        assert!(lines.len() <= LINES && version() > before);
        assert!(lines.iter().all(|line| line.len() <= LINE_BYTES));
        assert!(lines.iter().any(|line| line.starts_with("éé")));
    }
}
