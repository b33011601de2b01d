//! Roles: permissions with a name, which users may have besides their own.
//!
//! Users share their roles. A role that changes is replaced in each of its users, as if each had been changed.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::rules::has_spaces;
use super::selector::Selector;
use crate::command::CommandTable;
use crate::command::spec::CATEGORY_NAMES;

/// The roles there are, by name.
pub type Roles = BTreeMap<Box<[u8]>, Rc<Role>>;

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: Box<[u8]>,
    /// The permissions of the role itself.
    pub root: Selector,
    /// Further permissions, each of which holds by itself.
    pub selectors: Vec<Selector>,
}

impl Role {
    /// A role that allows nothing, as ACL SETROLE begins with.
    pub fn new(name: &[u8], all_channels: bool) -> Role {
        Role { name: name.into(), root: Selector { all_channels, ..Selector::default() }, selectors: Vec::new() }
    }

    /// All its permissions.
    pub fn all_selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.selectors)
    }
}

/// Whether a new role may have a name. It has to be a word in files, and in a `role=` rule between commas.
///
/// # Errors
/// Says why not.
pub fn check_name(table: &CommandTable, name: &[u8]) -> Result<(), Vec<u8>> {
    if name.is_empty() {
        return Err(b"Role names can't be empty".to_vec());
    }
    if has_spaces(name) {
        return Err(b"Role names can't contain spaces or null characters".to_vec());
    }
    if name.iter().any(|byte| matches!(byte, b'"' | b'\'' | b'\\')) {
        return Err(b"Role names can't contain quotes or backslashes".to_vec());
    }
    if name.contains(&b',') {
        return Err(b"Role names can't contain commas".to_vec());
    }
    let is_category = CATEGORY_NAMES.iter().any(|(_, known)| name.eq_ignore_ascii_case(known.as_bytes()));
    if is_category || table.find_original(name).is_some() {
        return Err([b"Role name '", name, b"' conflicts with a command or category name"].concat());
    }
    Ok(())
}
