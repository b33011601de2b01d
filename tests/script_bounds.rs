//! Every function written in C or Rust that a script can call is bounded: the table of them is complete, and none keeps
//! others from being told that the server is busy, or goes on when its script is ended.

#[path = "../src/script/bounds.rs"]
mod bounds;
mod common;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bounds::{Bound, FUNCTIONS, LARGE_VALUES, OF_LOADING, WALK};
use common::{Connection, Reply, Server};

const THRESHOLD: Duration = Duration::from_millis(250);
/// How long a script is watched once the server is busy.
const WATCHED: Duration = Duration::from_millis(200);
/// Other processes may hold the machine up, but hardly this often.
const ATTEMPTS: usize = 4;

fn server() -> Server {
    let threshold = THRESHOLD.as_millis().to_string();
    Server::start_with(&[
        "--busy-reply-threshold",
        &threshold,
        "--lua-enable-deprecated-api",
        "yes",
        "--maxmemory",
        "1gb",
        "--loglevel",
        "verbose",
    ])
}

fn names(reply: &Reply) -> BTreeSet<String> {
    let Reply::Array(names) = reply else { panic!("names, not {reply:?}") };
    names.iter().map(Reply::text).collect()
}

#[test]
fn the_table_has_every_function_that_scripts_and_functions_can_reach() {
    let server = server();
    let mut client = server.connect();
    let mut listed: BTreeSet<String> = FUNCTIONS.iter().map(|row| row.name.to_owned()).collect();
    assert_eq!(listed.len(), FUNCTIONS.len(), "each name is there once");
    assert_eq!(names(&client.cmd(&["EVAL", WALK, "0"])), listed);
    let library = format!("#!lua name=walk\nredis.register_function('walk', function() {WALK} end)");
    assert_eq!(client.cmd(&["FUNCTION", "LOAD", &library]), Reply::bulk("walk"));
    for name in ["redis.breakpoint", "redis.debug", "redis.replicate_commands"] {
        assert!(listed.remove(name), "functions have no {name}");
    }
    assert_eq!(names(&client.cmd(&["FCALL", "walk", "0"])), listed);
    for name in listed.iter().filter(|name| !name.contains("()") && *name != "redis.log") {
        let seen = format!("#!lua name=seen\nlocal seen = {name}");
        let error = client.cmd(&["FUNCTION", "LOAD", &seen]).into_error();
        assert!(error.contains("nonexistent global variable"), "while it is loaded a library has no {name}: {error}");
    }
}

/// Runs code again and again until it is ended; the longest that another client had to wait: until it was told that the
/// server is busy, for an answer then, and until the script had ended.
fn longest_wait(server: &Server, code: &str, mark: &str) -> Duration {
    let (mut caller, mut other) = (server.connect(), server.connect());
    let script = format!(
        "{LARGE_VALUES} local function once() {code} end redis.log(redis.LOG_WARNING, '{mark}') while true do \
         pcall(once) end"
    );
    caller.send(&["EVAL", &script, "0"]);
    server.await_log(mark);
    let begun = Instant::now();
    let mut longest = Duration::ZERO;
    while !is_told_busy(&mut other) {}
    longest = longest.max(begun.elapsed());
    let busy = Instant::now();
    while busy.elapsed() < WATCHED {
        let asked = Instant::now();
        assert!(is_told_busy(&mut other), "{code} has ended");
        longest = longest.max(asked.elapsed());
    }
    let asked = Instant::now();
    assert_eq!(other.cmd(&["SCRIPT", "KILL"]), Reply::ok(), "{code}");
    let error = caller.read().into_error();
    assert!(error.contains("Script killed by user with SCRIPT KILL"), "{code}: {error}");
    longest.max(asked.elapsed())
}

fn is_told_busy(client: &mut Connection) -> bool {
    matches!(client.cmd(&["PING"]), Reply::Error(text) if text.starts_with("BUSY"))
}

fn check(server: &Server, name: &str, code: &str) {
    let waits: Vec<Duration> = (0..ATTEMPTS)
        .map(|attempt| longest_wait(server, code, &format!("{name} begins, {attempt}")))
        .take_while(|wait| *wait > 2 * THRESHOLD)
        .collect();
    assert!(waits.len() < ATTEMPTS, "{name} keeps others waiting: {waits:?}");
}

#[test]
fn functions_that_take_no_time_keep_nobody_waiting() {
    let server = server();
    let constant = FUNCTIONS.iter().filter(|row| row.bound == Bound::Constant);
    let calls: Vec<String> = constant.map(|row| format!("pcall(function() {} end)", row.large)).collect();
    // The last one never returns.
    let (endless, calls): (Vec<String>, Vec<String>) = calls.into_iter().partition(|call| call.contains("while true"));
    check(&server, "each", &calls.join(" "));
    for call in endless {
        check(&server, "endless", &call);
    }
}

#[test]
fn functions_that_look_through_what_they_are_given_keep_nobody_waiting() {
    let server = server();
    for row in FUNCTIONS.iter().filter(|row| row.bound == Bound::Linear) {
        check(&server, row.name, row.large);
    }
}

#[test]
fn functions_that_account_for_their_work_keep_nobody_waiting() {
    let server = server();
    for row in FUNCTIONS.iter().filter(|row| matches!(row.bound, Bound::Accounted | Bound::Calls)) {
        check(&server, row.name, row.large);
    }
}

#[test]
fn instructions_and_commands_on_large_values_keep_nobody_waiting() {
    let server = server();
    let mut client = server.connect();
    for _ in 0..100 {
        let elements: Vec<String> = (0..1000).map(|element: i32| element.to_string()).collect();
        let mut words = vec!["RPUSH", "list"];
        words.extend(elements.iter().map(String::as_str));
        client.cmd(&words);
    }
    for (name, code) in [
        ("join", "while true do local t = S .. 'x' end"),
        ("compare", "while S <= S do end"),
        (
            "join after a coroutine was made",
            "local c = coroutine.wrap(function() while true do local t = S .. S end end) c()",
        ),
        ("coroutines", "while true do coroutine.wrap(function() local t = S .. S end)() end"),
        (
            "rehash",
            "local t, k = {}, nil for i = 1, 2^17 do t[{}] = i end while true do t[next(t)] = nil t[{}] = 1 end",
        ),
        ("length", "while true do local n = #T end"),
        ("range", "while true do redis.call('LRANGE', 'list', 0, -1) end"),
        ("refused", "while true do redis.pcall('LRANGE', S) end"),
        ("sorted", "while true do redis.call('SORT_RO', 'list', 'LIMIT', 0, 1) end"),
    ] {
        check(&server, name, code);
    }
}

#[test]
fn what_a_library_calls_while_it_is_loaded_ends_in_time() {
    let server = server();
    let mut client = server.connect();
    let begun = Instant::now();
    let code = format!("#!lua name=late\nlocal n, f = 0, function() end while true do {} end", OF_LOADING.large);
    let error = client.cmd(&["FUNCTION", "LOAD", &code]).into_error();
    assert!(error.contains("FUNCTION LOAD timeout") || error.contains("not enough memory"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(20));
}
