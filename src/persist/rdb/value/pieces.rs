//! The pieces of a value of a type that Redis brings as a module, and what the file of such a type says of it.

use std::io;
use std::ops::RangeInclusive;

use super::super::format::module as mark;
use super::super::read::{Cursor, Fault, Reading, Text};
use super::super::write::Writer;
use crate::types::bundled::{self, Bundled};

/// A type as it is in files.
pub struct Type {
    /// The name of the type, nine letters.
    pub name: &'static str,
    /// The versions of its form that can be read.
    pub versions: RangeInclusive<u64>,
    /// How a value is read.
    pub load: Load,
    /// Writes the pieces of a value.
    pub save: fn(&dyn bundled::Value, &mut PieceWriter<'_, '_>),
    /// The version that is written.
    pub version: u64,
    /// Writes a value as commands; without it that is RESTORE.
    pub rewrite: Option<Rewrite>,
}

/// Writes a value as commands: is given its key, and what takes each command.
pub type Rewrite = fn(&[u8], &dyn bundled::Value, TakeCommand<'_>) -> io::Result<()>;

/// Takes the words of a command.
pub type TakeCommand<'a> = &'a mut dyn FnMut(&[&[u8]]) -> io::Result<()>;

/// How values of a type are read. Either is given the version of the form.
#[derive(Clone, Copy)]
pub enum Load {
    /// At once: for values of few pieces. It is read again from its beginning while it is not all there.
    Whole(fn(u64, &mut Pieces<'_, '_>) -> Reading<Bundled>),
    /// In steps.
    Steps(fn(u64) -> Box<dyn Steps>),
}

/// A value that is read in steps.
pub trait Steps {
    /// Reads some more pieces; whether they were the last. On a fault nothing has changed: the same step is tried again
    /// when there is more.
    fn step(&mut self, pieces: &mut Pieces<'_, '_>) -> Reading<bool>;

    /// The value.
    fn finish(self: Box<Self>) -> Reading<Bundled>;
}

/// The pieces of a value, to be read in the order in which they were written.
pub struct Pieces<'c, 'b>(pub(super) &'c mut Cursor<'b>);

impl<'b> Pieces<'_, 'b> {
    fn expect(&mut self, expected: u64) -> Reading<()> {
        match self.0.length()? {
            found if found == expected => Ok(()),
            _ => Err(Fault::Bad("a piece of another kind in the value of a module")),
        }
    }

    /// An integer that is not negative.
    pub fn unsigned(&mut self) -> Reading<u64> {
        self.expect(mark::UNSIGNED)?;
        self.0.length()
    }

    /// A number of 8 bytes.
    pub fn double(&mut self) -> Reading<f64> {
        self.expect(mark::DOUBLE)?;
        self.0.u64().map(f64::from_bits)
    }

    /// A string.
    pub fn string(&mut self) -> Reading<Text<'b>> {
        self.expect(mark::STRING)?;
        self.0.text()
    }

    /// A string, owned.
    pub fn vec(&mut self) -> Reading<Vec<u8>> {
        self.string().map(Text::into_vec)
    }
}

/// Takes the pieces of a value.
pub struct PieceWriter<'o, 'w>(pub(super) &'o mut Writer<'w>);

impl PieceWriter<'_, '_> {
    /// An integer that is not negative.
    pub fn unsigned(&mut self, value: u64) {
        self.0.length(mark::UNSIGNED);
        self.0.length(value);
    }

    /// A number of 8 bytes.
    pub fn double(&mut self, value: f64) {
        self.0.length(mark::DOUBLE);
        self.0.double(value);
    }

    /// A string.
    pub fn string(&mut self, text: &[u8]) {
        self.0.length(mark::STRING);
        self.0.string(text);
    }
}
