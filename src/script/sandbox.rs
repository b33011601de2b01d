//! What scripts can see: the globals, which they cannot change, and the library functions, less those that would let
//! them out or bring the server down.
//!
//! Lua 5.1 has no read-only tables. A protected table is an empty one in front of the real one: reading falls through
//! by its metatable, writing raises Redis's error. Functions that pass by metatables (`rawset`, `next`, `table.insert`
//! …) are wrapped: they know a protected table and treat it as the real one, or refuse. The real tables are nowhere to
//! be had; the metatables neither, since `getmetatable` shows another one, protected itself.

use super::lua::{CFunction, Exit, Kind, LIBRARIES, Lua, Outcome, function, integer};
use super::pattern::{self, Extent, Rehearsed};

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
/// The most special characters a pattern may have in effect: matching calls itself for each, and so uses up the stack.
const PATTERN_BYTES_MAX: usize = 8 * 1024;
/// How far in front of the first element `table.insert` may put one.
const INSERTED_BEFORE_MAX: f64 = 1e6;

/// Opens Lua's libraries and puts our functions in the place of some of Lua's. Then pushes a table of the globals that
/// scripts may see, to be completed and closed with [`close`].
pub fn open(lua: Lua, deprecated: bool) {
    LIBRARIES.iter().for_each(|(name, library)| lua.open(name, *library));
    super::api::replace_random(lua);
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
fn push_real(lua: Lua, index: i32) -> bool {
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

const READ_ONLY: &str = "Attempt to modify a readonly table";

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
    let own: [(&str, CFunction); 4] = [
        ("unpack", function(unpack)),
        ("pcall", function(protected_call)),
        ("loadstring", function(load_string)),
        ("load", function(load)),
    ];
    for (name, replacement) in own {
        lua.push_function(replacement, 0);
        lua.set_field(-2, name);
    }
    lua.field(-1, "next");
    lua.push_function(function(pairs), 1);
    lua.set_field(-2, "pairs");
    lua.field(-1, "table");
    wrap(lua, &[("insert", function(insert))]);
    for name in ["remove", "sort", "setn"] {
        wrap(lua, &[(name, function(unless_protected))]);
    }
    for name in ["foreach", "maxn"] {
        wrap(lua, &[(name, function(on_the_real_table))]);
    }
    lua.pop(1);
    lua.field(-1, "string");
    lua.push_function(function(repeat), 0);
    lua.set_field(-2, "rep");
    let matching: [(&str, CFunction); 5] = [
        ("find", function(find)),
        ("match", function(first_match)),
        ("gmatch", function(|lua| with_a_bounded_pattern(lua, Extent::Each))),
        ("gfind", function(|lua| with_a_bounded_pattern(lua, Extent::Each))),
        ("gsub", function(|lua| with_a_bounded_pattern(lua, Extent::All))),
    ];
    wrap(lua, &matching);
    lua.pop(1);
}

/// Puts functions in the place of fields of the table on top; each has what it replaces as its upvalue.
fn wrap(lua: Lua, functions: &[(&str, CFunction)]) {
    for (name, wrapper) in functions {
        lua.field(-1, name);
        lua.push_function(*wrapper, 1);
        lua.set_field(-2, name);
    }
}

/// Runs the function that was wrapped.
fn original(lua: Lua) -> Outcome {
    match lua.native(Lua::upvalue(1)) {
        Some(native) => Err(Exit::Instead(native)),
        None => Err(lua.error("attempt to call a nil value")),
    }
}

fn unless_protected(lua: Lua) -> Outcome {
    if push_real(lua, 1) {
        return Err(lua.error_anywhere(READ_ONLY));
    }
    original(lua)
}

fn on_the_real_table(lua: Lua) -> Outcome {
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

/// As Lua's, but not for long: a position far in front of the first element would have as many elements moved.
fn insert(lua: Lua) -> Outcome {
    if lua.top() == 3 && lua.check_number(2)? < -INSERTED_BEFORE_MAX {
        return Err(lua.wrong_argument(2, "position out of bounds"));
    }
    unless_protected(lua)
}

/// As Lua's, whose own copies what it has made so far again and again, and cannot be ended meanwhile.
fn repeat(lua: Lua) -> Outcome {
    let text = lua.check_bytes(1)?;
    let times = usize::try_from(lua.check_integer(2)? as i32).unwrap_or(0);
    let length = text.len().saturating_mul(times);
    // It is made here, and then copied into the interpreter.
    lua.check_room(length.saturating_mul(2))?;
    lua.push_bytes(&text.repeat(if text.is_empty() { 0 } else { times }));
    Ok(1)
}

/// As Lua's, but what would outlast the script is ignored.
fn collect_garbage(lua: Lua) -> Outcome {
    let lasting: [&[u8]; 3] = [b"stop", b"setpause", b"setstepmul"];
    if lua.kind(1) == Kind::String && lasting.contains(&lua.bytes(1)) {
        lua.push_number(0.0);
        return Ok(1);
    }
    original(lua)
}

/// As Lua's, whose search for plain text compares as much of it at each place as it can.
fn find(lua: Lua) -> Outcome {
    let Some(start) = start_of_search(lua) else { return original(lua) };
    if !lua.is_text(2) || !lua.boolean(4) && pattern::has_specials(lua.bytes(2)) {
        return with_a_bounded_pattern(lua, Extent::First(start));
    }
    let (text, wanted) = (lua.bytes(1), lua.bytes(2));
    let Some(place) = memchr::memmem::find(&text[start..], wanted) else {
        lua.push_nil();
        return Ok(1);
    };
    lua.push_number((start + place + 1) as f64);
    lua.push_number((start + place + wanted.len()) as f64);
    Ok(2)
}

fn first_match(lua: Lua) -> Outcome {
    match start_of_search(lua) {
        Some(start) => with_a_bounded_pattern(lua, Extent::First(start)),
        None => original(lua),
    }
}

/// Argument 3 counts from 1, or from the end where it is negative; nothing where it, or the text, is none.
fn start_of_search(lua: Lua) -> Option<usize> {
    let length = lua.is_text(1).then(|| lua.bytes(1).len())?;
    let start = match lua.kind(3) {
        Kind::None | Kind::Nil => 1,
        _ => lua.is_number(3).then(|| integer(lua.number(3)))?,
    };
    Some(match start {
        1.. => usize::try_from(start - 1).unwrap_or(length).min(length),
        0 => 0,
        _ => length.saturating_sub(usize::try_from(start.unsigned_abs()).unwrap_or(length)),
    })
}

/// Lets Lua match a pattern that does not use up the stack, and that comes to an end or was waited for.
fn with_a_bounded_pattern(lua: Lua, extent: Extent) -> Outcome {
    if !lua.is_text(1) || !lua.is_text(2) {
        return original(lua);
    }
    let (text, pattern) = (lua.bytes(1), lua.bytes(2));
    if pattern.len() > PATTERN_BYTES_MAX && pattern::has_specials(pattern) {
        return Err(lua.error("pattern too complex"));
    }
    if pattern::is_quick(text, pattern) {
        return original(lua);
    }
    match pattern::rehearse(text, pattern, extent, &mut || lua.look()) {
        Rehearsed::Ended => Err(Exit::Error),
        Rehearsed::Nothing => no_match(lua, extent),
        Rehearsed::Ends => original(lua),
    }
}

/// What Lua's function gives where nothing matches. That is known then, and need not take as long again.
fn no_match(lua: Lua, extent: Extent) -> Outcome {
    match extent {
        Extent::First(_) => {
            lua.push_nil();
            Ok(1)
        }
        Extent::Each => {
            lua.push_function(function(|_| Ok(0)), 0);
            Ok(1)
        }
        // Its further arguments have to be looked at.
        Extent::All if lua.top() != 3 || !lua.is_text(3) => original(lua),
        Extent::All => {
            lua.push_value(1);
            lua.push_number(0.0);
            Ok(2)
        }
    }
}

/// Calls a function. Of an error that is a table, its text is passed on: scripts of old expect text.
fn protected_call(lua: Lua) -> Outcome {
    let arguments = lua.top();
    if arguments == 0 {
        return Err(lua.wrong_argument(1, "value expected"));
    }
    let status = lua.call(arguments - 1, -1, 0);
    let done = status == super::lua::Status::Done;
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

fn load_string(lua: Lua) -> Outcome {
    lua.check_bytes(1)?;
    let name = if lua.is_text(2) { 2 } else { 1 };
    compile(lua, name)
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
    lua.push_bytes(b"");
    loop {
        lua.push_value(1);
        if lua.call(0, 1, 0) == super::lua::Status::Failed {
            lua.push_nil();
            lua.insert(-2);
            return Ok(2);
        }
        match lua.kind(-1) {
            Kind::Nil => break,
            Kind::String | Kind::Number if lua.bytes(-1).is_empty() => break,
            Kind::String | Kind::Number => lua.concat(2),
            _ => {
                lua.push_nil();
                lua.push_bytes(b"reader function must return a string");
                return Ok(2);
            }
        }
    }
    lua.pop(1);
    lua.replace(1);
    compile(lua, 2)
}

/// Compiles argument 1 under the name at `name`; nil and the reason if that fails.
fn compile(lua: Lua, name: i32) -> Outcome {
    let text = lua.bytes(name);
    let end = memchr::memchr(0, text).unwrap_or(text.len());
    lua.push_bytes(&text[..end]);
    if lua.load(lua.bytes(1)) == super::lua::Status::Done {
        return Ok(1);
    }
    lua.push_nil();
    lua.insert(-2);
    Ok(2)
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
