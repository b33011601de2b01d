//! The grid: every step halves both ranges of degrees, so that n steps divide the earth into 4^n cells.
//!
//! ```text
//! one step   01 11      longitude bits and latitude bits take turns, longitude first:
//!            00 10      a cell's number begins with that of the cell it lies in
//! ```
//! The cells at the ends of a range have the cells at the other end for neighbours. That is right for longitudes; of
//! latitudes, Redis looks at these, too, and so do we.

use super::{LATITUDE_MAX, LONGITUDE_MAX, Place};

/// As many steps as a score has room for: 52 bits.
pub const STEPS_MAX: u32 = 26;
/// Longitudes stand in the odd bits, latitudes in the even ones.
const LONGITUDE_BITS: u64 = 0xaaaa_aaaa_aaaa_aaaa;
const LATITUDE_BITS: u64 = 0x5555_5555_5555_5555;

/// A cell, by its number and how many steps led to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    pub bits: u64,
    pub steps: u32,
}

/// The degrees a cell covers, each from and to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    pub longitudes: [f64; 2],
    pub latitudes: [f64; 2],
}

/// Moves the bits of a number apart: one each in the even places.
#[inline]
fn spread(number: u32) -> u64 {
    let mut bits = u64::from(number);
    bits = (bits | bits << 16) & 0x0000_ffff_0000_ffff;
    bits = (bits | bits << 8) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | bits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | bits << 2) & 0x3333_3333_3333_3333;
    (bits | bits << 1) & LATITUDE_BITS
}

/// The reverse of [`spread`]: the bits in the even places.
#[inline]
fn gather(bits: u64) -> u32 {
    let mut bits = bits & LATITUDE_BITS;
    bits = (bits | bits >> 1) & 0x3333_3333_3333_3333;
    bits = (bits | bits >> 2) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | bits >> 4) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | bits >> 8) & 0x0000_ffff_0000_ffff;
    (bits | bits >> 16) as u32
}

/// The number of the cell a place lies in, on a grid whose latitudes reach up to `latitude_max`. A place at the very
/// end of a range is beyond the last cell, and its number too high.
pub fn interleaved(place: Place, steps: u32, latitude_max: f64) -> u64 {
    let part = |value: f64, max: f64| ((value - -max) / (max - -max) * (1u64 << steps) as f64) as u32;
    spread(part(place.latitude, latitude_max)) | spread(part(place.longitude, LONGITUDE_MAX)) << 1
}

impl Cell {
    /// The cell a place lies in.
    pub fn of(place: Place, steps: u32) -> Cell {
        Cell { bits: interleaved(place, steps, LATITUDE_MAX), steps }
    }

    /// The lowest score of a place in it.
    pub fn first_score(self) -> u64 {
        self.bits << (2 * (STEPS_MAX - self.steps))
    }

    /// The lowest score behind all those of places in it.
    pub fn end_score(self) -> u64 {
        Cell { bits: self.bits + 1, ..self }.first_score()
    }

    /// The degrees it covers.
    #[inline]
    pub fn area(self) -> Area {
        let cells = (1u64 << self.steps) as f64;
        let range = |number: u32, max: f64| {
            let from = |number: u32| -max + f64::from(number) / cells * (max - -max);
            [from(number), from(number.wrapping_add(1))]
        };
        Area {
            longitudes: range(gather(self.bits >> 1), LONGITUDE_MAX),
            latitudes: range(gather(self.bits), LATITUDE_MAX),
        }
    }

    /// The cell so many cells to the east and to the north, each -1, 0 or 1.
    pub fn neighbour(self, east: i8, north: i8) -> Cell {
        let unused = 64 - 2 * self.steps;
        let step = |bits: u64, own: u64, direction: i8| {
            let (own_bits, other_bits) = (bits & own, bits & !own);
            // The other bits, all set, carry an addition over to the next of the own bits.
            let gaps = !own >> unused;
            let moved = match direction {
                1 => own_bits.wrapping_add(gaps + 1),
                -1 => (own_bits | gaps).wrapping_sub(gaps + 1),
                _ => return bits,
            };
            moved & own >> unused | other_bits
        };
        let bits = step(self.bits, LONGITUDE_BITS, east);
        Cell { bits: step(bits, LATITUDE_BITS, north), ..self }
    }
}
