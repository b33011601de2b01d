//! The sparse form: runs of equal registers, in the order of the registers.
//!
//! ```text
//! 00llllll            l + 1 registers that hold 0, up to 64
//! 01llllll llllllll   l + 1 registers that hold 0, up to 16,384
//! 1vvvvvll            l + 1 registers that hold v + 1, up to 4 and 32
//! ```
//! An observation splits the run its register lies in, into at most three, whereupon neighbours that hold the same are
//! joined. Which neighbours are looked at, and how far, decides about the bytes, so it is done as in Redis: at most
//! five runs, from the one before the change on.
//!
//! Finding the run is what takes the time. Eight bytes without a long run of zeros are skipped at once, when the sum
//! of their lengths says that the register lies behind them. Who stores registers in ascending order goes on where the
//! last change was ([`Position`]).

use std::ops::Range;

use super::estimate::Histogram;
use super::{Corrupted, HEADER_BYTES, Observation, REGISTERS, forget_count};

/// The highest value that can be expressed.
const VALUE_MAX: u8 = 32;
/// Zeros that one byte can express.
const SHORT_ZEROS_MAX: usize = 64;
const VALUES_LEN_MAX: usize = 4;
/// Two runs of zeros of two bytes, and a value.
const REPLACEMENT_MAX: usize = 5;
/// Runs that are looked at when neighbours are joined.
const JOINED_RUNS_MAX: usize = 5;
/// Spare room that a growing form is given.
const SPARE_BYTES: usize = 64;

const LONG_ZEROS: u8 = 0x40;
const VALUES: u8 = 0x80;

/// Equal registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// What they hold.
    pub value: u8,
    /// How many they are.
    pub len: usize,
    /// How many bytes express them: two for a long run of zeros.
    pub size: usize,
}

/// The run that begins at a place. Behind the end there is none; a byte that is missing there is taken for 0.
#[inline(always)]
fn run_at(bytes: &[u8], at: usize) -> Option<Run> {
    let first = *bytes.get(at)?;
    let low = usize::from(first & 0x3f);
    Some(if first & VALUES != 0 {
        Run { value: (first >> 2 & 0x1f) + 1, len: usize::from(first & 3) + 1, size: 1 }
    } else if first & LONG_ZEROS != 0 {
        let second = bytes.get(at + 1).copied().unwrap_or(0);
        Run { value: 0, len: (low << 8 | usize::from(second)) + 1, size: 2 }
    } else {
        Run { value: 0, len: low + 1, size: 1 }
    })
}

/// All runs.
pub fn runs(body: &[u8]) -> impl Iterator<Item = Run> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let run = run_at(body, at)?;
        at += run.size;
        Some(run)
    })
}

/// Calls `take` with all runs and the registers they cover, and checks that these are all registers there are.
fn for_each_run(body: &[u8], mut take: impl FnMut(Run, Range<usize>)) -> Result<(), Corrupted> {
    let mut covered = 0;
    for run in runs(body) {
        let registers = covered..covered + run.len;
        covered = registers.end;
        if covered > REGISTERS {
            return Err(Corrupted);
        }
        take(run, registers);
    }
    if covered == REGISTERS { Ok(()) } else { Err(Corrupted) }
}

/// How many registers hold each value.
pub fn histogram(body: &[u8]) -> Result<Histogram, Corrupted> {
    let mut histogram = [0; 64];
    for_each_run(body, |run, _| histogram[usize::from(run.value % 64)] += run.len as u32)?;
    Ok(histogram)
}

/// Raises registers, a byte each, to those of a body.
pub fn merge_into(body: &[u8], registers: &mut [u8; REGISTERS]) -> Result<(), Corrupted> {
    for_each_run(body, |run, covered| {
        if run.value > 0 {
            let covered = registers.get_mut(covered).unwrap_or_default();
            covered.iter_mut().for_each(|register| *register = (*register).max(run.value));
        }
    })
}

/// Appends the form of registers that all hold 0.
pub fn push_zeros(bytes: &mut Vec<u8>) {
    let mut runs = Replacement::default();
    runs.push_zeros(REGISTERS);
    bytes.extend_from_slice(runs.bytes());
}

/// Where a run begins: a place in the bytes, that of the run before it, and the first register it covers.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    at: usize,
    before: Option<usize>,
    register: usize,
}

const START: Position = Position { at: HEADER_BYTES, before: None, register: 0 };

/// The length of eight runs of a byte each, unless one of them is none.
#[inline(always)]
fn len_of_eight(chunk: [u8; 8]) -> Option<usize> {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    let word = u64::from_le_bytes(chunk);
    if word & !(word >> 1) & (EACH * u64::from(LONG_ZEROS)) != 0 {
        return None;
    }
    let of_values = (word >> 7 & EACH) * 0xff;
    let lens = word & (EACH * 0x3f) & !(of_values & (EACH * 0x3c));
    let pairs = (lens & 0x00ff_00ff_00ff_00ff) + (lens >> 8 & 0x00ff_00ff_00ff_00ff);
    Some((pairs.wrapping_mul(0x0001_0001_0001_0001) >> 48) as usize + 8)
}

/// Finds the run that covers a register, from `here` on. Also tells of a position before that run, unless it is the
/// one where the search began.
fn find(bytes: &[u8], mut here: Position, register: usize) -> Result<(Run, Position, Option<Position>), Corrupted> {
    let mut left = None;
    loop {
        while let Some((chunk, _)) = bytes.get(here.at..).and_then(|rest| rest.split_first_chunk()) {
            match len_of_eight(*chunk) {
                Some(len) if here.register + len <= register => {
                    left = Some(here);
                    here = Position { at: here.at + 8, before: Some(here.at + 7), register: here.register + len };
                }
                Some(_) | None => break,
            }
        }
        // The run is among the next eight bytes, or a long one is.
        let until = here.at + 8;
        while here.at < until {
            let run = run_at(bytes, here.at).ok_or(Corrupted)?;
            if register < here.register + run.len {
                return Ok((run, here, left));
            }
            left = Some(here);
            here = Position { at: here.at + run.size, before: Some(here.at), register: here.register + run.len };
        }
    }
}

/// A few runs that replace one.
#[derive(Clone, Copy, Debug, Default)]
struct Replacement {
    bytes: [u8; REPLACEMENT_MAX],
    len: usize,
}

impl Replacement {
    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    fn push_zeros(&mut self, len: usize) {
        let [.., high, low] = len.wrapping_sub(1).to_be_bytes();
        match len {
            0 => {}
            1..=SHORT_ZEROS_MAX => self.push(low),
            _ => {
                self.push(LONG_ZEROS | high);
                self.push(low);
            }
        }
    }

    fn push_values(&mut self, value: u8, len: usize) {
        if len > 0 {
            self.push(values(value, len));
        }
    }
}

fn values(value: u8, len: usize) -> u8 {
    VALUES | (value - 1) << 2 | (len - 1) as u8
}

/// A run to be replaced.
#[derive(Clone, Copy, Debug)]
pub struct Edit {
    place: Position,
    removed: usize,
    /// None for a value that can't be expressed.
    added: Option<Replacement>,
    /// A position before `place` that the edit leaves valid.
    left: Option<Position>,
}

/// What an observation changes in the bytes of a HyperLogLog, header included. The search begins at `from`, a position
/// that an edit of the same bytes gave and nothing changed since.
pub fn edit_for(bytes: &[u8], seen: Observation, from: Option<Position>) -> Result<Option<Edit>, Corrupted> {
    let register = usize::from(seen.register);
    if seen.run > VALUE_MAX {
        return Ok(Some(Edit { place: START, removed: 0, added: None, left: None }));
    }
    let (run, place, left) = find(bytes, from.unwrap_or(START), register)?;
    if run.value >= seen.run {
        return Ok(None);
    }
    let end = place.register + run.len;
    if end > REGISTERS || place.at + run.size > bytes.len() {
        return Err(Corrupted);
    }
    let (before, behind) = (register - place.register, end - register - 1);
    let mut added = Replacement::default();
    if run.value == 0 {
        added.push_zeros(before);
        added.push_values(seen.run, 1);
        added.push_zeros(behind);
    } else {
        added.push_values(run.value, before);
        added.push_values(seen.run, 1);
        added.push_values(run.value, behind);
    }
    Ok(Some(Edit { place, removed: run.size, added: Some(added), left }))
}

impl Edit {
    /// Whether the edit is possible without growing beyond `len_max` bytes. What does not grow is.
    pub fn fits(&self, len: usize, len_max: usize) -> bool {
        self.added.is_some_and(|added| added.len <= self.removed || len + added.len - self.removed <= len_max)
    }

    /// Makes the edit in the bytes it was found for. Returns a position from where registers above this one are found.
    pub fn carry_out(&self, bytes: &mut Vec<u8>) -> Option<Position> {
        let added = self.added?;
        if bytes.capacity() < bytes.len() + REPLACEMENT_MAX {
            bytes.reserve_exact(SPARE_BYTES);
        }
        bytes.splice(self.place.at..self.place.at + self.removed, added.bytes().iter().copied());
        join(bytes, self.place.before.unwrap_or(HEADER_BYTES));
        forget_count(bytes);
        self.left
    }
}

/// Joins neighbours that hold the same value, a few runs from `at` on.
fn join(bytes: &mut Vec<u8>, mut at: usize) {
    for _ in 0..JOINED_RUNS_MAX {
        let Some(run) = run_at(bytes, at) else { return };
        match run_at(bytes, at + run.size) {
            Some(next) if run.value > 0 && next.value == run.value && run.len + next.len <= VALUES_LEN_MAX => {
                bytes.remove(at);
                if let Some(joined) = bytes.get_mut(at) {
                    *joined = values(run.value, run.len + next.len);
                }
            }
            Some(_) | None => at += run.size,
        }
    }
}
