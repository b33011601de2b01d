//! XGROUP: creating, moving and removing consumer groups and their consumers.

use super::shared::{consumer_created, id, id_or_extreme, no_group};
use crate::command::error::CmdResult;
use crate::command::{Args, Error};
use crate::server::effects::Event;
use crate::server::execution::{Ctx, changes};
use crate::types::Stream;
use crate::types::stream::Log;

const NO_KEY: Error = Error::fixed(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option \
     to create an empty stream automatically.",
);
const BUSY: Error = Error::fixed("BUSYGROUP Consumer Group name already exists");

/// The options of CREATE and SETID.
#[derive(Debug, Default)]
struct Options {
    make_stream: bool,
    entries_read: Option<u64>,
}

impl Options {
    fn parse(cx: &Ctx<'_>, args: &Args<'_>, may_make: bool) -> Result<Options, Error> {
        const NOT_POSITIVE: Error = Error::fixed("ERR value for ENTRIESREAD must be positive or -1");
        let mut options = Options::default();
        let mut index = 5;
        while index < args.len() {
            if may_make && args.is(index, "mkstream") {
                options.make_stream = true;
                index += 1;
            } else if args.is(index, "entriesread") && index + 1 < args.len() {
                options.entries_read = match args.integer(index + 1)? {
                    -1 => None,
                    read => Some(u64::try_from(read).map_err(|_| NOT_POSITIVE)?),
                };
                index += 2;
            } else {
                return Err(cx.subcommand_syntax(args.get(1)));
            }
        }
        Ok(options)
    }

    /// Nobody has read more entries than there ever were.
    fn entries_read_of(&self, log: &Log) -> Option<u64> {
        self.entries_read.map(|read| read.min(log.entries_added))
    }
}

pub fn create(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const ARGUMENTS_MAX: usize = 8;
    let options = Options::parse(cx, &args, true)?;
    let (key, name) = (args.key(2), args.get(3));
    let found = cx.db.collection_mut::<Stream>(&key)?.map(|stream| stream.log().last_id);
    let is_new = found.is_none();
    if is_new && !options.make_stream {
        return Err(NO_KEY);
    }
    if args.len() > ARGUMENTS_MAX {
        return Err(cx.subcommand_syntax(args.get(1)));
    }
    let last_id = match args.get(4) {
        b"$" => found.unwrap_or_default(),
        _ => id(&args, 4)?,
    };
    let stream = cx.db.collection_or_new::<Stream>(&key)?;
    let entries_read = options.entries_read_of(stream.log());
    stream.groups_mut().0.create(name, last_id, entries_read).ok_or(BUSY)?;
    cx.reply.ok();
    cx.db.dirty += 1;
    let created = Event::stream("xgroup-create");
    match is_new {
        true => cx.touched(&key, created),
        false => cx.notify(key.bytes(), created),
    }
    Ok(())
}

pub fn setid(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const ARGUMENTS_MAX: usize = 7;
    let options = Options::parse(cx, &args, false)?;
    let too_many = (args.len() > ARGUMENTS_MAX).then(|| cx.subcommand_syntax(args.get(1)));
    let (key, name) = (args.key(2), args.get(3));
    let stream = cx.db.collection_mut::<Stream>(&key)?.ok_or(NO_KEY)?;
    let (groups, log) = stream.groups_mut();
    let group = groups.get_mut(name).ok_or_else(|| no_group(key.bytes(), name))?;
    if let Some(error) = too_many {
        return Err(error);
    }
    group.last_id = match args.get(4) {
        b"$" => log.last_id,
        text => id_or_extreme(text, 0)?,
    };
    group.entries_read = options.entries_read_of(log);
    cx.reply.ok();
    cx.db.dirty += 1;
    cx.notify(key.bytes(), Event::stream("xgroup-setid"));
    Ok(())
}

pub fn destroy(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(2);
    let stream = cx.db.collection_mut::<Stream>(&key)?.ok_or(NO_KEY)?;
    let destroyed = stream.groups_mut().0.destroy(args.get(3));
    cx.reply.integer(i64::from(destroyed));
    if destroyed {
        cx.db.dirty += 1;
        cx.notify(key.bytes(), Event::stream("xgroup-destroy"));
        // Who waits to read with the group is told that it is no more.
        changes::wake(cx, key.bytes());
    }
    Ok(())
}

pub fn createconsumer(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, name, now_ms) = (args.key(2), args.get(3), cx.clock_ms());
    let stream = cx.db.collection_mut::<Stream>(&key)?.ok_or(NO_KEY)?;
    let group = stream.groups_mut().0.get_mut(name).ok_or_else(|| no_group(key.bytes(), name))?;
    let created = group.create_consumer(args.get(4), now_ms).is_some();
    cx.reply.integer(i64::from(created));
    if created {
        consumer_created(cx, &key);
    }
    Ok(())
}

pub fn delconsumer(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, name) = (args.key(2), args.get(3));
    let stream = cx.db.collection_mut::<Stream>(&key)?.ok_or(NO_KEY)?;
    let group = stream.groups_mut().0.get_mut(name).ok_or_else(|| no_group(key.bytes(), name))?;
    let pending = group.delete_consumer(args.get(4));
    cx.reply.integer(pending.unwrap_or(0) as i64);
    if pending.is_some() {
        cx.db.dirty += 1;
        cx.notify(key.bytes(), Event::stream("xgroup-delconsumer"));
    }
    Ok(())
}

pub fn help(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply_help(&[
        "CREATE <key> <group> <id|$> [MKSTREAM] [ENTRIESREAD <number>]",
        "    Create a consumer group that reads what comes behind <id>, or from now on.",
        "    MKSTREAM makes an empty stream if there is none, ENTRIESREAD says how many",
        "    entries the group counts as read.",
        "CREATECONSUMER <key> <group> <consumer>",
        "    Create a consumer in a group.",
        "DELCONSUMER <key> <group> <consumer>",
        "    Remove a consumer with all that it has yet to acknowledge.",
        "DESTROY <key> <group>",
        "    Remove a consumer group.",
        "SETID <key> <group> <id|$> [ENTRIESREAD <number>]",
        "    Set the id behind which the group goes on to read.",
    ]);
    Ok(())
}
