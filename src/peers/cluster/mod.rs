//! A node of a cluster: what it knows, the formats it is told in, and the rules by which that changes.
//!
//! [`State`] is all a node knows; there is one in `Server::cluster` if `cluster-enabled` is set. Nothing here knows
//! sockets or the clock: events come in as calls with the time, and what is to be sent or done is left in
//! [`outbox`], from where `server::cluster` takes it, or a simulation.
//!
//! For those who serve commands:
//! - [`State::owner`] has the key of the node that has a slot, [`State::node`] the node; `address.port_for`, `hostname`
//!   and the directive `cluster-preferred-endpoint-type` make an endpoint of it.
//! - [`State::is_mine`]: this node takes reads and writes of a slot. [`State::is_of_my_shard`]: it, or the primary it
//!   follows, has it. [`State::migrating_to`] and [`State::importing_from`] are slots on their way.
//! - [`State::is_ok`] says whether the cluster can serve.
//! - [`State::assign`], [`State::unassign`], [`State::set_migrating`] and [`State::set_importing`] are what operators
//!   ask for; they have `nodes.conf` saved and the health looked at by themselves.
//! - [`moves`] has slots on their way from node to node all at once, and [`State::strays`] the slots of which keys are
//!   here that count for nothing.
//! - [`State::take_reassigned`] has the slots whose owner has changed, however that came.

pub mod election;
pub mod file;
pub mod id;
pub mod link;
pub mod manual;
pub mod message;
pub mod moves;
pub mod node;
pub mod nodes;
pub mod nodes_conf;
pub mod outbox;
pub mod rules;
pub mod settings;
pub mod slots;
pub mod state;

pub use id::NodeId;
pub use node::{Flags, Node, NodeKey};
pub use nodes_conf::strays_of_text;
pub use settings::Settings;
pub use slots::SlotSet;
pub use state::State;

#[cfg(test)]
mod tests;
