//! Users and their rights. The connections themselves remain those of the default user, which is not touched.
//!
//! What differs on purpose, and is not drawn: a user of all keys by `%RW~*` is told as such. Redis says `~*`, behind which
//! it takes no further patterns, so that it could not read back what it has written.

use super::Kinds;
use crate::differential::check::Check;
use crate::differential::draw::{Draw, Word};
use crate::differential::generate::{Row, row_of_redis};

const NAMES: &[&str] = &["ann", "bob", "cid"];

/// The commands.
pub const ROWS: &[Row] = &[
    row_of_redis("acl|deluser", 1, "<user>"),
    row_of_redis("acl|dryrun", 5, "<user>").about_another().check(Check::KeysOfCall),
    row_of_redis("acl|getuser", 4, "<user>"),
    row_of_redis("acl|list", 2, "").whole(),
    row_of_redis("acl|setuser", 8, "<user> (<rule>)+").whole(),
    row_of_redis("acl|users", 1, "").whole(),
    row_of_redis("acl|whoami", 1, "").whole(),
];

/// By name.
pub const KINDS: Kinds = &[("user", |d, w| w.push(d.pick(NAMES).into())), ("rule", rule)];

const CATEGORIES: &[&str] = &[
    "all",
    "read",
    "write",
    "keyspace",
    "string",
    "hash",
    "list",
    "set",
    "sortedset",
    "stream",
    "bitmap",
    "geo",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "admin",
    "connection",
    "transaction",
    "scripting",
    "pubsub",
    "nosuch",
    "",
];
const COMMANDS: &[&str] = &[
    "get",
    "set",
    "GET",
    "hset",
    "zadd",
    "client",
    "client|id",
    "client|kill",
    "config|get",
    "config",
    "xinfo|stream",
    "object|encoding",
    "sort",
    "eval",
    "nosuch",
    "config|nosuch",
    "get|x",
    "",
];

fn rule(draw: &mut Draw, words: &mut Vec<Word>) {
    words.push(
        match draw.below(100) {
            0..30 => format!("{}@{}", draw.pick(&["+", "-"]), draw.pick(CATEGORIES)),
            30..55 => format!("{}{}", draw.pick(&["+", "-"]), draw.pick(COMMANDS)),
            55..70 => {
                let prefix = draw.pick(&["~", "~", "%R~", "%W~", "%RW~", "%~", "%X~"]);
                let some = draw.pick(&["s*", "h?", "t1", "z*", ""]);
                format!("{prefix}{}", if prefix == "~" && draw.chance(20) { "*" } else { some })
            }
            70..76 => format!("&{}", draw.pick(&["*", "c*", "news", ""])),
            76..84 => {
                draw.pick(&["on", "off", "nopass", "resetpass", ">secret", ">other", "<secret", "<none"]).to_owned()
            }
            84..93 => {
                let words =
                    ["allkeys", "resetkeys", "allchannels", "resetchannels", "allcommands", "nocommands", "reset"];
                draw.pick(&words).to_owned()
            }
            93..97 => {
                draw.pick(&["(+get ~x*)", "(~s* +@read -hget)", "(", "(+get", ")", "()", "clearselectors"]).to_owned()
            }
            _ => draw
                .pick(&["", "x", "+", "-", "sanitize-payload", "skip-sanitize-payload", "#zz", "!zz", "ON"])
                .to_owned(),
        }
        .into(),
    );
}
