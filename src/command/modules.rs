//! What Redis brings as modules and is built in here: what clients that look for modules are told.
//!
//! Of a module nothing is here but its name, the version that it has beside Redis 8.2, and which commands are its.

use super::spec::Group;

/// A module as MODULE LIST shows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Module {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: u32,
    /// What INFO says of its options.
    pub options: &'static str,
    /// The chapters of its commands.
    pub groups: &'static [Group],
}

/// The modules whose commands are here.
pub const MODULES: &[Module] = &[
    Module {
        name: "bf",
        version: 80200,
        options: "[]",
        groups: &[Group::Bloom, Group::CountMinSketch, Group::Cuckoo, Group::TDigest, Group::TopK],
    },
    Module { name: "ReJSON", version: 80200, options: "[handle-io-errors]", groups: &[Group::Json] },
    Module {
        name: "vectorset",
        version: 1,
        options: "[handle-io-errors|handle-repl-async-load]",
        groups: &[Group::VectorSet],
    },
];

/// The module that a chapter of commands belongs to.
pub fn module_of(group: Group) -> Option<&'static Module> {
    MODULES.iter().find(|module| module.groups.contains(&group))
}
