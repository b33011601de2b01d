//! Publish/subscribe.
//!
//! SUBSCRIBE and its kin have no reply: they send one confirmation per channel, a push in RESP3. Confirmations are
//! sent even to a client that wants no replies (CLIENT REPLY OFF).

use crate::client::pubsub::Kind;
use crate::command::error::CmdResult;
use crate::command::spec::*;
use crate::command::{Args, Error};
use crate::server::clients::{messages, publish};
use crate::server::cluster::event;
use crate::server::execution::{Command, Ctx, Handler};
use crate::util::glob;

/// The rows.
pub const COMMANDS: &[Command] = &[
    subscriber("subscribe", Arity::at_least(2), subscribe)
        .channels(Channels::Subscribe)
        .docs("2.0.0", "channel [channel ...]", "Has the messages of channels sent to this connection.")
        .complexity("O(N) for N channels."),
    subscriber("unsubscribe", Arity::at_least(1), unsubscribe)
        .docs("2.0.0", "[channel [channel ...]]", "Ends subscriptions to channels, or to all of them.")
        .complexity("O(N) for N channels."),
    subscriber("psubscribe", Arity::at_least(2), psubscribe)
        .channels(Channels::SubscribePatterns)
        .docs(
            "2.0.0",
            "pattern [pattern ...]",
            "Has the messages of all channels that match a pattern sent to this connection.",
        )
        .complexity("O(N) for N patterns."),
    subscriber("punsubscribe", Arity::at_least(1), punsubscribe)
        .docs("2.0.0", "[pattern [pattern ...]]", "Ends subscriptions to patterns, or to all of them.")
        .complexity("O(N) for N patterns."),
    subscriber("ssubscribe", Arity::at_least(2), ssubscribe)
        .keys(&[Keys::range(1, -1, 1, Access::NOT_KEY)])
        .channels(Channels::Subscribe)
        .docs("7.0.0", "shardchannel [shardchannel ...]", "Has the messages of shard channels sent to this connection.")
        .complexity("O(N) for N shard channels."),
    subscriber("sunsubscribe", Arity::at_least(1), sunsubscribe)
        .keys(&[Keys::range(1, -1, 1, Access::NOT_KEY)])
        .docs("7.0.0", "[shardchannel [shardchannel ...]]", "Ends subscriptions to shard channels, or to all of them.")
        .complexity("O(N) for N shard channels."),
    Command::new("publish", Arity::exactly(3), publish)
        .group(Group::Pubsub)
        .flags(&[PUBSUB, LOADING, STALE, FAST, MAY_REPLICATE])
        .channels(Channels::Publish)
        .docs("2.0.0", "channel message", "Sends a message to all who listen to a channel.")
        .complexity("O(N+M) for N subscribers of the channel, and M patterns of all clients."),
    Command::new("spublish", Arity::exactly(3), spublish)
        .group(Group::Pubsub)
        .flags(&[PUBSUB, LOADING, STALE, FAST, MAY_REPLICATE])
        .keys(&[Keys::at(1, Access::NOT_KEY)])
        .channels(Channels::Publish)
        .docs("7.0.0", "shardchannel message", "Sends a message to all who listen to a shard channel.")
        .complexity("O(N) for N subscribers of the channel."),
    Command::container("pubsub", INTROSPECTION).group(Group::Pubsub).outside_group_category().docs(
        "2.8.0",
        "",
        "Carries the commands that tell about channels.",
    ),
];

const INTROSPECTION: &[Command] = &[
    introspection("channels", Arity::at_least(2), channels)
        .docs("2.8.0", "[pattern]", "Lists the channels that somebody listens to.")
        .complexity("O(N) for N channels that have subscribers."),
    Command::new("help", Arity::exactly(2), help)
        .group(Group::Pubsub)
        .outside_group_category()
        .flags(&[LOADING, STALE])
        .docs("6.2.0", "", "Lists the subcommands.")
        .complexity("O(1)"),
    introspection("numpat", Arity::exactly(2), numpat)
        .docs("2.8.0", "", "Counts the patterns that are subscribed to.")
        .complexity("O(1)"),
    introspection("numsub", Arity::at_least(2), numsub)
        .docs("2.8.0", "[channel [channel ...]]", "Counts the subscribers of channels.")
        .complexity("O(N) for N channels asked for."),
    introspection("shardchannels", Arity::at_least(2), shardchannels)
        .docs("7.0.0", "[pattern]", "Lists the shard channels that somebody listens to.")
        .complexity("O(N) for N shard channels that have subscribers."),
    introspection("shardnumsub", Arity::at_least(2), shardnumsub)
        .docs("7.0.0", "[shardchannel [shardchannel ...]]", "Counts the subscribers of shard channels.")
        .complexity("O(N) for N shard channels asked for."),
];

const fn subscriber(name: &'static str, arity: Arity, handler: Handler) -> Command {
    Command::new(name, arity, handler).group(Group::Pubsub).flags(&[PUBSUB, NOSCRIPT, LOADING, STALE, IN_SUBSCRIPTION])
}

const fn introspection(name: &'static str, arity: Arity, handler: Handler) -> Command {
    Command::new(name, arity, handler).group(Group::Pubsub).flags(&[PUBSUB, LOADING, STALE])
}

fn subscribe(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    subscribe_to(cx, args, Kind::Channel);
    Ok(())
}

fn psubscribe(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    subscribe_to(cx, args, Kind::Pattern);
    Ok(())
}

/// Not in a transaction: unlike its elders it never was allowed there.
fn ssubscribe(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    if cx.server.in_exec {
        return Err(Error::fixed("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"));
    }
    subscribe_to(cx, args, Kind::Shard);
    Ok(())
}

fn unsubscribe(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    unsubscribe_from(cx, args, Kind::Channel);
    Ok(())
}

fn punsubscribe(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    unsubscribe_from(cx, args, Kind::Pattern);
    Ok(())
}

fn sunsubscribe(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    unsubscribe_from(cx, args, Kind::Shard);
    Ok(())
}

fn subscribe_to(cx: &mut Ctx<'_>, args: Args<'_>, kind: Kind) {
    for name in args.rest(1) {
        publish::subscribe(cx.server, cx.client, kind, name);
        confirm(cx, kind, kind.words().0, Some(name));
    }
    cx.server.clients.subscriptions_changed(cx.client);
    // Subscribers have another limit.
    cx.reply.limit = messages::output_max(cx.client(), &cx.server.config);
}

/// Without names ends all subscriptions of the kind, oldest first; where there was none, that is confirmed, too.
fn unsubscribe_from(cx: &mut Ctx<'_>, args: Args<'_>, kind: Kind) {
    let names: Vec<Box<[u8]>> = match args.len() {
        1 => kind.names(cx.client_mut().subscriptions_mut()).in_order(),
        _ => args.rest(1).map(Box::from).collect(),
    };
    if names.is_empty() {
        confirm(cx, kind, kind.words().1, None);
    }
    for name in &names {
        publish::unsubscribe(cx.server, cx.client, kind, name);
        confirm(cx, kind, kind.words().1, Some(name));
    }
    cx.server.clients.subscriptions_changed(cx.client);
}

fn confirm(cx: &mut Ctx<'_>, kind: Kind, word: &str, name: Option<&[u8]>) {
    let count = kind.count(cx.client());
    let out = cx.messages();
    out.push(3);
    out.bulk(word.as_bytes());
    match name {
        Some(name) => out.bulk(name),
        None => out.null(),
    }
    out.integer(count as i64);
}

fn publish(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let receivers = publish::publish(cx.server, args.get(1), args.get(2));
    pass_on(cx, &args, false);
    cx.reply.integer(receivers as i64);
    Ok(())
}

fn spublish(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    let receivers = publish::publish_shard(cx.server, args.get(1), args.get(2));
    pass_on(cx, &args, true);
    cx.reply.integer(receivers as i64);
    Ok(())
}

/// Tells others what was published: the replicas, or in a cluster all nodes, or those of the shard.
fn pass_on(cx: &mut Ctx<'_>, args: &Args<'_>, to_shard: bool) {
    if cx.server.cluster.is_none() {
        cx.propagate_to_replicas();
    }
    event::with(cx.server, |state, moment| state.publish(to_shard, args.get(1), args.get(2), moment));
}

fn channels(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    list_channels(cx, args, Kind::Channel)
}

fn shardchannels(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    list_channels(cx, args, Kind::Shard)
}

fn list_channels(cx: &mut Ctx<'_>, args: Args<'_>, kind: Kind) -> CmdResult {
    if args.len() > 3 {
        return Err(cx.subcommand_syntax(args.get(1)));
    }
    let pattern = args.try_get(2);
    let head = cx.reply.defer();
    let mut count = 0;
    for name in cx.server.pubsub.of(kind).keys() {
        if pattern.is_none_or(|pattern| glob::matches(pattern, name)) {
            cx.reply.bulk(name);
            count += 1;
        }
    }
    cx.reply.finish_array(head, count);
    Ok(())
}

fn numsub(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    count_subscribers(cx, args, Kind::Channel);
    Ok(())
}

fn shardnumsub(cx: &mut Ctx<'_>, args: Args<'_>) -> CmdResult {
    count_subscribers(cx, args, Kind::Shard);
    Ok(())
}

fn count_subscribers(cx: &mut Ctx<'_>, args: Args<'_>, kind: Kind) {
    let channels = cx.server.pubsub.of(kind);
    cx.reply.array((args.len() - 2) * 2);
    for name in args.rest(2) {
        cx.reply.bulk(name);
        cx.reply.integer(channels.get(name).map_or(0, |subscribers| subscribers.len()) as i64);
    }
}

fn numpat(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply.integer(cx.server.pubsub.patterns.len() as i64);
    Ok(())
}

fn help(cx: &mut Ctx<'_>, _: Args<'_>) -> CmdResult {
    cx.reply_help(&[
        "CHANNELS [<pattern>]",
        "    List the channels with subscribers, those that match a pattern only.",
        "NUMPAT",
        "    Count the patterns that are subscribed to.",
        "NUMSUB [<channel> ...]",
        "    Count the subscribers of channels; those by pattern are not counted.",
        "SHARDCHANNELS [<pattern>]",
        "    List the shard channels with subscribers, those that match a pattern only.",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    Count the subscribers of shard channels.",
    ]);
    Ok(())
}
