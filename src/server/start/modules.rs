//! Modules are refused: whoever counts on one must not be served without it.

use crate::config::Config;

/// Why the server does not start with a configuration that loads a module.
pub fn refuse_configured(config: &Config) -> Result<(), String> {
    if let Some(path) = config.modules.first().and_then(|statement| statement.words.first()) {
        refuse(path);
        return Err(format!("Can't load module from {}: server aborting", String::from_utf8_lossy(path)));
    }
    if config.module_directives.is_empty() {
        return Ok(());
    }
    Err("Module Configuration detected without loadmodule directive or no ApplyConfig call: aborting".to_owned())
}

/// Logs that a module cannot be loaded.
pub fn refuse(path: &[u8]) {
    log::warn!("Module {} failed to load: this server does not run modules", String::from_utf8_lossy(path));
}
