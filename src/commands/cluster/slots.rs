//! CLUSTER ADDSLOTS, DELSLOTS and their forms for ranges, FLUSHSLOTS, SETSLOT: who has which slot, as operators say.

use std::ops::RangeInclusive;

use super::common::{node, slot, state, state_mut};
use crate::command::error::CmdResult;
use crate::command::{Args, Error};
use crate::peers::cluster::{NodeKey, SlotSet, State};
use crate::server::cluster::event;
use crate::server::cluster::moves::strays;
use crate::server::execution::Ctx;

/// CLUSTER ADDSLOTS.
pub fn add(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    state(cx)?;
    let ranges = each(&args)?;
    change(cx, &ranges, true)
}

/// CLUSTER DELSLOTS.
pub fn remove(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    state(cx)?;
    let ranges = each(&args)?;
    change(cx, &ranges, false)
}

/// CLUSTER ADDSLOTSRANGE.
pub fn add_ranges(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    state(cx)?;
    let ranges = ranges(&args, "cluster|addslotsrange")?;
    change(cx, &ranges, true)
}

/// CLUSTER DELSLOTSRANGE.
pub fn remove_ranges(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    state(cx)?;
    let ranges = ranges(&args, "cluster|delslotsrange")?;
    change(cx, &ranges, false)
}

fn each(args: &Args<'_>) -> Result<Vec<RangeInclusive<u16>>, Error> {
    (2..args.len()).map(|index| slot(args, index).map(|slot| slot..=slot)).collect()
}

fn ranges(args: &Args<'_>, name: &str) -> Result<Vec<RangeInclusive<u16>>, Error> {
    if !args.len().is_multiple_of(2) {
        return Err(Error::wrong_arity(name));
    }
    (2..args.len()).step_by(2).map(|index| range(args, index, "start")).collect()
}

/// Two slots side by side; `start` is how the error begins for two in the wrong order.
pub fn range(args: &Args<'_>, index: usize, start: &str) -> Result<RangeInclusive<u16>, Error> {
    let (first, last) = (slot(args, index)?, slot(args, index + 1)?);
    if first > last {
        return Err(Error::text(format!("ERR {start} slot number {first} is greater than end slot number {last}")));
    }
    Ok(first..=last)
}

/// Gives slots that nobody has to this node, or takes slots from whoever has them.
fn change(cx: &mut Ctx<'_>, ranges: &[RangeInclusive<u16>], add: bool) -> CmdResult {
    let cluster = state_mut(cx)?;
    let mut slots = SlotSet::default();
    for slot in ranges.iter().cloned().flatten() {
        match cluster.owner(slot) {
            None if !add => return Err(Error::text(format!("ERR Slot {slot} is already unassigned"))),
            Some(_) if add => return Err(Error::text(format!("ERR Slot {slot} is already busy"))),
            _ if !slots.insert(slot) => {
                return Err(Error::text(format!("ERR Slot {slot} specified multiple times")));
            }
            _ => {}
        }
    }
    let strays: Vec<u16> = slots.iter().filter(|slot| add && cluster.strays().has(*slot)).collect();
    strays.into_iter().for_each(|slot| strays::trim_now(cx.server, cx.db, slot));
    let cluster = state_mut(cx)?;
    let myself = cluster.my_key();
    for slot in slots.iter() {
        match add {
            true => {
                // Whoever has a slot does not wait for it.
                if cluster.importing_from(slot).is_some() {
                    cluster.set_importing(slot, None);
                }
                cluster.assign(slot, myself);
            }
            false => cluster.unassign(slot),
        }
    }
    cx.reply.ok();
    Ok(())
}

/// CLUSTER FLUSHSLOTS.
pub fn flush(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    state(cx)?;
    if !cx.db.database(0).dict.is_empty() {
        return Err(Error::fixed("ERR DB must be empty to perform CLUSTER FLUSHSLOTS."));
    }
    let cluster = state_mut(cx)?;
    for slot in cluster.myself().slots().clone().iter() {
        cluster.unassign(slot);
    }
    cx.reply.ok();
    Ok(())
}

/// CLUSTER SETSLOT.
pub fn set(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let cluster = state(cx)?;
    if cluster.myself().is_replica() {
        return Err(Error::fixed("ERR Please use SETSLOT only with masters."));
    }
    let slot = slot(&args, 2)?;
    match args.len() {
        5 if args.is(3, "migrating") => {
            if !cluster.is_mine(slot) {
                return Err(Error::text(format!("ERR I'm not the owner of hash slot {slot}")));
            }
            let to = other_end(cluster, &args)?;
            state_mut(cx)?.set_migrating(slot, Some(to));
        }
        5 if args.is(3, "importing") => {
            if cluster.is_mine(slot) {
                return Err(Error::text(format!("ERR I'm already the owner of hash slot {slot}")));
            }
            let from = other_end(cluster, &args)?;
            strays::trim_now(cx.server, cx.db, slot);
            state_mut(cx)?.set_importing(slot, Some(from));
        }
        4 if args.is(3, "stable") => {
            let cluster = state_mut(cx)?;
            cluster.set_importing(slot, None);
            cluster.set_migrating(slot, None);
        }
        5 if args.is(3, "node") => {
            let (to, node) = node(cluster, &args, 4)?;
            if node.is_replica() {
                return Err(NOT_A_PRIMARY);
            }
            give(cx, slot, to)?;
        }
        _ => return Err(Error::fixed("ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP")),
    }
    cx.reply.ok();
    Ok(())
}

const NOT_A_PRIMARY: Error = Error::fixed("ERR Target node is not a master");

/// The node that a slot is to come from or go to.
fn other_end(cluster: &State, args: &Args<'_>) -> Result<NodeKey, Error> {
    let name = args.get(4);
    match cluster.find(name) {
        None => Err(Error::text([b"ERR I don't know about node ", name].concat())),
        Some((_, node)) if node.is_replica() => Err(NOT_A_PRIMARY),
        Some((key, _)) => Ok(key),
    }
}

/// Ends the way of a slot: a node has it now.
fn give(cx: &mut Ctx<'_>, slot: u16, to: NodeKey) -> CmdResult {
    if to == state(cx)?.my_key() {
        strays::trim_now(cx.server, cx.db, slot);
    }
    let keys = cx.db.database(0).dict.len_of_slot(slot.into());
    let cluster = state_mut(cx)?;
    let (was_mine, is_mine) = (cluster.is_mine(slot), to == cluster.my_key());
    if was_mine && !is_mine && keys > 0 {
        return Err(Error::text(format!(
            "ERR Can't assign hashslot {slot} to a different node while I still hold keys for this hash slot."
        )));
    }
    if keys == 0 && cluster.migrating_to(slot).is_some() {
        cluster.set_migrating(slot, None);
    }
    cluster.assign(slot, to);
    if was_mine && !is_mine && cluster.myself().slots().is_empty() && cluster.settings.allow_replica_migration {
        if let Some(node) = cluster.node(to) {
            log::warn!("Configuration change detected. Reconfiguring myself as a replica of {}", node.id);
        }
        cluster.replicate(to);
    }
    if is_mine && cluster.importing_from(slot).is_some() {
        // The others are to believe this node rather than the one the slot came from.
        if cluster.bump_epoch().is_some() {
            log::info!("configEpoch updated after importing slot {slot}");
        }
        cluster.set_importing(slot, None);
        event::with(cx.server, |cluster, moment| cluster.announce(moment));
    }
    Ok(())
}
