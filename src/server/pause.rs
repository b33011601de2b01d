//! CLIENT PAUSE, and what else holds commands.

/// Which commands CLIENT PAUSE holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseKind {
    /// Those that may change something.
    Write,
    /// All.
    All,
}

/// Why the server itself holds writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WritePauseReason {
    /// A replica takes its place.
    Failover,
    /// Slots are about to be another node's.
    SlotHandoff,
    /// It is about to end.
    Shutdown,
}

/// CLIENT PAUSE, and what is like it.
#[derive(Debug, Default)]
pub struct Pause {
    pub active: Option<(PauseKind, i64)>,
    /// Why the server itself holds writes.
    pub holders: Vec<WritePauseReason>,
}

impl Pause {
    /// What is held now.
    pub fn kind(&self) -> Option<PauseKind> {
        self.active.map(|(kind, _)| kind).or((!self.holders.is_empty()).then_some(PauseKind::Write))
    }

    /// When it ends, in Unix milliseconds.
    pub fn end_ms(&self) -> Option<i64> {
        self.active.map(|(_, end)| end)
    }

    /// Begins or prolongs a pause; it never gets weaker or shorter by a second request.
    pub fn begin(&mut self, kind: PauseKind, end_ms: i64) {
        let (kind, end_ms) = match self.active {
            Some((PauseKind::All, end)) => (PauseKind::All, end.max(end_ms)),
            Some((PauseKind::Write, end)) => (kind, end.max(end_ms)),
            None => (kind, end_ms),
        };
        self.active = Some((kind, end_ms));
    }

    /// Ends it, as far as it was asked for.
    pub fn end(&mut self) {
        self.active = None;
    }

    /// Has writes held by the server itself for a reason, or not any more.
    pub fn hold_writes(&mut self, holder: WritePauseReason, holds: bool) {
        self.holders.retain(|other| *other != holder);
        if holds {
            self.holders.push(holder);
        }
    }
}
