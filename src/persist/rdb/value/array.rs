//! Arrays in files, as Redis 8.8 has them.
//!
//! ```text
//! count | 1, last index written by the cursor, or 0 | count times: index, tag, value
//! tag  0  a string                  2  a floating-point number of 8 bytes
//!      1  an integer of 8 bytes     3  a string of up to 7 bytes
//! ```
//! Floating-point numbers are read and not written: what they stand for is a text, which is saved as such.

use std::ops::ControlFlow;

use super::super::format::{array_tag, kind};
use super::super::read::{Cursor, Fault, Reading};
use super::super::version::Since;
use super::super::write::Writer;
use super::{Begun, Build, Context, Form, Value};
use crate::db::EntryView;
use crate::types::array::{self, Array, INDEX_MAX};
use crate::types::listpack::IntText;
use crate::util::number::append_f64;

/// How arrays are saved.
pub const FORMS: &[Form] = &[Form { kind: kind::ARRAY, since: Since::redis(14), holds: |_| true, save }];

fn save(entry: EntryView<'_>, out: &mut Writer<'_>) {
    let Some(array) = entry.collection::<Array>() else { return };
    out.length(array.count());
    match array.cursor() {
        Some(cursor) => {
            out.length(1);
            out.length(cursor);
        }
        None => out.length(0),
    }
    array.visit(0, INDEX_MAX, |index, value| {
        out.length(index);
        match value {
            array::Value::Int(value) => {
                out.length(array_tag::INT);
                out.raw(&value.to_le_bytes());
            }
            array::Value::Short(short) => {
                let tag = if short.bytes().len() <= array::SHORT_MAX { array_tag::SHORT } else { array_tag::TEXT };
                out.length(tag);
                out.string(short.bytes());
            }
            array::Value::Long(text) => {
                out.length(array_tag::TEXT);
                out.string(text);
            }
        }
        if out.has_failed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
}

/// A count, the cursor, and as many elements.
pub fn elements(cursor: &mut Cursor<'_>, _: &mut Context) -> Reading<Begun> {
    let left = cursor.length()?;
    let mut array = Array::default();
    match cursor.length()? {
        0 => {}
        1 => array.set_cursor(Some(index(cursor)?)),
        _ => return Err(Fault::Bad("Array cursor integrity check failed.")),
    }
    Begun::parts(Elements { left, array })
}

fn index(cursor: &mut Cursor<'_>) -> Reading<u64> {
    let index = cursor.length()?;
    if index <= INDEX_MAX { Ok(index) } else { Err(Fault::Bad("Array index out of range")) }
}

/// An array that is being loaded.
struct Elements {
    left: u64,
    array: Array,
}

impl Build for Elements {
    fn is_complete(&self) -> bool {
        self.left == 0
    }

    fn step(&mut self, cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<()> {
        let index = index(cursor)?;
        let limits = &cx.rules.array;
        let new = match cursor.length()? {
            array_tag::INT => {
                let value = cursor.u64()? as i64;
                self.array.set(index, IntText::new().format(value).as_bytes(), limits)
            }
            array_tag::FLOAT => self.array.set(index, &float_text(cursor.double()?), limits),
            array_tag::TEXT | array_tag::SHORT => {
                let text = cursor.text()?;
                self.array.set(index, text.bytes(&mut IntText::new()), limits)
            }
            _ => return Err(Fault::Bad("Unknown array element type")),
        };
        if !new {
            return Err(Fault::Bad("Duplicate array index detected"));
        }
        self.left -= 1;
        Ok(())
    }

    fn finish(self: Box<Self>, _: &mut Context) -> Reading<Option<Value>> {
        Ok(Value::Array(self.array).unless_empty())
    }
}

/// The text that a floating-point number stands for: one without a point or an exponent gets `.0`.
fn float_text(value: f64) -> Vec<u8> {
    let mut text = Vec::new();
    append_f64(&mut text, value);
    if value.is_finite() && !text.iter().any(|byte| matches!(byte, b'.' | b'e')) {
        text.extend_from_slice(b".0");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floating_point_numbers_get_the_text_that_was_set() {
        for (value, text) in [(1.0, "1.0"), (-0.5, "-0.5"), (1e300, "1e+300"), (3.25, "3.25"), (f64::INFINITY, "inf")] {
            assert_eq!(float_text(value), text.as_bytes());
        }
    }
}
