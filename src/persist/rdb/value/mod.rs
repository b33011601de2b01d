//! Values in files: a file per type, which has what loads it and what saves it, in every form.
//!
//! A form is the number of a type in a file, and what stands behind it. [`super::kinds`] is the table of what can be
//! loaded, by fork and version, each row a function of a file here; [`super::forms`] names the forms in which each type
//! can be saved, of which the first is taken that the version written has.
//!
//! A value that is one string in the file is read at once. One that is many elements is built step by step
//! ([`Build`]), so that its size is no matter of how long clients wait, and so that no more than one element has to be
//! in memory beside it. An empty collection is no value; it was never saved by a sound server.
//!
//! A type of values joins with its file here, its name in `values!`, its rows in [`super::kinds`], and its forms in
//! [`super::forms`]. One of those that Redis brings as modules has a file here and a row in [`bundled::TYPES`].

pub mod array;
pub mod bitmap;
pub mod bundled;
pub mod hash;
pub mod json;
pub mod list;
pub mod path_hash;
pub mod pieces;
pub mod set;
pub mod sorted_set;
pub mod stream;
pub mod string;
pub mod template;
mod timed;
pub mod vector_set;
mod ziplist;

use std::collections::HashMap;
use std::sync::Arc;

use super::read::{Cursor, Fault, Reading};
use super::version::{Since, Version};
use super::write::Writer;
use crate::db::{Entry, EntryView};
use crate::types::bundled::Bundled;
use crate::types::hash::{FieldSet, HashLimits, Sharing};
use crate::types::listpack::{Element, Listpack};
use crate::types::set::SetLimits;
use crate::types::{
    Array, Bitmap, Collection, Hash, List, PathHash, Set, SortedSet, Stream, array as arrays, list as lists,
    sorted_set as sorted_sets,
};

/// About what a short string takes in a file: there is no room made for more members than may have arrived.
const MEMBER_BYTES: usize = 4;

/// How values are to be made.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The nodes of lists.
    pub list: lists::Limits,
    /// The forms of sets.
    pub set: SetLimits,
    /// The forms of sorted sets.
    pub sorted_set: sorted_sets::Limits,
    /// The forms of hashes.
    pub hash: HashLimits,
    /// The forms of arrays.
    pub array: arrays::Limits,
    /// Which hashes share the names of their fields.
    pub sharing: Sharing,
    /// Refuse what a sound server would never have saved, rather than put it right where that can be done.
    pub strict: bool,
    /// Refuse a small hash whose fields do not come in the order of their times, rather than sort them.
    pub times_in_order: bool,
}

/// What is said of fields of a hash that are there twice,
const DOUBLED_FIELDS: &str = "Duplicate hash fields detected";
/// of members of a set,
const DOUBLED_MEMBERS: &str = "Duplicate set members detected";
/// and of a sorted set.
const DOUBLED_SCORES: &str = "Zset dup fields detected";

/// What those who read a value are given besides its bytes.
#[derive(Clone, Debug)]
pub struct Context {
    /// How values are to be made.
    pub rules: Rules,
    /// The version of the format they are in.
    pub version: Version,
    /// Names of fields that hashes refer to.
    pub templates: HashMap<u64, Arc<FieldSet>>,
    /// What was wrong with the value, and has been put right.
    corrected: Vec<&'static str>,
}

impl Context {
    /// What values of a file, or of a payload, are read with.
    pub fn new(rules: Rules, version: Version) -> Context {
        Context { rules, version, templates: HashMap::new(), corrected: Vec::new() }
    }

    /// Notes that something is wrong with the value which the caller is about to put right.
    ///
    /// # Errors
    /// If that is not wanted.
    pub fn correct(&mut self, what: &'static str) -> Reading<()> {
        if self.rules.strict {
            return Err(Fault::Bad(what));
        }
        if !self.corrected.contains(&what) {
            self.corrected.push(what);
        }
        Ok(())
    }

    /// What was wrong with the value that has been read.
    #[inline]
    pub fn take_corrected(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.corrected)
    }
}

macro_rules! values {
    ($($type:ident),*) => {
        /// A collection that was loaded.
        pub enum Value {
            $(#[doc = concat!("A `", stringify!($type), "`.")] $type($type),)*
        }

        impl Value {
            /// An entry with this value.
            pub fn into_entry(self, key: &[u8], expire: Option<i64>, access: u32) -> Entry {
                match self {
                    $(Value::$type(value) => Entry::collection(key, value, expire, access),)*
                }
            }

            fn is_empty(&self) -> bool {
                match self {
                    $(Value::$type(value) => value.is_empty(),)*
                }
            }
        }

        $(impl From<$type> for Value {
            fn from(value: $type) -> Value {
                Value::$type(value)
            }
        })*
    };
}
values!(List, Set, SortedSet, Hash, Stream, Array, PathHash, Bitmap, Bundled);

impl Value {
    /// The value, if it has elements.
    pub fn unless_empty(self) -> Option<Value> {
        (!self.is_empty()).then_some(self)
    }
}

/// A collection that is being loaded.
pub trait Build {
    /// Whether all was read.
    fn is_complete(&self) -> bool;

    /// Reads one more element. On a fault nothing has changed.
    fn step(&mut self, cursor: &mut Cursor<'_>, cx: &mut Context) -> Reading<()>;

    /// The value; `None` if it is empty.
    fn finish(self: Box<Self>, cx: &mut Context) -> Reading<Option<Value>>;
}

/// What came of beginning to read a value.
pub enum Begun {
    /// It is there; `None` if it is empty.
    Whole(Option<Value>),
    /// It comes element by element.
    Parts(Box<dyn Build>),
}

impl Begun {
    /// A value that is there, unless it is empty.
    pub fn whole(value: impl Into<Value>) -> Reading<Begun> {
        Ok(Begun::Whole(value.into().unless_empty()))
    }

    /// A value that comes element by element.
    pub fn parts(build: impl Build + 'static) -> Reading<Begun> {
        Ok(Begun::Parts(Box::new(build)))
    }
}

/// Goes on building until the value is complete or the cursor has passed `until`; whether it is complete.
pub fn go_on(build: &mut dyn Build, cursor: &mut Cursor<'_>, cx: &mut Context, until: usize) -> Reading<bool> {
    while !build.is_complete() {
        if cursor.at() >= until {
            return Ok(false);
        }
        let before = cursor.clone();
        if let Err(fault) = build.step(cursor, cx) {
            *cursor = before;
            return Err(fault);
        }
    }
    Ok(true)
}

/// A form in which values of a type can be saved.
#[derive(Debug)]
pub struct Form {
    /// Its number in files.
    pub kind: u8,
    /// The versions that have it.
    pub since: Since,
    /// Whether it can hold a value.
    pub holds: fn(EntryView<'_>) -> bool,
    /// Saves a value, without the number.
    pub save: fn(EntryView<'_>, &mut Writer<'_>),
}

/// A listpack from a file.
fn listpack(bytes: Vec<u8>, of: &'static str) -> Reading<Listpack> {
    Listpack::checked(bytes).ok_or(Fault::Bad(of))
}

/// Saves an element of a collection as a string.
fn save_element(element: Element<'_>, out: &mut Writer<'_>) {
    match element {
        Element::Int(value) => out.int(value),
        Element::Bytes(bytes) => out.string(bytes),
    }
}
