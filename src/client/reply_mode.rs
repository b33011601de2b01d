//! CLIENT REPLY: replies that a client does not want are cut off.

use super::{Client, Modes, ReplyMode};
use crate::resp::reply::{Mark, Reply};

/// Before a command of a client that may want no reply (CLIENT REPLY): remembers where the reply begins. `None` when
/// it is to be sent for sure.
pub fn begin_unwanted_reply(client: &mut Client, mark: &Mark) -> Option<Mark> {
    if !client.modes.has(Modes::REPLY_OFF) {
        return None;
    }
    if client.reply_mode == ReplyMode::SkipNext {
        client.reply_mode = ReplyMode::Skip;
    }
    Some(*mark)
}

/// After such a command: cuts its reply off unless it was CLIENT REPLY ON. Messages that are no replies have to be
/// written later.
pub fn cut_unwanted_reply(client: &mut Client, reply: &mut Reply, silence: Option<Mark>) {
    let Some(mark) = silence else { return };
    if client.reply_mode != ReplyMode::On {
        reply.truncate(mark);
    }
    // A blocked client has yet to be answered.
    if client.reply_mode == ReplyMode::Skip && client.blocked.is_none() {
        client.reply_mode = ReplyMode::On;
    }
    client.modes.set(Modes::REPLY_OFF, client.reply_mode != ReplyMode::On);
}
