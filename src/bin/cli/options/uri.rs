//! URIs of servers: `redis://[[user:]password@][host[:port]][/db]`, and `rediss://` for TLS.
//!
//! The scheme is registered at <https://www.iana.org/assignments/uri-schemes/prov/redis>. Of its parts, whatever is
//! missing leaves the option as it was. User and password may be percent-encoded.

use super::Options;
use crate::failure::Failure;

/// Sets what the URI names.
///
/// # Errors
/// When it is no such URI.
pub fn apply(uri: &str, options: &mut Options) -> Result<(), Failure> {
    let scheme_end = uri.find("://").map(|at| at + 3).ok_or_else(no_scheme)?;
    let (scheme, rest) = uri.split_at(scheme_end);
    match scheme.to_ascii_lowercase().as_str() {
        "redis://" => {}
        "rediss://" => options.tls(),
        _ => return Err(no_scheme()),
    }
    let (credentials, place) =
        rest.split_once('@').map_or((None, rest), |(credentials, place)| (Some(credentials), place));
    if let Some(credentials) = credentials {
        let (user, password) =
            credentials.split_once(':').map_or((None, credentials), |(user, password)| (Some(user), password));
        if let Some(user) = user.filter(|user| !user.is_empty()) {
            options.user = Some(decoded(user)?);
        }
        options.password = Some(decoded(password)?);
    }
    let (address, db) = place.split_once('/').unwrap_or((place, ""));
    let (host, port) = split_port(address);
    if !host.is_empty() {
        options.host = host.to_owned();
    }
    if !port.is_empty() {
        options.port = port.parse().map_err(|_| Failure::new(format!("Invalid port in URI: {port}")))?;
    }
    if !db.is_empty() {
        options.db = db.parse().map_err(|_| Failure::new(format!("Invalid database number in URI: {db}")))?;
    }
    Ok(())
}

fn no_scheme() -> Failure {
    Failure::new("Invalid URI scheme")
}

/// Host and port of an address; an IPv6 address stands in brackets.
fn split_port(address: &str) -> (&str, &str) {
    if let Some((host, rest)) = address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, rest.strip_prefix(':').unwrap_or(""));
    }
    address.split_once(':').unwrap_or((address, ""))
}

fn decoded(text: &str) -> Result<Vec<u8>, Failure> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let [high, low, after @ ..] = rest else {
            return Err(Failure::new("Incomplete URI encoding"));
        };
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (Some(high), Some(low)) = (digit(*high), digit(*low)) else {
            return Err(Failure::new("Illegal character in URI encoding"));
        };
        decoded.push(high << 4 | low);
        rest = after;
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(uri: &str) -> Result<Options, String> {
        let mut options = Options::new(false);
        apply(uri, &mut options).map(|()| options).map_err(|failure| failure.to_string())
    }

    #[test]
    fn every_part_may_be_missing() {
        type Parts = (&'static str, u16, Option<&'static str>, Option<&'static str>, i64);
        const CASES: &[(&str, Parts)] = &[
            ("redis://", ("127.0.0.1", 6379, None, None, 0)),
            ("REDIS://example.org", ("example.org", 6379, None, None, 0)),
            ("redis://example.org:7000/3", ("example.org", 7000, None, None, 3)),
            ("redis://:secret@/2", ("127.0.0.1", 6379, None, Some("secret"), 2)),
            ("redis://secret@:7000", ("127.0.0.1", 7000, None, Some("secret"), 0)),
            ("redis://me:a%40b%3a@[::1]:7000/", ("::1", 7000, Some("me"), Some("a@b:"), 0)),
        ];
        for (uri, (host, port, user, password, db)) in CASES {
            let options = applied(uri).expect(uri);
            assert_eq!((options.host.as_str(), options.port, options.db), (*host, *port, *db), "{uri}");
            assert_eq!(options.user.as_deref(), user.map(str::as_bytes), "{uri}");
            assert_eq!(options.password.as_deref(), password.map(str::as_bytes), "{uri}");
            assert!(!options.tls, "{uri}");
        }
        assert!(applied("rediss://x").expect("a URI").tls);
    }

    #[test]
    fn other_texts_are_refused() {
        for (uri, text) in [
            ("http://x", "Invalid URI scheme"),
            ("x", "Invalid URI scheme"),
            ("redis://a%4@x", "Incomplete URI encoding"),
            ("redis://a%4x@x", "Illegal character in URI encoding"),
            ("redis://x:y", "Invalid port in URI: y"),
        ] {
            assert_eq!(applied(uri).err().as_deref(), Some(text), "{uri}");
        }
    }
}
