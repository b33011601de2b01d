//! DEBUG: what tests of servers and clients need, and nobody else should.
//!
//! It is one command to COMMAND, ACL and the statistics, as in Redis, so its subcommands stand in a table of their own.
//! Lookups here see keys as they are kept, those that have expired included.

use std::fmt::Write as _;
use std::time::Duration;

use crate::client::Modes;
use crate::command::error::{CmdResult, NO_SUCH_KEY};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::config::Rewrite;
use crate::db::keyspace::NewString;
use crate::db::{EntryView, Expiry, Key, WrongType, digest};
use crate::peers::cluster::message::Kind;
use crate::peers::cluster::node::LinkId;
use crate::peers::repl::outgoing::Outgoing;
use crate::persist::rdb::save::saved_bytes;
use crate::server::clients::users;
use crate::server::cluster::bus;
use crate::server::execution::{Command, Ctx, Handler, changes};
use crate::server::persistence::{backup, load_step, loading, snapshot};
use crate::types::table::Statistics;
use crate::types::{Bitmap, Collection, Hash, List, Set, SortedSet};
use crate::util::number;

/// The rows.
pub const COMMANDS: &[Command] = &[Command::new("debug", Arity::at_least(2), debug)
    .group(Group::Server)
    .flags(&[ADMIN, NOSCRIPT, LOADING, STALE, GUARDED_DEBUG])
    .for_systems()
    .docs("1.0.0", "", "Carries the commands that test suites use to look into the server.")
    .complexity("Depends on the subcommand.")];

/// Name, number of arguments from and to (DEBUG and the name counted), and what it does.
type Subcommand = (&'static str, usize, usize, Handler);

const ANY: usize = usize::MAX;

const SUBCOMMANDS: &[Subcommand] = &[
    ("aof-flush-sleep", 3, 3, aof_flush_sleep),
    ("assert", 2, ANY, abort),
    ("bitmap-raw", 3, 3, bitmap_raw),
    ("change-repl-id", 2, 2, change_history),
    ("client-eviction", 2, 2, client_eviction),
    ("clusterlink", 5, 5, end_links),
    ("config-rewrite-force-all", 2, 2, config_rewrite),
    ("dict-resizing", 3, 3, dict_resizing),
    ("digest", 2, 2, digest),
    ("digest-value", 2, ANY, digest_value),
    ("drop-cluster-packet-filter", 3, 3, drop_messages),
    ("error", 3, 3, error),
    ("help", 2, 2, help),
    ("htstats", 3, 3, htstats),
    ("htstats-key", 3, 3, htstats_key),
    ("listpack", 3, 3, listpack),
    ("loadaof", 2, 2, load_log),
    ("log", 3, 3, log_message),
    ("mark-internal-client", 2, 3, mark_internal_client),
    ("object", 3, 3, object),
    ("panic", 2, ANY, abort),
    ("pause-cron", 3, 3, pause_cron),
    ("populate", 3, 5, populate),
    ("protocol", 3, 3, protocol),
    ("quicklist", 3, 4, quicklist),
    ("quicklist-packed-threshold", 3, 3, quicklist_packed_threshold),
    ("reload", 2, ANY, reload),
    ("replybuffer", 4, 4, reply_buffer),
    ("replicate", 3, ANY, replicate),
    ("segfault", 2, ANY, segfault),
    ("set-active-expire", 3, 3, set_active_expire),
    ("set-disable-deny-scripts", 3, 3, allow_to_scripts),
    ("set-skip-checksum-validation", 3, 3, skip_checksums),
    ("sleep", 3, 3, sleep),
];

fn debug(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let name = args.get(1);
    let fits = |(known, min, max, _): &&Subcommand| {
        name.eq_ignore_ascii_case(known.as_bytes()) && (*min..=*max).contains(&args.len())
    };
    match SUBCOMMANDS.iter().find(fits) {
        Some((_, _, _, handler)) => handler(cx, args),
        None => Err(cx.subcommand_syntax(args.get(1))),
    }
}

/// A switch: any number but zero is on.
fn is_on(args: &Args<'_>, index: usize) -> bool {
    number::parse_i64(args.get(index)).is_some_and(|value| value != 0)
}

fn allow_to_scripts(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    cx.server.script.all_commands = args.is(2, "1");
    cx.reply.ok();
    Ok(())
}

/// DEBUG DROP-CLUSTER-PACKET-FILTER: a kind of messages of the bus is not taken in any more, by its number, or -1 for none.
fn drop_messages(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let number = args.integer(2)?;
    if let Some(cluster) = &mut cx.server.cluster {
        cluster.dropped_kind = usize::try_from(number).ok().and_then(|number| Kind::ALL.get(number)).copied();
    }
    cx.reply.ok();
    Ok(())
}

/// DEBUG CLUSTERLINK KILL: ends the links to a node, from it, or both.
fn end_links(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let Some(cluster) = &cx.server.cluster else {
        return Err(Error::fixed("ERR Debug option only available for cluster mode enabled setup!"));
    };
    let Some((key, _)) = cluster.find(args.get(4)) else {
        return Err(Error::text([b"ERR Unknown node ", args.get(4)].concat()));
    };
    let ends = |inbound: bool| args.is(3, "all") || args.is(3, if inbound { "from" } else { "to" });
    if !ends(true) && !ends(false) {
        return Err(Error::text([b"ERR Unknown direction ", args.get(3)].concat()));
    }
    let links = cluster.links().iter().filter(|(_, link)| link.node == Some(key) && ends(link.inbound));
    let links: Vec<LinkId> = links.map(|(id, _)| *id).collect();
    links.into_iter().for_each(|link| bus::drop_link(cx.server, link));
    cx.reply.ok();
    Ok(())
}

/// Gives the history another name: whoever comes back gets everything.
fn change_history(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let id = crate::peers::repl::new_id(&mut cx.server.random);
    cx.server.repl.history.begin(id);
    cx.reply.ok();
    Ok(())
}

/// Sends replicas a command that does not run here.
fn replicate(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let mut request = Outgoing::default();
    request.push(cx.db.selected(), &args.tail(2));
    cx.server.repl.feed(request.framed(false));
    cx.reply.ok();
    Ok(())
}

/// Saves the data set and loads what was saved.
fn reload(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (mut save, mut flush, mut merge) = (true, true, false);
    for index in 2..args.len() {
        match () {
            () if args.is(index, "nosave") => save = false,
            () if args.is(index, "noflush") => flush = false,
            () if args.is(index, "merge") => merge = true,
            () => return Err(Error::fixed("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.")),
        }
    }
    if save && !snapshot::save_now(cx.server, cx.db) {
        return Err(Error::fixed("ERR"));
    }
    if flush {
        (0..cx.db.count()).for_each(|index| _ = cx.db.flush(index, false));
        cx.server.script.flush_functions();
    }
    if !loading::load_now(cx.server, cx.db, merge) {
        return Err(Error::fixed("ERR Error trying to load the RDB dump"));
    }
    log::warn!("DB reloaded by DEBUG RELOAD");
    cx.reply.ok();
    Ok(())
}

/// Loads the log of commands in place of what is there. One that cannot be loaded is the end.
fn load_log(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    backup::fail(cx.server, cx.db, "the data set was replaced");
    if load_step::load_log_now(cx.server, cx.db).is_err() {
        std::process::exit(1);
    }
    cx.propagate_nothing();
    cx.reply.ok();
    Ok(())
}

fn aof_flush_sleep(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    cx.server.persist.aof.rest_us = number::parse_i64(args.get(2)).and_then(|us| u32::try_from(us).ok()).unwrap_or(0);
    cx.reply.ok();
    Ok(())
}

fn skip_checksums(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    cx.server.persist.skips_checksums = is_on(&args, 2);
    cx.reply.ok();
    Ok(())
}

/// Has the server end as on an error of its own, report included.
fn abort(_: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    panic!("DEBUG {} called", String::from_utf8_lossy(args.get(1)).to_uppercase())
}

fn segfault(_: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    log::error!("DEBUG SEGFAULT called");
    signal_hook::low_level::raise(libc::SIGSEGV).ok();
    std::process::abort()
}

fn sleep(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let seconds = number::parse_f64(args.get(2)).unwrap_or(0.0).max(0.0);
    if let Ok(duration) = Duration::try_from_secs_f64(seconds) {
        std::thread::sleep(duration);
    }
    cx.reply.ok();
    Ok(())
}

fn set_active_expire(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    cx.server.active_expire = is_on(&args, 2);
    cx.reply.ok();
    Ok(())
}

fn pause_cron(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    cx.server.cron.paused = is_on(&args, 2);
    cx.reply.ok();
    Ok(())
}

fn dict_resizing(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    cx.server.persist.resizing_allowed = is_on(&args, 2);
    cx.server.allow_resizing(cx.db);
    cx.reply.ok();
    Ok(())
}

fn quicklist_packed_threshold(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const OUT_OF_BOUNDS: Error = Error::fixed("ERR argument must be a memory value bigger than 1 and smaller than 4gb");
    let size = number::parse_memory(args.get(2)).filter(|size| *size <= u64::from(u32::MAX)).ok_or(OUT_OF_BOUNDS)?;
    cx.server.plain_from = (size > 0).then_some(size as usize);
    cx.reply.ok();
    Ok(())
}

/// What there is to see goes to the standard output.
fn listpack(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let entry = stored(cx, &args.key(2)).ok_or(NO_SUCH_KEY)?;
    let is_listpack = |encoding: &str| matches!(encoding, "listpack" | "listpackex");
    let Some(collection) = entry.any_collection().filter(|collection| is_listpack(collection.encoding())) else {
        return Err(Error::fixed("ERR Not a listpack encoded object."));
    };
    println!("listpack of {} entries, {} bytes of memory", collection.len(), collection.heap_bytes(0));
    cx.reply.simple("Listpack structure printed on stdout");
    Ok(())
}

fn quicklist(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let entry = stored(cx, &args.key(2)).ok_or(NO_SUCH_KEY)?;
    const OTHER: Error = Error::fixed("ERR Not a quicklist encoded object.");
    let list = entry.collection::<List>().filter(|list| list.quicklist().is_some()).ok_or(OTHER)?;
    println!("list of {} elements in {} nodes", list.len(), list.nodes());
    println!("{}", list.describe());
    cx.reply.simple("Quicklist structure printed on stdout");
    Ok(())
}

/// The string that a bitmap stands for.
fn bitmap_raw(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let bytes_max = cx.server.config.proto_max_bulk_len;
    let entry = stored(cx, &args.key(2)).ok_or(NO_SUCH_KEY)?;
    let bitmap = entry.collection::<Bitmap>().ok_or(WrongType)?;
    if bitmap.len() > bytes_max {
        return Err(Error::fixed("ERR bitmap length exceeds proto-max-bulk-len"));
    }
    let bytes = bitmap.to_bytes();
    cx.reply.bulk(&bytes);
    Ok(())
}

/// Has the client count as another server, or no more.
fn mark_internal_client(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let unmarks = args.len() > 2;
    if unmarks && !args.is(2, "unmark") {
        return Err(cx.subcommand_syntax(args.get(1)));
    }
    cx.client_mut().modes.set(Modes::CALLS_INTERNAL, !unmarks);
    cx.reply.ok();
    Ok(())
}

fn reply_buffer(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if args.is(2, "peak-reset-time") {
        if !args.is(3, "never") && !args.is(3, "reset") {
            args.integer(3)?;
        }
    } else if !args.is(2, "resizing") {
        return Err(cx.subcommand_syntax(args.get(1)));
    }
    cx.reply.ok();
    Ok(())
}

fn client_eviction(_: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    Err(Error::fixed("ERR maxmemory-clients is disabled."))
}

fn config_rewrite(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let failed = |reason: &dyn std::fmt::Display| Error::text(format!("ERR CONFIG-REWRITE-FORCE-ALL failed: {reason}"));
    let users = users::config_lines(cx.server).map_err(|reason| failed(&reason))?;
    let path =
        cx.server.config.config_file.as_ref().ok_or(Error::fixed("ERR The server is running without a config file"))?;
    let rewrite = Rewrite { force_all: true, users: Some(&users) };
    rewrite.write(&cx.server.config, path).map_err(|error| failed(&error))?;
    cx.reply.ok();
    Ok(())
}

fn log_message(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    log::warn!("DEBUG LOG: {}", String::from_utf8_lossy(args.get(2)));
    cx.reply.ok();
    Ok(())
}

/// The error is the client's own, so it is not counted as one of the server's.
fn error(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let mut line = [b"-", args.get(2)].concat();
    line.iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n')).for_each(|byte| *byte = b' ');
    line.extend_from_slice(b"\r\n");
    cx.reply.raw(&line);
    Ok(())
}

fn digest(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply.simple(digest::of_databases(cx.db).to_text());
    Ok(())
}

fn stored<'c>(cx: &'c Ctx<'_>, key: &Key<'_>) -> Option<EntryView<'c>> {
    cx.db.dict().find(key.hash(), key.bytes())
}

fn digest_value(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    cx.reply.array(args.len() - 2);
    for key in args.keys(2, 1) {
        let digest = stored(cx, &key).map(digest::of_value).unwrap_or_default();
        cx.reply.simple(digest.to_text());
    }
    Ok(())
}

fn object(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let entry = stored(cx, &args.key(2)).ok_or(NO_SUCH_KEY)?;
    let mut line = format!(
        "Value at:{:#x} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}",
        entry.address(),
        entry.encoding(),
        saved_bytes(entry, cx.server.config.rdbcompression.is_on()),
        entry.access(),
        cx.db.idle_seconds(entry.access()),
    );
    if let Some((list, figures)) = entry.collection::<List>().and_then(|list| Some((list, list.quicklist()?))) {
        let _ = write!(
            line,
            " ql_nodes:{} ql_avg_node:{:.2} ql_listpack_max:{} ql_compressed:{} ql_uncompressed_size:{}",
            figures.nodes,
            list.len() as f64 / figures.nodes as f64,
            figures.size,
            u8::from(figures.depth > 0),
            figures.bytes,
        );
    }
    cx.reply.simple(line);
    Ok(())
}

/// The keys are not propagated: replicas are to be filled by the same call.
fn populate(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let count = args.positive(2)?;
    let prefix = args.try_get(3).unwrap_or(b"key");
    let size = if args.len() == 5 { args.positive(4)? } else { 0 };
    if size > cx.server.config.proto_max_bulk_len {
        return Err(crate::command::error::STRING_TOO_LONG);
    }
    for number in 0..count {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(number).as_bytes();
        let name = [prefix, b":", digits].concat();
        let key = Key::new(&name);
        if cx.db.exists(&key) {
            continue;
        }
        let mut value = [b"value:", digits].concat();
        if size > 0 {
            value.resize(size, 0);
        }
        cx.db.set(&key, NewString::Bytes(&value), Expiry::Clear);
        if cx.server.observers.any() {
            changes::key_changed(cx, key.bytes());
        }
    }
    cx.reply.ok();
    Ok(())
}

fn protocol(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const UNKNOWN: Error = Error::fixed(
        "ERR Wrong protocol type name. Please use one of the following: \
         string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false",
    );
    let reply = &mut *cx.reply;
    match args.get(2).to_ascii_lowercase().as_slice() {
        b"string" => reply.bulk(b"Hello World"),
        b"integer" => reply.integer(12345),
        b"double" => reply.double_text(b"3.141"),
        b"bignum" => reply.big_number(b"1234567999999999999999999999999999999"),
        b"null" => reply.null(),
        b"array" => {
            reply.array(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"set" => {
            reply.set(3);
            (0..3).for_each(|number| reply.integer(number));
        }
        b"map" => {
            reply.map(3);
            for number in 0..3 {
                reply.integer(number);
                reply.boolean(number == 1);
            }
        }
        b"attrib" => {
            if reply.resp3 {
                reply.attribute(1);
                reply.bulk(b"key-popularity");
                reply.array(2);
                reply.bulk(b"key:123");
                reply.integer(90);
            }
            reply.bulk(b"Some real reply following the attribute");
        }
        b"push" if !reply.resp3 => return Err(Error::fixed("ERR RESP2 is not supported by this command")),
        b"push" => {
            reply.push(2);
            reply.bulk(b"server-cpu-usage");
            reply.integer(42);
            reply.bulk(b"Some real reply following the push reply");
        }
        b"verbatim" => reply.verbatim(*b"txt", b"This is a verbatim\nstring"),
        b"true" => reply.boolean(true),
        b"false" => reply.boolean(false),
        _ => return Err(UNKNOWN),
    }
    Ok(())
}

/// The tables of a database, in the form of Redis's statistics as far as the numbers have a meaning here.
fn htstats(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let index = usize::try_from(args.integer(2)?).ok().filter(|index| *index < cx.db.count());
    let index = index.ok_or(Error::fixed("ERR Out of range database"))?;
    let (keys, expires) = cx.db.database(index).dict.statistics();
    let text = format!("[Dictionary HT]\n{}[Expires HT]\n{}", table_text(&keys), table_text(&expires));
    cx.reply.verbatim(*b"txt", text.as_bytes());
    Ok(())
}

fn table_text(table: &Statistics) -> String {
    if table.items == 0 {
        return "Hash table 0 stats (main hash table):\nNo stats available for empty dictionaries\n".to_owned();
    }
    format!(
        "Hash table 0 stats (main hash table):\n table size: {}\n number of elements: {}\n different slots: {}\n \
         buckets: {}\n segments: {}\n fullest segment: {}\n displaced elements: {}\n max displacement: {}\n \
         bytes: {}\n",
        table.buckets * SLOTS_PER_BUCKET,
        table.items,
        table.items,
        table.buckets,
        table.segments,
        table.segment_items_max,
        table.displaced,
        table.distance_max,
        table.bytes,
    )
}

const SLOTS_PER_BUCKET: usize = 7;

fn htstats_key(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const NO_TABLE: Error =
        Error::fixed("ERR The value stored at the specified key is not represented using an hash table");
    let entry = stored(cx, &args.key(2)).ok_or(NO_SUCH_KEY)?;
    let of_set = entry.collection::<Set>().and_then(Set::statistics);
    let of_hash = || entry.collection::<Hash>().and_then(Hash::statistics);
    let of_sorted_set = || entry.collection::<SortedSet>().and_then(SortedSet::statistics);
    let table = of_set.or_else(of_hash).or_else(of_sorted_set).ok_or(NO_TABLE)?;
    cx.reply.verbatim(*b"txt", table_text(&table).as_bytes());
    Ok(())
}

fn help(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply_help(&[
        "AOF-FLUSH-SLEEP <microseconds>",
        "    Rest before each write to the append-only file.",
        "ASSERT | PANIC | SEGFAULT",
        "    Crash the server.",
        "BITMAP-RAW <key>",
        "    Return the string that a bitmap stands for.",
        "CONFIG-REWRITE-FORCE-ALL",
        "    Rewrite the configuration file with all directives, defaults included.",
        "DICT-RESIZING <0|1>",
        "    Keep the hash tables from growing and shrinking as long as that can be avoided.",
        "DIGEST",
        "    Return a fingerprint of all keys with their values.",
        "DIGEST-VALUE <key> [<key> ...]",
        "    Return a fingerprint of each value.",
        "ERROR <string>",
        "    Answer with an error.",
        "HTSTATS <dbid>",
        "    Return statistics of a database's hash tables.",
        "HTSTATS-KEY <key>",
        "    Return statistics of a value's hash table.",
        "LISTPACK <key>",
        "    Print how a value in a listpack is kept to the standard output.",
        "LOADAOF",
        "    Load the append-only file in place of what is there.",
        "LOG <message>",
        "    Write a message to the log.",
        "MARK-INTERNAL-CLIENT [UNMARK]",
        "    Let this client call the commands that servers have among themselves, or no more.",
        "OBJECT <key>",
        "    Show how a value is kept.",
        "PAUSE-CRON <0|1>",
        "    Stop all that the server does by itself.",
        "POPULATE <count> [<prefix>] [<size>]",
        "    Create string keys named <prefix>:<number>, where they do not exist.",
        "PROTOCOL <type>",
        "    Answer with a value of a type: string, integer, double, bignum, null, array, set, map,",
        "    attrib, push, verbatim, true, false.",
        "QUICKLIST <key>",
        "    Print how a list is kept to the standard output.",
        "QUICKLIST-PACKED-THRESHOLD <size>",
        "    Have list elements of so many bytes stand alone, or of more than fit a node when <size> is 0.",
        "RELOAD [MERGE] [NOFLUSH] [NOSAVE]",
        "    Save the data set and load it again. NOSAVE loads what was saved before, NOFLUSH keeps",
        "    what is there, and MERGE has keys that are there replaced rather than refused.",
        "SET-ACTIVE-EXPIRE <0|1>",
        "    Delete expired keys only when they are met, or also when nobody asks for them.",
        "SLEEP <seconds>",
        "    Stop the server for some time. Decimals allowed.",
    ]);
    Ok(())
}
