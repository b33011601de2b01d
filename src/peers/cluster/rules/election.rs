//! Elections: a replica asks for votes, primaries vote once an epoch.

use super::Moment;
use crate::peers::cluster::election::{Election, Hindrance};
use crate::peers::cluster::message::{Body, Header, Marks, Message, Packet};
use crate::peers::cluster::node::{Flags, NodeKey};
use crate::peers::cluster::outbox::Action;
use crate::peers::cluster::state::State;

/// Before it asks a replica waits for the news of the failure to spread,
const DELAY_MS: i64 = 500;
/// by chance so much longer,
const CHANCE_MS: u64 = 500;
/// and for each replica that is ahead of it.
const RANK_MS: i64 = 1000;
/// Votes come within two node timeouts, but no fewer than these. After twice that it may ask again.
const TIMEOUT_MIN_MS: i64 = 2000;
/// The same hindrance is told again after so long.
const TELL_AGAIN_MS: i64 = 300_000;
/// A failure is no hindrance worth telling of before that.
const TELL_AFTER_MS: i64 = 5000;

impl State {
    /// Goes on with the election of this node, if it is to take its primary's place.
    pub(super) fn go_on_with_election(&mut self, moment: &mut Moment<'_>) {
        let is_manual = self.manual.until_ms != 0 && self.manual.can_start;
        let is_wanted = self.my_primary().is_some_and(|(_, primary)| {
            (primary.has_failed() && !self.settings.no_failover || is_manual) && !primary.slots().is_empty()
        });
        if !is_wanted {
            self.election.hindrance = None;
            return;
        }
        if !is_manual && self.data_is_too_old(moment.local.data_age_ms) {
            return self.hinder(Hindrance::DataAge, moment.now_ms);
        }
        let timeout_ms = self.settings.node_timeout_ms.saturating_mul(2).max(TIMEOUT_MIN_MS);
        let age_ms = moment.now_ms - self.election.at_ms;
        if age_ms > timeout_ms.saturating_mul(2) {
            return self.schedule_election(moment);
        }
        if !self.election.asked && self.manual.until_ms == 0 {
            self.update_rank(moment.local.offset);
        }
        if moment.now_ms < self.election.at_ms {
            self.hinder(Hindrance::Delay, moment.now_ms);
        } else if age_ms > timeout_ms {
            self.hinder(Hindrance::Expired, moment.now_ms);
        } else if !self.election.asked {
            self.ask_for_votes(moment);
        } else if self.election.voters.len() >= self.quorum() {
            log::warn!("Failover election won: I'm the new master.");
            self.claim_epoch_of_election();
            self.replace_primary(moment);
        } else {
            self.hinder(Hindrance::Votes, moment.now_ms);
        }
    }

    fn data_is_too_old(&self, age_ms: i64) -> bool {
        let timeout_ms = self.settings.node_timeout_ms;
        // It took the failed primary so long to be known as such.
        let age_ms = if age_ms > timeout_ms { age_ms - timeout_ms } else { age_ms };
        let allowed_ms = timeout_ms.saturating_mul(self.settings.replica_validity_factor);
        self.settings.replica_validity_factor != 0
            && age_ms > allowed_ms.saturating_add(self.settings.ping_replica_period_ms)
    }

    fn schedule_election(&mut self, moment: &mut Moment<'_>) {
        let mut election =
            Election { hindrance: self.election.hindrance, told_ms: self.election.told_ms, ..Election::default() };
        if self.manual.until_ms != 0 {
            election.at_ms = moment.now_ms;
            self.outbox.look_at_election = true;
        } else {
            election.rank = self.rank(moment.local.offset);
            let delay_ms = DELAY_MS + moment.random.below(CHANCE_MS) as i64;
            election.at_ms = moment.now_ms + delay_ms + election.rank as i64 * RANK_MS;
        }
        log::warn!(
            "Start of election delayed for {} milliseconds (rank #{}, offset {}).",
            election.at_ms - moment.now_ms,
            election.rank,
            moment.local.offset
        );
        self.election = election;
        // The other replicas find their ranks by it.
        let primary = self.myself().primary();
        let siblings: Vec<NodeKey> = self
            .nodes
            .iter()
            .filter(|(key, node)| *key != self.myself && node.is_replica() && node.primary() == primary)
            .map(|(key, _)| key)
            .collect();
        self.pong(&siblings, moment);
    }

    /// How many replicas of the same primary that might take its place are ahead of this one.
    fn rank(&self, offset: i64) -> usize {
        let siblings = self.my_primary().map(|(_, primary)| primary.replicas()).unwrap_or_default();
        let others = siblings.iter().filter(|key| **key != self.myself).filter_map(|key| self.node(*key));
        others.filter(|node| !node.flags.has(Flags::NO_FAILOVER) && node.offset > offset).count()
    }

    fn update_rank(&mut self, offset: i64) {
        let rank = self.rank(offset);
        if rank > self.election.rank {
            let delay_ms = (rank - self.election.rank) as i64 * RANK_MS;
            self.election.at_ms += delay_ms;
            self.election.rank = rank;
            log::warn!("Replica rank updated to #{rank}, added {delay_ms} milliseconds of delay.");
        }
    }

    fn ask_for_votes(&mut self, moment: &mut Moment<'_>) {
        self.current_epoch += 1;
        self.election.epoch = self.current_epoch;
        self.election.asked = true;
        log::warn!("Starting a failover election for epoch {}.", self.current_epoch);
        let mut header = self.header(moment);
        if self.manual.until_ms != 0 {
            header.marks.set(Marks::FORCE);
        }
        let to = self.links_to(|_, _| true);
        if !to.is_empty() {
            let message = Message { header, body: Body::AuthRequest };
            self.outbox.push(Action::Send { to, packet: Packet::Whole(Box::new(message)) });
        }
        self.outbox.changed(true);
    }

    fn claim_epoch_of_election(&mut self) {
        let epoch = self.election.epoch;
        if self.myself().config_epoch < epoch {
            self.myself_mut().config_epoch = epoch;
            log::warn!("configEpoch set to {epoch} after successful failover");
        }
    }

    /// Notes why this node does not take its primary's place, and tells the log now and then.
    fn hinder(&mut self, hindrance: Hindrance, now_ms: i64) {
        if self.election.hindrance == Some(hindrance) && now_ms - self.election.told_ms < TELL_AGAIN_MS {
            return;
        }
        self.election.hindrance = Some(hindrance);
        let patience_ms = self.settings.node_timeout_ms.saturating_add(TELL_AFTER_MS);
        if self
            .my_primary()
            .is_some_and(|(_, primary)| primary.has_failed() && now_ms - primary.failed_ms < patience_ms)
        {
            return;
        }
        self.election.told_ms = now_ms;
        let what = match hindrance {
            Hindrance::DataAge => {
                "Disconnected from master for longer than allowed. Please check the 'cluster-replica-validity-factor' \
                 configuration option."
            }
            Hindrance::Delay => "Waiting the delay before I can start a new failover.",
            Hindrance::Expired => "Failover attempt expired.",
            Hindrance::Votes => "Waiting for votes, but majority still not reached.",
        };
        log::warn!("Currently unable to failover: {what}");
    }

    /// A node has voted for this one.
    pub(super) fn hear_vote(&mut self, sender: NodeKey, epoch: u64) {
        let votes = self.node(sender).is_some_and(|node| node.votes());
        if votes && self.election.asked && epoch >= self.election.epoch && self.election.voters.insert(sender) {
            self.outbox.look_at_election = true;
        }
    }

    /// A replica asks for the vote of this node.
    pub(super) fn hear_request(&mut self, sender: NodeKey, header: &Header, moment: &Moment<'_>) {
        if !self.myself().votes() {
            return;
        }
        let Some((id, link)) = self.node(sender).map(|node| (node.id, node.link)) else { return };
        if let Err(why) = self.may_vote(sender, header, moment.now_ms) {
            log::warn!("Failover auth denied to {id}: {why}");
            return;
        }
        self.last_vote_epoch = self.current_epoch;
        let primary = self.node(sender).and_then(|node| node.primary());
        if let Some(primary) = primary.and_then(|key| self.nodes.get_mut(key)) {
            primary.voted_ms = moment.now_ms;
        }
        self.outbox.save(true);
        self.send(Vec::from_iter(link), Body::AuthAck, moment);
        log::warn!("Failover auth granted to {id} for epoch {}", self.current_epoch);
    }

    fn may_vote(&self, sender: NodeKey, header: &Header, now_ms: i64) -> Result<(), String> {
        let (asked, current) = (header.current_epoch, self.current_epoch);
        if asked < current {
            return Err(format!("reqEpoch ({asked}) < curEpoch({current})"));
        }
        if self.last_vote_epoch >= current {
            return Err(format!("already voted for epoch {current}"));
        }
        let node = self.node(sender).filter(|node| !node.is_primary()).ok_or("it is a master node")?;
        let primary = node.primary().and_then(|key| self.node(key)).ok_or("I don't know its master")?;
        if !primary.has_failed() && !header.marks.has(Marks::FORCE) {
            return Err("its master is up".to_owned());
        }
        let rest_ms = self.settings.node_timeout_ms.saturating_mul(2).saturating_sub(now_ms - primary.voted_ms);
        if rest_ms > 0 {
            return Err(format!("can't vote about this master before {rest_ms} milliseconds"));
        }
        let claimed = header.config_epoch;
        let newer =
            |slot: &u16| !self.is_unclaimed(*slot) && self.owner_epoch(*slot).is_some_and(|epoch| epoch > claimed);
        match header.slots.iter().find(newer) {
            None => Ok(()),
            Some(slot) => {
                let epoch = self.owner_epoch(slot).unwrap_or(0);
                Err(format!("slot {slot} epoch ({epoch}) > reqEpoch ({claimed})"))
            }
        }
    }
}
