//! Commands of blocked clients are run again when a key that they wait for may be ready: because something happened to
//! it, or because a time has come that they have named (see [`Ctx::set_alarm`]).

use super::{Ctx, call, gate, refuse};
use crate::client::acl::log::Context;
use crate::client::{Alarm, Modes, reply_mode};
use crate::command::spec::Group;
use crate::command::{Args, CommandId};
use crate::db::waiters::Waiter;
use crate::db::{Databases, Key};
use crate::net::ClientKey;
use crate::server::Server;
use crate::server::clients::blocking::{UnblockReason, durability};
use crate::server::clients::messages;
use crate::types::ValueType;

/// How long an alarm waits if the command may not be run just now, in milliseconds.
const PUT_OFF_MS: i64 = 100;

impl Server {
    /// Looks after blocked clients whose time has come: to look again, or to give up.
    pub fn serve_due(&mut self, db: &mut Databases) {
        let now_ms = self.clock.unix_ms();
        while let Some(key) = self.deadlines.take_passed(now_ms) {
            self.sound_alarm(db, key, now_ms);
            let Some(blocked) = self.clients.get(key).and_then(|client| client.blocked.as_deref()) else { continue };
            if blocked.deadline_ms.is_some_and(|deadline_ms| deadline_ms < now_ms) {
                self.give_up(key, UnblockReason::Timeout);
            } else if let Some(due_ms) = blocked.due_ms() {
                self.deadlines.add(due_ms, key);
            }
        }
    }

    /// Runs the command of a client again if it has asked for that by now. What would be held or refused if it came
    /// now has to wait.
    fn sound_alarm(&mut self, db: &mut Databases, key: ClientKey, now_ms: i64) {
        let Some(blocked) = self.clients.get_mut(key).and_then(|client| client.blocked.as_mut()) else { return };
        if blocked.alarm.take_if(|alarm| alarm.at_ms < now_ms).is_none() {
            return;
        }
        let flags = self.commands.entry(blocked.command).row.flags;
        if gate::is_held(self, flags) || gate::refuses_write(self, flags).is_some() {
            if let Some(blocked) = self.clients.get_mut(key).and_then(|client| client.blocked.as_mut()) {
                blocked.alarm = Some(Alarm { at_ms: now_ms.saturating_add(PUT_OFF_MS) });
            }
            return;
        }
        let sees_expired = db.set_sees_expired(false);
        self.rerun(db, key, None);
        crate::server::propagate::propagate(self);
        durability::note_write(self, key);
        db.set_sees_expired(sees_expired);
    }

    /// Runs the commands of the clients that wait on a key, the longest waiting first, as long as there is something
    /// to be had. When the key is gone, those that need it are run. Who waits for a list is not concerned when the key
    /// becomes a hash, unless it needs the key; but a command that runs looks at all of its keys as it did at first.
    pub fn serve_waiters(&mut self, db: &mut Databases, index: usize, key: &[u8]) {
        self.waiters.acknowledge(index, key);
        let mut last = 0;
        // What has expired for them has not for the primary, whose command may have brought this about.
        let sees_expired = db.set_sees_expired(false);
        loop {
            db.begin_command(index, self.clock.unix_ms());
            let found = db.peek(&Key::new(key)).map(|entry| entry.value_type());
            let next = self.waiters.next_after(last, index, key, found.is_none());
            let Some(Waiter { ticket, client, index: ready }) = next else { break };
            last = ticket;
            if !self.is_concerned(client, found) {
                continue;
            }
            self.rerun(db, client, ready);
            crate::server::propagate::propagate(self);
            durability::note_write(self, client);
        }
        db.set_sees_expired(sees_expired);
    }

    /// Whether it matters to a blocked client that one of its keys has a value of that type.
    fn is_concerned(&self, key: ClientKey, found: Option<ValueType>) -> bool {
        let Some(blocked) = self.clients.get(key).and_then(|client| client.blocked.as_deref()) else { return false };
        let wanted = match self.commands.entry(blocked.command).row.group {
            Group::List => ValueType::List,
            Group::SortedSet => ValueType::SortedSet,
            Group::Stream => ValueType::Stream,
            _ => return true,
        };
        blocked.needs_keys || found == Some(wanted)
    }

    /// Runs a blocked client's command again, unless the client is about to be closed: it would take what somebody
    /// else waits for. `ready` is the key that something happened to.
    fn rerun(&mut self, db: &mut Databases, key: ClientKey, ready: Option<usize>) {
        let Some(client) = self.clients.get_mut(key) else { return };
        if client.modes.has(Modes::CLOSING) {
            return;
        }
        let Some(mut blocked) = client.blocked.take() else { return };
        blocked.ready = ready;
        let mut reply = std::mem::take(&mut client.output);
        reply.limit = messages::output_max(client, &self.config);
        let silence = reply_mode::begin_unwanted_reply(client, &reply.mark());
        let touches = !client.modes.has(Modes::NO_TOUCH);
        let (id, request) = (blocked.command, std::mem::take(&mut blocked.request));
        db.begin_command(blocked.db, self.clock.unix_ms());
        self.rerunning = Some(blocked);
        // The client whose command brought all this about still waits for its own messages.
        let (outer, outer_messages) = (self.current.replace(key), self.effects.take_pushes_after_reply());
        let outer_touches = db.set_touches(touches);
        let mut cx = Ctx { db, server: self, reply: &mut reply, client: key, command: id };
        call_again(&mut cx, id, Args::from(request.view()));
        db.set_touches(outer_touches);
        self.current = outer;
        let mut messages = self.effects.replace_pushes_after_reply(outer_messages);
        reply.limit = 0;
        let served = self.rerunning.take();
        let client = self.clients.at_mut(key);
        match served {
            Some(blocked) => {
                reply_mode::cut_unwanted_reply(client, &mut reply, silence);
                reply.append(&mut messages);
                client.output = reply;
                self.release(key, &blocked);
                self.clients.flush_later(key);
                messages::check_output_limit(self, key);
            }
            None => {
                client.output = reply;
                if let Some(blocked) = &mut client.blocked {
                    blocked.request = request;
                }
            }
        }
    }
}

/// Calls the command of a client that was blocked again, unless its user has lost the right to it meanwhile.
fn call_again(cx: &mut Ctx<'_>, id: CommandId, args: Args<'_>) {
    let Err(denial) = cx.check_rights(id, &args) else { return call::call(cx, id, args) };
    cx.log_denial(id, &args, denial, Context::TopLevel);
    let error = cx.denial_error(id, denial);
    refuse::refuse(cx, Some(id), error);
}
