//! May this command run now? Asked only when something unusual holds for the client, the server or the command; the
//! checks and their order are those of Redis, and they ask for flags of the row, never for a command's name.

use super::Ctx;
use crate::client::Modes;
use crate::client::acl::log::Context;
use crate::command::spec::{
    ADMIN, ALLOW_BUSY, DENYOOM, GUARDED_DEBUG, GUARDED_MODULES, IN_SUBSCRIPTION, LOADING, MAY_REPLICATE,
    NO_ASYNC_LOADING, NO_AUTH, NO_MULTI, NO_QUEUE, READONLY, REPORTS_DISK_ERROR, RUNS_QUEUE, STALE, WRITE,
};
use crate::command::{Args, CommandId, Error, Flags};
use crate::server::Server;
use crate::server::clients::describe::Running;
use crate::server::clients::{memory, tracking};
use crate::server::cluster::route;
use crate::server::effects::Observers;
use crate::server::modes::ServerModes;
use crate::server::pause::PauseKind;

/// What becomes of a command.
#[derive(Debug)]
pub enum Verdict {
    /// It runs.
    Run,
    /// It is refused with an error.
    Refuse(Error),
    /// Its client is sent to another server, or told why no server can do it.
    Redirect(Error),
    /// It waits for EXEC.
    Queue,
    /// It waits for the end of a pause.
    Postpone,
    /// Its client took too much memory, and goes.
    Evicted,
}

const NO_AUTH_ERROR: Error = Error::fixed("NOAUTH Authentication required.");
/// Memory is exhausted, and nothing can be evicted.
pub const OOM: Error = Error::fixed("OOM command not allowed when used memory > 'maxmemory'.");
/// The data are stale, and not to be shown.
pub const MASTER_DOWN: Error =
    Error::fixed("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.");
/// Too few replicas follow for writes to be taken.
pub const FEW_REPLICAS: Error = Error::fixed("NOREPLICAS Not enough good replicas to write.");
const LOADING_ERROR: Error = Error::fixed("LOADING Redis is loading the dataset in memory");

/// Decides about a command whose name and arity are right.
pub fn check(cx: &mut Ctx<'_>, id: CommandId, args: &Args<'_>) -> Verdict {
    let entry = cx.server.commands.entry(id);
    let row = entry.row;
    let modes = cx.client().modes;
    if let Some(error) = guard(cx, row.flags) {
        return Verdict::Refuse(error);
    }
    // EXEC counts as everything it is going to run.
    let queue = cx.client().transaction.as_deref().filter(|_| row.flags.has(RUNS_QUEUE));
    let own_flags = cx.server.rows.row(id).flags_of_call(cx.server, args);
    let flags = own_flags | queue.map_or(Flags::default(), |queue| queue.flags);
    let common_flags = own_flags.without(queue.map_or(Flags::default(), |queue| queue.lacking));
    if modes.has(Modes::UNAUTHENTICATED) && !row.flags.has(NO_AUTH) && cx.server.acl.needs_password() {
        return Verdict::Refuse(NO_AUTH_ERROR);
    }
    if modes.has(Modes::MULTI) && row.flags.has(NO_MULTI) {
        return Verdict::Refuse(Error::fixed("ERR Command not allowed inside a transaction"));
    }
    if let Err(denial) = cx.check_rights(id, args) {
        let context = if modes.has(Modes::MULTI) { Context::Multi } else { Context::TopLevel };
        cx.log_denial(id, args, denial, context);
        return Verdict::Refuse(cx.denial_error(id, denial));
    }
    if let Some(verdict) = sent_on(cx, id, args, flags) {
        return verdict;
    }
    if cx.server.modes.has(ServerModes::CLIENT_MEMORY_LIMIT) {
        memory::count(cx.server, cx.client, Some(&Running::of(args, cx.reply)));
        memory::make_room(cx.server);
        if cx.client().connection.doomed {
            return Verdict::Evicted;
        }
    }
    let queueing = modes.has(Modes::MULTI) && !row.flags.has(NO_QUEUE);
    // Keys stay where they are while a script looks at them.
    if cx.server.modes.has(ServerModes::MEMORY_LIMIT) && !cx.server.modes.has(ServerModes::BUSY) {
        let enough = crate::server::evict::make_room(cx.server, cx.db);
        cx.server.script.memory_exhausted = !enough;
        if cx.server.observers.has(Observers::TRACKING) {
            tracking::deliver_before_reply(cx);
        }
        if !enough && (flags.has(DENYOOM) || queueing) {
            return Verdict::Refuse(OOM);
        }
    }
    if cx.server.modes.has(ServerModes::TRACKING_FULL) {
        tracking::make_room(cx.server);
        tracking::deliver_before_reply(cx);
    }
    if let Some(error) = refuses_write(cx.server, flags) {
        return Verdict::Refuse(error);
    }
    if let Some(error) = refuses_in_subscription(cx, id) {
        return Verdict::Refuse(error);
    }
    if cx.server.modes.has(ServerModes::STALE) && !common_flags.has(STALE) {
        return Verdict::Refuse(MASTER_DOWN);
    }
    let aside = cx.server.modes.has(ServerModes::ASYNC_LOADING) && row.flags.has(NO_ASYNC_LOADING);
    if aside || cx.server.modes.has(ServerModes::LOADING) && !common_flags.has(LOADING) {
        return Verdict::Refuse(LOADING_ERROR);
    }
    if cx.server.modes.has(ServerModes::BUSY) && !row.flags.has(ALLOW_BUSY) {
        let is_script = cx.server.script.running.as_ref().is_none_or(|running| running.is_script);
        return Verdict::Refuse(busy_error(is_script));
    }
    let monitors = modes.has(Modes(Modes::MONITOR.0 | Modes::REPLICA.0));
    if monitors && flags.has(WRITE | READONLY | MAY_REPLICATE) {
        return Verdict::Refuse(Error::fixed("ERR Replica can't interact with the keyspace"));
    }
    if !monitors && is_held(cx.server, flags) {
        return Verdict::Postpone;
    }
    if queueing { Verdict::Queue } else { Verdict::Run }
}

/// What becomes of a command that another server is there for: because its keys are in a slot of another node, or, of a
/// client that goes where a replica sends it, because it is for the primary.
fn sent_on(cx: &Ctx<'_>, id: CommandId, args: &Args<'_>, flags: Flags) -> Option<Verdict> {
    let client = cx.client();
    if client.modes.has(Modes::MUST_OBEY) {
        return None;
    }
    if cx.server.modes.has(ServerModes::CLUSTER)
        && let Err(detour) = route::check(cx, id, args, flags)
    {
        return Some(Verdict::Redirect(detour.error(cx.server, cx.client)));
    }
    if !cx.server.modes.has(ServerModes::REPLICA) || !client.belongs_at_primary(flags) {
        return None;
    }
    // While the place is being handed over the other one would send the client back.
    Some(if cx.server.repl.failover.is_under_way() {
        Verdict::Postpone
    } else {
        Verdict::Redirect(cx.server.redirection())
    })
}

/// The error of a command that a RESP2 client with subscriptions may not call.
fn refuses_in_subscription(cx: &Ctx<'_>, id: CommandId) -> Option<Error> {
    let entry = cx.server.commands.entry(id);
    let subscribed = cx.client().modes.has(Modes::SUBSCRIBED) && !cx.reply.resp3;
    (subscribed && !entry.row.flags.has(IN_SUBSCRIPTION)).then(|| {
        Error::text(format!(
            "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
             context",
            entry.full_name
        ))
    })
}

/// Whether a pause holds a command.
pub fn is_held(server: &Server, flags: Flags) -> bool {
    match server.pause.kind() {
        Some(PauseKind::All) => true,
        Some(PauseKind::Write) => flags.has(WRITE | MAY_REPLICATE),
        None => false,
    }
}

/// Why nothing is to be changed now, for a command that would.
pub fn refuses_write(server: &Server, flags: Flags) -> Option<Error> {
    let modes = server.modes;
    if modes.has(ServerModes::DISK_ERROR) && flags.has(WRITE | REPORTS_DISK_ERROR) {
        return Some(server.disk_error());
    }
    if modes.has(ServerModes::FEW_REPLICAS) && flags.has(WRITE) {
        return Some(FEW_REPLICAS);
    }
    let follows = modes.has(ServerModes::REPLICA) && server.config.replica_read_only;
    (follows && flags.has(WRITE)).then_some(Error::fixed("READONLY You can't write against a read only replica."))
}

/// The error of a command that the configuration does not allow this client.
fn guard(cx: &Ctx<'_>, flags: Flags) -> Option<Error> {
    let (name, allowed) = match flags {
        flags if flags.has(GUARDED_DEBUG) => ("debug", cx.server.config.enable_debug_command),
        flags if flags.has(GUARDED_MODULES) => ("module", cx.server.config.enable_module_command),
        _ => return None,
    };
    if allowed.allows(cx.is_local()) {
        return None;
    }
    let upper = name.to_ascii_uppercase();
    Some(Error::text(format!(
        "ERR {upper} command not allowed. If the enable-{name}-command option is set to \"local\", you can run it from a \
         local connection, otherwise you need to set this option in the configuration file, and then restart the server."
    )))
}

/// Whether MONITOR may show a command.
pub fn shown_to_monitors(flags: Flags) -> bool {
    !flags.has(crate::command::spec::SKIP_MONITOR | ADMIN)
}

/// The error others get while a script runs too long.
pub fn busy_error(is_script: bool) -> Error {
    match is_script {
        true => Error::fixed("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."),
        false => {
            Error::fixed("BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.")
        }
    }
}
