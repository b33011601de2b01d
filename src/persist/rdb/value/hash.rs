//! Hashes in files: fields with values, one by one or in a listpack, and with times if they expire.

use super::super::format::kind;
use super::super::read::{Cursor, Fault, Reading};
use super::super::version::Since;
use super::super::write::Writer;
use super::{Begun, Build, Context, DOUBLED_FIELDS, Form, MEMBER_BYTES, Value, save_element, timed, ziplist};
use crate::db::EntryView;
use crate::types::hash::{FieldExpiry, HashBytes};
use crate::types::listpack::IntText;
use crate::types::{Collection, ExpiringParts, Hash};

const BAD_PACK: Fault = Fault::Bad("Hash listpack integrity check failed.");

/// How hashes are saved. Where fields expire Redis has other forms than Valkey.
pub const FORMS: &[Form] = &[
    Form { kind: kind::HASH_LISTPACK, since: Since::both(10), holds: is_packed, save: save_listpack },
    Form { kind: kind::HASH, since: Since::both(1), holds: never_expires, save: save_pairs },
    Form {
        kind: kind::HASH_LISTPACK_EXPIRY,
        since: Since::redis(12),
        holds: is_packed_timed,
        save: save_timed_listpack,
    },
    Form { kind: kind::HASH_FIELD_EXPIRY, since: Since::redis(12), holds: |_| true, save: save_timed_pairs },
    Form { kind: kind::VALKEY_HASH_EXPIRY, since: Since::valkey(80), holds: |_| true, save: save_triples },
];

fn never_expires(entry: EntryView<'_>) -> bool {
    entry.collection().is_none_or(|hash: &Hash| hash.next_expiry().is_none())
}

fn is_packed(entry: EntryView<'_>) -> bool {
    matches!(entry.collection().map(Hash::bytes), Some(HashBytes::Pack(_)))
}

fn is_packed_timed(entry: EntryView<'_>) -> bool {
    matches!(entry.collection().map(Hash::bytes), Some(HashBytes::Timed(_)))
}

fn save_listpack(entry: EntryView<'_>, out: &mut Writer<'_>) {
    if let Some(HashBytes::Pack(bytes)) = entry.collection().map(Hash::bytes) {
        out.string(bytes);
    }
}

fn save_pairs(entry: EntryView<'_>, out: &mut Writer<'_>) {
    let Some(hash) = entry.collection::<Hash>() else { return };
    out.length(hash.len() as u64);
    for pair in hash.pairs() {
        save_element(pair.field, out);
        save_element(pair.value, out);
    }
}

fn save_timed_listpack(entry: EntryView<'_>, out: &mut Writer<'_>) {
    let Some(hash) = entry.collection::<Hash>() else { return };
    if let HashBytes::Timed(bytes) = hash.bytes() {
        out.time_ms(hash.next_expiry().unwrap_or(0));
        out.string(bytes);
    }
}

fn save_timed_pairs(entry: EntryView<'_>, out: &mut Writer<'_>) {
    let Some(hash) = entry.collection::<Hash>() else { return };
    let first = hash.next_expiry().unwrap_or(0);
    out.time_ms(first);
    out.length(hash.len() as u64);
    for pair in hash.pairs() {
        timed::save(pair.expiry, first, out);
        save_element(pair.field, out);
        save_element(pair.value, out);
    }
}

/// Times are those of the clock; -1 is none.
fn save_triples(entry: EntryView<'_>, out: &mut Writer<'_>) {
    let Some(hash) = entry.collection::<Hash>() else { return };
    out.length(hash.len() as u64);
    for pair in hash.pairs() {
        save_element(pair.field, out);
        save_element(pair.value, out);
        out.time_ms(pair.expiry.unwrap_or(-1));
    }
}

/// A count, and as many fields with values.
pub fn pairs(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    begin(Times::None, cursor, cx)
}

/// The same, the names being shared.
pub fn shared_pairs(cursor: &mut Cursor<'_>, _: &mut Context) -> Reading<Begun> {
    let left = cursor.count()?;
    Begun::parts(Pairs { left, hash: Hash::default(), times: Times::None, was_shared: true })
}

/// A count, and as many times, fields and values, as a release candidate of Redis 7.4 wrote them.
pub fn early_timed_pairs(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    begin(Times::Since(1), cursor, cx)
}

/// The first time, a count, and as many times that count from it, fields and values.
pub fn timed_pairs(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    let first = cursor.time_ms()?;
    begin(Times::Since(first), cursor, cx)
}

/// A count, and as many fields, values and times, as Valkey writes them.
pub fn triples(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    begin(Times::Behind, cursor, cx)
}

fn begin(times: Times, cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    let left = cursor.count()?;
    let room = left.min(cursor.left() / (2 * MEMBER_BYTES));
    Begun::parts(Pairs { left, hash: Hash::expecting(left, room, cx.rules.hash), times, was_shared: false })
}

/// A zipmap.
pub fn zipmap(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    Begun::whole(ziplist::hash_zipmap(&cursor.vec()?, cx)?)
}

/// A ziplist of fields and values.
pub fn one_ziplist(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    Begun::whole(ziplist::hash_ziplist(&cursor.vec()?, cx)?)
}

/// A listpack of fields and values.
pub fn one_listpack(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    let (bytes, limits) = (cursor.vec()?, cx.rules.hash);
    let mut on_doubled = || cx.correct(DOUBLED_FIELDS).is_ok();
    let hash = Hash::from_listpack(bytes, limits, &mut on_doubled).ok_or(BAD_PACK)?;
    Begun::whole(shared(hash, false, cx))
}

/// A listpack of fields, values and times, as a release candidate of Redis 7.4 wrote it.
pub fn early_timed_listpack(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    let (bytes, limits, in_order) = (cursor.vec()?, cx.rules.hash, cx.rules.times_in_order);
    let mut on_doubled = || cx.correct(DOUBLED_FIELDS).is_ok();
    Begun::whole(Hash::from_timed_listpack(bytes, limits, in_order, &mut on_doubled).ok_or(BAD_PACK)?)
}

/// The first time, and a listpack of fields, values and times.
pub fn timed_listpack(cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<Begun> {
    cursor.time_ms()?;
    early_timed_listpack(cursor, cx)
}

/// Has a hash share the names of its fields, if it `was_shared` or that is wanted. A file that has such hashes itself is
/// left as it is.
fn shared(mut hash: Hash, was_shared: bool, cx: &Context) -> Hash {
    if was_shared || cx.templates.is_empty() && cx.rules.sharing.is_wanted(hash.len()) {
        hash.share_all_names(cx.rules.hash);
    }
    hash
}

/// How the expiry of fields is told.
#[derive(Clone, Copy)]
enum Times {
    /// There is none.
    None,
    /// Counted from a time on, beginning at 1; 0 is none.
    Since(i64),
    /// Behind the value, by the clock; -1 is none.
    Behind,
}

impl Times {
    /// Reads what stands before the field.
    fn before(self, cursor: &mut Cursor<'_>) -> Reading<FieldExpiry> {
        if let Times::Since(first) = self { timed::read(first, cursor) } else { Ok(FieldExpiry::Clear) }
    }

    /// Reads what stands behind the value, where there was nothing before the field.
    fn behind(self, cursor: &mut Cursor<'_>) -> Reading<Option<FieldExpiry>> {
        match self {
            Times::None | Times::Since(_) => Ok(None),
            Times::Behind => match cursor.time_ms()? {
                -1 => Ok(None),
                at => timed::expiry_at(at).map(Some),
            },
        }
    }
}

/// A hash of fields and values.
struct Pairs {
    left: usize,
    hash: Hash,
    times: Times,
    was_shared: bool,
}

impl Build for Pairs {
    fn is_complete(&self) -> bool {
        self.left == 0
    }

    fn step(&mut self, cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<()> {
        let before = self.times.before(cursor)?;
        let (field, value) = (cursor.text()?, cursor.text()?);
        let expiry = self.times.behind(cursor)?.unwrap_or(before);
        let (mut field_room, mut value_room) = (IntText::new(), IntText::new());
        let (field, value) = (field.bytes(&mut field_room), value.bytes(&mut value_room));
        if !self.hash.set_with(field, value, expiry, cx.rules.hash) {
            cx.correct(DOUBLED_FIELDS)?;
        }
        self.left -= 1;
        Ok(())
    }

    fn finish(self: Box<Self>, cx: &mut Context) -> Reading<Option<Value>> {
        Ok(Value::Hash(shared(self.hash, self.was_shared, cx)).unless_empty())
    }
}
