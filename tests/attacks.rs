//! Attacks by those who may not: other protocols, guesses at passwords, too much of everything before AUTH. Each is
//! answered as Redis does or cut off, costs next to nothing, and leaves the others served. What every command answers
//! to users without rights, and before AUTH, stands in `acl.rs`.

mod common;

use std::io::Write;

use common::{Connection, Reply, Server, encode, wait_until};

const NOAUTH: &[u8] = b"-NOAUTH Authentication required.\r\n";

fn stat(client: &mut Connection, name: &str) -> u64 {
    let text = client.cmd(&["INFO", "everything"]).text();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name}"))
}

fn with_password() -> (Server, Connection) {
    let server = Server::start_with(&["--requirepass", "secret"]);
    let mut admin = server.connect();
    assert_eq!(admin.cmd(&["AUTH", "secret"]), Reply::ok());
    (server, admin)
}

#[test]
fn browsers_are_cut_off_before_what_they_carry_runs() {
    let server = Server::start();
    for request in [
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\nSET evil 1\r\n",
        "post / HTTP/1.1\r\n\r\nSET evil 1\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\nSET evil 1\r\n",
        "Host: localhost\r\n\r\nSET evil 1\r\n",
    ] {
        assert_eq!(server.answer(request.as_bytes(), false), "", "{request:?}");
    }
    assert_eq!(server.connect().cmd(&["EXISTS", "evil"]), Reply::Integer(0));
    wait_until("it is told of", || server.log().contains("Possible SECURITY ATTACK detected"));
    let told = server.log().matches("Possible SECURITY ATTACK detected").count();
    assert_eq!(told, 1, "the log is told once a minute:\n{}", server.log());
}

#[test]
fn the_greetings_of_other_protocols_are_no_requests() {
    let server = Server::start();
    // The start of a ClientHello of TLS 1.2 and later; of SSH; and of HTTP/2.
    let hello = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(), &[0xa5; 501]].concat();
    assert_eq!(server.answer(&hello, true), "");
    let endless = [hello, vec![0x5a; 70_000]].concat();
    assert_eq!(server.answer(&endless, false), "-ERR Protocol error: too big inline request\r\n");
    let ssh = server.answer(b"SSH-2.0-OpenSSH_9.2\r\n", true);
    assert!(ssh.starts_with("-ERR unknown command 'SSH-2.0-OpenSSH_9.2'"), "{ssh}");
    let http2 = server.answer(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", true);
    assert!(http2.starts_with("-ERR unknown command 'PRI'"), "{http2}");
    assert_eq!(server.connect().cmd(&["PING"]), Reply::Simple("PONG".into()));
}

#[test]
fn guesses_at_passwords_are_counted_and_cost_no_memory() {
    let (server, mut admin) = with_password();
    admin.cmd(&["CONFIG", "SET", "acllog-max-len", "10"]);
    let mut stranger = server.connect();
    let guess = |stranger: &mut Connection, number: usize| {
        stranger.raw(&encode(&["AUTH", &format!("user:{number}"), &format!("guess:{number}")]));
    };
    let wrong = Reply::error("WRONGPASS invalid username-password pair or user is disabled.");
    let mut guess_often = |first: usize| {
        (first..first + 2000).for_each(|number| guess(&mut stranger, number));
        (0..2000).for_each(|_| assert_eq!(stranger.read(), wrong));
    };
    guess_often(0);
    let memory = stat(&mut admin, "used_memory");
    guess_often(2000);
    // The buffers of a client that reads late are given back after a while.
    wait_until("there is no more than before", || stat(&mut admin, "used_memory") < memory + 100_000);
    assert_eq!(stat(&mut admin, "acl_access_denied_auth"), 4000);
    let Reply::Array(entries) = admin.cmd(&["ACL", "LOG", "100"]) else { panic!("no list") };
    assert_eq!(entries.len(), 10);
    // A password may be long: it is compared by its digest.
    stranger.send(&["AUTH", &"x".repeat(16_000)]);
    assert_eq!(stranger.read(), wrong);
    assert_eq!(stranger.cmd(&["PING"]), Reply::error("NOAUTH Authentication required."));
}

#[test]
fn before_auth_nothing_large_is_taken() {
    let (server, mut admin) = with_password();
    let before = stat(&mut admin, "used_memory");
    for (request, refusal) in [
        ("*11\r\n", "unauthenticated multibulk length"),
        ("*1048577\r\n", "unauthenticated multibulk length"),
        ("*2\r\n$4\r\nAUTH\r\n$16385\r\n", "unauthenticated bulk length"),
        ("*2\r\n$4\r\nAUTH\r\n$536870912\r\n", "unauthenticated bulk length"),
        ("*2\r\n$4\r\nAUTH\r\n$9223372036854775807\r\n", "invalid bulk length"),
        (&"A".repeat(70_000), "too big inline request"),
        (&format!("*1\r\n${}", "1".repeat(70_000)), "too big bulk count string"),
    ] {
        let expected = format!("-ERR Protocol error: {refusal}\r\n");
        assert_eq!(server.answer(request.as_bytes(), false), expected, "{:.40?}", request);
    }
    // Many who send as much as they may and stop in the middle hold no more than that.
    let mut half = b"*10\r\n".to_vec();
    (0..9).for_each(|_| half.extend(encode(&["x".repeat(16_384)]).into_iter().skip(4)));
    let mut held: Vec<Connection> = (0..50).map(|_| server.connect()).collect();
    held.iter_mut().for_each(|stranger| stranger.raw(&half));
    wait_until("all of it is read", || stat(&mut admin, "total_net_input_bytes") > 50 * half.len() as u64);
    let most = before + 50 * (half.len() as u64 * 2 + 70_000);
    assert!(stat(&mut admin, "used_memory") < most, "{} of {most}", stat(&mut admin, "used_memory"));
    // AUTH loosens the bounds for what follows it in the same packet.
    let mut client = server.connect();
    client.raw(&[encode(&["AUTH", "secret"]), encode(&["SET", "k", &"x".repeat(100_000)])].concat());
    assert_eq!((client.read(), client.read()), (Reply::ok(), Reply::ok()));
}

#[test]
fn strangers_who_read_nothing_are_cut_off() {
    let (server, mut admin) = with_password();
    let mut stranger = server.plain();
    let flood = b"GET key\r\n".repeat(10_000);
    // It ends when the socket's buffer is full and little more is waiting.
    while stranger.write_all(&flood).is_ok() {}
    assert!(stat(&mut admin, "client_output_buffer_limit_disconnections") >= 1);
    let mut patient = server.connect();
    patient.raw(b"GET key\r\nGET key\r\n");
    let mut answers = vec![0; NOAUTH.len() * 2];
    answers.iter_mut().for_each(|byte| *byte = patient.byte());
    assert_eq!(answers, NOAUTH.repeat(2));
}
