//! CONFIG GET and CONFIG SET.
//!
//! A CONFIG SET is all or nothing. [`Config::set_many`] checks and stores every value or none. What
//! a value entails outside of `Config` ([`Effect`]) is the server's to do afterwards; when one of
//! those fails, the server puts the old values back with [`Changes::roll_back`], applies the effects
//! once more, and reports [`Changes::failed`].

use super::Config;
use super::directive::{Directive, Effect, flags};
use crate::util::glob;
use std::fmt;

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
    changed: Vec<&'static Directive>,
}

impl Changes {
    /// The directives that got a new value.
    pub fn directives(&self) -> &[&'static Directive] {
        &self.changed
    }

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

    /// The values before.
    pub fn before(&self) -> &Config {
        &self.before
    }

    /// Puts the values before back.
    pub fn roll_back(&self, config: &mut Config) {
        config.clone_from(&self.before);
    }

    /// The error for an effect that failed.
    pub fn failed(directive: &Directive, message: impl Into<String>) -> SetError {
        SetError::Failed {
            name: directive.name.into(),
            message: message.into(),
        }
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
                write!(
                    f,
                    "Unknown option or number of arguments for CONFIG SET - '{name}'"
                )
            }
            SetError::Loading => write!(f, "Redis is loading the dataset in memory"),
            SetError::Failed { name, message } => {
                write!(
                    f,
                    "CONFIG SET failed (possibly related to argument '{name}') - {message}"
                )
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
            if found
                .iter()
                .all(|(known, _)| !known.eq_ignore_ascii_case(name))
            {
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
            for directive in super::DIRECTIVES
                .iter()
                .filter(|directive| !directive.is(flags::HIDDEN))
            {
                for name in directive.names() {
                    if glob::matches(pattern, name.as_bytes(), true) {
                        add(name.as_bytes(), directive);
                    }
                }
            }
        }
        found
            .into_iter()
            .map(|(name, directive)| (name, directive.value(self)))
            .collect()
    }

    /// CONFIG SET: stores all values, or none.
    pub fn set_many(
        &mut self,
        pairs: &[(&[u8], &[u8])],
        access: Access,
    ) -> Result<Changes, SetError> {
        let directives = self.settable(pairs, access)?;
        let before = Box::new(self.clone());
        let mut changed = Vec::new();
        for ((directive, name), (_, value)) in directives.into_iter().zip(pairs) {
            match directive.set_text(self, value) {
                Ok(true) => changed.push(directive),
                Ok(false) => {}
                Err(message) => {
                    *self = *before;
                    return Err(SetError::Failed {
                        name: name.into(),
                        message,
                    });
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
            let failed = |message: &str| SetError::Failed {
                name: shown(),
                message: message.into(),
            };
            let (directive, known) =
                Directive::find(name).ok_or_else(|| SetError::Unknown(shown()))?;
            if directive.is(flags::IMMUTABLE) {
                return Err(failed("can't set immutable config"));
            }
            if directive.is(flags::PROTECTED)
                && !self.enable_protected_configs.allows(access.local_client)
            {
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
