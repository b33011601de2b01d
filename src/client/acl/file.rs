//! The ACL file: one role or user a line, all of them or none.

use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::rc::Rc;

use super::role::{Role, Roles};
use super::rules::{RuleError, Rulebook, check_role_name, has_spaces, join_selectors};
use super::user::User;
use super::{Acl, describe};
use crate::util::platform::os_error_text;
use crate::util::replace_file::replace_file;

/// What a file has.
#[derive(Debug, Default)]
pub struct Content {
    /// The roles.
    pub roles: Roles,
    /// The users, who may have these roles.
    pub users: Vec<User>,
}

/// Reads the roles and users of a file.
///
/// # Errors
/// Tells on one line all that is wrong with it.
pub fn load(rulebook: &Rulebook<'_>, path: &str) -> Result<Content, Vec<u8>> {
    let text = std::fs::read(path).map_err(|error| {
        let reason = os_error_text(&error);
        format!("Error loading ACLs, opening file '{path}': {reason}").into_bytes()
    })?;
    read(rulebook, path, &text)
}

/// Reads roles, wherever they stand, and then users from a text; errors name `path`.
pub(super) fn read(rulebook: &Rulebook<'_>, path: &str, text: &[u8]) -> Result<Content, Vec<u8>> {
    let mut content = Content::default();
    let mut names: HashSet<Box<[u8]>> = HashSet::new();
    let mut errors: Vec<u8> = Vec::new();
    let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).zip(1..).filter(|(line, _)| !line.is_empty());
    let (role_lines, user_lines): (Vec<_>, Vec<_>) = lines.partition(|(line, _)| is_of_role(line));
    for (line, number) in role_lines {
        if let Err(error) = read_role_line(rulebook, path, number, line, &mut content.roles) {
            errors.extend_from_slice(&error);
        }
    }
    let rulebook = Rulebook { roles: &content.roles, ..*rulebook };
    for (line, number) in user_lines {
        match read_line(&rulebook, path, number, line, &names) {
            Ok(user) => {
                names.insert(user.name.clone());
                content.users.push(user);
            }
            Err(error) => errors.extend_from_slice(&error),
        }
    }
    if errors.is_empty() {
        return Ok(content);
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
    let mut user = User::new(name, rulebook.all_channels);
    apply_rules(path, number, rules, |rule| rulebook.apply(&mut user, rule))?;
    Ok(user)
}

fn is_of_role(line: &[u8]) -> bool {
    line.split(|byte| *byte == b' ').next() == Some(b"role")
}

/// Reads a role. It is there even if one of its rules is wrong: the users who have it are not to blame.
fn read_role_line(
    rulebook: &Rulebook<'_>,
    path: &str,
    number: usize,
    line: &[u8],
    roles: &mut Roles,
) -> Result<(), Vec<u8>> {
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let [_, name, rules @ ..] = words.as_slice() else {
        return Err(format!("{path}:{number}: role keyword requires a role name. ").into_bytes());
    };
    check_role_name(rulebook.table, name)
        .map_err(|error| [format!("{path}:{number}: invalid role name: ").as_bytes(), &error, b". "].concat())?;
    if roles.contains_key(*name) {
        let tail = format!("' found on line {number}. ");
        return Err([b"WARNING: Duplicate role '", *name, tail.as_bytes()].concat());
    }
    let mut role = Role::new(name, rulebook.all_channels);
    let result = apply_rules(path, number, rules, |rule| rulebook.apply_to_role(&mut role, rule));
    roles.insert(role.name.clone(), Rc::new(role));
    result
}

/// Applies the rules of a line one by one.
fn apply_rules(
    path: &str,
    number: usize,
    rules: &[&[u8]],
    mut apply: impl FnMut(&[u8]) -> Result<(), RuleError>,
) -> Result<(), Vec<u8>> {
    let rules = join_selectors(rules)
        .map_err(|_| format!("{path}:{number}: Unmatched parenthesis in selector definition. ").into_bytes())?;
    let (mut errors, mut told) = (Vec::new(), false);
    for rule in &rules {
        let rule = rule.trim_ascii();
        match apply(rule) {
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
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Writes all roles and users to a file, in one step.
pub fn save(acl: &Acl, path: &str) -> io::Result<()> {
    let text: Vec<u8> = describe::lines(acl).flat_map(|line| [&*line, b"\n"].concat()).collect();
    replace_file(Path::new(path), &text)
}
