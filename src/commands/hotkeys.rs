//! HOTKEYS: which keys take the most processor time and network.

use crate::command::error::{CmdResult, SYNTAX};
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::resp::reply::Reply;
use crate::server::effects::Observers;
use crate::server::execution::{Command, Ctx};
use crate::server::observe::hotkeys::{Session, Wanted};

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("hotkeys", SUBCOMMANDS).group(Group::Server).docs(
    "8.6.0",
    "",
    "Finds the keys that take the most time and bytes.",
)];

const TIPS: &[&str] = &["request_policy:special", "response_policy:special", "nondeterministic_output"];

const SUBCOMMANDS: &[Command] = &[
    Command::new("start", Arity::at_least(2), start).group(Group::Server).flags(&[ADMIN, NOSCRIPT]).tips(TIPS).docs(
        "8.6.0",
        "METRICS count [CPU] [NET] [COUNT k] [DURATION seconds] [SAMPLE ratio] [SLOTS count slot [slot ...]]",
        "Begins to observe keys.",
    ),
    Command::new("stop", Arity::exactly(2), stop).group(Group::Server).flags(&[ADMIN, NOSCRIPT]).tips(TIPS).docs(
        "8.6.0",
        "",
        "Ends the observation and keeps what it found.",
    ),
    Command::new("get", Arity::exactly(2), get).group(Group::Server).flags(&[ADMIN, NOSCRIPT]).tips(TIPS).docs(
        "8.6.0",
        "",
        "Tells the keys that took the most.",
    ),
    Command::new("reset", Arity::exactly(2), reset).group(Group::Server).flags(&[ADMIN, NOSCRIPT]).tips(TIPS).docs(
        "8.6.0",
        "",
        "Forgets what was found.",
    ),
    Command::new("help", Arity::exactly(2), help).group(Group::Server).flags(&[LOADING, STALE]).docs(
        "8.6.0",
        "",
        "Describes the subcommands.",
    ),
];

/// Keys told when no number is given, and at most.
const COUNT: usize = 10;
const COUNT_MAX: i64 = 64;
/// The longest observation, in seconds.
const DURATION_MAX: i64 = 1_000_000;

/// Reads the metrics at the beginning of the options. Words that are no metric are passed over, since there may be more
/// of them one day; the argument behind them.
fn read_metrics(args: &Args<'_>, wanted: &mut Wanted) -> Result<usize, Error> {
    const REQUIRED: Error = Error::fixed("ERR METRICS parameter is required");
    const BAD_COUNT: Error = Error::fixed("ERR METRICS count must be a positive integer");
    const MISCOUNTED: Error = Error::fixed("ERR METRICS count does not match number of metric types provided");
    const NONE: Error = Error::fixed("ERR METRICS no valid metrics passed");
    if !args.is(2, "METRICS") || args.len() < 4 {
        return Err(REQUIRED);
    }
    let count = args.integer_in(3, 1..=i64::from(i32::MAX), BAD_COUNT)? as usize;
    let end = 4 + count;
    if end > args.len() {
        return Err(MISCOUNTED);
    }
    for index in 4..end {
        let (metric, twice) = match () {
            () if args.is(index, "CPU") => (&mut wanted.cpu, "ERR METRICS CPU defined more than once"),
            () if args.is(index, "NET") => (&mut wanted.net, "ERR METRICS NET defined more than once"),
            () if ["COUNT", "DURATION", "SAMPLE", "SLOTS"].iter().any(|word| args.is(index, word)) => {
                return Err(MISCOUNTED);
            }
            () => continue,
        };
        if std::mem::replace(metric, true) {
            return Err(Error::fixed(twice));
        }
    }
    if wanted.cpu || wanted.net { Ok(end) } else { Err(NONE) }
}

fn read_options(args: &Args<'_>) -> Result<Wanted, Error> {
    const BAD_COUNT: Error = Error::fixed("ERR COUNT must be between 1 and 64");
    const BAD_DURATION: Error = Error::fixed("ERR DURATION must be between 0 and 1000000");
    const BAD_SAMPLE: Error = Error::fixed("ERR SAMPLE ratio must be positive");
    let mut wanted = Wanted { cpu: false, net: false, count: COUNT, duration_ms: 0, sample_ratio: 1 };
    let mut index = read_metrics(args, &mut wanted)?;
    while index < args.len() {
        let has_value = index + 1 < args.len();
        if has_value && args.is(index, "COUNT") {
            wanted.count = args.integer_in(index + 1, 1..=COUNT_MAX, BAD_COUNT)? as usize;
        } else if has_value && args.is(index, "DURATION") {
            wanted.duration_ms = 1000 * args.integer_in(index + 1, 0..=DURATION_MAX, BAD_DURATION)?;
        } else if has_value && args.is(index, "SAMPLE") {
            wanted.sample_ratio = args.integer_in(index + 1, 1..=i64::from(i32::MAX), BAD_SAMPLE)? as u64;
        } else if has_value && args.is(index, "SLOTS") {
            return Err(Error::fixed("ERR SLOTS parameter cannot be used in non-cluster mode"));
        } else {
            return Err(SYNTAX);
        }
        index += 2;
    }
    Ok(wanted)
}

fn start(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let wanted = read_options(&args)?;
    let now_ms = cx.clock_ms();
    cx.server.stop_hotkeys_when_due();
    if cx.server.hotkeys.is_active() {
        return Err(Error::fixed("ERR hotkey tracking session already in progress"));
    }
    cx.server.hotkeys.start(wanted, now_ms);
    cx.server.observers.set(Observers::HOTKEYS, true);
    cx.reply.ok();
    Ok(())
}

/// Answers null when there is nothing to stop.
fn stop(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let now_ms = cx.clock_ms();
    let stopped = cx.server.hotkeys.stop_when_due(now_ms) || cx.server.hotkeys.stop(now_ms);
    cx.server.observers.set(Observers::HOTKEYS, false);
    if stopped {
        cx.reply.ok()
    } else {
        cx.reply.null()
    }
    Ok(())
}

fn get(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let now_ms = cx.clock_ms();
    cx.server.stop_hotkeys_when_due();
    match cx.server.hotkeys.session() {
        None => cx.reply.null(),
        Some(session) => write_session(cx.reply, session, now_ms),
    }
    Ok(())
}

fn write_session(reply: &mut Reply, session: &Session, now_ms: i64) {
    const ALWAYS: usize = 7;
    let Wanted { cpu, net, sample_ratio, .. } = session.wanted;
    reply.map(ALWAYS + if cpu { 3 } else { 0 } + if net { 2 } else { 0 });
    let number = |reply: &mut Reply, name: &str, value: i64| {
        reply.bulk(name.as_bytes());
        reply.integer(value);
    };
    number(reply, "tracking-active", i64::from(session.is_active()));
    number(reply, "sample-ratio", sample_ratio as i64);
    reply.bulk(b"selected-slots");
    reply.array(0);
    number(reply, "all-commands-all-slots-us", (session.nanos / 1000) as i64);
    number(reply, "net-bytes-all-commands-all-slots", session.bytes as i64);
    number(reply, "collection-start-time-unix-ms", session.started_ms);
    number(reply, "collection-duration-ms", session.duration_ms(now_ms));
    if cpu {
        let times = session.cpu();
        number(reply, "total-cpu-time-user-ms", (times.user * 1000.0) as i64);
        number(reply, "total-cpu-time-sys-ms", (times.system * 1000.0) as i64);
    }
    if net {
        number(reply, "total-net-bytes", session.bytes as i64);
    }
    if cpu {
        reply.bulk(b"by-cpu-time-us");
        write_keys(reply, session.by_micros());
    }
    if net {
        reply.bulk(b"by-net-bytes");
        write_keys(reply, session.by_bytes());
    }
}

/// Keys, each with its sum behind it.
fn write_keys<'a>(reply: &mut Reply, keys: impl ExactSizeIterator<Item = (&'a [u8], u64)>) {
    reply.array(2 * keys.len());
    for (key, sum) in keys {
        reply.bulk(key);
        reply.integer(sum as i64);
    }
}

fn reset(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.server.stop_hotkeys_when_due();
    if cx.server.hotkeys.is_active() {
        return Err(Error::fixed("ERR hotkey tracking session in progress, stop tracking first"));
    }
    cx.server.hotkeys.reset();
    cx.reply.ok();
    Ok(())
}

fn help(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply_help(&[
        "GET",
        "    Tell the keys that took the most, and what all commands took.",
        "RESET",
        "    Forget what was found.",
        "START METRICS <count> [CPU] [NET] [COUNT <k>] [DURATION <seconds>] [SAMPLE <ratio>]",
        "    Observe keys by processor time, by bytes of the network, or by both.",
        "STOP",
        "    End the observation and keep what it found.",
    ]);
    Ok(())
}
