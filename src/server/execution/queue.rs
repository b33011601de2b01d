//! Commands between MULTI and EXEC.

use super::Ctx;
use crate::client::{Modes, Transaction};
use crate::command::spec::*;
use crate::command::{Args, CommandId, Error};
use crate::resp::request::OwnedRequest;
use crate::server::clients::lifecycle;

/// Queues a command for EXEC. Nothing is kept of a transaction that will fail anyway.
pub fn queue(cx: &mut Ctx<'_>, id: CommandId, args: &Args<'_>) {
    let flags = cx.server.rows.row(id).flags_of_call(cx.server, args);
    let client = cx.client_mut();
    let doomed = client.dirty;
    if let Some(transaction) = &mut client.transaction
        && !transaction.refused
        && !doomed
    {
        let request = OwnedRequest::copy(args);
        transaction.bytes += request.bytes() + size_of::<(CommandId, OwnedRequest)>();
        transaction.queue.push((id, request));
        transaction.flags = transaction.flags | flags;
        transaction.lacking = transaction.lacking | Flags::ALL.without(flags);
    }
    cx.reply.simple("QUEUED");
}

/// EXEC was refused before it ran: the transaction is over, and the reason is part of the error.
pub fn abort(cx: &mut Ctx<'_>, error: &Error) {
    end(cx);
    let reason = String::from_utf8_lossy(error.line());
    let reason = reason.strip_prefix("ERR ").unwrap_or(&reason);
    cx.reply.error(format!("EXECABORT Transaction discarded because of: {reason}"));
    cx.server.stats.count_error(b"EXECABORT");
}

/// Ends the client's transaction and returns it.
pub fn end(cx: &mut Ctx<'_>) -> Option<Box<Transaction>> {
    lifecycle::unwatch(cx.server, cx.client);
    let client = cx.client_mut();
    client.modes.set(Modes::MULTI, false);
    client.transaction.take()
}
