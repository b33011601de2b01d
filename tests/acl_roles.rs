//! Roles: permissions with a name that users have besides their own, and the digest of all that users may do.

mod common;

use std::fs;

use common::{Connection, Reply, Server, run, wait_until};

fn done(client: &mut Connection, line: &str) {
    assert_eq!(run(client, line), Reply::ok(), "{line}");
}

fn as_user(server: &Server, name: &str) -> Connection {
    let mut client = server.connect();
    done(&mut client, &format!("AUTH {name} x"));
    client
}

fn list(client: &mut Connection) -> Vec<String> {
    let Reply::Array(lines) = run(client, "ACL LIST") else { panic!("no list") };
    lines.iter().map(Reply::text).collect()
}

fn pair(name: &str, value: Reply) -> [Reply; 2] {
    [Reply::bulk(name), value]
}

fn permissions(commands: &str, keys: &str, channels: &str, databases: &str) -> Vec<[Reply; 2]> {
    let fields = [("commands", commands), ("keys", keys), ("channels", channels), ("databases", databases)];
    fields.map(|(name, value)| pair(name, Reply::bulk(value))).to_vec()
}

/// Fields as RESP2 has them, or as RESP3.
fn map(fields: Vec<[Reply; 2]>, resp3: bool) -> Reply {
    match resp3 {
        true => Reply::Map(fields.into_iter().map(|[name, value]| (name, value)).collect()),
        false => Reply::Array(fields.into_iter().flatten().collect()),
    }
}

#[test]
fn roles_are_told_with_their_rules_and_users() {
    let server = Server::start();
    for resp3 in [false, true] {
        let mut client = server.connect();
        client.cmd(&["HELLO", if resp3 { "3" } else { "2" }]);
        assert_eq!(run(&mut client, "ACL ROLES"), Reply::Array(Vec::new()));
        assert_eq!(run(&mut client, "ACL GETROLE reader"), Reply::Null);
        done(&mut client, "ACL SETROLE reader ~app:* +@read (+info db=1)");
        done(&mut client, "ACL SETROLE Reader");
        done(&mut client, "ACL SETUSER bob role=Reader,reader,Reader");
        done(&mut client, "ACL SETUSER alice role=reader");
        assert_eq!(run(&mut client, "ACL ROLES"), Reply::bulks(&["Reader", "reader"]));
        let mut fields = permissions("-@all +@read", "~app:*", "", "alldbs");
        let selector = map(permissions("-@all +info", "", "", "db=1"), resp3);
        fields.push(pair("selectors", Reply::Array(vec![selector])));
        fields.push(pair("users", Reply::bulks(&["alice", "bob"])));
        assert_eq!(run(&mut client, "ACL GETROLE reader"), map(fields, resp3));

        let flags = vec![Reply::bulk("off"), Reply::bulk("sanitize-payload")];
        let flags = if resp3 { Reply::Set(flags) } else { Reply::Array(flags) };
        let mut fields = vec![pair("flags", flags), pair("passwords", Reply::Array(Vec::new()))];
        fields.extend(permissions("-@all", "", "", "").drain(..3));
        fields.push(pair("selectors", Reply::Array(Vec::new())));
        fields.push(pair("roles", Reply::bulks(&["Reader", "reader"])));
        assert_eq!(run(&mut client, "ACL GETUSER bob"), map(fields, resp3));

        let told = list(&mut client);
        assert_eq!(told[0], "role Reader resetchannels -@all");
        assert_eq!(told[1], "role reader ~app:* resetchannels -@all +@read (resetchannels db=1 -@all +info)");
        assert_eq!(told[3], "user bob off sanitize-payload resetchannels -@all role=Reader,reader");

        // Another rule of this kind takes the place of the first.
        done(&mut client, "ACL SETUSER bob Role=Reader");
        assert!(list(&mut client)[3].ends_with(" role=Reader"));
        for rule in ["resetroles", "reset"] {
            done(&mut client, &format!("ACL SETUSER bob role=reader {rule}"));
            assert_eq!(list(&mut client)[3], "user bob off sanitize-payload resetchannels -@all");
        }
        assert_eq!(run(&mut client, "ACL DELUSER alice bob"), Reply::Integer(2));
        assert_eq!(run(&mut client, "ACL DELROLE reader none Reader reader"), Reply::Integer(2));
    }
}

#[test]
fn a_role_that_someone_has_stays() {
    let server = Server::start();
    let mut client = server.connect();
    done(&mut client, "ACL SETROLE reader +get");
    done(&mut client, "ACL SETROLE writer +set");
    done(&mut client, "ACL SETUSER alice role=reader");
    let refused = "ERR Role 'reader' is assigned to one or more users. Remove it from them first.";
    assert_eq!(run(&mut client, "ACL DELROLE writer reader"), Reply::error(refused));
    assert_eq!(run(&mut client, "ACL ROLES"), Reply::bulks(&["reader", "writer"]));
    done(&mut client, "ACL SETUSER alice role=writer");
    assert_eq!(run(&mut client, "ACL DELROLE reader"), Reply::Integer(1));
    done(&mut client, "ACL SETUSER default role=writer");
    assert_eq!(run(&mut client, "ACL DELUSER alice"), Reply::Integer(1));
    assert!(run(&mut client, "ACL DELROLE writer").into_error().starts_with("ERR Role 'writer' is assigned"));
}

#[test]
fn wrong_names_and_rules_change_nothing() {
    let server = Server::start();
    let mut client = server.connect();
    done(&mut client, "ACL SETROLE reader +get");
    let before = list(&mut client);
    for (name, error) in [
        ("", "Role names can't be empty"),
        ("a b", "Role names can't contain spaces or null characters"),
        ("a\"b", "Role names can't contain quotes or backslashes"),
        ("a,b", "Role names can't contain commas"),
        ("read", "Role name 'read' conflicts with a command or category name"),
        ("Get", "Role name 'Get' conflicts with a command or category name"),
    ] {
        assert_eq!(client.cmd(&["ACL", "SETROLE", name, "+get"]), Reply::error(&format!("ERR {error}")));
    }
    let of_users = "The rule is valid for users only, not for roles";
    for (rule, error) in [
        ("on", of_users),
        (">secret", of_users),
        ("role=reader", of_users),
        ("resetroles", of_users),
        ("nope", "Syntax error"),
        ("+nope", "Unknown command or category name in ACL"),
    ] {
        let told = client.cmd(&["ACL", "SETROLE", "reader", "+set", rule]);
        assert_eq!(told, Reply::error(&format!("ERR Error in ACL SETROLE modifier '{rule}': {error}")));
    }
    let unmatched = "ERR Unmatched parenthesis in acl selector starting at '(+get'.";
    assert_eq!(run(&mut client, "ACL SETROLE other (+get"), Reply::error(unmatched));
    for (rule, error) in [
        ("role=", "Syntax error"),
        ("role=reader,", "Syntax error"),
        ("role=nope", "The specified ACL role does not exist"),
        ("role=reader,READER", "The specified ACL role does not exist"),
    ] {
        let told = client.cmd(&["ACL", "SETUSER", "default", "off", rule]);
        assert_eq!(told, Reply::error(&format!("ERR Error in ACL SETUSER modifier '{rule}': {error}")));
    }
    for (call, name) in [("DELROLE", "delrole"), ("GETROLE", "getrole"), ("SETROLE", "setrole")] {
        let arity = format!("ERR wrong number of arguments for 'acl|{name}' command");
        assert_eq!(client.cmd(&["ACL", call]), Reply::error(&arity));
    }
    for (call, name) in [("ROLES", "roles"), ("DIGEST", "digest")] {
        let arity = format!("ERR wrong number of arguments for 'acl|{name}' command");
        assert_eq!(client.cmd(&["ACL", call, "x"]), Reply::error(&arity));
    }
    assert_eq!(list(&mut client), before);
}

#[test]
fn roles_are_in_effect_and_refusals_are_logged() {
    let server = Server::start();
    let mut admin = server.connect();
    done(&mut admin, "ACL SETROLE cache +set +get ~cache:*");
    done(&mut admin, "ACL SETROLE all +@all ~* &*");
    done(&mut admin, "ACL SETUSER u on nopass +del ~own role=cache");
    let mut user = as_user(&server, "u");
    done(&mut user, "SET cache:a 1");
    assert_eq!(run(&mut user, "DEL own"), Reply::Integer(0));
    let no_key = Reply::error("NOPERM No permissions to access a key");
    assert_eq!(run(&mut user, "SET own 1"), no_key);
    let no_command = Reply::error("NOPERM User u has no permissions to run the 'dbsize' command");
    assert_eq!(run(&mut user, "DBSIZE"), no_command);
    assert_eq!(
        run(&mut user, "ACL ROLES"),
        Reply::error("NOPERM User u has no permissions to run the 'acl|roles' command")
    );
    let Reply::Array(entries) = run(&mut admin, "ACL LOG") else { panic!("no log") };
    assert_eq!(entries.len(), 3);
    assert_eq!(run(&mut admin, "ACL DRYRUN u GET cache:a"), Reply::ok());
    let dry = "User u has no permissions to access the 'own' key";
    assert_eq!(run(&mut admin, "ACL DRYRUN u GET own"), Reply::bulk(dry));

    // Keys that follow from values need the right to read all, which a role can give.
    done(&mut admin, "ACL SETROLE cache +sort ~list");
    assert!(run(&mut user, "SORT list BY weight_*").into_error().contains("BY option of SORT denied"));
    done(&mut admin, "ACL SETROLE sorter +sort %R~*");
    done(&mut admin, "ACL SETUSER u role=cache,sorter");
    assert_eq!(run(&mut user, "SORT list BY weight_*"), Reply::Array(Vec::new()));

    // A role alone can make a user one that is never checked, and one that is again.
    done(&mut admin, "ACL SETUSER u role=all,cache");
    assert_eq!(run(&mut user, "DBSIZE"), Reply::Integer(1));
    done(&mut admin, "ACL SETROLE all -dbsize");
    assert_eq!(run(&mut user, "DBSIZE"), no_command);
    done(&mut user, "SET other 1");
    done(&mut admin, "ACL SETUSER u resetroles");
    assert_eq!(
        run(&mut user, "SET cache:a 1"),
        Reply::error("NOPERM User u has no permissions to run the 'set' command")
    );
}

#[test]
fn a_role_that_changes_changes_those_who_wait() {
    let server = Server::start();
    let mut admin = server.connect();
    done(&mut admin, "ACL SETROLE popper +blpop ~list");
    done(&mut admin, "ACL SETUSER u on nopass role=popper");
    let mut user = as_user(&server, "u");
    user.send(&["BLPOP", "list", "0"]);
    let is_blocked = |admin: &mut Connection| run(admin, "INFO clients").text().contains("blocked_clients:1\r\n");
    wait_until("the client waits", || is_blocked(&mut admin));
    done(&mut admin, "ACL SETROLE popper resetkeys ~other");
    assert_eq!(run(&mut admin, "RPUSH list x"), Reply::Integer(1));
    assert!(user.read().into_error().starts_with("NOPERM "));
    assert_eq!(run(&mut admin, "LLEN list"), Reply::Integer(1));
}

#[test]
fn subscribers_that_a_role_lets_listen_no_more_are_closed() {
    let server = Server::start();
    let mut admin = server.connect();
    done(&mut admin, "ACL SETROLE listener +subscribe +psubscribe +ping &news:* &own");
    done(&mut admin, "ACL SETUSER u on nopass role=listener");
    done(&mut admin, "ACL SETUSER v on nopass &news:a role=listener");
    let subscribed = |name: &str, call: [&str; 2]| {
        let mut client = as_user(&server, name);
        assert!(matches!(client.cmd(&call), Reply::Array(_)));
        client
    };
    let mut closed = subscribed("u", ["SUBSCRIBE", "news:a"]);
    let mut by_pattern = subscribed("u", ["PSUBSCRIBE", "news:*"]);
    let (mut stays, mut allowed) = (subscribed("u", ["SUBSCRIBE", "own"]), subscribed("v", ["SUBSCRIBE", "news:a"]));
    done(&mut admin, "ACL SETROLE listener resetchannels &own");
    assert!(closed.is_closed() && by_pattern.is_closed());
    assert!(matches!(stays.cmd(&["PING"]), Reply::Array(_)) && matches!(allowed.cmd(&["PING"]), Reply::Array(_)));
    done(&mut admin, "ACL SETUSER u resetroles");
    assert!(stays.is_closed());
}

#[test]
fn clients_hear_of_keys_only_that_a_role_lets_them_read() {
    let server = Server::start();
    let mut admin = server.connect();
    done(&mut admin, "ACL SETROLE tracker +client +get +ping ~a ~b");
    done(&mut admin, "ACL SETUSER u on nopass role=tracker");
    let mut user = as_user(&server, "u");
    user.cmd(&["HELLO", "3"]);
    done(&mut user, "CLIENT TRACKING ON BCAST");
    done(&mut admin, "ACL SETROLE tracker resetkeys ~b");
    done(&mut admin, "SET a 1");
    done(&mut admin, "SET b 1");
    let mut heard = Vec::new();
    while !format!("{heard:?}").contains(&format!("{:?}", Reply::bulk("b"))) {
        heard.push(user.read());
    }
    assert!(!format!("{heard:?}").contains(&format!("{:?}", Reply::bulk("a"))), "{heard:?}");
}

#[test]
fn roles_go_to_the_acl_file_and_come_from_it() {
    let folder = tempfile::tempdir().expect("a directory");
    let path = folder.path().join("users.acl");
    // Roles may stand behind the users who have them.
    fs::write(&path, "user bob on nopass role=viewer,customer\nrole viewer ~* +@read\nrole customer ~c (+set ~d)\n")
        .unwrap();
    let server = Server::start_with(&["--aclfile", path.to_str().unwrap()]);
    let mut admin = server.connect();
    let mut bob = as_user(&server, "bob");
    assert_eq!(run(&mut bob, "GET a"), Reply::Null);
    done(&mut bob, "SET d 1");
    done(&mut admin, "ACL SETUSER default role=viewer");
    done(&mut admin, "ACL SAVE");
    let (saved, digest) = (fs::read_to_string(&path).unwrap(), run(&mut admin, "ACL DIGEST"));
    assert_eq!(saved.lines().collect::<Vec<_>>(), list(&mut admin));
    assert!(saved.starts_with("role customer ~c resetchannels -@all (~d resetchannels -@all +set)\nrole viewer "));
    for _ in 0..2 {
        done(&mut admin, "ACL LOAD");
        assert_eq!(
            (list(&mut admin), run(&mut admin, "ACL DIGEST")),
            (saved.lines().map(str::to_owned).collect(), digest.clone())
        );
        let refused = "ERR Role 'viewer' is assigned to one or more users. Remove it from them first.";
        assert_eq!(run(&mut admin, "ACL DELROLE viewer"), Reply::error(refused));
    }
    for (text, part) in [
        ("role", ":1: role keyword requires a role name. "),
        ("role bad >secret\nuser bob role=bad", ":1: The rule is valid for users only, not for roles. WARNING: "),
        ("role bad (+get", ":1: Unmatched parenthesis in selector definition. "),
        ("role bad +nope", ":1: Error in applying operation '+nope': Unknown command or category name in ACL. "),
        ("role dup\n\nrole dup", "WARNING: Duplicate role 'dup' found on line 3. "),
        ("role q\"x +get", ":1: invalid role name: Role names can't contain quotes or backslashes. "),
        ("role read +get", ":1: invalid role name: Role name 'read' conflicts with a command or category name. "),
        ("user bob role=viewer", ":1: The specified ACL role does not exist. "),
    ] {
        fs::write(&path, text).unwrap();
        let error = run(&mut admin, "ACL LOAD").into_error();
        assert!(error.contains(part) && !error.contains("secret"), "{text}: {error}");
        assert_eq!(run(&mut admin, "ACL DIGEST"), digest, "{text}");
    }
    // What users have of a role is what the file has of it.
    fs::write(&path, "role viewer ~* +dbsize\nuser bob on nopass role=viewer\n").unwrap();
    done(&mut admin, "ACL LOAD");
    assert_eq!(run(&mut bob, "DBSIZE"), Reply::Integer(1));
    assert!(run(&mut bob, "GET a").into_error().starts_with("NOPERM "));
    assert_eq!(run(&mut admin, "ACL ROLES"), Reply::bulks(&["viewer"]));
}

#[test]
fn roles_come_from_the_configuration_and_are_rewritten_into_it() {
    let folder = tempfile::tempdir().expect("a directory");
    let (path, included) = (folder.path().join("redis.conf"), folder.path().join("roles.conf"));
    let main = format!("user bob on nopass role=viewer,far\nrole viewer ~* +@read\ninclude {}\n", included.display());
    fs::write(&path, main).unwrap();
    fs::write(&included, "role far +dbsize\n").unwrap();
    let before;
    {
        let server = Server::start_with_file(&path);
        let mut admin = server.connect();
        assert_eq!(run(&mut as_user(&server, "bob"), "DBSIZE"), Reply::Integer(0));
        done(&mut admin, "ACL SETROLE later ~rt:* +get (+set)");
        done(&mut admin, "ACL SETROLE viewer -exists");
        done(&mut admin, "CONFIG REWRITE");
        before = list(&mut admin);
    }
    let text = fs::read_to_string(&path).unwrap();
    let roles: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("role ")?.split(' ').next()).collect();
    assert_eq!(roles.len(), 2, "{text}");
    assert!(roles.contains(&"later") && roles.contains(&"viewer"), "{text}");
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with("dir ")).collect();
    fs::write(&path, lines.join("\n")).unwrap();
    let server = Server::start_with_file(&path);
    let mut admin = server.connect();
    assert_eq!(list(&mut admin), before);
    assert_eq!(run(&mut admin, "ACL DELROLE later"), Reply::Integer(1));
    done(&mut admin, "CONFIG REWRITE");
    assert!(!fs::read_to_string(&path).unwrap().contains("role later"));
    done(&mut admin, "ACL SETROLE far +get");
    let refused = "ERR Rewriting config file: role 'far' has changed, but is defined in an included file or on the command \
                   line";
    assert_eq!(run(&mut admin, "CONFIG REWRITE"), Reply::error(refused));
}

#[test]
fn servers_do_not_start_with_wrong_roles() {
    for (lines, error) in [
        ("role dup\nrole dup\n", "Error in role declaration 'dup': Duplicate role found."),
        ("role \"\" +get\n", "Error in role declaration '': Role names can't be empty"),
        ("role bad >secret\n", "Error in role declaration '>secret': The rule is valid for users only, not for roles"),
        (
            "role read +@all\n",
            "Error in role declaration 'read': Role name 'read' conflicts with a command or category",
        ),
        ("user bob role=none\n", "Error in user declaration 'role=none': The specified ACL role does not exist"),
        ("role\n", "Bad directive or wrong number of arguments"),
        ("role one\naclfile none\n", "define either an ACL file or declare users directly in your redis.conf"),
    ] {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("redis.conf");
        let socket = folder.path().join("socket");
        fs::write(&path, format!("port 0\nunixsocket {}\n{lines}", socket.display())).unwrap();
        let output = std::process::Command::new(common::binary()).arg(&path).output().expect("the server");
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        assert!(!output.status.success() && told.contains(error), "{lines}: {told}");
    }
}

#[test]
fn the_digest_tells_whether_two_servers_have_the_same_users() {
    let (one, two) = (Server::start(), Server::start());
    let (mut one, mut two) = (one.connect(), two.connect());
    let at_first = run(&mut one, "ACL DIGEST");
    assert_eq!(at_first, Reply::bulk("24ece0a4daea0bcb936b438ae6c9f36db76f57dfc70e00def7b2c26041c49822"));
    let changes =
        ["ACL SETROLE reader ~* +get", "ACL SETUSER alice on >alice ~key:* +get", "ACL SETUSER bob role=reader"];
    let mut seen = vec![at_first.text()];
    for change in changes {
        done(&mut one, change);
        let digest = run(&mut one, "ACL DIGEST").text();
        assert!(!seen.contains(&digest), "{change}");
        seen.push(digest);
    }
    for change in [changes[1], changes[0], changes[2]] {
        done(&mut two, change);
    }
    assert_eq!(run(&mut two, "ACL DIGEST"), run(&mut one, "ACL DIGEST"));
    for change in ["ACL DELUSER alice bob", "ACL DELROLE reader"] {
        assert!(matches!(run(&mut two, change), Reply::Integer(_)));
    }
    assert_eq!(run(&mut two, "ACL DIGEST"), at_first);
}
