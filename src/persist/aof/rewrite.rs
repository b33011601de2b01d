//! A data set as commands: what a base file holds when `aof-use-rdb-preamble` is off.
//!
//! One function per type. Collections are written in portions, so that no command gets too long; what has an expiry
//! gets it at the end.

use std::io::{self, Write};
use std::ops::ControlFlow;

use crate::db::{Databases, EntryView, Images};
use crate::persist::rdb::payload;
use crate::persist::rdb::value::bundled;
use crate::types::array::INDEX_MAX;
use crate::types::bundled::Bundled;
use crate::types::list::End;
use crate::types::listpack::{Element, IntText};
use crate::types::stream::{Group, Producers, StreamId};
use crate::types::{Array, Collection, Hash, List, PathHash, Set, SortedSet, Stream, ValueType};
use crate::util::number::append_f64;

/// Elements to a command.
const ITEMS_MAX: usize = 64;
/// A collection of more elements is not given to another server as one payload.
const PAYLOAD_ITEMS_MAX: usize = 4096;

/// Writes everything that is in the databases, and the libraries of functions; `on_key` is told after each key how many
/// there were.
///
/// # Errors
/// Those of the file.
pub fn write_all(
    databases: &Databases,
    functions: &[Vec<u8>],
    out: &mut dyn Write,
    on_key: &mut dyn FnMut(u64),
) -> io::Result<()> {
    let mut script = Script::begin(functions, out)?;
    let mut keys = 0;
    for index in 0..databases.count() {
        let dict = &databases.database(index).dict;
        if dict.is_empty() {
            continue;
        }
        script.select(index)?;
        for entry in dict.iter() {
            script.entry(entry)?;
            keys += 1;
            on_key(keys);
        }
        for key in dict.blessed().scan(0, usize::MAX).1 {
            script.bless(key)?;
        }
    }
    Ok(())
}

/// The same of copies of keys, as they come, from any database in any order.
///
/// # Errors
/// Those of the file.
pub fn write_images(
    images: &mut dyn Iterator<Item = Images>,
    functions: &[Vec<u8>],
    out: &mut dyn Write,
    on_key: &mut dyn FnMut(u64),
) -> io::Result<()> {
    let mut script = Script::begin(functions, out)?;
    let (mut selected, mut keys) = (None, 0);
    for some in images {
        if selected.replace(some.database) != Some(some.database) {
            script.select(some.database)?;
        }
        for (entry, blessed) in some.iter() {
            script.entry(entry)?;
            if blessed {
                script.bless(entry.key())?;
            }
            keys += 1;
            on_key(keys);
        }
    }
    Ok(())
}

/// Writes what makes a key at another server what it is here, whatever it was there before.
///
/// # Errors
/// Those of `out`.
pub fn write_key(entry: EntryView<'_>, blessed: bool, compress: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut script = Script { out, words: Vec::new(), count: 0 };
    let key = entry.key();
    if entry.any_collection().is_some_and(|collection| collection.len() > PAYLOAD_ITEMS_MAX) {
        script.command(&[b"DEL", key])?;
        script.entry(entry)?;
    } else {
        let expire_at = entry.expire_at().unwrap_or(0).to_string();
        let payload = payload::dump(entry, compress);
        script.command(&[b"RESTORE", key, expire_at.as_bytes(), &payload, b"REPLACE", b"ABSTTL"])?;
    }
    if blessed { script.bless(key) } else { Ok(()) }
}

/// Commands on their way to a file.
struct Script<'a> {
    out: &'a mut dyn Write,
    /// The words of the command that is being made, encoded.
    words: Vec<u8>,
    count: usize,
}

impl<'a> Script<'a> {
    /// Begins with the libraries of functions.
    fn begin(functions: &[Vec<u8>], out: &'a mut dyn Write) -> io::Result<Self> {
        let mut script = Script { out, words: Vec::new(), count: 0 };
        for library in functions {
            script.command(&[b"FUNCTION", b"LOAD", library])?;
        }
        Ok(script)
    }

    fn select(&mut self, database: usize) -> io::Result<()> {
        self.command(&[b"SELECT", database.to_string().as_bytes()])
    }

    fn bless(&mut self, key: &[u8]) -> io::Result<()> {
        self.command(&[b"BLESS", b"SET", key, b"NO-EVICT"])
    }

    fn word(&mut self, word: &[u8]) {
        let mut number = itoa::Buffer::new();
        self.words.push(b'$');
        self.words.extend_from_slice(number.format(word.len()).as_bytes());
        self.words.extend_from_slice(b"\r\n");
        self.words.extend_from_slice(word);
        self.words.extend_from_slice(b"\r\n");
        self.count += 1;
    }

    fn element(&mut self, element: Element<'_>) {
        self.word(element.text(&mut IntText::new()));
    }

    fn number(&mut self, number: impl itoa::Integer) {
        self.word(itoa::Buffer::new().format(number).as_bytes());
    }

    fn id(&mut self, id: StreamId) {
        self.word(id.text(&mut Default::default()));
    }

    fn words(&mut self, words: &[&[u8]]) {
        words.iter().for_each(|word| self.word(word));
    }

    /// Writes the command made so far.
    fn end(&mut self) -> io::Result<()> {
        write!(self.out, "*{}\r\n", self.count)?;
        self.out.write_all(&self.words)?;
        self.words.clear();
        self.count = 0;
        Ok(())
    }

    fn command(&mut self, words: &[&[u8]]) -> io::Result<()> {
        self.words(words);
        self.end()
    }

    /// Writes commands that each begin with `head` and take some of the items.
    fn portions<T>(
        &mut self,
        head: &[&[u8]],
        items: impl Iterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) -> io::Result<()> {
        let mut items = items.peekable();
        while items.peek().is_some() {
            self.words(head);
            for item in items.by_ref().take(ITEMS_MAX) {
                write(self, item);
            }
            self.end()?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: EntryView<'_>) -> io::Result<()> {
        let key = entry.key();
        match entry.value_type() {
            ValueType::String => {
                if let Some(value) = entry.string() {
                    self.command(&[b"SET", key, value.bytes(&mut IntText::new())])?;
                }
            }
            ValueType::List => entry.collection().map_or(Ok(()), |list| self.list(key, list))?,
            ValueType::Set => entry.collection().map_or(Ok(()), |set| self.set(key, set))?,
            ValueType::SortedSet => entry.collection().map_or(Ok(()), |set| self.sorted_set(key, set))?,
            ValueType::Hash => entry.collection().map_or(Ok(()), |hash| self.hash(key, hash))?,
            ValueType::Stream => entry.collection().map_or(Ok(()), |stream| self.stream(key, stream))?,
            ValueType::Array => entry.collection().map_or(Ok(()), |array| self.array(key, array))?,
            ValueType::PathHash => entry.collection().map_or(Ok(()), |paths| self.path_hash(key, paths))?,
            ValueType::Bitmap => self.restore(entry)?,
            ValueType::Bundled(_) => self.bundled(entry)?,
        }
        match entry.expire_at() {
            Some(at) => self.command(&[b"PEXPIREAT", key, at.to_string().as_bytes()]),
            None => Ok(()),
        }
    }

    fn restore(&mut self, entry: EntryView<'_>) -> io::Result<()> {
        self.command(&[b"RESTORE", entry.key(), b"0", &payload::dump(entry, true)])
    }

    fn bundled(&mut self, entry: EntryView<'_>) -> io::Result<()> {
        let rewrite = bundled::type_of(entry).and_then(|known| known.rewrite);
        match (rewrite, entry.collection::<Bundled>()) {
            (Some(rewrite), Some(value)) => rewrite(entry.key(), value.value(), &mut |words| self.command(words)),
            _ => self.restore(entry),
        }
    }

    fn list(&mut self, key: &[u8], list: &List) -> io::Result<()> {
        let mut result = Ok(());
        list.visit(0, End::Tail, |element| {
            if self.count == 0 {
                self.words(&[b"RPUSH", key]);
            }
            self.element(element);
            if self.count < 2 + ITEMS_MAX {
                return ControlFlow::Continue(());
            }
            result = self.end();
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        result?;
        if self.count > 0 { self.end() } else { Ok(()) }
    }

    fn array(&mut self, key: &[u8], array: &Array) -> io::Result<()> {
        let mut result = Ok(());
        let mut room = itoa::Buffer::new();
        array.visit(0, INDEX_MAX, |index, value| {
            if self.count == 0 {
                self.words(&[b"ARMSET", key]);
            }
            self.number(index);
            self.word(value.text(&mut room));
            if self.count < 2 + 2 * ITEMS_MAX {
                return ControlFlow::Continue(());
            }
            result = self.end();
            if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        result?;
        if self.count > 0 {
            self.end()?;
        }
        if let Some(cursor) = array.cursor() {
            self.words(&[b"ARSEEK", key]);
            self.number(cursor + 1);
            self.end()?;
        }
        Ok(())
    }

    fn path_hash(&mut self, key: &[u8], paths: &PathHash) -> io::Result<()> {
        if paths.is_empty() {
            // An empty path hash is one whose only path is removed at once.
            self.command(&[b"PHSET", key, b"x", b"FIELDS", b"1", b"x", b"y"])?;
            return self.command(&[b"PHDEL", key, b"x"]);
        }
        for (path, hash) in paths.iter() {
            let (mut pairs, mut left) = (hash.pairs(), hash.len());
            while left > 0 {
                let portion = left.min(ITEMS_MAX);
                self.words(&[b"PHSET", key, path, b"FIELDS"]);
                self.number(portion);
                for pair in pairs.by_ref().take(portion) {
                    self.element(pair.field);
                    self.element(pair.value);
                }
                self.end()?;
                left -= portion;
            }
        }
        Ok(())
    }

    fn set(&mut self, key: &[u8], set: &Set) -> io::Result<()> {
        self.portions(&[b"SADD", key], set.iter(), Self::element)?;
        self.times(&[b"SPEXPIREAT", key], b"MEMBERS", set.with_times())
    }

    /// Writes a command for each part that expires.
    fn times<'e>(
        &mut self,
        head: &[&[u8]],
        keyword: &[u8],
        parts: impl Iterator<Item = (Element<'e>, Option<i64>)>,
    ) -> io::Result<()> {
        for (part, expiry) in parts {
            if let Some(at) = expiry {
                self.words(head);
                self.number(at);
                self.words(&[keyword, b"1"]);
                self.element(part);
                self.end()?;
            }
        }
        Ok(())
    }

    fn sorted_set(&mut self, key: &[u8], set: &SortedSet) -> io::Result<()> {
        self.portions(&[b"ZADD", key], set.iter(), |script, entry| {
            let mut score = Vec::new();
            append_f64(&mut score, entry.score());
            script.word(&score);
            script.element(entry.member);
        })
    }

    fn hash(&mut self, key: &[u8], hash: &Hash) -> io::Result<()> {
        self.portions(&[b"HMSET", key], hash.pairs(), |script, pair| {
            script.element(pair.field);
            script.element(pair.value);
        })?;
        self.times(&[b"HPEXPIREAT", key], b"FIELDS", hash.pairs().map(|pair| (pair.field, pair.expiry)))
    }

    fn stream(&mut self, key: &[u8], stream: &Stream) -> io::Result<()> {
        let log = stream.log();
        for entry in log.iter() {
            self.words(&[b"XADD", key]);
            self.id(entry.id);
            for (name, value) in entry.fields {
                self.element(name);
                self.element(value);
            }
            self.end()?;
        }
        if log.len() == 0 {
            // An empty stream is one whose only entry is trimmed at once.
            let id = log.last_id.max(StreamId { ms: 0, seq: 1 });
            self.words(&[b"XADD", key, b"MAXLEN", b"0"]);
            self.id(id);
            self.command(&[b"x", b"y"])?;
        }
        self.words(&[b"XSETID", key]);
        self.id(log.last_id);
        self.word(b"ENTRIESADDED");
        self.number(log.entries_added);
        self.word(b"MAXDELETEDID");
        self.id(log.max_deleted_id);
        self.end()?;
        for (name, group) in stream.groups().iter() {
            self.group(key, name, group)?;
        }
        stream.producers().map_or(Ok(()), |producers| self.producers(key, producers))
    }

    /// The settings come first, since all is forgotten when they change.
    fn producers(&mut self, key: &[u8], producers: &Producers) -> io::Result<()> {
        self.words(&[b"XCFGSET", key, b"IDMP-DURATION"]);
        self.number(producers.settings().duration_s);
        self.word(b"IDMP-MAXSIZE");
        self.number(producers.settings().records_max);
        self.end()?;
        for (producer, records) in producers.iter() {
            for (name, id) in records {
                self.words(&[b"XIDMPRECORD", key, producer, name]);
                self.id(id);
                self.end()?;
            }
        }
        Ok(())
    }

    fn group(&mut self, key: &[u8], name: &[u8], group: &Group) -> io::Result<()> {
        self.words(&[b"XGROUP", b"CREATE", key, name]);
        self.id(group.last_id);
        self.word(b"ENTRIESREAD");
        match group.entries_read {
            Some(read) => self.number(read),
            None => self.number(-1),
        }
        self.end()?;
        for (_, consumer) in group.consumers() {
            self.command(&[b"XGROUP", b"CREATECONSUMER", key, name, &consumer.name])?;
        }
        for (id, delivery) in group.pending(StreamId::MIN) {
            let Some(consumer) = delivery.consumer else { continue };
            self.words(&[b"XCLAIM", key, name, &group.consumer(consumer).name, b"0"]);
            self.id(id);
            self.word(b"TIME");
            self.number(delivery.time_ms);
            self.word(b"RETRYCOUNT");
            self.number(delivery.count);
            self.command(&[b"JUSTID", b"FORCE"])?;
        }
        self.nacked(key, name, group)
    }

    /// What was handed back, in that order: as much with one command as was delivered equally often.
    fn nacked(&mut self, key: &[u8], name: &[u8], group: &Group) -> io::Result<()> {
        let nacked: Vec<_> = group.nacked().map(|(id, delivery)| (id, delivery.count)).collect();
        let alike = nacked.chunk_by(|(_, one), (_, other)| one == other);
        for portion in alike.flat_map(|alike| alike.chunks(ITEMS_MAX)) {
            self.words(&[b"XNACK", key, name, b"FAIL", b"IDS"]);
            self.number(portion.len());
            portion.iter().for_each(|(id, _)| self.id(*id));
            self.word(b"RETRYCOUNT");
            portion.first().into_iter().for_each(|(_, count)| self.number(*count));
            self.command(&[b"FORCE"])?;
        }
        Ok(())
    }
}
