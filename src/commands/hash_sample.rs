//! HRANDFIELD: fields at random, one, several different ones, or as many draws as wanted.

use super::hash::{Part, READS, write};
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::db::Key;
use crate::resp::Reply;
use crate::server::execution::{Command, Ctx};
use crate::types::ExpiringParts;
use crate::types::hash::{Hash, Pair};

/// Fields whose time has come that one call deletes at most.
const EXPIRED_AT_ONCE: usize = 1000;

/// The row.
pub const COMMANDS: &[Command] = &[Command::new("hrandfield", Arity::at_least(2), hrandfield)
    .group(Group::Hash)
    .flags(&[READONLY])
    .keys(READS)
    .tips(&["nondeterministic_output"])
    .docs(
        "6.2.0",
        "key [count [WITHVALUES]]",
        "Returns fields of a hash chosen at random; with a negative count the same one may come several times.",
    )
    .complexity("O(N) for N fields returned.")];

fn hrandfield(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if args.len() > 2 {
        return hrandfield_count(cx, args);
    }
    let now_ms = cx.now_ms();
    let key = args.key(1);
    delete_due(cx, &key);
    let hash = cx.db.collection::<Hash>(&key)?;
    match hash.and_then(|hash| hash.random_live(now_ms, &mut cx.server.random)) {
        Some(pair) => write(cx.reply, pair.field),
        None => cx.reply.null(),
    }
    Ok(())
}

/// Fields whose time has come would only be drawn in vain.
fn delete_due(cx: &mut Ctx<'_>, key: &Key<'_>) {
    let now_ms = cx.now_ms();
    if cx.db.peek(key).and_then(|entry| entry.collection::<Hash>()).is_some_and(|hash| hash.has_due(now_ms)) {
        cx.db.expire_parts(key, EXPIRED_AT_ONCE);
    }
}

fn write_pair(reply: &mut Reply, pair: Pair<'_>, with_values: bool) {
    if with_values && reply.resp3 {
        reply.array(2);
    }
    let part = if with_values { Part::Both } else { Part::Fields };
    part.write(reply, pair);
}

fn hrandfield_count(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const RANGE: Error =
        Error::fixed("ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807");
    const TOO_MANY: Error = Error::fixed("ERR value is out of range");
    let count = args.integer(2)?;
    if count == i64::MIN {
        return Err(RANGE);
    }
    let with_values = args.len() > 3;
    if args.len() > 4 || with_values && !args.is(3, "withvalues") {
        return Err(SYNTAX);
    }
    let (repeats, count) = (count < 0, count.unsigned_abs() as usize);
    if with_values && count > i64::MAX as usize / 2 {
        return Err(TOO_MANY);
    }
    let (key, now_ms) = (args.key(1), cx.now_ms());
    delete_due(cx, &key);
    let hash = cx.db.collection::<Hash>(&key)?;
    let live = hash.map_or(0, |hash| hash.live_len(now_ms));
    let (reply, random) = (&mut *cx.reply, &mut cx.server.random);
    let count = if repeats && live > 0 { count } else { count.min(live) };
    reply.array(if with_values && !reply.resp3 { count * 2 } else { count });
    let Some(hash) = hash.filter(|_| count > 0) else { return Ok(()) };
    if !repeats {
        hash.sample((count, live), now_ms, random, |pair| write_pair(reply, pair, with_values));
        return Ok(());
    }
    // One walk is no more work than so many draws, and makes each of them cheap.
    let listed: Vec<Pair<'_>> = if count >= live { hash.live_pairs(now_ms).collect() } else { Vec::new() };
    for _ in 0..count {
        let pair = match listed.get(random.below(listed.len() as u64) as usize) {
            Some(pair) => Some(*pair),
            None => hash.random_live(now_ms, random),
        };
        if let Some(pair) = pair {
            write_pair(reply, pair, with_values);
        }
        if reply.is_cut() {
            break;
        }
    }
    Ok(())
}
