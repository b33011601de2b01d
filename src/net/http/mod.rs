//! HTTP as far as metrics and a page to look at need it: requests of GET and HEAD, answers whose length is known, and
//! streams of events.
//!
//! [`request`] reads a request's head within bounds, [`response`] writes that of an answer, [`exchange`] is a connection
//! over which both go.

pub mod exchange;
pub mod request;
pub mod response;
