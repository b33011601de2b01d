//! Reading an entry: its first word, and the borrowed forms of entry and value.

use std::alloc::Layout;
use std::borrow::Cow;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

use super::{
    ACCESS_BITS, EMBEDDED_MAX, EXPIRES, Entry, INLINE_MAX, KEY_OFFSET, Kind, LONG_KEY, RAW, SHARED_BYTES, Slot, WORD,
    arc_into_slot, collection_kinds, layout, size_class, word_slot,
};
use crate::types::ValueType;
use crate::types::bundled::Bundled;
use crate::util::prefetch::prefetch_read;

/// The first word of an entry, decoded.
#[derive(Clone, Copy)]
pub(super) struct Header(pub(super) u64);

impl Header {
    pub(super) fn new(kind: Kind, flags: u64, access: u32, key: usize, value: usize) -> Self {
        debug_assert!(value <= INLINE_MAX && access >> ACCESS_BITS == 0);
        let key = (key as u64).min(LONG_KEY);
        let words = |word: bool| if word { WORD } else { 0 };
        let offset = WORD + words(flags & EXPIRES != 0) + kind.slot_bytes() + words(key == LONG_KEY);
        let flags = flags | offset as u64;
        Self(kind as u64 | flags << 8 | u64::from(access) << 16 | key << 40 | (value as u64) << 48)
    }

    #[inline(always)]
    pub(super) fn kind(self) -> Kind {
        // SAFETY: `Header::new` put a `Kind` into these bits.
        unsafe { std::mem::transmute::<u8, Kind>(self.0 as u8) }
    }

    #[inline(always)]
    pub(super) fn flags(self) -> u64 {
        self.0 >> 8 & 0xff
    }

    #[inline(always)]
    pub(super) fn expires(self) -> bool {
        self.flags() & EXPIRES != 0
    }

    #[inline(always)]
    pub(super) fn access(self) -> u32 {
        (self.0 >> 16) as u32 & ((1 << ACCESS_BITS) - 1)
    }

    #[inline(always)]
    pub(super) fn short_key_len(self) -> u64 {
        self.0 >> 40 & 0xff
    }

    #[inline(always)]
    pub(super) fn value_len(self) -> usize {
        (self.0 >> 48) as usize
    }

    /// Whether it is that of an inline string of a length, set as it is.
    #[inline(always)]
    pub(super) fn is_inline_of(self, len: usize) -> bool {
        const KIND_FLAG_AND_LENGTH: u64 = 0xffff_0000_0000_00ff | RAW << 8;
        len <= INLINE_MAX && self.0 & KIND_FLAG_AND_LENGTH == Kind::Inline as u64 | (len as u64) << 48
    }

    #[inline(always)]
    pub(super) fn slot_offset(self) -> usize {
        WORD + (self.flags() & EXPIRES) as usize * WORD
    }

    #[inline(always)]
    pub(super) fn key_offset(self) -> usize {
        (self.flags() & KEY_OFFSET) as usize
    }
}

/// A borrowed entry. Its lifetime is that of the borrow, not of this value, so what it returns may outlive it.
#[derive(Clone, Copy)]
pub struct EntryView<'a> {
    raw: NonNull<u8>,
    borrow: PhantomData<&'a Entry>,
}

/// The bytes of a string value, in the form they are kept in.
#[derive(Clone, Copy)]
pub enum StringRef<'a> {
    /// An integer, kept as a number.
    Int(i64),
    /// Bytes in the entry.
    Bytes(&'a [u8]),
    /// Bytes elsewhere, which can be shared.
    Shared(SharedRef<'a>),
}

/// Borrowed shared bytes.
#[derive(Clone, Copy)]
pub struct SharedRef<'a> {
    address: NonNull<Vec<u8>>,
    borrow: PhantomData<&'a Vec<u8>>,
}

impl<'a> SharedRef<'a> {
    /// The bytes.
    pub fn bytes(self) -> &'a [u8] {
        self.vec()
    }

    fn vec(self) -> &'a Vec<u8> {
        // SAFETY: see `to_arc`; the vector changes only under `&mut Entry`.
        unsafe { self.address.as_ref() }
    }

    /// A handle that keeps the bytes as they are now, however the key changes.
    pub fn to_arc(self) -> Arc<Vec<u8>> {
        let address = self.address.as_ptr();
        // SAFETY: a `SharedRef` is only made from the slot of a live entry, which holds one count of an `Arc` from
        // `into_raw`; the count added here is the returned handle's.
        unsafe {
            Arc::increment_strong_count(address);
            Arc::from_raw(address)
        }
    }
}

impl<'a> StringRef<'a> {
    /// The bytes; those of an integer are printed into `digits`.
    #[inline]
    pub fn bytes<'b>(self, digits: &'b mut itoa::Buffer) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Self::Int(number) => digits.format(number).as_bytes(),
            Self::Bytes(bytes) => bytes,
            Self::Shared(shared) => shared.bytes(),
        }
    }

    /// The bytes; those of an integer are printed.
    pub fn to_cow(self) -> Cow<'a, [u8]> {
        match self {
            Self::Int(number) => Cow::Owned(itoa::Buffer::new().format(number).as_bytes().to_vec()),
            Self::Bytes(bytes) => Cow::Borrowed(bytes),
            Self::Shared(shared) => Cow::Borrowed(shared.bytes()),
        }
    }

    /// The number of bytes.
    pub fn len(self) -> usize {
        self.bytes(&mut itoa::Buffer::new()).len()
    }

    /// A copy of the bytes.
    pub fn to_vec(self) -> Vec<u8> {
        self.bytes(&mut itoa::Buffer::new()).to_vec()
    }
}

impl<'a> EntryView<'a> {
    /// # Safety
    /// The entry at `raw` is alive, and only its access field changes, during `'a`.
    #[inline(always)]
    pub(in crate::db) unsafe fn new(raw: NonNull<u8>) -> Self {
        Self { raw, borrow: PhantomData }
    }

    #[inline(always)]
    pub(in crate::db) fn raw(self) -> NonNull<u8> {
        self.raw
    }

    #[inline(always)]
    pub(super) fn header(self) -> Header {
        // SAFETY: every entry begins with its header.
        Header(unsafe { self.raw.cast().read() })
    }

    #[inline(always)]
    pub(super) fn slot(self) -> u64 {
        debug_assert!(self.kind().slot_bytes() == WORD);
        // SAFETY: callers have seen a kind with a slot of one word.
        unsafe { self.slot_address().cast().read() }
    }

    #[inline(always)]
    pub(super) fn slot_address(self) -> NonNull<u8> {
        // SAFETY: at that offset lies the slot or what follows it, within the allocation.
        unsafe { self.raw.add(self.header().slot_offset()) }
    }

    /// The slot of a copy, which owns as much as this one, of a collection as `copy_of_collection` makes it.
    pub(super) fn slot_of_copy(self, copy_of_collection: impl FnOnce(Self) -> Slot) -> Slot {
        match self.kind() {
            Kind::Int => word_slot(self.slot()),
            Kind::Inline => word_slot(0),
            Kind::Shared => word_slot(arc_into_slot(self.shared().to_arc())),
            collection_kinds!() => copy_of_collection(self),
        }
    }

    /// The number of bytes in the key.
    #[inline(always)]
    pub fn key_len(self) -> usize {
        let header = self.header();
        match header.short_key_len() {
            // SAFETY: a long key has its length right before it.
            LONG_KEY => unsafe { self.raw.add(header.key_offset() - WORD).cast::<u64>().read() as usize },
            short => short as usize,
        }
    }

    /// The key.
    #[inline(always)]
    pub fn key(self) -> &'a [u8] {
        let offset = self.header().key_offset();
        // SAFETY: the entry holds that many bytes of key there, unchanged during `'a`.
        unsafe { std::slice::from_raw_parts(self.raw.add(offset).as_ptr(), self.key_len()) }
    }

    #[inline(always)]
    pub(super) fn inline_value(self) -> &'a [u8] {
        let offset = self.header().key_offset() + self.key_len();
        // SAFETY: the inline value follows the key and is unchanged during `'a`.
        unsafe { std::slice::from_raw_parts(self.raw.add(offset).as_ptr(), self.header().value_len()) }
    }

    #[inline(always)]
    pub(super) fn shared(self) -> SharedRef<'a> {
        debug_assert!(self.kind() == Kind::Shared);
        let address = std::ptr::with_exposed_provenance_mut(self.slot() as usize);
        // SAFETY: callers have seen the kind `Shared`, whose slot holds the address from `Arc::into_raw`, never null.
        let address = unsafe { NonNull::new_unchecked(address) };
        SharedRef { address, borrow: PhantomData }
    }

    /// Asks for the memory that a reader of the entry will need first.
    #[inline(always)]
    pub fn prefetch(self) {
        prefetch_read(self.raw.as_ptr());
        prefetch_read(self.raw.as_ptr().wrapping_add(48));
    }

    /// How the value is represented.
    #[inline(always)]
    pub fn kind(self) -> Kind {
        self.header().kind()
    }

    /// The data type of the value.
    pub fn value_type(self) -> ValueType {
        match self.kind() {
            Kind::Int | Kind::Inline | Kind::Shared => ValueType::String,
            Kind::List => ValueType::List,
            Kind::Set => ValueType::Set,
            Kind::SortedSet => ValueType::SortedSet,
            Kind::Hash => ValueType::Hash,
            Kind::Stream => ValueType::Stream,
            Kind::Array => ValueType::Array,
            Kind::PathHash => ValueType::PathHash,
            Kind::Bitmap => ValueType::Bitmap,
            Kind::Bundled => {
                let value = self.collection::<Bundled>().map(Bundled::value);
                ValueType::Bundled(value.map_or("", |value| value.type_name()))
            }
        }
    }

    /// When the key expires, as unix time in ms.
    #[inline(always)]
    pub fn expire_at(self) -> Option<i64> {
        // SAFETY: the flag says that the expiry follows the header.
        self.header().expires().then(|| unsafe { self.raw.add(WORD).cast().read() })
    }

    /// Whether its time is over at `now_ms`: a key lives through the millisecond it expires at.
    #[inline(always)]
    pub fn is_due(self, now_ms: i64) -> bool {
        self.expire_at().is_some_and(|at| at < now_ms)
    }

    /// The 24 bits kept for LRU or LFU.
    #[inline(always)]
    pub fn access(self) -> u32 {
        self.header().access()
    }

    /// Sets the 24 bits kept for LRU or LFU; higher bits are dropped.
    #[inline(always)]
    pub fn set_access(self, access: u32) {
        const MASK: u64 = ((1 << ACCESS_BITS) - 1) << 16;
        let header = self.header().0 & !MASK | u64::from(access) << 16 & MASK;
        // SAFETY: entries and views stay on one thread while borrowed (neither is `Sync`, views are not `Send`), and no
        // reference to the header exists.
        unsafe { self.raw.cast().write(header) }
    }

    /// The value, if it is a string.
    #[inline(always)]
    pub fn string(self) -> Option<StringRef<'a>> {
        match self.kind() {
            Kind::Int => Some(StringRef::Int(self.slot() as i64)),
            Kind::Inline => Some(StringRef::Bytes(self.inline_value())),
            Kind::Shared => Some(StringRef::Shared(self.shared())),
            collection_kinds!() => None,
        }
    }

    /// Where the entry lies, for DEBUG OBJECT: it stays there when it is changed in place.
    pub fn address(self) -> usize {
        self.raw.addr().get()
    }

    /// The name that OBJECT ENCODING gives.
    pub fn encoding(self) -> &'static str {
        match self.kind() {
            Kind::Int => "int",
            Kind::Inline if self.header().flags() & RAW == 0 && self.header().value_len() <= EMBEDDED_MAX => "embstr",
            Kind::Inline | Kind::Shared => "raw",
            collection_kinds!() => self.any_collection().map_or("", |collection| collection.encoding()),
        }
    }

    /// Bytes of a string or a bitmap, elements of another collection.
    pub fn size_of_value(self) -> usize {
        match self.string() {
            Some(string) => string.len(),
            None => self.any_collection().map_or(0, |collection| collection.len()),
        }
    }

    /// Memory of the entry and what it owns, in bytes; a shared value counts in full. Of a collection at most `samples`
    /// elements are looked at, unless that is 0.
    pub fn heap_bytes(self, samples: usize) -> usize {
        let elsewhere = match self.kind() {
            Kind::Int | Kind::Inline => 0,
            Kind::Shared => size_class(SHARED_BYTES) + size_class(self.shared().vec().capacity()),
            collection_kinds!() => self.any_collection().map_or(0, |collection| collection.heap_bytes(samples)),
        };
        self.layout().size() + elsewhere
    }

    #[inline(always)]
    pub(super) fn layout(self) -> Layout {
        layout(self.header().key_offset() + self.key_len() + self.header().value_len())
    }
}
