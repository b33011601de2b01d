//! The head of a request, read within bounds.
//!
//! What is read is what is needed to answer: other headers are passed over. A request with a body is refused, since
//! none that is answered has one.

use httparse::EMPTY_HEADER;

use super::response::Status;

/// A longer head is refused, in bytes.
pub const HEAD_BYTES_MAX: usize = 8 * 1024;
/// More headers are refused.
const HEADERS_MAX: usize = 64;

/// The head of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// The answer is to be sent without its body.
    pub is_head: bool,
    /// The path, without what follows a question mark.
    pub path: String,
    /// What types of answers are accepted.
    pub accept: String,
    /// Who asks.
    pub authorization: Option<Vec<u8>>,
    /// Whom it is meant for, as the peer says.
    pub host: Option<String>,
    /// Another request may follow.
    pub keeps_alive: bool,
}

/// What the bytes that have come amount to.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// A part of a head.
    Partial,
    /// A head of so many bytes.
    Complete(Request, usize),
    /// Nothing that is answered.
    Refused(Status),
}

/// Reads the head that `input` begins with.
pub fn parse(input: &[u8]) -> Parsed {
    if input.first().is_some_and(|first| b"*$+:-".contains(first)) {
        return Parsed::Refused(Status::NotHttp);
    }
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    match head.parse(input) {
        Ok(httparse::Status::Complete(length)) if length <= HEAD_BYTES_MAX => match read(&head) {
            Ok(request) => Parsed::Complete(request, length),
            Err(status) => Parsed::Refused(status),
        },
        Ok(httparse::Status::Partial) if input.len() < HEAD_BYTES_MAX => Parsed::Partial,
        Ok(_) | Err(httparse::Error::TooManyHeaders) => Parsed::Refused(Status::HeadTooLarge),
        // What has no line of a request before it is another protocol.
        Err(_) if head.version.is_none() => Parsed::Refused(Status::NotHttp),
        Err(_) => Parsed::Refused(Status::BadRequest),
    }
}

fn read(head: &httparse::Request<'_, '_>) -> Result<Request, Status> {
    let is_head = match head.method {
        Some("GET") => false,
        Some("HEAD") => true,
        _ => return Err(Status::MethodNotAllowed),
    };
    let target = head.path.unwrap_or_default();
    if !target.starts_with('/') {
        return Err(Status::BadRequest);
    }
    let path = target.split(['?', '#']).next().unwrap_or_default().to_owned();
    let mut request = Request { is_head, path, keeps_alive: head.version == Some(1), ..Request::default() };
    for header in head.headers.iter() {
        let text = || String::from_utf8_lossy(header.value).trim().to_owned();
        let is = |name: &str| header.name.eq_ignore_ascii_case(name);
        if is("accept") {
            let comma = if request.accept.is_empty() { "" } else { "," };
            request.accept = format!("{}{comma}{}", request.accept, text());
        } else if is("authorization") {
            request.authorization = Some(header.value.to_vec());
        } else if is("host") {
            if request.host.replace(text()).is_some() {
                return Err(Status::BadRequest);
            }
        } else if is("connection") {
            let words = text().to_ascii_lowercase();
            request.keeps_alive &= !words.split(',').any(|word| word.trim() == "close");
        } else if is("transfer-encoding") || is("content-length") && text() != "0" {
            return Err(Status::HasBody);
        }
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(text: &str) -> Request {
        match parse(text.as_bytes()) {
            Parsed::Complete(request, length) if length == text.len() => request,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    fn refused(text: &str) -> Status {
        match parse(text.as_bytes()) {
            Parsed::Refused(status) => status,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn a_request_is_read_in_any_pieces() {
        let text = "GET /metrics?x=1 HTTP/1.1\r\nHost: db:9121\r\nACCEPT: text/plain\r\naccept: */*;q=0.1\r\n\r\n";
        let whole = request(text);
        assert_eq!((&*whole.path, &*whole.accept), ("/metrics", "text/plain,*/*;q=0.1"));
        assert_eq!((whole.host.as_deref(), whole.is_head, whole.keeps_alive), (Some("db:9121"), false, true));
        for end in 0..text.len() {
            assert_eq!(parse(&text.as_bytes()[..end]), Parsed::Partial, "{end}");
        }
    }

    #[test]
    fn a_connection_is_kept_only_where_both_sides_may_expect_it() {
        assert!(!request("GET / HTTP/1.0\r\n\r\n").keeps_alive);
        assert!(!request("HEAD / HTTP/1.1\r\nConnection: TE, Close\r\n\r\n").keeps_alive);
        assert!(request("HEAD / HTTP/1.1\r\nConnection: keep-alive\r\n\r\n").is_head);
    }

    #[test]
    fn what_is_not_answered_is_refused_with_its_reason() {
        for text in ["*1\r\n$4\r\nPING\r\n", "PING\r\n", "\x16\x03\x01\x02", "SET a b\r\n"] {
            assert_eq!(refused(text), Status::NotHttp, "{text:?}");
        }
        assert_eq!(refused("POST / HTTP/1.1\r\n\r\n"), Status::MethodNotAllowed);
        assert_eq!(refused("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"), Status::HasBody);
        assert_eq!(refused("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), Status::HasBody);
        assert_eq!(refused("GET http://elsewhere/ HTTP/1.1\r\n\r\n"), Status::BadRequest);
        assert_eq!(refused("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), Status::BadRequest);
        assert_eq!(refused("GET / HTTP/1.1\r\nbad header\r\n\r\n"), Status::BadRequest);
        assert_eq!(refused(&format!("GET /{} HTTP/1.1\r\n", "a".repeat(HEAD_BYTES_MAX))), Status::HeadTooLarge);
        let many = "a: b\r\n".repeat(HEADERS_MAX + 1);
        assert_eq!(refused(&format!("GET / HTTP/1.1\r\n{many}\r\n")), Status::HeadTooLarge);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
            let _ = parse(&[b"GET / HTTP/1.1\r\n", &bytes[..]].concat());
        }
    }
}
