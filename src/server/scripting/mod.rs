//! Scripts at work: one run of a script, and what it gets of the server.

pub mod host;
pub mod run;
