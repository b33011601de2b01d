//! The documentation of the commands without a server: what a client shows when its server has no COMMAND DOCS.

use super::{FAMILIES, command};
use crate::resp::{Protocol, Reply, Value, parse};
use crate::server::execution::row::Rows;

/// The version of Redis whose commands these are.
pub use crate::config::REDIS_VERSION;

/// What an Oxidis server answers to `COMMAND DOCS` in RESP3: a map of names to maps.
///
/// ```
/// let oxidis::resp::Value::Map(docs) = oxidis::manual::command_docs() else { unreachable!() };
/// assert!(docs.iter().any(|(name, _)| name.bytes() == Some(b"get")));
/// ```
pub fn command_docs() -> Value {
    let table = Rows::new(FAMILIES).0;
    let mut reply = Reply::new(Protocol::Resp3);
    command::reply_docs_of(&mut reply, &table, &table.top_level());
    match parse(&reply.to_vec()) {
        Ok(Some((docs, _))) => docs,
        _ => Value::Map(Vec::new()),
    }
}
