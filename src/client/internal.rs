//! A client without a connection, for commands that come from the server's own sources: see
//! `server::clients::internal`.

use super::{Client, Modes};
use crate::net::connection::Connection;
use crate::net::socket::Socket;

/// A client of the server's own. It is among the others only while it is at work, so nobody else gets to see it.
#[derive(Debug)]
pub struct Internal {
    /// It, while it is not among the others.
    pub client: Option<Box<Client>>,
}

impl Internal {
    /// A client that has selected database 0, made at `now_ms`.
    pub fn new(now_ms: i64) -> Internal {
        Internal { client: Some(Box::new(client(0, now_ms))) }
    }

    /// Whether a transaction is open.
    pub fn is_in_transaction(&self) -> bool {
        self.client.as_ref().is_some_and(|client| client.transaction.is_some())
    }
}

/// A client without a connection.
pub fn client(id: u64, now_ms: i64) -> Client {
    let mut client = Client::new(id, Connection::new(Socket::Nowhere, None), now_ms);
    client.modes.set(Modes::INTERNAL, true);
    client
}
