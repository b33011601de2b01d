//! A snapshot on its way to replicas without a file in between.
//!
//! A child, a process or a thread, writes it into a pipe, and the event loop hands each piece on to all replicas that take part: the piece is
//! shared by their outputs, and the next one is read when all of them have been sent the last. So the slowest sets the
//! pace, and memory is bounded. How long the snapshot is nobody knows before: a mark, announced at the beginning, ends
//! it. The stream of changes begins when a replica has told that it has found the mark.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream as BlockingStream;
use std::sync::Arc;

use mio::Interest;
use mio::net::UnixStream;

use super::{channels, roster, unloaded};
use crate::db::Databases;
use crate::net::ClientKey;
use crate::net::tokens::PIPE_TOKEN;
use crate::peers::repl::replica::Filter;
use crate::peers::repl::transfer::Transfer;
use crate::persist::fork::{Ended, Purpose};
use crate::persist::forkless::{is_given_up, new_tag};
use crate::persist::rdb::save::{self, Options};
use crate::persist::rdb::version::Version;
use crate::persist::rdb::write::Sink;
use crate::server::Server;
use crate::server::persistence::forkless::{self, Maker};
use crate::server::persistence::{aof_write, snapshot};
use crate::util::platform;

/// Bytes taken from the pipe at a time: enough to be shared rather than copied.
const PIECE_BYTES: usize = 128 * 1024;

struct PipeSink(BlockingStream);

impl Sink for PipeSink {
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }
}

/// Begins to send a snapshot to replicas; false if that failed.
pub fn begin(server: &mut Server, db: &mut Databases, to: &[ClientKey], filter: Filter) -> bool {
    let mark = crate::peers::repl::new_id(&mut server.random);
    let begun = pipe(server).and_then(|(pipe, theirs)| {
        let content = Content { mark: mark.clone(), options: options(server, filter) };
        match forkless::maker(server, db, None, content.options.version) {
            Maker::Process => {
                let pid = begin_process(server, db, filter, theirs, &content)?;
                log::info!("Background RDB transfer started by pid {pid}");
            }
            Maker::Thread(version) => {
                begin_thread(server, db, filter, version, theirs, content)?;
                log::info!("Background RDB transfer started without fork");
            }
        }
        Ok(pipe)
    });
    match begun {
        Ok(pipe) => {
            server.repl.transfer = Some(Transfer::new(pipe, to.to_vec(), mark));
            true
        }
        Err(error) => {
            log::warn!("Can't save in background: fork: {}", platform::os_error_text(&error));
            false
        }
    }
}

/// A pipe between a child and the event loop, which watches its own end.
fn pipe(server: &Server) -> io::Result<(UnixStream, BlockingStream)> {
    let (ours, theirs) = BlockingStream::pair()?;
    ours.set_nonblocking(true)?;
    let mut pipe = UnixStream::from_std(ours);
    server.listeners.registry().register(&mut pipe, PIPE_TOKEN, Interest::READABLE)?;
    Ok((pipe, theirs))
}

/// What goes through the pipe besides keys.
struct Content {
    /// What ends it.
    mark: String,
    options: Options,
}

impl Content {
    /// Sends it all, the snapshot as `save` writes it. What did not go well is logged.
    fn send(&self, theirs: BlockingStream, save: impl FnOnce(&mut PipeSink, &Options) -> io::Result<()>) -> bool {
        let mut sink = PipeSink(theirs);
        let sent = sink.take(format!("$EOF:{}\r\n", self.mark).as_bytes()).and_then(|()| {
            save(&mut sink, &self.options)?;
            sink.take(self.mark.as_bytes())
        });
        if let Err(error) = sent.as_ref()
            && !is_given_up(error)
        {
            log::warn!("Error sending the RDB to replicas: {}", platform::os_error_text(error));
        }
        sent.is_ok()
    }
}

fn options(server: &Server, filter: Filter) -> Options {
    let mut options = snapshot::file_options(server);
    options.version = filter.version.or(options.version);
    if filter.no_functions {
        options.functions.clear();
    }
    options
}

fn begin_process(
    server: &mut Server,
    db: &mut Databases,
    filter: Filter,
    theirs: BlockingStream,
    content: &Content,
) -> io::Result<i32> {
    let keep = [theirs.as_raw_fd()];
    snapshot::fork_child(server, db, Purpose::Sync, &keep, move |server, db, reporter| {
        let delay_us = server.config.rdb_key_save_delay_us;
        let nothing = Databases::new(0);
        let db = if filter.no_data { &nothing } else { db };
        let mut on_key = |keys: u64| {
            crate::persist::rdb::rest(delay_us, keys);
            reporter.key_done(keys);
        };
        let sent = content.send(theirs, |sink, options| save::save(db, options, sink, &mut on_key).map(|_| ()));
        if sent {
            reporter.finish();
        }
        sent
    })
}

fn begin_thread(
    server: &mut Server,
    db: &mut Databases,
    filter: Filter,
    version: Version,
    theirs: BlockingStream,
    content: Content,
) -> io::Result<()> {
    let mut nothing = Databases::new(0);
    let (db, version) = if filter.no_data { (&mut nothing, Version::LOWEST) } else { (db, version) };
    forkless::begin(server, db, Purpose::Sync, version, new_tag(), move |outline, supply, on_key| {
        let sent = content.send(theirs, |sink, options| {
            save::save_images(outline, options, sink, supply, on_key)?;
            supply.check_whole()
        });
        sent && supply.commit(|| Ok(())).is_ok()
    })
}

/// Hands on what the child has written, as far as all replicas are ready for it.
pub fn pump(server: &mut Server) {
    loop {
        let Some(transfer) = &mut server.repl.transfer else { return };
        if transfer.read_all {
            return finish_if_done(server);
        }
        let stuck = |key: &ClientKey| server.clients.get(*key).is_some_and(|client| !client.output.is_empty());
        if transfer.to.iter().any(stuck) {
            return;
        }
        let mut piece = vec![0; PIECE_BYTES];
        match transfer.pipe.read(&mut piece) {
            Ok(0) => {
                transfer.read_all = true;
                let left = transfer.to.len();
                log::warn!("Diskless rdb transfer, done reading from pipe, {left} replicas still up.");
            }
            Ok(read) => {
                piece.truncate(read);
                transfer.note(&piece);
                send_piece(server, &Arc::new(piece));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                let text = platform::os_error_text(&error);
                log::warn!("Diskless rdb transfer, read error sending DB to replicas: {text}");
                abort(server);
                return;
            }
        }
    }
}

/// Gives a piece to all replicas, and sends what their sockets take at once.
fn send_piece(server: &mut Server, piece: &Arc<Vec<u8>>) {
    let (now, to) = (server.clock.unix_ms(), server.repl.transfer.as_ref().map_or(Vec::new(), |t| t.to.clone()));
    for key in to {
        let permit = aof_write::permit_send(server);
        let Some(client) = server.clients.get_mut(key) else { continue };
        client.output.raw_shared(piece);
        server.repl.counts.bytes_out += piece.len() as u64;
        match client.connection.flush(&mut client.output, permit) {
            Ok(_) => {
                let stuck = !client.output.is_empty();
                if let Some(replica) = client.replica.as_deref_mut() {
                    replica.stalled_since_ms = stuck.then_some(now);
                }
            }
            Err(error) => {
                let text = platform::os_error_text(&error);
                log::warn!("Diskless rdb transfer, write error sending DB to replica: {text}");
                server.clients.close_soon(key);
                replica_lost(server, key);
            }
        }
    }
}

/// A replica's output is empty: if it takes part, the next piece may follow.
pub fn piece_is_sent(server: &mut Server, key: ClientKey) {
    let Some(transfer) = &server.repl.transfer else { return };
    if transfer.to.contains(&key) {
        if let Some(replica) = server.clients.get_mut(key).and_then(|client| client.replica.as_deref_mut()) {
            replica.stalled_since_ms = None;
        }
        pump(server);
    }
}

/// Whether a replica has been sent all of the snapshot, even if nobody has told it so.
pub fn is_all_sent(server: &Server, key: ClientKey) -> bool {
    let Some(transfer) = &server.repl.transfer else { return false };
    let is_sent = server.clients.get(key).is_some_and(|client| client.output.is_empty());
    is_sent && transfer.is_whole() && transfer.to.contains(&key)
}

/// A replica is gone, or about to be.
pub fn replica_lost(server: &mut Server, key: ClientKey) {
    let Some(transfer) = &mut server.repl.transfer else { return };
    let before = transfer.to.len();
    transfer.to.retain(|to| *to != key);
    if transfer.to.len() == before {
        return;
    }
    if transfer.to.is_empty() && !transfer.read_all && !transfer.is_whole() {
        log::warn!("Diskless rdb transfer, last replica dropped, killing fork child.");
        snapshot::kill_child(server);
        return;
    }
    pump(server);
}

/// The child has ended.
pub fn child_ended(server: &mut Server, ended: Ended) {
    match ended.signal {
        None if ended.well() => log::info!("Background RDB transfer terminated with success"),
        None => log::warn!("Background transfer error"),
        Some(signal) => log::warn!("Background transfer terminated by signal {signal}"),
    }
    let Some(transfer) = &mut server.repl.transfer else { return };
    transfer.ended = Some(ended.well());
    if ended.well() {
        pump(server);
    } else {
        abort(server);
    }
}

fn abort(server: &mut Server) {
    snapshot::kill_child(server);
    let Some(mut transfer) = server.repl.transfer.take() else { return };
    server.listeners.registry().deregister(&mut transfer.pipe).ok();
    for key in transfer.to {
        log::warn!("SYNC failed. BGSAVE child returned an error");
        server.clients.close_soon(key);
    }
}

/// Ends the transfer once all is sent and the child is known to have done well.
pub fn finish_if_done(server: &mut Server) {
    let done = |transfer: &mut Transfer| {
        let sent = |key: &ClientKey| server.clients.get(*key).is_none_or(|client| client.output.is_empty());
        transfer.read_all && transfer.ended == Some(true) && transfer.to.iter().all(sent)
    };
    let Some(mut transfer) = server.repl.transfer.take_if(done) else { return };
    server.listeners.registry().deregister(&mut transfer.pipe).ok();
    for key in transfer.to {
        unloaded::note_sent(server, key, transfer.version);
        log::info!(
            "Streamed RDB transfer with replica {} succeeded (socket). Waiting for REPLCONF ACK from slave to enable \
             streaming",
            roster::name(server, key)
        );
        if !roster::mark_online(server, key) {
            channels::snapshot_served(server, key);
        } else if let Some(replica) = roster::replica_mut(server, key) {
            replica.waits_for_ack = !replica.is_old && !replica.acked_early;
            server.clients.flush_later(key);
        }
    }
}
