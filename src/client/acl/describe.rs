//! Users and roles as the rules that make them: ACL LIST, GETUSER, SAVE and CONFIG REWRITE.
//!
//! A selector keeps the rules about commands that were given; the rest is made of what it allows.

use sha2::{Digest, Sha256};

use super::Acl;
use super::role::Role;
use super::selector::{KeyPattern, KeyRights, Selector};
use super::user::User;

const SANITIZES: &str = "sanitize-payload";

/// The words of a user's flags.
pub fn flags(user: &User) -> Vec<&'static str> {
    let mut words = vec![if user.enabled { "on" } else { "off" }];
    if user.no_password {
        words.push("nopass");
    }
    words.push(if user.sanitizes { SANITIZES } else { "skip-sanitize-payload" });
    words
}

/// A user's line in the configuration file: `user NAME RULES`.
pub fn line(described: &User) -> Vec<u8> {
    [b"user ", &*described.name, b" ", &user(described)].concat()
}

/// A role's line in the configuration file: `role NAME RULES`.
pub fn role_line(described: &Role) -> Vec<u8> {
    let mut text = [b"role ", &*described.name, b" "].concat();
    permissions(&described.root, &described.selectors, &mut text);
    text
}

/// The lines of all roles, then of all users: who reads them in this order knows the roles that users have.
pub fn lines(acl: &Acl) -> impl ExactSizeIterator<Item = Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = acl.roles().values().map(|role| role_line(role)).collect();
    lines.extend(acl.users().map(line));
    lines.into_iter()
}

/// What two servers with the same users and roles have in common, as Valkey has it: a SHA-256 of each, one upon another
/// by XOR. That of a user is of its name and its rules but for `sanitize-payload`, which Valkey doesn't tell.
pub fn digest(acl: &Acl) -> [u8; 32] {
    let without_default = |user: &User| {
        let words: Vec<&str> = flags(user).into_iter().filter(|word| *word != SANITIZES).collect();
        [&*user.name, b" ", &user_with_flags(user, &words)].concat()
    };
    let roles = acl.roles().values().map(|role| role_line(role));
    roles.chain(acl.users().map(without_default)).fold([0; 32], |mut digest, text| {
        digest.iter_mut().zip(Sha256::digest(text)).for_each(|(byte, other)| *byte ^= other);
        digest
    })
}

/// All rules of a user.
pub fn user(user: &User) -> Vec<u8> {
    user_with_flags(user, &flags(user))
}

fn user_with_flags(user: &User, flags: &[&str]) -> Vec<u8> {
    let mut text = Vec::new();
    for flag in flags {
        text.extend_from_slice(flag.as_bytes());
        text.push(b' ');
    }
    for password in user.passwords.iter() {
        text.push(b'#');
        text.extend_from_slice(password.digits());
        text.push(b' ');
    }
    permissions(&user.root, &user.selectors, &mut text);
    if !user.roles.is_empty() {
        let names: Vec<&[u8]> = user.roles.iter().map(|role| &*role.name).collect();
        text.extend_from_slice(b" role=");
        text.extend(names.join(&b','));
    }
    text
}

fn permissions(root: &Selector, selectors: &[Selector], text: &mut Vec<u8>) {
    selector(root, text);
    for further in selectors {
        text.extend_from_slice(b" (");
        selector(further, text);
        text.push(b')');
    }
}

fn selector(selector: &Selector, text: &mut Vec<u8>) {
    let keys = keys(selector);
    if !keys.is_empty() {
        text.extend_from_slice(&keys);
        text.push(b' ');
    }
    if !selector.all_channels {
        text.extend_from_slice(b"resetchannels ");
    }
    let channels = channels(selector);
    if !channels.is_empty() {
        text.extend_from_slice(&channels);
        text.push(b' ');
    }
    if selector.databases.is_some() {
        text.extend_from_slice(databases(selector).as_bytes());
        text.push(b' ');
    }
    text.extend(commands(selector));
}

/// The patterns of keys.
pub fn keys(selector: &Selector) -> Vec<u8> {
    if selector.all_keys {
        return b"~*".to_vec();
    }
    let rule = |pattern: &KeyPattern| {
        let head: &[u8] = match pattern.rights {
            // Without the letters it would be the end of all further patterns.
            KeyRights { read: true, write: true } if *pattern.glob == *b"*" => b"%RW~",
            KeyRights { read: true, write: true } => b"~",
            KeyRights { read: true, write: false } => b"%R~",
            KeyRights { read: false, .. } => b"%W~",
        };
        [head, &pattern.glob].concat()
    };
    selector.keys.iter().map(rule).collect::<Vec<_>>().join(&b' ')
}

/// The patterns of channels.
pub fn channels(selector: &Selector) -> Vec<u8> {
    if selector.all_channels {
        return b"&*".to_vec();
    }
    selector.channels.iter().map(|pattern| [b"&", &**pattern].concat()).collect::<Vec<_>>().join(&b' ')
}

/// The rule about databases.
pub fn databases(selector: &Selector) -> String {
    match &selector.databases {
        None => "alldbs".to_owned(),
        Some(none) if none.is_empty() => "resetdbs".to_owned(),
        Some(some) => format!("db={}", some.iter().map(u32::to_string).collect::<Vec<_>>().join(",")),
    }
}

/// The rules about commands, as they were given: `+@all -@dangerous +info`.
pub fn commands(selector: &Selector) -> Vec<u8> {
    let mut text = if selector.future_commands { b"+@all".to_vec() } else { b"-@all".to_vec() };
    for rule in selector.rules.iter() {
        text.extend_from_slice(if rule.allowed { b" +" } else { b" -" });
        text.extend_from_slice(&rule.name);
    }
    text
}
