//! `--hotkeys`: the keys that are used most, by the counters that an LFU policy keeps.

use oxidis::resp::Value;

use crate::bigkeys::percent;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::format::shown;
use crate::interrupt;
use crate::options::Options;
use crate::output::print;
use crate::scan::{Scan, database_size};

/// How many keys are told in the end.
const KEPT: usize = 16;

/// Looks at all keys and tells about the hottest.
///
/// # Errors
/// When the server keeps no counters, or the connection is lost.
pub fn run(mut link: Connection, options: &Options) -> Result<(), Failure> {
    interrupt::catch();
    let expected = database_size(&mut link)?;
    print(
        "\n# Scanning the entire keyspace to find hot keys as well as\n\
         # average sizes per key type.  You can use -i 0.1 to sleep 0.1 sec\n\
         # per 100 SCAN commands (not usually needed).\n\n",
    );
    let (mut hottest, mut sampled, mut done) = (Hottest::default(), 0, String::new());
    let mut scan = Scan::new(options);
    while let Some(keys) = scan.next(&mut link)? {
        done = percent(100.0 * sampled as f64 / expected.max(1) as f64);
        let mut lines = String::new();
        for (key, counter) in keys.iter().zip(counters(&mut link, &keys)?) {
            sampled += 1;
            if sampled % 1_000_000 == 0 {
                lines.push_str(&format!("[{done}] Sampled {sampled} keys so far\n"));
            }
            if hottest.offer(counter, key) {
                let key = shown(key);
                lines.push_str(&format!("[{done}] Hot key '{key}' found so far with counter {counter}\n"));
            }
        }
        print(lines);
        scan.rest(options.interval);
    }
    let interrupted = if interrupt::raised() { format!("[{done}] ") } else { String::new() };
    let mut summary = format!("\n-------- summary -------\n\n{interrupted}Sampled {sampled} keys in the keyspace!\n");
    for (counter, key) in hottest.0.iter().rev() {
        summary.push_str(&format!("hot key found with counter: {counter}\tkeyname: {}\n", shown(key)));
    }
    print(summary);
    Ok(())
}

fn counters(link: &mut Connection, keys: &[Vec<u8>]) -> Result<Vec<u64>, Failure> {
    keys.iter().for_each(|key| link.queue([b"OBJECT", &b"FREQ"[..], key]));
    link.flush()?;
    let mut counters = Vec::with_capacity(keys.len());
    for key in keys {
        let reply = link.reply()?;
        counters.push(match &reply {
            Value::Integer(counter) => u64::try_from(*counter).unwrap_or(0),
            other => match other.error() {
                Some(error) => return Err(Failure::new(format!("Error: {}", String::from_utf8_lossy(error)))),
                None => {
                    eprintln!("Warning: OBJECT freq on '{}' failed (may have been deleted)", shown(key));
                    0
                }
            },
        });
    }
    Ok(counters)
}

/// The keys with the highest counters, the highest last.
#[derive(Debug, Default)]
struct Hottest(Vec<(u64, Vec<u8>)>);

impl Hottest {
    /// Takes a key in if it is among the hottest; whether it was.
    fn offer(&mut self, counter: u64, key: &[u8]) -> bool {
        let place = self.0.partition_point(|(kept, _)| *kept < counter);
        let full = self.0.len() == KEPT;
        if counter == 0 || (full && place == 0) {
            return false;
        }
        self.0.insert(place, (counter, key.to_vec()));
        if full {
            self.0.remove(0);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hottest_are_kept() {
        let mut hottest = Hottest::default();
        assert!(!hottest.offer(0, b"cold"));
        (1..=20).for_each(|counter| assert!(hottest.offer(counter, b"k")));
        assert!(!hottest.offer(5, b"k"));
        let counters: Vec<u64> = hottest.0.iter().map(|(counter, _)| *counter).collect();
        assert_eq!(counters, (5..=20).collect::<Vec<_>>());
    }
}
