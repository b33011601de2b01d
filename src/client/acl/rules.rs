//! The rules of ACL SETUSER and SETROLE, of `user` and `role` directives and of the ACL file: words that each change a
//! user or a role.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::command_set::CommandSet;
use super::password::PasswordHash;
use super::role::{Role, Roles};
use super::selector::{CommandRule, FirstArg, KeyPattern, KeyRights, Selector};
use super::user::User;
use crate::command::spec::CATEGORY_NAMES;
use crate::command::{CommandId, CommandTable};
use crate::util::quote;

/// What rules are read against.
#[derive(Clone, Copy)]
pub struct Rulebook<'a> {
    /// The commands there are.
    pub table: &'a CommandTable,
    /// The roles that users may have.
    pub roles: &'a Roles,
    /// New users, roles and selectors may use all channels: `acl-pubsub-default`.
    pub all_channels: bool,
}

/// What is wrong with a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleError {
    /// A command or category nobody knows.
    UnknownCommand,
    /// Not a rule.
    Syntax,
    /// A pattern of keys where all are allowed already.
    KeysAfterAll,
    /// A pattern of channels where all are allowed already.
    ChannelsAfterAll,
    /// A password to be removed that is not there.
    NoSuchPassword,
    /// Not the digest of a password.
    BadHash,
    /// A first argument of a subcommand.
    FirstArgOfSubcommand,
    /// A number that no database can have.
    DatabaseOutOfRange,
    /// A role nobody knows.
    NoSuchRole,
    /// A rule that no role can have.
    OfUsersOnly,
}

impl RuleError {
    /// What the user is told.
    pub fn text(self) -> &'static str {
        match self {
            RuleError::UnknownCommand => "Unknown command or category name in ACL",
            RuleError::Syntax => "Syntax error",
            RuleError::KeysAfterAll => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any \
                 effect. Try 'resetkeys' to start with an empty list of patterns"
            }
            RuleError::ChannelsAfterAll => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any \
                 effect. Try 'resetchannels' to start with an empty list of channels"
            }
            RuleError::NoSuchPassword => "The password you are trying to remove from the user does not exist",
            RuleError::BadHash => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
            RuleError::DatabaseOutOfRange => "The provided database ID is out of range",
            RuleError::NoSuchRole => "The specified ACL role does not exist",
            RuleError::OfUsersOnly => "The rule is valid for users only, not for roles",
            RuleError::FirstArgOfSubcommand => "Allowing first-arg of a subcommand is not supported",
        }
    }
}

/// Joins the words of a selector that was given as several: from one that opens a parenthesis to one that closes it.
///
/// # Errors
/// The word with the parenthesis that is never closed.
pub fn join_selectors<W: AsRef<[u8]>>(words: &[W]) -> Result<Vec<Vec<u8>>, Vec<u8>> {
    let mut rules: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    for word in words {
        let word = word.as_ref();
        if let Some((first, mut joined)) = open.take() {
            joined.push(b' ');
            joined.extend_from_slice(word);
            match word.ends_with(b")") {
                true => rules.push(joined),
                false => open = Some((first, joined)),
            }
        } else if word.starts_with(b"(") && !word.ends_with(b")") {
            open = Some((word, word.to_vec()));
        } else {
            rules.push(word.to_vec());
        }
    }
    match open {
        Some((first, _)) => Err(first.to_vec()),
        None => Ok(rules),
    }
}

/// Whether a name or pattern has bytes that would break the format of rules.
pub fn has_spaces(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, 0 | b' ' | b'\t'..=b'\r'))
}

/// Whether a new role may have a name. It has to be a word in files, and in a `role=` rule between commas.
///
/// # Errors
/// Says why not.
pub fn check_role_name(table: &CommandTable, name: &[u8]) -> Result<(), Vec<u8>> {
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

impl Rulebook<'_> {
    /// Changes a user by a rule.
    ///
    /// # Errors
    /// The rule makes no sense; the user may be changed in part then.
    pub fn apply(&self, user: &mut User, rule: &[u8]) -> Result<(), RuleError> {
        match rule.to_ascii_lowercase().as_slice() {
            b"on" => user.enabled = true,
            b"off" => user.enabled = false,
            b"skip-sanitize-payload" => user.sanitizes = false,
            b"sanitize-payload" => user.sanitizes = true,
            b"nopass" => {
                user.no_password = true;
                user.passwords.clear();
            }
            b"resetpass" => {
                user.no_password = false;
                user.passwords.clear();
            }
            b"resetroles" => user.roles.clear(),
            [b'r', b'o', b'l', b'e', b'=', ..] => user.roles = self.roles(&rule[b"role=".len()..])?,
            b"reset" => *user = User::new(&user.name, self.all_channels),
            _ => match rule {
                [b'>', password @ ..] => add_password(user, PasswordHash::of(password)),
                [b'#', digits @ ..] => {
                    add_password(user, PasswordHash::from_digits(digits).ok_or(RuleError::BadHash)?);
                }
                [b'<', password @ ..] => remove_password(user, &PasswordHash::of(password))?,
                [b'!', digits @ ..] => {
                    remove_password(user, &PasswordHash::from_digits(digits).ok_or(RuleError::BadHash)?)?;
                }
                rule => self.apply_to_permissions(&mut user.root, &mut user.selectors, rule)?,
            },
        }
        Ok(())
    }

    /// Changes a role by a rule.
    ///
    /// # Errors
    /// The rule makes no sense, or none for a role; the role may be changed in part then.
    pub fn apply_to_role(&self, role: &mut Role, rule: &[u8]) -> Result<(), RuleError> {
        match rule.to_ascii_lowercase().as_slice() {
            b"on"
            | b"off"
            | b"skip-sanitize-payload"
            | b"sanitize-payload"
            | b"nopass"
            | b"resetpass"
            | b"reset"
            | b"resetroles" => Err(RuleError::OfUsersOnly),
            [b'>' | b'<' | b'#' | b'!', ..] | [b'r', b'o', b'l', b'e', b'=', ..] => Err(RuleError::OfUsersOnly),
            _ => self.apply_to_permissions(&mut role.root, &mut role.selectors, rule),
        }
    }

    fn apply_to_permissions(
        &self,
        root: &mut Selector,
        selectors: &mut Vec<Selector>,
        rule: &[u8],
    ) -> Result<(), RuleError> {
        match rule {
            [] => {}
            [b'(', rules @ .., b')'] => selectors.push(self.selector(rules)?),
            rule if rule.eq_ignore_ascii_case(b"clearselectors") => selectors.clear(),
            rule => self.apply_to_selector(root, rule)?,
        }
        Ok(())
    }

    /// Roles by their names, with commas between them.
    fn roles(&self, names: &[u8]) -> Result<Vec<Rc<Role>>, RuleError> {
        let mut roles: Vec<Rc<Role>> = Vec::new();
        for name in names.split(|byte| *byte == b',') {
            if name.is_empty() {
                return Err(RuleError::Syntax);
            }
            let role = self.roles.get(name).ok_or(RuleError::NoSuchRole)?;
            if !roles.iter().any(|known| known.name == role.name) {
                roles.push(Rc::clone(role));
            }
        }
        Ok(roles)
    }

    /// A selector by the rules between its parentheses. Quotes left open leave it without any.
    fn selector(&self, rules: &[u8]) -> Result<Selector, RuleError> {
        let mut selector = Selector { all_channels: self.all_channels, ..Selector::default() };
        for rule in quote::split_args(rules).unwrap_or_default() {
            self.apply_to_selector(&mut selector, &rule)?;
        }
        Ok(selector)
    }

    fn apply_to_selector(&self, selector: &mut Selector, rule: &[u8]) -> Result<(), RuleError> {
        match rule.to_ascii_lowercase().as_slice() {
            b"allkeys" | b"~*" => set_keys(selector, true),
            b"resetkeys" => set_keys(selector, false),
            b"allchannels" | b"&*" => set_channels(selector, true),
            b"resetchannels" => set_channels(selector, false),
            b"alldbs" => selector.databases = None,
            b"resetdbs" => selector.databases = Some(BTreeSet::new()),
            [b'd', b'b', b'=', numbers @ ..] => selector.databases = Some(databases(numbers)?),
            b"allcommands" | b"+@all" => set_commands(selector, CommandSet::all(self.table), true),
            b"nocommands" | b"-@all" => set_commands(selector, CommandSet::default(), false),
            _ => match rule {
                [b'~', pattern @ ..] => add_keys(selector, KeyRights::BOTH, pattern)?,
                [b'%', rest @ ..] => {
                    // Redis accepts rights without a pattern, too: they are rights to no key but the empty one.
                    let end = rest.iter().position(|byte| *byte == b'~').unwrap_or(rest.len());
                    if selector.all_keys {
                        return Err(RuleError::KeysAfterAll);
                    }
                    let rights = rights(&rest[..end]).ok_or(RuleError::Syntax)?;
                    add_keys(selector, rights, rest.get(end + 1..).unwrap_or_default())?;
                }
                [b'&', pattern @ ..] => add_channels(selector, pattern)?,
                [sign @ (b'+' | b'-'), name @ ..] => {
                    let allowed = *sign == b'+';
                    match name {
                        [b'@', category @ ..] => self.change_category(selector, category, allowed)?,
                        _ if allowed => self.allow(selector, name)?,
                        _ => {
                            let id = self.table.find_original(name).ok_or(RuleError::UnknownCommand)?;
                            self.change(selector, id, false);
                        }
                    }
                    note_rule(selector, name, allowed);
                }
                _ => return Err(RuleError::Syntax),
            },
        }
        Ok(())
    }

    /// Allows a command, a subcommand, or a command with one word as its first argument.
    fn allow(&self, selector: &mut Selector, name: &[u8]) -> Result<(), RuleError> {
        let Some(bar) = name.iter().rposition(|byte| *byte == b'|') else {
            let id = self.table.find_original(name).ok_or(RuleError::UnknownCommand)?;
            self.change(selector, id, true);
            return Ok(());
        };
        let (command, word) = (&name[..bar], &name[bar + 1..]);
        let id = self.table.find_original(command).ok_or(RuleError::UnknownCommand)?;
        if command.contains(&b'|') {
            return Err(RuleError::FirstArgOfSubcommand);
        }
        if word.is_empty() {
            return Err(RuleError::Syntax);
        }
        if self.table.subcommands(id).next().is_some() {
            let id = self.table.find_original(name).ok_or(RuleError::UnknownCommand)?;
            self.change(selector, id, true);
            return Ok(());
        }
        selector.first_args.add(FirstArg { id, word: word.to_ascii_lowercase().into() });
        Ok(())
    }

    /// Allows or forbids a command with all its subcommands.
    fn change(&self, selector: &mut Selector, id: CommandId, allowed: bool) {
        selector.commands.set(id, allowed);
        selector.first_args.retain(|first| first.id != id);
        for sub in self.table.subcommands(id) {
            selector.commands.set(sub, allowed);
        }
    }

    fn change_category(&self, selector: &mut Selector, name: &[u8], allowed: bool) -> Result<(), RuleError> {
        let named = CATEGORY_NAMES.iter().find(|(_, known)| name.eq_ignore_ascii_case(known.as_bytes()));
        let (category, _) = named.ok_or(RuleError::UnknownCommand)?;
        let commands = CommandSet::of_category(self.table, *category).with_subcommands(self.table);
        selector.commands.set_all(&commands, allowed);
        selector.first_args.retain(|first| !commands.has(first.id));
        Ok(())
    }
}

fn add_password(user: &mut User, password: PasswordHash) {
    user.passwords.add(password);
    user.no_password = false;
}

fn remove_password(user: &mut User, password: &PasswordHash) -> Result<(), RuleError> {
    if user.passwords.remove(password.digits()) { Ok(()) } else { Err(RuleError::NoSuchPassword) }
}

fn set_keys(selector: &mut Selector, all: bool) {
    selector.all_keys = all;
    selector.keys.clear();
}

fn set_channels(selector: &mut Selector, all: bool) {
    selector.all_channels = all;
    selector.channels.clear();
}

fn set_commands(selector: &mut Selector, commands: CommandSet, future: bool) {
    selector.commands = commands;
    selector.future_commands = future;
    selector.first_args.clear();
    selector.rules.clear();
}

/// Keeps a rule about commands in the place of those it overrules: about the same, and about its subcommands and first
/// arguments.
fn note_rule(selector: &mut Selector, name: &[u8], allowed: bool) {
    let name: Box<[u8]> = name.to_ascii_lowercase().into();
    selector.rules.remove(&name);
    if !name.contains(&b'|') {
        let is_part = |rule: &CommandRule| rule.name.strip_prefix(&*name).is_some_and(|rest| rest.starts_with(b"|"));
        selector.rules.retain(|rule| !is_part(rule));
    }
    selector.rules.add(CommandRule { allowed, name });
}

/// Numbers with commas between them.
fn databases(numbers: &[u8]) -> Result<BTreeSet<u32>, RuleError> {
    let number = |digits: &[u8]| {
        let is_number =
            !digits.is_empty() && digits.strip_prefix(b"-").unwrap_or(digits).iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(digits).ok().filter(|_| is_number).ok_or(RuleError::Syntax)?;
        let number = text.parse::<i32>().ok().and_then(|number| u32::try_from(number).ok());
        number.ok_or(RuleError::DatabaseOutOfRange)
    };
    numbers.split(|byte| *byte == b',').map(number).collect()
}

/// The letters between `%` and `~`, each at most once.
fn rights(letters: &[u8]) -> Option<KeyRights> {
    let mut rights = KeyRights { read: false, write: false };
    for letter in letters {
        let right = match letter.to_ascii_uppercase() {
            b'R' => &mut rights.read,
            b'W' => &mut rights.write,
            _ => return None,
        };
        if std::mem::replace(right, true) {
            return None;
        }
    }
    (rights.read || rights.write).then_some(rights)
}

fn add_keys(selector: &mut Selector, rights: KeyRights, pattern: &[u8]) -> Result<(), RuleError> {
    if selector.all_keys {
        return Err(RuleError::KeysAfterAll);
    }
    if has_spaces(pattern) {
        return Err(RuleError::Syntax);
    }
    if let Some(known) = selector.keys.add(KeyPattern { glob: pattern.into(), rights }) {
        known.rights.read |= rights.read;
        known.rights.write |= rights.write;
    }
    Ok(())
}

fn add_channels(selector: &mut Selector, pattern: &[u8]) -> Result<(), RuleError> {
    if selector.all_channels {
        return Err(RuleError::ChannelsAfterAll);
    }
    if has_spaces(pattern) {
        return Err(RuleError::Syntax);
    }
    selector.channels.add(pattern.into());
    Ok(())
}
