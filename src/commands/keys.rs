//! Keys of any type: deleting, renaming, copying and moving them, and whole databases.
//!
//! A key that moves takes its expiry and its access time along; a copy takes the expiry and counts as just used.
//! Commands that exchange or empty databases touch keys nobody named, so they report to
//! [`changes::database_replaced`] instead of naming changed keys one by one.

use crate::command::error::{CmdResult, NO_SUCH_KEY, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::Key;
use crate::resp::request::ArgView;
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx, changes};
use crate::server::modes::ServerModes;
use crate::server::persistence::snapshot;

const PER_SHARD_SUM: &[&str] = &["request_policy:multi_shard", "response_policy:agg_sum"];
const ALL_SHARDS_SUCCEED: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];
const SAME_KEY: Error = Error::fixed("ERR source and destination objects are the same");
const NO_SUCH_DATABASE: Error = Error::fixed("ERR DB index is out of range");

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("del", Arity::at_least(2), del)
        .flags(&[WRITE])
        .keys(&[Keys::range(1, -1, 1, Access::RM.and(Access::DELETE))])
        .tips(PER_SHARD_SUM)
        .docs("1.0.0", "key [key ...]", "Deletes keys.")
        .complexity("O(N) for N keys, and O(M) for each collection of M elements among them."),
    Command::new("unlink", Arity::at_least(2), unlink)
        .flags(&[WRITE, FAST])
        .keys(&[Keys::range(1, -1, 1, Access::RM.and(Access::DELETE))])
        .tips(PER_SHARD_SUM)
        .docs("4.0.0", "key [key ...]", "Deletes keys, freeing the memory of big ones in the background.")
        .complexity("O(1) for each key; what they held, O(N) allocations, is freed by a thread."),
    Command::new("exists", Arity::at_least(2), exists)
        .flags(&[READONLY, FAST])
        .keys(&[Keys::range(1, -1, 1, Access::RO)])
        .tips(PER_SHARD_SUM)
        .docs("1.0.0", "key [key ...]", "Counts how many of the keys named exist.")
        .complexity("O(N) for N keys.")
        .history(&[("3.0.3", "Several keys.")]),
    Command::new("touch", Arity::at_least(2), touch)
        .flags(&[READONLY, FAST])
        .keys(&[Keys::range(1, -1, 1, Access::RO)])
        .tips(PER_SHARD_SUM)
        .docs("3.2.1", "key [key ...]", "Counts the keys that exist, and marks them as used now.")
        .complexity("O(N) for N keys."),
    Command::new("type", Arity::exactly(2), type_of).flags(&[READONLY, FAST]).keys(&[Keys::at(1, Access::RO)]).docs(
        "1.0.0",
        "key",
        "Tells the type of the value that a key holds.",
    ),
    Command::new("rename", Arity::exactly(3), rename)
        .flags(&[WRITE])
        .keys(&[
            Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::DELETE)),
            Keys::at(2, Access::OW.and(Access::UPDATE)),
        ])
        .docs("1.0.0", "key newkey", "Gives a key another name, in the place of whatever had it.")
        .complexity("O(1)"),
    Command::new("renamenx", Arity::exactly(3), renamenx)
        .flags(&[WRITE, FAST])
        .keys(&[
            Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::DELETE)),
            Keys::at(2, Access::OW.and(Access::INSERT)),
        ])
        .docs("1.0.0", "key newkey", "Gives a key another name that is still free.")
        .history(&[("3.2.0", "Source and destination may be the same.")]),
    Command::new("copy", Arity::at_least(3), copy)
        .databases(DatabasesReached::Further(destination_of_copy))
        .flags(&[WRITE, DENYOOM])
        .keys(&[Keys::at(1, Access::RO.and(Access::ACCESS)), Keys::at(2, Access::OW.and(Access::UPDATE))])
        .docs("6.2.0", "source destination [DB destination-db] [REPLACE]", "Copies a value to another key.")
        .complexity("O(N) at worst for a collection of N elements, O(1) for a string."),
    Command::new("move", Arity::exactly(3), move_key)
        .databases(DatabasesReached::Further(|_| Some(2)))
        .flags(&[WRITE, FAST])
        .keys(&[Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::UPDATE))])
        .docs("1.0.0", "key db", "Moves a key to another database."),
    Command::new("randomkey", Arity::exactly(1), randomkey)
        .flags(&[READONLY, ARBITRARY_KEYS])
        .tips(&["request_policy:all_shards", "response_policy:special", "nondeterministic_output"])
        .docs("1.0.0", "", "Returns a key chosen at random.")
        .complexity("O(1)"),
    Command::new("dbsize", Arity::exactly(1), dbsize)
        .group(Group::Server)
        .flags(&[READONLY, FAST])
        .acl(Categories::KEYSPACE)
        .tips(&["request_policy:all_shards", "response_policy:agg_sum"])
        .docs("1.0.0", "", "Returns the number of keys in the database."),
    Command::new("swapdb", Arity::exactly(3), swapdb)
        .databases(DatabasesReached::Named(&[1, 2]))
        .group(Group::Server)
        .flags(&[WRITE, FAST])
        .acl(Categories(Categories::KEYSPACE.0 | Categories::DANGEROUS.0))
        .docs("4.0.0", "index1 index2", "Exchanges the content of two databases.")
        .complexity("O(N) for N clients that watch or wait for keys of either."),
    Command::new("flushdb", Arity::at_least(1), flushdb)
        .group(Group::Server)
        .flags(&[WRITE])
        .acl(Categories(Categories::KEYSPACE.0 | Categories::DANGEROUS.0))
        .tips(ALL_SHARDS_SUCCEED)
        .docs("1.0.0", "[ASYNC|SYNC]", "Deletes all keys of the database.")
        .complexity("O(N) for N keys of the database.")
        .history(&[("4.0.0", "`ASYNC`."), ("6.2.0", "`SYNC`.")]),
    Command::new("flushall", Arity::at_least(1), flushall)
        .databases(DatabasesReached::All)
        .group(Group::Server)
        .flags(&[WRITE])
        .acl(Categories(Categories::KEYSPACE.0 | Categories::DANGEROUS.0))
        .tips(ALL_SHARDS_SUCCEED)
        .docs("1.0.0", "[ASYNC|SYNC]", "Deletes all keys of all databases.")
        .complexity("O(N) for N keys of all databases.")
        .history(&[("4.0.0", "`ASYNC`."), ("6.2.0", "`SYNC`.")]),
];

/// Which argument of COPY is the number of another database.
fn destination_of_copy(args: &ArgView<'_>) -> Option<usize> {
    let option = (3..args.len()).find(|index| args.get(*index).eq_ignore_ascii_case(b"db"))?;
    Some(option + 1).filter(|index| *index < args.len())
}

fn del(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    delete_all(cx, args, cx.server.config.lazyfree_lazy_user_del)
}

fn unlink(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    delete_all(cx, args, true)
}

fn delete_all(cx: &mut Ctx<'_>, args: Args<'_>, lazily: bool) -> CmdResult {
    let mut deleted = 0;
    for key in args.keys(1, 1) {
        if cx.db.unlink(&key, lazily) {
            cx.changed(&key, Event::generic("del"));
            deleted += 1;
        }
    }
    cx.reply.integer(deleted);
    Ok(())
}

fn exists(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let found = args.keys(1, 1).filter(|key| cx.db.inspect(key).is_some()).count();
    cx.reply.integer(found as i64);
    Ok(())
}

/// A key is used by this even if its client asks not to touch any.
fn touch(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let touches = cx.db.set_touches(true);
    let found = args.keys(1, 1).filter(|key| cx.db.read(key).is_some()).count();
    cx.db.set_touches(touches);
    cx.reply.integer(found as i64);
    Ok(())
}

fn type_of(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let name = cx.db.inspect(&args.key(1)).map_or("none", |entry| entry.value_type().name());
    cx.reply.simple(name);
    Ok(())
}

fn rename(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    give_name(cx, args, true)?;
    cx.reply.ok();
    Ok(())
}

fn renamenx(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let renamed = give_name(cx, args, false)?;
    cx.reply.integer(i64::from(renamed));
    Ok(())
}

/// Renames a key; whether that happened. A key can be given its own name, which changes nothing.
fn give_name(cx: &mut Ctx<'_>, args: Args<'_>, replace: bool) -> Result<bool, Error> {
    let (from, to) = (args.key(1), args.key(2));
    if !cx.db.exists(&from) {
        return Err(NO_SUCH_KEY);
    }
    if from.bytes() == to.bytes() || (cx.db.exists(&to) && !replace) {
        return Ok(false);
    }
    let blessed = cx.db.is_blessed(&from);
    let Some(entry) = cx.db.take(&from) else { return Err(NO_SUCH_KEY) };
    let old = cx.db.value_type(&to);
    cx.db.delete(&to);
    cx.db.put(&to, entry.rename(to.bytes()));
    if blessed {
        cx.db.bless(&to, true);
    }
    cx.changed(&from, Event::generic("rename_from"));
    cx.touched(&to, Event::generic("rename_to"));
    cx.replaced(&to, old);
    Ok(true)
}

/// An existing database's number.
fn database(cx: &Ctx<'_>, number: i64) -> Result<usize, Error> {
    usize::try_from(number).ok().filter(|number| *number < cx.db.count()).ok_or(NO_SUCH_DATABASE)
}

fn copy(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let source_db = cx.db.selected();
    let (mut target_db, mut replace) = (source_db, false);
    let mut index = 3;
    while index < args.len() {
        if args.is(index, "replace") {
            replace = true;
        } else if args.is(index, "db") && index + 1 < args.len() {
            index += 1;
            target_db = database(cx, i64::from(args.integer32(index)?))?;
        } else {
            return Err(SYNTAX);
        }
        index += 1;
    }
    let (source, target) = (args.key(1), args.key(2));
    if source_db == target_db && source.bytes() == target.bytes() {
        return Err(SAME_KEY);
    }
    let copy = match cx.db.read(&source) {
        Some(_) => cx.db.duplicate(&source, &target),
        None => None,
    };
    cx.db.select(target_db);
    let mut old = None;
    let copied = match copy {
        Some(copy) if replace || !cx.db.exists(&target) => {
            old = cx.db.value_type(&target);
            cx.db.delete(&target);
            cx.db.put(&target, copy);
            true
        }
        _ => false,
    };
    if copied {
        cx.changed(&target, Event::generic("copy_to"));
        cx.replaced(&target, old);
    }
    cx.db.select(source_db);
    cx.reply.integer(i64::from(copied));
    Ok(())
}

fn move_key(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if cx.server.modes.has(ServerModes::CLUSTER) {
        return Err(Error::fixed("ERR MOVE is not allowed in cluster mode"));
    }
    let (key, source) = (args.key(1), cx.db.selected());
    let target = database(cx, i64::from(args.integer32(2)?))?;
    if source == target {
        return Err(SAME_KEY);
    }
    let moved = move_between(cx, &key, source, target);
    if moved {
        cx.changed(&key, Event::generic("move_from"));
        cx.touched_in(target, key.bytes(), Event::generic("move_to"));
    }
    cx.reply.integer(i64::from(moved));
    Ok(())
}

/// Moves a key to a database that has no such key; whether that happened.
fn move_between(cx: &mut Ctx<'_>, key: &Key<'_>, source: usize, target: usize) -> bool {
    if !cx.db.exists(key) {
        return false;
    }
    cx.db.select(target);
    let taken = cx.db.exists(key);
    cx.db.select(source);
    if taken {
        return false;
    }
    let blessed = cx.db.is_blessed(key);
    let Some(entry) = cx.db.take(key) else { return false };
    cx.db.select(target);
    cx.db.put(key, entry);
    if blessed {
        cx.db.bless(key, true);
    }
    cx.db.select(source);
    true
}

fn randomkey(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    match cx.db.random_key() {
        Some(key) => cx.reply.bulk(&key),
        None => cx.reply.null(),
    }
    Ok(())
}

fn dbsize(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let keys = cx.db.counted_keys();
    cx.reply.integer(keys as i64);
    Ok(())
}

fn swapdb(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if cx.server.modes.has(ServerModes::CLUSTER) {
        return Err(Error::fixed("ERR SWAPDB is not allowed in cluster mode"));
    }
    let number = |index, error| args.integer_in(index, i64::from(i32::MIN)..=i64::from(i32::MAX), Error::fixed(error));
    let one = number(1, "ERR invalid first DB index")?;
    let other = number(2, "ERR invalid second DB index")?;
    let (one, other) = (database(cx, one)?, database(cx, other)?);
    if one != other {
        changes::database_replaced(cx, one, Some(other));
        changes::database_replaced(cx, other, Some(one));
        cx.db.swap(one, other);
    }
    cx.db.dirty += 1;
    cx.reply.ok();
    Ok(())
}

/// Whether FLUSHDB or FLUSHALL leaves the freeing to another thread.
fn flushes_lazily(cx: &Ctx<'_>, args: &Args<'_>) -> Result<bool, Error> {
    match args.len() {
        1 => Ok(cx.server.config.lazyfree_lazy_user_flush),
        2 if args.is(1, "sync") => Ok(false),
        2 if args.is(1, "async") => Ok(true),
        _ => Err(SYNTAX),
    }
}

fn flush(cx: &mut Ctx<'_>, db: usize, lazily: bool) {
    changes::database_replaced(cx, db, None);
    cx.db.dirty += cx.db.flush(db, lazily) as u64;
}

/// Replicas are told even when there was nothing to delete here: there may be something there.
fn flushdb(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let lazily = flushes_lazily(cx, &args)?;
    flush(cx, cx.db.selected(), lazily);
    changes::all_keys_gone(cx.server);
    cx.propagate_always();
    cx.reply.ok();
    Ok(())
}

fn flushall(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let lazily = flushes_lazily(cx, &args)?;
    for db in 0..cx.db.count() {
        flush(cx, db, lazily);
    }
    changes::all_keys_gone(cx.server);
    snapshot::after_flush_all(cx.server, cx.db);
    cx.propagate_always();
    cx.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::server::testbed::Testbed;

    #[test]
    fn what_changes_nothing_is_not_propagated_but_flushing_always_is() {
        let mut bed = Testbed::new();
        bed.propagated("mset a 1 b 2");
        assert_eq!(bed.propagated("del x"), [""; 0]);
        assert_eq!(bed.propagated("renamenx a b"), [""; 0]);
        assert_eq!(bed.propagated("rename a c"), ["rename a c"]);
        assert_eq!(bed.propagated("copy b c"), [""; 0]);
        assert_eq!(bed.propagated("move b 1"), ["move b 1"]);
        assert_eq!(bed.propagated("swapdb 0 0"), ["swapdb 0 0"]);
        assert_eq!(bed.propagated("unlink c x"), ["unlink c x"]);
        assert_eq!(bed.propagated("flushdb"), ["flushdb"]);
        assert_eq!(bed.propagated("flushall async"), ["flushall async"]);
    }

    #[test]
    fn flushall_counts_its_keys_as_changes_unless_it_saves_the_empty_set() {
        let mut bed = Testbed::new();
        bed.server.config.save = Vec::new();
        bed.propagated("mset a 1 b 2");
        let dirty = bed.db.dirty;
        bed.propagated("flushall");
        assert_eq!(bed.db.dirty, dirty + 2);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dump.rdb");
        bed.server.config.save = crate::config::Config::default().save;
        bed.server.config.dbfilename = file.to_str().unwrap().to_owned();
        bed.propagated("set a 1");
        bed.propagated("flushall");
        assert_eq!(bed.db.dirty, 0);
        assert!(file.exists());
    }
}
