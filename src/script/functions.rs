//! Tables of functions for Lua, and what our own functions have in common.

use super::convert::push_error;
use super::lua::{CFunction, Exit, Lua, Outcome};

/// A table of functions.
pub type Functions = &'static [(&'static str, fn() -> CFunction)];

/// Pushes a table of functions.
pub fn push_library(lua: Lua, functions: Functions) {
    lua.new_table(0, functions.len());
    add(lua, functions);
}

/// Adds functions to the table on top.
pub fn add(lua: Lua, functions: Functions) {
    for (name, function) in functions {
        lua.push_function(function(), 0);
        lua.set_field(-2, name);
    }
}

/// Adds numbers to the table on top.
pub fn add_numbers(lua: Lua, numbers: &[(&str, u8)]) {
    for (name, number) in numbers {
        lua.push_number(f64::from(*number));
        lua.set_field(-2, name);
    }
}

/// Returns a truth value.
pub fn push(lua: Lua, value: bool) -> Outcome {
    lua.push_boolean(value);
    Ok(1)
}

/// Raises an error of ours: a table, with the code that all without another one have.
pub fn raise(lua: Lua, text: &str) -> Exit {
    push_error(lua, format!("ERR {text}").as_bytes(), false);
    Exit::Error
}

/// Functions for scripts that act on the server: they are given from above, so that an interpreter knows of none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Host {
    /// Of the table `redis`.
    pub redis: Functions,
    /// In the place of some of the library `math`.
    pub math: Functions,
}

/// Puts our functions into the library `math`, when Lua's libraries are open.
pub fn replace_random(lua: Lua, host: Host) {
    lua.push_globals();
    lua.field(-1, "math");
    add(lua, host.math);
    lua.pop(2);
}
