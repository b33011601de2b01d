//! The error a command answers with.

use std::borrow::Cow;

/// One error line, its code first (`ERR syntax error`), without the leading dash and the line end. The reply writer
/// replaces line breaks, so text from a client may be quoted in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Cow<'static, [u8]>);

impl Error {
    /// An error with a fixed text.
    pub const fn fixed(line: &'static str) -> Error {
        Error(Cow::Borrowed(line.as_bytes()))
    }

    /// An error whose text was made for the occasion.
    pub fn text(line: impl Into<Vec<u8>>) -> Error {
        Error(Cow::Owned(line.into()))
    }

    /// The line.
    pub fn line(&self) -> &[u8] {
        &self.0
    }

    /// `wrong number of arguments` for the command of that full name.
    pub fn wrong_arity(full_name: &str) -> Error {
        Error::text(format!("ERR wrong number of arguments for '{full_name}' command"))
    }

    /// `invalid expire time` in the command of that name.
    pub fn invalid_expire(name: &str) -> Error {
        Error::text(format!("ERR invalid expire time in '{name}' command"))
    }
}

/// What a handler returns. On an error the reply begun is cut off and the error is written instead.
pub type CmdResult = Result<(), Error>;

/// The options contradict the syntax.
pub const SYNTAX: Error = Error::fixed("ERR syntax error");
/// The key holds another type.
pub const WRONG_TYPE: Error = Error::fixed("WRONGTYPE Operation against a key holding the wrong kind of value");
/// Not a 64-bit integer.
pub const NOT_AN_INTEGER: Error = Error::fixed("ERR value is not an integer or out of range");
/// A number that must not be negative.
pub const NOT_POSITIVE: Error = Error::fixed("ERR value is out of range, must be positive");
/// The key has to exist.
pub const NO_SUCH_KEY: Error = Error::fixed("ERR no such key");
/// A string would pass `proto-max-bulk-len`.
pub const STRING_TOO_LONG: Error = Error::fixed("ERR string exceeds maximum allowed size (proto-max-bulk-len)");

impl From<crate::db::WrongType> for Error {
    fn from(_: crate::db::WrongType) -> Error {
        WRONG_TYPE
    }
}
