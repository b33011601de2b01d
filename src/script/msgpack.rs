//! The library `cmsgpack`: MessagePack as the Lua library of that name reads and writes it.
//!
//! Written are the shortest forms. A table whose keys are 1 to n is an array, any other a map; what nests deeper than
//! [`WRITTEN_NESTING_MAX`] becomes nil, and so does what MessagePack has nothing for. Numbers that are integers are
//! written as such, others as floats where that loses nothing. Binary data and extensions are not read.
//!
//! The marks are those of the crate `rmp`. What they come to in Lua, the bounds and the errors are that library's.

use rmp::Marker;
use rmp::encode::{self, ByteBuf};

use super::NESTING_MAX;
use super::functions::Functions;
use super::lua::{Exit, Kind, Lua, Outcome, function};

/// Its functions.
pub const FUNCTIONS: Functions = &[
    ("pack", || function(pack)),
    ("unpack", || function(|lua| unpack(lua, None, 0))),
    ("unpack_one", || function(unpack_one)),
    ("unpack_limit", || function(unpack_limit)),
];

/// How deep tables may nest.
const WRITTEN_NESTING_MAX: usize = 16;
/// What a value costs that is read or written, besides its bytes, in bytes of work.
const VALUE: usize = 64;
/// Elements a table gets room for at once. More it gets as they come.
const ELEMENTS_EXPECTED_MAX: usize = 1024;
/// What cannot be read for lack of bytes.
const MISSING: &str = "Missing bytes in input.";
const MALFORMED: &str = "Bad data format in input.";
const TOO_MANY: &str = "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)";

/// Adds what are no functions to the table of the library.
pub fn complete(lua: Lua) {
    let texts = [
        ("_NAME", "cmsgpack"),
        ("_VERSION", "lua-cmsgpack 0.4.0"),
        ("_COPYRIGHT", "Copyright (C) 2012, Salvatore Sanfilippo"),
        ("_DESCRIPTION", "MessagePack C implementation for Lua"),
    ];
    for (name, text) in texts {
        lua.push_bytes(text.as_bytes());
        lua.set_field(-2, name);
    }
}

fn pack(lua: Lua) -> Outcome {
    let arguments = lua.top();
    if arguments == 0 {
        return Err(lua.wrong_argument(0, "MessagePack pack needs input."));
    }
    let mut out = ByteBuf::with_capacity(64);
    for index in 1..=arguments {
        if !lua.ensure(3) {
            return Err(lua.wrong_argument(0, "Too many arguments for MessagePack pack."));
        }
        lua.push_value(index);
        write(lua, &mut out, 0)?;
    }
    lua.push_bytes(out.as_slice());
    Ok(1)
}

/// Writes the value on top and removes it.
fn write(lua: Lua, out: &mut ByteBuf, level: usize) -> Result<(), Exit> {
    // Tables may be in several places, and what is written much longer than what it is made of.
    let bytes = if lua.kind(-1) == Kind::String { lua.length(-1) } else { 0 };
    lua.spend(VALUE + bytes)?;
    lua.check_text(out.as_vec().len() + bytes)?;
    match lua.kind(-1) {
        Kind::String => write_bytes(lua.bytes(-1), out),
        Kind::Boolean => {
            let Ok(()) = encode::write_bool(out, lua.boolean(-1));
        }
        Kind::Number => write_number(lua.number(-1), out),
        Kind::Table if level < WRITTEN_NESTING_MAX => write_table(lua, out, level + 1)?,
        _ => {
            let Ok(()) = encode::write_nil(out);
        }
    }
    lua.pop(1);
    Ok(())
}

fn write_bytes(bytes: &[u8], out: &mut ByteBuf) {
    let Ok(_) = encode::write_str_len(out, bytes.len() as u32);
    out.as_mut_vec().extend_from_slice(bytes);
}

fn write_number(number: f64, out: &mut ByteBuf) {
    let (integer, short) = (number as i64, number as f32);
    if integer as f64 == number && number < 9_223_372_036_854_775_808.0 {
        let Ok(_) = encode::write_sint(out, integer);
    } else if f64::from(short) == number {
        let Ok(()) = encode::write_f32(out, short);
    } else {
        let Ok(()) = encode::write_f64(out, number);
    }
}

/// Writes the table on top and leaves it.
fn write_table(lua: Lua, out: &mut ByteBuf, level: usize) -> Result<(), Exit> {
    if !lua.ensure(5) {
        return Err(lua.error("stack overflow (in function mp_encode_lua_table_as_map)"));
    }
    let (entries, is_array) = shape(lua)?;
    if is_array {
        let Ok(_) = encode::write_array_len(out, entries as u32);
        for place in 1..=entries as i32 {
            lua.raw_get_at(-1, place);
            write(lua, out, level)?;
        }
        return Ok(());
    }
    let Ok(_) = encode::write_map_len(out, entries as u32);
    lua.push_nil();
    while lua.next(-2) {
        lua.push_value(-2);
        write(lua, out, level)?;
        write(lua, out, level)?;
    }
    Ok(())
}

/// The number of entries of the table on top, and whether their keys are the numbers from 1 on.
fn shape(lua: Lua) -> Result<(usize, bool), Exit> {
    let (mut entries, mut largest, mut is_array) = (0_usize, 0.0_f64, true);
    lua.push_nil();
    while lua.next(-2) {
        lua.pop(1);
        lua.spend(VALUE)?;
        entries += 1;
        is_array = is_array && lua.kind(-1) == Kind::Number && {
            let key = lua.number(-1);
            largest = largest.max(key);
            key >= 1.0 && key.fract() == 0.0
        };
    }
    Ok((entries, is_array && largest == entries as f64))
}

fn unpack_one(lua: Lua) -> Outcome {
    let offset = optional_integer(lua, 2)?;
    lua.set_top(1);
    unpack(lua, Some(1), offset)
}

fn unpack_limit(lua: Lua) -> Outcome {
    let limit = lua.check_integer(2)?;
    let offset = optional_integer(lua, 3)?;
    lua.set_top(1);
    unpack(lua, Some(limit), offset)
}

fn optional_integer(lua: Lua, index: i32) -> Result<i64, Exit> {
    if matches!(lua.kind(index), Kind::None | Kind::Nil) { Ok(0) } else { lua.check_integer(index) }
}

/// Reads values from an offset on, all or up to a limit; with a limit the offset of what is left comes first.
fn unpack(lua: Lua, limit: Option<i64>, offset: i64) -> Outcome {
    let text = lua.check_bytes(1)?;
    let length = text.len();
    if offset < 0 || limit.is_some_and(|limit| limit < 0) {
        let text = format!("Invalid request to unpack with offset of {offset} and limit of {length}.");
        return Err(lua.error(text));
    }
    if offset as usize > length {
        return Err(lua.error(format!("Start offset {offset} greater than input length {length}.")));
    }
    let limit = limit.filter(|limit| *limit != 0 || offset != 0);
    lua.push_nil();
    let mut reader = Reader { lua, rest: &text[offset as usize..], depth: 0 };
    let mut count = 0;
    while !reader.rest.is_empty() && limit.is_none_or(|limit| i64::from(count) < limit) {
        if let Err(fault) = reader.value() {
            return Err(match fault {
                Fault::Format(text) => lua.error(text),
                Fault::Index(text) => lua.error_anywhere(text),
                Fault::Exit(exit) => exit,
            });
        }
        count += 1;
    }
    if limit.is_none() {
        return Ok(count);
    }
    let next = if reader.rest.is_empty() { -1.0 } else { (length - reader.rest.len()) as f64 };
    lua.push_number(next);
    lua.replace(2);
    Ok(count + 1)
}

/// Why reading stops.
#[derive(Debug)]
enum Fault {
    /// The bytes, or the room for what they stand for, do not suffice or make no sense.
    Format(&'static str),
    /// A table cannot have that key.
    Index(&'static str),
    /// The script is not to go on, or uses too much.
    Exit(Exit),
}

impl From<Exit> for Fault {
    fn from(exit: Exit) -> Fault {
        Fault::Exit(exit)
    }
}

struct Reader<'a> {
    lua: Lua,
    rest: &'a [u8],
    depth: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or(Fault::Format(MISSING))?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next bytes as a big-endian number.
    fn unsigned(&mut self, bytes: usize) -> Result<u64, Fault> {
        Ok(self.take(bytes)?.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn signed(&mut self, bytes: usize) -> Result<f64, Fault> {
        let unused = 64 - 8 * bytes as u32;
        Ok(((self.unsigned(bytes)? << unused) as i64 >> unused) as f64)
    }

    /// Pushes the next value.
    fn value(&mut self) -> Result<(), Fault> {
        let lua = self.lua;
        if !lua.ensure(3) {
            return Err(Fault::Format(TOO_MANY));
        }
        lua.spend(VALUE)?;
        let mark = Marker::from_u8(self.unsigned(1)? as u8);
        match mark {
            Marker::Null => lua.push_nil(),
            Marker::False | Marker::True => lua.push_boolean(mark == Marker::True),
            Marker::FixPos(number) => lua.push_number(f64::from(number)),
            Marker::FixNeg(number) => lua.push_number(f64::from(number)),
            Marker::U8 => lua.push_number(self.unsigned(1)? as f64),
            Marker::U16 => lua.push_number(self.unsigned(2)? as f64),
            Marker::U32 => lua.push_number(self.unsigned(4)? as f64),
            // Redis takes the largest for negative.
            Marker::U64 => lua.push_number(self.unsigned(8)? as i64 as f64),
            Marker::I8 => lua.push_number(self.signed(1)?),
            Marker::I16 => lua.push_number(self.signed(2)?),
            Marker::I32 => lua.push_number(self.signed(4)?),
            Marker::I64 => lua.push_number(self.signed(8)?),
            Marker::F32 => lua.push_number(f64::from(f32::from_bits(self.unsigned(4)? as u32))),
            Marker::F64 => lua.push_number(f64::from_bits(self.unsigned(8)?)),
            Marker::FixStr(length) => self.string(u64::from(length))?,
            Marker::Str8 => self.unsigned(1).and_then(|length| self.string(length))?,
            Marker::Str16 => self.unsigned(2).and_then(|length| self.string(length))?,
            Marker::Str32 => self.unsigned(4).and_then(|length| self.string(length))?,
            Marker::FixArray(length) => self.array(u64::from(length))?,
            Marker::Array16 => self.unsigned(2).and_then(|length| self.array(length))?,
            Marker::Array32 => self.unsigned(4).and_then(|length| self.array(length))?,
            Marker::FixMap(length) => self.map(u64::from(length))?,
            Marker::Map16 => self.unsigned(2).and_then(|length| self.map(length))?,
            Marker::Map32 => self.unsigned(4).and_then(|length| self.map(length))?,
            // Binary data and extensions.
            _ => return Err(Fault::Format(MALFORMED)),
        }
        Ok(())
    }

    fn string(&mut self, length: u64) -> Result<(), Fault> {
        let length = length as usize;
        let bytes = self.take(length)?;
        self.lua.spend(length)?;
        self.lua.push_bytes(bytes);
        Ok(())
    }

    fn array(&mut self, length: u64) -> Result<(), Fault> {
        let length = length as usize;
        // A length is no more than a promise: each element has at least a byte, and tables within tables promise again.
        self.lua.check_elements(length.min(self.rest.len()))?;
        self.lua.new_table(length.min(self.rest.len()).min(ELEMENTS_EXPECTED_MAX), 0);
        self.depth += 1;
        if self.depth > NESTING_MAX || !self.lua.ensure(2) {
            return Err(Fault::Format("stack overflow (in function mp_decode_to_lua_array)"));
        }
        for place in 1..=length {
            self.value()?;
            self.lua.raw_set_at(-2, place as i32);
        }
        self.depth -= 1;
        Ok(())
    }

    fn map(&mut self, length: u64) -> Result<(), Fault> {
        let length = length as usize;
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(Fault::Format(TOO_MANY));
        }
        self.lua.check_elements(length.min(self.rest.len()))?;
        self.lua.new_table(0, 0);
        for _ in 0..length {
            self.value()?;
            self.value()?;
            let is_nan = self.lua.kind(-2) == Kind::Number && self.lua.number(-2).is_nan();
            if is_nan || self.lua.kind(-2) == Kind::Nil {
                return Err(Fault::Index(if is_nan { "table index is NaN" } else { "table index is nil" }));
            }
            self.lua.raw_set(-3);
        }
        self.depth -= 1;
        Ok(())
    }
}
