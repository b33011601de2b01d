//! Strings.

use crate::command::context::Event;
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Ctx};
use crate::db::keyspace::NewString;
use crate::db::{Expiry, StringRef};

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("get", Arity::exactly(2), get)
        .group(Group::String)
        .flags(&[READONLY, FAST])
        .keys(&[Keys::at(1, Access::RO.and(Access::ACCESS))])
        .docs("1.0.0", "key", "Returns the string value of a key."),
    Command::new("set", Arity::at_least(3), set)
        .group(Group::String)
        .flags(&[WRITE, DENYOOM])
        .keys(&[Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::UPDATE).and(Access::VARIABLE_FLAGS))])
        .docs(
            "1.0.0",
            "key value [NX|XX] [GET] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|KEEPTTL]",
            "Sets a key to a string, whatever it held.",
        ),
];

/// Writes a string value as a bulk string, a big one without copying it.
fn reply_string(cx: &mut crate::resp::Reply, value: StringRef<'_>) {
    match value {
        StringRef::Int(number) => cx.bulk_int(number),
        StringRef::Bytes(bytes) => cx.bulk(bytes),
        StringRef::Shared(shared) => cx.bulk_shared(&shared.to_arc()),
    }
}

fn get(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    match cx.db.string(&args.key(1))? {
        Some(value) => reply_string(cx.reply, value),
        None => cx.reply.null(),
    }
    Ok(())
}

/// The value argument `index`: an argument that came in its own allocation is kept.
fn new_string<'a>(args: &Args<'a>, index: usize) -> NewString<'a> {
    match args.shared(index) {
        Some(shared) => NewString::Shared(shared),
        None => NewString::Bytes(args.get(index)),
    }
}

fn set(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    cx.db.set(&key, new_string(&args, 2), Expiry::Clear);
    cx.changed(&key, Event::string("set"));
    cx.reply.ok();
    Ok(())
}
