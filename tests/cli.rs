//! The client: its output beside that of redis-cli, its modes, and its prompt in a pseudo-terminal.

mod common;

#[path = "cli/mod.rs"]
mod cli;

use std::fs;

use cli::terminal::{CTRL_C, CTRL_D, CTRL_R, ENTER, TAB, Terminal, UP};
use cli::{Destination, client, run};
use common::{Reply, Server};

/// Runs our client against a server; standard output.
fn ours(server: &Server, args: &[&str], input: &[u8]) -> String {
    let port = server.port().to_string();
    let output = run(&client(), &[&["-p", &port], args].concat(), Destination::Pipe, input);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {told}{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).expect("text")
}

/// The options under which the commands are run, of both programs.
const STYLES: &[&[&str]] = &[
    &[],
    &["-3"],
    &["--raw"],
    &["--no-raw"],
    &["--csv"],
    &["--csv", "-3"],
    &["--json"],
    &["--json", "-2"],
    &["--quoted-json"],
    &["-d", "|", "-D", "~\n"],
];

fn commands() -> Vec<&'static str> {
    include_str!("cli/commands.txt").lines().filter(|line| !line.starts_with('#')).collect()
}

/// A server on which every command of the list may run, the same each time.
fn server() -> Server {
    Server::start_with(&["--enable-debug-command", "yes"])
}

#[test]
fn a_session_prints_what_redis_cli_prints() {
    let Some(theirs) = cli::oracle::redis_cli("a_session_prints_what_redis_cli_prints") else { return };
    assert!(commands().len() >= 300);
    let input = commands().join("\n") + "\n";
    for style in STYLES {
        for to in [Destination::Pipe, Destination::Terminal] {
            let printed = [&client(), &theirs].map(|program| {
                let server = server();
                let port = server.port().to_string();
                let output = run(program, &[&["-p", &port], *style].concat(), to, input.as_bytes());
                assert!(output.status.success(), "{program:?} {style:?}");
                output.stdout
            });
            assert_same(&format!("{style:?} to a {to:?}"), &printed);
        }
    }
}

#[test]
fn single_commands_print_what_redis_cli_prints() {
    let Some(theirs) = cli::oracle::redis_cli("single_commands_print_what_redis_cli_prints") else { return };
    for to in [Destination::Pipe, Destination::Terminal] {
        let servers = [server(), server()];
        for line in commands() {
            let words = shell_words(line);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let mut statuses = Vec::new();
            let printed = [(&client(), &servers[0]), (&theirs, &servers[1])].map(|(program, server)| {
                let port = server.port().to_string();
                let output = run(program, &[&["-e", "-p", &port], &words[..]].concat(), to, b"");
                statuses.push(output.status.code());
                [output.stdout, output.stderr].concat()
            });
            assert_eq!(statuses[0], statuses[1], "{line}");
            assert_same(&format!("{line} to a {to:?}"), &printed);
        }
    }
}

/// The words of a line of the list that a shell would pass on as they are; those with escapes are left quoted.
fn shell_words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut quote = None;
    let mut inside = false;
    for character in line.chars() {
        match (quote, character) {
            (None, ' ') => inside = false,
            (None, '"' | '\'') => (quote, inside) = (Some(character), open(&mut words, inside)),
            (Some(open), close) if open == close => quote = None,
            (_, character) => {
                inside = open(&mut words, inside);
                words.last_mut().expect("an open word").push(character);
            }
        }
    }
    words
}

fn open(words: &mut Vec<String>, inside: bool) -> bool {
    if !inside {
        words.push(String::new());
    }
    true
}

/// Names the first line that differs.
fn assert_same(what: &str, [ours, theirs]: &[Vec<u8>; 2]) {
    if ours != theirs {
        let [ours, theirs] = [ours, theirs].map(|text| String::from_utf8_lossy(text).into_owned());
        let differs = ours.lines().zip(theirs.lines()).position(|(ours, theirs)| ours != theirs);
        let line = differs.unwrap_or(ours.lines().count().min(theirs.lines().count()));
        let [ours, theirs] =
            [&ours, &theirs].map(|text| text.lines().skip(line).take(3).collect::<Vec<_>>().join("\n"));
        panic!("{what}, line {line}:\nours:   {ours}\ntheirs: {theirs}");
    }
}

#[test]
fn replies_off_a_terminal_are_raw() {
    let server = Server::start();
    assert_eq!(ours(&server, &["PING"], b""), "PONG\n");
    assert_eq!(ours(&server, &["ECHO", "hey"], b""), "hey\n");
    assert_eq!(ours(&server, &["--no-raw", "ECHO", "hey"], b""), "\"hey\"\n");
    assert_eq!(ours(&server, &["-n", "2", "set", "k", "v"], b""), "OK\n");
    assert_eq!(ours(&server, &["-u", &format!("redis://127.0.0.1:{}/2", server.port()), "get", "k"], b""), "v\n");
}

#[test]
fn arguments_may_come_from_standard_input() {
    let server = Server::start();
    assert_eq!(ours(&server, &["-x", "set", "last"], b"a\nb\n"), "OK\n");
    assert_eq!(ours(&server, &["-X", "TAG", "set", "TAG", "value"], b"first"), "OK\n");
    assert_eq!(ours(&server, &["mget", "last", "first"], b""), "a\nb\n\nvalue\n");
    assert_eq!(ours(&server, &["--quoted-input", "set", "\"\\x00\"", "zero"], b""), "OK\n");
    assert_eq!(
        ours(&server, &[], b"get \"\\x00\"\n2 ping\nget \"a\"b\nquit\nping\n"),
        "zero\nPONG\nPONG\nInvalid argument(s)\n"
    );
}

#[test]
fn a_command_is_repeated_and_its_error_may_end_the_client() {
    let server = Server::start();
    assert_eq!(ours(&server, &["-r", "3", "-i", "0.001", "incr", "n"], b""), "1\n2\n3\n");
    let port = server.port().to_string();
    let failed = run(&client(), &["-p", &port, "-e", "incr", "n", "x"], Destination::Pipe, b"");
    assert_eq!(failed.status.code(), Some(1));
    assert!(failed.stdout.is_empty() && failed.stderr.starts_with(b"ERR wrong number of arguments"));
}

#[test]
fn a_missing_server_and_wrong_credentials_are_told() {
    let port = common::free_port().to_string();
    let failed = run(&client(), &["-p", &port, "ping"], Destination::Pipe, b"");
    assert_eq!(failed.status.code(), Some(1));
    let text = format!("Could not connect to Redis at 127.0.0.1:{port}: Connection refused\n");
    assert_eq!(String::from_utf8_lossy(&failed.stderr), text);

    let server = Server::start_with(&["--requirepass", "secret"]);
    let port = server.port().to_string();
    let failed = run(&client(), &["-p", &port, "--no-auth-warning", "-a", "wrong", "ping"], Destination::Pipe, b"");
    assert!(failed.stderr.starts_with(b"AUTH failed: WRONGPASS "), "{}", String::from_utf8_lossy(&failed.stderr));
    assert!(failed.stdout.starts_with(b"NOAUTH "), "{}", String::from_utf8_lossy(&failed.stdout));
    assert_eq!(ours(&server, &["-a", "secret", "ping"], b""), "PONG\n");
    assert_eq!(ours(&server, &["-u", &format!("redis://default:secret@127.0.0.1:{port}"), "ping"], b""), "PONG\n");
}

#[test]
fn scripts_run_with_keys_and_arguments() {
    let server = Server::start();
    let script = server.directory().join("script.lua");
    fs::write(&script, "return {KEYS[1], ARGV[1], ARGV[2]}").expect("a script");
    let script = script.to_str().expect("a path");
    assert_eq!(ours(&server, &["--eval", script, "k", ",", "a", "b"], b""), "k\na\nb\n");
}

#[test]
fn pipe_counts_replies_and_errors() {
    let server = Server::start();
    let mut input = Vec::new();
    for number in 0..20_000 {
        input.extend(common::encode(&["SET", &format!("key:{number}"), &"x".repeat(number % 200)]));
    }
    let text = ours(&server, &["--pipe"], &input);
    assert_eq!(
        text,
        "All data transferred. Waiting for the last reply...\nLast reply received from server.\nerrors: 0, replies: 20000\n"
    );
    assert_eq!(server.connect().cmd(&["DBSIZE"]), Reply::Integer(20_000));

    let port = server.port().to_string();
    let failed = run(&client(), &["-p", &port, "--pipe"], Destination::Pipe, b"PING\r\nNOTHING\r\nGET key:3\r\n");
    assert_eq!(failed.status.code(), Some(1));
    assert!(failed.stdout.ends_with(b"errors: 1, replies: 3\n"), "{}", String::from_utf8_lossy(&failed.stdout));
    assert!(failed.stderr.starts_with(b"ERR unknown command"));
}

#[test]
fn pipe_gives_up_on_a_server_that_stays_silent() {
    let server = Server::start();
    let port = server.port().to_string();
    let failed =
        run(&client(), &["-p", &port, "--pipe", "--pipe-timeout", "1"], Destination::Pipe, b"BLPOP nothing 0\r\n");
    assert_eq!(failed.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&failed.stderr), "No replies for 1 seconds: exiting.\n");
}

#[test]
fn keys_are_listed_and_surveyed() {
    let server = Server::start_with(&["--maxmemory-policy", "allkeys-lfu"]);
    let mut connection = server.connect();
    for number in 0..100 {
        connection.cmd(&["SET", &format!("key:{number}"), "value"]);
    }
    connection.cmd(&["RPUSH", "long", "a", "b", "c"]);
    let listed = ours(&server, &["--scan", "--pattern", "*:1?", "--count", "1000", "--type", "string"], b"");
    assert_eq!(listed.lines().count(), 10);
    assert_eq!(ours(&server, &["--scan", "--quoted-pattern", "\"lon\\x67\""], b""), "long\n");

    let survey = ours(&server, &["--bigkeys"], b"");
    assert!(survey.contains("Sampled 101 keys in the keyspace!\n"), "{survey}");
    assert!(survey.contains("\nBiggest   list found '\"long\"' has 3 items\n"), "{survey}");
    assert!(survey.contains("\n100 strings with 500 bytes (99.01% of keys, avg size 5.00)\n"), "{survey}");
    let survey = ours(&server, &["--memkeys-samples", "2"], b"");
    assert!(survey.contains("\nBiggest   list found '\"long\"' has "), "{survey}");
    let hot = ours(&server, &["--hotkeys"], b"");
    assert!(hot.contains("hot key found with counter: "), "{hot}");
}

#[test]
fn a_snapshot_is_fetched() {
    let server = Server::start();
    let mut connection = server.connect();
    connection.cmd(&["SET", "key", "value"]);
    let file = server.directory().join("fetched.rdb");
    ours(&server, &["--rdb", file.to_str().expect("a path")], b"");
    let snapshot = fs::read(&file).expect("a file");
    assert!(snapshot.starts_with(b"REDIS") && snapshot.windows(8).any(|bytes| bytes == b"key\x05valu"), "{snapshot:?}");

    let functions = server.directory().join("functions.rdb");
    connection.cmd(&["FUNCTION", "LOAD", "#!lua name=lib\nredis.register_function('f', function() return 1 end)"]);
    ours(&server, &["--functions-rdb", functions.to_str().expect("a path")], b"");
    let snapshot = fs::read(&functions).expect("a file");
    assert!(!snapshot.windows(3).any(|bytes| bytes == b"key") && snapshot.windows(3).any(|bytes| bytes == b"lib"));
}

#[test]
fn latencies_are_measured() {
    let server = Server::start();
    let line = ours(&server, &["--latency", "-i", "0.05"], b"");
    assert_eq!(line.split_whitespace().count(), 4, "{line}");
    let line = ours(&server, &["--latency", "--csv", "-i", "0.05"], b"");
    assert_eq!(line.split(',').count(), 4, "{line}");
    let text = ours(&server, &["--intrinsic-latency", "1"], b"");
    assert!(text.contains(" total runs (avg latency: "), "{text}");
}

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
    assert_eq!(history, "set one 1\nget one\nget one\nquit\n");

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
