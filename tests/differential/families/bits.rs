//! Strings as bitmaps and as arrays of integers.

use super::Kinds;
use crate::differential::draw::{Draw, Word};
use crate::differential::generate::{Row, row};

/// The commands.
pub const ROWS: &[Row] = &[
    row("bitcount", 5, "<bitmap> [<index> <index> [BYTE|BIT]]"),
    row(
        "bitfield",
        8,
        "<bitmap> (GET <width> <bit-place>|SET <width> <bit-place> <increment>|INCRBY <width> <bit-place> <increment>\
         |OVERFLOW (WRAP|SAT|FAIL|FAIL|abc))+",
    ),
    row("bitfield_ro", 4, "<bitmap> (GET <width> <bit-place>)+"),
    row("bitop", 5, "(AND|OR|XOR|NOT) <bitmap> (<bitmap>|<string>)+"),
    row("bitop", 2, "NOT <bitmap> <bitmap>"),
    row("bitpos", 6, "<bitmap> (0|1|1|2) [<index> [<index> [BYTE|BIT]]]"),
    row("getbit", 4, "<bitmap> <bit-offset>"),
    row("setbit", 8, "<bitmap> <bit-offset> (0|1|1|2)"),
];

/// By name.
pub const KINDS: Kinds = &[
    ("bit-offset", |d, w| w.push(offset(d))),
    ("bit-place", |d, w| w.push(place(d))),
    ("width", |d, w| w.push(width(d))),
];

/// Small, or beyond what a string can hold.
fn offset(draw: &mut Draw) -> Word {
    match draw.below(100) {
        0..80 => draw.below(200).to_string().into(),
        80..90 => draw.below(20_000).to_string().into(),
        90..96 => draw.pick(&["-1", "4294967296", "9223372036854775807", "-9223372036854775808"]).into(),
        _ => draw.no_number(),
    }
}

/// An offset in bits, or one in multiples of the width.
fn place(draw: &mut Draw) -> Word {
    match draw.below(100) {
        0..30 => format!("#{}", draw.below(60)).into(),
        30..33 => draw.pick(&["#-1", "#", "#abc", "##1", "#68719476736"]).into(),
        _ => offset(draw),
    }
}

fn width(draw: &mut Draw) -> Word {
    match draw.below(100) {
        0..60 => draw.pick(&["u8", "i8", "u16", "i16", "i32", "u32", "i64", "u63", "u1", "i1"]).into(),
        60..94 => format!("{}{}", draw.pick(&["u", "i"]), 1 + draw.below(63)).into(),
        _ => draw.pick(&["u64", "i65", "i0", "u0", "u-1", "x8", "8", "", "U8", "i", "i08"]).into(),
    }
}
