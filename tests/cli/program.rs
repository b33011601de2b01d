//! Running the client and redis-cli.

use std::ffi::OsString;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::common::Server;

/// The client under test.
pub fn client() -> OsString {
    std::env::var_os("OXIDIS_CLI_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_oxidis-cli").into())
}

/// Whether the output is taken for a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    Terminal,
    Pipe,
}

/// Runs a program to its end.
pub fn run(program: &OsString, args: &[&str], to: Destination, input: &[u8]) -> Output {
    let mut command = Command::new(program);
    command.args(args).env_remove("FAKETTY").env_remove("REDISCLI_AUTH").env("TERM", "dumb");
    if to == Destination::Terminal {
        command.env("FAKETTY", "1");
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // The program may end before it has read all.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("the program's output");
    writer.join().expect("an input");
    output
}

/// Runs our client against a server; standard output.
pub fn ours(server: &Server, args: &[&str], input: &[u8]) -> String {
    let port = server.port().to_string();
    let output = run(&client(), &[&["-p", &port], args].concat(), Destination::Pipe, input);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {told}{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).expect("text")
}
