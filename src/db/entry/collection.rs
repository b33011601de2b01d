//! Collections in entries: one lies in the slot of its entry and owns from there what else it needs.

// The type of what lies in the slot is told by the kind, at run time.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;

use super::{COLLECTION_BYTES, Entry, EntryView, Kind, Shape, Slot, WORD};
use crate::types::bundled::Bundled;
use crate::types::uncommon::{self, Uncommon};
use crate::types::{Array, Bitmap, Collection, ExpiringParts, Hash, List, PathHash, Set, SortedSet, Stream};

/// A collection that can lie in an entry.
///
/// # Safety
/// The kind stands for this type alone. The type is `Send`, and fits the slot.
pub unsafe trait InEntry: Collection + Clone + Send + 'static {
    /// The kind of entry that has this collection in its slot.
    const KIND: Kind;
}

macro_rules! in_entry {
    ($($kind:ident),*) => {$(
        const _: () = assert!(size_of::<$kind>() <= Kind::$kind.slot_bytes() && align_of::<$kind>() <= WORD);
        // SAFETY: the kind has the type's name, and the assertion above tells that it fits.
        unsafe impl InEntry for $kind {
            const KIND: Kind = Kind::$kind;
        }
    )*};
}
in_entry!(List, Set, SortedSet, Hash, Stream, Array, PathHash, Bitmap, Bundled);

/// What is uncommon about a collection of a kind, whatever is in it.
const fn uncommon_kind(kind: Kind) -> Option<Uncommon> {
    match kind {
        Kind::Array => Some(Uncommon::Array),
        Kind::PathHash => Some(Uncommon::PathHash),
        Kind::Bitmap => Some(Uncommon::Bitmap),
        Kind::Bundled => Some(Uncommon::Bundled),
        _ => None,
    }
}

/// Moves a collection into the form of a slot.
fn into_slot<T: InEntry>(value: T) -> Slot {
    if let Some(what) = const { uncommon_kind(T::KIND) } {
        uncommon::note_made(what);
    }
    let mut slot: Slot = [MaybeUninit::uninit(); COLLECTION_BYTES / WORD];
    // SAFETY: the value fits, see `in_entry`, and the slot is aligned to a word.
    unsafe { slot.as_mut_ptr().cast::<T>().write(value) };
    slot
}

/// Does something with the slot of an entry as the type its kind tells.
macro_rules! with_collection {
    ($view:expr, $type:ident => $action:expr, else $other:expr) => {
        match $view.kind() {
            Kind::List => {
                type $type = List;
                $action
            }
            Kind::Set => {
                type $type = Set;
                $action
            }
            Kind::SortedSet => {
                type $type = SortedSet;
                $action
            }
            Kind::Hash => {
                type $type = Hash;
                $action
            }
            Kind::Stream => {
                type $type = Stream;
                $action
            }
            Kind::Array => {
                type $type = Array;
                $action
            }
            Kind::PathHash => {
                type $type = PathHash;
                $action
            }
            Kind::Bitmap => {
                type $type = Bitmap;
                $action
            }
            Kind::Bundled => {
                type $type = Bundled;
                $action
            }
            Kind::Int | Kind::Inline | Kind::Shared => $other,
        }
    };
}

/// Does something with the slot of an entry as the type its kind tells, if that is one whose parts may expire: gives
/// `None` otherwise. Strings are told from all else by one comparison.
macro_rules! with_parts {
    ($view:expr, $type:ident => $action:expr) => {
        match $view.kind() {
            kind if kind.is_string() => None,
            Kind::Hash => {
                type $type = Hash;
                $action
            }
            Kind::Set => {
                type $type = Set;
                $action
            }
            Kind::Int
            | Kind::Inline
            | Kind::Shared
            | Kind::List
            | Kind::SortedSet
            | Kind::Stream
            | Kind::Array
            | Kind::PathHash
            | Kind::Bitmap
            | Kind::Bundled => None,
        }
    };
}

impl Entry {
    /// An entry with a collection.
    pub fn collection<T: InEntry>(key: &[u8], value: T, expire: Option<i64>, access: u32) -> Self {
        Self::build(key, &[], access, Shape { kind: T::KIND, raw: false, expire, slot: into_slot(value) })
    }

    /// Takes a collection out, into an entry of the same key that has no expiry; this one is an empty string then.
    pub fn take_collection(&mut self) -> Self {
        let view = self.view();
        let taken = Self::build(view.key(), &[], view.access(), Shape { expire: None, ..self.shape() });
        self.reshape(Shape::string(Kind::Inline, self.view().expire_at(), 0), 0, &[]);
        taken
    }

    /// The collection, to be changed, if it is one whose parts may expire.
    pub fn parts_mut(&mut self) -> Option<&mut dyn ExpiringParts> {
        // SAFETY: the entry is mutably borrowed for as long as the collection.
        unsafe { self.view().parts_mut() }
    }

    /// Drops the collection in the slot. The caller gives the entry another shape right away, or frees it.
    pub(super) fn drop_collection(&mut self) {
        let slot = self.view().slot_address();
        // SAFETY: the kind tells what is in the slot, which the caller forgets.
        with_collection!(self.view(), T => unsafe { slot.cast::<T>().drop_in_place() }, else {});
    }
}

impl<'a> EntryView<'a> {
    /// The slot of a copy of the collection.
    pub(super) fn copy_of_collection(self) -> Slot {
        let copy = with_collection!(self, T => self.collection::<T>().map(|value| into_slot(value.clone())), else None);
        copy.unwrap_or([MaybeUninit::uninit(); COLLECTION_BYTES / WORD])
    }

    /// The slot of an image of the collection: see [`Collection::image`].
    pub(super) fn image_of_collection(self) -> Slot {
        let image =
            with_collection!(self, T => self.collection::<T>().map(|value| into_slot(value.image())), else None);
        image.unwrap_or([MaybeUninit::uninit(); COLLECTION_BYTES / WORD])
    }

    /// The collection, if the entry has one of this type.
    #[inline]
    pub fn collection<T: InEntry>(self) -> Option<&'a T> {
        // SAFETY: the kind tells that such a value is in the slot, where nobody changes it during `'a`.
        (self.kind() == T::KIND).then(|| unsafe { self.slot_address().cast::<T>().as_ref() })
    }

    /// The collection, to be changed, if the entry has one of this type.
    ///
    /// # Safety
    /// Whoever calls it has borrowed the entry mutably for `'a` and uses no other view of it meanwhile.
    #[inline]
    pub unsafe fn collection_mut<T: InEntry>(self) -> Option<&'a mut T> {
        // SAFETY: the kind tells that such a value is in the slot; that it is not shared is the caller's promise.
        (self.kind() == T::KIND).then(|| unsafe { self.slot_address().cast::<T>().as_mut() })
    }

    /// The collection, if it is one whose parts may expire.
    pub fn parts(self) -> Option<&'a dyn ExpiringParts> {
        with_parts!(self, T => self.collection::<T>().map(|value| value as &dyn ExpiringParts))
    }

    /// The same, to be changed.
    ///
    /// # Safety
    /// That of [`EntryView::collection_mut`].
    pub unsafe fn parts_mut(self) -> Option<&'a mut dyn ExpiringParts> {
        // SAFETY: by contract.
        with_parts!(self, T => unsafe { self.collection_mut::<T>() }.map(|value| value as &mut dyn ExpiringParts))
    }

    /// When the keyspace plans to look for parts whose time has come; see [`ExpiringParts::planned`].
    #[inline(always)]
    pub fn planned(self) -> Option<i64> {
        with_parts!(self, T => self.collection::<T>().and_then(T::planned))
    }

    /// Whether that is soon enough, and not in vain.
    #[inline(always)]
    pub fn plan_fits(self) -> bool {
        with_parts!(self, T => self.collection::<T>().map(T::plan_fits)).unwrap_or(true)
    }

    /// The collection, whatever its type; `None` for strings.
    pub fn any_collection(self) -> Option<&'a dyn Collection> {
        with_collection!(self, T => self.collection::<T>().map(|value| value as &dyn Collection), else None)
    }
}
