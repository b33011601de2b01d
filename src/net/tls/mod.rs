//! TLS, by rustls: settings from the directives and files, and sessions between a socket and a connection's buffers.
//!
//! - [`settings`](Settings) reads the directives, with the certificates and keys of `files` and the lists of `ciphers`.
//! - `verify` checks the other side's certificate, `x509` reads what rustls does not, `owner` the names in them, `resumption`
//!   keeps sessions.
//! - [`session`](Session) stands between a socket that does not wait and the connection; `records` is its engine.
//! - [`Client`] is for programs that wait for their connection, such as the command line.

mod ciphers;
mod client;
mod files;
mod owner;
mod records;
mod resumption;
mod session;
mod settings;
mod verify;
mod x509;

pub use client::{Client, ClientOptions, ClientStream};
pub(crate) use session::Session;
pub(crate) use settings::Settings;

use rustls::crypto::CryptoProvider;

/// Why TLS cannot be set up; the text names the file or directive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsError(pub String);

impl std::fmt::Display for TlsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TlsError {}

fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}
