//! A connection for modes that go on for ever: when it is lost, it is made again.

use std::thread;
use std::time::Duration;

use oxidis::resp::Value;

use crate::connection::{Connection, LinkError};
use crate::failure::Failure;
use crate::output::print;
use crate::session::Session;

const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// A connection and what is needed to make it again.
#[derive(Debug)]
pub struct Reconnecting {
    session: Session,
}

impl Reconnecting {
    /// Connects.
    ///
    /// # Errors
    /// When there is no server, or it refuses.
    pub fn new(mut session: Session) -> Result<Reconnecting, Failure> {
        session.connect(true).then_some(Reconnecting { session }).ok_or(Failure::told())
    }

    /// Sends a request and waits for its reply, over a new connection if the old one is lost.
    ///
    /// # Errors
    /// When what comes is no RESP.
    pub fn call(&mut self, args: impl IntoIterator<Item = &'static str> + Clone) -> Result<Value, Failure> {
        let args: Vec<&str> = args.into_iter().collect();
        let mut tries = 0;
        loop {
            let reply = self.session.link().map(|link: &mut Connection| link.call(&args));
            match reply {
                Some(Ok(reply)) => {
                    if tries > 0 {
                        print("\r\x1b[0K");
                    }
                    return Ok(reply);
                }
                Some(Err(error @ LinkError::Protocol(_))) => return Err(error.into()),
                _ => {
                    tries += 1;
                    print(format!("\r\x1b[0KReconnecting... {tries}\r"));
                    if !self.session.connect(false) {
                        thread::sleep(BETWEEN_TRIES);
                    }
                }
            }
        }
    }
}
