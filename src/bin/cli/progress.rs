//! How far a transfer has got.

/// The width of the bar in characters.
const BAR: usize = 30;

/// A line with the bytes done, and a bar where it is known how many there will be.
pub fn line(done: u64, expected: Option<u64>) -> String {
    match expected.filter(|expected| *expected > 0) {
        None => human_bytes(done as f64),
        Some(expected) => {
            let done = done.min(expected);
            let done = done.min(expected);
            let part = done as f64 / expected as f64;
            let bar = "=".repeat((part * BAR as f64) as usize);
            let percent = (part * 100.0) as u32;
            format!("[{bar:<BAR$}] {percent:3}% {} of {}", human_bytes(done as f64), human_bytes(expected as f64))
        }
    }
}

/// Bytes with a unit: 100B, 1.50K, 2.00G.
pub fn human_bytes(bytes: f64) -> String {
    const UNITS: [char; 6] = ['K', 'M', 'G', 'T', 'P', 'E'];
    if bytes < 1024.0 {
        return format!("{bytes:.0}B");
    }
    let mut size = bytes;
    let mut unit = ' ';
    for larger in UNITS {
        if size < 1024.0 {
            break;
        }
        size /= 1024.0;
        unit = larger;
    }
    format!("{size:.2}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_units() {
        for (bytes, text) in [(0u64, "0B"), (1023, "1023B"), (1536, "1.50K"), (1 << 30, "1.00G"), (5 << 40, "5.00T")] {
            assert_eq!(human_bytes(bytes as f64), text);
        }
    }

    #[test]
    fn bars_fill_up() {
        assert_eq!(line(2048, None), "2.00K");
        assert_eq!(line(5, Some(10)), format!("[{}{}]  50% 5B of 10B", "=".repeat(15), " ".repeat(15)));
        assert_eq!(line(20, Some(10)), format!("[{}] 100% 10B of 10B", "=".repeat(30)));
    }
}
