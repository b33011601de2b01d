//! Settings of a Linux system that a server suffers from; other systems have nothing to look at.

use std::fs;

use crate::config::Config;
use crate::util::platform;

/// Logs a warning for each unsuitable setting, and changes what concerns this process alone.
pub fn check(config: &Config) {
    if let Some(limit) = number("/proc/sys/net/core/somaxconn").filter(|limit| *limit < u64::from(config.tcp_backlog)) {
        log::warn!(
            "WARNING: The TCP backlog setting of {} cannot be enforced because /proc/sys/net/core/somaxconn is set to \
             the lower value of {limit}.",
            config.tcp_backlog
        );
    }
    if number("/proc/sys/vm/overcommit_memory") == Some(0) {
        log::warn!(
            "WARNING Memory overcommit must be enabled! Without it, saving in the background or replication may fail \
             when memory is scarce. Set 'vm.overcommit_memory = 1' in /etc/sysctl.conf and restart the system, or run \
             'sysctl vm.overcommit_memory=1', for this to take effect."
        );
    }
    if has_huge_pages() && (!config.disable_thp || platform::disable_huge_pages().is_err()) {
        log::warn!(
            "WARNING You have Transparent Huge Pages (THP) support enabled in your kernel. It makes saving in the \
             background slow and memory hungry. Run 'echo madvise > /sys/kernel/mm/transparent_hugepage/enabled' as \
             root, and add it to your /etc/rc.local to keep it after a restart of the system. The server has to be \
             restarted afterwards (disable-thp is {}).",
            if config.disable_thp { "yes" } else { "no" }
        );
    }
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn has_huge_pages() -> bool {
    let setting = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    setting.is_ok_and(|setting| setting.contains("[always]"))
}
