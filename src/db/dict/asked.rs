//! For tests: which keys dictionaries are asked for.

use std::cell::RefCell;
use std::collections::BTreeSet;

thread_local! {
    static ASKED: RefCell<BTreeSet<Vec<u8>>> = const { RefCell::new(BTreeSet::new()) };
}

/// The keys that this thread asks for while `act` runs.
pub fn during(act: impl FnOnce()) -> BTreeSet<Vec<u8>> {
    ASKED.take();
    act();
    ASKED.take()
}

pub(super) fn note(key: &[u8]) {
    ASKED.with_borrow_mut(|asked| asked.insert(key.to_vec()));
}
