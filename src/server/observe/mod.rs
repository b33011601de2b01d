//! What is counted, noted and shown of the server: statistics, INFO, slow log, latency, the log.

pub mod info;
pub mod latency;
pub mod log_format;
pub mod slowlog;
pub mod stats;
pub mod syslog;
