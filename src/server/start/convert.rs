//! `oxidis --convert FILE OUT --for VERSION`: a data set of any server, written as the snapshot that a certain server
//! loads.
//!
//! What is read is a snapshot, the folder of a log of commands with its manifest, or the one file of an old log. It is
//! loaded whole, into memory, and nothing of it is changed. The new file takes its name when it is whole and on the
//! disk. What the target cannot hold ends the conversion, unless it is to be left out; then it is named and counted. The
//! types that it may have from modules, of which a file tells nothing, are named.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mio::Poll;

use super::super::execution::row::{Command, Rows};
use super::super::persistence::{aof_load, loading, snapshot};
use super::super::scripting::host::HOST;
use crate::config::{Config, LogLevel, TargetServer};
use crate::db::Databases;
use crate::net::listeners::Listeners;
use crate::persist::aof::manifest;
use crate::persist::rdb::forms;
use crate::persist::rdb::load::{Loader, Progress, Settings};
use crate::persist::rdb::save::{self, Options, Refused};
use crate::persist::rdb::version::{self, MAGIC_BYTES, Version};
use crate::persist::rdb::write::FileSink;
use crate::script::library::Restore;
use crate::server::Server;
use crate::types::ValueType;
use crate::util::platform::os_error_text;
use crate::util::replace_file::sync_folder;

const USAGE: &str = "\
Usage: oxidis --convert FILE OUT --for VERSION [options]
Writes the data of FILE, a snapshot or the folder of an append-only file, as a snapshot that a server loads.
  --for VERSION     a version of Redis (7.0) or of Valkey (valkey-9.1)
  --skip-keys       leave out keys that the server cannot hold
  --skip-functions  leave out functions if the server has none
  --skip-modules    leave out keys with values of modules
";
/// Databases that may be in a file.
const DATABASES: u32 = 16_384;
/// Bytes loaded between two looks at how far it is.
const SLICE_BYTES: u64 = 4 << 20;
/// Bytes after which what was written is sent to the disk.
const SYNC_EVERY: u64 = 4 << 20;
/// Things left out, up to which each is named.
const NAMED_MAX: u64 = 100;
const SHOWN_EVERY: Duration = Duration::from_millis(200);
/// The exit status when the arguments are wrong.
const WRONG_ARGUMENTS: u8 = 2;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
struct Task {
    from: PathBuf,
    to: PathBuf,
    target: TargetServer,
    skips_keys: bool,
    skips_functions: bool,
    skips_modules: bool,
}

impl Task {
    fn read(args: &[OsString]) -> Result<Task, String> {
        let (mut files, mut target) = (Vec::new(), None);
        let (mut skips_keys, mut skips_functions, mut skips_modules) = (false, false, false);
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.to_str() {
                Some("--for") => {
                    let version = args.next().and_then(|version| version.to_str()).ok_or("--for needs a version")?;
                    target = Some(TargetServer::parse(version).map_err(|error| format!("--for {error}"))?);
                }
                Some("--skip-keys") => skips_keys = true,
                Some("--skip-functions") => skips_functions = true,
                Some("--skip-modules") => skips_modules = true,
                Some(option) if option.starts_with("--") => return Err(format!("unknown option {option}")),
                _ => files.push(PathBuf::from(arg)),
            }
        }
        let target = target.ok_or("--for VERSION is missing")?;
        let [from, to] = <[PathBuf; 2]>::try_from(files).map_err(|_| "FILE and OUT are to be given")?;
        Ok(Task { from, to, target, skips_keys, skips_functions, skips_modules })
    }
}

/// Converts as the arguments say.
pub fn run(args: &[OsString], families: &[&'static [Command]]) -> ExitCode {
    let task = match Task::read(args) {
        Ok(task) => task,
        Err(error) => {
            eprint!("{error}\n{USAGE}");
            return ExitCode::from(WRONG_ARGUMENTS);
        }
    };
    match convert(&task, families) {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{}: {error}", task.from.display());
            ExitCode::FAILURE
        }
    }
}

fn convert(task: &Task, families: &[&'static [Command]]) -> Result<String, String> {
    let mut config = Config {
        save: Vec::new(),
        databases: DATABASES,
        loglevel: LogLevel::Warning,
        // What is read is not to be cut off.
        aof_load_truncated: false,
        rdb_load_skip_unknown_modules: task.skips_modules,
        ..Config::default()
    };
    super::super::observe::log_format::install(&config).map_err(|error| error.to_string())?;
    let files = Source::find(&task.from, &mut config)?;
    let poll = Poll::new().map_err(|error| error.to_string())?;
    let registry = poll.registry().try_clone().map_err(|error| error.to_string())?;
    let mut db = Databases::new(DATABASES as usize);
    let mut server = Server::new(config, Rows::new(families), Listeners::new(registry), HOST);
    server.config_changed();
    loading::note_loading(&mut server, &mut db, true);
    let mut shown = Shown::default();
    match files {
        Source::Snapshot(file) => load_snapshot(&mut server, &mut db, file, &task.from, &mut shown)?,
        Source::Log(names) => load_log(&mut server, &mut db, names, &mut shown)?,
    }
    loading::note_loading(&mut server, &mut db, false);
    shown.end();
    write(task, &server, &db)
}

/// What is read.
enum Source {
    /// A snapshot.
    Snapshot(File),
    /// Files of a log, and whether each is the base of the others.
    Log(Vec<(String, bool)>),
}

impl Source {
    /// Finds what is at a path, and has the configuration say where the log is if it is one.
    fn find(path: &Path, config: &mut Config) -> Result<Source, String> {
        let error_text = |error: io::Error| os_error_text(&error);
        if fs::metadata(path).map_err(error_text)?.is_dir() {
            return Source::in_folder(path, config);
        }
        let (file, mut magic) = (File::open(path).map_err(error_text)?, Vec::new());
        file.take(MAGIC_BYTES as u64).read_to_end(&mut magic).map_err(error_text)?;
        if version::is_snapshot(&magic) {
            return File::open(path).map(Source::Snapshot).map_err(error_text);
        }
        if magic.first() != Some(&b'*') && magic.first() != Some(&b'#') {
            return Err("this is neither a snapshot nor an append-only file".to_owned());
        }
        Source::one_log(path, config)
    }

    fn one_log(path: &Path, config: &mut Config) -> Result<Source, String> {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("a name that is not UTF-8")?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        config.appenddirname = folder.to_str().ok_or("a name that is not UTF-8")?.to_owned();
        name.clone_into(&mut config.appendfilename);
        Ok(Source::Log(vec![(name.to_owned(), true)]))
    }

    fn in_folder(path: &Path, config: &mut Config) -> Result<Source, String> {
        let entries = fs::read_dir(path).map_err(|error| os_error_text(&error))?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut stems = names.filter_map(|name| name.strip_suffix(".manifest").map(str::to_owned));
        let (Some(stem), None) = (stems.next(), stems.next()) else {
            return Err("a folder of an append-only file has one manifest".to_owned());
        };
        let manifest = match manifest::load(&manifest::path(path, &stem)) {
            Ok(Some(Ok(manifest))) => manifest,
            Ok(Some(Err(error))) => return Err(error.to_string()),
            Ok(None) => return Err("the manifest is gone".to_owned()),
            Err(error) => return Err(os_error_text(&error)),
        };
        config.appenddirname = path.to_str().ok_or("a name that is not UTF-8")?.to_owned();
        config.appendfilename = stem;
        Ok(Source::Log(manifest.names()))
    }
}

fn load_snapshot(
    server: &mut Server,
    db: &mut Databases,
    file: File,
    path: &Path,
    shown: &mut Shown,
) -> Result<(), String> {
    let total = file.metadata().map_err(|error| os_error_text(&error))?.len();
    let settings = Settings { expired_before_ms: None, ..loading::settings(server, total, false) };
    let mut loader = Loader::new(Box::new(file), settings);
    loop {
        db.begin_command(0, server.clock.unix_ms());
        match loader.step(db, SLICE_BYTES) {
            Ok(Progress::Done) => break,
            Ok(Progress::Running | Progress::Waiting) => shown.show(loader.offset(), total, loader.counts().loaded),
            Err(error) => return Err(format!("offset {}: {}", error.offset, error.reason)),
        }
    }
    if loader.offset() < total {
        // A log of former times, which begins with a snapshot.
        (0..db.count()).for_each(|index| _ = db.flush(index, false));
        let Source::Log(names) = Source::one_log(path, &mut server.config)? else { return Ok(()) };
        return load_log(server, db, names, shown);
    }
    loading::note_loaded(server, &mut loader, Restore::Append).map_err(|_| "its functions cannot be loaded".to_owned())
}

fn load_log(
    server: &mut Server,
    db: &mut Databases,
    names: Vec<(String, bool)>,
    shown: &mut Shown,
) -> Result<(), String> {
    const LOGGED: &str = "the log cannot be loaded, see above";
    let folder = PathBuf::from(&server.config.appenddirname);
    let mut loader = aof_load::of_files(server, folder, names).map_err(|_| LOGGED)?;
    loop {
        db.begin_command(0, server.clock.unix_ms());
        match loader.step(server, db, SLICE_BYTES) {
            Ok(true) => return Ok(()),
            Ok(false) => {
                let keys = (0..db.count()).map(|index| db.database(index).dict.len() as u64).sum();
                shown.show(loader.loaded_bytes(), loader.total_bytes, keys);
            }
            Err(_) => {
                shown.end();
                return Err(LOGGED.to_owned());
            }
        }
    }
}

/// Writes the file; what was written and left out, in words.
fn write(task: &Task, server: &Server, db: &Databases) -> Result<String, String> {
    let version = Version::of_server(task.target.is_valkey, task.target.version);
    let options = Options { aux: snapshot::aux(false), version: Some(version), ..snapshot::options(server) };
    let error_text = |error: io::Error| format!("{}: {}", task.to.display(), os_error_text(&error));
    let temporary = beside(&task.to);
    let file = File::options().write(true).create_new(true).open(&temporary).map_err(error_text)?;
    let (mut keys, mut keys_out, mut libraries_out) = (0, 0, 0);
    let mut on_refused = |refused: &Refused<'_>| {
        let (skips, count) = match refused {
            Refused::Key(..) => (task.skips_keys, &mut keys_out),
            Refused::Library(_) => (task.skips_functions, &mut libraries_out),
        };
        *count += 1;
        if skips && *count <= NAMED_MAX {
            eprintln!("left out: {}", refused.reason(version));
        }
        skips
    };
    let mut sink = FileSink::new(file, SYNC_EVERY);
    let written = save::save_some(db, &options, &mut sink, &mut |_| keys += 1, &mut on_refused)
        .and_then(|bytes| sink.file().sync_all().map(|()| bytes))
        .and_then(|bytes| fs::rename(&temporary, &task.to).map(|()| bytes))
        .and_then(|bytes| sync_folder(&task.to).map(|()| bytes));
    let bytes = written.map_err(|error| {
        fs::remove_file(&temporary).ok();
        error_text(error)
    })?;
    if !task.target.has_types_of_modules()
        && let Some(types) = types_of_modules(db, version)
    {
        eprintln!("{} loads this only with modules that have the types {types}", task.target);
    }
    let modules = server.persist.last_load.skipped;
    Ok(format!(
        "{}: {} keys, {bytes} bytes in {version}. Left out: {keys_out} keys, {libraries_out} libraries of functions, \
         {modules} values of modules.",
        task.to.display(),
        keys - keys_out,
    ))
}

/// The types of modules that a file of this version has values of, and how many; `None` if there are none.
fn types_of_modules(db: &Databases, version: Version) -> Option<String> {
    let entries = (0..db.count()).flat_map(|index| db.database(index).dict.iter());
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in entries {
        if let ValueType::Bundled(name) = entry.value_type()
            && forms::form(entry, version).is_some()
        {
            *counts.entry(name).or_default() += 1;
        }
    }
    let named: Vec<String> = counts.iter().map(|(name, count)| format!("{name} ({count} keys)")).collect();
    (!named.is_empty()).then(|| named.join(", "))
}

/// A name for a file until it is whole.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    PathBuf::from(name)
}

/// How far it is, on standard error: a line that is written over where that is a terminal.
#[derive(Default)]
struct Shown {
    last: Option<Instant>,
}

impl Shown {
    fn show(&mut self, done: u64, total: u64, keys: u64) {
        let now = Instant::now();
        if self.last.is_some_and(|last| now.duration_since(last) < SHOWN_EVERY) {
            return;
        }
        self.last = Some(now);
        let percent = done.saturating_mul(100).checked_div(total).unwrap_or(100);
        let end = if io::stderr().is_terminal() { "\r" } else { "\n" };
        let _ = write!(io::stderr(), "read {done} of {total} bytes ({percent} %), {keys} keys{end}");
    }

    fn end(&mut self) {
        if self.last.take().is_some() && io::stderr().is_terminal() {
            eprintln!();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_say_what_is_converted_and_for_whom() {
        let read = |line: &str| Task::read(&line.split_whitespace().map(OsString::from).collect::<Vec<_>>());
        let task = read("a.rdb --for valkey-9.1 --skip-keys b.rdb").expect("a task");
        assert_eq!((task.from, task.to), (PathBuf::from("a.rdb"), PathBuf::from("b.rdb")));
        assert_eq!(
            (task.target.to_string().as_str(), task.skips_keys, task.skips_modules),
            ("valkey-9.1", true, false)
        );
        for wrong in ["", "a b", "a --for 7.0", "a b c --for 7.0", "a b --for", "a b --for 1.0", "a b --for 7.0 --what"]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
