//! Other servers, as one knows them: [`repl`] for those with the same data set, [`cluster`] for those with other slots.
//!
//! Both are state, formats and rules. What is done with them, over sockets and by the clock, stands in
//! `server::replication` and `server::cluster`.

pub mod cluster;
pub mod repl;
