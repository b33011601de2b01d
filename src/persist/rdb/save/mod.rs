//! Saving a whole data set.
//!
//! The version written is the lowest that holds the data, from that of Redis 7.0 on: what is newer than that decides,
//! see [`super::forms`]. What no fork holds together is written in our own form.

use std::io;

use super::format::opcode;
use super::forms;
use super::version::{Since, Version};
use super::write::{Sink, Writer};
use crate::db::{Databases, EntryView};
use crate::types::uncommon;

/// What holds fields that expire: they have a form in each fork.
const FIELD_EXPIRY: Since = Since::redis(12).or(Since::valkey(80));

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

/// How a file is written, and in which version.
type How<'a> = (&'a Options, Version);

/// Looks on while keys are saved: called after each, with the number of keys so far.
pub type OnKey<'a> = &'a mut dyn FnMut(u64);

/// Writes all databases to a sink; how many bytes that took.
///
/// # Errors
/// Those of the sink.
pub fn save(db: &Databases, options: &Options, sink: &mut dyn Sink, on_key: OnKey<'_>) -> io::Result<u64> {
    let mut out = Writer::to(sink, options.checksum, options.compress);
    let version = lowest(db);
    out.raw(&version.magic());
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
        save_database(db, index, (options, version), &mut out, &mut |saved_here| on_key(saved + saved_here));
        saved += db.database(index).dict.len() as u64;
    }
    out.byte(opcode::EOF);
    let sum = out.checksum();
    out.raw(&sum.to_le_bytes());
    out.finish()
}

/// The lowest version that holds the data. Of all keys that is asked only if something was ever made that is younger
/// than Redis 7.0, besides fields that expire, which are counted anyway.
fn lowest(db: &Databases) -> Version {
    let dicts = || (0..db.count()).map(|index| &db.database(index).dict);
    let mut since = Since::both(Version::LOWEST.number);
    if dicts().any(|dict| dict.planned_len() > 0) {
        since = since.and(FIELD_EXPIRY);
    }
    if uncommon::were_made() {
        since = dicts().flat_map(|dict| dict.iter()).map(forms::since).fold(since, Since::and);
    }
    since.version()
}

fn save_database(db: &Databases, index: usize, how: How<'_>, out: &mut Writer<'_>, on_key: OnKey<'_>) {
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
            save_key(db, entry, how, out);
            saved += 1;
            on_key(saved);
        }
    }
}

fn save_key(db: &Databases, entry: EntryView<'_>, (options, version): How<'_>, out: &mut Writer<'_>) {
    let Some(form) = forms::form(entry, version) else { return };
    if let Some(at) = entry.expire_at() {
        out.byte(opcode::EXPIRE_MS);
        out.time_ms(at);
    }
    match options.usage {
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
    out.byte(form.kind);
    out.string(entry.key());
    (form.save)(entry, out);
}

/// Bytes of a value in an RDB file, for DEBUG OBJECT.
pub fn saved_bytes(entry: EntryView<'_>, compress: bool) -> u64 {
    let mut nowhere = io::sink();
    let mut out = Writer::to(&mut nowhere, false, compress);
    if let Some(form) = forms::form(entry, forms::since(entry).version()) {
        (form.save)(entry, &mut out);
    }
    out.finish().unwrap_or(0)
}
