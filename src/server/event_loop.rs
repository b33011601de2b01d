//! The loop everything runs on: wait for sockets, read, run, write.
//!
//! One turn goes: wait until something is ready; read each ready socket once and run all complete requests that
//! came, their replies collecting in the clients' outputs; then, before the next wait, do what has to happen in
//! between (see [`super::cron::before_wait`]) and send each output with one write. Events are edge-triggered: a read
//! that returns less than it was offered has emptied the socket, so it is not read again for the sake of `EAGAIN`,
//! and writability matters only after a short write.
//!
//! Fairness: a turn reads at most [`pipeline::READ_BYTES`] from a client and runs its commands for at most
//! [`pipeline::SLICE_US`]; what is left waits for the next turn, in which the poll does not wait.

pub mod before_replies;
pub mod busy;
pub mod connections;
pub mod output;
mod pace;
pub mod pipeline;

use std::io;
use std::time::Duration;

use mio::{Events, Poll, Token};

use super::Server;
use super::clients::{memory, tracking};
use super::cluster::{bus, moves};
use super::crash::Watch;
use super::effects::Observers;
use super::event_loop::connections::{accept_client, close, close_doomed_replicas, finish_handshake};
use super::event_loop::pipeline::READ_BYTES;
use super::modes::ServerModes;
use super::replication::{handshake, main_channel, primary, transfer};
use super::web;
use super::web::work::Worker;
use crate::client::Modes;
use crate::db::Databases;
use crate::net::ClientKey;
use crate::net::listeners::FIRST_TOKEN;
use crate::net::tokens::{
    BUS_FIRST_TOKEN, HTTP_FIRST_TOKEN, LINK_TOKEN, MAIN_CHANNEL_TOKEN, PIPE_TOKEN, SIGNAL_TOKEN, SLOTS_TOKEN,
};
use crate::peers::cluster::node::LinkId;
use crate::util::clock::Ticks;
use pace::Pace;
use pipeline::Pipeline;

/// How long accepting rests when descriptors have run out, in milliseconds.
const ACCEPT_REST_MS: i64 = 100;
/// Events taken from one poll.
const EVENTS: usize = 1024;
/// Outputs' buffers kept for reuse, and the largest of them, in bytes.
const SPARE_BUFFERS: usize = 64;
const SPARE_BUFFER_BYTES_MAX: usize = 64 * 1024;
const SPARE_BUFFER_BYTES_LIMITED: usize = 4 * 1024;
/// The event loop with all it drives.
pub struct EventLoop {
    poll: Poll,
    server: Server,
    db: Databases,
    pipeline: Pipeline,
    pace: Pace,
    /// Where sockets without input left over are read into.
    shared: Vec<u8>,
    /// Output buffers to be used again.
    spare: Vec<Vec<u8>>,
    /// Room for the list of outputs to flush.
    flushing: Vec<ClientKey>,
    /// Listeners that may have more connections, and when to look.
    accept_again: Vec<Token>,
    accept_rest_until_ms: i64,
    signals: super::signals::Signals,
    worker: Worker,
}

impl EventLoop {
    /// A loop for a server that listens already.
    pub fn new(poll: Poll, server: Server, db: Databases, signals: super::signals::Signals) -> EventLoop {
        EventLoop {
            poll,
            server,
            db,
            pipeline: Pipeline::default(),
            pace: Pace::default(),
            shared: vec![0; READ_BYTES],
            spare: Vec::new(),
            flushing: Vec::new(),
            accept_again: Vec::new(),
            accept_rest_until_ms: 0,
            signals,
            worker: Worker::default(),
        }
    }

    /// Runs until the server is to shut down; the exit status. `ready` is called once the data set is there.
    pub fn run(&mut self, ready: impl Fn(&Server)) -> i32 {
        let mut events = Events::with_capacity(EVENTS);
        let _watch = Watch::over(&mut self.server, &mut self.db);
        self.server.startup_memory = crate::util::alloc::used_memory();
        let mut reads = 0;
        if !self.is_loading() {
            ready(&self.server);
        }
        loop {
            if self.is_loading() {
                match self.load() {
                    Ok(true) => ready(&self.server),
                    Ok(false) => {}
                    Err(status) => return status,
                }
            }
            let between_from = self.server.clock.now();
            self.before_wait();
            self.note_between(between_from);
            if let Some(shutdown) = self.server.shutdown.take() {
                return self.shut_down(shutdown.status);
            }
            let timeout = self.wait_at_most();
            if let Some(rest) = self.pace.rest(reads, self.server.clock.unix_ms()).filter(|_| !timeout.is_zero()) {
                std::thread::sleep(rest);
            }
            match self.poll.poll(&mut events, Some(timeout)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => log::warn!("Waiting for sockets failed: {error}"),
            }
            self.server.clock.read_wall();
            let left_over = self.server.clients.take_read_on();
            let reads_before = self.server.stats.reads_processed;
            let started = self.server.clock.now();
            self.server.stats.turn_started = Some(started);
            for event in &events {
                match event.token() {
                    SIGNAL_TOKEN => self.signals.handle(&mut self.server),
                    LINK_TOKEN => {
                        if let Err(status) = self.link_ready() {
                            return status;
                        }
                    }
                    MAIN_CHANNEL_TOKEN => main_channel::ready(&mut self.server, &mut self.db),
                    SLOTS_TOKEN => moves::import::ready(&mut self.server, &mut self.db),
                    PIPE_TOKEN => transfer::pump(&mut self.server),
                    Token(key) if key < FIRST_TOKEN => {
                        if event.is_writable() {
                            self.writable(key);
                        }
                        if event.is_readable() || event.is_read_closed() || event.is_error() {
                            let hung_up = event.is_read_closed() || event.is_error();
                            self.readable(key, hung_up, hung_up);
                        }
                    }
                    Token(place) if place >= HTTP_FIRST_TOKEN => web::connections::ready(&mut self.server, place),
                    Token(link) if link >= BUS_FIRST_TOKEN => {
                        bus::ready(&mut self.server, LinkId((link - BUS_FIRST_TOKEN) as u64));
                    }
                    listener => self.accept(listener),
                }
            }
            self.read_on(left_over);
            self.read_links_on();
            self.accept_rest();
            if self.worker.has_work(&self.server) {
                self.worker.work(&mut self.server, &mut self.db);
            }
            reads = self.server.stats.reads_processed.saturating_sub(reads_before);
            self.server.stats.loop_cycles += 1;
            let ended = self.server.clock.tick();
            self.server.stats.loop_us += self.server.clock.micros_between(started, ended);
            self.server.stats.turn_started = Some(ended);
            super::cron::tick(&mut self.server, &mut self.db);
            bus::tick(&mut self.server);
        }
    }

    /// Something came of the primary. A small data set is loaded before anybody is told that it is being loaded; what
    /// cannot be loaded is the end, with this status.
    fn link_ready(&mut self) -> Result<(), i32> {
        let was_loading = self.server.loading.is_some();
        handshake::ready(&mut self.server, &mut self.db);
        if !was_loading && self.is_loading() { self.load().map(|_| ()) } else { Ok(()) }
    }

    /// Goes on with connections to other servers that were not emptied.
    fn read_links_on(&mut self) {
        if self.server.repl.link.wire.reads_on {
            handshake::ready(&mut self.server, &mut self.db);
        }
        if self.server.repl.link.main.as_ref().is_some_and(|main| main.wire.reads_on) {
            main_channel::ready(&mut self.server, &mut self.db);
        }
        if self.server.bus.has_read_on() {
            bus::read_on(&mut self.server);
        }
        if self.server.moves.import.as_ref().is_some_and(|work| work.has_work()) {
            moves::import::ready(&mut self.server, &mut self.db);
        }
    }

    /// Counts what was done since the end of the last turn, or since a slice of the data set was loaded.
    fn note_between(&mut self, from: Ticks) {
        let now = self.server.clock.tick();
        self.server.stats.parts.between_us += self.server.clock.micros_between(from, now);
    }

    fn is_loading(&self) -> bool {
        self.server.loading.as_ref().is_some_and(|loading| !loading.waits)
    }

    /// Loads a slice of the data set; whether that was the last. What cannot be loaded is the end, with this status.
    fn load(&mut self) -> Result<bool, i32> {
        super::persistence::load_step::step(&mut self.server, &mut self.db).map_err(|_| 1)
    }

    fn before_wait(&mut self) {
        // Whoever is closed because the server ends must not reach it again.
        if self.server.shutdown.is_some() {
            self.server.listeners.close();
        }
        super::cron::before_wait(&mut self.server, &mut self.db);
        // A command that was held may itself end a pause.
        while !self.server.to_resume.is_empty() {
            for key in std::mem::take(&mut self.server.to_resume) {
                self.pipeline.resume(&mut self.server, &mut self.db, key);
            }
        }
        if self.server.observers.has(Observers::TRACKING) {
            tracking::broadcast(&mut self.server);
        }
        // What clients are about to be told is written first.
        super::event_loop::before_replies::before_replies(&mut self.server);
        // A replica that is to go goes before anybody is told of it: what is written from here on is not for it.
        close_doomed_replicas(&mut self.server);
        primary::before_replies(&mut self.server);
        self.flush_outputs();
        if self.server.modes.has(ServerModes::CLIENT_MEMORY_LIMIT) {
            memory::make_room(&mut self.server);
        }
        let doomed = self.server.clients.take_doomed();
        close(&mut self.server, doomed);
        primary::after_replies(&mut self.server);
    }

    /// How long the poll may wait: not at all while somebody's input is left over.
    fn wait_at_most(&self) -> Duration {
        if self.server.clients.has_read_on()
            || self.server.evicting
            || self.server.repl.link.reads_on()
            || self.server.bus.has_read_on()
            || moves::has_work(&self.server)
            || self.is_loading()
            || self.server.persist.feed.as_ref().is_some_and(|feed| !feed.is_full())
            || !self.accept_again.is_empty() && self.accept_rest_until_ms == 0
        {
            return Duration::ZERO;
        }
        let now = self.server.clock.unix_ms();
        let next = [
            Some(super::cron::next_ms(&self.server)),
            self.server.deadlines.next_ms(),
            self.server.pause.end_ms(),
            // Somebody else has to get on with a snapshot before it is worth a look.
            self.server.persist.feed.as_ref().map(|_| now + 1),
            bus::next_ms(&self.server),
            self.worker.has_work(&self.server).then_some(now + 1),
        ];
        let next = next.into_iter().flatten().min().unwrap_or(now);
        Duration::from_millis((next - now).max(0) as u64)
    }

    fn accept(&mut self, token: Token) {
        let config = &self.server.config;
        let accepts = match self.server.listeners.speaks_tls(token) {
            true => config.max_new_tls_connections_per_cycle,
            false => config.max_new_connections_per_cycle,
        };
        for _ in 0..accepts {
            let Some(result) = self.server.listeners.accept(token) else { return };
            match result {
                Ok(accepted) => accept_client(&mut self.server, accepted),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOMEM)) => {
                    log::warn!("Accepting client connection: accept: {error}");
                    self.accept_rest_until_ms = self.server.clock.unix_ms() + ACCEPT_REST_MS;
                    break;
                }
                // The peer has gone already; there may be others.
                Err(error) => log::debug!("Accepting client connection: accept: {error}"),
            }
        }
        if !self.accept_again.contains(&token) {
            self.accept_again.push(token);
        }
    }

    /// Goes on accepting where a turn's share was used up or descriptors had run out.
    fn accept_rest(&mut self) {
        if self.accept_again.is_empty() || self.server.clock.unix_ms() < self.accept_rest_until_ms {
            return;
        }
        self.accept_rest_until_ms = 0;
        for token in std::mem::take(&mut self.accept_again) {
            self.accept(token);
        }
    }

    /// Reads a client's socket once and runs what came. With `drain` it is read again in the next turn even if less
    /// came than there was room for.
    fn readable(&mut self, key: ClientKey, hung_up: bool, drain: bool) {
        let Some(client) = self.server.clients.get_mut(key) else { return };
        client.connection.hung_up |= hung_up;
        // What it sent before is not used up: its turn comes, and the end of the stream must not overtake it.
        if client.connection.doomed || client.connection.read_on_pending {
            return;
        }
        let drain = drain || client.connection.hung_up;
        let unready = client.modes.has(Modes::UNREADY);
        let now = self.server.clock.unix_ms();
        match self.pipeline.read(client, &mut self.shared) {
            Ok(read) if read.bytes > 0 => {
                self.pace.hear(client.active_ms, now);
                client.active_ms = now;
                client.input_bytes += read.bytes as u64;
                self.server.stats.input_bytes += read.bytes as u64;
                self.server.stats.reads_processed += 1;
                if unready {
                    finish_handshake(&mut self.server, key);
                }
                if unready && self.server.clients.at(key).modes.has(Modes::CLOSING) {
                    self.writable(key);
                } else {
                    self.serve(key, read.into_shared.then_some(read.bytes));
                    // What there is of a big argument is read at once.
                    let begins = read.more && read.into_shared;
                    if begins && self.server.clients.at(key).connection.progress.arrived() > 0 {
                        return self.readable(key, hung_up, drain);
                    }
                }
                if read.more || drain {
                    self.server.clients.continue_reading_later(key);
                }
            }
            // Commands that came before the end of the stream are run first.
            Ok(_) if self.server.clients.at(key).connection.read_on_pending => {}
            Ok(_) => {
                if self.server.clients.at(key).flush_pending {
                    super::event_loop::before_replies::before_replies(&mut self.server);
                    output::send_output(&mut self.server, key);
                }
                if log::log_enabled!(log::Level::Debug)
                    && let Some(client) = self.server.clients.get(key)
                {
                    log::debug!("Client closed connection {}", super::clients::describe::logged(&self.server, client));
                }
                self.server.clients.close_soon(key);
            }
            // A handshake may have come to its end, which the output waits for.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if unready {
                    finish_handshake(&mut self.server, key);
                }
                self.writable(key);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.server.clients.continue_reading_later(key),
            Err(error) => {
                if self.server.clients.at(key).connection.socket().is_established() {
                    log::debug!("Reading from client: {error}");
                } else {
                    log::warn!("Error accepting a client connection: {error}");
                }
                self.server.clients.close_soon(key);
            }
        }
    }

    /// Runs a client's requests: those of the shared buffer, or those left over.
    fn serve(&mut self, key: ClientKey, shared: Option<usize>) {
        let client = self.server.clients.at_mut(key);
        if !client.output.has_buffer()
            && let Some(buffer) = self.spare.pop()
        {
            client.output.give_buffer(buffer);
        }
        let bytes = shared.map(|length| &self.shared[..length]);
        self.pipeline.run(&mut self.server, &mut self.db, key, bytes);
        let client = self.server.clients.at_mut(key);
        if client.output.is_empty() {
            // Whoever is blocked, or has sent a part of a request, needs none meanwhile.
            let buffer = client.output.take_buffer();
            self.keep_spare(buffer);
        }
    }

    /// Goes on with clients whose input was not used up or whose socket was not emptied.
    fn read_on(&mut self, keys: Vec<ClientKey>) {
        for key in keys {
            let Some(client) = self.server.clients.get_mut(key) else { continue };
            client.connection.read_on_pending = false;
            let waiting = !client.connection.input.is_empty() && !client.is_blocked();
            if waiting && !client.modes.has(Modes::CLOSING) {
                self.serve(key, None);
            }
            // What its socket reported meanwhile was passed over, so it is read until it is empty.
            self.readable(key, false, true);
        }
    }

    /// Has the rest of an output sent with all others: behind it there may be answers that must not go out before
    /// what they tell of is written.
    fn writable(&mut self, key: ClientKey) {
        if let Some(client) = self.server.clients.get_mut(key).filter(|client| client.connection.output_stuck) {
            client.connection.output_stuck = false;
            self.server.clients.flush_later(key);
        }
    }

    /// Sends what was answered in this turn.
    fn flush_outputs(&mut self) {
        let spare = &mut self.spare;
        output::send_outputs(&mut self.server, &mut self.flushing, |server, buffer| keep_spare(spare, server, buffer));
    }

    fn keep_spare(&mut self, buffer: Vec<u8>) {
        keep_spare(&mut self.spare, &self.server, buffer);
    }

    fn shut_down(&mut self, status: i32) -> i32 {
        self.server.persist.fail_backup("the server is shutting down");
        super::persistence::aof_write::end(&mut self.server);
        self.flush_outputs();
        self.server.listeners.close();
        if let Some(path) = &self.server.config.pidfile {
            log::info!("Removing the pid file.");
            std::fs::remove_file(path).ok();
        }
        log::warn!("Redis is now ready to exit, bye bye...");
        status
    }
}

/// Keeps the memory of an output for the next one.
fn keep_spare(spare: &mut Vec<Vec<u8>>, server: &Server, buffer: Vec<u8>) {
    // Under `maxmemory` they would take the place of keys.
    let limited = server.modes.has(ServerModes::MEMORY_LIMIT);
    let max = if limited { SPARE_BUFFER_BYTES_LIMITED } else { SPARE_BUFFER_BYTES_MAX };
    if spare.len() < SPARE_BUFFERS && (1..=max).contains(&buffer.capacity()) {
        spare.push(buffer);
    }
}
