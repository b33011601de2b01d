//! ACL: users, their roles, and what they may do.

use crate::client::acl::log::Entry;
use crate::client::acl::{Acl, Call, DEFAULT_NAME, Denial, Selector, User, describe, digit, file, has_spaces};
use crate::command::args::shown;
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::resp::reply::Reply;
use crate::server::clients::users;
use crate::server::execution::{Command, Ctx, Handler};
use crate::util::platform::os_error_text;
use crate::util::random;

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("acl", SUBCOMMANDS).group(Group::Server).docs(
    "6.0.0",
    "",
    "Carries the commands about users and their rights.",
)];

/// Hints that a client sends it to every node of a cluster.
const EVERYWHERE: &[&str] = &["request_policy:all_nodes", "response_policy:all_succeeded"];

const SUBCOMMANDS: &[Command] = &[
    open("cat", Arity::at_least(2), cat)
        .docs("6.0.0", "[category]", "Lists categories, or the commands of one.")
        .complexity("O(1)"),
    admin("delrole", Arity::at_least(3), delrole)
        .tips(EVERYWHERE)
        .docs("9.2.0", "rolename [rolename ...]", "Deletes roles that no user has.")
        .complexity("O(N*M) for N roles and M users."),
    admin("deluser", Arity::at_least(3), deluser)
        .tips(EVERYWHERE)
        .docs("6.0.0", "username [username ...]", "Deletes users and closes their connections.")
        .complexity("O(1)"),
    admin("digest", Arity::exactly(2), digest)
        .docs("9.2.0", "", "Tells a digest of all users and roles.")
        .complexity("O(N) for N users and roles."),
    admin("dryrun", Arity::at_least(4), dryrun)
        .docs(
            "7.0.0",
            "username command [arg [arg ...]]",
            "Tells whether a user could run a command, without running it.",
        )
        .complexity("O(1)"),
    open("genpass", Arity::at_least(2), genpass)
        .docs("6.0.0", "[bits]", "Makes up a password that can't be guessed.")
        .complexity("O(1)"),
    admin("getrole", Arity::exactly(3), getrole)
        .docs("9.2.0", "rolename", "Tells the rules of a role, and who has it.")
        .complexity("O(N+M) for N rules of the role and M users."),
    admin("getuser", Arity::exactly(3), getuser)
        .docs("6.0.0", "username", "Tells the rules of a user.")
        .complexity("O(N) for N rules of the user.")
        .history(&[("6.2.0", "Patterns of channels."), ("7.0.0", "Selectors; patterns are shown as rules.")]),
    Command::new("help", Arity::exactly(2), help)
        .group(Group::Server)
        .flags(&[LOADING, STALE])
        .docs("6.0.0", "", "Lists the subcommands.")
        .complexity("O(1)"),
    admin("list", Arity::exactly(2), list)
        .docs("6.0.0", "", "Lists the roles and users with their rules.")
        .complexity("O(N) for N roles and users."),
    admin("load", Arity::exactly(2), load)
        .docs("6.0.0", "", "Reads the roles and users from the ACL file.")
        .complexity("O(N) for N users."),
    admin("log", Arity::at_least(2), log)
        .docs("6.0.0", "[count | RESET]", "Lists what was refused, or forgets it.")
        .complexity("O(N) for N entries shown.")
        .history(&[("7.2.0", "`entry-id`, `timestamp-created` and `timestamp-last-updated`.")]),
    admin("roles", Arity::exactly(2), roles)
        .docs("9.2.0", "", "Lists the names of the roles.")
        .complexity("O(N) for N roles."),
    admin("save", Arity::exactly(2), save)
        .tips(EVERYWHERE)
        .docs("6.0.0", "", "Writes the roles and users to the ACL file.")
        .complexity("O(N) for N users."),
    admin("setrole", Arity::at_least(3), setrole)
        .tips(EVERYWHERE)
        .secrets(|args| (2..args.len()).collect())
        .docs("9.2.0", "rolename [rule [rule ...]]", "Makes a role or changes its rules.")
        .complexity("O(N+M*C) for N rules given, M users of the role and C clients."),
    admin("setuser", Arity::at_least(3), setuser)
        .tips(EVERYWHERE)
        .secrets(|args| (2..args.len()).collect())
        .docs("6.0.0", "username [rule [rule ...]]", "Makes a user or changes its rules.")
        .complexity("O(N) for N rules given.")
        .history(&[
            ("6.2.0", "Patterns of channels."),
            ("7.0.0", "Selectors, and rights to keys for reading or writing."),
        ]),
    admin("users", Arity::exactly(2), users)
        .docs("6.0.0", "", "Lists the names of the users.")
        .complexity("O(N) for N users."),
    open("whoami", Arity::exactly(2), whoami)
        .docs("6.0.0", "", "Tells the user of this connection.")
        .complexity("O(1)"),
];

const fn open(name: &'static str, arity: Arity, handler: Handler) -> Command {
    Command::new(name, arity, handler).group(Group::Server).flags(&[NOSCRIPT, LOADING, STALE])
}

const fn admin(name: &'static str, arity: Arity, handler: Handler) -> Command {
    open(name, arity, handler).flags(&[ADMIN])
}

fn cat(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if args.len() > 3 {
        return Err(cx.subcommand_syntax(args.get(1)));
    }
    let Some(name) = args.try_get(2) else {
        cx.reply.array(CATEGORY_NAMES.len());
        CATEGORY_NAMES.iter().for_each(|(_, name)| cx.reply.bulk(name.as_bytes()));
        return Ok(());
    };
    let known = CATEGORY_NAMES.iter().find(|(_, known)| name.eq_ignore_ascii_case(known.as_bytes()));
    let unknown = || Error::text([b"ERR Unknown category '", shown(name), b"'"].concat());
    let (category, _) = known.ok_or_else(unknown)?;
    let table = &cx.server.commands;
    let in_category = table.public_ids().filter(|id| table.entry(*id).row.categories().has(*category));
    let head = cx.reply.defer();
    let mut count = 0;
    for id in in_category {
        cx.reply.bulk(table.entry(id).full_name.as_bytes());
        count += 1;
    }
    cx.reply.finish_array(head, count);
    Ok(())
}

fn setuser(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let name = args.get(2);
    if has_spaces(name) {
        return Err(Error::fixed("ERR Usernames can't contain spaces or null characters"));
    }
    let rules: Vec<&[u8]> = args.rest(3).collect();
    users::change_user(cx.server, name, &rules).map_err(|error| Error::text([b"ERR ", error.as_slice()].concat()))?;
    cx.reply.ok();
    Ok(())
}

fn setrole(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let rules: Vec<&[u8]> = args.rest(3).collect();
    users::change_role(cx.server, args.get(2), &rules)
        .map_err(|error| Error::text([b"ERR ", error.as_slice()].concat()))?;
    cx.reply.ok();
    Ok(())
}

fn delrole(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let acl = &mut cx.server.acl;
    if let Some(name) = args.rest(2).find(|name| acl.users_with_role(name).next().is_some()) {
        let text = [b"ERR Role '", shown(name), b"' is assigned to one or more users. Remove it from them first."];
        return Err(Error::text(text.concat()));
    }
    let deleted = args.rest(2).filter(|name| acl.remove_role(name)).count();
    cx.reply.integer(deleted as i64);
    Ok(())
}

fn getrole(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (acl, reply): (&Acl, &mut Reply) = (&cx.server.acl, cx.reply);
    let Some(role) = acl.roles().get(args.get(2)) else {
        reply.null();
        return Ok(());
    };
    reply.map(6);
    reply_selector(reply, &role.root, true);
    reply_selectors(reply, &role.selectors, true);
    reply.bulk(b"users");
    let users: Vec<&User> = acl.users_with_role(&role.name).map(|id| acl.user(id)).collect();
    reply.array(users.len());
    users.iter().for_each(|user| reply.bulk(&user.name));
    Ok(())
}

fn roles(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let roles = cx.server.acl.roles();
    cx.reply.array(roles.len());
    roles.keys().for_each(|name| cx.reply.bulk(name));
    Ok(())
}

fn digest(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let digest = describe::digest(&cx.server.acl);
    let digits: Vec<u8> = digest.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    cx.reply.bulk(&digits);
    Ok(())
}

fn deluser(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if args.rest(2).any(|name| name == DEFAULT_NAME) {
        return Err(Error::fixed("ERR The 'default' user cannot be removed"));
    }
    let deleted = users::delete_users(cx.server, args.rest(2));
    cx.reply.integer(deleted as i64);
    Ok(())
}

fn getuser(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let acl: &Acl = &cx.server.acl;
    let Some(id) = acl.find(args.get(2)) else {
        cx.reply.null();
        return Ok(());
    };
    let (user, reply) = (acl.user(id), &mut *cx.reply);
    let flags = describe::flags(user);
    // Redis knows no rights to databases, and no roles: who has none that are limited, or none, is told as there.
    let with_databases =
        std::iter::once(&user.root).chain(&user.selectors).any(|selector| selector.databases.is_some());
    reply.map(6 + usize::from(with_databases) + usize::from(!user.roles.is_empty()));
    reply.bulk(b"flags");
    reply.set(flags.len());
    flags.iter().for_each(|flag| reply.bulk(flag.as_bytes()));
    reply.bulk(b"passwords");
    reply.array(user.passwords.len());
    user.passwords.iter().for_each(|password| reply.bulk(password.digits()));
    reply_selector(reply, &user.root, with_databases);
    reply_selectors(reply, &user.selectors, with_databases);
    if !user.roles.is_empty() {
        reply.bulk(b"roles");
        reply.array(user.roles.len());
        user.roles.iter().for_each(|role| reply.bulk(&role.name));
    }
    Ok(())
}

fn reply_selectors(reply: &mut Reply, selectors: &[Selector], with_databases: bool) {
    reply.bulk(b"selectors");
    reply.array(selectors.len());
    for selector in selectors {
        reply.map(if with_databases { 4 } else { 3 });
        reply_selector(reply, selector, with_databases);
    }
}

/// Three fields of a map, or four.
fn reply_selector(reply: &mut Reply, selector: &Selector, with_databases: bool) {
    reply.bulk(b"commands");
    reply.bulk(&describe::commands(selector));
    reply.bulk(b"keys");
    reply.bulk(&describe::keys(selector));
    reply.bulk(b"channels");
    reply.bulk(&describe::channels(selector));
    if with_databases {
        reply.bulk(b"databases");
        reply.bulk(describe::databases(selector).as_bytes());
    }
}

fn list(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let lines = describe::lines(&cx.server.acl);
    cx.reply.array(lines.len());
    lines.for_each(|line| cx.reply.bulk(&line));
    Ok(())
}

fn users(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let users = cx.server.acl.users();
    cx.reply.array(users.len());
    users.for_each(|user| cx.reply.bulk(&user.name));
    Ok(())
}

fn whoami(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let user = cx.client().user;
    cx.reply.bulk(&cx.server.acl.user(user).name);
    Ok(())
}

fn needs_file(cx: &Ctx<'_>) -> CmdResult {
    if !cx.server.config.aclfile.is_empty() {
        return Ok(());
    }
    Err(Error::fixed(
        "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL \
         SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order \
         to store users in the Redis configuration.",
    ))
}

fn load(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    needs_file(cx)?;
    users::load_file(cx.server).map_err(|errors| Error::text([b"ERR ", errors.as_slice()].concat()))?;
    cx.reply.ok();
    Ok(())
}

fn save(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    needs_file(cx)?;
    let path = &cx.server.config.aclfile;
    if let Err(error) = file::save(&cx.server.acl, path) {
        log::warn!("Writing the ACL file: {}", os_error_text(&error));
        return Err(Error::fixed(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
        ));
    }
    cx.reply.ok();
    Ok(())
}

/// The longest password GENPASS makes, in bits.
const PASSWORD_BITS_MAX: i64 = 4096;

fn genpass(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let bits = match args.len() {
        2 => 256,
        3 => args.integer(2)?,
        _ => return Err(cx.subcommand_syntax(args.get(1))),
    };
    if !(1..=PASSWORD_BITS_MAX).contains(&bits) {
        return Err(Error::text(format!(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to \
             {PASSWORD_BITS_MAX}"
        )));
    }
    let mut digits = vec![0; (bits as usize).div_ceil(4)];
    random::fill_with_secrets(&mut digits).map_err(|error| {
        let reason = os_error_text(&error);
        Error::text(format!("ERR No random numbers to be had from the system: {reason}"))
    })?;
    digits.iter_mut().for_each(|byte| *byte = digit(*byte & 15));
    cx.reply.bulk(&digits);
    Ok(())
}

/// Entries shown when it is not said how many.
const LOG_ENTRIES_SHOWN: usize = 10;

fn log(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let count = match args.len() {
        2 => LOG_ENTRIES_SHOWN,
        3 if args.is(2, "reset") => {
            cx.server.acl.log.clear();
            cx.reply.ok();
            return Ok(());
        }
        3 => usize::try_from(args.integer(2)?).unwrap_or(0),
        _ => return Err(cx.subcommand_syntax(args.get(1))),
    };
    let now_ms = cx.server.clock.unix_ms();
    let entries = cx.server.acl.log.entries().take(count);
    cx.reply.array(entries.len());
    entries.for_each(|entry| reply_log_entry(cx.reply, entry, now_ms));
    Ok(())
}

fn reply_log_entry(reply: &mut Reply, entry: &Entry, now_ms: i64) {
    reply.map(10);
    reply.bulk(b"count");
    reply.integer(entry.count as i64);
    reply.bulk(b"reason");
    reply.bulk(entry.reason.name().as_bytes());
    reply.bulk(b"context");
    reply.bulk(entry.context.name().as_bytes());
    reply.bulk(b"object");
    reply.bulk(&entry.object);
    reply.bulk(b"username");
    reply.bulk(&entry.user);
    reply.bulk(b"age-seconds");
    reply.double((now_ms - entry.at_ms) as f64 / 1000.0);
    reply.bulk(b"client-info");
    reply.bulk(&entry.client);
    let times = [("timestamp-created", entry.created_ms), ("timestamp-last-updated", entry.at_ms)];
    for (field, value) in [("entry-id", entry.id as i64)].into_iter().chain(times) {
        reply.bulk(field.as_bytes());
        reply.integer(value);
    }
}

fn dryrun(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (acl, table) = (&cx.server.acl, &cx.server.commands);
    let missing =
        |what: &str, name: &[u8]| Error::text([b"ERR ", what.as_bytes(), b" '", shown(name), b"' not found"].concat());
    let user = acl.find(args.get(2)).ok_or_else(|| missing("User", args.get(2)))?;
    let call = Args::from(args.tail(3));
    let id = table.resolve_exactly(call.get(0), call.try_get(1));
    let id = id.ok_or_else(|| missing("Command", call.get(0)))?;
    let entry = table.entry(id);
    if !entry.row.arity.allows(call.len()) {
        return Err(Error::wrong_arity(&entry.full_name));
    }
    let databases = users::call_databases(cx.server, cx.client);
    let Err(denial) = acl.user(user).check(&mut Call::new(table, id, call, databases)) else {
        cx.reply.ok();
        return Ok(());
    };
    if let Denial::Database(index) = denial {
        let object = call.get(index.unwrap_or(0));
        cx.reply.bulk(&[b"User ", args.get(2), b" has no permissions to access database ", object].concat());
        return Ok(());
    }
    let (act, object, kind): (&[u8], &[u8], &[u8]) = match denial {
        Denial::Command | Denial::Database(_) => (b"run", entry.full_name.as_bytes(), b"command"),
        Denial::Key(index) => (b"access", call.get(index), b"key"),
        Denial::Channel(index) => (b"access", call.get(index), b"channel"),
    };
    cx.reply.bulk(&[b"User ", args.get(2), b" has no permissions to ", act, b" the '", object, b"' ", kind].concat());
    Ok(())
}

fn help(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply_help(&[
        "CAT [<category>]",
        "    List the commands of a category, or all categories.",
        "DELROLE <rolename> [<rolename> ...]",
        "    Delete roles that no user has.",
        "DELUSER <username> [<username> ...]",
        "    Delete users and close their connections.",
        "DIGEST",
        "    Tell a digest of all users and roles.",
        "DRYRUN <username> <command> [<arg> ...]",
        "    Tell whether the user could run the command, without running it.",
        "GETROLE <rolename>",
        "    Tell the rules of a role, and the users who have it.",
        "GETUSER <username>",
        "    Tell the rules of a user.",
        "GENPASS [<bits>]",
        "    Make up a password of 256 bits, or of as many as are asked for.",
        "LIST",
        "    List the roles and users with their rules, as in the configuration file.",
        "LOAD",
        "    Read the roles and users from the ACL file.",
        "LOG [<count> | RESET]",
        "    List what was refused lately, or forget it.",
        "ROLES",
        "    List the names of the roles.",
        "SAVE",
        "    Write the roles and users to the ACL file.",
        "SETROLE <rolename> <rule> [<rule> ...]",
        "    Make a role, or change one, by these rules.",
        "SETUSER <username> <rule> [<rule> ...]",
        "    Make a user, or change one, by these rules.",
        "USERS",
        "    List the names of the users.",
        "WHOAMI",
        "    Tell the user of this connection.",
    ]);
    Ok(())
}
