//! CLUSTER SLOT-STATS: how full this node's slots are, and how much they are used.

use std::cmp::Reverse;
use std::ops::RangeInclusive;

use super::common::state;
use super::slots::range;
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::{Args, Error};
use crate::db::slot::SLOTS;
use crate::server::execution::Ctx;
use crate::server::observe::slot_usage::Usage;

/// By what slots may be ordered: the name, and the word of `cluster-slot-stats-enabled` that has it counted.
const METRICS: [(&str, Metric, &str); 4] = [
    ("key-count", Metric::Keys, ""),
    ("cpu-usec", Metric::Cpu, "cpu"),
    ("network-bytes-in", Metric::BytesIn, "net"),
    ("network-bytes-out", Metric::BytesOut, "net"),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Metric {
    Keys,
    Cpu,
    BytesIn,
    BytesOut,
}

/// The metrics that are shown, with their names.
fn shown(cx: &Ctx<'_>) -> Vec<(&'static str, Metric)> {
    let words = &cx.server.config.cluster_slot_stats_enabled;
    let is_shown = |wanted: &str| wanted.is_empty() || words.iter().any(|word| word == "yes" || word == wanted);
    METRICS.into_iter().filter(|(.., word)| is_shown(word)).map(|(name, metric, _)| (name, metric)).collect()
}

/// A slot of this node's shard.
struct Row {
    slot: u16,
    keys: usize,
    usage: Option<Usage>,
}

impl Row {
    fn value(&self, metric: Metric) -> u64 {
        let usage = self.usage.unwrap_or_default();
        match metric {
            Metric::Keys => self.keys as u64,
            Metric::Cpu => usage.nanos / 1000,
            Metric::BytesIn => usage.bytes_in,
            Metric::BytesOut => usage.bytes_out,
        }
    }
}

/// The subcommand.
pub fn slot_stats(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    state(cx)?;
    if args.is(2, "slotsrange") && args.len() == 5 {
        let slots = range(&args, 3, "Start")?;
        let rows = rows(cx, slots);
        reply(cx, &rows);
        return Ok(());
    }
    if !args.is(2, "orderby") {
        return Err(cx.subcommand_syntax(args.get(1)));
    }
    let (_, metric) = shown(cx)
        .into_iter()
        .find(|(name, _)| args.is(3, name))
        .ok_or(Error::fixed("ERR Unrecognized sort metric for ORDERBY."))?;
    let (limit, ascending) = order(&args)?;
    let mut rows = rows(cx, 0..=SLOTS as u16 - 1);
    match ascending {
        true => rows.sort_by_key(|row| (row.value(metric), row.slot)),
        false => rows.sort_by_key(|row| (Reverse(row.value(metric)), row.slot)),
    }
    rows.truncate(limit);
    reply(cx, &rows);
    Ok(())
}

/// How many rows are wanted, and whether the least come first.
fn order(args: &Args<'_>) -> Result<(usize, bool), Error> {
    let (mut limit, mut ascending) = (None, None);
    let mut index = 4;
    while index < args.len() {
        let again = match () {
            () if args.is(index, "asc") => ascending.replace(true).is_some(),
            () if args.is(index, "desc") => ascending.replace(false).is_some(),
            () if args.is(index, "limit") && index + 1 < args.len() => {
                index += 1;
                let error = "ERR Limit has to lie in between 1 and 16384 (maximum number of slots).";
                let most = args.integer_in(index, 1..=SLOTS as i64, Error::fixed(error))?;
                limit.replace(most as usize).is_some()
            }
            () => return Err(SYNTAX),
        };
        if again {
            return Err(Error::fixed("ERR Multiple filters of the same type are disallowed."));
        }
        index += 1;
    }
    Ok((limit.unwrap_or(SLOTS), ascending.unwrap_or(false)))
}

fn rows(cx: &Ctx<'_>, slots: RangeInclusive<u16>) -> Vec<Row> {
    let Some(cluster) = cx.server.cluster.as_deref() else { return Vec::new() };
    let dict = &cx.db.database(0).dict;
    let usage = |slot: u16| cx.server.slot_usage.as_ref().map(|usage| usage.of(slot));
    let own = slots.filter(|slot| cluster.is_of_my_shard(*slot));
    own.map(|slot| Row { slot, keys: dict.len_of_slot(slot.into()), usage: usage(slot) }).collect()
}

fn reply(cx: &mut Ctx<'_>, rows: &[Row]) {
    let shown = shown(cx);
    cx.reply.array(rows.len());
    for row in rows {
        cx.reply.array(2);
        cx.reply.integer(row.slot.into());
        cx.reply.map(shown.len());
        for (name, metric) in &shown {
            cx.reply.bulk(name.as_bytes());
            cx.reply.unsigned(row.value(*metric));
        }
    }
}
