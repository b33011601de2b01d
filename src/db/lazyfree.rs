//! Freeing what is big on another thread.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::thread;

use super::dict::Dict;

#[derive(Debug, Default)]
struct Counts {
    pending: AtomicU64,
    freed: AtomicU64,
}

/// The freeing thread, started when it is first needed.
#[derive(Debug, Default)]
pub struct LazyFree {
    sender: Option<mpsc::Sender<Dict>>,
    counts: Arc<Counts>,
}

impl LazyFree {
    /// Has a dictionary freed by the thread; here and now if there can be no thread.
    pub fn free_later(&mut self, dict: Dict) {
        if dict.is_empty() {
            return;
        }
        if self.sender.is_none() {
            self.sender = self.start();
        }
        if let Some(sender) = &self.sender {
            self.counts.pending.fetch_add(dict.len() as u64, Relaxed);
            sender.send(dict).ok();
        }
    }

    fn start(&self) -> Option<mpsc::Sender<Dict>> {
        let (sender, receiver) = mpsc::channel::<Dict>();
        let counts = Arc::clone(&self.counts);
        let work = move || {
            for dict in receiver {
                let keys = dict.len() as u64;
                drop(dict);
                counts.pending.fetch_sub(keys, Relaxed);
                counts.freed.fetch_add(keys, Relaxed);
            }
        };
        thread::Builder::new().name("lazyfree".to_owned()).spawn(work).ok().map(|_| sender)
    }

    /// Keys waiting to be freed.
    pub fn pending(&self) -> u64 {
        self.counts.pending.load(Relaxed)
    }

    /// Counts the keys freed from zero again.
    pub fn reset_freed(&self) {
        self.counts.freed.store(0, Relaxed);
    }

    /// Keys freed so far.
    pub fn freed(&self) -> u64 {
        self.counts.freed.load(Relaxed)
    }
}
