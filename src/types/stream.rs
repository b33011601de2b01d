//! Streams: entries with ascending ids, and groups of consumers that read them.
//!
//! The entries lie in blocks ([`block`] has the layout, which is that of RDB files), the blocks in a [`Log`]. Groups
//! know nothing of blocks: they keep ids. What concerns both, such as deleting an entry along with what groups know of
//! it, stands here.

mod block;
mod groups;
mod id;
mod log;
mod pending;
mod producers;
#[cfg(test)]
mod tests;

pub use block::{BlockLimits, Entry};
pub use groups::{Group, Groups};
pub use id::{IdText, StreamId};
pub use log::{Keep, Log, NewId, Refusal, Trim, Trimmed};
pub use pending::{ConsumerId, Delivery};
pub use producers::{ProducerSettings, Producers};

use super::Collection;
use super::digest::Digest;
use super::listpack::IntText;
use super::sharing::Sharing;
use super::uncommon::{self, Uncommon};

/// A stream.
#[derive(Clone, Debug, Default)]
pub struct Stream(Sharing<Parts>);

#[derive(Clone, Debug, Default)]
struct Parts {
    log: Log,
    groups: Groups,
    /// As long as no producer was heard of there is nothing to know.
    producers: Option<Box<Producers>>,
}

/// What becomes of pending deliveries of an entry that is to be deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum References {
    /// They stay.
    #[default]
    Keep,
    /// They go, too.
    Delete,
    /// As long as some group needs the entry, it stays.
    Respect,
}

/// What came of deleting an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It was not there. The flag tells whether deliveries of it were still pending, and are no more.
    Missing(bool),
    /// It is gone.
    Deleted,
    /// Somebody needs it.
    Needed,
}

impl Stream {
    /// A stream of these entries, without groups.
    pub fn new(log: Log) -> Stream {
        Stream(Sharing::new(Parts { log, ..Parts::default() }))
    }

    /// The entries.
    #[inline]
    pub fn log(&self) -> &Log {
        &self.0.log
    }

    /// The entries, to change them.
    #[inline]
    pub fn log_mut(&mut self) -> &mut Log {
        &mut self.0.log
    }

    /// The groups.
    pub fn groups(&self) -> &Groups {
        &self.0.groups
    }

    /// The groups, to change them, and the entries.
    pub fn groups_mut(&mut self) -> (&mut Groups, &Log) {
        let Parts { groups, log, .. } = &mut *self.0;
        (groups, log)
    }

    /// What is known of producers, if anything.
    pub fn producers(&self) -> Option<&Producers> {
        self.0.producers.as_deref()
    }

    /// What is known of producers, to change it.
    pub fn producers_mut(&mut self) -> Option<&mut Producers> {
        self.0.producers.as_deref_mut()
    }

    /// What is known of producers, to change it; `settings` hold if that is nothing yet.
    pub fn producers_or_new(&mut self, settings: ProducerSettings) -> &mut Producers {
        uncommon::note_made(Uncommon::Producers);
        self.0.producers.get_or_insert_with(|| Box::new(Producers::new(settings)))
    }

    /// Deletes an entry.
    pub fn delete(&mut self, id: StreamId, references: References) -> Deletion {
        let Parts { log, groups, .. } = &mut *self.0;
        let forgotten = match references {
            References::Keep => false,
            References::Delete => groups.forget(id),
            References::Respect if groups.need(id) => return Deletion::Needed,
            References::Respect => false,
        };
        if log.delete(id) { Deletion::Deleted } else { Deletion::Missing(forgotten) }
    }

    /// Removes the oldest entries.
    pub fn trim(&mut self, trim: Trim, references: References) -> Trimmed {
        let Parts { log, groups, .. } = &mut *self.0;
        match references {
            References::Keep => log.trim(trim, None),
            References::Respect => log.trim(trim, Some(&mut |id| groups.need(id))),
            References::Delete => {
                let trimmed = log.trim(trim, None);
                if trimmed.count > 0 {
                    // That includes what was deleted before and is pending all the same.
                    groups.forget_before(if log.len() > 0 { log.first_id() } else { StreamId::MAX });
                }
                trimmed
            }
        }
    }
}

impl Collection for Stream {
    fn len(&self) -> usize {
        self.log().len() as usize
    }

    fn encoding(&self) -> &'static str {
        "stream"
    }

    fn heap_bytes(&self, samples: usize) -> usize {
        let groups = self.groups().iter().map(|(name, group)| name.len() + size_of::<Group>() + group.heap_bytes());
        let producers = self.producers().map_or(0, |producers| size_of::<Producers>() + producers.heap_bytes());
        size_of::<Parts>() + self.log().heap_bytes(samples) + groups.sum::<usize>() + producers
    }

    fn free_effort(&self) -> usize {
        let groups = self.groups().iter().map(|(_, group)| 1 + group.pending_len() / 8);
        let records = self.producers().map_or(0, |producers| producers.records() / 8);
        self.log().block_count() + groups.sum::<usize>() + records
    }

    fn digest(&self, digest: &mut Digest) {
        let mut text = IntText::new();
        for entry in self.log().iter() {
            digest.append(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
            for (name, value) in entry.fields {
                digest.append(name.text(&mut text));
                digest.append(value.text(&mut text));
            }
        }
        // Groups have no part in it, as in Redis; but whether something would be added twice has. What is too old by
        // the time of the last entry may be gone already.
        let now_ms = i64::try_from(self.log().last_id.ms).unwrap_or(i64::MAX);
        for (producer, records) in self.producers().iter().flat_map(|producers| producers.iter()) {
            let records = records.filter(|(_, id)| self.producers().is_some_and(|all| !all.is_over(*id, now_ms)));
            for (name, id) in records {
                digest.append(producer);
                digest.append(name);
                digest.append(id.text(&mut IdText::default()));
            }
        }
    }
}
