//! A set whose members expire: a [`Hash`](struct@Hash) without values, which has the forms for times, the small and the big one.

use super::SetLimits;
use crate::types::ExpiringParts;
use crate::types::hash::{FieldExpiry, Hash, HashLimits};
use crate::types::listpack::{Element, IntText};
use crate::util::random::Random;

const NO_VALUE: &[u8] = b"";

/// A set whose members may expire, each by itself.
#[derive(Clone)]
pub struct TimedSet(Hash);

impl From<SetLimits> for HashLimits {
    fn from(limits: SetLimits) -> Self {
        Self { entries: limits.listpack_entries, value: limits.listpack_value }
    }
}

impl TimedSet {
    /// A set of so many different members, none of which expires yet; a small one if it `may_be_small`.
    pub fn of<'a>(
        members: impl Iterator<Item = Element<'a>>,
        count: usize,
        may_be_small: bool,
        limits: &SetLimits,
    ) -> Self {
        let limits = HashLimits::from(*limits);
        let small_max = if may_be_small { limits.entries } else { 0 };
        let mut hash = Hash::expecting(count.max(1), count, HashLimits { entries: small_max, ..limits });
        hash.expect_times();
        let mut room = IntText::new();
        members.for_each(|member| _ = hash.set(member.text(&mut room), NO_VALUE, limits));
        Self(hash)
    }

    /// The hash: members are its fields.
    pub fn hash(&self) -> &Hash {
        &self.0
    }

    /// The hash, to be changed otherwise than by setting fields.
    pub fn hash_mut(&mut self) -> &mut Hash {
        &mut self.0
    }

    /// Puts a member in, and gives it a time or takes its time; false if it was there.
    pub fn insert(&mut self, text: &[u8], expiry: FieldExpiry, limits: &SetLimits) -> bool {
        match expiry {
            FieldExpiry::Keep if self.0.expiry(text).is_some() => false,
            _ => self.0.set_with(text, NO_VALUE, expiry, (*limits).into()),
        }
    }

    /// Calls `emit` for a member that lives, chosen at random, and takes it out; false if there is none.
    pub fn pop(&mut self, now_ms: i64, random: &mut Random, emit: impl FnOnce(Element<'_>)) -> bool {
        let chosen = self.0.random_live(now_ms, random).map(|pair| pair.field.to_vec());
        chosen.is_some_and(|member| {
            emit(Element::Bytes(&member));
            self.0.remove(&member)
        })
    }

    /// Calls `emit` for members that live, chosen at random, and takes them out. `count` is less than there are.
    pub fn pop_many(&mut self, (count, now_ms): (usize, i64), random: &mut Random, mut emit: impl FnMut(Element<'_>)) {
        let (live, mut chosen) = (self.0.live_len(now_ms), Vec::with_capacity(count));
        self.0.sample((count, live), now_ms, random, |pair| chosen.push(pair.field.to_vec()));
        for member in chosen {
            emit(Element::Bytes(&member));
            self.0.remove(&member);
        }
    }
}
