//! CLUSTER KEYSLOT, COUNTKEYSINSLOT, GETKEYSINSLOT: keys and their slots.

use super::common::enabled;
use crate::command::error::CmdResult;
use crate::command::{Args, Error};
use crate::db::slot::{self, slot_of};
use crate::server::execution::Ctx;

/// CLUSTER KEYSLOT.
pub fn slot(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    enabled(cx)?;
    cx.reply.integer(i64::from(slot_of(args.get(2))));
    Ok(())
}

/// CLUSTER COUNTKEYSINSLOT.
pub fn count_in_slot(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    enabled(cx)?;
    let slot = args.integer(2)?;
    let slot = slot::numbered(slot).ok_or(Error::fixed("ERR Invalid slot"))?;
    let keys = if cx.db.is_stray_slot(slot) { 0 } else { cx.db.dict().len_of_slot(slot.into()) };
    cx.reply.integer(keys as i64);
    Ok(())
}

/// CLUSTER GETKEYSINSLOT.
pub fn of_slot(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    const INVALID: Error = Error::fixed("ERR Invalid slot or number of keys");
    enabled(cx)?;
    let (slot, count) = (args.integer(2)?, args.integer(3)?);
    let slot = slot::numbered(slot).ok_or(INVALID)?;
    let count = usize::try_from(count).map_err(|_| INVALID)?;
    let count = if cx.db.is_stray_slot(slot) { 0 } else { count };
    let slot = usize::from(slot);
    let dict = cx.db.dict();
    cx.reply.array(count.min(dict.len_of_slot(slot)));
    dict.iter_slot(slot).take(count).for_each(|entry| cx.reply.bulk(entry.key()));
    Ok(())
}
