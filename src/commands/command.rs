//! COMMAND: what the table of commands says about itself.
//!
//! Everything here is read off the rows, in the shapes of Redis 7.0. Those parts of Redis's answers that rows don't
//! have (notes on key rules, complexity, history) are left out, as Redis leaves them out where it has none.

use crate::command::docs::{self, Argument, Kind};
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::modules::module_of;
use crate::command::spec::*;
use crate::command::{Args, CommandId, CommandTable, Error, keys};
use crate::resp::Reply;
use crate::server::execution::{Command, Ctx, Handler};
use crate::util::glob;

const VARIES: &[&str] = &["nondeterministic_output_order"];

const SUBCOMMANDS: &[Command] = &[
    subcommand("count", Arity::exactly(2), count).docs("2.8.13", "", "Counts the commands.").complexity("O(1)"),
    subcommand("docs", Arity::at_least(2), docs)
        .tips(VARIES)
        .docs("7.0.0", "[command-name [command-name ...]]", "Describes commands and their arguments.")
        .complexity("O(N) for N commands asked for."),
    subcommand("getkeys", Arity::at_least(3), getkeys)
        .docs("2.8.13", "command [arg [arg ...]]", "Returns the keys among the arguments of a call.")
        .complexity("O(N) for N arguments of the call."),
    subcommand("getkeysandflags", Arity::at_least(3), getkeysandflags)
        .docs(
            "7.0.0",
            "command [arg [arg ...]]",
            "Returns the keys among the arguments of a call, and what it does with them.",
        )
        .complexity("O(N) for N arguments of the call."),
    subcommand("help", Arity::exactly(2), help).docs("5.0.0", "", "Shows the subcommands.").complexity("O(1)"),
    subcommand("info", Arity::at_least(2), info)
        .tips(VARIES)
        .docs(
            "2.8.13",
            "[command-name [command-name ...]]",
            "Returns the facts clients need about commands: arity, flags, keys.",
        )
        .complexity("O(N) for N commands asked for.")
        .history(&[("7.0.0", "Without names it tells about all commands.")]),
    subcommand("list", Arity::at_least(2), list)
        .tips(VARIES)
        .docs(
            "7.0.0",
            "[FILTERBY <MODULE module-name|ACLCAT category|PATTERN pattern>]",
            "Lists the names of commands and subcommands.",
        )
        .complexity("O(N) for N commands there are."),
];

/// The rows.
pub const COMMANDS: &[Command] = &[subcommand("command", Arity::at_least(1), all)
    .subcommands(SUBCOMMANDS)
    .tips(VARIES)
    .docs("2.8.13", "", "Returns the facts clients need about all commands.")
    .complexity("O(N) for N commands there are.")];

/// What COMMAND and its subcommands have in common.
const fn subcommand(name: &'static str, arity: Arity, handler: Handler) -> Command {
    Command::new(name, arity, handler).group(Group::Server).flags(&[LOADING, STALE]).acl(Categories::CONNECTION)
}

fn all(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let table = &cx.server.commands;
    let ids = table.top_level();
    cx.reply.array(ids.len());
    ids.into_iter().for_each(|id| reply_info(cx.reply, table, id));
    Ok(())
}

fn count(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply.integer(cx.server.commands.top_level().len() as i64);
    Ok(())
}

fn info(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if args.len() == 2 {
        return all(cx, args);
    }
    let table = &cx.server.commands;
    cx.reply.array(args.len() - 2);
    for name in args.rest(2) {
        match table.find_full(name) {
            Some(id) => reply_info(cx.reply, table, id),
            None => cx.reply.null(),
        }
    }
    Ok(())
}

/// Names nobody knows are passed over.
fn docs(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let table = &cx.server.commands;
    let ids = match args.len() {
        2 => table.top_level(),
        _ => args.rest(2).filter_map(|name| table.find_full(name)).collect(),
    };
    reply_docs_of(cx.reply, table, &ids);
    Ok(())
}

/// What LIST is narrowed to.
enum Filter<'a> {
    None,
    Module(&'a [u8]),
    Category(Option<Categories>),
    Pattern(&'a [u8]),
}

fn list(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let filter = match args.len() {
        2 => Filter::None,
        5 if args.is(2, "filterby") && args.is(3, "module") => Filter::Module(args.get(4)),
        5 if args.is(2, "filterby") && args.is(3, "aclcat") => {
            let wanted = |name: &str| name.as_bytes().eq_ignore_ascii_case(args.get(4));
            Filter::Category(CATEGORY_NAMES.iter().find(|(_, name)| wanted(name)).map(|(category, _)| *category))
        }
        5 if args.is(2, "filterby") && args.is(3, "pattern") => Filter::Pattern(args.get(4)),
        _ => return Err(SYNTAX),
    };
    let table = &cx.server.commands;
    let head = cx.reply.defer();
    let mut listed = 0;
    for id in table.top_level() {
        for id in std::iter::once(id).chain(table.subcommands(id)) {
            let entry = table.entry(id);
            let wanted = match filter {
                Filter::None => true,
                Filter::Module(name) => module_of(entry.row.group).is_some_and(|module| module.name.as_bytes() == name),
                Filter::Category(category) => category.is_some_and(|category| entry.row.categories().has(category)),
                Filter::Pattern(pattern) => glob::matches_ignore_case(pattern, entry.full_name.as_bytes()),
            };
            if wanted {
                cx.reply.bulk(entry.full_name.as_bytes());
                listed += 1;
            }
        }
    }
    cx.reply.finish_array(head, listed);
    Ok(())
}

/// The keys of the call that stands behind `COMMAND GETKEYS`.
fn keys_of_call(cx: &Ctx<'_>, call: Args<'_>) -> Result<Vec<FoundKey>, Error> {
    let table = &cx.server.commands;
    let id = table.resolve_exactly(call.get(0), call.try_get(1)).or_else(|| cx.find_internal(call.get(0)));
    let id = id.ok_or(const { Error::fixed("ERR Invalid command specified") })?;
    keys::of_call(table.entry(id).row, call)
}

fn getkeys(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let call = Args::from(args.tail(2));
    let found = keys_of_call(cx, call)?;
    cx.reply.array(found.len());
    found.iter().for_each(|key| cx.reply.bulk(call.get(key.index)));
    Ok(())
}

fn getkeysandflags(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let call = Args::from(args.tail(2));
    let found = keys_of_call(cx, call)?;
    cx.reply.array(found.len());
    for key in found {
        cx.reply.array(2);
        cx.reply.bulk(call.get(key.index));
        reply_access(cx.reply, key.access);
    }
    Ok(())
}

fn help(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply_help(&[
        "(no subcommand)",
        "    Facts about all commands.",
        "COUNT",
        "    How many commands there are.",
        "LIST [FILTERBY (MODULE <module>|ACLCAT <category>|PATTERN <pattern>)]",
        "    Names of commands and subcommands.",
        "INFO [<command> ...]",
        "    Facts about these commands, or about all.",
        "DOCS [<command> ...]",
        "    Documentation of these commands, or of all.",
        "GETKEYS <call>",
        "    The keys among the arguments of a call.",
        "GETKEYSANDFLAGS <call>",
        "    The keys among the arguments of a call, and what it does with them.",
    ]);
    Ok(())
}

fn reply_flags<'a>(reply: &mut Reply, names: impl Iterator<Item = &'a str> + Clone) {
    reply.set(names.clone().count());
    names.for_each(|name| reply.simple(name));
}

fn reply_access(reply: &mut Reply, access: Access) {
    reply_flags(reply, ACCESS_NAMES.iter().filter(|(flag, _)| access.has(*flag)).map(|(_, name)| *name));
}

fn reply_info(reply: &mut Reply, table: &CommandTable, id: CommandId) {
    let entry = table.entry(id);
    let row = entry.row;
    let range = row.key_range();
    let (flags, categories) = (row.shown_flags(), row.categories());
    reply.array(10);
    reply.bulk(entry.full_name.as_bytes());
    reply.integer(row.arity.shown());
    reply_flags(reply, FLAG_NAMES.iter().filter(|(flag, _)| flags.has(*flag)).map(|(_, name)| *name));
    reply.integer(range.first);
    reply.integer(range.last);
    reply.integer(range.step);
    let names = CATEGORY_NAMES.iter().filter(|(category, _)| categories.has(*category));
    reply.set(names.clone().count());
    names.for_each(|(_, name)| reply.simple(format!("@{name}")));
    reply.set(row.tips.len());
    row.tips.iter().for_each(|tip| reply.bulk(tip.as_bytes()));
    reply.set(row.keys.len());
    row.keys.iter().for_each(|rule| reply_key_rule(reply, rule));
    match table.subcommands(id).count() {
        0 => reply.set(0),
        subcommands => reply.array(subcommands),
    }
    table.subcommands(id).for_each(|sub| reply_info(reply, table, sub));
}

fn reply_key_rule(reply: &mut Reply, rule: &Keys) {
    reply.map(3);
    reply.bulk(b"flags");
    reply_access(reply, rule.access);
    reply.bulk(b"begin_search");
    match rule.begin {
        Begin::Index(index) => reply_search(reply, "index", &[("index", i64::from(index))]),
        Begin::Keyword(word, from) => {
            reply_search_head(reply, "keyword", 2);
            reply.bulk(b"keyword");
            reply.bulk(word.as_bytes());
            reply.bulk(b"startfrom");
            reply.integer(from.into());
        }
        Begin::Unknown => reply_search(reply, "unknown", &[]),
    }
    reply.bulk(b"find_keys");
    match rule.find {
        Find::Range { last, step, limit } => {
            let fields = [("lastkey", last.into()), ("keystep", step.into()), ("limit", limit.into())];
            reply_search(reply, "range", &fields);
        }
        Find::Count { count, first, step } => {
            let fields = [("keynumidx", count.into()), ("firstkey", first.into()), ("keystep", step.into())];
            reply_search(reply, "keynum", &fields);
        }
        Find::Unknown => reply_search(reply, "unknown", &[]),
    }
}

fn reply_search_head(reply: &mut Reply, kind: &str, fields: usize) {
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(kind.as_bytes());
    reply.bulk(b"spec");
    reply.map(fields);
}

fn reply_search(reply: &mut Reply, kind: &str, fields: &[(&str, i64)]) {
    reply_search_head(reply, kind, fields.len());
    for (name, value) in fields {
        reply.bulk(name.as_bytes());
        reply.integer(*value);
    }
}

/// What COMMAND DOCS says about these commands.
pub fn reply_docs_of(reply: &mut Reply, table: &CommandTable, ids: &[CommandId]) {
    reply.map(ids.len());
    for id in ids {
        reply.bulk(table.entry(*id).full_name.as_bytes());
        reply_docs(reply, table, *id);
    }
}

fn reply_docs(reply: &mut Reply, table: &CommandTable, id: CommandId) {
    let row = table.entry(id).row;
    let arguments = docs::arguments(row).unwrap_or_default();
    let subcommands = table.subcommands(id).count();
    let head = reply.defer();
    let mut fields = 0;
    let mut text = |reply: &mut Reply, field: &str, text: &str| {
        reply.bulk(field.as_bytes());
        reply.bulk(text.as_bytes());
        fields += 1;
    };
    text(reply, "summary", row.summary);
    text(reply, "since", row.since);
    text(reply, "group", if row.group.is_of_module() { "module" } else { row.group.name() });
    if let Some(cost) = row.cost() {
        text(reply, "complexity", cost);
    }
    if let Some(module) = module_of(row.group) {
        text(reply, "module", module.name);
    }
    let mut flagged = 0;
    let flags = [(row.deprecated.is_some(), "deprecated"), (row.for_systems, "syscmd")];
    let flags = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name);
    if flags.clone().next().is_some() {
        reply.bulk(b"doc_flags");
        reply_flags(reply, flags);
        flagged = 1;
    }
    if let Some((since, replaced_by)) = row.deprecated {
        text(reply, "deprecated_since", since);
        text(reply, "replaced_by", replaced_by);
    }
    if !row.history.is_empty() {
        reply.bulk(b"history");
        reply_history(reply, row.history);
        fields += 1;
    }
    if !arguments.is_empty() {
        reply.bulk(b"arguments");
        reply_arguments(reply, &arguments);
        fields += 1;
    }
    if subcommands > 0 {
        reply.bulk(b"subcommands");
        reply.map(subcommands);
        for sub in table.subcommands(id) {
            reply.bulk(table.entry(sub).full_name.as_bytes());
            reply_docs(reply, table, sub);
        }
        fields += 1;
    }
    reply.finish_map(head, fields + flagged);
}

/// Pairs of a version and what it changed.
fn reply_history(reply: &mut Reply, history: &[(&str, &str)]) {
    reply.set(history.len());
    for (version, change) in history {
        reply.array(2);
        reply.bulk(version.as_bytes());
        reply.bulk(change.as_bytes());
    }
}

fn reply_arguments(reply: &mut Reply, arguments: &[Argument]) {
    reply.array(arguments.len());
    for argument in arguments {
        let flags = [
            (argument.optional, "optional"),
            (argument.multiple, "multiple"),
            (argument.multiple_token, "multiple_token"),
        ];
        let flags = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name);
        let group = matches!(argument.kind, Kind::OneOf | Kind::Block);
        let has_flags = flags.clone().next().is_some();
        let further = [!group, argument.key_rule.is_some(), argument.token.is_some(), has_flags, group];
        reply.map(2 + further.iter().filter(|present| **present).count());
        reply.bulk(b"name");
        reply.bulk(argument.name.as_bytes());
        reply.bulk(b"type");
        reply.bulk(argument.kind.name().as_bytes());
        if !group {
            reply.bulk(b"display_text");
            reply.bulk(argument.name.as_bytes());
        }
        if let Some(rule) = argument.key_rule {
            reply.bulk(b"key_spec_index");
            reply.integer(rule as i64);
        }
        if let Some(token) = &argument.token {
            reply.bulk(b"token");
            reply.bulk(token.as_bytes());
        }
        if has_flags {
            reply.bulk(b"flags");
            reply_flags(reply, flags);
        }
        if group {
            reply.bulk(b"arguments");
            reply_arguments(reply, &argument.arguments);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::Protocol;
    use crate::server::execution::row::Rows;

    const ROWS: &[Command] = &[
        Command::new("get", Arity::exactly(2), |_, _| Ok(()))
            .group(Group::String)
            .flags(&[READONLY, FAST])
            .keys(&[Keys::at(1, Access::RO.and(Access::ACCESS))])
            .tips(&["tip"])
            .docs("1.0.0", "key [EX seconds]", "Gets."),
        Command::container(
            "box",
            &[Command::new("sub", Arity::at_least(3), |_, _| Ok(()))
                .group(Group::Server)
                .keys(&[Keys {
                    begin: Begin::Keyword("AT", -1),
                    find: Find::Count { count: 0, first: 1, step: 2 },
                    access: Access::OW,
                }])
                .deprecated("8.0.0", "`GET`")
                .for_systems()
                .docs("7.0.0", "", "Subs.")
                .complexity("O(N)")
                .history(&[("7.2.0", "More.")])],
        )
        .group(Group::Server)
        .docs("7.0.0", "", "Boxes."),
    ];

    fn shown(protocol: Protocol, name: &str, write: fn(&mut Reply, &CommandTable, CommandId)) -> String {
        let table = Rows::new(&[ROWS]).0;
        let mut reply = Reply::new(protocol);
        write(&mut reply, &table, table.find(name.as_bytes()).expect("a row of that name"));
        let text = String::from_utf8(reply.to_vec()).expect("text");
        text.replace("\r\n", " ")
    }

    #[test]
    fn info_has_the_shape_of_redis_7() {
        let resp3 = "*10 $3 get :2 ~2 +readonly +fast :1 :1 :1 ~3 +@read +@string +@fast ~1 $3 tip ~1 %3 $5 flags ~2 +RO \
                     +access $12 begin_search %2 $4 type $5 index $4 spec %1 $5 index :1 $9 find_keys %2 $4 type $5 range \
                     $4 spec %3 $7 lastkey :0 $7 keystep :1 $5 limit :0 ~0 ";
        assert_eq!(shown(Protocol::Resp3, "get", reply_info), resp3);
        let resp2 = resp3.replace("%1", "*2").replace("%2", "*4").replace("%3", "*6").replace('~', "*");
        assert_eq!(shown(Protocol::Resp2, "get", reply_info), resp2);
        let container = "*10 $3 box :-2 ~0 :0 :0 :0 ~1 +@slow ~0 ~0 *1 *10 $7 box|sub :-3 ~1 +movablekeys :0 :0 :0 ~1 +@slow ~0 \
                         ~1 %3 $5 flags ~1 +OW $12 begin_search %2 $4 type $7 keyword $4 spec %2 $7 keyword $2 AT $9 \
                         startfrom :-1 $9 find_keys %2 $4 type $6 keynum $4 spec %3 $9 keynumidx :0 $8 firstkey :1 $7 \
                         keystep :2 ~0 ";
        assert_eq!(shown(Protocol::Resp3, "box", reply_info), container);
    }

    #[test]
    fn docs_have_the_shape_of_redis() {
        let get = "%5 $7 summary $5 Gets. $5 since $5 1.0.0 $5 group $6 string $10 complexity $4 O(1) $9 arguments *2 %4 \
                   $4 name $3 key $4 type $3 key $12 display_text $3 key $14 key_spec_index :0 %5 $4 name $7 seconds $4 type \
                   $7 integer $12 display_text $7 seconds $5 token $2 EX $5 flags ~1 +optional ";
        assert_eq!(shown(Protocol::Resp3, "get", reply_docs), get);
        let container = "%5 $7 summary $6 Boxes. $5 since $5 7.0.0 $5 group $6 server $10 complexity $26 Depends on the \
                         subcommand. $11 subcommands %1 $7 box|sub %8 $7 summary $5 Subs. $5 since $5 7.0.0 $5 group $6 server \
                         $10 complexity $4 O(N) $9 doc_flags ~2 +deprecated +syscmd $16 deprecated_since $5 8.0.0 $11 \
                         replaced_by $5 `GET` $7 history ~1 *2 $5 7.2.0 $5 More. ";
        assert_eq!(shown(Protocol::Resp3, "box", reply_docs), container);
    }
}
