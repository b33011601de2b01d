//! Rules against naive twins, and there and back again.

use std::collections::BTreeSet;
use std::rc::Rc;

use proptest::prelude::*;

use super::role::{Role, Roles};
use super::rules::{RuleError, Rulebook, check_role_name, join_selectors};
use super::selector::FirstArg;
use super::{Acl, Call, CallDatabases, Denial, User, UserId, describe, file};
use crate::client::Modes;
use crate::command::spec::CATEGORY_NAMES;
use crate::command::{Args, CommandTable};
use crate::commands::FAMILIES;
use crate::resp::request::OwnedRequest;
use crate::server::execution::row::Rows;

fn table() -> CommandTable {
    Rows::new(FAMILIES).0
}

fn user(table: &CommandTable, rules: &str) -> Result<User, RuleError> {
    let rulebook = Rulebook { table, roles: &Roles::new(), all_channels: false };
    let mut user = User::new(b"u", false);
    let words: Vec<&str> = rules.split(' ').collect();
    for rule in join_selectors(&words).expect("parentheses that match") {
        rulebook.apply(&mut user, &rule)?;
    }
    Ok(user)
}

fn check(table: &CommandTable, user: &User, call: &str) -> Result<(), Denial> {
    let words: Vec<&str> = call.split(' ').collect();
    let request = OwnedRequest::of(&words);
    let args = Args::from(request.view());
    let id = table.resolve(&request.view()).expect("a command");
    user.check(&mut Call::new(table, id, args, CallDatabases { selected: 0, count: 16 }))
}

#[test]
fn each_right_is_asked_for() {
    let table = table();
    let user = user(&table, "+@all -config|set +config|set -select +select|1 -config|get ~a* %R~r* %W~w* &c*").unwrap();
    let cases = [
        ("get a1", Ok(())),
        ("get r1", Ok(())),
        ("get w1", Err(Denial::Key(1))),
        ("set w1 x", Ok(())),
        ("set w1 x get", Err(Denial::Key(1))),
        ("set r1 x", Err(Denial::Key(1))),
        ("exists w1 r1 a1", Ok(())),
        ("mget a1 r1 x1 w1", Err(Denial::Key(3))),
        ("copy r1 w1", Ok(())),
        ("copy w1 r1", Err(Denial::Key(1))),
        ("zinterstore w1 2 r1 a1", Ok(())),
        ("zinterstore w1 2 r1 w1", Err(Denial::Key(4))),
        ("select 1", Ok(())),
        ("select 2", Err(Denial::Command)),
        ("config set a b", Ok(())),
        ("config get a", Err(Denial::Command)),
        ("publish c1 x", Ok(())),
        ("publish d1 c1", Err(Denial::Channel(1))),
        ("subscribe c1 c2 d1", Err(Denial::Channel(3))),
        ("psubscribe c*", Ok(())),
        ("psubscribe c1", Err(Denial::Channel(1))),
        ("unsubscribe d1", Ok(())),
        ("spublish d1 x", Err(Denial::Channel(1))),
    ];
    for (call, expected) in cases {
        assert_eq!(check(&table, &user, call), expected, "{call}");
    }
}

#[test]
fn one_selector_has_to_allow_all_of_a_call() {
    let table = table();
    let user = user(&table, "+mget ~k (+mget ~k ~o) ( +copy %R~r ) (+copy %W~w)").unwrap();
    assert_eq!(check(&table, &user, "mget k o"), Ok(()));
    assert_eq!(check(&table, &user, "mget o s"), Err(Denial::Key(2)));
    assert_eq!(check(&table, &user, "mget k o s"), Err(Denial::Key(3)));
    assert_eq!(check(&table, &user, "get k"), Err(Denial::Command));
    assert_eq!(check(&table, &user, "copy r w"), Err(Denial::Key(2)));
}

#[test]
fn commands_to_come_in_need_no_right() {
    let table = table();
    let nobody = User::new(b"u", false);
    for call in ["auth a b", "hello", "reset", "quit"] {
        assert_eq!(check(&table, &nobody, call), Ok(()), "{call}");
    }
    assert_eq!(check(&table, &nobody, "ping"), Err(Denial::Command));
}

#[test]
fn wrong_rules_have_their_reasons() {
    let table = table();
    let cases = [
        ("+nope", RuleError::UnknownCommand),
        ("+", RuleError::UnknownCommand),
        ("-", RuleError::UnknownCommand),
        ("+@nope", RuleError::UnknownCommand),
        ("-select|1", RuleError::UnknownCommand),
        ("+config|nope", RuleError::UnknownCommand),
        ("+get|a|b", RuleError::UnknownCommand),
        ("+config|get|a", RuleError::FirstArgOfSubcommand),
        ("+select|", RuleError::Syntax),
        ("nope", RuleError::Syntax),
        (")", RuleError::Syntax),
        ("%~a", RuleError::Syntax),
        ("%RR~a", RuleError::Syntax),
        ("%X~a", RuleError::Syntax),
        ("~a\tb", RuleError::Syntax),
        ("allkeys ~a", RuleError::KeysAfterAll),
        ("~* %R~a", RuleError::KeysAfterAll),
        ("&* &a", RuleError::ChannelsAfterAll),
        ("(&* &a)", RuleError::ChannelsAfterAll),
        ("<a", RuleError::NoSuchPassword),
        ("#a", RuleError::BadHash),
        ("!a", RuleError::BadHash),
    ];
    for (rules, expected) in cases {
        assert_eq!(user(&table, rules), Err(expected), "{rules}");
    }
    assert_eq!(join_selectors(&["~a", "(", "~b"]), Err(b"(".to_vec()));
    assert_eq!(join_selectors(&["(+get", "(", "~b"]), Err(b"(+get".to_vec()), "what is open remains so");
    assert_eq!(join_selectors(&["(+get", "(", "~a", ")"]), Ok(vec![b"(+get ( ~a )".to_vec()]));
}

fn role(table: &CommandTable, name: &str, rules: &str) -> Result<Role, RuleError> {
    let rulebook = Rulebook { table, roles: &Roles::new(), all_channels: false };
    let mut role = Role::new(name.as_bytes(), false);
    let words: Vec<&str> = rules.split(' ').collect();
    for rule in join_selectors(&words).expect("parentheses that match") {
        rulebook.apply_to_role(&mut role, &rule)?;
    }
    Ok(role)
}

#[test]
fn one_role_or_the_user_itself_has_to_allow_all_of_a_call() {
    let table = table();
    let mut user = user(&table, "+mget ~k").unwrap();
    let roles = [role(&table, "one", "+mget ~k ~o").unwrap(), role(&table, "two", "+get ~t (+set %W~t)").unwrap()];
    user.roles = roles.into_iter().map(Rc::new).collect();
    assert_eq!(check(&table, &user, "mget k o"), Ok(()));
    assert_eq!(check(&table, &user, "mget k o t"), Err(Denial::Key(3)));
    assert_eq!(check(&table, &user, "get t"), Ok(()));
    assert_eq!(check(&table, &user, "set t x"), Ok(()));
    assert_eq!(check(&table, &user, "set t x get"), Err(Denial::Key(1)));
    assert_eq!(check(&table, &user, "del t"), Err(Denial::Command));
    assert!(user.may_read(b"t") && !user.may_read(b"u"));
    let mut less = user.clone();
    less.roles.pop();
    assert!(less.reads_less_than(&user) && !user.reads_less_than(&less));
}

#[test]
fn roles_have_no_rules_of_users() {
    let table = table();
    let of_users = "on off nopass resetpass reset resetroles role=a ROLE=a >a <a #a !a sanitize-payload";
    for rule in of_users.split(' ').chain(["skip-sanitize-payload", "ON"]) {
        assert_eq!(role(&table, "r", rule), Err(RuleError::OfUsersOnly), "{rule}");
    }
    for (rule, error) in [("+@role:a", RuleError::UnknownCommand), ("(role=a)", RuleError::Syntax)] {
        assert_eq!(role(&table, "r", rule), Err(error), "{rule}");
        assert_eq!(user(&table, rule), Err(error), "{rule}");
    }
    let rules = "~a resetchannels -@all +get";
    assert_eq!(role(&table, "r", &format!("(~b) ClearSelectors {rules}")), role(&table, "r", rules));
}

#[test]
fn names_of_roles_are_words_that_mean_nothing_else() {
    let table = table();
    for name in ["", "a b", "a\0", "a\"b", "a'b", "a\\b", "a,b", "get", "GET", "read", "Admin", "config|get"] {
        assert!(check_role_name(&table, name.as_bytes()).is_err(), "{name:?}");
    }
    for name in ["reader", "a=b", "(", "r\u{e9}"] {
        assert_eq!(check_role_name(&table, name.as_bytes()), Ok(()), "{name:?}");
    }
}

/// The digests are those which Valkey documents.
#[test]
fn the_digest_is_that_of_valkey_in_whatever_order_users_come() {
    let table = table();
    let digest = |acl: &Acl| describe::digest(acl).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut acl = Acl::new(&table);
    assert_eq!(digest(&acl), "24ece0a4daea0bcb936b438ae6c9f36db76f57dfc70e00def7b2c26041c49822");
    let alice = User { name: (*b"alice").into(), ..user(&table, "on >alice ~key:* +get").unwrap() };
    acl.insert(alice.clone());
    assert_eq!(digest(&acl), "d06ec40dd1a8e30a4babea1011d4b0daf02dbdf5de95ea18768e15f346a7d385");
    acl.insert_role(Rc::new(role(&table, "reader", "+get").unwrap()));
    let mut other = Acl::new(&table);
    other.insert_role(Rc::new(role(&table, "reader", "+get").unwrap()));
    other.insert(alice);
    assert_eq!(digest(&acl), digest(&other));
    other.insert_role(Rc::new(role(&table, "reader", "+set").unwrap()));
    assert_ne!(digest(&acl), digest(&other));
}

#[test]
fn a_category_is_told_as_itself() {
    let table = table();
    for (_, name) in CATEGORY_NAMES {
        for rules in [format!("-@all +@{name}"), format!("+@all -@{name}")] {
            assert_eq!(describe::commands(&user(&table, &rules).unwrap().root), rules.as_bytes());
        }
    }
}

#[test]
fn rules_about_commands_are_told_in_their_order_unless_overruled() {
    let table = table();
    let cases = [
        ("+@all -@dangerous +get -get +get", "+@all -@dangerous +get"),
        ("+GET +SeT +@READ", "-@all +get +set +@read"),
        ("-get -@read", "-@all -get -@read"),
        ("+@string -@string +@string", "-@all +@string"),
        ("+select|0 +select|1 -select", "-@all -select"),
        ("+select +select|0", "-@all +select +select|0"),
        ("+get|X +GET|x +get|y", "-@all +get|x +get|y"),
        ("+config|get +config|set +config -config|set", "-@all +config -config|set"),
        ("+get +set nocommands +mget", "-@all +mget"),
        ("+get allcommands -mget", "+@all -mget"),
    ];
    for (rules, told) in cases {
        let told_rules = describe::commands(&user(&table, rules).unwrap().root);
        assert_eq!(String::from_utf8(told_rules).unwrap(), told, "{rules}");
    }
}

#[test]
fn users_come_in_with_one_of_their_passwords() {
    let mut acl = Acl::new(&table());
    assert!(acl.authenticate(b"default", b"anything") == Some(UserId::DEFAULT) && !acl.needs_password());
    acl.set_default_password(Some(b"secret"));
    assert!(acl.authenticate(b"default", b"anything").is_none() && acl.needs_password());
    assert_eq!(acl.authenticate(b"default", b"secret"), Some(UserId::DEFAULT));
    let table = table();
    let id = acl.insert(user(&table, ">one >two").unwrap());
    assert_eq!(acl.authenticate(b"u", b"one"), None);
    acl.users[id.0].enabled = true;
    assert_eq!(acl.authenticate(b"u", b"two"), Some(id));
    assert_eq!(acl.authenticate(b"u", b"three"), None);
    assert_eq!(acl.authenticate(b"nobody", b"two"), None);
    assert_eq!((acl.remove(b"u"), acl.remove(b"u"), acl.remove(b"default")), (Some(id), None, None));
}

#[test]
fn only_users_with_limits_are_checked() {
    let table = table();
    let mut acl = Acl::new(&table);
    assert_eq!(acl.mode_of(UserId::DEFAULT), Modes::default());
    let rules = [("allkeys allchannels +@all", false), ("allkeys allchannels +@all -ping +ping", false)];
    let limited = [("allkeys allchannels +@all -ping", true), ("~* +@all", true), ("%RW~* &* +@all", true)];
    for (rules, is_limited) in rules.into_iter().chain(limited) {
        let id = acl.insert(user(&table, rules).unwrap());
        assert_eq!(acl.mode_of(id).has(Modes::RESTRICTED), is_limited, "{rules}");
        acl.remove(b"u");
    }
}

/// Rules that are right, wherever they stand.
fn rule() -> impl Strategy<Value = String> {
    let names: Vec<String> = CATEGORY_NAMES.iter().map(|(_, name)| format!("@{name}")).collect();
    let commands: Vec<String> = {
        let table = table();
        table.public_ids().map(|id| table.entry(id).full_name.clone()).collect()
    };
    let sign = prop_oneof![Just('+'), Just('-')];
    prop_oneof![
        (sign.clone(), proptest::sample::select(names)).prop_map(|(sign, name)| format!("{sign}{name}")),
        (sign.clone(), proptest::sample::select(commands)).prop_map(|(sign, name)| format!("{sign}{name}")),
        sign.prop_map(|sign| format!("{sign}@all")),
    ]
}

fn other_rule() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => rule(),
        1 => "\\+(select|get)\\|[ab]",
        1 => "(resetkeys|~|%R~|%W~|%RW~)[ab*]{0,2}".prop_map(|rule| rule.replace("resetkeys*", "resetkeys")),
        1 => "(resetchannels|allchannels|allkeys|resetkeys)",
        1 => "&[ab]",
        1 => "(on|off|nopass|>a|>b|resetpass|clearselectors|sanitize-payload|skip-sanitize-payload)",
    ]
}

/// What a list of rules amounts to, worked out with sets of names.
fn naive(table: &CommandTable, rules: &[String]) -> BTreeSet<String> {
    let rows = || table.ids().map(|id| (table.entry(id).full_name.clone(), table.entry(id).row.categories()));
    let mut allowed = BTreeSet::new();
    for rule in rules {
        let (sign, name) = rule.split_at(1);
        let named: Vec<String> = match name.strip_prefix('@') {
            Some("all") => rows().map(|(name, _)| name).collect(),
            Some(category) => {
                let (category, _) = CATEGORY_NAMES.iter().find(|(_, known)| *known == category).unwrap();
                rows().filter(|(_, categories)| categories.has(*category)).map(|(name, _)| name).collect()
            }
            None => vec![name.to_owned()],
        };
        for name in named {
            let prefix = format!("{name}|");
            for (full, _) in rows().filter(|(full, _)| *full == name || full.starts_with(&prefix)) {
                if sign == "+" {
                    allowed.insert(full);
                } else {
                    allowed.remove(&full);
                }
            }
        }
    }
    allowed
}

/// A user without first arguments of commands that are allowed anyway, the rest in one order.
fn tidied(mut user: User) -> User {
    for selector in std::iter::once(&mut user.root).chain(&mut user.selectors) {
        let commands = selector.commands.clone();
        let mut first_args: Vec<FirstArg> = selector.first_args.iter().cloned().collect();
        first_args.retain(|first| !commands.has(first.id));
        first_args.sort_by_key(|first| (first.id.index(), first.word.clone()));
        selector.first_args = first_args.into_iter().collect();
    }
    user
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn rules_about_commands_amount_to_what_they_say(rules in proptest::collection::vec(rule(), 0..12)) {
        let table = table();
        let user = user(&table, &rules.join(" ")).unwrap();
        let allowed: BTreeSet<String> = table
            .ids()
            .filter(|id| user.root.commands.has(*id))
            .map(|id| table.entry(id).full_name.clone())
            .collect();
        prop_assert_eq!(allowed, naive(&table, &rules));
    }

    #[test]
    fn a_user_is_told_in_rules_that_make_it_again(
        rules in proptest::collection::vec(other_rule(), 0..12),
        selector in proptest::collection::vec(rule(), 0..4),
    ) {
        let table = table();
        let rulebook = Rulebook { table: &table, roles: &Roles::new(), all_channels: false };
        let mut one = User::new(b"u", false);
        for rule in rules.iter().chain([&format!("(~x {})", selector.join(" "))]) {
            // A rule that makes no sense where it stands is passed over.
            let before = one.clone();
            if rulebook.apply(&mut one, rule.as_bytes()).is_err() {
                one = before;
            }
        }
        let text = String::from_utf8(describe::user(&one)).unwrap();
        let again = user(&table, &text).unwrap();
        prop_assert_eq!(tidied(again), tidied(one), "{}", text);
    }

    #[test]
    fn no_text_of_a_file_is_the_end_of_the_server(
        words in proptest::collection::vec("role|user|r|u|role=|role=r|,|\\n|\\(|\\)|~a|\\+get|on|>|#|\"|[ -~]{0,3}", 0..40),
    ) {
        let table = table();
        let rulebook = Rulebook { table: &table, roles: &Roles::new(), all_channels: false };
        let text = words.join(" ");
        if let Ok(content) = file::read(&rulebook, "path", text.as_bytes()) {
            // What was read can be written and is the same then.
            let written: Vec<u8> = content.users.iter().flat_map(|user| [&*describe::line(user), b"\n"].concat()).collect();
            let roles = content.roles.values().flat_map(|role| [&*describe::role_line(role), b"\n"].concat());
            let again = file::read(&rulebook, "path", &roles.chain(written).collect::<Vec<u8>>());
            prop_assert_eq!(again.map(|again| again.roles.len()), Ok(content.roles.len()), "{}", text);
        }
    }
}
