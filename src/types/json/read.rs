//! JSON text to values.
//!
//! The text is read by `serde_json`, as in RedisJSON, so that what is wrong with it is said in the same words. What
//! stands behind the value is not looked at. Of members of the same name the last one counts, in the place of the first.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::value::{INDEXED_FROM, Json, Member, Object, Text};

/// How deep a text may be that a client sends, as in RedisJSON.
pub const TEXT_DEPTH_MAX: usize = 127;
/// How deep a document may become, or be in a file. What walks it goes down by calls.
pub const DEPTH_MAX: usize = 1024;

const NO_UTF_8: &str = "Couldn't parse as UTF-8 string";

/// Reads a value that a client sent.
///
/// # Errors
/// Says what is wrong with it, and where.
pub fn read(text: &[u8]) -> Result<Json, String> {
    let text = std::str::from_utf8(text).map_err(|_| NO_UTF_8.to_owned())?;
    let mut reader = serde_json::Deserializer::from_str(text);
    read_from(&mut reader)
}

/// Reads a value that a client sent and that nothing may stand behind.
///
/// # Errors
/// Says what is wrong with it, and where.
pub fn read_all(text: &[u8]) -> Result<Json, String> {
    let text = std::str::from_utf8(text).map_err(|_| NO_UTF_8.to_owned())?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = read_from(&mut reader)?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(value)
}

fn read_from(reader: &mut serde_json::Deserializer<serde_json::de::StrRead<'_>>) -> Result<Json, String> {
    Seed(&Scratch::default()).deserialize(reader).map_err(|error| error.to_string())
}

/// Reads a document from a file, which may be deeper.
///
/// # Errors
/// If it is no JSON, or too deep.
pub fn read_stored(text: &[u8]) -> Result<Json, String> {
    let text = std::str::from_utf8(text).map_err(|_| "a document that is no UTF-8".to_owned())?;
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.disable_recursion_limit();
    read_from(&mut reader)
}

/// What has been read of arrays and objects that are not at their end, those within others behind these. Each then gets
/// an allocation of its size.
#[derive(Default)]
struct Scratch {
    depth: Cell<usize>,
    values: RefCell<Vec<Json>>,
    members: RefCell<Vec<Member>>,
}

/// Makes a value of what is read.
#[derive(Clone, Copy)]
struct Seed<'s>(&'s Scratch);

impl Seed<'_> {
    fn inside<T, E: Error>(self, read: impl FnOnce(Self) -> Result<T, E>) -> Result<T, E> {
        let depth = &self.0.depth;
        if depth.get() == DEPTH_MAX {
            return Err(E::custom("recursion limit exceeded"));
        }
        depth.set(depth.get() + 1);
        let value = read(self);
        depth.set(depth.get() - 1);
        value
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Int(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(i64::try_from(value).map_or(Json::Big(value), Json::Int))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Double(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::text(value.as_bytes()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Json, A::Error> {
        let scratch = &self.0.values;
        let start = scratch.borrow().len();
        self.inside(|seed| {
            while let Some(value) = values.next_element_seed(seed)? {
                scratch.borrow_mut().push(value);
            }
            Ok(())
        })?;
        let array: Vec<Json> = scratch.borrow_mut().drain(start..).collect();
        Ok(Json::array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let scratch = &self.0.members;
        let start = scratch.borrow().len();
        let mut object = Object::default();
        self.inside(|seed| {
            // Which names have been seen, by a bit that they share with others: most need not be looked for.
            let mut seen = 0u64;
            while let Some(name) = members.next_key_seed(Name)? {
                let value = members.next_value_seed(seed)?;
                let bit = 1 << mark(name.bytes());
                let mut read = scratch.borrow_mut();
                let known = match seen & bit {
                    0 => None,
                    _ => read[start..].iter().position(|member| member.name == name),
                };
                seen |= bit;
                match known {
                    Some(place) => read[start + place].value = value,
                    None if object.is_empty() && read.len() - start < INDEXED_FROM => {
                        read.push(Member { name, value });
                    }
                    None => {
                        object.extend(read.drain(start..));
                        object.put(name, value);
                    }
                }
            }
            Ok(())
        })?;
        object.extend(scratch.borrow_mut().drain(start..));
        object.shrink();
        Ok(Json::Object(Box::new(object)))
    }
}

/// One of 64 numbers for a name.
fn mark(name: &[u8]) -> u32 {
    let edge = |byte: Option<&u8>| byte.map_or(0, |byte| u32::from(*byte));
    (name.len() as u32 + 3 * edge(name.first()) + 11 * edge(name.last())) % 64
}

/// The name of a member.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Text;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Text, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, value: &str) -> Result<Text, E> {
        Ok(Text::new(value.as_bytes()))
    }
}
