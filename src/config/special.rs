//! Kinds of directives with a shape of their own, most of several words.

use super::directive::Occurrence;
use super::kinds::{
    Kind, Line, loose_integer, memory, not_among, quoted, show_memory, single, utf8,
};
use std::ops::{BitOr, BitOrAssign};
use std::path::Path;

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

    fn parse(
        &self,
        words: &[Vec<u8>],
        current: &Self::Value,
        occurrence: Occurrence,
    ) -> Result<Self::Value, String> {
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
                    points.push(SavePoint { seconds, changes });
                }
                _ => return Err("Invalid save parameters".into()),
            }
        }
        Ok(points)
    }

    fn show(&self, value: &Self::Value) -> Vec<u8> {
        join(
            value
                .iter()
                .map(|point| format!("{} {}", point.seconds, point.changes)),
        )
        .into()
    }

    /// Always written: no line at all would mean the defaults.
    fn lines(&self, name: &str, value: &Self::Value, _: &Self::Value) -> Vec<Line> {
        if value.is_empty() {
            return vec![Line::new(name, b"\"\"", true)];
        }
        let rule = |point: &SavePoint| format!("{} {}", point.seconds, point.changes);
        value
            .iter()
            .map(|point| Line::new(name, rule(point).as_bytes(), true))
            .collect()
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
        normal: OutputLimit {
            hard_bytes: 0,
            soft_bytes: 0,
            soft_seconds: 0,
        },
        replica: OutputLimit {
            hard_bytes: 256 << 20,
            soft_bytes: 64 << 20,
            soft_seconds: 60,
        },
        pubsub: OutputLimit {
            hard_bytes: 32 << 20,
            soft_bytes: 8 << 20,
            soft_seconds: 60,
        },
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

    fn parse(
        &self,
        words: &[Vec<u8>],
        current: &OutputLimits,
        _: Occurrence,
    ) -> Result<OutputLimits, String> {
        if !words.len().is_multiple_of(4) {
            return Err("Wrong number of arguments in buffer limit configuration.".into());
        }
        let mut limits = *current;
        for group in words.chunks(4) {
            let [class, hard, soft, seconds] = group else {
                continue;
            };
            let class = limits.class(class);
            let class =
                class.ok_or("Invalid client class specified in buffer limit configuration.")?;
            let numbers = (memory(hard), memory(soft), loose_integer(seconds, 10));
            let (Some(hard_bytes), Some(soft_bytes), Some(soft_seconds @ 0..)) = numbers else {
                return Err(
                    "Error in hard, soft or soft_seconds setting in buffer limit configuration."
                        .into(),
                );
            };
            *class = OutputLimit {
                hard_bytes,
                soft_bytes,
                soft_seconds,
            };
        }
        Ok(limits)
    }

    /// CONFIG GET still says `slave`.
    fn show(&self, value: &OutputLimits) -> Vec<u8> {
        let classes = [
            ("normal", value.normal),
            ("slave", value.replica),
            ("pubsub", value.pubsub),
        ];
        let show = |(class, limit): (&str, OutputLimit)| {
            format!(
                "{class} {} {} {}",
                limit.hard_bytes, limit.soft_bytes, limit.soft_seconds
            )
        };
        join(classes.into_iter().map(show)).into()
    }

    fn lines(&self, name: &str, value: &OutputLimits, default: &OutputLimits) -> Vec<Line> {
        let classes = [
            ("normal", value.normal, default.normal),
            ("replica", value.replica, default.replica),
            ("pubsub", value.pubsub, default.pubsub),
        ];
        let line = |(class, limit, default): (&str, OutputLimit, OutputLimit)| {
            let (hard, soft) = (show_memory(limit.hard_bytes), show_memory(limit.soft_bytes));
            let text = format!("{class} {hard} {soft} {}", limit.soft_seconds);
            Line::new(name, text.as_bytes(), limit != default)
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
}

/// Words that add up; `default` adds nothing.
pub(super) struct SignalWords;

impl Kind for SignalWords {
    type Value = SignalFlags;

    fn parse(
        &self,
        words: &[Vec<u8>],
        _: &SignalFlags,
        _: Occurrence,
    ) -> Result<SignalFlags, String> {
        let unknown = || not_among(["default", "save", "nosave", "now", "force"].into_iter());
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
        ];
        let words = join(
            flags
                .into_iter()
                .filter(|(_, set)| *set)
                .map(|(word, _)| word.to_owned()),
        );
        if words.is_empty() {
            b"default".to_vec()
        } else {
            words.into()
        }
    }
}

/// `notify-keyspace-events`: classes of events to publish, and on which channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NotifyFlags(u32);

impl NotifyFlags {
    /// `K`: on `__keyspace@db__:key` channels.
    pub const KEYSPACE: NotifyFlags = NotifyFlags(1);
    /// `E`: on `__keyevent@db__:event` channels.
    pub const KEYEVENT: NotifyFlags = NotifyFlags(1 << 1);
    /// `g`: commands of no type, like DEL and EXPIRE.
    pub const GENERIC: NotifyFlags = NotifyFlags(1 << 2);
    /// `$`: strings.
    pub const STRING: NotifyFlags = NotifyFlags(1 << 3);
    /// `l`: lists.
    pub const LIST: NotifyFlags = NotifyFlags(1 << 4);
    /// `s`: sets.
    pub const SET: NotifyFlags = NotifyFlags(1 << 5);
    /// `h`: hashes.
    pub const HASH: NotifyFlags = NotifyFlags(1 << 6);
    /// `z`: sorted sets.
    pub const ZSET: NotifyFlags = NotifyFlags(1 << 7);
    /// `x`: a key expired.
    pub const EXPIRED: NotifyFlags = NotifyFlags(1 << 8);
    /// `e`: a key was evicted.
    pub const EVICTED: NotifyFlags = NotifyFlags(1 << 9);
    /// `t`: streams.
    pub const STREAM: NotifyFlags = NotifyFlags(1 << 10);
    /// `m`: a key was read that isn't there; not among `A`.
    pub const KEY_MISS: NotifyFlags = NotifyFlags(1 << 11);
    /// `d`: types of modules.
    pub const MODULE: NotifyFlags = NotifyFlags(1 << 13);
    /// `n`: a key was made; not among `A`.
    pub const NEW: NotifyFlags = NotifyFlags(1 << 14);
    /// `A`: `g$lshzxetd`.
    pub const ALL: NotifyFlags = NotifyFlags(0b10_0111_1111_1100);

    /// Letters in the order CONFIG GET shows them; those before `K` are swallowed by `A`, but `n`.
    const LETTERS: [(u8, NotifyFlags); 14] = [
        (b'g', Self::GENERIC),
        (b'$', Self::STRING),
        (b'l', Self::LIST),
        (b's', Self::SET),
        (b'h', Self::HASH),
        (b'z', Self::ZSET),
        (b'x', Self::EXPIRED),
        (b'e', Self::EVICTED),
        (b't', Self::STREAM),
        (b'd', Self::MODULE),
        (b'n', Self::NEW),
        (b'K', Self::KEYSPACE),
        (b'E', Self::KEYEVENT),
        (b'm', Self::KEY_MISS),
    ];

    /// Reads letters; `None` when one is unknown.
    pub fn parse(letters: &[u8]) -> Option<NotifyFlags> {
        let mut flags = NotifyFlags::default();
        for letter in letters {
            flags |= match Self::LETTERS.iter().find(|(known, _)| known == letter) {
                Some((_, flag)) => *flag,
                None if *letter == b'A' => Self::ALL,
                None => return None,
            };
        }
        Some(flags)
    }

    /// The letters, with `A` for all classes at once. As in Redis `A` hides `n`.
    pub fn letters(self) -> String {
        let all = self.contains(Self::ALL);
        let hidden = if all {
            Self::ALL | Self::NEW
        } else {
            NotifyFlags::default()
        };
        let shown = Self::LETTERS
            .iter()
            .filter(|(_, flag)| self.contains(*flag) && !hidden.contains(*flag));
        all.then_some('A')
            .into_iter()
            .chain(shown.map(|(letter, _)| char::from(*letter)))
            .collect()
    }

    /// Whether all of `other` is set.
    pub fn contains(self, other: NotifyFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether nothing is published.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for NotifyFlags {
    type Output = NotifyFlags;

    fn bitor(self, other: NotifyFlags) -> NotifyFlags {
        NotifyFlags(self.0 | other.0)
    }
}

impl BitOrAssign for NotifyFlags {
    fn bitor_assign(&mut self, other: NotifyFlags) {
        self.0 |= other.0;
    }
}

pub(super) struct NotifyLetters;

impl Kind for NotifyLetters {
    type Value = NotifyFlags;

    fn parse(
        &self,
        words: &[Vec<u8>],
        _: &NotifyFlags,
        _: Occurrence,
    ) -> Result<NotifyFlags, String> {
        NotifyFlags::parse(single(words)?)
            .ok_or_else(|| "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into())
    }

    fn show(&self, value: &NotifyFlags) -> Vec<u8> {
        value.letters().into()
    }

    fn lines(&self, name: &str, value: &NotifyFlags, _: &NotifyFlags) -> Vec<Line> {
        vec![Line::new(
            name,
            &quoted(value.letters().as_bytes()),
            !value.is_empty(),
        )]
    }
}

/// `bind`: up to 16 addresses, possibly none.
pub(super) struct Addresses;

impl Kind for Addresses {
    type Value = Vec<String>;

    fn parse(
        &self,
        words: &[Vec<u8>],
        _: &Vec<String>,
        _: Occurrence,
    ) -> Result<Vec<String>, String> {
        if words.len() > 16 {
            return Err("Too many bind addresses specified.".into());
        }
        if matches!(words, [word] if word.is_empty()) {
            return Ok(Vec::new());
        }
        words
            .iter()
            .map(|word| utf8(word).map(str::to_owned))
            .collect()
    }

    fn show(&self, value: &Vec<String>) -> Vec<u8> {
        value.join(" ").into()
    }

    /// The default can't be told from what a file without the line means, so the line goes.
    fn lines(&self, name: &str, value: &Vec<String>, default: &Vec<String>) -> Vec<Line> {
        if value == default {
            return Vec::new();
        }
        let plain = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"\"'\\".contains(&byte))
        };
        let word = |address: &String| match plain(address) && !address.is_empty() {
            true => address.clone().into_bytes(),
            false => quoted(address.as_bytes()),
        };
        let words: Vec<Vec<u8>> = value.iter().map(word).collect();
        let text = if words.is_empty() {
            b"\"\"".to_vec()
        } else {
            words.join(&b' ')
        };
        vec![Line::new(name, &text, true)]
    }
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

    fn parse(
        &self,
        words: &[Vec<u8>],
        _: &Self::Value,
        _: Occurrence,
    ) -> Result<Self::Value, String> {
        let [host, port] = words else {
            return Err("wrong number of arguments".into());
        };
        if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
            return Ok(None);
        }
        let port = loose_integer(port, 10).and_then(|port| u16::try_from(port).ok());
        let port = port.ok_or("Invalid master port")?;
        Ok(Some(ReplicaOf {
            host: utf8(host)?.to_owned(),
            port,
        }))
    }

    fn show(&self, value: &Self::Value) -> Vec<u8> {
        let text = value
            .as_ref()
            .map(|primary| format!("{} {}", primary.host, primary.port));
        text.unwrap_or_default().into()
    }

    fn lines(&self, name: &str, value: &Self::Value, _: &Self::Value) -> Vec<Line> {
        let line = value
            .as_ref()
            .map(|_| Line::new(name, &self.show(value), true));
        line.into_iter().collect()
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
                return Err(
                    "latency-tracking-info-percentiles parameters should sit between [0.0,100.0]"
                        .into(),
                );
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
        let text = if value.is_empty() {
            b"\"\"".to_vec()
        } else {
            self.show(value)
        };
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

/// The operating system's words, without the error number.
pub(super) fn os_error_text(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error")
        .next()
        .unwrap_or_default()
        .to_owned()
}

/// The variables a `proc-title-template` may name.
pub const PROC_TITLE_VARIABLES: [&str; 7] = [
    "title",
    "listen-addr",
    "server-mode",
    "config-file",
    "port",
    "tls-port",
    "unixsocket",
];

/// Fills `{variable}`s in; `{{` is a brace. `None` when a variable is unknown or not closed.
pub fn expand_proc_title(
    template: &str,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let mut title = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        title.push_str(before);
        if let Some(after) = after.strip_prefix('{') {
            title.push('{');
            rest = after;
            continue;
        }
        let (name, after) = after.split_once('}')?;
        title.push_str(&variable(name)?);
        rest = after;
    }
    title.push_str(rest);
    Some(title.trim_matches(' ').to_owned())
}

/// Refuses templates that can't be filled in, or whose result may be empty.
pub(super) fn valid_proc_title(template: &str) -> Result<(), &'static str> {
    let variable = |name: &str| match name {
        "title" | "server-mode" | "unixsocket" => Some(String::new()),
        known if PROC_TITLE_VARIABLES.contains(&known) => Some(known.to_owned()),
        _ => None,
    };
    match expand_proc_title(template, variable) {
        Some(title) if !title.is_empty() => Ok(()),
        _ => Err("template format is invalid or contains unknown variables"),
    }
}

fn join(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<_>>().join(" ")
}
