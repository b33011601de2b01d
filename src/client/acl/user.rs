//! A user: may it come in, and what may it do.

use std::rc::Rc;

use super::command_set::CommandSet;
use super::password::PasswordHash;
use super::role::Role;
use super::selector::{Call, Denial, KeyPattern, KeyRights, Selector};
use super::unique::Unique;

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: Box<[u8]>,
    /// It may come in.
    pub enabled: bool,
    /// Any password will do.
    pub no_password: bool,
    /// Its passwords.
    pub passwords: Unique<PasswordHash>,
    /// What it restores is looked through.
    pub sanitizes: bool,
    /// The permissions of the user itself.
    pub root: Selector,
    /// Further permissions, each of which holds by itself.
    pub selectors: Vec<Selector>,
    /// Roles, whose permissions it has, too.
    pub roles: Vec<Rc<Role>>,
}

impl User {
    /// A user that may do nothing, as ACL SETUSER begins with.
    pub fn new(name: &[u8], all_channels: bool) -> User {
        User {
            name: name.into(),
            enabled: false,
            no_password: false,
            passwords: Unique::default(),
            sanitizes: true,
            root: Selector { all_channels, ..Selector::default() },
            selectors: Vec::new(),
            roles: Vec::new(),
        }
    }

    /// The user everyone is at first: it may do everything, without a password.
    pub fn default_user(all_commands: CommandSet) -> User {
        let root = Selector {
            commands: all_commands,
            future_commands: true,
            all_keys: true,
            all_channels: true,
            ..Selector::default()
        };
        User { enabled: true, no_password: true, root, ..User::new(super::DEFAULT_NAME, true) }
    }

    /// All its permissions: its own, then those of its roles.
    pub fn all_selectors(&self) -> impl Iterator<Item = &Selector> {
        let of_roles = self.roles.iter().flat_map(|role| role.all_selectors());
        std::iter::once(&self.root).chain(&self.selectors).chain(of_roles)
    }

    /// Whether it may come in with a password, which is known by its digest.
    pub fn accepts(&self, given: &PasswordHash) -> bool {
        let matching = self.passwords.iter().fold(false, |found, known| known.same_as(given) | found);
        self.enabled && (self.no_password || matching)
    }

    /// Whether it may run a call.
    ///
    /// # Errors
    /// Says what is not allowed: of several reasons, the one that came closest to being allowed.
    pub fn check(&self, call: &mut Call<'_>) -> Result<(), Denial> {
        let mut reason = None;
        for selector in self.all_selectors() {
            match selector.check(call) {
                Ok(()) => return Ok(()),
                Err(denial) => reason = reason.max(Some(denial)),
            }
        }
        Err(reason.unwrap_or(Denial::Command))
    }

    /// Whether it may run a call and read any key besides.
    pub fn may_read_all(&self, call: &mut Call<'_>) -> bool {
        self.all_selectors().any(|selector| selector.check(call).is_ok() && selector.allows_all_keys(KeyRights::READ))
    }

    /// Whether it may read a key, by whatever command.
    pub fn may_read(&self, key: &[u8]) -> bool {
        self.all_selectors().any(|selector| selector.allows_reading(key))
    }

    /// Whether it can be that it may read a key with a prefix.
    pub fn may_read_with(&self, prefix: &[u8]) -> bool {
        self.all_selectors().any(|selector| selector.may_allow_reading_with(prefix))
    }

    /// Whether it has lost the right to read some keys, compared with what it was.
    pub fn reads_less_than(&self, old: &User) -> bool {
        if self.all_selectors().any(|selector| selector.all_keys) {
            return false;
        }
        let keeps = |glob: &[u8]| {
            let reads = |selector: &Selector| selector.keys.find(glob).is_some_and(|at| selector.keys[at].rights.read);
            self.all_selectors().any(reads)
        };
        let lost = |pattern: &KeyPattern| pattern.rights.read && !keeps(&pattern.glob);
        old.all_selectors().any(|selector| selector.all_keys || selector.keys.iter().any(lost))
    }

    /// Whether nothing needs to be checked for it.
    pub fn is_unlimited(&self, all_commands: &CommandSet) -> bool {
        self.all_selectors().any(|selector| selector.is_unlimited(all_commands))
    }
}
