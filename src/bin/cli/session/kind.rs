//! What the client has to know about a command besides how to send it.

/// The kinds of command that are not simply answered and printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// None of the others.
    Plain,
    /// Its reply is a text for people already.
    Text,
    /// Everything after it is printed as it comes.
    Monitor,
    /// The same, with messages.
    Subscribe,
    /// It has an answer per channel, pushes in RESP3.
    Unsubscribe,
    /// A snapshot and a stream of commands follow.
    Sync,
    /// It has no answer when it succeeds.
    Shutdown,
    /// SELECT
    Select,
    /// AUTH, after which the database may be selected that could not be before.
    Authenticate,
    /// HELLO
    Hello,
    /// MULTI
    Multi,
    /// EXEC
    Exec,
    /// DISCARD
    Discard,
    /// RESET
    Reset,
}

impl Kind {
    /// The kind of a command with these arguments, its name the first.
    pub fn of(args: &[Vec<u8>]) -> Kind {
        let words: Vec<String> =
            args.iter().take(2).map(|arg| String::from_utf8_lossy(arg).to_ascii_lowercase()).collect();
        let name = words.first().map_or("", String::as_str);
        let sub = words.get(1).map_or("", String::as_str);
        match (name, args.len()) {
            ("monitor", _) => Kind::Monitor,
            ("subscribe" | "psubscribe" | "ssubscribe", _) => Kind::Subscribe,
            ("unsubscribe" | "punsubscribe" | "sunsubscribe", _) => Kind::Unsubscribe,
            ("sync" | "psync", _) => Kind::Sync,
            ("shutdown", _) => Kind::Shutdown,
            ("select", 2) => Kind::Select,
            ("auth", 2 | 3) => Kind::Authenticate,
            ("hello", _) => Kind::Hello,
            ("multi", 1) => Kind::Multi,
            ("exec", 1) => Kind::Exec,
            ("discard", 1) => Kind::Discard,
            ("reset", 1) => Kind::Reset,
            _ if is_text(name, sub, args.len()) => Kind::Text,
            _ => Kind::Plain,
        }
    }
}

fn is_text(name: &str, sub: &str, count: usize) -> bool {
    match name {
        "info" | "lolwut" => true,
        "debug" => matches!(sub, "htstats" | "htstats-key" | "client-eviction"),
        "memory" => matches!(sub, "malloc-stats" | "doctor"),
        "cluster" => count == 2 && matches!(sub, "nodes" | "info"),
        "client" => matches!(sub, "list" | "info"),
        "latency" => (count == 3 && sub == "graph") || (count == 2 && sub == "doctor"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case() {
        for (line, kind) in [
            ("INFO", Kind::Text),
            ("Client List", Kind::Text),
            ("client setinfo", Kind::Plain),
            ("latency doctor", Kind::Text),
            ("latency graph", Kind::Plain),
            ("SELECT 1", Kind::Select),
            ("select 1 2", Kind::Plain),
            ("exec", Kind::Exec),
            ("get info", Kind::Plain),
        ] {
            let args: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
            assert_eq!(Kind::of(&args), kind, "{line}");
        }
    }
}
