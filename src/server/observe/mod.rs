//! What is counted, noted and shown of the server: statistics, INFO, slow commands, latency, the log.

pub mod command_log;
pub mod hotkeys;
pub mod info;
pub mod latency;
pub mod log_format;
pub mod log_tail;
pub mod slot_usage;
pub mod stats;
pub mod syslog;
