//! The source's side of a task.

use std::collections::BTreeSet;

use super::{SIGN_OF_LIFE_MS, Task, TaskState};
use crate::peers::cluster::slots::SlotSet;

/// What the directives say.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// So little may be under way when writes begin to be held, in bytes.
    pub lag_bytes_max: u64,
    /// Writes are held no longer than this, in milliseconds.
    pub pause_ms_max: i64,
    /// Once all keys are sent the lag has to become that small within so many milliseconds; 0 for no limit.
    pub drain_ms_max: i64,
    /// Writes are held for another reason: this is not the moment to give slots away.
    pub held_otherwise: bool,
    /// The destination is given up when nothing is heard of it for so long, in milliseconds.
    pub silence_ms_max: i64,
}

impl Limits {
    /// For how long after it has said that it is ready the destination may take the slots, in milliseconds.
    pub fn lease_ms(&self) -> i64 {
        self.pause_ms_max / 2
    }
}

/// The slot whose keys are being sent.
#[derive(Debug)]
pub struct Walk {
    pub slot: u16,
    /// Where the walk over its keys goes on; `None` before the first step.
    pub cursor: Option<u64>,
    /// Keys that have changed since it began.
    touched: BTreeSet<Box<[u8]>>,
}

/// What becomes of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is none of this task's, or what will be sent has it.
    Ignore,
    /// It is to be sent as it is.
    Send,
    /// Its keys are to be sent at the end of their slot: see [`Export::touch`].
    Touch,
    /// It must not be: writes are held.
    Forbidden,
}

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Tell the destination that all keys were sent.
    EndSnapshot,
    /// Hold writes, and tell the destination that there is nothing more; it has so many milliseconds once it is ready.
    Hold { lease_ms: i64 },
    /// Show the destination that this node is alive.
    SignOfLife,
    /// End the task: it has failed.
    GiveUp(&'static str),
}

/// A task at the source.
#[derive(Debug)]
pub struct Export {
    pub task: Task,
    /// Slots that have yet to be sent, the next one last.
    todo: Vec<u16>,
    /// Slots that have been.
    done: SlotSet,
    walk: Option<Walk>,
    /// Bytes of the stream that were sent, or wait to be,
    sent: u64,
    /// and that the destination has worked off.
    acked: u64,
    /// When the destination was heard of, when it was sent something, and when all keys were sent.
    heard_ms: i64,
    said_ms: i64,
    snapshot_end_ms: i64,
    /// The epoch of the cluster as the destination knew it when it was ready.
    dest_epoch: u64,
}

impl Export {
    /// Begins; the slots have so many keys.
    pub fn new(mut task: Task, keys: u64, now_ms: i64) -> Export {
        task.state = TaskState::SendBulkAndStream;
        task.started_ms = Some(now_ms);
        task.keys_total = keys;
        let mut todo: Vec<u16> = task.slots.iter().collect();
        todo.reverse();
        Export {
            task,
            todo,
            done: SlotSet::default(),
            walk: None,
            sent: 0,
            acked: 0,
            heard_ms: now_ms,
            said_ms: now_ms,
            snapshot_end_ms: now_ms,
            dest_epoch: 0,
        }
    }

    /// The slot whose keys are to be sent now; `None` once all have been.
    pub fn walk(&mut self) -> Option<&mut Walk> {
        if self.walk.is_none() {
            let slot = self.todo.pop()?;
            self.walk = Some(Walk { slot, cursor: None, touched: BTreeSet::new() });
        }
        self.walk.as_mut()
    }

    /// All keys of a slot have been sent: those that have changed meanwhile, which are to be sent now.
    pub fn end_walk(&mut self) -> BTreeSet<Box<[u8]>> {
        let Some(walk) = self.walk.take() else { return BTreeSet::new() };
        self.done.insert(walk.slot);
        walk.touched
    }

    /// Whether keys are still to be sent.
    pub fn has_keys_left(&self) -> bool {
        self.walk.is_some() || !self.todo.is_empty()
    }

    /// What becomes of a change to keys of a slot.
    pub fn fate(&self, slot: u16) -> Fate {
        match self.task.state {
            _ if !self.task.slots.has(slot) => Fate::Ignore,
            TaskState::Handoff | TaskState::StreamEof => Fate::Forbidden,
            _ if self.done.has(slot) => Fate::Send,
            _ if self.walk.as_ref().is_some_and(|walk| walk.slot == slot) => Fate::Touch,
            _ => Fate::Ignore,
        }
    }

    /// A key of the slot that is being sent has changed.
    pub fn touch(&mut self, key: &[u8]) {
        if let Some(walk) = self.walk.as_mut().filter(|walk| !walk.touched.contains(key)) {
            walk.touched.insert(key.into());
        }
    }

    /// So many bytes were added to the stream.
    pub fn added(&mut self, bytes: usize, now_ms: i64) {
        self.sent += bytes as u64;
        self.said_ms = now_ms;
    }

    /// The destination has worked off the stream up to an offset.
    pub fn acked(&mut self, offset: u64, now_ms: i64) {
        self.acked = self.acked.max(offset.min(self.sent));
        self.heard_ms = now_ms;
    }

    /// Whether the destination was told to take the slots.
    pub fn has_granted(&self) -> bool {
        self.task.state == TaskState::StreamEof
    }

    /// The destination does not take the slots that it was told to take; whether it was.
    pub fn declined(&mut self) -> bool {
        let granted = self.has_granted();
        if granted {
            self.task.state = TaskState::Handoff;
        }
        granted
    }

    /// The epoch of the cluster as the destination knew it last.
    pub fn dest_epoch(&self) -> u64 {
        self.dest_epoch
    }

    /// The destination has everything. If that is so, and there is time enough, it is to be told to take the slots.
    ///
    /// # Errors
    /// When it is not to take them: why the task has failed.
    pub fn ready(&mut self, offset: u64, epoch: u64, limits: &Limits, now_ms: i64) -> Result<(), &'static str> {
        self.heard_ms = now_ms;
        let paused_ms = self.task.paused_ms.unwrap_or(now_ms);
        if self.task.state != TaskState::Handoff || offset != self.sent {
            return Err("The destination claims to have what it was not sent");
        }
        // What is left of the pause has to be enough for the destination's lease.
        if now_ms - paused_ms > limits.pause_ms_max - limits.lease_ms() {
            return Err(PAUSE_TIMED_OUT);
        }
        self.dest_epoch = epoch;
        self.task.state = TaskState::StreamEof;
        Ok(())
    }

    /// What is due, if anything; to be asked again after that was done.
    pub fn settle(&mut self, limits: &Limits, now_ms: i64) -> Option<Step> {
        let paused_for_ms = self.task.paused_ms.map_or(0, |since| now_ms - since);
        match self.task.state {
            TaskState::SendBulkAndStream if !self.has_keys_left() => {
                self.task.state = TaskState::SendStream;
                self.snapshot_end_ms = now_ms;
                return Some(Step::EndSnapshot);
            }
            TaskState::SendStream if self.sent - self.acked <= limits.lag_bytes_max && !limits.held_otherwise => {
                self.task.state = TaskState::Handoff;
                self.task.paused_ms = Some(now_ms);
                return Some(Step::Hold { lease_ms: limits.lease_ms() });
            }
            TaskState::SendStream if limits.drain_ms_max > 0 && now_ms - self.snapshot_end_ms > limits.drain_ms_max => {
                return Some(Step::GiveUp("Sync buffer drain timeout"));
            }
            TaskState::Handoff | TaskState::StreamEof if paused_for_ms >= limits.pause_ms_max => {
                return Some(Step::GiveUp(PAUSE_TIMED_OUT));
            }
            _ => {}
        }
        if now_ms - self.heard_ms > limits.silence_ms_max && !self.has_granted() {
            return Some(Step::GiveUp("The destination was not heard of for too long"));
        }
        let streams = matches!(self.task.state, TaskState::SendBulkAndStream | TaskState::SendStream);
        (streams && now_ms - self.said_ms >= SIGN_OF_LIFE_MS).then_some(Step::SignOfLife)
    }
}

const PAUSE_TIMED_OUT: &str = "Server paused timeout";
