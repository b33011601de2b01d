//! One run of a script or function, and the commands it calls.
//!
//! While Lua runs, the surroundings of the command that started it (databases, server) are lent to the functions that
//! Lua calls back: [`call_command`] above all. There is one run at a time, and it lends them to one function at a time.
//!
//! A command that a script calls passes the checks that concern it, is called as those of clients are, and has its
//! reply turned into Lua's values straight from a buffer that is used again and again.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::rc::Rc;

use crate::client::acl::Call;
use crate::client::acl::log::Context;
use crate::command::error::CmdResult;
use crate::command::spec::{DENYOOM, MAY_REPLICATE, NOSCRIPT, STALE, WRITE};
use crate::command::{Args, CommandId, Error};
use crate::db::Databases;
use crate::net::ClientKey;
use crate::peers::repl::outgoing::TO_ALL;
use crate::resp::reply::Reply;
use crate::resp::request::{ArgView, OwnedRequest};
use crate::script::convert::{self, ScriptError, Unwritten, push_error};
use crate::script::functions::raise;
use crate::script::interpreter::{self, ARGV, HANDLER, Interpreter, KEYS};
use crate::script::lua::{Exit, Kind, Lua, NOT_ENOUGH_MEMORY, Outcome, Reference, Status, Watch};
use crate::script::running::{Rooms, Running};
use crate::script::shebang::ScriptFlags;
use crate::server::Server;
use crate::server::clients::{tracking, users};
use crate::server::cluster::route;
use crate::server::effects::Observers;
use crate::server::event_loop::busy::BusyServer;
use crate::server::execution::{Ctx, call, gate};
use crate::server::modes::ServerModes;
use crate::util::clock::Ticks;
use crate::util::number::append_f64;
use crate::util::redact;

/// The longest that commands take between two looks after others, in nanoseconds.
const COMMANDS_NS_MAX: u64 = 2_000_000;
/// Replies of commands longer than this are converted while others can be looked after, in bytes.
const LONG_REPLY_BYTES: usize = 1 << 16;
/// Others are looked after when a command had arguments longer than this, in bytes.
const LONG_ARGUMENTS_BYTES: usize = 1 << 20;
/// The most bytes of a command's arguments, as of those of clients.
const ARGUMENT_BYTES_MAX: usize = 1 << 30;
/// Buffers larger than this are not kept for the next run, in bytes.
const KEPT_BYTES_MAX: usize = 1 << 20;

/// What is to run.
#[derive(Debug)]
pub struct Start {
    /// The function.
    pub function: Reference,
    /// The script's digest or the function's name.
    pub name: Rc<[u8]>,
    /// What it says of itself.
    pub flags: ScriptFlags,
    /// It is a script, not a function.
    pub is_script: bool,
    /// It was called by a command that lets nothing be written.
    pub read_only: bool,
    /// How many of the arguments are keys.
    pub keys: usize,
}

/// What runs or changes scripts is refused to scripts, even where they may call what they usually may not.
pub const NESTED: Error = Error::fixed("ERR This Redis command is not allowed from script");

/// What the commands of a run may do.
#[derive(Clone, Copy, Debug)]
struct Limits {
    read_only: bool,
    allow_oom: bool,
    memory_exhausted: bool,
}

impl Limits {
    /// Whether a command may run, and notes that it will if it writes. A script that has written goes on whatever
    /// happens to the server meanwhile.
    fn check(self, cx: &mut Ctx<'_>) -> CmdResult {
        let flags = cx.row().flags;
        if !flags.has(WRITE | MAY_REPLICATE | DENYOOM) {
            return Ok(());
        }
        if self.read_only && flags.has(WRITE | MAY_REPLICATE) {
            return Err(Error::fixed("ERR Write commands are not allowed from read-only scripts."));
        }
        let wrote = cx.server.script.running.as_ref().is_some_and(|running| running.wrote);
        if !wrote && !cx.must_obey() {
            if flags.has(WRITE)
                && let Some(error) = gate::refuses_write(cx.server, flags)
            {
                return Err(error);
            }
            if flags.has(DENYOOM) && self.memory_exhausted && !self.allow_oom {
                return Err(gate::OOM);
            }
        }
        if flags.has(WRITE)
            && let Some(running) = &mut cx.server.script.running
        {
            running.wrote = true;
        }
        Ok(())
    }
}

/// A run.
#[derive(Debug)]
pub struct Run {
    db: NonNull<Databases>,
    server: NonNull<Server>,
    client: ClientKey,
    rooms: Rooms,
    limits: Limits,
    /// Where changes go: bits for the append-only file and for replicas.
    propagate_to: u8,
    resp3: bool,
    /// The slot that its keys are in, once there is one, and whether they all have to be.
    slot: Option<u16>,
    keeps_to_slot: bool,
    /// The arguments of the command that called it, which outlive the run.
    caller: ArgView<'static>,
    restricted: Option<Box<BusyServer>>,
    /// When others were last looked after.
    looked: Ticks,
    /// The log tells that it was ended.
    kill_logged: bool,
    /// The arguments taken last were long.
    has_long_arguments: bool,
}

/// What is left to do when a command that a script has called is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Nothing,
    /// It took long: others are to be looked after.
    Look,
    /// Its reply is long and is still to be converted.
    Convert,
}

thread_local! {
    /// The run, unless there is none or it is lent out.
    static CURRENT: Cell<*mut Run> = const { Cell::new(ptr::null_mut()) };
}

/// Lends the run and its surroundings; nothing when no script runs.
fn lend<R>(borrow: impl FnOnce(&mut Run, &mut Databases, &mut Server) -> R) -> Option<R> {
    let mut current = NonNull::new(CURRENT.replace(ptr::null_mut()))?;
    // SAFETY: `call_function` sets the pointer to a run that lives until it has taken the pointer away, and does not
    // touch it, the databases or the server meanwhile. The pointer is away while they are lent, so this is the only
    // reference to each.
    let result = unsafe {
        let run = current.as_mut();
        let (db, server) = (run.db.as_mut(), run.server.as_mut());
        borrow(run, db, server)
    };
    CURRENT.set(current.as_ptr());
    Some(result)
}

/// Has a function use the run and the server; nothing when no script runs.
pub fn with<R>(borrow: impl FnOnce(&mut Run, &mut Server) -> R) -> Option<R> {
    lend(|run, _, server| borrow(run, server))
}

/// `redis.call` and `redis.pcall`: an error is raised, or returned.
pub fn call_command(lua: Lua, raises: bool) -> Outcome {
    let Some(called) = lend(|run, db, server| {
        let is_fine = run.call(lua, db, server)?;
        Ok((is_fine, run.after_call(server)))
    }) else {
        return Err(raise(lua, "redis.call/pcall can only be called inside a script invocation"));
    };
    let (is_fine, after) = called?;
    if after != After::Nothing {
        finish_call(lua, after)?;
    }
    if is_fine || !raises { Ok(1) } else { Err(Exit::Error) }
}

/// Does what the surroundings may not be lent out for: others are looked after meanwhile.
#[cold]
fn finish_call(lua: Lua, after: After) -> Result<(), Exit> {
    if after == After::Convert {
        let reply = with(|run, _| std::mem::take(&mut run.rooms.reply)).unwrap_or_default();
        match reply.contiguous() {
            Some(bytes) => convert::push_reply(lua, bytes)?,
            None => convert::push_reply(lua, &reply.to_vec())?,
        }
    }
    lua.spend(usize::MAX)
}

/// Runs a script or function and writes its reply.
///
/// # Errors
/// When it may not run now.
pub fn run(cx: &mut Ctx<'_>, args: Args<'_>, call: Start) -> CmdResult {
    if cx.server.script.running.is_some() {
        return Err(NESTED);
    }
    check(cx, &call)?;
    let maxmemory = cx.server.config.maxmemory;
    let interpreter = interpreter_of(cx.server, &call);
    interpreter.limit(maxmemory);
    let (lua, collect_at) = (interpreter.lua(), interpreter.collect_at());
    let started = cx.server.clock.now();
    cx.server.script.running = Some(Running {
        name: Rc::clone(&call.name),
        is_script: call.is_script,
        wrote: false,
        timed_out: false,
        killed: false,
        request: OwnedRequest::default(),
        started,
    });
    let selected = cx.client().db;
    // Names of fields that a script tells are those of this run.
    let field_sets = cx.client_mut().field_sets.take();
    let in_exec = std::mem::replace(&mut cx.server.in_exec, true);
    let ended = call_function(cx, lua, args, &call, collect_at);
    cx.server.in_exec = in_exec;
    cx.server.frozen_time_us.take_if(|_| !in_exec);
    let client = cx.client_mut();
    (client.db, client.field_sets) = (selected, field_sets);
    cx.db.select(selected);
    end(cx);
    if matches!(ended, Ended::WithReply { counted: true }) {
        cx.server.commands.stats_mut(cx.command).failed += 1;
    }
    cx.propagate_nothing();
    match ended {
        Ended::WithReply { .. } => Ok(()),
        Ended::WithError(error) => {
            write_error(cx, error, &call.name);
            Ok(())
        }
        Ended::WithText(text) => {
            let text = &text[..text.len().min(100)];
            cx.reply.error([b"ERR Error running script ", &call.name[..], b", ", text].concat());
            Ok(())
        }
        Ended::TooLong => Err(Error::fixed("ERR not enough memory for the reply of the script")),
    }
}

/// The interpreter of scripts or that of functions.
fn interpreter_of<'a>(server: &'a mut Server, call: &Start) -> &'a mut Interpreter {
    let Server { script, config, .. } = server;
    if call.is_script { script.scripts_mut(config) } else { script.functions_mut(config) }
}

/// How a script has ended.
enum Ended {
    /// Its reply is written; whether that is an error which had been counted before.
    WithReply {
        counted: bool,
    },
    WithError(ScriptError),
    /// With an error that is none of ours: Lua could not make a table of it.
    WithText(Vec<u8>),
    /// Its reply would be too long.
    TooLong,
}

/// May it run now? Of scripts that declare nothing the commands are checked one by one.
fn check(cx: &Ctx<'_>, call: &Start) -> Result<(), Error> {
    let (server, flags) = (&*cx.server, call.flags);
    let is_stale = server.modes.has(ServerModes::STALE);
    if flags.has(ScriptFlags::UNDECLARED) {
        return if is_stale { Err(gate::MASTER_DOWN) } else { Ok(()) };
    }
    if flags.has(ScriptFlags::NO_CLUSTER) && server.modes.has(ServerModes::CLUSTER) {
        return Err(Error::fixed("ERR Can not run script on cluster, 'no-cluster' flag is set."));
    }
    if is_stale && !flags.has(ScriptFlags::ALLOW_STALE) {
        return Err(Error::fixed(
            "MASTERDOWN Link with MASTER is down, replica-serve-stale-data is set to 'no' and 'allow-stale' flag is not \
             set on the script.",
        ));
    }
    if flags.has(ScriptFlags::NO_WRITES) {
        return Ok(());
    }
    let must_obey = cx.must_obey();
    if server.modes.has(ServerModes::REPLICA) && server.config.replica_read_only && !must_obey {
        return Err(Error::fixed("READONLY Can not run script with write flag on readonly replica"));
    }
    if server.modes.has(ServerModes::DISK_ERROR) && !must_obey {
        return Err(server.disk_error_of_script());
    }
    if call.read_only {
        return Err(Error::fixed("ERR Can not execute a script with write flag using *_ro command."));
    }
    if server.modes.has(ServerModes::FEW_REPLICAS) {
        return Err(gate::FEW_REPLICAS);
    }
    if memory_exhausted(server) && !flags.has(ScriptFlags::ALLOW_OOM) {
        return Err(Error::fixed(
            "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
        ));
    }
    Ok(())
}

fn memory_exhausted(server: &Server) -> bool {
    server.modes.has(ServerModes::MEMORY_LIMIT) && server.script.memory_exhausted
}

/// Calls the function with its keys and arguments, writes its reply, and sees to much garbage: all that takes as long
/// as the script wants it to. Garbage is collected from so much memory on. The stack is as it was then.
fn call_function(cx: &mut Ctx<'_>, lua: Lua, args: Args<'_>, call: &Start, collect_at: usize) -> Ended {
    // SAFETY: only the lifetime is changed; the run does not outlive this function, nor the arguments.
    let caller = unsafe { std::mem::transmute::<ArgView<'_>, ArgView<'static>>(*args) };
    let declared = !call.flags.has(ScriptFlags::UNDECLARED);
    let mut run = Run {
        rooms: std::mem::take(&mut cx.server.script.rooms),
        limits: Limits {
            read_only: call.read_only || declared && call.flags.has(ScriptFlags::NO_WRITES),
            allow_oom: declared && call.flags.has(ScriptFlags::ALLOW_OOM),
            memory_exhausted: memory_exhausted(cx.server),
        },
        client: cx.client,
        slot: (call.keys > 0).then(|| args.key(3).slot()),
        keeps_to_slot: declared && !call.flags.has(ScriptFlags::ALLOW_CROSS_SLOT),
        propagate_to: TO_ALL,
        resp3: false,
        caller,
        restricted: None,
        looked: cx.server.clock.now(),
        kill_logged: false,
        has_long_arguments: false,
        db: NonNull::from(&mut *cx.db),
        server: NonNull::from(&mut *cx.server),
    };
    let mark = lua.top();
    CURRENT.set(&raw mut run);
    lua.watch(Watch { goes_on, push_end });
    lua.push_kept(call.function);
    let behind_keys = 3 + call.keys;
    for (name, from, to) in [(KEYS, 3, behind_keys), (ARGV, behind_keys, args.len())] {
        if call.is_script {
            lua.push_value(name);
        }
        push_array(lua, args, from, to);
        if call.is_script {
            interpreter::set_global(lua);
        }
    }
    let status = lua.call(if call.is_script { 0 } else { 2 }, 1, HANDLER);
    let ended = match status {
        Status::Done => write_reply(lua, cx.reply),
        Status::Failed => take_error(lua),
    };
    lua.set_top(mark);
    let collects = lua.used() > collect_at;
    if collects {
        lua.collect();
    }
    lua.unwatch();
    CURRENT.set(ptr::null_mut());
    let mut rooms = run.rooms;
    if rooms.reply.capacity() > KEPT_BYTES_MAX || rooms.request.bytes() > KEPT_BYTES_MAX {
        rooms = Rooms::default();
    }
    cx.server.script.rooms = rooms;
    cx.server.script.keeps_from_some = false;
    if collects {
        interpreter_of(cx.server, call).note_collected();
    }
    ended
}

fn write_reply(lua: Lua, reply: &mut Reply) -> Ended {
    let begin = reply.mark();
    let resp3 = with(|run, _| run.resp3).unwrap_or_default();
    match convert::write_reply(lua, reply, resp3) {
        Ok(counted) => Ended::WithReply { counted },
        Err(unwritten) => {
            reply.truncate(begin);
            match unwritten {
                Unwritten::TooLong => Ended::TooLong,
                Unwritten::Ended => {
                    lua.push_end();
                    Ended::WithError(convert::error_on_top(lua))
                }
            }
        }
    }
}

/// The error on top of the stack.
fn take_error(lua: Lua) -> Ended {
    if lua.has_ended() && lua.kind(-1) != Kind::Table {
        lua.push_end();
    }
    match lua.kind(-1) {
        Kind::Table => Ended::WithError(convert::error_on_top(lua)),
        Kind::String | Kind::Number => Ended::WithText(lua.bytes(-1).to_vec()),
        _ => Ended::WithText(b"execution failure".to_vec()),
    }
}

fn push_array(lua: Lua, args: Args<'_>, from: usize, to: usize) {
    lua.new_table(to - from, 0);
    for (place, index) in (1..).zip(from..to) {
        lua.push_bytes(args.get(index));
        lua.raw_set_at(-2, place);
    }
}

/// The run is over: others are served again.
fn end(cx: &mut Ctx<'_>) {
    let Some(running) = cx.server.script.running.take() else { return };
    if running.timed_out {
        cx.server.modes.set(ServerModes::BUSY, false);
        // What a script has done that was ended by the end of the server is not worth keeping.
        if cx.server.shutdown.is_some() {
            cx.server.effects.outgoing.clear();
        }
    }
}

/// Answers with an error.
fn write_error(cx: &mut Ctx<'_>, error: ScriptError, name: &[u8]) {
    let mut line = error.line;
    if let Some((source, number)) = error.place {
        line.extend_from_slice(&[b" script: ", name, b", on ", &source, b":", &number, b"."].concat());
    }
    if error.counted {
        cx.reply.counted_error(line);
        cx.server.commands.stats_mut(cx.command).failed += 1;
    } else {
        cx.reply.error(line);
    }
}

/// Looks after others: whether the script goes on.
fn goes_on() -> bool {
    lend(Run::look_up).unwrap_or(true)
}

fn push_end(lua: Lua) {
    push_error(lua, b"ERR Script killed by user with SCRIPT KILL...", false);
}

impl Run {
    /// Has commands answer in another version of the protocol from now on.
    pub fn speak(&mut self, _: &Server, resp3: bool) {
        self.resp3 = resp3;
    }

    /// Has changes go elsewhere from now on.
    pub fn propagate_to(&mut self, server: &mut Server, target: u8) {
        self.propagate_to = target;
        server.script.keeps_from_some = target != TO_ALL;
    }

    /// Takes the arguments of a command from the stack, which is empty then.
    ///
    /// # Errors
    /// When there are none, or one is neither text nor number.
    pub fn take_arguments(&mut self, lua: Lua) -> Result<(), Exit> {
        let request = &mut self.rooms.request;
        request.clear();
        let count = lua.top();
        if count == 0 {
            return Err(raise(lua, "Please specify at least one argument for this redis lib call"));
        }
        let mut bytes = 0;
        for index in 1..=count {
            match lua.kind(index) {
                Kind::String => {
                    let text = lua.bytes(index);
                    bytes += text.len();
                    let were_short = bytes - text.len() <= LONG_ARGUMENTS_BYTES;
                    if bytes > LONG_ARGUMENTS_BYTES && were_short && are_too_long(lua) {
                        lua.set_top(0);
                        return Err(raise(lua, NOT_ENOUGH_MEMORY));
                    }
                    request.push(text);
                }
                Kind::Number => push_number(lua.number(index), request),
                _ => {
                    lua.set_top(0);
                    return Err(raise(lua, "Lua redis lib command arguments must be strings or integers"));
                }
            }
        }
        self.has_long_arguments = bytes > LONG_ARGUMENTS_BYTES;
        lua.set_top(0);
        Ok(())
    }

    /// The command the arguments name.
    pub fn resolve(&self, server: &Server) -> Option<CommandId> {
        let view = self.rooms.request.view();
        let id = server.commands.resolve(&view)?;
        // A container stands for itself only when no subcommand is named.
        let is_known = view.len() == 1 || !server.commands.entry(id).row.has_subcommands;
        is_known.then_some(id)
    }

    /// Whether the user who called the script may call a command with the arguments taken.
    pub fn user_may_call(&self, server: &Server, id: CommandId) -> bool {
        let user = server.acl.user(server.clients.at(self.client).user);
        let args = Args::from(self.rooms.request.view());
        let databases = users::call_databases(server, self.client);
        user.check(&mut Call::new(&server.commands, id, args, databases)).is_ok()
    }

    /// Calls the command whose arguments are on the stack, and leaves its reply there, or an error. Whether it is no
    /// error.
    fn call(&mut self, lua: Lua, db: &mut Databases, server: &mut Server) -> Result<bool, Exit> {
        if self.take_arguments(lua).is_err() {
            return Ok(false);
        }
        let id = match self.resolve_allowed(server) {
            Ok(id) => id,
            Err((id, error)) => {
                refuse(lua, server, id, &error);
                return Ok(false);
            }
        };
        let outgoing = server.effects.outgoing.len();
        let Rooms { request, reply } = &mut self.rooms;
        reply.resp3 = self.resp3;
        let args = Args::from(request.view());
        let mut cx = Ctx { db, server, reply, client: self.client, command: id };
        if let Err(denial) = cx.check_rights(id, &args) {
            cx.log_denial(id, &args, denial, Context::Script);
            let error = Error::text([b"ERR ACL failure in script: ", &*cx.denial_text(id, denial)].concat());
            refuse(lua, server, Some(id), &error);
            return Ok(false);
        }
        let checked = self.limits.check(&mut cx).and_then(|()| match cx.must_obey() {
            true => Ok(()),
            false => route::check_in_script(&cx, id, &args, &mut self.slot, self.keeps_to_slot),
        });
        if let Err(error) = checked {
            refuse(lua, server, Some(id), &error);
            return Ok(false);
        }
        call::call(&mut cx, id, args);
        if cx.server.observers.has(Observers::TRACKING) {
            tracking::after_call_by_script(&mut cx, id, &args);
        }
        if self.propagate_to != TO_ALL {
            server.effects.outgoing.restrict(outgoing, self.propagate_to);
        }
        if reply.len() > LONG_REPLY_BYTES {
            return Ok(reply.contiguous().is_none_or(|bytes| !is_error(bytes)));
        }
        let converted = match reply.contiguous() {
            Some(bytes) => push_converted(lua, bytes),
            None => push_converted(lua, &reply.to_vec()),
        };
        reply.clear();
        converted
    }

    /// What is left to do after a call.
    fn after_call(&self, server: &Server) -> After {
        if self.rooms.reply.len() > LONG_REPLY_BYTES {
            After::Convert
        } else if self.has_long_arguments
            || server.clock.nanos_between(self.looked, server.clock.now()) > COMMANDS_NS_MAX
        {
            After::Look
        } else {
            After::Nothing
        }
    }

    /// The command that is to be called, unless scripts may not call it.
    fn resolve_allowed(&self, server: &Server) -> Result<CommandId, (Option<CommandId>, Error)> {
        let unknown = Error::fixed("ERR Unknown Redis command called from script");
        let id = self.resolve(server).ok_or((None, unknown))?;
        let row = server.commands.entry(id).row;
        let refuse = |text: &'static str| Err((Some(id), Error::fixed(text)));
        if !row.arity.allows(self.rooms.request.view().len()) {
            return refuse("ERR Wrong number of args calling Redis command from script");
        }
        if row.flags.has(NOSCRIPT) && !server.script.all_commands {
            return refuse("ERR This Redis command is not allowed from script");
        }
        if server.modes.has(ServerModes::STALE) && !row.flags.has(STALE) {
            return refuse("ERR Can not execute the command on a stale replica");
        }
        Ok(id)
    }

    /// Looks at the clock, and after those who wait; whether the script goes on.
    fn look_up(&mut self, db: &mut Databases, server: &mut Server) -> bool {
        let threshold = server.config.busy_reply_threshold_ms;
        self.looked = server.clock.tick();
        if threshold == 0 {
            return true;
        }
        let Some(running) = &server.script.running else { return true };
        if !running.timed_out {
            let elapsed = running.millis(&server.clock);
            if elapsed < threshold {
                return true;
            }
            let kind = if running.is_script { "SCRIPT" } else { "FUNCTION" };
            // A digest tells nothing; the name of a function is an argument.
            let hidden = server.config.hide_user_data_from_log && !running.is_script;
            let name = redact::data(String::from_utf8_lossy(&running.name), hidden);
            log::warn!(
                "Slow script detected: still in execution after {elapsed} milliseconds. You can try killing the script \
                 using the {kind} KILL command. Script name is: {name}."
            );
            server.modes.set(ServerModes::BUSY, true);
        }
        if let Some(running) = &mut server.script.running {
            if !running.timed_out {
                running.request = OwnedRequest::copy(&self.caller);
            }
            running.timed_out = true;
        }
        self.restricted.get_or_insert_default().serve(server, db, self.client);
        let killed = server.script.running.as_ref().is_some_and(|running| running.killed);
        if killed && !std::mem::replace(&mut self.kill_logged, true) {
            log::warn!("Lua script killed by user with SCRIPT KILL.");
        }
        !killed && server.shutdown.is_none()
    }
}

/// Whether the arguments on the stack have too many bytes: the same text may stand for many.
fn are_too_long(lua: Lua) -> bool {
    let bytes: usize = (1..=lua.top()).filter(|index| lua.kind(*index) == Kind::String).map(|i| lua.length(i)).sum();
    bytes > lua.room().min(ARGUMENT_BYTES_MAX)
}

/// A number as an argument: as replies have it, with no sign of a zero.
fn push_number(number: f64, request: &mut OwnedRequest) {
    const EXACT_MAX: u64 = 1 << 62;
    let integer = number as i64;
    if integer as f64 == number && integer.unsigned_abs() <= EXACT_MAX {
        return request.push(itoa::Buffer::new().format(integer).as_bytes());
    }
    if number.is_nan() {
        return request.push(if number.is_sign_negative() { b"-nan" } else { b"nan" });
    }
    let mut text = Vec::with_capacity(32);
    append_f64(&mut text, number);
    request.push(&text);
}

fn push_converted(lua: Lua, reply: &[u8]) -> Result<bool, Exit> {
    convert::push_reply(lua, reply)?;
    Ok(!is_error(reply))
}

fn is_error(reply: &[u8]) -> bool {
    matches!(reply.first(), Some(b'-' | b'!'))
}

/// Counts a command that was not called, and pushes the error.
#[cold]
fn refuse(lua: Lua, server: &mut Server, id: Option<CommandId>, error: &Error) {
    let code = error.line().split(|byte| *byte == b' ').next().unwrap_or(b"ERR");
    server.stats.count_error(code);
    if let Some(id) = id {
        server.commands.stats_mut(id).rejected += 1;
    }
    push_error(lua, error.line(), true);
}
