//! Time as text.

use super::clock::unix_micros;
use super::platform::local_time;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Now, as log lines begin: `22 Nov 2026 12:47:03.250`, local time.
pub fn log_stamp() -> String {
    let ms = unix_micros() / 1000;
    let now = local_time(ms.div_euclid(1000));
    let month = usize::try_from(now.month).ok().and_then(|month| MONTHS.get(month)).unwrap_or(&"???");
    format!(
        "{:02} {month} {} {:02}:{:02}:{:02}.{:03}",
        now.day,
        now.year,
        now.hour,
        now.minute,
        now.second,
        ms.rem_euclid(1000)
    )
}
