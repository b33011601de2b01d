//! `--replica`: the client as a replica that prints the commands it is sent.

use std::thread;
use std::time::Duration;

use crate::connection::{Connection, LinkError};
use crate::failure::Failure;
use crate::format::{Layout, Style};
use crate::output::print;
use crate::sync::{self, Length};

/// Until a server makes replicas known that were fed on the way.
const ONLINE_AFTER: Duration = Duration::from_secs(1);

/// Asks for the stream and prints it until the server ends it.
///
/// # Errors
/// Always: that is how it ends.
pub fn run(mut link: Connection) -> Result<(), Failure> {
    sync::replconf(&mut link, "capa", "eof")?;
    sync::replconf(&mut link, "rdb-filter-only", "")?;
    let length = sync::begin(&mut link)?;
    discard_snapshot(&mut link, &length)?;
    follow_commands(&mut link).map_err(Failure::from)
}

/// Does the same where the user has typed SYNC.
///
/// # Errors
/// When the stream ends.
pub fn follow(link: &mut Connection) -> Result<(), LinkError> {
    let skipped = sync::begin(link).and_then(|length| discard_snapshot(link, &length));
    match skipped {
        Ok(()) => follow_commands(link),
        Err(failure) => {
            failure.tell();
            Err(LinkError::Closed)
        }
    }
}

fn discard_snapshot(link: &mut Connection, length: &Length) -> Result<(), Failure> {
    match length {
        Length::Bytes(bytes) => eprintln!("SYNC with master, discarding {bytes} bytes of bulk transfer..."),
        Length::Mark(_) => eprintln!("SYNC with master, discarding bytes of bulk transfer until EOF marker..."),
    }
    let discarded = sync::snapshot(link, length, |_| Ok(()));
    let total = discarded.map_err(|_| Failure::new("Error reading RDB payload while SYNCing"))?;
    match length {
        Length::Bytes(_) => eprintln!("SYNC done. Logging commands from master."),
        Length::Mark(_) => {
            eprintln!("SYNC done after {total} bytes. Logging commands from master.");
            thread::sleep(ONLINE_AFTER);
            // Servers don't answer this.
            link.send(["REPLCONF", "ACK", "0"])?;
        }
    }
    Ok(())
}

fn follow_commands(link: &mut Connection) -> Result<(), LinkError> {
    let layout = Layout::new(Style::Csv);
    loop {
        let command = link.receive()?;
        print(layout.reply(&command));
    }
}
