//! What the log shows of what clients have sent: nothing, where `hide-user-data-from-log` says so.

use std::fmt::Display;

/// What stands in the place of it.
pub const REDACTED: &str = "*redacted*";
/// Bytes of an error that are shown.
const ERROR_BYTES_MAX: usize = 4096;

/// A name, key or argument.
pub fn data(shown: impl Display, hidden: bool) -> String {
    if hidden { REDACTED.to_owned() } else { shown.to_string() }
}

/// An error, which may repeat what was sent: only its code is left of it then.
pub fn error(text: &[u8], hidden: bool) -> String {
    let shown = String::from_utf8_lossy(&text[..text.len().min(ERROR_BYTES_MAX)]);
    if !hidden {
        return shown.into_owned();
    }
    let is_code = |code: &str| code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
    match shown.split_once(' ') {
        Some((code, _)) if is_code(code) => format!("{code} {REDACTED}"),
        Some(_) | None => REDACTED.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_shown_or_replaced() {
        assert_eq!(data("key", false), "key");
        assert_eq!(data("key", true), REDACTED);
    }

    #[test]
    fn of_an_error_the_code_is_left() {
        assert_eq!(error(b"-ERR unknown command 'a'", false), "-ERR unknown command 'a'");
        assert_eq!(error(b"-ERR unknown command 'a'", true), "-ERR *redacted*");
        assert_eq!(error(b"WRONGTYPE Operation", true), "WRONGTYPE *redacted*");
        for text in ["", "secret", "Secret thing", "ERR"] {
            assert_eq!(error(text.as_bytes(), true), REDACTED);
        }
        assert_eq!(error(&[b'x'; 5000], false).len(), ERROR_BYTES_MAX);
    }
}
