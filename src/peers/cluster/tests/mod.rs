//! Nodes together, without sockets or clocks.

mod rules;
mod simulation;
mod strangers;
mod world;
