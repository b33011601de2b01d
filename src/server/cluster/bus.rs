//! The bus: links taken in and begun, messages read and sent, on the same loop as all else.
//!
//! What comes is told to the rules at once ([`event::with`]). What they want done waits until the loop is about to wait
//! ([`super::act::settle`]): then `nodes.conf` is written first, so that no message promises what a crash would undo, and the rest
//! follows in order.

use std::io;
use std::net::{IpAddr, SocketAddr};

use mio::net::TcpStream;

use super::wires::{Came, Over, Wire};
use super::{conf, event};
use crate::config::TlsAuthClients;
use crate::net::listeners::Transport;
use crate::net::socket::Socket;
use crate::net::tls::Session;
use crate::peers::cluster::State;
use crate::peers::cluster::link::Ends;
use crate::peers::cluster::message::Packet;
use crate::peers::cluster::message::decode::{MESSAGE_BYTES_MAX, STRANGER_BYTES_MAX, decode, kind};
use crate::peers::cluster::node::{LinkId, NodeKey};
use crate::peers::cluster::outbox::Action;
use crate::peers::cluster::rules::TICK_MS;
use crate::server::Server;
use crate::server::persistence::load_state::Place;
use crate::server::replication::connect;

/// Listens for other nodes, if this is one.
///
/// # Errors
/// When that cannot be done: the text for the log.
pub fn listen(server: &mut Server) -> Result<(), String> {
    if server.cluster.is_none() {
        return Ok(());
    }
    if server.config.bind.is_empty() {
        return Err("No bind address is configured, but it is required for the Cluster bus.".to_owned());
    }
    server.listeners.open_tcp(&server.config, Transport::Bus).map_err(|error| error.0)
}

/// When the next round of the rules is due, in Unix milliseconds.
pub fn next_ms(server: &Server) -> Option<i64> {
    let now_ms = server.clock.unix_ms();
    server.cluster.as_ref().map(|_| server.bus.next_tick_ms.min(now_ms + TICK_MS))
}

/// A round of the rules, if one is due.
pub fn tick(server: &mut Server) {
    let now_ms = server.clock.unix_ms();
    let waits = (1..=TICK_MS).contains(&(server.bus.next_tick_ms - now_ms));
    if server.cluster.is_none() || waits || server.cron.paused || is_starting(server) {
        return;
    }
    server.bus.next_tick_ms = now_ms + TICK_MS;
    event::with(server, State::tick);
}

/// A node whose data is not there yet has nothing to say, but for a replica that gets new data.
fn is_starting(server: &Server) -> bool {
    server.loading.as_ref().is_some_and(|loading| matches!(loading.place, Place::Start { .. }))
}

/// Another node has begun a link.
pub fn accept(server: &mut Server, stream: TcpStream) {
    if server.cluster.is_none() || is_starting(server) {
        return;
    }
    let keepalive_s = u32::try_from(server.config.cluster_node_timeout_ms / 1000 * 2).unwrap_or(0);
    let socket = match &server.tls {
        // Both ends show who they are.
        Some(tls) if server.config.tls_cluster => {
            tls.accept(stream, TlsAuthClients::Yes).map(|session| Socket::Tls(Box::new(session)))
        }
        _ => Ok(Socket::Tcp(stream)),
    };
    let wire = socket.and_then(|socket| {
        socket.tune(keepalive_s, 3)?;
        Ok(Wire::new(socket, false))
    });
    let mut wire = match wire {
        Ok(wire) => wire,
        Err(error) => return log::debug!("Error accepting cluster node connection: {error}"),
    };
    let (peer_ip, own_ip) = wire.ips().unzip();
    log::debug!("Accepting cluster node connection from {}", peer_ip.as_deref().unwrap_or_default());
    let ends = Ends { peer_ip, own_ip };
    let Some(link) = event::with(server, |state, moment| state.accepted(ends, moment.now_ms)) else { return };
    match wire.register(server.listeners.registry(), link) {
        Ok(()) => _ = server.bus.wires.insert(link, wire),
        Err(error) => lose(server, link, &error.into()),
    }
}

/// Begins a link to a node.
fn begin(server: &mut Server, link: LinkId, key: NodeKey) {
    let address = server.cluster.as_ref().and_then(|cluster| cluster.node(key)).map(|node| node.address.clone());
    let wire = address.ok_or(io::Error::from(io::ErrorKind::NotFound)).and_then(|address| {
        let ip: IpAddr = address.ip.parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let address = SocketAddr::new(ip, address.bus_port);
        let stream = connect::open(address, server.config.bind_source_addr.as_deref())?;
        let socket = match &server.tls {
            Some(tls) if server.config.tls_cluster => {
                Socket::Tls(Box::new(Session::connect(stream, address, tls.client_config())?))
            }
            _ => Socket::Tcp(stream),
        };
        let mut wire = Wire::new(socket, true);
        wire.register(server.listeners.registry(), link)?;
        Ok(wire)
    });
    match wire {
        Ok(wire) => _ = server.bus.wires.insert(link, wire),
        Err(error) => lose(server, link, &error.into()),
    }
}

/// A link is over.
fn lose(server: &mut Server, link: LinkId, over: &Over) {
    match over {
        Over::Socket(error) => log::debug!("I/O error on a link of the cluster bus: {error}"),
        Over::Invalid(invalid) => log::warn!("{}", invalid.0),
    }
    drop_link(server, link);
}

/// Ends a link, and tells the rules.
pub fn drop_link(server: &mut Server, link: LinkId) {
    hang_up(server, link);
    event::with(server, |state, moment| state.closed(link, moment.now_ms));
}

fn hang_up(server: &mut Server, link: LinkId) {
    if let Some(wire) = server.bus.wires.remove(&link) {
        wire.close(server.listeners.registry());
    }
}

/// The socket of a link is ready for something.
pub fn ready(server: &mut Server, link: LinkId) {
    let Some(wire) = server.bus.wires.get_mut(&link) else { return };
    let is_known =
        server.cluster.as_ref().is_some_and(|state| state.links().get(&link).is_some_and(|link| link.node.is_some()));
    match wire.advance(if is_known { MESSAGE_BYTES_MAX } else { STRANGER_BYTES_MAX }) {
        Ok(mut came) => {
            let ended = came.ended.take();
            take_in(server, link, came);
            if let Some(error) = ended {
                lose(server, link, &error.into());
            }
        }
        Err(over) => lose(server, link, &over),
    }
}

/// Tells the rules what came.
fn take_in(server: &mut Server, link: LinkId, came: Came) {
    if came.more {
        server.bus.read_on.push(link);
    }
    if came.opened {
        event::with(server, |state, moment| {
            let is_own = state.links().get(&link).is_some_and(|link| !link.inbound);
            if is_own {
                state.connected(link, moment);
            }
        });
    }
    for bytes in came.messages {
        let kind = kind(&bytes);
        if let Some((kind, cluster)) = kind.zip(server.cluster.as_deref_mut()) {
            cluster.counters.bytes_received[kind as usize] += bytes.len() as u64;
        }
        match decode(&bytes) {
            Ok(packet) => _ = event::with(server, |state, moment| state.receive(link, packet, moment)),
            Err(invalid) => {
                log::warn!("{}", invalid.0);
                // It has been received all the same.
                if let Some((kind, cluster)) = kind.zip(server.cluster.as_deref_mut()) {
                    cluster.counters.received[kind as usize] += 1;
                }
            }
        }
    }
}

/// Goes on with links whose sockets were not emptied.
pub fn read_on(server: &mut Server) {
    for link in std::mem::take(&mut server.bus.read_on) {
        ready(server, link);
    }
}

/// While a script runs too long: links are served, so that this node is not taken for failed; what else is wanted waits.
pub fn serve_while_busy(server: &mut Server) {
    let links: Vec<LinkId> = server.bus.wires.keys().copied().collect();
    links.into_iter().for_each(|link| ready(server, link));
    let Some(actions) = due(server) else { return };
    let (links, others): (Vec<Action>, Vec<Action>) = actions
        .into_iter()
        .partition(|action| matches!(action, Action::Send { .. } | Action::Connect { .. } | Action::Close(_)));
    links.into_iter().for_each(|action| act_on_link(server, action));
    if let Some(cluster) = &mut server.cluster {
        cluster.outbox.actions.splice(0..0, others);
    }
}

/// What the rules want done by now, with `nodes.conf` written; `None` for nothing.
pub fn due(server: &mut Server) -> Option<Vec<Action>> {
    let actions = event::with(server, |state, moment| {
        if state.awaits_primary_offset() {
            state.look_at_manual_failover();
        }
        state.settle(moment);
        state.outbox.take_actions()
    })?;
    save(server);
    (!actions.is_empty()).then_some(actions)
}

/// Writes `nodes.conf` if what it says has changed. A node that cannot keep its promises ends.
pub fn save(server: &mut Server) {
    if let Err(error) = conf::save_if_due(server) {
        log::error!("{error}");
        crate::server::persistence::aof_write::end(server);
        std::process::exit(1);
    }
}

/// Does something with links.
pub fn act_on_link(server: &mut Server, action: Action) {
    match action {
        Action::Send { to, packet } => send(server, &to, &packet),
        Action::Connect { link, node } => begin(server, link, node),
        Action::Close(link) => hang_up(server, link),
        _ => {}
    }
}

fn send(server: &mut Server, to: &[LinkId], packet: &Packet) {
    let bytes = packet.encode();
    let limit = server.config.cluster_link_sendbuf_limit;
    for link in to {
        let Some(wire) = server.bus.wires.get_mut(link) else { continue };
        wire.push(&bytes);
        let flushed = wire.flush();
        let waiting = wire.output_bytes().0 as u64;
        if let Some(cluster) = &mut server.cluster {
            let kind = packet.body().kind() as usize;
            cluster.counters.sent[kind] += 1;
            cluster.counters.bytes_sent[kind] += bytes.len() as u64;
        }
        if let Err(error) = flushed {
            lose(server, *link, &error.into());
        } else if limit > 0 && waiting > limit {
            drop_over_limit(server, *link, waiting);
        }
    }
}

fn drop_over_limit(server: &mut Server, link: LinkId, waiting: u64) {
    if let Some(cluster) = &mut server.cluster {
        let info = cluster.links().get(&link);
        let direction = if info.is_some_and(|info| info.inbound) { "from" } else { "to" };
        let node = info.and_then(|info| cluster.node(info.node?)).map(|node| node.id.to_string()).unwrap_or_default();
        log::warn!(
            "Freeing cluster link({direction} node {node}, used memory: {waiting}) due to exceeding send buffer memory \
             limit."
        );
        cluster.counters.links_over_limit += 1;
    }
    drop_link(server, link);
}
