//! For unit tests of commands: a server without an event loop and one client, whose replies and
//! propagated requests can be looked at.

use super::Server;
use super::effects::Observers;
use super::execution::row::Rows;
use super::execution::{Ctx, process};
use super::scripting::host::HOST;
use crate::client::Client;
use crate::command::Args;
use crate::commands::FAMILIES;
use crate::config::Config;
use crate::db::Databases;
use crate::net::ClientKey;
use crate::net::connection::Connection;
use crate::net::listeners::Listeners;
use crate::net::socket::Socket;
use crate::resp::Protocol;
use crate::resp::reply::Reply;
use crate::resp::request::OwnedRequest;

/// An array of the words of a text, as it is answered.
pub fn bulks(words: &str) -> String {
    let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
    let texts: Vec<String> = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    format!("*{}\r\n{}", words.len(), texts.concat())
}

/// The server.
pub struct Testbed {
    /// Its databases.
    pub db: Databases,
    /// All else.
    pub server: Server,
    /// The protocol of replies; RESP2 at first.
    pub protocol: Protocol,
    client: ClientKey,
}

impl Testbed {
    /// A server with default directives, but no rules for saving, that propagates what it does.
    pub fn new() -> Testbed {
        let poll = mio::Poll::new().expect("an event loop");
        let registry = poll.registry().try_clone().expect("a registry");
        // Nothing is to be saved where the tests run.
        let config = Config { save: Vec::new(), ..Config::default() };
        let mut server = Server::new(config, Rows::new(FAMILIES), Listeners::new(registry), HOST);
        server.config_changed();
        server.observers.set(Observers::PROPAGATE, true);
        server.propagation_tap = Some(Vec::new());
        let (socket, _) = mio::net::UnixStream::pair().expect("a pair of sockets");
        let id = server.clients.next_id();
        let client = Client::new(id, Connection::new(Socket::Unix(socket), None), server.clock.unix_ms());
        let client = server.clients.insert(client);
        Testbed { db: Databases::new(16), server, protocol: Protocol::Resp2, client }
    }

    /// Runs a command, given as words with blanks between them; its reply as it is sent.
    pub fn run(&mut self, command: &str) -> String {
        let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
        self.run_words(&words)
    }

    /// Runs a command, given word by word; its reply as it is sent.
    pub fn run_words<T: AsRef<[u8]>>(&mut self, words: &[T]) -> String {
        let request = OwnedRequest::of(words);
        let view = request.view();
        let id = self.server.commands.resolve(&view);
        let mut reply = Reply::new(self.protocol);
        let (db, server, client) = (&mut self.db, &mut self.server, self.client);
        server.current = Some(client);
        let mut cx = Ctx { db, server, reply: &mut reply, client, command: id.unwrap_or_default() };
        process::process(&mut cx, id, Args::from(view));
        String::from_utf8_lossy(&reply.to_vec()).into_owned()
    }

    /// Runs a command and returns what it has propagated, a line per request.
    pub fn propagated(&mut self, command: &str) -> Vec<String> {
        let words: Vec<&str> = command.split(' ').collect();
        self.propagated_words(&words)
    }

    /// Likewise for a command given word by word.
    pub fn propagated_words(&mut self, words: &[&str]) -> Vec<String> {
        self.server.propagation_tap = Some(Vec::new());
        self.run_words(words);
        let requests = self.server.propagation_tap.take().unwrap_or_default();
        let line = |request: &OwnedRequest| {
            let view = request.view();
            let words: Vec<_> = (0..view.len()).map(|index| String::from_utf8_lossy(view.get(index))).collect();
            words.join(" ")
        };
        requests.iter().flatten().map(|(_, request)| line(request)).collect()
    }
}
