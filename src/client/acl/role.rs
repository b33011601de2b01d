//! Roles: permissions with a name, which users may have besides their own.
//!
//! Users share their roles. A role that changes is replaced in each of its users, as if each had been changed.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::selector::Selector;

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
