//! Servers and clients that speak TLS.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::sync::OnceLock;

use oxidis::tls::{Client, ClientOptions};

use super::certificates::Certificates;
use super::{Connection, Reply, Server, Stream, binary, encode, free_port, socket_to};

/// Made once for all tests of a file.
pub fn certificates() -> &'static Certificates {
    static CERTIFICATES: OnceLock<Certificates> = OnceLock::new();
    CERTIFICATES.get_or_init(Certificates::make)
}

/// Where a file of them is.
pub fn file(name: &str) -> String {
    certificates().file(name)
}

/// A client that trusts `ca` and shows one of the certificates.
pub fn showing(name: &str) -> ClientOptions {
    ClientOptions {
        ca_file: Some(file("ca.crt")),
        certificate: Some(file(&format!("{name}.crt"))),
        key: Some(file(&format!("{name}.key"))),
        ..ClientOptions::default()
    }
}

/// A client that shows none.
pub fn anonymous() -> ClientOptions {
    ClientOptions { ca_file: Some(file("ca.crt")), ..ClientOptions::default() }
}

/// A server with a TLS port beside the other.
pub struct TlsServer {
    /// The process.
    pub server: Server,
    /// Its TLS port.
    pub port: u16,
}

impl TlsServer {
    /// Starts ours.
    pub fn start(more: &[&str]) -> TlsServer {
        TlsServer::start_program(&binary(), more)
    }

    /// Starts a program.
    pub fn start_program(program: &OsStr, more: &[&str]) -> TlsServer {
        let port = free_port();
        let files = [("cert-file", "server.crt"), ("key-file", "server.key"), ("ca-cert-file", "ca.crt")];
        let mut arguments = vec!["--tls-port".to_owned(), port.to_string()];
        arguments.extend(files.iter().flat_map(|(directive, name)| [format!("--tls-{directive}"), file(name)]));
        arguments.extend(more.iter().map(|word| (*word).to_owned()));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        TlsServer { server: Server::start_program(program, &arguments), port }
    }

    /// A connection that shows the certificate `client`.
    pub fn connect(&self) -> Connection {
        self.session(&showing("client")).expect("a session")
    }

    /// A connection that has been answered once: with TLS 1.3 a client learns only then that it is refused.
    pub fn session(&self, options: &ClientOptions) -> io::Result<Connection> {
        let client = Client::new(options).expect("options that are fine");
        let mut stream = client.connect(socket_to(self.port))?;
        stream.write_all(&encode(&["ping"]))?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer)?;
        assert_eq!(&answer, b"+PONG\r\n");
        Ok(Connection::over(Stream::Tls(Box::new(stream))))
    }

    /// Sets a directive through the plain port.
    pub fn set(&self, directive: &str, value: &str) -> Reply {
        self.server.connect().cmd(&["config", "set", directive, value])
    }

    /// A number of INFO.
    pub fn info(&self, field: &str) -> i64 {
        let text = self.server.connect().cmd(&["info"]).text();
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':').map(str::to_owned));
        value.and_then(|value| value.trim().parse().ok()).expect("a field with a number")
    }
}
