//! Scripts: EVAL and its kin, and functions.
//!
//! A script runs in one of two interpreters ([`interpreter`]) in a closed room ([`sandbox`]), in which some of Lua's
//! own functions have others in their place ([`mod@calls`], [`tables`], [`text`], [`pattern`]), with the table `redis`
//! and a few libraries ([`api`], [`json`], [`msgpack`], [`packing`], [`bits`]). What acts on the server
//! (`server::scripting`) is given from above; [`convert`] turns replies into Lua's values and back. What is known is
//! kept in the [`cache`] of scripts and in the [`library`] of functions. [`lua`] is the one place that knows Lua's C
//! interface.
//!
//! A script is a unit like a transaction: nobody sees a part of it, blocking commands do not block, time stands still,
//! and what its commands changed is propagated together, not the script itself. It may run too long: then others are
//! told that the server is busy, and may end it as long as it has written nothing. That they are told in time is the
//! duty of every function that a script can call; `bounds` is the table of these.

pub mod api;
pub mod bits;
#[cfg(test)]
mod bounds;
pub mod cache;
pub mod calls;
pub mod convert;
pub mod functions;
pub mod interpreter;
pub mod json;
pub mod library;
pub mod lua;
pub mod msgpack;
pub mod packing;
pub mod pattern;
pub mod random;
pub mod running;
pub mod sandbox;
pub mod shebang;
pub mod tables;
#[cfg(test)]
mod tests;
pub mod text;

use crate::command::Error;
use crate::config::Config;
use cache::{Cache, Sha};
use functions::Host;
use interpreter::Interpreter;
use library::Libraries;
use running::{Rooms, Running};

/// How deep values may nest that are read or written: functions call themselves for each level.
pub const NESTING_MAX: usize = 2000;

/// All that is kept for scripts.
#[derive(Debug, Default)]
pub struct Scripting {
    /// The interpreter of scripts, once there was one.
    scripts: Option<Interpreter>,
    /// The interpreter of functions, once there was one.
    functions: Option<Interpreter>,
    /// The scripts.
    pub cache: Cache,
    /// The functions.
    pub libraries: Libraries,
    /// What is known of the script that runs.
    pub running: Option<Running>,
    /// The generator behind `math.random`.
    pub random: random::Generator,
    /// Scripts pushed out of the cache.
    pub evicted: u64,
    /// Memory was exhausted, and could not be freed, when the command that runs began.
    pub memory_exhausted: bool,
    /// Others are served in the middle of a script.
    pub interrupted: bool,
    /// Scripts may call what they usually may not: DEBUG SET-DISABLE-DENY-SCRIPTS.
    pub all_commands: bool,
    /// What the script that runs changes does not go everywhere: `redis.set_repl`.
    pub keeps_from_some: bool,
    /// Buffers of the last run, to be used again.
    pub rooms: Rooms,
    /// What scripts get of the server.
    host: Host,
}

impl Scripting {
    /// Nothing yet; scripts will get these functions of the server.
    pub fn new(host: Host) -> Scripting {
        Scripting { host, ..Scripting::default() }
    }

    /// The interpreter of scripts.
    pub fn scripts_mut(&mut self, config: &Config) -> &mut Interpreter {
        self.scripts.get_or_insert_with(|| Interpreter::for_scripts(self.host, config.lua_enable_deprecated_api))
    }

    /// The interpreter of functions.
    pub fn functions_mut(&mut self, config: &Config) -> &mut Interpreter {
        self.functions.get_or_insert_with(|| Interpreter::for_functions(self.host, config.lua_enable_deprecated_api))
    }

    /// Whether it is a script that calls commands now.
    pub fn calls(&self) -> bool {
        self.running.is_some() && !self.interrupted
    }

    /// Memory of the interpreter of scripts, in bytes.
    pub fn scripts_memory(&self) -> usize {
        self.scripts.as_ref().map_or(0, Interpreter::used)
    }

    /// Memory of the interpreter of functions, in bytes.
    pub fn functions_memory(&self) -> usize {
        self.functions.as_ref().map_or(0, Interpreter::used)
    }

    /// Takes a script in; its digest. It is compiled unless it is known already.
    ///
    /// # Errors
    /// When its first line, or its code, is wrong.
    pub fn add_script(&mut self, config: &Config, text: &[u8], by_eval: bool) -> Result<Sha, Error> {
        let sha = cache::sha_of(text);
        if self.cache.contains(&sha) {
            if !by_eval {
                self.cache.keep(&sha);
            }
            return Ok(sha);
        }
        let (flags, code) = shebang::of_script(text)?;
        let interpreter = self.scripts_mut(config);
        let function = interpreter
            .compile(code, "@user_script")
            .map_err(|fault| Error::text([b"ERR Error compiling script (new function): ", &fault[..]].concat()))?;
        if let Some(evicted) = self.cache.add(sha, text, flags, function, by_eval) {
            self.evicted += 1;
            if let Some(interpreter) = &self.scripts {
                interpreter.lua().forget(evicted);
            }
        }
        Ok(sha)
    }

    /// Forgets all scripts, and the interpreter with whatever they left in it.
    pub fn flush_scripts(&mut self) {
        self.scripts = None;
        self.cache = Cache::default();
        json::reset();
    }
}
