//! The check tool: is an append-only file whole, and if not, up to where? With `--fix` what follows is cut off.
//!
//! It speaks as `redis-check-aof` does, since scripts read what it prints.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::manifest::{Manifest, Part};
use super::scan::Scan;
use crate::persist::rdb::version::{self, MAGIC_BYTES};
use crate::util::platform::os_error_text;

/// Checks a snapshot at the beginning of a file, to be shown by a name, and reports; how many bytes it has if it is
/// sound.
pub type CheckSnapshot<'a> = &'a dyn Fn(&File, &str, &mut dyn Write) -> io::Result<Option<u64>>;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    /// Only look.
    Check,
    /// Cut off what is broken at the end.
    Fix,
    /// Cut off what happened after this second, in Unix time.
    TruncateTo(i64),
}

/// How a file turned out.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Valid,
    Empty,
    Truncated,
    TruncatedToTimestamp(i64),
}

/// The tool cannot go on; the line says why.
struct Abort(String);

impl From<io::Error> for Abort {
    fn from(error: io::Error) -> Abort {
        Abort(format!("{}, aborting...", os_error_text(&error)))
    }
}

/// Where the tool prints, and whom it asks.
struct Console<'a> {
    out: &'a mut dyn Write,
    input: &'a mut dyn BufRead,
}

impl Console<'_> {
    fn say(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }
}

/// Runs the tool with its arguments; the exit status.
pub fn run(
    program: &str,
    args: &[&str],
    out: &mut dyn Write,
    input: &mut dyn BufRead,
    check_snapshot: CheckSnapshot<'_>,
) -> i32 {
    let mut console = Console { out, input };
    let (task, path) = match *args {
        [path] => (Task::Check, path),
        ["--fix", path] => (Task::Fix, path),
        ["--truncate-to-timestamp", time, path] => match time.parse() {
            Ok(time) => (Task::TruncateTo(time), path),
            Err(_) => {
                console.say("Invalid timestamp, aborting...").ok();
                return 1;
            }
        },
        _ => {
            let usage = "[--fix|--truncate-to-timestamp $timestamp] <file.manifest|file.aof>";
            console.say(&format!("Usage: {program} {usage}")).ok();
            return 1;
        }
    };
    match check(&mut console, task, Path::new(path), check_snapshot) {
        Ok(()) => 0,
        Err(Abort(line)) => {
            console.say(&line).ok();
            1
        }
    }
}

fn check(console: &mut Console<'_>, task: Task, path: &Path, snapshot: CheckSnapshot<'_>) -> Result<(), Abort> {
    let shown = path.display().to_string();
    let mut head = Vec::new();
    let cannot_open = |error| Abort(format!("Cannot open file {shown}: {}", os_error_text(&error)));
    File::open(path).map_err(cannot_open)?.take(1 << 20).read_to_end(&mut head)?;
    let mut lines = head.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b"#"));
    if lines.any(|line| line.starts_with(b"file")) && !version::is_snapshot(&head) && !head.starts_with(b"*") {
        let manifest = Manifest::parse(&head).map_err(|error| Abort(error.to_string()))?;
        return check_parts(console, task, path.parent().unwrap_or(Path::new("")), &manifest, snapshot);
    }
    console.say("Start checking Old-Style AOF")?;
    let outcome = check_file(console, task, &shown, path, true, snapshot)?;
    report(console, "", &shown, &outcome)
}

fn check_parts(
    console: &mut Console<'_>,
    task: Task,
    folder: &Path,
    manifest: &Manifest,
    snapshot: CheckSnapshot<'_>,
) -> Result<(), Abort> {
    console.say("Start checking Multi Part AOF")?;
    let last = manifest.files().next_back();
    if let Some(base) = &manifest.base {
        let path = folder.join(&base.name);
        let format = if is_snapshot(&path)? { "RDB" } else { "RESP" };
        console.say(&format!("Start to check BASE AOF ({format} format)."))?;
        let outcome = check_file(console, task, &base.name, &path, last == Some(base), snapshot)?;
        report(console, "BASE ", &base.name, &outcome)?;
    }
    if !manifest.increments.is_empty() {
        console.say("Start to check INCR files.")?;
    }
    for part @ Part { name, .. } in &manifest.increments {
        let outcome = check_file(console, task, name, &folder.join(name), last == Some(part), snapshot)?;
        report(console, "INCR ", name, &outcome)?;
    }
    console.say("All AOF files and manifest are valid")?;
    Ok(())
}

fn report(console: &mut Console<'_>, sort: &str, name: &str, outcome: &Outcome) -> Result<(), Abort> {
    console.say(&match outcome {
        Outcome::Valid => format!("{sort}AOF {name} is valid"),
        Outcome::Empty => format!("{sort}AOF {name} is empty"),
        Outcome::Truncated => format!("Successfully truncated AOF {name}"),
        Outcome::TruncatedToTimestamp(time) => format!("Successfully truncated AOF {name} to timestamp {time}"),
    })?;
    Ok(())
}

fn cannot_open(path: &Path, error: &io::Error) -> Abort {
    Abort(format!("Cannot open file {}: {}, aborting...", path.display(), os_error_text(error)))
}

fn is_snapshot(path: &Path) -> Result<bool, Abort> {
    let mut magic = Vec::new();
    File::open(path).map_err(|error| cannot_open(path, &error))?.take(MAGIC_BYTES as u64).read_to_end(&mut magic)?;
    Ok(version::is_snapshot(&magic))
}

/// How far a file is good, and what stands there instead of more.
struct Walk {
    good_up_to: u64,
    /// The line at which the walk ended, from 1, in a file of text.
    line: u64,
    fault: Option<String>,
    /// Where a timestamp stands that is later than it should be.
    later_at: Option<u64>,
}

fn check_file(
    console: &mut Console<'_>,
    task: Task,
    name: &str,
    path: &Path,
    is_last: bool,
    snapshot: CheckSnapshot<'_>,
) -> Result<Outcome, Abort> {
    let options = OpenOptions::new().read(true).write(task != Task::Check).clone();
    let mut file = options.open(path).map_err(|error| cannot_open(path, &error))?;
    let size = file.metadata()?.len();
    if size == 0 {
        return Ok(Outcome::Empty);
    }
    let mut begin = 0;
    if is_snapshot(path)? {
        begin = snapshot(&file, &path.display().to_string(), console.out)?
            .ok_or_else(|| Abort("RDB preamble of AOF file is not sane, aborting.".to_owned()))?;
        console.say("RDB preamble is OK, proceeding with AOF tail...")?;
    }
    file.seek(SeekFrom::Start(begin))?;
    let until = if let Task::TruncateTo(time) = task { time } else { i64::MAX };
    let walk = walk(&mut Scan::new(io::BufReader::new(&file), begin), path, name, until)?;
    if let (Task::TruncateTo(time), Some(offset)) = (task, walk.later_at) {
        cut_at_timestamp(&file, path, time, offset, is_last)?;
        return Ok(Outcome::TruncatedToTimestamp(time));
    }
    if let Some(fault) = &walk.fault {
        console.say(fault)?;
    }
    let excess = size - walk.good_up_to;
    if let (Task::TruncateTo(time), 0) = (task, excess) {
        console.say(&format!("Truncate nothing in AOF {name} to timestamp {time}"))?;
        return Ok(Outcome::Valid);
    }
    console.say(&format!(
        "AOF analyzed: filename={name}, size={size}, ok_up_to={}, ok_up_to_line={}, diff={excess}",
        walk.good_up_to, walk.line
    ))?;
    match (excess, task) {
        (0, _) => Ok(Outcome::Valid),
        (_, Task::Fix) => fix(console, &file, name, is_last, size, walk.good_up_to),
        _ => Err(Abort(format!("AOF {name} is not valid. Use the --fix option to try fixing it."))),
    }
}

/// Follows the commands to the end, to what is broken, or to a timestamp that is too late. A transaction without its
/// EXEC is broken from its MULTI on.
fn walk(scan: &mut Scan<impl BufRead>, path: &Path, name: &str, until: i64) -> Result<Walk, Abort> {
    let (mut good_up_to, mut in_transaction) = (scan.offset(), false);
    loop {
        let step = step(scan, path, until, &mut in_transaction)?;
        if let Step::On = step {
            if !in_transaction {
                good_up_to = scan.offset();
            }
            continue;
        }
        let mut walk = Walk { good_up_to, line: scan.line(), fault: None, later_at: None };
        match step {
            Step::On | Step::End => {}
            Step::Broken(fault) => walk.fault = Some(format!("0x{:>16x}: {fault}", scan.element_at())),
            Step::NoCommand => walk.fault = Some(format!("AOF {name} format error")),
            Step::TooLate(offset) => walk.later_at = Some(offset),
        }
        return Ok(walk);
    }
}

enum Step {
    On,
    End,
    /// Something is wrong with the element read last.
    Broken(String),
    /// What comes is neither a command nor a note.
    NoCommand,
    /// A timestamp that is too late, and where it stands.
    TooLate(u64),
}

fn step(scan: &mut Scan<impl BufRead>, path: &Path, until: i64, in_transaction: &mut bool) -> Result<Step, Abort> {
    let at = scan.offset();
    Ok(match scan.peek()? {
        None if *in_transaction => Step::Broken("Reached EOF before reading EXEC for MULTI".to_owned()),
        None => Step::End,
        Some(b'#') => {
            let note = scan.note()?;
            let Some(stamp) = note.strip_prefix(b"#TS:").filter(|_| until < i64::MAX) else { return Ok(Step::On) };
            let stamp = stamp.strip_suffix(b"\r\n").and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
            let stamp: i64 = stamp.ok_or_else(|| Abort("Invalid timestamp annotation".to_owned()))?;
            if stamp > until { Step::TooLate(at) } else { Step::On }
        }
        Some(b'*') => match scan.command()? {
            Err(fault) => Step::Broken(fault),
            Ok(command) => {
                let (begins, ends) = (command.eq_ignore_ascii_case(b"multi"), command.eq_ignore_ascii_case(b"exec"));
                if begins && *in_transaction || ends && !*in_transaction {
                    let word = if begins { "MULTI" } else { "EXEC" };
                    return Ok(Step::Broken(format!("Unexpected {word} in AOF {}", path.display())));
                }
                *in_transaction = begins || *in_transaction && !ends;
                Step::On
            }
        },
        Some(_) => Step::NoCommand,
    })
}

fn cut_at_timestamp(file: &File, path: &Path, time: i64, offset: u64, is_last: bool) -> Result<(), Abort> {
    let name = path.display();
    if offset == 0 {
        return Err(Abort(format!("AOF {name} has nothing before timestamp {time}, aborting...")));
    }
    if !is_last {
        return Err(Abort(format!(
            "Failed to truncate AOF {name} to timestamp {time} to offset {offset} because it is not the last file.\n\
             If you insist, please delete all files after this file according to the manifest file and delete the \
             corresponding records in manifest file manually. Then re-run redis-check-aof."
        )));
    }
    file.set_len(offset).map_err(|_| Abort(format!("Failed to truncate AOF {name} to timestamp {time}")))
}

fn fix(
    console: &mut Console<'_>,
    file: &File,
    name: &str,
    is_last: bool,
    size: u64,
    good_up_to: u64,
) -> Result<Outcome, Abort> {
    if !is_last {
        return Err(Abort(format!("Failed to truncate AOF {name} because it is not the last file")));
    }
    let excess = size - good_up_to;
    console.say(&format!(
        "This will shrink the AOF {name} from {size} bytes, with {excess} bytes, to {good_up_to} bytes"
    ))?;
    write!(console.out, "Continue? [y/N]: ")?;
    console.out.flush()?;
    let mut answer = String::new();
    console.input.read_line(&mut answer)?;
    if !answer.starts_with(['y', 'Y']) {
        return Err(Abort("Aborting...".to_owned()));
    }
    file.set_len(good_up_to).map_err(|_| Abort(format!("Failed to truncate AOF {name}")))?;
    Ok(Outcome::Truncated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const SET: &str = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
    const MULTI: &str = "*1\r\n$5\r\nMULTI\r\n";

    /// The status, what was printed, and what is left of a file.
    fn run_on(content: &str, options: &[&str], answer: &str) -> (i32, String, String) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.aof");
        fs::write(&path, content).expect("written");
        let (status, printed) = run_in(&[options, &[path.to_str().expect("a name")]].concat(), answer);
        (status, printed, fs::read_to_string(&path).expect("text"))
    }

    fn run_in(args: &[&str], answer: &str) -> (i32, String) {
        let mut out = Vec::new();
        let broken = |_: &File, _: &str, _: &mut dyn Write| Ok(None);
        let status = run("redis-check-aof", args, &mut out, &mut answer.as_bytes(), &broken);
        (status, String::from_utf8(out).expect("text"))
    }

    #[test]
    fn a_whole_file_is_valid() {
        let (status, printed, _) = run_on(&format!("#TS:1\r\n{SET}{MULTI}{SET}*1\r\n$4\r\nEXEC\r\n"), &[], "");
        assert_eq!(status, 0);
        assert!(printed.starts_with("Start checking Old-Style AOF\nAOF analyzed: "), "{printed}");
        assert!(printed.trim_end().ends_with("a.aof is valid"), "{printed}");
        assert!(run_on("", &[], "").1.contains("is empty"));
    }

    #[test]
    fn a_broken_end_is_told_with_its_line_and_cut_off_when_that_is_wanted() {
        let content = format!("{SET}!!!");
        let (status, printed, left) = run_on(&content, &[], "");
        assert_eq!((status, left.as_str()), (1, content.as_str()));
        assert!(printed.contains("ok_up_to=27, ok_up_to_line=8, diff=3"), "{printed}");
        assert!(printed.contains("is not valid. Use the --fix option"), "{printed}");
        assert_eq!(run_on(&content, &["--fix"], "n\n").0, 1);
        let (status, printed, left) = run_on(&content, &["--fix"], "y\n");
        assert_eq!((status, left.as_str()), (0, SET));
        assert!(printed.contains("Successfully truncated AOF"), "{printed}");
    }

    #[test]
    fn a_transaction_without_its_exec_is_cut_off_from_its_multi_on() {
        let (status, printed, left) = run_on(&format!("{SET}{MULTI}{SET}"), &["--fix"], "y\n");
        assert_eq!((status, left.as_str()), (0, SET));
        assert!(printed.contains("Reached EOF before reading EXEC for MULTI"), "{printed}");
        let (status, printed, _) = run_on(&format!("{MULTI}{MULTI}"), &[], "");
        assert_eq!(status, 1);
        assert!(printed.contains("Unexpected MULTI"), "{printed}");
    }

    #[test]
    fn what_happened_after_a_time_is_cut_off() {
        let content = format!("#TS:10\r\n{SET}#TS:20\r\n{SET}");
        let (status, printed, left) = run_on(&content, &["--truncate-to-timestamp", "15"], "");
        assert_eq!((status, left), (0, format!("#TS:10\r\n{SET}")));
        assert!(printed.contains("Successfully truncated AOF"), "{printed}");
        let (_, printed, left) = run_on(&content, &["--truncate-to-timestamp", "30"], "");
        assert!(printed.contains("Truncate nothing") && left == content, "{printed}");
        assert_eq!(run_on(&content, &["--truncate-to-timestamp", "5"], "").0, 1);
    }

    #[test]
    fn the_files_of_a_manifest_are_checked_one_by_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let manifest = folder.path().join("a.manifest");
        fs::write(&manifest, "file b seq 1 type b\nfile i seq 1 type i\nfile j seq 2 type i\n").expect("written");
        for (name, content) in [("b", SET), ("i", ""), ("j", "*1\r\n$4\r\nPI")] {
            fs::write(folder.path().join(name), content).expect("written");
        }
        let path = manifest.to_str().expect("a name");
        let (status, printed) = run_in(&[path], "");
        assert_eq!(status, 1);
        for line in
            ["Start checking Multi Part AOF", "BASE AOF b is valid", "INCR AOF i is empty", "AOF j is not valid"]
        {
            assert!(printed.contains(line), "{line}: {printed}");
        }
        assert_eq!(run_in(&["--fix", path], "y\n").0, 0);
        assert!(run_in(&[path], "").1.contains("All AOF files and manifest are valid"));
    }

    #[test]
    fn wrong_use_is_explained() {
        assert!(run_in(&[], "").1.starts_with("Usage: redis-check-aof [--fix|"));
        assert_eq!(run_in(&["--truncate-to-timestamp", "x", "y"], "").0, 1);
        assert!(run_in(&["/nonexistent"], "").1.contains("Cannot open file"));
    }
}
