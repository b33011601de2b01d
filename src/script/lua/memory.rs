//! An interpreter's memory, and the account of what its run has cost since somebody was last looked after.
//!
//! Lua asks its hook every so many instructions whether the script goes on. That alone bounds no time: one instruction
//! may join, compare or look through whatever is in memory, and one C function may be called where no instruction is
//! (by `table.sort`, by `string.gsub`). So there are three measures, and each leads to a look ([`look`]):
//! - Instructions. The larger the largest block of memory, the fewer there are between two looks: what an instruction,
//!   or a C function without an account of its own, does is linear in one text or table.
//! - Bytes that Lua's own code asks for. The allocator looks itself, and where the script is not to go on it has no
//!   memory: an error which that code can take anywhere.
//! - Work that Rust functions account for as they do it ([`Lua::spend`]).
//!
//! Once a look says that the script is not to go on, it has [ended](Lua::has_ended): whatever catches errors passes
//! this one on.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr;

use mlua_sys as ffi;

use super::calls::call_hook;
use super::{Exit, Lua, NOT_ENOUGH_MEMORY};

/// Work between two looks: bytes allocated, read or written.
const WORK_PER_LOOK: usize = 1 << 20;
/// Instructions between two looks while all blocks are small.
const INSTRUCTIONS_PER_LOOK: usize = 4096;
/// The number of instructions between two looks, multiplied by the size of the largest block.
const BYTES_PER_LOOK: usize = 1 << 28;
/// The size from which on blocks matter for that.
const LARGE_BYTES: usize = BYTES_PER_LOOK / INSTRUCTIONS_PER_LOOK;
/// The size from which on blocks are accounted for that Lua asks for. Of smaller ones no C function asks for many.
const ACCOUNTED_BYTES: usize = 256;
/// What a coroutine that goes on costs, in calls that run without an instruction of Lua's.
const RESUMED_CALLS: usize = 8;
/// The longest text made by Rust.
const TEXT_BYTES_MAX: usize = 1 << 30;
/// The most elements a table is given by Rust. Some more, and Lua would raise an error.
pub const ELEMENTS_MAX: usize = 1 << 26;

/// Who looks after others while a script runs.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// Looks: whether the script goes on.
    pub goes_on: fn() -> bool,
    /// Pushes the error with which it ends if not.
    pub push_end: fn(Lua),
}

const NOBODY: Watch = Watch { goes_on: || true, push_end: |lua| lua.push_nil() };

thread_local! {
    static WATCH: Cell<Watch> = const { Cell::new(NOBODY) };
    /// Work that may still be done before the next look.
    static LEFT: Cell<usize> = const { Cell::new(WORK_PER_LOOK) };
    /// A look has said that the script is not to go on.
    static ENDED: Cell<bool> = const { Cell::new(false) };
    /// It is Lua's own code that runs: an allocation may fail.
    static ENFORCED: Cell<bool> = const { Cell::new(false) };
    /// The coroutine that runs, or the interpreter itself.
    static RUNNING: Cell<*mut ffi::lua_State> = const { Cell::new(ptr::null_mut()) };
}

/// Has allocations fail, or not; how it was before.
#[inline]
pub(super) fn enforce(on: bool) -> bool {
    ENFORCED.replace(on)
}

/// Says which coroutine runs; the one that did before.
pub(super) fn set_running(state: *mut ffi::lua_State) -> *mut ffi::lua_State {
    RUNNING.replace(state)
}

/// Looks after others: whether the script goes on.
#[cold]
pub(super) fn look() -> bool {
    LEFT.set(WORK_PER_LOOK);
    let goes_on = (WATCH.get().goes_on)();
    if !goes_on {
        ENDED.set(true);
    }
    !ENDED.get()
}

/// Memory of an interpreter.
#[derive(Debug)]
struct Memory {
    used: Cell<usize>,
    limit: Cell<usize>,
    /// The large blocks by the number of bits of their size, and which of these numbers are not zero.
    large: [Cell<u32>; usize::BITS as usize],
    classes: Cell<usize>,
}

impl Memory {
    /// The largest block, not counting the last bits of its size; zero if none is large.
    fn largest(&self) -> usize {
        let classes = self.classes.get();
        if classes == 0 { 0 } else { 1 << classes.ilog2() }
    }

    /// How many instructions may pass until the next look.
    #[inline]
    fn instructions(&self) -> c_int {
        (BYTES_PER_LOOK / self.largest().max(LARGE_BYTES)).clamp(1, INSTRUCTIONS_PER_LOOK) as c_int
    }

    #[cold]
    fn note_large(&self, old: usize, new: usize) {
        let before = self.instructions();
        for (size, by) in [(new, 1), (old, u32::MAX)] {
            if size >= LARGE_BYTES {
                let class = size.ilog2();
                let count = &self.large[class as usize];
                count.set(count.get().wrapping_add(by));
                let bit = 1 << class;
                self.classes.set(if count.get() == 0 { self.classes.get() & !bit } else { self.classes.get() | bit });
            }
        }
        let running = RUNNING.get();
        if self.instructions() < before && !running.is_null() {
            Lua(running).arm();
        }
    }
}

/// An interpreter. It must not be dropped while it runs.
#[derive(Debug)]
pub struct State {
    lua: Lua,
    memory: Box<Memory>,
}

impl State {
    /// An interpreter without any library, that may use up to `limit` bytes.
    pub fn new(limit: usize) -> State {
        let memory = Box::new(Memory {
            used: Cell::new(0),
            limit: Cell::new(limit),
            large: [const { Cell::new(0) }; usize::BITS as usize],
            classes: Cell::new(0),
        });
        let user_data = ptr::from_ref::<Memory>(&memory).cast_mut().cast();
        // SAFETY: the allocator keeps Lua's contract, and its data outlives the state, which drop closes.
        let state = unsafe { ffi::lua_newstate(allocate, user_data) };
        assert!(!state.is_null(), "no memory for an interpreter");
        State { lua: Lua(state), memory }
    }

    /// The handle on it.
    pub fn lua(&self) -> Lua {
        self.lua
    }

    /// Memory in use, in bytes.
    pub fn used(&self) -> usize {
        self.memory.used.get()
    }

    /// Lets it use up to `limit` bytes from now on.
    pub fn limit(&self, limit: usize) {
        self.memory.limit.set(limit);
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // SAFETY: it was made by `new` and is closed once.
        unsafe { ffi::lua_close(self.lua.0) }
    }
}

/// Accounts for a block that is asked for: whether there may be memory for it.
fn may_grow(bytes: usize, is_exhausted: bool) -> bool {
    let left = LEFT.get().saturating_sub(bytes);
    LEFT.set(left);
    !ENFORCED.get() || !is_exhausted && (left > 0 || look())
}

/// Lua's allocator.
unsafe extern "C" fn allocate(data: *mut c_void, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
    const ALIGN: usize = 8;
    let layout = |size: usize| Layout::from_size_align(size, ALIGN);
    // SAFETY: the data given to `lua_newstate`.
    let memory = unsafe { &*data.cast::<Memory>() };
    let old = if block.is_null() { 0 } else { old };
    let used = memory.used.get() - old + new;
    let is_exhausted = used > memory.limit.get();
    let is_accounted = (old | new) >= ACCOUNTED_BYTES;
    if (is_accounted || is_exhausted) && new > old && !may_grow(new, is_exhausted) {
        return ptr::null_mut();
    }
    let (Ok(old_layout), Ok(new_layout)) = (layout(old), layout(new)) else { return ptr::null_mut() };
    // SAFETY: Lua gives back blocks of this allocator with the sizes it asked for; sizes of zero are set apart.
    let block = unsafe {
        match (old, new) {
            (0, 0) => return ptr::null_mut(),
            (0, _) => alloc(new_layout),
            (_, 0) => {
                dealloc(block.cast(), old_layout);
                ptr::null_mut()
            }
            _ => realloc(block.cast(), old_layout, new),
        }
    };
    if new != 0 && block.is_null() {
        // Lua would raise an error, and jump over frames of Rust.
        if !ENFORCED.get() {
            handle_alloc_error(new_layout);
        }
        return ptr::null_mut();
    }
    memory.used.set(used);
    if is_accounted && old.max(new) >= LARGE_BYTES {
        memory.note_large(old, new);
    }
    block.cast()
}

impl Lua {
    /// Begins a run of this interpreter, watched by `watch`.
    pub fn watch(self, watch: Watch) {
        WATCH.set(watch);
        LEFT.set(WORK_PER_LOOK);
        ENDED.set(false);
        RUNNING.set(self.0);
        // SAFETY: the state is alive, and setting a hook raises nothing.
        unsafe { ffi::lua_sethook(self.0, Some(call_hook), ffi::LUA_MASKCOUNT, self.memory().instructions()) };
    }

    /// The run is over.
    pub fn unwatch(self) {
        WATCH.set(NOBODY);
        ENDED.set(false);
        RUNNING.set(ptr::null_mut());
    }

    /// Has the hook called as often as the largest block demands.
    pub(super) fn arm(self) {
        let instructions = self.memory().instructions();
        // SAFETY: the state is alive, and setting a hook raises nothing, nor does it matter what Lua is in the midst
        // of.
        unsafe {
            if ffi::lua_gethookcount(self.0) != instructions {
                ffi::lua_sethook(self.0, Some(call_hook), ffi::LUA_MASKCOUNT, instructions);
            }
        }
    }

    fn memory<'a>(self) -> &'a Memory {
        let mut data = ptr::null_mut();
        // SAFETY: the data are those given to `lua_newstate`, and live as long as the state.
        unsafe {
            ffi::lua_getallocf(self.0, &raw mut data);
            &*data.cast::<Memory>()
        }
    }

    /// Whether the script is not to go on. What catches errors raises this one again, see [`Lua::end`].
    #[inline]
    pub fn has_ended(self) -> bool {
        ENDED.get()
    }

    /// Makes the error with which a script ends that is not to go on; the function's values are dropped.
    #[cold]
    pub fn end(self) -> Exit {
        self.set_top(0);
        (WATCH.get().push_end)(self);
        Exit::Error
    }

    /// Pushes that error.
    pub fn push_end(self) {
        (WATCH.get().push_end)(self);
    }

    /// Accounts for work, in bytes, and looks after others when it has become much: whether the script goes on.
    #[inline]
    pub fn charge(self, work: usize) -> bool {
        let left = LEFT.get();
        if work < left {
            LEFT.set(left - work);
            return true;
        }
        look()
    }

    /// Accounts for work of a function that a script has called, in bytes. To be called in each loop whose length a
    /// script decides about; there memory is seen to as well, which does not run out by itself while Rust runs.
    ///
    /// # Errors
    /// When the script is not to go on, or its memory is exhausted.
    #[inline]
    pub fn spend(self, work: usize) -> Result<(), Exit> {
        let left = LEFT.get();
        if work < left {
            LEFT.set(left - work);
            return Ok(());
        }
        self.look()
    }

    #[cold]
    fn look(self) -> Result<(), Exit> {
        if !look() {
            return Err(self.end());
        }
        self.check_room(0)
    }

    /// Accounts for a call of a function that may be one of Lua's own without an account: it may look through the
    /// largest block.
    ///
    /// # Errors
    /// As [`Lua::spend`].
    pub fn spend_call(self) -> Result<(), Exit> {
        self.spend(WORK_PER_LOOK / self.memory().instructions() as usize)
    }

    /// Accounts for a coroutine that goes on, which counts its instructions by itself, and anew.
    ///
    /// # Errors
    /// As [`Lua::spend`].
    pub(super) fn spend_resume(self) -> Result<(), Exit> {
        self.spend(RESUMED_CALLS * (WORK_PER_LOOK / self.memory().instructions() as usize))
    }

    /// How much memory may still be used, in bytes. What is made by Rust is not limited as it is made: where scripts
    /// decide about its size it is compared with this, see [`Lua::check_room`].
    pub fn room(self) -> usize {
        let memory = self.memory();
        memory.limit.get().saturating_sub(memory.used.get())
    }

    /// Memory in use, in bytes.
    #[inline]
    pub fn used(self) -> usize {
        self.memory().used.get()
    }

    /// Whether something that will take so many bytes may be made.
    ///
    /// # Errors
    /// What Lua says when its memory is exhausted.
    pub fn check_room(self, bytes: usize) -> Result<(), Exit> {
        let memory = self.memory();
        let fits = memory.used.get().checked_add(bytes).is_some_and(|used| used <= memory.limit.get());
        if fits { Ok(()) } else { Err(self.error(NOT_ENOUGH_MEMORY)) }
    }

    /// Whether a text of so many bytes may be made outside of the interpreter and then copied into it.
    ///
    /// # Errors
    /// As [`Lua::check_room`].
    pub fn check_text(self, bytes: usize) -> Result<(), Exit> {
        if bytes > TEXT_BYTES_MAX { Err(self.error(NOT_ENOUGH_MEMORY)) } else { self.check_room(2 * bytes) }
    }

    /// Whether a table may have so many elements.
    ///
    /// # Errors
    /// What Lua says of one that may not.
    #[inline]
    pub fn check_elements(self, count: usize) -> Result<(), Exit> {
        if count > ELEMENTS_MAX { Err(self.error("table overflow")) } else { Ok(()) }
    }

    /// Frees what is not used any more, piece by piece: looks after others meanwhile, and goes on in any case.
    pub fn collect(self) {
        // What is being collected may have been used when that began.
        for _ in 0..2 {
            while !self.collect_step(COLLECTED_KIB) {
                self.charge(WORK_PER_LOOK / 4);
            }
        }
    }

    /// Goes on collecting by as much as when so many KiB are allocated; whether that was the end of it.
    pub fn collect_step(self, kib: c_int) -> bool {
        // SAFETY: the state is alive; collecting calls nothing, for scripts have no finalizers, and raises nothing.
        unsafe { ffi::lua_gc(self.0, ffi::LUA_GCSTEP, kib) != 0 }
    }
}

/// How much is collected at a time, in KiB that would be allocated meanwhile: about a millisecond's worth.
pub const COLLECTED_KIB: c_int = 64;
