//! What the subcommands of CLUSTER have in common.

use crate::command::error::CmdResult;
use crate::command::{Args, Error};
use crate::db::slot;
use crate::peers::cluster::{Node, NodeKey, State};
use crate::server::execution::Ctx;

/// What a server says that is no node of a cluster.
pub const DISABLED: Error = Error::fixed("ERR This instance has cluster support disabled");

/// Fails outside of a cluster.
pub fn enabled(cx: &Ctx<'_>) -> CmdResult {
    state(cx).map(|_| ())
}

/// What this node knows of its cluster.
pub fn state<'a>(cx: &'a Ctx<'_>) -> Result<&'a State, Error> {
    cx.server.cluster.as_deref().ok_or(DISABLED)
}

/// The same, to change it.
pub fn state_mut<'a>(cx: &'a mut Ctx<'_>) -> Result<&'a mut State, Error> {
    cx.server.cluster.as_deref_mut().ok_or(DISABLED)
}

/// The slot that an argument names.
pub fn slot(args: &Args<'_>, index: usize) -> Result<u16, Error> {
    const INVALID: Error = Error::fixed("ERR Invalid or out of range slot");
    let number = args.integer(index).map_err(|_| INVALID)?;
    slot::numbered(number).ok_or(INVALID)
}

/// The node that an argument names.
pub fn node<'a>(cluster: &'a State, args: &Args<'_>, index: usize) -> Result<(NodeKey, &'a Node), Error> {
    let name = args.get(index);
    cluster.find(name).ok_or_else(|| Error::text([b"ERR Unknown node ", name].concat()))
}
