//! The history of a data set that was loaded.

use super::primary;
use crate::peers::repl::outgoing::Outgoing;
use crate::peers::repl::primary::Cached;
use crate::persist::rdb::load::Loader;
use crate::server::execution::changes;
use crate::server::{Server, propagate};

/// Appends to the history what was found to have expired in the data set that is loaded at start.
pub fn note_expired(server: &mut Server, loader: &mut Loader) {
    let expired = loader.take_expired();
    if expired.is_empty() {
        return;
    }
    adopt_history(server, loader.aux());
    if server.repl.backlog.is_none() {
        return;
    }
    let deletion = changes::deletion(server.config.lazyfree_lazy_expire);
    let mut deletions = Outgoing::default();
    expired.iter().for_each(|(db, key)| deletions.push_words(*db, &[deletion.as_bytes(), key]));
    server.repl.feed(deletions.framed(false));
    primary::after_replies(server);
}

/// Takes over from a data set that is loaded at start where in which history it stands, as soon as that is known.
pub fn adopt_history(server: &mut Server, aux: &[(String, Vec<u8>)]) {
    if server.repl.history_is_known {
        return;
    }
    let text = |name: &str| {
        let field = aux.iter().find(|(field, _)| field == name);
        field.and_then(|(_, text)| std::str::from_utf8(text).ok())
    };
    let number =
        |name: &str| text(name)?.parse().ok().filter(|number| (0..=crate::peers::repl::OFFSET_MAX).contains(number));
    let (id, offset, db) = (text("repl-id"), number("repl-offset"), number("repl-stream-db"));
    let (Some(id), Some(offset), Some(db)) = (id.filter(|id| id.len() == crate::peers::repl::ID_CHARS), offset, db)
    else {
        return;
    };
    server.repl.history_is_known = true;
    let history = &mut server.repl.history;
    history.offset = offset;
    if server.config.replicaof.is_some() {
        history.id = id.to_owned();
        server.repl.cached = Some(Cached { id: id.to_owned(), offset, db: db as usize });
    } else {
        history.second_id = id.to_owned();
        history.second_offset = offset + 1;
        // Whoever followed before the end of the last process finds its place again.
        server.repl.begin_backlog(server.config.repl_backlog_size);
        propagate::update_propagate_observer(server);
    }
}
