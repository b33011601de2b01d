//! A data set with keys of every type in every encoding, what two servers are compared by, and the other servers.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::Command;
use std::{env, thread};

use super::{Connection, Reply, Server, run, words};

/// Runs a command, given as words with blanks between them; its reply as text.
pub fn text(connection: &mut Connection, command: &str) -> String {
    run(connection, command).text()
}

/// A field of INFO.
pub fn info(connection: &mut Connection, field: &str) -> String {
    let info = text(connection, "info everything");
    let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::to_owned));
    line.unwrap_or_default()
}

/// A number in INFO.
pub fn figure(connection: &mut Connection, field: &str) -> i64 {
    info(connection, field).parse().unwrap_or_else(|_| panic!("INFO has no number {field}"))
}

/// The fields of INFO, each with its section, but for those that depend on which commands were called.
pub fn info_fields(connection: &mut Connection) -> Vec<String> {
    let text = text(connection, "info everything");
    let (mut section, mut fields) = ("", Vec::new());
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("# ") {
            section = title;
            fields.push(line.to_owned());
        } else if let Some((name, _)) = line.split_once(':')
            && !section.ends_with("stats")
        {
            fields.push(format!("{section} {name}"));
        }
    }
    fields
}

/// Runs commands without looking at their replies, but for errors.
pub fn run_all<C: AsRef<str>>(connection: &mut Connection, commands: &[C]) {
    for chunk in commands.chunks(500) {
        chunk.iter().for_each(|command| connection.send(&words(command.as_ref())));
        for command in chunk.iter().map(AsRef::as_ref) {
            if let Reply::Error(error) = connection.read() {
                panic!("{command}: {error}");
            }
        }
    }
}

/// Keys of every type, in every encoding.
pub fn fill(connection: &mut Connection) {
    let mut commands: Vec<String> = Vec::new();
    for db in [0, 3] {
        commands.push(format!("select {db}"));
        for number in 0..50i64 {
            commands.push(format!("set text:{number} {}", "abc".repeat(number as usize * 3 + 1)));
            commands.push(format!("set number:{number} {}", (number - 25) * 7_i64.pow((number % 15) as u32)));
            commands.push(format!("set 5{number} x px {}", 100_000_000 + number));
        }
        for (name, count) in [("small", 5), ("big", 700)] {
            for number in 0..count {
                let word = if number % 3 == 0 { number.to_string() } else { format!("word:{number}") };
                commands.push(format!("rpush list:{name} {word}"));
                commands.push(format!("sadd set:{name} {word}"));
                commands.push(format!("sadd ints:{name} {}", number * 70_001));
                commands.push(format!("zadd sorted:{name} {} {word}", number as f64 * 0.25));
                commands.push(format!("hset hash:{name} {word} {}", "v".repeat(number % 60)));
                commands.push(format!("xadd stream:{name} {}-{db} word {word} number {number}", number + 1));
            }
            commands.push(format!("zadd sorted:{name} inf up -inf down -0 zero 1e22 far"));
            commands.push(format!("xdel stream:{name} 2-{db}"));
            commands.push(format!("xgroup create stream:{name} readers 0"));
            commands.push(format!("xreadgroup group readers alice count 2 streams stream:{name} >"));
            commands.push(format!("xreadgroup group readers bob count 1 streams stream:{name} >"));
            commands.push(format!("xack stream:{name} readers 1-{db}"));
            commands.push(format!("xgroup create stream:{name} idle $"));
        }
        commands.push(format!("rpush giants {} {} little", "x".repeat(20_000), "y".repeat(9_000)));
        commands.push("pfadd hll a b c d".to_owned());
    }
    run_all(connection, &commands);
}

/// DEBUG DIGEST.
pub fn digest(connection: &mut Connection) -> String {
    text(connection, "debug digest")
}

/// What digests do not tell: groups of streams.
pub fn streams(connection: &mut Connection) -> String {
    let mut all = Vec::new();
    for db in [0, 3] {
        connection.cmd(&["select", &db.to_string()]);
        for name in ["small", "big"] {
            let pending = connection.cmd(&["xpending", &format!("stream:{name}"), "readers", "-", "+", "10"]);
            // How long ago is another matter.
            let Reply::Array(pending) = pending else { panic!("{pending:?}") };
            let told = pending.into_iter().map(|entry| match entry {
                Reply::Array(mut parts) => {
                    parts.remove(2);
                    parts
                }
                other => vec![other],
            });
            all.push(format!("{:?}", told.collect::<Vec<_>>()));
            all.push(format!("{:?}", connection.cmd(&["xinfo", "groups", &format!("stream:{name}")])));
        }
    }
    all.join("\n")
}

/// A redis-server 7.0: the one that OXIDIS_DIFFERENTIAL_REDIS names or that of PATH. Like the others it may be missing,
/// which is said, but where OXIDIS_REDIS_REQUIRED is set: `scripts/test` provides them.
pub fn redis_7() -> Option<OsString> {
    peer("OXIDIS_DIFFERENTIAL_REDIS", Some("redis-server"), "7.0.", "there is no redis-server 7.0.x")
}

/// A redis-server 8, where OXIDIS_REDIS8 names it.
pub fn redis_8() -> Option<OsString> {
    peer("OXIDIS_REDIS8", None, "8.", "OXIDIS_REDIS8 names no redis-server 8.x")
}

/// A valkey-server 9, where OXIDIS_VALKEY9 names it.
pub fn valkey_9() -> Option<OsString> {
    peer("OXIDIS_VALKEY9", None, "9.", "OXIDIS_VALKEY9 names no valkey-server 9.x")
}

/// Our server, and a valkey-server 9 if there is one.
pub fn own_and_valkey(arguments: &[&str]) -> Vec<Server> {
    let valkey = valkey_9().map(|program| Server::start_program(&program, arguments));
    [Some(Server::start_with(arguments)), valkey].into_iter().flatten().collect()
}

/// All that can be asked of the keys of the data set and of its functions, for servers whose digests differ.
pub fn content(connection: &mut Connection) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for db in [0, 3] {
        connection.cmd(&["select", &db.to_string()]);
        let Reply::Array(keys) = connection.cmd(&["keys", "*"]) else { panic!("no keys") };
        for key in keys.iter().map(Reply::text) {
            let value = value(connection, &key);
            let expiry = connection.cmd(&["pexpiretime", &key]);
            all.insert(format!("{db} {key}"), format!("{expiry:?} {value}"));
        }
    }
    all.insert("functions".to_owned(), format!("{:?}", connection.cmd(&["fcall_ro", "answer", "0"])));
    all
}

/// What the value of a key is made of, whatever the form it has.
fn value(connection: &mut Connection, key: &str) -> String {
    let texts = |reply: Reply| match reply {
        Reply::Array(items) => items.iter().map(Reply::text).collect::<Vec<_>>(),
        other => panic!("{key}: {other:?}"),
    };
    match connection.cmd(&["type", key]).text().as_str() {
        "string" => connection.cmd(&["get", key]).text(),
        "list" => texts(connection.cmd(&["lrange", key, "0", "-1"])).join(" "),
        "set" => {
            let mut members = texts(connection.cmd(&["smembers", key]));
            members.sort();
            members.join(" ")
        }
        "zset" => {
            let flat = texts(connection.cmd(&["zrange", key, "0", "-1", "withscores"]));
            // Digits of scores differ between the versions, and a small set does not know the sign of zero.
            let score = |text: &String| text.parse::<f64>().expect("a score") + 0.0;
            flat.chunks(2).map(|pair| format!("{} {:?} ", pair[0], score(&pair[1]))).collect()
        }
        "hash" => {
            let flat = texts(connection.cmd(&["hgetall", key]));
            let mut pairs: Vec<String> = flat.chunks(2).map(|pair| pair.join("=")).collect();
            pairs.sort();
            for field in ["a", "2", "word:1"] {
                // A server that does not know the command has no such times either.
                if let Reply::Array(at) = connection.cmd(&["hpexpiretime", key, "fields", "1", field]) {
                    pairs.extend(
                        at.into_iter().filter(|at| matches!(at, Reply::Integer(1..))).map(|at| format!("{at:?}")),
                    );
                }
            }
            pairs.join(" ")
        }
        "stream" => {
            let mut parts = vec![format!("{:?}", connection.cmd(&["xrange", key, "-", "+"]))];
            let known = ["length", "last-generated-id", "max-deleted-entry-id", "entries-added"];
            if let Reply::Array(fields) = connection.cmd(&["xinfo", "stream", key]) {
                let fields = fields.chunks(2).filter(|pair| known.contains(&pair[0].text().as_str()));
                parts.extend(fields.map(|pair| format!("{pair:?}")));
            }
            parts.push(format!("{:?}", connection.cmd(&["xinfo", "groups", key])));
            for group in ["readers", "idle"] {
                let Reply::Array(pending) = connection.cmd(&["xpending", key, group, "-", "+", "100"]) else {
                    continue;
                };
                // How long ago is another matter.
                parts.extend(pending.into_iter().map(|entry| match entry {
                    Reply::Array(fields) => format!("{:?} {:?} {:?}", fields[0], fields[1], fields[3]),
                    other => format!("{other:?}"),
                }));
            }
            parts.join(" ")
        }
        other => panic!("{key}: a {other}"),
    }
}

/// Says it where it is seen: what a test prints by `eprintln` is shown only when it fails.
fn skip(reason: &str) {
    let test = thread::current();
    let _ = writeln!(io::stderr(), "SKIPPED {}: {reason}", test.name().unwrap_or_default());
}

/// A server whose version begins like that. One that is missing, for that reason, has the test skipped, or fail.
fn peer(variable: &str, otherwise: Option<&str>, series: &str, reason: &str) -> Option<OsString> {
    let has_version = |path: &OsString| {
        let output = Command::new(path).arg("--version").output();
        output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(&format!("v={series}")))
    };
    let found = env::var_os(variable).or_else(|| otherwise.map(OsString::from)).filter(has_version);
    if found.is_none() {
        assert!(env::var_os("OXIDIS_REDIS_REQUIRED").is_none(), "{reason}");
        skip(reason);
    }
    found
}
