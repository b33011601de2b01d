//! SLOWLOG: the latest commands that took long.

use std::collections::VecDeque;

use crate::resp::request::ArgView;

/// Arguments kept of one command; the last one kept tells how many are missing.
const ARGS_MAX: usize = 32;
/// Bytes kept of one argument.
const ARG_BYTES_MAX: usize = 128;

/// A slow command.
#[derive(Clone, Debug)]
pub struct SlowCommand {
    /// Its number.
    pub id: u64,
    /// When it ended, in Unix seconds.
    pub time: i64,
    /// How long it ran, in microseconds.
    pub micros: u64,
    /// Its arguments, shortened.
    pub args: Vec<Vec<u8>>,
    /// The client's address.
    pub peer: String,
    /// The client's name.
    pub client_name: Vec<u8>,
}

/// The slow log, newest first.
#[derive(Debug, Default)]
pub struct SlowLog {
    /// The commands.
    pub entries: VecDeque<SlowCommand>,
    next_id: u64,
}

impl SlowLog {
    /// Adds a command and forgets those beyond `max`.
    #[allow(clippy::too_many_arguments)] // they are the columns of an entry
    pub fn add(
        &mut self,
        args: &ArgView<'_>,
        redacted: &[usize],
        micros: u64,
        time: i64,
        peer: &str,
        name: &[u8],
        max: usize,
    ) {
        let kept = if args.len() > ARGS_MAX { ARGS_MAX - 1 } else { args.len() };
        let shorten = |index: usize| {
            if redacted.contains(&index) {
                return b"(redacted)".to_vec();
            }
            let arg = args.get(index);
            if arg.len() <= ARG_BYTES_MAX {
                return arg.to_vec();
            }
            let mut short = arg[..ARG_BYTES_MAX].to_vec();
            short.extend_from_slice(format!("... ({} more bytes)", arg.len() - ARG_BYTES_MAX).as_bytes());
            short
        };
        let mut shown: Vec<Vec<u8>> = (0..kept).map(shorten).collect();
        if kept < args.len() {
            shown.push(format!("... ({} more arguments)", args.len() - kept).into_bytes());
        }
        let entry = SlowCommand {
            id: self.next_id,
            time,
            micros,
            args: shown,
            peer: peer.to_owned(),
            client_name: name.to_vec(),
        };
        self.next_id += 1;
        self.entries.push_front(entry);
        self.trim(max);
    }

    /// Forgets the oldest beyond `max`.
    pub fn trim(&mut self, max: usize) {
        self.entries.truncate(max);
    }
}
