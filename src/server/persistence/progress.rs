//! Long work tells how far it is, in the log: loading, saving, rewriting the log of commands, a full synchronization,
//! slots on their way. INFO has the same figures, and of slots CLUSTER MIGRATION STATUS.

use std::time::{Duration, Instant};

use crate::peers::cluster::moves::Task;
use crate::peers::repl::link::State;
use crate::persist::fork::Purpose;
use crate::server::Server;
use crate::server::state::Told;

/// After how long the first line comes, and each further one.
const FIRST_AFTER: Duration = Duration::from_secs(2);
const EVERY: Duration = Duration::from_secs(5);

/// How far a piece of work is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// What it is.
    pub what: &'static str,
    /// The share that is done.
    pub share: f64,
    /// When it began, where that is known.
    pub began: Option<Instant>,
}

/// What is being done.
fn all(server: &Server) -> Vec<Progress> {
    let mut found = Vec::new();
    if let Some(loading) = server.loading.as_ref().filter(|loading| loading.total_bytes > 0) {
        found.push(Progress { what: "Loading", share: loading.percent() / 100.0, began: None });
    } else if let State::Receiving(receiving) = &server.repl.link.state
        && let (read, Some(total)) = receiving.progress()
    {
        let share = read as f64 / total.max(1) as f64;
        found.push(Progress { what: "Receiving the snapshot of the primary", share, began: None });
    }
    // A snapshot without a fork tells by itself.
    if let Some(child) = server.persist.child.as_ref().filter(|_| server.persist.feed.is_none()) {
        let what = match child.purpose {
            Purpose::Rdb => "Saving",
            Purpose::Sync => "Sending a snapshot to replicas",
            Purpose::AofRewrite => "Rewriting the log of commands",
        };
        found.push(Progress { what, share: share_of_child(server), began: Some(child.started) });
    }
    let moves = &server.moves;
    let share = |task: &Task| task.progress_percent() as f64 / 100.0;
    if let Some(work) = &moves.import {
        found.push(Progress { what: "Importing slots", share: share(&work.rules.task), began: None });
    }
    if let Some(work) = &moves.export {
        found.push(Progress { what: "Handing slots to another node", share: share(&work.rules.task), began: None });
    }
    found
}

/// The share of the keys that the child has written.
fn share_of_child(server: &Server) -> f64 {
    let persist = &server.persist;
    let keys = persist.child.as_ref().and_then(|child| child.latest).map_or(0, |(report, _)| report.keys);
    keys as f64 / persist.keys_to_save.max(1) as f64
}

/// Seconds until the child is done, if it goes on as it did.
pub fn child_left_s(server: &Server) -> Option<u64> {
    let child = server.persist.child.as_ref()?;
    left_s(share_of_child(server), child.started.elapsed())
}

/// Seconds that are left of something of which a share was done in some time.
pub fn left_s(share: f64, elapsed: Duration) -> Option<u64> {
    let left = elapsed.as_secs_f64() * (1.0 - share.min(1.0)) / share;
    (share > 0.0).then_some(left.ceil() as u64)
}

/// Tells of what takes long.
pub fn tick(server: &mut Server) {
    let works = server.loading.is_some()
        || server.persist.child.is_some()
        || server.repl.link.is_syncing()
        || server.moves.active() > 0;
    if !works {
        server.cron.told.clear();
        return;
    }
    let now = Instant::now();
    let found = all(server);
    let told = &mut server.cron.told;
    told.retain(|told| found.iter().any(|progress| progress.what == told.what));
    for Progress { what, share, began } in found {
        match told.iter_mut().find(|told| told.what == what) {
            None => told.push(Told { what, began: began.unwrap_or(now), next: now + FIRST_AFTER }),
            Some(told) if now >= told.next => {
                told.next = now + EVERY;
                let left = left_s(share, now - told.began);
                let left = left.map_or_else(String::new, |left| format!(", about {left} seconds left"));
                log::info!("{what}: {:.0}% done{left}", share.min(1.0) * 100.0);
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_from_what_was_done() {
        assert_eq!(left_s(0.25, Duration::from_secs(10)), Some(30));
        assert_eq!(left_s(1.5, Duration::from_secs(10)), Some(0));
        assert_eq!(left_s(0.0, Duration::from_secs(10)), None);
    }
}
