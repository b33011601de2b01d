//! When keys expire: setting and asking the time, and keys going by themselves.

mod common;

use std::time::{Duration, Instant};

use common::replication::{follow, wait_for_link};
use common::{Connection, Reply, Server, wait_until};

fn integer(value: i64) -> Reply {
    Reply::Integer(value)
}

fn number(reply: &Reply) -> i64 {
    match reply {
        Reply::Integer(value) => *value,
        other => panic!("no integer: {other:?}"),
    }
}

fn size(client: &mut Connection) -> i64 {
    number(&client.cmd(&["DBSIZE"]))
}

#[test]
fn ttl_counts_down_from_what_expire_set() {
    let server = Server::start();
    let mut client = server.connect();
    assert_eq!(client.cmd(&["TTL", "key"]), integer(-2));
    assert_eq!(client.cmd(&["EXPIRE", "key", "100"]), integer(0));
    client.cmd(&["SET", "key", "value"]);
    assert_eq!(client.cmd(&["PTTL", "key"]), integer(-1));
    assert_eq!(client.cmd(&["EXPIRE", "key", "100"]), integer(1));
    assert!((90..=100).contains(&number(&client.cmd(&["TTL", "key"]))));
    assert!((90_000..=100_000).contains(&number(&client.cmd(&["PTTL", "key"]))));
    assert_eq!(client.cmd(&["EXPIREAT", "key", "33177117420"]), integer(1));
    assert_eq!(client.cmd(&["EXPIRETIME", "key"]), integer(33_177_117_420));
    assert_eq!(client.cmd(&["PEXPIRETIME", "key"]), integer(33_177_117_420_000));
    assert_eq!(client.cmd(&["PERSIST", "key"]), integer(1));
    assert_eq!(client.cmd(&["PERSIST", "key"]), integer(0));
    assert_eq!(client.cmd(&["TTL", "key"]), integer(-1));
}

#[test]
fn a_time_in_the_past_deletes_the_key() {
    let server = Server::start();
    let mut client = server.connect();
    for command in [&["EXPIRE", "key", "-1"], &["PEXPIRE", "key", "0"], &["EXPIREAT", "key", "1"]] {
        client.cmd(&["SET", "key", "value"]);
        assert_eq!(client.cmd(command), integer(1));
        assert_eq!(client.cmd(&["EXISTS", "key"]), integer(0));
    }
}

#[test]
fn expire_checks_its_conditions_and_its_number() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["SET", "key", "value"]);
    for (option, seconds, set) in
        [("XX", "100", 0), ("GT", "100", 0), ("LT", "100", 1), ("NX", "50", 0), ("GT", "200", 1), ("LT", "300", 0)]
    {
        assert_eq!(client.cmd(&["EXPIRE", "key", seconds, option]), integer(set), "{option} {seconds}");
    }
    let conflict = "ERR NX and XX, GT or LT options at the same time are not compatible";
    assert_eq!(client.cmd(&["EXPIRE", "key", "1", "NX", "XX"]), Reply::error(conflict));
    assert_eq!(client.cmd(&["EXPIRE", "key", "1", "AB"]), Reply::error("ERR Unsupported option AB"));
    let invalid = "ERR invalid expire time in 'expire' command";
    for seconds in ["9223372036854775807", "-9223372036854775808", "9223372036854775"] {
        assert_eq!(client.cmd(&["EXPIRE", "key", seconds]), Reply::error(invalid), "{seconds}");
    }
    let not_an_integer = "ERR value is not an integer or out of range";
    assert_eq!(client.cmd(&["EXPIRE", "key", "1.5"]), Reply::error(not_an_integer));
}

#[test]
fn an_expired_key_is_gone_for_every_command() {
    let server = Server::start_with(&["--enable-debug-command", "yes"]);
    let mut client = server.connect();
    client.cmd(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    for command in [
        &["GET", "key"][..],
        &["EXISTS", "key"],
        &["TYPE", "key"],
        &["TTL", "key"],
        &["PERSIST", "key"],
        &["DEL", "key"],
        &["RENAME", "key", "other"],
        &["COPY", "key", "other"],
        &["MOVE", "key", "1"],
        &["RANDOMKEY"],
        &["SCAN", "0"],
        &["OBJECT", "ENCODING", "key"],
    ] {
        let missing = client.cmd(command);
        client.cmd(&["PSETEX", "key", "1", "value"]);
        client.cmd(&["DEBUG", "SLEEP", "0.003"]);
        assert_eq!(size(&mut client), 1, "{command:?}");
        assert_eq!(client.cmd(command), missing, "{command:?}");
        assert_eq!(size(&mut client), 0, "{command:?}");
    }
}

#[test]
fn expired_keys_go_though_nobody_asks_for_them() {
    let server = Server::start_with(&["--enable-debug-command", "yes"]);
    let mut client = server.connect();
    client.cmd(&["DEBUG", "POPULATE", "1000", "stays"]);
    for database in ["0", "5"] {
        client.cmd(&["SELECT", database]);
        for number in 0..500 {
            client.cmd(&["PSETEX", &format!("key:{number}"), "1", "value"]);
        }
    }
    wait_until("the fifth database is empty", || size(&mut client) == 0);
    client.cmd(&["SELECT", "0"]);
    wait_until("what stays is left", || size(&mut client) == 1000);
}

#[test]
fn many_keys_expiring_at_once_do_not_hold_up_other_commands() {
    let server = Server::start_with(&["--enable-debug-command", "yes"]);
    let (mut client, mut loader) = (server.connect(), server.connect());
    const KEYS: i64 = 100_000;
    client.cmd(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    let mut sender = loader.sender();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..KEYS {
                sender.send(&["PSETEX", &format!("key:{number}"), "1", "value"]);
            }
        });
        (0..KEYS).for_each(|_| assert_eq!(loader.read(), Reply::ok()));
    });
    client.cmd(&["DEBUG", "SET-ACTIVE-EXPIRE", "1"]);
    let mut slowest = Duration::ZERO;
    wait_until("all are gone", || {
        let asked = Instant::now();
        client.cmd(&["GET", "x"]);
        slowest = slowest.max(asked.elapsed());
        size(&mut client) == 0
    });
    // A cycle takes 25 ms; the rest is for a machine that has other things to do.
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
}

#[test]
fn subscribers_are_told_of_keys_that_come_expire_and_are_missed() {
    let server =
        Server::start_with(&["--enable-debug-command", "yes", "--notify-keyspace-events", "EAnm", "--hz", "500"]);
    let (mut client, mut subscriber) = (server.connect(), server.connect());
    subscriber.cmd(&["PSUBSCRIBE", "__keyevent@*"]);
    let mut told = |expected: &[(&str, &str)]| {
        for (event, key) in expected {
            let channel = format!("__keyevent@0__:{event}");
            let message = ["pmessage", "__keyevent@*", &channel, key];
            assert_eq!(subscriber.read(), Reply::bulks(&message));
        }
    };
    client.cmd(&["GET", "key"]);
    told(&[("keymiss", "key")]);
    client.cmd(&["SET", "key", "value"]);
    told(&[("new", "key"), ("set", "key")]);
    client.cmd(&["RENAME", "key", "other"]);
    told(&[("new", "other"), ("rename_from", "key"), ("rename_to", "other")]);
    client.cmd(&["PEXPIRE", "other", "1"]);
    told(&[("expire", "other"), ("expired", "other")]);
    client.cmd(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    client.cmd(&["PSETEX", "key", "1", "value"]);
    told(&[("new", "key"), ("set", "key"), ("expire", "key")]);
    client.cmd(&["DEBUG", "SLEEP", "0.003"]);
    client.cmd(&["GET", "key"]);
    told(&[("expired", "key"), ("keymiss", "key")]);
    client.cmd(&["SET", "key", "value"]);
    client.cmd(&["EXPIRE", "key", "-1"]);
    told(&[("new", "key"), ("set", "key"), ("del", "key")]);
}

#[test]
fn a_paused_server_neither_shows_nor_deletes_expired_keys() {
    let server = Server::start();
    let mut client = server.connect();
    client.cmd(&["PSETEX", "key", "20", "value"]);
    assert_eq!(client.cmd(&["CLIENT", "PAUSE", "100000", "WRITE"]), Reply::ok());
    wait_until("the key has expired", || client.cmd(&["GET", "key"]) == Reply::Null);
    assert_eq!(client.cmd(&["RANDOMKEY"]), Reply::bulk("key"));
    assert_eq!(size(&mut client), 1);
    assert_eq!(client.cmd(&["CLIENT", "UNPAUSE"]), Reply::ok());
    wait_until("the key is deleted", || size(&mut client) == 0);
}

/// Puts in keys of all types that expire at once, `due:…`, and some that stay, `live:…`; fields of `live:hash` expire,
/// too.
fn put_due_keys(client: &mut Connection) {
    for command in [
        "SET due:text value",
        "SET due:twin value",
        "PFADD due:loglog a b",
        "PFADD due:second c",
        "RPUSH due:list 3 1 2",
        "SADD due:set a b",
        "SADD due:ints 1 2",
        "ZADD due:sorted 1 a 2 b",
        "GEOADD due:places 13.361389 38.115556 a",
        "HSET due:hash field value",
        "XADD due:stream 1-1 f v",
        "XGROUP CREATE due:stream g 0",
        "SET live:text valve",
        "PFADD live:loglog b d",
        "RPUSH live:list list set",
        "SADD live:set a c",
        "ZADD live:sorted 3 b",
        "HSET live:hash field value stays value",
        "HPEXPIRE live:hash 1 FIELDS 1 field",
    ] {
        let words: Vec<&str> = command.split(' ').collect();
        assert!(!matches!(client.cmd(&words), Reply::Error(_)), "{command}");
    }
    for name in ["text", "twin", "loglog", "second", "list", "set", "ints", "sorted", "places", "hash", "stream"] {
        assert_eq!(client.cmd(&["PEXPIRE", &format!("due:{name}"), "1"]), integer(1), "{name}");
    }
}

/// Commands that read keys; those behind the empty line write what they have read.
const READERS: &str = "
    GET due:text|STRLEN due:text|GETRANGE due:text 0 -1|MGET due:text live:text due:twin|EXISTS due:text due:twin
    LCS due:text live:text|LCS live:text due:text LEN|LCS due:text due:twin IDX|TOUCH due:text|TYPE due:text
    TTL due:text|PTTL due:text|EXPIRETIME due:text|OBJECT ENCODING due:text|OBJECT REFCOUNT due:text
    OBJECT IDLETIME due:text|DUMP due:text|BITCOUNT due:text|BITPOS due:text 1|GETBIT due:text 1
    BITFIELD_RO due:text GET u8 0|SUBSTR due:text 0 1|KEYS due:*
    LLEN due:list|LRANGE due:list 0 -1|LINDEX due:list 0|LPOS due:list 1|SORT_RO due:list|DUMP due:list
    SORT_RO live:list BY due:* GET due:*|SORT_RO live:list BY nosort GET due:*->field GET live:hash->field
    SORT_RO live:list BY nosort GET due:hash->field|SORT_RO live:list BY due:hash->field
    SMEMBERS due:set|SCARD due:set|SISMEMBER due:set a|SMISMEMBER due:set a b|SRANDMEMBER due:set
    SRANDMEMBER due:ints 5|SINTER live:set due:set|SUNION live:set due:set due:ints|SDIFF live:set due:set
    SINTERCARD 2 live:set due:set|SSCAN due:set 0
    ZCARD due:sorted|ZRANGE due:sorted 0 -1 WITHSCORES|ZSCORE due:sorted a|ZMSCORE due:sorted a b|ZRANK due:sorted a
    ZREVRANK due:sorted a|ZCOUNT due:sorted 0 9|ZLEXCOUNT due:sorted - +|ZRANDMEMBER due:sorted 5
    ZUNION 2 live:sorted due:sorted|ZINTER 2 live:sorted due:sorted|ZDIFF 2 live:sorted due:sorted|ZSCAN due:sorted 0
    ZINTERCARD 2 live:sorted due:sorted|ZUNION 2 live:sorted due:set|ZRANGEBYSCORE due:sorted 0 9
    GEOPOS due:places a|GEODIST due:places a a|GEOHASH due:places a
    GEOSEARCH due:places FROMLONLAT 13 38 BYRADIUS 100 km ASC|GEORADIUS_RO due:places 13 38 100 km
    HGET due:hash field|HGETALL due:hash|HLEN due:hash|HKEYS due:hash|HVALS due:hash|HMGET due:hash field
    HEXISTS due:hash field|HSTRLEN due:hash field|HRANDFIELD due:hash 5 WITHVALUES|HSCAN due:hash 0
    HTTL due:hash FIELDS 1 field|HPEXPIRETIME due:hash FIELDS 1 field
    XLEN due:stream|XRANGE due:stream - +|XREVRANGE due:stream + -|XREAD STREAMS due:stream 0|XINFO STREAM due:stream
    XINFO GROUPS due:stream|XPENDING due:stream g
    EVAL_RO return{redis.call('get',KEYS[1]),redis.call('lcs',KEYS[1],'live:text')} 1 due:text

    BITOP OR to due:text live:text|BITOP NOT to due:text|PFCOUNT due:loglog due:second live:loglog|PFCOUNT due:loglog
    PFMERGE to due:loglog live:loglog|COPY due:text to|RENAME due:list to
    RENAMENX due:list to|MOVE due:text 1|SORT due:list STORE to|SORT live:list BY due:* GET due:* STORE to
    SINTERSTORE to live:set due:set|SUNIONSTORE to live:set due:set|SDIFFSTORE to live:set due:set
    ZUNIONSTORE to 2 live:sorted due:sorted|ZINTERSTORE to 2 live:sorted due:sorted|ZDIFFSTORE to 2 live:sorted due:sorted
    ZRANGESTORE to due:sorted 0 -1|ZUNIONSTORE to 2 live:sorted due:set
    GEOSEARCHSTORE to due:places FROMLONLAT 13 38 BYRADIUS 100 km|GEORADIUS due:places 13 38 100 km STORE to
    SMOVE due:set to a|LMOVE due:list to LEFT LEFT|RPOPLPUSH due:list to|LMPOP 1 due:list LEFT|ZMPOP 1 due:sorted MIN
    LPOP due:list|SPOP due:set|ZPOPMIN due:sorted|GETDEL due:text|GETEX due:text PERSIST|PERSIST due:text
    HGETDEL due:hash FIELDS 1 field|HGETEX due:hash FIELDS 1 field|LPUSHX due:list x|DEL due:text|UNLINK due:twin
    XACK due:stream g 1-1|XTRIM due:stream MAXLEN 0|LREM due:list 0 1|SREM due:set a|HDEL due:hash field
    EXPIRE due:text 100|SET due:text x XX GET|COPY live:text due:text";

/// Commands that read a field of a hash.
const FIELD_READERS: &str = "
    HGET live:hash field|HMGET live:hash field stays|HEXISTS live:hash field|HSTRLEN live:hash field
    HTTL live:hash FIELDS 1 field|HEXPIRETIME live:hash FIELDS 1 field|SORT_RO live:list BY live:hash->field
    SORT_RO live:list BY nosort GET live:hash->field|HSCAN live:hash 0 MATCH field";

const FIELD_WRITERS: &str = "
    HPERSIST live:hash FIELDS 1 field|HGETDEL live:hash FIELDS 1 field|HGETEX live:hash PERSIST FIELDS 1 field
    HSETEX live:hash FXX FIELDS 1 field x|SORT live:list BY nosort GET live:hash->field STORE to";

/// Asserts that `readers` see as much of expired keys or fields as of those that are not there.
fn assert_unseen(client: &mut Connection, readers: &str, due: &str, missing: &str) {
    for command in readers.lines().flat_map(|line| line.split('|')).map(str::trim).filter(|line| !line.is_empty()) {
        let mut run = |command: &str| {
            let reply = client.cmd(&command.split(' ').collect::<Vec<_>>());
            let stored = client.cmd(&["DUMP", "to"]);
            if stored != Reply::Null {
                client.cmd(&["DEL", "to"]);
            }
            format!("{reply:?} {stored:?}")
        };
        // None of these names was ever there.
        let (seen, wanted) = (run(command), run(&command.replace(due, missing)));
        assert_eq!(seen, wanted.replace(missing, due), "{command}");
    }
}

#[test]
fn no_command_shows_expired_values_where_they_cannot_be_deleted() {
    let (reading, writing) = READERS.split_once("\n\n").expect("both");
    let paused = Server::start_with(&["--enable-debug-command", "yes"]);
    let mut client = paused.connect();
    client.cmd(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    put_due_keys(&mut client);
    assert_eq!(client.cmd(&["CLIENT", "PAUSE", "100000", "WRITE"]), Reply::ok());
    wait_until("the keys have expired", || client.cmd(&["TTL", "due:stream"]) == integer(-2));
    assert_unseen(&mut client, reading, "due:", "non:");
    assert_unseen(&mut client, FIELD_READERS, "field", "other");
    for command in [&["HKEYS", "live:hash"][..], &["HRANDFIELD", "live:hash", "5"]] {
        assert_eq!(client.cmd(command), Reply::bulks(&["stays"]), "{command:?}");
    }

    let primary = Server::start_with(&["--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0"]);
    let replica = Server::start_with(&["--replica-read-only", "no"]);
    follow(&replica, primary.port());
    wait_for_link(&replica);
    let mut client = primary.connect();
    client.cmd(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
    put_due_keys(&mut client);
    let mut client = replica.connect();
    wait_until("the replica has them, expired", || {
        client.cmd(&["EXISTS", "due:stream"]) == integer(0) && size(&mut client) == 17
    });
    assert_unseen(&mut client, reading, "due:", "non:");
    assert_unseen(&mut client, writing, "due:", "non:");
    assert_unseen(&mut client, FIELD_READERS, "field", "other");
    assert_unseen(&mut client, FIELD_WRITERS, "field", "other");
}
