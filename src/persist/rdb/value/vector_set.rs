//! Vector sets in files.
//!
//! ```text
//! dimension | elements | form, and M above its eight bits | flags | [from dimension | matrix] | element | element | ...
//! element: name | [attributes] | vector | how many numbers | numbers
//! numbers: id | version and level | (links | room | ids | farthest) for each level from 0 on | length and range
//! ```
//! All are unsigned integers but for the matrix, names, attributes and vectors, which are strings. `farthest` has the
//! place of the farthest neighbor in its lower half and its distance, a float, in the upper one; the last number has the
//! length of the vector below and the range of its bytes above. An id is 0 where there is no neighbor, in early files.

use super::super::read::{Fault, Reading};
use super::pieces::{Load, PieceWriter, Pieces, Steps, Type};
use crate::types::bundled::{self, Bundled};
use crate::types::vector_set::saved::{Builder, SavedElement};
use crate::types::vector_set::{LEVEL_MAX, Projection, Quantization, Shape, VectorSet};
use crate::util::random;

/// The type.
pub const TYPE: Type = Type {
    name: VectorSet::TYPE,
    versions: 0..=0,
    load: Load::Steps(|_| Box::new(Loading { stage: Stage::Shape, builder: None })),
    save,
    version: 0,
    rewrite: None,
};

const HAS_MATRIX: u64 = 1;
const HAS_ATTRIBUTES: u64 = 2;

/// The version of the numbers of an element, above the 24 bits of its level.
const NUMBERS_VERSION: u64 = 1;
const LEVEL_BITS: u32 = 24;
/// The most links an element has room for on a level, whatever a file says.
const ROOM_MAX: u64 = 1 << 16;
/// The numbers of M.
const M: std::ops::RangeInclusive<u64> = 4..=4096;

const UNSOUND: Fault = Fault::Bad("an unsound vector set");

fn form_number(quantization: Quantization) -> u64 {
    match quantization {
        Quantization::None => 0,
        Quantization::Int8 => 1,
        Quantization::Binary => 2,
    }
}

fn form(number: u64) -> Option<Quantization> {
    [Quantization::None, Quantization::Int8, Quantization::Binary].into_iter().find(|form| form_number(*form) == number)
}

/// Two floats in a number, the first below.
fn pair(low: u32, high: f32) -> u64 {
    u64::from(low) | u64::from(high.to_bits()) << 32
}

fn save(value: &dyn bundled::Value, out: &mut PieceWriter<'_, '_>) {
    let Some(set) = value.downcast::<VectorSet>() else { return };
    out.unsigned(set.dimension() as u64);
    out.unsigned(set.len() as u64);
    out.unsigned(form_number(set.quantization()) | (set.m() as u64) << 8);
    let matrix = if set.projection().is_some() { HAS_MATRIX } else { 0 };
    let attributes = if set.with_attributes() > 0 { HAS_ATTRIBUTES } else { 0 };
    out.unsigned(matrix | attributes);
    if let Some(projection) = set.projection() {
        out.unsigned(projection.source_dimension() as u64);
        out.string(&projection.raw());
    }
    for element in set.saved() {
        out.string(element.name);
        if attributes != 0 {
            out.string(element.attributes.unwrap_or_default());
        }
        out.string(&element.vector);
        let numbers = numbers_of(set, &element);
        out.unsigned(numbers.len() as u64);
        numbers.iter().for_each(|number| out.unsigned(*number));
    }
}

fn numbers_of(set: &VectorSet, element: &SavedElement<'_>) -> Vec<u64> {
    let level = element.links.len() as u64 - 1;
    let mut numbers = vec![element.id, level | NUMBERS_VERSION << LEVEL_BITS];
    for (level, (ids, farthest)) in element.links.iter().zip(&element.farthest).enumerate() {
        numbers.push(ids.len() as u64);
        numbers.push(set.links_max(level) as u64);
        numbers.extend(ids);
        numbers.push(pair(farthest.0, farthest.1));
    }
    numbers.push(pair(element.length.to_bits(), element.range));
    numbers
}

/// What comes next.
enum Stage {
    Shape,
    Elements { left: u64, with_attributes: bool },
    Done,
}

/// A set that is being loaded.
struct Loading {
    stage: Stage,
    builder: Option<Builder>,
}

impl Steps for Loading {
    fn step(&mut self, pieces: &mut Pieces<'_, '_>) -> Reading<bool> {
        match self.stage {
            Stage::Shape => {
                let (shape, elements, flags) = shape(pieces)?;
                if elements == 0 {
                    return Err(UNSOUND);
                }
                self.builder = Some(Builder::new(shape, random::entropy()));
                self.stage = Stage::Elements { left: elements, with_attributes: flags & HAS_ATTRIBUTES != 0 };
            }
            Stage::Elements { left, with_attributes } => {
                let (name, attributes, vector) =
                    (pieces.vec()?, if with_attributes { pieces.vec()? } else { Vec::new() }, pieces.vec()?);
                let attributes = Some(attributes.as_slice()).filter(|attributes| !attributes.is_empty());
                let element = numbers(
                    pieces,
                    SavedElement {
                        name: &name,
                        attributes,
                        vector,
                        id: 0,
                        links: Vec::new(),
                        farthest: Vec::new(),
                        length: 0.0,
                        range: 0.0,
                    },
                )?;
                self.builder.as_mut().and_then(|builder| builder.add(element)).ok_or(UNSOUND)?;
                self.stage = match left {
                    1 => Stage::Done,
                    _ => Stage::Elements { left: left - 1, with_attributes },
                };
            }
            Stage::Done => {}
        }
        Ok(matches!(self.stage, Stage::Done))
    }

    fn finish(self: Box<Self>) -> Reading<Bundled> {
        match self.stage {
            Stage::Done => self.builder.and_then(Builder::finish).map(Bundled::new).ok_or(UNSOUND),
            Stage::Shape | Stage::Elements { .. } => Err(UNSOUND),
        }
    }
}

/// The shape of a set, how many elements it has, and the flags.
fn shape(pieces: &mut Pieces<'_, '_>) -> Reading<(Shape, u64, u64)> {
    let (dimension, elements, form_and_m, flags) =
        (pieces.unsigned()?, pieces.unsigned()?, pieces.unsigned()?, pieces.unsigned()?);
    let dimension = u32::try_from(dimension).ok().filter(|dimension| *dimension > 0).ok_or(UNSOUND)? as usize;
    let (quantization, m) = (form(form_and_m & 0xff).ok_or(UNSOUND)?, form_and_m >> 8 & 0xffff);
    if !M.contains(&m) {
        return Err(UNSOUND);
    }
    let projection = match flags & HAS_MATRIX {
        0 => None,
        _ => {
            let from = usize::try_from(pieces.unsigned()?).map_err(|_| UNSOUND)?;
            Some(Projection::read_raw(from, dimension, &pieces.vec()?).ok_or(UNSOUND)?)
        }
    };
    Ok((Shape { dimension, quantization, m: m as usize, projection }, elements, flags))
}

/// Reads the numbers of an element.
fn numbers<'a>(pieces: &mut Pieces<'_, '_>, mut element: SavedElement<'a>) -> Reading<SavedElement<'a>> {
    let mut left = pieces.unsigned()?;
    let mut next = |pieces: &mut Pieces<'_, '_>| {
        left = left.checked_sub(1).ok_or(UNSOUND)?;
        pieces.unsigned()
    };
    element.id = next(pieces)?;
    let head = next(pieces)?;
    let (version, level) = (head >> LEVEL_BITS, head & ((1 << LEVEL_BITS) - 1));
    if version > NUMBERS_VERSION || level > LEVEL_MAX as u64 {
        return Err(UNSOUND);
    }
    for _ in 0..=level {
        let (links, room) = (next(pieces)?, next(pieces)?);
        if links > room || room > ROOM_MAX {
            return Err(UNSOUND);
        }
        element.links.push((0..links).map(|_| next(pieces)).collect::<Reading<_>>()?);
        // What is farthest is found anew when it is needed.
        if version == NUMBERS_VERSION {
            next(pieces)?;
        }
    }
    let last = next(pieces)?;
    if left != 0 {
        return Err(UNSOUND);
    }
    element.length = f32::from_bits(last as u32);
    element.range = f32::from_bits((last >> 32) as u32);
    Ok(element)
}
