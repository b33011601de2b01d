//! What a run is made of: commands, each with the way its replies are compared.

use super::check::Check;
use super::draw::Word;

/// The connection that looks at the data between the commands of the others.
pub const AUDITOR: usize = super::draw::ACTORS;

/// A command and how to compare its replies.
#[derive(Clone, Debug)]
pub struct Cmd {
    /// Name and arguments.
    pub words: Vec<Word>,
    /// What may differ.
    pub check: Check,
}

impl Cmd {
    /// A command whose replies must be the same bytes.
    pub fn exact<W: AsRef<[u8]>>(words: &[W]) -> Cmd {
        Cmd::new(words, Check::Exact)
    }

    /// A command.
    pub fn new<W: AsRef<[u8]>>(words: &[W], check: Check) -> Cmd {
        Cmd { words: words.iter().map(|word| word.as_ref().to_vec()).collect(), check }
    }

    /// True if this is the command of that lower-case name.
    pub fn is(&self, name: &str) -> bool {
        self.words.first().is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
    }

    /// True if it has this option.
    pub fn has(&self, option: &str) -> bool {
        self.words.iter().skip(1).any(|word| word.eq_ignore_ascii_case(option.as_bytes()))
    }
}

/// Commands that belong together: a shrinking script keeps or loses them as one.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The connection that sends them.
    pub actor: usize,
    /// The commands in order.
    pub commands: Vec<Cmd>,
    /// True if replies are awaited before the next unit is sent: a replay has the batches of the run.
    pub ends_batch: bool,
}

impl Unit {
    /// Commands of an actor's.
    pub fn new(actor: usize, commands: Vec<Cmd>) -> Unit {
        Unit { actor, commands, ends_batch: false }
    }

    /// A command of the auditor's.
    pub fn audit<W: AsRef<[u8]>>(database: usize, words: &[W], check: Check) -> Unit {
        let select = Cmd::exact(&["SELECT", &database.to_string()]);
        Unit::new(AUDITOR, vec![select, Cmd::new(words, check)])
    }
}
