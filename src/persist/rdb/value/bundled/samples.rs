//! Two types for tests, with pieces of every kind: one is read at once, the other in steps.

use super::super::super::read::{Fault, Reading};
use super::super::pieces::{Load, PieceWriter, Pieces, Steps, Type};
use crate::types::bundled::{Bundled, Value};
use crate::types::digest::Digest;

/// The types.
pub const TYPES: &[&Type] = &[
    &Type { load: Load::Whole(whole), name: Sample::NAMES[0], ..SAMPLE },
    &Type { load: Load::Steps(|_| Box::<Parts>::default()), name: Sample::NAMES[1], ..SAMPLE },
];

const SAMPLE: Type = Type { name: "", versions: 2..=3, load: Load::Whole(whole), save, version: 3, rewrite: None };

/// Numbers of every kind, with texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Whether it is of the type that is read in steps.
    pub in_steps: bool,
    /// What it holds.
    pub items: Vec<(u64, f64, Vec<u8>)>,
}

impl Sample {
    const NAMES: [&'static str; 2] = ["Sample-At", "Sample-St"];
}

impl Value for Sample {
    fn type_name(&self) -> &'static str {
        Sample::NAMES[usize::from(self.in_steps)]
    }

    fn heap_bytes(&self) -> usize {
        size_of::<Sample>() + self.items.iter().map(|item| size_of_val(item) + item.2.len()).sum::<usize>()
    }

    fn free_effort(&self) -> usize {
        self.items.len()
    }

    fn duplicate(&self) -> Box<dyn Value> {
        Box::new(self.clone())
    }

    fn digest(&self, digest: &mut Digest) {
        digest.append(format!("{self:?}").as_bytes());
    }
}

fn save(value: &dyn Value, out: &mut PieceWriter<'_, '_>) {
    let Some(sample) = value.downcast::<Sample>() else { return };
    out.unsigned(sample.items.len() as u64);
    for (number, double, text) in &sample.items {
        out.unsigned(*number);
        out.double(*double);
        out.string(text);
    }
}

fn item(pieces: &mut Pieces<'_, '_>) -> Reading<(u64, f64, Vec<u8>)> {
    Ok((pieces.unsigned()?, pieces.double()?, pieces.vec()?))
}

fn whole(version: u64, pieces: &mut Pieces<'_, '_>) -> Reading<Bundled> {
    assert!((2..=3).contains(&version));
    let items = (0..pieces.unsigned()?).map(|_| item(pieces)).collect::<Reading<_>>()?;
    Ok(Bundled::new(Sample { in_steps: false, items }))
}

#[derive(Default)]
struct Parts {
    left: Option<u64>,
    sample: Sample,
}

impl Steps for Parts {
    fn step(&mut self, pieces: &mut Pieces<'_, '_>) -> Reading<bool> {
        let left = match self.left {
            None => pieces.unsigned()?,
            Some(left) => {
                self.sample.items.push(item(pieces)?);
                left - 1
            }
        };
        self.left = Some(left);
        Ok(left == 0)
    }

    fn finish(self: Box<Self>) -> Reading<Bundled> {
        if self.left != Some(0) {
            return Err(Fault::Bad("a sample that is not complete"));
        }
        Ok(Bundled::new(Sample { in_steps: true, ..self.sample }))
    }
}
