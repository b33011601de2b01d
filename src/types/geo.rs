//! Places on the earth as scores of a sorted set, and searches among them.
//!
//! A place is kept as the number of its cell on a grid of 2^26 by 2^26 (see [`cell`]), 52 bits that a double holds
//! exactly. What is near has similar numbers, so a search looks at nine ranges of scores ([`search`]) and judges what
//! it finds there by distance.
//!
//! Results are those of Redis to the last digit: all is computed in the same order, on a sphere of the same radius.
//! Latitudes end at ±85.05112878, where the square of the Mercator projection ends.

mod cell;
mod search;
#[cfg(test)]
mod tests;

pub use search::{Found, Outline, Search, centroid};

use std::fmt;

use cell::Cell;

/// Degrees from 0 to the ends of all longitudes.
pub const LONGITUDE_MAX: f64 = 180.0;
/// Degrees from 0 to the ends of the latitudes a place can have.
pub const LATITUDE_MAX: f64 = 85.05112878;
/// In metres.
const EARTH_RADIUS: f64 = 6_372_797.560856;
const RADIANS_PER_DEGREE: f64 = std::f64::consts::PI / 180.0;
/// The letters of a geohash.
const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
const GEOHASH_LEN: usize = 11;

fn radians(degrees: f64) -> f64 {
    degrees * RADIANS_PER_DEGREE
}

/// A place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// In degrees east.
    pub longitude: f64,
    /// In degrees north.
    pub latitude: f64,
}

impl Place {
    /// The place at these degrees, unless there is none or it can't be kept.
    pub fn new(longitude: f64, latitude: f64) -> Option<Place> {
        let within = |value: f64, max: f64| (-max..=max).contains(&value);
        let place = Place { longitude, latitude };
        (within(longitude, LONGITUDE_MAX) && within(latitude, LATITUDE_MAX)).then_some(place)
    }

    /// A place well within the map: this one, or one near the end of the map beyond which it lies.
    fn on_the_map(self) -> Place {
        let within = |value: f64, max: f64| value.clamp(-max, max);
        Place { longitude: within(self.longitude, 179.9), latitude: within(self.latitude, 85.0) }
    }

    /// The score it is kept as.
    pub fn score(self) -> u64 {
        Cell::of(self, cell::STEPS_MAX).first_score()
    }

    /// The place that a score stands for, which may be any number: the middle of a cell.
    #[inline]
    pub fn of_score(score: f64) -> Place {
        let area = Cell { bits: score_bits(score), steps: cell::STEPS_MAX }.area();
        let middle = |[min, max]: [f64; 2], limit: f64| ((min + max) / 2.0).min(limit).max(-limit);
        Place { longitude: middle(area.longitudes, LONGITUDE_MAX), latitude: middle(area.latitudes, LATITUDE_MAX) }
    }

    /// Metres to another place along the surface (haversine formula).
    pub fn distance(self, other: Place) -> f64 {
        let half_longitude = ((radians(other.longitude) - radians(self.longitude)) / 2.0).sin();
        if half_longitude == 0.0 {
            return self.latitude_distance(other);
        }
        let (latitude, other) = (radians(self.latitude), radians(other.latitude));
        let half_latitude = ((other - latitude) / 2.0).sin();
        let product = latitude.cos() * other.cos() * half_longitude * half_longitude;
        2.0 * EARTH_RADIUS * (half_latitude * half_latitude + product).sqrt().asin()
    }

    /// Metres to the latitude of another place.
    fn latitude_distance(self, other: Place) -> f64 {
        EARTH_RADIUS * (radians(other.latitude) - radians(self.latitude)).abs()
    }

    /// Its standard geohash. That counts latitudes up to 90 degrees, and has 55 bits of which the last three are
    /// missing here.
    pub fn geohash(self) -> [u8; GEOHASH_LEN] {
        let bits = cell::interleaved(self, cell::STEPS_MAX, 90.0);
        std::array::from_fn(|index| match (cell::STEPS_MAX * 2).checked_sub((index as u32 + 1) * 5) {
            Some(shift) => ALPHABET[(bits >> shift) as usize % ALPHABET.len()],
            None => ALPHABET[0],
        })
    }
}

/// The integer in a score, as x86 converts it: what exceeds 64 bits is the lowest or no number, and a negative score is
/// taken modulo 2^64.
#[inline]
fn score_bits(score: f64) -> u64 {
    const TWO_TO_63: f64 = (1u64 << 63) as f64;
    if score < TWO_TO_63 {
        score as i64 as u64
    } else if score < 2.0 * TWO_TO_63 {
        score as u64
    } else {
        0
    }
}

/// Prints a distance with four decimals.
pub struct Distance(pub f64);

impl fmt::Display for Distance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scaled = (self.0 * 10_000.0).round_ties_even();
        // What is no number, or too big, is the lowest integer in Redis.
        let scaled = if scaled.abs() < i64::MAX as f64 { scaled as i64 } else { i64::MIN };
        let sign = if scaled < 0 { "-" } else { "" };
        let magnitude = scaled.unsigned_abs();
        write!(formatter, "{sign}{}.{:04}", magnitude / 10_000, magnitude % 10_000)
    }
}
