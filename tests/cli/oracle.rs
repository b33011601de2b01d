//! The redis-cli that ours is compared with.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::Command;

/// A redis-cli 7.0.x; none if there is none and none is required.
pub fn redis_cli(test: &str) -> Option<OsString> {
    let program = OsString::from("redis-cli");
    let version = Command::new(&program).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    if version.starts_with("redis-cli 7.0.") {
        return Some(program);
    }
    assert!(env::var_os("OXIDIS_REDIS_REQUIRED").is_none(), "a redis-cli 7.0.x is required, not {version:?}");
    // Not by a macro: what these print is kept back while tests pass.
    let _ = writeln!(io::stderr(), "SKIPPED {test}: no redis-cli 7.0.x to compare with");
    None
}
