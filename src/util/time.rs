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

/// A time in Unix seconds as HTTP has it: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn http_date(unix_seconds: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let (days, seconds) = (unix_seconds.div_euclid(86_400), unix_seconds.rem_euclid(86_400));
    // Years that begin in March, in eras of 400: a leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_based = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_based + 2) / 5 + 1;
    let month = (march_based + 2) % 12;
    let year = year_of_era + era * 400 + i64::from(month < 2);
    let (weekday, name) = (DAYS[days.rem_euclid(7) as usize], MONTHS[month as usize]);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{weekday}, {day:02} {name} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http_date(951_782_399), "Mon, 28 Feb 2000 23:59:59 GMT");
        assert_eq!(http_date(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(http_date(1_798_761_599), "Thu, 31 Dec 2026 23:59:59 GMT");
    }
}
