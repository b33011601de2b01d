//! The destination's side of a task.

use super::{SIGN_OF_LIFE_MS, Task, TaskState};

/// Milliseconds between a failure and the next try.
const AGAIN_AFTER_MS: i64 = 1000;
/// How long replicas may take to have what has come before the source is told that this node has it, in milliseconds.
const REPLICAS_MS_MAX: i64 = 2000;

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Begin, or begin again.
    Begin,
    /// Tell the source how far this node is.
    Ack(u64),
    /// Begin again later: it has failed.
    GiveUp(&'static str),
}

/// A task at the destination.
#[derive(Debug)]
pub struct Import {
    pub task: Task,
    /// It does not begin before.
    not_before_ms: i64,
    /// Bytes of the stream that were worked off.
    applied: u64,
    heard_ms: i64,
    said_ms: i64,
    /// When all was there, when the source was told, and for how long the slots may be taken then.
    ended_ms: i64,
    ready_ms: Option<i64>,
    lease_ms: i64,
}

impl Import {
    /// A task that begins at once.
    pub fn new(task: Task) -> Import {
        Import {
            not_before_ms: task.created_ms,
            task,
            applied: 0,
            heard_ms: 0,
            said_ms: 0,
            ended_ms: 0,
            ready_ms: None,
            lease_ms: 0,
        }
    }

    /// Whether it waits for its next try.
    pub fn rests(&self) -> bool {
        matches!(self.task.state, TaskState::None | TaskState::Failed)
    }

    /// The connection is being made.
    pub fn connecting(&mut self, now_ms: i64) {
        self.task.state = TaskState::Connecting;
        self.task.started_ms = Some(now_ms);
        (self.task.keys_total, self.task.keys_done) = (0, 0);
        self.heard_ms = now_ms;
    }

    /// The source has answered, and is asked what comes next.
    pub fn goes_on(&mut self, state: TaskState, now_ms: i64) {
        self.task.state = state;
        self.heard_ms = now_ms;
    }

    /// The stream begins; the slots have so many keys.
    pub fn stream_begins(&mut self, keys: u64, now_ms: i64) {
        self.goes_on(TaskState::StreamingBuffer, now_ms);
        self.task.keys_total = keys;
        (self.applied, self.said_ms) = (0, now_ms);
    }

    /// All keys are there.
    pub fn snapshot_ended(&mut self) {
        self.task.state = TaskState::WaitStreamEof;
    }

    /// The stream was worked off up to an offset.
    pub fn applied(&mut self, offset: u64, now_ms: i64) {
        self.applied = offset;
        self.heard_ms = now_ms;
    }

    /// There is nothing more, and the source is to be told; then the slots may be taken for so long. First replicas are
    /// to have it all: the source's may be the only other ones that do.
    ///
    /// # Errors
    /// When keys are still missing.
    pub fn stream_ended(&mut self, lease_ms: i64, now_ms: i64) -> Result<(), &'static str> {
        if self.task.state != TaskState::WaitStreamEof {
            return Err("The source ends the stream before all keys were sent");
        }
        self.goes_on(TaskState::Takeover, now_ms);
        (self.ended_ms, self.ready_ms, self.lease_ms) = (now_ms, None, lease_ms);
        Ok(())
    }

    /// Whether the source is to be told now that all is there, `confirmed` if replicas have it; only once. Those that take
    /// too long are not waited for: the source holds writes meanwhile.
    pub fn becomes_ready(&mut self, confirmed: bool, now_ms: i64) -> bool {
        let waits = self.task.state == TaskState::Takeover && self.ready_ms.is_none();
        let waited_ms = now_ms - self.ended_ms;
        let too_long = !(0..REPLICAS_MS_MAX.min(self.lease_ms / 2)).contains(&waited_ms);
        let is_due = waits && (confirmed || too_long);
        if is_due {
            self.ready_ms = Some(now_ms);
        }
        is_due
    }

    /// How far the stream was worked off.
    pub fn offset(&self) -> u64 {
        self.applied
    }

    /// Whether the slots may be taken now that the source has said so.
    pub fn may_take_over(&self, now_ms: i64) -> bool {
        let since_ms = self.ready_ms.map(|ready_ms| now_ms - ready_ms);
        self.task.state == TaskState::Takeover
            && since_ms.is_some_and(|since_ms| (0..=self.lease_ms).contains(&since_ms))
    }

    /// It has failed, and begins again after a while.
    pub fn failed(&mut self, why: &str, now_ms: i64) {
        self.task.fail(why);
        self.not_before_ms = now_ms.saturating_add(AGAIN_AFTER_MS);
    }

    /// What is due, if anything. The source is given up when nothing is heard of it for `silence_ms_max`.
    pub fn settle(&mut self, silence_ms_max: i64, now_ms: i64) -> Option<Step> {
        if self.rests() {
            // The clock may have been set back.
            let is_due = now_ms >= self.not_before_ms || self.not_before_ms - now_ms > AGAIN_AFTER_MS;
            return is_due.then_some(Step::Begin);
        }
        if now_ms - self.heard_ms > silence_ms_max {
            return Some(Step::GiveUp("The source was not heard of for too long"));
        }
        let streams = matches!(self.task.state, TaskState::StreamingBuffer | TaskState::WaitStreamEof);
        if streams && now_ms - self.said_ms >= SIGN_OF_LIFE_MS {
            return Some(self.ack(now_ms));
        }
        None
    }

    /// Tells how far this node is.
    pub fn ack(&mut self, now_ms: i64) -> Step {
        self.said_ms = now_ms;
        Step::Ack(self.applied)
    }
}
