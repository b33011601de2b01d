//! Saving a whole data set.
//!
//! The version written is the lowest that holds the data: that of Redis 7.0, unless fields of hashes expire.

mod stream;
pub mod value;

use std::io;

use super::format::{SIGNATURE, VERSION, VERSION_FIELD_EXPIRY, opcode};
use super::write::{Sink, Writer};
use crate::db::{Databases, EntryView};

/// Keys whose memory is asked for together.
const BATCH: usize = 32;

/// What is noted of the use of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    /// Nothing.
    #[default]
    None,
    /// How long each was not used.
    Idle,
    /// How often each is used.
    Frequency,
}

/// What a file contains besides keys, and how it is written.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Information about the file: names and texts.
    pub aux: Vec<(&'static str, String)>,
    /// Libraries of functions.
    pub functions: Vec<Vec<u8>>,
    /// What is noted of the use of keys.
    pub usage: Usage,
    /// End with a checksum.
    pub checksum: bool,
    /// Compress strings.
    pub compress: bool,
}

/// Looks on while keys are saved: called after each, with the number of keys so far.
pub type OnKey<'a> = &'a mut dyn FnMut(u64);

/// Writes all databases to a sink; how many bytes that took.
///
/// # Errors
/// Those of the sink.
pub fn save(db: &Databases, options: &Options, sink: &mut dyn Sink, on_key: OnKey<'_>) -> io::Result<u64> {
    let mut out = Writer::to(sink, options.checksum, options.compress);
    out.raw(SIGNATURE);
    out.raw(format!("{:04}", version(db)).as_bytes());
    for (name, text) in &options.aux {
        out.byte(opcode::AUX);
        out.string(name.as_bytes());
        out.string(text.as_bytes());
    }
    for library in &options.functions {
        out.byte(opcode::FUNCTION);
        out.string(library);
    }
    let mut saved = 0;
    for index in 0..db.count() {
        save_database(db, index, options, &mut out, &mut |saved_here| on_key(saved + saved_here));
        saved += db.database(index).dict.len() as u64;
    }
    out.byte(opcode::EOF);
    let sum = out.checksum();
    out.raw(&sum.to_le_bytes());
    out.finish()
}

/// The lowest version that holds the data.
fn version(db: &Databases) -> u32 {
    let fields_expire = (0..db.count()).any(|index| db.database(index).dict.planned_len() > 0);
    if fields_expire { VERSION_FIELD_EXPIRY } else { VERSION }
}

fn save_database(db: &Databases, index: usize, options: &Options, out: &mut Writer<'_>, on_key: OnKey<'_>) {
    let dict = &db.database(index).dict;
    if dict.is_empty() {
        return;
    }
    out.byte(opcode::SELECT_DB);
    out.length(index as u64);
    out.byte(opcode::RESIZE_DB);
    out.length(dict.len() as u64);
    out.length(dict.expires_len() as u64);
    let mut entries = dict.iter();
    let mut batch: Vec<EntryView<'_>> = Vec::with_capacity(BATCH);
    let mut saved = 0;
    loop {
        batch.extend(entries.by_ref().take(BATCH));
        if batch.is_empty() || out.has_failed() {
            return;
        }
        batch.iter().for_each(|entry| entry.prefetch());
        for entry in batch.drain(..) {
            save_key(db, entry, options.usage, out);
            saved += 1;
            on_key(saved);
        }
    }
}

fn save_key(db: &Databases, entry: EntryView<'_>, usage: Usage, out: &mut Writer<'_>) {
    if let Some(at) = entry.expire_at() {
        out.byte(opcode::EXPIRE_MS);
        out.time_ms(at);
    }
    match usage {
        Usage::None => {}
        Usage::Idle => {
            out.byte(opcode::IDLE);
            out.length(u64::from(db.idle_seconds(entry.access())));
        }
        Usage::Frequency => {
            out.byte(opcode::FREQUENCY);
            out.byte(db.frequency(entry.access()) as u8);
        }
    }
    out.byte(value::kind_of(entry));
    out.string(entry.key());
    value::save(entry, out);
}
