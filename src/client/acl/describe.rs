//! Users as the rules that make them: ACL LIST, GETUSER, SAVE and CONFIG REWRITE.
//!
//! The commands of a selector are told by categories as far as they fit, and by names for the rest. The rules begin
//! with all commands or none; then the category is taken that describes what is left best, again and again; at last
//! single commands put right what the categories got wrong. On the way the rules are applied to an empty selector, so
//! that it is always known what they amount to.

use super::command_set::CommandSet;
use super::rules::Rulebook;
use super::selector::{KeyPattern, KeyRights, Selector};
use super::user::User;
use crate::command::CommandTable;
use crate::command::spec::CATEGORY_NAMES;

/// The words of a user's flags.
pub fn flags(user: &User) -> Vec<&'static str> {
    let mut words = vec![if user.enabled { "on" } else { "off" }];
    if user.no_password {
        words.push("nopass");
    }
    match user.sanitizes {
        Some(true) => words.push("sanitize-payload"),
        Some(false) => words.push("skip-sanitize-payload"),
        None => {}
    }
    words
}

/// A user's line in the configuration file: `user NAME RULES`.
pub fn line(table: &CommandTable, described: &User) -> Vec<u8> {
    [b"user ", &*described.name, b" ", &user(table, described)].concat()
}

/// All rules of a user.
pub fn user(table: &CommandTable, user: &User) -> Vec<u8> {
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
    selector(table, &user.root, &mut text);
    for further in &user.selectors {
        text.extend_from_slice(b" (");
        selector(table, further, &mut text);
        text.push(b')');
    }
    text
}

fn selector(table: &CommandTable, selector: &Selector, text: &mut Vec<u8>) {
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
    text.extend_from_slice(commands(table, selector).as_bytes());
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

/// The rules about commands.
pub fn commands(table: &CommandTable, selector: &Selector) -> String {
    let mut told = Selector::default();
    let mut rules = vec![(if selector.future_commands { "+@all" } else { "-@all" }).to_owned()];
    if selector.future_commands {
        told.commands = CommandSet::all(table);
    }
    tell_categories(table, selector, &mut told, &mut rules);
    tell_single_commands(table, selector, &mut told, &mut rules);
    debug_assert!(told.commands == selector.commands, "{rules:?}");
    rules.join(" ")
}

fn tell_categories(table: &CommandTable, selector: &Selector, told: &mut Selector, rules: &mut Vec<String>) {
    let adding = !selector.future_commands;
    let mut left = selector.commands.clone();
    let named = CATEGORY_NAMES.iter().map(|(category, name)| (CommandSet::of_category(table, *category), *name));
    let mut categories: Vec<(CommandSet, &str)> = named.collect();
    loop {
        let mut best: Option<(usize, u32, u32)> = None;
        for (index, (commands, _)) in categories.iter().enumerate() {
            let (on, off) = left.share_of(commands);
            let (same, different) = if adding { (on, off) } else { (off, on) };
            let better = best.is_none_or(|(_, least, most)| different < least || different == least && same > most);
            if same > different && better {
                best = Some((index, different, same));
            }
        }
        let Some((index, ..)) = best else { return };
        let (commands, name) = categories.remove(index);
        let commands = commands.with_subcommands(table);
        told.commands.set_all(&commands, adding);
        left.set_all(&commands, !adding);
        rules.push(format!("{}@{name}", if adding { '+' } else { '-' }));
    }
}

fn tell_single_commands(table: &CommandTable, selector: &Selector, told: &mut Selector, rules: &mut Vec<String>) {
    let rulebook = Rulebook { table, all_channels: false };
    // A container stands before its subcommands in the table.
    for id in table.ids() {
        let (allowed, name) = (selector.commands.has(id), &table.entry(id).full_name);
        if allowed != told.commands.has(id) {
            rules.push(format!("{}{name}", if allowed { '+' } else { '-' }));
            rulebook.change(told, id, allowed);
        }
        if !allowed {
            for first in selector.first_args.iter().filter(|first| first.id == id) {
                rules.push(format!("+{name}|{}", String::from_utf8_lossy(&first.word)));
            }
        }
    }
}
