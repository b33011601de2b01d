//! The history of lines, kept in a file of plain lines that redis-cli can read too.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// How many lines are kept.
pub const LINES_MAX: usize = 1000;

/// A file in the user's home, unless a variable names another; none where that is `/dev/null`.
pub fn home_file(variable: &str, name: &str) -> Option<PathBuf> {
    let named = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    match named(variable) {
        Some(path) => Some(path).filter(|path| path.as_os_str() != "/dev/null"),
        None => named("HOME").map(|home| home.join(name)),
    }
}

/// The file of the history.
#[derive(Debug)]
pub struct HistoryFile {
    path: Option<PathBuf>,
    /// The last line, which is not kept twice.
    last: String,
}

impl HistoryFile {
    /// That of this user.
    pub fn of_user() -> HistoryFile {
        HistoryFile { path: home_file("REDISCLI_HISTFILE", ".rediscli_history"), last: String::new() }
    }

    /// The lines, oldest first. When the file has grown too long its oldest lines are dropped.
    pub fn load(&mut self) -> Vec<String> {
        let Some(text) = self.path.as_ref().and_then(|path| fs::read(path).ok()) else { return Vec::new() };
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<String> = text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
        let kept = lines.get(lines.len().saturating_sub(LINES_MAX)..).unwrap_or_default().to_vec();
        self.last = kept.last().cloned().unwrap_or_default();
        if lines.len() > 2 * LINES_MAX {
            // A history that can't be shortened is still a history.
            let _ = self.write(&(kept.join("\n") + "\n"), false);
        }
        kept
    }

    /// Adds a line; that it could not be kept is not worth a message.
    pub fn add(&mut self, line: &str) {
        if self.last != line {
            let _ = self.write(&format!("{line}\n"), true);
            line.clone_into(&mut self.last);
        }
    }

    fn write(&self, text: &str, append: bool) -> io::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let mut options = OpenOptions::new();
        options.create(true).mode(0o600);
        let mut file = if append { options.append(true) } else { options.write(true).truncate(true) }.open(path)?;
        file.write_all(text.as_bytes())
    }
}

/// Whether a command has a secret in it that no file should keep.
pub fn is_secret(args: &[Vec<u8>]) -> bool {
    let words: Vec<String> = args.iter().map(|arg| String::from_utf8_lossy(arg).to_ascii_lowercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["auth", ..] | ["acl", "setuser", ..] => true,
        ["config", "set", rest @ ..] => {
            let secret = ["masterauth", "masteruser", "requirepass"];
            rest.iter().step_by(2).any(|name| secret.contains(name))
        }
        ["hello", _, rest @ ..] => rest.contains(&"auth"),
        ["migrate", _, _, _, _, _, options @ ..] => {
            options.iter().take_while(|word| **word != "keys").any(|word| matches!(*word, "auth" | "auth2"))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_seen() {
        for (line, secret) in [
            ("AUTH x", true),
            ("acl setuser me >x", true),
            ("acl whoami", false),
            ("config set requirepass x", true),
            ("config set maxmemory 1 masterauth x", true),
            ("config set maxmemory 1", false),
            ("config get requirepass", false),
            ("hello 3 setname x auth me x", true),
            ("hello 3", false),
            ("migrate h 1 k 0 1 copy auth x", true),
            ("migrate h 1 k 0 1 keys auth", false),
            ("get auth", false),
        ] {
            let args: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
            assert_eq!(is_secret(&args), secret, "{line}");
        }
    }

    #[test]
    fn lines_come_back_and_old_ones_are_dropped() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut file = HistoryFile { path: Some(directory.path().join("history")), last: String::new() };
        assert_eq!(file.load(), Vec::<String>::new());
        (0..2 * LINES_MAX + 1).for_each(|line| file.add(&format!("get {line}")));
        assert_eq!(file.load().len(), LINES_MAX);
        file.add("last");
        file.add("last");
        let lines = file.load();
        assert_eq!((lines.len(), lines.last().map(String::as_str)), (LINES_MAX, Some("last")));
        assert_eq!(lines[0], format!("get {}", LINES_MAX + 2));
    }
}
