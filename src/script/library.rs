//! Functions, which come in libraries.
//!
//! A library is code that runs once, when it is loaded, and registers functions meanwhile. Only its text is worth
//! keeping: persistence and replication carry texts, and load them again.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::Scripting;
use super::convert::{self, push_error};
use super::functions::raise;
use super::interpreter::{Interpreter, see_loading};
use super::lua::{Kind, Lua, NOT_ENOUGH_MEMORY, Outcome, Reference, Status, Watch};
use super::shebang::{self, ScriptFlags};
use crate::command::Error;
use crate::config::Config;

/// How long the code of a library may run.
pub const LOADING_MAX: Duration = Duration::from_millis(500);

const BAD_NAME: &str =
    "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";

/// A function.
#[derive(Clone, Debug)]
pub struct Function {
    /// Its name.
    pub name: Rc<[u8]>,
    /// What it is for.
    pub description: Option<Vec<u8>>,
    /// What it says of itself.
    pub flags: ScriptFlags,
    /// The function in Lua.
    pub reference: Reference,
}

/// A library.
#[derive(Debug)]
pub struct Library {
    /// Its text, the first line included.
    pub text: Vec<u8>,
    /// Its functions, in the order they were registered.
    pub functions: Vec<Rc<Function>>,
}

/// All libraries.
#[derive(Debug, Default)]
pub struct Libraries {
    by_name: BTreeMap<Vec<u8>, Library>,
    /// Functions by their names in lower case.
    functions: HashMap<Vec<u8>, Rc<Function>>,
}

impl Libraries {
    /// The number of libraries.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// The number of functions.
    pub fn functions_len(&self) -> usize {
        self.functions.len()
    }

    /// Memory of the libraries without what the interpreter has of them, in bytes.
    pub fn bytes(&self) -> usize {
        let of = |(name, library): (&Vec<u8>, &Library)| {
            let functions: usize =
                library.functions.iter().map(|function| size_of::<Function>() + function.name.len()).sum();
            size_of::<Library>() + name.len() + library.text.len() + functions
        };
        self.by_name.iter().map(of).sum()
    }

    /// The libraries with their names.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Library)> {
        self.by_name.iter().map(|(name, library)| (&name[..], library))
    }

    /// A function by its name, in any case.
    #[inline]
    pub fn function(&self, name: &[u8]) -> Option<&Function> {
        let found = match name.iter().any(u8::is_ascii_uppercase) {
            true => self.functions.get(&name.to_ascii_lowercase()),
            false => self.functions.get(name),
        };
        found.map(Rc::as_ref)
    }

    /// The texts of all libraries: what is to be saved.
    pub fn dump(&self) -> Vec<Vec<u8>> {
        self.by_name.values().map(|library| library.text.clone()).collect()
    }

    fn link(&mut self, name: Vec<u8>, library: Library) {
        for function in &library.functions {
            self.functions.insert(function.name.to_ascii_lowercase(), Rc::clone(function));
        }
        self.by_name.insert(name, library);
    }

    fn unlink(&mut self, name: &[u8]) -> Option<Library> {
        let library = self.by_name.remove(name)?;
        for function in &library.functions {
            self.functions.remove(&function.name.to_ascii_lowercase());
        }
        Some(library)
    }

    /// Which of a library's functions has the name of one that is there already.
    fn collision(&self, library: &Library) -> Option<Rc<Function>> {
        library.functions.iter().find(|function| self.function(&function.name).is_some()).cloned()
    }
}

/// How restored libraries go together with those that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restore {
    /// None may be there already.
    Append,
    /// Those of the same name give way.
    Replace,
    /// All give way.
    Flush,
}

/// A library being loaded.
#[derive(Debug)]
struct Loading {
    functions: Vec<Function>,
    /// The length of their names and descriptions.
    bytes: usize,
    ends: Option<Instant>,
}

thread_local! {
    static LOADING: RefCell<Option<Loading>> = const { RefCell::new(None) };
}

impl Scripting {
    /// Loads a library; its name. With `replace` it may take the place of one of that name. `limit` bounds how long its
    /// code may run.
    ///
    /// # Errors
    /// When its first line or its code is wrong, or names are taken. Nothing has changed then.
    pub fn load_library(
        &mut self,
        config: &Config,
        text: &[u8],
        replace: bool,
        limit: Option<Duration>,
    ) -> Result<Vec<u8>, Error> {
        let mut all = std::mem::take(&mut self.libraries);
        let result = self.load_into(&mut all, config, text, replace, limit);
        self.libraries = all;
        result
    }

    fn load_into(
        &mut self,
        all: &mut Libraries,
        config: &Config,
        text: &[u8],
        replace: bool,
        limit: Option<Duration>,
    ) -> Result<Vec<u8>, Error> {
        let head = shebang::of_library(text)?;
        if !is_name(&head.name) {
            return Err(Error::text(format!("ERR {BAD_NAME}")));
        }
        if !head.engine.eq_ignore_ascii_case(b"lua") {
            return Err(Error::text([b"ERR Engine '", &head.engine[..], b"' not found"].concat()));
        }
        if !replace && all.by_name.contains_key(&head.name) {
            return Err(Error::text([b"ERR Library '", &head.name[..], b"' already exists"].concat()));
        }
        let interpreter = self.functions_mut(config);
        interpreter.limit(config.maxmemory);
        let functions = collect_functions(interpreter, head.code, limit)?;
        let library = Library { text: text.to_vec(), functions: functions.into_iter().map(Rc::new).collect() };
        let old = all.unlink(&head.name);
        if let Some(taken) = all.collision(&library) {
            if let Some(old) = old {
                all.link(head.name, old);
            }
            forget(interpreter, &library);
            return Err(Error::text([b"ERR Function ", &taken.name[..], b" already exists"].concat()));
        }
        if let Some(old) = old {
            forget(interpreter, &old);
        }
        all.link(head.name.clone(), library);
        Ok(head.name)
    }

    /// Deletes a library; whether there was one.
    pub fn delete_library(&mut self, name: &[u8]) -> bool {
        let Some(library) = self.libraries.unlink(name) else { return false };
        if let Some(interpreter) = &self.functions {
            forget(interpreter, &library);
        }
        true
    }

    /// Forgets all functions, and the interpreter with whatever they left in it.
    pub fn flush_functions(&mut self) {
        self.libraries = Libraries::default();
        self.functions = None;
    }

    /// Loads libraries that were saved.
    ///
    /// # Errors
    /// When one is wrong, or its name is taken. Nothing has changed then.
    pub fn restore_libraries(&mut self, config: &Config, texts: &[Vec<u8>], how: Restore) -> Result<(), Error> {
        let mut restored = Libraries::default();
        let mut result = Ok(());
        for text in texts {
            result = self.load_into(&mut restored, config, text, false, Some(LOADING_MAX)).map(drop);
            if result.is_err() {
                break;
            }
        }
        let joined = result.and_then(|()| self.join(&restored, how));
        let unused = match joined {
            Ok(()) => Libraries::default(),
            Err(_) => std::mem::take(&mut restored),
        };
        for (name, library) in restored.by_name {
            self.libraries.link(name, library);
        }
        if let Some(interpreter) = &self.functions {
            unused.by_name.values().for_each(|library| forget(interpreter, library));
        }
        joined
    }

    /// Makes room for libraries that are to be added, unless they collide with those that stay.
    fn join(&mut self, restored: &Libraries, how: Restore) -> Result<(), Error> {
        let gives_way = |name: &Vec<u8>| match how {
            Restore::Flush => true,
            Restore::Replace => restored.by_name.contains_key(name),
            Restore::Append => false,
        };
        let taken = |name: &&Vec<u8>| restored.by_name.contains_key(*name) && !gives_way(name);
        if let Some(name) = self.libraries.by_name.keys().find(taken) {
            return Err(Error::text([b"ERR Library ", &name[..], b" already exists"].concat()));
        }
        let stay = self.libraries.by_name.iter().filter(|(name, _)| !gives_way(name));
        for function in stay.flat_map(|(_, library)| &library.functions) {
            if let Some(function) = restored.function(&function.name) {
                return Err(Error::text([b"ERR Function ", &function.name[..], b" already exists"].concat()));
            }
        }
        let old: Vec<Vec<u8>> = self.libraries.by_name.keys().filter(|name| gives_way(name)).cloned().collect();
        for name in &old {
            self.delete_library(name);
        }
        Ok(())
    }
}

fn forget(interpreter: &Interpreter, library: &Library) {
    library.functions.iter().for_each(|function| interpreter.lua().forget(function.reference));
}

/// Runs the code of a library; the functions it has registered.
fn collect_functions(
    interpreter: &mut Interpreter,
    code: &[u8],
    limit: Option<Duration>,
) -> Result<Vec<Function>, Error> {
    let lua = interpreter.lua();
    let main = interpreter
        .compile(code, "@user_function")
        .map_err(|fault| Error::text([b"ERR Error compiling function: ", &fault[..]].concat()))?;
    LOADING.set(Some(Loading { functions: Vec::new(), bytes: 0, ends: limit.map(|limit| Instant::now() + limit) }));
    see_loading(lua, true);
    lua.watch(Watch { goes_on: is_in_time, push_end: |lua| push_error(lua, b"ERR FUNCTION LOAD timeout", false) });
    lua.push_kept(main);
    let status = lua.call(0, 0, 0);
    see_loading(lua, false);
    lua.forget(main);
    let functions = LOADING.take().map(|loading| loading.functions).unwrap_or_default();
    let result = match status {
        Status::Done if functions.is_empty() => Err(Error::fixed("ERR No functions registered")),
        Status::Done => Ok(functions),
        Status::Failed => {
            if lua.has_ended() {
                lua.push_end();
                lua.replace(-2);
            }
            let line = match lua.kind(-1) {
                Kind::Table => convert::error_on_top(lua).line,
                _ => [b"ERR ", lua.bytes(-1)].concat(),
            };
            lua.pop(1);
            functions.iter().for_each(|function| lua.forget(function.reference));
            Err(Error::text([b"ERR Error registering functions: ", &line[..]].concat()))
        }
    };
    lua.unwatch();
    if lua.used() > interpreter.collect_at() {
        lua.collect();
        interpreter.note_collected();
    }
    result
}

/// Whether the loading may go on.
fn is_in_time() -> bool {
    LOADING.with_borrow(|loading| {
        let ends = loading.as_ref().and_then(|loading| loading.ends);
        ends.is_none_or(|ends| Instant::now() <= ends)
    })
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// `redis.register_function`.
pub fn register(lua: Lua) -> Outcome {
    if LOADING.with_borrow(Option::is_none) {
        return Err(raise(lua, "redis.register_function can only be called on FUNCTION LOAD command"));
    }
    let read = match lua.top() {
        1 => read_named(lua),
        2 => read_positional(lua),
        _ => Err("wrong number of arguments to redis.register_function"),
    };
    let function = read.map_err(|fault| raise(lua, fault))?;
    let bytes = function.name.len() + function.description.as_ref().map_or(0, Vec::len);
    lua.spend(bytes + size_of::<Function>())?;
    let fault = LOADING.with_borrow_mut(|loading| {
        let Loading { functions, bytes: all, .. } = loading.as_mut()?;
        *all += bytes;
        if *all > lua.room() {
            return Some(NOT_ENOUGH_MEMORY);
        }
        if !is_name(&function.name) {
            return Some(BAD_NAME);
        }
        if functions.iter().any(|known| known.name == function.name) {
            return Some("Function already exists in the library");
        }
        functions.push(function.clone());
        None
    });
    match fault {
        None => Ok(0),
        Some(fault) => {
            lua.forget(function.reference);
            Err(raise(lua, fault))
        }
    }
}

fn read_positional(lua: Lua) -> Result<Function, &'static str> {
    if !lua.is_text(1) {
        return Err("first argument to redis.register_function must be a string");
    }
    if lua.kind(2) != Kind::Function {
        return Err("second argument to redis.register_function must be a function");
    }
    let name = lua.bytes(1).into();
    Ok(Function { name, description: None, flags: ScriptFlags::default(), reference: lua.keep() })
}

fn read_named(lua: Lua) -> Result<Function, &'static str> {
    if lua.kind(1) != Kind::Table {
        return Err("calling redis.register_function with a single argument is only applicable to Lua table \
                    (representing named arguments).");
    }
    let (mut name, mut description, mut flags, mut has_callback) = (None, None, ScriptFlags::default(), false);
    // The callback goes to the place below the iteration.
    lua.push_nil();
    lua.push_nil();
    while lua.next(1) {
        if lua.kind(-2) == Kind::Number {
            return Err("unknown argument given to redis.register_function");
        }
        if lua.kind(-2) != Kind::String {
            return Err("named argument key given to redis.register_function is not a string");
        }
        let key = lua.bytes(-2).to_ascii_lowercase();
        match &key[..] {
            b"function_name" if !lua.is_text(-1) => {
                return Err("function_name argument given to redis.register_function must be a string");
            }
            b"function_name" => name = Some(Rc::from(lua.bytes(-1))),
            b"description" if !lua.is_text(-1) => {
                return Err("description argument given to redis.register_function must be a string");
            }
            b"description" => description = Some(lua.bytes(-1).to_vec()),
            b"callback" if lua.kind(-1) != Kind::Function => {
                return Err("callback argument given to redis.register_function must be a function");
            }
            b"callback" => {
                has_callback = true;
                lua.push_value(-1);
                lua.replace(2);
            }
            b"flags" if lua.kind(-1) != Kind::Table => {
                return Err("flags argument to redis.register_function must be a table representing function flags");
            }
            b"flags" => flags = read_flags(lua).ok_or("unknown flag given")?,
            _ => return Err("unknown argument given to redis.register_function"),
        }
        lua.pop(1);
    }
    let name = name.ok_or("redis.register_function must get a function name argument")?;
    if !has_callback {
        return Err("redis.register_function must get a callback argument");
    }
    lua.push_value(2);
    Ok(Function { name, description, flags, reference: lua.keep() })
}

/// The flags in the table on top, which stays.
fn read_flags(lua: Lua) -> Option<ScriptFlags> {
    let mut flags = ScriptFlags::default();
    for place in 1.. {
        lua.raw_get_at(-1, place);
        if lua.kind(-1) == Kind::Nil {
            lua.pop(1);
            break;
        }
        let known = ScriptFlags::NAMES
            .iter()
            .find(|(_, name)| lua.is_text(-1) && name.as_bytes().eq_ignore_ascii_case(lua.bytes(-1)));
        lua.pop(1);
        flags.set(known?.0, true);
    }
    Some(flags)
}
