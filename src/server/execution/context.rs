//! What a handler is given: its database, the server, and where its reply goes.

use crate::client::{Client, Modes};
use crate::command::table::CommandId;
use crate::command::{Error, Spec};
use crate::db::Databases;
use crate::net::ClientKey;
use crate::resp::reply::Reply;
use crate::resp::request::OwnedRequest;
use crate::server::Server;
use crate::server::effects::Observers;

/// The surroundings of one call.
pub struct Ctx<'a> {
    /// The databases; lookups go to the one the client has selected.
    pub db: &'a mut Databases,
    /// Everything else the server has.
    pub server: &'a mut Server,
    /// The reply to this client.
    pub reply: &'a mut Reply,
    /// The client.
    pub client: ClientKey,
    /// The command that runs.
    pub command: CommandId,
}

impl Ctx<'_> {
    /// The client.
    #[inline]
    pub fn client(&self) -> &Client {
        self.server.clients.at(self.client)
    }

    /// The client, to change it.
    #[inline]
    pub fn client_mut(&mut self) -> &mut Client {
        self.server.clients.at_mut(self.client)
    }

    /// The row of the command that runs.
    pub fn row(&self) -> &'static Spec {
        self.server.commands.entry(self.command).row
    }

    /// The time of this command, in Unix milliseconds. It stands still while a command or transaction runs.
    #[inline]
    pub fn now_ms(&self) -> i64 {
        self.db.now_ms()
    }

    /// The same where it is not about what has expired, but the time something is to be counted from.
    #[inline]
    pub fn clock_ms(&self) -> i64 {
        self.db.clock_ms()
    }

    /// Has something else than the command as sent propagated to the append-only file and replicas: the first call
    /// takes the command's place, further ones follow it. Costs nothing when nobody listens.
    pub fn propagate_instead<T: AsRef<[u8]>>(&mut self, args: &[T]) {
        if self.server.observers.propagates() {
            let db = self.db.selected();
            self.server.effects.propagate_instead(db, OwnedRequest::of(args));
        }
    }

    /// Has the command not propagated at all.
    pub fn propagate_nothing(&mut self) {
        if self.server.observers.propagates() {
            self.server.effects.propagate_nothing();
        }
    }

    /// Has the command propagated as it came, even if nothing changed.
    pub fn propagate_always(&mut self) {
        if self.server.observers.propagates() {
            self.server.effects.propagate_always();
        }
    }

    /// Has the command, which changes nothing here, happen at replicas as well.
    pub fn propagate_to_replicas(&mut self) {
        if self.server.observers.propagates() {
            self.server.effects.propagate_to_replicas();
        }
    }

    /// Whether a script calls the command, not a client.
    pub fn by_script(&self) -> bool {
        self.server.script.calls()
    }

    /// Whether the command happened elsewhere already, so that nothing may keep it from happening here.
    pub fn must_obey(&self) -> bool {
        self.client().modes.has(Modes::MUST_OBEY)
    }

    /// The command of a name that servers have among themselves, if the client is one or counts as one.
    pub fn find_internal(&self, name: &[u8]) -> Option<CommandId> {
        let modes = self.client().modes;
        let is_server = modes.has(Modes::MUST_OBEY) || modes.has(Modes::CALLS_INTERNAL);
        is_server.then(|| self.server.commands.find_internal(name)).flatten()
    }

    /// How long a command may make a string, in bytes. What was that long elsewhere may be so here.
    pub fn string_bytes_max(&self) -> usize {
        let max = self.server.config.proto_max_bulk_len;
        if self.must_obey() { max.max(u32::MAX as usize) } else { max }
    }

    /// Whether a user may run such a command: `enable-debug-command` and the like say `no`, `yes` or `local`.
    pub fn is_local(&self) -> bool {
        self.client().connection.peer_is_local()
    }

    /// Where a message to the running client goes that CLIENT REPLY does not silence: as a rule the reply itself.
    pub fn messages(&mut self) -> &mut Reply {
        if !self.client().modes.has(Modes::REPLY_OFF) {
            return self.reply;
        }
        self.server.observers.set(Observers::PENDING, true);
        self.server.effects.pushes_after_reply(self.reply.resp3)
    }

    /// The error for a subcommand that was given too many arguments.
    pub fn subcommand_syntax(&self, given: &[u8]) -> Error {
        let full_name = &self.server.commands.entry(self.command).full_name;
        let name = full_name.split('|').next().unwrap_or_default().to_ascii_uppercase();
        let given = crate::command::args::shown(given);
        let parts: [&[u8]; 5] = [
            b"ERR unknown subcommand or wrong number of arguments for '",
            given,
            b"'. Try ",
            name.as_bytes(),
            b" HELP.",
        ];
        Error::text(parts.concat())
    }

    /// The error for a subcommand nobody knows.
    pub fn unknown_subcommand(&self, given: &[u8]) -> Error {
        let name = self.row().name.to_ascii_uppercase();
        Error::text(
            [b"ERR unknown subcommand '", crate::command::args::shown(given), b"'. Try ", name.as_bytes(), b" HELP."]
                .concat(),
        )
    }

    /// Answers a HELP subcommand: lines on the subcommands of the running command's container.
    pub fn reply_help(&mut self, lines: &[&str]) {
        let full_name = &self.server.commands.entry(self.command).full_name;
        let container = full_name.split('|').next().unwrap_or_default().to_ascii_uppercase();
        let head = format!("{container} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
        let tail = ["HELP", "    Prints this help."];
        self.reply.array(lines.len() + 3);
        self.reply.simple(&head);
        lines.iter().chain(&tail).for_each(|line| self.reply.simple(line));
    }
}
