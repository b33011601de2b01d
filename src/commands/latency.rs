//! LATENCY: the spikes that the latency monitor noted, and the distribution of each command's run time.

use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::table::CommandStats;
use crate::command::{Args, CommandId, Error};
use crate::server::execution::{Command, Ctx, Handler};
use crate::server::observe::latency::doctor;
use crate::util::histogram::Histogram;

const NONDETERMINISTIC: &[&str] = &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"];

/// The rows.
pub const COMMANDS: &[Command] = &[Command::container("latency", SUBCOMMANDS).group(Group::Server).docs(
    "2.8.13",
    "",
    "Shows when the server was slow.",
)];

const fn subcommand(name: &'static str, arity: Arity, handler: Handler) -> Command {
    Command::new(name, arity, handler)
        .group(Group::Server)
        .flags(&[ADMIN, NOSCRIPT, LOADING, STALE])
        .tips(NONDETERMINISTIC)
}

const SUBCOMMANDS: &[Command] = &[
    subcommand("latest", Arity::exactly(2), latest)
        .docs("2.8.13", "", "Tells each event's latest spike.")
        .complexity("O(1)"),
    subcommand("history", Arity::exactly(3), history)
        .docs("2.8.13", "event", "Tells the spikes of an event.")
        .complexity("O(1)"),
    subcommand("graph", Arity::exactly(3), graph)
        .docs("2.8.13", "event", "Draws the spikes of an event.")
        .complexity("O(1)"),
    subcommand("doctor", Arity::exactly(2), examine)
        .docs("2.8.13", "", "Explains the spikes in words.")
        .complexity("O(1)"),
    subcommand("histogram", Arity::at_least(2), histogram)
        .docs("7.0.0", "[command [command ...]]", "Tells how the run times of commands are distributed.")
        .complexity("O(N) for N commands shown."),
    subcommand("reset", Arity::at_least(2), reset)
        .tips(&["request_policy:all_nodes", "response_policy:agg_sum"])
        .docs("2.8.13", "[event [event ...]]", "Forgets the spikes of some events, or all.")
        .complexity("O(1)"),
    Command::new("help", Arity::exactly(2), help)
        .group(Group::Server)
        .flags(&[LOADING, STALE])
        .docs("2.8.13", "", "Describes the subcommands.")
        .complexity("O(1)"),
];

/// Behind the four columns of Redis come the sum and the number of all spikes, as Valkey has them: who reads the former
/// need not know.
fn latest(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let events = &cx.server.latency.events;
    cx.reply.array(events.len());
    for (event, series) in events {
        let (time, ms) = series.samples.back().copied().unwrap_or_default();
        cx.reply.array(6);
        cx.reply.bulk(event.as_bytes());
        cx.reply.integer(time);
        cx.reply.integer(ms as i64);
        cx.reply.integer(series.worst_ms as i64);
        cx.reply.integer(series.sum_ms as i64);
        cx.reply.integer(series.count as i64);
    }
    Ok(())
}

fn history(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let series = cx.server.latency.find(args.get(2));
    let Some((_, series)) = series else {
        cx.reply.array(0);
        return Ok(());
    };
    cx.reply.array(series.samples.len());
    for (time, ms) in &series.samples {
        cx.reply.array(2);
        cx.reply.integer(*time);
        cx.reply.integer(*ms as i64);
    }
    Ok(())
}

fn graph(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let event = args.get(2);
    let Some((name, series)) = cx.server.latency.find(event) else {
        let mut text = b"ERR No samples available for event '".to_vec();
        text.extend_from_slice(event);
        text.push(b'\'');
        return Err(Error::text(text));
    };
    let graph = doctor::graph(name, series, cx.server.clock.unix_ms() / 1000);
    cx.reply.verbatim(*b"txt", graph.as_bytes());
    Ok(())
}

fn examine(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    let now = cx.server.clock.unix_ms() / 1000;
    let report = doctor::report(&cx.server.latency, &cx.server.config, now);
    cx.reply.verbatim(*b"txt", report.as_bytes());
    Ok(())
}

fn reset(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let latency = &mut cx.server.latency;
    let before = latency.events.len();
    if args.len() == 2 {
        latency.events.clear();
    } else {
        latency.events.retain(|event, _| args.rest(2).all(|name| name != event.as_bytes()));
    }
    cx.reply.integer((before - latency.events.len()) as i64);
    Ok(())
}

/// A container stands for all its subcommands; names nobody knows are passed over.
fn histogram(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let commands = &cx.server.commands;
    let mut ids: Vec<CommandId> = Vec::new();
    let mut add = |id: CommandId| {
        ids.push(id);
        ids.extend(commands.subcommands(id));
    };
    if args.len() == 2 {
        commands.top_level().into_iter().for_each(&mut add);
    } else {
        args.rest(2).filter_map(|name| commands.find_full(name)).for_each(&mut add);
    }
    let head = cx.reply.defer();
    let mut shown = 0;
    for entry in ids.into_iter().map(|id| commands.entry(id)) {
        let CommandStats { calls, latency: Some(latency), .. } = &entry.stats else { continue };
        let steps = distribution(latency);
        cx.reply.bulk(entry.full_name.as_bytes());
        cx.reply.map(2);
        cx.reply.bulk(b"calls");
        cx.reply.integer(*calls as i64);
        cx.reply.bulk(b"histogram_usec");
        cx.reply.map(steps.len());
        for (micros, count) in steps {
            cx.reply.integer(micros);
            cx.reply.integer(count as i64);
        }
        shown += 1;
    }
    cx.reply.finish_map(head, shown);
    Ok(())
}

/// How many calls took up to about 1 µs, 2 µs, 4 µs and so on, where the number grows.
///
/// The steps are 1024 ns, doubled each time. They are shown as the end of the bucket they lie in.
fn distribution(histogram: &Histogram) -> Vec<(i64, u64)> {
    let mut steps = Vec::new();
    let (mut before, total) = (0, histogram.total());
    for step in (0..).map(|power| 1024u64 << power).take(40) {
        let count = histogram.count_up_to(step);
        if count > before {
            steps.push(((histogram.end_of_bucket(step) / 1000) as i64, count));
        }
        before = count;
        if count == total {
            break;
        }
    }
    steps
}

fn help(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply_help(&[
        "DOCTOR",
        "    Explain in words when the server was slow, and what may help.",
        "GRAPH <event>",
        "    Draw the spikes of an event.",
        "HISTORY <event>",
        "    Time and milliseconds of the spikes of an event.",
        "LATEST",
        "    The latest spike of each event: time, milliseconds, the worst of all, their sum, their number.",
        "RESET [<event> ...]",
        "    Forget the spikes of these events, of all if none is given.",
        "HISTOGRAM [<command> ...]",
        "    How many calls of these commands, of all if none is given, took up to how many microseconds.",
    ]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_counts_up_to_all_calls() {
        let mut histogram = Histogram::default();
        [500, 900, 1500, 200_000, 200_000].iter().for_each(|nanos| histogram.record(*nanos));
        assert_eq!(distribution(&histogram), [(1, 2), (2, 3), (264, 5)]);
        assert!(distribution(&Histogram::default()).is_empty());
        let mut long = Histogram::default();
        long.record(u64::MAX / 2);
        // As Redis shows DEBUG SLEEP 1.3.
        assert_eq!(distribution(&long), [(1_073_741, 1)]);
    }
}
