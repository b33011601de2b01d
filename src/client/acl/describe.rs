//! Users as the rules that make them: ACL LIST, GETUSER, SAVE and CONFIG REWRITE.
//!
//! A selector keeps the rules about commands that were given; the rest is made of what it allows.

use super::selector::{KeyPattern, KeyRights, Selector};
use super::user::User;

/// The words of a user's flags.
pub fn flags(user: &User) -> Vec<&'static str> {
    let mut words = vec![if user.enabled { "on" } else { "off" }];
    if user.no_password {
        words.push("nopass");
    }
    words.push(if user.sanitizes { "sanitize-payload" } else { "skip-sanitize-payload" });
    words
}

/// A user's line in the configuration file: `user NAME RULES`.
pub fn line(described: &User) -> Vec<u8> {
    [b"user ", &*described.name, b" ", &user(described)].concat()
}

/// All rules of a user.
pub fn user(user: &User) -> Vec<u8> {
    let mut text = Vec::new();
    for flag in flags(user) {
        text.extend_from_slice(flag.as_bytes());
        text.push(b' ');
    }
    for password in user.passwords.iter() {
        text.push(b'#');
        text.extend_from_slice(password.digits());
        text.push(b' ');
    }
    selector(&user.root, &mut text);
    for further in &user.selectors {
        text.extend_from_slice(b" (");
        selector(further, &mut text);
        text.push(b')');
    }
    text
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
