//! `--bigkeys` and `--memkeys`: the biggest keys of each type, found by looking at all of them.
//!
//! A round of SCAN is followed by the types of its keys and then by their sizes, each asked for in one go.

use oxidis::resp::Value;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::format::shown;
use crate::interrupt;
use crate::options::Options;
use crate::output::print;
use crate::scan::{Scan, database_size};

/// How sizes are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// In elements; bytes of a string.
    Elements,
    /// In bytes of memory; so many elements are looked at, if not the server's own choice.
    Memory(Option<u64>),
}

/// A type of keys, and what was found of it.
struct Type {
    name: String,
    /// The command that counts its elements; types of modules have none.
    command: Option<&'static str>,
    unit: &'static str,
    count: u64,
    total: u64,
    biggest: u64,
    biggest_key: Option<String>,
}

const TYPES: &[(&str, &str, &str)] = &[
    ("string", "STRLEN", "bytes"),
    ("list", "LLEN", "items"),
    ("set", "SCARD", "members"),
    ("hash", "HLEN", "fields"),
    ("zset", "ZCARD", "members"),
    ("stream", "XLEN", "entries"),
    ("array", "ARCOUNT", "elements"),
    ("pathhash", "PHCARD", "paths"),
    ("bitmap", "BITCOUNT", "bits"),
];

/// Looks at all keys and tells about the biggest.
///
/// # Errors
/// When the server refuses or the connection is lost.
pub fn run(mut link: Connection, options: &Options, measure: Measure) -> Result<(), Failure> {
    interrupt::catch();
    let mut survey = Survey::new(measure, database_size(&mut link)?);
    print(
        "\n# Scanning the entire keyspace to find biggest keys as well as\n\
         # average sizes per key type.  You can use -i 0.1 to sleep 0.1 sec\n\
         # per 100 SCAN commands (not usually needed).\n\n",
    );
    let mut scan = Scan::new(options);
    while let Some(keys) = scan.next(&mut link)? {
        let types = survey.types_of(&mut link, &keys)?;
        let sizes = survey.sizes_of(&mut link, &keys, &types)?;
        let mut lines = String::new();
        for ((key, place), size) in keys.iter().zip(types).zip(sizes) {
            if let Some(place) = place {
                survey.add(place, key, size, &mut lines);
            }
        }
        print(lines);
        scan.rest(options.interval);
    }
    print(survey.summary(interrupt::raised()));
    Ok(())
}

/// What has been seen so far.
pub struct Survey {
    measure: Measure,
    types: Vec<Type>,
    /// Keys that there were at the start.
    expected: u64,
    sampled: u64,
    key_bytes: u64,
    /// How far the round began, in percent.
    percent: f64,
}

impl Survey {
    /// Of so many keys.
    pub fn new(measure: Measure, expected: u64) -> Survey {
        let types = TYPES.iter().map(|(name, command, unit)| Type::new(name, Some(command), unit)).collect();
        Survey { measure, types, expected, sampled: 0, key_bytes: 0, percent: 0.0 }
    }

    /// What the type at a place is called.
    pub fn name(&self, place: usize) -> &str {
        self.types.get(place).map_or("", |kind| &kind.name)
    }

    fn unit(&self, kind: &Type) -> &'static str {
        if self.measure == Measure::Elements { kind.unit } else { "bytes" }
    }

    /// The places of the keys' types among all; none for a key that is gone.
    ///
    /// # Errors
    /// When the server refuses or the connection is lost.
    pub fn types_of(&mut self, link: &mut Connection, keys: &[Vec<u8>]) -> Result<Vec<Option<usize>>, Failure> {
        self.percent = 100.0 * self.sampled as f64 / self.expected.max(1) as f64;
        keys.iter().for_each(|key| link.queue([b"TYPE", key.as_slice()]));
        link.flush()?;
        let mut places = Vec::with_capacity(keys.len());
        for key in keys {
            let reply = link.reply()?;
            let Value::SimpleString(name) = &reply else {
                return Err(Failure::new(match reply.error() {
                    Some(error) => format!("TYPE returned an error: {}", String::from_utf8_lossy(error)),
                    None => format!("Invalid reply type for TYPE on key '{}'!", String::from_utf8_lossy(key)),
                }));
            };
            places.push(self.place(&String::from_utf8_lossy(name)));
        }
        Ok(places)
    }

    fn place(&mut self, name: &str) -> Option<usize> {
        if name == "none" {
            return None;
        }
        let known = self.types.iter().position(|kind| kind.name == name);
        known.or_else(|| {
            self.types.push(Type::new(name, None, "?"));
            Some(self.types.len() - 1)
        })
    }

    /// The sizes of keys whose types are at these places.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn sizes_of(
        &self,
        link: &mut Connection,
        keys: &[Vec<u8>],
        places: &[Option<usize>],
    ) -> Result<Vec<u64>, Failure> {
        let requests = keys.iter().zip(places).map(|(key, place)| self.size_request(key, (*place)?));
        let requests: Vec<Option<Vec<Vec<u8>>>> = requests.collect();
        requests.iter().flatten().for_each(|request| link.queue(request));
        link.flush()?;
        let mut sizes = Vec::with_capacity(keys.len());
        for (key, request) in keys.iter().zip(&requests) {
            let Some(request) = request else {
                sizes.push(0);
                continue;
            };
            match link.reply()? {
                Value::Integer(size) => sizes.push(u64::try_from(size).unwrap_or(0)),
                _ => {
                    let words = if self.measure == Measure::Elements { 1 } else { 2 };
                    let name = request.get(..words).unwrap_or_default().join(&b' ');
                    let (name, key) = (String::from_utf8_lossy(&name), String::from_utf8_lossy(key));
                    eprintln!("Warning:  {name} on '{key}' failed (may have changed type)");
                    sizes.push(0);
                }
            }
        }
        Ok(sizes)
    }

    fn size_request(&self, key: &[u8], place: usize) -> Option<Vec<Vec<u8>>> {
        let words = |words: &[&[u8]]| Some(words.iter().map(|word| word.to_vec()).collect());
        match self.measure {
            Measure::Elements => words(&[self.types.get(place)?.command?.as_bytes(), key]),
            Measure::Memory(None) => words(&[b"MEMORY", b"USAGE", key]),
            Measure::Memory(Some(samples)) => {
                words(&[b"MEMORY", b"USAGE", key, b"SAMPLES", samples.to_string().as_bytes()])
            }
        }
    }

    /// Counts a key, and writes a line if it is the biggest yet.
    fn add(&mut self, place: usize, key: &[u8], size: u64, lines: &mut String) {
        self.sampled += 1;
        self.key_bytes += key.len() as u64;
        let percent = percent(self.percent);
        let elements = self.measure == Measure::Elements;
        if let Some(kind) = self.types.get_mut(place) {
            kind.count += 1;
            kind.total += size;
            if size > kind.biggest {
                kind.biggest = size;
                let key = shown(key);
                let unit = if elements { kind.unit } else { "bytes" };
                lines.push_str(&format!(
                    "[{percent}] Biggest {:<6} found so far '{key}' with {size} {unit}\n",
                    kind.name
                ));
                kind.biggest_key = Some(key);
            }
        }
        if self.sampled.is_multiple_of(1_000_000) {
            lines.push_str(&format!("[{percent}] Sampled {} keys so far\n", self.sampled));
        }
    }

    fn summary(&self, interrupted: bool) -> String {
        let Survey { sampled, key_bytes, .. } = self;
        let share = |part: u64, all: u64| if all == 0 { 0.0 } else { part as f64 / all as f64 };
        let mut text = "\n-------- summary -------\n\n".to_owned();
        if interrupted {
            text.push_str(&format!("[{}] ", percent(self.percent)));
        }
        text.push_str(&format!("Sampled {sampled} keys in the keyspace!\n"));
        let average = share(*key_bytes, *sampled);
        text.push_str(&format!("Total key length in bytes is {key_bytes} (avg len {average:.2})\n\n"));
        for kind in &self.types {
            if let Some(key) = &kind.biggest_key {
                let unit = self.unit(kind);
                text.push_str(&format!("Biggest {:>6} found '{key}' has {} {unit}\n", kind.name, kind.biggest));
            }
        }
        text.push('\n');
        for kind in &self.types {
            text.push_str(&format!(
                "{} {}s with {} {} ({} of keys, avg size {:.2})\n",
                kind.count,
                kind.name,
                kind.total,
                self.unit(kind),
                percent(100.0 * share(kind.count, *sampled)),
                share(kind.total, kind.count)
            ));
        }
        text
    }
}

impl Type {
    fn new(name: &str, command: Option<&'static str>, unit: &'static str) -> Type {
        Type { name: name.to_owned(), command, unit, count: 0, total: 0, biggest: 0, biggest_key: None }
    }
}

/// A percentage of at least two digits in front of the point.
pub fn percent(value: f64) -> String {
    format!("{value:05.2}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_biggest_key_of_each_type_is_told() {
        let mut survey = Survey::new(Measure::Elements, 4);
        let mut lines = String::new();
        let list = survey.place("list").expect("a type");
        let other = survey.place("graph").expect("a new type");
        for (place, key, size) in [(list, "a", 3), (list, "b\n", 9), (list, "c", 4), (other, "m", 0)] {
            survey.add(place, key.as_bytes(), size, &mut lines);
        }
        assert_eq!(
            lines,
            "[00.00%] Biggest list   found so far '\"a\"' with 3 items\n\
             [00.00%] Biggest list   found so far '\"b\\n\"' with 9 items\n"
        );
        assert_eq!(survey.place("none"), None);
        let summary = survey.summary(false);
        assert!(summary.contains("Sampled 4 keys in the keyspace!\nTotal key length in bytes is 5 (avg len 1.25)\n"));
        assert!(summary.contains("\nBiggest   list found '\"b\\n\"' has 9 items\n"), "{summary}");
        assert!(summary.contains("\n3 lists with 16 items (75.00% of keys, avg size 5.33)\n"), "{summary}");
        assert!(summary.contains("\n0 strings with 0 bytes (00.00% of keys, avg size 0.00)\n"), "{summary}");
        assert!(summary.contains("\n1 graphs with 0 ? (25.00% of keys, avg size 0.00)\n"), "{summary}");
    }
}
