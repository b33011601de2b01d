//! What users set with `:set`, at the prompt or in `~/.redisclirc`.

use std::fs;

use oxidis::quote::split_args;

use crate::history::home_file;

/// The preferences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preferences {
    /// What may follow is shown while a line is typed.
    pub hints: bool,
}

impl Preferences {
    /// Those of the user's file, and what is wrong with it.
    pub fn of_user() -> (Preferences, Vec<String>) {
        let file = home_file("REDISCLI_RCFILE", ".redisclirc").and_then(|path| fs::read(path).ok());
        let mut preferences = Preferences { hints: true };
        let mut faults = Vec::new();
        for line in file.unwrap_or_default().split(|byte| *byte == b'\n') {
            let words = split_args(line).unwrap_or_default();
            if let Err(fault) = preferences.set(&words) {
                faults.push(format!(".redisclirc: {fault}"));
            }
        }
        (preferences, faults)
    }

    /// Carries out a line such as `:set hints`; an empty one says nothing.
    ///
    /// # Errors
    /// Says what is unknown.
    pub fn set(&mut self, words: &[Vec<u8>]) -> Result<(), String> {
        let words: Vec<String> = words.iter().map(|word| String::from_utf8_lossy(word).to_lowercase()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] => {}
            [":set", "hints", ..] => self.hints = true,
            [":set", "nohints", ..] => self.hints = false,
            [":set", other, ..] => return Err(format!("unknown preference '{other}'")),
            [other, ..] => return Err(format!("unknown internal command '{other}'")),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_set_or_say_what_is_unknown() {
        let mut preferences = Preferences { hints: true };
        let mut set = |line: &str| {
            let result = preferences.set(&split_args(line.as_bytes()).expect("words"));
            (result, preferences.hints)
        };
        assert_eq!(set(""), (Ok(()), true));
        assert_eq!(set(":SET nohints"), (Ok(()), false));
        assert_eq!(set(":set hints"), (Ok(()), true));
        assert_eq!(set(":set x").0, Err("unknown preference 'x'".to_owned()));
        assert_eq!(set(":x").0, Err("unknown internal command ':x'".to_owned()));
    }
}
