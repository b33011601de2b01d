//! The two compact forms of a set, which tell themselves apart: an intset begins with the width of its integers, 2, 4
//! or 8, a listpack with its size in bytes, which is 7 when it is empty and 9 or more when it is not. So neither a tag
//! nor a length has to be kept: an address is enough.

use super::thin::ThinBytes;
use super::{Members, SetBytes, SetLimits};
use crate::types::intset::{self, Intset};
use crate::types::listpack::{Element, IntText, Listpack, ListpackView, RoomyListpack};
use crate::util::alloc::size_class;
use crate::util::random::{Random, Selection};

/// Redis's own bound of intsets, whatever the directive says.
const INTS_MAX: usize = 1 << 30;
/// No integer has a longer text.
pub const INT_TEXT_MAX: usize = 20;

/// The bytes of an intset or of a listpack; none at all are an empty intset.
#[derive(Clone, Default)]
#[repr(transparent)]
pub struct Small(ThinBytes);

/// What the bytes are.
#[derive(Clone, Copy)]
pub enum View<'a> {
    Ints(Intset<&'a [u8]>),
    Pack(ListpackView<'a>),
}

impl From<Intset> for Small {
    fn from(ints: Intset) -> Self {
        Self(ints.into_bytes().into())
    }
}

impl From<Listpack> for Small {
    fn from(pack: Listpack) -> Self {
        // Bytes that are not there would be an empty intset.
        let bytes: Box<[u8]> = if pack.is_empty() { pack.bytes().into() } else { pack.into_own() };
        Self(bytes.into())
    }
}

impl Small {
    #[inline]
    pub fn view(&self) -> View<'_> {
        let bytes = self.0.as_slice();
        match bytes {
            [] | [2 | 4 | 8, 0, 0, 0, ..] => View::Ints(Intset::of(bytes)),
            _ => View::Pack(ListpackView::of(bytes)),
        }
    }

    pub fn bytes(&self) -> SetBytes<'_> {
        let bytes = self.0.as_slice();
        match self.view() {
            View::Ints(_) if bytes.is_empty() => SetBytes::Intset(intset::EMPTY),
            View::Ints(_) => SetBytes::Intset(bytes),
            View::Pack(_) => SetBytes::Listpack(bytes),
        }
    }

    pub fn heap_bytes(&self) -> usize {
        let bytes = self.0.as_slice();
        if bytes.is_empty() { 0 } else { size_class(bytes.len()) }
    }

    #[inline]
    fn with_ints<R>(&mut self, change: impl FnOnce(&mut Intset) -> R) -> R {
        let mut ints = Intset::from_own(self.0.take());
        let result = change(&mut ints);
        self.0 = ints.into_bytes().into();
        result
    }

    #[inline]
    fn with_pack<R>(&mut self, change: impl FnOnce(&mut Listpack) -> R) -> R {
        let mut pack = Listpack::from_own(self.0.take());
        let result = change(&mut pack);
        self.0 = pack.into_own().into();
        result
    }

    /// Puts a member in, false if it is there already; `None`, and nothing happens, if that takes a table.
    #[inline]
    pub fn insert(&mut self, text: &[u8], limits: &SetLimits) -> Option<bool> {
        match (self.view(), Element::of(text)) {
            (View::Ints(ints), Element::Int(value)) => {
                if ints.len() < limits.intset_entries.min(INTS_MAX) {
                    return Some(self.with_ints(|ints| ints.insert(value)));
                }
                ints.contains(value).then_some(false)
            }
            (View::Ints(_), Element::Bytes(_)) => self.insert_other(text, limits),
            (View::Pack(pack), member) => {
                if let Some(first) = pack.first()
                    && pack.find(text, first, 1).is_some()
                {
                    return Some(false);
                }
                let fits = pack.len() < limits.listpack_entries
                    && text.len() <= limits.listpack_value
                    && pack.has_room_for(member.encoded_bytes());
                fits.then(|| self.with_pack(|pack| pack.insert(pack.end(), &[member])))?;
                Some(true)
            }
        }
    }

    /// Makes an intset a listpack, with a member that it can't hold.
    #[cold]
    fn insert_other(&mut self, text: &[u8], limits: &SetLimits) -> Option<bool> {
        let View::Ints(ints) = self.view() else { return None };
        let member = Element::of(text);
        let longest = [ints.first(), ints.last()].into_iter().flatten().map(|value| Element::Int(value).text_len());
        let fits = ints.len() < limits.listpack_entries
            && text.len().max(longest.max().unwrap_or(0)) <= limits.listpack_value
            && Listpack::new().has_room_for(ints.len().saturating_mul(INT_TEXT_MAX).saturating_add(text.len()));
        if !fits {
            return None;
        }
        let mut pack = RoomyListpack::new();
        ints.iter().for_each(|value| pack.push_back_int(value));
        pack.insert(pack.end(), &[member]);
        *self = Self::from(pack.into_exact());
        Some(true)
    }

    pub fn remove(&mut self, text: &[u8]) -> bool {
        match self.view() {
            View::Ints(_) => match Element::of(text) {
                Element::Int(value) => self.with_ints(|ints| ints.remove(value)),
                Element::Bytes(_) => false,
            },
            View::Pack(pack) => {
                let found = pack.first().and_then(|first| pack.find(text, first, 1));
                found.map(|at| self.with_pack(|pack| pack.remove(at))).is_some()
            }
        }
    }

    /// Calls `emit` for a member chosen at random and takes it out. There is one.
    pub fn pop(&mut self, random: &mut Random, emit: impl FnOnce(Element<'_>)) {
        let index = random.below(self.view().len() as u64) as usize;
        match self.view() {
            View::Ints(ints) => {
                emit(Element::Int(ints.get(index)));
                self.with_ints(|ints| ints.remove_at(index));
            }
            View::Pack(pack) => {
                if let Some(at) = pack.seek(index as isize) {
                    emit(pack.get(at));
                    self.with_pack(|pack| pack.remove(at));
                }
            }
        }
    }

    /// Calls `emit` for members chosen at random and takes them out.
    pub fn pop_many(&mut self, count: usize, random: &mut Random, mut emit: impl FnMut(Element<'_>)) {
        let mut selection = Selection::new(self.view().len(), count);
        match self.view() {
            View::Ints(_) => self.with_ints(|ints| {
                ints.retain(|value| {
                    let picked = selection.picks(random);
                    if picked {
                        emit(Element::Int(value));
                    }
                    !picked
                });
            }),
            View::Pack(pack) => {
                let mut kept = RoomyListpack::new();
                for member in pack.elements() {
                    match selection.picks(random) {
                        true => emit(member),
                        false => kept.insert(kept.end(), &[member]),
                    }
                }
                *self = Self::from(kept.into_exact());
            }
        }
    }
}

impl<'a> View<'a> {
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Self::Ints(ints) => ints.len(),
            Self::Pack(pack) => pack.len(),
        }
    }

    #[inline]
    pub fn contains(&self, member: Element<'_>) -> bool {
        match self {
            Self::Ints(ints) => member.int().is_some_and(|value| ints.contains(value)),
            Self::Pack(pack) => {
                let mut room = IntText::new();
                pack.first().is_some_and(|first| pack.find(member.text(&mut room), first, 1).is_some())
            }
        }
    }

    /// A member chosen at random, if there is any.
    pub fn random(self, random: &mut Random) -> Option<Element<'a>> {
        let index = random.below(self.len() as u64) as usize;
        match self {
            Self::Ints(ints) => (index < ints.len()).then(|| Element::Int(ints.get(index))),
            Self::Pack(pack) => pack.elements_from(pack.seek(index as isize)?).next(),
        }
    }

    #[inline]
    pub fn members(self) -> Members<'a> {
        match self {
            Self::Ints(ints) => Members::Ints(ints, 0..ints.len()),
            Self::Pack(pack) => Members::Pack(pack.elements()),
        }
    }
}
