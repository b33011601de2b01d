//! Why the client ends early.

use std::fmt;

use crate::connection::LinkError;

/// What is said on standard error before the client ends with status 1; empty when all is said already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(String);

impl Failure {
    /// A failure with its text.
    pub fn new(text: impl Into<String>) -> Failure {
        Failure(text.into())
    }

    /// A failure that has been told to the user.
    pub fn told() -> Failure {
        Failure(String::new())
    }

    /// Tells it, if that is still to be done.
    pub fn tell(&self) {
        if !self.0.is_empty() {
            eprintln!("{}", self.0);
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<LinkError> for Failure {
    fn from(error: LinkError) -> Failure {
        match error {
            LinkError::Interrupted => Failure::told(),
            _ => Failure(format!("Error: {error}")),
        }
    }
}
