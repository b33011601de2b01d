//! The way to the primary: resolving its name, connecting, introducing oneself.
//!
//! ```text
//! Idle ──> Resolving ──> Connecting ──> Talking (PING, AUTH, REPLCONF …, PSYNC) ──┬──> Receiving ──> Loading ──┐
//!  ▲                                                                              └────────────────────────────┴─> Done
//!  └────────────────────── at most a second after anything fails ──────────────────────────┘
//! ```
//! None of it waits: the event loop tells when the socket is ready. Each answer has its step, in the order and with the
//! tolerance of Redis. When the primary has accepted, the connection becomes that of a client that is obeyed (see
//! [`super::adopt`]).

use super::{adopt, connect, main_channel, receive};
use crate::config::VALKEY_VERSION;
use crate::db::Databases;
use crate::peers::repl;
use crate::peers::repl::link::{State, Step};
use crate::peers::repl::main_channel::Tie;
use crate::peers::repl::wire::TURN_BYTES;
use crate::server::Server;
use crate::util::platform;

/// The socket is ready for something, or has more than was read in the last turn.
pub fn ready(server: &mut Server, db: &mut Databases) {
    if matches!(server.repl.link.state, State::Connecting) && !is_connected(server, db) {
        return;
    }
    if server.repl.link.wire.flush().is_err() {
        return connect::drop_link(server, db, false);
    }
    if matches!(server.repl.link.state, State::Loading) {
        return receive::more_came(server);
    }
    match server.repl.link.wire.fill(TURN_BYTES) {
        Ok(read) => {
            connect::count_input(server, read);
            // The end of a TLS handshake is what the first request waits for.
            if server.repl.link.wire.flush().is_err() {
                return connect::drop_link(server, db, false);
            }
            advance(server, db);
        }
        Err(error) => {
            let text = platform::os_error_text(&error);
            let link = &server.repl.link;
            match link.state {
                _ if link.wire.socket.as_ref().is_some_and(|socket| !socket.is_established()) => {
                    log::warn!("Error condition on socket for SYNC: {text}");
                    connect::drop_link(server, db, false);
                }
                State::Receiving(_) => {
                    log::warn!("I/O error trying to sync with MASTER: connection lost");
                    // A Valkey gives nothing to those of whom it does not know that they can hold it.
                    server.repl.tells_version = true;
                    connect::drop_link(server, db, true);
                }
                _ => {
                    log::warn!("Master did not respond to command during SYNC handshake: {text}");
                    super::failover::abort_if_on_its_way(server, db, "Failover target rejected psync request");
                    connect::drop_link(server, db, false);
                }
            }
        }
    }
}

/// Whether the connection stands by now; then the talk begins.
fn is_connected(server: &mut Server, db: &mut Databases) -> bool {
    let Some(socket) = &server.repl.link.wire.socket else { return false };
    match socket.is_connected() {
        Ok(true) => {
            log::info!("Non blocking connect for SYNC fired the event.");
            socket.tune(0, 0).ok();
            let first = match (&server.repl.link.main, &server.config.masterauth) {
                (None, _) => Step::Ping,
                (Some(_), Some(_)) => Step::Auth,
                (Some(_), None) => Step::Introduction,
            };
            begin_step(server, first);
            true
        }
        Ok(false) => false,
        Err(error) => {
            log::warn!("Error condition on socket for SYNC: {}", platform::os_error_text(&error));
            connect::drop_link(server, db, false);
            false
        }
    }
}

/// Works on what came.
pub fn advance(server: &mut Server, db: &mut Databases) {
    loop {
        let answered = match &server.repl.link.state {
            State::Talking(step) => {
                let step = *step;
                match server.repl.link.wire.take_line() {
                    Ok(Some(line)) => answer(server, db, step, &line),
                    Ok(None) => return,
                    Err(_) => Err("Master answered something that is no line during SYNC handshake".to_owned()),
                }
            }
            State::Receiving(_) => return receive::read(server, db),
            _ => return,
        };
        if let Err(text) = answered {
            log::warn!("{text}");
            return connect::drop_link(server, db, false);
        }
        if server.repl.link.wire.flush().is_err() {
            return connect::drop_link(server, db, false);
        }
    }
}

/// Takes an answer, and goes on to the next step.
fn answer(server: &mut Server, db: &mut Databases, step: Step, line: &str) -> Result<(), String> {
    let next = match step {
        Step::Ping => {
            let accepted = ["+", "-NOAUTH", "-NOPERM", "-ERR operation not permitted"];
            if !accepted.iter().any(|start| line.starts_with(start)) {
                return Err(format!("Error reply to PING from master: '{line}'"));
            }
            log::info!("Master replied to PING, replication can continue...");
            if server.config.masterauth.is_some() { Step::Auth } else { Step::Port }
        }
        Step::Auth if line.starts_with('-') => return Err(format!("Unable to AUTH to MASTER: {line}")),
        Step::Auth if server.repl.link.main.is_some() => Step::Introduction,
        Step::Auth => Step::Port,
        Step::Port => {
            note_refusal("listening-port", line);
            if server.config.replica_announce_ip.is_some() { Step::Address } else { Step::Capabilities }
        }
        Step::Address => {
            note_refusal("ip-address", line);
            Step::Capabilities
        }
        Step::Capabilities => {
            note_refusal("capa", line);
            if server.repl.tells_version { Step::Version } else { Step::Psync }
        }
        Step::Version => {
            note_refusal("version", line);
            Step::Psync
        }
        Step::Introduction if line.starts_with('-') => {
            return Err(format!("Master refuses a connection for the snapshot: {line}"));
        }
        Step::Introduction => Step::Snapshot,
        // A sign of life.
        Step::Psync | Step::Snapshot if line.is_empty() => return Ok(()),
        Step::Snapshot => {
            let Some(main) = &server.repl.link.main else { return Ok(()) };
            return main_channel::snapshot_announced(server, db, main.tie, line);
        }
        Step::Psync => return handle_psync_reply(server, db, line),
    };
    begin_step(server, next);
    Ok(())
}

fn note_refusal(what: &str, line: &str) {
    if line.starts_with('-') {
        log::info!("(Non critical) Master does not understand REPLCONF {what}: {line}");
    }
}

/// Says what belongs to a step, whose answer is then awaited.
fn begin_step(server: &mut Server, step: Step) {
    server.repl.link.state = State::Talking(step);
    let (config, link) = (&server.config, &mut server.repl.link);
    match step {
        Step::Ping => link.wire.say(&["PING"]),
        Step::Auth => {
            let user = config.masteruser.as_ref().map(|user| user.as_bytes());
            let password = config.masterauth.as_deref();
            let words: Vec<&[u8]> = [&b"AUTH"[..]].into_iter().chain(user).chain(password).collect();
            link.wire.say(&words);
        }
        Step::Port => {
            link.wire.say(&["REPLCONF", "listening-port", &connect::announced_port(config).to_string()]);
        }
        Step::Address => {
            let address = config.replica_announce_ip.as_deref().unwrap_or_default();
            link.wire.say(&["REPLCONF", "ip-address", address]);
        }
        Step::Capabilities => {
            let mut words = vec!["REPLCONF", "capa", "eof", "capa", "psync2"];
            if config.repl_rdb_channel {
                words.extend(["capa", "rdb-channel-repl"]);
            }
            if config.dual_channel_replication_enabled {
                words.extend(["capa", "dual-channel"]);
            }
            link.wire.say(&words);
        }
        Step::Version => link.wire.say(&["REPLCONF", "version", VALKEY_VERSION]),
        Step::Psync => request_sync(server),
        Step::Introduction | Step::Snapshot => {
            let Some(main) = &link.main else { return };
            match (step, main.tie) {
                (Step::Introduction, tie) => link.wire.say(&main_channel::introduction(config, tie)),
                (_, Tie::Redis { .. }) => link.wire.say(&["PSYNC", "?", "-1"]),
                (_, Tie::Valkey) => link.wire.say(&["SYNC"]),
            }
        }
    }
}

/// Asks for the stream, from where it ended if that is known.
fn request_sync(server: &mut Server) {
    let (id, offset) = match &server.repl.cached {
        Some(cached) => {
            let offset = (cached.offset + 1).to_string();
            log::info!("Trying a partial resynchronization (request {}:{offset}).", cached.id);
            (cached.id.clone(), offset)
        }
        None => {
            log::info!("Partial resynchronization not possible (no cached master)");
            ("?".to_owned(), "-1".to_owned())
        }
    };
    let mut words = vec!["PSYNC", &id, &offset];
    if server.repl.failover.is_under_way() {
        words.push("FAILOVER");
    }
    server.repl.link.wire.say(&words);
}

/// How the primary wants the two connections tied together that it asks for, if it does.
fn read_tie(line: &str) -> Option<Tie> {
    if line.starts_with("+DUALCHANNELSYNC") {
        return Some(Tie::Valkey);
    }
    let client_id = line.strip_prefix("+RDBCHANNELSYNC ")?.trim().parse().ok()?;
    Some(Tie::Redis { client_id })
}

/// The primary has decided what this replica gets.
fn handle_psync_reply(server: &mut Server, db: &mut Databases, line: &str) -> Result<(), String> {
    let (full, goes_on) = (line.starts_with("+FULLRESYNC"), line.starts_with("+CONTINUE"));
    let tie = read_tie(line);
    if server.repl.failover.is_under_way() {
        match full || goes_on || tie.is_some() {
            true => super::failover::finish(server, db),
            false => {
                super::failover::abort_if_on_its_way(server, db, "Failover target rejected psync request");
                return Ok(());
            }
        }
    }
    if let Some(tie) = tie {
        return main_channel::open(server, tie);
    }
    if full {
        let promise = repl::read_promise(line.split(' ').skip(1));
        let (id, offset) = promise.ok_or("Master replied with wrong +FULLRESYNC syntax.")?;
        log::info!("Full resync from master: {id}:{offset}");
        server.repl.link.promised = Some((id, offset));
    } else if goes_on {
        if server.repl.cached.is_none() {
            return Err("Master continues a replication that never began".to_owned());
        }
        log::info!("Successful partial resynchronization with master.");
        adopt::resume_partial(server, line.strip_prefix("+CONTINUE ").map(str::trim));
        return Ok(());
    } else if line.starts_with("-NOMASTERLINK") || line.starts_with("-LOADING") {
        return Err(format!("Master is currently unable to PSYNC but should be in the future: {line}"));
    } else {
        match line.starts_with("-ERR") {
            true => log::info!("Master does not support PSYNC or is in error state (reply: {line})"),
            false => log::warn!("Unexpected reply to PSYNC from master: {line}"),
        }
        log::info!("Retrying with SYNC...");
        server.repl.link.promised = None;
        server.repl.link.wire.output.extend(b"SYNC\r\n");
    }
    let receiving = receive::begin(server, db)?;
    server.repl.link.state = State::Receiving(receiving);
    Ok(())
}
