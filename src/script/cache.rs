//! The scripts known by the SHA-1 of their text.
//!
//! SCRIPT LOAD keeps a script until SCRIPT FLUSH. Those that came with EVAL are many where clients put values into the
//! text: of these only the [`EVALUATED_MAX`] used latest are kept, in a doubly linked list through the slots.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use sha1::{Digest as _, Sha1};

use super::lua::Reference;
use super::shebang::ScriptFlags;

/// Scripts kept that came with EVAL.
const EVALUATED_MAX: usize = 500;

/// A digest, as forty hexadecimal digits in lower case.
pub type Sha = [u8; 40];

/// A script.
#[derive(Debug)]
pub struct Script {
    /// Its digest: its name in errors.
    pub name: Rc<[u8]>,
    /// What it says of itself.
    pub flags: ScriptFlags,
    /// The function it was compiled into.
    pub function: Reference,
    /// Its text.
    pub text: Box<[u8]>,
    sha: Sha,
    /// Neighbours in the list of those that came with EVAL, and whether it stands there.
    older: Option<usize>,
    newer: Option<usize>,
    is_listed: bool,
}

/// The digits of digests are spread evenly: the first sixteen are enough for a hash, once their bits are mixed.
#[derive(Debug, Default)]
struct FirstDigits(u64);

impl Hasher for FirstDigits {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, digits: &[u8]) {
        let [first, second] = [digits.first_chunk(), digits.get(8..).and_then(<[u8]>::first_chunk)]
            .map(|eight| eight.map_or(0, |eight| u64::from_le_bytes(*eight)));
        let mixed = u128::from(first ^ second.rotate_left(4)) * 0x9E37_79B9_7F4A_7C15;
        self.0 = mixed as u64 ^ (mixed >> 64) as u64;
    }
    fn write_usize(&mut self, _: usize) {}
}

/// All scripts.
#[derive(Debug, Default)]
pub struct Cache {
    slots: slab::Slab<Script>,
    by_sha: HashMap<Sha, usize, BuildHasherDefault<FirstDigits>>,
    oldest: Option<usize>,
    newest: Option<usize>,
    listed: usize,
    text_bytes: usize,
}

impl Cache {
    /// The number of scripts.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Memory of the scripts and their list, in bytes.
    pub fn bytes(&self) -> usize {
        let per_script = size_of::<Script>() + size_of::<(Sha, usize)>() + 1;
        self.text_bytes + self.slots.len() * per_script
    }

    /// Whether a script is known.
    pub fn contains(&self, sha: &Sha) -> bool {
        self.by_sha.contains_key(sha)
    }

    /// A script, without counting that as a use.
    pub fn peek(&self, sha: &Sha) -> Option<&Script> {
        self.by_sha.get(sha).map(|slot| &self.slots[*slot])
    }

    /// A script that is to run: it counts as used now.
    #[inline]
    pub fn use_now(&mut self, sha: &Sha) -> Option<&Script> {
        let slot = *self.by_sha.get(sha)?;
        if self.slots[slot].is_listed && self.newest != Some(slot) {
            self.unlink(slot);
            self.link(slot);
        }
        Some(&self.slots[slot])
    }

    /// Takes a script in. One that comes with EVAL may push out another one, whose function is returned.
    pub fn add(
        &mut self,
        sha: Sha,
        text: &[u8],
        flags: ScriptFlags,
        function: Reference,
        by_eval: bool,
    ) -> Option<Reference> {
        let evicted = (by_eval && self.listed >= EVALUATED_MAX).then(|| self.oldest.map(|slot| self.remove(slot)));
        let script = Script {
            name: Rc::from(sha),
            flags,
            function,
            text: text.into(),
            sha,
            older: None,
            newer: None,
            is_listed: false,
        };
        self.text_bytes += text.len();
        let slot = self.slots.insert(script);
        self.by_sha.insert(sha, slot);
        if by_eval {
            self.link(slot);
        }
        evicted.flatten()
    }

    /// Keeps a script for good: it was loaded by SCRIPT LOAD.
    pub fn keep(&mut self, sha: &Sha) {
        if let Some(slot) = self.by_sha.get(sha).copied()
            && self.slots[slot].is_listed
        {
            self.unlink(slot);
        }
    }

    fn remove(&mut self, slot: usize) -> Reference {
        self.unlink(slot);
        let script = self.slots.remove(slot);
        self.by_sha.remove(&script.sha);
        self.text_bytes -= script.text.len();
        script.function
    }

    fn link(&mut self, slot: usize) {
        let older = self.newest.replace(slot);
        let script = &mut self.slots[slot];
        (script.older, script.newer, script.is_listed) = (older, None, true);
        match older {
            Some(older) => self.slots[older].newer = Some(slot),
            None => self.oldest = Some(slot),
        }
        self.listed += 1;
    }

    fn unlink(&mut self, slot: usize) {
        let script = &mut self.slots[slot];
        script.is_listed = false;
        let (older, newer) = (script.older.take(), script.newer.take());
        match older {
            Some(older) => self.slots[older].newer = newer,
            None => self.oldest = newer,
        }
        match newer {
            Some(newer) => self.slots[newer].older = older,
            None => self.newest = older,
        }
        self.listed -= 1;
    }
}

/// The digest of a text.
pub fn sha_of(text: &[u8]) -> Sha {
    digits_of(Sha1::new_with_prefix(text))
}

/// The digest of what has been hashed.
pub fn digits_of(hash: Sha1) -> Sha {
    let mut digits = [0; 40];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(hash.finalize()) {
        pair.copy_from_slice(&[
            b"0123456789abcdef"[usize::from(byte >> 4)],
            b"0123456789abcdef"[usize::from(byte & 15)],
        ]);
    }
    digits
}

/// The digest given by digits of either case. What is no digit is found in no digest of a script.
pub fn parse_sha(digits: &[u8]) -> Option<Sha> {
    let mut sha: Sha = digits.try_into().ok()?;
    sha.make_ascii_lowercase();
    Some(sha)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::lua::State;

    fn reference() -> Reference {
        let state = State::new(usize::MAX);
        state.lua().push_number(1.0);
        state.lua().keep()
    }

    fn sha(number: usize) -> Sha {
        sha_of(number.to_string().as_bytes())
    }

    #[test]
    fn digests_are_read_in_either_case() {
        let digits = *b"e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
        assert_eq!(sha_of(b"return 1"), digits);
        assert_eq!(parse_sha(&digits.to_ascii_uppercase()), Some(sha_of(b"return 1")));
        assert_eq!(parse_sha(b"abc"), None);
    }

    #[test]
    fn of_scripts_that_came_with_eval_the_ones_used_latest_stay() {
        let (mut cache, function) = (Cache::default(), reference());
        let flags = ScriptFlags::default();
        assert_eq!(cache.add(sha(0), b"0", flags, function, false), None);
        for number in 1..=EVALUATED_MAX {
            assert_eq!(cache.add(sha(number), b"1", flags, function, true), None);
        }
        assert!(cache.use_now(&sha(1)).is_some());
        cache.keep(&sha(2));
        assert_eq!(cache.add(sha(1000), b"1", flags, function, true), None, "one was kept for good");
        assert_eq!(cache.add(sha(1001), b"1", flags, function, true), Some(function));
        assert!(!cache.contains(&sha(3)));
        for number in [0, 1, 2, 4, 1000, 1001] {
            assert!(cache.contains(&sha(number)), "{number}");
        }
        assert_eq!(cache.len(), EVALUATED_MAX + 2);
    }
}
