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

use super::{adopt, connect, receive};
use crate::config::VALKEY_VERSION;
use crate::db::Databases;
use crate::repl::link::{State, Step};
use crate::repl::{ID_CHARS, OFFSET_MAX};
use crate::server::Server;
use crate::util::platform;

/// The socket is ready for something, or has more than was read in the last turn.
pub fn ready(server: &mut Server, db: &mut Databases) {
    if matches!(server.repl.link.state, State::Connecting) && !is_connected(server, db) {
        return;
    }
    if server.repl.link.flush().is_err() {
        return connect::drop_link(server, db, false);
    }
    if matches!(server.repl.link.state, State::Loading) {
        return receive::more_came(server);
    }
    match server.repl.link.fill() {
        Ok(read) => {
            connect::count_input(server, read);
            // The end of a TLS handshake is what the first request waits for.
            if server.repl.link.flush().is_err() {
                return connect::drop_link(server, db, false);
            }
            advance(server, db);
        }
        Err(error) => {
            let text = platform::os_error_text(&error);
            let link = &server.repl.link;
            match link.state {
                _ if link.socket.as_ref().is_some_and(|socket| !socket.is_established()) => {
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
    let Some(socket) = &server.repl.link.socket else { return false };
    match socket.is_connected() {
        Ok(true) => {
            log::info!("Non blocking connect for SYNC fired the event.");
            socket.tune(0, 0).ok();
            begin_step(server, Step::Ping);
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
                match server.repl.link.take_line() {
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
        if server.repl.link.flush().is_err() {
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
        // A sign of life.
        Step::Psync if line.is_empty() => return Ok(()),
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
        Step::Ping => link.say(&["PING"]),
        Step::Auth => {
            let user = config.masteruser.as_ref().map(|user| user.as_bytes());
            let password = config.masterauth.as_deref();
            let words: Vec<&[u8]> = [&b"AUTH"[..]].into_iter().chain(user).chain(password).collect();
            link.say(&words);
        }
        Step::Port => {
            let port = match config.replica_announce_port {
                0 if config.tls_replication && config.tls_port != 0 => config.tls_port,
                0 => config.port,
                announced => announced,
            };
            link.say(&["REPLCONF", "listening-port", &port.to_string()]);
        }
        Step::Address => {
            let address = config.replica_announce_ip.as_deref().unwrap_or_default();
            link.say(&["REPLCONF", "ip-address", address]);
        }
        Step::Capabilities => link.say(&["REPLCONF", "capa", "eof", "capa", "psync2"]),
        Step::Version => link.say(&["REPLCONF", "version", VALKEY_VERSION]),
        Step::Psync => request_sync(server),
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
    server.repl.link.say(&words);
}

/// The primary has decided what this replica gets.
fn handle_psync_reply(server: &mut Server, db: &mut Databases, line: &str) -> Result<(), String> {
    let (full, goes_on) = (line.starts_with("+FULLRESYNC"), line.starts_with("+CONTINUE"));
    if server.repl.failover.is_under_way() {
        match full || goes_on {
            true => super::failover::finish(server, db),
            false => {
                super::failover::abort_if_on_its_way(server, db, "Failover target rejected psync request");
                return Ok(());
            }
        }
    }
    if full {
        let mut words = line.split(' ').skip(1);
        let (id, offset) = (words.next().unwrap_or_default(), words.next().and_then(|word| word.trim().parse().ok()));
        server.repl.link.promised = match offset {
            Some(offset) if id.len() == ID_CHARS && (0..=OFFSET_MAX).contains(&offset) => {
                log::info!("Full resync from master: {id}:{offset}");
                Some((id.to_owned(), offset))
            }
            _ => return Err("Master replied with wrong +FULLRESYNC syntax.".to_owned()),
        };
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
        server.repl.link.output.extend(b"SYNC\r\n");
    }
    let receiving = receive::begin(server, db)?;
    server.repl.link.state = State::Receiving(receiving);
    Ok(())
}
