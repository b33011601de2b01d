//! MEMORY: what the memory is used for.

use crate::command::Args;
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::db::dict::{USAGE_SAMPLES, memory_usage};
use crate::server::execution::{Command, Ctx};
use crate::server::observe::info::memory::Overview;
use crate::server::observe::info::section::Source;
use crate::types::hash::template_figures;
use crate::util::alloc;

const NONDETERMINISTIC: &[&str] = &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"];

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("memory", SUBCOMMANDS).group(Group::Server).docs(
    "4.0.0",
    "",
    "Shows what the memory is used for.",
)];

const SUBCOMMANDS: &[Command] = &[
    Command::new("usage", Arity::at_least(3), usage)
        .group(Group::Server)
        .flags(&[READONLY])
        .keys(&[Keys::at(2, Access::RO)])
        .docs("4.0.0", "key [SAMPLES count]", "Tells how many bytes a key and its value take.")
        .complexity("O(N) for N samples."),
    Command::new("stats", Arity::exactly(2), stats)
        .group(Group::Server)
        .tips(NONDETERMINISTIC)
        .docs("4.0.0", "", "Tells how many bytes each part of the server takes.")
        .complexity("O(1)"),
    Command::new("doctor", Arity::exactly(2), doctor)
        .group(Group::Server)
        .tips(NONDETERMINISTIC)
        .docs("4.0.0", "", "Names problems with the memory in words.")
        .complexity("O(1)"),
    Command::new("purge", Arity::exactly(2), purge)
        .group(Group::Server)
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
        .docs("4.0.0", "", "Has the allocator return memory to the system.")
        .complexity("Depends on how much memory is allocated; can be slow."),
    Command::new("malloc-stats", Arity::exactly(2), malloc_stats)
        .group(Group::Server)
        .tips(NONDETERMINISTIC)
        .docs("4.0.0", "", "Tells what the allocator reports about itself.")
        .complexity("Depends on how much memory is allocated; can be slow."),
    Command::new("help", Arity::exactly(2), help)
        .group(Group::Server)
        .flags(&[LOADING, STALE])
        .docs("4.0.0", "", "Describes the subcommands.")
        .complexity("O(1)"),
];

/// Looks at the key without deleting it when its time has come.
fn usage(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let mut samples = USAGE_SAMPLES;
    let mut index = 3;
    while index < args.len() {
        if !args.is(index, "samples") || index + 1 == args.len() {
            return Err(SYNTAX);
        }
        samples = usize::try_from(args.integer(index + 1)?).map_err(|_| SYNTAX)?;
        index += 2;
    }
    let key = args.key(2);
    match cx.db.dict().find(key.hash(), key.bytes()) {
        Some(entry) => cx.reply.integer(memory_usage(entry, samples) as i64),
        None => cx.reply.null(),
    }
    Ok(())
}

fn stats(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let memory = Overview::of(&Source::of(cx.server, cx.db));
    let reply = &mut *cx.reply;
    let head = reply.defer();
    let mut fields = 0;
    let integers = [
        ("peak.allocated", memory.peak),
        ("total.allocated", memory.used),
        ("startup.allocated", memory.startup),
        ("replication.backlog", memory.backlog),
        ("replica.fullsync.buffer", 0),
        ("clients.slaves", memory.replicas),
        ("clients.normal", memory.clients),
        ("cluster.links", cx.server.bus.memory()),
        ("aof.buffer", cx.server.persist.aof.writer().buffer_bytes()),
        ("lua.caches", cx.server.script.cache.bytes()),
        ("functions.caches", cx.server.script.libraries.bytes()),
        ("script.VMs", cx.server.script.scripts_memory() + cx.server.script.functions_memory()),
        ("hash.templates", template_figures().bytes),
    ];
    for (name, value) in integers {
        reply.bulk(name.as_bytes());
        reply.integer(value as i64);
        fields += 1;
    }
    for (index, keys, expires) in &memory.tables {
        reply.bulk(format!("db.{index}").as_bytes());
        let blessed = cx.db.database(*index).dict.blessed();
        let tables = [
            ("overhead.hashtable.main", *keys),
            ("overhead.hashtable.expires", *expires),
            ("overhead.hashtable.blessed", blessed.memory()),
        ];
        let shown = if blessed.is_empty() { 2 } else { 3 };
        reply.map(shown);
        for (name, value) in tables.into_iter().take(shown) {
            reply.bulk(name.as_bytes());
            reply.integer(value as i64);
        }
        fields += 1;
    }
    let data = memory.used.saturating_sub(memory.startup);
    let in_tables: usize = memory.tables.iter().map(|(_, keys, expires)| keys + expires).sum();
    let rest = [
        ("overhead.db.hashtable.lut", Figure::Bytes(in_tables as i64)),
        ("overhead.db.hashtable.rehashing", Figure::Bytes(0)),
        ("overhead.total", Figure::Bytes(memory.overhead as i64)),
        ("db.dict.rehashing.count", Figure::Bytes(0)),
        ("keys.count", Figure::Bytes(memory.keys as i64)),
        ("keys.bytes-per-key", Figure::Bytes(data.checked_div(memory.keys).unwrap_or(0) as i64)),
        ("dataset.bytes", Figure::Bytes(memory.dataset as i64)),
        ("dataset.percentage", Figure::Ratio(memory.dataset_percent())),
        ("peak.percentage", Figure::Ratio(memory.peak_percent())),
        ("allocator.allocated", Figure::Bytes(memory.used as i64)),
        ("allocator.active", Figure::Bytes(memory.resident as i64)),
        ("allocator.resident", Figure::Bytes(memory.resident as i64)),
        ("allocator.muzzy", Figure::Bytes(0)),
        ("allocator-fragmentation.ratio", Figure::Ratio(memory.fragmentation())),
        ("allocator-fragmentation.bytes", Figure::Bytes(memory.fragmentation_bytes())),
        ("allocator-rss.ratio", Figure::Ratio(1.0)),
        ("allocator-rss.bytes", Figure::Bytes(0)),
        ("rss-overhead.ratio", Figure::Ratio(1.0)),
        ("rss-overhead.bytes", Figure::Bytes(0)),
        ("fragmentation", Figure::Ratio(memory.fragmentation())),
        ("fragmentation.bytes", Figure::Bytes(memory.fragmentation_bytes())),
    ];
    for (name, figure) in rest {
        reply.bulk(name.as_bytes());
        match figure {
            Figure::Bytes(value) => reply.integer(value),
            Figure::Ratio(value) => reply.double(value),
        }
        fields += 1;
    }
    reply.finish_map(head, fields);
    Ok(())
}

enum Figure {
    Bytes(i64),
    Ratio(f64),
}

/// Below this many bytes in use nothing can be said about proportions.
const WORTH_A_LOOK_BYTES: usize = 5 << 20;
/// Resident memory beyond this many bytes, and this ratio, is fragmentation worth a word.
const FRAGMENTATION_BYTES: i64 = 10 << 20;
const FRAGMENTATION_RATIO: f64 = 1.4;
/// Buffers of a client, on average, that are large.
const CLIENT_BYTES: usize = 200 << 10;

fn doctor(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let memory = Overview::of(&Source::of(cx.server, cx.db));
    let report = diagnosis(&memory, cx.server.clients.len());
    cx.reply.verbatim(*b"txt", report.as_bytes());
    Ok(())
}

fn diagnosis(memory: &Overview, clients: usize) -> String {
    if memory.used < WORTH_A_LOOK_BYTES {
        return "Too little memory is in use to tell anything about it. Ask again when there is more data.\n"
            .to_owned();
    }
    let mut findings = Vec::new();
    if memory.peak > memory.used / 2 * 3 {
        findings.push(
            "Peak memory: there was a time when more than one and a half times of what is in use now was needed. What \
             was freed since may still be resident; it is used first when the data grows. MEMORY PURGE returns what \
             can be returned.",
        );
    }
    if memory.fragmentation() > FRAGMENTATION_RATIO && memory.fragmentation_bytes() > FRAGMENTATION_BYTES {
        findings.push(
            "Fragmentation: much more memory is resident than is in use. After a peak this is to be expected. \
             Otherwise the sizes of values may change in a way that leaves gaps; MEMORY PURGE may help.",
        );
    }
    if memory.clients / clients.max(1) > CLIENT_BYTES {
        findings.push(
            "Client buffers: clients take more than 200 KB each on average. Some may not read what they are sent, or \
             send very long pipelines. CLIENT LIST shows which.",
        );
    }
    if findings.is_empty() {
        return "No problem with the memory was found.\n".to_owned();
    }
    let findings: Vec<String> = findings.iter().map(|finding| format!(" * {finding}\n\n")).collect();
    format!("These may be problems with the memory:\n\n{}", findings.concat())
}

fn purge(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    alloc::purge();
    cx.reply.ok();
    Ok(())
}

fn malloc_stats(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply.verbatim(*b"txt", alloc::report().as_bytes());
    Ok(())
}

fn help(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply_help(&[
        "DOCTOR",
        "    Name problems with the memory.",
        "MALLOC-STATS",
        "    What the allocator reports about itself.",
        "PURGE",
        "    Have the allocator return memory to the system.",
        "STATS",
        "    How many bytes each part of the server takes.",
        "USAGE <key> [SAMPLES <count>]",
        "    How many bytes a key and its value take. Of a value made of many parts, <count> are looked at",
        "    (5 if not given, all for 0).",
    ]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_doctor_names_what_it_finds() {
        let healthy = Overview { used: 100 << 20, peak: 100 << 20, resident: 105 << 20, ..Overview::default() };
        assert!(diagnosis(&healthy, 1).starts_with("No problem"));
        assert!(diagnosis(&Overview::default(), 1).starts_with("Too little"));
        let ill = Overview { peak: 200 << 20, resident: 180 << 20, clients: 1 << 30, ..healthy };
        let report = diagnosis(&ill, 10);
        for finding in ["Peak memory", "Fragmentation", "Client buffers"] {
            assert!(report.contains(finding), "{report}");
        }
    }
}
