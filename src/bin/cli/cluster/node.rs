//! Connections to nodes.

use std::net::{IpAddr, ToSocketAddrs};

use oxidis::resp::Value;
use oxidis::tls::Client;

use super::member::{self, Member};
use super::stop::{Cause, NodeError, Stop};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::options::Options;
use crate::transport::{self, reason};

/// Requests that are sent together.
const BATCH: usize = 1000;

/// How to reach nodes: the options, with another place for each.
#[derive(Debug)]
pub struct Dialer {
    options: Options,
    tls: Option<Client>,
}

impl Dialer {
    /// # Errors
    /// When a file that TLS needs is of no use.
    pub fn new(options: &Options) -> Result<Dialer, Failure> {
        let tls = transport::tls(options)?;
        Ok(Dialer { options: Options { socket: None, ..options.clone() }, tls })
    }

    /// Connects.
    ///
    /// # Errors
    /// When nobody is there.
    pub fn reach(&self, host: &str, port: u16) -> Result<Connection, Stop> {
        let options = Options { host: host.to_owned(), port, ..self.options.clone() };
        let stream = transport::open(&options, self.tls.as_ref());
        let told = |error| Stop::failure(format!("Could not connect to Redis at {host}:{port}: {}", reason(&error)));
        stream.map(Connection::new).map_err(told)
    }

    /// Connects to a node and is let in.
    ///
    /// # Errors
    /// When nobody is there, or the node refuses the user.
    pub fn node(&self, host: &str, port: u16) -> Result<Node, Stop> {
        let member = Member { host: host.to_owned(), port, ..Member::default() };
        let mut node = Node { member, replicas: 0, announced: None, link: self.reach(host, port)? };
        if self.options.password.is_some() {
            let credentials = self.credentials("AUTH", "AUTH");
            node.call(&credentials)?;
        }
        Ok(node)
    }

    /// The words that let in whoever sends them, behind one of two words: for a password alone, or for a user too.
    pub fn credentials(&self, password_alone: &str, with_user: &str) -> Vec<Vec<u8>> {
        match (&self.options.user, &self.options.password) {
            (_, None) => Vec::new(),
            (None, Some(password)) => vec![password_alone.into(), password.clone()],
            (Some(user), Some(password)) => vec![with_user.into(), user.clone(), password.clone()],
        }
    }
}

/// A node and the connection to it.
#[derive(Debug)]
pub struct Node {
    /// What it says about itself, at the place where we found it.
    pub member: Member,
    /// How many nodes replicate it.
    pub replicas: usize,
    /// Where other nodes find it, if it knows.
    announced: Option<(String, u16)>,
    link: Connection,
}

impl Node {
    /// Sends a command and waits for its reply.
    ///
    /// # Errors
    /// An error that the node replies with, or a lost connection.
    pub fn call<I>(&mut self, args: I) -> Result<Value, NodeError>
    where
        I: IntoIterator<Item: AsRef<[u8]>, IntoIter: ExactSizeIterator>,
    {
        let reply = self.link.call(args).map_err(|error| self.error(Cause::Lost(error)))?;
        self.accepted(reply)
    }

    /// The same for a command whose reply, an error too, is taken as it is.
    ///
    /// # Errors
    /// A lost connection.
    pub fn reply_to(&mut self, args: &[Vec<u8>]) -> Result<Value, NodeError> {
        self.link.call(args).map_err(|error| self.error(Cause::Lost(error)))
    }

    /// The text that a command replies with.
    ///
    /// # Errors
    /// As [`call`](Node::call).
    pub fn text(&mut self, args: &[&str]) -> Result<String, NodeError> {
        let reply = self.call(args)?;
        reply.bytes().map(|text| String::from_utf8_lossy(text).into_owned()).ok_or_else(|| self.unexpected())
    }

    /// The number that a command replies with.
    ///
    /// # Errors
    /// As [`call`](Node::call).
    pub fn number(&mut self, args: &[&str]) -> Result<u64, NodeError> {
        let reply = self.call(args)?;
        self.count(&reply)
    }

    /// How many keys it has in each of these slots.
    ///
    /// # Errors
    /// As [`call`](Node::call).
    pub fn keys_in_slots(&mut self, slots: &[u16]) -> Result<Vec<u64>, NodeError> {
        let mut counts = Vec::with_capacity(slots.len());
        for batch in slots.chunks(BATCH) {
            for slot in batch {
                self.link.queue(["CLUSTER", "COUNTKEYSINSLOT", &slot.to_string()]);
            }
            self.link.flush().map_err(|error| self.error(Cause::Lost(error)))?;
            for _ in batch {
                let reply = self.link.reply().map_err(|error| self.error(Cause::Lost(error)))?;
                let reply = self.accepted(reply)?;
                counts.push(self.count(&reply)?);
            }
        }
        Ok(counts)
    }

    /// Some keys of a slot.
    ///
    /// # Errors
    /// As [`call`](Node::call).
    pub fn keys_of_slot(&mut self, slot: u16, most: usize) -> Result<Vec<Vec<u8>>, NodeError> {
        let reply = self.call(["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), &most.to_string()])?;
        let keys = reply.elements().ok_or_else(|| self.unexpected())?;
        let key = |key: &Value| key.bytes().map(<[u8]>::to_vec);
        keys.into_iter().map(key).collect::<Option<_>>().ok_or_else(|| self.unexpected())
    }

    /// Whether it is a node of a cluster at all.
    ///
    /// # Errors
    /// As [`call`](Node::call).
    pub fn is_of_cluster(&mut self) -> Result<bool, NodeError> {
        Ok(field(&self.text(&["INFO"])?, "cluster_enabled") == Some("1"))
    }

    /// Whether it has no keys and knows no other nodes.
    ///
    /// # Errors
    /// As [`call`](Node::call).
    pub fn is_empty(&mut self) -> Result<bool, NodeError> {
        let has_keys = field(&self.text(&["INFO", "keyspace"])?, "db0").is_some();
        Ok(!has_keys && field(&self.text(&["CLUSTER", "INFO"])?, "cluster_known_nodes") == Some("1"))
    }

    /// What it knows about all nodes.
    ///
    /// # Errors
    /// As [`call`](Node::call).
    pub fn members(&mut self) -> Result<Vec<Member>, NodeError> {
        let text = self.text(&["CLUSTER", "NODES"])?;
        member::read(&text).ok_or_else(|| self.unexpected())
    }

    /// Learns what it says about itself; what it says about the others.
    ///
    /// # Errors
    /// As [`call`](Node::call).
    pub fn load(&mut self) -> Result<Vec<Member>, NodeError> {
        let mut members = self.members()?;
        let own = members.iter().position(|member| member.is("myself")).ok_or_else(|| self.unexpected())?;
        let own = members.remove(own);
        self.announced = (!own.host.is_empty()).then(|| (own.host.clone(), own.port));
        let (host, port) = (std::mem::take(&mut self.member.host), self.member.port);
        self.member = Member { host, port, ..own };
        Ok(members)
    }

    /// Where other nodes find it. We may have found it under a name or an address that means another machine there.
    pub fn place_for_nodes(&self) -> (String, u16) {
        self.announced.clone().unwrap_or_else(|| (self.member.host.clone(), self.member.port))
    }

    /// `host:port`
    pub fn place(&self) -> String {
        self.member.place()
    }

    pub fn id(&self) -> &str {
        &self.member.id
    }

    /// The lines of a listing, each this many blanks further in.
    pub fn summary(&self, indent: usize) -> String {
        self.member.summary(indent, self.replicas)
    }

    /// The connection, for something else than commands.
    pub fn into_link(self) -> Connection {
        self.link
    }

    fn accepted(&self, reply: Value) -> Result<Value, NodeError> {
        match reply.error() {
            Some(error) => Err(self.refused(error)),
            None => Ok(reply),
        }
    }

    /// It has replied with an error.
    pub fn refused(&self, error: &[u8]) -> NodeError {
        self.error(Cause::Refused(String::from_utf8_lossy(error).into_owned()))
    }

    fn count(&self, reply: &Value) -> Result<u64, NodeError> {
        match reply {
            Value::Integer(number) => u64::try_from(*number).map_err(|_| self.unexpected()),
            _ => Err(self.unexpected()),
        }
    }

    fn error(&self, cause: Cause) -> NodeError {
        NodeError { place: self.place(), cause }
    }

    /// The reply has another form than that of Redis.
    pub fn unexpected(&self) -> NodeError {
        self.error(Cause::Unexpected)
    }
}

/// The value of a line `name:value`.
pub fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let value = |line: &'a str| line.split_once(':').filter(|(own, _)| *own == name).map(|(_, value)| value.trim());
    text.lines().find_map(value)
}

/// The address of a host, which CLUSTER MEET needs instead of its name.
///
/// # Errors
/// When there is no such host.
pub fn address_of(host: &str) -> Result<String, Stop> {
    if host.parse::<IpAddr>().is_ok() {
        return Ok(host.to_owned());
    }
    let address = (host, 0).to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
    let unknown = || Stop::failure(format!("Invalid IP address or hostname specified: {host}"));
    address.map(|address| address.ip().to_string()).ok_or_else(unknown)
}
