//! Why work on a cluster ends early.

use std::fmt;

use crate::connection::LinkError;
use crate::failure::Failure;

/// A node that did not do what it was asked to do.
#[derive(Debug)]
pub struct NodeError {
    /// `host:port`
    pub place: String,
    pub cause: Cause,
}

/// What a node did instead.
#[derive(Debug)]
pub enum Cause {
    /// It replied with an error.
    Refused(String),
    /// The connection is of no use.
    Lost(LinkError),
    /// Its reply has another form than that of Redis.
    Unexpected,
}

impl NodeError {
    /// The node's own words, or ours about it.
    pub fn reason(&self) -> String {
        match &self.cause {
            Cause::Refused(text) => text.clone(),
            Cause::Lost(error) => format!("{}: {error}", self.place),
            Cause::Unexpected => format!("{}: the reply is not understood", self.place),
        }
    }

    /// The error that the node replied with.
    pub fn refusal(&self) -> Option<&str> {
        match &self.cause {
            Cause::Refused(text) => Some(text),
            Cause::Lost(_) | Cause::Unexpected => None,
        }
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Refused(text) => write!(f, "Node {} replied with error:\n{text}", self.place),
            _ => write!(f, "Node {}", self.reason()),
        }
    }
}

/// An end before the work is done.
#[derive(Debug)]
pub enum Stop {
    /// The user knows why. The reason is kept where others have something to add.
    Told(Option<String>),
    /// A node is the reason.
    Node(NodeError),
    /// Something else is, to be told on standard error.
    Failed(Failure),
}

impl Stop {
    /// The user knows why.
    pub fn told() -> Stop {
        Stop::Told(None)
    }

    /// A reason for standard error.
    pub fn failure(text: impl Into<String>) -> Stop {
        Stop::Failed(Failure::new(text))
    }
}

impl From<NodeError> for Stop {
    fn from(error: NodeError) -> Stop {
        Stop::Node(error)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(failure)
    }
}
