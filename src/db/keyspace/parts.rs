//! Fields of hashes and members of sets whose time has come.
//!
//! Unlike keys they are not deleted by the first lookup that meets their collection: commands see them as absent and
//! delete the one they were asked for, the rest goes by active expiry. A collection left empty is deleted with its last
//! part. What happened is noted, as it is for keys.

use super::{Databases, Note, NoteKind};
use crate::db::{EntryView, Key};
use crate::types::{Collection, ExpiringParts, Hash};

impl Databases {
    /// Plans active expiry for a collection in which a part may now expire earlier than any before, or none does any
    /// more.
    pub fn plan_parts(&mut self, key: &Key<'_>) {
        if let Some(mut slot) = self.all[self.selected].dict.find_mut(key.hash(), key.bytes()) {
            slot.plan();
        }
    }

    /// Deletes those of the parts named whose time has come.
    #[cold]
    pub fn expire_named<'p>(&mut self, key: &Key<'_>, named: impl IntoIterator<Item = &'p [u8]>) {
        let (db, now_ms, frozen) = (self.selected, self.now_ms, self.keeps_expired);
        let Some(collection) = self.parts_in(db, key).filter(|_| !frozen) else { return };
        let mut expired: Vec<Box<[u8]>> = Vec::new();
        for part in named {
            if collection.expiry(part).flatten().is_some_and(|at| at < now_ms) && collection.remove(part) {
                expired.push(part.into());
            }
        }
        if !expired.is_empty() {
            self.parts_expired(db, key, expired);
        }
    }

    /// Deletes parts of a collection whose time has come, at most as many.
    #[cold]
    pub fn expire_parts(&mut self, key: &Key<'_>, most: usize) {
        if !self.keeps_expired {
            self.expire_parts_in(self.selected, key, most);
        }
    }

    /// Deletes all parts of a collection whose time has come, for a command whose outcome is kept: who runs it again, a
    /// replica or a server that loads its log, has no time to judge by.
    pub fn expire_all_parts_of(&mut self, key: &Key<'_>) {
        let now_ms = self.now_ms;
        if self.read_only(key).and_then(EntryView::parts).is_some_and(|parts| parts.has_due(now_ms)) {
            self.expire_parts(key, usize::MAX);
        }
    }

    /// Looks after the collection whose plan comes first, if it is due, and deletes at most as many of its parts. False
    /// if nothing is due.
    pub(in crate::db) fn expire_planned(&mut self, db: usize, most: usize) -> bool {
        let now_ms = self.now_ms;
        let dict = &mut self.all[db].dict;
        let Some((at, hash)) = dict.next_planned().filter(|(at, _)| *at < now_ms) else { return false };
        let Some(slot) = dict.find_planned(at, hash) else { return false };
        let key = slot.view().key().to_vec();
        if self.is_stray(&key) {
            return false;
        }
        self.expire_parts_in(db, &Key::hashed(&key, hash), most);
        true
    }

    fn parts_in(&mut self, db: usize, key: &Key<'_>) -> Option<&mut dyn ExpiringParts> {
        self.all[db].dict.find_mut(key.hash(), key.bytes())?.into_parts()
    }

    fn expire_parts_in(&mut self, db: usize, key: &Key<'_>, most: usize) {
        let now_ms = self.now_ms;
        let Some(collection) = self.parts_in(db, key) else { return };
        let mut expired: Vec<Box<[u8]>> = Vec::new();
        collection.remove_due(now_ms, most, &mut |part| expired.push(part.into()));
        self.parts_expired(db, key, expired);
    }

    /// What follows from the deletion of parts: the plan for the rest, or the end of the collection.
    fn parts_expired(&mut self, db: usize, key: &Key<'_>, parts: Vec<Box<[u8]>>) {
        let Some(mut slot) = self.all[db].dict.find_mut(key.hash(), key.bytes()) else { return };
        let emptied = slot.view().any_collection().is_some_and(Collection::is_empty);
        let is_hash = slot.view().collection::<Hash>().is_some();
        let kind = if is_hash { NoteKind::FieldsExpired } else { NoteKind::MembersExpired };
        if emptied {
            let lazily = self.lazyfree.lazily.expire;
            self.lazyfree.dispose(slot.remove(), lazily);
        } else {
            slot.plan_anew();
        }
        if !parts.is_empty() {
            self.stats.expired_parts += parts.len() as u64;
            self.notes.push(Note { parts: parts.into(), ..Note::new(db, key, kind) });
        }
        if emptied {
            self.notes.push(Note::new(db, key, NoteKind::Emptied));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::hash::{FieldExpiry, HashLimits};

    const LIMITS: HashLimits = HashLimits { entries: 8, value: 64 };

    /// A hash whose fields expire at the times given, 0 for never.
    fn put(db: &mut Databases, key: &str, times: &[i64]) {
        let mut hash = Hash::default();
        for (number, at) in times.iter().enumerate() {
            let expiry = if *at > 0 { FieldExpiry::At(*at) } else { FieldExpiry::Clear };
            hash.set_with(format!("f{number}").as_bytes(), b"v", expiry, LIMITS);
        }
        db.put_collection(&Key::new(key.as_bytes()), hash);
    }

    fn fields(db: &mut Databases, key: &str) -> usize {
        db.collection::<Hash>(&Key::new(key.as_bytes())).expect("a hash").map_or(0, |hash| hash.len())
    }

    fn cycle(db: &mut Databases, now_ms: i64) {
        db.begin_command(0, now_ms);
        while db.expire_cycle(1, || true).out_of_time {}
    }

    #[test]
    fn fields_go_when_their_time_has_come_wherever_their_hash_has_gone() {
        let mut db = Databases::new(2);
        db.begin_command(0, 1);
        for times in [vec![10, 20, 0], vec![10; 200]] {
            put(&mut db, "a", &times);
            put(&mut db, "copied", &times);
            let (a, b, copy) = (Key::new(b"a"), Key::new(b"b"), Key::new(b"copy"));
            let renamed = db.take(&a).expect("a key").rename(b.bytes());
            assert_eq!(db.dict().planned_len(), 1);
            db.put(&b, renamed);
            let duplicate = db.duplicate(&Key::new(b"copied"), &copy).expect("a key");
            db.put(&copy, duplicate);
            assert_eq!(db.dict().planned_len(), 3);
            db.swap(0, 1);
            cycle(&mut db, 11);
            db.select(1);
            let left = times.iter().filter(|at| **at != 10).count();
            assert_eq!(["b", "copied", "copy"].map(|key| fields(&mut db, key)), [left; 3]);
            cycle(&mut db, 21);
            db.select(1);
            let left = times.iter().filter(|at| **at == 0).count();
            assert_eq!(["b", "copied", "copy"].map(|key| fields(&mut db, key)), [left; 3]);
            assert_eq!(db.dict().planned_len(), 0);
            db.flush(1, false);
            db.swap(0, 1);
            db.begin_command(0, 1);
        }
    }

    #[test]
    fn what_takes_a_hash_away_takes_its_plan() {
        let mut db = Databases::new(1);
        db.begin_command(0, 1);
        let key = Key::new(b"a");
        for end in 0..5 {
            put(&mut db, "a", &[10, 20]);
            assert_eq!(db.dict().planned_len(), 1);
            match end {
                0 => _ = db.delete(&key),
                1 => _ = db.flush(0, false),
                2 => db.set(&key, crate::db::keyspace::NewString::Int(1), crate::db::Expiry::Clear),
                3 => put(&mut db, "a", &[0]),
                _ => {
                    let hash = db.collection_mut::<Hash>(&key).expect("a hash").expect("a key");
                    hash.remove(b"f0");
                    hash.set_expiry(b"f1", None);
                    db.plan_parts(&key);
                }
            }
            assert_eq!(db.dict().planned_len(), 0, "{end}");
            cycle(&mut db, 100);
            db.begin_command(0, 1);
        }
        assert_eq!((fields(&mut db, "a"), db.stats.expired_parts), (1, 0));
    }

    #[test]
    fn the_last_field_takes_the_key_along_and_both_are_told() {
        let mut db = Databases::new(1);
        db.begin_command(0, 1);
        put(&mut db, "a", &[10, 10, 20]);
        db.begin_command(0, 15);
        let key = Key::new(b"a");
        db.expire_named(&key, [&b"f1"[..], b"f2", b"none"]);
        assert_eq!(fields(&mut db, "a"), 2, "the third is not due");
        db.take_notes();
        cycle(&mut db, 30);
        let told: Vec<_> = db.take_notes().iter().map(|note| (note.kind, note.parts.len())).collect();
        assert_eq!(told, [(NoteKind::FieldsExpired, 2), (NoteKind::Emptied, 0)]);
        assert!(!db.exists(&key));
        assert_eq!(db.stats.expired_parts, 3);
    }

    #[test]
    fn an_earlier_expiry_is_planned_and_a_later_one_found_out() {
        let mut db = Databases::new(1);
        db.begin_command(0, 1);
        let key = Key::new(b"a");
        put(&mut db, "a", &[50, 0]);
        let set = |db: &mut Databases, at| {
            db.collection_mut::<Hash>(&key).expect("a hash").expect("a key").set_expiry(b"f0", Some(at));
            db.plan_parts(&key);
        };
        set(&mut db, 20);
        assert_eq!(db.dict().next_planned().map(|(at, _)| at), Some(20));
        set(&mut db, 70);
        cycle(&mut db, 60);
        assert_eq!((fields(&mut db, "a"), db.dict().next_planned().map(|(at, _)| at)), (2, Some(70)));
        cycle(&mut db, 71);
        assert_eq!((fields(&mut db, "a"), db.dict().planned_len()), (1, 0));
    }
}
