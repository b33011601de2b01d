//! Lua, as the rest of `script` sees it: the C interface behind one small type, [`Lua`], and the interpreter that
//! owns it all, [`State`].
//!
//! An error in Lua is a jump over all C frames up to the nearest protected call. Such a jump must never pass a Rust
//! frame that owns anything. Two rules see to that:
//! - A Rust function called from Lua returns its error as an [`Exit`]; only the few lines of [`function`] around it,
//!   which own nothing, jump. One that has others called does so by [`Step`]s.
//! - What Rust calls here does not raise. Tables are read and written without metamethods, and memory is limited only
//!   while Lua's own code runs. A function whose work or memory depends on what it is given accounts for both as it
//!   goes, see [`memory`]; tables get no more elements than [`ELEMENTS_MAX`].
//!
//! Indices are Lua's: from 1 on up from the bottom of the function's part of the stack, from -1 on down from its top.
//! A method that pushes needs room: a function starts with room for twenty values, more is asked for by
//! [`Lua::ensure`]. Debug builds check both in Lua itself.
#![allow(unsafe_code)]

mod calls;
mod memory;

use std::ffi::{CStr, c_int};
use std::ptr;

use mlua_sys as ffi;

pub use mlua_sys::lua_CFunction as CFunction;

pub use calls::{Standing, Step, function, stepwise};
pub use memory::{COLLECTED_KIB, ELEMENTS_MAX, State, Watch};

/// What a Rust function called from Lua comes to: how many values on top of the stack are its results.
pub type Outcome = Result<c_int, Exit>;

/// How a Rust function ends otherwise.
#[derive(Clone, Copy, Debug)]
pub enum Exit {
    /// The value on top of the stack is thrown as an error.
    Error,
    /// The argument of that number is wrong; the text on top of the stack says why.
    Argument(c_int),
    /// The argument of that number should have been of another type.
    Type(c_int, &'static CStr),
    /// Another function runs in its place, with the same arguments.
    Instead(CFunction),
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    None,
    Nil,
    Boolean,
    LightUserdata,
    Number,
    String,
    Table,
    Function,
    Userdata,
    Thread,
}

/// What Lua says when its memory is exhausted.
pub const NOT_ENOUGH_MEMORY: &str = "not enough memory";

/// A value kept in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference(c_int);

/// How a protected call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Its results are on the stack.
    Done,
    /// The error is on the stack.
    Failed,
}

/// Where a function of the call stack stands.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// It is not written in Lua.
    pub is_native: bool,
    /// The line it is at, or -1.
    pub line: c_int,
}

/// A number without its fraction. What is no such integer becomes what it does on most machines.
pub fn integer(number: f64) -> i64 {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    if (-LIMIT..LIMIT).contains(&number) { number as i64 } else { i64::MIN }
}

/// The libraries Lua comes with, as far as scripts get them.
pub const LIBRARIES: &[(&CStr, CFunction)] = &[
    (c"", ffi::luaopen_base),
    (c"table", ffi::luaopen_table),
    (c"string", ffi::luaopen_string),
    (c"math", ffi::luaopen_math),
];

/// A handle on an interpreter, or on a coroutine of it. Good as long as the [`State`] lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lua(*mut ffi::lua_State);

// SAFETY of all calls below: the state is alive, for handles are used only by functions it calls and by the owner of
// the `State`; indices and room are the caller's duty, see the module. None of these functions raises an error as they
// are used here: memory is not limited meanwhile.
impl Lua {
    /// The number of values.
    #[inline]
    pub fn top(self) -> c_int {
        // SAFETY: see above.
        unsafe { ffi::lua_gettop(self.0) }
    }

    /// Removes values above `top`, or adds nils up to it.
    #[inline]
    pub fn set_top(self, top: c_int) {
        // SAFETY: see above.
        unsafe { ffi::lua_settop(self.0, top) }
    }

    /// Removes values from the top.
    #[inline]
    pub fn pop(self, count: c_int) {
        self.set_top(-count - 1);
    }

    /// Makes room for more values; false when there are too many already.
    #[inline]
    pub fn ensure(self, count: c_int) -> bool {
        // SAFETY: see above.
        unsafe { ffi::lua_checkstack(self.0, count) != 0 }
    }

    /// Pushes a copy.
    #[inline]
    pub fn push_value(self, index: c_int) {
        // SAFETY: see above.
        unsafe { ffi::lua_pushvalue(self.0, index) }
    }

    /// Moves the top value to `index`, shifting up what is there.
    pub fn insert(self, index: c_int) {
        // SAFETY: see above.
        unsafe { ffi::lua_insert(self.0, index) }
    }

    /// Removes the value at `index`.
    pub fn remove(self, index: c_int) {
        // SAFETY: see above.
        unsafe { ffi::lua_remove(self.0, index) }
    }

    /// Moves the top value over that at `index`.
    pub fn replace(self, index: c_int) {
        // SAFETY: see above.
        unsafe { ffi::lua_replace(self.0, index) }
    }

    /// The type of a value.
    #[inline]
    pub fn kind(self, index: c_int) -> Kind {
        // SAFETY: see above; Lua answers for any index.
        match unsafe { ffi::lua_type(self.0, index) } {
            ffi::LUA_TNIL => Kind::Nil,
            ffi::LUA_TBOOLEAN => Kind::Boolean,
            ffi::LUA_TLIGHTUSERDATA => Kind::LightUserdata,
            ffi::LUA_TNUMBER => Kind::Number,
            ffi::LUA_TSTRING => Kind::String,
            ffi::LUA_TTABLE => Kind::Table,
            ffi::LUA_TFUNCTION => Kind::Function,
            ffi::LUA_TUSERDATA => Kind::Userdata,
            ffi::LUA_TTHREAD => Kind::Thread,
            _ => Kind::None,
        }
    }

    /// Lua's name of the type of a value.
    pub fn kind_name(self, index: c_int) -> &'static str {
        match self.kind(index) {
            Kind::None => "no value",
            Kind::Nil => "nil",
            Kind::Boolean => "boolean",
            Kind::LightUserdata | Kind::Userdata => "userdata",
            Kind::Number => "number",
            Kind::String => "string",
            Kind::Table => "table",
            Kind::Function => "function",
            Kind::Thread => "thread",
        }
    }

    /// Whether a value is a number or text that reads as one.
    pub fn is_number(self, index: c_int) -> bool {
        // SAFETY: see above.
        unsafe { ffi::lua_isnumber(self.0, index) != 0 }
    }

    /// Whether a value is text or a number.
    pub fn is_text(self, index: c_int) -> bool {
        matches!(self.kind(index), Kind::String | Kind::Number)
    }

    /// A value as a number, 0 when it is none.
    #[inline]
    pub fn number(self, index: c_int) -> f64 {
        // SAFETY: see above.
        unsafe { ffi::lua_tonumber(self.0, index) }
    }

    /// Whether a value is true: neither nil nor false.
    #[inline]
    pub fn boolean(self, index: c_int) -> bool {
        // SAFETY: see above.
        unsafe { ffi::lua_toboolean(self.0, index) != 0 }
    }

    /// Whether a light userdata is the null pointer.
    pub fn is_null_pointer(self, index: c_int) -> bool {
        // SAFETY: see above.
        unsafe { ffi::lua_touserdata(self.0, index).is_null() }
    }

    /// The bytes of a string, or of a number, which becomes a string in its place. They stay as long as the value is
    /// on the stack: the caller sees to that. Nothing of other types.
    #[inline]
    pub fn bytes(&self, index: c_int) -> &[u8] {
        let mut length = 0;
        // SAFETY: see above; Lua's strings do not move, and an empty slice stands for what has none.
        unsafe {
            let start = ffi::lua_tolstring(self.0, index, &raw mut length);
            if start.is_null() { &[] } else { std::slice::from_raw_parts(start.cast(), length) }
        }
    }

    /// Pushes nil.
    #[inline]
    pub fn push_nil(self) {
        // SAFETY: see above.
        unsafe { ffi::lua_pushnil(self.0) }
    }

    /// Pushes a boolean.
    #[inline]
    pub fn push_boolean(self, value: bool) {
        // SAFETY: see above.
        unsafe { ffi::lua_pushboolean(self.0, c_int::from(value)) }
    }

    /// Pushes a number.
    #[inline]
    pub fn push_number(self, value: f64) {
        // SAFETY: see above.
        unsafe { ffi::lua_pushnumber(self.0, value) }
    }

    /// Pushes a string.
    #[inline]
    pub fn push_bytes(self, bytes: &[u8]) {
        // SAFETY: see above; Lua copies the bytes.
        unsafe { ffi::lua_pushlstring_(self.0, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// Pushes the null pointer.
    pub fn push_null_pointer(self) {
        // SAFETY: see above.
        unsafe { ffi::lua_pushlightuserdata(self.0, ptr::null_mut()) }
    }

    /// Pushes a function with the topmost `captured` values as its upvalues, which are removed.
    pub fn push_function(self, function: CFunction, captured: c_int) {
        // SAFETY: see above.
        unsafe { ffi::lua_pushcclosure(self.0, function, captured) }
    }

    /// The index of an upvalue of the running function, from 1 on.
    #[inline]
    pub fn upvalue(number: c_int) -> c_int {
        ffi::lua_upvalueindex(number)
    }

    /// The C function at `index`, if it is one.
    pub fn native(self, index: c_int) -> Option<CFunction> {
        // SAFETY: see above.
        unsafe { ffi::lua_tocfunction(self.0, index) }
    }

    /// Pushes a new table with room for that many elements and fields.
    #[inline]
    pub fn new_table(self, elements: usize, fields: usize) {
        let most = |count: usize| count.min(ELEMENTS_MAX) as c_int;
        // SAFETY: see above.
        unsafe { ffi::lua_createtable(self.0, most(elements), most(fields)) }
    }

    /// Replaces the key on top by its value in the table at `index`.
    #[inline]
    pub fn raw_get(self, index: c_int) {
        // SAFETY: see above.
        unsafe { ffi::lua_rawget_(self.0, index) }
    }

    /// Pushes an element of the table at `index`.
    #[inline]
    pub fn raw_get_at(self, index: c_int, position: c_int) {
        // SAFETY: see above.
        unsafe { ffi::lua_rawgeti_(self.0, index, position) }
    }

    /// Takes key and value from the top into the table at `index`; the key must be neither nil nor NaN.
    #[inline]
    pub fn raw_set(self, index: c_int) {
        // SAFETY: see above.
        unsafe { ffi::lua_rawset(self.0, index) }
    }

    /// Takes an element from the top into the table at `index`.
    #[inline]
    pub fn raw_set_at(self, index: c_int, position: c_int) {
        // SAFETY: see above.
        unsafe { ffi::lua_rawseti_(self.0, index, position) }
    }

    /// Pushes a field of the table at `index`, which counts from the bottom.
    pub fn field(self, index: c_int, name: &str) {
        self.push_bytes(name.as_bytes());
        self.raw_get(if index < 0 { index - 1 } else { index });
    }

    /// Takes the top value as a field into the table at `index`.
    pub fn set_field(self, index: c_int, name: &str) {
        self.push_bytes(name.as_bytes());
        self.insert(-2);
        self.raw_set(if index < 0 { index - 1 } else { index });
    }

    /// Replaces the key on top by the next key and its value in the table at `index`; at the end only removes it.
    /// The key must be nil or come from here.
    #[inline]
    pub fn next(self, index: c_int) -> bool {
        // SAFETY: see above.
        unsafe { ffi::lua_next(self.0, index) != 0 }
    }

    /// The length of a string, or of a table as `#` has it.
    pub fn length(self, index: c_int) -> usize {
        // SAFETY: see above.
        unsafe { ffi::lua_objlen(self.0, index) }
    }

    /// Takes the metatable of the value at `index` from the top.
    pub fn set_metatable(self, index: c_int) {
        // SAFETY: see above.
        unsafe { ffi::lua_setmetatable(self.0, index) };
    }

    /// Pushes the metatable of a value, if it has one.
    #[inline]
    pub fn metatable(self, index: c_int) -> bool {
        // SAFETY: see above.
        unsafe { ffi::lua_getmetatable(self.0, index) != 0 }
    }

    /// Pushes a block of so many bytes, which belongs to the interpreter.
    pub fn push_block(self, bytes: usize) {
        // SAFETY: see above.
        unsafe { ffi::lua_newuserdata(self.0, bytes) };
    }

    /// Writes into the block at `index`, which is long enough.
    pub fn write_block(self, index: c_int, start: usize, bytes: &[u8]) {
        assert!(start + bytes.len() <= self.length(index), "a write within the block");
        // SAFETY: see above; the block has room, and is nobody else's: blocks are not given to scripts.
        unsafe {
            let block = ffi::lua_touserdata(self.0, index).cast::<u8>();
            ptr::copy_nonoverlapping(bytes.as_ptr(), block.add(start), bytes.len());
        }
    }

    /// Copies the first bytes of the block at `from` into that at `to`; both are long enough.
    pub fn copy_block(self, from: c_int, to: c_int, bytes: usize) {
        assert!(bytes <= self.length(from) && bytes <= self.length(to), "a copy within the blocks");
        // SAFETY: as above; these are two blocks.
        unsafe {
            let (from, to) = (ffi::lua_touserdata(self.0, from), ffi::lua_touserdata(self.0, to));
            ptr::copy_nonoverlapping(from.cast::<u8>(), to.cast::<u8>(), bytes);
        }
    }

    /// Pushes the first bytes of the block at `index`, which have been written, as a string.
    pub fn push_text_of_block(self, index: c_int, bytes: usize) {
        assert!(bytes <= self.length(index), "text within the block");
        // SAFETY: as above; Lua copies the bytes.
        unsafe { ffi::lua_pushlstring_(self.0, ffi::lua_touserdata(self.0, index).cast(), bytes) }
    }

    /// Joins strings on top into one; together they must not be too long for memory.
    pub fn concat(self, count: c_int) {
        // SAFETY: see above.
        unsafe { ffi::lua_concat(self.0, count) }
    }

    /// Moves the top value into the registry.
    pub fn keep(self) -> Reference {
        // SAFETY: see above.
        Reference(unsafe { ffi::luaL_ref(self.0, ffi::LUA_REGISTRYINDEX) })
    }

    /// Pushes a kept value.
    #[inline]
    pub fn push_kept(self, reference: Reference) {
        // SAFETY: see above.
        unsafe { ffi::lua_rawgeti_(self.0, ffi::LUA_REGISTRYINDEX, reference.0) }
    }

    /// Gives a kept value up.
    pub fn forget(self, reference: Reference) {
        // SAFETY: see above.
        unsafe { ffi::luaL_unref(self.0, ffi::LUA_REGISTRYINDEX, reference.0) }
    }

    /// Pushes the table of globals.
    pub fn push_globals(self) {
        self.push_value(ffi::LUA_GLOBALSINDEX);
    }

    /// Makes the table on top that of the globals of all code loaded from now on.
    pub fn set_globals(self) {
        self.replace(ffi::LUA_GLOBALSINDEX);
    }

    /// Opens a library of [`LIBRARIES`], which puts itself into the globals.
    pub fn open(self, name: &CStr, library: CFunction) {
        self.push_function(library, 0);
        self.push_bytes(name.to_bytes());
        // SAFETY: see above; opening a library raises nothing but for lack of memory.
        unsafe { ffi::lua_call(self.0, 1, 0) }
    }

    /// Where the function `level` calls above stands (0: the running one), and pushes the name of its source.
    pub fn place(self, level: c_int) -> Option<Place> {
        // SAFETY: a record of plain numbers and pointers may be zero, and Lua fills it before it is read.
        unsafe {
            let mut record: ffi::lua_Debug = std::mem::zeroed();
            if ffi::lua_getstack(self.0, level, &raw mut record) == 0 {
                return None;
            }
            ffi::lua_getinfo(self.0, c"Sl".as_ptr(), &raw mut record);
            let is_native = CStr::from_ptr(record.what).to_bytes() == b"C";
            ffi::lua_pushstring_(self.0, record.source);
            Some(Place { is_native, line: record.currentline })
        }
    }

    /// Makes an error of this text as Lua's own functions do, with the place of the caller in front. The function's
    /// values are dropped, since there may be no room behind them; the text must not be one of them.
    pub fn error(self, text: impl AsRef<[u8]>) -> Exit {
        self.set_top(0);
        // SAFETY: see above.
        unsafe { ffi::luaL_where(self.0, 1) };
        self.push_bytes(text.as_ref());
        self.concat(2);
        Exit::Error
    }

    /// Likewise an error without a place.
    pub fn error_anywhere(self, text: impl AsRef<[u8]>) -> Exit {
        self.set_top(0);
        self.push_bytes(text.as_ref());
        Exit::Error
    }

    /// Says what is wrong with an argument; as for [`Lua::error`].
    pub fn wrong_argument(self, index: c_int, text: impl AsRef<[u8]>) -> Exit {
        self.set_top(0);
        self.push_bytes(text.as_ref());
        Exit::Argument(index)
    }

    /// An argument that has to be a number.
    #[inline]
    pub fn check_number(self, index: c_int) -> Result<f64, Exit> {
        let number = self.number(index);
        if number == 0.0 && !self.is_number(index) {
            return Err(Exit::Type(index, c"number"));
        }
        Ok(number)
    }

    /// An argument that has to be an integer; a fraction is cut off.
    pub fn check_integer(self, index: c_int) -> Result<i64, Exit> {
        Ok(integer(self.check_number(index)?))
    }

    /// An argument that has to be a string or a number.
    pub fn check_bytes(&self, index: c_int) -> Result<&[u8], Exit> {
        match self.kind(index) {
            Kind::String | Kind::Number => Ok(self.bytes(index)),
            _ => Err(Exit::Type(index, c"string")),
        }
    }
}

/// Writes a number as C's `%.*g` does; how many bytes of the buffer that takes.
pub fn format_number(number: f64, digits: c_int, buffer: &mut [u8; 64]) -> usize {
    // SAFETY: the buffer is as long as said, and the format takes an int and a double.
    let length = unsafe { libc::snprintf(buffer.as_mut_ptr().cast(), buffer.len(), c"%.*g".as_ptr(), digits, number) };
    usize::try_from(length).unwrap_or(0).min(buffer.len() - 1)
}

/// Reads a number as C's `strtod` does from the beginning of a text that ends with a NUL: the number, and how many
/// bytes it takes.
pub fn parse_number(text: &CStr) -> (f64, usize) {
    let mut end = ptr::null_mut();
    // SAFETY: the text ends with a NUL, and the end lies within it.
    unsafe {
        let number = libc::strtod(text.as_ptr(), &raw mut end);
        (number, usize::try_from(end.cast_const().offset_from(text.as_ptr())).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests;
