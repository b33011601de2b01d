//! What the options that begin with `--cluster-` say.

/// How the commands of `--cluster` are to do their work.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Replicas for each primary of a new cluster.
    pub replicas: usize,
    /// Nothing is asked before slots are shared out or moved.
    pub yes: bool,
    /// Ids of nodes that slots are taken from, or the server to import from.
    pub from: Option<String>,
    /// The id of the node that gets slots.
    pub to: Option<String>,
    /// Slots to move, if given and not 0.
    pub slots: usize,
    /// Milliseconds that a node may stay silent while keys are moved to it.
    pub timeout_ms: u64,
    /// Keys that are moved together.
    pub pipeline: usize,
    /// Keys that the target has, too, are overwritten.
    pub replace: bool,
    /// Imported keys stay where they were.
    pub copy: bool,
    /// Words `node=weight`.
    pub weights: Vec<String>,
    /// Primaries without slots take part in a balance.
    pub use_empty_primaries: bool,
    /// A balance is only shown.
    pub simulate: bool,
    /// Percent that a primary may be off its share.
    pub threshold: f32,
    /// Slots of several nodes are looked for.
    pub search_multiple_owners: bool,
    /// Slots of primaries that can't be reached are given to others.
    pub fix_with_unreachable_primaries: bool,
    /// The node that is added becomes a replica,
    pub as_replica: bool,
    /// and this one its primary.
    pub primary_id: Option<String>,
    /// A command is for primaries alone,
    pub only_primaries: bool,
    /// or for replicas alone.
    pub only_replicas: bool,
    /// Who we are to the server to import from.
    pub from_user: Option<Vec<u8>>,
    pub from_password: Option<Vec<u8>>,
    pub ask_from_password: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            replicas: 0,
            yes: false,
            from: None,
            to: None,
            slots: 0,
            timeout_ms: 60_000,
            pipeline: 10,
            replace: false,
            copy: false,
            weights: Vec::new(),
            use_empty_primaries: false,
            simulate: false,
            threshold: 2.0,
            search_multiple_owners: false,
            fix_with_unreachable_primaries: false,
            as_replica: false,
            primary_id: None,
            only_primaries: false,
            only_replicas: false,
            from_user: None,
            from_password: None,
            ask_from_password: false,
        }
    }
}
