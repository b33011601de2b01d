//! Servers killed at any moment, again and again, while clients write as fast as they can: what was acknowledged is
//! there afterwards, nothing is there twice, and transactions are there as a whole or not at all. In some rounds the
//! disk is full before: then nothing is acknowledged with `appendfsync always` that could not be written.
//!
//! `OXIDIS_CRASH_ROUNDS` says how many rounds there are (`scripts/crash` has a hundred), `OXIDIS_CRASH_SEED` with which
//! numbers. The seed of each round is printed, and is all it takes to run it again.

mod common;

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Connection, Reply, Server};

const WRITERS: usize = 3;
/// Transactions sent without waiting for answers.
const PIPELINE: usize = 8;
/// What `everysec` may lose.
const MAY_BE_LOST: Duration = Duration::from_secs(2);

/// Numbers that look random; the seed makes them come again.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn variable(name: &str, otherwise: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

/// What a writer knows when the server is gone.
struct Written {
    /// How many of its transactions were ever sent.
    sent: i64,
    /// How many were acknowledged, and when.
    acknowledged: Vec<(Instant, i64)>,
}

impl Written {
    /// How many were acknowledged by then.
    fn acknowledged_at(&self, time: Instant) -> i64 {
        self.acknowledged.iter().take_while(|(at, _)| *at <= time).last().map_or(0, |(_, count)| *count)
    }
}

/// Writes until the server is gone: each transaction counts in two keys.
fn write(port: u16, writer: usize, begin: i64) -> Written {
    let mut written = Written { sent: begin, acknowledged: vec![(Instant::now(), begin)] };
    let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) else { return written };
    stream.set_read_timeout(Some(common::PATIENCE)).expect("a read timeout");
    let mut replies = BufReader::new(stream.try_clone().expect("a second handle"));
    let (one, other) = (format!("one:{writer}"), format!("other:{writer}"));
    let words: [&[&str]; 5] = [&["MULTI"], &["INCR", &one], &["RPUSH", "list", &one], &["INCR", &other], &["EXEC"]];
    let transaction: Vec<u8> = words.iter().flat_map(|words| common::encode(words)).collect();
    let pipeline = transaction.repeat(PIPELINE);
    loop {
        written.sent += PIPELINE as i64;
        if (&stream).write_all(&pipeline).is_err() {
            return written;
        }
        for _ in 0..PIPELINE {
            match last_number(&mut replies) {
                Some(count) => written.acknowledged.push((Instant::now(), count)),
                None => return written,
            }
        }
    }
}

/// Reads the replies to a transaction: +OK, three times +QUEUED, and three numbers, of which the last is returned.
fn last_number(replies: &mut impl BufRead) -> Option<i64> {
    let mut line = String::new();
    for _ in 0..8 {
        line.clear();
        if replies.by_ref().take(100).read_line(&mut line).ok()? == 0 || !line.ends_with('\n') {
            return None;
        }
    }
    line.strip_prefix(':')?.trim_end().parse().ok()
}

/// What goes on while clients write.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    Nothing,
    Rewrites,
    Saves,
    /// Files may not grow any more: as on a full disk.
    FullDisk,
}

/// Lets the files of a server grow no further than the largest in its folder of logs has by now, and a bit more.
fn fill_disk(server: u32, folder: &Path, more: u64) {
    let logs = fs::read_dir(folder.join("appendonlydir")).expect("a folder of logs");
    let sizes = logs.filter_map(|file| Some(file.ok()?.metadata().ok()?.len()));
    let most = sizes.max().unwrap_or(0) + more;
    let arguments = [format!("--pid={server}"), format!("--fsize={most}:{most}")];
    // It may have ended by itself already.
    Command::new("prlimit").args(arguments).stderr(Stdio::null()).status().expect("prlimit, of util-linux");
}

fn disturb(port: u16, meanwhile: Meanwhile, over: &AtomicBool) {
    let command: &[&str] = match meanwhile {
        Meanwhile::Nothing | Meanwhile::FullDisk => return,
        Meanwhile::Rewrites => &["BGREWRITEAOF"],
        Meanwhile::Saves => &["BGSAVE"],
    };
    while !over.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return };
        let _ = stream.write_all(&common::encode(command));
        let _ = stream.read(&mut [0; 100]);
        thread::sleep(Duration::from_millis(5));
    }
}

fn start(folder: &Path, policy: &str) -> Server {
    let folder = folder.to_str().expect("a name");
    Server::start_with(&[
        "--dir",
        folder,
        "--appendonly",
        "yes",
        "--appendfsync",
        policy,
        "--aof-load-truncated",
        "yes",
    ])
}

fn number(connection: &mut Connection, key: &str) -> i64 {
    match connection.cmd(&["get", key]) {
        Reply::Bulk(text) => String::from_utf8_lossy(&text).parse().expect("a number"),
        Reply::Null => 0,
        other => panic!("{other:?}"),
    }
}

/// One life of a server, ended at any moment; then what its successor finds is compared with what clients know.
fn round(folder: &Path, policy: &'static str, meanwhile: Meanwhile, lives_ms: u64) {
    let server = start(folder, policy);
    let port = server.port();
    let mut connection = server.connect();
    let begin: Vec<i64> = (0..WRITERS).map(|writer| number(&mut connection, &format!("one:{writer}"))).collect();
    let over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| (writer, begin[writer]))
        .map(|(writer, begin)| thread::spawn(move || write(port, writer, begin)))
        .collect();
    let disturber = thread::spawn({
        let over = Arc::clone(&over);
        move || disturb(port, meanwhile, &over)
    });
    // The moment is what the test is about; nothing is waited for.
    thread::sleep(Duration::from_millis(lives_ms));
    let killed = Instant::now();
    if matches!(meanwhile, Meanwhile::FullDisk) {
        fill_disk(server.pid(), folder, lives_ms * 100);
        thread::sleep(Duration::from_millis(lives_ms));
    }
    drop(server);
    over.store(true, Ordering::Relaxed);
    disturber.join().expect("a disturber");
    let written: Vec<Written> = writers.into_iter().map(|writer| writer.join().expect("a writer")).collect();

    let server = start(folder, policy);
    let mut connection = server.connect();
    let mut sum = 0;
    for (writer, written) in written.iter().enumerate() {
        let (one, other) =
            (number(&mut connection, &format!("one:{writer}")), number(&mut connection, &format!("other:{writer}")));
        let promised = match policy {
            "always" => written.acknowledged_at(Instant::now()),
            _ => written.acknowledged_at(killed.checked_sub(MAY_BE_LOST).unwrap_or(killed)),
        };
        assert_eq!(one, other, "a transaction in part");
        assert!(one >= promised, "writer {writer}: {promised} were acknowledged, {one} are there");
        assert!(one <= written.sent, "writer {writer}: {} were sent, {one} are there", written.sent);
        sum += one;
    }
    assert_eq!(connection.cmd(&["llen", "list"]), Reply::Integer(sum));
}

#[test]
fn what_was_acknowledged_survives_any_crash() {
    let rounds = variable("OXIDIS_CRASH_ROUNDS", 8);
    let seed = variable("OXIDIS_CRASH_SEED", 0x9e37_79b9_7f4a_7c15);
    let folders = [tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder")];
    for index in 0..rounds {
        let mut numbers = Numbers(seed.wrapping_add(index.wrapping_mul(0x5851_f42d_4c95_7f2d)) | 1);
        (0..3).for_each(|_| _ = numbers.below(2));
        let (folder, policy) = [(&folders[0], "always"), (&folders[1], "everysec")][(index % 2) as usize];
        let disturbances = [Meanwhile::Nothing, Meanwhile::Rewrites, Meanwhile::Saves, Meanwhile::FullDisk];
        let meanwhile = disturbances[(index / 2 % 4) as usize];
        let lives_ms = 20 + numbers.below(if index % 7 == 6 { 2800 } else { 500 });
        println!("round {index} of seed {seed}: {policy}, {meanwhile:?}, {lives_ms} ms");
        round(folder.path(), policy, meanwhile, lives_ms);
    }
}
