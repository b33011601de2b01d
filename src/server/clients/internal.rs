//! Clients without a connection: they run commands that come from the server's own sources, such as the log of
//! commands it loads.
//!
//! Such a client is obeyed: what it runs happened elsewhere already, so no check may refuse it, and it never waits for
//! anything. What it is answered goes nowhere, but an error means that something is wrong.

use crate::client::internal::{self, Internal};
use crate::command::{Args, CommandId};
use crate::net::ClientKey;
use crate::server::Server;
use crate::server::execution::{Ctx, changes, settle};

/// Runs a command that happened before, or keeps it for EXEC; the error it was answered, if any. It is not counted
/// among the commands that clients have sent.
pub fn replay(cx: &mut Ctx<'_>, id: CommandId, args: &Args<'_>) -> Option<Vec<u8>> {
    let row = cx.server.commands.entry(id).row;
    cx.command = id;
    let client = cx.client_mut();
    client.last_command = Some(id);
    let (db, queues) = (client.db, client.transaction.is_some() && !row.flags.has(crate::command::spec::RUNS_QUEUE));
    let mark = cx.reply.mark();
    cx.db.begin_command(db, cx.server.clock.unix_ms());
    if queues {
        crate::server::execution::queue::queue(cx, id, args);
    } else if let Err(error) = (cx.server.rows.row(id).handler)(cx, *args) {
        cx.reply.truncate(mark);
        cx.reply.error(error.line());
    }
    match cx.server.observers.any() {
        true => {
            changes::apply_keyspace_notes(cx.server, cx.db);
            settle::finish_command(cx);
        }
        false => cx.db.forget_notes(),
    }
    let error = cx.reply.first_error_since(mark).map(<[u8]>::to_vec);
    cx.reply.clear();
    error
}

impl Internal {
    /// Has it among the clients while `work` lasts.
    pub fn at_work<T>(&mut self, server: &mut Server, work: impl FnOnce(&mut Server, ClientKey) -> T) -> T {
        let client = self.client.take().map_or_else(|| internal::client(0, server.clock.unix_ms()), |client| *client);
        let key = server.clients.insert(client);
        let outer = server.current.take();
        let result = work(server, key);
        server.current = outer;
        self.client = server.clients.remove(key).map(Box::new);
        result
    }
}
