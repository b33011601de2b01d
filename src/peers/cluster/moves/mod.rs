//! Atomic slot migration: slots with all they hold go from one node to another, and change hands at one moment.
//!
//! The destination asks, and is sent one stream of requests on a connection of its own:
//! ```text
//! destination (Import)                                     source (Export)
//!   CLUSTER SYNCSLOTS SYNC id node range …      ──>
//!                                               <──   +SLOTSSNAPSHOT keys
//!                                               <──   keys slot by slot, and changes of the slots already sent
//!   CLUSTER SYNCSLOTS ACK offset  (once a second) ──>
//!                                               <──   CLUSTER SYNCSLOTS SNAPSHOT-EOF
//!                                               <──   changes
//!                                                     little is under way: writes are held
//!                                               <──   CLUSTER SYNCSLOTS STREAM-EOF lease
//!   replicas are waited for, not for long
//!   CLUSTER SYNCSLOTS READY offset epoch        ──>   nothing is missing there
//!                                               <──   CLUSTER SYNCSLOTS TAKEOVER epoch
//!   takes a new epoch, owns the slots, tells all
//!   CLUSTER SYNCSLOTS TAKEN epoch               ──>   the slots are gone: writes go on, keys are removed
//!   (or CLUSTER SYNCSLOTS DECLINED 0            ──>   the slots stay: writes go on)
//! ```
//! One stream, in order, is all there is: a slot whose keys have not been sent yet gets none of its changes, since its
//! keys will be sent as they are then; a slot that was sent gets all of them; and of the one slot that is being sent the
//! keys that change meanwhile are sent once more at its end, as they are then.
//!
//! Whoever dies, nothing is lost. Until TAKEOVER the source has the slots and all their keys, and what the destination
//! has of them counts for nothing: these are [`strays`](super::State::strays), which survive a restart as such. The
//! source says TAKEOVER in the first half of the time for which it holds writes; the destination takes the slots
//! within half of that time after it has said that it is ready, or not at all. So when the source lets writes go on
//! without having heard of a takeover there was none; should clocks have stood still, the source has taken a greater
//! epoch before, and its claim counts. The epoch that the destination takes is greater than any that the source knows
//! of, and a node that has said TAKEOVER takes none itself until that is settled.

pub mod export;
pub mod import;
#[cfg(test)]
mod tests;

use super::id::NodeId;
use super::slots::SlotSet;

/// Milliseconds between two signs of life on the connection.
pub const SIGN_OF_LIFE_MS: i64 = 1000;

/// Which side of a task a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The slots come here.
    Import,
    /// The slots go from here.
    Migrate,
}

impl Operation {
    /// As CLUSTER MIGRATION STATUS calls it.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Import => "import",
            Operation::Migrate => "migrate",
        }
    }
}

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskState {
    /// It has yet to begin, or to begin again.
    None,
    /// Import: the connection is being made,
    Connecting,
    /// the password was sent,
    AuthReply,
    /// the slots were asked for,
    SyncslotsReply,
    /// keys and changes come,
    StreamingBuffer,
    /// the keys are there, and changes come,
    WaitStreamEof,
    /// all is there, and the source was told.
    Takeover,
    /// Migrate: keys and changes are sent,
    SendBulkAndStream,
    /// the keys are sent, changes follow,
    SendStream,
    /// writes are held, and the last change was sent,
    Handoff,
    /// the destination was told to take the slots.
    StreamEof,
    /// The slots have changed hands.
    Completed,
    /// They have not.
    Failed,
    /// They have not, since somebody did not want it any more.
    Canceled,
}

impl TaskState {
    /// As CLUSTER MIGRATION STATUS calls it.
    pub fn name(self) -> &'static str {
        match self {
            TaskState::None => "none",
            TaskState::Connecting => "connecting",
            TaskState::AuthReply => "auth-reply",
            TaskState::SyncslotsReply => "syncslots-reply",
            TaskState::StreamingBuffer => "streaming-buffer",
            TaskState::WaitStreamEof => "wait-stream-eof",
            TaskState::Takeover => "takeover",
            TaskState::SendBulkAndStream => "send-bulk-and-stream",
            TaskState::SendStream => "send-stream",
            TaskState::Handoff => "handoff",
            TaskState::StreamEof => "stream-eof",
            TaskState::Completed => "completed",
            TaskState::Failed => "failed",
            TaskState::Canceled => "canceled",
        }
    }
}

/// Slots on their way, as one of the two nodes sees it. Times are Unix milliseconds.
#[derive(Clone, Debug)]
pub struct Task {
    /// Forty hexadecimal digits, the same at both nodes.
    pub id: String,
    pub slots: SlotSet,
    pub source: NodeId,
    pub dest: NodeId,
    pub operation: Operation,
    pub state: TaskState,
    /// Why it failed last; empty if it never did.
    pub last_error: String,
    /// How often it began again.
    pub retries: u64,
    pub created_ms: i64,
    pub started_ms: Option<i64>,
    pub ended_ms: Option<i64>,
    /// Since when writes are, or were, held.
    pub paused_ms: Option<i64>,
    /// Keys of the slots when they began to be sent,
    pub keys_total: u64,
    /// and how many of them have been.
    pub keys_done: u64,
}

impl Task {
    /// A task that has yet to begin.
    pub fn new(id: String, slots: SlotSet, ends: (NodeId, NodeId), operation: Operation, now_ms: i64) -> Task {
        Task {
            id,
            slots,
            source: ends.0,
            dest: ends.1,
            operation,
            state: TaskState::None,
            last_error: String::new(),
            retries: 0,
            created_ms: now_ms,
            started_ms: None,
            ended_ms: None,
            paused_ms: None,
            keys_total: 0,
            keys_done: 0,
        }
    }

    /// Its slots as a text: ranges with blanks between.
    pub fn slots_text(&self) -> String {
        ranges_text(&self.slots)
    }

    /// Notes why it has failed, and how far it was.
    pub fn fail(&mut self, why: &str) {
        self.last_error = format!("{why} (state: {})", self.state.name());
        self.state = TaskState::Failed;
    }

    /// How long writes were held for it, in milliseconds; 0 unless it is completed.
    pub fn write_pause_ms(&self) -> i64 {
        let pause = self.ended_ms.zip(self.paused_ms).filter(|_| self.state == TaskState::Completed);
        pause.map_or(0, |(end, begin)| (end - begin).max(0))
    }

    /// How much of the keys has been sent, in percent: 100 only once the slots have changed hands.
    pub fn progress_percent(&self) -> u64 {
        match self.state {
            TaskState::Completed => 100,
            _ if self.keys_total == 0 => 0,
            _ => (u128::from(self.keys_done) * 100 / u128::from(self.keys_total)).min(99) as u64,
        }
    }

    /// How long the rest of the keys will take if they go on as so far, in milliseconds; `None` while nothing can be
    /// said.
    pub fn left_ms(&self, now_ms: i64) -> Option<i64> {
        let under_way =
            matches!(self.state, TaskState::SendBulkAndStream | TaskState::StreamingBuffer) && self.keys_done > 0;
        let passed_ms = now_ms - self.started_ms.filter(|_| under_way)?;
        let left = self.keys_total.saturating_sub(self.keys_done);
        i64::try_from(i128::from(passed_ms.max(0)) * i128::from(left) / i128::from(self.keys_done)).ok()
    }
}

/// Ranges of slots, each from its first to its last, with blanks between.
pub fn ranges_text(slots: &SlotSet) -> String {
    let ranges: Vec<String> = slots.ranges().iter().map(|(first, last)| format!("{first}-{last}")).collect();
    ranges.join(" ")
}
