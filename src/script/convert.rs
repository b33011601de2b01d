//! Replies as Lua values, and Lua values as replies.
//!
//! What RESP2 has is a plain value: an integer a number, a string a string, an array a table, a null false. A status
//! is a table with the field `ok`, an error one with `err`. What only RESP3 has is a table with one field that names
//! it: `map`, `set`, `double`, `big_number`, `verbatim_string`; its null is nil, its booleans are booleans.

use super::NESTING_MAX;
use super::lua::{Exit, Kind, Lua, integer};
use crate::resp::reply::Reply;
use crate::util::number;

/// The longest reply of a script: nobody is served while it is written.
const REPLY_BYTES_MAX: usize = 1 << 30;
/// A reply of more levels than Lua's stack has room for.
const TOO_DEEP: &str = "reached lua stack limit";
/// What a value costs that is converted, besides its bytes, in bytes of work.
const VALUE: usize = 64;
/// The least memory that a value takes which stands in a table.
const VALUE_BYTES_MIN: usize = 16;
/// Values a reply may have more than fit into the interpreter's memory.
const REPEATED_MAX: usize = 1 << 20;

/// Pushes a reply as a Lua value. It is one that was written by a command, whole and well-formed.
///
/// # Errors
/// When it nests too deep.
pub fn push_reply(lua: Lua, bytes: &[u8]) -> Result<(), Exit> {
    Parser { lua, bytes, at: 0 }.value()
}

struct Parser<'a> {
    lua: Lua,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    /// The rest of the line.
    #[inline]
    fn line(&mut self) -> &'a [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = memchr::memchr(b'\r', rest).unwrap_or(rest.len());
        self.at += end + 2;
        &rest[..end]
    }

    /// The rest of the line as a length; nothing when it is negative.
    #[inline]
    fn length(&mut self) -> Option<usize> {
        let mut length = 0_usize;
        for (place, byte) in self.bytes.get(self.at..).unwrap_or_default().iter().enumerate() {
            match byte {
                b'0'..=b'9' => length = length * 10 + usize::from(byte - b'0'),
                b'-' => {
                    self.line();
                    return None;
                }
                _ => {
                    self.at += place + 2;
                    break;
                }
            }
        }
        Some(length)
    }

    /// The bytes behind a length.
    #[inline]
    fn blob(&mut self, length: usize) -> &'a [u8] {
        let blob = self.bytes.get(self.at..self.at + length).unwrap_or_default();
        self.at += length + 2;
        blob
    }

    /// Pushes the next value.
    fn value(&mut self) -> Result<(), Exit> {
        let lua = self.lua;
        let mark = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        match mark {
            b'$' => match self.length() {
                Some(length) => lua.push_bytes(self.blob(length)),
                None => lua.push_boolean(false),
            },
            b':' => {
                let line = self.line();
                let unsigned = || number::parse_u64(line).unwrap_or(0) as f64;
                lua.push_number(number::parse_i64(line).map_or_else(unsigned, |integer| integer as f64));
            }
            b'+' => self.named("ok", |parser| lua.push_bytes(parser.line())),
            b'-' => push_error_reply(lua, self.line()),
            b'*' => match self.length() {
                Some(length) => self.array(length)?,
                None => lua.push_boolean(false),
            },
            b'_' => {
                self.line();
                lua.push_nil();
            }
            b'#' => lua.push_boolean(self.line() == b"t"),
            b',' => {
                self.named("double", |parser| lua.push_number(number::parse_f64(parser.line()).unwrap_or(f64::NAN)))
            }
            b'(' => self.named("big_number", |parser| lua.push_bytes(parser.line())),
            b'!' => {
                let length = self.length().unwrap_or(0);
                push_error_reply(lua, self.blob(length));
            }
            b'=' => self.verbatim(),
            b'%' => self.map()?,
            b'~' | b'>' => self.set()?,
            _ => self.attributed()?,
        }
        Ok(())
    }

    fn named(&mut self, name: &str, push: impl FnOnce(&mut Self)) {
        self.lua.new_table(0, 1);
        push(self);
        self.lua.set_field(-2, name);
    }

    fn descend(&self) -> Result<(), Exit> {
        if self.lua.ensure(8) { Ok(()) } else { Err(self.lua.error(TOO_DEEP)) }
    }

    fn array(&mut self, length: usize) -> Result<(), Exit> {
        self.descend()?;
        self.new_table(length, 0)?;
        for place in 1..=length as i32 {
            self.lua.spend(VALUE)?;
            self.value()?;
            self.lua.raw_set_at(-2, place);
        }
        Ok(())
    }

    /// Pushes a table for so many elements or fields, if there is room for it.
    fn new_table(&self, elements: usize, fields: usize) -> Result<(), Exit> {
        self.lua.check_elements(elements.max(fields))?;
        self.lua.check_room((elements + fields) * VALUE_BYTES_MIN)?;
        self.lua.new_table(elements, fields);
        Ok(())
    }

    fn verbatim(&mut self) {
        let length = self.length().unwrap_or(0);
        let blob = self.blob(length);
        let (format, text) = blob.split_at(blob.len().min(3));
        self.lua.new_table(0, 1);
        self.lua.new_table(0, 2);
        self.lua.push_bytes(text.get(1..).unwrap_or_default());
        self.lua.set_field(-2, "string");
        self.lua.push_bytes(format);
        self.lua.set_field(-2, "format");
        self.lua.set_field(-2, "verbatim_string");
    }

    fn map(&mut self) -> Result<(), Exit> {
        self.descend()?;
        let pairs = self.length().unwrap_or(0);
        self.lua.new_table(0, 1);
        self.new_table(0, pairs)?;
        for _ in 0..pairs {
            self.lua.spend(2 * VALUE)?;
            self.value()?;
            self.value()?;
            self.enter();
        }
        self.lua.set_field(-2, "map");
        Ok(())
    }

    fn set(&mut self) -> Result<(), Exit> {
        self.descend()?;
        let members = self.length().unwrap_or(0);
        self.lua.new_table(0, 1);
        self.new_table(0, members)?;
        for _ in 0..members {
            self.lua.spend(VALUE)?;
            self.value()?;
            self.lua.push_boolean(true);
            self.enter();
        }
        self.lua.set_field(-2, "set");
        Ok(())
    }

    /// Takes key and value on top into the table below them, unless the key is a null.
    fn enter(&self) {
        match self.lua.kind(-2) {
            Kind::Nil => self.lua.pop(2),
            _ => self.lua.raw_set(-3),
        }
    }

    /// A value behind its attributes, which scripts do not see.
    fn attributed(&mut self) -> Result<(), Exit> {
        for _ in 0..self.length().unwrap_or(0) * 2 {
            self.lua.spend(VALUE)?;
            self.value()?;
            self.lua.pop(1);
        }
        self.value()
    }
}

/// Pushes the error a command has answered with, which was counted when it did.
fn push_error_reply(lua: Lua, line: &[u8]) {
    if line.contains(&b' ') {
        push_error(lua, line, true);
    } else {
        push_error(lua, &[b"ERR ", line].concat(), true);
    }
}

/// Pushes an error as scripts see it: a table with its line, and whether it was counted already.
pub fn push_error(lua: Lua, line: &[u8], counted: bool) {
    lua.new_table(0, 4);
    lua.push_bytes(line);
    lua.set_field(-2, "err");
    if counted {
        lua.push_boolean(true);
        lua.set_field(-2, "ignore_error_stats_update");
    }
}

/// A text as far as a status or an error has it. Like the C strings that these are in Redis, it ends at a NUL.
pub fn line_of(text: &[u8]) -> &[u8] {
    &text[..memchr::memchr(0, text).unwrap_or(text.len())]
}

/// An error without the ends of lines behind it. Such within it become blanks as it is written.
pub fn without_newlines(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| !b"\r\n".contains(byte)).map_or(0, |last| last + 1);
    &line[..end]
}

/// What a script ends with when it ends with an error.
#[derive(Debug, Default)]
pub struct ScriptError {
    /// The line, its code first.
    pub line: Vec<u8>,
    /// Source and line number of where it was raised.
    pub place: Option<(Vec<u8>, Vec<u8>)>,
    /// It was counted when a command answered with it.
    pub counted: bool,
}

/// The error on top of the stack, a table.
pub fn error_on_top(lua: Lua) -> ScriptError {
    let text = |name: &str| {
        lua.field(-1, name);
        let text = lua.is_text(-1).then(|| line_of(lua.bytes(-1)).to_vec());
        lua.pop(1);
        text
    };
    let line = text("err").unwrap_or_else(|| b"ERR unknown error".to_vec());
    let place = text("source").zip(text("line"));
    lua.field(-1, "ignore_error_stats_update");
    let counted = lua.kind(-1) == Kind::Boolean && lua.boolean(-1);
    lua.pop(1);
    ScriptError { line, place, counted }
}

/// Why a value is no reply.
#[derive(Debug)]
pub enum Unwritten {
    /// It would have more bytes, or more values, than the script may use.
    TooLong,
    /// The script is not to go on.
    Ended,
}

/// Writes the value on top of the stack as a reply, and removes it. Booleans follow the version of the protocol that
/// the script speaks, all else that of the client. Whether it was an error that had been counted before.
///
/// # Errors
/// A small table may stand for a reply of any length where its parts are the same tables again and again. What was
/// written of it is to be cut off.
pub fn write_reply(lua: Lua, reply: &mut Reply, script_resp3: bool) -> Result<bool, Unwritten> {
    let bytes_max = reply.len().saturating_add(lua.room().min(REPLY_BYTES_MAX));
    let values_left = lua.used() / VALUE_BYTES_MIN + REPEATED_MAX;
    Writer { lua, reply, script_resp3, bytes_max, values_left }.value(0)
}

struct Writer<'a> {
    lua: Lua,
    reply: &'a mut Reply,
    script_resp3: bool,
    /// How long the whole output may become.
    bytes_max: usize,
    /// How many values may still be written. There are no more than fit into memory but where tables stand in several
    /// places, or in themselves.
    values_left: usize,
}

/// Pushes a field of the table on top; whether it is of that type. If not, it is removed again.
fn has(lua: Lua, name: &str, kind: Kind) -> bool {
    lua.field(-1, name);
    let has = lua.kind(-1) == kind;
    if !has {
        lua.pop(1);
    }
    has
}

/// Whether the table on top may have keys that are no numbers. Asked first because looking for each field that means
/// something takes longer than looking through a small array.
fn has_fields(lua: Lua) -> bool {
    const LOOKED_AT: usize = 8;
    lua.push_nil();
    for _ in 0..LOOKED_AT {
        if !lua.next(-2) {
            return false;
        }
        lua.pop(1);
        if lua.kind(-1) != Kind::Number {
            break;
        }
    }
    lua.pop(1);
    true
}

impl Writer<'_> {
    /// Writes the value on top, which stands within `depth` others, and removes it.
    fn value(&mut self, depth: usize) -> Result<bool, Unwritten> {
        let (lua, reply) = (self.lua, &mut *self.reply);
        if reply.len() > self.bytes_max || self.values_left == 0 {
            return Err(Unwritten::TooLong);
        }
        self.values_left -= 1;
        if !lua.charge(VALUE) {
            return Err(Unwritten::Ended);
        }
        let mut counted = false;
        if depth > NESTING_MAX || !lua.ensure(6) {
            reply.error(format!("ERR {TOO_DEEP}"));
            lua.pop(1);
            return Ok(false);
        }
        match lua.kind(-1) {
            Kind::String => {
                let bytes = lua.bytes(-1);
                if !lua.charge(bytes.len()) {
                    return Err(Unwritten::Ended);
                }
                reply.bulk(bytes);
            }
            Kind::Boolean if self.script_resp3 => reply.boolean(lua.boolean(-1)),
            Kind::Boolean if lua.boolean(-1) => reply.integer(1),
            Kind::Boolean => reply.null(),
            Kind::Number => reply.integer(integer(lua.number(-1))),
            Kind::Table => counted = self.table(depth + 1)?,
            _ => reply.null(),
        }
        lua.pop(1);
        Ok(counted)
    }

    /// Writes the table on top, and leaves it.
    fn table(&mut self, depth: usize) -> Result<bool, Unwritten> {
        let lua = self.lua;
        if has_fields(lua) {
            if has(lua, "err", Kind::String) {
                lua.pop(1);
                let error = error_on_top(lua);
                let line = without_newlines(&error.line);
                match error.counted {
                    true => self.reply.counted_error(line),
                    false => self.reply.error(line),
                }
                return Ok(error.counted);
            }
            if self.named(depth)? {
                return Ok(false);
            }
        }
        let mut length = 0;
        loop {
            lua.raw_get_at(-1, length + 1);
            let ended = lua.kind(-1) == Kind::Nil;
            lua.pop(1);
            if ended {
                break;
            }
            length += 1;
        }
        self.reply.array(length as usize);
        for place in 1..=length {
            lua.raw_get_at(-1, place);
            self.value(depth)?;
        }
        Ok(false)
    }

    /// Writes the table on top, and leaves it, if it has a field that says what it is; whether it has one.
    fn named(&mut self, depth: usize) -> Result<bool, Unwritten> {
        let (lua, reply) = (self.lua, &mut *self.reply);
        if has(lua, "ok", Kind::String) {
            reply.simple(line_of(lua.bytes(-1)));
        } else if has(lua, "double", Kind::Number) {
            reply.double(lua.number(-1));
        } else if has(lua, "big_number", Kind::String) {
            let digits: Vec<u8> =
                lua.bytes(-1).iter().map(|byte| if b"\r\n".contains(byte) { b' ' } else { *byte }).collect();
            reply.big_number(&digits);
        } else if has(lua, "verbatim_string", Kind::Table) {
            if !write_verbatim(lua, reply) {
                lua.pop(1);
                return self.collection(depth);
            }
        } else {
            return self.collection(depth);
        }
        lua.pop(1);
        Ok(true)
    }

    fn collection(&mut self, depth: usize) -> Result<bool, Unwritten> {
        let lua = self.lua;
        let is_map = has(lua, "map", Kind::Table);
        if !is_map && !has(lua, "set", Kind::Table) {
            return Ok(false);
        }
        let head = self.reply.defer();
        let mut entries = 0;
        lua.push_nil();
        while lua.next(-2) {
            if is_map {
                lua.push_value(-2);
                self.value(depth)?;
            } else {
                lua.pop(1);
                lua.push_value(-1);
            }
            self.value(depth)?;
            entries += 1;
        }
        match is_map {
            true => self.reply.finish_map(head, entries),
            false => self.reply.finish_set(head, entries),
        }
        lua.pop(1);
        Ok(true)
    }
}

/// Writes the verbatim string on top, and leaves it, if it is complete.
fn write_verbatim(lua: Lua, reply: &mut Reply) -> bool {
    if !has(lua, "format", Kind::String) {
        return false;
    }
    let mut format = *b"   ";
    for (to, from) in format.iter_mut().zip(lua.bytes(-1)) {
        *to = if b"\r\n".contains(from) { b' ' } else { *from };
    }
    lua.pop(1);
    if !has(lua, "string", Kind::String) {
        return false;
    }
    reply.verbatim(format, lua.bytes(-1));
    lua.pop(1);
    true
}
