//! Small tools that know nothing of Redis commands.

pub mod alloc;
pub mod bit_set;
pub mod bits;
pub mod bytes;
pub mod clock;
mod digits;
pub mod glob;
pub mod histogram;
pub mod key_hash;
pub mod long_double;
mod natural;
pub mod number;
pub mod oom_score;
pub mod partial_sort;
pub mod platform;
pub mod posix_regex;
pub mod prefetch;
pub mod process_title;
pub mod quote;
pub mod random;
pub mod redact;
pub mod replace_file;
pub mod shrink;
mod siphash;
pub mod subnet;
pub mod time;
pub mod top_keys;
