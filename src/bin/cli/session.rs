//! A session: commands sent and their replies printed, over a connection that is made again when it is lost.
//!
//! What a command does to the session follows from its reply: SELECT, MULTI, EXEC, DISCARD and RESET change the prompt,
//! MONITOR and SUBSCRIBE go on until Ctrl-C.

mod kind;
mod redirect;

use std::io;

use oxidis::resp::Value;
use oxidis::tls::Client;

use crate::connection::{Connection, LinkError};
use crate::failure::Failure;
use crate::format::{Style, shown};
use crate::interrupt;
use crate::options::{Options, Resp3};
use crate::output::{print, styled};
use crate::replica;
use crate::transport::{self, reason};
use kind::Kind;
use redirect::Redirect;

/// Redirections of one command that are followed.
const REDIRECTS_MAX: u32 = 16;

/// A session with a server.
#[derive(Debug)]
pub struct Session {
    /// What the user asked for; the database is the one to be selected after connecting.
    pub options: Options,
    /// How to encrypt, if it is to be.
    tls: Option<Client>,
    link: Option<Connection>,
    /// The database of the connection.
    db: i64,
    /// The database that was selected before MULTI, while in a transaction.
    db_before_transaction: Option<i64>,
    /// Commands come from a prompt, so lost connections don't end the client.
    interactive: bool,
    /// The bytes of replies are shown too.
    show_raw: bool,
    /// The server was told to end.
    shutting_down: bool,
    /// Redirections of the command that runs,
    redirects: u32,
    /// and whether the next node is to be told that it was one.
    asking: bool,
}

/// Why a command came to no good end.
#[derive(Debug)]
enum Stop {
    /// There is no connection any more.
    Lost(LinkError),
    /// The server said no, and the user wants to hear no more then.
    Refused,
}

impl From<LinkError> for Stop {
    fn from(error: LinkError) -> Stop {
        Stop::Lost(error)
    }
}

/// What to do after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The reply is printed.
    Done,
    /// There was none, and the user knows why.
    Failed,
}

impl Session {
    /// A session without a connection.
    ///
    /// # Errors
    /// When a file that TLS needs is of no use.
    pub fn new(options: Options) -> Result<Session, Failure> {
        let tls = transport::tls(&options)?;
        Ok(Session {
            options,
            tls,
            link: None,
            db: 0,
            db_before_transaction: None,
            interactive: false,
            show_raw: false,
            shutting_down: false,
            redirects: 0,
            asking: false,
        })
    }

    /// Commands come from a prompt from now on: Ctrl-C comes back to it.
    pub fn make_interactive(&mut self) {
        self.interactive = true;
        interrupt::catch();
    }

    /// A connection for something else than commands.
    ///
    /// # Errors
    /// When there is none, or the server refuses the user, the database or the protocol.
    pub fn into_connection(mut self) -> Result<Connection, Failure> {
        self.connect(true).then_some(()).ok_or(Failure::told())?;
        self.link.ok_or(Failure::told())
    }

    /// The connection, if there is one.
    pub fn link(&mut self) -> Option<&mut Connection> {
        self.link.as_mut()
    }

    /// What stands in front of the cursor.
    pub fn prompt(&self) -> String {
        if self.link.is_none() {
            return "not connected> ".to_owned();
        }
        let db = if self.db == 0 { String::new() } else { format!("[{}]", self.db) };
        let transaction = if self.db_before_transaction.is_some() { "(TX)" } else { "" };
        format!("{}{db}{transaction}> ", self.place())
    }

    /// The server's place, as the prompt shows it.
    pub fn place(&self) -> String {
        let Options { host, port, socket, .. } = &self.options;
        match socket {
            Some(path) => format!("redis {path}"),
            None if host.contains(':') => format!("[{host}]:{port}"),
            None => format!("{host}:{port}"),
        }
    }

    /// Shows the bytes of replies, or no longer; whether it does now.
    pub fn toggle_raw(&mut self) -> bool {
        self.show_raw = !self.show_raw;
        if let Some(link) = &mut self.link {
            link.keep_raw(self.show_raw);
        }
        self.show_raw
    }

    /// Makes a new connection; whether everything about it went well. Says what did not, unless it is to be quiet about
    /// there being no server.
    pub fn connect(&mut self, loud: bool) -> bool {
        self.link = None;
        self.db = 0;
        self.db_before_transaction = None;
        match self.connected() {
            Ok(link) => self.link = Some(link),
            Err(error) => {
                if loud {
                    let Options { host, port, socket, .. } = &self.options;
                    let place = socket.clone().unwrap_or_else(|| format!("{host}:{port}"));
                    eprintln!("Could not connect to Redis at {place}: {}", reason(&error));
                }
                return false;
            }
        }
        self.authenticate() && self.select() && self.switch_protocol()
    }

    fn connected(&self) -> io::Result<Connection> {
        let transport = transport::open(&self.options, self.tls.as_ref())?;
        let mut link = Connection::new(transport);
        if self.interactive {
            link.make_interruptible()?;
        }
        link.keep_raw(self.show_raw);
        Ok(link)
    }

    /// Sends a request of our own. A connection that does not answer it is given up, lest the answer be taken for that
    /// to a later request.
    pub fn ask(&mut self, args: &[&[u8]]) -> Option<Value> {
        let link = self.link.as_mut()?;
        let reply = link.call(args);
        link.take_raw();
        if reply.is_err() {
            self.link = None;
        }
        reply.ok()
    }

    /// Sends a request of our own; an error is told with these words in front.
    fn arrange(&mut self, what: &str, args: &[&[u8]]) -> bool {
        match self.ask(args) {
            None => eprintln!("\nI/O error"),
            Some(reply) => match reply.error() {
                Some(error) => eprintln!("{what} failed: {}", String::from_utf8_lossy(error)),
                None => return true,
            },
        }
        false
    }

    fn authenticate(&mut self) -> bool {
        let Some(password) = self.options.password.clone() else { return true };
        match self.options.user.clone() {
            Some(user) => self.arrange("AUTH", &[b"AUTH", &user, &password]),
            None => self.arrange("AUTH", &[b"AUTH", &password]),
        }
    }

    fn select(&mut self) -> bool {
        let wanted = self.options.db;
        if wanted == self.db {
            return true;
        }
        let selected = self.arrange(&format!("SELECT {wanted}"), &[b"SELECT", wanted.to_string().as_bytes()]);
        if selected {
            self.db = wanted;
        }
        selected
    }

    fn switch_protocol(&mut self) -> bool {
        match self.options.resp3 {
            Resp3::Required if !self.options.resp2 => self.arrange("HELLO 3", &[b"HELLO", b"3"]),
            Resp3::IfPossible if !self.options.resp2 => {
                self.arrange("HELLO 3", &[b"HELLO", b"3"]);
                true
            }
            _ => true,
        }
    }

    /// Runs a command so many times, `None` without end, and prints what the server says.
    pub fn run(&mut self, args: &[Vec<u8>], repeat: Option<u64>) -> Outcome {
        // What was pressed before is none of this command's business.
        interrupt::take();
        if self.link.is_none() && !self.connect(true) {
            return Outcome::Failed;
        }
        match self.repeated(args, repeat) {
            Ok(()) => Outcome::Done,
            Err(Stop::Refused) => Outcome::Failed,
            Err(Stop::Lost(LinkError::Interrupted)) => {
                interrupt::take();
                print("\n");
                self.connect(true);
                Outcome::Failed
            }
            Err(Stop::Lost(error)) => {
                self.link = None;
                if self.shutting_down {
                    self.shutting_down = false;
                    return Outcome::Done;
                }
                eprintln!("Error: {error}");
                Outcome::Failed
            }
        }
    }

    fn repeated(&mut self, args: &[Vec<u8>], mut repeat: Option<u64>) -> Result<(), Stop> {
        let kind = Kind::of(args);
        self.shutting_down = kind == Kind::Shutdown;
        self.redirects = 0;
        while repeat != Some(0) {
            if std::mem::take(&mut self.asking) {
                self.arrange("ASKING", &[b"ASKING"]);
            }
            let link = self.link.as_mut().ok_or(LinkError::Closed)?;
            if kind == Kind::Sync {
                print("Entering replica output mode...  (press Ctrl-C to quit)\n");
                return Ok(replica::follow(link)?);
            }
            link.send(args)?;
            match kind {
                Kind::Monitor => return self.follow().map(|_| ()),
                Kind::Subscribe => {
                    if self.options.layout.style != Style::Raw {
                        print("Reading messages... (press Ctrl-C to quit)\n");
                    }
                    if self.follow()? {
                        continue;
                    }
                }
                Kind::Unsubscribe => {
                    for _ in 1..args.len().max(2) {
                        let reply = self.link.as_mut().ok_or(LinkError::Closed)?.receive()?;
                        self.show(&reply, self.options.layout.reply(&reply));
                        if reply.error().is_some() {
                            break;
                        }
                    }
                }
                _ => {
                    let Some(reply) = self.reply(kind)? else { continue };
                    self.note(kind, args, &reply);
                }
            }
            self.redirects = 0;
            repeat = repeat.map(|left| left - 1);
            if kind == Kind::Subscribe {
                continue;
            }
            if !self.options.interval.is_zero() {
                interrupt::sleep(self.options.interval);
                if interrupt::raised() {
                    return Err(LinkError::Interrupted.into());
                }
            }
        }
        Ok(())
    }

    /// Goes where a reply of a cluster's node sends the client, if that is wanted; whether the command is to be sent
    /// again, to the node where the client is then.
    fn is_sent_on(&mut self, reply: &Value) -> Result<bool, Stop> {
        let found = reply.error().filter(|_| self.options.cluster && self.redirects < REDIRECTS_MAX);
        let Some(Redirect { slot, host, port, asks }) = found.and_then(redirect::read) else { return Ok(false) };
        self.redirects += 1;
        // A node that does not know its address is where it was found.
        if !host.is_empty() {
            self.options.host = host;
        }
        (self.options.port, self.options.socket) = (port, None);
        if self.interactive {
            print(format!("-> Redirected to slot [{slot}] located at {}:{port}\n", self.options.host));
        }
        self.asking = asks;
        if self.connect(true) { Ok(true) } else { Err(Stop::Refused) }
    }

    /// Prints all that comes, until an error does or Ctrl-C is pressed; whether the client was sent elsewhere.
    fn follow(&mut self) -> Result<bool, Stop> {
        loop {
            let reply = self.link.as_mut().ok_or(LinkError::Closed)?.receive()?;
            if self.is_sent_on(&reply)? {
                return Ok(true);
            }
            self.show(&reply, self.options.layout.reply(&reply));
            if reply.error().is_some() {
                return Ok(false);
            }
        }
    }

    /// Waits for the reply to a command, and prints it and the pushes in front of it; none where that was to go
    /// elsewhere.
    fn reply(&mut self, kind: Kind) -> Result<Option<Value>, Stop> {
        loop {
            let reply = self.link.as_mut().ok_or(LinkError::Closed)?.receive()?;
            if let Value::Push(_) = reply {
                if self.options.show_pushes {
                    self.show(&reply, self.options.layout.push(&reply));
                }
                continue;
            }
            if self.is_sent_on(&reply)? {
                return Ok(None);
            }
            if let (Some(error), false, true) = (reply.error(), self.interactive, self.options.error_exit) {
                eprintln!("{}", String::from_utf8_lossy(error));
                return Err(Stop::Refused);
            }
            let layout = &self.options.layout;
            let text = if kind == Kind::Text { layout.text(&reply) } else { layout.reply(&reply) };
            self.show(&reply, text);
            return Ok(Some(reply));
        }
    }

    fn show(&mut self, reply: &Value, text: Vec<u8>) {
        let mut out = Vec::new();
        if let (true, Some(link)) = (self.show_raw, &mut self.link) {
            let raw = shown(&link.take_raw());
            out.extend_from_slice(styled("90", &raw).as_bytes());
            out.push(b'\n');
        }
        let error = self.options.layout.style == Style::Human && reply.error().is_some();
        match (error, String::from_utf8(text)) {
            (true, Ok(text)) if self.interactive => {
                out.extend_from_slice(styled("31", text.trim_end_matches('\n')).as_bytes());
                out.push(b'\n');
            }
            (_, Ok(text)) => out.extend_from_slice(text.as_bytes()),
            (_, Err(text)) => out.extend_from_slice(text.as_bytes()),
        }
        print(out);
    }

    /// Follows what the command has changed about the connection.
    fn note(&mut self, kind: Kind, args: &[Vec<u8>], reply: &Value) {
        let failed = reply.error().is_some();
        match kind {
            Kind::Select if !failed => self.set_db(args.get(1).map_or(0, |db| leading_number(db))),
            Kind::Authenticate => {
                if let (false, [_, user @ .., password]) = (failed, args) {
                    // So that the next connection is let in, too.
                    self.options.user = user.first().cloned();
                    self.options.password = Some(password.clone());
                }
                self.select();
            }
            Kind::Hello if !failed => match args.get(1).map(Vec::as_slice) {
                Some(b"3") => (self.options.resp2, self.options.resp3) = (false, Resp3::Required),
                Some(b"2") => self.options.resp3 = Resp3::No,
                _ => {}
            },
            Kind::Multi if !failed => self.db_before_transaction = Some(self.db),
            Kind::Exec => {
                if let Some(before) = self.db_before_transaction.take()
                    && (failed || reply.is_null())
                {
                    self.set_db(before);
                }
            }
            Kind::Discard if !failed => {
                if let Some(before) = self.db_before_transaction.take() {
                    self.set_db(before);
                }
            }
            Kind::Reset if !failed => {
                self.db_before_transaction = None;
                self.set_db(0);
                self.options.resp3 = Resp3::No;
            }
            _ => {}
        }
    }

    fn set_db(&mut self, db: i64) {
        self.db = db;
        self.options.db = db;
    }
}

/// The number a text begins with, as the server reads it.
fn leading_number(text: &[u8]) -> i64 {
    let text = String::from_utf8_lossy(text);
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end).and_then(|digits| digits.parse().ok()).unwrap_or(0)
}
