//! What keeps the items that images of a big sorted set point at.
//!
//! An image has a tree of its own, the slots of which point at items of the set. So the set changes and frees no item in
//! place while there are images: what goes is left to them, and is freed with the last of those that may read it.
//!
//! ```text
//! set ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌┐            an image may read what went after it was made,
//! image 1 → kept 1 → kept 2          and nothing that went before
//! image 2 ────────────┘
//! ```
//! What goes is put down in the `kept` of the latest image, which those of earlier ones hold, too. Items made since then
//! are in no image: they are told apart by their addresses, and are the set's to change. So what is kept does not grow
//! with the number of changes, but with that of the elements that are changed.

use std::ptr::NonNull;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use super::item::Item;
use crate::types::table::Table;
use crate::util::address_hash::AddressSet;

/// Items that are no more in the set.
#[derive(Default)]
struct Left {
    items: Vec<Item>,
    tables: Vec<Table<Item>>,
}

/// What an image holds for as long as it reads items of a set.
#[derive(Default)]
pub struct Kept {
    left: Mutex<Left>,
    /// Those of the image that was made next.
    later: OnceLock<Arc<Kept>>,
}

/// The latest of the images.
struct Latest {
    kept: Weak<Kept>,
    /// Addresses of the items that were made since then.
    new: AddressSet,
}

/// The images that there are of a set, as the set knows them.
#[derive(Default)]
pub struct Readers(Mutex<Option<Box<Latest>>>);

impl Readers {
    /// There is one more image, which holds what is returned.
    pub fn add(&self) -> Arc<Kept> {
        let kept = Arc::<Kept>::default();
        let latest = Box::new(Latest { kept: Arc::downgrade(&kept), new: AddressSet::default() });
        let before = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(latest);
        if let Some(before) = before.and_then(|before| before.kept.upgrade()) {
            // It was the latest, and nobody else makes another one its next.
            _ = before.later.set(Arc::clone(&kept));
        }
        kept
    }

    /// Whether there are any. If not, they are through with the items.
    #[inline]
    pub fn are_there(&mut self) -> bool {
        let latest = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        latest.is_some() && Self::see(latest)
    }

    #[cold]
    fn see(latest: &mut Option<Box<Latest>>) -> bool {
        if latest.as_ref().is_some_and(|latest| latest.kept.strong_count() > 0) {
            return true;
        }
        // What they read comes before what is done with it from here on.
        fence(Ordering::Acquire);
        *latest = None;
        false
    }

    fn latest(&mut self) -> Option<&mut Latest> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).as_deref_mut()
    }

    /// An item was made.
    #[inline]
    pub fn note_new(&mut self, address: NonNull<u8>) {
        if self.are_there() {
            self.latest().map(|latest| latest.new.insert(address.addr().get()));
        }
    }

    /// An item is no more in the set: it is freed, unless some may read it.
    #[inline]
    pub fn leave(&mut self, item: Item) {
        if self.are_there() {
            self.keep(item);
        }
    }

    #[cold]
    fn keep(&mut self, item: Item) {
        let address = item.view().address().addr().get();
        let Some(latest) = self.latest() else { return };
        if latest.new.remove(&address) {
            return;
        }
        if let Some(kept) = latest.kept.upgrade() {
            kept.left.lock().unwrap_or_else(PoisonError::into_inner).items.push(item);
        }
    }

    /// The set is no more.
    pub fn leave_all(&mut self, items: Table<Item>) {
        if let Some(kept) = self.latest().and_then(|latest| latest.kept.upgrade()) {
            kept.left.lock().unwrap_or_else(PoisonError::into_inner).tables.push(items);
        }
    }
}
