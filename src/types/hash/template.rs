//! Hashes that share their field names: a template has the names, once for all hashes that have just these, and a hash
//! of it keeps the values.
//!
//! ```text
//! template    names in order, by length and then by their bytes; found by their common hash in one registry
//! hash        the template, and: value of the first name, value of the second, …
//!             in a listpack, or each by itself where they are too many or too long for that
//! ```
//! A template never changes. A hash that gets another field, loses one, or has one that is to expire takes its names
//! back and is a hash like others. A template lives as long as a hash or a [`FieldSet`] has it; hashes may be freed by
//! another thread, so counts are atomic and the registry has a lock, which is taken when a template is looked for or
//! ends, not when a hash is made of a field set or is read.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::slice;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use super::{HashLimits, Pair};
use crate::types::item::Item;
use crate::types::listpack::{Element, Elements, IntText, RoomyListpack, ThinListpack};
use crate::util::alloc::size_class;
use crate::util::key_hash::HashSeed;

type Registry = HashMap<u64, Vec<Weak<Template>>>;

static REGISTRY: LazyLock<Mutex<Registry>> = LazyLock::new(Mutex::default);
static TEMPLATES: AtomicUsize = AtomicUsize::new(0);
static TEMPLATE_BYTES: AtomicUsize = AtomicUsize::new(0);
static HASHES: AtomicUsize = AtomicUsize::new(0);
/// About what a template takes in the registry, in bytes.
const PLACE_BYTES: usize = 64;

/// What all templates come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    /// The number of templates.
    pub templates: usize,
    /// The number of hashes that are kept by one.
    pub hashes: usize,
    /// Bytes of the templates.
    pub bytes: usize,
}

/// What there is now.
pub fn figures() -> Figures {
    Figures { templates: TEMPLATES.load(Relaxed), hashes: HASHES.load(Relaxed), bytes: TEMPLATE_BYTES.load(Relaxed) }
}

/// Names of fields, all different, in order.
#[derive(Debug)]
pub struct Template {
    names: Box<[Box<[u8]>]>,
    hash: u64,
    /// Hashes that have these names.
    hashes: AtomicUsize,
}

fn order(one: &[u8], other: &[u8]) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Template {
    /// The template of some names, which are all different and in order.
    fn of(names: &[&[u8]]) -> Arc<Template> {
        let seed = HashSeed::of_process();
        let hash = names.iter().fold(names.len() as u64, |sum, name| sum.rotate_left(1) ^ seed.hash(name));
        // Those that are not wanted are let go when the registry is open again: they may be the last of their kind.
        let mut candidates: Vec<Arc<Template>> = Vec::new();
        let mut registry = registry();
        let place = registry.entry(hash).or_default();
        candidates.extend(place.iter().filter_map(Weak::upgrade));
        let same = |template: &&Arc<Template>| template.names.iter().map(|name| &**name).eq(names.iter().copied());
        if let Some(found) = candidates.iter().find(same) {
            return Arc::clone(found);
        }
        let names = names.iter().map(|name| Box::from(*name)).collect();
        let template = Arc::new(Template { names, hash, hashes: AtomicUsize::new(0) });
        place.push(Arc::downgrade(&template));
        TEMPLATES.fetch_add(1, Relaxed);
        TEMPLATE_BYTES.fetch_add(template.bytes(), Relaxed);
        template
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        self.names.binary_search_by(|other| order(other, name)).ok()
    }

    fn bytes(&self) -> usize {
        let names = self.names.iter().map(|name| size_of::<Box<[u8]>>() + size_class(name.len().max(1)));
        PLACE_BYTES + size_of::<Template>() + names.sum::<usize>()
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        TEMPLATES.fetch_sub(1, Relaxed);
        TEMPLATE_BYTES.fetch_sub(self.bytes(), Relaxed);
        let mut registry = registry();
        if let Some(place) = registry.get_mut(&self.hash) {
            place.retain(|template| template.strong_count() > 0);
            if place.is_empty() {
                registry.remove(&self.hash);
            }
        }
    }
}

/// A template that a hash has: it counts as one of its hashes.
struct Held(Arc<Template>);

impl Held {
    fn new(template: Arc<Template>) -> Held {
        template.hashes.fetch_add(1, Relaxed);
        HASHES.fetch_add(1, Relaxed);
        Held(template)
    }
}

impl Clone for Held {
    fn clone(&self) -> Self {
        Held::new(Arc::clone(&self.0))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.hashes.fetch_sub(1, Relaxed);
        HASHES.fetch_sub(1, Relaxed);
    }
}

/// Names of fields in an order of somebody's own, to make hashes of values that come in that order.
#[derive(Debug)]
pub struct FieldSet {
    template: Arc<Template>,
    /// For each name of the template its place in that order.
    places: Box<[u32]>,
}

impl FieldSet {
    /// A set of names; `None` if one is there twice, or they are too many.
    pub fn new<T: AsRef<[u8]>>(names: &[T]) -> Option<FieldSet> {
        let mut places: Vec<u32> = (0..u32::try_from(names.len()).ok()?).collect();
        let name = |place: u32| names[place as usize].as_ref();
        places.sort_unstable_by(|one, other| order(name(*one), name(*other)));
        if places.windows(2).any(|pair| name(pair[0]) == name(pair[1])) {
            return None;
        }
        let sorted: Vec<&[u8]> = places.iter().map(|place| name(*place)).collect();
        Some(FieldSet { template: Template::of(&sorted), places: places.into() })
    }

    /// The number of names.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Bytes that it takes, the names not counted.
    pub fn own_bytes(&self) -> usize {
        size_of::<FieldSet>() + self.places.len() * size_of::<u32>()
    }

    /// Bytes of its names.
    pub fn name_bytes(&self) -> usize {
        self.template.bytes()
    }

    /// The fields of a hash, given its values by their place.
    pub fn pairs<'a>(&'a self, value: impl Fn(usize) -> &'a [u8]) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.template.names.iter().zip(&self.places).map(move |(name, place)| (&**name, value(*place as usize)))
    }

    /// A hash of these fields that shares their names, given its values by their place.
    pub fn share<'a>(&'a self, value: impl Fn(usize) -> &'a [u8], limits: HashLimits) -> SharedHash {
        let mut bytes = 0;
        let fits = |(_, value): (&[u8], &[u8])| {
            bytes += value.len() + super::ELEMENTS_OVERHEAD;
            value.len() <= limits.value
        };
        let mut pack = RoomyListpack::new();
        // A hash that takes its names back must find them fit for a listpack, too: the last is the longest.
        let names_fit = self.template.names.last().is_none_or(|name| name.len() <= limits.value);
        let all_fit = names_fit && self.pairs(&value).all(fits);
        let values = if self.len() <= limits.entries && all_fit && pack.has_room_for(bytes) {
            pack.extend(|writer| self.pairs(&value).for_each(|(_, value)| writer.push_text(value)));
            Values::Pack(pack.into_thin())
        } else {
            Values::Array(self.pairs(&value).map(|(_, value)| Item::new(value)).collect())
        };
        SharedHash { template: Held::new(Arc::clone(&self.template)), values }
    }
}

/// The values of a hash, in the order of the names.
#[derive(Clone)]
enum Values {
    Pack(ThinListpack),
    Array(Box<[Item]>),
}

/// A hash that shares its names.
#[derive(Clone)]
pub struct SharedHash {
    template: Held,
    values: Values,
}

impl SharedHash {
    /// The number of fields.
    pub fn len(&self) -> usize {
        self.template.0.names.len()
    }

    /// How many hashes share the names.
    pub fn hashes(&self) -> usize {
        self.template.0.hashes.load(Relaxed)
    }

    /// Whether its values are in a listpack.
    pub fn is_packed(&self) -> bool {
        matches!(self.values, Values::Pack(_))
    }

    /// The name that OBJECT ENCODING gives.
    pub fn encoding(&self) -> &'static str {
        if self.is_packed() { "template-listpack" } else { "template-array" }
    }

    /// The memory it owns, the names not counted.
    pub fn heap_bytes(&self) -> usize {
        match &self.values {
            Values::Pack(pack) => size_class(pack.capacity()),
            Values::Array(values) => {
                let each = values.iter().map(|value| Item::heap_bytes(value.bytes().len()));
                size_class(size_of_val(&**values)) + each.sum::<usize>()
            }
        }
    }

    /// About how many allocations are freed with it.
    pub fn free_effort(&self) -> usize {
        if let Values::Array(values) = &self.values { values.len() } else { 1 }
    }

    fn value(&self, index: usize) -> Option<Element<'_>> {
        match &self.values {
            Values::Pack(pack) => pack.seek(index as isize).map(|at| pack.get(at)),
            Values::Array(values) => values.get(index).map(|value| Element::Bytes(value.bytes())),
        }
    }

    /// The value of a field.
    #[inline]
    pub fn get(&self, field: &[u8]) -> Option<Element<'_>> {
        self.template.0.find(field).and_then(|index| self.value(index))
    }

    /// Replaces the value of a field; false if there is none.
    pub fn replace(&mut self, field: &[u8], value: &[u8], limits: HashLimits) -> bool {
        let Some(index) = self.template.0.find(field) else { return false };
        let count = self.len();
        match &mut self.values {
            Values::Array(values) => values[index] = Item::new(value),
            Values::Pack(pack)
                if value.len() <= limits.value
                    && count <= limits.entries
                    && pack.has_room_for(value.len() + super::ELEMENTS_OVERHEAD) =>
            {
                if let Some(at) = pack.seek(index as isize) {
                    pack.replace(at, Element::of(value));
                }
            }
            Values::Pack(pack) => {
                let mut room = IntText::new();
                let mut values: Box<[Item]> = pack.iter().map(|value| Item::new(value.text(&mut room))).collect();
                values[index] = Item::new(value);
                self.values = Values::Array(values);
            }
        }
        true
    }

    /// All fields.
    pub fn pairs(&self) -> SharedPairs<'_> {
        let names = self.template.0.names.iter();
        match &self.values {
            Values::Pack(pack) => SharedPairs::Pack(names, pack.iter()),
            Values::Array(values) => SharedPairs::Array(names, values.iter()),
        }
    }

    /// A field by its place.
    pub fn nth(&self, index: usize) -> Option<Pair<'_>> {
        let (name, value) = (self.template.0.names.get(index)?, self.value(index)?);
        Some(Pair { field: Element::Bytes(name), value, expiry: None })
    }
}

type Names<'a> = slice::Iter<'a, Box<[u8]>>;

/// The fields of a hash that shares its names.
pub enum SharedPairs<'a> {
    /// The values are in a listpack.
    Pack(Names<'a>, Elements<'a>),
    /// Each by itself.
    Array(Names<'a>, slice::Iter<'a, Item>),
}

impl<'a> Iterator for SharedPairs<'a> {
    type Item = Pair<'a>;

    fn next(&mut self) -> Option<Pair<'a>> {
        let (name, value) = match self {
            Self::Pack(names, values) => (names.next()?, values.next()?),
            Self::Array(names, values) => (names.next()?, Element::Bytes(values.next()?.bytes())),
        };
        Some(Pair { field: Element::Bytes(name), value, expiry: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HashLimits = HashLimits { entries: 4, value: 8 };

    fn share(names: &[&str], values: &[&str]) -> SharedHash {
        FieldSet::new(names).expect("different names").share(|place| values[place].as_bytes(), LIMITS)
    }

    #[test]
    fn names_are_shared_in_whatever_order_they_come() {
        let one = share(&["name", "age", "b"], &["x", "7", ""]);
        let other = share(&["b", "age", "name"], &["", "8", "y"]);
        assert!(Arc::ptr_eq(&one.template.0, &other.template.0));
        assert_eq!(one.hashes(), 2);
        let copy = other.clone();
        assert_eq!(copy.hashes(), 3);
        drop(copy);
        assert_eq!(one.hashes(), 2);
        let pairs = |hash: &SharedHash| -> Vec<(Vec<u8>, Vec<u8>)> {
            hash.pairs().map(|pair| (pair.field.to_vec(), pair.value.to_vec())).collect()
        };
        let texts = |pairs: &[(&str, &str)]| -> Vec<(Vec<u8>, Vec<u8>)> {
            pairs.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
        };
        assert_eq!(pairs(&one), texts(&[("b", ""), ("age", "7"), ("name", "x")]));
        assert_eq!(pairs(&other), texts(&[("b", ""), ("age", "8"), ("name", "y")]));
        assert!(one.get(b"age").is_some_and(|value| value.equals(b"7")));
        assert_eq!((one.get(b"aga"), one.get(b"agee"), one.get(b"")), (None, None, None));
        assert_eq!(one.nth(2).map(|pair| pair.field.to_vec()), Some(b"name".to_vec()));
        assert!(one.nth(3).is_none());
    }

    #[test]
    fn a_template_goes_with_the_last_who_has_it() {
        let names = ["only", "of", "this", "test"];
        let set = FieldSet::new(&names).expect("different names");
        let hash = set.share(|_| b"v", LIMITS);
        let weak = Arc::downgrade(&set.template);
        drop(set);
        assert_eq!(hash.hashes(), 1);
        drop(hash);
        assert!(weak.upgrade().is_none());
        let hash = share(&names, &["1", "2", "3", "4"]);
        assert_eq!(hash.hashes(), 1, "another one of the same names");
    }

    #[test]
    fn what_a_listpack_may_not_have_is_kept_by_itself() {
        assert!(FieldSet::new(&["a", "b", "a"]).is_none());
        assert_eq!(share(&["a"], &["123456789"]).encoding(), "template-array");
        assert_eq!(share(&["a", "b", "c", "d", "e"], &["1"; 5]).encoding(), "template-array");
        let mut hash = share(&["a", "b"], &["12345678", "2"]);
        assert!(hash.replace(b"b", b"12345678", LIMITS) && !hash.replace(b"c", b"1", LIMITS));
        assert_eq!((hash.encoding(), hash.free_effort()), ("template-listpack", 1));
        assert!(hash.replace(b"b", b"123456789", LIMITS) && !hash.replace(b"c", b"1", LIMITS));
        assert_eq!((hash.encoding(), hash.free_effort()), ("template-array", 2));
        assert!(hash.replace(b"a", b"1", LIMITS));
        let texts: Vec<Vec<u8>> = hash.pairs().map(|pair| pair.value.to_vec()).collect();
        assert_eq!(texts, [&b"1"[..], b"123456789"]);
        assert_eq!(hash.heap_bytes(), 16 + 8 + 16);
    }

    #[test]
    fn templates_come_and_go_on_many_threads() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..500 {
                        let name = format!("thread:{}", round % 3);
                        let hash = share(&[&name, "x"], &["1", "2"]);
                        assert!(hash.hashes() >= 1 && hash.get(b"x").is_some());
                    }
                });
            }
        });
        let found = registry().values().flatten().filter_map(Weak::upgrade).collect::<Vec<_>>();
        assert!(!found.iter().any(|template| template.names.iter().any(|name| name.starts_with(b"thread:"))));
    }
}
