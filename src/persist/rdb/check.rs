//! Looking at a file without keeping it: `oxidis --check-rdb` and `redis-check-rdb`, whose lines these are.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::kinds;
use super::load::{LoadError, Loader, Progress, Seen, Settings};
use super::value::Rules;
use crate::db::Databases;
use crate::util::clock::unix_micros;
use crate::util::platform::os_error_text;

/// Bytes between two looks at how far it is.
const SLICE_BYTES: u64 = 1 << 20;

fn settings(rules: Rules, present_bytes: u64) -> Settings {
    Settings {
        rules,
        checksum: true,
        any_version: false,
        skips_modules: true,
        expired_before_ms: Some(unix_micros() / 1000),
        names_expired: false,
        may_replace: true,
        hides_data: false,
        discard: true,
        key_delay_us: 0,
        present_bytes,
    }
}

/// Checks a file and reports to `out`; whether it is sound.
///
/// # Errors
/// When nothing can be written.
pub fn check(path: &Path, rules: Rules, out: &mut dyn Write) -> io::Result<bool> {
    match File::open(path) {
        Ok(file) => Ok(check_file(file, &path.display().to_string(), rules, out)?.is_some()),
        Err(error) => {
            writeln!(out, "Cannot open file {}: {}", path.display(), os_error_text(&error))?;
            Ok(false)
        }
    }
}

/// Checks what a file holds or begins with and reports to `out`; the offset of its end, if it is sound.
///
/// # Errors
/// When nothing can be written.
pub fn check_file(file: File, shown: &str, rules: Rules, out: &mut dyn Write) -> io::Result<Option<u64>> {
    writeln!(out, "[offset 0] Checking RDB file {shown}")?;
    let present_bytes = file.metadata().map_or(0, |metadata| metadata.len());
    let mut loader = Loader::new(Box::new(file), settings(rules, present_bytes));
    let mut nothing = Databases::new(1);
    let result = loop {
        let result = loader.step(&mut nothing, SLICE_BYTES);
        for (offset, seen) in loader.take_seen() {
            match seen {
                Seen::Aux(name, text) => {
                    writeln!(out, "[offset {offset}] AUX FIELD {name} = '{}'", text.escape_ascii())
                }
                Seen::Database(number) => writeln!(out, "[offset {offset}] Selecting DB ID {number}"),
            }?;
        }
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
        Err(error) => explain(&loader, error, out)?,
    }
    let counts = loader.counts();
    // One whose value is wrong has been read, too.
    let met = counts.loaded + counts.expired + u64::from(result.is_err() && loader.doing().key.is_some());
    writeln!(out, "[info] {met} keys read")?;
    writeln!(out, "[info] {} expires", counts.expiring)?;
    writeln!(out, "[info] {} already expired", counts.expired)?;
    writeln!(out, "[info] {} subexpires", counts.subexpiring)?;
    Ok(result.is_ok().then(|| loader.offset()))
}

fn explain(loader: &Loader, error: &LoadError, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "--- RDB ERROR DETECTED ---")?;
    writeln!(out, "[offset {}] {}", error.offset, error.reason)?;
    let doing = loader.doing();
    writeln!(out, "[additional info] While doing: {}", doing.part)?;
    if let Some(key) = doing.key {
        writeln!(out, "[additional info] Reading key '{}'", key.escape_ascii())?;
    }
    if let Some(kind) = doing.kind {
        let name = kinds::kind(loader.fork(), kind).map_or("unknown", |kind| kind.name);
        writeln!(out, "[additional info] Reading type {kind} ({name})")?;
    }
    Ok(())
}
