//! `--stat`: a line about the server every second.

use std::time::Duration;

use crate::failure::Failure;
use crate::output::print;
use crate::progress::human_bytes;
use crate::reconnecting::Reconnecting;

const HEAD: &str = "------- data ------ --------------------- load -------------------- - child -\n\
                    keys       mem      clients blocked requests            connections          \n";
const LINES_PER_HEAD: u64 = 20;

/// Prints lines for ever.
///
/// # Errors
/// When the server refuses.
pub fn run(mut link: Reconnecting, interval: Duration) -> Result<(), Failure> {
    let interval = if interval.is_zero() { Duration::from_secs(1) } else { interval };
    let mut requests_before = 0;
    for line in 0u64.. {
        let reply = link.call(["INFO"])?;
        if let Some(error) = reply.error() {
            return Err(Failure::new(format!("ERROR: {}", String::from_utf8_lossy(error))));
        }
        let info = String::from_utf8_lossy(reply.bytes().unwrap_or_default()).into_owned();
        if line % LINES_PER_HEAD == 0 {
            print(HEAD);
        }
        let (text, requests) = describe(&info, requests_before);
        print(text);
        requests_before = requests;
        std::thread::sleep(interval);
    }
    Ok(())
}

/// The line, and how many requests the server has served.
fn describe(info: &str, requests_before: i64) -> (String, i64) {
    let keys: i64 = info.lines().filter(|line| line.starts_with("db")).filter_map(keys_of).sum();
    let number = |field: &str| field_of(info, field).and_then(|value| value.parse::<i64>().ok()).unwrap_or(0);
    let memory = human_bytes(number("used_memory").max(0) as f64);
    let requests = number("total_commands_processed");
    let more = if requests_before == 0 { 0 } else { requests - requests_before };
    let children = [("rdb_bgsave_in_progress", "SAVE"), ("aof_rewrite_in_progress", "AOF"), ("loading", "LOAD")];
    let children: Vec<&str> = children.iter().filter(|(field, _)| number(field) == 1).map(|(_, name)| *name).collect();
    let line = format!(
        "{keys:<11}{memory:<8} {:<8}{:<8}{:<19} {:<12}{}\n",
        number("connected_clients"),
        number("blocked_clients"),
        format!("{requests} (+{more})"),
        number("total_connections_received"),
        children.join("+")
    );
    (line, requests)
}

/// The value of a field of INFO.
fn field_of<'a>(info: &'a str, field: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'))
}

/// `db0:keys=3,expires=0,avg_ttl=0`
fn keys_of(line: &str) -> Option<i64> {
    let (_, fields) = line.split_once(":keys=")?;
    fields.split(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_columns_of_its_head() {
        let info = "used_memory:1536\r\nused_memory_rss:9\r\nconnected_clients:2\r\nblocked_clients:1\r\n\
                    total_commands_processed:30\r\ntotal_connections_received:4\r\nrdb_bgsave_in_progress:1\r\n\
                    aof_rewrite_in_progress:1\r\nloading:0\r\ndb0:keys=3,expires=0\r\ndb9:keys=4,expires=0\r\n";
        let (line, requests) = describe(info, 10);
        assert_eq!(line, "7          1.50K    2       1       30 (+20)            4           SAVE+AOF\n");
        assert_eq!(requests, 30);
        assert!(describe(info, 0).0.contains(" 30 (+0) "));
    }
}
