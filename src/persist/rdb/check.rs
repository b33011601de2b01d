//! Looking at a file without keeping it: `oxidis --check-rdb` and `redis-check-rdb`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::load::value::Rules;
use super::load::{LoadError, Loader, Progress, Settings};
use crate::db::Databases;
use crate::util::clock::unix_micros;

/// Bytes between two looks at how far it is.
const SLICE_BYTES: u64 = 1 << 20;

fn settings(rules: Rules, total_bytes: u64) -> Settings {
    Settings {
        rules,
        checksum: true,
        expired_before_ms: Some(unix_micros() / 1000),
        names_expired: false,
        may_replace: true,
        discard: true,
        key_delay_us: 0,
        total_bytes,
    }
}

/// The offset at which a data set ends that a file begins with.
///
/// # Errors
/// When it is not sound.
pub fn end(file: File, rules: Rules, total_bytes: u64) -> Result<u64, LoadError> {
    let mut loader = Loader::new(Box::new(file), settings(rules, total_bytes));
    let mut nothing = Databases::new(1);
    while loader.step(&mut nothing, u64::MAX)? != Progress::Done {}
    Ok(loader.offset())
}

/// Checks a file and reports to `out`; whether it is sound.
///
/// # Errors
/// When nothing can be written.
pub fn check(path: &Path, rules: Rules, out: &mut dyn Write) -> io::Result<bool> {
    let shown = path.display();
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
    let (total_bytes, file) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            writeln!(out, "Cannot open file: {error}")?;
            return Ok(false);
        }
    };
    writeln!(out, "[offset 0] Checking RDB file {shown}")?;
    let mut loader = Loader::new(Box::new(file), settings(rules, total_bytes));
    let mut nothing = Databases::new(1);
    let mut told = 0;
    let result = loop {
        let result = loader.step(&mut nothing, SLICE_BYTES);
        for (name, text) in &loader.aux()[told..] {
            writeln!(out, "[offset {}] AUX FIELD {name} = '{}'", loader.offset(), text.escape_ascii())?;
        }
        told = loader.aux().len();
        match result {
            Ok(Progress::Running) => {}
            Ok(Progress::Done | Progress::Waiting) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    match &result {
        Ok(()) => {
            writeln!(out, "[offset {}] Checksum OK", loader.offset())?;
            writeln!(out, "[offset {}] \\o/ RDB looks OK! \\o/", loader.offset())?;
        }
        Err(error) => {
            writeln!(out, "--- RDB ERROR DETECTED ---")?;
            writeln!(out, "[offset {}] {}", error.offset, error.reason)?;
            writeln!(out, "[additional info] RDB version {}", loader.version())?;
        }
    }
    let counts = loader.counts();
    writeln!(out, "[info] {} keys read", counts.loaded + counts.expired)?;
    writeln!(out, "[info] {} expires", counts.expiring)?;
    writeln!(out, "[info] {} already expired", counts.expired)?;
    Ok(result.is_ok())
}
