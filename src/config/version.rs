//! The version that clients and tools are told.

/// The Redis version whose behaviour is reported.
pub const REDIS_VERSION: &str = "8.2.3";

/// The version of Valkey whose additions are there.
pub const VALKEY_VERSION: &str = "9.1.2";
