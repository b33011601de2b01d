//! Sorted sets in files: members with scores, one by one or in a listpack.

use super::super::format::kind;
use super::super::read::{Cursor, Fault, Reading};
use super::super::version::Since;
use super::super::write::Writer;
use super::{Begun, Build, Context, DOUBLED_SCORES, Form, Value, listpack, save_element, ziplist};
use crate::db::EntryView;
use crate::types::{Collection, SortedSet};

/// How sorted sets are saved.
pub const FORMS: &[Form] = &[
    Form { kind: kind::ZSET_LISTPACK, since: Since::both(10), holds: is_packed, save: save_listpack },
    Form { kind: kind::ZSET_2, since: Since::both(8), holds: |_| true, save: save_members },
    Form { kind: kind::ZSET, since: Since::both(1), holds: |_| true, save: save_members_and_texts },
];

fn is_packed(entry: EntryView<'_>) -> bool {
    entry.collection().and_then(SortedSet::listpack).is_some()
}

fn save_listpack(entry: EntryView<'_>, out: &mut Writer<'_>) {
    if let Some(pack) = entry.collection().and_then(SortedSet::listpack) {
        out.string(pack.bytes());
    }
}

/// The greatest elements come first: so Redis, when it loads them, puts each at the beginning of its skiplist.
fn save_members(entry: EntryView<'_>, out: &mut Writer<'_>) {
    let Some(set) = entry.collection::<SortedSet>() else { return };
    out.length(set.len() as u64);
    for entry in set.iter().rev() {
        save_element(entry.member, out);
        out.double(entry.score());
    }
}

fn save_members_and_texts(entry: EntryView<'_>, out: &mut Writer<'_>) {
    let Some(set) = entry.collection::<SortedSet>() else { return };
    out.length(set.len() as u64);
    for entry in set.iter().rev() {
        save_element(entry.member, out);
        out.double_text(entry.score());
    }
}

/// A count, and as many members with scores of 8 bytes.
pub fn members(cursor: &mut Cursor<'_>, _: &mut Context) -> Reading<Begun> {
    Begun::parts(Scores { left: cursor.count()?, entries: Vec::new(), text: false })
}

/// A count, and as many members with scores as text.
pub fn members_and_texts(cursor: &mut Cursor<'_>, _: &mut Context) -> Reading<Begun> {
    Begun::parts(Scores { left: cursor.count()?, entries: Vec::new(), text: true })
}

/// A ziplist of members and scores.
pub fn one_ziplist(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    Begun::whole(ziplist::sorted_set(&cursor.vec()?, cx)?)
}

/// A listpack of members and scores.
pub fn one_listpack(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    Begun::whole(sorted_set_listpack(cursor.vec()?, cx)?)
}

fn sorted_set_listpack(bytes: Vec<u8>, cx: &mut Context) -> Reading<SortedSet> {
    const FAULT: &str = "Zset listpack integrity check failed.";
    let (pack, limits) = (listpack(bytes, FAULT)?, cx.rules.sorted_set);
    SortedSet::from_listpack(pack, limits, &mut || cx.correct(DOUBLED_SCORES).is_ok()).ok_or(Fault::Bad(FAULT))
}

/// A sorted set of members and scores. They are put in order when all are there.
struct Scores {
    left: usize,
    entries: Vec<(Box<[u8]>, f64)>,
    /// Scores are text.
    text: bool,
}

impl Build for Scores {
    fn is_complete(&self) -> bool {
        self.left == 0
    }

    fn step(&mut self, cursor: &mut Cursor<'_>, _: &mut Context) -> Reading<()> {
        let member = cursor.vec()?;
        let score = if self.text { cursor.double_text()? } else { cursor.double()? };
        if score.is_nan() {
            return Err(Fault::Bad("Zset with NAN score detected"));
        }
        self.entries.push((member.into_boxed_slice(), score));
        self.left -= 1;
        Ok(())
    }

    fn finish(self: Box<Self>, cx: &mut Context) -> Reading<Option<Value>> {
        let limits = cx.rules.sorted_set;
        let set = SortedSet::checked(self.entries, limits, &mut || cx.correct(DOUBLED_SCORES).is_ok());
        Ok(Value::SortedSet(set.ok_or(Fault::Bad(DOUBLED_SCORES))?).unless_empty())
    }
}
