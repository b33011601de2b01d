//! Hashes: fields with values, each of which may expire by itself.
//!
//! ```text
//! listpack     field value field value …            small
//! listpackex   field value time …                   small, and some field has or had an expiry: see `timed`
//! hashtable    a table of fields, one allocation each: see `big` and `field`
//! template-listpack, template-array
//!              value value …, the names elsewhere, shared with others: see `template`
//! ```
//! A hash grows from the first to the third form and never back. To the last ones it only comes if that is asked for, and
//! it leaves them when it gets or loses a field, or one that expires. It is 8 bytes where it lies: the address of a listpack
//! or of a box for the other forms (see `form`).
//!
//! A field whose time has come stays until it is removed. [`Hash::find`] tells it from one that lives, and
//! [`Pair::is_due`] where fields are walked; changing and counting take it like any other.
//!
//! A hash of the latter forms carries a note for the keyspace, see [`ExpiringParts`].

mod big;
mod field;
mod form;
mod saved;
mod template;
#[cfg(test)]
mod tests;
mod timed;

use super::digest::Digest;
use super::listpack::{Element, Elements, IntText, RoomyListpack, ThinListpack};
use super::table::Statistics;
use super::{Collection, ExpiringParts};
use crate::util::alloc::size_class;
use crate::util::random::{Random, Selection};
use big::{BigHash, BigPairs};
use form::{Form, FormMut, FormRef};

pub use saved::HashBytes;
use std::collections::HashSet;
use std::num::NonZeroI64;
pub use template::{FieldSet, figures as template_figures};
use template::{SharedHash, SharedPairs};
use timed::{TimedPack, Triples};

/// Parts of a field in a plain listpack.
const PARTS: usize = 2;
/// More than enough for the head and length of two elements of any size and a time.
const ELEMENTS_OVERHEAD: usize = 64;

/// How often a field is drawn before those that live are counted.
const TRIES_AMONG_DUE: usize = 100;
/// A sample is drawn from a table if it is at most that part of it; a larger one is picked in one walk.
const DRAWN_SHARE: usize = 3;

/// How large a hash of a small form may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashLimits {
    /// The number of fields.
    pub entries: usize,
    /// The length of a field or a value, in bytes.
    pub value: usize,
}

/// Which hashes are to share the names of their fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sharing {
    /// The least number of fields; 0 for no hash at all.
    pub entries_min: usize,
    /// The greatest number of fields; 0 for any.
    pub entries_max: usize,
    /// How many hashes have to share names for that to stay so.
    pub hashes_min: usize,
}

impl Sharing {
    /// Whether it is wanted of a hash with so many fields.
    #[inline]
    pub fn is_wanted(&self, fields: usize) -> bool {
        self.entries_min > 0 && fields >= self.entries_min && (self.entries_max == 0 || fields <= self.entries_max)
    }
}

/// What happens to a field's expiry when its value is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldExpiry {
    /// It goes.
    Clear,
    /// It stays.
    Keep,
    /// It becomes this time, in Unix milliseconds: above 0, with 48 bits.
    At(i64),
}

impl FieldExpiry {
    #[inline(always)]
    fn after(self, old: Option<i64>) -> Option<i64> {
        match self {
            Self::Clear => None,
            Self::Keep => old,
            Self::At(at) => Some(at),
        }
    }
}

/// A field, its value, and when it expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// The field.
    pub field: Element<'a>,
    /// Its value.
    pub value: Element<'a>,
    /// In Unix milliseconds.
    pub expiry: Option<i64>,
}

impl Pair<'_> {
    /// Whether its time is over: a field lives through the millisecond it expires at.
    #[inline]
    pub fn is_due(&self, now_ms: i64) -> bool {
        self.expiry.is_some_and(|at| at < now_ms)
    }
}

/// What a lookup finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// No such field.
    Missing,
    /// A field whose time has come: as good as none.
    Due,
    /// The value.
    Value(Element<'a>),
}

/// A hash.
#[derive(Clone, Default)]
pub struct Hash(Form);

impl Hash {
    /// An empty hash that will have so many fields, with room for some of them if it has to be a table.
    pub fn expecting(fields: usize, room: usize, limits: HashLimits) -> Self {
        let mut hash = Self::default();
        if fields > limits.entries {
            hash.make_table().reserve(room);
        }
        hash
    }

    /// Prepares for setting so many fields. As in Redis they are taken for as many new ones, of whose number alone it may
    /// follow that the hash needs a table.
    #[inline]
    pub fn expect(&mut self, fields: usize, limits: HashLimits) {
        if fields > limits.entries && matches!(self.0.view(), FormRef::Pack(_) | FormRef::Timed(_)) {
            self.make_table();
        }
    }

    /// Looks a field up.
    #[inline]
    pub fn find(&self, field: &[u8], now_ms: i64) -> Found<'_> {
        let (value, expiry) = match self.0.view() {
            FormRef::Pack(pack) => return pack_value(pack, field).map_or(Found::Missing, Found::Value),
            FormRef::Big(big) => match big.get(field) {
                Some(field) => (Element::Bytes(field.value()), field.expiry()),
                None => return Found::Missing,
            },
            FormRef::Timed(pack) => match pack.get(field) {
                Some(pair) => (pair.value, pair.expiry),
                None => return Found::Missing,
            },
            FormRef::Shared(shared) => return shared.get(field).map_or(Found::Missing, Found::Value),
        };
        if expiry.is_some_and(|at| at < now_ms) { Found::Due } else { Found::Value(value) }
    }

    /// The value of a field that lives.
    #[inline]
    pub fn get(&self, field: &[u8], now_ms: i64) -> Option<Element<'_>> {
        match self.find(field, now_ms) {
            Found::Value(value) => Some(value),
            Found::Missing | Found::Due => None,
        }
    }

    /// How many of its fields live. Takes a walk if some have expired.
    pub fn live_len(&self, now_ms: i64) -> usize {
        if self.has_due(now_ms) { self.live_pairs(now_ms).count() } else { self.len() }
    }

    /// Sets a field, which does not expire then; whether it is new.
    #[inline]
    pub fn set(&mut self, field: &[u8], value: &[u8], limits: HashLimits) -> bool {
        self.set_with(field, value, FieldExpiry::Clear, limits)
    }

    /// Sets a field and perhaps its expiry; whether it is new.
    #[inline]
    pub fn set_with(&mut self, field: &[u8], value: &[u8], expiry: FieldExpiry, limits: HashLimits) -> bool {
        let set = match self.0.view_mut() {
            FormMut::Big(big) => Some(big.set(field, value, expiry)),
            FormMut::Pack(_) if matches!(expiry, FieldExpiry::At(_)) => {
                self.give_times();
                return self.set_with(field, value, expiry, limits);
            }
            FormMut::Pack(pack) => pack_set(pack, field, value, limits),
            FormMut::Timed(pack) => timed_set(pack, field, value, expiry, limits),
            FormMut::Shared(shared) => {
                if !matches!(expiry, FieldExpiry::At(_)) && shared.replace(field, value, limits) {
                    return false;
                }
                self.unshare();
                return self.set_with(field, value, expiry, limits);
            }
        };
        set.unwrap_or_else(|| self.make_table().set(field, value, expiry))
    }

    /// Sets or removes the expiry of a field, if it is there. (48 bits, and above 0.)
    pub fn set_expiry(&mut self, field: &[u8], expiry: Option<i64>) {
        match self.0.view_mut() {
            FormMut::Pack(_) | FormMut::Shared(_) if expiry.is_none() => {}
            FormMut::Pack(_) => {
                self.give_times();
                self.set_expiry(field, expiry);
            }
            FormMut::Shared(_) => {
                self.unshare();
                self.set_expiry(field, expiry);
            }
            FormMut::Timed(pack) => pack.set_expiry(field, expiry),
            FormMut::Big(big) => big.set_expiry(field, expiry),
        }
    }

    /// Has fields that live expire at a time (48 bits, and above 0). `each` is told the value of one after the other, `None`
    /// where none lives.
    pub fn expire_each<'f>(
        &mut self,
        names: impl Iterator<Item = &'f [u8]>,
        at: i64,
        now_ms: i64,
        mut each: impl FnMut(&'f [u8], Option<Element<'_>>),
    ) {
        if let FormMut::Big(big) = self.0.view_mut() {
            return big.expire_each(names, at, now_ms, each);
        }
        for name in names {
            let value = self.get(name, now_ms);
            let lives = value.is_some();
            each(name, value);
            if lives {
                self.set_expiry(name, Some(at));
            }
        }
    }

    /// All fields, those whose time has come included.
    #[inline]
    pub fn pairs(&self) -> Pairs<'_> {
        match self.0.view() {
            FormRef::Pack(pack) => Pairs::Pack(pack.iter()),
            FormRef::Timed(pack) => Pairs::Timed(pack.pairs()),
            FormRef::Big(big) => Pairs::Big(big.pairs()),
            FormRef::Shared(shared) => Pairs::Shared(shared.pairs()),
        }
    }

    /// The fields that live.
    pub fn live_pairs(&self, now_ms: i64) -> impl Iterator<Item = Pair<'_>> {
        self.pairs().filter(move |pair| !pair.is_due(now_ms))
    }

    /// A field chosen at random, each with the same probability, those whose time has come included.
    pub fn random(&self, random: &mut Random) -> Option<Pair<'_>> {
        let index = |len: usize, random: &mut Random| random.below(len as u64) as usize;
        match self.0.view() {
            FormRef::Pack(pack) => {
                let at = pack.seek((index(self.len(), random) * PARTS) as isize)?;
                Pairs::Pack(pack.iter_from(at)).next()
            }
            FormRef::Timed(pack) => pack.nth(index(pack.len(), random)),
            FormRef::Big(big) => big.random(random),
            FormRef::Shared(shared) => shared.nth(index(shared.len(), random)),
        }
    }

    /// A field that lives, chosen at random, each with the same probability.
    pub fn random_live(&self, now_ms: i64, random: &mut Random) -> Option<Pair<'_>> {
        let tries = if self.has_due(now_ms) { TRIES_AMONG_DUE } else { 1 };
        let drawn = (0..tries).find_map(|_| self.random(random).filter(|pair| !pair.is_due(now_ms)));
        drawn.or_else(|| {
            let live = self.live_len(now_ms);
            self.live_pairs(now_ms).nth(random.below(live as u64) as usize)
        })
    }

    /// Calls `emit` for `count` different fields out of the `live` that live, every choice being equally likely.
    pub fn sample<'a>(
        &'a self,
        (count, live): (usize, usize),
        now_ms: i64,
        random: &mut Random,
        mut emit: impl FnMut(Pair<'a>),
    ) {
        let drawing_pays = self.as_big().is_some() && count * DRAWN_SHARE <= live && !self.has_due(now_ms);
        if drawing_pays {
            let mut drawn: HashSet<Element<'a>> = HashSet::with_capacity(count);
            while drawn.len() < count
                && let Some(pair) = self.random(random)
            {
                if drawn.insert(pair.field) {
                    emit(pair);
                }
            }
            return;
        }
        let mut selection = Selection::new(live, count);
        self.live_pairs(now_ms).filter(|_| selection.picks(random)).for_each(emit);
    }

    /// One step of an iteration; see [`super::table`] for its guarantee. Small hashes are given at once.
    pub fn scan<'a>(&'a self, cursor: u64, emit: impl FnMut(Pair<'a>)) -> u64 {
        match self.as_big() {
            Some(big) => big.scan(cursor, emit),
            None => {
                self.pairs().for_each(emit);
                0
            }
        }
    }

    /// The figures of its table, if it has one.
    pub fn statistics(&self) -> Option<Statistics> {
        self.as_big().map(BigHash::statistics)
    }

    fn as_big(&self) -> Option<&BigHash> {
        match self.0.view() {
            FormRef::Big(big) => Some(big),
            FormRef::Pack(_) | FormRef::Timed(_) | FormRef::Shared(_) => None,
        }
    }

    /// Makes a plain listpack one with times: Redis does so as soon as a command is about the expiry of fields, whether it
    /// sets one or not, and OBJECT ENCODING shows it.
    pub fn expect_times(&mut self) {
        self.unshare();
        if let FormRef::Pack(_) = self.0.view() {
            self.give_times();
        }
    }

    /// Has a plain listpack share its names with all hashes that have the same.
    pub fn share_names(&mut self, limits: HashLimits) {
        if let FormRef::Pack(_) = self.0.view() {
            self.share_all_names(limits);
        }
    }

    /// Has a hash share its names, of whatever size it is, unless fields of it expire or did so.
    pub fn share_all_names(&mut self, limits: HashLimits) {
        if self.planned().is_some() || self.is_empty() || matches!(self.0.view(), FormRef::Timed(_)) {
            return;
        }
        let texts: Vec<(Vec<u8>, Vec<u8>)> =
            self.pairs().map(|pair| (pair.field.to_vec(), pair.value.to_vec())).collect();
        let names: Vec<&Vec<u8>> = texts.iter().map(|(name, _)| name).collect();
        if let Some(set) = FieldSet::new(&names).filter(|_| self.next_expiry().is_none()) {
            self.0 = Form::shared(set.share(|place| &texts[place].1, limits));
        }
    }

    /// A hash of some fields that shares their names, given its values by their place.
    pub fn of_field_set<'a>(set: &'a FieldSet, value: impl Fn(usize) -> &'a [u8], limits: HashLimits) -> Self {
        if set.len() == 0 { Self::default() } else { Self(Form::shared(set.share(value, limits))) }
    }

    /// How many hashes, this one included, share its names; `None` if it has its own.
    pub fn sharing(&self) -> Option<usize> {
        if let FormRef::Shared(shared) = self.0.view() { Some(shared.hashes()) } else { None }
    }

    /// Has a hash take its names back if it shares them. It is a plain listpack then, or a table if its values were not
    /// in one.
    #[cold]
    pub fn unshare(&mut self) {
        let FormRef::Shared(shared) = self.0.view() else { return };
        let mut pack = RoomyListpack::new();
        let bytes: usize = shared.pairs().map(|pair| pair.field.text_len() + ELEMENTS_OVERHEAD).sum();
        if !shared.is_packed() || !pack.has_room_for(bytes + shared.heap_bytes()) {
            self.make_table();
            return;
        }
        pack.extend(|writer| {
            for pair in shared.pairs() {
                writer.push_text(pair.field.text(&mut IntText::new()));
                writer.push(pair.value);
            }
        });
        self.0 = Form::pack(pack.into_thin());
    }

    #[cold]
    fn give_times(&mut self) {
        let mut pack = TimedPack::default();
        self.pairs().for_each(|pair| pack.insert(&pair.field.to_vec(), pair.value, None));
        self.0 = Form::timed(pack);
    }

    /// Makes a small hash a table.
    #[cold]
    fn make_table(&mut self) -> &mut BigHash {
        let mut big = BigHash::default();
        big.planned = self.planned().and_then(NonZeroI64::new);
        for pair in self.pairs() {
            let expiry = pair.expiry.map_or(FieldExpiry::Clear, FieldExpiry::At);
            big.set(pair.field.text(&mut IntText::new()), pair.value.text(&mut IntText::new()), expiry);
        }
        self.0 = Form::big(big);
        match self.0.view_mut() {
            FormMut::Big(big) => big,
            FormMut::Pack(_) | FormMut::Timed(_) | FormMut::Shared(_) => unreachable!("made one line above"),
        }
    }
}

#[inline]
fn pack_value<'a>(pack: &'a ThinListpack, field: &[u8]) -> Option<Element<'a>> {
    let at = pack.find(field, pack.first()?, PARTS)?;
    pack.next(at).map(|value| pack.get(value))
}

/// Whether a small hash may have such a field.
#[inline]
fn fits(field: &[u8], value: &[u8], limits: HashLimits, has_room_for: impl FnOnce(usize) -> bool) -> bool {
    field.len() <= limits.value
        && value.len() <= limits.value
        && has_room_for(field.len() + value.len() + ELEMENTS_OVERHEAD)
}

/// Sets a field of a plain listpack; whether it is new. `None` if it does not belong there.
#[inline]
fn pack_set(pack: &mut ThinListpack, field: &[u8], value: &[u8], limits: HashLimits) -> Option<bool> {
    if !fits(field, value, limits, |bytes| pack.has_room_for(bytes)) {
        return None;
    }
    let found = pack.first().and_then(|first| pack.find(field, first, PARTS));
    let len = pack.len() / PARTS;
    match found.and_then(|at| pack.next(at)) {
        // The limit may have been lowered.
        Some(_) if len > limits.entries => return None,
        Some(at) => pack.replace(at, Element::of(value)),
        None if len >= limits.entries => return None,
        None => pack.insert(pack.end(), &[Element::of(field), Element::of(value)]),
    }
    Some(found.is_none())
}

/// The same of one with times.
fn timed_set(
    pack: &mut TimedPack,
    field: &[u8],
    value: &[u8],
    expiry: FieldExpiry,
    limits: HashLimits,
) -> Option<bool> {
    let may = fits(field, value, limits, |bytes| pack.has_room_for(bytes))
        && (pack.len() < limits.entries || pack.len() == limits.entries && pack.get(field).is_some());
    may.then(|| pack.set(field, value, expiry))
}

impl ExpiringParts for Hash {
    fn expiry(&self, field: &[u8]) -> Option<Option<i64>> {
        match self.0.view() {
            FormRef::Pack(pack) => pack_value(pack, field).map(|_| None),
            FormRef::Shared(shared) => shared.get(field).map(|_| None),
            FormRef::Timed(pack) => pack.get(field).map(|pair| pair.expiry),
            FormRef::Big(big) => big.get(field).map(|field| field.expiry()),
        }
    }

    #[inline]
    fn next_expiry(&self) -> Option<i64> {
        match self.0.view() {
            FormRef::Pack(_) | FormRef::Shared(_) => None,
            FormRef::Timed(pack) => pack.next_expiry(),
            FormRef::Big(big) => big.next_expiry(),
        }
    }

    #[inline]
    fn planned(&self) -> Option<i64> {
        let planned = match self.0.view() {
            FormRef::Pack(_) | FormRef::Shared(_) => None,
            FormRef::Timed(pack) => pack.planned,
            FormRef::Big(big) => big.planned,
        };
        planned.map(NonZeroI64::get)
    }

    fn set_planned(&mut self, planned: Option<i64>) {
        let planned = planned.and_then(NonZeroI64::new);
        match self.0.view_mut() {
            FormMut::Pack(_) | FormMut::Shared(_) => {}
            FormMut::Timed(pack) => pack.planned = planned,
            FormMut::Big(big) => big.planned = planned,
        }
    }

    fn remove(&mut self, field: &[u8]) -> bool {
        match self.0.view_mut() {
            FormMut::Pack(pack) => {
                let found = pack.first().and_then(|first| pack.find(field, first, PARTS));
                found.map(|at| pack.remove_many(at, PARTS)).is_some()
            }
            FormMut::Timed(pack) => pack.remove(field),
            FormMut::Big(big) => big.remove(field),
            FormMut::Shared(shared) if shared.get(field).is_none() => false,
            FormMut::Shared(_) => {
                self.unshare();
                self.remove(field)
            }
        }
    }

    fn remove_due(&mut self, now_ms: i64, most: usize, removed: &mut dyn FnMut(&[u8])) {
        match self.0.view_mut() {
            FormMut::Pack(_) | FormMut::Shared(_) => {}
            FormMut::Timed(pack) => pack.remove_due(now_ms, most, removed),
            FormMut::Big(big) => big.remove_due(now_ms, most, removed),
        }
    }
}

impl Collection for Hash {
    #[inline]
    fn len(&self) -> usize {
        match self.0.view() {
            FormRef::Pack(pack) => pack.len() / PARTS,
            FormRef::Timed(pack) => pack.len(),
            FormRef::Big(big) => big.len(),
            FormRef::Shared(shared) => shared.len(),
        }
    }

    fn encoding(&self) -> &'static str {
        match self.0.view() {
            FormRef::Pack(_) => "listpack",
            FormRef::Timed(_) => "listpackex",
            FormRef::Big(_) => "hashtable",
            FormRef::Shared(shared) => shared.encoding(),
        }
    }

    fn heap_bytes(&self, samples: usize) -> usize {
        let block = |bytes: usize| if bytes == 0 { 0 } else { size_class(bytes) };
        match self.0.view() {
            FormRef::Pack(pack) => block(pack.capacity()),
            FormRef::Timed(pack) => size_class(size_of::<TimedPack>()) + block(pack.capacity()),
            FormRef::Big(big) => size_class(size_of::<BigHash>()) + big.heap_bytes(samples),
            FormRef::Shared(shared) => size_class(size_of::<SharedHash>()) + shared.heap_bytes(),
        }
    }

    fn free_effort(&self) -> usize {
        match self.0.view() {
            FormRef::Pack(_) | FormRef::Timed(_) => 1,
            FormRef::Big(big) => big.len(),
            FormRef::Shared(shared) => shared.free_effort(),
        }
    }

    fn digest(&self, digest: &mut Digest) {
        let mut text = IntText::new();
        for pair in self.pairs() {
            let mut element = Digest::of(pair.field.text(&mut text));
            element.append(pair.value.text(&mut text));
            if pair.expiry.is_some() {
                element.add(b"!!hexpire!!");
            }
            digest.add_digest(element);
        }
    }
}

/// The fields of a hash.
pub enum Pairs<'a> {
    /// Of a plain listpack.
    Pack(Elements<'a>),
    /// Of one of triples.
    Timed(Triples<'a>),
    /// Of a table.
    Big(BigPairs<'a>),
    /// Of one that shares its names.
    Shared(SharedPairs<'a>),
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Pair<'a>;

    #[inline]
    fn next(&mut self) -> Option<Pair<'a>> {
        match self {
            Self::Pack(elements) => {
                let (field, value) = (elements.next()?, elements.next()?);
                Some(Pair { field, value, expiry: None })
            }
            Self::Timed(triples) => triples.next(),
            Self::Big(pairs) => pairs.next(),
            Self::Shared(pairs) => pairs.next(),
        }
    }
}
