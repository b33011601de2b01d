//! The functions with which scripts call others and are told of their errors, and those that compile code.
//!
//! What ends a script is an error like others to Lua, and what catches errors passes it on: nobody can catch his end.
//! A script's own handler of errors is not asked then; it might never come to an end.

use super::lua::{Exit, Kind, Lua, Outcome, Standing, Status, Step, function, stepwise};

/// What a piece of code costs that is to be compiled, besides its bytes.
const PIECE: usize = 1024;

/// Replaces functions in the table of globals on top.
pub fn replace(lua: Lua) {
    let own = [
        ("pcall", function(protected_call)),
        ("xpcall", function(handled_call)),
        ("loadstring", function(load_string)),
        ("load", function(load)),
    ];
    for (name, replacement) in own {
        lua.push_function(replacement, 0);
        lua.set_field(-2, name);
    }
    lua.field(-1, "coroutine");
    for (name, replacement) in [("resume", function(resume)), ("wrap", function(wrap))] {
        lua.push_function(replacement, 0);
        lua.set_field(-2, name);
    }
    lua.pop(1);
}

/// Calls a function. Of an error that is a table, its text is passed on: scripts of old expect text.
fn protected_call(lua: Lua) -> Outcome {
    let arguments = lua.top();
    if arguments == 0 {
        return Err(lua.wrong_argument(1, "value expected"));
    }
    let status = lua.call(arguments - 1, -1, 0);
    if lua.has_ended() {
        return Err(lua.end());
    }
    let done = status == Status::Done;
    if !done && lua.kind(-1) == Kind::Table {
        lua.field(-1, "err");
        if lua.is_text(-1) {
            lua.replace(-2);
        } else {
            lua.pop(1);
        }
    }
    if !lua.ensure(1) {
        lua.set_top(0);
        lua.push_boolean(false);
        lua.push_bytes(b"stack overflow");
        return Ok(2);
    }
    lua.push_boolean(done);
    lua.insert(1);
    Ok(lua.top())
}

/// Calls a function; its error passes through another one, there where it was raised.
fn handled_call(lua: Lua) -> Outcome {
    if lua.top() < 2 {
        return Err(lua.wrong_argument(2, "value expected"));
    }
    lua.set_top(2);
    lua.push_function(stepwise(handle), 1);
    lua.insert(1);
    let status = lua.call(0, -1, 1);
    if lua.has_ended() {
        return Err(lua.end());
    }
    lua.push_boolean(status == Status::Done);
    lua.replace(1);
    Ok(lua.top())
}

/// Has its upvalue handle an error.
fn handle(lua: Lua, was_asked: &mut bool) -> Result<Step, Exit> {
    if lua.has_ended() || std::mem::replace(was_asked, true) {
        return Ok(Step::Done(1));
    }
    lua.push_value(Lua::upvalue(1));
    lua.insert(1);
    Ok(Step::Call(lua.top() - 1))
}

/// Has a coroutine go on with the values from `first` up: its results, or nothing and its error.
fn go_on(lua: Lua, thread: Lua, first: i32) -> Result<Option<i32>, Exit> {
    let arguments = lua.top() - first + 1;
    if !thread.ensure(arguments) {
        return Err(lua.error("too many arguments to resume"));
    }
    let standing = match lua.standing(thread) {
        Standing::Suspended => return lua.resume(thread, arguments),
        Standing::Running => "running",
        Standing::Normal => "normal",
        Standing::Dead => "dead",
    };
    lua.push_bytes(format!("cannot resume {standing} coroutine").as_bytes());
    Ok(None)
}

fn resume(lua: Lua) -> Outcome {
    let Some(thread) = lua.thread(1) else { return Err(lua.wrong_argument(1, "coroutine expected")) };
    let results = go_on(lua, thread, 2)?;
    let count = results.unwrap_or(1);
    lua.push_boolean(results.is_some());
    lua.insert(-(count + 1));
    Ok(count + 1)
}

fn wrap(lua: Lua) -> Outcome {
    if lua.kind(1) != Kind::Function || lua.native(1).is_some() {
        return Err(lua.wrong_argument(1, "Lua function expected"));
    }
    lua.new_thread(1);
    lua.push_function(function(resume_wrapped), 1);
    Ok(1)
}

/// The function that `wrap` returns; the coroutine is its upvalue.
fn resume_wrapped(lua: Lua) -> Outcome {
    let Some(thread) = lua.thread(Lua::upvalue(1)) else { return Err(lua.error("coroutine expected")) };
    if let Some(results) = go_on(lua, thread, 1)? {
        return Ok(results);
    }
    if lua.is_text(-1) {
        let text = lua.bytes(-1).to_vec();
        return Err(lua.error(text));
    }
    Err(Exit::Error)
}

fn load_string(lua: Lua) -> Outcome {
    lua.check_bytes(1)?;
    let name = if lua.is_text(2) { 2 } else { 1 };
    compile(lua, lua.bytes(1), name)
}

/// Compiles what a function returns piece by piece.
fn load(lua: Lua) -> Outcome {
    if lua.kind(1) != Kind::Function {
        return Err(Exit::Type(1, c"function"));
    }
    lua.set_top(2);
    if !lua.is_text(2) {
        lua.push_bytes(b"=(load)");
        lua.replace(2);
    }
    let mut code = Vec::new();
    loop {
        lua.spend_call()?;
        lua.push_value(1);
        let status = lua.call(0, 1, 0);
        if lua.has_ended() {
            return Err(lua.end());
        }
        if status == Status::Failed {
            lua.push_nil();
            lua.insert(-2);
            return Ok(2);
        }
        if lua.kind(-1) == Kind::Nil {
            break;
        }
        if !lua.is_text(-1) {
            lua.push_nil();
            lua.push_bytes(b"reader function must return a string");
            return Ok(2);
        }
        let piece = lua.bytes(-1);
        if piece.is_empty() {
            break;
        }
        lua.spend(piece.len() + PIECE)?;
        lua.check_text(code.len() + piece.len())?;
        code.extend_from_slice(piece);
        lua.pop(1);
    }
    lua.set_top(2);
    compile(lua, &code, 2)
}

/// Compiles code under the name at `name`; nil and the reason if that fails.
fn compile(lua: Lua, code: &[u8], name: i32) -> Outcome {
    let text = lua.bytes(name);
    let end = memchr::memchr(0, text).unwrap_or(text.len());
    lua.push_bytes(&text[..end]);
    let status = lua.load(code);
    if lua.has_ended() {
        return Err(lua.end());
    }
    if status == Status::Done {
        return Ok(1);
    }
    lua.push_nil();
    lua.insert(-2);
    Ok(2)
}
