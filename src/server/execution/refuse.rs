//! A command that is not run is answered with an error.

use super::Ctx;
use crate::command::CommandId;
use crate::command::error::Error;

/// Sends a client elsewhere with an error. What it has queued so far is forgotten when it wants that run.
pub fn redirect(cx: &mut Ctx<'_>, id: CommandId, error: Error) {
    cx.server.commands.stats_mut(id).rejected += 1;
    if cx.server.commands.entry(id).row.flags.has(crate::command::spec::RUNS_QUEUE) {
        super::queue::end(cx);
    }
    refuse(cx, None, error);
}

/// Answers with an error a command that was not run. In a transaction it dooms the EXEC.
pub fn refuse(cx: &mut Ctx<'_>, id: Option<CommandId>, error: Error) {
    if let Some(id) = id {
        cx.server.commands.stats_mut(id).rejected += 1;
        if cx.server.commands.entry(id).row.flags.has(crate::command::spec::RUNS_QUEUE) {
            return super::queue::abort(cx, &error);
        }
    }
    if let Some(transaction) = &mut cx.client_mut().transaction {
        transaction.refused = true;
    }
    let mark = cx.reply.mark();
    cx.reply.error(error.line());
    cx.reply.uncounted_errors(mark).for_each(|code| cx.server.stats.count_error(code));
    cx.reply.note_errors_counted();
}
