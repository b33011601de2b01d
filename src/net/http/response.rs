//! The head of an answer.

use std::fmt::Write;

use crate::util::time::http_date;

/// How a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is answered.
    Ok,
    /// It is none.
    BadRequest,
    /// It is of another protocol.
    NotHttp,
    /// It has a body.
    HasBody,
    /// Who asks has to say who it is.
    Unauthorized,
    /// It is not for everybody.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// It asks for a change.
    MethodNotAllowed,
    /// It did not come in time.
    TimedOut,
    /// It is meant for another server.
    Misdirected,
    /// Its head is too long.
    HeadTooLarge,
    /// There are too many.
    Unavailable,
}

impl Status {
    /// Number and name.
    fn line(self) -> &'static str {
        match self {
            Status::Ok => "200 OK",
            Status::BadRequest | Status::NotHttp => "400 Bad Request",
            Status::Unauthorized => "401 Unauthorized",
            Status::Forbidden => "403 Forbidden",
            Status::NotFound => "404 Not Found",
            Status::MethodNotAllowed => "405 Method Not Allowed",
            Status::TimedOut => "408 Request Timeout",
            Status::HasBody => "413 Content Too Large",
            Status::Misdirected => "421 Misdirected Request",
            Status::HeadTooLarge => "431 Request Header Fields Too Large",
            Status::Unavailable => "503 Service Unavailable",
        }
    }
}

/// What is said of an answer in its head.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// How the request ended.
    pub status: Status,
    /// The type of the body.
    pub content_type: &'a str,
    /// Bytes of the body; `None` for a stream that lasts.
    pub length: Option<usize>,
    /// Further headers, each with its line end.
    pub more: &'a str,
    /// Another request may follow.
    pub keeps_alive: bool,
}

impl Head<'_> {
    /// The bytes, at `unix_seconds`. Nothing that is answered may be kept, guessed at, or shown within another page.
    pub fn to_bytes(self, unix_seconds: i64) -> Vec<u8> {
        let connection = if self.keeps_alive { "keep-alive" } else { "close" };
        let mut head = format!(
            "HTTP/1.1 {}\r\nDate: {}\r\nContent-Type: {}\r\n",
            self.status.line(),
            http_date(unix_seconds),
            self.content_type
        );
        if let Some(length) = self.length {
            // Writing to a string cannot fail.
            let _ = write!(head, "Content-Length: {length}\r\n");
        }
        let more = self.more;
        let _ = write!(
            head,
            "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n\
             Referrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\n{more}\
             Connection: {connection}\r\n\r\n"
        );
        head.into_bytes()
    }
}
