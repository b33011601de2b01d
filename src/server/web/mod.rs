//! What is served over HTTP on `metrics-port`: metrics for Prometheus and its kin.
//!
//! ```text
//! event loop ──> connections: accept, read, write, deadlines ──> routes: who may ask for what
//!                                                                    │
//!      answers, a slice at a time: work <── job ──────────┘
//! ```
//! A connection is one more kind on the event loop (`net::http::exchange`), and what it costs is bounded: so many of
//! them, so many bytes, so much time. Whatever takes long to find out is a job that is done in slices of
//! [`work::SLICE_US`], one per turn of the loop, with the requests of clients between them.
//!
//! With `metrics-port 0` nothing of this is there.

pub mod connections;
pub mod metrics;
pub mod routes;
pub mod state;
pub mod work;
