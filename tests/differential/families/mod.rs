//! The commands to draw, a family per file: a table of rows, and the kinds of words that only the family has.
//!
//! To have a new command tested, add its row to its family's file. A new family is listed in [`FAMILIES`].

pub mod bits;
pub mod common;
pub mod expire;
pub mod geo;
pub mod hashes;
pub mod hyperloglog;
pub mod keys;
pub mod lists;
pub mod newer;
pub mod scan;
pub mod scripts;
pub mod server;
pub mod sets;
pub mod sort;
pub mod streams;
pub mod strings;
pub mod transactions;
pub mod users;
pub mod valkey;
pub mod zsets;

use super::generate::Family;
use super::grammar::Kind;

/// All families.
pub const FAMILIES: &[Family] = &[
    Family { name: "bits", rows: bits::ROWS },
    Family { name: "expire", rows: expire::ROWS },
    Family { name: "geo", rows: geo::ROWS },
    Family { name: "hashes", rows: hashes::ROWS },
    Family { name: "hyperloglog", rows: hyperloglog::ROWS },
    Family { name: "keys", rows: keys::ROWS },
    Family { name: "lists", rows: lists::ROWS },
    Family { name: "newer", rows: newer::ROWS },
    Family { name: "scan", rows: scan::ROWS },
    Family { name: "scripts", rows: scripts::ROWS },
    Family { name: "server", rows: server::ROWS },
    Family { name: "sets", rows: sets::ROWS },
    Family { name: "sort", rows: sort::ROWS },
    Family { name: "streams", rows: streams::ROWS },
    Family { name: "strings", rows: strings::ROWS },
    Family { name: "transactions", rows: transactions::ROWS },
    Family { name: "users", rows: users::ROWS },
    Family { name: "valkey", rows: valkey::ROWS },
    Family { name: "zsets", rows: zsets::ROWS },
];

/// A table of kinds of words, by the names that lines of grammar use.
pub type Kinds = &'static [(&'static str, Kind)];

const KINDS: &[Kinds] = &[
    common::KINDS,
    bits::KINDS,
    geo::KINDS,
    hyperloglog::KINDS,
    newer::KINDS,
    scripts::KINDS,
    sort::KINDS,
    streams::KINDS,
    strings::KINDS,
    users::KINDS,
    valkey::KINDS,
    zsets::KINDS,
];

/// The kind of words of that name.
pub fn kind(name: &str) -> Option<Kind> {
    KINDS.iter().copied().flatten().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

/// Commands that no row makes, with the reason. What begins like an entry and goes on after a bar is meant, too.
pub const EXCUSED: &[(&str, &str)] = &[
    ("acl|cat", "categories have later commands, too: tests/acl.rs"),
    ("acl|delrole", "roles are Valkey's: tests/acl_roles.rs"),
    ("acl|digest", "roles are Valkey's: tests/acl_roles.rs"),
    ("acl|genpass", "chance: upstream unit/acl"),
    ("acl|getrole", "roles are Valkey's: tests/acl_roles.rs"),
    ("acl|help", "words of our own: tests/acl.rs"),
    ("acl|load", "needs a file: tests/acl.rs"),
    ("acl|log", "times and addresses: tests/acl.rs"),
    ("acl|roles", "roles are Valkey's: tests/acl_roles.rs"),
    ("acl|save", "needs a file: tests/acl.rs"),
    ("acl|setrole", "roles are Valkey's: tests/acl_roles.rs"),
    ("arcount", "arrays: tests/arrays.rs, commands/array/tests.rs"),
    ("ardel", "arrays: tests/arrays.rs, commands/array/tests.rs"),
    ("ardelrange", "arrays: tests/arrays.rs, commands/array/tests.rs"),
    ("arget", "arrays: tests/arrays.rs, commands/array/tests.rs"),
    ("argetrange", "arrays: tests/arrays.rs, commands/array/tests.rs"),
    ("argrep", "arrays: tests/arrays.rs, commands/array/tests.rs"),
    ("arinfo", "arrays: tests/arrays.rs, commands/array/tests.rs"),
    ("arinsert", "arrays: tests/arrays.rs, commands/array/tests.rs"),
    ("arlastitems", "arrays: tests/arrays.rs, commands/array/tests.rs"),
    ("arlen", "arrays: tests/arrays.rs, commands/array/tests.rs"),
    ("armget", "arrays: tests/arrays.rs, commands/array/tests.rs"),
    ("armset", "arrays: tests/arrays.rs, commands/array/tests.rs"),
    ("arnext", "arrays: tests/arrays.rs, commands/array/tests.rs"),
    ("arop", "arrays: tests/arrays.rs, commands/array/tests.rs"),
    ("arring", "arrays: tests/arrays.rs, commands/array/tests.rs"),
    ("arscan", "arrays: tests/arrays.rs, commands/array/tests.rs"),
    ("arseek", "arrays: tests/arrays.rs, commands/array/tests.rs"),
    ("arset", "arrays: tests/arrays.rs, commands/array/tests.rs"),
    ("asking", "refused without a cluster: tests/commands.rs"),
    ("auth", "no data: upstream unit/auth"),
    ("backup", "no Redis that is compared has it: tests/backup.rs"),
    ("bgrewriteaof", "persistence"),
    ("bgsave", "persistence"),
    ("bless", "only Redis from 8.12 on has it: tests/eviction.rs"),
    ("bzmove", "only Redis from 8.12 on has it: tests/sorted_sets.rs"),
    ("client", "connections differ by address and number: tests/clients.rs"),
    ("cluster", "refused without a cluster: tests/commands.rs"),
    ("command", "the table of commands is compared with that of Redis by tests/commands.rs"),
    ("commandlog", "figures of the server: tests/command_log.rs"),
    ("config", "directives that Oxidis has are not those of Redis"),
    ("delex", "only Redis from 8.4 on has it: tests/strings.rs"),
    ("digest", "only Redis from 8.4 on has it: tests/strings.rs"),
    ("failover", "replication"),
    ("hotkeys", "figures of the server: tests/hotkeys.rs"),
    ("increx", "only Redis from 8.8 on has it in this form: commands/string/increx.rs"),
    ("himport", "no Redis that is compared has it: tests/hash_templates.rs"),
    ("info", "figures of the server"),
    ("latency", "figures of the server"),
    ("bitrangeintarray", "only Redis from 8.12 on has it: commands/bits.rs"),
    ("blmovem", "only Redis from 8.10 on has it: tests/lists.rs"),
    ("lmovem", "only Redis from 8.10 on has it: commands/list_pop/movem.rs"),
    ("lolwut", "art"),
    ("memory", "figures of the server"),
    ("migrate", "needs a third server"),
    ("module", "modules"),
    ("monitor", "turns the connection into a stream: tests/clients.rs"),
    ("pfselftest", "takes long and says OK"),
    ("phcard", "path hashes: tests/path_hashes.rs, commands/path_hash/tests.rs"),
    ("phdel", "path hashes: tests/path_hashes.rs, commands/path_hash/tests.rs"),
    ("phdelprefix", "path hashes: tests/path_hashes.rs, commands/path_hash/tests.rs"),
    ("phexists", "path hashes: tests/path_hashes.rs, commands/path_hash/tests.rs"),
    ("phget", "path hashes: tests/path_hashes.rs, commands/path_hash/tests.rs"),
    ("phgetall", "path hashes: tests/path_hashes.rs, commands/path_hash/tests.rs"),
    ("phlongest", "path hashes: tests/path_hashes.rs, commands/path_hash/tests.rs"),
    ("phmget", "path hashes: tests/path_hashes.rs, commands/path_hash/tests.rs"),
    ("phmset", "path hashes: tests/path_hashes.rs, commands/path_hash/tests.rs"),
    ("phprefixes", "path hashes: tests/path_hashes.rs, commands/path_hash/tests.rs"),
    ("phscan", "path hashes: tests/path_hashes.rs, commands/path_hash/tests.rs"),
    ("phset", "path hashes: tests/path_hashes.rs, commands/path_hash/tests.rs"),
    ("psubscribe", "publish/subscribe: tests/pubsub.rs"),
    ("psync", "replication"),
    ("publish", "publish/subscribe: tests/pubsub.rs"),
    ("pubsub", "publish/subscribe: tests/pubsub.rs"),
    ("punsubscribe", "publish/subscribe: tests/pubsub.rs"),
    ("quit", "ends the connection"),
    ("readonly", "refused without a cluster: tests/commands.rs"),
    ("readwrite", "refused without a cluster: tests/commands.rs"),
    ("replconf", "replication"),
    ("replicaof", "replication"),
    ("restore-asking", "cluster"),
    ("role", "replication"),
    ("saddex", "no Redis that is compared has it: tests/set_expiry.rs"),
    ("save", "persistence"),
    ("script|debug", "Redis refuses it in a pipeline"),
    ("sdiffcard", "only Redis from 8.10 on has it: commands/set/tests.rs"),
    ("script|show", "Redis does not have it: tests/valkey.rs"),
    ("sexpire", "no Redis that is compared has it: tests/set_expiry.rs"),
    ("sexpireat", "no Redis that is compared has it: tests/set_expiry.rs"),
    ("sexpiretime", "no Redis that is compared has it: tests/set_expiry.rs"),
    ("shutdown", "ends the server"),
    ("slaveof", "replication"),
    ("slowlog", "figures of the server"),
    ("spersist", "no Redis that is compared has it: tests/set_expiry.rs"),
    ("spexpire", "no Redis that is compared has it: tests/set_expiry.rs"),
    ("spexpireat", "no Redis that is compared has it: tests/set_expiry.rs"),
    ("spexpiretime", "no Redis that is compared has it: tests/set_expiry.rs"),
    ("spttl", "no Redis that is compared has it: tests/set_expiry.rs"),
    ("spublish", "publish/subscribe: tests/pubsub.rs"),
    ("ssubscribe", "publish/subscribe: tests/pubsub.rs"),
    ("sttl", "no Redis that is compared has it: tests/set_expiry.rs"),
    ("subscribe", "publish/subscribe: tests/pubsub.rs"),
    ("sunsubscribe", "publish/subscribe: tests/pubsub.rs"),
    ("sunioncard", "only Redis from 8.10 on has it: commands/set/tests.rs"),
    ("sync", "replication"),
    ("unsubscribe", "publish/subscribe: tests/pubsub.rs"),
    ("wait", "replication"),
    ("waitaof", "replication"),
    ("zmove", "only Redis from 8.12 on has it: commands/sorted_set/moving.rs"),
    ("zmovemember", "only Redis from 8.12 on has it: commands/sorted_set/moving.rs"),
    ("xcfgset", "only Redis from 8.6 on has it: tests/streams_kept.rs"),
    ("xidmprecord", "only Redis from 8.6 on has it: tests/streams_kept.rs"),
    ("xnack", "only Redis from 8.8 on has it: tests/streams_kept.rs"),
];
