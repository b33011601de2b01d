//! The manifest: which files make up the append-only file.
//!
//! One line a file, in the order in which they are to be loaded, as in Redis 7:
//! ```text
//! file appendonly.aof.2.base.rdb seq 2 type b     at most one base: the data set as it was at the last rewrite
//! file appendonly.aof.1.incr.aof seq 1 type h     history: no longer needed, to be deleted
//! file appendonly.aof.2.incr.aof seq 2 type i     what happened since the base, one file after the other
//! ```
//! It is replaced as a whole: a new one is written beside it, brought to the disk, and renamed. So at any moment the
//! files it names are complete, and a file it does not name is of no account.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::util::platform::os_error_text;
use crate::util::quote;

/// The longest line, its end included, in bytes.
const LINE_MAX: usize = 1024;

/// One of the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name in the folder.
    pub name: String,
    /// Its number among those of its sort, from 1.
    pub seq: i64,
}

/// What the manifest says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    /// The data set as it was at the last rewrite.
    pub base: Option<Part>,
    /// Files to be deleted.
    pub history: Vec<Part>,
    /// The commands since the base.
    pub increments: Vec<Part>,
    /// The highest number a base had.
    base_seq: i64,
    /// The highest number an increment had.
    increment_seq: i64,
}

/// What is wrong with a manifest.
#[derive(Debug, PartialEq, Eq)]
pub struct ManifestError {
    /// What.
    pub reason: &'static str,
    /// The number of the line, from 1, and the line, where one is to blame.
    pub line: Option<(usize, String)>,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\n*** FATAL AOF MANIFEST FILE ERROR ***\n")?;
        if let Some((number, line)) = &self.line {
            write!(f, "Reading the manifest file, at line {number}\n>>> '{line}'\n")?;
        }
        f.write_str(self.reason)
    }
}

impl Manifest {
    /// Reads the text of a manifest.
    pub fn parse(text: &[u8]) -> Result<Manifest, ManifestError> {
        if text.is_empty() {
            return Err(ManifestError { reason: "Found an empty AOF manifest", line: None });
        }
        let mut manifest = Manifest::default();
        for (index, whole) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            if whole.starts_with(b"#") {
                continue;
            }
            if whole.len() > LINE_MAX || !whole.ends_with(b"\n") {
                return Err(ManifestError { reason: "The AOF manifest file contains too long line", line: None });
            }
            let line = whole.trim_ascii();
            manifest.take_line(line).map_err(|reason| ManifestError {
                reason,
                line: Some((index + 1, String::from_utf8_lossy(line).into_owned())),
            })?;
        }
        Ok(manifest)
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        const FORMAT: &str = "Invalid AOF manifest file format";
        let words = quote::split_args(line).map_err(|_| FORMAT)?;
        // More pairs than are known may stand there: those of a later version.
        if words.len() < 6 || words.len() % 2 != 0 {
            return Err(FORMAT);
        }
        let (mut name, mut seq, mut sort) = (None, 0, None);
        for pair in words.chunks_exact(2) {
            match pair[0].to_ascii_lowercase().as_slice() {
                b"file" => {
                    let text = String::from_utf8(pair[1].clone()).map_err(|_| FORMAT)?;
                    if text.contains(['/', '\\']) {
                        return Err("File can't be a path, just a filename");
                    }
                    name = Some(text).filter(|text| !text.is_empty());
                }
                b"seq" => seq = std::str::from_utf8(&pair[1]).ok().and_then(|text| text.parse().ok()).unwrap_or(0),
                b"type" => sort = pair[1].first().copied(),
                _ => {}
            }
        }
        let (Some(name), Some(sort), 1..) = (name, sort, seq) else { return Err(FORMAT) };
        let part = Part { name, seq };
        match sort {
            b'b' if self.base.is_some() => return Err("Found duplicate base file information"),
            b'b' => {
                self.base_seq = seq;
                self.base = Some(part);
            }
            b'h' => self.history.push(part),
            b'i' if seq <= self.increment_seq => return Err("Found a non-monotonic sequence number"),
            b'i' => {
                self.increment_seq = seq;
                self.increments.push(part);
            }
            _ => return Err("Unknown AOF file type"),
        }
        Ok(())
    }

    /// One of these files.
    pub fn of(base: Part, increments: Vec<Part>) -> Manifest {
        let (base_seq, increment_seq) = (base.seq, increments.last().map_or(0, |last| last.seq));
        Manifest { base: Some(base), history: Vec::new(), increments, base_seq, increment_seq }
    }

    /// Its text.
    pub fn to_text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (parts, sort) in [(self.base.as_slice(), 'b'), (&self.history, 'h'), (&self.increments, 'i')] {
            for part in parts {
                text.extend_from_slice(b"file ");
                match part.name.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\'' | b'\\')) {
                    true => text.extend_from_slice(part.name.as_bytes()),
                    false => quote::quote(part.name.as_bytes(), &mut text),
                }
                text.extend_from_slice(format!(" seq {} type {sort}\n", part.seq).as_bytes());
            }
        }
        text
    }

    /// Whether it names no file that holds data.
    pub fn is_empty(&self) -> bool {
        self.base.is_none() && self.increments.is_empty()
    }

    /// The files to be loaded, in order.
    pub fn files(&self) -> impl DoubleEndedIterator<Item = &Part> {
        self.base.iter().chain(&self.increments)
    }

    /// Their names, each with whether it is that of the base.
    pub fn names(&self) -> Vec<(String, bool)> {
        let base = self.base.iter().map(|part| (part.name.clone(), true));
        base.chain(self.increments.iter().map(|part| (part.name.clone(), false))).collect()
    }

    /// Makes the one file of an append-only file of an old version the base.
    pub fn adopt(&mut self, name: &str) {
        self.base = Some(Part { name: name.to_owned(), seq: 1 });
        self.base_seq = 1;
    }

    /// Begins a new increment, and returns its name.
    pub fn new_increment(&mut self, stem: &str) -> &str {
        self.increment_seq += 1;
        let name = format!("{stem}.{}.incr.aof", self.increment_seq);
        self.increments.push(Part { name, seq: self.increment_seq });
        &self.increments[self.increments.len() - 1].name
    }

    /// Names a new base, for a snapshot or for commands; the old one becomes history.
    pub fn new_base(&mut self, stem: &str, snapshot: bool) -> &str {
        self.history.splice(0..0, self.base.take());
        self.base_seq += 1;
        let format = if snapshot { "rdb" } else { "aof" };
        let name = format!("{stem}.{}.base.{format}", self.base_seq);
        &self.base.insert(Part { name, seq: self.base_seq }).name
    }

    /// Makes the increments that the base holds by now history: all but the latest `kept`.
    pub fn retire_increments(&mut self, kept: usize) {
        let retired = self.increments.len().saturating_sub(kept);
        self.history.splice(0..0, self.increments.drain(..retired).rev());
    }
}

/// Where the manifest of a folder is.
pub fn path(folder: &Path, stem: &str) -> PathBuf {
    folder.join(format!("{stem}.manifest"))
}

/// Reads a file's manifest; `None` if there is no such file.
pub fn load(path: &Path) -> io::Result<Option<Result<Manifest, ManifestError>>> {
    match fs::read(path) {
        Ok(text) => Ok(Some(Manifest::parse(&text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Puts a manifest in the place of the one in the folder, and brings it to the disk. An error says what was tried.
pub fn store(manifest: &Manifest, folder: &Path, stem: &str) -> Result<(), String> {
    let temporary = folder.join(format!("temp-{stem}.manifest"));
    let failed = |what: &str| {
        let what = what.replace("{}", &format!("temp-{stem}.manifest"));
        move |error: io::Error| format!("{what}: {}", os_error_text(&error))
    };
    let mut file = File::create(&temporary).map_err(failed("Can't open the AOF manifest file {}"))?;
    file.write_all(&manifest.to_text()).map_err(failed("Error trying to write the temporary AOF manifest file {}"))?;
    file.sync_data().map_err(failed("Fail to fsync the temp AOF file {}"))?;
    let target = path(folder, stem);
    let rename = format!("Error trying to rename the temporary AOF manifest file {{}} into {stem}.manifest");
    fs::rename(&temporary, &target).map_err(failed(&rename))?;
    // The folder has new entries: those of the manifest and of the files it names.
    let sync = format!("Fail to fsync AOF directory {}", target.display());
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(&sync))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> &'static str {
        Manifest::parse(text.as_bytes()).expect_err("a broken manifest").reason
    }

    #[test]
    fn a_manifest_reads_back_as_it_was_written() {
        let mut manifest = Manifest::default();
        assert_eq!(manifest.new_base("appendonly.aof", true), "appendonly.aof.1.base.rdb");
        assert_eq!(manifest.new_increment("appendonly.aof"), "appendonly.aof.1.incr.aof");
        assert_eq!(manifest.new_increment("appendonly.aof"), "appendonly.aof.2.incr.aof");
        assert_eq!(manifest.new_base("appendonly.aof", false), "appendonly.aof.2.base.aof");
        manifest.retire_increments(1);
        assert_eq!(
            String::from_utf8_lossy(&manifest.to_text()),
            "file appendonly.aof.2.base.aof seq 2 type b\nfile appendonly.aof.1.incr.aof seq 1 type h\n\
             file appendonly.aof.1.base.rdb seq 1 type h\nfile appendonly.aof.2.incr.aof seq 2 type i\n"
        );
        assert_eq!(Manifest::parse(&manifest.to_text()), Ok(manifest));
    }

    #[test]
    fn names_with_blanks_or_quotes_are_quoted() {
        let mut manifest = Manifest::default();
        manifest.new_increment("my \"file\".aof");
        assert!(manifest.to_text().starts_with(b"file \"my \\\"file\\\".aof.1.incr.aof\" seq 1"));
        assert_eq!(Manifest::parse(&manifest.to_text()), Ok(manifest));
    }

    #[test]
    fn comments_and_unknown_pairs_are_passed_over() {
        let manifest = Manifest::parse(b"#file x\nFILE a seq 3 type i size 10\nfile b seq 7 type b\n").expect("valid");
        assert_eq!(manifest.increments, [Part { name: "a".into(), seq: 3 }]);
        assert_eq!(manifest.base, Some(Part { name: "b".into(), seq: 7 }));
    }

    #[test]
    fn broken_manifests_are_refused_with_the_reason() {
        assert_eq!(reason(""), "Found an empty AOF manifest");
        assert_eq!(reason("file a seq 1 type i"), "The AOF manifest file contains too long line");
        assert_eq!(reason(&format!("file {} seq 1 type i\n", "a".repeat(1024))), reason("file a"));
        for line in ["\n", "file a seq 1\n", "file a seq 1 type i x\n", "file a seq 0 type i\n", "seq 1 type i a b\n"] {
            assert_eq!(reason(line), "Invalid AOF manifest file format", "{line}");
        }
        assert_eq!(reason("file a/b seq 1 type i\n"), "File can't be a path, just a filename");
        assert_eq!(reason("file a seq 1 type b\nfile b seq 2 type b\n"), "Found duplicate base file information");
        assert_eq!(reason("file a seq 2 type i\nfile b seq 2 type i\n"), "Found a non-monotonic sequence number");
        assert_eq!(reason("file a seq 1 type x\n"), "Unknown AOF file type");
    }

    #[test]
    fn an_error_names_the_line() {
        let error = Manifest::parse(b"file a seq 1 type i\nfile b seq 1\n").expect_err("a broken manifest");
        assert_eq!(error.line, Some((2, "file b seq 1".into())));
        assert!(error.to_string().contains("at line 2\n>>> 'file b seq 1'\nInvalid AOF"));
    }

    #[test]
    fn storing_replaces_the_manifest_of_the_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut manifest = Manifest::default();
        assert!(load(&path(folder.path(), "a")).expect("readable").is_none());
        for _ in 0..2 {
            manifest.new_increment("a");
            store(&manifest, folder.path(), "a").expect("stored");
            let loaded = load(&path(folder.path(), "a")).expect("readable").expect("there").expect("valid");
            assert_eq!(loaded, manifest);
        }
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }
}
