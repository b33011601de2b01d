//! When keys were last used, or how often: what the access field of entries notes.

use crate::db::entry::EntryView;

/// The bits of the access field.
const ACCESS_MASK: u32 = (1 << 24) - 1;
/// The access counter of a new key: it should live long enough to be counted.
pub(super) const NEW_KEY_COUNT: u32 = 5;

/// How accesses are noted in an entry's 24 bits.
#[derive(Clone, Copy, Debug)]
pub struct AccessClock {
    /// Least frequently used, rather than recently.
    pub frequency: bool,
    /// The time in seconds, for recency.
    seconds: u32,
    /// The time in minutes, for frequency.
    minutes: u16,
    /// How hard it is to be counted: `lfu-log-factor`.
    pub log_factor: u32,
    /// The period after which a key that was not used loses a count: `lfu-decay-time`.
    pub decay_minutes: u32,
}

impl Default for AccessClock {
    fn default() -> Self {
        Self { frequency: false, seconds: 0, minutes: 0, log_factor: 10, decay_minutes: 1 }
    }
}

impl AccessClock {
    /// Sets the time, in Unix milliseconds.
    #[inline]
    pub fn set_time(&mut self, now_ms: i64) {
        self.seconds = (now_ms / 1000) as u32 & ACCESS_MASK;
        self.minutes = (now_ms / 60_000) as u16;
    }

    /// The access field of a key that was not used for some seconds, or so often; as if just made if that is not what
    /// is noted.
    pub fn restored(&self, idle_seconds: Option<u64>, frequency: Option<u8>) -> u32 {
        match (self.frequency, idle_seconds, frequency) {
            (true, _, Some(count)) => u32::from(self.minutes) << 8 | u32::from(count),
            (false, Some(idle), _) => self.seconds.wrapping_sub(idle as u32) & ACCESS_MASK,
            (true, _, None) | (false, None, _) => self.new_key(),
        }
    }

    /// The access field of a key made or overwritten now.
    #[inline]
    pub fn new_key(&self) -> u32 {
        if self.frequency { u32::from(self.minutes) << 8 | NEW_KEY_COUNT } else { self.seconds }
    }

    /// Notes an access now. A second access within the clock's unit writes nothing. What `draw` gives decides whether a
    /// frequently used key is counted once more; it is not asked where frequency is not noted.
    #[inline]
    pub fn note(&self, entry: EntryView<'_>, draw: impl FnOnce() -> u64) {
        if self.frequency {
            self.note_frequency(entry, draw());
        } else if entry.access() != self.seconds {
            entry.set_access(self.seconds);
        }
    }

    #[inline(never)]
    fn note_frequency(&self, entry: EntryView<'_>, random: u64) {
        let count = self.decayed_count(entry.access());
        let base = count.saturating_sub(NEW_KEY_COUNT);
        let chance = 1.0 / f64::from(base * self.log_factor + 1);
        let counted = count < 255 && (random >> 11) as f64 / ((1u64 << 53) as f64) < chance;
        entry.set_access(u32::from(self.minutes) << 8 | (count + u32::from(counted)));
    }

    /// The access counter less one for each period in which the key was not used.
    pub fn decayed_count(&self, access: u32) -> u32 {
        let (then, count) = ((access >> 8) as u16, access & 0xff);
        let idle = u32::from(self.minutes.wrapping_sub(then));
        match idle.checked_div(self.decay_minutes) {
            Some(periods) => count.saturating_sub(periods),
            None => count,
        }
    }

    /// Seconds since the access that a field notes.
    pub fn idle_seconds(&self, access: u32) -> u32 {
        self.seconds.wrapping_sub(access) & ACCESS_MASK
    }
}
