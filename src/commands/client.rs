//! CLIENT: what a connection may ask and change of itself and of others.

mod filter;

use std::ops::Bound;

use crate::client::tracking::{CachingMode, ClientTracking, Options, Target};
use crate::client::{Modes, ReplyMode};
use crate::command::args::shown;
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::server::clients::blocking::UnblockReason;
use crate::server::clients::describe::{self, Running};
use crate::server::clients::{disconnect, tracking};
use crate::server::execution::{Command, Ctx, Handler};
use crate::server::pause::PauseKind;
use filter::{Filter, Purpose};

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("client", SUBCOMMANDS)
    .group(Group::Connection)
    .outside_group_category()
    .docs("2.4.0", "", "Carries the commands about client connections.")];

/// Hints that a client sends it to every node of a cluster.
const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

const SUBCOMMANDS: &[Command] = &[
    own("caching", Arity::exactly(3), caching).docs(
        "6.0.0",
        "YES|NO",
        "Says whether the keys of the next command are tracked.",
    ).complexity("O(1)"),
    own("capa", Arity::at_least(3), capa)
        .flags(&[ALLOW_BUSY])
        .docs("8.0.0", "capability [capability ...]", "Says what the client can do.")
        .complexity("O(1)"),
    own("getname", Arity::exactly(2), getname).docs("2.6.9", "", "Returns the connection's name.").complexity("O(1)"),
    own("getredir", Arity::exactly(2), getredir).docs(
        "6.0.0",
        "",
        "Returns the id of the client that invalidations are sent to.",
    ).complexity("O(1)"),
    Command::new("help", Arity::exactly(2), help)
        .group(Group::Connection)
        .flags(&[LOADING, STALE, KEEPS_CACHING])
        .docs("5.0.0", "", "Lists the subcommands.").complexity("O(1)"),
    own("id", Arity::exactly(2), id).docs("5.0.0", "", "Returns the connection's number, which is never used twice.").complexity("O(1)"),
    own("import-source", Arity::exactly(3), import_source)
        .docs("8.1.0", "ON|OFF", "Has the connection see what has expired, in import mode.")
        .complexity("O(1)"),
    own("info", Arity::exactly(2), info).tips(&["nondeterministic_output"]).docs(
        "6.2.0",
        "",
        "Describes the connection.",
    ).complexity("O(1)"),
    admin("kill", Arity::at_least(3), kill).docs(
        "2.4.0",
        "<ip:port | <[ID client-id] | [TYPE NORMAL|MASTER|SLAVE|REPLICA|PUBSUB] | [USER username] | [ADDR ip:port] | [LADDR \
         ip:port] | [SKIPME YES|NO] | [MAXAGE maxage] ...>>",
        "Closes connections.",
    ).complexity("O(N) for N connections.").history(&[("2.8.12", "Filters."), ("2.8.12", "`ID`."), ("3.2.0", "`TYPE` takes `master`."), ("5.0.0", "`TYPE` takes `replica` as well as `slave`."), ("6.2.0", "`LADDR`."), ("7.4.0", "`MAXAGE`.")]),
    admin("list", Arity::at_least(2), list).tips(&["nondeterministic_output"]).docs(
        "2.4.0",
        LIST_SYNTAX,
        "Describes the connections.",
    ).complexity("O(N) for N connections.").history(&[("2.8.12", "`id` is shown."), ("5.0.0", "`TYPE`."), ("6.0.0", "`user` is shown."), ("6.2.0", "`ID`; `argv-mem`, `tot-mem`, `laddr` and `redir` are shown."), ("7.0.0", "`resp`, `multi-mem`, `rbs` and `rbp` are shown."), ("7.0.3", "`ssub` is shown."), ("7.2.0", "`lib-name` and `lib-ver` are shown."), ("7.4.0", "`watch` is shown."), ("8.0.0", "`io-thread` is shown.")]),
    admin("no-evict", Arity::exactly(3), no_evict).docs(
        "7.0.0",
        "ON|OFF",
        "Excludes the connection from those closed for lack of memory.",
    ).complexity("O(1)"),
    own("no-touch", Arity::exactly(3), no_touch).docs(
        "7.2.0",
        "ON|OFF",
        "Has the connection's commands leave the access time of keys alone.",
    ).complexity("O(1)"),
    admin("pause", Arity::at_least(3), pause).docs(
        "3.0.0",
        "timeout [WRITE|ALL]",
        "Holds the commands of all connections, or those that may change something, for a time.",
    ).complexity("O(1)").history(&[("6.2.0", "`WRITE` and `ALL`.")]),
    own("reply", Arity::exactly(3), reply).docs("3.2.0", "ON|OFF|SKIP", "Says whether replies are sent.").complexity("O(1)"),
    own("setinfo", Arity::exactly(4), setinfo).tips(EVERYWHERE).docs(
        "7.2.0",
        "LIB-NAME libname|LIB-VER libver",
        "Names the client library that uses the connection.",
    ).complexity("O(1)"),
    own("setname", Arity::exactly(3), setname).tips(EVERYWHERE).docs("2.6.9", "connection-name", "Names the connection.").complexity("O(1)"),
    own("tracking", Arity::at_least(3), tracking).docs(
        "6.0.0",
        "ON|OFF [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]",
        "Says whether the keys the connection reads are tracked.",
    ).complexity("O(1), and more with some options."),
    own("trackinginfo", Arity::exactly(2), trackinginfo).docs("6.2.0", "", "Describes the connection's tracking.").complexity("O(1)"),
    admin("unblock", Arity::at_least(3), unblock).docs(
        "5.0.0",
        "client-id [TIMEOUT|ERROR]",
        "Ends the waiting of a blocked connection.",
    ).complexity("O(log N) for N connections."),
    admin("unpause", Arity::exactly(2), unpause).docs("6.2.0", "", "Lets the connections held by a pause go on.").complexity("O(N) for N connections that were held."),
];

const LIST_SYNTAX: &str = "[TYPE NORMAL|MASTER|REPLICA|PUBSUB] [ID client-id [client-id ...]] [USER username] \
    [ADDR ip:port] [LADDR ip:port] [SKIPME YES|NO] [MAXAGE maxage] [NAME name] [IDLE idle] [FLAGS flags] \
    [LIB-NAME lib-name] [LIB-VER lib-ver] [DB db] [CAPA capa] [IP ip] [NOT-TYPE NORMAL|MASTER|REPLICA|PUBSUB] \
    [NOT-ID client-id [client-id ...]] [NOT-USER username] [NOT-ADDR ip:port] [NOT-LADDR ip:port] [NOT-NAME name] \
    [NOT-FLAGS flags] [NOT-LIB-NAME lib-name] [NOT-LIB-VER lib-ver] [NOT-DB db] [NOT-CAPA capa] [NOT-IP ip]";

const fn own(name: &'static str, arity: Arity, handler: Handler) -> Command {
    Command::new(name, arity, handler).group(Group::Connection).flags(&[NOSCRIPT, LOADING, STALE, KEEPS_CACHING])
}

const fn admin(name: &'static str, arity: Arity, handler: Handler) -> Command {
    own(name, arity, handler).flags(&[ADMIN])
}

fn id(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let id = cx.client().id;
    cx.reply.integer(id as i64);
    Ok(())
}

fn getname(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    match &cx.server.clients.at(cx.client).name {
        Some(name) => cx.reply.bulk(name),
        None => cx.reply.null(),
    }
    Ok(())
}

fn setname(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    set_name(cx, args.get(2))?;
    cx.reply.ok();
    Ok(())
}

/// Names the running client; an empty name takes its name away.
///
/// # Errors
/// The name would break the format of CLIENT LIST.
pub fn set_name(cx: &mut Ctx<'_>, name: &[u8]) -> CmdResult {
    check_name(name)?;
    cx.client_mut().name = (!name.is_empty()).then(|| name.into());
    Ok(())
}

/// Whether a client may be called so.
///
/// # Errors
/// The name would break the format of CLIENT LIST.
pub fn check_name(name: &[u8]) -> CmdResult {
    if name.iter().all(u8::is_ascii_graphic) {
        return Ok(());
    }
    Err(Error::fixed("ERR Client names cannot contain spaces, newlines or special characters."))
}

fn setinfo(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (option, value) = (args.get(2), args.get(3));
    let client = cx.server.clients.at_mut(cx.client);
    let (field, shown) = match option.to_ascii_lowercase().as_slice() {
        b"lib-name" => (&mut client.lib_name, "lib-name"),
        b"lib-ver" => (&mut client.lib_version, "lib-ver"),
        _ => {
            let option = String::from_utf8_lossy(option);
            return Err(Error::text(format!("ERR Unrecognized option '{option}'")));
        }
    };
    if !value.iter().all(u8::is_ascii_graphic) {
        return Err(Error::text(format!("ERR {shown} cannot contain spaces, newlines or special characters.")));
    }
    *field = (!value.is_empty()).then(|| value.into());
    cx.reply.ok();
    Ok(())
}

fn info(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let mut text = describe::line(cx.server, cx.client(), Some(Running::of(&args, cx.reply)));
    text.push(b'\n');
    cx.reply.verbatim(*b"txt", &text);
    Ok(())
}

fn list(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let wanted = Filter::parse(cx, &args, Purpose::List)?.chosen(cx);
    let own = Running::of(&args, cx.reply);
    let mut text = Vec::new();
    for key in wanted {
        let running = (key == cx.client).then_some(own);
        text.extend(describe::line(cx.server, cx.server.clients.at(key), running));
        text.push(b'\n');
    }
    cx.reply.verbatim(*b"txt", &text);
    Ok(())
}

/// Others are closed with their output unsent, the client itself behind the reply.
fn kill(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let filter = match args.len() {
        3 => Filter::of_address(args.get(2)),
        _ => Filter::parse(cx, &args, Purpose::Kill)?,
    };
    let spares_own = args.len() > 3 && filter.skips_own != Some(false);
    let mut killed = filter.chosen(cx);
    killed.retain(|key| !spares_own || *key != cx.client);
    // An id may have been given twice.
    killed.sort_unstable();
    killed.dedup();
    killed.iter().for_each(|key| disconnect::close_client(cx.server, *key));
    match args.len() {
        3 if killed.is_empty() => return Err(Error::fixed("ERR No such client")),
        3 => cx.reply.ok(),
        _ => cx.reply.integer(killed.len() as i64),
    }
    Ok(())
}

/// What the client can do. What is not known here is for another server.
fn capa(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if args.rest(2).any(|word| word.eq_ignore_ascii_case(b"redirect")) {
        cx.client_mut().follows_redirects = true;
    }
    cx.reply.ok();
    Ok(())
}

fn import_source(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if !cx.server.config.import_mode && !args.is(2, "off") {
        return Err(Error::fixed("ERR Server is not in import mode"));
    }
    let on = on_or_off(&args)?;
    cx.client_mut().modes.set(Modes::IMPORT_SOURCE, on);
    cx.reply.ok();
    Ok(())
}

fn on_or_off(args: &Args<'_>) -> Result<bool, Error> {
    match (args.is(2, "on"), args.is(2, "off")) {
        (true, _) => Ok(true),
        (_, true) => Ok(false),
        _ => Err(SYNTAX),
    }
}

fn no_evict(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let on = on_or_off(&args)?;
    cx.server.clients.set_no_evict(cx.client, on);
    cx.reply.ok();
    Ok(())
}

fn no_touch(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let on = on_or_off(&args)?;
    cx.client_mut().modes.set(Modes::NO_TOUCH, on);
    cx.reply.ok();
    Ok(())
}

/// OFF and SKIP are not answered themselves.
fn reply(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let client = cx.server.clients.at_mut(cx.client);
    let mode = match args.get(2).to_ascii_lowercase().as_slice() {
        b"on" => ReplyMode::On,
        b"off" => ReplyMode::Off,
        b"skip" if client.reply_mode == ReplyMode::Off => ReplyMode::Off,
        b"skip" => ReplyMode::SkipNext,
        _ => return Err(SYNTAX),
    };
    client.reply_mode = mode;
    client.modes.set(Modes::REPLY_OFF, mode != ReplyMode::On);
    if mode == ReplyMode::On {
        cx.reply.ok();
    }
    Ok(())
}

fn pause(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let kind = match args.len() {
        3 => PauseKind::All,
        4 if args.is(3, "write") => PauseKind::Write,
        4 if args.is(3, "all") => PauseKind::All,
        4 => return Err(Error::fixed("ERR CLIENT PAUSE mode must be WRITE or ALL")),
        _ => return Err(cx.subcommand_syntax(args.get(1))),
    };
    let now = cx.server.clock.unix_ms();
    let end_ms = args.timeout_ms(2, now)?.unwrap_or(now);
    cx.server.begin_pause(cx.db, kind, end_ms);
    cx.reply.ok();
    Ok(())
}

fn unpause(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.server.end_pause(cx.db);
    cx.reply.ok();
    Ok(())
}

fn unblock(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let how = match args.len() {
        3 => UnblockReason::Timeout,
        4 if args.is(3, "timeout") => UnblockReason::Timeout,
        4 if args.is(3, "error") => UnblockReason::Error,
        4 => return Err(Error::fixed("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
        _ => return Err(cx.subcommand_syntax(args.get(1))),
    };
    let id = args.integer(2)?;
    let target = u64::try_from(id).ok().and_then(|id| cx.server.clients.find_id(id));
    let unblocked = target.is_some_and(|target| cx.server.give_up(target, how));
    cx.reply.integer(i64::from(unblocked));
    Ok(())
}

fn getredir(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let redirection = describe::redirection(cx.client());
    cx.reply.integer(redirection);
    Ok(())
}

fn trackinginfo(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let client = cx.server.clients.at(cx.client);
    let tracking = client.tracking.as_deref();
    let mut flags = vec![if tracking.is_some() { "on" } else { "off" }];
    if let Some(tracking) = tracking {
        let (options, caching) = (&tracking.options, tracking.caching);
        let (opt_in, opt_out) = (options.choice == CachingMode::OptIn, options.choice == CachingMode::OptOut);
        let further = [
            (options.broadcast, "bcast"),
            (opt_in, "optin"),
            (opt_in && caching, "caching-yes"),
            (opt_out, "optout"),
            (opt_out && caching, "caching-no"),
            (options.noloop, "noloop"),
            (tracking.redirect_broken, "broken_redirect"),
        ];
        flags.extend(further.iter().filter(|(on, _)| *on).map(|(_, flag)| *flag));
    }
    cx.reply.map(3);
    cx.reply.bulk(b"flags");
    cx.reply.set(flags.len());
    flags.iter().for_each(|flag| cx.reply.bulk(flag.as_bytes()));
    cx.reply.bulk(b"redirect");
    cx.reply.integer(describe::redirection(client));
    cx.reply.bulk(b"prefixes");
    cx.reply.array(tracking.map_or(0, |tracking| tracking.prefixes.len()));
    tracking.iter().flat_map(|tracking| &tracking.prefixes).for_each(|prefix| cx.reply.bulk(prefix));
    Ok(())
}

fn tracking(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (options, prefixes) = tracking_options(cx, &args)?;
    if on_or_off(&args)? {
        check_tracking(cx.client().tracking.as_deref(), &options, &prefixes)?;
        if options.broadcast {
            let wanted = if prefixes.is_empty() { &[&b""[..]][..] } else { &prefixes };
            wanted.iter().try_for_each(|prefix| cx.check_tracked_prefix(&args, prefix))?;
        }
        tracking::start(cx.server, cx.client, options, &prefixes);
    } else {
        tracking::stop(cx.server, cx.client);
    }
    cx.reply.ok();
    Ok(())
}

fn tracking_options<'a>(
    cx: &Ctx<'_>,
    args: &Args<'a>,
) -> Result<(crate::client::tracking::Options, Vec<&'a [u8]>), Error> {
    let (mut options, mut prefixes) = (Options::default(), Vec::new());
    let mut index = 3;
    while index < args.len() {
        let more = index + 1 < args.len();
        if args.is(index, "redirect") && more {
            index += 1;
            if options.redirect.is_some() {
                return Err(Error::fixed("ERR A client can only redirect to a single other client"));
            }
            let id = u64::try_from(args.integer(index)?).ok();
            let found = id.and_then(|id| Some(Target { id, key: cx.server.clients.find_id(id)? }));
            let missing = Error::fixed("ERR The client ID you want redirect to does not exist");
            options.redirect = Some(found.ok_or(missing)?);
        } else if args.is(index, "bcast") {
            options.broadcast = true;
        } else if args.is(index, "optin") || args.is(index, "optout") {
            let choice = if args.is(index, "optin") { CachingMode::OptIn } else { CachingMode::OptOut };
            if options.choice != CachingMode::All && options.choice != choice {
                return Err(Error::fixed("ERR You can't specify both OPTIN mode and OPTOUT mode"));
            }
            options.choice = choice;
        } else if args.is(index, "noloop") {
            options.noloop = true;
        } else if args.is(index, "prefix") && more {
            index += 1;
            prefixes.push(args.get(index));
        } else {
            return Err(SYNTAX);
        }
        index += 1;
    }
    Ok((options, prefixes))
}

/// Whether options go together, and with the tracking there is.
fn check_tracking(
    known: Option<&ClientTracking>,
    options: &crate::client::tracking::Options,
    prefixes: &[&[u8]],
) -> CmdResult {
    if !options.broadcast && !prefixes.is_empty() {
        return Err(Error::fixed("ERR PREFIX option requires BCAST mode to be enabled"));
    }
    if known.is_some_and(|known| known.options.broadcast != options.broadcast) {
        return Err(Error::fixed(
            "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it \
             with a different mode.",
        ));
    }
    if options.broadcast && options.choice != CachingMode::All {
        return Err(Error::fixed("ERR OPTIN and OPTOUT are not compatible with BCAST"));
    }
    let chosen =
        |known: &ClientTracking| known.options.choice != CachingMode::All && options.choice != CachingMode::All;
    if known.is_some_and(|known| chosen(known) && known.options.choice != options.choice) {
        return Err(Error::fixed(
            "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it \
             with a different mode.",
        ));
    }
    check_prefixes(known, prefixes)
}

fn overlap(one: &[u8], other: &[u8]) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// Whether no prefix is the beginning of another one.
fn check_prefixes(known: Option<&ClientTracking>, prefixes: &[&[u8]]) -> CmdResult {
    let known = known.map(|known| &known.prefixes);
    let first_of_given = first_overlapping(prefixes);
    for (index, prefix) in prefixes.iter().enumerate() {
        // Those that are known do not overlap, but for an empty one, so only the neighbours in their order can be
        // meant.
        let neighbours = known.into_iter().flat_map(|known| {
            let before = known.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(*prefix))).next_back();
            let behind = known.range::<[u8], _>((Bound::Included(*prefix), Bound::Unbounded)).next();
            known.first().into_iter().chain(before).chain(behind)
        });
        let known = neighbours.map(|known| &**known).find(|known| overlap(known, prefix));
        let others = if first_of_given == Some(index) { &prefixes[index + 1..] } else { &[] };
        let given = others.iter().find(|other| overlap(other, prefix));
        let (what, other): (&[u8], &[u8]) = match (known, given) {
            (Some(known), _) => (b"an existing", known),
            (None, Some(given)) => (b"another provided", given),
            (None, None) => continue,
        };
        let parts: [&[u8]; 7] = [
            b"ERR Prefix '",
            shown(prefix),
            b"' overlaps with ",
            what,
            b" prefix '",
            shown(other),
            b"'. Prefixes for a single client must not overlap.",
        ];
        return Err(Error::text(parts.concat()));
    }
    Ok(())
}

/// The first of some prefixes that overlaps with another one. In alphabetical order those that begin with a prefix
/// follow it.
fn first_overlapping(prefixes: &[&[u8]]) -> Option<usize> {
    let mut order: Vec<usize> = (0..prefixes.len()).collect();
    order.sort_by_key(|index| prefixes[*index]);
    let (mut first, mut open): (Option<usize>, Vec<usize>) = (None, Vec::new());
    for index in order {
        while open.pop_if(|shorter| !prefixes[index].starts_with(prefixes[*shorter])).is_some() {}
        if let Some(shorter) = open.last() {
            let earlier = index.min(*shorter);
            first = Some(first.map_or(earlier, |first| first.min(earlier)));
        }
        open.push(index);
    }
    first
}

fn caching(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let Some(tracking) = cx.client_mut().tracking.as_deref_mut() else {
        return Err(Error::fixed(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode \
             enabled",
        ));
    };
    let (choice, refusal) = if args.is(2, "yes") {
        (CachingMode::OptIn, "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
    } else if args.is(2, "no") {
        (CachingMode::OptOut, "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
    } else {
        return Err(SYNTAX);
    };
    if tracking.options.choice != choice {
        return Err(Error::fixed(refusal));
    }
    tracking.caching = true;
    cx.reply.ok();
    Ok(())
}

fn help(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply_help(&[
        "CACHING (YES|NO)",
        "    Track the keys of the next command, or don't, in OPTIN or OPTOUT mode.",
        "CAPA <capability> [<capability> ...]",
        "    Say what this client can do: REDIRECT, to go where a replica sends it.",
        "GETNAME",
        "    Return the name of this connection.",
        "GETREDIR",
        "    Return the id of the client that invalidations are sent to.",
        "ID",
        "    Return the id of this connection.",
        "IMPORT-SOURCE (ON|OFF)",
        "    See what has expired, while import-mode is on.",
        "INFO",
        "    Describe this connection.",
        "KILL <ip:port>",
        "    Close the connection from <ip:port>.",
        "KILL <option> <value> [<option> <value> [...]]",
        "    Close all connections that match. Options are:",
        "    * ADDR (<ip:port>|<unixsocket>:0), IP <ip>",
        "      Connections from that address.",
        "    * CAPA <letters>",
        "      Connections that have said they can do that: r for redirect.",
        "    * DB <number>",
        "      Connections that have selected that database.",
        "    * FLAGS <letters>",
        "      Connections with all of these flags.",
        "    * ID <client-id> [<client-id> ...]",
        "      The connections of these ids.",
        "    * IDLE <seconds>",
        "      Connections that have been idle at least that long.",
        "    * LADDR (<ip:port>|<unixsocket>:0)",
        "      Connections to that address of the server.",
        "    * LIB-NAME <name>, LIB-VER <version>",
        "      Connections of that client library.",
        "    * MAXAGE <seconds>",
        "      Connections that are at least that old.",
        "    * NAME <name>",
        "      Connections of that name.",
        "    * SKIPME (YES|NO)",
        "      Spare this connection (default: yes).",
        "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
        "      Connections of that type.",
        "    * USER <username>",
        "      Connections that act as that user.",
        "    With NOT- before it, an option but IDLE, MAXAGE and SKIPME means the others.",
        "LIST [options ...]",
        "    Describe the connections. Options are those of KILL; SKIPME is NO by default.",
        "NO-EVICT (ON|OFF)",
        "    Spare this connection when connections are closed for lack of memory.",
        "NO-TOUCH (ON|OFF)",
        "    Leave the access time of keys alone.",
        "PAUSE <timeout> [WRITE|ALL]",
        "    Hold all commands, or those that may change something, for <timeout> milliseconds.",
        "REPLY (ON|OFF|SKIP)",
        "    Say whether replies are sent.",
        "SETINFO <option> <value>",
        "    Name the client library. Options are:",
        "    * LIB-NAME <name>",
        "    * LIB-VER <version>",
        "SETNAME <name>",
        "    Name this connection.",
        "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
        "         [OPTIN] [OPTOUT] [NOLOOP]",
        "    Say whether the keys this connection reads are tracked.",
        "TRACKINGINFO",
        "    Describe the tracking of this connection.",
        "UNBLOCK <clientid> [TIMEOUT|ERROR]",
        "    End the waiting of a blocked connection.",
        "UNPAUSE",
        "    End the pause.",
    ]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_prefix_that_overlaps_is_told(
            known in prop::collection::vec("[ab]{0,3}", 0..4), given in prop::collection::vec("[ab]{0,4}", 0..6),
        ) {
            // Prefixes that are known came through the same check, but for the empty one.
            let apart = |one: &String, index: usize| {
                one.is_empty() || known[..index].iter().all(|other| !overlap(one.as_bytes(), other.as_bytes()))
            };
            let mut tracking = ClientTracking::default();
            for (_, prefix) in known.iter().enumerate().filter(|(index, prefix)| apart(prefix, *index)) {
                tracking.prefixes.insert(prefix.as_bytes().into());
            }
            let given: Vec<&[u8]> = given.iter().map(|prefix| prefix.as_bytes()).collect();
            let naive = given.iter().enumerate().find_map(|(index, prefix)| {
                let known = tracking.prefixes.iter().find(|known| overlap(known, prefix)).map(|known| known.to_vec());
                let other = given[index + 1..].iter().find(|other| overlap(other, prefix)).map(|other| other.to_vec());
                known.or(other).map(|other| (prefix.to_vec(), other))
            });
            let told = check_prefixes(Some(&tracking), &given).err().map(|error| error.line().to_vec());
            let quoted = told.map(|line| {
                let mut parts = line.split(|byte| *byte == b'\'').skip(1).step_by(2).map(<[u8]>::to_vec);
                (parts.next().unwrap_or_default(), parts.next().unwrap_or_default())
            });
            prop_assert_eq!(quoted, naive);
        }
    }
}
