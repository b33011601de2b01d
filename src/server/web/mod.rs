//! What is served over HTTP on `metrics-port`: metrics for Prometheus and its kin, and a page that shows what the server
//! is doing.
//!
//! ```text
//! event loop ──> connections: accept, read, write, deadlines ──> routes: who may ask for what
//!                                                                    │
//!      answers and events, a slice at a time: work <── job ──────────┘
//! ```
//! A connection is one more kind on the event loop (`net::http::exchange`), and what it costs is bounded: so many of
//! them, so many bytes, so much time. Whatever takes long to find out is a job that is done in slices of
//! [`work::SLICE_US`] with the requests of clients between them, and takes a fifth of the time at most.
//!
//! With `metrics-port 0` nothing of this is there: no history, no samples, no branch on the way of a command.

pub mod big;
pub mod cluster;
pub mod connections;
pub mod event;
pub mod heat;
pub mod history;
pub mod hot;
pub mod json;
pub mod metrics;
pub mod page;
pub mod past;
pub mod routes;
pub mod state;
pub mod watch;
pub mod work;
