//! An element of a big sorted set: one thin allocation that the member table owns and the tree points at.
//!
//! ```text
//! item   | head: 1 byte                  | long length     | score            | member |
//!        | bit 0: wide score             | 8 bytes, if the | wide: f64        |        |
//!        | the rest: length, 127 if long | head says so    | not wide: i32    |        |
//!
//! slot   | 16 bits: middle bits of the score's key | 48 bits: address of an item |
//! ```
//! Most scores are small integers and take four bytes; so a member of 16 bytes with such a score takes 21, and its
//! item a block of 24. A [`Slot`] is what the tree holds: the address, with bits of the score in what an address leaves
//! free, so that most comparisons need not read the item.
//!
//! # Invariants
//! An item is only changed or freed through the [`Item`] that owns it. Whoever makes a [`Slot`] of it promises that the
//! slot is not asked for its item beyond that.

// Items have no fixed size, and slots are addresses without a lifetime.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::types::table::Packed;
use crate::util::alloc::size_class;
use crate::util::prefetch::prefetch_read;

/// The length in the head that says: a long one follows.
const LONG: u8 = 127;
const LONG_LENGTH_BYTES: usize = 8;
const WIDE: u8 = 1;
const WIDE_BYTES: usize = 8;
const NARROW_BYTES: usize = 4;
const ADDRESS_BITS: u32 = 48;

/// The bytes of an item with an empty member and the score 0, which slots that are not in use point at.
#[repr(align(8))]
struct Nothing {
    _bytes: [u8; 8],
}
static NOTHING: Nothing = Nothing { _bytes: [0; 8] };

/// The place of a score among all scores, -0 being the same as 0: keys compare as the scores do.
#[inline(always)]
pub fn score_key(score: f64) -> i64 {
    // Adding 0 takes the sign from -0. Below zero a greater magnitude comes first.
    let bits = (score + 0.0).to_bits() as i64;
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

/// The upper 32 bits of a key.
#[inline(always)]
pub fn upper(key: i64) -> i32 {
    (key >> 32) as i32
}

/// The 16 bits of a key that follow the upper ones: the same that a slot holds.
#[inline(always)]
pub fn middle(key: i64) -> u16 {
    (key >> 16) as u16
}

/// The narrow form of a score, if it has one that loses nothing.
#[inline(always)]
fn narrow(score: f64) -> Option<i32> {
    let integer = score as i32;
    (f64::from(integer).to_bits() == score.to_bits()).then_some(integer)
}

/// Where the parts of an item lie, as its head tells.
#[derive(Clone, Copy)]
struct Shape {
    length: usize,
    score_at: usize,
    wide: bool,
}

impl Shape {
    #[inline(always)]
    fn new(length: usize, wide: bool) -> Self {
        let score_at = if length < usize::from(LONG) { 1 } else { 1 + LONG_LENGTH_BYTES };
        Self { length, score_at, wide }
    }

    #[inline(always)]
    fn member_at(self) -> usize {
        self.score_at + if self.wide { WIDE_BYTES } else { NARROW_BYTES }
    }

    #[inline(always)]
    fn bytes(self) -> usize {
        self.member_at() + self.length
    }

    fn layout(self) -> Layout {
        match Layout::from_size_align(self.bytes(), 8) {
            Ok(layout) => layout,
            Err(_) => unreachable!("the member lies in memory"),
        }
    }
}

/// An item, owned.
#[derive(Debug)]
pub struct Item(NonNull<u8>);

// SAFETY: an item owns its allocation alone.
unsafe impl Send for Item {}
// SAFETY: nothing is changed through a reference.
unsafe impl Sync for Item {}

impl Item {
    /// A member with its score.
    pub fn new(member: &[u8], score: f64) -> Self {
        let narrowed = narrow(score);
        let shape = Shape::new(member.len(), narrowed.is_none());
        let layout = shape.layout();
        // SAFETY: the layout is not empty.
        let Some(address) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        let length = member.len().min(usize::from(LONG)) as u8;
        // SAFETY: the allocation has room for all parts, which `shape` has laid out one behind the other.
        unsafe {
            address.write(length << 1 | if shape.wide { WIDE } else { 0 });
            if length == LONG {
                address.add(1).cast::<u64>().write_unaligned(member.len() as u64);
            }
            match narrowed {
                Some(score) => address.add(shape.score_at).cast::<i32>().write_unaligned(score),
                None => address.add(shape.score_at).cast::<f64>().write_unaligned(score),
            }
            address.add(shape.member_at()).copy_from_nonoverlapping(NonNull::from(member).cast(), member.len());
        }
        Self(address)
    }

    /// The item, borrowed.
    #[inline(always)]
    pub fn view(&self) -> ItemRef<'_> {
        ItemRef { address: self.0, item: PhantomData }
    }

    /// Gives it another score. It may move to another address.
    #[inline]
    pub fn set_score(&mut self, score: f64) {
        let shape = self.view().shape();
        match (narrow(score), shape.wide) {
            // SAFETY: a narrow score lies there, and the item is borrowed mutably.
            (Some(score), false) => unsafe { self.0.add(shape.score_at).cast::<i32>().write_unaligned(score) },
            // SAFETY: as above, a wide one.
            (None, true) => unsafe { self.0.add(shape.score_at).cast::<f64>().write_unaligned(score) },
            (Some(_), true) | (None, false) => *self = Self::new(self.view().member(), score),
        }
    }
}

impl Drop for Item {
    fn drop(&mut self) {
        // SAFETY: the allocation was made with this layout, and nobody reads it after this.
        unsafe { dealloc(self.0.as_ptr(), self.view().shape().layout()) }
    }
}

// SAFETY: raw forms are the addresses, which are aligned to 8, and the member never changes.
unsafe impl Packed for Item {
    type Ref<'a> = ItemRef<'a>;

    #[inline(always)]
    fn into_raw(self) -> NonNull<u8> {
        let address = self.0;
        std::mem::forget(self);
        address
    }

    #[inline(always)]
    unsafe fn from_raw(raw: NonNull<u8>) -> Self {
        Self(raw)
    }

    #[inline(always)]
    unsafe fn view<'a>(raw: NonNull<u8>) -> ItemRef<'a> {
        ItemRef { address: raw, item: PhantomData }
    }

    #[inline(always)]
    unsafe fn key_of<'a>(raw: NonNull<u8>) -> &'a [u8] {
        ItemRef { address: raw, item: PhantomData }.member()
    }
}

/// An item, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct ItemRef<'a> {
    address: NonNull<u8>,
    item: PhantomData<&'a [u8]>,
}

impl<'a> ItemRef<'a> {
    #[inline(always)]
    fn shape(self) -> Shape {
        // SAFETY: every item has a head.
        let head = unsafe { self.address.read() };
        let wide = head & WIDE != 0;
        match head >> 1 {
            LONG => self.long_shape(wide),
            length => Shape::new(usize::from(length), wide),
        }
    }

    #[cold]
    fn long_shape(self, wide: bool) -> Shape {
        // SAFETY: the head, just read, says that the length lies there.
        Shape::new(unsafe { self.address.add(1).cast::<u64>().read_unaligned() } as usize, wide)
    }

    /// The score.
    #[inline(always)]
    pub fn score(self) -> f64 {
        let shape = self.shape();
        // SAFETY: the head tells where the score lies, and in which form.
        unsafe {
            match shape.wide {
                true => self.address.add(shape.score_at).cast::<f64>().read_unaligned(),
                false => f64::from(self.address.add(shape.score_at).cast::<i32>().read_unaligned()),
            }
        }
    }

    /// The member.
    #[inline(always)]
    pub fn member(self) -> &'a [u8] {
        let shape = self.shape();
        // SAFETY: the head tells where the member lies; it is not changed while the item is borrowed.
        unsafe { NonNull::slice_from_raw_parts(self.address.add(shape.member_at()), shape.length).as_ref() }
    }

    /// The memory it takes.
    pub fn heap_bytes(self) -> usize {
        size_class(self.shape().bytes())
    }

    /// Where it lies; the same item is at the same place.
    #[inline(always)]
    pub fn address(self) -> NonNull<u8> {
        self.address
    }

    /// A slot that points at it.
    ///
    /// # Safety
    /// The slot, and copies of it, must not be asked for their item when this one has been changed or freed.
    #[inline(always)]
    pub unsafe fn slot(self) -> Slot {
        Slot::pack(self.address, middle(score_key(self.score())))
    }
}

/// What the tree holds of an item.
#[derive(Clone, Copy, Debug)]
pub struct Slot(u64);

impl Default for Slot {
    fn default() -> Self {
        Self::pack(NonNull::from(&NOTHING).cast(), 0)
    }
}

impl Slot {
    #[inline(always)]
    fn pack(address: NonNull<u8>, middle: u16) -> Self {
        let address = address.as_ptr().expose_provenance() as u64;
        debug_assert!(address >> ADDRESS_BITS == 0, "addresses have 48 bits");
        Self(u64::from(middle) << ADDRESS_BITS | address)
    }

    #[inline(always)]
    fn address(self) -> *mut u8 {
        std::ptr::with_exposed_provenance_mut((self.0 & ((1 << ADDRESS_BITS) - 1)) as usize)
    }

    /// The middle bits of its score's key.
    #[inline(always)]
    pub fn middle(self) -> u16 {
        (self.0 >> ADDRESS_BITS) as u16
    }

    /// The item, for as long as the slot is borrowed.
    #[inline(always)]
    pub fn item(&self) -> ItemRef<'_> {
        // SAFETY: slots hold addresses of items, or of `NOTHING`, which are not null.
        ItemRef { address: unsafe { NonNull::new_unchecked(self.address()) }, item: PhantomData }
    }

    /// Whether its item lies there.
    #[inline(always)]
    pub fn is_at(self, address: NonNull<u8>) -> bool {
        self.address() == address.as_ptr()
    }

    /// Asks for the memory of its item, which is read soon.
    #[inline(always)]
    pub fn prefetch(self) {
        prefetch_read(self.address());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_integers_take_four_bytes() {
        let bytes = |score| Item::new(&[b'm'; 16], score).view().shape().bytes();
        assert_eq!([bytes(0.0), bytes(-7.0), bytes(2147483647.0)], [21; 3]);
        assert_eq!([bytes(-0.0), bytes(0.5), bytes(2147483648.0), bytes(f64::INFINITY)], [25; 4]);
    }

    #[test]
    fn lengths_are_kept_beyond_what_the_head_can_hold() {
        for length in [0, 1, 126, 127, 128, 100_000] {
            let member = vec![b'x'; length];
            for score in [1.0, 1.5] {
                let item = Item::new(&member, score);
                assert_eq!((item.view().member(), item.view().score()), (&member[..], score));
            }
        }
    }

    #[test]
    fn an_unused_slot_points_at_nothing() {
        assert_eq!((Slot::default().item().member(), Slot::default().item().score()), (&b""[..], 0.0));
    }

    fn scores() -> impl Strategy<Value = f64> {
        prop_oneof![
            any::<i16>().prop_map(f64::from),
            any::<f64>().prop_filter("a number", |score| !score.is_nan()),
            Just(-0.0),
            Just(f64::INFINITY),
            Just(f64::NEG_INFINITY),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn keys_compare_as_scores_do(one in scores(), other in scores()) {
            let by_key = score_key(one).cmp(&score_key(other));
            prop_assert_eq!(Some(by_key), one.partial_cmp(&other));
            let halves = |score| (upper(score_key(score)), middle(score_key(score)));
            prop_assert!(halves(one).cmp(&halves(other)) == by_key || halves(one) == halves(other));
        }

        #[test]
        fn scores_can_be_changed(member in "[a-z]{0,300}", scores in proptest::collection::vec(scores(), 1..8)) {
            let mut item = Item::new(member.as_bytes(), 0.0);
            for score in scores {
                item.set_score(score);
                prop_assert_eq!(item.view().score().to_bits(), score.to_bits());
                prop_assert_eq!(item.view().member(), member.as_bytes());
                // SAFETY: the slot is forgotten before the item changes.
                let slot = unsafe { item.view().slot() };
                prop_assert!(slot.is_at(item.view().address()) && slot.middle() == middle(score_key(score)));
                prop_assert_eq!(slot.item().member(), member.as_bytes());
            }
        }
    }
}
