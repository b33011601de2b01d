//! TLS seen from the wire: versions and resumption, sessions in any pieces, damaged ones, and clients that dawdle.
//!
//! Seeds are printed; `OXIDIS_TLS_SEED` runs one again.

mod common;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use common::tls::{TlsServer, file};
use common::{Reply, encode, socket_to, wait_until};
use rustls::client::{Resumption, Tls12Resumption};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned, SupportedProtocolVersion};

const PONG: &[u8] = b"+PONG\r\n";

/// Random numbers that come again with their seed.
struct Numbers(u64);

impl Numbers {
    /// Numbers for a test, whose seed is printed.
    fn printed() -> Numbers {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock");
        let given = std::env::var("OXIDIS_TLS_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or(now.as_nanos() as u64 | 1);
        println!("seed {seed}");
        Numbers(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

fn config(versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("ca.crt")).expect("a certificate")).expect("an authority");
    let chain = vec![CertificateDer::from_pem_file(file("client.crt")).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(file("client.key")).expect("a key");
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .expect("a certificate with its key")
}

fn client(config: &Arc<ClientConfig>) -> ClientConnection {
    let name = ServerName::try_from("localhost").expect("a name");
    ClientConnection::new(Arc::clone(config), name).expect("a client")
}

/// Has PING answered; how the handshake went.
fn ping(server: &TlsServer, config: &Arc<ClientConfig>) -> std::io::Result<HandshakeKind> {
    let mut stream = StreamOwned::new(client(config), socket_to(server.port));
    stream.write_all(&encode(&["ping"]))?;
    let mut answer = [0; PONG.len()];
    stream.read_exact(&mut answer)?;
    assert_eq!(answer, PONG);
    Ok(stream.conn.handshake_kind().expect("a handshake"))
}

#[test]
fn both_versions_are_spoken_as_configured() {
    let server = TlsServer::start(&[]);
    let (old, new) = (Arc::new(config(&[&TLS12])), Arc::new(config(&[&TLS13])));
    ping(&server, &old).expect("TLS 1.2");
    ping(&server, &new).expect("TLS 1.3");
    assert_eq!(server.set("tls-protocols", "TLSv1.2"), Reply::ok());
    ping(&server, &old).expect("TLS 1.2");
    ping(&server, &new).expect_err("only TLS 1.2 is spoken");
    assert_eq!(server.set("tls-protocols", "TLSv1.3 TLSv1.1"), Reply::ok());
    ping(&server, &old).expect_err("only TLS 1.3 is spoken");
    ping(&server, &new).expect("TLS 1.3");
    assert!(server.server.log().contains("TLSv1.1 is specified in tls-protocols but no longer spoken."));
}

#[test]
fn sessions_are_resumed() {
    let server = TlsServer::start(&[]);
    let mut by_id = config(&[&TLS12]);
    by_id.resumption = Resumption::in_memory_sessions(8).tls12_resumption(Tls12Resumption::SessionIdOnly);
    let configs = [config(&[&TLS12]), config(&[&TLS13]), by_id].map(Arc::new);
    let both = |config| [ping(&server, config), ping(&server, config)].map(|kind| kind.expect("a session"));
    for config in &configs {
        assert_eq!(both(config), [HandshakeKind::Full, HandshakeKind::Resumed]);
    }
    // Whoever is not trusted any more must not come back with an old session.
    assert_eq!(server.set("tls-ca-cert-file", &file("stranger.crt")), Reply::ok());
    configs.iter().for_each(|config| _ = ping(&server, config).expect_err("another authority"));
    assert_eq!(server.set("tls-ca-cert-file", &file("ca.crt")), Reply::ok());
    for config in &configs {
        assert_eq!(both(config), [HandshakeKind::Full, HandshakeKind::Resumed]);
    }
    assert_eq!(server.set("tls-session-caching", "no"), Reply::ok());
    for config in &configs {
        assert_eq!(both(config), [HandshakeKind::Full, HandshakeKind::Full]);
    }
}

#[test]
fn an_anonymous_session_does_not_open_what_needs_a_certificate() {
    let server = TlsServer::start(&["--tls-auth-clients", "no"]);
    let configs = [&[&TLS12], &[&TLS13]].map(|versions| Arc::new(config(versions)));
    configs.iter().for_each(|config| _ = ping(&server, config).expect("a session"));
    assert_eq!(server.set("tls-auth-clients", "yes"), Reply::ok());
    for config in &configs {
        assert_eq!(ping(&server, config).expect("a session"), HandshakeKind::Full);
    }
}

/// What goes wrong on the way from the client to the server.
enum Damage {
    None,
    /// A byte is another one,
    Flip,
    /// or missing,
    Drop,
    /// or too much,
    Add,
    /// or the last one.
    Cut,
}

/// Sends PINGs in pieces of random size, with a fault somewhere in the bytes; what was answered.
fn exchange(port: u16, config: &Arc<ClientConfig>, numbers: &mut Numbers, damage: &Damage) -> Vec<u8> {
    const PINGS: usize = 300;
    let mut tls = client(config);
    let mut socket = socket_to(port);
    if !matches!(damage, Damage::None) {
        // A server that waits for the rest of a record is as right as one that hangs up.
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("a read timeout");
    }
    let piece_max = [1, 7, 100, 5000][numbers.below(4)];
    // The handshake has some 1500 bytes, the requests 10,000.
    let within = [1500, 12_000][numbers.below(2)];
    let mut place = numbers.below(within);
    let (mut answers, mut sent) = (Vec::new(), 0);
    loop {
        let mut bytes = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut bytes).expect("bytes in memory");
        }
        let is_hit = place < bytes.len();
        match damage {
            Damage::Flip if is_hit => bytes[place] ^= 1 << numbers.below(8),
            Damage::Drop if is_hit => _ = bytes.remove(place),
            Damage::Add if is_hit => bytes.insert(place, numbers.next() as u8),
            Damage::Cut if is_hit => bytes.truncate(place),
            _ => {}
        }
        place = if is_hit { usize::MAX } else { place.saturating_sub(bytes.len()) };
        while !bytes.is_empty() {
            let piece = bytes.len().min(1 + numbers.below(piece_max));
            if socket.write_all(&bytes[..piece]).is_err() {
                return answers;
            }
            bytes.drain(..piece);
        }
        if !tls.is_handshaking() && sent < PINGS {
            let count = (PINGS - sent).min(1 + numbers.below(100));
            sent += count;
            let requests: Vec<u8> = (0..count).flat_map(|_| encode(&["ping"])).collect();
            tls.writer().write_all(&requests).expect("bytes in memory");
            continue;
        }
        if is_hit && matches!(damage, Damage::Cut) {
            socket.shutdown(Shutdown::Write).ok();
        }
        if answers.len() == PINGS * PONG.len() || !receive(&mut tls, &mut socket, &mut answers) {
            return answers;
        }
    }
}

/// Takes what the server has sent; false at the end of the session.
fn receive(tls: &mut ClientConnection, socket: &mut TcpStream, answers: &mut Vec<u8>) -> bool {
    match tls.read_tls(socket) {
        Ok(0) => return false,
        Ok(_) => {}
        Err(_) => return false,
    }
    let is_fine = tls.process_new_packets().is_ok();
    let mut plain = [0; 4096];
    while let Ok(count @ 1..) = tls.reader().read(&mut plain) {
        answers.extend_from_slice(&plain[..count]);
    }
    is_fine
}

#[test]
fn a_session_comes_in_any_pieces() {
    let server = TlsServer::start(&[]);
    let mut numbers = Numbers::printed();
    for versions in [[&TLS12], [&TLS13]] {
        let config = Arc::new(config(&versions));
        for _ in 0..20 {
            assert!(exchange(server.port, &config, &mut numbers, &Damage::None) == PONG.repeat(300));
        }
    }
}

#[test]
fn damaged_sessions_end_and_nothing_else_does() {
    let mut server = TlsServer::start(&[]);
    let mut numbers = Numbers::printed();
    let configs = [[&TLS12], [&TLS13]].map(|versions| Arc::new(config(&versions)));
    for round in 0..200 {
        let damage = [Damage::Flip, Damage::Drop, Damage::Add, Damage::Cut];
        let (config, damage) = (&configs[round % 2], &damage[round / 2 % 4]);
        let answers = exchange(server.port, config, &mut numbers, damage);
        assert!(PONG.repeat(300).starts_with(&answers), "round {round}: {}", String::from_utf8_lossy(&answers));
        assert!(server.server.exit_within(Duration::ZERO).is_none(), "round {round}:\n{}", server.server.log());
    }
    wait_until("all are gone", || server.info("connected_clients") == 1);
    ping(&server, &configs[0]).expect("a session");
}
