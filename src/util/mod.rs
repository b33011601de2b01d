//! Small tools that know nothing of Redis commands.

#[allow(dead_code, reason = "used by the keyspace, which is built on top")]
pub mod prefetch;
#[allow(dead_code, reason = "used by the keyspace, which is built on top")]
pub mod random;
#[allow(dead_code, reason = "used by the keyspace, which is built on top")]
pub mod siphash;
