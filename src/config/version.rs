//! The version that clients and tools are told.

/// The Redis version whose behaviour is reported.
pub const REDIS_VERSION: &str = "7.0.15";
