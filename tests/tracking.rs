//! Client-side caching between connections.

mod common;

use common::{Connection, Reply, Server, wait_until};

fn resp3(server: &Server) -> Connection {
    let mut client = server.connect();
    assert!(matches!(client.cmd(&["HELLO", "3"]), Reply::Map(_)));
    client
}

fn tracker(server: &Server, options: &[&str]) -> Connection {
    let mut client = resp3(server);
    let words: Vec<&str> = ["CLIENT", "TRACKING", "ON"].iter().chain(options).copied().collect();
    assert_eq!(client.cmd(&words), Reply::ok());
    client
}

fn invalidate(keys: &[&str]) -> Reply {
    Reply::Push(vec![Reply::bulk("invalidate"), Reply::bulks(keys)])
}

fn pong() -> Reply {
    Reply::Simple("PONG".into())
}

/// What a client has been told, read up to the answer to a PING.
fn told(client: &mut Connection) -> Vec<Reply> {
    client.send(&["PING"]);
    let mut told = Vec::new();
    loop {
        match client.read() {
            reply if reply == pong() => return told,
            reply => told.push(reply),
        }
    }
}

fn info(client: &mut Connection, field: &str) -> usize {
    let text = client.cmd(&["INFO"]).text();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{field}:"))).expect("the field");
    line.trim().parse().expect("a number")
}

#[test]
fn the_first_change_of_what_was_read_is_told() {
    let server = Server::start();
    let (mut client, mut writer) = (tracker(&server, &[]), server.connect());
    client.cmd(&["GET", "a"]);
    client.cmd(&["MGET", "b", "c"]);
    writer.cmd(&["SET", "a", "1"]);
    assert_eq!(client.read(), invalidate(&["a"]));
    writer.cmd(&["SET", "a", "2"]);
    writer.cmd(&["SET", "d", "2"]);
    writer.cmd(&["MSET", "b", "1", "c", "1"]);
    assert_eq!(told(&mut client), [invalidate(&["b"]), invalidate(&["c"])]);
    // Databases are not told apart.
    client.cmd(&["GET", "a"]);
    writer.cmd(&["SELECT", "3"]);
    writer.cmd(&["SET", "a", "1"]);
    assert_eq!(told(&mut client), [invalidate(&["a"])]);
    client.cmd(&["GET", "a"]);
    writer.cmd(&["FLUSHDB"]);
    assert_eq!(told(&mut client), [Reply::Push(vec![Reply::bulk("invalidate"), Reply::Null])]);
    writer.cmd(&["FLUSHALL"]);
    assert_eq!(told(&mut client), [Reply::Push(vec![Reply::bulk("invalidate"), Reply::Null])]);
    client.cmd(&["GET", "a"]);
    client.cmd(&["CLIENT", "TRACKING", "OFF"]);
    writer.cmd(&["SET", "a", "1"]);
    assert_eq!(told(&mut client), []);
}

#[test]
fn ones_own_changes_are_told_behind_the_reply_unless_that_is_not_wanted() {
    let server = Server::start();
    let mut client = tracker(&server, &[]);
    client.cmd(&["GET", "a"]);
    assert_eq!(client.cmd(&["INCR", "a"]), Reply::Integer(1));
    assert_eq!(client.read(), invalidate(&["a"]));
    client.cmd(&["GET", "a"]);
    client.cmd(&["MULTI"]);
    client.cmd(&["INCR", "a"]);
    client.cmd(&["GET", "b"]);
    assert_eq!(client.cmd(&["EXEC"]), Reply::Array(vec![Reply::Integer(2), Reply::Null]));
    assert_eq!(client.read(), invalidate(&["a"]));
    let (mut quiet, mut writer) = (tracker(&server, &["NOLOOP"]), server.connect());
    quiet.cmd(&["MGET", "x", "y"]);
    quiet.cmd(&["SET", "x", "1"]);
    writer.cmd(&["SET", "y", "1"]);
    assert_eq!(told(&mut quiet), [invalidate(&["y"])]);
}

#[test]
fn expiry_is_a_change() {
    let server = Server::start();
    let (mut client, mut writer) = (tracker(&server, &[]), server.connect());
    writer.cmd(&["SET", "a", "1", "PX", "1"]);
    writer.cmd(&["SET", "b", "1"]);
    client.cmd(&["GET", "b"]);
    client.cmd(&["EXISTS", "a"]);
    writer.cmd(&["PEXPIRE", "b", "1"]);
    assert_eq!(client.read(), invalidate(&["b"]));
    client.cmd(&["EXISTS", "c"]);
    client.cmd(&["TTL", "b"]);
    wait_until("all have expired", || writer.cmd(&["DBSIZE"]) == Reply::Integer(0));
    writer.cmd(&["SET", "c", "1"]);
    let told = told(&mut client);
    assert!(told.contains(&invalidate(&["c"])), "{told:?}");
}

#[test]
fn broadcasts_tell_changes_by_prefix_together() {
    let server = Server::start();
    let mut all = tracker(&server, &["BCAST"]);
    let mut some = tracker(&server, &["BCAST", "PREFIX", "a", "PREFIX", "b", "NOLOOP"]);
    let mut writer = server.connect();
    writer.cmd(&["MSET", "a1", "1", "c1", "1", "a2", "1"]);
    assert_eq!(all.read(), invalidate(&["a1", "a2", "c1"]));
    assert_eq!(some.read(), invalidate(&["a1", "a2"]));
    some.cmd(&["SET", "b1", "1"]);
    assert_eq!(all.read(), invalidate(&["b1"]));
    writer.cmd(&["SET", "b1", "2"]);
    assert_eq!(all.read(), invalidate(&["b1"]));
    assert_eq!(told(&mut some), [invalidate(&["b1"])]);
    let error = "ERR Prefix 'ab' overlaps with an existing prefix 'a'. Prefixes for a single client must not overlap.";
    assert_eq!(some.cmd(&["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "ab"]), Reply::error(error));
    assert_eq!(info(&mut writer, "tracking_total_prefixes"), 3);
    drop(some);
    wait_until("it has gone", || info(&mut writer, "tracking_total_prefixes") == 1);
    assert_eq!(info(&mut writer, "tracking_clients"), 1);
}

#[test]
fn opting_in_and_out_concerns_the_next_command() {
    let server = Server::start();
    let mut writer = server.connect();
    let mut client = tracker(&server, &["OPTIN"]);
    client.cmd(&["GET", "a"]);
    assert_eq!(client.cmd(&["CLIENT", "CACHING", "YES"]), Reply::ok());
    client.cmd(&["CLIENT", "ID"]);
    client.cmd(&["GET", "b"]);
    client.cmd(&["GET", "c"]);
    client.cmd(&["CLIENT", "CACHING", "YES"]);
    client.cmd(&["MULTI"]);
    client.cmd(&["GET", "d"]);
    client.cmd(&["GET", "e"]);
    client.cmd(&["EXEC"]);
    client.cmd(&["GET", "f"]);
    for key in ["a", "b", "c", "d", "e", "f"] {
        writer.cmd(&["SET", key, "1"]);
    }
    assert_eq!(told(&mut client), ["b", "d", "e"].map(|key| invalidate(&[key])));
    let mut client = tracker(&server, &["OPTOUT"]);
    client.cmd(&["GET", "a"]);
    client.cmd(&["CLIENT", "CACHING", "NO"]);
    client.cmd(&["GET", "b"]);
    writer.cmd(&["MSET", "a", "1", "b", "1"]);
    assert_eq!(told(&mut client), [invalidate(&["a"])]);
    let error = "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.";
    assert_eq!(client.cmd(&["CLIENT", "CACHING", "YES"]), Reply::error(error));
}

#[test]
fn another_connection_can_be_told() {
    let server = Server::start();
    let (mut listener, mut client, mut writer) = (server.connect(), resp3(&server), server.connect());
    let Reply::Integer(id) = listener.cmd(&["CLIENT", "ID"]) else { panic!("no id") };
    listener.cmd(&["SUBSCRIBE", "__redis__:invalidate"]);
    let on = ["CLIENT", "TRACKING", "ON", "REDIRECT", &id.to_string()];
    assert_eq!(client.cmd(&on), Reply::ok());
    assert_eq!(client.cmd(&["CLIENT", "GETREDIR"]), Reply::Integer(id));
    client.cmd(&["GET", "a"]);
    writer.cmd(&["SET", "a", "1"]);
    let message = vec![Reply::bulk("message"), Reply::bulk("__redis__:invalidate"), Reply::bulks(&["a"])];
    assert_eq!(listener.read(), Reply::Array(message));
    assert_eq!(told(&mut client), []);
    writer.cmd(&["FLUSHALL"]);
    let message = vec![Reply::bulk("message"), Reply::bulk("__redis__:invalidate"), Reply::Null];
    assert_eq!(listener.read(), Reply::Array(message));
    client.cmd(&["GET", "a"]);
    drop(listener);
    wait_until("it has gone", || writer.cmd(&["CLIENT", "LIST", "ID", &id.to_string()]).text().is_empty());
    writer.cmd(&["SET", "a", "1"]);
    let broken = Reply::Push(vec![Reply::bulk("tracking-redir-broken"), Reply::Integer(id)]);
    assert_eq!(told(&mut client), [broken]);
    let error = "ERR The client ID you want redirect to does not exist";
    assert_eq!(client.cmd(&on), Reply::error(error));
}

#[test]
fn an_eviction_is_told_before_the_reply_of_the_command_that_caused_it() {
    let server = Server::start_with(&["--maxmemory-policy", "volatile-random"]);
    let mut client = tracker(&server, &[]);
    client.cmd(&["SETEX", "volatile", "1000", "x"]);
    client.cmd(&["GET", "volatile"]);
    client.cmd(&["CONFIG", "SET", "maxmemory", "1"]);
    client.send(&["GET", "volatile"]);
    let first = client.read();
    // The eviction may have come between the commands as well.
    assert_eq!(first, invalidate(&["volatile"]));
    assert_eq!(client.read(), Reply::Null);
}

#[test]
fn what_is_remembered_is_bounded() {
    let server = Server::start_with(&["--tracking-table-max-keys", "10"]);
    let (mut client, mut observer) = (tracker(&server, &[]), server.connect());
    for key in 0..30 {
        client.send(&["GET", &key.to_string()]);
    }
    let mut invalidated = 0;
    let mut answered = 0;
    while answered < 30 {
        match client.read() {
            Reply::Push(_) => invalidated += 1,
            _ => answered += 1,
        }
    }
    wait_until("the table has shrunk", || info(&mut observer, "tracking_total_keys") <= 10);
    invalidated += told(&mut client).len();
    assert_eq!(info(&mut observer, "tracking_total_keys") + invalidated, 30);
    client.cmd(&["CLIENT", "TRACKING", "OFF"]);
    assert_eq!(info(&mut observer, "tracking_clients"), 0);
}

#[test]
fn the_options_are_told_and_reset() {
    let server = Server::start();
    let mut client = tracker(&server, &["OPTIN", "NOLOOP"]);
    client.cmd(&["CLIENT", "CACHING", "YES"]);
    let Reply::Map(fields) = client.cmd(&["CLIENT", "TRACKINGINFO"]) else { panic!("no map") };
    let flags = ["on", "optin", "caching-yes", "noloop"].iter().map(Reply::bulk).collect();
    assert_eq!(fields[0], (Reply::bulk("flags"), Reply::Set(flags)));
    assert_eq!(fields[1], (Reply::bulk("redirect"), Reply::Integer(0)));
    let line = client.cmd(&["CLIENT", "INFO"]).text();
    assert!(line.contains(" flags=t ") && line.contains(" redir=0 "), "{line}");
    for options in [&["OPTOUT"][..], &["BCAST"], &["PREFIX", "a"], &["OPTIN", "OPTOUT"], &["REDIRECT", "99"]] {
        let words: Vec<&str> = ["CLIENT", "TRACKING", "ON"].iter().chain(options).copied().collect();
        assert!(matches!(client.cmd(&words), Reply::Error(_)), "{words:?}");
    }
    client.cmd(&["RESET"]);
    assert_eq!(client.cmd(&["CLIENT", "GETREDIR"]), Reply::Integer(-1));
}

fn forget_all() -> Reply {
    Reply::Push(vec![Reply::bulk("invalidate"), Reply::Null])
}

/// A client of a user made by these rules, which speaks RESP3.
fn restricted(server: &Server, rules: &[&str]) -> Connection {
    let words = [&["ACL", "SETUSER", "u", "reset", "on", "nopass", "+@all", "resetchannels"][..], rules].concat();
    assert_eq!(server.connect().cmd(&words), Reply::ok());
    let mut client = server.connect();
    assert!(matches!(client.cmd(&["HELLO", "3", "AUTH", "u", "x"]), Reply::Map(_)));
    client
}

#[test]
fn broadcasts_name_only_keys_that_the_user_may_read() {
    let server = Server::start();
    let mut writer = server.connect();
    for options in
        [&[][..], &["NOLOOP"], &["PREFIX", ""], &["PREFIX", "app:", "PREFIX", "%R"], &["PREFIX", "a", "PREFIX", "s"]]
    {
        let mut client = restricted(&server, &["~app:*", "%R~shared", "%W~app", "(%R~s[12] %W~secret*)"]);
        let words = [&["CLIENT", "TRACKING", "ON", "BCAST"][..], options].concat();
        let reply = client.cmd(&words);
        if options.contains(&"%R") {
            assert!(reply.into_error().starts_with("NOPERM "));
            continue;
        }
        assert_eq!(reply, Reply::ok());
        writer.cmd(&["MSET", "app:1", "v", "app", "v", "secret", "v", "shared", "v", "s1", "v", "s3", "v"]);
        let mut keys: Vec<String> = Vec::new();
        for push in told(&mut client) {
            let Reply::Push(parts) = push else { panic!("{push:?}") };
            let Reply::Array(names) = &parts[1] else { panic!("{parts:?}") };
            keys.extend(names.iter().map(Reply::text));
        }
        keys.sort();
        assert_eq!(keys, ["app:1", "s1", "shared"], "{options:?}");
        writer.cmd(&["SET", "secret", "w"]);
        assert_eq!(told(&mut client), [], "{options:?}");
    }
}

#[test]
fn prefixes_without_a_key_that_the_user_may_read_are_refused() {
    let server = Server::start();
    let mut admin = server.connect();
    let refused = "NOPERM No permissions to access a key";
    let mut client = restricted(&server, &["~app:*", "%R~lone", "%W~write*"]);
    for prefix in ["secret", "b", "apq", "lone2", "write", "write:1"] {
        admin.cmd(&["ACL", "LOG", "RESET"]);
        let both = ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "app:", "PREFIX", prefix];
        assert_eq!(client.cmd(&both), Reply::error(refused), "{prefix}");
        let Reply::Array(log) = admin.cmd(&["ACL", "LOG"]) else { panic!("no log") };
        let Reply::Array(entry) = &log[0] else { panic!("{log:?}") };
        assert_eq!((&entry[3], &entry[7]), (&Reply::bulk("key"), &Reply::bulk(prefix)));
        assert_eq!(info(&mut admin, "tracking_clients"), 0);
    }
    let words = ["CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "app:x", "PREFIX", "lo"];
    assert_eq!(client.cmd(&words), Reply::ok());
    let mut nobody = restricted(&server, &["%W~*"]);
    assert_eq!(nobody.cmd(&["CLIENT", "TRACKING", "ON", "BCAST"]), Reply::error(refused));
    assert_eq!(nobody.cmd(&["CLIENT", "TRACKING", "ON"]), Reply::ok());
}

#[test]
fn who_loses_the_right_to_read_forgets_everything_and_hears_no_names() {
    let server = Server::start();
    let mut admin = server.connect();
    for (options, rules) in [(&[][..], &["resetkeys", "~b"][..]), (&["BCAST"], &["resetkeys", "%W~a", "~b"])] {
        let mut client = restricted(&server, &["~*"]);
        client.cmd(&[&["CLIENT", "TRACKING", "ON"][..], options].concat());
        client.cmd(&["MGET", "a", "b"]);
        admin.cmd(&["ACL", "SETUSER", "u", "-debug", "~more"]);
        assert_eq!(told(&mut client), [], "nothing is lost");
        admin.cmd(&[&["ACL", "SETUSER", "u"][..], rules].concat());
        assert_eq!(told(&mut client), [forget_all()]);
        admin.cmd(&["MSET", "a", "1", "b", "1"]);
        assert_eq!(told(&mut client), [invalidate(&["b"])], "{options:?}");
    }
}

#[test]
fn the_rights_of_who_tracks_count_where_another_is_told() {
    let server = Server::start();
    let mut admin = server.connect();
    let mut told_instead = resp3(&server);
    let Reply::Integer(id) = told_instead.cmd(&["CLIENT", "ID"]) else { panic!("no id") };
    let mut client = restricted(&server, &["~a*"]);
    let words = ["CLIENT", "TRACKING", "ON", "BCAST", "REDIRECT", &id.to_string()];
    assert_eq!(client.cmd(&words), Reply::ok());
    admin.cmd(&["MSET", "a1", "1", "b1", "1"]);
    assert_eq!(told(&mut told_instead), [invalidate(&["a1"])]);
}

#[test]
fn of_a_script_the_keys_that_it_reads_are_remembered() {
    let server = Server::start();
    let mut client = tracker(&server, &[]);
    let mut other = resp3(&server);
    client.cmd(&["EVAL", "redis.call('GET', KEYS[1]) return redis.call('GET', 'undeclared')", "2", "read", "unread"]);
    client.cmd(&["EVAL", "return redis.call('INCR', KEYS[1])", "1", "written"]);
    for key in ["unread", "written", "read", "undeclared"] {
        other.cmd(&["SET", key, "1"]);
    }
    assert_eq!(told(&mut client), [invalidate(&["read"]), invalidate(&["undeclared"])]);
}
