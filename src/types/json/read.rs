//! JSON text to values.
//!
//! What is well-formed is read in [`super::quick`]. What is not is read by `serde_json`, as in RedisJSON, so that what is
//! wrong with it is said in the same words. What stands behind the value is not looked at. Of members of the same name
//! the last one counts, in the place of the first.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::quick;
use super::value::{Json, Object};

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
    match quick::read(text, TEXT_DEPTH_MAX) {
        Some((value, _)) => Ok(value),
        None => read_slowly(&mut serde_json::Deserializer::from_str(text)),
    }
}

/// Reads a value that a client sent and that nothing may stand behind.
///
/// # Errors
/// Says what is wrong with it, and where.
pub fn read_all(text: &[u8]) -> Result<Json, String> {
    let text = std::str::from_utf8(text).map_err(|_| NO_UTF_8.to_owned())?;
    match quick::read(text, TEXT_DEPTH_MAX) {
        Some((value, len)) if len == text.len() => Ok(value),
        _ => {
            let mut reader = serde_json::Deserializer::from_str(text);
            let value = read_slowly(&mut reader)?;
            reader.end().map_err(|error| error.to_string())?;
            Ok(value)
        }
    }
}

fn read_slowly(reader: &mut serde_json::Deserializer<serde_json::de::StrRead<'_>>) -> Result<Json, String> {
    Seed(&Cell::new(0)).deserialize(reader).map_err(|error| error.to_string())
}

/// Reads a document from a file, which may be deeper.
///
/// # Errors
/// If it is no JSON, or too deep.
pub fn read_stored(text: &[u8]) -> Result<Json, String> {
    let text = std::str::from_utf8(text).map_err(|_| "a document that is no UTF-8".to_owned())?;
    match quick::read(text, DEPTH_MAX) {
        Some((value, _)) => Ok(value),
        None => {
            let mut reader = serde_json::Deserializer::from_str(text);
            reader.disable_recursion_limit();
            read_slowly(&mut reader)
        }
    }
}

/// Makes a value of what is read; the cell tells how deep it lies.
#[derive(Clone, Copy)]
struct Seed<'d>(&'d Cell<usize>);

impl Seed<'_> {
    fn inside<T, E: Error>(self, read: impl FnOnce(Self) -> Result<T, E>) -> Result<T, E> {
        let depth = self.0;
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
        self.inside(|seed| {
            let mut array = Vec::new();
            while let Some(value) = values.next_element_seed(seed)? {
                array.push(value);
            }
            array.shrink_to_fit();
            Ok(Json::array(array))
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        self.inside(|seed| {
            let mut object = Object::default();
            while let Some(name) = members.next_key::<String>()? {
                let value = members.next_value_seed(seed)?;
                object.set(name.as_bytes(), value);
            }
            object.shrink();
            Ok(Json::Object(Box::new(object)))
        })
    }
}
