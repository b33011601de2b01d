//! Connections taken in and closed: the one place for either.

use std::net::IpAddr;

use mio::Token;

use crate::client::acl::UserId;
use crate::client::{Client, Modes};
use crate::net::ClientKey;
use crate::net::connection::Connection;
use crate::net::listeners::{Accepted, Transport};
use crate::net::socket::Socket;
use crate::server::Server;
use crate::server::clients::users;
use crate::server::cluster::bus;
use crate::server::web;

/// The one place where connections are closed.
pub fn close(server: &mut Server, clients: Vec<ClientKey>) {
    for key in clients {
        crate::server::clients::disconnect::unlink_client(server, key);
        if let Some(mut client) = server.clients.remove(key) {
            client.connection.close(server.listeners.registry());
        }
    }
}

/// Closes the connections of replicas that are to go.
pub fn close_doomed_replicas(server: &mut Server) {
    let doomed = server.clients.take_doomed_replicas();
    close(server, doomed);
}

/// Takes a new connection in, or says why not.
pub fn accept_client(server: &mut Server, accepted: Accepted) {
    let opened = match accepted {
        Accepted::Tcp(stream, Transport::Metrics) => return web::connections::accept(server, stream),
        Accepted::Tcp(stream, Transport::Bus) => return bus::accept(server, stream),
        Accepted::Tcp(stream, Transport::Plain) => Some((Socket::Tcp(stream), None)),
        Accepted::Tcp(stream, Transport::Tls) => {
            server.begin_tls(stream).map(|session| (Socket::Tls(Box::new(session)), None))
        }
        Accepted::Unix(stream, path) => Some((Socket::Unix(stream), Some(path))),
    };
    server.stats.connections += 1;
    let Some((mut socket, unix_path)) = opened else { return };
    let has_priority =
        peer_ip(&socket).is_some_and(|ip| server.config.priority_subnets.iter().any(|net| net.contains(ip)));
    if is_full(server, has_priority) {
        server.stats.rejected_connections += 1;
        socket.write(b"-ERR max number of clients reached\r\n").ok();
        return;
    }
    if let Err(error) = socket.tune(server.config.tcp_keepalive, server.config.tcp_keepalive_probes) {
        log::debug!("Setting up a client socket: {error}");
    }
    let id = server.clients.next_id();
    let connection = Connection::new(socket, unix_path);
    let key = server.clients.insert(Client::new(id, connection, server.clock.unix_ms()));
    let modes = server.acl.modes_at_first();
    let client = server.clients.at_mut(key);
    client.modes = modes;
    client.modes.set(Modes::HANDSHAKE, !client.connection.socket().is_established());
    client.has_priority = has_priority;
    server.clients.with_priority += usize::from(has_priority);
    let client = server.clients.at_mut(key);
    if let Err(error) = client.connection.register(server.listeners.registry(), Token(key)) {
        log::warn!("Registering a client socket: {error}");
        server.clients.remove(key);
        return;
    }
    log::debug!("Accepted {}", client.connection.peer_name());
    let protected = server.config.protected_mode && server.acl.user(UserId::DEFAULT).no_password;
    if protected && !client.connection.peer_is_local() {
        client.output.raw(PROTECTED_MODE);
        client.close_after_reply();
        server.clients.flush_later(key);
        server.stats.rejected_connections += 1;
    }
}

/// Lets a client that has finished its TLS handshake in, as the user whom its certificate may name.
#[cold]
pub fn finish_handshake(server: &mut Server, key: ClientKey) {
    let client = server.clients.at_mut(key);
    if client.modes.has(Modes::HANDSHAKE) && client.connection.socket().is_established() {
        client.modes.set(Modes::HANDSHAKE, false);
        users::log_in_by_certificate(server, key);
    }
}

fn peer_ip(socket: &Socket) -> Option<IpAddr> {
    socket.addresses().map(|(peer, _)| peer.ip().to_canonical())
}

/// Whether there is no place for another client. Some places are kept for clients from `priority-subnets`.
fn is_full(server: &Server, has_priority: bool) -> bool {
    let config = &server.config;
    let (max, connected) = (config.maxclients as usize, server.clients.len());
    if connected >= max || has_priority || config.priority_subnets.is_empty() || config.maxclients_reserved == 0 {
        return connected >= max;
    }
    let others = connected - server.clients.with_priority;
    others >= max.saturating_sub(config.maxclients_reserved as usize)
}

const PROTECTED_MODE: &[u8] = b"-DENIED Redis is running in protected mode because protected mode is enabled and no \
password is set for the default user. In this mode connections are only accepted from the loopback interface. If you \
want to connect from external computers to Redis you may adopt one of the following solutions: 1) Just disable \
protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis \
from the same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do \
so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by \
editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the server. \
3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. 4) Set up an \
authentication password for the default user. NOTE: You only need to do one of the above things in order for the \
server to start accepting connections from the outside.\r\n";
