//! HyperLogLogs: strings that tell how many distinct elements they have seen; see [`hyperloglog`].
//!
//! PFCOUNT of one key notes the count in the string itself. So it writes, as a command that is called read-only: the
//! change fails transactions that watch the key and is propagated, but is no keyspace event.

use std::iter::once;

use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::keyspace::NewString;
use crate::db::{DictSlot, Expiry, StringRef};
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx, changes};
use crate::types::hyperloglog::{self, Change, Corrupted, Encoding, HyperLogLog, Observation, Registers};
use crate::util::random::Random;

const CORRUPTED: Error = Error::fixed("INVALIDOBJ Corrupted HLL object detected");
const NO_HYPERLOGLOG: Error = Error::fixed("WRONGTYPE Key is not a valid HyperLogLog string value.");
const ADDED: Event = Event::string("pfadd");

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("pfadd", Arity::at_least(2), pfadd)
        .group(Group::Hyperloglog)
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(&[Keys::at(1, Access::RW.and(Access::INSERT))])
        .docs("2.8.9", "key [element [element ...]]", "Adds elements to a HyperLogLog, which is made if need be.")
        .complexity("O(1) for each element."),
    Command::new("pfcount", Arity::at_least(2), pfcount)
        .group(Group::Hyperloglog)
        .flags(&[READONLY, MAY_REPLICATE])
        .keys(&[Keys::range(1, -1, 1, Access::RW.and(Access::ACCESS))])
        .docs("2.8.9", "key [key ...]", "Estimates how many distinct elements HyperLogLogs have seen together.")
        .complexity("O(1) for one key; O(N) for N keys, and much slower."),
    Command::new("pfmerge", Arity::at_least(2), pfmerge)
        .group(Group::Hyperloglog)
        .flags(&[WRITE, DENYOOM])
        .keys(&[
            Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::INSERT)),
            Keys::range(2, -1, 1, Access::RO.and(Access::ACCESS)),
        ])
        .docs("2.8.9", "destkey [sourcekey [sourcekey ...]]", "Merges HyperLogLogs into one.")
        .complexity("O(N) for N HyperLogLogs, slow for each."),
    Command::new("pfdebug", Arity::exactly(3), pfdebug)
        .group(Group::Hyperloglog)
        .flags(&[WRITE, DENYOOM, ADMIN])
        .keys(&[Keys::at(2, Access::RW.and(Access::ACCESS))])
        .for_systems()
        .docs("2.8.9", "subcommand key", "Shows the inside of a HyperLogLog.")
        .complexity("N/A"),
    Command::new("pfselftest", Arity::exactly(1), pfselftest)
        .group(Group::Hyperloglog)
        .flags(&[ADMIN])
        .for_systems()
        .docs("2.8.9", "", "Tests HyperLogLogs with random elements.")
        .complexity("N/A"),
];

impl From<Corrupted> for Error {
    fn from(_: Corrupted) -> Error {
        CORRUPTED
    }
}

/// The HyperLogLog in a string; one that is kept as an integer holds none.
#[inline]
fn hyperloglog_of(value: StringRef<'_>) -> Result<HyperLogLog<'_>, Error> {
    let bytes = match value {
        StringRef::Int(_) => return Err(NO_HYPERLOGLOG),
        StringRef::Bytes(bytes) => bytes,
        StringRef::Shared(shared) => shared.bytes(),
    };
    HyperLogLog::of(bytes).ok_or(NO_HYPERLOGLOG)
}

/// A new HyperLogLog counts as a change itself, and its count is not known, as in Redis.
fn pfadd(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    let seen = args.rest(2).map(Observation::of);
    let sparse_max = cx.server.config.hll_sparse_max_bytes;
    let changes = match cx.db.string_mut(&key)? {
        Some(mut slot) => add(&mut slot, seen, sparse_max)?,
        None => {
            let mut bytes = hyperloglog::empty();
            let changes = observe_all(&mut bytes, seen, sparse_max)?;
            hyperloglog::forget_count(&mut bytes);
            cx.db.set(&key, NewString::Text(bytes, true), Expiry::Clear);
            changes + 1
        }
    };
    if changes > 0 {
        cx.db.dirty += changes;
        cx.touched(&key, ADDED);
    }
    cx.reply.integer(i64::from(changes > 0));
    Ok(())
}

/// How many observations changed a HyperLogLog, which is left alone up to the first that does.
fn add(slot: &mut DictSlot<'_>, mut seen: impl Iterator<Item = Observation>, sparse_max: usize) -> Result<u64, Error> {
    let Some(value) = slot.view().string() else { return Ok(0) };
    let before = hyperloglog_of(value)?;
    let first = loop {
        let Some(next) = seen.next() else { return Ok(0) };
        if let Some(change) = before.change_for(next)? {
            break change;
        }
    };
    match first {
        Change::Dense(first) => slot.update(|entry| {
            let bytes = entry.bytes_mut().unwrap_or_default();
            hyperloglog::forget_count(bytes);
            Ok(once(first).chain(seen).filter(|next| hyperloglog::raise(bytes, *next)).count() as u64)
        }),
        Change::Sparse(..) => slot.update(|entry| {
            entry.modify_bytes(|bytes| {
                hyperloglog::apply(bytes, first, sparse_max)?;
                Ok(1 + observe_all(bytes, seen, sparse_max)?)
            })
        }),
    }
}

fn observe_all(
    bytes: &mut Vec<u8>,
    seen: impl Iterator<Item = Observation>,
    sparse_max: usize,
) -> Result<u64, Corrupted> {
    let mut changes = 0;
    for next in seen {
        changes += u64::from(hyperloglog::observe(bytes, next, sparse_max)?);
    }
    Ok(changes)
}

fn pfcount(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if args.len() > 2 {
        let mut registers = Registers::default();
        merge_all(cx, args, &mut registers)?;
        cx.reply.integer(registers.count() as i64);
        return Ok(());
    }
    let key = args.key(1);
    let Some(value) = cx.db.string(&key)? else {
        cx.reply.integer(0);
        return Ok(());
    };
    let found = hyperloglog_of(value)?;
    let count = match found.known_count() {
        Some(count) => count,
        None => {
            let count = found.count()?;
            if let Some(mut slot) = cx.db.string_mut(&key)? {
                slot.update(|entry| hyperloglog::note_count(entry.bytes_mut().unwrap_or_default(), count));
            }
            cx.db.dirty += 1;
            if cx.server.observers.any() {
                changes::key_changed(cx, key.bytes());
            }
            count
        }
    };
    cx.reply.integer(count as i64);
    Ok(())
}

/// Merges the HyperLogLogs of all keys; whether one of them is dense.
fn merge_all(cx: &mut Ctx<'_>, args: Args<'_>, registers: &mut Registers) -> Result<bool, Error> {
    let mut dense = false;
    for key in args.keys(1, 1) {
        if let Some(value) = cx.db.string(&key)? {
            let found = hyperloglog_of(value)?;
            dense |= found.encoding() == Encoding::Dense;
            registers.merge(found)?;
        }
    }
    Ok(dense)
}

/// The result is dense if one of the sources or the destination is.
fn pfmerge(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    let sparse_max = cx.server.config.hll_sparse_max_bytes;
    let mut registers = Registers::default();
    let dense = merge_all(cx, args, &mut registers)?;
    match cx.db.string_mut(&key)? {
        Some(mut slot) => {
            slot.update(|entry| entry.modify_bytes(|bytes| registers.store(bytes, dense, sparse_max)))?;
        }
        None => {
            let mut bytes = hyperloglog::empty();
            registers.store(&mut bytes, dense, sparse_max)?;
            cx.db.set(&key, NewString::Text(bytes, true), Expiry::Clear);
        }
    }
    cx.changed(&key, ADDED);
    cx.reply.ok();
    Ok(())
}

/// What changes the form is propagated, without being an event or failing a transaction.
fn pfdebug(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const NO_KEY: Error = Error::fixed("ERR The specified key does not exist");
    let Some(mut slot) = cx.db.string_mut(&args.key(2))? else { return Err(NO_KEY) };
    let Some(value) = slot.view().string() else { return Err(NO_KEY) };
    let found = hyperloglog_of(value)?;
    let is_sparse = found.encoding() == Encoding::Sparse;
    let subcommand = args.get(1);
    if subcommand.eq_ignore_ascii_case(b"getreg") {
        let mut registers = Registers::default();
        registers.merge(found)?;
        cx.reply.array(registers.values().len());
        registers.values().iter().for_each(|value| cx.reply.integer(i64::from(*value)));
    } else if subcommand.eq_ignore_ascii_case(b"decode") {
        if !is_sparse {
            return Err(Error::fixed("ERR HLL encoding is not sparse"));
        }
        cx.reply.bulk(describe_runs(found).as_bytes());
        return Ok(());
    } else if subcommand.eq_ignore_ascii_case(b"encoding") {
        cx.reply.simple(found.encoding().name());
        return Ok(());
    } else if subcommand.eq_ignore_ascii_case(b"todense") {
        cx.reply.integer(i64::from(is_sparse));
    } else {
        let given = crate::command::args::shown(subcommand);
        return Err(Error::text([b"ERR Unknown PFDEBUG subcommand '", given, b"'"].concat()));
    }
    if is_sparse {
        let dense = found.to_dense()?;
        slot.update(|entry| entry.set_text(dense, true));
        cx.db.dirty += 1;
    }
    Ok(())
}

/// A word per run: `z` or `Z` for zeros in one byte or two, with their number; `v` with value and number.
fn describe_runs(found: HyperLogLog<'_>) -> String {
    let words: Vec<String> = found
        .runs()
        .map(|run| match run.value {
            0 => format!("{}:{}", if run.size == 1 { 'z' } else { 'Z' }, run.len),
            value => format!("v:{value},{}", run.len),
        })
        .collect();
    words.join(" ")
}

fn pfselftest(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let sparse_max = cx.server.config.hll_sparse_max_bytes;
    let fault = hyperloglog::self_test(&mut Random::from_entropy(), sparse_max);
    fault.map_err(|fault| Error::text(format!("ERR TESTFAILED {fault}")))?;
    cx.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::server::testbed::Testbed;

    const CORRUPTED: &str = "-INVALIDOBJ Corrupted HLL object detected\r\n";
    const NO_HYPERLOGLOG: &str = "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n";

    #[test]
    fn pfadd_is_propagated_when_it_made_the_key_or_changed_a_register() {
        let mut bed = Testbed::new();
        assert_eq!(bed.propagated("pfadd h"), ["pfadd h"]);
        assert_eq!(bed.propagated("pfadd h"), [""; 0]);
        assert_eq!(bed.propagated("pfadd h a b c"), ["pfadd h a b c"]);
        assert_eq!(bed.propagated("pfadd h a b c"), [""; 0]);
        assert_eq!(bed.db.dirty, 4);
        assert_eq!((bed.run("pfadd h a"), bed.run("pfadd h a d")), (":0\r\n".into(), ":1\r\n".into()));
    }

    #[test]
    fn pfcount_notes_the_count_and_is_propagated_then() {
        let mut bed = Testbed::new();
        bed.run("pfadd h a b c");
        assert_eq!(bed.propagated("pfcount h"), ["pfcount h"]);
        assert_eq!(bed.propagated("pfcount h"), [""; 0]);
        assert_eq!(bed.run("getrange h 8 15"), "$8\r\n\u{3}\0\0\0\0\0\0\0\r\n");
        assert_eq!(bed.propagated("pfcount h missing"), [""; 0]);
        assert_eq!((bed.run("pfcount h missing"), bed.run("pfcount missing")), (":3\r\n".into(), ":0\r\n".into()));
    }

    #[test]
    fn pfcount_fails_transactions_only_when_it_notes_the_count() {
        let mut bed = Testbed::new();
        for (when, expected) in [("outdated", "*-1\r\n"), ("known", "*1\r\n+PONG\r\n")] {
            bed.run("pfadd h a");
            bed.run("watch h");
            bed.run("pfcount h");
            bed.run("multi");
            bed.run("ping");
            assert_eq!(bed.run("exec"), expected, "{when}");
        }
    }

    #[test]
    fn pfmerge_counts_the_union_and_is_dense_if_a_source_is() {
        let mut bed = Testbed::new();
        bed.run("pfadd one a b c");
        bed.run("pfadd two b c d");
        assert_eq!(bed.propagated("pfmerge to one two missing"), ["pfmerge to one two missing"]);
        assert_eq!((bed.run("pfcount to"), bed.run("pfdebug encoding to")), (":4\r\n".into(), "+sparse\r\n".into()));
        assert_eq!(bed.propagated("pfdebug todense two"), ["pfdebug todense two"]);
        assert_eq!(bed.run("pfmerge to two"), "+OK\r\n");
        assert_eq!((bed.run("pfcount to"), bed.run("pfdebug encoding to")), (":4\r\n".into(), "+dense\r\n".into()));
        assert_eq!((bed.run("pfadd to a z"), bed.run("pfcount to")), (":1\r\n".into(), ":5\r\n".into()));
        assert_eq!(bed.run("pfmerge to"), "+OK\r\n");
        assert_eq!(bed.run("object encoding to"), "$3\r\nraw\r\n");
        assert_eq!(bed.run("strlen to"), ":12304\r\n");
    }

    #[test]
    fn other_strings_are_refused_with_the_error_for_what_is_wrong() {
        let mut bed = Testbed::new();
        bed.run("set text value");
        bed.run("set number 12");
        bed.run("pfadd h a");
        for command in ["pfadd text a", "pfcount number", "pfcount h text", "pfmerge h number", "pfdebug decode text"] {
            assert_eq!(bed.run(command), NO_HYPERLOGLOG, "{command}");
        }
        bed.run("append h hello");
        for command in ["pfcount h", "pfcount h h", "pfmerge to h", "pfmerge h", "pfdebug getreg h"] {
            assert_eq!(bed.run(command), CORRUPTED, "{command}");
        }
        assert_eq!(bed.run("exists to"), ":0\r\n");
    }

    #[test]
    fn pfdebug_shows_runs_and_encoding() {
        let mut bed = Testbed::new();
        bed.run("pfadd h a b c");
        assert_eq!(bed.run("pfdebug DECODE h"), "$44\r\nZ:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603\r\n");
        assert_eq!(bed.propagated("pfdebug getreg h"), ["pfdebug getreg h"]);
        assert_eq!(bed.run("pfdebug encoding h"), "+dense\r\n");
        assert_eq!(bed.run("pfdebug todense h"), ":0\r\n");
        assert_eq!(bed.run("pfdebug decode h"), "-ERR HLL encoding is not sparse\r\n");
        assert_eq!(bed.run("pfdebug show h"), "-ERR Unknown PFDEBUG subcommand 'show'\r\n");
        assert_eq!(bed.run("pfdebug decode missing"), "-ERR The specified key does not exist\r\n");
    }
}
