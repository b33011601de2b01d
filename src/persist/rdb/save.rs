//! Saving a whole data set.
//!
//! The version written is the lowest that holds the data, from that of Redis 7.0 on: what is newer than that decides,
//! see [`super::forms`]. What no fork holds together is written in our own form. If the file is for a certain server
//! it has that one's version, and what that cannot hold is left out or makes the save fail.

use std::io;

use super::format::{PROTECTION, VERSION_AUX, VERSION_CHECKSUM, VERSION_FUNCTIONS, VERSION_USAGE, opcode};
use super::forms;
use super::version::{Since, Version};
use super::write::{Sink, Writer};
use crate::db::dict::Dict;
use crate::db::slot::SLOTS;
use crate::db::{AccessClock, DatabaseSize, Databases, EntryView, Images};
use crate::types::{ValueType, uncommon};

/// The most keys that the event loop asks for the version they need, which holds it up.
pub const KEYS_ASKED_MAX: usize = 10_000;
/// What holds fields that expire: they have a form in each fork.
const FIELD_EXPIRY: Since = Since::redis(12).or(Since::valkey(80));
/// Files that tell how many keys each slot has.
const SLOT_INFO: Since = Since::redis(12).or(Since::valkey(80));
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
    /// The version of the file; without one the lowest that holds the data.
    pub version: Option<Version>,
}

/// Looks on while keys are saved: called after each, with the number of keys so far.
pub type OnKey<'a> = &'a mut dyn FnMut(u64);

/// Something that the version of a file cannot hold.
pub enum Refused<'a> {
    /// The key with a value, and its database.
    Key(usize, EntryView<'a>),
    /// A library of functions.
    Library(&'a [u8]),
}

/// Is told what a file cannot hold; whether that is to be left out.
pub type OnRefused<'a> = &'a mut dyn FnMut(&Refused<'_>) -> bool;

impl Refused<'_> {
    /// What it is, and why it is refused.
    pub fn reason(&self, version: Version) -> String {
        match self {
            Refused::Key(database, entry) => {
                let (key, needs) = (entry.key().escape_ascii(), forms::since(*entry).version());
                let what = match entry.value_type() {
                    ValueType::Bundled(name) => format!("a value of the module type '{name}'"),
                    other => format!("a {} like this", other.name()),
                };
                format!("key '{key}' in DB {database}: {what} needs {needs}, not {version}")
            }
            Refused::Library(code) => {
                let head = code.split(|byte| *byte == b'\n').next().unwrap_or_default().escape_ascii();
                format!("library '{head}': functions need {}, not {version}", Version::redis(VERSION_FUNCTIONS))
            }
        }
    }
}

/// Writes all databases to a sink; how many bytes that took.
///
/// # Errors
/// Those of the sink, and if there is something that the version asked for cannot hold.
pub fn save(db: &Databases, options: &Options, sink: &mut dyn Sink, on_key: OnKey<'_>) -> io::Result<u64> {
    save_some(db, options, sink, on_key, &mut |_| false)
}

/// Writes all that the version holds to a sink, as long as the rest is to be left out; how many bytes that took.
///
/// # Errors
/// Those of the sink, and if something is not to be left out which the version cannot hold.
pub fn save_some(
    db: &Databases,
    options: &Options,
    sink: &mut dyn Sink,
    on_key: OnKey<'_>,
    on_refused: OnRefused<'_>,
) -> io::Result<u64> {
    let version = options.version.unwrap_or_else(|| lowest(db));
    let mut file = File::begin(options, version, db.access_clock(), sink, on_refused);
    let mut saved = 0;
    for index in 0..db.count() {
        file.database(db, index, &mut |saved_here| on_key(saved + saved_here));
        saved += db.database(index).dict.len() as u64;
    }
    file.end()
}

/// What is known of a data set whose keys come one after another.
#[derive(Clone, Debug)]
pub struct Outline {
    /// The databases that are not empty.
    pub sizes: Vec<DatabaseSize>,
    /// How the use of keys is noted.
    pub clock: AccessClock,
    /// The version to be written if the options ask for none.
    pub version: Version,
}

/// Writes copies of keys to a sink, as they come, from any database in any order; how many bytes that took.
///
/// # Errors
/// Those of the sink, and if there is something that the version asked for cannot hold.
pub fn save_images(
    outline: &Outline,
    options: &Options,
    sink: &mut dyn Sink,
    images: &mut dyn Iterator<Item = Images>,
    on_key: OnKey<'_>,
) -> io::Result<u64> {
    let version = options.version.unwrap_or(outline.version);
    let refuse = &mut |_: &Refused<'_>| false;
    let mut file = File::begin(options, version, outline.clock, sink, refuse);
    let mut sizes = outline.sizes.clone();
    let (mut selected, mut saved) = (None, 0);
    for some in images {
        let database = some.database;
        if file.out.has_failed() {
            break;
        }
        if selected.replace(database) != Some(database) {
            let size = sizes.iter().position(|size| size.database == database).map(|place| sizes.swap_remove(place));
            file.select(database, size.as_ref());
            size.iter().for_each(|size| file.slots(size));
        }
        for (entry, blessed) in some.iter() {
            file.key(database, entry, blessed);
            saved += 1;
            on_key(saved);
        }
    }
    file.end()
}

/// The lowest version that holds the data. Of all keys that is asked only if something was ever made that is younger
/// than Redis 7.0, besides fields that expire, which are counted anyway.
fn lowest(db: &Databases) -> Version {
    lowest_of(db, usize::MAX)
}

/// The same, or a version that would hold whatever there ever was in this process, if more than `keys_max` keys would
/// have to be asked.
pub fn lowest_of(db: &Databases, keys_max: usize) -> Version {
    let dicts = || (0..db.count()).map(|index| &db.database(index).dict);
    let mut since = Since::both(Version::LOWEST.number);
    if dicts().any(|dict| dict.planned_len() > 0) {
        since = since.and(FIELD_EXPIRY);
    }
    if dicts().any(|dict| !dict.blessed().is_empty()) {
        since = since.and(PROTECTION);
    }
    let made = || uncommon::made().map(forms::since_made);
    let since = match dicts().map(|dict| dict.len()).sum::<usize>() {
        _ if made().next().is_none() => since,
        keys if keys > keys_max => made().fold(since, Since::and),
        _ => dicts().flat_map(|dict| dict.iter()).map(forms::since).fold(since, Since::and),
    };
    since.version()
}

/// A file that is being written.
struct File<'a> {
    options: &'a Options,
    version: Version,
    clock: AccessClock,
    out: Writer<'a>,
    on_refused: OnRefused<'a>,
}

impl<'a> File<'a> {
    fn begin(
        options: &'a Options,
        version: Version,
        clock: AccessClock,
        sink: &'a mut dyn Sink,
        on_refused: OnRefused<'a>,
    ) -> File<'a> {
        let out = Writer::to(sink, options.checksum && version.is_from(VERSION_CHECKSUM), options.compress);
        let mut file = File { options, version, clock, out, on_refused };
        file.head();
        file
    }

    fn end(mut self) -> io::Result<u64> {
        self.out.byte(opcode::EOF);
        if self.version.is_from(VERSION_CHECKSUM) {
            let sum = self.out.checksum();
            self.out.raw(&sum.to_le_bytes());
        }
        self.out.finish()
    }

    fn head(&mut self) {
        self.out.raw(&self.version.magic());
        let options = self.options;
        if self.version.is_from(VERSION_AUX) {
            for (name, text) in &options.aux {
                self.out.byte(opcode::AUX);
                self.out.string(name.as_bytes());
                self.out.string(text.as_bytes());
            }
        }
        for library in &options.functions {
            if self.version.is_from(VERSION_FUNCTIONS) {
                self.out.byte(opcode::FUNCTION);
                self.out.string(library);
            } else {
                self.refuse(&Refused::Library(library));
            }
        }
    }

    fn refuse(&mut self, what: &Refused<'_>) {
        if !(self.on_refused)(what) {
            self.out.fail(io::Error::other(what.reason(self.version)));
        }
    }

    /// The keys that follow are those of a database; where that is said first it is said how large it is.
    fn select(&mut self, database: usize, size: Option<&DatabaseSize>) {
        self.out.byte(opcode::SELECT_DB);
        self.out.length(database as u64);
        if let Some(size) = size.filter(|_| self.version.is_from(VERSION_AUX)) {
            self.out.byte(opcode::RESIZE_DB);
            self.out.length(size.keys as u64);
            self.out.length(size.expiring as u64);
        }
    }

    /// How large the slots of a database are whose keys come in any order: whoever reads the file makes room for them.
    /// How many keys of each expire is not known, nor of importance; here all slots have the same share of them.
    fn slots(&mut self, size: &DatabaseSize) {
        if SLOT_INFO.allows(self.version) {
            for &(slot, keys) in &size.slots {
                self.slot(slot, keys, keys * size.expiring / size.keys.max(1));
            }
        }
    }

    fn slot(&mut self, slot: usize, keys: usize, expiring: usize) {
        self.out.byte(opcode::SLOT_INFO);
        [slot, keys, expiring].iter().for_each(|number| self.out.length(*number as u64));
    }

    fn database(&mut self, db: &Databases, index: usize, on_key: OnKey<'_>) {
        let dict = &db.database(index).dict;
        if dict.is_empty() {
            return;
        }
        let (keys, expiring) = (dict.len(), dict.expires_len());
        self.select(index, Some(&DatabaseSize { database: index, keys, expiring, slots: Vec::new() }));
        let mut saved = 0;
        if !dict.is_by_slot() || !SLOT_INFO.allows(self.version) {
            return self.entries(index, dict, dict.iter(), &mut saved, on_key);
        }
        for slot in (0..SLOTS).filter(|slot| dict.len_of_slot(*slot) > 0) {
            let expiring = dict.iter_slot(slot).filter(|entry| entry.expire_at().is_some()).count();
            self.slot(slot, dict.len_of_slot(slot), expiring);
            self.entries(index, dict, dict.iter_slot(slot), &mut saved, on_key);
        }
    }

    /// Writes entries of a database; `saved` counts its entries so far.
    fn entries<'e>(
        &mut self,
        index: usize,
        dict: &Dict,
        mut entries: impl Iterator<Item = EntryView<'e>>,
        saved: &mut u64,
        on_key: OnKey<'_>,
    ) {
        let mut batch: Vec<EntryView<'_>> = Vec::with_capacity(BATCH);
        loop {
            batch.extend(entries.by_ref().take(BATCH));
            if batch.is_empty() || self.out.has_failed() {
                return;
            }
            batch.iter().for_each(|entry| entry.prefetch());
            for entry in batch.drain(..) {
                self.key(index, entry, dict.blessed().contains_key(entry.key()));
                *saved += 1;
                on_key(*saved);
            }
        }
    }

    fn key(&mut self, database: usize, entry: EntryView<'_>, blessed: bool) {
        let Some(form) = forms::form(entry, self.version) else {
            return self.refuse(&Refused::Key(database, entry));
        };
        let out = &mut self.out;
        // That a file for an older server cannot tell of protection loses no data.
        if blessed && PROTECTION.allows(self.version) {
            out.byte(opcode::KEY_NO_EVICT);
        }
        if let Some(at) = entry.expire_at() {
            out.byte(opcode::EXPIRE_MS);
            out.time_ms(at);
        }
        match self.options.usage {
            Usage::Idle if self.version.is_from(VERSION_USAGE) => {
                out.byte(opcode::IDLE);
                out.length(u64::from(self.clock.idle_seconds(entry.access())));
            }
            Usage::Frequency if self.version.is_from(VERSION_USAGE) => {
                out.byte(opcode::FREQUENCY);
                out.byte(self.clock.decayed_count(entry.access()) as u8);
            }
            Usage::None | Usage::Idle | Usage::Frequency => {}
        }
        out.byte(form.kind);
        out.string(entry.key());
        (form.save)(entry, out);
    }
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
