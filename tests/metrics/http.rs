//! Requests by hand.

use std::io::{Read, Write};
use std::net::Shutdown;

use crate::common::random::Random;
use crate::common::{Server, free_port, socket_to};

/// A server and its port for HTTP.
pub fn start(more: &[&str]) -> (Server, u16) {
    let port = free_port();
    let text = port.to_string();
    let arguments = [&["--metrics-port", &text], more].concat();
    (Server::start_with(&arguments), port)
}

/// What was answered.
pub struct Answer {
    /// The number.
    pub status: u16,
    /// The head as it came.
    pub head: String,
    /// What came behind it.
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads an answer whose length is told.
    pub fn read(stream: &mut impl Read, is_head: bool) -> Answer {
        Answer::read_or_not(stream, is_head).expect("an answer")
    }

    /// The same for whoever may get none.
    pub fn try_read(stream: &mut impl Read) -> Option<Answer> {
        Answer::read_or_not(stream, false)
    }

    fn read_or_not(stream: &mut impl Read, is_head: bool) -> Option<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).ok()?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let mut answer = Answer { status, head, body: Vec::new() };
        let length = if is_head { 0 } else { answer.header("content-length").parse().ok()? };
        answer.body = vec![0; length];
        stream.read_exact(&mut answer.body).ok()?;
        Some(answer)
    }

    /// A header, nothing if there is none.
    pub fn header(&self, name: &str) -> &str {
        let headers = self.head.lines().filter_map(|line| line.split_once(": "));
        headers.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next().unwrap_or("")
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }
}

/// Asks for a path.
pub fn get(port: u16, path: &str) -> Answer {
    get_with(port, path, "")
}

/// Asks with further headers.
pub fn get_with(port: u16, path: &str, headers: &str) -> Answer {
    send(
        port,
        format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n{headers}\r\n").as_bytes(),
    )
}

/// Sends bytes and reads what is answered, to its end.
pub fn send(port: u16, bytes: &[u8]) -> Answer {
    let mut stream = socket_to(port);
    stream.write_all(bytes).expect("the server takes bytes");
    let answer = Answer::read(&mut stream, false);
    let _ = stream.shutdown(Shutdown::Write);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("the end of the connection");
    assert!(rest.is_empty(), "{rest:?}");
    answer
}

/// A seed that can be given as SEED.
pub fn seed() -> u64 {
    let given = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    given.unwrap_or_else(|| u64::from(std::process::id()) << 20 | u64::from(free_port()))
}

/// Requests that went wrong.
pub struct Noise(Random);

impl Noise {
    /// Begins with a seed.
    pub fn new(seed: u64) -> Noise {
        Noise(Random(seed))
    }

    /// A number below another.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0.roll(end)
    }

    /// A request, cut, changed, repeated, or none at all.
    pub fn request(&mut self) -> Vec<u8> {
        const SOUND: [&str; 6] = [
            "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text;q=0.5,*/*\r\n\r\n",
            "HEAD / HTTP/1.0\r\n\r\n",
            "GET /events HTTP/1.1\r\nHost: [::1]:1\r\nAuthorization: Basic Og==\r\n\r\n",
            "GET /history HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: keep-alive\r\n\r\n",
            "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n",
            "POST /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ];
        let mut bytes = SOUND[self.below(SOUND.len() as u64) as usize].as_bytes().repeat(1 + self.below(3) as usize);
        for _ in 0..self.below(4) {
            let place = self.below(bytes.len() as u64) as usize;
            match self.below(4) {
                0 => bytes[place] = self.below(256) as u8,
                1 => bytes.truncate(place.max(1)),
                2 => {
                    let many = self.below(12_000) as usize;
                    bytes.splice(place..place, std::iter::repeat_n(b'a', many));
                }
                _ => _ = bytes.remove(place),
            }
            if bytes.is_empty() {
                bytes.push(0);
            }
        }
        bytes
    }
}
