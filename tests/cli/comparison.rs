//! What the client prints beside what redis-cli 7.0 prints, byte for byte.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::Command;

use super::program::{Destination, client, run};
use crate::common::Server;

/// A redis-cli 7.0.x; none if there is none and none is required.
pub fn redis_cli(test: &str) -> Option<OsString> {
    let program = OsString::from("redis-cli");
    let version = Command::new(&program).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    if version.starts_with("redis-cli 7.0.") {
        return Some(program);
    }
    assert!(env::var_os("OXIDIS_REDIS_REQUIRED").is_none(), "a redis-cli 7.0.x is required, not {version:?}");
    // Not by a macro: what these print is kept back while tests pass.
    let _ = writeln!(io::stderr(), "SKIPPED {test}: no redis-cli 7.0.x to compare with");
    None
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
    include_str!("commands.txt").lines().filter(|line| !line.starts_with('#')).collect()
}

/// A server on which every command of the list may run, the same each time.
fn server() -> Server {
    Server::start_with(&["--enable-debug-command", "yes"])
}

#[test]
fn a_session_prints_what_redis_cli_prints() {
    let Some(theirs) = redis_cli("a_session_prints_what_redis_cli_prints") else { return };
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
    let Some(theirs) = redis_cli("single_commands_print_what_redis_cli_prints") else { return };
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

/// The lines of an output but for those that say how long a slow command took: on a busy machine any may be slow.
fn without_times(output: &[u8]) -> Vec<u8> {
    let is_time = |line: &&[u8]| {
        let seconds = line.strip_prefix(b"(").and_then(|line| line.strip_suffix(b"s)\n"));
        seconds.is_some_and(|text| !text.is_empty() && text.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.'))
    };
    output.split_inclusive(|byte| *byte == b'\n').filter(|line| !is_time(line)).collect::<Vec<_>>().concat()
}

/// Names the first line that differs.
fn assert_same(what: &str, [ours, theirs]: &[Vec<u8>; 2]) {
    let [ours, theirs] = [without_times(ours), without_times(theirs)];
    if ours != theirs {
        let [ours, theirs] = [ours, theirs].map(|text| String::from_utf8_lossy(&text).into_owned());
        let differs = ours.lines().zip(theirs.lines()).position(|(ours, theirs)| ours != theirs);
        let line = differs.unwrap_or(ours.lines().count().min(theirs.lines().count()));
        let [ours, theirs] =
            [&ours, &theirs].map(|text| text.lines().skip(line).take(3).collect::<Vec<_>>().join("\n"));
        panic!("{what}, line {line}:\nours:   {ours}\ntheirs: {theirs}");
    }
}
