//! Whether the cluster can serve.

use crate::db::slot::SLOTS;
use crate::peers::cluster::node::Flags;
use crate::peers::cluster::state::{Health, Reason, State};

/// A primary that has just started waits for so long, in milliseconds, before it serves: it may have been replaced.
const STARTING_MS: i64 = 2000;
/// One that was in a minority waits for a node timeout, within these bounds.
const REJOIN_MS: std::ops::RangeInclusive<i64> = 500..=5000;

impl State {
    /// Looks whether the cluster can serve.
    pub(super) fn look_at_health(&mut self, now_ms: i64) {
        let first_look_ms = *self.first_look_ms.get_or_insert(now_ms);
        let is_primary = self.myself().is_primary();
        if is_primary && !self.is_ok() && now_ms - first_look_ms < STARTING_MS {
            // An operator who gives slots away meanwhile is to see how many vote.
            self.voters = self.count_voters().0;
            return;
        }
        let (voters, reachable) = self.count_voters();
        self.voters = voters;
        let mut health = self.uncovered().map_or(Health::Ok, |slot| Health::Fail(Reason::Uncovered(slot)));
        if reachable < self.quorum() {
            health = Health::Fail(Reason::Minority);
            self.minority_ms = now_ms;
        }
        let rejoin_ms = self.settings.node_timeout_ms.clamp(*REJOIN_MS.start(), *REJOIN_MS.end());
        if health == Health::Ok && !self.is_ok() && is_primary && now_ms - self.minority_ms < rejoin_ms {
            return;
        }
        if self.is_ok() != (health == Health::Ok) {
            log::warn!("Cluster state changed: {}", if health == Health::Ok { "ok" } else { "fail" });
        }
        self.health = health;
    }

    /// A slot that nobody serves, if that matters.
    fn uncovered(&self) -> Option<u16> {
        let working = self.nodes.iter().filter(|(_, node)| !node.has_failed());
        let covered: usize = working.map(|(_, node)| node.slots().len()).sum();
        if covered == SLOTS || !self.settings.require_full_coverage {
            return None;
        }
        let is_served =
            |slot: u16| self.owner(slot).and_then(|key| self.node(key)).is_some_and(|node| !node.has_failed());
        (0..SLOTS as u16).find(|slot| !is_served(*slot))
    }

    /// How many nodes vote, and how many of these can be reached.
    fn count_voters(&self) -> (usize, usize) {
        let voting = self.nodes.iter().filter(|(_, node)| node.votes());
        voting.fold((0, 0), |(all, reachable), (_, node)| {
            (all + 1, reachable + usize::from(!node.flags.has(Flags::UNREACHABLE)))
        })
    }

    /// How many votes are most of them.
    pub(super) fn quorum(&self) -> usize {
        self.voters / 2 + 1
    }
}
