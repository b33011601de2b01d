//! What the subcommands of CLUSTER have in common.

use crate::command::Error;
use crate::command::error::CmdResult;
use crate::server::execution::Ctx;

/// What a server says that is no node of a cluster.
pub const DISABLED: Error = Error::fixed("ERR This instance has cluster support disabled");

/// Fails outside of a cluster.
pub fn enabled(cx: &Ctx<'_>) -> CmdResult {
    if cx.server.config.cluster_enabled { Ok(()) } else { Err(DISABLED) }
}
