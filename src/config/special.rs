//! Kinds of directives with a shape of their own, most of several words.

use std::path::Path;

use super::directive::Occurrence;
use super::kinds::{Kind, Line, loose_integer, not_among, quoted, show_memory, single, utf8};
use crate::util::number::parse_memory;
use crate::util::platform::os_error_text;
use crate::util::subnet::Subnet;

/// One `save` rule: write the data set when at least `changes` happened in `seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SavePoint {
    /// At least 1.
    pub seconds: i64,
    /// At least 0.
    pub changes: i64,
}

/// `save`: rules of two words each. Lines of one file add up; an empty text clears them all.
pub(super) struct SavePoints;

impl Kind for SavePoints {
    type Value = Vec<SavePoint>;

    fn parse(&self, words: &[Vec<u8>], current: &Self::Value, occurrence: Occurrence) -> Result<Self::Value, String> {
        if matches!(words, [word] if word.is_empty()) {
            return Ok(Vec::new());
        }
        let mut points = match occurrence {
            Occurrence::First => Vec::new(),
            Occurrence::Repeated => current.clone(),
        };
        for rule in words.chunks(2) {
            let numbers: Vec<_> = rule.iter().map(|word| loose_integer(word, 10)).collect();
            match numbers[..] {
                [Some(seconds), Some(changes)] if seconds >= 1 && changes >= 0 => {
                    let point = SavePoint { seconds, changes };
                    // The command line may repeat what has been written into the file meanwhile.
                    if occurrence == Occurrence::First || !points.contains(&point) {
                        points.push(point);
                    }
                }
                _ => return Err("Invalid save parameters".into()),
            }
        }
        Ok(points)
    }

    fn show(&self, value: &Self::Value) -> Vec<u8> {
        join(value.iter().map(|point| format!("{} {}", point.seconds, point.changes))).into()
    }

    /// Always written: no line at all would mean the defaults.
    fn lines(&self, name: &str, value: &Self::Value, _: &Self::Value) -> Vec<Line> {
        if value.is_empty() {
            return vec![Line::new(name, b"\"\"", true)];
        }
        let rule = |point: &SavePoint| format!("{} {}", point.seconds, point.changes);
        value.iter().map(|point| Line::new(name, rule(point).as_bytes(), true)).collect()
    }

    /// Rules add up, so that the old ones have to be cleared.
    fn overruling_lines(&self, name: &str, value: &Self::Value, default: &Self::Value) -> Vec<Line> {
        let mut lines = self.lines(name, &Vec::new(), default);
        if !value.is_empty() {
            lines.extend(self.lines(name, value, default));
        }
        lines
    }
}

/// How much unread output a client may pile up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputLimit {
    /// Closed at once above this; 0 is no limit.
    pub hard_bytes: u64,
    /// Closed when above this for `soft_seconds`; 0 is no limit.
    pub soft_bytes: u64,
    /// See `soft_bytes`.
    pub soft_seconds: i64,
}

/// `client-output-buffer-limit`, per class of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputLimits {
    /// Clients that are neither of the others.
    pub normal: OutputLimit,
    /// Replicas of this server.
    pub replica: OutputLimit,
    /// Clients subscribed to something.
    pub pubsub: OutputLimit,
}

impl OutputLimits {
    pub(super) const DEFAULT: OutputLimits = OutputLimits {
        normal: OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 },
        replica: OutputLimit { hard_bytes: 256 << 20, soft_bytes: 64 << 20, soft_seconds: 60 },
        pubsub: OutputLimit { hard_bytes: 32 << 20, soft_bytes: 8 << 20, soft_seconds: 60 },
    };

    fn class(&mut self, name: &[u8]) -> Option<&mut OutputLimit> {
        match name.to_ascii_lowercase().as_slice() {
            b"normal" => Some(&mut self.normal),
            b"slave" | b"replica" => Some(&mut self.replica),
            b"pubsub" => Some(&mut self.pubsub),
            _ => None,
        }
    }
}

/// Four words per class; classes that aren't named keep their limits.
pub(super) struct OutputLimitsByClass;

impl Kind for OutputLimitsByClass {
    type Value = OutputLimits;

    fn parse(&self, words: &[Vec<u8>], current: &OutputLimits, _: Occurrence) -> Result<OutputLimits, String> {
        if !words.len().is_multiple_of(4) {
            return Err("Wrong number of arguments in buffer limit configuration.".into());
        }
        let mut limits = *current;
        for group in words.chunks(4) {
            let [class, hard, soft, seconds] = group else {
                continue;
            };
            let class = limits.class(class);
            let class = class.ok_or("Invalid client class specified in buffer limit configuration.")?;
            let numbers = (parse_memory(hard), parse_memory(soft), loose_integer(seconds, 10));
            let (Some(hard_bytes), Some(soft_bytes), Some(soft_seconds @ 0..)) = numbers else {
                return Err("Error in hard, soft or soft_seconds setting in buffer limit configuration.".into());
            };
            *class = OutputLimit { hard_bytes, soft_bytes, soft_seconds };
        }
        Ok(limits)
    }

    /// CONFIG GET still says `slave`.
    fn show(&self, value: &OutputLimits) -> Vec<u8> {
        let classes = [("normal", value.normal), ("slave", value.replica), ("pubsub", value.pubsub)];
        let show = |(class, limit): (&str, OutputLimit)| {
            format!("{class} {} {} {}", limit.hard_bytes, limit.soft_bytes, limit.soft_seconds)
        };
        join(classes.into_iter().map(show)).into()
    }

    /// All classes or none, so that writing the file again finds each in its place.
    fn lines(&self, name: &str, value: &OutputLimits, default: &OutputLimits) -> Vec<Line> {
        let classes = [("normal", value.normal), ("replica", value.replica), ("pubsub", value.pubsub)];
        let line = |(class, limit): (&str, OutputLimit)| {
            let (hard, soft) = (show_memory(limit.hard_bytes), show_memory(limit.soft_bytes));
            let text = format!("{class} {hard} {soft} {}", limit.soft_seconds);
            Line::new(name, text.as_bytes(), value != default)
        };
        classes.into_iter().map(line).collect()
    }
}

/// `oom-score-adj-values`: for a primary, a replica, a child that saves.
pub(super) struct OomScores;

impl Kind for OomScores {
    type Value = [i32; 3];

    fn parse(&self, words: &[Vec<u8>], _: &[i32; 3], _: Occurrence) -> Result<[i32; 3], String> {
        let [primary, replica, child] = words else {
            return Err("wrong number of arguments".into());
        };
        let mut scores = [0; 3];
        for (score, word) in scores.iter_mut().zip([primary, replica, child]) {
            let number = loose_integer(word, 10).filter(|number| (-2000..=2000).contains(number));
            *score = number
                .and_then(|number| i32::try_from(number).ok())
                .ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.")?;
        }
        Ok(scores)
    }

    fn show(&self, value: &[i32; 3]) -> Vec<u8> {
        join(value.iter().map(i32::to_string)).into()
    }
}

/// `shutdown-on-sigterm` and `shutdown-on-sigint`: how SHUTDOWN is run on a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SignalFlags {
    /// Save even without `save` rules.
    pub save: bool,
    /// Don't save even with them.
    pub nosave: bool,
    /// Don't wait for replicas that lag.
    pub now: bool,
    /// Go even when saving fails.
    pub force: bool,
    /// Don't go where a cluster would lose slots; without a cluster that is no condition.
    pub safe: bool,
    /// Hand over to a replica of the cluster first; likewise.
    pub failover: bool,
}

/// Words that add up; `default` adds nothing.
pub(super) struct SignalWords;

impl Kind for SignalWords {
    type Value = SignalFlags;

    fn parse(&self, words: &[Vec<u8>], _: &SignalFlags, _: Occurrence) -> Result<SignalFlags, String> {
        let unknown = || not_among(["default", "save", "nosave", "now", "force", "safe", "failover"].into_iter());
        if words.is_empty() {
            return Err(unknown());
        }
        let mut flags = SignalFlags::default();
        for word in words {
            match word.to_ascii_lowercase().as_slice() {
                b"default" => {}
                b"save" => flags.save = true,
                b"nosave" => flags.nosave = true,
                b"now" => flags.now = true,
                b"force" => flags.force = true,
                b"safe" => flags.safe = true,
                b"failover" => flags.failover = true,
                _ => return Err(unknown()),
            }
        }
        if flags.save && flags.nosave {
            return Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into());
        }
        Ok(flags)
    }

    fn show(&self, value: &SignalFlags) -> Vec<u8> {
        let flags = [
            ("save", value.save),
            ("nosave", value.nosave),
            ("now", value.now),
            ("force", value.force),
            ("safe", value.safe),
            ("failover", value.failover),
        ];
        let words = join(flags.into_iter().filter(|(_, set)| *set).map(|(word, _)| word.to_owned()));
        if words.is_empty() { b"default".to_vec() } else { words.into() }
    }
}

/// `priority-subnets`: ranges of addresses.
pub(super) struct Subnets;

impl Kind for Subnets {
    type Value = Vec<Subnet>;

    fn parse(&self, words: &[Vec<u8>], _: &Vec<Subnet>, _: Occurrence) -> Result<Vec<Subnet>, String> {
        let words = words.iter().filter(|word| !word.is_empty());
        let subnet = |word: &Vec<u8>| utf8(word).ok().and_then(Subnet::parse);
        let subnets: Option<Vec<Subnet>> = words.map(subnet).collect();
        subnets.ok_or_else(|| "argument must be a list of subnets in CIDR notation".to_owned())
    }

    fn show(&self, value: &Vec<Subnet>) -> Vec<u8> {
        join(value.iter().map(Subnet::to_string)).into()
    }

    fn lines(&self, name: &str, value: &Vec<Subnet>, default: &Vec<Subnet>) -> Vec<Line> {
        if value == default { Vec::new() } else { vec![Line::new(name, &self.show(value), true)] }
    }
}

/// `bind`: up to 16 addresses, possibly none.
pub(super) struct Addresses;

impl Kind for Addresses {
    type Value = Vec<String>;

    /// What can't be an address is refused here, with the words of a failure to listen on it.
    fn parse(&self, words: &[Vec<u8>], _: &Vec<String>, _: Occurrence) -> Result<Vec<String>, String> {
        if words.len() > 16 {
            return Err("Too many bind addresses specified.".into());
        }
        if matches!(words, [word] if word.is_empty()) {
            return Ok(Vec::new());
        }
        let address = |word: &Vec<u8>| match is_plain(word) {
            true => utf8(word).map(str::to_owned),
            false => Err("Failed to bind to specified addresses.".into()),
        };
        words.iter().map(address).collect()
    }

    fn show(&self, value: &Vec<String>) -> Vec<u8> {
        value.join(" ").into()
    }

    /// The default is what no line means, so it has none.
    fn lines(&self, name: &str, value: &Vec<String>, default: &Vec<String>) -> Vec<Line> {
        if value == default {
            return Vec::new();
        }
        self.overruling_lines(name, value, default)
    }

    fn overruling_lines(&self, name: &str, value: &Vec<String>, _: &Vec<String>) -> Vec<Line> {
        let text = if value.is_empty() { b"\"\"".to_vec() } else { self.show(value) };
        vec![Line::new(name, &text, true)]
    }
}

/// Whether a word is itself in a line without quotes.
fn is_plain(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(|byte| byte.is_ascii_graphic() && !b"\"'\\".contains(byte))
}

/// `replicaof`: the server to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaOf {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// Host and port, or `no one`.
pub(super) struct Primary;

impl Kind for Primary {
    type Value = Option<ReplicaOf>;

    fn parse(&self, words: &[Vec<u8>], _: &Self::Value, _: Occurrence) -> Result<Self::Value, String> {
        let [host, port] = words else {
            return Err("wrong number of arguments".into());
        };
        if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
            return Ok(None);
        }
        let port = loose_integer(port, 10).and_then(|port| u16::try_from(port).ok());
        let port = port.ok_or("Invalid master port")?;
        Ok(Some(ReplicaOf { host: utf8(host)?.to_owned(), port }))
    }

    fn show(&self, value: &Self::Value) -> Vec<u8> {
        let text = value.as_ref().map(|primary| format!("{} {}", primary.host, primary.port));
        text.unwrap_or_default().into()
    }

    fn lines(&self, name: &str, value: &Self::Value, _: &Self::Value) -> Vec<Line> {
        let Some(ReplicaOf { host, port }) = value else {
            return Vec::new();
        };
        let bare = is_plain(host.as_bytes());
        let host = if bare { host.clone().into_bytes() } else { quoted(host.as_bytes()) };
        let text = [host.as_slice(), format!(" {port}").as_bytes()].concat();
        vec![Line::new(name, &text, true)]
    }

    fn overruling_lines(&self, name: &str, value: &Self::Value, default: &Self::Value) -> Vec<Line> {
        match value {
            Some(_) => self.lines(name, value, default),
            None => vec![Line::new(name, b"no one", true)],
        }
    }
}

/// `latency-tracking-info-percentiles`: numbers from 0 to 100, possibly none.
pub(super) struct Percentiles;

impl Kind for Percentiles {
    type Value = Vec<f64>;

    fn parse(&self, words: &[Vec<u8>], _: &Vec<f64>, _: Occurrence) -> Result<Vec<f64>, String> {
        if matches!(words, [word] if word.is_empty()) {
            return Ok(Vec::new());
        }
        let percentile = |word: &Vec<u8>| {
            let number = utf8(word).ok().and_then(|text| text.parse::<f64>().ok());
            let number = number.filter(|number| !number.is_nan());
            let number = number.ok_or("Invalid latency-tracking-info-percentiles parameters")?;
            if !(0.0..=100.0).contains(&number) {
                return Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".into());
            }
            Ok(number)
        };
        words.iter().map(percentile).collect()
    }

    /// Six digits after the point at most.
    fn show(&self, value: &Vec<f64>) -> Vec<u8> {
        let text = |number: &f64| {
            let text = format!("{number:.6}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        };
        join(value.iter().map(text)).into()
    }

    fn lines(&self, name: &str, value: &Vec<f64>, _: &Vec<f64>) -> Vec<Line> {
        let text = if value.is_empty() { b"\"\"".to_vec() } else { self.show(value) };
        vec![Line::new(name, &text, true)]
    }
}

/// `dir`: kept absolute. The server makes it the working directory.
pub(super) struct Directory;

impl Kind for Directory {
    type Value = String;

    fn parse(&self, words: &[Vec<u8>], current: &String, _: Occurrence) -> Result<String, String> {
        let path = Path::new(current).join(utf8(single(words)?)?);
        let path = path.canonicalize().map_err(|error| os_error_text(&error))?;
        if !path.is_dir() {
            return Err("Not a directory".into());
        }
        let path = path.into_os_string().into_string();
        path.map_err(|_| "argument must be valid UTF-8".into())
    }

    fn show(&self, value: &String) -> Vec<u8> {
        value.clone().into()
    }

    fn lines(&self, name: &str, value: &String, _: &String) -> Vec<Line> {
        vec![Line::new(name, &quoted(value.as_bytes()), true)]
    }
}

fn join(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<u8>> {
        text.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    fn parse<K: Kind>(kind: K, text: &str, current: &K::Value) -> Result<K::Value, String> {
        kind.parse(&words(text), current, Occurrence::First)
    }

    #[test]
    fn save_rules_come_in_pairs() {
        let rules = |text| parse(SavePoints, text, &Vec::new());
        let show = |text| rules(text).map(|points| SavePoints.show(&points));
        assert_eq!(show("3600 1 300 100"), Ok(b"3600 1 300 100".to_vec()));
        assert_eq!(show(""), Ok(Vec::new()));
        for text in ["1", "0 1", "1 -1", "a 1", "1 2 3", "1 1x"] {
            assert_eq!(show(text), Err("Invalid save parameters".into()), "{text}");
        }
    }

    #[test]
    fn save_rules_add_up_when_repeated_and_an_empty_one_clears_them() {
        let current = vec![SavePoint { seconds: 900, changes: 1 }];
        let repeated = |text: &str| SavePoints.parse(&words(text), &current, Occurrence::Repeated);
        let points = repeated("100 100").unwrap();
        assert_eq!(SavePoints.show(&points), b"900 1 100 100");
        assert_eq!(repeated(""), Ok(Vec::new()));
        let texts: Vec<_> = SavePoints.lines("save", &Vec::new(), &current).into_iter().map(|l| l.text).collect();
        assert_eq!(texts, [b"save \"\""]);
    }

    #[test]
    fn output_limits_not_named_stay() {
        let current = OutputLimits::DEFAULT;
        let limits = parse(OutputLimitsByClass, "slave 1mb 2kb 5", &current).unwrap();
        let shown = "normal 0 0 0 slave 1048576 2048 5 pubsub 33554432 8388608 60";
        assert_eq!(OutputLimitsByClass.show(&limits), shown.as_bytes());
        let lines = OutputLimitsByClass.lines("limit", &limits, &current);
        let shown: Vec<_> =
            lines.iter().map(|line| (String::from_utf8_lossy(&line.text).into_owned(), line.force)).collect();
        let expected = [
            ("limit normal 0 0 0".to_owned(), true),
            ("limit replica 1mb 2kb 5".to_owned(), true),
            ("limit pubsub 32mb 8mb 60".to_owned(), true),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn output_limits_are_refused_with_the_reason() {
        let message = |text| parse(OutputLimitsByClass, text, &OutputLimits::DEFAULT).unwrap_err();
        assert!(message("normal 1 1").starts_with("Wrong number of arguments"));
        assert!(message("master 1 1 1").starts_with("Invalid client class"));
        assert!(message("normal x 1 1").starts_with("Error in hard, soft"));
        assert!(message("normal 1 1 -1").starts_with("Error in hard, soft"));
    }

    #[test]
    fn signal_words_add_up_and_are_shown_in_one_order() {
        let shown = |text| parse(SignalWords, text, &SignalFlags::default()).map(|f| SignalWords.show(&f));
        assert_eq!(shown("NOSAVE force now"), Ok(b"nosave now force".to_vec()));
        assert_eq!(shown("default"), Ok(b"default".to_vec()));
        assert!(shown("save nosave").unwrap_err().contains("simultaneously"));
        let unknown = "argument(s) must be one of the following: default, save, nosave, now, force, safe, failover";
        assert_eq!(shown("later"), Err(unknown.into()));
        assert_eq!(SignalWords.parse(&[], &SignalFlags::default(), Occurrence::First), Err(unknown.into()));
    }

    #[test]
    fn at_most_16_addresses_and_an_empty_text_is_none() {
        assert_eq!(parse(Addresses, "", &Vec::new()), Ok(Vec::new()));
        let many = vec!["::1"; 17].join(" ");
        assert_eq!(parse(Addresses, &many, &Vec::new()), Err("Too many bind addresses specified.".into()));
    }

    #[test]
    fn a_primary_is_host_and_port_or_no_one() {
        let shown = |text| parse(Primary, text, &None).map(|primary| Primary.show(&primary));
        assert_eq!(shown("localhost 6379"), Ok(b"localhost 6379".to_vec()));
        assert_eq!(shown("NO one"), Ok(Vec::new()));
        assert_eq!(shown("localhost x"), Err("Invalid master port".into()));
        assert_eq!(shown("localhost 65536"), Err("Invalid master port".into()));
        assert_eq!(shown("localhost"), Err("wrong number of arguments".into()));
    }

    #[test]
    fn percentiles_lose_trailing_zeros_only_after_the_point() {
        let shown = |text| parse(Percentiles, text, &Vec::new()).map(|values| Percentiles.show(&values));
        assert_eq!(shown("1e1 0.5 100 0 99.9999999"), Ok(b"10 0.5 100 0 100".to_vec()));
        assert!(shown("50 101").unwrap_err().ends_with("[0.0,100.0]"));
        assert!(shown("50 x").unwrap_err().starts_with("Invalid"));
        assert!(shown("nan").unwrap_err().starts_with("Invalid"));
    }

    #[test]
    fn oom_scores_are_three_within_2000() {
        let message = |text| parse(OomScores, text, &[0; 3]).unwrap_err();
        assert_eq!(parse(OomScores, "-2000 0 2000", &[0; 3]), Ok([-2000, 0, 2000]));
        assert_eq!(message("1 2"), "wrong number of arguments");
        assert!(message("1 2 2001").ends_with("between -2000 and 2000."));
    }

    #[test]
    fn the_directory_is_kept_absolute() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        let current = path.to_str().unwrap().to_owned();
        std::fs::create_dir(path.join("data")).unwrap();
        std::fs::write(path.join("file"), b"").unwrap();
        let parsed = |text| parse(Directory, text, &current);
        assert_eq!(parsed("./"), Ok(current.clone()));
        assert_eq!(parsed("data"), Ok(format!("{current}/data")));
        assert_eq!(parsed("none"), Err("No such file or directory".into()));
        assert_eq!(parsed("file"), Err("Not a directory".into()));
    }
}
