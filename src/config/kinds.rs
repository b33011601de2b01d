//! The kinds of values most directives have: yes/no, number, text, one of several words.
//!
//! A kind parses words into a value, shows a value to CONFIG GET and writes it into a file. The
//! three don't agree in Redis, and so not here: `maxmemory 100mb` is shown as `104857600` and
//! rewritten as `100mb`; texts are shown bare and rewritten in quotes.
//! Error texts are Redis's, since clients and tests match on them.

use std::marker::PhantomData;

use super::choices::Choice;
use super::directive::Occurrence;
use crate::util::number::{parse_i64, parse_memory};
use crate::util::quote;

pub(super) const INT_MIN: i128 = i32::MIN as i128;
pub(super) const INT_MAX: i128 = i32::MAX as i128;
pub(super) const UINT_MAX: i128 = u32::MAX as i128;
pub(super) const LONG_MAX: i128 = i64::MAX as i128;
pub(super) const ULONG_MAX: i128 = u64::MAX as i128;

/// A line for the rewritten file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The whole line, name included.
    pub text: Vec<u8>,
    /// Whether to write it although the file doesn't mention the directive.
    pub force: bool,
}

impl Line {
    pub(super) fn new(name: &str, value: &[u8], force: bool) -> Line {
        let text = [name.as_bytes(), b" ", value].concat();
        Line { text, force }
    }
}

/// How values of one type are read, shown and rewritten.
pub(super) trait Kind {
    type Value: Clone + PartialEq;

    /// Reads words; `current` is for kinds where a text states only a part of the value.
    fn parse(&self, words: &[Vec<u8>], current: &Self::Value, occurrence: Occurrence) -> Result<Self::Value, String>;

    /// As CONFIG GET shows it.
    fn show(&self, value: &Self::Value) -> Vec<u8>;

    /// As CONFIG REWRITE writes it; no line removes the directive from the file.
    fn lines(&self, name: &str, value: &Self::Value, default: &Self::Value) -> Vec<Line> {
        vec![Line::new(name, &self.show(value), value != default)]
    }

    /// Lines that mean this value whatever has been said before them, in an included file.
    fn overruling_lines(&self, name: &str, value: &Self::Value, default: &Self::Value) -> Vec<Line> {
        let lines = self.lines(name, value, default);
        match lines.is_empty() {
            true => vec![Line::new(name, b"\"\"", true)],
            false => lines.into_iter().map(|line| Line { force: true, ..line }).collect(),
        }
    }
}

/// Parses into a field, and tells whether it changed. The field is untouched on error.
pub(super) fn set_field<K: Kind>(
    kind: K,
    field: &mut K::Value,
    words: &[Vec<u8>],
    occurrence: Occurrence,
) -> Result<bool, String> {
    let value = kind.parse(words, field, occurrence)?;
    let changed = value != *field;
    *field = value;
    Ok(changed)
}

/// The only word.
pub(super) fn single(words: &[Vec<u8>]) -> Result<&[u8], String> {
    match words {
        [word] => Ok(word),
        _ => Err("wrong number of arguments".into()),
    }
}

fn check<V: ?Sized>(check: Option<Check<V>>, value: &V) -> Result<(), String> {
    check.map_or(Ok(()), |check| check(value)).map_err(str::to_owned)
}

/// A further condition on a value, with the error text when it isn't met.
pub(super) type Check<V> = fn(&V) -> Result<(), &'static str>;

/// `yes` or `no`.
pub(super) struct YesNo(pub Option<Check<bool>>);

pub(super) const YES_NO: YesNo = YesNo(None);

impl Kind for YesNo {
    type Value = bool;

    fn parse(&self, words: &[Vec<u8>], _: &bool, _: Occurrence) -> Result<bool, String> {
        let word = single(words)?;
        let value = match word {
            _ if word.eq_ignore_ascii_case(b"yes") => true,
            _ if word.eq_ignore_ascii_case(b"no") => false,
            _ => return Err("argument must be 'yes' or 'no'".into()),
        };
        check(self.0, &value)?;
        Ok(value)
    }

    fn show(&self, value: &bool) -> Vec<u8> {
        if *value { b"yes".to_vec() } else { b"no".to_vec() }
    }
}

/// One word of a [`Choice`].
pub(super) struct OneOf<T>(PhantomData<T>);

impl<T> OneOf<T> {
    pub(super) const fn names() -> Self {
        OneOf(PhantomData)
    }
}

/// The error that lists the words which would have been right.
pub(super) fn not_among<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    format!("argument(s) must be one of the following: {}", names.join(", "))
}

impl<T: Choice> Kind for OneOf<T> {
    type Value = T;

    fn parse(&self, words: &[Vec<u8>], _: &T, _: Occurrence) -> Result<T, String> {
        T::from_name(single(words)?).ok_or_else(|| not_among(T::NAMES.iter().map(|(name, _)| *name)))
    }

    fn show(&self, value: &T) -> Vec<u8> {
        value.name().into()
    }
}

/// One of some words, where nothing follows from which.
pub(super) struct WordOf(pub &'static [&'static str]);

impl WordOf {
    fn read(&self, word: &[u8]) -> Result<&'static str, String> {
        let found = self.0.iter().find(|name| name.as_bytes().eq_ignore_ascii_case(word));
        found.copied().ok_or_else(|| not_among(self.0.iter().copied()))
    }
}

impl Kind for WordOf {
    type Value = &'static str;

    fn parse(&self, words: &[Vec<u8>], _: &&'static str, _: Occurrence) -> Result<&'static str, String> {
        self.read(single(words)?)
    }

    fn show(&self, value: &&'static str) -> Vec<u8> {
        value.as_bytes().to_vec()
    }
}

/// Some of these words, where nothing follows from which.
pub(super) struct WordsOf(pub &'static [&'static str]);

impl Kind for WordsOf {
    type Value = Vec<String>;

    fn parse(&self, words: &[Vec<u8>], _: &Vec<String>, _: Occurrence) -> Result<Vec<String>, String> {
        if words.is_empty() {
            return Err("wrong number of arguments".into());
        }
        words.iter().map(|word| WordOf(self.0).read(word).map(str::to_owned)).collect()
    }

    fn show(&self, value: &Vec<String>) -> Vec<u8> {
        value.join(" ").into_bytes()
    }
}

/// Integer types that hold a [`Number`].
pub(super) trait Integer: Copy + PartialEq {
    fn from_wide(wide: i128) -> Option<Self>;
    fn wide(self) -> i128;
}

macro_rules! integers {
    ($($type:ty)*) => {$(
        impl Integer for $type {
            fn from_wide(wide: i128) -> Option<Self> {
                <$type>::try_from(wide).ok()
            }
            fn wide(self) -> i128 {
                self as i128
            }
        }
    )*};
}
integers!(u16 u32 u64 usize i32 i64);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    One,
    Byte,
    Octal,
}

/// A number between two bounds, both included.
pub(super) struct Number<T> {
    min: i128,
    max: i128,
    unit: Unit,
    clamp: Option<(i128, i128)>,
    check: Option<Check<i128>>,
    holder: PhantomData<T>,
}

impl<T> Number<T> {
    /// A decimal number.
    pub(super) const fn between(min: i128, max: i128) -> Self {
        Number { min, max, unit: Unit::One, clamp: None, check: None, holder: PhantomData }
    }

    /// A number of bytes, with units like `100mb`.
    pub(super) const fn bytes(min: i128, max: i128) -> Self {
        Number { unit: Unit::Byte, ..Self::between(min, max) }
    }

    /// A number in base eight.
    pub(super) const fn octal(min: i128, max: i128) -> Self {
        Number { unit: Unit::Octal, ..Self::between(min, max) }
    }

    /// Moves accepted values into a narrower range.
    pub(super) const fn clamped(self, low: i128, high: i128) -> Self {
        Number { clamp: Some((low, high)), ..self }
    }

    /// Refuses values for which a further condition isn't met.
    pub(super) const fn checked(self, check: Check<i128>) -> Self {
        Number { check: Some(check), ..self }
    }

    fn out_of_range(&self) -> String {
        let Number { min, max, .. } = self;
        match self.unit {
            Unit::Octal => format!("argument must be between {min:o} and {max:o} inclusive"),
            Unit::One | Unit::Byte => format!("argument must be between {min} and {max} inclusive"),
        }
    }
}

impl<T: Integer> Kind for Number<T> {
    type Value = T;

    fn parse(&self, words: &[Vec<u8>], _: &T, _: Occurrence) -> Result<T, String> {
        let word = single(words)?;
        let parsed = match self.unit {
            Unit::One => parse_i64(word).map(i128::from).ok_or("argument couldn't be parsed into an integer"),
            Unit::Byte => bytes(word).map(i128::from).ok_or("argument must be a memory value"),
            Unit::Octal => {
                loose_integer(word, 8).map(i128::from).ok_or("argument couldn't be parsed as an octal number")
            }
        };
        let mut value = parsed?;
        if !(self.min..=self.max).contains(&value) {
            return Err(self.out_of_range());
        }
        if let Some((low, high)) = self.clamp {
            value = value.clamp(low, high);
        }
        check(self.check, &value)?;
        T::from_wide(value).ok_or_else(|| self.out_of_range())
    }

    fn show(&self, value: &T) -> Vec<u8> {
        match self.unit {
            Unit::Octal => format!("{:o}", value.wide()).into(),
            Unit::One | Unit::Byte => value.wide().to_string().into(),
        }
    }

    fn lines(&self, name: &str, value: &T, default: &T) -> Vec<Line> {
        let text = match (self.unit, u64::try_from(value.wide())) {
            (Unit::Byte, Ok(bytes)) => show_memory(bytes).into(),
            _ => self.show(value),
        };
        vec![Line::new(name, &text, value != default)]
    }
}

/// A number of bytes, or a share of `maxmemory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryShare {
    /// Bytes; 0 is no limit.
    Bytes(u64),
    /// Percent of `maxmemory`, 1 to 100.
    Percent(u8),
}

/// [`MemoryShare`]: `10mb` or `5%`.
pub(super) struct BytesOrPercent;

impl Kind for BytesOrPercent {
    type Value = MemoryShare;

    fn parse(&self, words: &[Vec<u8>], _: &MemoryShare, _: Occurrence) -> Result<MemoryShare, String> {
        let word = single(words)?;
        if let Some(bytes) = parse_memory(word) {
            // Beyond a signed number Redis takes the bytes for a percentage, and so for too large a one.
            if i64::try_from(bytes).is_err() {
                return Err("percentage argument must be less or equal to 100".into());
            }
            return Ok(MemoryShare::Bytes(bytes));
        }
        let percent = word.strip_suffix(b"%").and_then(parse_i64).filter(|&percent| percent >= 0);
        match percent.map(u8::try_from) {
            None => Err("argument must be a memory or percent value".into()),
            Some(Ok(0)) => Ok(MemoryShare::Bytes(0)),
            Some(Ok(percent)) if percent <= 100 => Ok(MemoryShare::Percent(percent)),
            Some(_) => Err("percentage argument must be less or equal to 100".into()),
        }
    }

    fn show(&self, value: &MemoryShare) -> Vec<u8> {
        match value {
            MemoryShare::Bytes(bytes) => bytes.to_string().into(),
            MemoryShare::Percent(percent) => format!("{percent}%").into(),
        }
    }

    fn lines(&self, name: &str, value: &MemoryShare, default: &MemoryShare) -> Vec<Line> {
        let text = match value {
            MemoryShare::Bytes(bytes) => show_memory(*bytes).into(),
            MemoryShare::Percent(_) => self.show(value),
        };
        vec![Line::new(name, &text, value != default)]
    }
}

/// A text, possibly empty.
pub(super) struct Text(pub Option<Check<str>>);

pub(super) const TEXT: Text = Text(None);

pub(super) fn utf8(word: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(word).map_err(|_| "argument must be valid UTF-8".into())
}

impl Kind for Text {
    type Value = String;

    fn parse(&self, words: &[Vec<u8>], _: &String, _: Occurrence) -> Result<String, String> {
        let text = utf8(single(words)?)?;
        check(self.0, text)?;
        Ok(text.to_owned())
    }

    fn show(&self, value: &String) -> Vec<u8> {
        value.clone().into()
    }

    fn lines(&self, name: &str, value: &String, default: &String) -> Vec<Line> {
        vec![Line::new(name, &quoted(value.as_bytes()), value != default)]
    }
}

/// A text whose absence is written as the empty text.
pub(super) struct OptionalText(pub Option<Check<str>>);

pub(super) const OPTIONAL_TEXT: OptionalText = OptionalText(None);

impl Kind for OptionalText {
    type Value = Option<String>;

    fn parse(&self, words: &[Vec<u8>], _: &Self::Value, _: Occurrence) -> Result<Self::Value, String> {
        let text = utf8(single(words)?)?;
        check(self.0, text)?;
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    fn show(&self, value: &Self::Value) -> Vec<u8> {
        value.clone().unwrap_or_default().into()
    }

    fn lines(&self, name: &str, value: &Self::Value, default: &Self::Value) -> Vec<Line> {
        let line = value.as_ref().map(|text| Line::new(name, &quoted(text.as_bytes()), value != default));
        line.into_iter().collect()
    }
}

/// Any bytes, for passwords; absence is written as the empty text.
pub(super) struct OptionalBytes;

impl Kind for OptionalBytes {
    type Value = Option<Vec<u8>>;

    fn parse(&self, words: &[Vec<u8>], _: &Self::Value, _: Occurrence) -> Result<Self::Value, String> {
        let bytes = single(words)?;
        Ok((!bytes.is_empty()).then(|| bytes.to_vec()))
    }

    fn show(&self, value: &Self::Value) -> Vec<u8> {
        value.clone().unwrap_or_default()
    }

    fn lines(&self, name: &str, value: &Self::Value, default: &Self::Value) -> Vec<Line> {
        let line = value.as_ref().map(|bytes| Line::new(name, &quoted(bytes), value != default));
        line.into_iter().collect()
    }
}

/// An amount of memory; digits that no number holds stand for the largest one, as in C's `strtoull`.
fn bytes(word: &[u8]) -> Option<u64> {
    let beyond_any = word.len() >= 20 && word.iter().all(u8::is_ascii_digit);
    parse_memory(word).or(beyond_any.then_some(u64::MAX))
}

/// The shortest text [`parse_memory`] reads back, with the largest unit that divides.
pub(super) fn show_memory(bytes: u64) -> String {
    for (shift, unit) in [(30, "gb"), (20, "mb"), (10, "kb")] {
        if bytes != 0 && bytes.trailing_zeros() >= shift {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// An integer as C's `strtoll` reads it, provided that it reads to the end; nothing at all is 0.
pub(super) fn loose_integer(text: &[u8], radix: u32) -> Option<i64> {
    let text = text.trim_ascii_start();
    if text.is_empty() {
        return Some(0);
    }
    i64::from_str_radix(std::str::from_utf8(text).ok()?, radix).ok()
}

/// As one double-quoted word.
pub(super) fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 2);
    quote::quote(text, &mut out);
    out
}

/// Whether a folder of backups may have this name.
pub(super) fn valid_backup_folder(name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err("backupdirname can't be empty"),
        // Files of a backup are deleted there, which must not be those of another folder.
        "." | ".." => Err("backupdirname can't be a path, just a dirname"),
        _ if name.contains(['/', '\\']) => Err("backupdirname can't be a path, just a dirname"),
        _ => Ok(()),
    }
}

/// Whether this names something that can be loaded at start.
pub(super) fn valid_preload(text: &str) -> Result<(), &'static str> {
    const FORMAT: &str = "argument must be in the format <rdb|aof>:<path>";
    const EXTENSION: &str = "preload-file must end with an extension: .rdb for rdb, .aof or .manifest for aof";
    if text.is_empty() {
        return Ok(());
    }
    let extensions: &[&str] = match text.split_once(':') {
        Some(("rdb", _)) => &[".rdb"],
        Some(("aof", _)) => &[".aof", ".manifest"],
        _ => return Err(FORMAT),
    };
    if extensions.iter().any(|extension| text.ends_with(extension)) { Ok(()) } else { Err(EXTENSION) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse<K: Kind>(kind: K, text: &str, current: K::Value) -> Result<K::Value, String> {
        kind.parse(&[text.into()], &current, Occurrence::First)
    }

    fn refused(message: &str) -> Result<u32, String> {
        Err(message.into())
    }

    #[test]
    fn memory_is_rewritten_with_the_largest_unit() {
        let shown = [(0, "0"), (1023, "1023"), (1024, "1kb"), (100 << 20, "100mb"), (3 << 30, "3gb")];
        for (bytes, text) in shown {
            assert_eq!(show_memory(bytes), text);
            assert_eq!(parse_memory(text.as_bytes()), Some(bytes));
        }
    }

    #[test]
    fn numbers_are_canonical_and_in_range() {
        let number = || Number::<u32>::between(1, 10);
        assert_eq!(parse(number(), "10", 0), Ok(10));
        let no_integer = refused("argument couldn't be parsed into an integer");
        for text in ["", "+1", "01", " 1", "1 ", "1x", "--1", "-0", "-", "99999999999999999999"] {
            assert_eq!(parse(number(), text, 0), no_integer, "{text}");
        }
        for text in ["0", "-1", "11"] {
            assert_eq!(parse(number(), text, 0), refused("argument must be between 1 and 10 inclusive"));
        }
    }

    #[test]
    fn octal_numbers_are_read_and_shown_in_octal() {
        let octal = || Number::<u32>::octal(0, 0o777);
        assert_eq!(parse(octal(), "0755", 0), Ok(0o755));
        assert_eq!(octal().show(&0o700), b"700");
        assert_eq!(parse(octal(), "888", 0), refused("argument couldn't be parsed as an octal number"));
        assert_eq!(parse(octal(), "1777", 0), refused("argument must be between 0 and 777 inclusive"));
    }

    #[test]
    fn clamped_numbers_are_accepted_and_moved() {
        let hz = || Number::<u32>::between(0, INT_MAX).clamped(1, 500);
        assert_eq!(parse(hz(), "0", 10), Ok(1));
        assert_eq!(parse(hz(), "1000", 10), Ok(500));
    }

    #[test]
    fn a_share_of_memory_is_bytes_or_percent() {
        let share = |text| parse(BytesOrPercent, text, MemoryShare::Bytes(0));
        assert_eq!(share("10kb"), Ok(MemoryShare::Bytes(10240)));
        assert_eq!(share("5%"), Ok(MemoryShare::Percent(5)));
        assert_eq!(share("0%"), Ok(MemoryShare::Bytes(0)));
        assert_eq!(share("200%"), Err("percentage argument must be less or equal to 100".into()));
        for text in ["-5", "-5%", "%", "x%"] {
            assert_eq!(share(text), Err("argument must be a memory or percent value".into()), "{text}");
        }
    }

    #[test]
    fn words_are_refused_with_the_list_of_known_ones() {
        let yes_no = parse(YES_NO, "maybe", true);
        assert_eq!(yes_no, Err("argument must be 'yes' or 'no'".into()));
        assert_eq!(parse(YES_NO, "YES", false), Ok(true));
        let level = parse(OneOf::names(), "foo", crate::config::LogLevel::Debug);
        let message = "argument(s) must be one of the following: debug, verbose, notice, warning, nothing";
        assert_eq!(level, Err(message.into()));
    }

    #[test]
    fn quoted_text_splits_back_into_itself() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(crate::util::quote::split_args(&quoted(&all)).unwrap(), [all]);
    }
}
