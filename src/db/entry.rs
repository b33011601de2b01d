//! A key with its value and all that is known about it, in one allocation behind a thin pointer.
//!
//! ```text
//! header  8 bytes   kind 8 bits | flags 8 | access 24 | key length 8 | inline value length 16
//! expiry  8 bytes   unix time in ms, if the flag EXPIRES is set
//! slot    8 or 16   for kinds that have one: an integer, the address of a shared string, or a collection
//! length  8 bytes   of the key, if the 8 bits above are 255
//! key, then the inline value
//! ```
//! A key of 16 bytes with a value of 32 takes 56 bytes, header and key at the front where the first cache line has
//! them. The allocation is as large as the size class of what it holds, so its layout follows from its content, and a
//! change that stays within the class is made in place. (The classes are those of mimalloc as this crate configures it;
//! with another allocator they merely fit less well.)
//!
//! Strings have three kinds: integers, short bytes inline, and longer bytes in a shared vector, so that a reply can
//! hold a big value without copying it. A collection (see [`crate::types`]) lies in the slot itself, from where it owns
//! what else it needs. A kind says how the slot is to be copied, measured and freed; a new type of value adds its kinds
//! to [`Kind`], and the compiler lists the places.
//!
//! Invariant: header, expiry and slot are changed by this file only, and describe what follows them. All access goes
//! through the raw pointer, never through a reference to the header, so the access field can be set while the key is
//! borrowed.

// One allocation of variable layout behind a thin pointer cannot be written in safe Rust.
#![allow(unsafe_code)]

mod collection;
mod packed;
#[cfg(test)]
mod tests;
mod view;

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr::NonNull;
use std::sync::Arc;

use crate::types::table::Packed;
use crate::util::alloc::size_class;
use crate::util::number::parse_i64;
use crate::util::prefetch::prefetch_read;

pub use collection::InEntry;
pub use packed::PackedEntries;
use view::Header;
pub use view::{EntryView, StringRef};

/// Longest string, in bytes, that lies in the entry itself.
pub const INLINE_MAX: usize = 1024;
/// A shared string that has been cut to this many bytes moves into the entry. Half of the limit, so that a
/// string about as long as the limit does not move to and fro.
const RETURN_INLINE_MAX: usize = INLINE_MAX / 2;
/// The access field of an entry has that many bits.
pub const ACCESS_BITS: u32 = 24;
/// Longest string that Redis keeps together with its object header, which OBJECT ENCODING tells apart.
const EMBEDDED_MAX: usize = 44;

const WORD: usize = 8;
/// The most room for a collection in the slot.
const COLLECTION_BYTES: usize = 2 * WORD;
const LONG_KEY: u64 = 255;
const EXPIRES: u64 = 1;
const RAW: u64 = 2;
/// Where the key begins, in bytes: a number of words, in those bits of the flags. It follows from all the rest.
const KEY_OFFSET: u64 = 0x38;
/// Strong count, weak count and the vector itself.
const SHARED_BYTES: usize = 2 * WORD + size_of::<Vec<u8>>();

/// How the value of an entry is represented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A string that is the shortest decimal form of a 64-bit integer, as the integer in the slot.
    Int = 0,
    /// A string in the entry.
    Inline = 1,
    /// A string in a shared vector whose address is in the slot.
    Shared = 2,
    /// A list in the slot.
    List = 3,
    /// A set in the slot.
    Set = 4,
    /// A sorted set in the slot.
    SortedSet = 5,
    /// A hash in the slot.
    Hash = 6,
    /// A stream in the slot. Types that came after Redis 7.0 stand behind it.
    Stream = 7,
    /// An array in the slot.
    Array = 8,
    /// A path hash in the slot.
    PathHash = 9,
    /// A bitmap in the slot.
    Bitmap = 10,
    /// A value of a type that Redis brings as a module, boxed.
    Bundled = 11,
}

/// The kinds that have a collection in the slot, as a pattern.
macro_rules! collection_kinds {
    () => {
        Kind::List
            | Kind::Set
            | Kind::SortedSet
            | Kind::Hash
            | Kind::Stream
            | Kind::Array
            | Kind::PathHash
            | Kind::Bitmap
            | Kind::Bundled
    };
}
use collection_kinds;

impl Kind {
    /// Whether that is a string.
    #[inline(always)]
    pub const fn is_string(self) -> bool {
        matches!(self, Self::Int | Self::Inline | Self::Shared)
    }

    #[inline(always)]
    const fn slot_bytes(self) -> usize {
        match self {
            Self::Inline => 0,
            Self::Int | Self::Shared | Self::Set | Self::Hash | Self::Array | Self::PathHash | Self::Bitmap => WORD,
            Self::List | Self::SortedSet | Self::Stream | Self::Bundled => COLLECTION_BYTES,
        }
    }
}

#[inline(always)]
fn layout(bytes: usize) -> Layout {
    let size = size_class(bytes);
    // SAFETY: 8 is a power of two. What is stored exists, so its length is far below `isize::MAX`.
    unsafe { Layout::from_size_align_unchecked(size, WORD) }
}

/// All of an entry but the bytes of key and inline value.
#[derive(Clone, Copy)]
struct Shape {
    kind: Kind,
    raw: bool,
    expire: Option<i64>,
    slot: Slot,
}

/// The content of a slot, moved as it is; a collection may have bytes in it that mean nothing.
type Slot = [MaybeUninit<u64>; COLLECTION_BYTES / WORD];

fn word_slot(word: u64) -> Slot {
    [MaybeUninit::new(word), MaybeUninit::uninit()]
}

impl Shape {
    fn string(kind: Kind, expire: Option<i64>, slot: u64) -> Self {
        Self { kind, raw: false, expire, slot: word_slot(slot) }
    }

    fn header(&self, access: u32, key: usize, value: usize) -> Header {
        let flags = if self.expire.is_some() { EXPIRES } else { 0 } | if self.raw { RAW } else { 0 };
        Header::new(self.kind, flags, access, key, value)
    }
}

/// An owned entry: a thin pointer, never null.
#[repr(transparent)]
pub struct Entry(NonNull<u8>);

// SAFETY: an entry owns all it points to, or shares it by `Arc` as bytes that are never changed while shared. So it may
// be sent to another thread, as lazy freeing does. It is not `Sync`: reading sets the access field.
unsafe impl Send for Entry {}

impl Entry {
    /// A string entry in its most compact form. `access` has 24 bits.
    pub fn string(key: &[u8], value: &[u8], expire: Option<i64>, access: u32) -> Self {
        if let Some(number) = parse_i64(value) {
            Self::build(key, &[], access, Shape::string(Kind::Int, expire, number as u64))
        } else if value.len() <= INLINE_MAX {
            Self::build(key, value, access, Shape::string(Kind::Inline, expire, 0))
        } else {
            Self::build(key, &[], access, Shape::string(Kind::Shared, expire, into_slot(value.to_vec())))
        }
    }

    /// Like [`Entry::string`]; a long value is shared with the other holders of `value`.
    pub fn string_from_arc(key: &[u8], value: Arc<Vec<u8>>, expire: Option<i64>, access: u32) -> Self {
        if value.len() <= INLINE_MAX {
            return Self::string(key, &value, expire, access);
        }
        Self::build(key, &[], access, Shape::string(Kind::Shared, expire, arc_into_slot(value)))
    }

    /// A string entry whose bytes are kept as such even if they print an integer. `raw` is what OBJECT ENCODING says
    /// of it at any length.
    pub fn text(key: &[u8], value: Vec<u8>, raw: bool, expire: Option<i64>, access: u32) -> Self {
        if value.len() <= INLINE_MAX {
            Self::build(key, &value, access, Shape { raw, ..Shape::string(Kind::Inline, expire, 0) })
        } else {
            Self::build(key, &[], access, Shape::string(Kind::Shared, expire, into_slot(value)))
        }
    }

    /// An integer entry.
    pub fn int(key: &[u8], value: i64, expire: Option<i64>, access: u32) -> Self {
        Self::build(key, &[], access, Shape::string(Kind::Int, expire, value as u64))
    }

    fn build(key: &[u8], value: &[u8], access: u32, shape: Shape) -> Self {
        let header = shape.header(access & ((1 << ACCESS_BITS) - 1), key.len(), value.len());
        let entry = Self(allocate(layout(header.key_offset() + key.len() + value.len())));
        let offset = header.key_offset();
        // SAFETY: the allocation has room for header, key and value, and nobody else knows it.
        unsafe {
            entry.0.add(offset).copy_from_nonoverlapping(NonNull::from(key).cast(), key.len());
            entry.0.add(offset + key.len()).copy_from_nonoverlapping(NonNull::from(value).cast(), value.len());
            entry.write_front(header, key.len(), shape);
        }
        entry
    }

    /// Writes all that stands before the key.
    ///
    /// # Safety
    /// The allocation has room for it, and the header fits the allocation and the shape.
    #[inline(always)]
    unsafe fn write_front(&self, header: Header, key_len: usize, shape: Shape) {
        // SAFETY: by contract; all offsets are multiples of 8.
        unsafe {
            self.0.cast().write(header.0);
            if let Some(expire) = shape.expire {
                self.0.add(WORD).cast().write(expire);
            }
            write_slot(self.0.add(header.slot_offset()), shape.kind, shape.slot);
            if header.short_key_len() == LONG_KEY {
                self.0.add(header.key_offset() - WORD).cast().write(key_len as u64);
            }
        }
    }

    /// The entry, borrowed.
    #[inline(always)]
    pub fn view(&self) -> EntryView<'_> {
        // SAFETY: alive and unchanged while borrowed.
        unsafe { EntryView::new(self.0) }
    }

    fn shape(&self) -> Shape {
        let view = self.view();
        let slot = match view.kind().slot_bytes() {
            0 => word_slot(0),
            // SAFETY: the slot has one word; what it owns, whoever gets it treats as moved or still here.
            WORD => [unsafe { view.slot_address().cast().read() }, MaybeUninit::uninit()],
            // SAFETY: the same of two words.
            _ => unsafe { view.slot_address().cast::<Slot>().read() },
        };
        Shape { kind: view.kind(), raw: view.header().flags() & RAW != 0, expire: view.expire_at(), slot }
    }

    /// Gives the entry another shape, and as inline value the first `kept` bytes of the old one followed by `added`:
    /// in place if the size class stays. What the old slot owned is the caller's.
    fn reshape(&mut self, shape: Shape, kept: usize, added: &[u8]) {
        let view = self.view();
        let (old_header, old_layout) = (view.header(), view.layout());
        let key_len = view.key_len();
        debug_assert!(kept <= old_header.value_len());
        let header = shape.header(old_header.access(), key_len, kept + added.len());
        let (from, to) = (old_header.key_offset(), header.key_offset());
        let new_layout = layout(to + key_len + kept + added.len());
        let moved = key_len + kept;
        // SAFETY: both allocations have room for what their headers say, of which key and value are copied; the source
        // `added` is not part of this entry, which is mutably borrowed. Old and new places may overlap in place only.
        unsafe {
            if new_layout == old_layout {
                if from != to {
                    self.0.add(to).copy_from(self.0.add(from), moved);
                }
            } else {
                let new = allocate(new_layout);
                new.add(to).copy_from_nonoverlapping(self.0.add(from), moved);
                let old = std::mem::replace(&mut self.0, new);
                dealloc(old.as_ptr(), old_layout);
            }
            self.0.add(to + moved).copy_from_nonoverlapping(NonNull::from(added).cast(), added.len());
            self.write_front(header, key_len, shape);
        }
    }

    /// Replaces a string value; key, expiry and access stay.
    pub fn set_string(&mut self, value: &[u8]) {
        if self.overwrite(value) {
            // Nothing else is to be done.
        } else if let Some(number) = parse_i64(value) {
            self.set_int(number);
        } else if value.len() <= INLINE_MAX {
            self.set_inline(value, false);
        } else {
            self.set_shared(value.to_vec());
        }
    }

    /// Like [`Entry::set_string`]; a long value is shared with the other holders of `value`.
    pub fn set_string_arc(&mut self, value: Arc<Vec<u8>>) {
        if value.len() <= INLINE_MAX {
            return self.set_string(&value);
        }
        self.free_slot();
        self.reshape(Shape::string(Kind::Shared, self.view().expire_at(), arc_into_slot(value)), 0, &[]);
    }

    /// Replaces the value by bytes that are kept as such, see [`Entry::text`]; key, expiry and access stay.
    pub fn set_text(&mut self, value: Vec<u8>, raw: bool) {
        if value.len() <= INLINE_MAX { self.set_inline(&value, raw) } else { self.set_shared(value) }
    }

    /// Replaces the value by an integer; key, expiry and access stay. One integer for another changes nothing else.
    pub fn set_int(&mut self, value: i64) {
        if self.view().kind() == Kind::Int {
            // SAFETY: this kind has a slot of one word, and the entry is mutably borrowed.
            return unsafe { self.view().slot_address().cast().write(value) };
        }
        self.free_slot();
        self.reshape(Shape::string(Kind::Int, self.view().expire_at(), value as u64), 0, &[]);
    }

    fn set_inline(&mut self, value: &[u8], raw: bool) {
        self.free_slot();
        let shape = Shape { raw, ..Shape::string(Kind::Inline, self.view().expire_at(), 0) };
        self.reshape(shape, 0, value);
    }

    fn set_shared(&mut self, value: Vec<u8>) {
        self.free_slot();
        self.reshape(Shape::string(Kind::Shared, self.view().expire_at(), into_slot(value)), 0, &[]);
    }

    /// Frees what the slot owns. The caller gives the entry another shape right away, or frees it.
    #[inline(always)]
    fn free_slot(&mut self) {
        match self.view().kind() {
            Kind::Int | Kind::Inline => {}
            Kind::Shared => drop(ManuallyDrop::into_inner(self.shared_arc())),
            collection_kinds!() => self.drop_collection(),
        }
    }

    /// The `Arc` whose count the slot of a shared string holds.
    fn shared_arc(&self) -> ManuallyDrop<Arc<Vec<u8>>> {
        let address: *const Vec<u8> = std::ptr::with_exposed_provenance(self.view().slot() as usize);
        // SAFETY: callers have seen the kind `Shared`, whose slot holds the address from `Arc::into_raw`.
        ManuallyDrop::new(unsafe { Arc::from_raw(address) })
    }

    /// The vector of a shared string, shared no more: a copy if others have it too.
    fn shared_vec(&mut self) -> &mut Vec<u8> {
        let mut shared = self.shared_arc();
        if Arc::get_mut(&mut shared).is_none() {
            let copy = into_slot(shared.as_ref().clone());
            let shape = Shape { slot: word_slot(copy), ..self.shape() };
            drop(ManuallyDrop::into_inner(shared));
            self.reshape(shape, 0, &[]);
        }
        let address: *mut Vec<u8> = std::ptr::with_exposed_provenance_mut(self.view().slot() as usize);
        // SAFETY: this is the only handle, no weak ones are made, and `self` is mutably borrowed meanwhile.
        unsafe { &mut *address }
    }

    /// Sets or removes the expiry.
    pub fn set_expire(&mut self, expire: Option<i64>) {
        if self.view().expire_at() == expire {
            return;
        }
        let kept = self.view().header().value_len();
        self.reshape(Shape { expire, ..self.shape() }, kept, &[]);
    }

    /// This entry under another key.
    pub fn rename(self, key: &[u8]) -> Self {
        let view = self.view();
        let renamed = Self::build(key, view.inline_value(), view.access(), self.shape());
        let old = ManuallyDrop::new(self);
        // SAFETY: the slot belongs to the new entry now; nobody uses the old memory any more.
        unsafe { dealloc(old.0.as_ptr(), old.view().layout()) }
        renamed
    }

    /// A copy of this entry under another key, expiry and access included.
    pub fn duplicate(&self, key: &[u8]) -> Self {
        let view = self.view();
        let slot = view.slot_of_copy(EntryView::copy_of_collection);
        Self::build(key, view.inline_value(), view.access(), Shape { slot, ..self.shape() })
    }

    /// A copy of a borrowed entry, all that belongs to it included: of a collection, an image
    /// ([`crate::types::Collection::image`]).
    pub fn image_of(view: EntryView<'_>) -> Self {
        let (slot, layout) = (view.slot_of_copy(EntryView::image_of_collection), view.layout());
        let copy = Self(allocate(layout));
        // SAFETY: both have the size of the layout. What the slot of the copy would own twice is overwritten at once
        // with what is its own.
        unsafe {
            copy.0.copy_from_nonoverlapping(view.raw(), layout.size());
            write_slot(copy.0.add(view.header().slot_offset()), view.kind(), slot);
        }
        copy
    }

    /// Replaces an inline string, set as it is, by another of the same length that is no integer either: nothing but
    /// the bytes changes then. Whether that was so.
    #[inline(always)]
    pub fn overwrite(&mut self, value: &[u8]) -> bool {
        let header = self.view().header();
        if !header.is_inline_of(value.len()) || parse_i64(value).is_some() {
            return false;
        }
        let offset = header.key_offset() + self.view().key_len();
        // SAFETY: the value lies within the entry, which is mutably borrowed.
        let old = unsafe { std::slice::from_raw_parts_mut(self.0.add(offset).as_ptr(), value.len()) };
        old.copy_from_slice(value);
        true
    }

    /// The bytes of a string, to be changed in place; none if they are kept as an integer.
    /// The string is "raw" to OBJECT ENCODING afterwards.
    pub fn bytes_mut(&mut self) -> Option<&mut [u8]> {
        match self.view().kind() {
            Kind::Int | collection_kinds!() => None,
            Kind::Shared => Some(self.shared_vec()),
            Kind::Inline => {
                let header = Header(self.view().header().0 | RAW << 8);
                let offset = header.key_offset() + self.view().key_len();
                // SAFETY: only the flag changes. The value lies within the entry, which is mutably borrowed.
                unsafe {
                    self.0.cast().write(header.0);
                    Some(std::slice::from_raw_parts_mut(self.0.add(offset).as_ptr(), header.value_len()))
                }
            }
        }
    }

    /// Changes the bytes of a string in any way; of another value it makes a string. The string is "raw" to OBJECT ENCODING afterwards.
    pub fn modify_bytes<R>(&mut self, change: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        match self.view().kind() {
            Kind::Int | Kind::Inline | collection_kinds!() => {
                let mut bytes = self.view().string().map(StringRef::to_vec).unwrap_or_default();
                let result = change(&mut bytes);
                self.set_text(bytes, true);
                result
            }
            Kind::Shared => {
                let bytes = self.shared_vec();
                let result = change(bytes);
                if bytes.len() <= RETURN_INLINE_MAX {
                    let bytes = std::mem::take(bytes);
                    self.set_text(bytes, true);
                }
                result
            }
        }
    }

    /// Adds bytes at the end of a string, in amortised constant time per byte.
    /// The string is "raw" to OBJECT ENCODING afterwards.
    pub fn append(&mut self, added: &[u8]) {
        let kept = self.view().header().value_len();
        match self.view().kind() {
            Kind::Inline if kept + added.len() <= INLINE_MAX => {
                let shape = Shape { raw: true, ..self.shape() };
                self.reshape(shape, kept, added);
            }
            _ => self.modify_bytes(|bytes| {
                use_whole_block(bytes, added.len());
                bytes.extend_from_slice(added);
            }),
        }
    }

    /// The bytes of a string, to be changed in place, with zeros added where there are fewer than `len_min`.
    /// The string is "raw" to OBJECT ENCODING afterwards.
    pub fn bytes_grown(&mut self, len_min: usize) -> &mut [u8] {
        let fits = match self.view().kind() {
            Kind::Int | collection_kinds!() => false,
            Kind::Inline => self.view().header().value_len() >= len_min,
            Kind::Shared => self.view().shared().bytes().len() >= len_min,
        };
        if !fits {
            self.modify_bytes(|bytes| bytes.resize(bytes.len().max(len_min), 0));
        }
        self.bytes_mut().unwrap_or_default()
    }
}

/// Makes use of what the allocator gave beyond what was asked for, if `added` bytes have room there: the bytes need not
/// move then, which a vector that grows has them do.
fn use_whole_block(bytes: &mut Vec<u8>, added: usize) {
    let (free, spare) = (bytes.capacity() - bytes.len(), size_class(bytes.capacity()) - bytes.len());
    if free < added && added <= spare {
        bytes.reserve_exact(spare);
    }
}

/// Writes the content of a slot of a kind.
///
/// # Safety
/// At the place, a multiple of 8, is as much room as such a slot has.
#[inline(always)]
unsafe fn write_slot(place: NonNull<u8>, kind: Kind, slot: Slot) {
    // SAFETY: by contract.
    unsafe {
        match kind.slot_bytes() {
            0 => {}
            WORD => place.cast().write(slot[0]),
            _ => place.cast().write(slot),
        }
    }
}

fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: no size class is 0.
    let memory = unsafe { alloc(layout) };
    NonNull::new(memory).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Shares a vector and gives the slot that holds the one count of it.
fn into_slot(mut value: Vec<u8>) -> u64 {
    if value.capacity() - value.len() > value.len() {
        value.shrink_to_fit();
    }
    arc_into_slot(Arc::new(value))
}

/// The slot that holds one count of a shared vector.
fn arc_into_slot(value: Arc<Vec<u8>>) -> u64 {
    Arc::into_raw(value).expose_provenance() as u64
}

impl Drop for Entry {
    fn drop(&mut self) {
        let layout = self.view().layout();
        self.free_slot();
        // SAFETY: allocated with the layout that its content gives; nobody uses it any more.
        unsafe { dealloc(self.0.as_ptr(), layout) }
    }
}

// SAFETY: the raw pointer is that of the allocation, aligned to 8; the table shares items only as views, as long as it
// is borrowed; no method of an entry in place changes its key.
unsafe impl Packed for Entry {
    type Ref<'a> = EntryView<'a>;

    #[inline(always)]
    fn into_raw(self) -> NonNull<u8> {
        ManuallyDrop::new(self).0
    }

    #[inline(always)]
    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        Self(raw)
    }

    #[inline(always)]
    unsafe fn view<'a>(raw: NonNull<u8>) -> EntryView<'a> {
        // SAFETY: by contract.
        unsafe { EntryView::new(raw) }
    }

    #[inline(always)]
    unsafe fn key_of<'a>(raw: NonNull<u8>) -> &'a [u8] {
        // SAFETY: by contract.
        unsafe { EntryView::new(raw) }.key()
    }

    #[inline(always)]
    fn prefetch(raw: NonNull<u8>) {
        // A short entry begins in one line and mostly ends in the next.
        prefetch_read(raw.as_ptr());
        prefetch_read(raw.as_ptr().wrapping_add(48));
    }
}

/// An entry that another table owns, for an index over some of the keys.
pub struct EntryRef(NonNull<u8>);

// SAFETY: see `EntryRef::new`: its maker answers for the entry, wherever the index goes.
unsafe impl Send for EntryRef {}

impl EntryRef {
    /// # Safety
    /// There is an entry at this address for as long as the reference is in a table or in use, and it is not changed
    /// while it is borrowed from there. (Removing the reference and [`crate::types::table::Table::find_address`] do not read
    /// the entry.)
    pub unsafe fn new(address: NonNull<u8>) -> Self {
        Self(address)
    }
}

// SAFETY: as for `Entry`; that the entry is alive is promised by whoever made the reference.
unsafe impl Packed for EntryRef {
    type Ref<'a> = EntryView<'a>;

    #[inline(always)]
    fn into_raw(self) -> NonNull<u8> {
        self.0
    }

    #[inline(always)]
    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        Self(raw)
    }

    #[inline(always)]
    unsafe fn view<'a>(raw: NonNull<u8>) -> EntryView<'a> {
        // SAFETY: by contract.
        unsafe { EntryView::new(raw) }
    }

    #[inline(always)]
    unsafe fn key_of<'a>(raw: NonNull<u8>) -> &'a [u8] {
        // SAFETY: by contract.
        unsafe { EntryView::new(raw) }.key()
    }

    #[inline(always)]
    fn prefetch(raw: NonNull<u8>) {
        Entry::prefetch(raw);
    }
}
