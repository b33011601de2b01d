//! What the rules want sent and done, in order, and what is due before any of it.

/// What is to be sent and done.
#[derive(Debug, Default)]
pub struct Outbox {
    /// `nodes.conf` is to be written before anything is sent; on the disk, if true.
    pub(super) save: Option<bool>,
    /// What makes the health of the cluster may have changed.
    pub look_at_health: bool,
}

impl Outbox {
    /// Has `nodes.conf` written before anything else is sent; on the disk, if a promise depends on it.
    pub fn save(&mut self, on_disk: bool) {
        self.save = Some(on_disk || self.save == Some(true));
    }

    /// Whether `nodes.conf` is to be written now, and if so, on the disk.
    pub fn take_save(&mut self) -> Option<bool> {
        self.save.take()
    }
}
