//! SORT: the elements of a list, set or sorted set in the order of numbers or texts — their own, or those that keys
//! named after them hold.
//!
//! Elements are copied into one piece of memory first: looking up what patterns name may delete keys that have expired.
//! What is equal in the order asked for keeps the order in which it was found.

use std::ops::Range;

use super::list;
use super::set::write_member;
use super::string::reply_string;
use crate::command::error::{CmdResult, SYNTAX, WRONG_TYPE};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::slot::slot_of_pattern;
use crate::db::{Databases, EntryView, Key, StringRef};
use crate::resp::reply::Reply;
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx};
use crate::server::modes::ServerModes;
use crate::types::list::End;
use crate::types::listpack::{Element, IntText};
use crate::types::sorted_set::score_key;
use crate::types::{Collection, Hash, List, Set, SortedSet};

const READS: Access = Access::RO.and(Access::ACCESS);
/// Keys named by BY and GET: they follow from what is sorted.
const BY_AND_GET: Keys = Keys { begin: Begin::Unknown, find: Find::Unknown, access: READS };
const STORE: Keys = Keys { begin: Begin::Unknown, find: Find::Unknown, access: Access::OW.and(Access::UPDATE) };
const CATEGORIES: Categories =
    Categories(Categories::SET.0 | Categories::SORTEDSET.0 | Categories::LIST.0 | Categories::DANGEROUS.0);

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("sort", Arity::at_least(2), sort)
        .flags(&[WRITE, DENYOOM])
        .keys(&[Keys::at(1, READS), BY_AND_GET, STORE])
        .find_keys(sort_keys)
        .acl(CATEGORIES)
        .outside_group_category()
        .docs(
            "1.0.0",
            "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC|DESC] [ALPHA] [STORE destination]",
            "Sorts the elements of a list, set or sorted set, and returns or keeps the result.",
        ).complexity("O(N+M*log(M)) for N elements and M returned; O(N) where nothing is sorted."),
    Command::new("sort_ro", Arity::at_least(2), sort_ro)
        .flags(&[READONLY])
        .keys(&[Keys::at(1, READS), BY_AND_GET])
        .find_keys(|_| Some(vec![FoundKey { index: 1, access: READS }]))
        .acl(CATEGORIES)
        .outside_group_category()
        .docs(
            "7.0.0",
            "key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC|DESC] [ALPHA]",
            "Sorts the elements of a list, set or sorted set, and returns the result.",
        ).complexity("O(N+M*log(M)) for N elements and M returned; O(N) where nothing is sorted."),
];

/// A word among the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Asc,
    Desc,
    Alpha,
    Limit,
    Store,
    By,
    Get,
}

impl Word {
    /// The words, each with how many arguments belong to it.
    const ALL: [(&'static str, Word, usize); 7] = [
        ("asc", Word::Asc, 0),
        ("desc", Word::Desc, 0),
        ("alpha", Word::Alpha, 0),
        ("limit", Word::Limit, 2),
        ("store", Word::Store, 1),
        ("by", Word::By, 1),
        ("get", Word::Get, 1),
    ];
}

/// The key to be sorted and that of the last STORE. What is no option is passed over: the call will be refused.
fn sort_keys(args: Args<'_>) -> Option<Vec<FoundKey>> {
    let options = args.options(2, |index| args.option(index, &Word::ALL));
    let store = options.filter(|(_, word)| *word == Word::Store).last();
    let store = store.map(|(index, _)| FoundKey { index: index + 1, access: STORE.access });
    Some([FoundKey { index: 1, access: READS }].into_iter().chain(store).collect())
}

/// What an element leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern<'a> {
    /// Itself.
    Itself,
    /// The string at the key `head element tail`, or a field of the hash there.
    Key { head: &'a [u8], tail: &'a [u8], field: Option<&'a [u8]> },
    /// Nothing: the pattern has no place for the element.
    Nothing,
}

impl<'a> Pattern<'a> {
    fn new(text: &'a [u8]) -> Pattern<'a> {
        if text == b"#" {
            return Pattern::Itself;
        }
        let Some(star) = memchr::memchr(b'*', text) else { return Pattern::Nothing };
        let (head, tail) = (&text[..star], &text[star + 1..]);
        match memchr::memmem::find(tail, b"->") {
            Some(arrow) if arrow + 2 < tail.len() => {
                Pattern::Key { head, tail: &tail[..arrow], field: Some(&tail[arrow + 2..]) }
            }
            Some(_) | None => Pattern::Key { head, tail, field: None },
        }
    }

    /// Looks up what an element leads to. `name` is room for the name of the key.
    fn look_up<'r>(&self, db: &'r mut Databases, element: &'r [u8], name: &mut Vec<u8>) -> Option<Value<'r>> {
        let (head, tail, field) = match *self {
            Pattern::Itself => return Some(Value::Element(Element::Bytes(element))),
            Pattern::Nothing => return None,
            Pattern::Key { head, tail, field } => (head, tail, field),
        };
        name.clear();
        [head, element, tail].into_iter().for_each(|part| name.extend_from_slice(part));
        let now_ms = db.now_ms();
        let entry = db.read(&Key::new(name))?;
        match field {
            None => entry.string().map(Value::String),
            Some(field) => entry.collection::<Hash>()?.get(field, now_ms).map(Value::Element),
        }
    }
}

/// What was looked up.
enum Value<'a> {
    String(StringRef<'a>),
    Element(Element<'a>),
}

impl Value<'_> {
    fn with_text<R>(self, then: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Value::String(value) => then(value.bytes(&mut itoa::Buffer::new())),
            Value::Element(element) => then(element.text(&mut IntText::new())),
        }
    }

    fn write(self, reply: &mut Reply) {
        match self {
            Value::String(value) => reply_string(reply, value),
            Value::Element(element) => write_member(reply, element),
        }
    }
}

/// Texts, or nothing in the place of one, side by side in one piece of memory.
#[derive(Debug, Default)]
struct Texts {
    bytes: Vec<u8>,
    spans: Vec<Option<Range<usize>>>,
}

impl Texts {
    fn push(&mut self, text: Option<&[u8]>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text.unwrap_or_default());
        self.spans.push(text.map(|_| start..self.bytes.len()));
    }

    fn push_element(&mut self, element: Element<'_>) {
        self.push(Some(element.text(&mut IntText::new())));
    }

    fn get(&self, index: usize) -> Option<&[u8]> {
        self.spans[index].clone().map(|span| &self.bytes[span])
    }

    fn len(&self) -> usize {
        self.spans.len()
    }
}

/// What was asked for.
#[derive(Debug)]
struct Request<'a> {
    descending: bool,
    alphabetic: bool,
    /// BY a pattern without a place for the element: the elements stay in their order.
    keeps_order: bool,
    by: Option<Pattern<'a>>,
    get: Vec<Pattern<'a>>,
    offset: i64,
    /// Negative for all.
    count: i64,
    store: Option<Key<'a>>,
}

impl<'a> Request<'a> {
    /// With `reads_all` the user may read any key, so those that BY and GET lead to. In a cluster all keys have to be in
    /// one slot, `slot`.
    fn read(args: &Args<'a>, may_store: bool, reads_all: bool, slot: Option<u16>) -> Result<Request<'a>, Error> {
        let may_lead_elsewhere = |pattern: &[u8]| slot.is_some() && slot_of_pattern(pattern) != slot;
        let mut request = Request {
            descending: false,
            alphabetic: false,
            keeps_order: false,
            by: None,
            get: Vec::new(),
            offset: 0,
            count: -1,
            store: None,
        };
        let mut index = 2;
        while index < args.len() {
            let (word, next) = args.option(index, &Word::ALL).ok_or(SYNTAX)?;
            match word {
                Word::Asc => request.descending = false,
                Word::Desc => request.descending = true,
                Word::Alpha => request.alphabetic = true,
                Word::Limit => (request.offset, request.count) = (args.integer(index + 1)?, args.integer(index + 2)?),
                Word::Store if may_store => request.store = Some(args.key(index + 1)),
                Word::Store => return Err(SYNTAX),
                Word::By => {
                    let pattern = Pattern::new(args.get(index + 1));
                    if matches!(pattern, Pattern::Key { .. }) && !reads_all {
                        return Err(Error::fixed("ERR BY option of SORT denied due to insufficient ACL permissions."));
                    }
                    if matches!(pattern, Pattern::Key { .. }) && may_lead_elsewhere(args.get(index + 1)) {
                        return Err(Error::fixed(
                            "ERR BY option of SORT denied in Cluster mode when keys formed by the pattern may be in different \
                             slots.",
                        ));
                    }
                    request.keeps_order |= !matches!(pattern, Pattern::Key { .. });
                    request.by = Some(pattern);
                }
                Word::Get => {
                    if !reads_all {
                        return Err(Error::fixed("ERR GET option of SORT denied due to insufficient ACL permissions."));
                    }
                    let pattern = args.get(index + 1);
                    if pattern != b"#" && may_lead_elsewhere(pattern) {
                        return Err(Error::fixed(
                            "ERR GET option of SORT denied in Cluster mode when keys formed by the pattern may be in \
                             different slots.",
                        ));
                    }
                    request.get.push(Pattern::new(pattern));
                }
            }
            index = next;
        }
        Ok(request)
    }

    /// Which part of so many elements is wanted.
    fn range(&self, len: usize) -> Range<usize> {
        let bounded = |value: i64| usize::try_from(value).map_or(0, |value| value.min(len));
        let start = bounded(self.offset);
        start..if self.count < 0 { len } else { (start + bounded(self.count)).min(len) }
    }

    /// Like [`Request::range`], and that part is all that will be there from now on.
    fn take_range(&mut self, len: usize) -> Range<usize> {
        let range = self.range(len);
        (self.offset, self.count) = (0, -1);
        range
    }

    /// Copies the elements of a value: where they stay in their order only those that are wanted.
    fn load(&mut self, entry: Option<EntryView<'_>>, now_ms: i64, by_script: bool) -> Result<Texts, Error> {
        let mut texts = Texts::default();
        let Some(entry) = entry else { return Ok(texts) };
        if let Some(list) = entry.collection::<List>() {
            let len = list.len();
            let (range, toward) = match (self.keeps_order, self.descending) {
                (false, _) => (0..len, End::Tail),
                (true, false) => (self.take_range(len), End::Tail),
                (true, true) => (self.take_range(len), End::Head),
            };
            if !range.is_empty() {
                let from = if toward == End::Head { len - 1 - range.start } else { range.start };
                list.visit_some(from, range.len(), toward, |element| texts.push_element(element));
            }
        } else if let Some(set) = entry.collection::<Set>() {
            // The order of a set is nobody's business: what is kept, or a script does, must not depend on it.
            if self.keeps_order && (self.store.is_some() || by_script) {
                (self.keeps_order, self.alphabetic, self.by) = (false, true, None);
            }
            set.live(now_ms).iter().for_each(|element| texts.push_element(element));
        } else if let Some(sorted_set) = entry.collection::<SortedSet>() {
            let len = sorted_set.len();
            let range = if self.keeps_order { self.take_range(len) } else { 0..len };
            if self.keeps_order && self.descending {
                let ranks = sorted_set.iter_ranks(len - range.end..len - range.start);
                ranks.rev().for_each(|entry| texts.push_element(entry.member));
            } else {
                sorted_set.iter_ranks(range).for_each(|entry| texts.push_element(entry.member));
            }
        } else {
            return Err(WRONG_TYPE);
        }
        Ok(texts)
    }

    /// The indices of the elements that are wanted, in order.
    fn order(&self, db: &mut Databases, elements: &Texts) -> Result<Vec<usize>, Error> {
        let range = self.range(elements.len());
        if self.keeps_order {
            return Ok(range.collect());
        }
        match (self.alphabetic, self.by) {
            (true, None) => Ok(sorted_texts(range, self.descending, elements)),
            (true, Some(by)) => {
                let (mut weights, mut name) = (Texts::default(), Vec::new());
                for index in 0..elements.len() {
                    match by.look_up(db, elements.get(index).unwrap_or_default(), &mut name) {
                        None => weights.push(None),
                        Some(value) => value.with_text(|text| weights.push(Some(text))),
                    }
                }
                Ok(sorted_texts(range, self.descending, &weights))
            }
            (false, by) => {
                let weights = numeric_weights(db, elements, by)?;
                Ok(sorted(range, self.descending, weights.into_iter().map(score_key), elements))
            }
        }
    }
}

/// The indices of a range of texts in their order.
fn sorted_texts(range: Range<usize>, descending: bool, texts: &Texts) -> Vec<usize> {
    sorted(range, descending, (0..texts.len()).map(|index| first_bytes(texts.get(index))), texts)
}

/// The indices of a range of things in the order of their keys; where these are equal the texts decide, and then the
/// indices. Keys lie side by side, so that few comparisons have to look for a text.
fn sorted<K>(range: Range<usize>, descending: bool, keys: impl Iterator<Item = K>, texts: &Texts) -> Vec<usize>
where
    K: Ord + Copy + std::ops::Not<Output = K>,
{
    if range.is_empty() {
        return Vec::new();
    }
    // The complement of a number is the less the greater it is.
    let mut order: Vec<(K, usize)> = keys.map(|key| if descending { !key } else { key }).zip(0..).collect();
    let compare = |one: &(K, usize), other: &(K, usize)| {
        one.0.cmp(&other.0).then_with(|| {
            let by_text = texts.get(one.1).cmp(&texts.get(other.1));
            if descending { by_text.reverse() } else { by_text }.then(one.1.cmp(&other.1))
        })
    };
    if range.end < order.len() {
        order.select_nth_unstable_by(range.end, compare);
        order.truncate(range.end);
    }
    if range.start > 0 {
        order.select_nth_unstable_by(range.start, compare);
        order.drain(..range.start);
    }
    order.sort_unstable_by(compare);
    order.into_iter().map(|(_, index)| index).collect()
}

/// The first bytes of a text as a number that is no greater than that of any text behind it in the order.
fn first_bytes(text: Option<&[u8]>) -> u64 {
    let text = text.unwrap_or_default();
    let mut first = [0; 8];
    let len = text.len().min(first.len());
    first[..len].copy_from_slice(&text[..len]);
    u64::from_be_bytes(first)
}

/// The numbers to sort by. What has none counts as zero; what is none is an error.
fn numeric_weights(db: &mut Databases, elements: &Texts, by: Option<Pattern<'_>>) -> Result<Vec<f64>, Error> {
    const NOT_A_NUMBER: Error = Error::fixed("ERR One or more scores can't be converted into double");
    let mut name = Vec::new();
    let weight = |index| {
        let element = elements.get(index).unwrap_or_default();
        match by {
            None => number(element),
            Some(by) => match by.look_up(db, element, &mut name) {
                None => Some(0.0),
                Some(Value::String(StringRef::Int(value)) | Value::Element(Element::Int(value))) => Some(value as f64),
                Some(value) => value.with_text(number),
            },
        }
    };
    (0..elements.len()).map(weight).collect::<Option<Vec<f64>>>().ok_or(NOT_A_NUMBER)
}

/// A decimal number or an infinity; nothing at all is 0. What is too large for a double is an infinity.
fn number(text: &[u8]) -> Option<f64> {
    let text = &text[..memchr::memchr(0, text).unwrap_or(text.len())];
    if text.is_empty() {
        return Some(0.0);
    }
    std::str::from_utf8(text).ok()?.parse().ok().filter(|number: &f64| !number.is_nan())
}

fn sort(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    sort_by(cx, args, true)
}

fn sort_ro(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    sort_by(cx, args, false)
}

fn sort_by(cx: &mut Ctx<'_>, args: Args<'_>, may_store: bool) -> CmdResult {
    let slot = cx.server.modes.has(ServerModes::CLUSTER).then(|| args.key(1).slot());
    let mut request = Request::read(&args, may_store, cx.may_read_all_keys(&args), slot)?;
    let (key, now_ms) = (args.key(1), cx.now_ms());
    if request.store.is_some() {
        cx.db.expire_all_parts_of(&key);
    }
    let elements = request.load(cx.db.read(&key), now_ms, cx.server.script.calls())?;
    let order = request.order(cx.db, &elements)?;
    if let Some(key) = request.store {
        return keep(cx, &request, &elements, &order, &key);
    }
    let mut name = Vec::new();
    cx.reply.array(order.len() * request.get.len().max(1));
    for index in order {
        let element = elements.get(index).unwrap_or_default();
        if request.get.is_empty() {
            cx.reply.bulk(element);
        }
        for pattern in &request.get {
            match pattern.look_up(cx.db, element, &mut name) {
                Some(value) => value.write(cx.reply),
                None => cx.reply.null(),
            }
        }
    }
    Ok(())
}

/// Sets a key to the result, whatever it held; no elements, no key.
fn keep(cx: &mut Ctx<'_>, request: &Request<'_>, elements: &Texts, order: &[usize], key: &Key<'_>) -> CmdResult {
    let limits = list::limits(cx.server);
    let (mut list, mut name) = (List::quicklist_of(&limits), Vec::new());
    for &index in order {
        let element = elements.get(index).unwrap_or_default();
        if request.get.is_empty() {
            list.push(End::Tail, element, &limits);
        }
        for pattern in &request.get {
            match pattern.look_up(cx.db, element, &mut name) {
                Some(value) => value.with_text(|text| list.push(End::Tail, text, &limits)),
                None => list.push(End::Tail, b"", &limits),
            }
        }
    }
    list.settle(&limits);
    let len = list.len();
    if len > 0 {
        cx.db.put_collection(key, list);
        cx.db.dirty += len as u64;
        cx.touched(key, Event::list("sortstore"));
    } else if cx.db.delete(key) {
        cx.changed(key, Event::generic("del"));
    }
    cx.reply.integer(len as i64);
    Ok(())
}

#[cfg(test)]
mod tests;
