//! A scrape, made in steps: each of them takes some tens of microseconds, however many clients and commands there are.

use super::exposition::{Exposition, Format};
use super::sizes::Sizes;
use super::{commands, fields, parts};
use crate::server::observe::info;
use crate::server::observe::info::section::Source;

/// Commands written in a step.
const COMMANDS: usize = 48;
/// The sections of INFO that are lists of fields.
const SECTIONS: &[&str] = &["server", "clients", "memory", "persistence", "stats", "replication", "cpu", "cluster"];

/// What is written in one go.
const PARTS: &[fn(&Source<'_>, &mut Exposition)] =
    &[parts::instance, parts::databases, parts::replication, parts::cluster, parts::incidents, parts::own];

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A section of INFO.
    Section(usize),
    /// What is written in one go.
    Parts,
    /// Counters of commands.
    Counters,
    /// Histograms from a command on.
    Histograms(usize),
    /// Percentiles from a command on.
    Percentiles(usize),
    /// Sizes of values.
    Sizes,
    /// Nothing.
    Done,
}

/// A scrape on its way.
#[derive(Debug)]
pub struct Scrape {
    stage: Stage,
    out: Exposition,
    /// Time it took so far, in microseconds.
    pub took_us: u64,
}

impl Scrape {
    /// One that has yet to begin.
    pub fn new(format: Format) -> Scrape {
        Scrape { stage: Stage::Section(0), out: Exposition::new(format), took_us: 0 }
    }

    /// Does the next step; whether that was the last.
    pub fn step(&mut self, source: &Source<'_>, sizes: &Sizes) -> bool {
        let out = &mut self.out;
        self.stage = match self.stage {
            Stage::Section(index) => match SECTIONS.get(index) {
                Some(name) => {
                    fields::write(&info::section_lines(source, name), out);
                    Stage::Section(index + 1)
                }
                None => Stage::Parts,
            },
            Stage::Parts => {
                PARTS.iter().for_each(|write| write(source, out));
                Stage::Counters
            }
            Stage::Counters => {
                commands::counters(source, out);
                Stage::Histograms(0)
            }
            Stage::Histograms(from) => match commands::histograms(source, out, from, COMMANDS) {
                Some(next) => Stage::Histograms(next),
                None => Stage::Percentiles(0),
            },
            Stage::Percentiles(from) => match commands::percentiles(source, out, from, COMMANDS) {
                Some(next) => Stage::Percentiles(next),
                None => Stage::Sizes,
            },
            Stage::Sizes => {
                sizes.write(out);
                Stage::Done
            }
            Stage::Done => Stage::Done,
        };
        self.stage == Stage::Done
    }

    /// The type of the text, and the text.
    pub fn finish(self) -> (&'static str, String) {
        (self.out.format.content_type(), self.out.finish())
    }
}
