//! Access control: which users there are, and what each may do.
//!
//! A [`User`] has passwords and one or more [`Selector`]s, sets of permissions of which one must allow all of a call:
//! its command, its keys, its channels. It may have [`Role`]s besides, whose permissions count as its own. All of it is
//! derived from the rows of the table of commands. Users are made and changed by [`rules`], and told again as rules by
//! [`describe`].
//!
//! Who may do everything pays nothing: only clients of other users have the mode `RESTRICTED`, which brings their
//! commands before the gate. `server::clients::users` keeps that mode right, and closes the clients of users that go.

mod command_set;
pub mod describe;
pub mod file;
pub mod log;
mod password;
pub mod role;
pub mod rules;
pub mod selector;
#[cfg(test)]
mod tests;
pub mod unique;
mod user;

use std::collections::BTreeMap;
use std::rc::Rc;

use slab::Slab;

use crate::client::Modes;
use crate::command::CommandTable;
use command_set::CommandSet;
use log::AclLog;
use password::PasswordHash;
use role::Roles;

pub use password::digit;
pub use role::Role;
pub use rules::has_spaces;
pub use selector::{Call, CallDatabases, Denial, Selector};
pub use user::User;

/// The name of the user everyone is at first.
pub const DEFAULT_NAME: &[u8] = b"default";

/// A user's place. It is used again when the user is gone; no client has it then any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UserId(usize);

impl UserId {
    /// The user everyone is at first, which is always there.
    pub const DEFAULT: UserId = UserId(0);
}

/// All users, and what they were refused.
#[derive(Debug)]
pub struct Acl {
    users: Slab<User>,
    by_name: BTreeMap<Box<[u8]>, UserId>,
    roles: Roles,
    all_commands: CommandSet,
    /// The names and lines of the users that the configuration has outside of its own file, as they were at first.
    pub outside: Vec<(Box<[u8]>, Vec<u8>)>,
    /// The same of roles.
    pub outside_roles: Vec<(Box<[u8]>, Vec<u8>)>,
    /// ACL LOG.
    pub log: AclLog,
}

impl Acl {
    /// The default user alone.
    pub fn new(table: &CommandTable) -> Acl {
        let all_commands = CommandSet::all(table);
        let mut acl = Acl {
            users: Slab::new(),
            by_name: BTreeMap::new(),
            roles: Roles::new(),
            all_commands,
            outside: Vec::new(),
            outside_roles: Vec::new(),
            log: AclLog::default(),
        };
        let default = acl.fresh_default_user();
        let id = acl.insert(default);
        debug_assert_eq!(id, UserId::DEFAULT);
        acl
    }

    pub fn fresh_default_user(&self) -> User {
        User::default_user(self.all_commands.clone())
    }

    /// The users, by name.
    pub fn users(&self) -> impl ExactSizeIterator<Item = &User> {
        self.by_name.values().map(|id| self.user(*id))
    }

    /// A user.
    #[inline]
    pub fn user(&self, id: UserId) -> &User {
        &self.users[id.0]
    }

    /// The user of that name.
    pub fn find(&self, name: &[u8]) -> Option<UserId> {
        self.by_name.get(name).copied()
    }

    pub fn insert(&mut self, user: User) -> UserId {
        let name = user.name.clone();
        let id = UserId(self.users.insert(user));
        self.by_name.insert(name, id);
        id
    }

    /// Puts other rights in the place of a user's; the old ones.
    pub fn replace(&mut self, id: UserId, user: User) -> User {
        std::mem::replace(&mut self.users[id.0], user)
    }

    /// Takes a user out. The default user stays.
    pub fn remove(&mut self, name: &[u8]) -> Option<UserId> {
        let id = self.find(name).filter(|id| *id != UserId::DEFAULT)?;
        self.by_name.remove(name);
        self.users.try_remove(id.0).map(|_| id)
    }

    /// The roles, by name.
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// The users who have a role.
    pub fn users_with_role(&self, name: &[u8]) -> impl Iterator<Item = UserId> {
        self.by_name.values().copied().filter(move |id| self.user(*id).roles.iter().any(|role| *role.name == *name))
    }

    /// Adds a role, or puts it in the place of the one of its name. Those who have that one have it still.
    pub fn insert_role(&mut self, role: Rc<Role>) {
        self.roles.insert(role.name.clone(), role);
    }

    /// Takes a role out that nobody has; false if there is none.
    pub fn remove_role(&mut self, name: &[u8]) -> bool {
        self.roles.remove(name).is_some()
    }

    /// Puts other roles in the place of all. Those who have any have them still.
    pub fn replace_roles(&mut self, roles: Roles) {
        self.roles = roles;
    }

    /// Whether new clients have to authenticate.
    pub fn needs_password(&self) -> bool {
        let default = self.user(UserId::DEFAULT);
        !default.no_password || !default.enabled
    }

    /// Gives the default user one password, or has it need none: `requirepass`.
    pub fn set_default_password(&mut self, password: Option<&[u8]>) {
        let default = &mut self.users[UserId::DEFAULT.0];
        default.no_password = password.is_none();
        default.passwords = password.map(PasswordHash::of).into_iter().collect();
    }

    /// The user that may come in with a name and a password. The time this takes tells nothing about either.
    pub fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<UserId> {
        let given = PasswordHash::of(password);
        self.find(name).filter(|id| self.user(*id).accepts(&given))
    }

    /// The mode in which clients of a user run their commands: `RESTRICTED`, or none.
    pub fn mode_of(&self, id: UserId) -> Modes {
        if self.user(id).is_unlimited(&self.all_commands) { Modes::default() } else { Modes::RESTRICTED }
    }

    /// The modes of a client that has just come.
    pub fn modes_at_first(&self) -> Modes {
        let mut modes = self.mode_of(UserId::DEFAULT);
        modes.set(Modes::UNAUTHENTICATED, self.needs_password());
        modes
    }
}
