//! The library `cjson`: what the Lua library of that name does, text for text.
//!
//! A table is an array when all its keys are positive integers; gaps become nulls, but an array that is mostly gaps
//! is an error or, if so configured, an object. Strings are bytes: what is not ASCII is passed on as it is. Numbers are
//! written with at most 14 digits. Reading is strict about structure and lenient about numbers: what C's `strtod`
//! accepts is one. `null` is the null pointer, since nil cannot stand in a table.
//!
//! Own code: `serde_json` writes and reads another dialect (17 digits, UTF-8 only, numbers by the grammar of JSON).
//!
//! The settings belong to the interpreter, as in Redis: a script that changes them changes them for all.

use std::cell::Cell;
use std::ffi::CStr;
use std::ops::RangeInclusive;

use super::NESTING_MAX;
use super::functions::Functions;
use super::lua::{Exit, Kind, Lua, Outcome, format_number, function, parse_number};

/// Its functions.
pub const FUNCTIONS: Functions = &[
    ("encode", || function(encode)),
    ("decode", || function(decode)),
    ("encode_sparse_array", || function(set_sparse)),
    ("encode_max_depth", || function(|lua| set_integer(lua, 1..=MAX, ENCODE_DEPTH))),
    ("decode_max_depth", || function(|lua| set_integer(lua, 1..=MAX, DECODE_DEPTH))),
    ("encode_number_precision", || function(|lua| set_integer(lua, 1..=14, PRECISION))),
    ("encode_keep_buffer", || function(|lua| set_choice(lua, OFF_ON, KEEP_BUFFER))),
    ("encode_invalid_numbers", || function(|lua| set_choice(lua, OFF_ON_NULL, ENCODE_INVALID))),
    ("decode_invalid_numbers", || function(|lua| set_choice(lua, OFF_ON, DECODE_INVALID))),
    ("new", || function(new)),
];

/// What a value costs that is read or written, besides its bytes, in bytes of work.
const VALUE: usize = 64;
/// How much of a text is written before it is accounted for.
const PIECE_BYTES: usize = 1 << 16;
/// How much is written between two looks whether there is room for it.
const CHECKED_BYTES: usize = 1 << 16;

const MAX: i64 = i32::MAX as i64;
const OFF_ON: &[&str] = &["off", "on"];
const OFF_ON_NULL: &[&str] = &["off", "on", "null"];

/// The settings, in the order of the numbers below.
#[derive(Clone, Copy, Debug)]
struct Settings([i64; 9]);

/// The place of a setting.
type Setting = usize;
const SPARSE_CONVERT: Setting = 0;
const SPARSE_RATIO: Setting = 1;
const SPARSE_SAFE: Setting = 2;
const ENCODE_DEPTH: Setting = 3;
const DECODE_DEPTH: Setting = 4;
const PRECISION: Setting = 5;
const KEEP_BUFFER: Setting = 6;
const ENCODE_INVALID: Setting = 7;
const DECODE_INVALID: Setting = 8;

const DEFAULTS: Settings = Settings([0, 2, 10, 1000, 1000, 14, 1, 0, 1]);

thread_local! {
    static SETTINGS: Cell<Settings> = const { Cell::new(DEFAULTS) };
}

/// Forgets what scripts have set.
pub fn reset() {
    SETTINGS.set(DEFAULTS);
}

fn setting(which: Setting) -> i64 {
    SETTINGS.get().0[which]
}

fn change(which: Setting, value: i64) {
    let mut settings = SETTINGS.get();
    settings.0[which] = value;
    SETTINGS.set(settings);
}

/// Refuses further arguments, and stands nils for those that are missing.
fn expect(lua: Lua, count: i32) -> Result<(), Exit> {
    if lua.top() > count {
        return Err(lua.wrong_argument(count + 1, "found too many arguments"));
    }
    lua.set_top(count);
    Ok(())
}

fn set_integer(lua: Lua, range: RangeInclusive<i64>, which: Setting) -> Outcome {
    expect(lua, 1)?;
    take_integer(lua, 1, range, which)
}

fn set_choice(lua: Lua, choices: &[&str], which: Setting) -> Outcome {
    expect(lua, 1)?;
    take_choice(lua, 1, choices, which)
}

fn set_sparse(lua: Lua) -> Outcome {
    expect(lua, 3)?;
    take_choice(lua, 1, OFF_ON, SPARSE_CONVERT)?;
    take_integer(lua, 2, 0..=MAX, SPARSE_RATIO)?;
    take_integer(lua, 3, 0..=MAX, SPARSE_SAFE)?;
    Ok(3)
}

/// Takes a setting from an argument, unless that is nil, and pushes it.
fn take_integer(lua: Lua, index: i32, range: RangeInclusive<i64>, which: Setting) -> Outcome {
    if lua.kind(index) != Kind::Nil {
        let value = lua.check_integer(index)?;
        if !range.contains(&value) {
            let text = format!("expected integer between {} and {}", range.start(), range.end());
            return Err(lua.wrong_argument(1, text));
        }
        change(which, value);
    }
    lua.push_number(setting(which) as f64);
    Ok(1)
}

/// Likewise one that is a choice of words; the first two of them are false and true.
fn take_choice(lua: Lua, index: i32, choices: &[&str], which: Setting) -> Outcome {
    match lua.kind(index) {
        Kind::Nil => {}
        Kind::Boolean => change(which, i64::from(lua.boolean(index))),
        _ => {
            let given = lua.check_bytes(index)?;
            let Some(place) = choices.iter().position(|choice| choice.as_bytes() == given) else {
                let text = [b"invalid option '", given, b"'"].concat();
                return Err(lua.wrong_argument(index, text));
            };
            change(which, place as i64);
        }
    }
    match setting(which) {
        value @ (0 | 1) => lua.push_boolean(value == 1),
        value => lua.push_bytes(choices[value as usize].as_bytes()),
    }
    Ok(1)
}

/// A table of the library. Unlike those of the Lua library it shares its settings with all others.
fn new(lua: Lua) -> Outcome {
    super::functions::push_library(lua, FUNCTIONS);
    complete(lua);
    Ok(1)
}

/// Adds what are no functions to the table of the library.
pub fn complete(lua: Lua) {
    lua.push_null_pointer();
    lua.set_field(-2, "null");
    lua.push_bytes(b"cjson");
    lua.set_field(-2, "_NAME");
    lua.push_bytes(b"2.1.0");
    lua.set_field(-2, "_VERSION");
}

fn encode(lua: Lua) -> Outcome {
    if lua.top() != 1 {
        return Err(lua.wrong_argument(1, "expected 1 argument"));
    }
    let mut encoder = Encoder { lua, settings: SETTINGS.get(), out: Vec::with_capacity(64), checked: CHECKED_BYTES };
    encoder.value(0)?;
    lua.push_bytes(&encoder.out);
    Ok(1)
}

struct Encoder {
    lua: Lua,
    settings: Settings,
    out: Vec<u8>,
    /// The length up to which there was room for the text when that was looked at.
    checked: usize,
}

impl Encoder {
    /// Writes the value on top and leaves it there.
    fn value(&mut self, depth: i64) -> Result<(), Exit> {
        let lua = self.lua;
        self.account(VALUE)?;
        match lua.kind(-1) {
            Kind::String => self.string(-1)?,
            Kind::Number => self.number(-1)?,
            Kind::Boolean if lua.boolean(-1) => self.out.extend_from_slice(b"true"),
            Kind::Boolean => self.out.extend_from_slice(b"false"),
            Kind::Table => self.table(depth + 1)?,
            Kind::Nil => self.out.extend_from_slice(b"null"),
            Kind::LightUserdata if lua.is_null_pointer(-1) => self.out.extend_from_slice(b"null"),
            _ => return Err(self.fail(-1, "type not supported")),
        }
        Ok(())
    }

    fn fail(&self, index: i32, reason: &str) -> Exit {
        self.lua.error(format!("Cannot serialise {}: {reason}", self.lua.kind_name(index)))
    }

    /// The text may be much longer than what it is made of: tables may be in several places, and gaps of arrays are
    /// filled.
    fn account(&mut self, work: usize) -> Result<(), Exit> {
        self.lua.spend(work)?;
        if self.out.len() > self.checked {
            self.lua.check_text(self.out.len())?;
            self.checked = self.out.len() + CHECKED_BYTES;
        }
        Ok(())
    }

    fn string(&mut self, index: i32) -> Result<(), Exit> {
        let lua = self.lua;
        let text = lua.bytes(index);
        self.out.reserve(text.len() + 2);
        self.out.push(b'"');
        for piece in text.chunks(PIECE_BYTES) {
            let mut plain_from = 0;
            for (place, byte) in piece.iter().enumerate() {
                if matches!(byte, 0..0x20 | b'"' | b'/' | b'\\' | 0x7f) {
                    self.out.extend_from_slice(&piece[plain_from..place]);
                    plain_from = place + 1;
                    escape(*byte, &mut self.out);
                }
            }
            self.out.extend_from_slice(&piece[plain_from..]);
            self.account(piece.len())?;
        }
        self.out.push(b'"');
        Ok(())
    }

    fn number(&mut self, index: i32) -> Result<(), Exit> {
        let number = self.lua.number(index);
        if !number.is_finite() {
            match self.settings.0[ENCODE_INVALID] {
                0 => return Err(self.fail(index, "must not be NaN or Inf")),
                1 if number.is_nan() => {
                    self.out.extend_from_slice(b"nan");
                    return Ok(());
                }
                1 => {}
                _ => {
                    self.out.extend_from_slice(b"null");
                    return Ok(());
                }
            }
        }
        append_number(number, self.settings.0[PRECISION], &mut self.out);
        Ok(())
    }

    fn table(&mut self, depth: i64) -> Result<(), Exit> {
        if depth > self.settings.0[ENCODE_DEPTH].min(NESTING_MAX as i64) || !self.lua.ensure(4) {
            return Err(self.lua.error(format!("Cannot serialise, excessive nesting ({depth})")));
        }
        match self.array_length()? {
            Some(length) if length > 0 => self.array(length, depth),
            _ => self.object(depth),
        }
    }

    /// The length of the table on top as an array; nothing when it is none.
    fn array_length(&self) -> Result<Option<i32>, Exit> {
        let lua = self.lua;
        let (mut largest, mut items) = (0.0_f64, 0_i64);
        lua.push_nil();
        while lua.next(-2) {
            let key = lua.number(-2);
            if lua.kind(-2) != Kind::Number || key < 1.0 || key.fract() != 0.0 || key > f64::from(i32::MAX) {
                lua.pop(2);
                return Ok(None);
            }
            largest = largest.max(key);
            items += 1;
            lua.pop(1);
            lua.spend(VALUE)?;
        }
        let [convert, ratio, safe, ..] = self.settings.0;
        let largest = largest as i64;
        if ratio > 0 && largest > items.saturating_mul(ratio) && largest > safe {
            return if convert == 0 { Err(self.fail(-1, "excessively sparse array")) } else { Ok(None) };
        }
        Ok(Some(largest as i32))
    }

    fn array(&mut self, length: i32, depth: i64) -> Result<(), Exit> {
        self.out.push(b'[');
        for place in 1..=length {
            if place > 1 {
                self.out.push(b',');
            }
            self.lua.raw_get_at(-1, place);
            self.value(depth)?;
            self.lua.pop(1);
        }
        self.out.push(b']');
        Ok(())
    }

    fn object(&mut self, depth: i64) -> Result<(), Exit> {
        let lua = self.lua;
        self.out.push(b'{');
        lua.push_nil();
        let mut first = true;
        while lua.next(-2) {
            if !std::mem::take(&mut first) {
                self.out.push(b',');
            }
            match lua.kind(-2) {
                Kind::Number => {
                    self.out.push(b'"');
                    self.number(-2)?;
                    self.out.push(b'"');
                }
                Kind::String => self.string(-2)?,
                _ => return Err(self.fail(-2, "table key must be a number or string")),
            }
            self.out.push(b':');
            self.value(depth)?;
            lua.pop(1);
        }
        self.out.push(b'}');
        Ok(())
    }
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    let letter = match byte {
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        b'"' | b'/' | b'\\' => byte,
        _ => {
            let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
            return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

/// Writes a number as C's `%.*g` does.
fn append_number(number: f64, digits: i64, out: &mut Vec<u8>) {
    let integer = number as i64;
    // Most are integers that fit the digits, and are written much quicker as such; -0 is none.
    if digits == 14
        && integer as f64 == number
        && integer.unsigned_abs() < 100_000_000_000_000
        && number.to_bits() != 1 << 63
    {
        return out.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
    }
    let mut buffer = [0; 64];
    let length = format_number(number, digits as i32, &mut buffer);
    out.extend_from_slice(&buffer[..length]);
}

fn decode(lua: Lua) -> Outcome {
    if lua.top() != 1 {
        return Err(lua.wrong_argument(1, "expected 1 argument"));
    }
    let text = lua.check_bytes(1)?;
    if text.len() >= 2 && (text[0] == 0 || text[1] == 0) {
        return Err(lua.error("JSON parser does not support UTF-16 or UTF-32"));
    }
    let settings = SETTINGS.get();
    let mut decoder = Decoder {
        lua,
        text,
        at: 0,
        token_at: 0,
        depth: 0,
        depth_max: settings.0[DECODE_DEPTH].min(NESTING_MAX as i64),
        lenient: settings.0[DECODE_INVALID] != 0,
        string: Vec::new(),
    };
    let token = decoder.token();
    decoder.value(token)?;
    match decoder.token() {
        Token::End => Ok(1),
        other => Err(decoder.unexpected("the end", other)),
    }
}

/// What the text consists of. A string is left in the decoder.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    String,
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Wrong(&'static str),
}

impl Token {
    fn name(self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::String => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Wrong(text) => text,
        }
    }
}

struct Decoder<'a> {
    lua: Lua,
    text: &'a [u8],
    at: usize,
    token_at: usize,
    depth: i64,
    depth_max: i64,
    lenient: bool,
    string: Vec<u8>,
}

impl Decoder<'_> {
    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    fn token(&mut self) -> Token {
        while matches!(self.byte(self.at), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        self.token_at = self.at;
        let rest = self.text.get(self.at..).unwrap_or_default();
        let (token, length) = match rest.first().copied().unwrap_or(0) {
            b'{' => (Token::ObjectBegin, 1),
            b'}' => (Token::ObjectEnd, 1),
            b'[' => (Token::ArrayBegin, 1),
            b']' => (Token::ArrayEnd, 1),
            b',' => (Token::Comma, 1),
            b':' => (Token::Colon, 1),
            0 => (Token::End, 0),
            b'"' => return self.string(),
            b'-' | b'0'..=b'9' if self.lenient || !is_invalid_number(rest) => return self.number(),
            b'-' | b'0'..=b'9' => (Token::Wrong("invalid number"), 0),
            _ if rest.starts_with(b"true") => (Token::Boolean(true), 4),
            _ if rest.starts_with(b"false") => (Token::Boolean(false), 5),
            _ if rest.starts_with(b"null") => (Token::Null, 4),
            b'f' | b'i' | b'I' | b'n' | b'N' | b't' | b'+' if self.lenient && is_invalid_number(rest) => {
                return self.number();
            }
            _ => (Token::Wrong("invalid token"), 0),
        };
        self.at += length;
        token
    }

    fn number(&mut self) -> Token {
        // Short integers need no more than this.
        let rest = &self.text[self.at..];
        let digits = rest.iter().take(16).take_while(|byte| byte.is_ascii_digit()).count();
        let next = self.byte(self.at + digits);
        if (1..16).contains(&digits) && matches!(next, b',' | b']' | b'}' | b' ' | 0) {
            self.at += digits;
            let value = rest[..digits].iter().fold(0_u64, |value, digit| value * 10 + u64::from(digit - b'0'));
            return Token::Number(value as f64);
        }
        // Numbers end well within this, and so does what C takes for one.
        let end = rest.iter().position(
            |byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.' | b'(' | b')' | b'_'),
        );
        let mut text = rest[..end.unwrap_or(rest.len())].to_vec();
        text.push(0);
        let (number, length) = CStr::from_bytes_until_nul(&text).map_or((0.0, 0), parse_number);
        if length == 0 {
            return Token::Wrong("invalid number");
        }
        self.at += length;
        Token::Number(number)
    }

    fn string(&mut self) -> Token {
        self.string.clear();
        self.at += 1;
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let plain = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0)).unwrap_or(rest.len());
            self.string.extend_from_slice(&rest[..plain]);
            self.at += plain;
            match self.byte(self.at) {
                b'"' => break,
                b'\\' => {}
                _ => {
                    self.token_at = self.at;
                    return Token::Wrong("unexpected end of string");
                }
            }
            let letter = match self.byte(self.at + 1) {
                same @ (b'"' | b'\\' | b'/') => same,
                b'b' => 0x08,
                b't' => b'\t',
                b'n' => b'\n',
                b'f' => 0x0c,
                b'r' => b'\r',
                b'u' => {
                    if self.unicode_escape().is_none() {
                        self.token_at = self.at;
                        return Token::Wrong("invalid unicode escape code");
                    }
                    continue;
                }
                _ => {
                    self.token_at = self.at;
                    return Token::Wrong("invalid escape code");
                }
            };
            self.string.push(letter);
            self.at += 2;
        }
        self.at += 1;
        Token::String
    }

    /// A character by the number of its UTF-16 code unit, or two such units.
    fn unicode_escape(&mut self) -> Option<()> {
        let unit = |at: usize| {
            let digits = self.text.get(at..at + 4)?;
            digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
        };
        let first = unit(self.at + 2)?;
        let (code, length) = match first {
            0xD800..=0xDBFF => {
                let marked = self.byte(self.at + 6) == b'\\' && self.byte(self.at + 7) == b'u';
                let second = unit(self.at + 8).filter(|low| marked && (0xDC00..=0xDFFF).contains(low))?;
                (0x10000 + ((first & 0x3FF) << 10 | second & 0x3FF), 12)
            }
            _ => (first, 6),
        };
        let character = char::from_u32(code)?;
        self.string.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        self.at += length;
        Some(())
    }

    /// Pushes the value that a token begins.
    fn value(&mut self, token: Token) -> Result<(), Exit> {
        match token {
            Token::String => self.lua.push_bytes(&self.string),
            Token::Number(number) => self.lua.push_number(number),
            Token::Boolean(value) => self.lua.push_boolean(value),
            Token::Null => self.lua.push_null_pointer(),
            Token::ObjectBegin => self.object()?,
            Token::ArrayBegin => self.array()?,
            other => return Err(self.unexpected("value", other)),
        }
        Ok(())
    }

    fn descend(&mut self) -> Result<(), Exit> {
        self.depth += 1;
        if self.depth > self.depth_max || !self.lua.ensure(5) {
            let (depth, at) = (self.depth, self.at);
            let text = format!("Found too many nested data structures ({depth}) at character {at}");
            return Err(self.lua.error(text));
        }
        Ok(())
    }

    fn object(&mut self) -> Result<(), Exit> {
        self.descend()?;
        self.lua.new_table(0, 0);
        let mut fields = 0;
        let mut token = self.token();
        while token != Token::ObjectEnd {
            let token_at = self.token_at;
            if token != Token::String {
                return Err(self.unexpected("object key string", token));
            }
            self.lua.push_bytes(&self.string);
            match self.token() {
                Token::Colon => {}
                other => return Err(self.unexpected("colon", other)),
            }
            let value = self.token();
            self.value(value)?;
            self.account(token_at)?;
            fields += 1;
            self.lua.check_elements(fields)?;
            self.lua.raw_set(-3);
            match self.token() {
                Token::ObjectEnd => break,
                Token::Comma => token = self.token(),
                other => return Err(self.unexpected("comma or object end", other)),
            }
            if token == Token::ObjectEnd {
                return Err(self.unexpected("object key string", token));
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn array(&mut self) -> Result<(), Exit> {
        self.descend()?;
        self.lua.new_table(0, 0);
        let mut token = self.token();
        if token != Token::ArrayEnd {
            for place in 1.. {
                let token_at = self.token_at;
                self.value(token)?;
                self.account(token_at)?;
                self.lua.check_elements(place as usize)?;
                self.lua.raw_set_at(-2, place);
                match self.token() {
                    Token::ArrayEnd => break,
                    Token::Comma => token = self.token(),
                    other => return Err(self.unexpected("comma or array end", other)),
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Accounts for a value that was read, which began there.
    fn account(&self, from: usize) -> Result<(), Exit> {
        self.lua.spend(VALUE + self.at - from)
    }

    fn unexpected(&self, expected: &str, found: Token) -> Exit {
        let (found, at) = (found.name(), self.token_at + 1);
        self.lua.error(format!("Expected {expected} but found {found} at character {at}"))
    }
}

/// Whether a text that may be a number is none in JSON though C takes it for one: hexadecimal, leading zeros or plus,
/// infinite, not a number.
fn is_invalid_number(text: &[u8]) -> bool {
    let digits = match text {
        [b'+', ..] => return true,
        [b'-', digits @ ..] => digits,
        digits => digits,
    };
    let word = digits.get(..3).unwrap_or_default();
    match digits {
        [b'0', next, ..] => matches!(next, b'x' | b'X' | b'0'..=b'9'),
        _ => word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"nan"),
    }
}
