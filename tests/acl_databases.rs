//! Rights to databases: `db=`, `alldbs` and `resetdbs`. With OXIDIS_VALKEY9 naming a valkey-server, what is said here
//! is asked of that one, too.

mod common;

use common::dataset::own_and_valkey;
use common::{Connection, Reply, Server, words};

const REFUSED: &str = "NOPERM No permissions to access database";

/// Whether a command is refused for the lack of a right to a database.
fn is_refused(client: &mut Connection, line: &str) -> bool {
    client.cmd(&words(line)) == Reply::error(REFUSED)
}

/// A client that acts as a user with all rights but for these rules about databases.
fn user(server: &Server, name: &str, rules: &str) -> Connection {
    let mut client = server.connect();
    let all = format!("ACL SETUSER {name} reset on nopass +@all ~* &* {rules}");
    assert_eq!(client.cmd(&words(&all)), Reply::ok());
    assert_eq!(client.cmd(&["AUTH", name, "x"]), Reply::ok());
    client
}

#[test]
fn rules_about_databases_are_told_as_they_hold() {
    for server in own_and_valkey(&[]) {
        let mut client = server.connect();
        for (rules, told) in [
            ("db=0", "db=0 "),
            ("db=1,0,1", "db=0,1 "),
            ("DB=07", "db=7 "),
            ("db=0 db=1", "db=1 "),
            ("db=2147483647", "db=2147483647 "),
            ("db=1 alldbs", ""),
            ("db=1 resetdbs", "resetdbs "),
            ("ResetDBs", "resetdbs "),
        ] {
            client.cmd(&["ACL", "DELUSER", "u"]);
            assert_eq!(client.cmd(&words(&format!("ACL SETUSER u {rules}"))), Reply::ok(), "{rules}");
            let Reply::Array(lines) = client.cmd(&["ACL", "LIST"]) else { panic!("no list") };
            let line = lines[1].text();
            assert!(line.ends_with(&format!(" resetchannels {told}-@all")), "{rules}: {line}");
        }
        client.cmd(&["ACL", "SETUSER", "u", "reset", "(~* db=3 +get)"]);
        let Reply::Array(lines) = client.cmd(&["ACL", "LIST"]) else { panic!("no list") };
        assert!(lines[1].text().ends_with(" -@all (~* resetchannels db=3 -@all +get)"), "{lines:?}");
    }
}

#[test]
fn wrong_rules_about_databases_are_told() {
    for server in own_and_valkey(&[]) {
        let mut client = server.connect();
        for (rule, error) in [
            ("db=", "Syntax error"),
            ("db=x", "Syntax error"),
            ("db=0,", "Syntax error"),
            ("db=,0", "Syntax error"),
            ("db=*", "Syntax error"),
            ("db=-1", "The provided database ID is out of range"),
            ("db=2147483648", "The provided database ID is out of range"),
        ] {
            let told = client.cmd(&["ACL", "SETUSER", "u", rule]).into_error();
            assert_eq!(told, format!("ERR Error in ACL SETUSER modifier '{rule}': {error}"));
        }
        assert_eq!(client.cmd(&["ACL", "USERS"]), Reply::bulks(&["default"]));
    }
}

#[test]
fn commands_need_the_right_to_the_databases_they_reach() {
    for server in own_and_valkey(&[]) {
        let mut client = user(&server, "u", "db=0,2");
        for allowed in [
            "PING",
            "SET key value",
            "SELECT 2",
            "SELECT 0",
            "MOVE none 2",
            "COPY key other DB 2 REPLACE",
            "SWAPDB 0 2",
            "SWAPDB 2 0",
            "SCAN 0",
            "FLUSHDB",
            "EVAL return(1) 0",
            "MIGRATE 127.0.0.1 1 none 1 10",
        ] {
            assert!(!is_refused(&mut client, allowed), "{allowed}");
        }
        for refused in ["SELECT 1", "MOVE key 1", "COPY key other DB 1", "SWAPDB 0 1", "SWAPDB 3 2", "FLUSHALL"] {
            assert!(is_refused(&mut client, refused), "{refused}");
        }
        // Numbers that are none of a database are for the command to refuse.
        assert_eq!(client.cmd(&["SELECT", "99"]).into_error(), "ERR DB index is out of range");
        assert!(client.cmd(&["SELECT", "x"]).into_error().starts_with("ERR "));
        assert!(!is_refused(&mut client, "MOVE key 99"));
    }
}

#[test]
fn the_selected_database_must_be_allowed_for_commands_on_keys() {
    for server in own_and_valkey(&[]) {
        let mut client = user(&server, "u", "db=3");
        for refused in [
            "GET key",
            "SET key x",
            "DBSIZE",
            "KEYS *",
            "SCAN 0",
            "RANDOMKEY",
            "FLUSHDB",
            "EVAL return(1) 0",
            "WATCH key",
            "COPY key other DB 3",
            "MOVE key 3",
            "FUNCTION FLUSH",
        ] {
            assert!(is_refused(&mut client, refused), "{refused}");
        }
        for allowed in ["PING", "CLIENT ID", "PUBLISH a b", "SCRIPT LOAD return(1)", "INFO x", "MULTI", "DISCARD"] {
            assert!(!is_refused(&mut client, allowed), "{allowed}");
        }
        assert_eq!(client.cmd(&["SELECT", "3"]), Reply::ok());
        assert_eq!(client.cmd(&["GET", "key"]), Reply::Null);
        // Its rights change under it.
        client.cmd(&["ACL", "SETUSER", "u", "db=4"]);
        assert!(is_refused(&mut client, "GET key"));
        client.cmd(&["ACL", "SETUSER", "u", "alldbs"]);
        assert_eq!(client.cmd(&["GET", "key"]), Reply::Null);
    }
}

#[test]
fn rights_to_databases_hold_in_transactions_and_scripts() {
    for server in own_and_valkey(&[]) {
        let mut client = user(&server, "u", "db=0,2");
        client.cmd(&["MULTI"]);
        assert!(is_refused(&mut client, "SELECT 1"));
        assert!(client.cmd(&["EXEC"]).into_error().starts_with("EXECABORT"));
        client.cmd(&["MULTI"]);
        client.cmd(&["SELECT", "2"]);
        client.cmd(&["GET", "key"]);
        assert_eq!(client.cmd(&["EXEC"]), Reply::Array(vec![Reply::ok(), Reply::Null]));
        let error = client.cmd(&["EVAL", "return redis.call('SELECT', 1)", "0"]).into_error();
        assert!(error.starts_with("ERR ACL failure in script: No permissions to access database"), "{error}");
        let may = "return {redis.acl_check_cmd('SELECT', '1'), redis.acl_check_cmd('SELECT', '2')}";
        assert_eq!(client.cmd(&["EVAL", may, "0"]), Reply::Array(vec![Reply::Null, Reply::Integer(1)]));
        let may = "return {redis.acl_check_cmd('SELECT', '2'), redis.acl_check_cmd('GET', 'key')}";
        assert_eq!(client.cmd(&["EVAL", may, "0"]), Reply::Array(vec![Reply::Integer(1), Reply::Integer(1)]));
    }
}

#[test]
fn selectors_have_databases_of_their_own() {
    for server in own_and_valkey(&[]) {
        let mut client = server.connect();
        client.cmd(&["ACL", "SETUSER", "u", "on", "nopass", "(+@all ~* db=1)", "(+@all ~* db=2)"]);
        client.cmd(&["AUTH", "u", "x"]);
        assert_eq!(client.cmd(&["SELECT", "1"]), Reply::ok());
        assert_eq!(client.cmd(&["SET", "key", "value"]), Reply::ok());
        assert_eq!(client.cmd(&["SELECT", "2"]), Reply::ok());
        assert_eq!(client.cmd(&["GET", "key"]), Reply::Null);
        assert!(client.cmd(&["SELECT", "0"]).into_error().starts_with("NOPERM "));
        assert!(client.cmd(&["SWAPDB", "1", "2"]).into_error().starts_with("NOPERM "), "no selector allows both");
        let mut other = server.connect();
        let Reply::Array(fields) = other.cmd(&["ACL", "GETUSER", "u"]) else { panic!("no user") };
        let [.., databases_name, databases, selectors_name, Reply::Array(selectors)] = &fields[..] else {
            panic!("{fields:?}")
        };
        assert_eq!((databases_name.text(), databases.text()), ("databases".into(), "alldbs".into()));
        assert_eq!(selectors_name.text(), "selectors");
        let Reply::Array(first) = &selectors[0] else { panic!("{selectors:?}") };
        assert_eq!(first[6..], [Reply::bulk("databases"), Reply::bulk("db=1")]);
    }
}

#[test]
fn refusals_of_databases_are_logged_counted_and_foretold() {
    for server in own_and_valkey(&[]) {
        let mut admin = server.connect();
        let mut client = user(&server, "u", "db=3");
        for line in ["GET key", "SELECT 1", "FLUSHALL"] {
            assert!(is_refused(&mut client, line));
        }
        let Reply::Array(entries) = admin.cmd(&["ACL", "LOG"]) else { panic!("no log") };
        let told: Vec<(String, String)> = entries
            .iter()
            .map(|entry| match entry {
                Reply::Array(fields) => (fields[3].text(), fields[7].text()),
                other => panic!("{other:?}"),
            })
            .collect();
        let expected = [("database", "flushall"), ("database", "1"), ("database", "get")];
        assert_eq!(told, expected.map(|(reason, object)| (reason.to_owned(), object.to_owned())));
        assert!(admin.cmd(&["INFO", "stats"]).text().contains("acl_access_denied_db:3\r\n"));
        for (call, object) in [("GET key", "GET"), ("SELECT 1", "1"), ("SWAPDB 0 3", "0"), ("flushall", "flushall")] {
            let told = admin.cmd(&words(&format!("ACL DRYRUN u {call}"))).text();
            assert_eq!(told, format!("User u has no permissions to access database {object}"));
        }
        assert_eq!(admin.cmd(&["ACL", "DRYRUN", "u", "SELECT", "3"]), Reply::ok());
        assert_eq!(admin.cmd(&["ACL", "DRYRUN", "u", "PING"]), Reply::ok());
    }
}

#[test]
fn rules_about_databases_come_back_from_the_acl_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.acl");
    std::fs::write(&path, "user u on nopass ~* &* db=1,2 +@all (+get ~x db=5)\n").unwrap();
    for server in own_and_valkey(&["--aclfile", path.to_str().unwrap()]) {
        let mut client = server.connect();
        assert_eq!(client.cmd(&["ACL", "SAVE"]), Reply::ok());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(" db=1,2 +@all (~x resetchannels db=5 -@all +get)"), "{text}");
        assert_eq!(client.cmd(&["ACL", "LOAD"]), Reply::ok());
        assert_eq!(client.cmd(&["ACL", "DRYRUN", "u", "SELECT", "2"]), Reply::ok());
    }
}

#[test]
fn users_without_limits_are_told_as_by_redis() {
    let server = Server::start();
    let Reply::Array(fields) = server.connect().cmd(&["ACL", "GETUSER", "default"]) else { panic!("no user") };
    assert_eq!(fields.len(), 12);
}
