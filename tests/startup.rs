//! From the command line to the end of the process.

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::process::{Command, Output, Stdio};

use common::{Reply, Server, binary};

/// Runs the program to its end, which has to come by itself.
fn run(arguments: &[&str]) -> Output {
    Command::new(binary()).args(arguments).stdin(Stdio::null()).output().expect("the server's binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_version_is_that_of_redis() {
    let output = run(&["--version"]);
    assert!(output.status.success());
    assert!(text(&output.stdout).starts_with("Redis server v=8.2.3 sha="));
}

#[test]
fn bad_arguments_end_the_process_with_the_line_in_question() {
    let output = run(&["--port", "6380", "--loglevel"]);
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(message.contains("FATAL CONFIG FILE ERROR (Redis 8.2.3)"), "{message}");
    assert!(message.contains(">>> 'loglevel'\nwrong number of arguments"), "{message}");
}

#[test]
fn errors_in_the_file_are_told_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redis.conf");
    fs::write(&path, "port 1\n\nnosuch 1\n").unwrap();
    let output = run(&[path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("at line 3\n>>> 'nosuch 1'"), "{}", text(&output.stderr));
}

#[test]
fn a_configuration_file_that_cannot_be_read_is_told_in_the_log() {
    for arguments in [&["/nosuch/redis.conf"][..], &["--include", "/nosuch/redis.conf"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(1));
        let log = text(&output.stdout);
        let expected = " # Fatal error, can't open config file '/nosuch/redis.conf': No such file or directory\n";
        assert!(log.ends_with(expected), "{log}");
        assert!(output.stderr.is_empty());
    }
}

#[test]
fn wrong_lines_about_commands_and_users_are_told_like_all_others() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redis.conf");
    for (lines, number, reason) in [
        ("rename-command nosuch x\n", 1, "No such command in rename-command"),
        ("rename-command get set\n", 1, "Target command name already exists"),
        ("user a on\nuser a off\n", 2, "Duplicate user found. A user can only be defined once in config files"),
    ] {
        let port = common::free_port();
        fs::write(&path, format!("{lines}port {port}\n")).unwrap();
        let output = run(&[path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        let message = text(&output.stderr);
        assert!(message.contains(&format!("at line {number}\n>>> ")), "{message}");
        assert!(message.ends_with(&format!("{reason}\n")), "{message}");
        // A server in the background has nothing but its log.
        let log = folder.path().join("log");
        run(&[path.to_str().unwrap(), "--logfile", log.to_str().unwrap()]);
        assert!(fs::read_to_string(&log).unwrap().contains(reason));
        fs::remove_file(&log).unwrap();
    }
}

#[test]
fn there_is_no_sentinel_mode() {
    let output = run(&["--port", "0", "--sentinel"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("no Sentinel mode"));
}

#[test]
fn the_system_is_checked_on_demand() {
    let output = run(&["--check-system"]);
    let report = text(&output.stdout);
    for name in ["[backlog]...", "[overcommit]...", "[THP]..."] {
        assert!(report.contains(name), "{report}");
    }
    assert_eq!(output.status.success(), !report.contains("WARNING"));
}

#[test]
fn connections_that_come_and_go_are_logged_at_level_verbose() {
    let server = Server::start_with(&["--loglevel", "verbose"]);
    let mut client = server.connect();
    client.cmd(&["CLIENT", "SETNAME", "passer-by"]);
    let Reply::Bulk(line) = client.cmd(&["CLIENT", "INFO"]) else { panic!("no line") };
    let line = String::from_utf8(line).unwrap();
    let (id, rest) = line.split_once(" addr=").unwrap();
    let address = rest.split(' ').next().unwrap();
    drop(client);
    server.await_log(&format!("- Accepted {address}"));
    server.await_log(&format!("- Client closed connection {id} addr={address}"));
    assert!(server.log().contains(" name=passer-by "));
}

#[test]
fn the_log_at_level_debug_is_all_our_own() {
    let server = Server::start_with(&["--loglevel", "debug", "--maxmemory", "1000000"]);
    server.connect().cmd(&["PING"]);
    assert!(!server.log().contains("event source"), "{}", server.log());
    assert!(server.log().contains("# Configuration loaded"));
    assert!(server.log().contains("a maxmemory value that is less than 1MB (current value is 1000000 bytes)"));
}

#[test]
fn a_port_in_use_ends_the_process() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(&["--port", &port, "--bind", "127.0.0.1"]);
    assert_eq!(output.status.code(), Some(1));
    let log = text(&output.stdout);
    assert!(log.contains(&format!("Failed listening on port {port} (TCP), aborting.")), "{log}");
    assert!(log.contains("bind: Address already in use"), "{log}");
}

#[test]
fn the_log_has_the_lines_that_tools_wait_for() {
    let server = Server::start();
    let log = server.log();
    let pid = server.pid();
    for line in [
        format!("{pid}:C "),
        "# Redis version=8.2.3, bits=64, ".to_owned(),
        format!("* Running mode=standalone, port={}.", server.port()),
        "# Server initialized".to_owned(),
        "* Ready to accept connections".to_owned(),
        format!("{pid}:M "),
    ] {
        assert!(log.contains(&line), "{line:?} is not in\n{log}");
    }
}

#[test]
fn a_unix_socket_has_its_permissions_and_goes_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redis.sock");
    let mut server = Server::start_with(&["--unixsocket", path.to_str().unwrap(), "--unixsocketperm", "700"]);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    let mut socket = UnixStream::connect(&path).unwrap();
    socket.set_read_timeout(Some(common::PATIENCE)).unwrap();
    socket.write_all(b"PING\r\n").unwrap();
    let mut answer = [0; 7];
    socket.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"+PONG\r\n");
    server.terminate();
    assert!(server.exit_within(common::PATIENCE).is_some_and(|status| status.success()), "{}", server.log());
    assert!(!path.exists());
    assert!(
        server.whole_log().contains(&format!("The server is now ready to accept connections at {}", path.display()))
    );
}

/// The names of groups and their numbers.
fn groups() -> Vec<(String, u32)> {
    let lines = fs::read_to_string("/etc/group").expect("the system's groups");
    let group = |line: &str| {
        let mut fields = line.split(':');
        Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
    };
    lines.lines().filter_map(group).collect()
}

#[test]
fn a_unix_socket_has_the_group_that_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redis.sock");
    let owner = fs::metadata(folder.path()).unwrap();
    // Root may give it to any group, others to their own.
    let allowed = |group: &(String, u32)| if owner.uid() == 0 { group.1 != 0 } else { group.1 == owner.gid() };
    let Some((name, id)) = groups().into_iter().find(allowed) else {
        eprintln!("SKIPPED: there is no other group");
        return;
    };
    let socket = path.to_str().unwrap();
    let server = Server::start_with(&["--unixsocket", socket, "--unixsocketgroup", &name, "--unixsocketperm", "770"]);
    let found = fs::metadata(&path).unwrap();
    assert_eq!((found.gid(), found.permissions().mode() & 0o777), (id, 0o770));
    let mut connection = server.connect();
    assert_eq!(connection.cmd(&["config", "get", "unixsocketgroup"]), Reply::bulks(&["unixsocketgroup", &name]));
    let error = connection.cmd(&["config", "set", "unixsocketgroup", &name]).into_error();
    assert!(error.contains("can't set immutable config"), "{error}");
}

#[test]
fn a_group_that_does_not_exist_or_may_not_have_the_unix_socket_keeps_the_server_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redis.sock");
    let refused = |group: &str, said: &str| {
        let output = run(&["--port", "0", "--unixsocket", path.to_str().unwrap(), "--unixsocketgroup", group]);
        assert_eq!(output.status.code(), Some(1));
        let log = text(&output.stdout);
        assert!(log.contains(&format!("Failed opening Unix socket: {said}")), "{log}");
        assert!(!path.exists(), "nothing is left");
    };
    for group in ["nosuchgroup", "0", "a b"] {
        refused(group, &format!("getgrnam error for group '{group}': Success"));
    }
    let is_root = fs::metadata(folder.path()).unwrap().uid() == 0;
    if let Some((name, _)) = groups().into_iter().find(|group| group.1 == 0).filter(|_| !is_root) {
        refused(&name, &format!("chown error for group '{name}': Operation not permitted"));
    }
}

#[test]
fn a_pid_file_is_written_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.pid");
    let mut server = Server::start_with(&["--pidfile", path.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(&path).unwrap(), format!("{}\n", server.pid()));
    server.terminate();
    server.exit_within(common::PATIENCE).expect("an end");
    assert!(!path.exists());
}

#[test]
fn a_log_file_is_relative_to_the_directory() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let dir = folder.path().to_str().unwrap();
    let output = run(&["--dir", dir, "--logfile", "server.log", "--port", &port, "--bind", "127.0.0.1"]);
    assert_eq!(output.status.code(), Some(1));
    let log = fs::read_to_string(folder.path().join("server.log")).unwrap();
    assert!(log.contains("Failed listening on port"), "{log}");
}

#[test]
fn shutdown_ends_the_server_without_a_word() {
    let mut server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.cmd(&["SHUTDOWN", "ABORT"]), Reply::Error("ERR No shutdown in progress.".into()));
    for words in [&["SHUTDOWN", "nosuch"][..], &["SHUTDOWN", "SAVE", "NOSAVE"], &["SHUTDOWN", "ABORT", "NOW"]] {
        assert_eq!(client.cmd(words), Reply::Error("ERR syntax error".into()), "{words:?}");
    }
    client.raw(b"SHUTDOWN NOSAVE NOW FORCE\r\nPING\r\n");
    assert!(client.is_closed());
    assert!(server.exit_within(common::PATIENCE).is_some_and(|status| status.success()), "{}", server.log());
    assert!(server.whole_log().contains("Redis is now ready to exit, bye bye..."));
}

#[test]
fn a_crash_is_reported_in_the_log_with_what_the_server_was_doing() {
    for (what, told) in [("PANIC", "DEBUG PANIC called"), ("SEGFAULT", "crashed by signal: 11")] {
        let mut server = Server::start_with(&["--enable-debug-command", "yes"]);
        let mut idle = server.connect();
        idle.cmd(&["CLIENT", "SETNAME", "bystander"]);
        let mut culprit = server.connect();
        culprit.cmd(&["CLIENT", "SETNAME", "culprit"]);
        culprit.send(&["DEBUG", what]);
        let status = server.exit_within(common::PATIENCE).expect("an end");
        assert!(!status.success());
        let log = server.whole_log();
        let parts: Vec<&str> = log.split("------").collect();
        let part = |title: &str| parts.iter().skip_while(|part| part.trim() != title).nth(1).copied().unwrap_or("");
        assert!(log.contains("=== REDIS BUG REPORT START") && log.contains(told), "{log}");
        assert!(part("STACK TRACE").contains("commands::debug"), "{log}");
        assert!(part("INFO OUTPUT").contains("connected_clients:2"), "{log}");
        let current = part("CURRENT CLIENT INFO");
        assert!(current.contains("name=culprit") && current.contains("cmd=debug"), "{log}");
        assert!(part("CLIENT LIST OUTPUT").contains("name=bystander"), "{log}");
        assert!(log.contains("=== REDIS BUG REPORT END"), "{log}");
    }
}

/// A little stack, and a script that calls functions that call it.
#[cfg(target_os = "linux")]
#[test]
fn a_crash_for_lack_of_stack_is_reported_likewise() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("server");
    let script = format!("#!/bin/sh\nulimit -s 120 && exec {} \"$@\"\n", binary().display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let mut server = Server::start_program(program.as_os_str(), &[]);
    let mut culprit = server.connect();
    culprit.cmd(&["CLIENT", "SETNAME", "culprit"]);
    let script = "local function f(text) return (text:gsub('.', f)) end return f('x')";
    culprit.send(&["EVAL", script, "0"]);
    let status = server.exit_within(common::PATIENCE).expect("an end");
    assert!(!status.success());
    let log = server.whole_log();
    for part in ["crashed by signal: ", "STACK TRACE", "name=culprit", "=== REDIS BUG REPORT END"] {
        assert!(log.contains(part), "no {part} in:\n{log}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn systemd_is_told_when_the_server_is_ready() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let receiver = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    receiver.set_read_timeout(Some(common::PATIENCE)).unwrap();
    let port = common::free_port().to_string();
    let mut child = Command::new(binary())
        .args(["--port", &port, "--supervised", "auto", "--save", "", "--dir", folder.path().to_str().unwrap()])
        .env("NOTIFY_SOCKET", &path)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut message = [0; 256];
    let mut told = String::new();
    while !told.contains("READY=1\n") {
        let length = receiver.recv(&mut message).expect("a message");
        told.push_str(&text(&message[..length]));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_server_that_needs_a_module_does_not_start_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redis.conf");
    let line = ["loadmodule /m.so a b", "search.timeout 5"];
    let said = ["Can't load module from /m.so: server aborting", "Module Configuration detected without loadmodule"];
    for (line, said) in line.into_iter().zip(said) {
        fs::write(&path, format!("port 0\nunixsocket {}/socket\n{line}\n", folder.path().display())).unwrap();
        let output = run(&[path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stdout).contains(said), "{}", text(&output.stdout));
    }
}

#[test]
fn an_unknown_directive_is_told_with_the_name_that_may_be_meant() {
    let message = text(&run(&["--maxmemmory", "1mb"]).stderr);
    assert!(message.contains("wrong number of arguments\nDid you mean 'maxmemory'?"), "{message}");
    let message = text(&run(&["--no-such-thing-at-all", "1"]).stderr);
    assert!(message.ends_with("Bad directive or wrong number of arguments\n"), "{message}");
}

#[test]
fn a_start_that_fails_says_what_can_be_done() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let message = text(&run(&["--port", &port, "--bind", "127.0.0.1"]).stdout);
    assert!(message.contains("Failed listening") && message.contains("choose another port"), "{message}");
    let output = run(&["--port", "0"]);
    let message = text(&output.stdout);
    assert!(message.contains("not listen anywhere") && message.contains("--port 6379"), "{message}");
}

#[test]
fn help_groups_what_people_need_first() {
    let message = text(&run(&["--help"]).stdout);
    for part in ["Where it listens:", "--port 6379", "Where data goes:", "--appendonly yes", "--metrics-port 9121"] {
        assert!(message.contains(part), "{message}");
    }
}
