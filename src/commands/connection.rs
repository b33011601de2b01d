//! Commands about the connection itself.

use crate::client::Modes;
use crate::client::acl::{DEFAULT_NAME, UserId};
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::config::REDIS_VERSION;
use crate::resp::request::ArgView;
use crate::server::clients::lifecycle;
use crate::server::cluster::moves::strays;
use crate::server::execution::{Command, Ctx};
use crate::server::modes::ServerModes;
use crate::util::number;

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("ping", Arity::at_least(1), ping)
        .group(Group::Connection)
        .flags(&[FAST, REPORTS_DISK_ERROR, IN_SUBSCRIPTION])
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .docs("1.0.0", "[message]", "Answers PONG, or the message given."),
    Command::new("echo", Arity::exactly(2), echo).group(Group::Connection).flags(&[LOADING, STALE, FAST]).docs(
        "1.0.0",
        "message",
        "Answers the message given.",
    ),
    Command::new("select", Arity::exactly(2), select)
        .group(Group::Connection)
        .flags(&[LOADING, STALE, FAST])
        .databases(DatabasesReached::Named(&[1]))
        .docs("1.0.0", "index", "Selects the database that the connection's commands work on."),
    Command::new("quit", Arity::at_least(1), quit)
        .group(Group::Connection)
        .flags(&[ALLOW_BUSY, NOSCRIPT, LOADING, STALE, FAST, NO_AUTH, NO_QUEUE, IN_SUBSCRIPTION])
        .deprecated("7.2.0", "closing the connection")
        .docs("1.0.0", "", "Closes the connection."),
    Command::new("auth", Arity::at_least(2), auth)
        .group(Group::Connection)
        .flags(&[NOSCRIPT, LOADING, STALE, FAST, NO_AUTH, ALLOW_BUSY])
        .secrets(|args| (1..args.len()).collect())
        .docs("1.0.0", "[username] password", "Authenticates the connection.")
        .complexity("O(N) for N passwords of the user.")
        .history(&[("6.0.0", "A user name may be given.")]),
    Command::new("hello", Arity::at_least(1), hello)
        .group(Group::Connection)
        .flags(&[NOSCRIPT, LOADING, STALE, FAST, NO_AUTH, ALLOW_BUSY])
        .secrets(hello_secrets)
        .docs(
            "6.0.0",
            "[protover [AUTH username password] [SETNAME clientname]]",
            "Greets the server and chooses the version of the protocol.",
        )
        .history(&[("6.2.0", "Without a version it only tells.")]),
    Command::new("reset", Arity::exactly(1), reset)
        .group(Group::Connection)
        .flags(&[NOSCRIPT, LOADING, STALE, FAST, NO_AUTH, ALLOW_BUSY, NO_QUEUE, IN_SUBSCRIPTION])
        .docs("6.2.0", "", "Puts the connection back into the state of a new one."),
    Command::new("monitor", Arity::exactly(1), monitor)
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .docs("1.0.0", "", "Shows the commands of all connections as they are run."),
];

const WRONG_PASSWORD: Error = Error::fixed("WRONGPASS invalid username-password pair or user is disabled.");

/// A RESP2 client with subscriptions gets an array, which cannot be taken for a message.
fn ping(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if args.len() > 2 {
        return Err(Error::wrong_arity("ping"));
    }
    let message = args.try_get(1);
    if let Some(message) = message {
        strays::hear_ping(cx.server, cx.client, message);
    }
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
    let index = args.integer32(1)?;
    if index != 0 && cx.server.modes.has(ServerModes::CLUSTER) {
        return Err(Error::fixed("ERR SELECT is not allowed in cluster mode"));
    }
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

fn auth(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (user, password) = match args.len() {
        2 if cx.server.acl.user(UserId::DEFAULT).no_password => {
            return Err(Error::fixed(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                 configuration is correct?",
            ));
        }
        2 => (DEFAULT_NAME, args.get(1)),
        3 => (args.get(1), args.get(2)),
        _ => return Err(SYNTAX),
    };
    authenticate(cx, &args, user, password)?;
    cx.reply.ok();
    Ok(())
}

fn authenticate(cx: &mut Ctx<'_>, args: &Args<'_>, user: &[u8], password: &[u8]) -> CmdResult {
    if cx.log_in(args, user, password) { Ok(()) } else { Err(WRONG_PASSWORD) }
}

/// What stands behind the AUTH option, in whatever HELLO it is found.
fn hello_secrets(args: &ArgView<'_>) -> Vec<usize> {
    let options = 2..args.len();
    let secrets = options.filter(|index| args.get(*index).eq_ignore_ascii_case(b"auth"));
    secrets.flat_map(|index| [index + 1, index + 2]).filter(|index| *index < args.len()).collect()
}

/// All arguments are read before anything changes; of repeated options the last one counts.
fn hello(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const NOT_A_VERSION: Error = Error::fixed("ERR Protocol version is not an integer or out of range");
    let version = match args.try_get(1) {
        Some(version) => number::parse_i64(version).ok_or(NOT_A_VERSION)?,
        None if cx.client().resp3 => 3,
        None => 2,
    };
    if !(2..=3).contains(&version) {
        return Err(Error::fixed("NOPROTO unsupported protocol version"));
    }
    let (mut credentials, mut name) = (None, None);
    let mut index = 2;
    while index < args.len() {
        let more = args.len() - 1 - index;
        if args.is(index, "auth") && more >= 2 {
            credentials = Some((args.get(index + 1), args.get(index + 2)));
            index += 3;
        } else if args.is(index, "setname") && more >= 1 {
            super::client::check_name(args.get(index + 1))?;
            name = Some(args.get(index + 1));
            index += 2;
        } else {
            let option = String::from_utf8_lossy(args.get(index));
            return Err(Error::text(format!("ERR Syntax error in HELLO option '{option}'")));
        }
    }
    if let Some((user, password)) = credentials {
        authenticate(cx, &args, user, password)?;
    }
    if cx.client().modes.has(Modes::UNAUTHENTICATED) && cx.server.acl.needs_password() {
        return Err(Error::fixed(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> \
             option can be used to authenticate the client and select the RESP protocol version at the same time",
        ));
    }
    if let Some(name) = name {
        super::client::set_name(cx, name)?;
    }
    cx.client_mut().resp3 = version == 3;
    cx.reply.resp3 = version == 3;
    greet(cx, version);
    Ok(())
}

fn greet(cx: &mut Ctx<'_>, version: i64) {
    let id = cx.client().id;
    let zone = &cx.server.config.availability_zone;
    let reply = &mut *cx.reply;
    reply.map(if zone.is_empty() { 7 } else { 8 });
    for (field, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    }
    for (field, value) in [("proto", version), ("id", id as i64)] {
        reply.bulk(field.as_bytes());
        reply.integer(value);
    }
    let mode = cx.server.config.mode_name();
    let role = if cx.server.is_replica() { "replica" } else { "master" };
    for (field, value) in [("mode", mode), ("role", role)] {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    }
    reply.bulk(b"modules");
    super::module::reply_list(reply);
    if !zone.is_empty() {
        reply.bulk(b"availability_zone");
        reply.bulk(zone.as_bytes());
    }
}

fn reset(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    if !lifecycle::reset(cx.server, cx.client) {
        return Err(Error::fixed("ERR can only reset normal client connections"));
    }
    cx.reply.resp3 = false;
    cx.db.select(0);
    cx.reply.simple("RESET");
    Ok(())
}

/// A client that monitors already gets no answer, nor does a replica.
fn monitor(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    if cx.server.in_exec {
        return Err(Error::fixed("ERR MONITOR isn't allowed for DENY BLOCKING client"));
    }
    if lifecycle::monitor(cx.server, cx.client) {
        cx.reply.ok();
    }
    Ok(())
}
