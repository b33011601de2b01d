//! What is known of the script that runs.

use std::rc::Rc;

use crate::resp::reply::Reply;
use crate::resp::request::OwnedRequest;
use crate::util::clock::{Clock, Ticks};

/// What others can know of the script that runs.
#[derive(Debug)]
pub struct Running {
    /// The script's digest or the function's name.
    pub name: Rc<[u8]>,
    /// It is a script, not a function.
    pub is_script: bool,
    /// It has called a command that writes.
    pub wrote: bool,
    /// It takes so long that others are told.
    pub timed_out: bool,
    /// Somebody has asked to end it.
    pub killed: bool,
    /// The command that called it, once it takes long.
    pub request: OwnedRequest,
    /// When it began.
    pub started: Ticks,
}

impl Running {
    /// How long it has been running, in milliseconds.
    pub fn millis(&self, clock: &Clock) -> u64 {
        clock.micros_between(self.started, clock.now()) / 1000
    }
}

/// Buffers for arguments and replies.
#[derive(Debug, Default)]
pub struct Rooms {
    /// The arguments of a command,
    pub request: OwnedRequest,
    /// and its reply.
    pub reply: Reply,
}
