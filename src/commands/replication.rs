//! Replication: REPLICAOF, PSYNC and what goes with them, WAIT, ROLE, FAILOVER. What they bring about is in
//! [`crate::peers::repl`].

use crate::client::Modes;
use crate::client::durability::{Durability, ReplyShape};
use crate::command::error::{CmdResult, NOT_AN_INTEGER, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::config::ReplicaOf;
use crate::peers::repl::replica::Channel;
use crate::persist::rdb::version::Version;
use crate::server::execution::{Command, Ctx};
use crate::server::replication::{acks, channels, failover, primary, role, roster, sync};
use crate::util::{number, quote};

/// The longest address a replica may announce, in bytes.
const ADDRESS_BYTES_MAX: usize = 255;
const NOT_A_SWITCH: Error = Error::fixed("ERR value is out of range, value must between 0 and 1");

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("failover", Arity::at_least(1), failover_command)
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT, STALE])
        .docs(
            "6.2.0",
            "[TO <host port [FORCE]>] [ABORT] [TIMEOUT milliseconds]",
            "Has a replica take this primary's place, which becomes its replica.",
        )
        .complexity("O(1)"),
    Command::new("psync", Arity::at_least(3), psync)
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING, NO_MULTI])
        .docs("2.8.0", "replicationid offset", "Asks for the stream of changes; made for replicas."),
    Command::new("replconf", Arity::at_least(1), replconf)
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE, ALLOW_BUSY])
        .for_systems()
        .docs("3.0.0", "", "Tells things between a primary and its replicas; made for them.")
        .complexity("O(1)"),
    Command::new("replicaof", Arity::exactly(3), replicaof)
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT, STALE, NO_ASYNC_LOADING])
        .docs("5.0.0", "<host port | NO ONE>", "Makes the server a replica of another one, or a primary: NO ONE.")
        .complexity("O(1)"),
    Command::new("role", Arity::exactly(1), role)
        .group(Group::Server)
        .flags(&[NOSCRIPT, LOADING, STALE, FAST])
        .acl(Categories(Categories::ADMIN.0 | Categories::DANGEROUS.0))
        .docs("2.8.12", "", "Tells the server's part in replication."),
    Command::new("slaveof", Arity::exactly(3), replicaof)
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT, STALE, NO_ASYNC_LOADING])
        .deprecated("5.0.0", "`REPLICAOF`")
        .docs("1.0.0", "<host port | NO ONE>", "Makes the server a replica of another one, or a primary: NO ONE.")
        .complexity("O(1)"),
    Command::new("sync", Arity::exactly(1), sync)
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT, NO_ASYNC_LOADING, NO_MULTI])
        .docs("1.0.0", "", "Asks for the data set and the stream of changes; made for replicas."),
    Command::new("wait", Arity::exactly(3), wait)
        .group(Group::Generic)
        .flags(&[BLOCKING])
        .acl(Categories::CONNECTION)
        .outside_group_category()
        .tips(&["request_policy:all_shards", "response_policy:agg_min"])
        .docs("3.0.0", "numreplicas timeout", "Waits until what the client wrote has reached replicas.")
        .complexity("O(1)"),
];

fn failover_command(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    failover::command(cx, &args)
}

fn psync(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    sync::request(cx, &args, true)
}

fn sync(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    sync::request(cx, &args, false)
}

fn replicaof(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if cx.server.config.cluster_enabled {
        return Err(Error::fixed("ERR REPLICAOF not allowed in cluster mode."));
    }
    if cx.server.repl.failover.is_on() {
        return Err(Error::fixed("ERR REPLICAOF not allowed while failing over."));
    }
    if args.is(1, "no") && args.is(2, "one") {
        if cx.server.is_replica() {
            role::become_primary(cx.server, cx.db);
            log::info!("MASTER MODE enabled (user request from '{}')", failover::describe(cx));
        }
        cx.reply.ok();
        return Ok(());
    }
    if cx.client().modes.has(Modes::REPLICA) {
        return Err(Error::fixed("ERR Command is not valid when client is a replica."));
    }
    let port = args.integer_in(2, 0..=65_535, Error::fixed("ERR Invalid master port"))? as u16;
    let host = String::from_utf8_lossy(args.get(1)).into_owned();
    let same = |current: &ReplicaOf| current.host.eq_ignore_ascii_case(&host) && current.port == port;
    if cx.server.replica_of().is_some_and(same) {
        log::info!(
            "REPLICAOF would result into synchronization with the master we are already connected with. No operation \
             performed."
        );
        cx.reply.simple("OK Already connected to specified master");
        return Ok(());
    }
    role::become_replica(cx.server, cx.db, ReplicaOf { host: host.clone(), port });
    log::info!("REPLICAOF {host}:{port} enabled (user request from '{}')", failover::describe(cx));
    cx.reply.ok();
    Ok(())
}

/// Pairs of what and value. ACK and GETACK are not answered.
fn replconf(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if args.len().is_multiple_of(2) {
        return Err(SYNTAX);
    }
    for index in (1..args.len()).step_by(2) {
        let value = args.get(index + 1);
        match args.get(index).to_ascii_lowercase().as_slice() {
            b"listening-port" => {
                let port = args.integer_in(index + 1, 0..=65_535, NOT_AN_INTEGER)? as u16;
                cx.client_mut().replica.get_or_insert_default().port = port;
            }
            b"ip-address" => {
                if value.len() > ADDRESS_BYTES_MAX {
                    let length = value.len();
                    return Err(Error::text(format!(
                        "ERR REPLCONF ip-address provided by replica instance is too long: {length} bytes"
                    )));
                }
                // It is shown in lines of INFO and of the log, which it must not end.
                if value.iter().any(u8::is_ascii_control) {
                    return Err(Error::fixed("ERR REPLCONF ip-address cannot contain newlines or special characters"));
                }
                let ip = String::from_utf8_lossy(value).into_owned();
                cx.client_mut().replica.get_or_insert_default().ip = Some(ip);
            }
            // Others may come with later versions.
            b"capa" => {
                let replica = cx.client_mut().replica.get_or_insert_default();
                replica.takes_streams |= value.eq_ignore_ascii_case(b"eof");
                replica.knows_names |= value.eq_ignore_ascii_case(b"psync2");
                replica.ties.redis |= value.eq_ignore_ascii_case(b"rdb-channel-repl");
                replica.ties.valkey |= value.eq_ignore_ascii_case(b"dual-channel");
            }
            b"ack" => {
                note_ack(cx, &args, index);
                return Ok(());
            }
            b"getack" => {
                acks::ack_wanted(cx.server, cx.client);
                return Ok(());
            }
            b"rdb-only" => {
                let only = args.integer_in(index + 1, 0..=1, NOT_A_SWITCH)? == 1;
                cx.client_mut().replica.get_or_insert_default().snapshot_only = only;
            }
            b"rdb-channel" => {
                let apart = args.integer_in(index + 1, 0..=1, NOT_A_SWITCH)? == 1;
                let replica = cx.client_mut().replica.get_or_insert_default();
                if apart != matches!(replica.channel, Channel::Snapshot { .. }) {
                    replica.channel = if apart { Channel::Snapshot { main_id: None } } else { Channel::Only };
                }
            }
            b"main-ch-client-id" => channels::name_main(cx, args.integer(index + 1)?)?,
            b"set-rdb-client-id" => channels::name_snapshot(cx, args.integer(index + 1)?)?,
            b"rdb-filter-only" => filter(cx, value)?,
            b"version" => {
                let unknown = || Error::text([b"ERR Unrecognized version format: ", value].concat());
                let version = valkey_version(value).ok_or_else(unknown)?;
                cx.client_mut().replica.get_or_insert_default().filter.version = Some(version);
            }
            other => {
                return Err(Error::text([b"ERR Unrecognized REPLCONF option: ", other].concat()));
            }
        }
    }
    cx.reply.ok();
    Ok(())
}

fn note_ack(cx: &mut Ctx<'_>, args: &Args<'_>, index: usize) {
    if !cx.client().modes.has(Modes::REPLICA) {
        return;
    }
    let Some(offset) = number::parse_i64(args.get(index + 1)) else { return };
    let log = (args.is(index + 2, "fack")).then(|| args.try_get(index + 3).and_then(number::parse_i64)).flatten();
    primary::note_ack(cx.server, cx.client, offset, log);
}

/// The version of snapshots that a Valkey reads, by its own version.
fn valkey_version(text: &[u8]) -> Option<Version> {
    let mut parts =
        text.split(|byte| *byte == b'.').map(|part| number::parse_i64(part).and_then(|part| u32::try_from(part).ok()));
    let (major, minor) = (parts.next()??, parts.next()??);
    Some(Version::of_server(true, (major, minor)))
}

/// All is left out but what is named.
fn filter(cx: &mut Ctx<'_>, value: &[u8]) -> CmdResult {
    let names = quote::split_args(value).map_err(|_| Error::fixed("ERR Missing rdb-filter-only values"))?;
    let replica = cx.client_mut().replica.get_or_insert_default();
    replica.filter.no_data = true;
    replica.filter.no_functions = true;
    for name in names {
        if !name.eq_ignore_ascii_case(b"functions") {
            return Err(Error::text([b"ERR Unsupported rdb-filter-only option: ", &name[..]].concat()));
        }
        replica.filter.no_functions = false;
    }
    Ok(())
}

fn wait(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if cx.server.is_replica() {
        return Err(Error::fixed(
            "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is \
             configured to be writable (which is not the default) writes to replicas are just local and are not \
             propagated.",
        ));
    }
    let replicas = args.integer(1)?;
    let deadline_ms = args.timeout_ms(2, cx.clock_ms())?;
    let offset = cx.client().last_write_offset;
    let replicas = u32::try_from(replicas.max(0)).unwrap_or(u32::MAX);
    let wanted = Durability { local: 0, replicas, written: 0, offset, shape: ReplyShape::Replicas };
    cx.block_until_durable(&args, wanted, deadline_ms)
}

fn role(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    if let Some(ReplicaOf { host, port }) = cx.server.replica_of() {
        let repl = &cx.server.repl;
        let offset = repl.primary.as_ref().map_or(-1, |primary| primary.offset);
        cx.reply.array(5);
        cx.reply.bulk(b"slave");
        cx.reply.bulk(host.as_bytes());
        cx.reply.integer((*port).into());
        cx.reply.bulk(repl.link.name().as_bytes());
        cx.reply.integer(offset);
        return Ok(());
    }
    let online: Vec<(usize, i64)> = roster::replicas(cx.server)
        .filter(|(_, replica)| replica.is_online())
        .map(|(key, replica)| (key, replica.acked))
        .collect();
    cx.reply.array(3);
    cx.reply.bulk(b"master");
    cx.reply.integer(cx.server.repl.history.offset);
    cx.reply.array(online.len());
    for (key, acked) in online {
        let (ip, port) = roster::address(cx.server, key);
        cx.reply.array(3);
        cx.reply.bulk(ip.as_bytes());
        cx.reply.bulk_int(port.into());
        cx.reply.bulk_int(acked);
    }
    Ok(())
}
