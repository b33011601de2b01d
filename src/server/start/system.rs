//! Settings of a Linux system that a server suffers from; other systems have nothing to look at.

use std::fs;
use std::io::{self, Write};

use crate::config::Config;
use crate::util::platform;

/// A name, and what looks for the setting and says what to do about it.
type Check = (&'static str, fn(&Config) -> Option<String>);

const CHECKS: [Check; 3] = [("backlog", backlog), ("overcommit", overcommit), ("THP", huge_pages)];

/// Logs what the system should be set to, and changes what concerns this process alone.
pub fn check(config: &Config) {
    for advice in CHECKS.iter().filter_map(|(_, advice)| advice(config)) {
        log::warn!("{advice}");
    }
}

/// Shows the outcome of each check: `--check-system`. False when there is something to be done.
///
/// # Errors
/// When it can't be written.
pub fn report(out: &mut dyn Write) -> io::Result<bool> {
    let mut fine = true;
    for (name, advice) in CHECKS {
        match advice(&Config::default()) {
            None => writeln!(out, "[{name}]...OK")?,
            Some(advice) => {
                fine = false;
                writeln!(out, "[{name}]...WARNING:\n{advice}\n")?;
            }
        }
    }
    Ok(fine)
}

fn backlog(config: &Config) -> Option<String> {
    let wanted = config.tcp_backlog;
    let limit = number("/proc/sys/net/core/somaxconn").filter(|limit| *limit < u64::from(wanted))?;
    Some(format!(
        "WARNING: The TCP backlog setting of {wanted} cannot be enforced because /proc/sys/net/core/somaxconn is set to \
         the lower value of {limit}."
    ))
}

fn overcommit(_: &Config) -> Option<String> {
    const ADVICE: &str = "WARNING Memory overcommit must be enabled! Without it, saving in the background or replication may fail when \
         memory is scarce. Set 'vm.overcommit_memory = 1' in /etc/sysctl.conf and restart the system, or run 'sysctl \
         vm.overcommit_memory=1', for this to take effect.";
    (number("/proc/sys/vm/overcommit_memory") == Some(0)).then(|| ADVICE.to_owned())
}

fn huge_pages(config: &Config) -> Option<String> {
    let harmful = has_huge_pages() && (!config.disable_thp || platform::disable_huge_pages().is_err());
    let setting = if config.disable_thp { "yes" } else { "no" };
    harmful.then(|| {
        format!(
            "WARNING You have Transparent Huge Pages (THP) support enabled in your kernel. It makes saving in the \
             background slow and memory hungry. Run 'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled' as \
             root, and add it to your /etc/rc.local to keep it after a restart of the system. The server has to be \
             restarted afterwards (disable-thp is {setting})."
        )
    })
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn has_huge_pages() -> bool {
    let setting = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    setting.is_ok_and(|setting| setting.contains("[always]"))
}
