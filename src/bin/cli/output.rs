//! Standard output, where a reader that goes away ends the client as it ends any program of a pipeline.

use std::io::{self, IsTerminal, Write};

/// Writes it and flushes, so that whoever reads along sees it at once.
pub fn print(text: impl AsRef<[u8]>) {
    let mut out = io::stdout().lock();
    if out.write_all(text.as_ref()).and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}

/// Whether replies are for people to read: on a terminal, or where a test says so.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal() || std::env::var_os("FAKETTY").is_some()
}

/// Whether colours are welcome: on a terminal that has some, unless `NO_COLOR` is set.
pub fn has_colors() -> bool {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    io::stdout().is_terminal() && set("NO_COLOR").is_none() && set("TERM").is_some_and(|term| term != "dumb")
}

/// A text with the codes of a style around it, such as `1` for bold.
pub fn styled(code: &str, text: &str) -> String {
    if has_colors() && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
