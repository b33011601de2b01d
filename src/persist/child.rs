//! Whoever writes a snapshot in the background: a process of its own, or a thread that is given copies.

use std::time::Instant;

use super::fork::{Ended, Process, Purpose, Report};
use super::forkless::Thread;
use crate::config::SnapshotMethod;

/// Who does the work.
#[derive(Debug)]
pub enum Worker {
    /// A process.
    Process(Process),
    /// A thread of this process.
    Thread(Thread),
}

/// Work on a snapshot in the background.
#[derive(Debug)]
pub struct Child {
    /// What it is for.
    pub purpose: Purpose,
    /// When it was begun.
    pub started: Instant,
    /// What is known of it since when.
    pub latest: Option<(Report, Instant)>,
    /// Who does it.
    pub worker: Worker,
}

impl Child {
    /// Work that has just begun.
    pub fn begun(purpose: Purpose, worker: Worker) -> Child {
        Child { purpose, started: Instant::now(), latest: None, worker }
    }

    /// How the snapshot is made.
    pub fn method(&self) -> SnapshotMethod {
        match self.worker {
            Worker::Process(_) => SnapshotMethod::Fork,
            Worker::Thread(_) => SnapshotMethod::Forkless,
        }
    }

    /// What tells the names of its files from those of others.
    pub fn tag(&self) -> String {
        match &self.worker {
            Worker::Process(process) => process.pid.to_string(),
            Worker::Thread(thread) => thread.tag().to_owned(),
        }
    }

    /// Takes in what there is to know since the last time.
    pub fn hear(&mut self) {
        let report = match &mut self.worker {
            Worker::Process(process) => process.hear(),
            Worker::Thread(thread) => Some(thread.report()),
        };
        self.latest = report.map(|report| (report, Instant::now())).or(self.latest);
    }

    /// Whether it has ended, and how.
    pub fn poll(&self) -> Option<Ended> {
        match &self.worker {
            Worker::Process(process) => process.poll(),
            Worker::Thread(thread) => thread.ended(),
        }
    }

    /// Ends the work, which is no failure of it; [`Child::poll`] tells when it has ended.
    pub fn kill(&self) {
        match &self.worker {
            Worker::Process(process) => process.kill(),
            Worker::Thread(thread) => thread.abandon(),
        }
    }

    /// Waits until a process that was killed has ended. An abandoned thread has nothing more to say, and ends by itself.
    pub fn wait(&self) {
        match &self.worker {
            Worker::Process(process) => process.wait(),
            Worker::Thread(_) => {}
        }
    }
}
