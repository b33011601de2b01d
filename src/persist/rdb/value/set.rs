//! Sets in files: member by member, an intset, or a listpack.

use super::super::format::kind;
use super::super::read::{Cursor, Fault, Reading};
use super::super::version::Since;
use super::super::write::Writer;
use super::{Begun, Build, Context, DOUBLED_MEMBERS, Form, MEMBER_BYTES, Value, listpack, save_element, timed};
use crate::db::EntryView;
use crate::types::intset::Intset;
use crate::types::listpack::IntText;
use crate::types::set::SetBytes;
use crate::types::{Collection, ExpiringParts, Set};

/// How sets are saved. Listpacks came with version 11: they are saved member by member, for older ones to read. Where
/// members expire no other server has a form that we know.
pub const FORMS: &[Form] = &[
    Form { kind: kind::SET_INTSET, since: Since::both(1), holds: is_intset, save: save_intset },
    Form { kind: kind::SET, since: Since::both(1), holds: never_expires, save: save_members },
    Form { kind: kind::SET_MEMBER_EXPIRY, since: Since::OWN, holds: |_| true, save: save_timed_members },
];

fn is_intset(entry: EntryView<'_>) -> bool {
    entry.collection().is_some_and(|set: &Set| matches!(set.bytes(), SetBytes::Intset(_)))
}

fn never_expires(entry: EntryView<'_>) -> bool {
    entry.collection().is_none_or(|set: &Set| set.next_expiry().is_none())
}

fn save_intset(entry: EntryView<'_>, out: &mut Writer<'_>) {
    if let Some(SetBytes::Intset(bytes)) = entry.collection().map(Set::bytes) {
        out.string(bytes);
    }
}

fn save_members(entry: EntryView<'_>, out: &mut Writer<'_>) {
    let Some(set) = entry.collection::<Set>() else { return };
    out.length(set.len() as u64);
    set.iter().for_each(|member| save_element(member, out));
}

fn save_timed_members(entry: EntryView<'_>, out: &mut Writer<'_>) {
    let Some(set) = entry.collection::<Set>() else { return };
    let first = set.next_expiry().unwrap_or(0);
    out.time_ms(first);
    out.length(set.len() as u64);
    for (member, expiry) in set.with_times() {
        timed::save(expiry, first, out);
        save_element(member, out);
    }
}

/// The first time, a count, and as many times that count from it with members.
pub fn timed_members(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    let (first, left) = (cursor.time_ms()?, cursor.count()?);
    let mut set = Set::default();
    set.expect_times(&cx.rules.set);
    Begun::parts(TimedMembers { first, left, set })
}

/// A count, and as many members.
pub fn members(cursor: &mut Cursor<'_>, _: &mut Context) -> Reading<Begun> {
    let count = cursor.count()?;
    Begun::parts(Members { count, left: count, set: Set::default() })
}

/// An intset.
pub fn one_intset(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    Begun::whole(intset(cursor.vec()?, cx)?)
}

/// A listpack of members.
pub fn one_listpack(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    Begun::whole(set_listpack(cursor.vec()?, cx)?)
}

fn intset(bytes: Vec<u8>, cx: &mut Context) -> Reading<Set> {
    const FAULT: &str = "Intset integrity check failed.";
    let ints = match Intset::checked(bytes.into_boxed_slice()) {
        Ok(ints) => ints,
        Err(bytes) => {
            let sorted = Intset::sorted(bytes).ok_or(Fault::Bad(FAULT))?;
            cx.correct(FAULT)?;
            sorted
        }
    };
    if ints.len() <= cx.rules.set.intset_entries {
        return Ok(Set::from(ints));
    }
    let mut set = Set::default();
    let mut room = IntText::new();
    ints.iter().for_each(|value| _ = set.insert(room.format(value).as_bytes(), &cx.rules.set));
    Ok(set)
}

fn set_listpack(bytes: Vec<u8>, cx: &mut Context) -> Reading<Set> {
    let mut pack = listpack(bytes, "Set listpack integrity check failed.")?;
    let limits = cx.rules.set;
    // As in Redis, long members that are packed already stay so.
    if pack.len() <= limits.listpack_entries {
        match Set::from_listpack(pack) {
            Ok(set) => return Ok(set),
            Err(doubled) => pack = doubled,
        }
    }
    let (mut set, mut room) = (Set::default(), IntText::new());
    for member in pack.iter() {
        if !set.insert(member.text(&mut room), &limits) {
            cx.correct(DOUBLED_MEMBERS)?;
        }
    }
    Ok(set)
}

/// A set of strings.
struct Members {
    count: usize,
    left: usize,
    set: Set,
}

impl Build for Members {
    fn is_complete(&self) -> bool {
        self.left == 0
    }

    fn step(&mut self, cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<()> {
        let text = cursor.text()?;
        let mut room = IntText::new();
        let member = text.bytes(&mut room);
        if self.left == self.count {
            let room = self.count.min(cursor.left() / MEMBER_BYTES);
            self.set = Set::loading(self.count, room, &cx.rules.set);
        }
        if !self.set.insert(member, &cx.rules.set) {
            cx.correct(DOUBLED_MEMBERS)?;
        }
        self.left -= 1;
        Ok(())
    }

    fn finish(self: Box<Self>, _: &mut Context) -> Reading<Option<Value>> {
        Ok(Value::Set(self.set).unless_empty())
    }
}

/// A set some of whose members expire.
struct TimedMembers {
    first: i64,
    left: usize,
    set: Set,
}

impl Build for TimedMembers {
    fn is_complete(&self) -> bool {
        self.left == 0
    }

    fn step(&mut self, cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<()> {
        let expiry = timed::read(self.first, cursor)?;
        let text = cursor.text()?;
        if !self.set.insert_with(text.bytes(&mut IntText::new()), expiry, &cx.rules.set) {
            cx.correct(DOUBLED_MEMBERS)?;
        }
        self.left -= 1;
        Ok(())
    }

    fn finish(self: Box<Self>, _: &mut Context) -> Reading<Option<Value>> {
        Ok(Value::Set(self.set).unless_empty())
    }
}
