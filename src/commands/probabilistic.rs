//! Sketches, as Redis brings them as the module `bf`: Bloom and cuckoo filters, Count-Min, Top-K, t-digests.
//!
//! Options, replies and errors are those of RedisBloom, which tells no keyspace events of its own. Its options are
//! found by a word anywhere behind the command's name ([`word`]), or by their first letters, as each command has it.

pub mod bloom;
pub mod count_min;
pub mod cuckoo;
pub mod t_digest;
pub mod top_k;

use crate::command::spec::{Access, Keys};
use crate::command::{Args, Error};
use crate::util::number;

const READS: &[Keys] = &[Keys::at(1, Access::RO.and(Access::ACCESS))];
const UPDATES: &[Keys] = &[Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::UPDATE))];
const INSERTS: &[Keys] = &[Keys::at(1, Access::RW.and(Access::INSERT))];

const NO_KEY: Error = Error::fixed("ERR not found");
const EXISTS: Error = Error::fixed("ERR item exists");

/// Where a word is among the arguments from one on.
fn word(args: Args<'_>, from: usize, word: &str) -> Option<usize> {
    (from..args.len()).find(|at| args.is(*at, word))
}

/// An integer, or this error.
fn integer(args: Args<'_>, at: usize, error: Error) -> Result<i64, Error> {
    args.try_get(at).and_then(number::parse_i64).ok_or(error)
}

/// A number, or this error.
fn double(args: Args<'_>, at: usize, error: Error) -> Result<f64, Error> {
    args.try_get(at).and_then(number::parse_f64).ok_or(error)
}

/// The letter of an argument at a place, in lower case; NUL if it is shorter.
fn letter(args: Args<'_>, at: usize, place: usize) -> u8 {
    args.get(at).get(place).map_or(0, u8::to_ascii_lowercase)
}
