//! Users and their rights, over the wire.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::{Connection, Reply, Server, wait_until};

fn refusal(user: &str, command: &str) -> Reply {
    Reply::error(&format!("NOPERM User {user} has no permissions to run the '{command}' command"))
}

const NAME_ERROR: &str = "ERR Client names cannot contain spaces, newlines or special characters.";
const PASSWORD_ERROR: &str = "WRONGPASS invalid username-password pair or user is disabled.";

fn key_refusal() -> Reply {
    Reply::error("NOPERM No permissions to access a key")
}

fn as_user(server: &Server, name: &str) -> Connection {
    let mut client = server.connect();
    assert_eq!(client.cmd(&["AUTH", name, "x"]), Reply::ok());
    client
}

/// EXEC says why there will be no transaction.
fn refused(name: &str, refusal: &str) -> Reply {
    match name {
        "exec" => Reply::Error(format!("EXECABORT Transaction discarded because of: {refusal}")),
        _ => Reply::error(refusal),
    }
}

fn texts(reply: &Reply) -> Vec<String> {
    match reply {
        Reply::Array(items) => items.iter().map(Reply::text).collect(),
        other => panic!("{other:?} is no array"),
    }
}

fn field<'a>(reply: &'a Reply, name: &str) -> &'a Reply {
    let Reply::Array(items) = reply else { panic!("{reply:?} is no array") };
    let place = items.iter().position(|item| *item == Reply::bulk(name)).expect("the field");
    &items[place + 1]
}

/// A call of each command and subcommand, as short as its arity allows, with its full name.
fn calls(client: &mut Connection) -> Vec<(String, Vec<String>, bool)> {
    fn add(rows: &Reply, into: &mut Vec<(String, Vec<String>, bool)>) {
        let Reply::Array(rows) = rows else { panic!("{rows:?}") };
        for row in rows {
            let Reply::Array(row) = row else { panic!("{row:?}") };
            let (name, Reply::Integer(arity)) = (row[0].text(), &row[1]) else { panic!("{row:?}") };
            let mut words: Vec<String> = name.split('|').map(str::to_owned).collect();
            words.resize((arity.unsigned_abs() as usize).max(words.len()), "x".to_owned());
            let Reply::Array(flags) = &row[2] else { panic!("{row:?}") };
            let needs_no_right = flags.iter().any(|flag| flag.text() == "no_auth");
            // A container has no call of its own, but for COMMAND.
            let is_container = matches!(&row[9], Reply::Array(subs) if !subs.is_empty()) && *arity != -1;
            if !is_container {
                into.push((name, words, needs_no_right));
            }
            add(&row[9], into);
        }
    }
    let mut calls = Vec::new();
    add(&client.cmd(&["COMMAND"]), &mut calls);
    assert!(calls.len() > 200, "{} commands", calls.len());
    calls
}

#[test]
fn a_user_without_rights_can_run_nothing() {
    let server = Server::start_with(&["--enable-debug-command", "yes", "--enable-module-command", "yes"]);
    let mut admin = server.connect();
    assert_eq!(admin.cmd(&["ACL", "SETUSER", "nobody", "on", "nopass"]), Reply::ok());
    let mut nobody = as_user(&server, "nobody");
    for (name, words, needs_no_right) in calls(&mut admin) {
        if !needs_no_right {
            let refusal = format!("NOPERM User nobody has no permissions to run the '{name}' command");
            assert_eq!(nobody.cmd(&words), refused(&name, &refusal), "{words:?}");
        }
    }
    assert_eq!(admin.cmd(&["DBSIZE"]), Reply::Integer(0));
}

#[test]
fn a_user_with_commands_alone_can_touch_no_key_and_no_channel() {
    let server = Server::start_with(&["--enable-debug-command", "yes", "--enable-module-command", "yes"]);
    let mut admin = server.connect();
    assert_eq!(admin.cmd(&["ACL", "SETUSER", "keyless", "on", "nopass", "+@all"]), Reply::ok());
    let mut keyless = as_user(&server, "keyless");
    let key = key_refusal();
    for (_, words, _) in calls(&mut admin) {
        let mut ask = vec!["COMMAND".to_owned(), "GETKEYS".to_owned()];
        ask.extend(words.clone());
        if matches!(admin.cmd(&ask), Reply::Array(keys) if !keys.is_empty()) {
            assert_eq!(keyless.cmd(&words), key, "{words:?}");
        }
    }
    let channel = Reply::error("NOPERM No permissions to access a channel");
    for words in [&["PUBLISH", "c", "x"][..], &["SPUBLISH", "c", "x"], &["SUBSCRIBE", "c"], &["PSUBSCRIBE", "c"]] {
        assert_eq!(keyless.cmd(words), channel, "{words:?}");
    }
    assert_eq!(admin.cmd(&["DBSIZE"]), Reply::Integer(0));
}

#[test]
fn nothing_runs_before_authentication() {
    let server = Server::start_with(&[
        "--requirepass",
        "secret",
        "--enable-debug-command",
        "yes",
        "--enable-module-command",
        "yes",
    ]);
    let mut admin = server.connect();
    assert_eq!(admin.cmd(&["AUTH", "secret"]), Reply::ok());
    let mut stranger = server.connect();
    for (name, words, is_open) in calls(&mut admin) {
        if !is_open {
            assert_eq!(stranger.cmd(&words), refused(&name, "NOAUTH Authentication required."), "{words:?}");
        }
    }
    let wrong = Reply::error("WRONGPASS invalid username-password pair or user is disabled.");
    for words in [&["AUTH", "wrong"][..], &["AUTH", "default", "wrong"], &["AUTH", "nobody", "secret"]] {
        assert_eq!(stranger.cmd(words), wrong, "{words:?}");
    }
    assert_eq!(stranger.cmd(&["HELLO", "3", "AUTH", "default", "wrong"]), wrong);
    assert!(stranger.cmd(&["HELLO", "3"]).into_error().starts_with("NOAUTH HELLO must be called"));
    assert!(matches!(stranger.cmd(&["HELLO", "3", "AUTH", "default", "secret"]), Reply::Map(_)));
    assert_eq!(stranger.cmd(&["PING"]), Reply::Simple("PONG".into()));
    assert_eq!(stranger.cmd(&["RESET"]), Reply::Simple("RESET".into()));
    assert_eq!(stranger.cmd(&["PING"]), Reply::error("NOAUTH Authentication required."));
}

#[test]
fn rights_change_under_the_feet_of_connected_clients() {
    let server = Server::start();
    let mut admin = server.connect();
    assert_eq!(admin.cmd(&["ACL", "SETUSER", "u", "on", "nopass", "allkeys", "allchannels", "+@all"]), Reply::ok());
    let mut user = as_user(&server, "u");
    assert_eq!(user.cmd(&["SET", "a", "1"]), Reply::ok());
    assert_eq!(admin.cmd(&["ACL", "SETUSER", "u", "-set"]), Reply::ok());
    assert_eq!(user.cmd(&["SET", "a", "1"]), refusal("u", "set"));
    assert_eq!(admin.cmd(&["ACL", "SETUSER", "u", "+set"]), Reply::ok());
    assert_eq!(user.cmd(&["SET", "a", "1"]), Reply::ok());
    // The default user's rights are as mutable as any other's.
    assert_eq!(admin.cmd(&["ACL", "SETUSER", "default", "-get"]), Reply::ok());
    assert_eq!(admin.cmd(&["GET", "a"]), refusal("default", "get"));
    assert_eq!(server.connect().cmd(&["GET", "a"]), refusal("default", "get"));
    assert_eq!(user.cmd(&["RESET"]), Reply::Simple("RESET".into()));
    assert_eq!(user.cmd(&["GET", "a"]), refusal("default", "get"));
}

#[test]
fn a_transaction_is_checked_when_it_is_queued_and_when_it_runs() {
    let server = Server::start();
    let mut admin = server.connect();
    assert_eq!(admin.cmd(&["ACL", "SETUSER", "u", "on", "nopass", "~a", "+@all", "-get"]), Reply::ok());
    let mut user = as_user(&server, "u");
    user.cmd(&["MULTI"]);
    assert_eq!(user.cmd(&["GET", "a"]), refusal("u", "get"));
    assert_eq!(user.cmd(&["SET", "b", "1"]), key_refusal());
    assert!(user.cmd(&["EXEC"]).into_error().starts_with("EXECABORT"));
    user.cmd(&["MULTI"]);
    user.cmd(&["SET", "a", "1"]);
    user.cmd(&["INCR", "a"]);
    assert_eq!(admin.cmd(&["ACL", "SETUSER", "u", "-set"]), Reply::ok());
    let refused = "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. \
                   This command is no longer allowed for the following reason: no permission to execute the command or \
                   subcommand";
    assert_eq!(user.cmd(&["EXEC"]), Reply::Array(vec![Reply::error(refused), Reply::Integer(1)]));
    let log = admin.cmd(&["ACL", "LOG"]);
    let Reply::Array(entries) = &log else { panic!("{log:?}") };
    let shown: Vec<String> = entries
        .iter()
        .map(|entry| ["context", "reason", "object", "username"].map(|name| field(entry, name).text()).join(" "))
        .collect();
    assert_eq!(shown, ["multi command set u", "multi key b u", "multi command get u"]);
    assert!(field(&entries[0], "client-info").text().contains(" user=u "));
    let times = ["timestamp-created", "timestamp-last-updated"].map(|name| field(&entries[1], name).clone());
    assert!(matches!(times[0], Reply::Integer(ms) if ms > 1_700_000_000_000) && times[0] == times[1], "{times:?}");
    assert_eq!(user.cmd(&["GET", "b"]), refusal("u", "get"));
    assert_eq!(user.cmd(&["GET", "b"]), refusal("u", "get"));
    let log = admin.cmd(&["ACL", "LOG"]);
    let Reply::Array(entries) = &log else { panic!("{log:?}") };
    let ids: Vec<&Reply> = entries.iter().map(|entry| field(entry, "entry-id")).collect();
    assert_eq!(ids, [&Reply::Integer(3), &Reply::Integer(2), &Reply::Integer(1), &Reply::Integer(0)]);
    assert_eq!(field(&entries[0], "count"), &Reply::Integer(2));
    assert_eq!(admin.cmd(&["ACL", "LOG", "RESET"]), Reply::ok());
    assert_eq!(admin.cmd(&["ACL", "LOG"]), Reply::Array(vec![]));
}

#[test]
fn clients_go_with_their_user() {
    let server = Server::start();
    let mut admin = server.connect();
    assert_eq!(admin.cmd(&["ACL", "SETUSER", "u", "on", "nopass", "+@all", "allkeys"]), Reply::ok());
    let (mut one, mut other) = (as_user(&server, "u"), as_user(&server, "u"));
    one.send(&["BLPOP", "list", "0"]);
    wait_until("it waits", || admin.cmd(&["INFO", "clients"]).text().contains("blocked_clients:1"));
    assert_eq!(other.cmd(&["ACL", "DELUSER", "u", "nobody"]), Reply::Integer(1));
    assert!(one.is_closed() && other.is_closed());
    assert_eq!(admin.cmd(&["RPUSH", "list", "x"]), Reply::Integer(1));
    assert_eq!(texts(&admin.cmd(&["ACL", "USERS"])), ["default"]);
    assert_eq!(admin.cmd(&["ACL", "DELUSER", "default"]), Reply::error("ERR The 'default' user cannot be removed"));
}

#[test]
fn subscribers_go_when_they_may_not_listen_any_more() {
    let server = Server::start();
    let mut admin = server.connect();
    assert_eq!(admin.cmd(&["ACL", "SETUSER", "u", "on", "nopass", "+@all", "&a*", "&b"]), Reply::ok());
    let (mut by_name, mut by_pattern) = (as_user(&server, "u"), as_user(&server, "u"));
    by_name.cmd(&["SUBSCRIBE", "a1"]);
    by_pattern.cmd(&["PSUBSCRIBE", "a*"]);
    assert_eq!(admin.cmd(&["ACL", "SETUSER", "u", "&c"]), Reply::ok());
    assert_eq!(admin.cmd(&["PUBLISH", "a1", "x"]), Reply::Integer(2));
    assert_eq!(by_name.read(), Reply::bulks(&["message", "a1", "x"]));
    by_pattern.read();
    assert_eq!(admin.cmd(&["ACL", "SETUSER", "u", "resetchannels", "&a1"]), Reply::ok());
    assert!(by_pattern.is_closed());
    assert_eq!(admin.cmd(&["PUBLISH", "a1", "y"]), Reply::Integer(1));
    assert_eq!(by_name.read(), Reply::bulks(&["message", "a1", "y"]));
}

#[test]
fn users_come_from_the_configuration_and_are_rewritten_into_it() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("redis.conf");
    fs::write(&path, "# mine\nuser default on nopass ~* &* +@all\nuser bob on >secret ~b* +get (+set ~c)\n").unwrap();
    let before;
    {
        let server = Server::start_with_file(&path);
        let mut admin = server.connect();
        assert_eq!(admin.cmd(&["ACL", "SETUSER", "eve", "on", "+@all", "-select", "+select|0"]), Reply::ok());
        assert_eq!(admin.cmd(&["CONFIG", "REWRITE"]), Reply::ok());
        before = texts(&admin.cmd(&["ACL", "LIST"]));
    }
    let text = fs::read_to_string(&path).unwrap();
    assert!(before.iter().all(|user| text.contains(user)) && !text.contains(">secret"), "{text}");
    // The next server has a directory of its own.
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("dir ")).collect();
    fs::write(&path, lines.join("\n")).unwrap();
    let server = Server::start_with_file(&path);
    assert_eq!(texts(&server.connect().cmd(&["ACL", "LIST"])), before);
    let mut bob = server.connect();
    assert_eq!(bob.cmd(&["AUTH", "bob", "secret"]), Reply::ok());
    assert_eq!(bob.cmd(&["GET", "b1"]), Reply::Null);
    assert_eq!(bob.cmd(&["SET", "c", "1"]), Reply::ok());
}

/// A second line about a user would keep the server from starting.
#[test]
fn users_of_included_files_stay_where_they_are() {
    let folder = tempfile::tempdir().expect("a directory");
    let (path, included) = (folder.path().join("redis.conf"), folder.path().join("users.conf"));
    let main = format!("user ann on >x +get\ninclude {}\n", included.display());
    fs::write(&path, &main).unwrap();
    fs::write(&included, "user bob on >secret ~b* +get (+set ~c)\nuser default on nopass ~* &* +@all\n").unwrap();
    let before;
    {
        let server = Server::start_with_file(&path);
        let mut admin = server.connect();
        assert_eq!(admin.cmd(&["ACL", "SETUSER", "eve", "on", "+@all"]), Reply::ok());
        assert_eq!(admin.cmd(&["ACL", "SETUSER", "ann", "-get"]), Reply::ok());
        assert_eq!(admin.cmd(&["CONFIG", "REWRITE"]), Reply::ok());
        before = texts(&admin.cmd(&["ACL", "LIST"]));
    }
    let text = fs::read_to_string(&path).unwrap();
    let users: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("user ")?.split(' ').next()).collect();
    assert_eq!(users, ["ann", "eve"], "{text}");
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("dir ")).collect();
    fs::write(&path, lines.join("\n")).unwrap();
    let server = Server::start_with_file(&path);
    let mut admin = server.connect();
    assert_eq!(texts(&admin.cmd(&["ACL", "LIST"])), before);
    // What can't be written is not passed over in silence, and nothing is written by halves.
    let text = fs::read_to_string(&path).unwrap();
    let refused = "ERR Rewriting config file: user 'bob' has changed, but is defined in an included file or on the command \
                   line";
    for change in [&["ACL", "SETUSER", "bob", "-get"][..], &["ACL", "DELUSER", "bob"]] {
        admin.cmd(change);
        assert_eq!(admin.cmd(&["CONFIG", "REWRITE"]), Reply::error(refused));
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn users_come_from_the_acl_file_all_of_them_or_none() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("users.acl");
    fs::write(&path, "user bob on nopass ~* +@all\n\n  user eve off (+get ~a)\n").unwrap();
    let server = Server::start_with(&["--aclfile", path.to_str().unwrap()]);
    let mut admin = server.connect();
    assert_eq!(texts(&admin.cmd(&["ACL", "USERS"])), ["bob", "default", "eve"]);
    let mut bob = as_user(&server, "bob");
    assert_eq!(admin.cmd(&["ACL", "SETUSER", "dan", "on", ">x"]), Reply::ok());
    assert_eq!(admin.cmd(&["ACL", "SAVE"]), Reply::ok());
    let saved = fs::read_to_string(&path).unwrap();
    assert_eq!(saved.lines().collect::<Vec<_>>(), texts(&admin.cmd(&["ACL", "LIST"])));
    fs::write(&path, "user bob on +nope ~*\nuser bob off\nbogus\n").unwrap();
    let error = admin.cmd(&["ACL", "LOAD"]).into_error();
    for part in ["users.acl:1: Error in applying operation '+nope': Unknown command", "users.acl:3 should start with"] {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(bob.cmd(&["PING"]), Reply::Simple("PONG".into()));
    fs::write(&path, &saved).unwrap();
    assert_eq!(admin.cmd(&["ACL", "LOAD"]), Reply::ok());
    assert_eq!(bob.cmd(&["PING"]), Reply::Simple("PONG".into()));
    assert_eq!(admin.cmd(&["ACL", "LIST"]), Reply::Array(saved.lines().map(Reply::bulk).collect()));
}

#[test]
fn loading_users_closes_those_that_are_gone_and_subscribers_that_may_not_listen() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("users.acl");
    let line = |name: &str, rules: &str| format!("user {name} on nopass ~* +@all {rules}\n");
    let before = ["gone", "changed", "heard", "deaf"].map(|name| line(name, "resetchannels &news"));
    fs::write(&path, before.concat()).unwrap();
    let server = Server::start_with(&["--aclfile", path.to_str().unwrap()]);
    let mut admin = server.connect();
    let mut gone = as_user(&server, "gone");
    let mut changed = as_user(&server, "changed");
    let subscribed = |name: &str| {
        let mut client = as_user(&server, name);
        client.cmd(&["SUBSCRIBE", "news"]);
        client
    };
    let (mut heard, mut deaf) = (subscribed("heard"), subscribed("deaf"));
    let after = [line("changed", "-set &none"), line("heard", "-get &news"), line("deaf", "resetchannels &other")];
    fs::write(&path, after.concat()).unwrap();
    assert_eq!(admin.cmd(&["ACL", "LOAD"]), Reply::ok());
    assert!(gone.is_closed() && deaf.is_closed());
    assert_eq!(changed.cmd(&["SET", "a", "1"]), refusal("changed", "set"));
    assert!(matches!(heard.cmd(&["PING"]), Reply::Array(_)));
    // Without a line of its own the default user is what it was at first.
    assert_eq!(admin.cmd(&["SET", "a", "1"]), Reply::ok());
}

#[test]
fn hello_changes_nothing_unless_all_of_it_is_valid() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["ACL", "SETUSER", "u", "on", ">secret", "+@all", "~*"]);
    let state = |client: &mut Connection| {
        let name = client.cmd(&["CLIENT", "GETNAME"]);
        (client.cmd(&["ACL", "WHOAMI"]).text(), name)
    };
    let syntax = Reply::error("ERR Syntax error in HELLO option 'NOSUCH'");
    let calls = [
        ("HELLO 3 AUTH u secret SETNAME mine NOSUCH", syntax),
        ("HELLO 3 AUTH u secret SETNAME mi\tne", Reply::error(NAME_ERROR)),
        ("HELLO 3 AUTH u wrong SETNAME mi\tne", Reply::error(NAME_ERROR)),
        ("HELLO 3 SETNAME mine AUTH u wrong", Reply::error(PASSWORD_ERROR)),
        ("HELLO 3 AUTH u secret AUTH u wrong", Reply::error(PASSWORD_ERROR)),
    ];
    for (call, error) in calls {
        assert_eq!(client.cmd(&call.split(' ').collect::<Vec<_>>()), error, "{call:?}");
        assert_eq!(state(&mut client), ("default".to_owned(), Reply::Null), "{call:?}");
    }
    let call = ["HELLO", "2", "AUTH", "u", "wrong", "SETNAME", "one", "AUTH", "u", "secret", "SETNAME", "two"];
    assert!(matches!(client.cmd(&call), Reply::Array(_)));
    assert_eq!(state(&mut client), ("u".to_owned(), Reply::bulk("two")));
}

#[test]
fn the_password_of_the_default_user_changes_at_once() {
    let server = Server::start();
    let mut admin = server.connect();
    assert!(admin.cmd(&["AUTH", "x"]).into_error().contains("without any password configured"));
    assert_eq!(admin.cmd(&["CONFIG", "SET", "requirepass", "a\0b"]), Reply::ok());
    assert_eq!(admin.cmd(&["PING"]), Reply::Simple("PONG".into()));
    let mut client = server.connect();
    assert_eq!(client.cmd(&["PING"]), Reply::error("NOAUTH Authentication required."));
    assert!(client.cmd(&["AUTH", "a"]).into_error().starts_with("WRONGPASS"));
    assert_eq!(client.cmd(&["AUTH", "a\0b"]), Reply::ok());
    assert_eq!(admin.cmd(&["ACL", "SETUSER", "default", "resetpass", ">new"]), Reply::ok());
    assert_eq!(server.connect().cmd(&["AUTH", "new"]), Reply::ok());
    assert_eq!(admin.cmd(&["ACL", "SETUSER", "default", "off"]), Reply::ok());
    assert!(server.connect().cmd(&["AUTH", "new"]).into_error().starts_with("WRONGPASS"));
    assert_eq!(admin.cmd(&["CONFIG", "SET", "requirepass", ""]), Reply::ok());
    assert_eq!(server.connect().cmd(&["PING"]), Reply::error("NOAUTH Authentication required."));
}

#[test]
fn passwords_are_shown_nowhere() {
    let server = Server::start_with(&["--slowlog-log-slower-than", "0"]);
    let mut admin = server.connect();
    let mut monitor = server.connect();
    monitor.cmd(&["MONITOR"]);
    admin.cmd(&["ACL", "SETUSER", "u", "on", ">hush"]);
    admin.cmd(&["AUTH", "u", "hush"]);
    admin.cmd(&["HELLO", "2", "AUTH", "u", "hush"]);
    let mut other = server.connect();
    let slowlog = format!("{:?}", other.cmd(&["SLOWLOG", "GET", "-1"]));
    let hush = |text: &str| text.contains("hush") || text.contains(&format!("{:?}", b"hush"));
    assert!(!hush(&slowlog), "{slowlog}");
    let mut seen = String::new();
    while !seen.contains("SLOWLOG") && !seen.contains("HELLO") {
        seen.push_str(&monitor.read().text());
    }
    assert!(!hush(&seen), "{seen}");
}

#[test]
fn made_up_passwords_have_the_length_asked_for() {
    let server = Server::start();
    let mut client = server.connect();
    let mut seen = Vec::new();
    for (bits, length) in [(None, 64), (Some("5"), 2), (Some("4096"), 1024)] {
        let words: Vec<&str> = ["ACL", "GENPASS"].into_iter().chain(bits).collect();
        let password = client.cmd(&words).text();
        assert_eq!(password.len(), length);
        assert!(password.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)), "{password}");
        seen.push(password);
    }
    assert_ne!(client.cmd(&["ACL", "GENPASS"]).text(), seen[0]);
}

/// Who waited is refused with the words of Redis 7.2 and later, which were the first to look again.
#[test]
fn a_blocked_command_is_checked_again_when_it_runs() {
    let server = Server::start();
    let mut admin = server.connect();
    let run = "NOPERM User u has no permissions to run the";
    let touch = "NOPERM No permissions to access a key";
    let cases: [(&[&str], &[&str], &str); 9] = [
        (&["BLPOP", "k", "0"], &["-blpop"], &format!("{run} 'blpop' command")),
        (&["BLPOP", "k", "0"], &["-@blocking"], &format!("{run} 'blpop' command")),
        (&["BLPOP", "k", "0"], &["resetkeys", "~other"], touch),
        (&["BLPOP", "k", "0"], &["resetkeys", "%R~k"], touch),
        (&["BLMOVE", "k", "d", "LEFT", "LEFT", "0"], &["resetkeys", "~k"], touch),
        (&["BRPOPLPUSH", "k", "d", "0"], &["resetkeys", "~d"], touch),
        (&["BLMPOP", "0", "1", "k", "LEFT"], &["reset", "on", "nopass", "(+blmpop ~x)"], touch),
        (&["BZPOPMIN", "z", "0"], &["nocommands"], &format!("{run} 'bzpopmin' command")),
        (&["XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "s", ">"], &["resetkeys"], touch),
    ];
    for (call, rules, error) in cases {
        admin.cmd(&["FLUSHALL"]);
        admin.cmd(&["ACL", "LOG", "RESET"]);
        admin.cmd(&["CONFIG", "RESETSTAT"]);
        admin.cmd(&["XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"]);
        let mut behind = server.connect();
        assert_eq!(admin.cmd(&["ACL", "SETUSER", "u", "reset", "on", "nopass", "+@all", "~*"]), Reply::ok());
        let mut user = as_user(&server, "u");
        user.send(call);
        wait_until("the user is blocked", || admin.cmd(&["INFO", "clients"]).text().contains("blocked_clients:1\r"));
        if call[0].starts_with("BLPOP") {
            behind.send(call);
            wait_until("both are blocked", || admin.cmd(&["INFO", "clients"]).text().contains("blocked_clients:2\r"));
        }
        assert_eq!(admin.cmd(&[&["ACL", "SETUSER", "u"][..], rules].concat()), Reply::ok());
        admin.cmd(&["RPUSH", "k", "v"]);
        admin.cmd(&["ZADD", "z", "1", "v"]);
        admin.cmd(&["XADD", "s", "1-1", "f", "v"]);
        assert_eq!(user.read(), Reply::error(error), "{call:?} {rules:?}");
        // What it would have taken is left to others, and the refusal is on record.
        match call[0] {
            "BLPOP" => assert_eq!(behind.read(), Reply::bulks(&["k", "v"])),
            _ => assert_eq!(admin.cmd(&["LRANGE", "k", "0", "-1"]), Reply::bulks(&["v"])),
        }
        assert_eq!(admin.cmd(&["EXISTS", "d"]), Reply::Integer(0));
        assert_eq!(admin.cmd(&["ZCARD", "z"]), Reply::Integer(1));
        assert!(matches!(admin.cmd(&["ACL", "LOG"]), Reply::Array(entries) if entries.len() == 1));
        let info = admin.cmd(&["INFO", "everything"]).text();
        let calls = format!("cmdstat_{}:", call[0].to_lowercase());
        let line = info.lines().find(|line| line.starts_with(&calls)).expect("the command's line");
        assert!(line.contains("rejected_calls=1,failed_calls=0"), "{line}");
        assert!(info.contains("errorstat_NOPERM:count=1\r"), "{info}");
        // It goes on.
        assert_eq!(
            user.cmd(&["PING"]).text().starts_with("NOPERM"),
            rules.iter().any(|rule| matches!(*rule, "reset" | "nocommands"))
        );
    }
}

#[test]
fn a_blocked_command_of_a_user_who_keeps_a_right_or_is_deleted() {
    let server = Server::start();
    let mut admin = server.connect();
    admin.cmd(&["ACL", "SETUSER", "u", "on", "nopass", "+@all", "~*"]);
    let mut user = as_user(&server, "u");
    let blocked = |admin: &mut Connection| admin.cmd(&["INFO", "clients"]).text().contains("blocked_clients:1\r");
    user.send(&["BLMOVE", "k", "d", "LEFT", "LEFT", "0"]);
    wait_until("the user is blocked", || blocked(&mut admin));
    // Another set of permissions allows it as well; being shut out later does not concern who is in.
    admin.cmd(&["ACL", "SETUSER", "u", "reset", "off", "nopass", "(+blmove ~k ~d)"]);
    admin.cmd(&["RPUSH", "k", "v"]);
    assert_eq!(user.read(), Reply::bulk("v"));
    user.send(&["BLMOVE", "k", "d", "LEFT", "LEFT", "0"]);
    wait_until("the user is blocked", || blocked(&mut admin));
    for words in [&["MULTI"][..], &["ACL", "DELUSER", "u"], &["RPUSH", "k", "w"], &["EXEC"]] {
        admin.cmd(words);
    }
    assert!(user.is_closed());
    assert_eq!(admin.cmd(&["LRANGE", "k", "0", "-1"]), Reply::bulks(&["w"]));
}

#[test]
fn files_with_passwords_keep_their_mode_and_new_ones_are_private() {
    let folder = tempfile::tempdir().expect("a directory");
    let (config, users) = (folder.path().join("redis.conf"), folder.path().join("users.acl"));
    fs::write(&config, format!("aclfile {}\n", users.display())).unwrap();
    fs::write(&users, "user default on nopass ~* &* +@all\n").unwrap();
    let mode = |path: &Path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    for path in [&config, &users] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o640)).unwrap();
    }
    let server = Server::start_with_file(&config);
    let mut admin = server.connect();
    let write = |admin: &mut Connection| {
        assert_eq!(admin.cmd(&["CONFIG", "REWRITE"]), Reply::ok());
        assert_eq!(admin.cmd(&["ACL", "SAVE"]), Reply::ok());
        (mode(&config), mode(&users))
    };
    assert_eq!(write(&mut admin), (0o640, 0o640));
    for path in [&config, &users] {
        fs::remove_file(path).unwrap();
    }
    assert_eq!(write(&mut admin), (0o600, 0o600));
}

#[test]
fn keys_among_options_are_checked_whatever_they_are_called() {
    let server = Server::start();
    let mut admin = server.connect();
    let mine = ["~k", "~by", "~ok", "~STORE", "~STREAMS", "~streams", "~COUNT"];
    admin.cmd(&[&["ACL", "SETUSER", "u", "on", "nopass", "+@all"][..], &mine].concat());
    admin.cmd(&["SET", "secret", "untouched"]);
    let refused = Reply::error("NOPERM No permissions to access a key");
    let mut user = as_user(&server, "u");
    for call in [
        "SORT k STORE by STORE secret",
        "SORT k BY STORE STORE secret",
        "GEORADIUS k 1 1 1 m STORE ok STORE secret",
        "GEORADIUS k 1 1 1 m STORE ok STOREDIST secret",
        "GEORADIUSBYMEMBER k STORE 1 m STORE ok STOREDIST secret",
        "XREADGROUP GROUP streams streams STREAMS secret >",
        "XREADGROUP NOACK GROUP g streams STREAMS secret >",
        "XREADGROUP COUNT 1 GROUP streams COUNT STREAMS STREAMS secret > >",
        "XREAD BLOCK 1 STREAMS STREAMS secret 0 0",
        "PFMERGE secret",
    ] {
        let words: Vec<&str> = call.split(' ').collect();
        assert_eq!(user.cmd(&words), refused, "{call}");
        let dry = [&["ACL", "DRYRUN", "u"][..], &words].concat();
        let told = "User u has no permissions to access the 'secret' key";
        assert_eq!(admin.cmd(&dry), Reply::bulk(told), "{call}");
    }
    assert_eq!(admin.cmd(&["GET", "secret"]), Reply::bulk("untouched"));
    for call in ["SORT k STORE by STORE ok", "GEORADIUS k 1 1 1 m STORE secret STORE ok", "PFMERGE STORE"] {
        assert!(!matches!(user.cmd(&call.split(' ').collect::<Vec<_>>()), Reply::Error(_)), "{call}");
    }
}
