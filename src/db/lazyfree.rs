//! Freeing what is big on another thread: whole dictionaries, and collections of many allocations.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use std::thread;

use super::dict::Dict;
use super::entry::{Entry, StringRef};
use crate::util::platform::SignalStack;

/// A collection of more allocations than this is worth the way to the thread.
const EFFORT_MIN: usize = 64;
/// So is a string of as many bytes: the kernel takes them back page by page.
const STRING_BYTES_MIN: usize = 1 << 20;

/// When entries are freed by the thread rather than at once: the directives `lazyfree-lazy-*`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lazily {
    /// Keys whose time has come.
    pub expire: bool,
    /// Values that a command replaces or deletes on its way.
    pub server_del: bool,
    /// Keys deleted to make room.
    pub eviction: bool,
}

/// What the thread frees.
enum Garbage {
    Dict(Box<Dict>),
    Entry(Entry),
}

impl Garbage {
    fn objects(&self) -> u64 {
        match self {
            Self::Dict(dict) => dict.len() as u64,
            Self::Entry(_) => 1,
        }
    }

    fn free(self) {
        match self {
            Self::Dict(dict) => drop(dict),
            Self::Entry(entry) => drop(entry),
        }
    }
}

#[inline]
fn is_worth_the_way(entry: &Entry) -> bool {
    match (entry.view().any_collection(), entry.view().string()) {
        (Some(value), _) => value.free_effort() > EFFORT_MIN,
        (None, Some(StringRef::Shared(shared))) => shared.bytes().len() >= STRING_BYTES_MIN,
        (None, _) => false,
    }
}

#[derive(Debug, Default)]
struct Counts {
    pending: AtomicU64,
    freed: AtomicU64,
}

/// The freeing thread, started when it is first needed.
#[derive(Debug, Default)]
pub struct LazyFree {
    /// When entries come here.
    pub lazily: Lazily,
    sender: Option<mpsc::Sender<Garbage>>,
    counts: Arc<Counts>,
}

impl LazyFree {
    /// Has a dictionary freed by the thread; here and now if there can be no thread.
    pub fn free_later(&mut self, dict: Dict) {
        if !dict.is_empty() {
            self.send(Garbage::Dict(Box::new(dict)));
        }
    }

    /// Frees an entry: with `lazily` by the thread if it is worth it.
    #[inline]
    pub fn dispose(&mut self, entry: Entry, lazily: bool) {
        if lazily && is_worth_the_way(&entry) {
            self.send(Garbage::Entry(entry));
        }
    }

    fn send(&mut self, garbage: Garbage) {
        if self.sender.is_none() {
            self.sender = self.start();
        }
        if let Some(sender) = &self.sender {
            self.counts.pending.fetch_add(garbage.objects(), Relaxed);
            sender.send(garbage).ok();
        }
    }

    fn start(&self) -> Option<mpsc::Sender<Garbage>> {
        let (sender, receiver) = mpsc::channel::<Garbage>();
        let counts = Arc::clone(&self.counts);
        let work = move || {
            let _stack = SignalStack::begin();
            for garbage in receiver {
                let objects = garbage.objects();
                garbage.free();
                counts.pending.fetch_sub(objects, Relaxed);
                counts.freed.fetch_add(objects, Relaxed);
            }
        };
        thread::Builder::new().name("lazyfree".to_owned()).spawn(work).ok().map(|_| sender)
    }

    /// Keys and values waiting to be freed.
    pub fn pending(&self) -> u64 {
        self.counts.pending.load(Relaxed)
    }

    /// Counts what is freed from zero again.
    pub fn reset_freed(&self) {
        self.counts.freed.store(0, Relaxed);
    }

    /// Keys and values freed so far.
    pub fn freed(&self) -> u64 {
        self.counts.freed.load(Relaxed)
    }
}
