//! The keyspace.

#[allow(dead_code, reason = "used by the keyspace, which is built on top")]
mod dict;
#[allow(dead_code, reason = "used by the keyspace, which is built on top")]
mod entry;
#[allow(dead_code, reason = "used by the keyspace, which is built on top")]
mod table;
