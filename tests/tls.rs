//! TLS: who gets in, settings and their reload, broken and slow handshakes, and TLS to other servers.
//!
//! What needs a redis-server 7.0.x in PATH (or named by OXIDIS_DIFFERENTIAL_REDIS) says so without one, and tests
//! nothing.

mod common;

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::process::Command;
use std::thread;
use std::time::Duration;

use common::dataset::redis_7;
use common::tls::{TlsServer, anonymous, file, showing};
use common::{Connection, Reply, Stream, binary, encode, socket_to, wait_until};
use oxidis::tls::{Client, ClientOptions};

#[test]
fn our_client_speaks_tls_with_redis() {
    let Some(redis) = redis_7() else { return };
    let server = TlsServer::start_program(&redis, &[]);
    let accepted = |options: &ClientOptions| server.session(options).map(|_| ());
    accepted(&showing("client")).expect("a session");
    accepted(&ClientOptions { ca_file: None, ca_folder: Some(file("ca-dir")), ..showing("client") })
        .expect("a session");
    accepted(&showing("plain")).expect("a session");
    let suspicious = ClientOptions { ca_file: Some(file("stranger.crt")), ..showing("client") };
    let error = accepted(&suspicious).expect_err("an authority that is not trusted");
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    let careless = ClientOptions { insecure: true, server_name: Some("localhost".to_owned()), ..suspicious };
    accepted(&careless).expect("a session");
}

#[test]
fn clients_are_let_in_by_their_certificate() {
    let server = TlsServer::start(&[]);
    for name in ["client", "server", "plain"] {
        server.session(&showing(name)).expect("a session");
    }
    for name in ["stranger", "old"] {
        server.session(&showing(name)).map(|_| ()).expect_err(name);
    }
    server.session(&anonymous()).map(|_| ()).expect_err("no certificate");
    wait_until("three refusals in the log", || {
        server.server.log().matches("Error accepting a client connection: ").count() == 3
    });

    assert_eq!(server.set("tls-auth-clients", "optional"), Reply::ok());
    server.session(&anonymous()).expect("a session");
    server.session(&showing("client")).expect("a session");
    server.session(&showing("stranger")).map(|_| ()).expect_err("what is shown is checked");
    assert_eq!(server.set("tls-auth-clients", "no"), Reply::ok());
    server.session(&anonymous()).expect("a session");
    server.session(&showing("stranger")).expect("a session");
    assert_eq!(server.set("tls-auth-clients", "yes"), Reply::ok());
    server.session(&anonymous()).map(|_| ()).expect_err("no certificate");
}

#[test]
fn a_certificate_that_is_trusted_itself_lets_in() {
    let server = TlsServer::start(&["--tls-ca-cert-file", &file("self.crt")]);
    server.session(&showing("self")).expect("a session");
    server.session(&showing("client")).map(|_| ()).expect_err("another authority");
    let shown = [("tls-cert-file", "self.crt"), ("tls-key-file", "self.key")].map(|(d, name)| (d, file(name)));
    let words = ["config", "set", shown[0].0, &shown[0].1, shown[1].0, &shown[1].1];
    assert_eq!(server.server.connect().cmd(&words), Reply::ok());
    server.session(&ClientOptions { ca_file: Some(file("self.crt")), ..showing("self") }).expect("a session");
}

#[test]
fn big_requests_replies_and_pipelines_pass() {
    let server = TlsServer::start(&[]);
    let mut connection = server.connect();
    for size in [1, 1000, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 300_000, 5_000_000] {
        let value: Vec<u8> = (0..size).map(|index: usize| (index * 7 + index / 251) as u8).collect();
        assert_eq!(connection.cmd(&[b"set", &b"key"[..], &value]), Reply::ok());
        assert!(connection.cmd(&["get", "key"]) == Reply::Bulk(value), "{size} bytes");
    }
    let requests: Vec<u8> = (0..10_000).flat_map(|number| encode(&["echo", &number.to_string()])).collect();
    connection.raw(&requests);
    for number in 0..10_000 {
        assert_eq!(connection.read(), Reply::bulk(number.to_string()));
    }
}

#[test]
fn a_reader_that_lags_gets_everything_in_the_end() {
    let server = TlsServer::start(&[]);
    let mut connection = server.connect();
    let value = vec![b'x'; 1_000_000];
    assert_eq!(connection.cmd(&[b"set", &b"key"[..], &value]), Reply::ok());
    // Far more than the sockets hold: the rest waits in the server.
    for _ in 0..50 {
        connection.send(&["get", "key"]);
    }
    wait_until("the socket is full", || server.info("client_recent_max_output_buffer") >= 0);
    for _ in 0..50 {
        assert!(connection.read() == Reply::Bulk(value.clone()));
    }
    assert_eq!(connection.cmd(&["ping"]), Reply::Simple("PONG".into()));
}

#[test]
fn messages_reach_subscribers_and_blocked_clients() {
    let server = TlsServer::start(&[]);
    let (mut listener, mut waiter, mut speaker) = (server.connect(), server.connect(), server.connect());
    listener.cmd(&["subscribe", "news"]);
    waiter.send(&["blpop", "list", "0"]);
    wait_until("one is blocked", || server.info("blocked_clients") == 1);
    assert_eq!(speaker.cmd(&["publish", "news", "hello"]), Reply::Integer(1));
    assert_eq!(listener.read(), Reply::bulks(&["message", "news", "hello"]));
    assert_eq!(speaker.cmd(&["rpush", "list", "one"]), Reply::Integer(1));
    assert_eq!(waiter.read(), Reply::bulks(&["list", "one"]));
}

#[test]
fn a_session_is_ended_by_its_alert() {
    let server = TlsServer::start(&[]);
    let mut connection = server.connect();
    assert_eq!(connection.cmd(&["quit"]), Reply::ok());
    // Without the alert this would be an error.
    assert_eq!(connection.read_to_end(), b"");
}

#[test]
fn requests_before_the_end_of_a_session_are_answered() {
    let server = TlsServer::start(&[]);
    let client = Client::new(&showing("client")).expect("options that are fine");
    let mut stream = client.connect(socket_to(server.port)).expect("a session");
    stream.write_all(&encode(&["set", "key", "value"])).expect("a request");
    stream.write_all(&encode(&["get", "key"])).expect("a request");
    stream.conn.send_close_notify();
    stream.flush().expect("an alert");
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).expect("answers");
    assert_eq!(answers, b"+OK\r\n$5\r\nvalue\r\n");
}

#[test]
fn what_is_no_tls_is_closed_and_logged() {
    let mut server = TlsServer::start(&[]);
    for garbage in [
        &b"*1\r\n$4\r\nPING\r\n"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        &[0x16; 100],
        &[0xff; 100_000],
        b"\x16\x03\x01\xff\xff",
    ] {
        let mut stream = socket_to(server.port);
        // The server may close before it has taken everything.
        let _ = stream.write_all(garbage);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"+") && !answer.starts_with(b"-"), "{answer:?}");
    }
    wait_until("five lines in the log", || {
        server.server.log().matches("Error accepting a client connection: ").count() == 5
    });
    assert_eq!(server.connect().cmd(&["ping"]), Reply::Simple("PONG".into()));
    wait_until("they are gone", || server.info("connected_clients") <= 2);
    assert!(server.server.exit_within(Duration::ZERO).is_none());
}

#[test]
fn the_plain_port_can_be_off_and_ports_change_places() {
    let server = TlsServer::start(&["--port", "0"]);
    let mut connection = server.connect();
    let port = server.port.to_string();
    assert_eq!(connection.cmd(&["config", "set", "tls-port", "0"]), Reply::ok());
    assert_eq!(connection.cmd(&["config", "set", "port", &port]), Reply::ok());
    let mut plain = Connection::to(server.port);
    assert_eq!(plain.cmd(&["config", "set", "port", "0"]), Reply::ok());
    assert_eq!(plain.cmd(&["config", "set", "tls-port", &port]), Reply::ok());
    assert_eq!(server.connect().cmd(&["ping"]), Reply::Simple("PONG".into()));
    assert_eq!(connection.cmd(&["ping"]), Reply::Simple("PONG".into()), "what stands stays");
}

#[test]
fn certificates_are_reloaded_and_bad_ones_refused() {
    let server = TlsServer::start(&[]);
    let refused = |directive: &str, value: &str| {
        let error = server.set(directive, value).into_error();
        let reason = "Unable to update TLS configuration. Check server logs.";
        assert_eq!(error, format!("ERR CONFIG SET failed (possibly related to argument '{directive}') - {reason}"));
        server.session(&showing("client")).expect("a session with what was set before");
    };
    refused("tls-cert-file", &file("nosuch.crt"));
    refused("tls-cert-file", &file("stranger.crt"));
    refused("tls-key-file", &file("locked.key"));
    refused("tls-ca-cert-file", &file("server.key"));
    refused("tls-protocols", "SSLv3");
    refused("tls-ciphers", "nosuch");
    refused("tls-ciphersuites", "nosuch");
    refused("tls-dh-params-file", &file("server.key"));
    refused("tls-ca-cert-file", "");
    assert_eq!(server.set("tls-key-file-pass", "1234"), Reply::ok());
    assert_eq!(server.set("tls-key-file", &file("locked.key")), Reply::ok());
    server.session(&showing("client")).expect("a session");
    refused("tls-key-file-pass", "4321");
    let stood = server.connect();
    let files = [("tls-cert-file", file("stranger.crt")), ("tls-key-file", file("stranger.key"))];
    let words = ["config", "set", files[0].0, &files[0].1, files[1].0, &files[1].1];
    assert_eq!(server.server.connect().cmd(&words), Reply::ok());
    server.session(&showing("client")).map(|_| ()).expect_err("another certificate");
    let trusting = ClientOptions { ca_file: Some(file("stranger.crt")), ..showing("client") };
    server.session(&trusting).expect("a session");
    let mut stood = stood;
    assert_eq!(stood.cmd(&["ping"]), Reply::Simple("PONG".into()), "what stands stays");
}

/// Data of all sizes goes over to a replica, and so do changes; the link breaks and is taken up again.
fn replicate(primary: &OsStr, replica: &OsStr, diskless: &str, load: &str) {
    const NODE: [&str; 6] =
        ["--tls-replication", "yes", "--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0"];
    let primary = TlsServer::start_program(primary, &[&NODE[..], &["--repl-diskless-sync", diskless]].concat());
    let replica = TlsServer::start_program(replica, &[&NODE[..], &["--repl-diskless-load", load]].concat());
    let (mut writer, mut reader) = (primary.connect(), replica.connect());
    assert_eq!(writer.cmd(&["debug", "populate", "20000"]), Reply::ok());
    assert_eq!(writer.cmd(&[b"set", &b"big"[..], &vec![b'x'; 3_000_000]]), Reply::ok());
    assert_eq!(reader.cmd(&["replicaof", "127.0.0.1", &primary.port.to_string()]), Reply::ok());
    let link_is_up =
        |connection: &mut Connection| connection.cmd(&["info", "replication"]).text().contains("master_link_status:up");
    wait_until("the link is up", || link_is_up(&mut reader));
    let mut same = |what: &str| {
        assert_eq!(writer.cmd(&["set", "last", what]), Reply::ok());
        assert_eq!(writer.cmd(&["wait", "1", "10000"]), Reply::Integer(1), "{what}");
        let digests = [&mut writer, &mut reader].map(|connection| connection.cmd(&["debug", "digest"]).text());
        assert_eq!(digests[0], digests[1], "{what}");
    };
    same("the data set");
    let mut second = primary.connect();
    for number in 0..2000 {
        second.send(&["append", &format!("list {}", number % 7), &"y".repeat(number)]);
    }
    (0..2000).for_each(|_| assert!(matches!(second.read(), Reply::Integer(_))));
    same("changes");
    second.cmd(&["client", "kill", "type", "replica"]);
    second.cmd(&["set", "while", "away"]);
    wait_until("it goes on where it was", || {
        second.cmd(&["info", "stats"]).text().contains("sync_partial_ok:1") && link_is_up(&mut replica.connect())
    });
    same("after a break");
}

#[test]
fn a_replica_follows_over_tls() {
    for (diskless, load) in [("no", "disabled"), ("yes", "disabled"), ("yes", "swapdb")] {
        replicate(&binary(), &binary(), diskless, load);
    }
}

#[test]
fn redis_follows_and_is_followed_over_tls() {
    let Some(redis) = redis_7() else { return };
    let redis = &redis;
    // Most of it is waiting for the next second of Redis's clock.
    thread::scope(|scope| {
        for (diskless, load) in [("no", "disabled"), ("yes", "disabled"), ("yes", "swapdb")] {
            scope.spawn(move || replicate(redis, &binary(), diskless, load));
            scope.spawn(move || replicate(&binary(), redis, diskless, load));
        }
    });
}

#[test]
fn a_primary_that_is_not_trusted_is_not_followed() {
    let primary =
        TlsServer::start(&["--tls-cert-file", &file("stranger.crt"), "--tls-key-file", &file("stranger.key")]);
    let replica = TlsServer::start(&["--tls-replication", "yes"]);
    let mut connection = replica.connect();
    assert_eq!(connection.cmd(&["replicaof", "127.0.0.1", &primary.port.to_string()]), Reply::ok());
    wait_until("the refusal is logged", || {
        replica.server.log().contains("Error condition on socket for SYNC: invalid peer certificate")
    });
    wait_until("and by the other side", || primary.server.log().contains("Error accepting a client connection: "));
}

#[test]
fn keys_migrate_over_tls() {
    let from = TlsServer::start(&["--tls-cluster", "yes"]);
    let to = TlsServer::start(&[]);
    let mut connection = from.connect();
    let value = "v".repeat(1_000_000);
    assert_eq!(connection.cmd(&["set", "key", &value]), Reply::ok());
    let port = to.port.to_string();
    for key in ["key", "other"] {
        connection.cmd(&["set", "other", "value"]);
        assert_eq!(connection.cmd(&["migrate", "127.0.0.1", &port, key, "0", "5000"]), Reply::ok());
    }
    assert_eq!(connection.cmd(&["dbsize"]), Reply::Integer(0));
    assert_eq!(to.connect().cmd(&["get", "key"]), Reply::bulk(value));
    let plain = to.server.port().to_string();
    connection.cmd(&["set", "key", "value"]);
    let error = connection.cmd(&["migrate", "127.0.0.1", &plain, "key", "0", "1000"]).into_error();
    assert!(error.starts_with("IOERR"), "{error}");
}

#[test]
fn redis_cli_speaks_tls_with_us() {
    if Command::new("redis-cli").arg("--version").output().is_err() {
        eprintln!("SKIPPED: there is no redis-cli");
        return;
    }
    let server = TlsServer::start(&[]);
    let ask = |options: &[&str]| {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &server.port.to_string(), "--tls", "--cacert", &file("ca.crt")]).args(options);
        let output = command.output().expect("redis-cli runs");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let (certificate, key) = (file("client.crt"), file("client.key"));
    let shown = ["--cert", &certificate, "--key", &key];
    assert_eq!(ask(&[&shown[..], &["ping"]].concat()), "PONG");
    assert_eq!(ask(&[&shown[..], &["--sni", "localhost", "echo", "hello"]].concat()), "hello");
    assert_eq!(ask(&[&shown[..], &["--tls-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256", "ping"]].concat()), "PONG");
    assert_eq!(ask(&["ping"]), "");
}

/// Who a new client with a certificate is.
fn who(server: &TlsServer, name: &str) -> String {
    server.session(&showing(name)).expect("a session").cmd(&["acl", "whoami"]).text()
}

fn items(reply: Reply) -> Vec<Reply> {
    match reply {
        Reply::Array(items) => items,
        other => panic!("{other:?} is no array"),
    }
}

/// The reason, context, object, user and count of each entry in ACL LOG.
fn refusals(server: &TlsServer) -> Vec<[String; 5]> {
    let entries = items(server.server.connect().cmd(&["acl", "log"]));
    let field = |entry: &[Reply], name: &str| {
        let at = entry.iter().position(|word| *word == Reply::bulk(name)).expect("a field");
        match &entry[at + 1] {
            Reply::Integer(number) => number.to_string(),
            other => other.text(),
        }
    };
    let entries = entries.into_iter().map(items);
    entries.map(|entry| ["reason", "context", "object", "username", "count"].map(|name| field(&entry, name))).collect()
}

#[test]
fn the_common_name_of_a_certificate_is_the_user_who_is_logged_in() {
    let server =
        TlsServer::start(&["--tls-auth-clients-user", "cn", "--user", "client", "on", ">secret", "+@all", "~*"]);
    let mut admin = server.server.connect();
    assert_eq!(admin.cmd(&["config", "get", "tls-auth-clients-user"]), Reply::bulks(&["tls-auth-clients-user", "CN"]));
    assert_eq!(who(&server, "client"), "client");
    assert_eq!(admin.cmd(&["acl", "setuser", "plain", "on", "nopass", "+acl|whoami", "+ping", "~a*"]), Reply::ok());
    assert_eq!(who(&server, "plain"), "plain");
    let mut restricted = server.session(&showing("plain")).expect("a session");
    let error = restricted.cmd(&["get", "key"]).into_error();
    assert_eq!(error, "NOPERM User plain has no permissions to run the 'get' command");
    assert_eq!(server.info("acl_access_denied_tls_cert"), 0);
    assert_eq!(restricted.cmd(&["auth", "client", "secret"]), Reply::ok());
    assert_eq!(restricted.cmd(&["acl", "whoami"]), Reply::bulk("client"));
    assert_eq!(restricted.cmd(&["reset"]), Reply::Simple("RESET".into()));
    assert_eq!(restricted.cmd(&["acl", "whoami"]), Reply::bulk("default"));

    assert_eq!(admin.cmd(&["config", "set", "tls-auth-clients-user", "off"]), Reply::ok());
    assert_eq!(who(&server, "client"), "default");
    let error = admin.cmd(&["config", "set", "tls-auth-clients-user", "DNS"]).into_error();
    assert!(error.contains("argument(s) must be one of the following: off, CN, URI"), "{error}");
}

#[test]
fn a_user_named_by_a_certificate_needs_no_password_where_others_do() {
    let server = TlsServer::start(&["--tls-auth-clients-user", "CN", "--requirepass", "secret"]);
    let mut admin = server.server.connect();
    assert_eq!(admin.cmd(&["auth", "secret"]), Reply::ok());
    assert_eq!(admin.cmd(&["acl", "setuser", "client", "on", ">other", "+@all"]), Reply::ok());
    assert_eq!(who(&server, "client"), "client");
    // Nothing need come behind the handshake.
    let client = Client::new(&showing("client")).expect("options that are fine");
    let mut stream = client.connect(socket_to(server.port)).expect("a session");
    stream.flush().expect("an open socket");
    wait_until("it is logged in", || {
        let listed = admin.cmd(&["client", "list"]).text();
        listed.lines().any(|line| line.contains(" user=client ") && line.contains(" cmd=NULL "))
    });

    assert_eq!(admin.cmd(&["acl", "log", "reset"]), Reply::ok());
    let stranger = Client::new(&showing("server")).expect("options that are fine");
    let mut stream = stranger.connect(socket_to(server.port)).expect("a session");
    stream.write_all(&encode(&["ping"])).expect("a request");
    let mut answer = [0; 34];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"-NOAUTH Authentication required.\r\n");
    assert_eq!(items(admin.cmd(&["acl", "log"])).len(), 1);
}

#[test]
fn certificates_of_users_that_are_off_or_missing_change_nothing_and_are_told_of() {
    let server = TlsServer::start(&["--tls-auth-clients-user", "CN", "--tls-auth-clients", "optional"]);
    let mut admin = server.server.connect();
    assert_eq!(who(&server, "client"), "default");
    assert_eq!(admin.cmd(&["acl", "setuser", "plain", "off", "nopass"]), Reply::ok());
    assert_eq!(who(&server, "plain"), "default");
    assert_eq!(who(&server, "plain"), "default");
    let entry = |name: &str, count: &str| ["tls-cert", "toplevel", "", name, count].map(str::to_owned);
    assert_eq!(refusals(&server), [entry("plain", "2"), entry("client", "1")]);
    assert_eq!(server.info("acl_access_denied_tls_cert"), 3);
    // Whoever shows no certificate, or one without a name, has not tried.
    let mut connection = server.session(&anonymous()).expect("a session");
    assert_eq!(connection.cmd(&["acl", "whoami"]), Reply::bulk("default"));
    assert_eq!(who(&server, "nameless"), "default");
    assert_eq!(server.info("acl_access_denied_tls_cert"), 3);
    // A certificate that is not asked for is none.
    assert_eq!(admin.cmd(&["acl", "setuser", "stranger", "on", "nopass", "+@all"]), Reply::ok());
    assert_eq!(server.set("tls-auth-clients", "no"), Reply::ok());
    assert_eq!(who(&server, "stranger"), "default");
    assert_eq!(server.info("acl_access_denied_tls_cert"), 3);
    assert_eq!(connection.cmd(&["auth", "stranger", "x"]), Reply::ok());
    assert_eq!(connection.cmd(&["acl", "whoami"]), Reply::bulk("stranger"));
}

#[test]
fn the_first_uri_of_a_certificate_that_is_a_user_who_is_on_counts() {
    let server = TlsServer::start(&["--tls-auth-clients-user", "URI"]);
    let mut admin = server.server.connect();
    let mut user = |name: &str, state: &str| {
        assert_eq!(admin.cmd(&["acl", "setuser", name, state, "nopass", "+@all"]), Reply::ok());
    };
    user("named", "on");
    assert_eq!(who(&server, "named"), "default", "the common name does not count");
    user("urn:user:two", "on");
    assert_eq!(who(&server, "named"), "urn:user:two");
    user("urn:user:one", "on");
    assert_eq!(who(&server, "named"), "urn:user:one");
    user("urn:user:one", "off");
    assert_eq!(who(&server, "named"), "urn:user:two");
    user("urn:user:two", "off");
    assert_eq!(who(&server, "named"), "default");
    let entry = ["tls-cert", "toplevel", "", "urn:user:one", "2"].map(str::to_owned);
    assert_eq!(refusals(&server), [entry]);
    assert_eq!(who(&server, "client"), "default", "it has none");
    assert_eq!(server.info("acl_access_denied_tls_cert"), 2);
}

#[test]
fn a_session_that_is_resumed_is_the_user_of_its_certificate() {
    for version in ["TLSv1.2", "TLSv1.3"] {
        let server = TlsServer::start(&["--tls-auth-clients-user", "CN", "--tls-protocols", version]);
        let mut admin = server.server.connect();
        assert_eq!(admin.cmd(&["acl", "setuser", "client", "on", "nopass", "+@all"]), Reply::ok());
        let client = Client::new(&showing("client")).expect("options that are fine");
        for _ in 0..3 {
            let mut stream = client.connect(socket_to(server.port)).expect("a session");
            stream.write_all(&encode(&["acl", "whoami"])).expect("a request");
            let mut answer = [0; 12];
            stream.read_exact(&mut answer).expect("an answer");
            assert_eq!(&answer, b"$6\r\nclient\r\n", "{version}");
        }
    }
}

#[test]
fn a_user_named_by_a_certificate_is_logged_in_while_a_script_runs_too_long() {
    let server = TlsServer::start(&["--tls-auth-clients-user", "CN", "--busy-reply-threshold", "1"]);
    let (mut admin, mut runner) = (server.server.connect(), server.server.connect());
    assert_eq!(admin.cmd(&["acl", "setuser", "client", "on", "nopass", "+@all"]), Reply::ok());
    assert_eq!(admin.cmd(&["acl", "setuser", "default", "resetpass", ">secret"]), Reply::ok());
    runner.send(&["eval", "while true do end", "0"]);
    wait_until("the server is busy", || admin.cmd(&["ping"]).text().starts_with("BUSY"));
    // The default user would have to authenticate.
    let client = Client::new(&showing("client")).expect("options that are fine");
    let stream = client.connect(socket_to(server.port)).expect("a session");
    let mut connection = Connection::over(Stream::Tls(Box::new(stream)));
    assert_eq!(connection.cmd(&["script", "kill"]), Reply::ok());
    let error = runner.read().into_error();
    assert!(error.contains("Script killed by user"), "{error}");
    assert_eq!(connection.cmd(&["acl", "whoami"]), Reply::bulk("client"));
}
