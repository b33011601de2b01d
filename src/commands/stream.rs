//! Streams: the rows, and what their handlers share.
//!
//! What a group remembers (deliveries, how far it has read) is no change of the key to WATCH and to those who are
//! blocked on it, as in Redis: such commands count as changes for persistence only. And what depends on the moment is
//! propagated in terms that do not: ids as they turned out, trimming as exact trimming, deliveries as XCLAIM.

mod add;
mod claim;
mod delete;
mod group;
mod idempotent;
mod info;
mod nack;
mod pending;
mod range;
mod read;
mod read_group;
mod shared;

use super::stream::shared::READS;
use crate::command::spec::*;
use crate::server::execution::Command;

const UPDATES: Access = Access::RW.and(Access::UPDATE);
const DELETES: Access = Access::RW.and(Access::DELETE);
const INSERTS: Access = Access::RW.and(Access::INSERT);

const READ: &[Keys] = &[Keys::at(1, READS)];
const UPDATE: &[Keys] = &[Keys::at(1, UPDATES)];
const DELETE: &[Keys] = &[Keys::at(1, DELETES)];

const NOT_REPEATABLE: &[&str] = &["nondeterministic_output"];

/// The rows.
pub const COMMANDS: &[Command] = &[
    Command::new("xack", Arity::at_least(4), delete::xack)
        .group(Group::Stream)
        .flags(&[WRITE, FAST])
        .keys(UPDATE)
        .docs("5.0.0", "key group id [id ...]", "Acknowledges entries that were delivered to a consumer group.").complexity("O(1) for each id."),
    Command::new("xackdel", Arity::at_least(6), delete::xackdel)
        .group(Group::Stream)
        .flags(&[WRITE, FAST])
        .keys(&[Keys::at(1, UPDATES.and(Access::DELETE))])
        .docs(
            "8.2.0",
            "key group [KEEPREF|DELREF|ACKED] IDS <numids id [id ...]>",
            "Acknowledges entries for a consumer group and deletes them.",
        ).complexity("O(1) for each id."),
    Command::new("xadd", Arity::at_least(5), add::xadd)
        .group(Group::Stream)
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(UPDATE)
        .tips(NOT_REPEATABLE)
        .docs(
            "5.0.0",
            "key [NOMKSTREAM] [KEEPREF|DELREF|ACKED] [<IDMPAUTO pid>|<IDMP pid iid>] \
             [<MAXLEN|MINID> [=|~] threshold [LIMIT count]] <*|id> field value [field value ...]",
            "Adds an entry at the end of a stream.",
        ).complexity("O(1), and O(N) for N entries trimmed.").history(&[("6.2.0", "`NOMKSTREAM`, `MINID` and `LIMIT`."), ("7.0.0", "Ids `<ms>-*`."), ("8.2.0", "`KEEPREF`, `DELREF` and `ACKED`."), ("8.6.0", "`IDMP` and `IDMPAUTO`.")]),
    Command::new("xautoclaim", Arity::at_least(6), claim::xautoclaim)
        .group(Group::Stream)
        .flags(&[WRITE, FAST])
        .keys(DELETE)
        .tips(NOT_REPEATABLE)
        .docs(
            "6.2.0",
            "key group consumer min-idle-time start [COUNT count] [JUSTID]",
            "Hands over to a consumer what others have left pending for too long.",
        ).complexity("O(1) for small counts.").history(&[("7.0.0", "Entries that are gone are told.")]),
    Command::new("xcfgset", Arity::at_least(2), idempotent::xcfgset)
        .group(Group::Stream)
        .flags(&[WRITE, FAST])
        .keys(UPDATE)
        .docs(
            "8.6.0",
            "key [IDMP-DURATION idmp-duration] [IDMP-MAXSIZE idmp-maxsize]",
            "Sets for how long, and how much, a stream remembers of what its producers have added.",
        )
        .complexity("O(1), and O(N) for N names that are forgotten."),
    Command::new("xclaim", Arity::at_least(6), claim::xclaim)
        .group(Group::Stream)
        .flags(&[WRITE, FAST])
        .keys(UPDATE)
        .tips(NOT_REPEATABLE)
        .docs(
            "5.0.0",
            "key group consumer min-idle-time id [id ...] [IDLE ms] [TIME unix-time-milliseconds] [RETRYCOUNT count] \
             [FORCE] [JUSTID] [LASTID lastid]",
            "Hands pending entries over to a consumer.",
        ).complexity("O(log N) for N pending entries of the group."),
    Command::new("xdel", Arity::at_least(3), delete::xdel)
        .group(Group::Stream)
        .flags(&[WRITE, FAST])
        .keys(DELETE)
        .docs("5.0.0", "key id [id ...]", "Deletes entries of a stream.").complexity("O(1) for each entry, however long the stream is."),
    Command::new("xdelex", Arity::at_least(5), delete::xdelex)
        .group(Group::Stream)
        .flags(&[WRITE, FAST])
        .keys(DELETE)
        .docs(
            "8.2.0",
            "key [KEEPREF|DELREF|ACKED] IDS <numids id [id ...]>",
            "Deletes entries of a stream with regard to consumer groups that they are pending in.",
        ).complexity("O(1) for each entry, however long the stream is."),
    Command::container("xgroup", GROUP_SUBCOMMANDS).group(Group::Stream).docs(
        "5.0.0",
        "",
        "Carries the commands that manage consumer groups.",
    ),
    Command::new("xidmprecord", Arity::exactly(5), idempotent::xidmprecord)
        .group(Group::Stream)
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(UPDATE)
        .docs(
            "8.6.2",
            "key pid iid stream-id",
            "Has a stream remember that a producer has added an entry; made for the append-only file.",
        )
        .complexity("O(log N) for N names of the producer."),
    Command::container("xinfo", INFO_SUBCOMMANDS).group(Group::Stream).docs(
        "5.0.0",
        "",
        "Carries the commands that tell of streams.",
    ),
    Command::new("xlen", Arity::exactly(2), range::xlen)
        .group(Group::Stream)
        .flags(&[READONLY, FAST])
        .keys(&[Keys::at(1, Access::RO)])
        .docs("5.0.0", "key", "Returns the number of entries of a stream."),
    Command::new("xnack", Arity::at_least(7), nack::xnack)
        .group(Group::Stream)
        .flags(&[WRITE, FAST])
        .keys(UPDATE)
        .docs(
            "8.8.0",
            "key group <SILENT|FAIL|FATAL> IDS <numids id [id ...]> [RETRYCOUNT count] [FORCE]",
            "Hands pending entries back to a consumer group, for any consumer to claim.",
        )
        .complexity("O(log N) for each id and N pending entries of the group."),
    Command::new("xpending", Arity::at_least(3), pending::xpending)
        .group(Group::Stream)
        .flags(&[READONLY])
        .keys(READ)
        .tips(NOT_REPEATABLE)
        .docs(
            "5.0.0",
            "key group [[IDLE milliseconds] start end count [consumer]]",
            "Tells which entries a consumer group has yet to acknowledge.",
        ).complexity("O(N) for N entries returned, O(M) for M looked at with IDLE; the summary is O(1) plus O(N) for N consumers.").history(&[("6.2.0", "`IDLE`, and ranges without their ends.")]),
    Command::new("xrange", Arity::at_least(4), range::xrange).group(Group::Stream).flags(&[READONLY]).keys(READ).docs(
        "5.0.0",
        "key start end [COUNT count]",
        "Returns the entries of a stream from one id to another.",
    ).complexity("O(N) for N entries returned.").history(&[("6.2.0", "Ranges without their ends.")]),
    Command::new("xread", Arity::at_least(4), read::xread)
        .group(Group::Stream)
        .flags(&[READONLY, BLOCKING])
        .keys(&[streams(1)])
        .find_keys(read::streams)
        .docs(
            "5.0.0",
            "[COUNT count] [MAXCOUNT maxcount] [MAXSIZE maxsize] [BLOCK milliseconds] STREAMS <key [key ...] id [id ...]>",
            "Returns the entries of streams behind the ids given, and may wait for them.",
        )
        .history(&[("7.4.0", "The id `+`."), ("8.10.0", "`MAXCOUNT` and `MAXSIZE`.")]),
    Command::new("xreadgroup", Arity::at_least(7), read_group::xreadgroup)
        .group(Group::Stream)
        .flags(&[WRITE, BLOCKING])
        .keys(&[streams(4)])
        .find_keys(read::streams)
        .docs(
            "5.0.0",
            "GROUP group consumer [COUNT count] [MAXCOUNT maxcount] [MAXSIZE maxsize] [BLOCK milliseconds] \
             [CLAIM min-idle-time] [NOACK] STREAMS <key [key ...] id [id ...]>",
            "Delivers entries to a consumer of a group, or tells what it has yet to acknowledge.",
        )
        .complexity("O(M) for M entries returned of each stream; XADD pays O(N) for N clients that wait.")
        .history(&[("8.4.0", "`CLAIM`."), ("8.10.0", "`MAXCOUNT` and `MAXSIZE`.")]),
    Command::new("xrevrange", Arity::at_least(4), range::xrevrange)
        .group(Group::Stream)
        .flags(&[READONLY])
        .keys(READ)
        .docs(
            "5.0.0",
            "key end start [COUNT count]",
            "Returns the entries of a stream between two ids, the last first.",
        ).complexity("O(N) for N entries returned.").history(&[("6.2.0", "Ranges without their ends.")]),
    Command::new("xsetid", Arity::at_least(3), add::xsetid)
        .group(Group::Stream)
        .flags(&[WRITE, DENYOOM, FAST])
        .keys(UPDATE)
        .docs(
            "5.0.0",
            "key last-id [ENTRIESADDED entries_added] [MAXDELETEDID max_deleted_entry_id]",
            "Sets the last id of a stream; made for replication.",
        ).history(&[("7.0.0", "`ENTRIESADDED` and `MAXDELETEDID`.")]),
    Command::new("xtrim", Arity::at_least(4), add::xtrim)
        .group(Group::Stream)
        .flags(&[WRITE])
        .keys(DELETE)
        .tips(NOT_REPEATABLE)
        .docs(
            "5.0.0",
            "key <<MAXLEN|MINID> [=|~] threshold [LIMIT count] [KEEPREF|DELREF|ACKED]>",
            "Removes the oldest entries of a stream.",
        ).complexity("O(N) for N entries trimmed, whole nodes at a time.").history(&[("6.2.0", "`MINID` and `LIMIT`."), ("8.2.0", "`KEEPREF`, `DELREF` and `ACKED`.")]),
];

const fn streams(from: i16) -> Keys {
    let find = Find::Range { last: -1, step: 1, limit: 2 };
    Keys { begin: Begin::Keyword("STREAMS", from), find, access: READS }
}

const GROUP_SUBCOMMANDS: &[Command] = &[
    Command::new("create", Arity::at_least(5), group::create)
        .group(Group::Stream)
        .flags(&[WRITE, DENYOOM])
        .keys(&[Keys::at(2, INSERTS)])
        .docs("5.0.0", "key groupname <id|$> [MKSTREAM] [ENTRIESREAD entries_read]", "Creates a consumer group.")
        .complexity("O(1)")
        .history(&[("7.0.0", "`ENTRIESREAD`.")]),
    Command::new("createconsumer", Arity::exactly(5), group::createconsumer)
        .group(Group::Stream)
        .flags(&[WRITE, DENYOOM])
        .keys(&[Keys::at(2, INSERTS)])
        .docs("6.2.0", "key groupname consumername", "Creates a consumer in a group.")
        .complexity("O(1)"),
    Command::new("delconsumer", Arity::exactly(5), group::delconsumer)
        .group(Group::Stream)
        .flags(&[WRITE])
        .keys(&[Keys::at(2, DELETES)])
        .docs("5.0.0", "key groupname consumername", "Removes a consumer from a group, with all it has pending.")
        .complexity("O(1)"),
    Command::new("destroy", Arity::exactly(4), group::destroy)
        .group(Group::Stream)
        .flags(&[WRITE])
        .keys(&[Keys::at(2, DELETES)])
        .docs("5.0.0", "key groupname", "Removes a consumer group.")
        .complexity("O(N) for N pending entries of the group."),
    Command::new("help", Arity::exactly(2), group::help)
        .group(Group::Stream)
        .flags(&[LOADING, STALE])
        .docs("5.0.0", "", "Describes the subcommands.")
        .complexity("O(1)"),
    Command::new("setid", Arity::at_least(5), group::setid)
        .group(Group::Stream)
        .flags(&[WRITE])
        .keys(&[Keys::at(2, UPDATES)])
        .docs("5.0.0", "key groupname <id|$> [ENTRIESREAD entries_read]", "Sets how far a consumer group has read.")
        .complexity("O(1)")
        .history(&[("7.0.0", "`ENTRIESREAD`.")]),
];

const INFO_SUBCOMMANDS: &[Command] = &[
    Command::new("consumers", Arity::exactly(4), info::consumers)
        .group(Group::Stream)
        .flags(&[READONLY])
        .keys(&[Keys::at(2, READS)])
        .tips(NOT_REPEATABLE)
        .docs("5.0.0", "key groupname", "Tells of the consumers of a group.")
        .complexity("O(1)")
        .history(&[("7.2.0", "`inactive`; `idle` counts attempts, too.")]),
    Command::new("groups", Arity::exactly(3), info::groups)
        .group(Group::Stream)
        .flags(&[READONLY])
        .keys(&[Keys::at(2, READS)])
        .docs("5.0.0", "key", "Tells of the consumer groups of a stream.")
        .complexity("O(1)")
        .history(&[("7.0.0", "`entries-read` and `lag`.")]),
    Command::new("help", Arity::exactly(2), info::help)
        .group(Group::Stream)
        .flags(&[LOADING, STALE])
        .docs("5.0.0", "", "Describes the subcommands.")
        .complexity("O(1)"),
    Command::new("stream", Arity::at_least(3), info::stream)
        .group(Group::Stream)
        .flags(&[READONLY])
        .keys(&[Keys::at(2, READS)])
        .docs("5.0.0", "key [FULL [COUNT count]]", "Tells of a stream.")
        .complexity("O(1)")
        .history(&[
            ("6.0.0", "`FULL`."),
            ("7.0.0", "`max-deleted-entry-id`, `entries-added`, `recorded-first-entry-id`, `entries-read` and `lag`."),
            ("7.2.0", "`active-time`; `seen-time` counts attempts, too."),
        ]),
];

#[cfg(test)]
mod tests;
