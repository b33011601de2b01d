//! TLS: who gets in, settings and their reload, broken and slow handshakes, and TLS to other servers.
//!
//! What needs a redis-server 7.0.x in PATH (or named by OXIDIS_DIFFERENTIAL_REDIS) says so without one, and tests
//! nothing.

mod common;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::OnceLock;

use common::certificates::Certificates;
use common::dataset::peer;
use common::{PATIENCE, Server, encode, free_port};
use oxidis::tls::{Client, ClientOptions, ClientStream};

/// Made once for all tests of this file.
fn certificates() -> &'static Certificates {
    static CERTIFICATES: OnceLock<Certificates> = OnceLock::new();
    CERTIFICATES.get_or_init(Certificates::make)
}

fn file(name: &str) -> String {
    certificates().file(name)
}

/// A client that trusts `ca` and shows the certificate `client`.
fn options() -> ClientOptions {
    ClientOptions {
        ca_file: Some(file("ca.crt")),
        certificate: Some(file("client.crt")),
        key: Some(file("client.key")),
        ..ClientOptions::default()
    }
}

fn connect(port: u16, options: &ClientOptions) -> std::io::Result<ClientStream> {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Client::new(options).expect("options that are fine").connect(socket)
}

/// Sends PING and reads its answer.
fn ping(stream: &mut ClientStream) -> std::io::Result<()> {
    stream.write_all(&encode(&["ping"]))?;
    let mut answer = [0; 7];
    stream.read_exact(&mut answer)?;
    assert_eq!(&answer, b"+PONG\r\n");
    Ok(())
}

/// The arguments of a server with a TLS port.
fn arguments(port: u16, more: &[&str]) -> Vec<String> {
    let mut arguments = vec!["--tls-port".to_owned(), port.to_string()];
    let files = [("cert-file", "server.crt"), ("key-file", "server.key"), ("ca-cert-file", "ca.crt")];
    arguments.extend(files.iter().flat_map(|(directive, name)| [format!("--tls-{directive}"), file(name)]));
    arguments.extend(more.iter().map(|word| (*word).to_owned()));
    arguments
}

#[test]
fn our_client_speaks_tls_with_redis() {
    let Some(redis) = peer("OXIDIS_DIFFERENTIAL_REDIS", Some("redis-server"), "7.0.") else {
        eprintln!("SKIPPED: there is no redis-server 7.0.x");
        return;
    };
    let port = free_port();
    let arguments = arguments(port, &[]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let _server = Server::start_program(&redis, &arguments);
    ping(&mut connect(port, &options()).expect("a session")).expect("an answer");
    let by_folder = ClientOptions { ca_file: None, ca_folder: Some(file("ca-dir")), ..options() };
    ping(&mut connect(port, &by_folder).expect("a session")).expect("an answer");
    let of_version_1 =
        ClientOptions { certificate: Some(file("plain.crt")), key: Some(file("plain.key")), ..options() };
    ping(&mut connect(port, &of_version_1).expect("a session")).expect("an answer");
    let suspicious = ClientOptions { ca_file: Some(file("stranger.crt")), ..options() };
    let error = connect(port, &suspicious).expect_err("an authority that is not trusted");
    assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    let careless = ClientOptions { insecure: true, server_name: Some("localhost".to_owned()), ..suspicious };
    ping(&mut connect(port, &careless).expect("a session")).expect("an answer");
}
