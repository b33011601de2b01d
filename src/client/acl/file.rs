//! The ACL file: one user a line, all of them or none.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use super::rules::{RuleError, Rulebook, has_spaces, join_selectors};
use super::user::User;
use super::{Acl, describe};
use crate::util::platform::os_error_text;
use crate::util::replace_file::replace_file;

/// Reads the users of a file.
///
/// # Errors
/// Tells on one line all that is wrong with it.
pub fn load(rulebook: &Rulebook<'_>, path: &str) -> Result<Vec<User>, Vec<u8>> {
    let text = std::fs::read(path).map_err(|error| {
        let reason = os_error_text(&error);
        format!("Error loading ACLs, opening file '{path}': {reason}").into_bytes()
    })?;
    read(rulebook, path, &text)
}

/// Reads users from a text; errors name `path`.
fn read(rulebook: &Rulebook<'_>, path: &str, text: &[u8]) -> Result<Vec<User>, Vec<u8>> {
    let mut users: Vec<User> = Vec::new();
    let mut names: HashSet<Box<[u8]>> = HashSet::new();
    let mut errors: Vec<u8> = Vec::new();
    for (index, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        match read_line(rulebook, path, index + 1, line, &names) {
            Ok(user) => {
                names.insert(user.name.clone());
                users.push(user);
            }
            Err(error) => errors.extend_from_slice(&error),
        }
    }
    if errors.is_empty() {
        return Ok(users);
    }
    errors
        .extend_from_slice(b"WARNING: ACL errors detected, no change to the previously active ACL rules was performed");
    Err(errors)
}

fn read_line(
    rulebook: &Rulebook<'_>,
    path: &str,
    number: usize,
    line: &[u8],
    known: &HashSet<Box<[u8]>>,
) -> Result<User, Vec<u8>> {
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let (name, rules) = match words.as_slice() {
        [b"user", name, rules @ ..] => (*name, rules),
        _ => {
            let error = format!("{path}:{number} should start with user keyword followed by the username. ");
            return Err(error.into_bytes());
        }
    };
    if has_spaces(name) {
        let head = format!("'{path}:{number}: username '");
        return Err([head.as_bytes(), name, b"' contains invalid characters. "].concat());
    }
    if known.contains(name) {
        let tail = format!("' found on line {number}. ");
        return Err([b"WARNING: Duplicate user '", name, tail.as_bytes()].concat());
    }
    let rules = join_selectors(rules)
        .map_err(|_| format!("{path}:{number}: Unmatched parenthesis in selector definition. ").into_bytes())?;
    let mut user = User::new(name, rulebook.all_channels);
    let (mut errors, mut told) = (Vec::new(), false);
    for rule in &rules {
        let rule = rule.trim_ascii();
        match rulebook.apply(&mut user, rule) {
            Ok(()) => {}
            // It holds no secret, so it can be shown.
            Err(error @ RuleError::UnknownCommand) => {
                let (head, tail) =
                    (format!("{path}:{number}: Error in applying operation '"), format!("': {}. ", error.text()));
                errors.extend([head.as_bytes(), rule, tail.as_bytes()].concat());
            }
            Err(error) if !told => {
                told = true;
                errors.extend(format!("{path}:{number}: {}. ", error.text()).into_bytes());
            }
            Err(_) => {}
        }
    }
    if errors.is_empty() { Ok(user) } else { Err(errors) }
}

/// Writes all users to a file, in one step.
pub fn save(acl: &Acl, path: &str) -> io::Result<()> {
    let mut text = Vec::new();
    for user in acl.users() {
        text.extend(describe::line(user));
        text.push(b'\n');
    }
    replace_file(Path::new(path), &text)
}
