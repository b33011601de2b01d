//! What a directive is to those who deal in names: a row of the table.

use super::kinds::Line;
use super::table::Config;

/// Properties of a directive, combined with `|`.
pub mod flags {
    /// CONFIG SET may change it; the absence of every other flag.
    pub const MUTABLE: u16 = 0;
    /// Set at start only.
    pub const IMMUTABLE: u16 = 1;
    /// Its value is kept out of logs, MONITOR and SLOWLOG.
    pub const SENSITIVE: u16 = 1 << 1;
    /// CONFIG SET needs `enable-protected-configs`.
    pub const PROTECTED: u16 = 1 << 2;
    /// CONFIG GET shows it by its exact name only.
    pub const HIDDEN: u16 = 1 << 3;
    /// CONFIG SET refuses it while a data set is being loaded.
    pub const DENY_LOADING: u16 = 1 << 4;
    /// Takes several words, and checks their number itself.
    pub const MULTI_ARG: u16 = 1 << 5;
    /// Setting it has effects even when the value stays the same (a certificate file's content).
    pub const VOLATILE: u16 = 1 << 6;
}

/// What the server has to do once a new value is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Remove files of the append-only file that are no longer needed.
    AofHistory,
    /// Start or stop the append-only file.
    AppendOnly,
    /// Refuse a minimum of dense slices that is not below the maximum of sparse ones.
    ArrayDenseMin,
    /// Refuse a maximum of sparse slices that is not above the minimum of dense ones.
    ArraySparseMax,
    /// Listen on other addresses.
    Bind,
    /// Start or stop accounting for the memory of clients.
    ClientMemory,
    /// Install or remove the handlers that write a report on a crash, and say what it may show.
    CrashLog,
    /// Change the working directory.
    Dir,
    /// Count replicas that are good enough again.
    GoodReplicas,
    /// Change the pace of the periodic work.
    Hz,
    /// Write the lines of the log in another way.
    LogFormat,
    /// Change the level below which messages are dropped.
    LogLevel,
    /// Make room for more connections, or refuse.
    MaxClients,
    /// Warn when already above the limit, and start evicting.
    MaxMemory,
    /// Listen for HTTP elsewhere.
    MetricsPort,
    /// Set TLS up for it.
    MetricsTls,
    /// Write the scores to the kernel.
    OomScore,
    /// Listen on another port.
    Port,
    /// Write the title of the process again.
    ProcTitle,
    /// Warn of a compression that there is none of.
    RdbCompression,
    /// Resize the replication backlog.
    ReplicationBacklog,
    /// Give the default user another password.
    RequirePass,
    /// Build the TLS settings again.
    Tls,
    /// Listen on another TLS port.
    TlsPort,
}

/// Whether a directive was met before while loading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occurrence {
    /// The value replaces what was there.
    First,
    /// `save` lines of one configuration add up.
    Repeated,
}

/// Parses words into a field; true when the field changed.
pub(super) type Set = fn(&mut Config, &[Vec<u8>], Occurrence) -> Result<bool, String>;

/// One row of the table.
#[derive(Debug)]
pub struct Directive {
    /// The name used in files and by CONFIG.
    pub name: &'static str,
    /// An older name with the same meaning.
    pub alias: Option<&'static str>,
    /// See [`flags`].
    pub flags: u16,
    /// What a new value entails.
    pub effect: Option<Effect>,
    pub(super) get: fn(&Config) -> Vec<u8>,
    pub(super) set: Set,
    pub(super) lines: fn(&Config, &Config) -> Vec<Line>,
    pub(super) overruling_lines: fn(&Config, &Config) -> Vec<Line>,
}

impl Directive {
    /// All rows.
    pub fn all() -> impl Iterator<Item = &'static Directive> {
        super::table::DIRECTIVES.iter().chain(super::kept::DIRECTIVES)
    }

    /// Finds a directive by name or alias, in any case, with the name that matched.
    pub fn find(name: &[u8]) -> Option<(&'static Directive, &'static str)> {
        Directive::all().find_map(|directive| {
            let matched = directive.names().find(|known| known.as_bytes().eq_ignore_ascii_case(name))?;
            Some((directive, matched))
        })
    }

    /// The name, then the alias.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        [Some(self.name), self.alias].into_iter().flatten()
    }

    /// Whether all of `flags` are set.
    pub fn is(&self, flags: u16) -> bool {
        self.flags & flags == flags
    }

    /// The value as CONFIG GET shows it.
    pub fn value(&self, config: &Config) -> Vec<u8> {
        (self.get)(config)
    }

    /// Sets from one text, as CONFIG SET does: several words are split at single spaces, without quotes.
    pub(super) fn set_text(&self, config: &mut Config, text: &[u8]) -> Result<bool, String> {
        let words: Vec<Vec<u8>> = if !self.is(flags::MULTI_ARG) {
            vec![text.to_vec()]
        } else if text.is_empty() {
            Vec::new()
        } else {
            text.split(|&byte| byte == b' ').map(<[u8]>::to_vec).collect()
        };
        let changed = (self.set)(config, &words, Occurrence::First)?;
        Ok(changed || self.is(flags::VOLATILE))
    }
}
