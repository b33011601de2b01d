//! In which form bits are kept: as a string, or as a bitmap, a value of its own as of Redis 8.12.
//!
//! With `bitmap-default-roaring yes` whatever writes bits makes bitmaps: of keys that are not there, and of strings.
//! Replicas, and whoever loads the log, must not decide that for themselves: they are told by BITCONVERT in front of the
//! command, and by BITROAROP in the place of BITOP. Those are no commands for clients.

use crate::command::Args;
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::db::Key;
use crate::db::keyspace::bits::{Before, BitsMut};
use crate::server::effects::Event;
use crate::server::execution::{Command, Ctx, changes};
use crate::server::modes::ServerModes;

/// The rows.
pub const COMMANDS: &[Command] = &[Command::new("bitconvert", Arity::exactly(2), bitconvert)
    .group(Group::Bitmap)
    .flags(&[WRITE, DENYOOM, NOSCRIPT, INTERNAL])
    .keys(&[Keys::at(1, Access::RW.and(Access::ACCESS).and(Access::UPDATE))])
    .for_systems()
    .docs("8.12.0", "key", "Turns a string, or a key that is not there, into a bitmap.")
    .complexity("O(N) for N bytes of the string.")];

/// Whether bits that the running command writes are to become a bitmap. What happened elsewhere already is done as it was
/// done there; and what is not to be known everywhere must leave the type as it is known.
pub fn makes_bitmaps(cx: &Ctx<'_>) -> bool {
    cx.server.config.bitmap_default_roaring
        && !cx.must_obey()
        && !cx.server.modes.has(ServerModes::REPLICA)
        && !cx.server.script.keeps_from_some
}

/// What a command has done to a bitmap.
pub struct Written {
    /// What the key held before.
    pub before: Before,
    /// Parts of the command that changed something,
    pub changes: u64,
    /// though it may have got longer without any.
    pub grown: bool,
}

/// Says that the running command has written to a bitmap. There is no event for becoming one or getting longer alone.
pub fn written(cx: &mut Ctx<'_>, args: &Args<'_>, key: &Key<'_>, written: &Written) {
    if let Some(further) = written.changes.checked_sub(1) {
        cx.changed(key, Event::bitmap("setbit"));
        cx.db.dirty += further;
    } else if written.grown || written.before != Before::Bitmap {
        changed_silently(cx, key);
    }
    if written.before != Before::Bitmap {
        cx.propagate_instead(&[b"bitconvert", key.bytes()]);
        cx.propagate_instead(&args.rest(0).collect::<Vec<_>>());
    }
}

fn changed_silently(cx: &mut Ctx<'_>, key: &Key<'_>) {
    cx.db.dirty += 1;
    if cx.server.observers.any() {
        changes::key_changed(cx, key.bytes());
    }
}

fn bitconvert(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let key = args.key(1);
    if let BitsMut::Bitmap(_, Before::String | Before::Nothing) = cx.db.bits_mut(&key, true)? {
        changed_silently(cx, &key);
    }
    cx.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::config::ProtectedAction;
    use crate::server::testbed::Testbed;
    use crate::util::random::Random;

    const WRONG_TYPE: &str = "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
    const NO_SUCH_COMMAND: &str = "-ERR unknown command";

    /// A server where writing bits makes bitmaps, or strings.
    fn bed(makes_bitmaps: bool) -> Testbed {
        let mut bed = Testbed::new();
        bed.server.config.enable_debug_command = ProtectedAction::Yes;
        bed.server.config.bitmap_default_roaring = makes_bitmaps;
        bed
    }

    #[test]
    fn commands_that_write_bits_make_bitmaps_only_if_that_is_wanted() {
        let mut bed = bed(false);
        bed.run("setbit string 65536 1");
        assert_eq!((bed.run("type string"), bed.run("strlen string")), ("+string\r\n".into(), ":8193\r\n".into()));
        bed.server.config.bitmap_default_roaring = true;
        bed.run("pexpire string 600000");
        assert_eq!(bed.run("setbit string 65536 1"), ":1\r\n");
        bed.run("setbit new 65536 1");
        bed.run("bitfield field set u8 0 255");
        bed.run("set n 12345");
        assert_eq!(bed.run("setbit n 0 0"), ":0\r\n");
        for key in ["string", "new", "field", "n"] {
            assert_eq!(bed.run(&format!("type {key}")), "+bitmap\r\n");
            assert_eq!(bed.run(&format!("object encoding {key}")), "$14\r\nbitmap-roaring\r\n");
            assert_eq!(bed.run(&format!("get {key}")), WRONG_TYPE);
        }
        assert_ne!(bed.run("pttl string"), ":-1\r\n", "its expiry stays");
        assert_eq!(bed.run("debug bitmap-raw n"), "$5\r\n12345\r\n");
        // A string stays one until bits are written, and a bitmap a bitmap.
        bed.run("set s a");
        assert_eq!((bed.run("bitcount s"), bed.run("type s")), (":3\r\n".into(), "+string\r\n".into()));
        bed.server.config.bitmap_default_roaring = false;
        bed.run("setbit new 1 1");
        assert_eq!((bed.run("type new"), bed.run("bitcount new")), ("+bitmap\r\n".into(), ":2\r\n".into()));
        bed.run("rpush list a");
        for command in ["setbit list 0 1", "bitfield list set u8 0 1", "bitop or new list", "bitcount list"] {
            assert_eq!(bed.run(command), WRONG_TYPE, "{command}");
        }
    }

    #[test]
    fn becoming_a_bitmap_is_told_before_the_command() {
        let mut bed = bed(true);
        assert_eq!(bed.propagated("setbit k 9 1"), ["bitconvert k", "setbit k 9 1"]);
        assert_eq!(bed.propagated("setbit k 10 1"), ["setbit k 10 1"]);
        assert_eq!(bed.propagated("setbit k 10 1"), [""; 0]);
        assert_eq!(bed.propagated("setbit k 30 0"), ["setbit k 30 0"], "it has got longer");
        bed.run("set s a");
        let dirty = bed.db.dirty;
        assert_eq!(bed.propagated("setbit s 1 1"), ["bitconvert s", "setbit s 1 1"], "no bit has changed");
        assert_eq!(bed.db.dirty, dirty + 1);
        bed.run("set f a");
        assert_eq!(bed.propagated("bitfield f get u8 0"), [""; 0]);
        let fails = "bitfield f overflow fail set u1 0 5";
        assert_eq!(bed.propagated(fails), ["bitconvert f", fails]);
        assert_eq!(bed.propagated(fails), [""; 0]);
        let grows = "bitfield f overflow fail set u2 47 5";
        assert_eq!(
            (bed.propagated(grows), bed.run("debug bitmap-raw f")),
            (vec![grows.into()], "$7\r\na\0\0\0\0\0\0\r\n".into())
        );
        assert_eq!(bed.propagated("setbit f 4294967296 1"), [""; 0]);
        bed.run("set t a");
        assert!(bed.run("setbit t 4294967296 1").starts_with("-ERR bit offset is not an integer or out of range"));
        assert_eq!(bed.run("type t"), "+string\r\n");
    }

    #[test]
    fn a_combination_is_told_as_a_bitmap_if_only_this_server_wants_one() {
        let mut bed = bed(true);
        bed.run("set a a");
        bed.run("set b b");
        assert_eq!(bed.propagated("bitop or d a b"), ["bitroarop or d a b"]);
        assert_eq!((bed.run("type d"), bed.run("debug bitmap-raw d")), ("+bitmap\r\n".into(), "$1\r\nc\r\n".into()));
        assert_eq!(bed.propagated("bitop xor e d a"), ["bitop xor e d a"], "one source is a bitmap");
        assert_eq!(bed.run("type e"), "+bitmap\r\n");
        assert_eq!(bed.propagated("bitop or e missing"), ["bitop or e missing"]);
        assert_eq!(bed.run("exists e"), ":0\r\n");
        bed.server.config.bitmap_default_roaring = false;
        assert_eq!(bed.propagated("bitop not a a"), ["bitop not a a"]);
        assert_eq!(bed.run("type a"), "+string\r\n");
        assert_eq!(bed.propagated("bitop not d d"), ["bitop not d d"]);
        assert_eq!(bed.run("bitcount d"), ":4\r\n");
    }

    #[test]
    fn what_servers_tell_one_another_is_no_command_for_clients() {
        let mut bed = bed(false);
        bed.run("set s a");
        for command in ["bitconvert s", "BITROAROP or d s"] {
            assert!(bed.run(command).starts_with(NO_SUCH_COMMAND), "{command}");
        }
        assert_eq!(bed.run("command info bitconvert bitroarop"), "*2\r\n$-1\r\n$-1\r\n");
        assert!(bed.run("command getkeys bitconvert s").starts_with("-ERR Invalid command"));
        assert_eq!(bed.run("command list filterby pattern bit[cr]*o*"), "*1\r\n$8\r\nbitcount\r\n");
        assert!(bed.run("debug mark-internal-client no").starts_with("-ERR unknown subcommand"));

        bed.run("debug mark-internal-client");
        assert_eq!(bed.run("command getkeys bitroarop or d s"), "*2\r\n$1\r\nd\r\n$1\r\ns\r\n");
        assert_eq!(bed.run("bitroarop or d s"), ":1\r\n");
        assert_eq!(bed.propagated("bitconvert s"), ["bitconvert s"]);
        assert_eq!(bed.propagated("bitconvert s"), [""; 0]);
        assert_eq!(bed.run("bitconvert new"), "+OK\r\n");
        assert_eq!(bed.run("debug bitmap-raw new"), "$0\r\n\r\n");
        for key in ["s", "d", "new"] {
            assert_eq!(bed.run(&format!("type {key}")), "+bitmap\r\n");
        }
        bed.run("rpush l a");
        assert_eq!(bed.run("bitconvert l"), WRONG_TYPE);
        assert!(bed.run("bitconvert s ROARING").starts_with("-ERR wrong number of arguments for 'bitconvert'"));
        bed.run("debug mark-internal-client unmark");
        assert!(bed.run("bitconvert s").starts_with(NO_SUCH_COMMAND));
    }

    #[test]
    fn strings_are_not_read_from_bitmaps() {
        let mut bed = bed(true);
        bed.run("setbit b 9 1");
        for command in [
            "get b",
            "getex b",
            "getdel b",
            "getset b x",
            "strlen b",
            "getrange b 0 -1",
            "substr b 0 -1",
            "setrange b 0 x",
            "append b x",
            "incr b",
            "decr b",
            "incrby b 2",
            "incrbyfloat b 1.5",
            "set b x get",
            "pfadd b x",
            "pfcount b",
        ] {
            assert_eq!(bed.run(command), WRONG_TYPE, "{command}");
            assert_eq!(bed.run("debug bitmap-raw b"), "$2\r\n\0@\r\n", "{command}");
        }
        assert_eq!(bed.run("mget b"), "*1\r\n$-1\r\n");
        assert_eq!((bed.run("setnx b x"), bed.run("msetnx b x c x")), (":0\r\n".into(), ":0\r\n".into()));
        assert!(bed.run("lcs b b").contains("must contain string values"));
        bed.run("set b x xx");
        assert_eq!(bed.run("get b"), "$1\r\nx\r\n");
    }

    #[test]
    fn complements_of_nearly_nothing_are_bounded() {
        let mut bed = bed(true);
        bed.server.config.proto_max_bulk_len = (65_536 << 13) + 1;
        bed.run("setbit huge 4294967303 0");
        bed.server.config.proto_max_bulk_len = 1 << 20;
        bed.run("set d keep");
        let error = "-ERR BITOP NOT would materialize more than 65536 missing Roaring chunks\r\n";
        assert_eq!((bed.run("bitop not d huge"), bed.run("get d")), (error.into(), "$4\r\nkeep\r\n".into()));
        assert_eq!(bed.run("bitop or d huge"), ":536870913\r\n");
        bed.server.config.proto_max_bulk_len = 512 << 20;
        assert_eq!(bed.run("bitop not d huge"), ":536870913\r\n");
        assert_eq!(bed.run("bitcount d"), ":4294967304\r\n");
        assert_eq!(bed.run("bitpos d 0"), ":4294967304\r\n");
        assert_eq!(
            (bed.run("bitpos d 0 0 -1"), bed.run("bitpos d 1 -1")),
            (":-1\r\n".into(), ":4294967296\r\n".into())
        );
        assert!(bed.run("debug bitmap-raw d").starts_with("-ERR bitmap length exceeds proto-max-bulk-len"));
    }

    /// A command on bits, with `?` for its key.
    fn command(random: &mut Random) -> String {
        let mut below = |bound: u64| random.below(bound) as i64;
        let mut offset = || match below(3) {
            0 => below(140_000),
            1 => 65_536 * below(3) + below(70),
            _ => below(60),
        };
        let (one, other, small) = (offset(), offset(), offset() % 20 - 10);
        let (width, overflow) = (1 + offset() % 63, ["WRAP", "SAT", "FAIL"][(offset() % 3) as usize]);
        let unit = ["BYTE", "BIT"][(offset() % 2) as usize];
        match offset() % 9 {
            0 | 1 => format!("SETBIT ? {one} {}", other % 2),
            2 => format!("GETBIT ? {one}"),
            3 => format!("BITCOUNT ? {small} {one} {unit}"),
            4 => format!("BITPOS ? {} {small} {one} {unit}", other % 2),
            5 => format!("BITPOS ? {} {small}", other % 2),
            6 => format!("BITRANGEINTARRAY ? {small} {one} {unit} LIMIT {} ZEROS", 1 + other % 90),
            7 => format!("BITFIELD_RO ? GET u{width} {one} GET i{width} #{}", other % 900),
            _ => format!(
                "BITFIELD ? OVERFLOW {overflow} SET u{width} {one} {other} INCRBY i{width} {other} {small} GET u{width} {one}"
            ),
        }
    }

    #[test]
    fn every_command_answers_alike_in_both_forms() {
        let seed = Random::from_entropy().next_u64();
        println!("seed {seed}");
        let mut random = Random::from_seed(seed);
        let mut bed = bed(false);
        for round in 0..6 {
            bed.run("flushall");
            let bytes: Vec<u8> =
                (0..random.below(20_000)).map(|_| [0, 0xff, random.below(256) as u8][round % 3]).collect();
            for key in ["string", "bitmap"] {
                bed.run_words(&[b"set", key.as_bytes(), &bytes]);
            }
            bed.run("debug mark-internal-client");
            bed.run("bitconvert bitmap");
            bed.run("debug mark-internal-client unmark");
            for _ in 0..150 {
                let command = command(&mut random);
                let answer = |bed: &mut Testbed, key: &str| bed.run(&command.replace('?', key));
                assert_eq!(answer(&mut bed, "bitmap"), answer(&mut bed, "string"), "{command}");
            }
            assert_eq!((bed.run("type string"), bed.run("type bitmap")), ("+string\r\n".into(), "+bitmap\r\n".into()));
            assert!(bed.run("debug bitmap-raw bitmap") == bed.run("get string"));
        }
    }
}
