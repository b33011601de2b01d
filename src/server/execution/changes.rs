//! What a handler says has changed, and what has expired or was evicted, noted for all who want to know: watched keys,
//! keyspace events, propagation, tracking, keys that may serve blocked clients.

use super::context::Ctx;
use crate::config::NotifyFlags;
use crate::db::keyspace::{Note, NoteKind};
use crate::db::{Databases, Key};
use crate::net::ClientKey;
use crate::server::Server;
use crate::server::clients::tracked_keys;
use crate::server::effects::{Event, Observers};
use crate::types::ValueType;

/// A key changed: see [`Ctx::changed`].
pub fn touched(cx: &mut Ctx<'_>, db: usize, key: &[u8], event: Event) {
    touched_quietly(cx, db, key);
    let fields = std::mem::take(&mut cx.server.effects.fields).into();
    cx.server.effects.notify(&cx.server.config.notify_keyspace_events, db, key, event, fields);
}

/// A key changed, which makes no keyspace event.
fn touched_quietly(cx: &mut Ctx<'_>, db: usize, key: &[u8]) {
    key_changed_in(cx, db, key);
    if cx.server.observers.has(Observers::OWN_WRITES) {
        note_own_write(cx, db, key);
    }
}

/// A key changed, of which neither persistence nor subscribers need to know.
pub fn key_changed(cx: &mut Ctx<'_>, key: &[u8]) {
    key_changed_in(cx, cx.db.selected(), key);
}

fn key_changed_in(cx: &mut Ctx<'_>, db: usize, key: &[u8]) {
    apply_keyspace_notes(cx.server, cx.db);
    mark_touched(cx.server, db, key, Cause::Client(cx.client));
    if cx.server.observers.has(Observers::EVICTION) {
        cx.db.note_change(db, key);
    }
}

/// Has those who wait on a key look again, though it did not change.
pub fn wake(cx: &mut Ctx<'_>, key: &[u8]) {
    let db = cx.db.selected();
    if cx.server.waiters.signal(db, key) {
        cx.server.effects.ready.push((db, key.into()));
    }
}

/// Why a key changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// A client's command changed it.
    Client(ClientKey),
    /// Its time had come.
    Expired,
    /// The server changed it otherwise.
    Server,
}

/// Fails the transactions that watch a key, has those told who hold a copy of it, and notes that its waiters can be
/// served. That a key which had expired before it was watched is now deleted, too, is no change.
fn mark_touched(server: &mut Server, db: usize, key: &[u8], cause: Cause) {
    if server.observers.has(Observers::TRACKING) {
        let by = if let Cause::Client(client) = cause { Some(client) } else { None };
        tracked_keys::key_changed(server, key, by);
    }
    let Server { watches, clients, .. } = server;
    for (client, was_expired) in watches.watchers(db, key).into_iter().flatten() {
        let Some(client) = clients.get_mut(*client) else { continue };
        match *was_expired && cause == Cause::Expired {
            true => *was_expired = false,
            false => client.dirty = true,
        }
    }
    if server.waiters.signal(db, key) {
        server.effects.ready.push((db, key.into()));
    }
}

/// All keys of a database are about to go, and those of `replacement`, if any, to come: see FLUSHDB and SWAPDB. Call it
/// while the keys are still there.
pub fn database_replaced(cx: &mut Ctx<'_>, db: usize, replacement: Option<usize>) {
    replace_database(cx.server, cx.db, db, replacement);
}

/// [`database_replaced`], outside of commands.
pub fn replace_database(server: &mut Server, databases: &mut Databases, db: usize, replacement: Option<usize>) {
    if !server.observers.any() {
        return;
    }
    apply_keyspace_notes(server, databases);
    let Server { watches, clients, .. } = server;
    for (key, watchers) in watches.of_database(db) {
        let hashed = Key::new(key);
        let entry_in = |db: usize| databases.database(db).dict.find(hashed.hash(), key);
        let now_ms = databases.now_ms();
        let existed = entry_in(db).is_some();
        let replaced_by = replacement.and_then(entry_in);
        let expired = replaced_by.is_some_and(|entry| entry.is_due(now_ms));
        if !existed && replaced_by.is_none() {
            continue;
        }
        for (client, was_expired) in watchers {
            let Some(client) = clients.get_mut(*client) else { continue };
            match *was_expired {
                // What had expired goes, or is replaced by what has expired as well: no change.
                true if replaced_by.is_none() => *was_expired = false,
                true if expired => {}
                false if !existed && expired => *was_expired = true,
                true | false => client.dirty = true,
            }
        }
    }
    // Who waits looks again: for what came, or because what there was has gone.
    let waited = server.waiters.keys(db);
    server.effects.ready.extend(waited.into_iter().map(|key| (db, key)));
}

/// A database, or all of them, was emptied: who holds copies throws all of them away, since those don't tell databases
/// apart.
pub fn all_keys_gone(server: &mut Server) {
    server.moves.flushed = true;
    if server.observers.has(Observers::TRACKING) {
        tracked_keys::all_changed(server);
    }
}

/// Carries out what the happenings in the keyspace entail: expired keys are propagated as deleted, and subscribers
/// told.
pub fn apply_keyspace_notes(server: &mut Server, db: &mut Databases) {
    let enabled = server.config.notify_keyspace_events;
    for Note { db, key, kind, parts } in db.take_notes() {
        let event = match kind {
            NoteKind::Expired => Event { class: NotifyFlags::EXPIRED, name: "expired" },
            NoteKind::Missed => Event { class: NotifyFlags::KEY_MISS, name: "keymiss" },
            NoteKind::Created => Event { class: NotifyFlags::NEW, name: "new" },
            NoteKind::Overwritten => Event::OVERWRITTEN,
            NoteKind::TypeChanged => Event::TYPE_CHANGED,
            NoteKind::Evicted => Event { class: NotifyFlags::EVICTED, name: "evicted" },
            NoteKind::FieldsExpired => Event::hash("hexpired"),
            NoteKind::MembersExpired => Event::set("sexpired"),
            NoteKind::Emptied => Event::generic("del"),
        };
        if !parts.is_empty() {
            mark_touched(server, db, &key, Cause::Server);
            if server.observers.propagates() {
                let removal: &[u8] = if kind == NoteKind::MembersExpired { b"SREM" } else { b"HDEL" };
                let outgoing = &mut server.effects.outgoing;
                parts.iter().for_each(|part| outgoing.push_words(db, &[removal, &key[..], part]));
            }
        }
        if matches!(kind, NoteKind::Expired | NoteKind::Evicted) {
            let cause = if kind == NoteKind::Expired { Cause::Expired } else { Cause::Server };
            mark_touched(server, db, &key, cause);
            if server.observers.propagates() {
                let config = &server.config;
                let lazily =
                    if kind == NoteKind::Evicted { config.lazyfree_lazy_eviction } else { config.lazyfree_lazy_expire };
                let delete = deletion(lazily);
                server.effects.outgoing.push_words(db, &[delete.as_bytes(), &key]);
            }
        }
        let fields = if kind == NoteKind::FieldsExpired { parts } else { Box::default() };
        server.effects.notify(&enabled, db, &key, event, fields);
    }
}

/// Deletes a key that has no place here any more, with all that follows from it.
pub fn delete_by_server(server: &mut Server, databases: &mut Databases, db: usize, key: &[u8]) {
    databases.delete(&Key::new(key));
    databases.dirty += 1;
    mark_touched(server, db, key, Cause::Server);
    if server.observers.propagates() {
        let delete = deletion(server.config.lazyfree_lazy_server_del);
        server.effects.outgoing.push_words(db, &[delete.as_bytes(), key]);
    }
    let enabled = server.config.notify_keyspace_events;
    server.effects.notify(&enabled, db, key, Event::generic("del"), Box::default());
}

/// The command that a deletion by the server itself is propagated as.
pub fn deletion(lazily: bool) -> &'static str {
    if lazily { "UNLINK" } else { "DEL" }
}

impl Ctx<'_> {
    /// Says that a key has changed: the single duty of a writer. Counts it for persistence, fails transactions that
    /// watch it, tells subscribers of keyspace events, wakes clients blocked on it, and has the command propagated.
    #[inline]
    pub fn changed(&mut self, key: &Key<'_>, event: Event) {
        self.db.dirty += 1;
        self.touched(key, event);
    }

    /// Like [`Ctx::changed`] for a change of which Redis makes no keyspace event.
    pub fn changed_quietly(&mut self, key: &Key<'_>) {
        self.db.dirty += 1;
        if self.server.observers.any() {
            touched_quietly(self, self.db.selected(), key.bytes());
        }
    }

    /// Like [`Ctx::changed`] for a further key or event of a change that was counted already.
    #[inline]
    pub fn touched(&mut self, key: &Key<'_>, event: Event) {
        if self.server.observers.any() {
            touched(self, self.db.selected(), key.bytes(), event);
        }
    }

    /// Like [`Ctx::touched`] for a key of another database.
    pub fn touched_in(&mut self, db: usize, key: &[u8], event: Event) {
        if self.server.observers.any() {
            touched(self, db, key, event);
        }
    }

    /// Deletes a key whose last element was just taken, a change that was counted already.
    pub fn emptied(&mut self, key: &Key<'_>) {
        self.db.delete(key);
        self.touched(key, Event::generic("del"));
    }

    /// Whether somebody wants to know which fields of a hash change.
    #[inline]
    pub fn tells_fields(&self) -> bool {
        self.server.config.notify_keyspace_events.intersects(NotifyFlags::SUBKEYS)
    }

    /// Names the fields that the change is about of which [`Ctx::changed`] or [`Ctx::touched`] is told next.
    #[inline]
    pub fn name_fields<'f>(&mut self, fields: impl IntoIterator<Item = &'f [u8]>) {
        if self.tells_fields() {
            self.server.effects.fields = fields.into_iter().map(Box::from).collect();
        }
    }

    /// Says that a key took the place of one of type `old`, if there was one, by another way than [`Databases::put`].
    pub fn replaced(&mut self, key: &Key<'_>, old: Option<ValueType>) {
        let enabled = self.server.config.notify_keyspace_events;
        if !enabled.intersects(NotifyFlags::OVERWRITTEN | NotifyFlags::TYPE_CHANGED) {
            return;
        }
        let Some(old) = old else { return };
        self.notify(key.bytes(), Event::OVERWRITTEN);
        if self.db.value_type(key) != Some(old) {
            self.notify(key.bytes(), Event::TYPE_CHANGED);
        }
    }

    /// A keyspace event of a key that did not change.
    pub fn notify(&mut self, key: &[u8], event: Event) {
        apply_keyspace_notes(self.server, self.db);
        let db = self.db.selected();
        let enabled = self.server.config.notify_keyspace_events;
        self.server.effects.notify(&enabled, db, key, event, Box::default());
    }
}

/// A client has written to a key of this replica. The primary does not know of an expiry it may have got by that, and
/// will never say that its time has come.
pub fn note_own_write(cx: &mut Ctx<'_>, db: usize, key: &[u8]) {
    let entry = cx.db.database(db).dict.find(Key::new(key).hash(), key);
    if entry.is_some_and(|entry| entry.expire_at().is_some()) && !cx.must_obey() {
        cx.server.repl.own_keys.note(db, key);
    }
}
