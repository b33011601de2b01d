//! Commands about the connection itself.

use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Ctx, Error};

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("ping", Arity::at_least(1), ping)
        .group(Group::Connection)
        .flags(&[FAST, REPORTS_DISK_ERROR, IN_SUBSCRIPTION, LOADING, STALE])
        .docs("1.0.0", "[message]", "Answers PONG, or the message given."),
    Command::new("echo", Arity::exactly(2), echo).group(Group::Connection).flags(&[LOADING, STALE, FAST]).docs(
        "1.0.0",
        "message",
        "Answers the message given.",
    ),
    Command::new("select", Arity::exactly(2), select).group(Group::Connection).flags(&[LOADING, STALE, FAST]).docs(
        "1.0.0",
        "index",
        "Selects the database that the connection's commands work on.",
    ),
    Command::new("quit", Arity::at_least(1), quit)
        .group(Group::Connection)
        .flags(&[ALLOW_BUSY, NOSCRIPT, LOADING, STALE, FAST, NO_AUTH, NO_QUEUE, IN_SUBSCRIPTION])
        .docs("1.0.0", "", "Closes the connection."),
];

/// A RESP2 client with subscriptions gets an array, which cannot be taken for a message.
fn ping(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if args.len() > 2 {
        return Err(Error::wrong_arity("ping"));
    }
    let message = args.try_get(1);
    if cx.client().subscriptions.is_some() && !cx.reply.resp3 {
        cx.reply.array(2);
        cx.reply.bulk(b"pong");
        cx.reply.bulk(message.unwrap_or_default());
        return Ok(());
    }
    match message {
        Some(message) => cx.reply.bulk(message),
        None => cx.reply.simple("PONG"),
    }
    Ok(())
}

fn echo(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    cx.reply.bulk(args.get(1));
    Ok(())
}

fn select(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const NO_SUCH_DATABASE: Error = Error::fixed("ERR DB index is out of range");
    let index = args.integer(1).map_err(|_| Error::fixed("ERR invalid DB index"))?;
    let index = usize::try_from(index).ok().filter(|index| *index < cx.db.count()).ok_or(NO_SUCH_DATABASE)?;
    cx.client_mut().db = index;
    cx.db.select(index);
    cx.reply.ok();
    Ok(())
}

fn quit(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply.ok();
    cx.client_mut().close_after_reply();
    Ok(())
}
