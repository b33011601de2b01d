//! Time as text.

use super::platform::local_time;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A time in Unix milliseconds as log lines begin: `22 Nov 2026 12:47:03.250`, local time.
pub fn log_stamp(ms: i64) -> String {
    let local = local_time(ms.div_euclid(1000));
    let month = usize::try_from(local.month).ok().and_then(|month| MONTHS.get(month)).unwrap_or(&"???");
    format!(
        "{:02} {month} {} {:02}:{:02}:{:02}.{:03}",
        local.day,
        local.year,
        local.hour,
        local.minute,
        local.second,
        ms.rem_euclid(1000)
    )
}

/// A time in Unix milliseconds by ISO 8601: `2026-11-22T12:47:03.250+01:00`, local time.
pub fn iso_stamp(ms: i64) -> String {
    let local = local_time(ms.div_euclid(1000));
    let (sign, ahead) =
        if local.ahead_of_utc_s < 0 { ('-', -local.ahead_of_utc_s) } else { ('+', local.ahead_of_utc_s) };
    format!(
        "{}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}{sign}{:02}:{:02}",
        local.year,
        local.month + 1,
        local.day,
        local.hour,
        local.minute,
        local.second,
        ms.rem_euclid(1000),
        ahead / 3600,
        ahead % 3600 / 60
    )
}
