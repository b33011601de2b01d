//! The first line of a script or library: `#!lua name=… flags=…`.

use crate::command::{Error, Flags, spec};
use crate::util::bit_set::bit_set;
use crate::util::quote;

/// What a script or function says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScriptFlags(u8);

bit_set!(ScriptFlags);

impl ScriptFlags {
    /// It writes nothing.
    pub const NO_WRITES: ScriptFlags = ScriptFlags(1 << 0);
    /// It may run when memory is exhausted.
    pub const ALLOW_OOM: ScriptFlags = ScriptFlags(1 << 1);
    /// It may run on a replica with stale data.
    pub const ALLOW_STALE: ScriptFlags = ScriptFlags(1 << 2);
    /// It does not run in a cluster.
    pub const NO_CLUSTER: ScriptFlags = ScriptFlags(1 << 3);
    /// It may touch keys of several slots.
    pub const ALLOW_CROSS_SLOT: ScriptFlags = ScriptFlags(1 << 4);
    /// It says nothing, being a script without such a line: each of its commands is judged by itself.
    pub const UNDECLARED: ScriptFlags = ScriptFlags(1 << 5);

    /// The flags a script can give itself, in the order FUNCTION LIST shows them.
    pub const NAMES: [(ScriptFlags, &'static str); 5] = [
        (ScriptFlags::NO_WRITES, "no-writes"),
        (ScriptFlags::ALLOW_OOM, "allow-oom"),
        (ScriptFlags::ALLOW_STALE, "allow-stale"),
        (ScriptFlags::NO_CLUSTER, "no-cluster"),
        (ScriptFlags::ALLOW_CROSS_SLOT, "allow-cross-slot-keys"),
    ];

    /// The flags of a command that calls such a script, whose row has `flags`.
    pub fn of_call(self, flags: Flags) -> Flags {
        if self.has(ScriptFlags::UNDECLARED) {
            return flags;
        }
        let replaced = spec::STALE.0 | spec::DENYOOM.0 | spec::WRITE.0 | spec::MAY_REPLICATE.0;
        let mut flags = Flags(flags.0 & !replaced);
        if !self.has(ScriptFlags(Self::ALLOW_OOM.0 | Self::NO_WRITES.0)) {
            flags = flags | spec::DENYOOM;
        }
        if !self.has(Self::NO_WRITES) {
            flags = flags | spec::WRITE;
        }
        if self.has(Self::ALLOW_STALE) {
            flags = flags | spec::STALE;
        }
        flags
    }
}

/// The words of a line; none when there are none, or they are quoted wrongly.
type Words = Option<Vec<Vec<u8>>>;

/// The words of the line at the head of a text, and the text from the end of that line on.
fn parts(text: &[u8]) -> Option<(Words, &[u8])> {
    let end = memchr::memchr(b'\n', text)?;
    let words = quote::split_args(&text[..end]).ok().filter(|words| !words.is_empty());
    Some((words, &text[end..]))
}

/// The flags of a script, and its code from the end of its first line on; all of it where that is no such line.
pub fn of_script(text: &[u8]) -> Result<(ScriptFlags, &[u8]), Error> {
    if !text.starts_with(b"#!") {
        return Ok((ScriptFlags::UNDECLARED, text));
    }
    let (words, code) = parts(text).ok_or(Error::fixed("ERR Invalid script shebang"))?;
    let words = words.ok_or(Error::fixed("ERR Invalid engine in script shebang"))?;
    let fault = |what: &str, word: &[u8]| Error::text([what.as_bytes(), word].concat());
    if words[0] != b"#!lua" {
        return Err(fault("ERR Unexpected engine in script shebang: ", &words[0]));
    }
    let mut flags = ScriptFlags::default();
    for word in &words[1..] {
        let Some(names) = word.strip_prefix(b"flags=") else {
            return Err(fault("ERR Unknown lua shebang option: ", word));
        };
        for name in names.split(|byte| *byte == b',') {
            if names.is_empty() {
                continue;
            }
            let known = ScriptFlags::NAMES.iter().find(|(_, known)| known.as_bytes() == name);
            let (flag, _) = known.ok_or_else(|| fault("ERR Unexpected flag in script shebang: ", name))?;
            flags.set(*flag, true);
        }
    }
    Ok((flags, code))
}

/// What the first line of a library says.
#[derive(Debug, PartialEq, Eq)]
pub struct LibraryHead<'a> {
    /// The language.
    pub engine: Vec<u8>,
    /// The library's name.
    pub name: Vec<u8>,
    /// The code from the end of the line on.
    pub code: &'a [u8],
}

/// Reads the first line of a library.
pub fn of_library(text: &[u8]) -> Result<LibraryHead<'_>, Error> {
    const INVALID: Error = Error::fixed("ERR Invalid library metadata");
    if !text.starts_with(b"#!") {
        return Err(Error::fixed("ERR Missing library metadata"));
    }
    let (words, code) = parts(text).ok_or(INVALID)?;
    let words = words.ok_or(INVALID)?;
    let mut name = None;
    for word in &words[1..] {
        let value = word.get(..5).filter(|key| key.eq_ignore_ascii_case(b"name=")).and_then(|_| word.get(5..));
        let Some(value) = value else {
            return Err(Error::text([b"ERR Invalid metadata value given: ", &word[..]].concat()));
        };
        if name.replace(value.to_vec()).is_some() {
            return Err(Error::fixed("ERR Invalid metadata value, name argument was given multiple times"));
        }
    }
    let name = name.ok_or(Error::fixed("ERR Library name was not given"))?;
    Ok(LibraryHead { engine: words[0][2..].to_vec(), name, code })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
        String::from_utf8_lossy(result.expect_err("a fault").line()).into_owned()
    }

    #[test]
    fn scripts_without_a_first_line_declare_nothing() {
        assert_eq!(of_script(b"return 1"), Ok((ScriptFlags::UNDECLARED, b"return 1".as_slice())));
    }

    #[test]
    fn scripts_declare_flags() {
        let (flags, code) = of_script(b"#!lua flags=no-writes,allow-stale\nreturn 1").unwrap();
        assert!(flags.has(ScriptFlags::NO_WRITES) && flags.has(ScriptFlags::ALLOW_STALE));
        assert!(!flags.has(ScriptFlags::UNDECLARED) && !flags.has(ScriptFlags::ALLOW_OOM));
        assert_eq!(code, b"\nreturn 1");
        assert_eq!(error_of(of_script(b"#!lua")), "ERR Invalid script shebang");
        assert_eq!(error_of(of_script(b"#!not-lua\nx")), "ERR Unexpected engine in script shebang: #!not-lua");
        assert_eq!(error_of(of_script(b"#!lua badger=data\nx")), "ERR Unknown lua shebang option: badger=data");
        assert_eq!(error_of(of_script(b"#!lua flags=bad\nx")), "ERR Unexpected flag in script shebang: bad");
    }

    #[test]
    fn libraries_have_one_name() {
        let head = of_library(b"#!lua name=\"one\"\ncode").unwrap();
        assert_eq!((&head.engine[..], &head.name[..], head.code), (&b"lua"[..], &b"one"[..], &b"\ncode"[..]));
        assert_eq!(error_of(of_library(b"code")), "ERR Missing library metadata");
        assert_eq!(error_of(of_library(b"#!lua name=a")), "ERR Invalid library metadata");
        assert_eq!(error_of(of_library(b"#!lua\n")), "ERR Library name was not given");
        assert_eq!(error_of(of_library(b"#!lua name=a foo=b\n")), "ERR Invalid metadata value given: foo=b");
    }
}
