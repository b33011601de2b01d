//! An interpreter made ready: libraries open, globals closed, and on its stack, always, what each run needs.
//!
//! There are two, made when first needed: one for scripts, whose keys and arguments are globals, and one for functions.

use super::convert::push_error;
use super::functions::Host;
use super::lua::{Kind, Lua, Outcome, Reference, State, Status, function};
use super::{api, sandbox};
use crate::util::platform;

/// Where on the stack the handler of errors stands, the globals, and the metatable through which they are seen; in the
/// interpreter of functions also what the code of a library sees instead of the globals while it is loaded, in that of
/// scripts the names of two globals.
pub const HANDLER: i32 = 1;
const GLOBALS: i32 = 2;
const SEEN_THROUGH: i32 = 3;
const LOADING: i32 = 4;
/// The name of the global with a script's keys.
pub const KEYS: i32 = 4;
/// The name of the global with its other arguments.
pub const ARGV: i32 = 5;

/// Memory in use from which on it is looked at whether a full collection is due, in bytes.
const WATCH_FROM: usize = 16 << 20;

/// An interpreter.
#[derive(Debug)]
pub struct Interpreter {
    state: State,
    /// Memory in use at which all garbage is collected: twice as much as was in use after the last time.
    collect_at: usize,
    half_of_all: usize,
}

impl Interpreter {
    /// The interpreter of scripts.
    pub fn for_scripts(host: Host, deprecated: bool) -> Interpreter {
        let interpreter = Interpreter::new(host, deprecated, true);
        interpreter.lua().push_bytes(b"KEYS");
        interpreter.lua().push_bytes(b"ARGV");
        interpreter
    }

    /// The interpreter of functions.
    pub fn for_functions(host: Host, deprecated: bool) -> Interpreter {
        let interpreter = Interpreter::new(host, deprecated, false);
        let lua = interpreter.lua();
        lua.new_table(0, api::API_NAMES.len());
        for name in api::API_NAMES {
            api::push_for_loading(lua, name);
            sandbox::refuse_unknown(lua);
            sandbox::protect(lua);
            lua.set_field(-2, name);
        }
        sandbox::refuse_unknown(lua);
        interpreter
    }

    fn new(host: Host, deprecated: bool, for_scripts: bool) -> Interpreter {
        let state = State::new(usize::MAX);
        let lua = state.lua();
        lua.push_function(function(handle_error), 0);
        sandbox::open(lua, host, deprecated);
        api::open(lua, host, for_scripts, sandbox::protect);
        sandbox::close(lua);
        Interpreter { state, collect_at: WATCH_FROM, half_of_all: platform::total_memory() / 2 }
    }

    /// The handle on it.
    #[inline]
    pub fn lua(&self) -> Lua {
        self.state.lua()
    }

    /// Memory in use, in bytes.
    pub fn used(&self) -> usize {
        self.state.used()
    }

    /// Bounds its memory before a run: to what all of the server may use, else to half of the machine's.
    pub fn limit(&self, maxmemory: u64) {
        let limit = match usize::try_from(maxmemory) {
            Ok(0) => self.half_of_all,
            Ok(limit) => limit,
            Err(_) => usize::MAX,
        };
        self.state.limit(limit.max(WATCH_FROM));
    }

    /// Compiles code.
    ///
    /// # Errors
    /// What Lua says is wrong with it.
    pub fn compile(&self, code: &[u8], name: &str) -> Result<Reference, Vec<u8>> {
        let lua = self.lua();
        lua.push_bytes(name.as_bytes());
        match lua.load(code) {
            Status::Done => Ok(lua.keep()),
            Status::Failed => {
                let text = lua.bytes(-1).to_vec();
                lua.pop(1);
                Err(text)
            }
        }
    }

    /// Memory in use after a run from which on all garbage is to be collected, in bytes. Little of it Lua collects by
    /// itself, piece by piece while scripts run.
    pub fn collect_at(&self) -> usize {
        self.collect_at
    }

    /// All garbage has been collected.
    pub fn note_collected(&mut self) {
        self.collect_at = (self.state.used() * 2).max(WATCH_FROM);
    }
}

/// Takes the value on top, and its name below it, as a global of scripts, behind their backs.
pub fn set_global(lua: Lua) {
    lua.raw_set(GLOBALS);
}

/// Whether code sees what libraries have while they are loaded, instead of the globals.
pub fn see_loading(lua: Lua, on: bool) {
    lua.push_value(if on { LOADING } else { GLOBALS });
    lua.set_field(SEEN_THROUGH, "__index");
}

/// Makes a table of an error that is none, and notes where it was raised: in the innermost function written in Lua.
fn handle_error(lua: Lua) -> Outcome {
    lua.set_top(1);
    if lua.kind(1) != Kind::Table {
        let text = match lua.kind(1) {
            Kind::String | Kind::Number => lua.bytes(1).to_vec(),
            Kind::Nil => b"nil".to_vec(),
            Kind::Boolean => lua.boolean(1).to_string().into_bytes(),
            _ => lua.kind_name(1).as_bytes().to_vec(),
        };
        push_error(lua, &[b"ERR ", &text[..]].concat(), false);
        lua.replace(1);
    }
    let mut place = lua.place(1);
    if place.is_some_and(|place| place.is_native) {
        lua.set_top(1);
        place = lua.place(2);
    }
    if let Some(place) = place
        && !sandbox::is_protected(lua, 1)
    {
        lua.set_field(1, "source");
        lua.push_number(f64::from(place.line));
        lua.set_field(1, "line");
    }
    lua.set_top(1);
    Ok(1)
}
