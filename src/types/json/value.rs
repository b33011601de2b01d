//! A JSON value in memory.
//!
//! ```text
//! Json, 16 bytes   null, a bool, a number of 8 bytes, a text, or the address of an array or an object
//! text             up to 14 bytes in place, a longer one behind an address
//! object           members in the order in which they came, 32 bytes each: a text and a value
//! ```
//! An object of many members has an index of them beside, so that each is found at once however many there are. A
//! member that is removed leaves its place to the last one, as in RedisJSON.

use crate::util::alloc::size_class;
use crate::util::key_hash::HashSeed;

/// Longest text, in bytes, that is kept in place.
const SHORT_MAX: usize = 14;
/// Objects of more members have an index.
pub const INDEXED_FROM: usize = 24;

/// A JSON value.
#[derive(Clone, Debug, Default)]
pub enum Json {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// An integer beyond those, of 64 bits without a sign.
    Big(u64),
    /// Any other number; it is finite.
    Double(f64),
    /// A text.
    Text(Text),
    /// An array.
    Array(Box<Array>),
    /// An object.
    Object(Box<Object>),
}

const _: () = assert!(size_of::<Json>() == 16);

/// The values of an array.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Array(pub Vec<Json>);

impl Json {
    /// An array of values.
    pub fn array(values: Vec<Json>) -> Json {
        Json::Array(Box::new(Array(values)))
    }

    /// The text of a string.
    pub fn text(bytes: &[u8]) -> Json {
        Json::Text(Text::new(bytes))
    }

    /// What TYPE calls it.
    pub fn type_name(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "boolean",
            Json::Int(_) | Json::Big(_) => "integer",
            Json::Double(_) => "number",
            Json::Text(_) => "string",
            Json::Array(_) => "array",
            Json::Object(_) => "object",
        }
    }

    /// The number, as a floating-point one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Json::Int(value) => Some(*value as f64),
            Json::Big(value) => Some(*value as f64),
            Json::Double(value) => Some(*value),
            Json::Null | Json::Bool(_) | Json::Text(_) | Json::Array(_) | Json::Object(_) => None,
        }
    }

    /// The values of an array.
    pub fn as_array(&self) -> Option<&[Json]> {
        match self {
            Json::Array(array) => Some(&array.0),
            _ => None,
        }
    }

    /// The values of an array, to be changed.
    pub fn as_array_mut(&mut self) -> Option<&mut Vec<Json>> {
        match self {
            Json::Array(array) => Some(&mut array.0),
            _ => None,
        }
    }

    /// The object.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Json::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The object, to be changed.
    pub fn as_object_mut(&mut self) -> Option<&mut Object> {
        match self {
            Json::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The bytes of a string.
    pub fn as_text(&self) -> Option<&[u8]> {
        match self {
            Json::Text(text) => Some(text.bytes()),
            _ => None,
        }
    }

    /// The values in it.
    pub fn children(&self) -> Children<'_> {
        match self {
            Json::Array(array) => Children::Array(array.0.iter()),
            Json::Object(object) => Children::Object(object.members.iter()),
            Json::Null | Json::Bool(_) | Json::Int(_) | Json::Big(_) | Json::Double(_) | Json::Text(_) => {
                Children::Array([].iter())
            }
        }
    }

    /// Memory that it owns, its own 16 bytes not counted.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Json::Null | Json::Bool(_) | Json::Int(_) | Json::Big(_) | Json::Double(_) => 0,
            Json::Text(text) => text.heap_bytes(),
            Json::Array(array) => {
                let inner: usize = array.0.iter().map(Json::heap_bytes).sum();
                size_class(size_of::<Array>()) + allocated(array.0.capacity() * size_of::<Json>()) + inner
            }
            Json::Object(object) => {
                let inner: usize = object.members.iter().map(|member| member.heap_bytes()).sum();
                let index = object.index.as_ref().map_or(0, |index| {
                    size_class(size_of::<Index>()) + allocated(index.slots.capacity() * size_of::<u32>())
                });
                let members = allocated(object.members.capacity() * size_of::<Member>());
                size_class(size_of::<Object>()) + members + index + inner
            }
        }
    }

    /// About how many allocations it has.
    pub fn allocations(&self) -> usize {
        let own = match self {
            Json::Array(_) | Json::Object(_) => 2,
            _ => 0,
        };
        own + self.children().map(Json::allocations).sum::<usize>()
    }
}

fn allocated(bytes: usize) -> usize {
    if bytes == 0 { 0 } else { size_class(bytes) }
}

/// Equal numbers of different kinds are not the same value; members are compared whatever their order.
impl PartialEq for Json {
    fn eq(&self, other: &Json) -> bool {
        match (self, other) {
            (Json::Null, Json::Null) => true,
            (Json::Bool(one), Json::Bool(other)) => one == other,
            (Json::Int(one), Json::Int(other)) => one == other,
            (Json::Big(one), Json::Big(other)) => one == other,
            (Json::Double(one), Json::Double(other)) => one == other,
            (Json::Text(one), Json::Text(other)) => one == other,
            (Json::Array(one), Json::Array(other)) => one == other,
            (Json::Object(one), Json::Object(other)) => {
                let same = |member: &Member| other.get(member.name.bytes()) == Some(&member.value);
                one.len() == other.len() && one.members.iter().all(same)
            }
            _ => false,
        }
    }
}

/// The values in an array or object.
#[derive(Clone, Debug)]
pub enum Children<'a> {
    /// Those of an array.
    Array(std::slice::Iter<'a, Json>),
    /// Those of an object.
    Object(std::slice::Iter<'a, Member>),
}

impl<'a> Iterator for Children<'a> {
    type Item = &'a Json;

    fn next(&mut self) -> Option<&'a Json> {
        match self {
            Children::Array(values) => values.next(),
            Children::Object(members) => members.next().map(|member| &member.value),
        }
    }
}

/// A text, in place if it is short.
#[derive(Clone)]
pub enum Text {
    /// Up to 14 bytes: how many, and the bytes.
    Short(u8, [u8; SHORT_MAX]),
    /// More.
    Long(Box<LongText>),
}

/// The bytes of a text that is not short.
#[derive(Clone)]
pub struct LongText(Box<[u8]>);

impl Text {
    /// A text of these bytes, which are UTF-8.
    pub fn new(bytes: &[u8]) -> Text {
        match bytes.len() {
            len @ 0..=SHORT_MAX => {
                let mut short = [0; SHORT_MAX];
                short[..len].copy_from_slice(bytes);
                Text::Short(len as u8, short)
            }
            _ => Text::Long(Box::new(LongText(bytes.into()))),
        }
    }

    /// Its bytes.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Text::Short(len, bytes) => &bytes[..usize::from(*len)],
            Text::Long(long) => &long.0,
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Text::Short(..) => 0,
            Text::Long(long) => size_class(size_of::<LongText>()) + size_class(long.0.len()),
        }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        self.bytes() == other.bytes()
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.bytes()))
    }
}

/// A member of an object.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name.
    pub name: Text,
    /// Its value.
    pub value: Json,
}

impl Member {
    fn heap_bytes(&self) -> usize {
        self.name.heap_bytes() + self.value.heap_bytes()
    }
}

/// Members with different names, in order.
#[derive(Clone, Debug, Default)]
pub struct Object {
    members: Vec<Member>,
    index: Option<Box<Index>>,
}

impl Object {
    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The members.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The values of the members, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Json> {
        self.members.iter_mut().map(|member| &mut member.value)
    }

    /// Where a member of this name is.
    pub fn position(&self, name: &[u8]) -> Option<usize> {
        match &self.index {
            Some(index) => index.find(&self.members, name).ok(),
            None => self.members.iter().position(|member| member.name.bytes() == name),
        }
    }

    /// A member's value.
    pub fn get(&self, name: &[u8]) -> Option<&Json> {
        self.position(name).map(|place| &self.members[place].value)
    }

    /// A member's value, to be changed.
    pub fn get_mut(&mut self, name: &[u8]) -> Option<&mut Json> {
        self.position(name).map(|place| &mut self.members[place].value)
    }

    /// Sets a member, behind the others if there is none of this name.
    pub fn set(&mut self, name: &[u8], value: Json) {
        *self.entry(name) = value;
    }

    /// Sets a member, as [`Object::set`] does.
    pub fn put(&mut self, name: Text, value: Json) {
        match self.position(name.bytes()) {
            Some(place) => self.members[place].value = value,
            None => _ = self.add(name, value),
        }
    }

    /// Adds a member of a new name; its place.
    fn add(&mut self, name: Text, value: Json) -> usize {
        self.members.push(Member { name, value });
        self.note_last();
        self.members.len() - 1
    }

    /// An object of members whose names differ, and so few that they need no index.
    pub fn of(members: Vec<Member>) -> Object {
        Object { members, index: None }
    }

    /// A member's value; `null`, behind the others, if there was none of this name.
    pub fn entry(&mut self, name: &[u8]) -> &mut Json {
        let place = self.position(name).unwrap_or_else(|| self.add(Text::new(name), Json::Null));
        &mut self.members[place].value
    }

    fn note_last(&mut self) {
        let len = self.members.len();
        match &mut self.index {
            Some(index) if 2 * len <= index.slots.len() => index.add(&self.members, len - 1),
            Some(_) => self.index = Some(Box::new(Index::of(&self.members))),
            None if len > INDEXED_FROM => self.index = Some(Box::new(Index::of(&self.members))),
            None => {}
        }
    }

    /// Removes a member; the last one takes its place. Its value, if it was there.
    pub fn remove(&mut self, name: &[u8]) -> Option<Json> {
        let place = self.position(name)?;
        let last = self.members.len() - 1;
        if let Some(index) = &mut self.index {
            index.remove(&self.members, place, last);
        }
        let removed = self.members.swap_remove(place).value;
        if self.members.len() <= INDEXED_FROM / 2 {
            self.index = None;
        }
        Some(removed)
    }

    /// Gives room back that is not needed.
    pub fn shrink(&mut self) {
        self.members.shrink_to_fit();
    }
}

/// The places of members by their names: a table of as many slots as members twice over, at least. A slot holds a place
/// and one more, 0 being free; a name stands in the first free slot behind the one that its hash gives.
#[derive(Clone, Debug)]
struct Index {
    slots: Vec<u32>,
}

impl Index {
    fn of(members: &[Member]) -> Index {
        let mut index = Index { slots: vec![0; (4 * members.len()).next_power_of_two()] };
        (0..members.len()).for_each(|place| index.add(members, place));
        index
    }

    fn home(&self, name: &[u8]) -> usize {
        HashSeed::of_process().hash(name) as usize & (self.slots.len() - 1)
    }

    /// The place of a name or, if it is not there, the slot where it would stand.
    fn find(&self, members: &[Member], name: &[u8]) -> Result<usize, usize> {
        let mut slot = self.home(name);
        loop {
            match self.slots[slot] as usize {
                0 => return Err(slot),
                place if members[place - 1].name.bytes() == name => return Ok(place - 1),
                _ => slot = (slot + 1) & (self.slots.len() - 1),
            }
        }
    }

    fn add(&mut self, members: &[Member], place: usize) {
        if let Err(slot) = self.find(members, members[place].name.bytes()) {
            self.slots[slot] = place as u32 + 1;
        }
    }

    fn slot_of(&self, members: &[Member], place: usize) -> usize {
        let mut slot = self.home(members[place].name.bytes());
        while self.slots[slot] as usize != place + 1 {
            slot = self.behind(slot);
        }
        slot
    }

    fn behind(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len() - 1)
    }

    /// Forgets the member at a place, which the last one is about to take.
    fn remove(&mut self, members: &[Member], place: usize, last: usize) {
        let mut free = self.slot_of(members, place);
        // Those that stand behind move up as far as their own first slots allow.
        let mut slot = self.behind(free);
        while self.slots[slot] != 0 {
            let home = self.home(members[self.slots[slot] as usize - 1].name.bytes());
            let mask = self.slots.len() - 1;
            if slot.wrapping_sub(home) & mask >= slot.wrapping_sub(free) & mask {
                self.slots[free] = self.slots[slot];
                free = slot;
            }
            slot = self.behind(slot);
        }
        self.slots[free] = 0;
        if place != last {
            let slot = self.slot_of(members, last);
            self.slots[slot] = place as u32 + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_object_is_a_list_of_members_whose_last_takes_the_place_of_one_removed(
            steps in prop::collection::vec((any::<bool>(), 0..90u16), 0..400),
        ) {
            let (mut object, mut model) = (Object::default(), Vec::<(u16, i64)>::new());
            for (count, (removes, name)) in steps.into_iter().enumerate() {
                let text = format!("name of a member {name}");
                let found = model.iter().position(|(known, _)| *known == name);
                if removes {
                    prop_assert_eq!(object.remove(text.as_bytes()).is_some(), found.is_some());
                    found.map(|place| model.swap_remove(place));
                } else {
                    object.set(text.as_bytes(), Json::Int(count as i64));
                    match found {
                        Some(place) => model[place].1 = count as i64,
                        None => model.push((name, count as i64)),
                    }
                }
                let all = object.members().iter().map(|member| member.name.bytes().to_vec());
                let expected = model.iter().map(|(name, _)| format!("name of a member {name}").into_bytes());
                prop_assert!(all.eq(expected));
                for (name, value) in &model {
                    let found = object.get(format!("name of a member {name}").as_bytes());
                    prop_assert_eq!(found, Some(&Json::Int(*value)));
                }
            }
        }
    }
}
