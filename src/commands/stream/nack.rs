//! XNACK: a consumer hands back what it cannot deal with, for another one to claim it at once.

use super::shared::{ids_in, no_key_or_group};
use crate::command::args::shown;
use crate::command::error::CmdResult;
use crate::command::{Args, Error};
use crate::server::execution::{Ctx, changes};
use crate::types::Stream;
use crate::types::stream::StreamId;
use crate::util::number;

/// What becomes of the number of deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// The last one does not count.
    Silent,
    /// It stays.
    Fail,
    /// Nobody can deal with the entry.
    Fatal,
}

impl Mode {
    fn parse(args: &Args<'_>, index: usize) -> Result<Mode, Error> {
        match index {
            _ if args.is(index, "silent") => Ok(Mode::Silent),
            _ if args.is(index, "fail") => Ok(Mode::Fail),
            _ if args.is(index, "fatal") => Ok(Mode::Fatal),
            _ => Err(Error::fixed("ERR mode must be SILENT, FAIL, or FATAL")),
        }
    }

    fn count(self, delivered: i64) -> i64 {
        match self {
            Mode::Silent => (delivered - 1).max(0),
            Mode::Fail => delivered,
            Mode::Fatal => i64::MAX,
        }
    }
}

/// What stands behind the mode.
#[derive(Debug, Default)]
struct Options {
    ids: Option<Vec<StreamId>>,
    /// The number of deliveries, whatever the mode says.
    count: Option<i64>,
    /// What is not pending becomes so, if it is there.
    force: bool,
}

impl Options {
    fn parse(args: &Args<'_>, from: usize) -> Result<Options, Error> {
        const NEGATIVE: Error = Error::fixed("ERR Invalid RETRYCOUNT value, must be >= 0");
        let mut options = Options::default();
        let mut index = from;
        while index < args.len() {
            let has_more = index + 1 < args.len();
            if has_more && args.is(index, "ids") {
                let end = ids_end(args, index + 1)?;
                options.ids = Some(ids_in(args, index + 2..end)?);
                index = end;
            } else if has_more && args.is(index, "retrycount") {
                let count = args.integer(index + 1)?;
                options.count = Some(Some(count).filter(|count| *count >= 0).ok_or(NEGATIVE)?);
                index += 2;
            } else if args.is(index, "force") {
                options.force = true;
                index += 1;
            } else {
                let word = shown(args.get(index));
                return Err(Error::text([b"ERR Unrecognized XNACK option '", word, b"'"].concat()));
            }
        }
        Ok(options)
    }
}

/// The argument behind the ids, whose number stands in front of them.
fn ids_end(args: &Args<'_>, index: usize) -> Result<usize, Error> {
    const NOT_A_COUNT: Error = Error::fixed("ERR numids must be a positive integer");
    const TOO_FEW: Error = Error::fixed("ERR number of IDs doesn't match numids");
    let count = number::parse_i64(args.get(index)).and_then(|count| usize::try_from(count).ok());
    let count = count.filter(|count| *count > 0).ok_or(NOT_A_COUNT)?;
    (index + 1).checked_add(count).filter(|end| *end <= args.len()).ok_or(TOO_FEW)
}

pub fn xnack(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let (key, name) = (args.key(1), args.get(2));
    let stream = cx.db.collection_mut::<Stream>(&key)?;
    let (groups, log) = stream.map(Stream::groups_mut).ok_or_else(|| no_key_or_group(key.bytes(), name))?;
    let group = groups.get_mut(name).ok_or_else(|| no_key_or_group(key.bytes(), name))?;
    let mode = Mode::parse(&args, 3)?;
    let options = Options::parse(&args, 4)?;
    let ids = options.ids.ok_or(Error::fixed("ERR syntax error, expected IDS keyword"))?;
    let mut nacked = 0;
    for id in ids {
        let delivered = match group.delivery(id) {
            Some(delivery) => delivery.count,
            None if options.force && log.get(id).is_some() => 0,
            None => continue,
        };
        group.nack(id, options.count.unwrap_or(mode.count(delivered)));
        nacked += 1;
    }
    cx.reply.integer(nacked);
    if nacked > 0 {
        cx.db.dirty += nacked as u64;
        changes::wake(cx, key.bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::resp::Protocol;
    use crate::server::testbed::Testbed;

    fn line(bed: &mut Testbed, command: &str) -> String {
        bed.run(command).replace("\r\n", " ").trim_end().to_owned()
    }

    fn with_pending(count: u64) -> Testbed {
        let mut bed = Testbed::new();
        for id in 1..=count {
            bed.run(&format!("XADD s {id}-0 f v"));
        }
        bed.run("XGROUP CREATE s g 0");
        bed.run("XREADGROUP GROUP g c STREAMS s >");
        bed
    }

    #[test]
    fn what_is_handed_back_has_no_owner_and_a_count_of_deliveries_by_the_mode() {
        let mut bed = with_pending(5);
        assert_eq!(line(&mut bed, "xnack s g silent ids 1 1-0"), ":1");
        assert_eq!(line(&mut bed, "XNACK s g FAIL IDS 2 2-0 9-0"), ":1");
        assert_eq!(line(&mut bed, "XNACK s g FATAL IDS 1 3-0"), ":1");
        assert_eq!(line(&mut bed, "XNACK s g FATAL RETRYCOUNT 7 IDS 1 4-0"), ":1");
        let unowned = |id: u64, count: i64| format!("*4 $3 {id}-0 $0  :-1 :{count} ");
        let listed = line(&mut bed, "XPENDING s g - + 4") + " ";
        let all = [unowned(1, 0), unowned(2, 1), unowned(3, i64::MAX), unowned(4, 7)].concat();
        assert_eq!(listed, format!("*4 {all}"));
        // It is idle for longer than anybody could ask for, and with nobody.
        assert!(line(&mut bed, "XPENDING s g IDLE 9223372036854775807 - + 9").starts_with("*4 "));
        assert!(line(&mut bed, "XPENDING s g - + 9 c").starts_with("*1 *4 $3 5-0 $1 c "));
        assert_eq!(line(&mut bed, "XPENDING s g"), "*4 :5 $3 1-0 $3 5-0 *1 *2 $1 c $1 1");
        // Handed back again it counts once more, and never below zero.
        assert_eq!(line(&mut bed, "XNACK s g SILENT IDS 1 1-0"), ":1");
        assert!(line(&mut bed, "XPENDING s g 1-0 1-0 1").ends_with(":-1 :0"));
        assert_eq!(line(&mut bed, "XACK s g 1-0 2-0"), ":2");
        bed.protocol = Protocol::Resp3;
        assert_eq!(line(&mut bed, "XNACK s g FAIL IDS 1 1-0"), ":0");
        let told = line(&mut bed, "XINFO STREAM s FULL");
        assert!(told.contains(" $9 pel-count :3 $12 nacked-count :2 $7 pending *3 *4 $3 3-0 $0  :0 :9223"), "{told}");
    }

    #[test]
    fn what_is_not_pending_is_handed_back_by_force_if_it_is_there() {
        let mut bed = with_pending(1);
        bed.run("XADD s 2-0 f v");
        bed.run("XADD s 3-0 f v");
        bed.run("XDEL s 3-0");
        assert_eq!(line(&mut bed, "XNACK s g FAIL IDS 2 2-0 3-0"), ":0");
        assert_eq!(line(&mut bed, "XNACK s g FAIL IDS 2 2-0 3-0 FORCE"), ":1");
        assert!(line(&mut bed, "XPENDING s g 2-0 2-0 1").ends_with("$0  :-1 :0"));
        bed.run("XACK s g 2-0");
        assert_eq!(line(&mut bed, "XNACK s g FATAL FORCE IDS 1 2-0"), ":1");
        assert!(line(&mut bed, "XPENDING s g 2-0 2-0 1").ends_with(&format!(":-1 :{}", i64::MAX)));
    }

    #[test]
    fn what_was_handed_back_is_claimed_before_all_else_in_that_order() {
        let mut bed = with_pending(4);
        bed.run("XCLAIM s g c 0 1-0 IDLE 3600000");
        bed.run("XNACK s g FAIL IDS 2 4-0 2-0");
        let answer = bed.run("XREADGROUP GROUP g d CLAIM 1000 STREAMS s >");
        let ids: Vec<&str> = answer.split("\r\n").filter(|line| line.ends_with("-0")).collect();
        assert_eq!(ids, ["4-0", "2-0", "1-0"]);
        assert_eq!(line(&mut bed, "XINFO STREAM s FULL").matches("nacked-count :0").count(), 1);
        // The other ways to claim it regard no time either.
        bed.run("XNACK s g FATAL IDS 2 2-0 4-0");
        assert_eq!(line(&mut bed, "XCLAIM s g d 9223372036854775807 2-0 1-0 JUSTID"), "*1 $3 2-0");
        assert_eq!(line(&mut bed, "XAUTOCLAIM s g d 9223372036854775807 0 JUSTID"), "*3 $3 0-0 *1 $3 4-0 *0");
        bed.run("XNACK s g FATAL IDS 1 4-0");
        bed.run("XCLAIM s g d 0 4-0");
        assert!(line(&mut bed, "XPENDING s g 4-0 4-0 1").ends_with(&format!(" :{}", i64::MAX)));
    }

    #[test]
    fn what_is_handed_back_stays_needed_and_goes_with_the_group() {
        let mut bed = with_pending(2);
        bed.run("XNACK s g FAIL IDS 2 1-0 2-0");
        assert_eq!(line(&mut bed, "XDELEX s ACKED IDS 1 1-0"), "*1 :2");
        assert_eq!(line(&mut bed, "XGROUP DELCONSUMER s g c"), ":0");
        assert!(line(&mut bed, "XPENDING s g").starts_with("*4 :2 "));
        assert_eq!(line(&mut bed, "XDELEX s DELREF IDS 1 1-0"), "*1 :1");
        bed.run("XDEL s 2-0");
        // Of a deleted entry nothing can be claimed: it is forgotten.
        assert_eq!(bed.propagated("XREADGROUP GROUP g d CLAIM 0 STREAMS s >"), ["XACK s g 2-0"]);
        assert_eq!(line(&mut bed, "XPENDING s g"), "*4 :0 $-1 $-1 *-1");
    }

    #[test]
    fn the_command_is_propagated_if_something_was_handed_back() {
        let mut bed = with_pending(1);
        assert_eq!(bed.propagated("XNACK s g SILENT IDS 1 9-0"), [""; 0]);
        assert_eq!(bed.propagated("XNACK s g SILENT IDS 1 1-0"), ["XNACK s g SILENT IDS 1 1-0"]);
    }

    #[test]
    fn faults_are_named() {
        let mut bed = with_pending(1);
        bed.run("SET text v");
        for (command, error) in [
            ("none g FAIL IDS 1 1-0", "NOGROUP No such key 'none' or consumer group 'g'"),
            ("s none FAIL IDS 1 1-0", "NOGROUP No such key 's' or consumer group 'none'"),
            ("text g FAIL IDS 1 1-0", "WRONGTYPE Operation against a key holding the wrong kind of value"),
            ("s g MAYBE IDS 1 1-0", "ERR mode must be SILENT, FAIL, or FATAL"),
            ("s g FAIL IDS 0 1-0", "ERR numids must be a positive integer"),
            ("s g FAIL IDS -1 1-0", "ERR numids must be a positive integer"),
            ("s g FAIL IDS x 1-0", "ERR numids must be a positive integer"),
            ("s g FAIL IDS 9223372036854775808 1-0", "ERR numids must be a positive integer"),
            ("s g FAIL IDS 9223372036854775807 1-0", "ERR number of IDs doesn't match numids"),
            ("s g FAIL IDS 2 1-0", "ERR number of IDs doesn't match numids"),
            ("s g FAIL IDS 1 1-0 2-0", "ERR Unrecognized XNACK option '2-0'"),
            ("s g FAIL IDS 1 1-0 RETRYCOUNT", "ERR Unrecognized XNACK option 'RETRYCOUNT'"),
            ("s g FAIL IDS 1 1-0 RETRYCOUNT -1", "ERR Invalid RETRYCOUNT value, must be >= 0"),
            ("s g FAIL IDS 1 1-0 RETRYCOUNT x", "ERR value is not an integer or out of range"),
            ("s g FAIL FORCE RETRYCOUNT 1", "ERR syntax error, expected IDS keyword"),
            ("s g FAIL IDS 2 1-0 x", "ERR Invalid stream ID specified as stream command argument"),
            ("s g FAIL IDS 1", "ERR wrong number of arguments for 'xnack' command"),
        ] {
            assert_eq!(line(&mut bed, &format!("XNACK {command}")), format!("-{error}"), "{command}");
        }
        assert!(!line(&mut bed, "XPENDING s g - + 1").contains(":-1"));
    }
}
