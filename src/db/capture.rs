//! The content of a dictionary as it is at one moment, copied out while it changes.
//!
//! A snapshot without a second process is taken key by key, in slices of time between which commands run. What they
//! change must not be seen in it. So whoever is about to change something copies it first, if it was not copied yet
//! ([`Capture::before_change`]), and the slices ([`Capture::step`]) pass over what was. Each key there was at the
//! beginning is copied exactly once, and none that came later.
//!
//! ```text
//! hashes    0 ──────────────────────────────────────────────────────────── 2^64
//! cells     |  |  |  |  |  |  |  |  |  |  |  |  |  |  |  |  |  |  |  |  |  |
//! done      |##|##|##|##|##|##|  |  |##|  |  |##|  |  |  |  |  |##|  |  |  |
//!                              ^ next          ^ a key in here was changed
//! ```
//! What is copied at once is a *cell*: all keys whose hashes agree in the first few bits, one or two of them. Cells are
//! ranges of hashes and no places in the table, so it may split, merge and shrink its segments as it likes, and a bit
//! per cell is all there is to be remembered: less than a bit per key, while a snapshot is being taken.
//!
//! Copies are entries of their own, those of small keys one behind the other ([`PackedEntries`]). What is a string of more
//! than a kilobyte is shared with the keyspace until that changes it, and so are the parts of large collections: segments
//! of tables, nodes of lists and blocks of streams ([`crate::types::sharing`]), and the items of sorted sets, which are
//! left to whoever reads them. Nothing of a collection is copied before a command changes it, and then no more than one
//! such part for each that is changed.

#[cfg(test)]
mod tests;

use super::blessed::Blessed;
use super::entry::{Entry, EntryView, PackedEntries};
use super::hasher::{KeyHasher, slot_in};
use super::slot::SLOTS;
use crate::types::table::Table;

/// Bits of a hash that tell which cells share a word of the marks.
const WORD_BITS: u32 = u64::BITS.ilog2();
/// The most bits of a hash that tell a cell.
const BITS_MAX: u32 = 40;
/// Keys of which so many bytes, about, are to be copied are taken cell by cell, so that somebody may look at the time.
const BYTES_AT_ONCE: usize = 64 * 1024;
/// How many keys ahead the memory of an entry is asked for.
const KEYS_AHEAD: usize = 12;
/// Elements of a collection looked at to estimate its size.
const SAMPLES: usize = 2;

/// A table of keys.
type KeyTable = Table<Entry, KeyHasher>;

/// A copy of a key that owns something, or of which something is known beside its entry.
struct Image {
    entry: Entry,
    /// It is not to be evicted.
    blessed: bool,
}

/// How large a database was when a snapshot began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseSize {
    /// Its number.
    pub database: usize,
    /// Its keys.
    pub keys: usize,
    /// Those of them that expire.
    pub expiring: usize,
    /// The slots that have some, and how many, where keys are kept by slot.
    pub slots: Vec<(usize, usize)>,
}

/// Copies of some keys of a database.
#[derive(Default)]
pub struct Images {
    /// The number that the database had at the beginning.
    pub database: usize,
    plain: PackedEntries,
    others: Vec<Image>,
    /// Memory that the others take.
    others_bytes: usize,
}

impl Images {
    fn push(&mut self, entry: EntryView<'_>, blessed: &Blessed) {
        let blessed = blessed.contains_key(entry.key());
        if !blessed && self.plain.push(entry) {
            return;
        }
        self.others_bytes += size_of::<Image>() + entry.heap_bytes(SAMPLES);
        self.others.push(Image { entry: Entry::image_of(entry), blessed });
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.plain.len() + self.others.len()
    }

    /// Memory that they take, about, in bytes; what is shared counts.
    pub fn bytes(&self) -> usize {
        self.plain.bytes() + self.others_bytes
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The copies, and whether each is not to be evicted.
    pub fn iter(&self) -> impl Iterator<Item = (EntryView<'_>, bool)> {
        let plain = self.plain.iter().map(|entry| (entry, false));
        plain.chain(self.others.iter().map(|image| (image.entry.view(), image.blessed)))
    }
}

/// What is copied of a table of keys.
struct Part {
    /// The slot of its keys, where keys are kept by slot.
    slot: usize,
    /// As many bits of a hash tell its cell.
    bits: u32,
    /// A bit for each cell: it was copied.
    done: Box<[u64]>,
}

impl Part {
    fn new(slot: usize, keys: usize) -> Part {
        let bits = keys.max(1).ilog2().clamp(WORD_BITS, BITS_MAX);
        Part { slot, bits, done: vec![0; 1 << (bits - WORD_BITS)].into() }
    }

    fn cell_of(&self, hash: u64) -> u64 {
        hash >> (u64::BITS - self.bits)
    }

    fn is_done(&self, cell: u64) -> bool {
        self.done[(cell >> WORD_BITS) as usize] >> (cell % u64::from(u64::BITS)) & 1 != 0
    }

    fn copy_cell(&mut self, keys: &KeyTable, blessed: &Blessed, cell: u64, images: &mut Images) {
        self.done[(cell >> WORD_BITS) as usize] |= 1 << (cell % u64::from(u64::BITS));
        let prefix = cell << (u64::BITS - self.bits);
        keys.for_each_with_prefix(prefix, self.bits, self.bits, |_, entry| images.push(entry, blessed));
    }

    /// Copies the cells of a word, or one of them if their keys are big.
    fn copy_word(&mut self, keys: &KeyTable, blessed: &Blessed, word: usize, images: &mut Images) {
        let (done, first) = (self.done[word], (word as u64) << WORD_BITS);
        let mut entries: Vec<EntryView<'_>> = Vec::with_capacity(2 << WORD_BITS);
        let prefix = first << (u64::BITS - self.bits);
        keys.for_each_with_prefix(prefix, self.bits - WORD_BITS, self.bits, |hash, entry| {
            if done >> (self.cell_of(hash) - first) & 1 == 0 {
                entries.push(entry);
            }
        });
        let mut bytes = 0;
        for (index, entry) in entries.iter().enumerate() {
            entries.get(index + KEYS_AHEAD).into_iter().for_each(|ahead| ahead.prefetch());
            bytes += entry.heap_bytes(SAMPLES);
        }
        if bytes <= BYTES_AT_ONCE {
            entries.into_iter().for_each(|entry| images.push(entry, blessed));
            self.done[word] = u64::MAX;
        } else {
            self.copy_cell(keys, blessed, first + u64::from(done.trailing_ones()), images);
        }
    }
}

/// What is copied of a dictionary, and what of it is left to be.
pub struct Capture {
    /// A part for each table that has keys.
    parts: Vec<Part>,
    /// The numbers of the parts by slot, where keys are kept by slot; of slots without keys it is beyond all.
    by_slot: Option<Box<[u16]>>,
    /// The first part that may have cells that were not copied, and the first such word in it.
    next: (usize, usize),
    images: Images,
}

impl Capture {
    /// Begins with a dictionary whose tables are those of the slots given and have so many keys; if keys are not kept
    /// by slot there is one.
    pub fn new(database: usize, tables: impl Iterator<Item = (usize, usize)>, by_slot: bool) -> Capture {
        let parts: Vec<Part> = tables.map(|(slot, keys)| Part::new(slot, keys)).collect();
        let by_slot = by_slot.then(|| {
            let mut numbers = vec![u16::MAX; SLOTS];
            parts.iter().enumerate().for_each(|(number, part)| numbers[part.slot] = number as u16);
            numbers.into()
        });
        Capture { parts, by_slot, next: (0, 0), images: Images { database, ..Images::default() } }
    }

    /// Something of this hash is about to be changed, or to come, in a table.
    pub fn before_change(&mut self, keys: &KeyTable, blessed: &Blessed, hash: u64) {
        let number = self.by_slot.as_ref().map_or(0, |numbers| usize::from(numbers[slot_in(hash)]));
        let Some(part) = self.parts.get_mut(number) else { return };
        let cell = part.cell_of(hash);
        if !part.is_done(cell) {
            part.copy_cell(keys, blessed, cell, &mut self.images);
        }
    }

    /// Copies the next keys: those of some cells, or of one if they are big. False if there are none left. `table_of`
    /// knows the table of a slot.
    pub fn step<'t>(&mut self, table_of: impl Fn(usize) -> Option<&'t KeyTable>, blessed: &Blessed) -> bool {
        self.pass_over_done();
        let (number, word) = self.next;
        let Some(part) = self.parts.get_mut(number) else { return false };
        match table_of(part.slot) {
            Some(keys) => part.copy_word(keys, blessed, word, &mut self.images),
            // The last key was copied when it went.
            None => part.done.fill(u64::MAX),
        }
        true
    }

    /// Whether everything was copied.
    pub fn is_complete(&mut self) -> bool {
        self.pass_over_done();
        self.next.0 == self.parts.len()
    }

    fn pass_over_done(&mut self) {
        let (number, word) = &mut self.next;
        while let Some(part) = self.parts.get(*number) {
            match part.done.get(*word) {
                Some(&u64::MAX) => *word += 1,
                Some(_) => return,
                None => (*number, *word) = (*number + 1, 0),
            }
        }
    }

    /// What was copied since the last call, if anything was.
    pub fn take_images(&mut self) -> Option<Images> {
        let next = (!self.images.is_empty()).then(|| Images { database: self.images.database, ..Images::default() })?;
        Some(std::mem::replace(&mut self.images, next))
    }

    /// Memory of what was copied since then, in bytes.
    pub fn bytes(&self) -> usize {
        self.images.bytes()
    }
}
