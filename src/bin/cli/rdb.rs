//! `--rdb` and `--functions-rdb`: a snapshot fetched as a replica fetches one, into a file.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::failure::Failure;
use crate::progress;
use crate::sync::{self, Length};
use crate::transport::reason;

/// Where the snapshot goes.
enum Target {
    Output(io::Stdout),
    File(File),
}

impl Target {
    fn open(name: &str) -> Result<Target, Failure> {
        if name == "-" {
            return Ok(Target::Output(io::stdout()));
        }
        let file = File::create(name);
        file.map(Target::File).map_err(|error| Failure::new(format!("Error opening '{name}': {}", reason(&error))))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = match self {
            Target::Output(out) => out.write_all(bytes).and_then(|()| out.flush()),
            Target::File(file) => file.write_all(bytes),
        };
        written.map_err(|error| Failure::new(format!("Error writing data to file: {}", reason(&error))))
    }
}

/// Fetches a snapshot.
///
/// # Errors
/// When the server has none to give, the connection is lost, or the file can't be written.
pub fn run(mut link: Connection, name: &str, functions_only: bool) -> Result<(), Failure> {
    sync::replconf(&mut link, "capa", "eof")?;
    sync::replconf(&mut link, "rdb-only", "1")?;
    if functions_only && !sync::replconf(&mut link, "rdb-filter-only", "functions")? {
        return Err(Failure::new("Failed requesting functions only RDB from server, aborting"));
    }
    fetch(link, name)
}

/// Fetches a snapshot from a server that knows what is wanted of it.
///
/// # Errors
/// As [`run`].
pub fn fetch(mut link: Connection, name: &str) -> Result<(), Failure> {
    let length = sync::begin(&mut link)?;
    match &length {
        Length::Bytes(bytes) => eprintln!("SYNC sent to master, writing {bytes} bytes to '{name}'"),
        Length::Mark(_) => {
            eprintln!("SYNC sent to master, writing bytes of bulk transfer until EOF marker to '{name}'");
        }
    }
    let mut target = Target::open(name)?;
    let total = transfer(&mut link, &length, &mut target)?;
    match length {
        Length::Bytes(_) => eprintln!("Transfer finished with success."),
        Length::Mark(_) => eprintln!("Transfer finished with success after {total} bytes"),
    }
    // Reaching the disk may take longer than a server likes to wait.
    drop(link);
    if let Target::File(file) = target {
        file.sync_all().map_err(|error| Failure::new(format!("Fail to fsync '{name}': {}", reason(&error))))?;
    }
    Ok(())
}

fn transfer(link: &mut Connection, length: &Length, target: &mut Target) -> Result<u64, Failure> {
    const BETWEEN_LINES: Duration = Duration::from_millis(200);
    let expected = if let Length::Bytes(bytes) = length { Some(*bytes) } else { None };
    let shows_progress = io::stderr().is_terminal();
    let (mut done, mut shown_at) = (0, Instant::now());
    let mut shown = false;
    let total = sync::snapshot(link, length, |bytes| {
        done += bytes.len() as u64;
        if shows_progress && shown_at.elapsed() >= BETWEEN_LINES {
            eprint!("\r{}\x1b[K", progress::line(done, expected));
            (shown_at, shown) = (Instant::now(), true);
        }
        target.write(bytes)
    });
    if shown {
        eprint!("\r\x1b[K");
    }
    total
}
