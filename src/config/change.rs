//! CONFIG GET and CONFIG SET.
//!
//! A CONFIG SET is all or nothing. [`Config::set_many`] checks and stores every value or none. What
//! a value entails outside of `Config` ([`Effect`]) is the server's to do afterwards; when one of
//! those fails, the server puts the old values back with [`Changes::roll_back`], applies the effects
//! once more, and reports [`Changes::failed`].

use std::fmt;

use super::directive::{Directive, Effect, flags};
use super::table::Config;
use crate::util::glob;

/// The circumstances of a CONFIG SET.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// A data set is being loaded.
    pub loading: bool,
    /// The client is of this machine.
    pub local_client: bool,
}

/// What a successful [`Config::set_many`] changed.
#[derive(Debug)]
pub struct Changes {
    before: Box<Config>,
    /// The directives that got a new value.
    changed: Vec<&'static Directive>,
}

impl Changes {
    /// What the server has to do, each once, with the first directive that asks for it.
    pub fn effects(&self) -> Vec<(Effect, &'static Directive)> {
        let mut effects: Vec<(Effect, &'static Directive)> = Vec::new();
        for &directive in &self.changed {
            if let Some(effect) = directive.effect
                && effects.iter().all(|(known, _)| *known != effect)
            {
                effects.push((effect, directive));
            }
        }
        effects
    }

    /// Puts the values before back.
    pub fn roll_back(&self, config: &mut Config) {
        config.clone_from(&self.before);
    }

    /// The error for an effect that failed.
    pub fn failed(directive: &Directive, message: impl Into<String>) -> SetError {
        SetError::Failed { name: directive.name.into(), message: message.into() }
    }
}

/// Why a CONFIG SET is refused. The text goes after `ERR `, but for `Loading`, which has its own code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetError {
    /// No such directive.
    Unknown(String),
    /// Not while loading; answered with the LOADING error.
    Loading,
    /// A value or a directive is refused.
    Failed {
        /// The directive.
        name: String,
        /// The reason.
        message: String,
    },
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SetError::Unknown(name) => {
                write!(f, "Unknown option or number of arguments for CONFIG SET - '{name}'")
            }
            SetError::Loading => write!(f, "Redis is loading the dataset in memory"),
            SetError::Failed { name, message } => {
                write!(f, "CONFIG SET failed (possibly related to argument '{name}') - {message}")
            }
        }
    }
}

impl std::error::Error for SetError {}

impl Config {
    /// CONFIG GET: names and values of the directives that match one of the patterns, each name
    /// once. A plain name is answered as it was written; aliases match by themselves.
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut found: Vec<(Vec<u8>, &Directive)> = Vec::new();
        let mut add = |name: &[u8], directive| {
            if found.iter().all(|(known, _)| !known.eq_ignore_ascii_case(name)) {
                found.push((name.to_vec(), directive));
            }
        };
        for &pattern in patterns {
            if !pattern.iter().any(|byte| b"[*?".contains(byte)) {
                if let Some((directive, _)) = Directive::find(pattern) {
                    add(pattern, directive);
                }
                continue;
            }
            for directive in Directive::all().filter(|directive| !directive.is(flags::HIDDEN)) {
                for name in directive.names() {
                    if glob::matches_ignore_case(pattern, name.as_bytes()) {
                        add(name.as_bytes(), directive);
                    }
                }
            }
        }
        found.into_iter().map(|(name, directive)| (name, directive.value(self))).collect()
    }

    /// CONFIG SET: stores all values, or none.
    pub fn set_many(&mut self, pairs: &[(&[u8], &[u8])], access: Access) -> Result<Changes, SetError> {
        let directives = self.settable(pairs, access)?;
        let before = Box::new(self.clone());
        let mut changed = Vec::new();
        for ((directive, name), (_, value)) in directives.into_iter().zip(pairs) {
            match directive.set_text(self, value) {
                Ok(true) => changed.push(directive),
                Ok(false) => {}
                Err(message) => {
                    *self = *before;
                    return Err(SetError::Failed { name: name.into(), message });
                }
            }
        }
        Ok(Changes { before, changed })
    }

    fn settable(
        &self,
        pairs: &[(&[u8], &[u8])],
        access: Access,
    ) -> Result<Vec<(&'static Directive, &'static str)>, SetError> {
        let mut directives: Vec<(&'static Directive, &'static str)> = Vec::new();
        for (name, _) in pairs {
            let shown = || String::from_utf8_lossy(name).into_owned();
            let failed = |message: &str| SetError::Failed { name: shown(), message: message.into() };
            let (directive, known) = Directive::find(name).ok_or_else(|| SetError::Unknown(shown()))?;
            if directive.is(flags::IMMUTABLE) {
                return Err(failed("can't set immutable config"));
            }
            if directive.is(flags::PROTECTED) && !self.enable_protected_configs.allows(access.local_client) {
                return Err(failed("can't set protected config"));
            }
            if directive.is(flags::DENY_LOADING) && access.loading {
                return Err(SetError::Loading);
            }
            if directives.iter().any(|(_, other)| *other == known) {
                return Err(failed("duplicate parameter"));
            }
            directives.push((directive, known));
        }
        Ok(directives)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ProtectedAction;

    const REMOTE: Access = Access { loading: false, local_client: false };

    fn set(config: &mut Config, pairs: &[(&str, &str)], access: Access) -> Result<Changes, String> {
        let pairs: Vec<(&[u8], &[u8])> =
            pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        config.set_many(&pairs, access).map_err(|error| error.to_string())
    }

    fn refused(pairs: &[(&str, &str)]) -> String {
        let mut config = Config::default();
        let error = set(&mut config, pairs, REMOTE).unwrap_err();
        assert_eq!(config, Config::default(), "changed in spite of {error}");
        error
    }

    fn names(config: &Config, patterns: &[&str]) -> Vec<String> {
        let patterns: Vec<&[u8]> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
        let found = config.get(&patterns);
        found.into_iter().map(|(name, _)| String::from_utf8(name).unwrap()).collect()
    }

    #[test]
    fn get_shows_each_match_once_with_aliases() {
        let config = Config::default();
        let found = names(&config, &["maxmemory", "maxmemory*", "bind", "*of"]);
        let expected = [
            "maxmemory",
            "maxmemory-clients",
            "maxmemory-policy",
            "maxmemory-samples",
            "maxmemory-eviction-tenacity",
            "maxmemory-scripts",
            "bind",
            "replicaof",
            "slaveof",
        ];
        assert_eq!(found, expected);
        assert_eq!(names(&config, &["MaxMemory", "maxmemory", "MAXMEMORY"]), ["MaxMemory"]);
        assert!(names(&config, &["nosuch", "no*such"]).is_empty());
    }

    #[test]
    fn get_shows_hidden_directives_by_exact_name_only() {
        let config = Config::default();
        assert!(!names(&config, &["*"]).contains(&"key-load-delay".to_owned()));
        assert_eq!(names(&config, &["key-load-delay"]), ["key-load-delay"]);
    }

    #[test]
    fn set_changes_all_or_nothing() {
        let pairs =
            [("maxmemory", "10000001"), ("maxmemory-clients", "200%"), ("client-query-buffer-limit", "invalid")];
        let expected = "CONFIG SET failed (possibly related to argument 'maxmemory-clients') - \
                        percentage argument must be less or equal to 100";
        assert_eq!(refused(&pairs), expected);
        let mut config = Config::default();
        let pairs = [("maxmemory", "10000001"), ("repl-backlog-size", "10000002"), ("save", "3000 5")];
        set(&mut config, &pairs, REMOTE).unwrap();
        assert_eq!((config.maxmemory, config.repl_backlog_size, config.save[0].seconds), (10000001, 10000002, 3000));
    }

    #[test]
    fn set_refuses_unknown_immutable_protected_and_duplicate_directives() {
        assert_eq!(refused(&[("nosuch", "1")]), "Unknown option or number of arguments for CONFIG SET - 'nosuch'");
        let failed = |name, reason| format!("CONFIG SET failed (possibly related to argument '{name}') - {reason}");
        assert_eq!(refused(&[("Daemonize", "yes")]), failed("Daemonize", "can't set immutable config"));
        assert_eq!(refused(&[("dir", "/")]), failed("dir", "can't set protected config"));
        let twice = [("hz", "1"), ("HZ", "2")];
        assert_eq!(refused(&twice), failed("HZ", "duplicate parameter"));
        let first_error_wins = [("daemonize", "yes"), ("nosuch", "1")];
        assert_eq!(refused(&first_error_wins), failed("daemonize", "can't set immutable config"));
        let by_alias = [("Slave-priority", "x")];
        let reason = "argument couldn't be parsed into an integer";
        assert_eq!(refused(&by_alias), failed("slave-priority", reason));
    }

    #[test]
    fn set_of_protected_directives_may_be_open_to_clients_of_this_machine() {
        let mut config = Config { enable_protected_configs: ProtectedAction::Local, ..Config::default() };
        assert!(set(&mut config, &[("dbfilename", "x.rdb")], REMOTE).is_err());
        set(&mut config, &[("dbfilename", "x.rdb")], Access { local_client: true, ..REMOTE }).unwrap();
        assert_eq!(config.dbfilename, "x.rdb");
    }

    #[test]
    fn set_of_some_directives_waits_for_loading() {
        let loading = Access { loading: true, local_client: true };
        let mut config = Config { enable_protected_configs: ProtectedAction::Yes, ..Config::default() };
        assert_eq!(config.set_many(&[(b"dir", b"asdf")], loading).unwrap_err(), SetError::Loading);
        assert!(config.set_many(&[(b"loglevel", b"debug")], loading).is_ok());
    }

    #[test]
    fn changes_tell_effects_once_and_roll_back() {
        let mut config = Config::default();
        let pairs = [
            ("oom-score-adj", "yes"),
            ("oom-score-adj-values", "1 1 1"),
            ("port", "7000"),
            ("timeout", "1"),
            ("hz", "10"),
            ("tls-cert-file", ""),
        ];
        let changes = set(&mut config, &pairs, REMOTE).unwrap();
        let names: Vec<&str> = changes.changed.iter().map(|directive| directive.name).collect();
        assert_eq!(names, ["oom-score-adj", "oom-score-adj-values", "port", "timeout", "tls-cert-file"]);
        let effects: Vec<(Effect, &str)> =
            changes.effects().into_iter().map(|(effect, directive)| (effect, directive.name)).collect();
        let expected = [(Effect::OomScore, "oom-score-adj"), (Effect::Port, "port"), (Effect::Tls, "tls-cert-file")];
        assert_eq!(effects, expected);
        assert_eq!(changes.before.port, 6379);
        changes.roll_back(&mut config);
        assert_eq!(config, Config::default());
        let (port, _) = Directive::find(b"port").unwrap();
        let error = Changes::failed(port, "Unable to listen on this port. Check server logs.");
        let expected = "CONFIG SET failed (possibly related to argument 'port') - \
                        Unable to listen on this port. Check server logs.";
        assert_eq!(error.to_string(), expected);
    }
}
