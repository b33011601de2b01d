//! Payloads and files of documents that are cut off or changed: they are refused, or are documents.

use super::common::dataset::info;
use super::common::{Connection, Reply, run};
use super::filled;

/// Memory that no payload of a few hundred bytes may take.
const BYTES_MAX: u64 = 64 << 20;

/// A checksum of 0 is not checked.
fn without_checksum(payload: &[u8]) -> Vec<u8> {
    let mut payload = payload.to_vec();
    let end = payload.len().saturating_sub(8);
    payload[end..].fill(0);
    payload
}

/// Whether a payload is taken; what has been made of it can be used.
fn is_taken(client: &mut Connection, payload: &[u8]) -> bool {
    let reply = client.cmd(&[b"RESTORE".as_slice(), b"back", b"0", payload, b"REPLACE"]);
    if reply != Reply::ok() {
        let Reply::Error(text) = reply else { panic!("{reply:?}") };
        assert!(text.contains("Bad data format") || text.contains("payload version or checksum"), "{text}");
        return false;
    }
    if run(client, "TYPE back") == Reply::Simple("ReJSON-RL".into()) {
        let Reply::Bulk(text) = client.cmd(&["JSON.GET", "back"]) else { panic!("no text") };
        assert_eq!(client.cmd(&[b"JSON.SET".as_slice(), b"again", b"$", &text]), Reply::ok());
        assert_eq!(client.cmd(&["JSON.GET", "again"]), Reply::Bulk(text));
    }
    for line in ["JSON.CLEAR back", "MEMORY USAGE back", "DUMP back"] {
        run(client, line);
    }
    true
}

#[test]
fn payloads_cut_off_or_changed_anywhere_are_refused_or_make_a_document() {
    let (_server, mut client) = filled(&["--maxmemory", "0"]);
    let Reply::Bulk(payload) = client.cmd(&["DUMP", "k"]) else { panic!("no payload") };
    let payload = without_checksum(&payload);
    assert!(is_taken(&mut client, &payload));
    let body = payload.len() - 10;
    for len in 0..payload.len() {
        // The end of the payload, a version and a checksum, stays.
        let cut = if len < body { [&payload[..len], &payload[body..]].concat() } else { payload[..len].to_vec() };
        assert!(!is_taken(&mut client, &cut), "{len} bytes");
    }
    let mut taken = 0;
    for at in 0..body {
        for bit in 0..8 {
            let mut changed = payload.clone();
            changed[at] ^= 1 << bit;
            taken += u32::from(is_taken(&mut client, &changed));
        }
        for byte in [0, 0x7f, 0x80, 0x81, 0xbf, 0xc3, 0xff] {
            let mut changed = payload.clone();
            changed[at] = byte;
            is_taken(&mut client, &changed);
        }
    }
    assert!(taken > 0, "another letter makes another document");
    assert_eq!(run(&mut client, "PING"), Reply::Simple("PONG".into()));
    let peak: u64 = info(&mut client, "used_memory_peak").parse().expect("a number");
    assert!(peak < BYTES_MAX, "{peak} bytes at the most");
}

#[test]
fn lengths_that_are_announced_alone_take_no_memory() {
    let (_server, mut client) = filled(&[]);
    let Reply::Bulk(payload) = client.cmd(&["DUMP", "k"]) else { panic!("no payload") };
    let payload = without_checksum(&payload);
    // The type, its name and version in 9 bytes, and the mark of a string; then its length.
    let text = payload.windows(7).position(|window| window == b"{\"text\"").expect("the text");
    let head = &payload[..10];
    for mark in [&[5u8][..], &[2], &[1], &[4], &[3]] {
        for length in [u64::MAX, u64::MAX / 2, 1 << 40, 1 << 32, 1 << 29] {
            let announced = [&[0x81], &length.to_be_bytes()[..]].concat();
            let damaged = [head, mark, &announced, &payload[text..]].concat();
            is_taken(&mut client, &damaged);
        }
    }
    let peak: u64 = info(&mut client, "used_memory_peak").parse().expect("a number");
    assert!(peak < BYTES_MAX, "{peak} bytes at the most");
}
