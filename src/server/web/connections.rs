//! HTTP connections: taken in, looked after, closed.

use mio::Token;
use mio::net::TcpStream;

use super::routes;
use super::state::Asker;
use crate::net::http::exchange::{Exchange, Step};
use crate::net::http::response::Status;
use crate::net::socket::Socket;
use crate::net::tokens::{HTTP_CONNECTIONS_MAX, HTTP_FIRST_TOKEN};
use crate::server::Server;

/// Takes a connection in. When there are too many, one goes that only waits for a further request, or else it itself.
pub fn accept(server: &mut Server, stream: TcpStream) {
    let socket = match server.config.metrics_tls {
        true => match server.begin_tls(stream) {
            Some(session) => Socket::Tls(Box::new(session)),
            None => return,
        },
        false => Socket::Tcp(stream),
    };
    if server.web.exchanges.len() >= HTTP_CONNECTIONS_MAX {
        let idle = server.web.exchanges.iter().filter(|(_, exchange)| exchange.is_idle());
        match idle.min_by_key(|(_, exchange)| exchange.id).map(|(place, _)| place) {
            Some(place) => close(server, place),
            None => {
                log::debug!("Too many HTTP connections");
                return;
            }
        }
    }
    if let Err(error) = socket.tune(server.config.tcp_keepalive, server.config.tcp_keepalive_probes) {
        log::debug!("Setting up an HTTP socket: {error}");
    }
    let now_ms = server.clock.unix_ms();
    let web = &mut server.web;
    web.last_id += 1;
    let place = web.exchanges.insert(Exchange::new(web.last_id, socket, now_ms));
    let token = Token(HTTP_FIRST_TOKEN + place);
    if let Err(error) = web.exchanges[place].register(server.listeners.registry(), token) {
        log::warn!("Registering an HTTP socket: {error}");
        web.exchanges.remove(place);
    }
}

/// Goes on with the connection of a token, which its socket has told something of.
pub fn ready(server: &mut Server, token: usize) {
    advance(server, token - HTTP_FIRST_TOKEN);
}

/// Reads, answers and writes until the connection has to wait for something.
pub fn advance(server: &mut Server, place: usize) {
    let now_ms = server.clock.unix_ms();
    loop {
        let Some(exchange) = server.web.exchanges.get_mut(place) else { return };
        let id = exchange.id;
        match exchange.advance(now_ms) {
            Step::Wait => return,
            Step::Close => return close(server, place),
            Step::Asked(request) => routes::answer(server, Asker { place, id }, &request),
            Step::Refused(status) => routes::refuse(server, Asker { place, id }, status),
        }
    }
}

/// Ends the connections whose time is over.
pub fn close_overdue(server: &mut Server) {
    let now_ms = server.clock.unix_ms();
    let overdue = server.web.exchanges.iter().filter(|(_, exchange)| exchange.is_overdue(now_ms));
    let places: Vec<(usize, u64, bool)> =
        overdue.map(|(place, exchange)| (place, exchange.id, exchange.has_begun())).collect();
    for (place, id, has_begun) in places {
        if has_begun {
            routes::refuse(server, Asker { place, id }, Status::TimedOut);
            advance(server, place);
        } else {
            close(server, place);
        }
    }
}

/// Closes a connection.
pub fn close(server: &mut Server, place: usize) {
    if let Some(mut exchange) = server.web.exchanges.try_remove(place) {
        exchange.close(server.listeners.registry());
    }
}

/// Closes all of them.
pub fn close_all(server: &mut Server) {
    let places: Vec<usize> = server.web.exchanges.iter().map(|(place, _)| place).collect();
    places.into_iter().for_each(|place| close(server, place));
}
