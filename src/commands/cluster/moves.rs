//! CLUSTER MIGRATION: slots that go from node to node all at once; and CLUSTER SYNCSLOTS, by which the two nodes agree.

use super::common::state;
use super::slots::range;
use crate::command::error::CmdResult;
use crate::command::{Args, Error};
use crate::peers::cluster::moves::{Operation, Task};
use crate::peers::cluster::{NodeId, SlotSet};
use crate::resp::reply::Reply;
use crate::server::cluster::moves::{self, export, import};
use crate::server::execution::Ctx;
use crate::util::number;

const UNKNOWN_ARGUMENT: Error = Error::fixed("ERR unknown argument");

/// CLUSTER MIGRATION.
pub fn migration(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    state(cx)?;
    match () {
        () if args.is(2, "import") => begin(cx, &args),
        () if args.is(2, "status") => status(cx, &args),
        () if args.is(2, "cancel") => cancel(cx, &args),
        () => Err(UNKNOWN_ARGUMENT),
    }
}

fn begin(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    if args.len().is_multiple_of(2) {
        return Err(wrong_arity());
    }
    let slots = ranges(args, 3)?;
    let id = import::begin(cx.server, cx.db, slots)?;
    cx.reply.bulk(id.as_bytes());
    Ok(())
}

fn wrong_arity() -> Error {
    Error::wrong_arity("cluster|migration")
}

/// Ranges of slots, from an argument on.
fn ranges(args: &Args<'_>, from: usize) -> Result<SlotSet, Error> {
    let mut slots = SlotSet::default();
    for index in (from..args.len()).step_by(2) {
        for slot in range(args, index, "start")? {
            if !slots.insert(slot) {
                return Err(Error::text(format!("ERR Slot {slot} specified multiple times")));
            }
        }
    }
    Ok(slots)
}

/// The id behind ID; `None` for ALL.
fn which<'a>(args: &Args<'a>) -> Result<Option<&'a [u8]>, Error> {
    let (id, all) = (args.len() > 3 && args.is(3, "id"), args.len() > 3 && args.is(3, "all"));
    match args.len() {
        5 if id => Ok(Some(args.get(4))),
        4 if all => Ok(None),
        4 | 5 if !id && !all => Err(UNKNOWN_ARGUMENT),
        _ => Err(wrong_arity()),
    }
}

fn cancel(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let id = which(args)?;
    let count = moves::cancel(cx.server, cx.db, id, "user request");
    cx.reply.integer(count as i64);
    Ok(())
}

fn status(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    let id = which(args)?;
    let now_ms = cx.server.clock.unix_ms();
    let is_meant = |task: &&Task| id.is_none_or(|id| task.id.as_bytes() == id);
    let mut tasks: Vec<Task> = cx.server.moves.tasks().filter(is_meant).cloned().collect();
    if id.is_some() {
        tasks.truncate(1);
    }
    // What has come is known by what is here.
    for task in tasks.iter_mut().filter(|task| task.operation == Operation::Import && task.ended_ms.is_none()) {
        let dict = cx.db.dict();
        task.keys_done = task.slots.iter().map(|slot| dict.len_of_slot(slot.into()) as u64).sum();
    }
    cx.reply.array(tasks.len());
    tasks.iter().for_each(|task| reply_task(cx.reply, task, now_ms));
    Ok(())
}

fn reply_task(reply: &mut Reply, task: &Task, now_ms: i64) {
    let texts = [
        ("id", task.id.as_str()),
        ("slots", &task.slots_text()),
        ("source", task.source.as_str()),
        ("dest", task.dest.as_str()),
        ("operation", task.operation.name()),
        ("state", task.state.name()),
        ("last_error", &task.last_error),
    ];
    let count = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let numbers = [
        ("retries", count(task.retries)),
        ("create_time", task.created_ms),
        ("start_time", task.started_ms.unwrap_or(-1)),
        ("end_time", task.ended_ms.unwrap_or(-1)),
        ("write_pause_ms", task.write_pause_ms()),
        ("keys_total", count(task.keys_total)),
        ("keys_done", count(task.keys_done)),
        ("progress_percent", count(task.progress_percent())),
        ("time_left_ms", task.left_ms(now_ms).unwrap_or(-1)),
    ];
    reply.map(texts.len() + numbers.len());
    for (name, text) in texts {
        reply.bulk(name.as_bytes());
        reply.bulk(text.as_bytes());
    }
    for (name, number) in numbers {
        reply.bulk(name.as_bytes());
        reply.integer(number);
    }
}

/// CLUSTER SYNCSLOTS, of the destination of slots on its connection: only SYNC is answered, by what the stream follows.
pub fn sync_slots(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    state(cx)?;
    let number =
        |index: usize| args.try_get(index).and_then(number::parse_i64).and_then(|value| u64::try_from(value).ok());
    let key = cx.client;
    match (number(3), number(4)) {
        _ if args.is(2, "sync") => sync(cx, &args)?,
        (Some(offset), None) if args.is(2, "ack") => export::acked(cx.server, key, offset),
        (Some(offset), Some(epoch)) if args.is(2, "ready") => export::ready(cx.server, key, offset, epoch),
        (Some(epoch), None) if args.is(2, "taken") => export::taken(cx.server, key, epoch),
        (Some(_), None) if args.is(2, "declined") => export::declined(cx.server, key),
        _ => return Err(UNKNOWN_ARGUMENT),
    }
    Ok(())
}

fn sync(cx: &mut Ctx<'_>, args: &Args<'_>) -> CmdResult {
    const ID_CHARACTERS_MAX: usize = 40;
    let id = args.try_get(3).and_then(|id| str::from_utf8(id).ok()).ok_or(UNKNOWN_ARGUMENT)?;
    if args.len() < 7 || args.len().is_multiple_of(2) || id.len() > ID_CHARACTERS_MAX {
        return Err(Error::wrong_arity("cluster|syncslots"));
    }
    let dest = NodeId::from_bytes(args.get(4)).ok_or(Error::fixed("ERR Invalid node id"))?;
    let slots = ranges(args, 5)?;
    if cx.client().exports_slots {
        return Err(Error::fixed("ERR this connection is in use for slots already"));
    }
    let keys = export::begin(cx.server, cx.db, cx.client, id, dest, slots)?;
    cx.reply.simple(format!("SLOTSSNAPSHOT {keys}"));
    Ok(())
}
