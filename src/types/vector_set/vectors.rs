//! The vectors of a set: brought to length one, in the form the set keeps them in, and how far apart they are.
//!
//! | form      | a component is                                        | distance of two vectors                        |
//! |-----------|-------------------------------------------------------|------------------------------------------------|
//! | `None`    | a float                                               | 1 − the sum of products                        |
//! | `Int8`    | a byte from −127 to 127, in units of `range / 127`    | 1 − the sum of products, in units of both      |
//! | `Binary`  | a bit: whether it is above 0                          | the share of bits that differ, times two       |
//!
//! A distance reaches from 0, the same direction, to 2, the opposite one; a score is 1 − distance / 2. The order in
//! which floats are added and rounded is that of Redis, so that scores are the same to the last digit.

use super::distance::{differing_bits, dot_f32, dot_i8};
use super::rows::Rows;

/// How a set keeps its vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantization {
    /// As they are.
    None,
    /// A byte for each component.
    Int8,
    /// A bit for each component.
    Binary,
}

impl Quantization {
    /// The name that VINFO and VEMB give.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "f32",
            Self::Int8 => "int8",
            Self::Binary => "bin",
        }
    }
}

/// The largest byte; −128 is not used, so that every byte has its opposite.
const BYTE_MAX: f32 = 127.0;

/// Bytes behind the components of a row of bytes: the range, a float.
const RANGE_BYTES: usize = 4;

/// Brings a vector to length one. The length it had; 1 for a vector of zeros, which stays as it is.
pub fn normalize(vector: &mut [f32]) -> f32 {
    let mut sum = 0.0_f32;
    let runs = vector.chunks_exact(4);
    let rest = runs.remainder();
    for run in runs {
        sum += run[0] * run[0] + run[1] * run[1] + run[2] * run[2] + run[3] * run[3];
    }
    for component in rest {
        sum += component * component;
    }
    if sum == 0.0 {
        return 1.0;
    }
    let length = sum.sqrt();
    for component in vector {
        *component /= length;
    }
    length
}

/// A vector in the form of its set, by itself.
#[derive(Debug, Clone)]
pub enum Kept {
    /// Floats.
    Floats(Vec<f32>),
    /// Bytes, and the range behind them.
    Bytes(Vec<i8>),
    /// Bits, the first in the lowest place.
    Bits(Vec<u64>),
}

impl Kept {
    /// Brings a vector of length one into a form.
    pub fn new(vector: Vec<f32>, quantization: Quantization) -> Self {
        match quantization {
            Quantization::None => Self::Floats(vector),
            Quantization::Int8 => Self::Bytes(to_bytes(&vector)),
            Quantization::Binary => Self::Bits(to_bits(&vector)),
        }
    }

    /// The vector, to be compared.
    #[inline]
    pub fn view(&self) -> View<'_> {
        match self {
            Self::Floats(floats) => View::Floats(floats),
            Self::Bytes(row) => bytes_view(row),
            Self::Bits(words) => View::Bits(words),
        }
    }
}

fn to_bytes(vector: &[f32]) -> Vec<i8> {
    let mut range = 0.0_f32;
    for component in vector {
        if component.abs() > range {
            range = component.abs();
        }
    }
    let scale = if range == 0.0 { 0.0 } else { BYTE_MAX / range };
    let byte = |component: &f32| (component * scale).round().clamp(-BYTE_MAX, BYTE_MAX) as i8;
    vector.iter().map(byte).chain(range.to_le_bytes().map(|byte| byte as i8)).collect()
}

fn to_bits(vector: &[f32]) -> Vec<u64> {
    let word = |run: &[f32]| (0..).zip(run).fold(0, |word, (bit, component)| word | u64::from(*component > 0.0) << bit);
    vector.chunks(64).map(word).collect()
}

fn bytes_view(row: &[i8]) -> View<'_> {
    let (bytes, range) = row.split_at(row.len() - RANGE_BYTES);
    View::Bytes(bytes, f32::from_le_bytes([range[0] as u8, range[1] as u8, range[2] as u8, range[3] as u8]))
}

/// A vector, wherever it lies.
#[derive(Debug, Clone, Copy)]
pub enum View<'a> {
    /// Floats.
    Floats(&'a [f32]),
    /// Bytes, and the size of what 127 stands for.
    Bytes(&'a [i8], f32),
    /// Bits, the first in the lowest place.
    Bits(&'a [u64]),
}

impl View<'_> {
    /// The components of the vector of length one, as nearly as its form has them.
    pub fn components(self, dimension: usize) -> Vec<f32> {
        match self {
            Self::Floats(floats) => floats.to_vec(),
            Self::Bytes(bytes, range) => bytes.iter().map(|byte| f32::from(*byte) * range / BYTE_MAX).collect(),
            Self::Bits(words) => {
                let is_set = |at: usize| words[at / 64] >> (at % 64) & 1 == 1;
                (0..dimension).map(|at| if is_set(at) { 1.0 } else { -1.0 }).collect()
            }
        }
    }

    /// Its bytes as files and `VEMB … RAW` have them, without the range.
    pub fn raw(self) -> Vec<u8> {
        match self {
            Self::Floats(floats) => floats.iter().flat_map(|component| component.to_le_bytes()).collect(),
            Self::Bytes(bytes, _) => bytes.iter().map(|byte| *byte as u8).collect(),
            Self::Bits(words) => words.iter().flat_map(|word| word.to_le_bytes()).collect(),
        }
    }

    /// What 127 stands for, if it is bytes.
    pub fn range(self) -> Option<f32> {
        match self {
            Self::Bytes(_, range) => Some(range),
            Self::Floats(_) | Self::Bits(_) => None,
        }
    }
}

/// The vectors of a set, one for each node.
#[derive(Debug, Clone)]
pub struct Vectors {
    dimension: usize,
    rows: AllRows,
}

#[derive(Debug, Clone)]
enum AllRows {
    Floats(Rows<f32>),
    Bytes(Rows<i8>),
    Bits(Rows<u64>),
}

impl Vectors {
    /// No vectors yet, each of which will have this many components, at least one.
    pub fn new(dimension: usize, quantization: Quantization) -> Self {
        let rows = match quantization {
            Quantization::None => AllRows::Floats(Rows::new(dimension)),
            Quantization::Int8 => AllRows::Bytes(Rows::new(dimension + RANGE_BYTES)),
            Quantization::Binary => AllRows::Bits(Rows::new(dimension.div_ceil(64))),
        };
        Self { dimension, rows }
    }

    /// How many components each has.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The form they are kept in.
    pub fn quantization(&self) -> Quantization {
        match self.rows {
            AllRows::Floats(_) => Quantization::None,
            AllRows::Bytes(_) => Quantization::Int8,
            AllRows::Bits(_) => Quantization::Binary,
        }
    }

    /// The vector of a node.
    #[inline]
    pub fn view(&self, node: u32) -> View<'_> {
        match &self.rows {
            AllRows::Floats(rows) => View::Floats(rows.row(node as usize)),
            AllRows::Bytes(rows) => bytes_view(rows.row(node as usize)),
            AllRows::Bits(rows) => View::Bits(rows.row(node as usize)),
        }
    }

    /// How far two vectors of this set's form are apart.
    #[inline]
    pub fn distance(&self, a: View<'_>, b: View<'_>) -> f32 {
        match (a, b) {
            (View::Bytes(a, a_range), View::Bytes(b, b_range)) => {
                if a_range == 0.0 || b_range == 0.0 {
                    return 1.0;
                }
                let scale = (a_range / BYTE_MAX) * (b_range / BYTE_MAX);
                1.0 - (dot_i8(a, b) as f32 * scale).clamp(-1.0, 1.0)
            }
            (View::Floats(a), View::Floats(b)) => 1.0 - dot_f32(a, b),
            (View::Bits(a), View::Bits(b)) => differing_bits(a, b) as f32 * 2.0 / self.dimension as f32,
            _ => unreachable!("the vectors of a set have one form"),
        }
    }

    /// How far the vectors of two nodes are apart.
    #[inline]
    pub fn between(&self, a: u32, b: u32) -> f32 {
        self.distance(self.view(a), self.view(b))
    }

    /// The addresses of a node's vector, a cache line apart, to be fetched.
    #[inline]
    pub fn lines(&self, node: u32) -> impl Iterator<Item = *const u8> {
        let (start, bytes) = match &self.rows {
            AllRows::Floats(rows) => (rows.row(node as usize).as_ptr().cast::<u8>(), self.dimension * 4),
            AllRows::Bytes(rows) => (rows.row(node as usize).as_ptr().cast(), self.dimension + RANGE_BYTES),
            AllRows::Bits(rows) => (rows.row(node as usize).as_ptr().cast(), self.dimension.div_ceil(64) * 8),
        };
        (0..bytes.min(LINES_MAX * 64)).step_by(64).map(move |offset| start.wrapping_add(offset))
    }

    /// Adds the vector of the next node. It has the form and the dimension of the set.
    pub fn push(&mut self, vector: &Kept) {
        match (&mut self.rows, vector) {
            (AllRows::Floats(rows), Kept::Floats(floats)) => rows.push(floats.iter().copied()),
            (AllRows::Bytes(rows), Kept::Bytes(row)) => rows.push(row.iter().copied()),
            (AllRows::Bits(rows), Kept::Bits(words)) => rows.push(words.iter().copied()),
            _ => unreachable!("the vectors of a set have one form"),
        }
    }

    /// Removes the vector of a node; that of the last node takes its place.
    pub fn swap_remove(&mut self, node: u32) {
        match &mut self.rows {
            AllRows::Floats(rows) => rows.swap_remove(node as usize),
            AllRows::Bytes(rows) => rows.swap_remove(node as usize),
            AllRows::Bits(rows) => rows.swap_remove(node as usize),
        }
    }

    /// Memory they take.
    pub fn heap_bytes(&self) -> usize {
        match &self.rows {
            AllRows::Floats(rows) => rows.heap_bytes(),
            AllRows::Bytes(rows) => rows.heap_bytes(),
            AllRows::Bits(rows) => rows.heap_bytes(),
        }
    }

    /// The number of allocations.
    pub fn allocations(&self) -> usize {
        match &self.rows {
            AllRows::Floats(rows) => rows.allocations(),
            AllRows::Bytes(rows) => rows.allocations(),
            AllRows::Bits(rows) => rows.allocations(),
        }
    }

    /// Reads a vector as files have it: its bytes, and its range if the form has one. None if it has another length.
    pub fn read_raw(&self, raw: &[u8], range: f32) -> Option<Kept> {
        let bytes = match self.quantization() {
            Quantization::None => self.dimension.checked_mul(4)?,
            Quantization::Int8 => self.dimension,
            Quantization::Binary => self.dimension.div_ceil(64) * 8,
        };
        if raw.len() != bytes {
            return None;
        }
        Some(match self.quantization() {
            Quantization::None => {
                Kept::Floats(raw.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
            }
            Quantization::Int8 => {
                Kept::Bytes(raw.iter().copied().chain(range.to_le_bytes()).map(|byte| byte as i8).collect())
            }
            Quantization::Binary => {
                Kept::Bits(raw.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect())
            }
        })
    }
}

/// How many cache lines of a vector are asked for early; the processor itself fetches what follows.
const LINES_MAX: usize = 8;
