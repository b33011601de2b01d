//! Loading a value: one function, or one builder, per type and encoding.
//!
//! A value that is one string in the file is read at once. One that is many elements is built step by step
//! ([`Build`]), so that its size is no matter of how long clients wait, and so that no more than one element has to be
//! in memory beside it. An empty collection is no value; it was never saved by a sound server.

use super::super::format::{NODE_PACKED, NODE_PLAIN, kind};
use super::super::read::{Cursor, Fault, Reading};
use super::{old, stream};
use crate::db::Entry;
use crate::types::hash::{FieldExpiry, HashLimits};
use crate::types::intset::Intset;
use crate::types::list::{self, End};
use crate::types::listpack::{IntText, Listpack};
use crate::types::set::SetLimits;
use crate::types::{Collection, Hash, List, Set, SortedSet, Stream, sorted_set};

/// About what a short string takes in a file: there is no room made for more members than may have arrived.
const MEMBER_BYTES: usize = 4;
/// Times of fields have that many bits.
const TIME_BITS: u32 = 48;

/// How values are to be made.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The nodes of lists.
    pub list: list::Limits,
    /// The forms of sets.
    pub set: SetLimits,
    /// The forms of sorted sets.
    pub sorted_set: sorted_set::Limits,
    /// The forms of hashes.
    pub hash: HashLimits,
    /// Look for what a sound server would never have saved, even where that takes time.
    pub deep: bool,
}

/// A collection that was loaded.
pub enum Value {
    /// A list.
    List(List),
    /// A set.
    Set(Set),
    /// A sorted set.
    SortedSet(SortedSet),
    /// A hash.
    Hash(Hash),
    /// A stream.
    Stream(Stream),
}

impl Value {
    /// An entry with this value.
    pub fn into_entry(self, key: &[u8], expire: Option<i64>, access: u32) -> Entry {
        match self {
            Value::List(value) => Entry::collection(key, value, expire, access),
            Value::Set(value) => Entry::collection(key, value, expire, access),
            Value::SortedSet(value) => Entry::collection(key, value, expire, access),
            Value::Hash(value) => Entry::collection(key, value, expire, access),
            Value::Stream(value) => Entry::collection(key, value, expire, access),
        }
    }

    fn is_nothing(&self) -> bool {
        match self {
            Value::List(value) => value.is_empty(),
            Value::Set(value) => value.is_empty(),
            Value::SortedSet(value) => value.is_empty(),
            Value::Hash(value) => value.is_empty(),
            Value::Stream(_) => false,
        }
    }

    /// The value, if it is one.
    fn unless_empty(self) -> Option<Value> {
        (!self.is_nothing()).then_some(self)
    }
}

/// A collection that is being loaded.
pub trait Build {
    /// Whether all was read.
    fn is_complete(&self) -> bool;

    /// Reads one more element. On a fault nothing has changed.
    fn step(&mut self, cursor: &mut Cursor<'_>, rules: &Rules) -> Reading<()>;

    /// The value; `None` if it is empty.
    fn finish(self: Box<Self>, rules: &Rules) -> Reading<Option<Value>>;
}

/// What came of beginning to read a value.
pub enum Begun {
    /// It is there; `None` if it is empty.
    Whole(Option<Value>),
    /// It comes element by element.
    Parts(Box<dyn Build>),
}

/// Begins to read a collection of that type.
pub fn begin(kind: u8, cursor: &mut Cursor<'_>, rules: &Rules) -> Reading<Begun> {
    let whole = |value: Value| Ok(Begun::Whole(value.unless_empty()));
    match kind {
        kind::LIST => parts(Texts { left: cursor.count()?, list: List::default() }),
        kind::LIST_QUICKLIST => parts(Nodes { left: cursor.count()?, list: List::default(), ziplists: true }),
        kind::LIST_QUICKLIST_2 => parts(Nodes { left: cursor.count()?, list: List::default(), ziplists: false }),
        kind::LIST_ZIPLIST => whole(Value::List(old::list(&cursor.vec()?, rules)?)),
        kind::SET => {
            let count = cursor.count()?;
            parts(Members { count, left: count, set: Set::default() })
        }
        kind::SET_INTSET => whole(Value::Set(intset(cursor.vec()?, rules)?)),
        kind::SET_LISTPACK => whole(Value::Set(set_listpack(cursor.vec()?, rules)?)),
        kind::ZSET | kind::ZSET_2 => {
            parts(Scores { left: cursor.count()?, entries: Vec::new(), text: kind == kind::ZSET })
        }
        kind::ZSET_ZIPLIST => whole(Value::SortedSet(old::sorted_set(&cursor.vec()?, rules)?)),
        kind::ZSET_LISTPACK => whole(Value::SortedSet(sorted_set_listpack(cursor.vec()?, rules)?)),
        kind::HASH | kind::HASH_FIELD_EXPIRY | kind::HASH_FIELD_EXPIRY_EARLY => {
            let times = match kind {
                kind::HASH => Times::None,
                kind::HASH_FIELD_EXPIRY => Times::Since(cursor.time_ms()?),
                _ => Times::Since(1),
            };
            let left = cursor.count()?;
            let room = left.min(cursor.left() / (2 * MEMBER_BYTES));
            parts(Pairs { left, hash: Hash::expecting(left, room, rules.hash), times })
        }
        kind::HASH_ZIPMAP => whole(Value::Hash(old::hash_zipmap(&cursor.vec()?, rules)?)),
        kind::HASH_ZIPLIST => whole(Value::Hash(old::hash_ziplist(&cursor.vec()?, rules)?)),
        kind::HASH_LISTPACK => whole(Value::Hash(hash_listpack(cursor.vec()?, rules)?)),
        kind::HASH_LISTPACK_EXPIRY | kind::HASH_LISTPACK_EXPIRY_EARLY => {
            if kind == kind::HASH_LISTPACK_EXPIRY {
                cursor.time_ms()?;
            }
            whole(Value::Hash(timed_hash_listpack(cursor.vec()?, rules)?))
        }
        kind::STREAM | kind::STREAM_2 | kind::STREAM_3 => parts(stream::Parts::begin(kind, cursor)?),
        kind::MODULE | kind::MODULE_2 => Err(Fault::Bad("the value of a module, and there are no modules")),
        _ => Err(Fault::Bad("Unknown RDB encoding type")),
    }
}

fn parts(build: impl Build + 'static) -> Reading<Begun> {
    Ok(Begun::Parts(Box::new(build)))
}

/// Goes on building until the value is complete or the cursor has passed `until`; whether it is complete.
pub fn go_on(build: &mut dyn Build, cursor: &mut Cursor<'_>, rules: &Rules, until: usize) -> Reading<bool> {
    while !build.is_complete() {
        if cursor.at() >= until {
            return Ok(false);
        }
        let before = cursor.clone();
        if let Err(fault) = build.step(cursor, rules) {
            *cursor = before;
            return Err(fault);
        }
    }
    Ok(true)
}

/// A listpack from a file.
pub fn listpack(bytes: Vec<u8>, of: &'static str) -> Reading<Listpack> {
    Listpack::checked(bytes).ok_or(Fault::Bad(of))
}

fn intset(bytes: Vec<u8>, rules: &Rules) -> Reading<Set> {
    let ints = Intset::checked(bytes.into_boxed_slice()).ok_or(Fault::Bad("Intset integrity check failed."))?;
    if ints.len() <= rules.set.intset_entries {
        return Ok(Set::from(ints));
    }
    let mut set = Set::default();
    let mut room = IntText::new();
    ints.iter().for_each(|value| _ = set.insert(room.format(value).as_bytes(), &rules.set));
    Ok(set)
}

fn set_listpack(bytes: Vec<u8>, rules: &Rules) -> Reading<Set> {
    const FAULT: Fault = Fault::Bad("Set listpack integrity check failed.");
    let pack = listpack(bytes, "Set listpack integrity check failed.")?;
    let limits = rules.set;
    if pack.len() <= limits.listpack_entries && pack.iter().all(|text| text.text_len() <= limits.listpack_value) {
        return Set::from_listpack(pack).ok_or(FAULT);
    }
    let (mut set, mut room) = (Set::default(), IntText::new());
    let distinct = pack.iter().all(|member| set.insert(member.text(&mut room), &limits));
    distinct.then_some(set).ok_or(FAULT)
}

fn sorted_set_listpack(bytes: Vec<u8>, rules: &Rules) -> Reading<SortedSet> {
    let pack = listpack(bytes, "Zset listpack integrity check failed.")?;
    SortedSet::from_listpack(pack, rules.sorted_set).ok_or(Fault::Bad("Zset listpack integrity check failed."))
}

fn hash_listpack(bytes: Vec<u8>, rules: &Rules) -> Reading<Hash> {
    Hash::from_listpack(bytes, rules.deep, rules.hash).ok_or(Fault::Bad("Hash listpack integrity check failed."))
}

fn timed_hash_listpack(bytes: Vec<u8>, rules: &Rules) -> Reading<Hash> {
    Hash::from_timed_listpack(bytes, rules.hash).ok_or(Fault::Bad("Hash listpack integrity check failed."))
}

/// A list of strings.
struct Texts {
    left: usize,
    list: List,
}

impl Build for Texts {
    fn is_complete(&self) -> bool {
        self.left == 0
    }

    fn step(&mut self, cursor: &mut Cursor<'_>, rules: &Rules) -> Reading<()> {
        let text = cursor.text()?;
        self.list.push(End::Tail, text.bytes(&mut IntText::new()), &rules.list);
        self.left -= 1;
        Ok(())
    }

    fn finish(self: Box<Self>, _: &Rules) -> Reading<Option<Value>> {
        Ok(Value::List(self.list).unless_empty())
    }
}

/// A list of nodes.
struct Nodes {
    left: usize,
    list: List,
    /// They are ziplists, all of them.
    ziplists: bool,
}

impl Build for Nodes {
    fn is_complete(&self) -> bool {
        self.left == 0
    }

    fn step(&mut self, cursor: &mut Cursor<'_>, rules: &Rules) -> Reading<()> {
        let form = if self.ziplists { NODE_PACKED } else { cursor.length()? };
        let bytes = cursor.vec()?;
        match form {
            NODE_PLAIN if bytes.is_empty() => return Err(Fault::Bad("Empty plain quicklist node")),
            NODE_PLAIN => self.list.push_big(bytes, &rules.list),
            NODE_PACKED if self.ziplists => self.list.push_pack(old::repack(&bytes)?, &rules.list),
            NODE_PACKED => self.list.push_pack(listpack(bytes, "Listpack integrity check failed.")?, &rules.list),
            _ => return Err(Fault::Bad("Quicklist integrity check failed.")),
        }
        self.left -= 1;
        Ok(())
    }

    fn finish(self: Box<Self>, _: &Rules) -> Reading<Option<Value>> {
        Ok(Value::List(self.list).unless_empty())
    }
}

/// A set of strings.
struct Members {
    count: usize,
    left: usize,
    set: Set,
}

impl Build for Members {
    fn is_complete(&self) -> bool {
        self.left == 0
    }

    fn step(&mut self, cursor: &mut Cursor<'_>, rules: &Rules) -> Reading<()> {
        let text = cursor.text()?;
        let mut room = IntText::new();
        let member = text.bytes(&mut room);
        if self.left == self.count {
            self.set.expect(self.count, member, &rules.set);
            self.set.reserve(self.count.min(cursor.left() / MEMBER_BYTES));
        }
        if !self.set.insert(member, &rules.set) {
            return Err(Fault::Bad("Duplicate set members detected"));
        }
        self.left -= 1;
        Ok(())
    }

    fn finish(self: Box<Self>, _: &Rules) -> Reading<Option<Value>> {
        Ok(Value::Set(self.set).unless_empty())
    }
}

/// A sorted set of members and scores. They are put in order when all are there.
struct Scores {
    left: usize,
    entries: Vec<(Box<[u8]>, f64)>,
    /// Scores are text.
    text: bool,
}

impl Build for Scores {
    fn is_complete(&self) -> bool {
        self.left == 0
    }

    fn step(&mut self, cursor: &mut Cursor<'_>, _: &Rules) -> Reading<()> {
        let member = cursor.vec()?;
        let score = if self.text { cursor.double_text()? } else { cursor.double()? };
        if score.is_nan() {
            return Err(Fault::Bad("Zset with NAN score detected"));
        }
        self.entries.push((member.into_boxed_slice(), score));
        self.left -= 1;
        Ok(())
    }

    fn finish(self: Box<Self>, rules: &Rules) -> Reading<Option<Value>> {
        let set = SortedSet::checked(self.entries, rules.sorted_set);
        Ok(Value::SortedSet(set.ok_or(Fault::Bad("Zset dup fields detected"))?).unless_empty())
    }
}

/// How the expiry of fields is told.
#[derive(Clone, Copy)]
enum Times {
    /// There is none.
    None,
    /// Counted from a time on, beginning at 1; 0 is none.
    Since(i64),
}

impl Times {
    fn read(self, cursor: &mut Cursor<'_>) -> Reading<FieldExpiry> {
        let Times::Since(first) = self else { return Ok(FieldExpiry::Clear) };
        let Some(later) = cursor.length()?.checked_sub(1) else { return Ok(FieldExpiry::Clear) };
        let at = i64::try_from(later).ok().and_then(|later| first.checked_add(later));
        let at = at.filter(|at| (1..1 << TIME_BITS).contains(at));
        at.map(FieldExpiry::At).ok_or(Fault::Bad("invalid expireAt time of a field"))
    }
}

/// A hash of fields and values.
struct Pairs {
    left: usize,
    hash: Hash,
    times: Times,
}

impl Build for Pairs {
    fn is_complete(&self) -> bool {
        self.left == 0
    }

    fn step(&mut self, cursor: &mut Cursor<'_>, rules: &Rules) -> Reading<()> {
        let expiry = self.times.read(cursor)?;
        let (field, value) = (cursor.text()?, cursor.text()?);
        let (mut field_room, mut value_room) = (IntText::new(), IntText::new());
        let (field, value) = (field.bytes(&mut field_room), value.bytes(&mut value_room));
        if !self.hash.set_with(field, value, expiry, rules.hash) {
            return Err(Fault::Bad("Duplicate hash fields detected"));
        }
        self.left -= 1;
        Ok(())
    }

    fn finish(self: Box<Self>, _: &Rules) -> Reading<Option<Value>> {
        Ok(Value::Hash(self.hash).unless_empty())
    }
}
