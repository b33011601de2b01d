//! Blocking with commands made for the purpose, over a server without sockets' traffic: requests are handed to the
//! pipeline, and outputs are looked at where they collect.

use std::os::unix::net::UnixStream;

use mio::Poll;

use crate::client::{Client, Modes};
use crate::command::Args;
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::config::Config;
use crate::db::{Databases, Expiry, StringRef};
use crate::net::ClientKey;
use crate::net::connection::Connection;
use crate::net::listeners::Listeners;
use crate::net::socket::Socket;
use crate::resp::request::OwnedRequest;
use crate::server::effects::Event;
use crate::server::event_loop::pipeline::Pipeline;
use crate::server::execution::row::Rows;
use crate::server::execution::{Command, Ctx};
use crate::server::scripting::host::HOST;
use crate::server::{Server, cron};

const KEY: Keys = Keys::at(1, Access::RW);

/// `TAKE key [key ...] seconds` waits for a string and removes it; `MOVE from to seconds` renames it; `ADD key value`
/// creates one.
const FAMILY: &[Command] = &[
    Command::new("take", Arity::at_least(3), take).flags(&[WRITE, BLOCKING]).keys(&[KEY]),
    Command::new("shift", Arity::exactly(4), shift).flags(&[WRITE, BLOCKING]).keys(&[KEY]),
    Command::new("add", Arity::exactly(3), add).flags(&[WRITE]).keys(&[KEY]),
    Command::new("look", Arity::exactly(2), look).flags(&[READONLY]).keys(&[KEY]),
];

fn taken(cx: &mut Ctx<'_>, key: &crate::db::Key<'_>) -> Result<Option<Vec<u8>>, crate::command::Error> {
    let value = cx.db.string(key)?.map(|value| match value {
        StringRef::Int(number) => number.to_string().into_bytes(),
        StringRef::Bytes(bytes) => bytes.to_vec(),
        StringRef::Shared(shared) => shared.to_arc().to_vec(),
    });
    if value.is_some() {
        cx.db.delete(key);
        cx.changed(key, Event::generic("del"));
    }
    Ok(value)
}

fn take(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let last = args.len() - 1;
    let deadline = args.timeout(last, cx.now_ms())?;
    for key in args.keys(1, 1).take(last - 1) {
        if let Some(value) = taken(cx, &key)? {
            cx.reply.bulk(&value);
            return Ok(());
        }
    }
    cx.block_on(&args, args.keys(1, 1).take(last - 1), deadline, true)
}

fn shift(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let deadline = args.timeout(3, cx.now_ms())?;
    let (from, to) = (args.key(1), args.key(2));
    let Some(value) = taken(cx, &from)? else { return cx.block_on(&args, [from], deadline, false) };
    cx.db.set(&to, crate::db::keyspace::NewString::Bytes(&value), Expiry::Clear);
    cx.changed(&to, Event::string("set"));
    cx.reply.bulk(&value);
    Ok(())
}

fn add(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    cx.db.set(&key, crate::db::keyspace::NewString::Bytes(args.get(2)), Expiry::Clear);
    cx.changed(&key, Event::string("set"));
    cx.reply.ok();
    Ok(())
}

fn look(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let there = cx.db.exists(&args.key(1));
    cx.reply.integer(i64::from(there));
    Ok(())
}

/// A server with connected clients.
struct Bench {
    server: Server,
    db: Databases,
    pipeline: Pipeline,
    /// Their ends of the sockets, which keep the connections alive.
    _peers: Vec<UnixStream>,
}

impl Bench {
    fn with_clients(count: usize) -> (Bench, Vec<ClientKey>) {
        let poll = Poll::new().expect("a poll");
        let listeners = Listeners::new(poll.registry().try_clone().expect("a registry"));
        let families: Vec<&'static [Command]> = crate::commands::FAMILIES.iter().copied().chain([FAMILY]).collect();
        let mut server = Server::new(Config::default(), Rows::new(&families), listeners, HOST);
        server.config_changed();
        let (mut server, mut peers) = (server, Vec::new());
        let connect = |_| {
            let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
            ours.set_nonblocking(true).expect("a non-blocking socket");
            peers.push(theirs);
            let connection = Connection::new(Socket::Unix(mio::net::UnixStream::from_std(ours)), None);
            let id = server.clients.next_id();
            let now = server.clock.unix_ms();
            server.clients.insert(Client::new(id, connection, now))
        };
        let clients = (0..count).map(connect).collect();
        (Bench { server, db: Databases::new(2), pipeline: Pipeline::default(), _peers: peers }, clients)
    }

    /// Runs inline requests of a client and what the loop does before it waits.
    fn send(&mut self, client: ClientKey, lines: &str) {
        let bytes: String = lines.split(';').map(|line| format!("{}\r\n", line.trim())).collect();
        self.server.clients.at_mut(client).connection.input.extend_from_slice(bytes.as_bytes());
        self.run(client);
        self.turn();
    }

    fn run(&mut self, client: ClientKey) {
        self.pipeline.run(&mut self.server, &mut self.db, client, None);
    }

    fn turn(&mut self) {
        self.server.clock.read_wall();
        cron::before_wait(&mut self.server, &mut self.db);
        while !self.server.to_resume.is_empty() {
            for key in std::mem::take(&mut self.server.to_resume) {
                self.pipeline.resume(&mut self.server, &mut self.db, key);
            }
        }
        for client in self.server.clients.take_read_on() {
            let Some(connected) = self.server.clients.get_mut(client) else { continue };
            connected.connection.read_on_pending = false;
            self.run(client);
        }
    }

    /// Takes what a client would have been sent.
    fn output(&mut self, client: ClientKey) -> String {
        let output = &mut self.server.clients.at_mut(client).output;
        let text = String::from_utf8(output.to_vec()).expect("text");
        output.clear();
        text.replace("\r\n", " ").trim_end().to_owned()
    }

    fn turn_until_output(&mut self, client: ClientKey) -> String {
        loop {
            self.turn();
            let output = self.output(client);
            if !output.is_empty() {
                return output;
            }
            std::thread::yield_now();
        }
    }

    fn assert_nobody_waits(&self) {
        assert!(self.server.waiters.is_empty());
        assert_eq!(self.server.clients.blocked, 0);
        assert_eq!(self.server.deadlines.next_ms(), None);
        assert!(!self.server.observers.has(crate::server::effects::Observers::WAITERS));
        assert!(self.server.clients.iter().all(|(_, client)| !client.is_blocked()));
    }
}

#[test]
fn who_waits_longest_is_served_first() {
    let (mut bench, clients) = Bench::with_clients(4);
    for client in &clients[1..] {
        bench.send(*client, "TAKE key 0");
    }
    assert_eq!(bench.server.clients.blocked, 3);
    for (turn, client) in clients[1..].iter().enumerate() {
        bench.send(clients[0], &format!("ADD key v{turn}"));
        assert_eq!(bench.output(*client), format!("$2 v{turn}"));
        for other in clients[1..].iter().filter(|other| *other != client) {
            assert_eq!(bench.output(*other), "");
        }
    }
    bench.assert_nobody_waits();
}

#[test]
fn the_place_is_kept_when_a_key_turns_out_empty() {
    let (mut bench, clients) = Bench::with_clients(3);
    bench.send(clients[1], "TAKE key 0");
    bench.send(clients[2], "TAKE key 0");
    // By the end of the transaction nothing is left to be taken.
    bench.send(clients[0], "MULTI; ADD key a; TAKE key 0; EXEC");
    assert_eq!(bench.output(clients[0]), "+OK +QUEUED +QUEUED *2 +OK $1 a");
    bench.send(clients[0], "ADD key b");
    assert_eq!((bench.output(clients[1]), bench.output(clients[2])), ("$1 b".into(), String::new()));
}

#[test]
fn several_keys_are_waited_for_at_once() {
    let (mut bench, clients) = Bench::with_clients(2);
    bench.send(clients[1], "TAKE a b a 0");
    bench.send(clients[0], "ADD b 1; ADD a 2");
    assert_eq!(bench.output(clients[1]), "$1 1");
    bench.assert_nobody_waits();
    bench.send(clients[0], "LOOK a; LOOK b");
    assert_eq!(bench.output(clients[0]), "+OK +OK :1 :0");
}

#[test]
fn one_served_client_makes_the_next_ones_key_ready() {
    let (mut bench, clients) = Bench::with_clients(4);
    bench.send(clients[1], "SHIFT b c 0");
    bench.send(clients[2], "TAKE c 0");
    bench.send(clients[3], "SHIFT a b 0");
    bench.send(clients[0], "ADD a x");
    for client in &clients[1..] {
        assert_eq!(bench.output(*client), "$1 x");
    }
    bench.assert_nobody_waits();
    bench.send(clients[0], "LOOK a; LOOK b; LOOK c");
    assert_eq!(bench.output(clients[0]), "+OK :0 :0 :0");
}

#[test]
fn a_timeout_is_answered_with_the_null_of_the_command() {
    let (mut bench, clients) = Bench::with_clients(2);
    bench.send(clients[0], "TAKE key 0.001");
    assert_eq!(bench.turn_until_output(clients[0]), "*-1");
    bench.send(clients[1], "SHIFT key other 0.001");
    assert_eq!(bench.turn_until_output(clients[1]), "$-1");
    bench.assert_nobody_waits();
    let take = OwnedRequest::of(&["take"]);
    let id = bench.server.commands.resolve(&take.view()).expect("the command");
    assert_eq!(bench.server.commands.entry(id).stats.calls, 1);
}

#[test]
fn the_deadline_is_that_of_the_first_call() {
    let (mut bench, clients) = Bench::with_clients(2);
    bench.send(clients[1], "TAKE key 100");
    let deadline = bench.server.deadlines.next_ms();
    let before = bench.server.clock.unix_ms();
    while bench.server.clock.unix_ms() <= before {
        bench.server.clock.read_wall();
    }
    bench.send(clients[0], "MULTI; ADD key a; TAKE key 0; EXEC");
    assert_eq!(bench.server.deadlines.next_ms(), deadline);
}

#[test]
fn unblock_answers_a_null_or_an_error() {
    let (mut bench, clients) = Bench::with_clients(2);
    let id = bench.server.clients.at(clients[1]).id;
    bench.send(clients[1], "TAKE key 0");
    bench.send(clients[0], &format!("CLIENT UNBLOCK {id}"));
    assert_eq!((bench.output(clients[0]), bench.output(clients[1])), (":1".into(), "*-1".into()));
    bench.send(clients[1], "TAKE key 0");
    bench.send(clients[0], &format!("CLIENT UNBLOCK {id} ERROR; CLIENT UNBLOCK {id}"));
    assert_eq!(bench.output(clients[0]), ":1 :0");
    assert_eq!(bench.output(clients[1]), "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
    bench.assert_nobody_waits();
}

#[test]
fn nothing_waits_inside_a_transaction() {
    let (mut bench, clients) = Bench::with_clients(1);
    bench.send(clients[0], "MULTI; TAKE key 0; SHIFT key other 0; EXEC");
    assert_eq!(bench.output(clients[0]), "+OK +QUEUED +QUEUED *2 *-1 $-1");
    bench.assert_nobody_waits();
}

#[test]
fn input_behind_a_blocking_command_waits_for_its_answer() {
    let (mut bench, clients) = Bench::with_clients(2);
    bench.send(clients[1], "PING; TAKE key 0; PING a; TAKE key 0; PING b");
    assert_eq!(bench.output(clients[1]), "+PONG");
    bench.send(clients[0], "ADD key 1");
    assert_eq!(bench.output(clients[1]), "$1 1 $1 a");
    bench.send(clients[0], "ADD key 2");
    assert_eq!(bench.output(clients[1]), "$1 2 $1 b");
    bench.assert_nobody_waits();
}

#[test]
fn a_client_that_goes_waits_no_more() {
    let (mut bench, clients) = Bench::with_clients(2);
    bench.send(clients[1], "TAKE key 100");
    crate::server::clients::disconnect::unlink_client(&mut bench.server, clients[1]);
    bench.server.clients.remove(clients[1]);
    bench.assert_nobody_waits();
    bench.send(clients[0], "ADD key 1; LOOK key");
    assert_eq!(bench.output(clients[0]), "+OK :1");
}

#[test]
fn silent_clients_are_served_without_a_word() {
    let (mut bench, clients) = Bench::with_clients(2);
    bench.send(clients[1], "CLIENT REPLY SKIP; TAKE key 0; PING");
    bench.send(clients[0], "ADD key 1; LOOK key");
    assert_eq!(bench.output(clients[0]), "+OK :0");
    assert_eq!(bench.output(clients[1]), "+PONG");
    bench.send(clients[1], "CLIENT REPLY OFF; TAKE key 0; PING; CLIENT REPLY ON");
    bench.send(clients[0], "ADD key 1");
    assert_eq!(bench.output(clients[1]), "+OK");
}

#[test]
fn the_running_client_keeps_its_own_messages() {
    let (mut bench, clients) = Bench::with_clients(2);
    bench.send(clients[0], "HELLO 3; SUBSCRIBE news");
    bench.output(clients[0]);
    bench.send(clients[1], "TAKE key 0");
    bench.send(clients[0], "MULTI; ADD key 1; PUBLISH news hot; EXEC; PUBLISH news cold");
    let output = bench.output(clients[0]);
    assert_eq!(output, "+OK +QUEUED +QUEUED *2 +OK :1 >3 $7 message $4 news $3 hot :1 >3 $7 message $4 news $4 cold");
    assert_eq!(bench.output(clients[1]), "$1 1");
}

#[test]
fn held_commands_go_on_in_order_when_the_pause_ends() {
    let (mut bench, clients) = Bench::with_clients(4);
    bench.send(clients[0], "CLIENT PAUSE 100000 WRITE");
    for (client, value) in [(3, "x"), (1, "y"), (2, "z")] {
        bench.send(clients[client], &format!("LOOK key; ADD key {value}; PING"));
        assert_eq!(bench.output(clients[client]), ":0");
    }
    assert_eq!(bench.server.clients.blocked, 3);
    bench.send(clients[0], "CLIENT UNPAUSE");
    for client in &clients[1..] {
        assert_eq!(bench.output(*client), "+OK +PONG");
    }
    bench.send(clients[0], "TAKE key 0");
    assert_eq!(bench.output(clients[0]), "+OK +OK $1 z");
    bench.assert_nobody_waits();
}

#[test]
fn a_pause_of_all_ends_by_itself() {
    let (mut bench, clients) = Bench::with_clients(2);
    bench.send(clients[0], "CLIENT PAUSE 1 ALL");
    bench.server.clients.at_mut(clients[1]).connection.input.extend_from_slice(b"PING\r\nPING x\r\n");
    bench.run(clients[1]);
    assert_eq!(bench.turn_until_output(clients[1]), "+PONG $1 x");
    assert!(!bench.db.keeps_expired);
}

#[test]
fn transactions_with_writes_are_held_as_a_whole() {
    let (mut bench, clients) = Bench::with_clients(2);
    bench.send(clients[1], "MULTI; ADD key 1");
    bench.send(clients[0], "CLIENT PAUSE 100000 WRITE");
    bench.send(clients[1], "EXEC");
    assert_eq!(bench.output(clients[1]), "+OK +QUEUED");
    assert!(bench.server.clients.at(clients[1]).modes.has(Modes::BLOCKED));
    bench.send(clients[0], "LOOK key; MULTI; LOOK key; EXEC; CLIENT UNPAUSE");
    assert_eq!(bench.output(clients[0]), "+OK :0 +OK +QUEUED *1 :0 +OK");
    assert_eq!(bench.output(clients[1]), "*1 +OK");
}

#[test]
fn who_is_being_closed_takes_nothing_any_more() {
    let (mut bench, clients) = Bench::with_clients(3);
    bench.send(clients[1], "TAKE key 0");
    bench.send(clients[2], "TAKE key 0");
    bench.send(clients[0], "CLIENT KILL ID 2; ADD key a");
    assert_eq!(bench.output(clients[0]), ":1 +OK");
    assert_eq!((bench.output(clients[1]), bench.output(clients[2])), (String::new(), "$1 a".into()));
}

#[test]
fn who_is_being_closed_runs_no_command_that_was_held_by_a_pause() {
    let (mut bench, clients) = Bench::with_clients(2);
    bench.send(clients[0], "CLIENT PAUSE 100000 WRITE");
    bench.send(clients[1], "ADD key a");
    bench.send(clients[0], "CLIENT KILL ID 2; CLIENT UNPAUSE");
    bench.output(clients[0]);
    bench.send(clients[0], "LOOK key");
    assert_eq!(bench.output(clients[0]), ":0");
}

#[test]
fn what_is_served_is_propagated_apart_from_what_made_it_possible() {
    let (mut bench, clients) = Bench::with_clients(2);
    bench.server.observers.set(crate::server::effects::Observers::PROPAGATE, true);
    bench.server.propagation_tap = Some(Vec::new());
    bench.send(clients[1], "TAKE key 0");
    bench.send(clients[0], "ADD key a");
    let units = bench.server.propagation_tap.take().unwrap_or_default();
    let sizes: Vec<usize> = units.iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 1], "ADD and TAKE are no transaction");
}

#[test]
fn who_waited_is_propagated_as_one_who_did_not() {
    let (mut bench, clients) = Bench::with_clients(4);
    bench.server.observers.set(crate::server::effects::Observers::PROPAGATE, true);
    bench.send(clients[1], "BLPOP a 0");
    bench.send(clients[2], "BLMOVE b c LEFT RIGHT 0");
    bench.send(clients[3], "BLMPOP 0 1 c RIGHT COUNT 5");
    bench.server.propagation_tap = Some(Vec::new());
    bench.send(clients[0], "RPUSH a 1; RPUSH b 2 3");
    let units = bench.server.propagation_tap.take().unwrap_or_default();
    let line = |(_, request): &(usize, OwnedRequest)| {
        let view = request.view();
        let words: Vec<_> = (0..view.len()).map(|index| String::from_utf8_lossy(view.get(index))).collect();
        words.join(" ")
    };
    let lines: Vec<String> = units.iter().flatten().map(line).collect();
    assert_eq!(lines, ["RPUSH a 1", "LPOP a", "RPUSH b 2 3", "LMOVE b c LEFT RIGHT", "RPOP c 1"]);
}

#[test]
fn of_keys_that_are_ready_at_once_the_first_named_serves() {
    let (mut bench, clients) = Bench::with_clients(2);
    bench.send(clients[1], "BLPOP a b 0");
    bench.send(clients[0], "MULTI; RPUSH b 2; RPUSH a 1; EXEC");
    assert_eq!(bench.output(clients[1]), "*2 $1 a $1 1");
    bench.send(clients[1], "BZPOPMIN x y 0");
    bench.send(clients[0], "MULTI; ZADD y 2 m; ZADD x 1 m; EXEC");
    assert_eq!(bench.output(clients[1]), "*3 $1 x $1 m $1 1");
    bench.assert_nobody_waits();
}

#[test]
fn who_waits_is_told_of_the_wrong_type_of_a_key_once_another_is_ready() {
    let (mut bench, clients) = Bench::with_clients(2);
    bench.send(clients[1], "BLPOP a b 0");
    bench.send(clients[0], "SET a 1");
    assert_eq!(bench.output(clients[1]), "");
    bench.send(clients[0], "RPUSH b 1");
    assert!(bench.output(clients[1]).starts_with("-WRONGTYPE "));
    bench.assert_nobody_waits();
}

#[test]
fn time_passes_within_a_turn() {
    let (mut bench, clients) = Bench::with_clients(2);
    // More than a client's slice of time can hold, so that this run lasts that long.
    let requests = format!("SET key value PX 2\r\n{}", "PING\r\n".repeat(200_000));
    bench.server.clock.read_wall();
    for (client, bytes) in [(clients[0], requests.as_str()), (clients[1], "LOOK key\r\n")] {
        bench.server.clients.at_mut(client).connection.input.extend_from_slice(bytes.as_bytes());
        bench.run(client);
    }
    assert!(!bench.server.clients.at(clients[0]).connection.input.is_empty(), "the run ended before its time was up");
    assert_eq!(bench.output(clients[1]), ":0");
}
