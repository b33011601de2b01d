//! Handing a value to another server: DUMP and RESTORE. MIGRATE does both, see [`super::migrate`].
//!
//! A payload is checked whole before anything changes: whatever `sanitize-dump-payload` says, nothing that an honest
//! server could not have dumped gets in.

use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::config::{SanitizeDumpPayload, VersionCheck};
use crate::persist::rdb::payload::{self, Restored};
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx, changes};
use crate::server::persistence::loading;

const RESTORED: &[Keys] = &[Keys::at(1, Access::OW.and(Access::UPDATE))];

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("dump", Arity::exactly(2), dump)
        .flags(&[READONLY])
        .keys(&[Keys::at(1, Access::RO.and(Access::ACCESS))])
        .tips(&["nondeterministic_output"])
        .docs("2.6.0", "key", "Returns a value in the form that RESTORE takes.")
        .complexity("O(1) for the key and O(N*M) for N elements of M bytes."),
    Command::new("restore", Arity::at_least(4), restore)
        .flags(&[WRITE, DENYOOM])
        .keys(RESTORED)
        .acl(Categories::DANGEROUS)
        .docs(
            "2.6.0",
            "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
            "Sets a key to a value that DUMP returned.",
        )
        .complexity("O(1) for the key and O(N*M) for N elements of M bytes; for a sorted set O(N*M*log(N)).")
        .history(&[("3.0.0", "`REPLACE`."), ("5.0.0", "`ABSTTL`."), ("5.0.0", "`IDLETIME` and `FREQ`.")]),
    Command::new("restore-asking", Arity::at_least(4), restore)
        .group(Group::Server)
        .flags(&[WRITE, DENYOOM, ASKING])
        .keys(RESTORED)
        .acl(Categories(Categories::KEYSPACE.0 | Categories::DANGEROUS.0))
        .for_systems()
        .docs(
            "3.0.0",
            "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
            "Sets a key that is being moved to this node of a cluster.",
        )
        .complexity("O(1) for the key and O(N*M) for N elements of M bytes; for a sorted set O(N*M*log(N)).")
        .history(&[("3.0.0", "`REPLACE`."), ("5.0.0", "`ABSTTL`."), ("5.0.0", "`IDLETIME` and `FREQ`.")]),
];

fn dump(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    match cx.db.read(&args.key(1)) {
        Some(entry) => {
            let payload = payload::dump(entry, cx.server.config.rdbcompression.is_on());
            cx.reply.bulk(&payload);
        }
        None => cx.reply.null(),
    }
    Ok(())
}

/// What RESTORE is to do besides.
#[derive(Debug, Default)]
struct Options {
    replace: bool,
    absolute: bool,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
}

impl Options {
    fn read(args: &Args<'_>) -> Result<Options, Error> {
        let mut options = Options::default();
        let mut index = 4;
        while index < args.len() {
            let has_value = index + 1 < args.len();
            if args.is(index, "replace") {
                options.replace = true;
            } else if args.is(index, "absttl") {
                options.absolute = true;
            } else if args.is(index, "idletime") && has_value && options.frequency.is_none() {
                const BAD: Error = Error::fixed("ERR Invalid IDLETIME value, must be >= 0");
                index += 1;
                options.idle_seconds = Some(u64::try_from(args.integer(index)?).map_err(|_| BAD)?);
            } else if args.is(index, "freq") && has_value && options.idle_seconds.is_none() {
                const BAD: Error = Error::fixed("ERR Invalid FREQ value, must be >= 0 and <= 255");
                index += 1;
                options.frequency = Some(u8::try_from(args.integer(index)?).map_err(|_| BAD)?);
            } else {
                return Err(SYNTAX);
            }
            index += 1;
        }
        Ok(options)
    }
}

fn restore(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let options = Options::read(&args)?;
    let key = args.key(1);
    if !options.replace && cx.db.exists(&key) {
        return Err(Error::fixed("BUSYKEY Target key name already exists."));
    }
    let ttl = args.integer(2)?;
    if ttl < 0 {
        return Err(Error::fixed("ERR Invalid TTL value, must be >= 0"));
    }
    let value = value_of(cx, args.get(3))?;
    let now_ms = cx.now_ms();
    let old = cx.db.value_type(&key);
    let blessed = cx.db.is_blessed(&key);
    let deleted = options.replace && cx.db.delete(&key);
    let expire = match (ttl, options.absolute) {
        (0, _) => None,
        (ttl, true) => Some(ttl),
        (ttl, false) => Some(ttl.saturating_add(cx.clock_ms())),
    };
    if expire.is_some_and(|at| at < now_ms) {
        if deleted {
            let delete = changes::deletion(cx.server.config.lazyfree_lazy_server_del);
            cx.propagate_instead(&[delete.as_bytes(), key.bytes()]);
            cx.changed(&key, Event::generic("del"));
        }
        cx.reply.ok();
        return Ok(());
    }
    let access = cx.db.restored_access(options.idle_seconds, options.frequency);
    cx.db.put(&key, value.into_entry(key.bytes(), expire, access));
    if let Some(at) = expire.filter(|_| !options.absolute && cx.server.observers.propagates()) {
        let at = at.to_string().into_bytes();
        let mut words: Vec<&[u8]> = args.rest(0).collect();
        words[2] = &at;
        words.push(b"ABSTTL");
        cx.propagate_instead(&words);
    }
    if blessed {
        cx.db.bless(&key, true);
    }
    cx.changed(&key, Event::generic("restore"));
    cx.replaced(&key, old);
    cx.reply.ok();
    Ok(())
}

fn value_of(cx: &mut Ctx<'_>, payload: &[u8]) -> Result<Restored, Error> {
    const WRONG: Error = Error::fixed("ERR DUMP payload version or checksum are wrong");
    let any_version = cx.server.config.rdb_version_check == VersionCheck::Relaxed;
    let body = payload::verified(payload, cx.server.persist.skips_checksums, any_version).ok_or(WRONG)?;
    let mut rules = loading::rules(&cx.server.config, cx.server.plain_from, true);
    if cx.server.config.sanitize_dump_payload == SanitizeDumpPayload::Clients {
        rules.times_in_order = !cx.must_obey() && cx.server.acl.user(cx.client().user).sanitizes;
    }
    cx.server.stats.sanitizations += u64::from(cx.server.config.sanitize_dump_payload != SanitizeDumpPayload::No);
    payload::restore(body, &rules).map_err(|reason| {
        log::warn!("RESTORE was given a payload that is not sound: {reason}");
        Error::fixed("ERR Bad data format")
    })
}

#[cfg(test)]
mod tests {
    use crate::db::Key;
    use crate::persist::rdb::payload;
    use crate::server::testbed::Testbed;

    fn dumped(bed: &Testbed, key: &[u8]) -> Vec<u8> {
        let entry = bed.db.database(0).dict.find(Key::new(key).hash(), key).expect("a key");
        payload::dump(entry, true)
    }

    #[test]
    fn what_was_dumped_is_restored_and_propagated_with_an_absolute_time() {
        let mut bed = Testbed::new();
        bed.run("set a 5");
        let payload = dumped(&bed, b"a");
        let words: [&[u8]; 4] = [b"restore", b"b", b"100000", &payload];
        assert_eq!(bed.run_words(&words), "+OK\r\n");
        assert_eq!(bed.run("get b"), "$1\r\n5\r\n");
        assert!(bed.run_words(&words).starts_with("-BUSYKEY "));
        assert!(bed.run("pttl b").starts_with(":99") || bed.run("pttl b").starts_with(":100000"));
        let words: [&[u8]; 5] = [b"restore", b"b", b"1", &payload, b"absttl"];
        assert!(bed.run_words(&words).starts_with("-BUSYKEY "));
        let words: [&[u8]; 6] = [b"restore", b"b", b"1", &payload, b"absttl", b"replace"];
        assert_eq!(bed.run_words(&words), "+OK\r\n");
        assert_eq!(bed.run("exists b"), ":0\r\n", "its time is over");
    }

    #[test]
    fn fields_whose_times_are_in_no_order_are_sorted_or_refused_as_sanitizing_asks() {
        let mut bed = Testbed::new();
        bed.server.persist.skips_checksums = true;
        bed.run("hset h a 1 b 2 c 3");
        let times = [9_999_999_999_990_i64, 9_999_999_999_995];
        bed.run(&format!("hpexpireat h {} FIELDS 1 a", times[0]));
        bed.run(&format!("hpexpireat h {} FIELDS 1 b", times[1]));
        let entry = bed.db.database(0).dict.find(Key::new(b"h").hash(), b"h").expect("a key");
        let sound = payload::dump(entry, false);
        let mut swapped = sound.clone();
        let places = times.map(|time| sound.windows(8).rposition(|bytes| bytes == time.to_le_bytes()).expect("a time"));
        swapped[places[0]..places[0] + 8].copy_from_slice(&times[1].to_le_bytes());
        swapped[places[1]..places[1] + 8].copy_from_slice(&times[0].to_le_bytes());
        let expected =
            [("no", "+OK\r\n"), ("clients", "-ERR Bad data format\r\n"), ("yes", "-ERR Bad data format\r\n")];
        for (mode, reply) in expected {
            bed.run(&format!("config set sanitize-dump-payload {mode}"));
            let mut restore = |payload: &[u8]| bed.run_words(&[&b"restore"[..], b"r", b"0", payload, b"replace"]);
            assert_eq!((restore(&swapped), restore(&sound)), (reply.into(), "+OK\r\n".into()), "{mode}");
        }
        bed.run("config set sanitize-dump-payload clients");
        bed.run("acl setuser default skip-sanitize-payload");
        assert_eq!(bed.run_words(&[&b"restore"[..], b"r", b"0", &swapped, b"replace"]), "+OK\r\n");
        let told = format!("*3\r\n:{}\r\n:{}\r\n:-1\r\n", times[1], times[0]);
        assert_eq!(bed.run("hpexpiretime r FIELDS 3 a b c"), told);
    }

    #[test]
    fn faulty_payloads_and_options_change_nothing() {
        let mut bed = Testbed::new();
        bed.run("set a 5");
        let mut payload = dumped(&bed, b"a");
        let cases: [(&[&[u8]], &str); 5] = [
            (&[b"restore", b"b", b"-1", b"x"], "-ERR Invalid TTL value, must be >= 0\r\n"),
            (&[b"restore", b"b", b"0", b"x"], "-ERR DUMP payload version or checksum are wrong\r\n"),
            (&[b"restore", b"b", b"0", b"x", b"freq", b"256"], "-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n"),
            (&[b"restore", b"b", b"0", b"x", b"idletime", b"-1"], "-ERR Invalid IDLETIME value, must be >= 0\r\n"),
            (&[b"restore", b"b", b"0", b"x", b"idletime", b"1", b"freq", b"1"], "-ERR syntax error\r\n"),
        ];
        for (words, reply) in cases {
            assert_eq!(bed.run_words(words), reply);
        }
        payload[1] ^= 1;
        assert!(bed.run_words(&[&b"restore"[..], b"b", b"0", &payload]).starts_with("-ERR DUMP payload"));
        bed.server.persist.skips_checksums = true;
        payload[0] = 4;
        assert_eq!(bed.run_words(&[&b"restore"[..], b"b", b"0", &payload]), "-ERR Bad data format\r\n");
        assert_eq!(bed.run("dbsize"), ":1\r\n");
    }
}
