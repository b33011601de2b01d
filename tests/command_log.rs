//! SLOWLOG and COMMANDLOG: what is logged, how it is shown and counted.

mod common;

use common::{Connection, Reply, Server};

fn integer(reply: &Reply) -> i64 {
    let Reply::Integer(value) = reply else { panic!("{reply:?} is no integer") };
    *value
}

/// The entries of a log, the newest first.
fn entries(client: &mut Connection, kind: &str) -> Vec<Vec<Reply>> {
    let Reply::Array(entries) = client.cmd(&["COMMANDLOG", "GET", "-1", kind]) else { panic!("no log of {kind}") };
    let columns = |entry| match entry {
        Reply::Array(columns) => columns,
        other => panic!("{other:?} is no entry"),
    };
    entries.into_iter().map(columns).collect()
}

/// Name and size of each entry of a log, the newest first.
fn sizes(client: &mut Connection, kind: &str) -> Vec<(String, i64)> {
    let told = |entry: &Vec<Reply>| {
        let Reply::Array(words) = &entry[3] else { panic!("{entry:?} has no arguments") };
        (words[0].text(), integer(&entry[2]))
    };
    entries(client, kind).iter().map(told).collect()
}

fn field(client: &mut Connection, section: &str, name: &str) -> Option<String> {
    let text = client.cmd(&["INFO", section]).text();
    text.lines().find_map(|line| line.strip_prefix(&format!("{name}:")).map(str::to_owned))
}

#[test]
fn large_requests_and_replies_are_logged_with_their_bytes() {
    let server =
        Server::start_with(&["--commandlog-request-larger-than", "100", "--commandlog-reply-larger-than", "100"]);
    let mut client = server.connect();
    client.cmd(&["SET", "key", &"x".repeat(200)]);
    client.cmd(&["GET", "key"]);
    client.cmd(&["SET", "small", "y"]);
    assert_eq!(sizes(&mut client, "large-request"), [("SET".into(), 230)]);
    assert_eq!(sizes(&mut client, "Large-Reply")[1..], [("GET".into(), 208)], "behind the GET of COMMANDLOG");
    assert_eq!(client.cmd(&["COMMANDLOG", "LEN", "slow"]), Reply::Integer(0));
    let entry = &entries(&mut client, "large-request")[0];
    assert_eq!(entry.len(), 6);
    assert_eq!(integer(&entry[0]), 0);
    let Reply::Array(words) = &entry[3] else { panic!("{entry:?}") };
    assert!(words[2].text().ends_with("x... (72 more bytes)"), "{entry:?}");
    assert_eq!(client.cmd(&["COMMANDLOG", "RESET", "large-request"]), Reply::ok());
    assert_eq!(sizes(&mut client, "large-request"), []);
}

#[test]
fn what_is_referred_to_instead_of_copied_counts_too() {
    let server = Server::start();
    let mut client = server.connect();
    let value = vec![b'x'; 1 << 20];
    client.cmd(&[&b"SET"[..], b"key", &value]);
    client.cmd(&["GET", "key"]);
    client.cmd(&[&b"SET"[..], b"less", &value[..40_000]]);
    client.cmd(&["GET", "less"]);
    assert_eq!(sizes(&mut client, "large-request"), [("SET".into(), (1 << 20) + 34)]);
    assert_eq!(sizes(&mut client, "large-reply"), [("GET".into(), (1 << 20) + 12)]);
}

#[test]
fn commands_of_scripts_transactions_and_blocked_clients_are_logged_by_themselves() {
    let server = Server::start_with(
        &["--commandlog-reply-larger-than", "100", "--commandlog-request-larger-than", "1kb"]
            .map(|word| if word == "1kb" { "1000" } else { word }),
    );
    let mut client = server.connect();
    client.cmd(&["SET", "key", &"x".repeat(200)]);
    client.cmd(&["MULTI"]);
    client.cmd(&["GET", "key"]);
    client.cmd(&["EXEC"]);
    assert_eq!(sizes(&mut client, "large-reply"), [("GET".into(), 208)], "EXEC is not logged");
    client.cmd(&["COMMANDLOG", "RESET", "large-reply"]);
    client.cmd(&[
        "EVAL",
        "redis.call('SET', KEYS[1], string.rep('y', 2000)) return redis.call('GET', KEYS[1])",
        "1",
        "other",
    ]);
    let logged = sizes(&mut client, "large-reply");
    assert_eq!(logged, [("EVAL".into(), 2009), ("GET".into(), 2009)]);
    assert_eq!(sizes(&mut client, "large-request"), [], "nobody sent what the script did");
    client.cmd(&["COMMANDLOG", "RESET", "large-reply"]);
    let mut waiting = server.connect();
    waiting.send(&["BLPOP", "list", "0"]);
    common::wait_until("the client waits", || {
        client.cmd(&["INFO", "clients"]).text().contains("blocked_clients:1\r\n")
    });
    client.cmd(&["COMMANDLOG", "RESET", "large-reply"]);
    client.cmd(&["RPUSH", "list", &"z".repeat(300)]);
    waiting.read();
    assert_eq!(sizes(&mut client, "large-reply"), [("BLPOP".into(), 322)]);
}

#[test]
fn a_log_of_length_zero_or_limit_minus_one_is_off() {
    let server = Server::start_with(&["--commandlog-request-larger-than", "0", "--commandlog-reply-larger-than", "0"]);
    let mut client = server.connect();
    client.cmd(&["PING"]);
    assert_eq!(sizes(&mut client, "large-request").len(), 1);
    client.cmd(&["CONFIG", "SET", "commandlog-large-request-max-len", "0", "commandlog-reply-larger-than", "-1"]);
    client.cmd(&["COMMANDLOG", "RESET", "large-reply"]);
    client.cmd(&["COMMANDLOG", "RESET", "large-request"]);
    client.cmd(&["PING"]);
    assert_eq!(client.cmd(&["COMMANDLOG", "LEN", "large-request"]), Reply::Integer(0));
    assert_eq!(client.cmd(&["COMMANDLOG", "LEN", "large-reply"]), Reply::Integer(0));
}

#[test]
fn the_slow_log_goes_by_both_names() {
    let server = Server::start_with(&["--commandlog-execution-slower-than", "0"]);
    let mut client = server.connect();
    client.cmd(&["PING"]);
    assert_eq!(sizes(&mut client, "slow")[0].0, "PING");
    assert_eq!(client.cmd(&["CONFIG", "SET", "commandlog-slow-execution-max-len", "1"]), Reply::ok());
    assert_eq!(client.cmd(&["CONFIG", "GET", "slowlog-max-len"]), Reply::bulks(&["slowlog-max-len", "1"]));
    assert_eq!(client.cmd(&["SLOWLOG", "LEN"]), Reply::Integer(1));
    assert_eq!(client.cmd(&["COMMANDLOG", "LEN", "slow"]), Reply::Integer(1));
}

#[test]
fn wrong_arguments_of_commandlog_are_told() {
    let server = Server::start();
    let mut client = server.connect();
    let mut error = |words: &[&str]| client.cmd(words).into_error();
    let count = "ERR count should be greater than or equal to -1";
    assert_eq!(error(&["COMMANDLOG", "GET", "-2", "foo"]), count);
    assert_eq!(error(&["COMMANDLOG", "GET", "9223372036854775808", "slow"]), count);
    let kind = "ERR type should be one of the following: slow, large-request, large-reply";
    assert_eq!(error(&["COMMANDLOG", "GET", "1", "foo"]), kind);
    assert_eq!(error(&["COMMANDLOG", "LEN", ""]), kind);
    assert_eq!(error(&["COMMANDLOG", "RESET", "slowlog"]), kind);
    assert_eq!(error(&["COMMANDLOG", "RESET"]), "ERR wrong number of arguments for 'commandlog|reset' command");
    assert_eq!(error(&["COMMANDLOG", "FOO"]), "ERR unknown subcommand 'FOO'. Try COMMANDLOG HELP.");
    let len = client.cmd(&["COMMANDLOG", "GET", "9223372036854775807", "slow"]);
    assert_eq!(len, Reply::Array(vec![]));
}

#[test]
fn arguments_beyond_the_limits_are_cut_and_counted() {
    let server = Server::start_with(&["--slowlog-log-slower-than", "0"]);
    let mut client = server.connect();
    client.cmd(&["CONFIG", "SET", "slowlog-entry-max-argc", "2", "slowlog-entry-max-string-len", "4"]);
    client.cmd(&["SADD", "a", "b", "c", "d", "e"]);
    let Reply::Array(entries) = client.cmd(&["SLOWLOG", "GET", "1"]) else { panic!("no entries") };
    let [Reply::Array(entry)] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(entry.len(), 8);
    assert_eq!(entry[3], Reply::bulks(&["SADD", "... (5 more arguments)"]));
    assert_eq!(entry[6], Reply::Integer(6));
    assert!(integer(&entry[7]) <= integer(&entry[2]), "{entry:?}");
    for (name, least) in [("slowlog-entry-max-argc", "1"), ("slowlog-entry-max-string-len", "0")] {
        let error = client.cmd(&["CONFIG", "SET", name, least]).into_error();
        assert!(error.contains("argument must be between"), "{error}");
    }
}

#[test]
fn a_command_that_sleeps_takes_time_but_no_processor() {
    let server = Server::start_with(&["--enable-debug-command", "yes"]);
    let mut client = server.connect();
    client.cmd(&["DEBUG", "SLEEP", "0.1"]);
    client.cmd(&["EVAL", "local n = 0 for i = 1, 3000000 do n = n + i end return n", "0"]);
    let Reply::Array(entries) = client.cmd(&["SLOWLOG", "GET"]) else { panic!("no entries") };
    let times = |entry: &Reply| match entry {
        Reply::Array(columns) => (integer(&columns[2]), integer(&columns[7])),
        other => panic!("{other:?}"),
    };
    let (slept, computed) = (times(&entries[entries.len() - 1]), times(&entries[0]));
    assert!(slept.0 >= 100_000 && slept.1 < 50_000, "{slept:?}");
    assert!(computed.1 > 0 && computed.1 <= computed.0, "{computed:?}");
}

#[test]
fn slow_commands_are_counted_in_info() {
    let server = Server::start_with(&["--enable-debug-command", "yes"]);
    let mut client = server.connect();
    client.cmd(&["GET", "key"]);
    assert_eq!(field(&mut client, "stats", "slowlog_commands_time_ms_sum").unwrap(), "0.00");
    client.cmd(&["DEBUG", "SLEEP", "0.02"]);
    client.cmd(&["DEBUG", "SLEEP", "0.03"]);
    client.cmd(&["SLOWLOG", "RESET"]);
    assert_eq!(field(&mut client, "stats", "slowlog_commands_count").unwrap(), "2");
    let sum: f64 = field(&mut client, "stats", "slowlog_commands_time_ms_sum").unwrap().parse().unwrap();
    let max: f64 = field(&mut client, "stats", "slowlog_commands_time_ms_max").unwrap().parse().unwrap();
    assert!(sum >= 50.0 && max >= 30.0 && max < sum, "{sum} {max}");
    let debug = field(&mut client, "commandstats", "cmdstat_debug").unwrap();
    assert!(debug.contains(",failed_calls=0,slowlog_count=2,slowlog_time_ms_sum="), "{debug}");
    assert!(debug.contains(",slowlog_time_ms_max="), "{debug}");
    assert!(field(&mut client, "commandstats", "cmdstat_get").unwrap().ends_with("failed_calls=0"));
    client.cmd(&["CONFIG", "RESETSTAT"]);
    assert_eq!(field(&mut client, "stats", "slowlog_commands_count").unwrap(), "0");
}

#[test]
fn passwords_stay_out_of_every_log() {
    let server = Server::start_with(&["--commandlog-request-larger-than", "0", "--slowlog-log-slower-than", "0"]);
    let mut client = server.connect();
    client.cmd(&["AUTH", "somebody", "hush"]);
    for kind in ["slow", "large-request"] {
        let told = format!("{:?}", entries(&mut client, kind));
        assert!(told.contains(&format!("{:?}", Reply::bulks(&["AUTH", "(redacted)", "(redacted)"]))), "{told}");
    }
}
