//! `notify-keyspace-events`: letters for classes of events and for the channels they go to.

use std::ops::{BitOr, BitOrAssign};

use super::directive::Occurrence;
use super::kinds::{Kind, Line, quoted, single};

/// `notify-keyspace-events`: classes of events to publish, and on which channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NotifyFlags(u32);

impl NotifyFlags {
    /// `K`: on `__keyspace@db__:key` channels.
    pub const KEYSPACE: NotifyFlags = NotifyFlags(1);
    /// `E`: on `__keyevent@db__:event` channels.
    pub const KEYEVENT: NotifyFlags = NotifyFlags(1 << 1);
    /// `g`: commands of no type, like DEL and EXPIRE.
    pub const GENERIC: NotifyFlags = NotifyFlags(1 << 2);
    /// `$`: strings.
    pub const STRING: NotifyFlags = NotifyFlags(1 << 3);
    /// `l`: lists.
    pub const LIST: NotifyFlags = NotifyFlags(1 << 4);
    /// `s`: sets.
    pub const SET: NotifyFlags = NotifyFlags(1 << 5);
    /// `h`: hashes.
    pub const HASH: NotifyFlags = NotifyFlags(1 << 6);
    /// `z`: sorted sets.
    pub const ZSET: NotifyFlags = NotifyFlags(1 << 7);
    /// `x`: a key expired.
    pub const EXPIRED: NotifyFlags = NotifyFlags(1 << 8);
    /// `e`: a key was evicted.
    pub const EVICTED: NotifyFlags = NotifyFlags(1 << 9);
    /// `t`: streams.
    pub const STREAM: NotifyFlags = NotifyFlags(1 << 10);
    /// `m`: a key was read that isn't there; not among `A`.
    pub const KEY_MISS: NotifyFlags = NotifyFlags(1 << 11);
    /// `d`: types of modules.
    pub const MODULE: NotifyFlags = NotifyFlags(1 << 13);
    /// `n`: a key was made; not among `A`.
    pub const NEW: NotifyFlags = NotifyFlags(1 << 14);
    /// `o`: a key's value was replaced; not among `A`.
    pub const OVERWRITTEN: NotifyFlags = NotifyFlags(1 << 15);
    /// `c`: a key's value was replaced by one of another type; not among `A`.
    pub const TYPE_CHANGED: NotifyFlags = NotifyFlags(1 << 16);
    /// `S`: on `__subkeyspace@db__:key` channels, with the fields concerned.
    pub const SUBKEYSPACE: NotifyFlags = NotifyFlags(1 << 17);
    /// `T`: on `__subkeyevent@db__:event` channels, with key and fields.
    pub const SUBKEYEVENT: NotifyFlags = NotifyFlags(1 << 18);
    /// `I`: on a `__subkeyspaceitem@db__:key` channel for each field.
    pub const SUBKEYSPACE_ITEM: NotifyFlags = NotifyFlags(1 << 19);
    /// `V`: on `__subkeyspaceevent@db__:event|key` channels, with the fields concerned.
    pub const SUBKEYSPACE_EVENT: NotifyFlags = NotifyFlags(1 << 20);
    /// The channels that tell of fields.
    pub const SUBKEYS: NotifyFlags = NotifyFlags(0b1111 << 17);
    /// `a`: arrays.
    pub const ARRAY: NotifyFlags = NotifyFlags(1 << 21);
    /// `p`: path hashes.
    pub const PATH_HASH: NotifyFlags = NotifyFlags(1 << 22);
    /// `b`: bitmaps that are values of their own.
    pub const BITMAP: NotifyFlags = NotifyFlags(1 << 23);
    /// `A`: `g$lshzxetdapb`.
    pub const ALL: NotifyFlags = NotifyFlags(Self::ARRAY.0 | Self::PATH_HASH.0 | Self::BITMAP.0 | 0b10_0111_1111_1100);

    /// Classes that are not among `A`, but that CONFIG GET does not show beside it.
    const HIDDEN_BY_ALL: NotifyFlags = NotifyFlags(Self::NEW.0 | Self::OVERWRITTEN.0 | Self::TYPE_CHANGED.0);

    /// Letters in the order CONFIG GET shows them.
    const LETTERS: [(u8, NotifyFlags); 23] = [
        (b'g', Self::GENERIC),
        (b'$', Self::STRING),
        (b'l', Self::LIST),
        (b's', Self::SET),
        (b'h', Self::HASH),
        (b'z', Self::ZSET),
        (b'x', Self::EXPIRED),
        (b'e', Self::EVICTED),
        (b't', Self::STREAM),
        (b'd', Self::MODULE),
        (b'a', Self::ARRAY),
        (b'p', Self::PATH_HASH),
        (b'b', Self::BITMAP),
        (b'n', Self::NEW),
        (b'o', Self::OVERWRITTEN),
        (b'c', Self::TYPE_CHANGED),
        (b'K', Self::KEYSPACE),
        (b'E', Self::KEYEVENT),
        (b'm', Self::KEY_MISS),
        (b'S', Self::SUBKEYSPACE),
        (b'T', Self::SUBKEYEVENT),
        (b'I', Self::SUBKEYSPACE_ITEM),
        (b'V', Self::SUBKEYSPACE_EVENT),
    ];

    /// Reads letters; `None` when one is unknown.
    pub fn parse(letters: &[u8]) -> Option<NotifyFlags> {
        let mut flags = NotifyFlags::default();
        for letter in letters {
            flags |= match Self::LETTERS.iter().find(|(known, _)| known == letter) {
                Some((_, flag)) => *flag,
                None if *letter == b'A' => Self::ALL,
                None => return None,
            };
        }
        Some(flags)
    }

    /// The letters, with `A` for all classes at once. As in Redis `A` hides `n`, `o` and `c`.
    pub fn letters(self) -> String {
        let all = self.contains(Self::ALL);
        let hidden = if all { Self::ALL | Self::HIDDEN_BY_ALL } else { NotifyFlags::default() };
        let shown = Self::LETTERS.iter().filter(|(_, flag)| self.contains(*flag) && !hidden.contains(*flag));
        all.then_some('A').into_iter().chain(shown.map(|(letter, _)| char::from(*letter))).collect()
    }

    /// Whether all of `other` is set.
    pub fn contains(self, other: NotifyFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether any of `other` is set.
    pub fn intersects(self, other: NotifyFlags) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether nothing is published.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl BitOr for NotifyFlags {
    type Output = NotifyFlags;

    fn bitor(self, other: NotifyFlags) -> NotifyFlags {
        NotifyFlags(self.0 | other.0)
    }
}

impl BitOrAssign for NotifyFlags {
    fn bitor_assign(&mut self, other: NotifyFlags) {
        self.0 |= other.0;
    }
}

pub(super) struct NotifyLetters;

impl Kind for NotifyLetters {
    type Value = NotifyFlags;

    fn parse(&self, words: &[Vec<u8>], _: &NotifyFlags, _: Occurrence) -> Result<NotifyFlags, String> {
        NotifyFlags::parse(single(words)?)
            .ok_or_else(|| "Invalid event class character. Use 'Ag$lshzxeKEtmdnapb'.".into())
    }

    fn show(&self, value: &NotifyFlags) -> Vec<u8> {
        value.letters().into()
    }

    fn lines(&self, name: &str, value: &NotifyFlags, _: &NotifyFlags) -> Vec<Line> {
        vec![Line::new(name, &quoted(value.letters().as_bytes()), !value.is_empty())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_classes_are_shown_in_redis_order() {
        let shown = |letters: &[u8]| NotifyFlags::parse(letters).map(NotifyFlags::letters);
        assert_eq!(shown(b"KEA").as_deref(), Some("AKE"));
        assert_eq!(shown(b"g$lshzxetdapbKE").as_deref(), Some("AKE"));
        assert_eq!(shown(b"AnKEm").as_deref(), Some("AKEm"));
        assert_eq!(shown(b"mEKndtexzhsl$").as_deref(), Some("$lshzxetdnKEm"));
        assert_eq!(shown(b"").as_deref(), Some(""));
        assert_eq!(shown(b"KEy"), None);
        assert!(!NotifyFlags::ALL.contains(NotifyFlags::KEY_MISS));
        assert!(!NotifyFlags::ALL.contains(NotifyFlags::NEW));
        assert_eq!(shown(b"KEocAnm").as_deref(), Some("AKEm"));
        assert_eq!(shown(b"oc").as_deref(), Some("oc"));
        assert_eq!(shown(b"VITShE").as_deref(), Some("hESTIV"));
    }
}
