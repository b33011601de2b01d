//! The library `struct`: values in the form C structures have in memory.
//!
//! A format is a row of letters: `b B h H l L T i I` for integers (`i` and `I` with a size), `f d` for floats, `c` with
//! a size and `s` for strings, `x` for padding; between them `<` and `>` set the byte order and `!` the alignment.

use super::functions::Functions;
use super::lua::{Exit, Kind, Lua, Outcome, function};

/// Its functions.
pub const FUNCTIONS: Functions =
    &[("pack", || function(pack)), ("unpack", || function(unpack)), ("size", || function(size))];

/// The largest integer, in bytes.
const INTEGER_MAX: usize = 32;
/// The alignment that `!` alone stands for.
const ALIGN_DEFAULT: usize = 8;

/// What a letter of a format costs, in bytes of work.
const LETTER: usize = 8;

/// A format that is being read.
struct Format<'a> {
    lua: Lua,
    rest: &'a [u8],
    big_endian: bool,
    align: usize,
}

/// One letter with its size, and the padding its alignment needs.
#[derive(Clone, Copy, Debug)]
struct Item {
    letter: u8,
    size: usize,
    padding: usize,
}

impl<'a> Format<'a> {
    fn new(lua: Lua, text: &'a [u8]) -> Format<'a> {
        let end = memchr::memchr(0, text).unwrap_or(text.len());
        Format { lua, rest: &text[..end], big_endian: cfg!(target_endian = "big"), align: 1 }
    }

    /// The next letter, when `position` bytes precede it. Letters that only set something come with a size of zero.
    fn next(&mut self, position: usize) -> Result<Option<Item>, Exit> {
        let Some((letter, rest)) = self.rest.split_first() else { return Ok(None) };
        self.rest = rest;
        self.lua.spend(LETTER)?;
        let size = match letter {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'f' => 4,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'c' => self.number(1)?,
            b'i' | b'I' => {
                let size = self.number(4)?;
                if size > INTEGER_MAX {
                    let text = format!("integral size {size} is larger than limit of {INTEGER_MAX}");
                    return Err(self.lua.error(text));
                }
                size
            }
            _ => 0,
        };
        let aligned = size.min(self.align);
        let padding = match aligned {
            0 => 0,
            _ if *letter == b'c' => 0,
            _ => aligned.wrapping_sub(position & (aligned - 1)) & (aligned - 1),
        };
        Ok(Some(Item { letter: *letter, size, padding }))
    }

    fn number(&mut self, otherwise: usize) -> Result<usize, Exit> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, rest) = self.rest.split_at(digits);
        self.rest = rest;
        if digits == 0 {
            return Ok(otherwise);
        }
        let value =
            number.iter().try_fold(0_i32, |value, digit| value.checked_mul(10)?.checked_add(i32::from(digit - b'0')));
        value.map(|value| value as usize).ok_or_else(|| self.lua.error("integral size overflow"))
    }

    /// Obeys a letter that is no value.
    fn set(&mut self, letter: u8) -> Result<(), Exit> {
        match letter {
            b' ' => {}
            b'>' => self.big_endian = true,
            b'<' => self.big_endian = false,
            b'!' => {
                let align = self.number(ALIGN_DEFAULT)?;
                if !align.is_power_of_two() {
                    return Err(self.lua.error(format!("alignment {align} is not a power of 2")));
                }
                self.align = align;
            }
            _ => {
                let text = [b"invalid format option '", &[letter][..], b"'"].concat();
                return Err(self.lua.wrong_argument(1, text));
            }
        }
        Ok(())
    }

    /// Writes the lowest `size` bytes of an integer, further ones as zeros.
    fn write(&self, value: u64, size: usize, out: &mut Vec<u8>) {
        let mut bytes = [0; INTEGER_MAX];
        bytes[..8].copy_from_slice(&value.to_le_bytes());
        let bytes = &mut bytes[..size];
        if self.big_endian {
            bytes.reverse();
        }
        out.extend_from_slice(bytes);
    }

    /// Reads an integer, of which only the lowest 64 bits count.
    fn read(&self, bytes: &[u8]) -> u64 {
        let add = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
        if self.big_endian { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) }
    }
}

fn pack(lua: Lua) -> Outcome {
    let mut format = Format::new(lua, lua.check_bytes(1)?);
    // The argument behind the last is a nil.
    lua.push_nil();
    let mut out = Vec::with_capacity(64);
    let mut argument = 2;
    while let Some(Item { letter, size, padding }) = format.next(out.len())? {
        out.resize(out.len() + padding, 0);
        match letter {
            b'x' => out.push(0),
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let number = lua.check_number(argument)?;
                format.write(integer(number), size, &mut out);
            }
            b'f' => format.write(u64::from((lua.check_number(argument)? as f32).to_bits()), 4, &mut out),
            b'd' => format.write(lua.check_number(argument)?.to_bits(), 8, &mut out),
            b'c' | b's' => {
                let text = lua.check_bytes(argument)?;
                let size = if size == 0 { text.len() } else { size };
                let Some(text) = text.get(..size) else {
                    return Err(lua.wrong_argument(argument + 1, "string too short"));
                };
                lua.spend(size)?;
                lua.check_text(out.len() + size)?;
                out.extend_from_slice(text);
                if letter == b's' {
                    out.push(0);
                }
            }
            _ => {
                format.set(letter)?;
                continue;
            }
        }
        argument += i32::from(letter != b'x');
    }
    lua.push_bytes(&out);
    Ok(1)
}

/// A number without its fraction, in 64 bits. What does not fit becomes what it does on most machines.
fn integer(number: f64) -> u64 {
    const LIMIT: f64 = 18_446_744_073_709_551_616.0;
    match number {
        _ if number < 0.0 => number as i64 as u64,
        _ if number < LIMIT => number as u64,
        _ if number.is_nan() => 1 << 63,
        _ => 0,
    }
}

fn unpack(lua: Lua) -> Outcome {
    const TOO_SHORT: &str = "data string too short";
    let mut format = Format::new(lua, lua.check_bytes(1)?);
    let data = lua.check_bytes(2)?;
    let start = if matches!(lua.kind(3), Kind::None | Kind::Nil) { 1 } else { lua.check_integer(3)? };
    if start == 0 {
        return Err(lua.wrong_argument(3, "offset must be 1 or greater"));
    }
    // Positions are unsigned, and go round: those before the data are far behind it.
    let (mut position, mut results) = ((start as usize).wrapping_sub(1), 0);
    while let Some(Item { letter, mut size, padding }) = format.next(position)? {
        position = position.wrapping_add(padding);
        let Some(rest) = data.get(position..).filter(|rest| rest.len() >= size) else {
            return Err(lua.wrong_argument(2, TOO_SHORT));
        };
        if !lua.ensure(4) {
            return Err(lua.error("stack overflow (too many results)"));
        }
        match letter {
            b'x' => {}
            b'B' | b'H' | b'L' | b'T' | b'I' => lua.push_number(format.read(&rest[..size]) as f64),
            b'b' | b'h' | b'l' | b'i' => {
                // Longer ones than 64 bits have their sign where a shift by that much comes out on a processor.
                let sign = u64::MAX.wrapping_shl((8 * size as u32).wrapping_sub(1));
                let value = format.read(&rest[..size]);
                let value = if value & sign == 0 { value } else { value | sign };
                lua.push_number(value as i64 as f64);
            }
            b'f' => lua.push_number(f64::from(f32::from_bits(format.read(&rest[..4]) as u32))),
            b'd' => lua.push_number(f64::from_bits(format.read(&rest[..8]))),
            b'c' => {
                if size == 0 {
                    if results == 0 || !lua.is_number(-1) {
                        return Err(lua.error("format 'c0' needs a previous size"));
                    }
                    size = integer(lua.number(-1)) as usize;
                    lua.pop(1);
                    results -= 1;
                }
                let Some(text) = rest.get(..size) else { return Err(lua.wrong_argument(2, TOO_SHORT)) };
                lua.spend(size)?;
                lua.push_bytes(text);
            }
            b's' => {
                let Some(end) = memchr::memchr(0, rest) else {
                    return Err(lua.error("unfinished string in data"));
                };
                lua.spend(end)?;
                lua.push_bytes(&rest[..end]);
                size = end + 1;
            }
            _ => format.set(letter)?,
        }
        results += i32::from(letter.is_ascii_alphabetic() && letter != b'x');
        position += size;
    }
    lua.push_number(position.wrapping_add(1) as i64 as f64);
    Ok(results + 1)
}

fn size(lua: Lua) -> Outcome {
    let mut format = Format::new(lua, lua.check_bytes(1)?);
    let mut position = 0_usize;
    while let Some(Item { letter, size, padding }) = format.next(position)? {
        match letter {
            b's' => return Err(lua.wrong_argument(1, "option 's' has no fixed size")),
            b'c' if size == 0 => return Err(lua.wrong_argument(1, "option 'c0' has no fixed size")),
            _ if letter.is_ascii_alphanumeric() => {}
            _ => format.set(letter)?,
        }
        position += padding + size;
    }
    lua.push_number(position as f64);
    Ok(1)
}
