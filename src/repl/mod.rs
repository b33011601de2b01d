//! Replication: so far, what is handed to it.

pub mod propagate;
