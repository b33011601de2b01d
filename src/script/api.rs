//! The table `redis`, also called `server`, and what else scripts get besides Lua's own functions.

use sha1::{Digest as _, Sha1};

use super::convert::{line_of, push_error, without_newlines};
use super::functions::{Functions, Host, add, add_numbers, push, push_library, raise};
use super::lua::{Kind, Lua, Outcome, function};
use super::{bits, cache, json, library, msgpack, packing};
use crate::config::{REDIS_VERSION, VALKEY_VERSION};
use crate::util::platform::{self, CpuOf, CpuTimes};

const REDIS: Functions = &[
    ("sha1hex", || function(sha1hex)),
    ("error_reply", || function(error_reply)),
    ("status_reply", || function(status_reply)),
];
/// What only scripts have, not functions.
const REDIS_OF_SCRIPTS: Functions = &[
    ("breakpoint", || function(|lua| push(lua, false))),
    ("debug", || function(|_| Ok(0))),
    ("replicate_commands", || function(|lua| push(lua, true))),
];
/// The names of the table: that of Redis, and that of Valkey.
pub const API_NAMES: [&str; 2] = ["redis", "server"];
const OS: Functions = &[("clock", || function(processor_seconds))];
/// What the code of a library has while it is loaded.
const REDIS_OF_LOADING: Functions = &[("register_function", || function(library::register))];
const LOG: Functions = &[("log", || function(log))];

/// Where changes go, as `set_repl` has it: bits for the append-only file and for replicas.
const PROPAGATION: [(&str, u8); 5] =
    [("REPL_NONE", 0), ("REPL_AOF", 1), ("REPL_SLAVE", 2), ("REPL_REPLICA", 2), ("REPL_ALL", 3)];
const LOG_LEVELS: [(&str, u8); 4] = [("LOG_DEBUG", 0), ("LOG_VERBOSE", 1), ("LOG_NOTICE", 2), ("LOG_WARNING", 3)];

/// How much is hashed before it is accounted for.
const HASHED_PIECE_BYTES: usize = 1 << 16;
/// What hashing a byte costs, in bytes of work.
const HASHED_BYTE: usize = 4;
/// What logging a byte costs, likewise, and how many copies of it are made.
const LOGGED_BYTE: usize = 4;

/// Adds the libraries and the tables `redis` and `server` to the table of globals on top, each closed by `protect`.
pub fn open(lua: Lua, host: Host, for_scripts: bool, protect: fn(Lua)) {
    let libraries = [
        ("cjson", json::FUNCTIONS, json::complete as fn(Lua)),
        ("cmsgpack", msgpack::FUNCTIONS, msgpack::complete),
        ("struct", packing::FUNCTIONS, |_| {}),
        ("bit", bits::FUNCTIONS, |_| {}),
        ("os", OS, |_| {}),
    ];
    for (name, functions, complete) in libraries {
        push_library(lua, functions);
        complete(lua);
        protect(lua);
        lua.set_field(-2, name);
    }
    for name in API_NAMES {
        push_library(lua, REDIS);
        add(lua, host.redis);
        if for_scripts {
            add(lua, REDIS_OF_SCRIPTS);
        }
        add_logging_and_versions(lua, name);
        add_numbers(lua, &PROPAGATION);
        protect(lua);
        lua.set_field(-2, name);
    }
}

/// Pushes the table `redis` or `server` that the code of a library has while it is loaded.
pub fn push_for_loading(lua: Lua, name: &str) {
    push_library(lua, REDIS_OF_LOADING);
    add_logging_and_versions(lua, name);
}

/// Under the name `server` the table tells which Valkey it can do as much as, too; it is no news to scripts for Redis.
fn add_logging_and_versions(lua: Lua, name: &str) {
    add(lua, LOG);
    add_numbers(lua, &LOG_LEVELS);
    add_version(lua, "REDIS_VERSION", REDIS_VERSION);
    if name == "server" {
        add_version(lua, "VALKEY_VERSION", VALKEY_VERSION);
        lua.push_bytes(b"redis");
        lua.set_field(-2, "SERVER_NAME");
    }
}

fn add_version(lua: Lua, name: &str, version: &str) {
    lua.push_bytes(version.as_bytes());
    lua.set_field(-2, name);
    let number = version.split('.').fold(0_u32, |number, part| number << 8 | part.parse::<u32>().unwrap_or(0));
    lua.push_number(f64::from(number));
    lua.set_field(-2, &format!("{name}_NUM"));
}

fn sha1hex(lua: Lua) -> Outcome {
    if lua.top() != 1 {
        return Err(raise(lua, "wrong number of arguments"));
    }
    let mut hash = Sha1::new();
    for piece in lua.bytes(1).chunks(HASHED_PIECE_BYTES) {
        hash.update(piece);
        lua.spend(HASHED_BYTE * piece.len())?;
    }
    lua.push_bytes(&cache::digits_of(hash));
    Ok(1)
}

fn error_reply(lua: Lua) -> Outcome {
    if lua.top() != 1 || lua.kind(1) != Kind::String {
        push_error(lua, b"ERR wrong number or type of arguments", false);
        return Ok(1);
    }
    let text = line_of(lua.bytes(1));
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let line = without_newlines(text);
    lua.spend(lua.length(1))?;
    match line.iter().position(|byte| *byte == b' ') {
        Some(_) => push_error(lua, line, false),
        None => push_error(lua, &[b"ERR ", line].concat(), false),
    }
    Ok(1)
}

fn status_reply(lua: Lua) -> Outcome {
    if lua.top() != 1 || lua.kind(1) != Kind::String {
        push_error(lua, b"ERR wrong number or type of arguments", false);
        return Ok(1);
    }
    lua.new_table(0, 1);
    lua.push_value(1);
    lua.set_field(-2, "ok");
    Ok(1)
}

fn log(lua: Lua) -> Outcome {
    let arguments = lua.top();
    if arguments < 2 {
        return Err(raise(lua, "redis.log() requires two arguments or more."));
    }
    if !lua.is_number(1) {
        return Err(raise(lua, "First argument must be a number (log level)."));
    }
    let level = match lua.number(1) as i64 {
        0 => log::Level::Trace,
        1 => log::Level::Debug,
        2 => log::Level::Info,
        3 => log::Level::Warn,
        _ => return Err(raise(lua, "Invalid log level.")),
    };
    if log::log_enabled!(level) {
        let mut bytes = 0;
        for index in (2..=arguments).filter(|index| lua.is_text(*index)) {
            bytes += lua.bytes(index).len();
            lua.spend(LOGGED_BYTE * lua.bytes(index).len())?;
            // The words are joined, and then put into a line.
            lua.check_room(LOGGED_BYTE * bytes)?;
        }
        let words: Vec<&[u8]> =
            (2..=arguments).filter(|index| lua.is_text(*index)).map(|index| lua.bytes(index)).collect();
        log::log!(level, "{}", String::from_utf8_lossy(&words.join(&b' ')));
    }
    Ok(0)
}

/// `os.clock`, all that there is of the system: processor time of the server.
fn processor_seconds(lua: Lua) -> Outcome {
    let CpuTimes { system, user } = platform::cpu_times(CpuOf::Process);
    lua.push_number(system + user);
    Ok(1)
}
