//! What scripts can see: the globals, which they cannot change, and the library functions, less those that would let
//! them out or bring the server down.
//!
//! Lua 5.1 has no read-only tables. A protected table is an empty one in front of the real one: reading falls through
//! by its metatable, writing raises Redis's error. Functions that pass by metatables (`rawset`, `next`, `table.insert`
//! …) are wrapped: they know a protected table and treat it as the real one, or refuse. The real tables are nowhere to
//! be had; the metatables neither, since `getmetatable` shows another one, protected itself.

use super::functions::Host;
use super::lua::{CFunction, COLLECTED_KIB, Exit, Kind, LIBRARIES, Lua, Outcome, function};
use super::{calls, tables, text};

/// What globals are left of Lua's own.
const GLOBALS: &[&str] = &[
    "_VERSION",
    "assert",
    "collectgarbage",
    "coroutine",
    "error",
    "gcinfo",
    "getmetatable",
    "ipairs",
    "load",
    "loadstring",
    "math",
    "next",
    "pairs",
    "pcall",
    "rawequal",
    "rawget",
    "rawset",
    "select",
    "setmetatable",
    "string",
    "table",
    "tonumber",
    "tostring",
    "type",
    "unpack",
    "xpcall",
];
/// Those that `lua-enable-deprecated-api` adds.
const DEPRECATED: &[&str] = &["getfenv", "newproxy", "setfenv"];
/// What a piece of collecting costs, in bytes of work.
const COLLECTED: usize = 1 << 18;

/// Opens Lua's libraries and puts our functions in the place of some of Lua's. Then pushes a table of the globals that
/// scripts may see, to be completed and closed with [`close`].
pub fn open(lua: Lua, host: Host, deprecated: bool) {
    LIBRARIES.iter().for_each(|(name, library)| lua.open(name, *library));
    super::functions::replace_random(lua, host);
    lua.push_globals();
    replace_functions(lua);
    lua.new_table(0, 64);
    let deprecated = if deprecated { DEPRECATED } else { &[] };
    for name in GLOBALS.iter().chain(deprecated) {
        lua.field(-2, name);
        if lua.kind(-1) == Kind::Table {
            protect(lua);
        }
        lua.set_field(-2, name);
    }
    lua.remove(-2);
    guard_strings(lua);
}

/// Makes the table on top the globals: reading one that does not exist is an error. It stays on the stack, and the
/// metatable through which it is seen is pushed.
pub fn close(lua: Lua) {
    refuse_unknown(lua);
    lua.push_value(-1);
    protect(lua);
    lua.metatable(-1);
    // What getmetatable shows of the globals.
    lua.new_table(0, 1);
    lua.push_function(function(unknown_global), 0);
    lua.set_field(-2, "__index");
    protect(lua);
    lua.set_field(-2, "__metatable");
    lua.insert(-2);
    lua.push_value(-1);
    lua.set_globals();
    lua.set_field(-3, "_G");
}

/// Has reading a field that the table on top does not have raise an error.
pub fn refuse_unknown(lua: Lua) {
    lua.new_table(0, 1);
    lua.push_function(function(unknown_global), 0);
    lua.set_field(-2, "__index");
    lua.set_metatable(-2);
}

/// Puts a protected table in the place of the one on top.
pub fn protect(lua: Lua) {
    lua.new_table(0, 0);
    lua.new_table(0, 3);
    lua.push_value(-3);
    lua.set_field(-2, "__index");
    lua.push_function(function(read_only), 0);
    lua.set_field(-2, "__newindex");
    lua.push_boolean(false);
    lua.set_field(-2, "__metatable");
    lua.set_metatable(-2);
    lua.remove(-2);
}

/// Pushes the real table of a protected one; false when it is not protected.
pub fn push_real(lua: Lua, index: i32) -> bool {
    if lua.kind(index) != Kind::Table || !lua.metatable(index) {
        return false;
    }
    lua.field(-1, "__newindex");
    let known = lua.native(-1).is_some_and(|native| std::ptr::fn_addr_eq(native, function(read_only)));
    lua.pop(1);
    if known {
        lua.field(-1, "__index");
        lua.remove(-2);
    } else {
        lua.pop(1);
    }
    known
}

/// Whether a table is a protected one.
pub fn is_protected(lua: Lua, index: i32) -> bool {
    let known = push_real(lua, index);
    if known {
        lua.pop(1);
    }
    known
}

/// What Redis says of writing to a protected table.
pub const READ_ONLY: &str = "Attempt to modify a readonly table";

fn read_only(lua: Lua) -> Outcome {
    Err(lua.error(READ_ONLY))
}

fn unknown_global(lua: Lua) -> Outcome {
    if lua.top() != 2 {
        return Err(lua.error("Wrong number of arguments to luaProtectedTableError"));
    }
    if !lua.is_text(2) {
        return Err(lua.error("Second argument to luaProtectedTableError must be a string or number"));
    }
    let name = lua.bytes(2);
    Err(lua.error([b"Script attempted to access nonexistent global variable '", name, b"'"].concat()))
}

/// The functions that take the place of others, in the table of globals on top.
fn replace_functions(lua: Lua) {
    let wrapped: [(&str, CFunction); 5] = [
        ("setmetatable", function(unless_protected)),
        ("rawset", function(unless_protected)),
        ("rawget", function(on_the_real_table)),
        ("next", function(on_the_real_table)),
        ("newproxy", function(new_proxy)),
    ];
    wrap(lua, &wrapped);
    wrap(lua, &[("collectgarbage", function(collect_garbage))]);
    lua.push_function(function(unpack), 0);
    lua.set_field(-2, "unpack");
    calls::replace(lua);
    lua.field(-1, "next");
    lua.push_function(function(pairs), 1);
    lua.set_field(-2, "pairs");
    for (name, replace) in [("table", tables::replace as fn(Lua)), ("string", text::replace)] {
        lua.field(-1, name);
        replace(lua);
        lua.pop(1);
    }
}

/// Puts functions in the place of fields of the table on top; each has what it replaces as its upvalue.
pub fn wrap(lua: Lua, functions: &[(&str, CFunction)]) {
    for (name, wrapper) in functions {
        lua.field(-1, name);
        lua.push_function(*wrapper, 1);
        lua.set_field(-2, name);
    }
}

/// Runs the function that was wrapped.
pub fn original(lua: Lua) -> Outcome {
    match lua.native(Lua::upvalue(1)) {
        Some(native) => Err(Exit::Instead(native)),
        None => Err(lua.error("attempt to call a nil value")),
    }
}

/// Runs the function that was wrapped, unless its table is protected.
pub fn unless_protected(lua: Lua) -> Outcome {
    if push_real(lua, 1) {
        return Err(lua.error_anywhere(READ_ONLY));
    }
    original(lua)
}

/// Runs the function that was wrapped on the real table of a protected one.
pub fn on_the_real_table(lua: Lua) -> Outcome {
    if push_real(lua, 1) {
        lua.replace(1);
    }
    original(lua)
}

fn pairs(lua: Lua) -> Outcome {
    if lua.kind(1) != Kind::Table {
        return Err(Exit::Type(1, c"table"));
    }
    lua.set_top(1);
    lua.push_value(Lua::upvalue(1));
    lua.insert(1);
    lua.push_nil();
    Ok(3)
}

/// A new object, with a metatable of its own or that of another one. A table stands for the userdata of Lua, which
/// could be given a finalizer that runs outside of any script.
fn new_proxy(lua: Lua) -> Outcome {
    lua.set_top(1);
    lua.new_table(0, 0);
    match lua.kind(1) {
        Kind::Table if !lua.metatable(1) => return Err(lua.wrong_argument(1, "boolean or proxy expected")),
        Kind::Table => lua.set_metatable(-2),
        Kind::Boolean if lua.boolean(1) => {
            lua.new_table(0, 0);
            lua.set_metatable(-2);
        }
        Kind::Nil | Kind::Boolean => {}
        _ => return Err(lua.wrong_argument(1, "boolean or proxy expected")),
    }
    Ok(1)
}

/// As Lua's, whose own counts beyond the largest integer where a range ends there.
fn unpack(lua: Lua) -> Outcome {
    if lua.kind(1) != Kind::Table {
        return Err(Exit::Type(1, c"table"));
    }
    let given = |index: i32| !matches!(lua.kind(index), Kind::None | Kind::Nil);
    let first = if given(2) { lua.check_integer(2)? as i32 } else { 1 };
    let last = if given(3) { lua.check_integer(3)? as i32 } else { i32::try_from(lua.length(1)).unwrap_or(i32::MAX) };
    let count = i64::from(last) - i64::from(first) + 1;
    if count <= 0 {
        return Ok(0);
    }
    let count = i32::try_from(count).ok().filter(|count| lua.ensure(*count));
    let Some(count) = count else { return Err(lua.error("too many results to unpack")) };
    (first..=last).for_each(|position| lua.raw_get_at(1, position));
    Ok(count)
}

/// As Lua's, but piece by piece, and what would outlast the script is ignored.
fn collect_garbage(lua: Lua) -> Outcome {
    let is_nothing = |index: i32| matches!(lua.kind(index), Kind::None | Kind::Nil);
    let option = if is_nothing(1) { b"collect" } else { lua.check_bytes(1)? };
    let given = if is_nothing(2) { 0 } else { lua.check_integer(2)? as i32 };
    match option {
        b"collect" => {
            // All that is there may have been in use when the collection began that goes on.
            for _ in 0..2 {
                while !lua.collect_step(COLLECTED_KIB) {
                    lua.spend(COLLECTED)?;
                }
            }
            lua.push_number(0.0);
        }
        b"step" => {
            // Less than nothing is more than all.
            let mut kib = if given < 0 { i32::MAX } else { given };
            let mut is_done = false;
            while !is_done && kib >= 0 {
                is_done = lua.collect_step(kib.min(COLLECTED_KIB));
                lua.spend(COLLECTED)?;
                kib -= COLLECTED_KIB;
            }
            lua.push_boolean(is_done);
        }
        b"stop" | b"setpause" | b"setstepmul" => lua.push_number(0.0),
        _ => return original(lua),
    }
    Ok(1)
}

/// The methods of strings are reached through a metatable; scripts see a protected one. The globals are on top.
fn guard_strings(lua: Lua) {
    lua.push_bytes(b"");
    if lua.metatable(-1) {
        lua.new_table(0, 1);
        lua.field(-4, "string");
        lua.set_field(-2, "__index");
        protect(lua);
        lua.set_field(-2, "__metatable");
        lua.pop(1);
    }
    lua.pop(1);
}
