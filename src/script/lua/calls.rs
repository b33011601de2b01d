//! Calls between Lua and Rust: functions as Lua calls them, code as Rust has it compiled and called, coroutines.

use std::ffi::{c_char, c_int, c_void};
use std::ptr::NonNull;

use mlua_sys as ffi;

use super::memory::{enforce, look, set_running};
use super::{CFunction, Exit, Kind, Lua, Outcome, Status};

unsafe extern "C-unwind" {
    /// Has a coroutine count its calls of C functions from where its resumer is.
    fn lua_setlevel(from: *mut ffi::lua_State, to: *mut ffi::lua_State);
}

/// What a byte of code counts as that is compiled.
const COMPILED_BYTE: usize = 64;
/// How much code is compiled before others are looked after.
const PIECE_BYTES: usize = 4096;

/// A Rust function as Lua calls it. The function must be an item or a closure without surroundings.
pub fn function<F: Fn(Lua) -> Outcome + Copy + 'static>(_: F) -> CFunction {
    const { assert!(size_of::<F>() == 0, "a function called from Lua has no surroundings") }
    unsafe extern "C-unwind" fn enter<F: Fn(Lua) -> Outcome>(state: *mut ffi::lua_State) -> c_int {
        // SAFETY: a value of this type was given and has no bytes.
        let function = unsafe { NonNull::<F>::dangling().as_ref() };
        let enforced = enforce(false);
        let outcome = function(Lua(state));
        enforce(enforced);
        match outcome {
            Ok(results) => results,
            // SAFETY: the state is the one that called; nothing in this frame needs to be dropped.
            Err(exit) => unsafe { leave(state, exit) },
        }
    }
    enter::<F>
}

/// Ends a function otherwise than by its results.
///
/// # Safety
/// The state is the one that called. No frame up to Lua's own has anything to drop, for these jump.
unsafe fn leave(state: *mut ffi::lua_State, exit: Exit) -> c_int {
    // SAFETY: see above.
    unsafe {
        match exit {
            Exit::Error => ffi::lua_error(state),
            Exit::Argument(index) => ffi::luaL_argerror(state, index, ffi::lua_tostring(state, -1)),
            Exit::Type(index, expected) => ffi::luaL_typerror(state, index, expected.as_ptr()),
            Exit::Instead(other) => other(state),
        }
    }
}

/// What a function in steps does next.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// It returns so many values from the top.
    Done(c_int),
    /// The function below so many values is called; its first result takes their place.
    Call(c_int),
    /// The key on top is replaced by its value in the table at this index, by way of metatables.
    Index(c_int),
    /// The two values on top are replaced by whether the lower one is less.
    Compare,
}

/// A Rust function that has others called, by steps: what these raise passes none of its frames. Between steps it
/// keeps what it knows in a value of its own, which owns nothing.
pub fn stepwise<S: Copy + Default, F: Fn(Lua, &mut S) -> Result<Step, Exit> + Copy + 'static>(_: F) -> CFunction {
    const { assert!(size_of::<F>() == 0, "a function called from Lua has no surroundings") }
    unsafe extern "C-unwind" fn enter<S: Copy + Default, F: Fn(Lua, &mut S) -> Result<Step, Exit>>(
        state: *mut ffi::lua_State,
    ) -> c_int {
        // SAFETY: a value of this type was given and has no bytes.
        let function = unsafe { NonNull::<F>::dangling().as_ref() };
        let mut known = S::default();
        loop {
            let enforced = enforce(false);
            let step = function(Lua(state), &mut known);
            enforce(enforced);
            // SAFETY: the state is the one that called, the values are on the stack, and nothing in this frame needs
            // to be dropped.
            unsafe {
                match step {
                    Ok(Step::Done(results)) => return results,
                    Ok(Step::Call(arguments)) => ffi::lua_call(state, arguments, 1),
                    Ok(Step::Index(table)) => ffi::lua_gettable_(state, table),
                    Ok(Step::Compare) => {
                        let less = ffi::lua_lessthan(state, -2, -1);
                        ffi::lua_settop(state, -3);
                        ffi::lua_pushboolean(state, less);
                    }
                    Err(exit) => return leave(state, exit),
                }
            }
        }
    }
    enter::<S, F>
}

/// The hook as Lua calls it.
pub(super) unsafe extern "C-unwind" fn call_hook(state: *mut ffi::lua_State, _: *mut ffi::lua_Debug) {
    let lua = Lua(state);
    let enforced = enforce(false);
    let goes_on = look();
    if goes_on {
        lua.arm();
    } else {
        lua.push_end();
    }
    enforce(enforced);
    if !goes_on {
        // SAFETY: as for `function`.
        unsafe { ffi::lua_error(state) };
    }
}

/// Where a coroutine stands, seen from another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Standing {
    Running,
    Suspended,
    /// It has resumed another one.
    Normal,
    Dead,
}

impl Lua {
    /// The coroutine at `index`.
    pub fn thread(self, index: c_int) -> Option<Lua> {
        if self.kind(index) != Kind::Thread {
            return None;
        }
        // SAFETY: it is one.
        Some(Lua(unsafe { ffi::lua_tothread(self.0, index) }))
    }

    /// Pushes a new coroutine that will call the function at `index`.
    pub fn new_thread(self, index: c_int) {
        self.push_value(index);
        // SAFETY: the new one has room for the function, which is on top.
        unsafe {
            let thread = ffi::lua_newthread(self.0);
            ffi::lua_insert(self.0, -2);
            ffi::lua_xmove(self.0, thread, 1);
        }
    }

    /// Where a coroutine stands.
    pub fn standing(self, thread: Lua) -> Standing {
        if self == thread {
            return Standing::Running;
        }
        // SAFETY: the coroutine is on the stack, and so alive; the record is only filled.
        unsafe {
            let mut record: ffi::lua_Debug = std::mem::zeroed();
            match ffi::lua_status(thread.0) {
                ffi::LUA_YIELD => Standing::Suspended,
                ffi::LUA_OK if ffi::lua_getstack(thread.0, 0, &raw mut record) > 0 => Standing::Normal,
                ffi::LUA_OK if thread.top() > 0 => Standing::Suspended,
                _ => Standing::Dead,
            }
        }
    }

    /// Has a suspended coroutine, which has room for them, go on with values from the top. They are replaced by what it
    /// yields or returns, or by its error: how many results, or nothing if it failed.
    ///
    /// # Errors
    /// When the script is not to go on, or there is no room for so many results.
    pub fn resume(self, thread: Lua, arguments: c_int) -> Result<Option<c_int>, Exit> {
        self.spend_resume()?;
        // SAFETY: both belong to one interpreter; errors do not leave the call.
        let status = unsafe {
            ffi::lua_xmove(self.0, thread.0, arguments);
            lua_setlevel(self.0, thread.0);
            thread.arm();
            let resumer = set_running(thread.0);
            let enforced = enforce(true);
            let status = ffi::lua_resume_(thread.0, arguments);
            enforce(enforced);
            set_running(resumer);
            status
        };
        if self.has_ended() {
            return Err(self.end());
        }
        self.arm();
        let is_done = matches!(status, ffi::LUA_OK | ffi::LUA_YIELD);
        let results = if is_done { thread.top() } else { 1 };
        if !self.ensure(results + 1) {
            return Err(self.error("too many results to resume"));
        }
        // SAFETY: there is room for them.
        unsafe { ffi::lua_xmove(thread.0, self.0, results) };
        Ok(is_done.then_some(results))
    }

    /// Compiles text into a function, which is pushed; else pushes what is wrong with it. Precompiled code is taken
    /// for text, which it is not. The name, that of the file in error messages, is the string on top; it is replaced.
    pub fn load(self, code: &[u8]) -> Status {
        struct Reader<'a> {
            lua: Lua,
            rest: &'a [u8],
            blank: bool,
        }
        unsafe extern "C-unwind" fn read(_: *mut ffi::lua_State, data: *mut c_void, size: *mut usize) -> *const c_char {
            // SAFETY: the reader and the size below.
            let (reader, size) = unsafe { (&mut *data.cast::<Reader<'_>>(), &mut *size) };
            let mut piece: &[u8] = b" ";
            if !std::mem::take(&mut reader.blank) {
                (piece, reader.rest) = reader.rest.split_at(reader.rest.len().min(PIECE_BYTES));
                // An empty piece is the end.
                if !reader.lua.charge(piece.len() * COMPILED_BYTE) {
                    piece = b"";
                }
            }
            *size = piece.len();
            piece.as_ptr().cast()
        }
        // A blank before the mark of precompiled code makes it text.
        let blank = code.first() == ffi::LUA_SIGNATURE.first();
        let mut reader = Reader { lua: self, rest: code, blank };
        let enforced = enforce(true);
        // SAFETY: errors do not leave the call; the name stays on the stack while the parser uses it, so it is not
        // collected.
        let status = unsafe {
            let name = ffi::lua_tostring(self.0, -1);
            ffi::lua_load(self.0, read, (&raw mut reader).cast(), name)
        };
        enforce(enforced);
        self.remove(-2);
        if status == ffi::LUA_OK { Status::Done } else { Status::Failed }
    }

    /// Calls the function below `arguments` values; both are replaced by `results` values, all of them if -1, or by
    /// the error. The error passes through the function at `handler` first unless that is 0. Memory is limited.
    pub fn call(self, arguments: c_int, results: c_int, handler: c_int) -> Status {
        let enforced = enforce(true);
        // SAFETY: errors do not leave the call.
        let status = unsafe { ffi::lua_pcall(self.0, arguments, results, handler) };
        enforce(enforced);
        if status == ffi::LUA_OK { Status::Done } else { Status::Failed }
    }
}
