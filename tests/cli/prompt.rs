//! The prompt, in a pseudo-terminal.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::terminal::{CTRL_C, CTRL_D, CTRL_R, ENTER, TAB, Terminal, UP};
use crate::common::{self, Server};

/// A terminal on a server, past the greeting.
fn terminal(server: &Server, args: &[&str]) -> Terminal {
    let port = server.port().to_string();
    let mut terminal = Terminal::start(&[&["-p", &port], args].concat());
    terminal.expect("leaves.\n");
    terminal
}

fn prompt(server: &Server) -> String {
    format!("127.0.0.1:{}> ", server.port())
}

#[test]
fn the_prompt_follows_database_and_transaction() {
    let server = Server::start();
    let place = format!("127.0.0.1:{}", server.port());
    let mut terminal = terminal(&server, &[]);
    terminal.expect(&format!("{place}> "));
    for (line, reply, prompt) in [
        ("select 3", "OK\n", "[3]> "),
        ("multi", "OK\n", "[3](TX)> "),
        ("select 5", "QUEUED\n", "[5](TX)> "),
        ("discard", "OK\n", "[3]> "),
        ("multi", "OK\n", "[3](TX)> "),
        ("exec", "(empty array)\n", "[3]> "),
        ("reset", "RESET\n", "> "),
        ("2 incr n", "(integer) 1\n(integer) 2\n", "> "),
        ("nothing", "(error) ERR unknown command", "> "),
    ] {
        terminal.line(line);
        terminal.expect(reply);
        terminal.expect(&format!("{place}{prompt}"));
    }
    terminal.keys(CTRL_D);
    terminal.ended(0);
}

#[test]
fn lines_are_remembered_and_found_again() {
    let server = Server::start();
    let mut terminal = terminal(&server, &[]);
    for line in ["set one 1", "get one", "auth secret-word"] {
        terminal.expect(&prompt(&server));
        terminal.line(line);
    }
    terminal.expect("(error) ");
    terminal.expect(&prompt(&server));
    terminal.keys(UP);
    terminal.expect("get one");
    terminal.keys(ENTER);
    terminal.expect("\"1\"\n");
    terminal.line("quit");
    let home = terminal.ended(0);
    let history = fs::read_to_string(home.path().join(".rediscli_history")).expect("a history");
    assert_eq!(history, "set one 1\nget one\nquit\n");

    let port = server.port().to_string();
    let mut terminal = Terminal::start_in(home, &["-p", &port]);
    terminal.expect(&prompt(&server));
    terminal.keys(&format!("{CTRL_R}set o"));
    terminal.expect("set one 1");
    terminal.keys(ENTER);
    terminal.expect("OK\n");
    terminal.line("exit");
    terminal.ended(0);
}

#[test]
fn names_and_options_are_completed_and_arguments_hinted() {
    let server = Server::start();
    let mut terminal = terminal(&server, &[]);
    terminal.expect(&prompt(&server));
    terminal.keys(&format!("hgeta{TAB}"));
    terminal.expect("hgetall");
    terminal.keys(&format!(" missing{ENTER}"));
    terminal.expect("(empty array)\n");
    terminal.keys(&format!("set a b kee{TAB}"));
    terminal.expect("set a b keepttl");
    terminal.keys(ENTER);
    terminal.expect("OK\n");
    terminal.keys("expire a");
    terminal.expect("expire a seconds [NX|XX|GT|LT]");
    terminal.keys(" 100");
    terminal.expect("expire a 100 [NX|XX|GT|LT]");
    terminal.keys(ENTER);
    terminal.expect("(integer) 1\n");
    terminal.expect(&prompt(&server));
    terminal.line(":set nohints");
    terminal.expect(&prompt(&server));
    terminal.line("ttl a");
    let shown = terminal.expect("(integer) ");
    terminal.expect(&prompt(&server));
    assert!(!shown.contains("ttl key"), "{shown}");
    terminal.keys(&format!("help @hyperl{TAB}{ENTER}"));
    terminal.expect("PFADD key [element [element ...]]");
}

#[test]
fn pasted_lines_are_commands_each() {
    let server = Server::start();
    let mut terminal = terminal(&server, &[]);
    terminal.keys(&format!("incr n{ENTER}incr n{ENTER}ping{ENTER}get n"));
    terminal.expect("(integer) 1\n");
    terminal.expect("(integer) 2\n");
    terminal.expect("PONG\n");
    terminal.expect("get n");
    terminal.keys(ENTER);
    terminal.expect("\"2\"\n");
}

#[test]
fn preferences_are_read_from_the_home() {
    let server = Server::start();
    let home = tempfile::tempdir().expect("a home");
    fs::write(home.path().join(".redisclirc"), ":set nohints\n:set nothing\n").expect("a file");
    let port = server.port().to_string();
    let mut terminal = Terminal::start_in(home, &["-p", &port]);
    terminal.expect(".redisclirc: unknown preference 'nothing'\n");
    terminal.expect(&prompt(&server));
    terminal.line("get a");
    let shown = terminal.expect("(nil)\n");
    assert!(!shown.contains("get key"), "{shown}");
    assert!(terminal.home().join(".rediscli_history").is_file());
}

#[test]
fn raw_shows_the_bytes_above_the_reply() {
    let server = Server::start();
    let mut terminal = terminal(&server, &[]);
    terminal.line("raw");
    terminal.expect("Raw replies are shown.\n");
    terminal.line("rpush list a \"b\\n\"");
    terminal.expect("\":2\\r\\n\"\n(integer) 2\n");
    terminal.line("lrange list 0 -1");
    terminal.expect("\"*2\\r\\n$1\\r\\na\\r\\n$2\\r\\nb\\n\\r\\n\"\n1) \"a\"\n2) \"b\\n\"\n");
    terminal.line("raw");
    terminal.expect("Raw replies are hidden.\n");
    terminal.line("ping");
    let shown = terminal.expect("PONG\n");
    assert!(!shown.contains("+PONG"), "{shown}");
}

#[test]
fn a_lost_connection_is_made_again() {
    let server = Server::start();
    let mut terminal = terminal(&server, &["-n", "2"]);
    let place = format!("127.0.0.1:{}[2]> ", server.port());
    terminal.expect(&place);
    server.connect().cmd(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    terminal.line("get a");
    // Closed, reset or broken, as the system has it.
    terminal.expect("Error: ");
    terminal.expect("not connected> ");
    terminal.line("get a");
    terminal.expect("(nil)\n");
    terminal.expect(&place);
    let port = common::free_port();
    terminal.line(&format!("connect 127.0.0.1 {port}"));
    terminal.expect("Connection refused\n");
    terminal.expect("not connected> ");
    terminal.line(&format!("connect 127.0.0.1 {}", server.port()));
    terminal.expect(&place);
    terminal.line("shutdown nosave");
    terminal.expect("not connected> ");
}

#[test]
fn ctrl_c_comes_back_to_the_prompt() {
    let server = Server::start();
    let mut connection = server.connect();
    let mut terminal = terminal(&server, &["-3"]);
    terminal.expect(&prompt(&server));
    terminal.line("subscribe news");
    terminal.expect("Reading messages... (press Ctrl-C to quit)\n1) \"subscribe\"\n2) \"news\"\n3) (integer) 1\n");
    connection.cmd(&["PUBLISH", "news", "hello"]);
    terminal.expect("1) \"message\"\n2) \"news\"\n3) \"hello\"\n");
    terminal.keys(CTRL_C);
    terminal.expect(&prompt(&server));
    terminal.line("unsubscribe one two");
    terminal.expect("1) \"unsubscribe\"\n2) \"one\"\n3) (integer) 0\n1) \"unsubscribe\"\n2) \"two\"\n3) (integer) 0\n");
    terminal.expect(&prompt(&server));
    terminal.line("monitor");
    terminal.expect("OK\n");
    connection.cmd(&["SET", "seen", "x"]);
    terminal.expect("\"SET\" \"seen\" \"x\"\n");
    terminal.keys(CTRL_C);
    terminal.expect(&prompt(&server));
    terminal.line("blpop nothing 0");
    common::wait_until("a blocked client", || {
        connection.cmd(&["INFO", "clients"]).text().contains("blocked_clients:1")
    });
    terminal.keys(CTRL_C);
    // The terminal shows it. What stood on the screen before has prompts in it, one for each key of the line.
    terminal.expect("^C");
    terminal.expect(&prompt(&server));
    terminal.keys(&format!("get unfinished{CTRL_C}"));
    terminal.expect(&prompt(&server));
    terminal.line("ping");
    terminal.expect("PONG\n");
    terminal.expect(&prompt(&server));
    terminal.keys(CTRL_C);
    terminal.ended(0);
}

#[test]
fn ctrl_c_ends_a_stream_that_never_pauses() {
    let server = Server::start();
    let mut connection = server.connect();
    let mut terminal = terminal(&server, &[]);
    terminal.expect(&prompt(&server));
    terminal.line("monitor");
    terminal.expect("OK\n");
    let goes_on = Arc::new(AtomicBool::new(true));
    let sending = Arc::clone(&goes_on);
    let sender = thread::spawn(move || {
        // Often enough that no read runs out of time, and not so often that nobody else gets the processor.
        while sending.load(Ordering::Relaxed) {
            connection.cmd(&["PING"]);
            thread::sleep(Duration::from_millis(1));
        }
    });
    terminal.expect("\"PING\"\n");
    terminal.keys(CTRL_C);
    terminal.expect(&prompt(&server));
    goes_on.store(false, Ordering::Relaxed);
    sender.join().expect("a sender");
    terminal.line("echo back");
    terminal.expect("\"back\"\n");
}

#[test]
fn errors_and_hints_are_coloured_on_a_terminal() {
    let server = Server::start();
    let mut terminal = terminal(&server, &[]);
    terminal.expect(&prompt(&server));
    terminal.line("get");
    terminal.expect("(error) ");
    terminal.expect(&prompt(&server));
    assert!(terminal.raw().contains("\x1b[31m(error) ERR wrong number"), "{:?}", terminal.raw());
    assert!(terminal.raw().contains("\x1b[90m key\x1b[0m"), "{:?}", terminal.raw());
}

#[test]
fn a_password_is_asked_for_and_not_shown() {
    let server = Server::start_with(&["--requirepass", "secret"]);
    let port = server.port().to_string();
    let mut terminal = Terminal::start(&["-p", &port, "--askpass", "ping"]);
    terminal.expect("Please input password: ");
    terminal.line("secret");
    let shown = terminal.expect("PONG\n");
    assert!(!shown.contains("secret"), "{shown}");
    terminal.ended(0);
}
