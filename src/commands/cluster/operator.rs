//! CLUSTER MEET, FORGET, REPLICATE, FAILOVER, RESET, SET-CONFIG-EPOCH and the like: what operators do about nodes.

use super::common::{node, state, state_mut};
use crate::command::error::{CmdResult, SYNTAX};
use crate::command::{Args, Error};
use crate::config::cluster::BUS_PORT_OFFSET;
use crate::peers::cluster::NodeId;
use crate::peers::cluster::rules::operator::Failover;
use crate::server::cluster::conf;
use crate::server::cluster::event;
use crate::server::execution::Ctx;

/// CLUSTER MEET.
pub fn meet(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    state(cx)?;
    if args.len() > 5 {
        return Err(cx.subcommand_syntax(args.get(1)));
    }
    let number = |index: usize, what: &str| {
        let text = args.get(index);
        args.integer(index)
            .map_err(|_| Error::text([b"ERR Invalid ", what.as_bytes(), b" port specified: ", text].concat()))
    };
    let port = number(3, "base")?;
    let bus_port = match args.len() {
        5 => number(4, "bus")?,
        _ => port.saturating_add(i64::from(BUS_PORT_OFFSET)),
    };
    let ports = u16::try_from(port).ok().zip(u16::try_from(bus_port).ok());
    let ip = String::from_utf8_lossy(args.get(2));
    let met = ports.and_then(|(port, bus_port)| {
        event::with(cx.server, |cluster, moment| cluster.meet(&ip, port, bus_port, moment)).flatten()
    });
    if met.is_none() {
        let parts = [b"ERR Invalid node address specified: ", args.get(2), b":", args.get(3)];
        return Err(Error::text(parts.concat()));
    }
    cx.reply.ok();
    Ok(())
}

/// CLUSTER FORGET. A node that is forgotten already may be forgotten again.
pub fn forget(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let now_ms = cx.server.clock.unix_ms();
    let cluster = state_mut(cx)?;
    if NodeId::from_bytes(args.get(2)).is_some_and(|id| cluster.is_banned(&id, now_ms)) {
        cx.reply.ok();
        return Ok(());
    }
    let (key, node) = node(cluster, &args, 2)?;
    if node.is_myself() {
        return Err(Error::fixed("ERR I tried hard but I can't forget myself..."));
    }
    if cluster.my_primary().is_some_and(|(primary, _)| primary == key) {
        return Err(Error::fixed("ERR Can't forget my master!"));
    }
    cluster.forget(key, now_ms);
    cx.reply.ok();
    Ok(())
}

/// CLUSTER REPLICATE.
pub fn replicate(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let cluster = state(cx)?;
    let (key, node) = node(cluster, &args, 2)?;
    let error = match () {
        () if node.is_myself() => "ERR Can't replicate myself",
        () if node.is_replica() => "ERR I can only replicate a master, not a replica.",
        () if cluster.myself().is_primary()
            && !(cluster.myself().slots().is_empty() && cx.db.database(0).dict.is_empty()) =>
        {
            "ERR To set a master the node must be empty and without assigned slots."
        }
        () => "",
    };
    if !error.is_empty() {
        return Err(Error::fixed(error));
    }
    state_mut(cx)?.replicate(key);
    cx.reply.ok();
    Ok(())
}

/// CLUSTER FAILOVER.
pub fn failover(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let cluster = state(cx)?;
    let how = match args.len() {
        2 => Failover::Agreed,
        3 if args.is(2, "force") => Failover::Force,
        3 if args.is(2, "takeover") => Failover::Takeover,
        3 => return Err(SYNTAX),
        _ => return Err(cx.subcommand_syntax(args.get(1))),
    };
    if cluster.myself().is_primary() {
        return Err(Error::fixed("ERR You should send CLUSTER FAILOVER to a replica"));
    }
    let Some((_, primary)) = cluster.my_primary() else {
        return Err(Error::fixed("ERR I'm a replica but my master is unknown to me"));
    };
    if how == Failover::Agreed && (primary.has_failed() || primary.link.is_none()) {
        return Err(Error::fixed("ERR Master is down or failed, please use CLUSTER FAILOVER FORCE"));
    }
    event::with(cx.server, |cluster, moment| cluster.fail_over(how, moment));
    cx.reply.ok();
    Ok(())
}

/// CLUSTER RESET.
pub fn reset(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let cluster = state(cx)?;
    let hard = match args.len() {
        2 => false,
        3 if args.is(2, "hard") => true,
        3 if args.is(2, "soft") => false,
        3 => return Err(SYNTAX),
        _ => return Err(cx.subcommand_syntax(args.get(1))),
    };
    if cluster.myself().is_primary() && !cx.db.database(0).dict.is_empty() {
        return Err(Error::fixed("ERR CLUSTER RESET can't be called with master nodes containing keys"));
    }
    event::with(cx.server, |cluster, moment| cluster.reset(hard, moment));
    cx.reply.ok();
    Ok(())
}

/// CLUSTER BUMPEPOCH.
pub fn bump_epoch(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let cluster = state_mut(cx)?;
    let word = if cluster.bump_epoch().is_some() { "BUMPED" } else { "STILL" };
    let epoch = cluster.myself().config_epoch;
    cx.reply.simple(format!("{word} {epoch}"));
    Ok(())
}

/// CLUSTER SET-CONFIG-EPOCH.
pub fn set_config_epoch(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    state(cx)?;
    let number = args.integer(2)?;
    let cluster = state_mut(cx)?;
    let Ok(epoch) = u64::try_from(number) else {
        return Err(Error::text(format!("ERR Invalid config epoch specified: {number}")));
    };
    if cluster.nodes().len() > 1 {
        return Err(Error::fixed(
            "ERR The user can assign a config epoch only when the node does not know any other node.",
        ));
    }
    if cluster.myself().config_epoch != 0 {
        return Err(Error::fixed("ERR Node config epoch is already non-zero"));
    }
    cluster.set_config_epoch(epoch);
    cx.reply.ok();
    Ok(())
}

/// CLUSTER COUNT-FAILURE-REPORTS.
pub fn count_failure_reports(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let now_ms = cx.server.clock.unix_ms();
    let cluster = state_mut(cx)?;
    let (key, _) = node(cluster, &args, 2)?;
    let count = cluster.count_failure_reports(key, now_ms);
    cx.reply.integer(count as i64);
    Ok(())
}

/// CLUSTER SAVECONFIG.
pub fn save(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    state_mut(cx)?.outbox.save(true);
    conf::save_if_due(cx.server)
        .map_err(|error| Error::text(format!("ERR error saving the cluster node config: {error}")))?;
    cx.reply.ok();
    Ok(())
}
