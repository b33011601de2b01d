//! Values of the types that Redis brings as modules, in files: an identity, marked pieces, and a mark of their end.
//!
//! ```text
//! name of the type, nine letters of six bits, above its version, ten bits | mark, piece | ... | mark of the end
//! ```
//! A piece is an integer, a floating-point number or a string, each behind a mark that says which. What the pieces mean
//! is known to the file of a type alone, which adds a row to [`TYPES`]: it reads them from [`Pieces`] and writes them to
//! [`PieceWriter`]. A value of few pieces is read at once; one that may be large comes step by step, as other
//! collections do.

#[cfg(test)]
pub mod samples;
mod sketches;

use super::super::format::{kind, module as mark};
use super::super::read::{Cursor, Fault, Reading};
use super::super::version::Since;
use super::super::write::Writer;
use super::pieces::{Load, PieceWriter, Pieces, Steps, Type};
use super::{Begun, Build, Context, Form, Value, json, vector_set};
use crate::db::EntryView;
use crate::types::bundled::Bundled;

/// The types that can be loaded and saved.
pub const TYPES: &[&Type] = &[
    &sketches::BLOOM,
    &sketches::CUCKOO,
    &sketches::COUNT_MIN,
    &sketches::TOP_K,
    &sketches::T_DIGEST,
    &json::TYPE,
    &vector_set::TYPE,
];

/// Letters of a name, by six bits each.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Letters of a name.
const NAME_LETTERS: usize = 9;
const VERSION_BITS: u32 = 10;

/// How these values are saved: others than Redis know modules, but not these.
pub const FORMS: &[Form] =
    &[Form { kind: kind::MODULE_2, since: Since::redis(8), holds: |entry| type_of(entry).is_some(), save }];

fn find(name: &str) -> Option<&'static Type> {
    #[cfg(test)]
    let known = TYPES.iter().chain(samples::TYPES);
    #[cfg(not(test))]
    let known = TYPES.iter();
    known.copied().find(|known| known.name == name)
}

/// The type of an entry's value, if that is one of these.
pub fn type_of(entry: EntryView<'_>) -> Option<&'static Type> {
    let name = entry.collection::<Bundled>()?.value().type_name();
    find(name)
}

fn save(entry: EntryView<'_>, out: &mut Writer<'_>) {
    let (Some(saved), Some(bundled)) = (type_of(entry), entry.collection::<Bundled>()) else { return };
    out.length(identity(saved.name, saved.version));
    (saved.save)(bundled.value(), &mut PieceWriter(out));
    out.length(mark::EOF);
}

/// The number that a name and a version make.
pub fn identity(name: &str, version: u64) -> u64 {
    let letter = |byte: &u8| LETTERS.iter().position(|letter| letter == byte).unwrap_or(0) as u64;
    let name = name.as_bytes().iter().take(NAME_LETTERS).fold(0, |number, byte| number << 6 | letter(byte));
    name << VERSION_BITS | version
}

/// The name in the number of a module, or of a type of its.
pub fn name(identity: u64) -> String {
    (0..NAME_LETTERS as u32)
        .rev()
        .map(|letter| char::from(LETTERS[(identity >> (VERSION_BITS + 6 * letter)) as usize & 63]))
        .collect()
}

/// Begins to read a value whose type has this number; `None` if that is not known, or not in this version.
pub fn begin(identity: u64) -> Option<Begun> {
    let (name, version) = (name(identity), identity & ((1 << VERSION_BITS) - 1));
    let known = find(&name)?;
    known.versions.contains(&version).then(|| begun(known.load, version))
}

fn begun(load: Load, version: u64) -> Begun {
    let pending = match load {
        Load::Whole(read) => Pending::Whole(read, version),
        Load::Steps(begin) => Pending::Steps(begin(version)),
    };
    Begun::Parts(Box::new(Loading { pending, stage: Stage::Pieces }))
}

/// What is done with the pieces, or came of them.
enum Pending {
    Whole(fn(u64, &mut Pieces<'_, '_>) -> Reading<Bundled>, u64),
    Steps(Box<dyn Steps>),
    Read(Bundled),
}

/// How far a value has been read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Pieces,
    End,
    Done,
}

/// A value that is being loaded.
struct Loading {
    pending: Pending,
    stage: Stage,
}

impl Loading {
    /// Reads some pieces; whether they were the last.
    fn pieces(&mut self, cursor: &mut Cursor<'_>) -> Reading<bool> {
        match &mut self.pending {
            Pending::Whole(read, version) => {
                self.pending = Pending::Read(read(*version, &mut Pieces(cursor))?);
                Ok(true)
            }
            Pending::Steps(steps) => steps.step(&mut Pieces(cursor)),
            Pending::Read(_) => Ok(true),
        }
    }
}

impl Build for Loading {
    fn is_complete(&self) -> bool {
        self.stage == Stage::Done
    }

    fn step(&mut self, cursor: &mut Cursor<'_>, _: &mut Context) -> Reading<()> {
        match self.stage {
            Stage::Pieces => {
                if self.pieces(cursor)? {
                    self.stage = Stage::End;
                }
            }
            Stage::End => {
                if cursor.length()? != mark::EOF {
                    return Err(Fault::Bad("the value of a module has more pieces than its type knows"));
                }
                self.stage = Stage::Done;
            }
            Stage::Done => {}
        }
        Ok(())
    }

    fn finish(self: Box<Self>, _: &mut Context) -> Reading<Option<Value>> {
        let bundled = match self.pending {
            Pending::Steps(steps) => steps.finish()?,
            Pending::Read(bundled) => bundled,
            Pending::Whole(..) => return Err(Fault::Bad("the value of a module ends too early")),
        };
        Ok(Some(Value::Bundled(bundled)))
    }
}
