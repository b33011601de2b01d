//! The databases as commands see them.
//!
//! A key whose time has come is treated as absent by every lookup and deleted by the first that meets it; the deletion
//! is noted in a list ([`Databases::take_notes`]) whose consequences — propagation, events, watched keys — are carried
//! out by `server::execution::changes`. So are, where somebody asked for it, reads in vain and new keys, all in the
//! order in which they happened. Time stands still during a command: expiry is judged by the time it began.
//!
//! Lookups come in four kinds: [`read`](Databases::read) and [`inspect`](Databases::inspect) for reading commands,
//! with and without touching the access time ([`peek`](Databases::peek) is no event either);
//! [`write`](Databases::write) for changing what is there; and [`set`](Databases::set) and its kin for replacing it.
//! Only reading counts as hit or miss.

mod access;
pub mod bits;
mod bundled;
mod captures;
mod collections;
mod noting;
mod parts;
mod strays;
mod values;

use std::borrow::Cow;
use std::sync::Arc;

use super::Key;
use super::dict::{Dict, DictProbe, DictSlot};
use super::entry::{Entry, EntryView, StringRef};
use super::evict::EvictionPool;
use super::expire::ExpireCycle;
use super::hasher::KeyHasher;
use super::lazyfree::LazyFree;
use crate::types::ValueType;
use crate::util::random::Random;
pub use access::AccessClock;

/// The key holds a value of another type than the command works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongType;

/// What happens to a key's expiry when its value is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// It goes.
    Clear,
    /// It stays.
    Keep,
    /// It becomes this time, in Unix milliseconds.
    At(i64),
}

/// A new string value.
#[derive(Clone, Debug)]
pub enum NewString<'a> {
    /// Bytes to be copied.
    Bytes(&'a [u8]),
    /// Bytes in an allocation of their own, which is kept.
    Shared(&'a Arc<Vec<u8>>),
    /// An integer.
    Int(i64),
    /// Bytes that are kept as such even if they print an integer, and whether they are "raw" to OBJECT ENCODING.
    Text(Vec<u8>, bool),
}

/// One database.
pub struct Db {
    /// Its keys.
    pub dict: Dict,
    /// Where active expiry goes on.
    pub cycle: ExpireCycle,
}

impl Db {
    fn new() -> Db {
        Db { dict: Dict::new(KeyHasher::of_process()), cycle: ExpireCycle::default() }
    }

    /// Asks the memory of a key's bucket into the cache.
    #[inline(always)]
    pub fn prefetch_bucket(&self, hash: u64) {
        self.dict.prefetch_bucket(hash);
    }

    /// Asks the memory of a key's entry into the cache; its bucket should have been asked for before.
    #[inline(always)]
    pub fn prefetch_entry(&self, hash: u64) {
        self.dict.prefetch_entry(hash);
    }
}

/// Hits, misses and the like.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyspaceStats {
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Keys deleted because their time had come.
    pub expired: u64,
    /// Fields of hashes and members of sets deleted because their time had come.
    pub expired_parts: u64,
}

/// What happened to a key besides what a command did to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteKind {
    /// Its time had come, and it was deleted.
    Expired,
    /// It was read, and is not there.
    Missed,
    /// It was not there, and is now.
    Created,
    /// Its value was replaced.
    Overwritten,
    /// Its value was replaced by one of another type.
    TypeChanged,
    /// It was deleted to make room.
    Evicted,
    /// Fields of it, a hash, were deleted because their time had come.
    FieldsExpired,
    /// Members of it, a set, were deleted because their time had come.
    MembersExpired,
    /// It was deleted because nothing was left in it.
    Emptied,
}

/// A happening to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The database.
    pub db: usize,
    /// The key.
    pub key: Box<[u8]>,
    /// What happened.
    pub kind: NoteKind,
    /// The fields or members it happened to, where it was not the whole key.
    pub parts: Box<[Box<[u8]>]>,
}

impl Note {
    #[cold]
    fn new(db: usize, key: &Key<'_>, kind: NoteKind) -> Note {
        Note { db, key: key.bytes().into(), kind, parts: Box::default() }
    }
}

/// All databases, of which one is selected by the running command's client.
pub struct Databases {
    all: Vec<Db>,
    selected: usize,
    /// The time by which it is judged what has expired.
    now_ms: i64,
    /// The time.
    clock_ms: i64,
    sees_expired: bool,
    /// Changes since the last save.
    pub dirty: u64,
    /// What is counted.
    pub stats: KeyspaceStats,
    /// Where big things are freed.
    pub lazyfree: LazyFree,
    /// Whether the running command notes accesses: see [`Databases::set_touches`].
    touches: bool,
    /// Whether keys carry the time of their last change rather than that of their last access.
    notes_changes: bool,
    /// Whether reads in vain are noted for keyspace events.
    pub notes_misses: bool,
    /// Whether new keys are noted for keyspace events.
    pub notes_new: bool,
    /// Whether replaced values are noted for keyspace events.
    pub notes_replaced: bool,
    /// Whether expired keys stay where they are, unseen: the data stands still during CLIENT PAUSE.
    pub keeps_expired: bool,
    /// Slots whose keys count for nothing here; empty for none.
    stray_slots: Box<[bool]>,
    /// The database where active expiry goes on.
    pub(super) next_to_expire: usize,
    /// Whether the next cycle of active expiry begins with the parts of collections.
    pub(super) parts_first: bool,
    /// The database where random eviction goes on.
    pub(super) next_to_evict: usize,
    /// Candidates for eviction.
    pub(super) eviction_pool: EvictionPool,
    access: AccessClock,
    random: Random,
    notes: Vec<Note>,
    /// What was flushed while a snapshot is being taken that has not got it all.
    flushed: Vec<Flushed>,
}

/// A database that was flushed while a snapshot was being taken that had not got it all.
struct Flushed {
    dict: Dict,
    /// The memory that it takes, about.
    bytes: usize,
}

/// Tries to find a random key that has not expired where expired ones are not deleted.
const RANDOM_TRIES: usize = 100;

impl Databases {
    /// `count` empty databases.
    pub fn new(count: usize) -> Databases {
        Databases {
            all: (0..count).map(|_| Db::new()).collect(),
            selected: 0,
            now_ms: 0,
            clock_ms: 0,
            sees_expired: false,
            dirty: 0,
            stats: KeyspaceStats::default(),
            lazyfree: LazyFree::default(),
            touches: true,
            notes_changes: false,
            notes_misses: false,
            notes_new: false,
            notes_replaced: false,
            keeps_expired: false,
            stray_slots: Box::default(),
            next_to_expire: 0,
            parts_first: false,
            next_to_evict: 0,
            eviction_pool: EvictionPool::default(),
            access: AccessClock::default(),
            random: Random::from_entropy(),
            notes: Vec::new(),
            flushed: Vec::new(),
        }
    }

    /// Prepares for a command on database `db` at `now_ms`.
    #[inline]
    pub fn begin_command(&mut self, db: usize, now_ms: i64) {
        self.selected = db;
        if self.clock_ms != now_ms {
            self.clock_ms = now_ms;
            self.now_ms = if self.sees_expired { 0 } else { now_ms };
            self.access.set_time(now_ms);
        }
    }

    /// Whether nothing expires, for commands that are run again to bring back a data set: what happened then must not
    /// depend on what time it is now. [`Databases::now_ms`] is the beginning of time meanwhile.
    /// Returns what was so before.
    pub fn set_sees_expired(&mut self, sees_expired: bool) -> bool {
        self.now_ms = if sees_expired { 0 } else { self.clock_ms };
        std::mem::replace(&mut self.sees_expired, sees_expired)
    }

    /// How many databases there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// The selected database's number.
    #[inline]
    pub fn selected(&self) -> usize {
        self.selected
    }

    /// Has lookups go to another database, until the next command.
    pub fn select(&mut self, db: usize) {
        self.selected = db;
    }

    /// The time of the command, in Unix milliseconds: what lies before it has expired.
    #[inline]
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// The same where it is not about what has expired: see [`Databases::set_sees_expired`].
    #[inline]
    pub fn clock_ms(&self) -> i64 {
        self.clock_ms
    }

    /// A database.
    #[inline]
    pub fn database(&self, index: usize) -> &Db {
        &self.all[index]
    }

    /// A database, to change it.
    pub fn database_mut(&mut self, index: usize) -> &mut Db {
        &mut self.all[index]
    }

    /// Exchanges two databases.
    pub fn swap(&mut self, one: usize, other: usize) {
        self.all.swap(one, other);
    }

    /// The keys of the selected database.
    #[inline]
    pub fn dict(&self) -> &Dict {
        &self.all[self.selected].dict
    }

    /// What happened to keys since the last call, in order.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// Forgets what happened to keys: nobody wants to know.
    pub fn forget_notes(&mut self) {
        self.notes.clear();
    }

    /// A database's keys, and random numbers to choose among them.
    pub(super) fn dict_and_random(&mut self, db: usize) -> (&Dict, &mut Random) {
        (&self.all[db].dict, &mut self.random)
    }

    /// Notes, and counts, what happened to a key.
    pub(super) fn note(&mut self, db: usize, key: &Key<'_>, kind: NoteKind) {
        self.stats.expired += u64::from(kind == NoteKind::Expired);
        self.notes.push(Note::new(db, key, kind));
    }

    /// The entry of a key that has not expired.
    #[inline]
    fn live(&mut self, key: &Key<'_>) -> Option<DictSlot<'_>> {
        let slot = self.all[self.selected].dict.find_mut(key.hash(), key.bytes())?;
        if slot.view().is_due(self.now_ms) {
            if !self.keeps_expired {
                self.stats.expired += 1;
                Self::remove_due(slot, &mut self.lazyfree, &mut self.notes, self.selected, key);
            }
            return None;
        }
        Some(slot)
    }

    /// Looks a key up for reading, and notes the access.
    pub fn read(&mut self, key: &Key<'_>) -> Option<EntryView<'_>> {
        self.look_up(key, self.touches, self.notes_misses)
    }

    /// Looks a key up for a command that asks about the key rather than for its value: the access time stays.
    #[inline]
    pub fn inspect(&mut self, key: &Key<'_>) -> Option<EntryView<'_>> {
        self.look_up(key, false, self.notes_misses)
    }

    /// Like [`Databases::inspect`], and nobody is told when the key is not there.
    pub fn peek(&mut self, key: &Key<'_>) -> Option<EntryView<'_>> {
        self.look_up(key, false, false)
    }

    /// A key's entry, unless its time has come: then it stays, but is not seen. For those who have looked the key up
    /// already and want to see several entries at once.
    #[inline]
    pub fn read_only(&self, key: &Key<'_>) -> Option<EntryView<'_>> {
        self.dict().find(key.hash(), key.bytes()).filter(|entry| !entry.is_due(self.now_ms))
    }

    /// What noting one access may need of chance, where it has to be known before: nothing is drawn unless frequency is
    /// noted.
    #[inline]
    fn draw(&mut self) -> u64 {
        if self.access.frequency { self.random.next_u64() } else { 0 }
    }

    #[inline(always)]
    fn look_up(&mut self, key: &Key<'_>, touch: bool, tell: bool) -> Option<EntryView<'_>> {
        let Databases { all, selected, now_ms, stats, access, lazyfree, notes, keeps_expired, random, .. } = self;
        match all[*selected].dict.find_lasting(key.hash(), key.bytes(), *now_ms) {
            Ok(entry) => {
                stats.hits += 1;
                if touch {
                    access.note(entry, || random.next_u64());
                }
                Some(entry)
            }
            Err(due) => {
                stats.misses += 1;
                if let Some(due) = due.filter(|_| !*keeps_expired) {
                    stats.expired += 1;
                    Self::remove_due(due, lazyfree, notes, *selected, key);
                }
                if tell {
                    notes.push(Note::new(*selected, key, NoteKind::Missed));
                }
                None
            }
        }
    }

    /// Looks a key up to change it, and notes the access.
    #[inline]
    pub fn write(&mut self, key: &Key<'_>) -> Option<DictSlot<'_>> {
        let (access, touches) = (self.access, self.touches);
        let random = self.draw();
        let slot = self.live(key)?;
        if touches {
            access.note(slot.view(), || random);
        }
        Some(slot)
    }

    /// The type of a key's value, if it is there: neither counted nor noted.
    pub fn value_type(&self, key: &Key<'_>) -> Option<ValueType> {
        self.read_only(key).map(|entry| entry.value_type())
    }

    /// Whether a key exists: neither counted nor noted.
    pub fn exists(&mut self, key: &Key<'_>) -> bool {
        self.live(key).is_some()
    }

    /// Reads a string.
    #[inline(always)]
    pub fn string(&mut self, key: &Key<'_>) -> Result<Option<StringRef<'_>>, WrongType> {
        match self.look_up(key, self.touches, self.notes_misses) {
            None => Ok(None),
            Some(entry) => entry.string().map(Some).ok_or(WrongType),
        }
    }

    /// Reads several strings at once, none of them for longer than this borrow; a missing one reads as empty.
    pub fn strings(&mut self, keys: &[Key<'_>]) -> Result<Vec<Cow<'_, [u8]>>, WrongType> {
        for key in keys {
            self.string(key)?;
        }
        let find = |key: &Key<'_>| self.read_only(key).and_then(|entry| entry.string());
        Ok(keys.iter().map(|key| find(key).map_or(Cow::Borrowed(&[][..]), StringRef::to_cow)).collect())
    }

    /// Asks the memory of several keys into the cache, so that the lookups that follow wait for it only once.
    #[inline]
    pub fn prefetch(&self, keys: &[Key<'_>]) {
        if keys.len() > 1 {
            let dict = self.dict();
            keys.iter().for_each(|key| dict.prefetch_bucket(key.hash()));
            keys.iter().for_each(|key| dict.prefetch_entry(key.hash()));
        }
    }

    /// Looks a string up to change it.
    #[inline]
    pub fn string_mut(&mut self, key: &Key<'_>) -> Result<Option<DictSlot<'_>>, WrongType> {
        match self.write(key) {
            None => Ok(None),
            Some(slot) if slot.view().string().is_some() => Ok(Some(slot)),
            Some(_) => Err(WrongType),
        }
    }

    /// Sets a key to a string, whatever it held.
    pub fn set(&mut self, key: &Key<'_>, value: NewString<'_>, expiry: Expiry) {
        self.set_at_once(key, value, expiry);
    }

    /// [`Databases::set`] as a part of its caller.
    #[inline(always)]
    pub fn set_at_once(&mut self, key: &Key<'_>, value: NewString<'_>, expiry: Expiry) {
        if self.notes_replaced {
            return self.set_noting(key, value, expiry);
        }
        let (access, random) = (&self.access, &mut self.random);
        match self.all[self.selected].dict.probe(key.hash(), key.bytes()) {
            DictProbe::Found(mut slot) => {
                if let (NewString::Bytes(bytes), Expiry::Clear) = (&value, expiry)
                    && slot.overwrite_lasting(bytes)
                {
                    return access.note(slot.view(), || random.next_u64());
                }
                if Self::replace_value(slot, &mut self.lazyfree, self.now_ms, value, expiry, (access, random)) {
                    self.replaced_expired(key);
                }
            }
            DictProbe::Vacant(slot) => {
                slot.insert(Self::new_entry(key, value, expiry, access.new_key()));
                if self.notes_new {
                    self.notes.push(Note::new(self.selected, key, NoteKind::Created));
                }
            }
        }
    }

    /// [`Databases::set`] where replaced values are noted.
    #[cold]
    fn set_noting(&mut self, key: &Key<'_>, value: NewString<'_>, expiry: Expiry) {
        let old = self.value_type(key);
        self.notes_replaced = false;
        self.set(key, value, expiry);
        self.notes_replaced = true;
        if let Some(old) = old {
            self.note_replaced(key, old, ValueType::String);
        }
    }

    /// A key that had expired was overwritten rather than deleted first.
    #[cold]
    fn replaced_expired(&mut self, key: &Key<'_>) {
        self.note(self.selected, key, NoteKind::Expired);
        if self.notes_new {
            self.notes.push(Note::new(self.selected, key, NoteKind::Created));
        }
    }

    /// The value of a key was replaced by one that may be of another type.
    #[cold]
    fn note_replaced(&mut self, key: &Key<'_>, old: ValueType, new: ValueType) {
        self.note(self.selected, key, NoteKind::Overwritten);
        if old != new {
            self.note(self.selected, key, NoteKind::TypeChanged);
        }
    }

    /// Puts an entry in under its key, in the place of the one that is there.
    pub fn put(&mut self, key: &Key<'_>, entry: Entry) {
        debug_assert_eq!(entry.view().key(), key.bytes());
        let now_ms = self.now_ms;
        match self.all[self.selected].dict.probe(key.hash(), key.bytes()) {
            DictProbe::Found(mut slot) => {
                let due = slot.view().is_due(now_ms);
                let new_type = entry.view().value_type();
                let old = slot.update(|old| std::mem::replace(old, entry));
                let old_type = old.view().value_type();
                let lazily = self.lazyfree.lazily.server_del;
                self.lazyfree.dispose(old, lazily);
                if due {
                    self.replaced_expired(key);
                } else if self.notes_replaced {
                    self.note_replaced(key, old_type, new_type);
                }
            }
            DictProbe::Vacant(slot) => {
                slot.insert(entry);
                if self.notes_new {
                    self.notes.push(Note::new(self.selected, key, NoteKind::Created));
                }
            }
        }
    }

    /// Puts in an entry that was loaded, under the hash of its key; gives it back if the key is there already and may
    /// not be replaced. Nobody is told.
    pub fn put_loaded(&mut self, db: usize, hash: u64, entry: Entry, may_replace: bool) -> Result<(), Entry> {
        match self.all[db].dict.probe(hash, entry.view().key()) {
            DictProbe::Vacant(slot) => _ = slot.insert(entry),
            DictProbe::Found(_) if !may_replace => return Err(entry),
            DictProbe::Found(mut slot) => drop(slot.update(|old| std::mem::replace(old, entry))),
        }
        Ok(())
    }

    /// A copy of a key's entry under another key, as if it had just been made.
    pub fn duplicate(&mut self, key: &Key<'_>, copy: &Key<'_>) -> Option<Entry> {
        let access = self.access.new_key();
        let duplicate = self.live(key)?.update(|entry| entry.duplicate(copy.bytes()));
        duplicate.view().set_access(access);
        Some(duplicate)
    }

    /// Takes a key's entry out.
    pub fn take(&mut self, key: &Key<'_>) -> Option<Entry> {
        self.live(key).map(DictSlot::remove)
    }

    /// Deletes a key on behalf of another purpose; whether it was there.
    pub fn delete(&mut self, key: &Key<'_>) -> bool {
        self.unlink(key, self.lazyfree.lazily.server_del)
    }

    /// Deletes a key, with `lazily` so that another thread frees a big value; whether it was there.
    pub fn unlink(&mut self, key: &Key<'_>, lazily: bool) -> bool {
        let entry = self.take(key);
        entry.map(|entry| self.lazyfree.dispose(entry, lazily)).is_some()
    }

    /// A random key that has not expired; expired ones met on the way are deleted.
    pub fn random_key(&mut self) -> Option<Vec<u8>> {
        let mut tries = 0;
        loop {
            let db = &mut self.all[self.selected];
            let entry = db.dict.random(&mut self.random)?;
            let (key, due) = (entry.key().to_vec(), entry.is_due(self.now_ms));
            tries += 1;
            if self.is_stray(&key) {
                if tries >= RANDOM_TRIES {
                    return None;
                }
                continue;
            }
            if !due || (self.keeps_expired && tries == RANDOM_TRIES) {
                return Some(key);
            }
            self.live(&Key::new(&key));
        }
    }

    /// The selected database's entries that have not expired; those of a slot alone if one is given and keys are kept
    /// by slot.
    pub fn live_entries(&self, slot: Option<u16>) -> impl Iterator<Item = EntryView<'_>> {
        let slot = slot.filter(|_| self.dict().is_by_slot());
        let all = slot.is_none().then(|| self.dict().iter());
        let of_slot = slot.map(|slot| self.dict().iter_slot(slot.into()));
        let entries = all.into_iter().flatten().chain(of_slot.into_iter().flatten());
        entries.filter(|entry| !entry.is_due(self.now_ms) && !self.is_stray(entry.key()))
    }

    /// One step of an iteration over the selected database's keys; see [`crate::types::table`] for its guarantee. Keys
    /// that `has_name` does not let through are passed over; expired ones are deleted instead of being returned. With a
    /// slot, and if keys are kept by slot, only that one is walked through.
    pub fn scan<H, E>(&mut self, cursor: u64, slot: Option<u16>, mut has_name: H, mut emit: E) -> u64
    where
        H: FnMut(&[u8]) -> bool,
        E: FnMut(EntryView<'_>),
    {
        let mut due = Vec::new();
        let next = self.dict().scan(cursor, slot, |entry| match has_name(entry.key()) && !self.is_stray(entry.key()) {
            true if entry.is_due(self.now_ms) => due.push(entry.key().to_vec()),
            true => emit(entry),
            false => {}
        });
        due.iter().for_each(|key| _ = self.live(&Key::new(key)));
        next
    }

    /// How often an entry was used lately, on a logarithmic scale, when that is what is noted.
    pub fn frequency(&self, access: u32) -> u32 {
        self.access.decayed_count(access)
    }

    /// Seconds since an entry was last used, when that is what is noted.
    pub fn idle_seconds(&self, access: u32) -> u32 {
        self.access.idle_seconds(access)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_drawn_only_where_frequency_is_noted() {
        let mut databases = Databases::new(1);
        let mut untouched = databases.random.clone();
        let key = Key::new(b"key");
        let use_key = |databases: &mut Databases| {
            databases.set(&key, NewString::Int(1), Expiry::Clear);
            databases.write(&key);
            databases.read(&key).map(|entry| entry.access() & 0xff)
        };
        databases.begin_command(0, 1_000_000);
        use_key(&mut databases);
        assert_eq!(databases.random.clone().next_u64(), untouched.next_u64());
        databases.note_frequency(true, 0, 1);
        databases.delete(&key);
        assert_eq!(use_key(&mut databases), Some(access::NEW_KEY_COUNT + 2));
        assert_eq!(
            use_key(&mut databases),
            Some(access::NEW_KEY_COUNT + 5),
            "an overwritten key is still the same key"
        );
    }

    #[test]
    fn strings_read_together_are_those_read_one_by_one() {
        let mut databases = Databases::new(1);
        databases.begin_command(0, 1_000);
        let [text, number, due, missing] = [b"text", b"numb", b"due ", b"miss"].map(|name| Key::new(name));
        databases.set(&text, NewString::Bytes(b"value"), Expiry::Clear);
        databases.set(&number, NewString::Int(-5), Expiry::Clear);
        databases.set(&due, NewString::Int(7), Expiry::At(999));
        let keys = [number, text, due, missing, text];
        let wanted = [&b"-5"[..], b"value", b"", b"", b"value"];
        assert_eq!(databases.strings(&keys).expect("strings only"), wanted);
        assert_eq!((databases.stats.hits, databases.stats.misses), (3, 2));
        assert!(!databases.exists(&due));
        // What may not be deleted is not seen either.
        databases.set(&due, NewString::Int(7), Expiry::At(999));
        databases.keeps_expired = true;
        assert_eq!(databases.strings(&keys).expect("strings only"), wanted);
    }
}
