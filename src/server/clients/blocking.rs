//! Clients that wait: for keys, or for the end of CLIENT PAUSE.
//!
//! A blocking command that finds nothing calls [`Ctx::block_on`] and returns. Its request is kept, and when one of
//! the keys may be ready the handler simply runs again: it either answers, which ends the waiting, or calls
//! `block_on` once more, which leaves the client at its old place with its old deadline. So a handler never knows
//! whether it runs for the first time, and a command that moves elements can make the next one ready.
//!
//! While a client is blocked its input is read but not looked at. Whatever ends the waiting has the event loop go on
//! with that input in its next turn.

pub mod durability;

use crate::client::{Alarm, Blocked, BlockedFor, Modes, reply_mode};
use crate::command::error::CmdResult;
use crate::command::{Args, Error};
use crate::db::waiters::Waiter;
use crate::db::{Databases, Key};
use crate::net::ClientKey;
use crate::resp::reply::Reply;
use crate::resp::request::OwnedRequest;
use crate::server::Server;
use crate::server::effects::Observers;
use crate::server::execution::Ctx;
use crate::server::modes::ServerModes;
use crate::server::pause::{PauseKind, WritePauseReason};

impl Ctx<'_> {
    /// Has the client wait until one of `keys` may be ready, and the command run again then. At `deadline_ms` (see
    /// [`Args::timeout`]) it is answered with a null, that of arrays if `null_array`. Where waiting is not possible,
    /// inside a transaction, that is the answer at once.
    pub fn block_on<'k>(
        &mut self,
        args: &Args<'_>,
        keys: impl IntoIterator<Item = Key<'k>>,
        deadline_ms: Option<i64>,
        null_array: bool,
    ) -> CmdResult {
        if self.cannot_block(null_array) {
            return Ok(());
        }
        let keys = keys.into_iter().map(|key| key.bytes().into()).collect();
        let waiting = self.waiting(BlockedFor::Keys, OwnedRequest::copy(args));
        let blocked = Blocked { keys, deadline_ms, null_array, ..waiting };
        self.server.block(self.client, blocked);
        Ok(())
    }

    /// Like [`Ctx::block_on`], answering the null of arrays, for a command that is run again in other words, those of
    /// `request`; if it needs its keys, also when one is gone, and it has to fail then.
    pub fn block_as<'k>(
        &mut self,
        request: OwnedRequest,
        keys: impl IntoIterator<Item = Key<'k>>,
        deadline_ms: Option<i64>,
        needs_keys: bool,
    ) -> CmdResult {
        if self.cannot_block(true) {
            return Ok(());
        }
        let keys = keys.into_iter().map(|key| key.bytes().into()).collect();
        let blocked = Blocked { keys, deadline_ms, needs_keys, ..self.waiting(BlockedFor::Keys, request) };
        self.server.block(self.client, blocked);
        Ok(())
    }

    /// What is known of a client that begins to wait, for no keys and without end, and is answered the null of arrays.
    fn waiting(&mut self, reason: BlockedFor, request: OwnedRequest) -> Blocked {
        Blocked {
            reason,
            ticket: self.server.waiters.draw_ticket(),
            deadline_ms: None,
            keys: Vec::new(),
            ready: None,
            needs_keys: false,
            db: self.db.selected(),
            request,
            command: self.command,
            null_array: true,
            alarm: None,
            nanos: 0,
        }
    }

    /// Has the command of the client, if it is blocked by it, run again at a time when a key may be ready though
    /// nothing happens to it. Whoever blocks says so anew each time.
    pub fn set_alarm(&mut self, alarm: Option<Alarm>) {
        let now_ms = self.server.clock.unix_ms();
        let key = self.client;
        let Some(blocked) = &mut self.client_mut().blocked else { return };
        blocked.alarm = alarm.map(|alarm| Alarm { at_ms: alarm.at_ms.max(now_ms) });
        match blocked.due_ms() {
            Some(due_ms) => self.server.deadlines.add(due_ms, key),
            None => self.server.deadlines.remove(key),
        }
    }

    /// Whether nothing is waited for: in a transaction, or by a client that is obeyed.
    fn may_not_wait(&self) -> bool {
        self.server.in_exec || self.must_obey()
    }

    /// Whether the client does not begin to wait: because it waits already, or has got its null at once.
    fn cannot_block(&mut self, null_array: bool) -> bool {
        if self.may_not_wait() {
            write_null(self.reply, null_array);
            return true;
        }
        self.wait_on()
    }

    /// Whether the command was blocked before, and runs again.
    pub fn is_rerun(&self) -> bool {
        self.server.rerunning.is_some()
    }

    /// The only key that may have something for a command that runs again, by its place among those it waits on. As
    /// long as that one has nothing there is no need to look at the others.
    pub fn ready_key(&self) -> Option<usize> {
        self.server.rerunning.as_ref().and_then(|blocked| blocked.ready)
    }

    /// Leaves a client whose command ran again at its place; false when the command runs for the first time.
    pub fn wait_on(&mut self) -> bool {
        let Some(blocked) = self.server.rerunning.take() else { return false };
        self.client_mut().blocked = Some(blocked);
        true
    }

    /// Keeps a command until something is over that has no keys.
    pub fn postpone(&mut self, args: &Args<'_>, reason: BlockedFor) {
        let blocked =
            Blocked { db: self.client().db, null_array: false, ..self.waiting(reason, OwnedRequest::copy(args)) };
        self.server.block(self.client, blocked);
    }
}

fn write_null(reply: &mut Reply, null_array: bool) {
    match null_array {
        true => reply.null_array(),
        false => reply.null(),
    }
}

/// Why a blocked client gets an answer though nothing came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnblockReason {
    /// Its time is up, or CLIENT UNBLOCK pretends so.
    Timeout,
    /// CLIENT UNBLOCK … ERROR.
    Error,
}

impl Server {
    /// Blocks a client.
    pub fn block(&mut self, key: ClientKey, blocked: Blocked) {
        if let Some(due_ms) = blocked.due_ms() {
            self.deadlines.add(due_ms, key);
        }
        for (index, waited) in blocked.keys.iter().enumerate() {
            let waiter = Waiter { ticket: blocked.ticket, client: key, index: Some(index) };
            self.waiters.add(waiter, blocked.db, waited, blocked.needs_keys);
        }
        self.observers.set(Observers::WAITERS, !self.waiters.is_empty());
        self.clients.blocked += 1;
        self.clients.blocked_with_deadline += usize::from(blocked.deadline_ms.is_some());
        let client = self.clients.at_mut(key);
        client.modes.set(Modes::BLOCKED, true);
        client.blocked = Some(Box::new(blocked));
    }

    /// Ends a client's blocking without an answer and returns what it waited for. Its further input is looked at in
    /// the next turn.
    pub fn unblock(&mut self, key: ClientKey) -> Option<Box<Blocked>> {
        let blocked = self.clients.get_mut(key)?.blocked.take()?;
        self.release(key, &blocked);
        Some(blocked)
    }

    pub fn release(&mut self, key: ClientKey, blocked: &Blocked) {
        self.waiters.remove(blocked.ticket, blocked.db, &blocked.keys);
        self.observers.set(Observers::WAITERS, !self.waiters.is_empty());
        self.deadlines.remove(key);
        self.clients.waiting_for_durability.remove(&blocked.ticket);
        self.clients.blocked -= 1;
        self.clients.blocked_with_deadline -= usize::from(blocked.deadline_ms.is_some());
        if let Some(client) = self.clients.get_mut(key) {
            client.modes.set(Modes::BLOCKED, false);
        }
        self.clients.continue_reading_later(key);
    }

    /// Ends the waiting of a client with an answer; false when it does not wait, or for something that has no answer:
    /// the end of a pause, or of the server.
    pub fn give_up(&mut self, key: ClientKey, how: UnblockReason) -> bool {
        let waits = |blocked: &Blocked| !matches!(blocked.reason, BlockedFor::Pause | BlockedFor::Shutdown);
        if !self.clients.get(key).is_some_and(|client| client.blocked.as_deref().is_some_and(waits)) {
            return false;
        }
        let Some(blocked) = self.unblock(key) else { return false };
        self.count_given_up(&blocked, (how == UnblockReason::Error).then_some(b"UNBLOCKED"));
        let reached = match blocked.reason {
            BlockedFor::Durability(wanted) => Some(durability::reached(wanted, self)),
            BlockedFor::Keys | BlockedFor::Pause | BlockedFor::Shutdown => None,
        };
        self.answer(key, |output| match (how, reached) {
            (UnblockReason::Timeout, Some(reached)) => reached.write(output),
            (UnblockReason::Timeout, None) => write_null(output, blocked.null_array),
            (UnblockReason::Error, _) => output.error("UNBLOCKED client unblocked via CLIENT UNBLOCK"),
        });
        true
    }

    /// Ends the waiting of a client with an error.
    pub fn refuse_blocked(&mut self, key: ClientKey, error: &Error) {
        let Some(blocked) = self.unblock(key) else { return };
        let code = error.line().split(|byte| *byte == b' ').next().unwrap_or_default();
        self.count_given_up(&blocked, Some(code));
        self.answer(key, |output| output.error(error.line()));
    }

    /// Counts the call of a command that waited in vain, and the code of the error it ends with.
    fn count_given_up(&mut self, blocked: &Blocked, code: Option<&[u8]>) {
        let track = self.config.latency_tracking;
        let stats = self.commands.stats_mut(blocked.command);
        stats.calls += 1;
        if track {
            stats.latency.get_or_insert_default().record(blocked.nanos);
        }
        self.stats.commands += 1;
        if let Some(code) = code {
            stats.failed += 1;
            self.stats.count_error(code);
        }
    }

    /// Gives a client that was blocked its answer, unless it wants none.
    fn answer(&mut self, key: ClientKey, write: impl FnOnce(&mut Reply)) {
        if !self.may_be_told(key) {
            return;
        }
        let client = self.clients.at_mut(key);
        let silence = reply_mode::begin_unwanted_reply(client, &client.output.mark());
        write(&mut client.output);
        let mut output = std::mem::take(&mut client.output);
        reply_mode::cut_unwanted_reply(client, &mut output, silence);
        client.output = output;
        self.clients.flush_later(key);
    }

    /// Begins or prolongs CLIENT PAUSE. The data stands still while it lasts: nothing expires.
    pub fn begin_pause(&mut self, db: &mut Databases, kind: PauseKind, end_ms: i64) {
        self.pause.begin(kind, end_ms);
        self.modes.set(ServerModes::PAUSED, true);
        db.keeps_expired = true;
    }

    /// Ends CLIENT PAUSE: whoever was held goes on, in the order in which they came.
    pub fn end_pause(&mut self, db: &mut Databases) {
        self.pause.end();
        self.resume_clients(db);
    }

    /// Holds writes until [`Server::release_writes`].
    pub fn hold_writes(&mut self, db: &mut Databases, holder: WritePauseReason) {
        self.pause.hold_writes(holder, true);
        self.modes.set(ServerModes::PAUSED, true);
        db.keeps_expired = true;
    }

    /// Lets writes go on, unless they are held for another reason as well.
    pub fn release_writes(&mut self, db: &mut Databases, holder: WritePauseReason) {
        self.pause.hold_writes(holder, false);
        self.resume_clients(db);
    }

    fn resume_clients(&mut self, db: &mut Databases) {
        if self.pause.kind().is_none() {
            self.modes.set(ServerModes::PAUSED, false);
            db.keeps_expired = self.keeps_expired();
            self.to_resume = self.clients.held_by_pause();
        }
    }

    /// Takes the command of a client that was held by a pause and is not about to be closed.
    pub fn take_postponed(&mut self, key: ClientKey) -> Option<Box<Blocked>> {
        let client = self.clients.get(key)?;
        let held = client.blocked.as_ref()?.reason == BlockedFor::Pause && !client.modes.has(Modes::CLOSING);
        if held { self.unblock(key) } else { None }
    }
}

#[cfg(test)]
mod tests;
