//! The commands, a family per file: a table of rows, and the handlers beside it.
//!
//! To add a command, add its row to its family's `COMMANDS` and write the handler below it. A new family is listed in
//! [`FAMILIES`]. Two tests ask for more: the list of commands in the README is written anew by `OXIDIS_UPDATE_README=1
//! cargo test readme`, and the differential run needs a row that draws the command (`tests/differential/families`).

pub mod acl;
pub mod array;
pub mod backup;
pub mod bitfield;
mod bitmap_form;
pub mod bits;
pub mod bless;
pub mod client;
pub mod cluster;
pub mod command;
pub mod config;
pub mod connection;
pub mod debug;
pub mod expire;
pub mod function;
pub mod geo;
pub mod hash;
pub mod hash_expiry;
pub mod hash_import;
pub mod hash_sample;
pub mod hotkeys;
pub mod hyperloglog;
pub mod json;
#[cfg(test)]
mod key_agreement;
pub mod keys;
pub mod latency;
pub mod lcs;
pub mod list;
pub mod list_pop;
#[cfg(test)]
mod listing;
pub mod manual;
pub mod memory;
pub mod migrate;
pub mod module;
pub mod object;
mod part_expiry;
pub mod path_hash;
pub mod persistence;
pub mod probabilistic;
pub mod pubsub;
pub mod replication;
pub mod scan;
pub mod script;
pub mod server;
pub mod set;
pub mod set_algebra;
pub mod set_expiry;
pub mod slowlog;
pub mod sort;
pub mod sorted_set;
pub mod stream;
pub mod string;
pub mod string_number;
pub mod time_unit;
pub mod transaction;
pub mod transfer;
pub mod vector_set;

use crate::server::execution::Command;

/// All families.
pub const FAMILIES: &[&[Command]] = &[
    acl::COMMANDS,
    array::COMMANDS,
    backup::COMMANDS,
    bitfield::COMMANDS,
    bitmap_form::COMMANDS,
    bits::COMMANDS,
    bless::COMMANDS,
    client::COMMANDS,
    cluster::COMMANDS,
    command::COMMANDS,
    config::COMMANDS,
    connection::COMMANDS,
    debug::COMMANDS,
    expire::COMMANDS,
    function::COMMANDS,
    geo::COMMANDS,
    hash::COMMANDS,
    hash_expiry::COMMANDS,
    hash_import::COMMANDS,
    hash_sample::COMMANDS,
    hotkeys::COMMANDS,
    hyperloglog::COMMANDS,
    json::COMMANDS,
    json::arrays::COMMANDS,
    json::scalars::COMMANDS,
    keys::COMMANDS,
    latency::COMMANDS,
    lcs::COMMANDS,
    list::COMMANDS,
    list_pop::COMMANDS,
    list_pop::movem::COMMANDS,
    memory::COMMANDS,
    migrate::COMMANDS,
    module::COMMANDS,
    object::COMMANDS,
    path_hash::COMMANDS,
    persistence::COMMANDS,
    probabilistic::bloom::COMMANDS,
    probabilistic::count_min::COMMANDS,
    probabilistic::cuckoo::COMMANDS,
    probabilistic::t_digest::COMMANDS,
    probabilistic::top_k::COMMANDS,
    pubsub::COMMANDS,
    replication::COMMANDS,
    scan::COMMANDS,
    script::COMMANDS,
    server::COMMANDS,
    set::COMMANDS,
    set_algebra::COMMANDS,
    set_expiry::COMMANDS,
    slowlog::COMMANDS,
    sort::COMMANDS,
    sorted_set::COMMANDS,
    sorted_set::algebra::COMMANDS,
    sorted_set::moving::COMMANDS,
    sorted_set::pop::COMMANDS,
    sorted_set::range::COMMANDS,
    stream::COMMANDS,
    string::COMMANDS,
    string::condition::COMMANDS,
    string::increx::COMMANDS,
    string::many::COMMANDS,
    string_number::COMMANDS,
    transaction::COMMANDS,
    transfer::COMMANDS,
    vector_set::COMMANDS,
];
