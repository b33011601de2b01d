//! Who may ask for what.
//!
//! Metrics hold no keys and no values: whoever reaches the port may have them, and by default only this machine does
//! (`metrics-bind`). With `metrics-user` each request has to come as that user (Basic), whose rights in ACL do not
//! matter: it is a name and a password, nothing is run as it. The page shows keys and arguments of commands besides;
//! without `metrics-user` it is for this machine alone while `protected-mode` is on.
//!
//! A page of another site must not get at any of this through the browser of somebody on this machine: a name that was
//! made to point here (DNS rebinding) is refused where no password keeps it out.

use std::net::IpAddr;
use std::sync::Arc;

use base64ct::{Base64, Encoding};

use super::metrics::exposition::Format;
use super::page;
use super::state::{Asker, Wanted};
use crate::net::http::exchange::Exchange;
use crate::net::http::request::Request;
use crate::net::http::response::{Head, Status};
use crate::server::Server;
use crate::server::clients::users;

/// Plain text.
const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const EVENTS: &str = "text/event-stream; charset=utf-8";
/// Viewers of the page at a time.
const VIEWERS_MAX: usize = 16;
/// What asks for a name and a password.
const CHALLENGE: &str = "WWW-Authenticate: Basic realm=\"oxidis\", charset=\"UTF-8\"\r\n";
const ALLOWED: &str = "Allow: GET, HEAD\r\n";

/// Answers a request, or begins to.
pub fn answer(server: &mut Server, asker: Asker, request: &Request) {
    let Some(exchange) = server.web.asker(asker) else { return };
    let (is_local, peer) = (exchange.peer_is_local(), peer_name(exchange));
    if let Some(user) = &server.config.metrics_user {
        let user = user.clone();
        if let Err(given) = authenticate(server, &user, request) {
            // Whoever sent nothing was not refused, but asked.
            if let Some(given) = given {
                users::log_refused_request(server, given, &request.path, &peer);
            }
            return refuse(server, asker, Status::Unauthorized);
        }
    } else if is_local && !request.host.as_deref().is_none_or(is_this_machine) {
        return refuse(server, asker, Status::Misdirected);
    }
    match request.path.as_str() {
        "/metrics" => {
            let wanted = Wanted::Metrics(asker, Format::accepted(&request.accept), request.is_head);
            server.web.wanted.push_back(wanted);
        }
        "/" | "/events" | "/history" if !may_see_page(server, is_local) => refuse(server, asker, Status::Forbidden),
        "/" => {
            let (page, policy) = page::page();
            let more = format!("Content-Security-Policy: {policy}\r\n");
            let head = Head { status: Status::Ok, content_type: HTML, length: None, more: &more, keeps_alive: true };
            reply(server, asker, head, page, request.is_head);
        }
        "/history" => {
            server.web.wanted.push_back(Wanted::Past(asker, request.is_head));
        }
        "/events" if request.is_head => refuse(server, asker, Status::MethodNotAllowed),
        "/events" => begin_stream(server, asker),
        _ => refuse(server, asker, Status::NotFound),
    }
}

/// Whether keys and commands are shown to somebody who is no stranger to the port.
fn may_see_page(server: &Server, is_local: bool) -> bool {
    is_local || server.config.metrics_user.is_some() || !server.config.protected_mode
}

/// Begins to tell somebody what happens.
fn begin_stream(server: &mut Server, asker: Asker) {
    if server.web.viewers().len() >= VIEWERS_MAX {
        return refuse(server, asker, Status::Unavailable);
    }
    let now = server.clock.unix_ms() / 1000;
    let head = Head { status: Status::Ok, content_type: EVENTS, length: None, more: "", keeps_alive: false };
    if let Some(exchange) = server.web.asker(asker) {
        exchange.begin_stream(head.to_bytes(now));
        server.web.wanted.push_back(Wanted::Event(Some(asker)));
    }
}

/// Whether a request comes as the user.
///
/// # Errors
/// The name it gave, if it gave one.
fn authenticate(server: &Server, user: &str, request: &Request) -> Result<(), Option<Vec<u8>>> {
    let credentials = request.authorization.as_deref().and_then(credentials);
    let Some((name, password)) = credentials else { return Err(None) };
    // The password is looked at whatever the name, so that time tells nothing.
    let is_right = server.acl.authenticate(user.as_bytes(), &password).is_some();
    if is_right && name == user.as_bytes() { Ok(()) } else { Err(Some(name)) }
}

/// Name and password of an `Authorization` header.
fn credentials(header: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (scheme, rest) = std::str::from_utf8(header).ok()?.trim().split_once(' ')?;
    let decoded = Base64::decode_vec(rest.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let colon = memchr::memchr(b':', &decoded)?;
    Some((decoded[..colon].to_vec(), decoded[colon + 1..].to_vec()))
}

/// Whether a `Host` header can only mean this machine, whatever names point to it.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok()
}

fn peer_name(exchange: &Exchange) -> String {
    exchange.peer.map_or_else(String::new, crate::net::connection::address_name)
}

/// Answers with nothing but a reason, and closes the connection.
pub fn refuse(server: &mut Server, asker: Asker, status: Status) {
    let text = match status {
        Status::NotHttp => not_http(server),
        Status::Unauthorized => "Name and password of the user that metrics-user names are wanted.\n".to_owned(),
        Status::Misdirected => "Ask for it by address or as localhost, or set metrics-user: a name may have been made \
                                to point here by somebody else.\n"
            .to_owned(),
        Status::Forbidden => "The page shows keys and commands, and is for this machine alone. To see it from another \
                              one set metrics-user to a user with a password, or protected-mode to no.\n"
            .to_owned(),
        Status::NotFound => "There is /metrics here, and / for people.\n".to_owned(),
        Status::MethodNotAllowed => "Nothing can be changed here: GET and HEAD alone are answered.\n".to_owned(),
        Status::TimedOut => "The request did not come in time.\n".to_owned(),
        Status::HasBody => "Requests have no body here.\n".to_owned(),
        Status::HeadTooLarge => "The head of the request is too long.\n".to_owned(),
        Status::Unavailable => "There are too many of these.\n".to_owned(),
        Status::BadRequest | Status::Ok => "This is no request.\n".to_owned(),
    };
    let more = match status {
        Status::Unauthorized => CHALLENGE,
        Status::MethodNotAllowed => ALLOWED,
        _ => "",
    };
    let body: Arc<[u8]> = text.into_bytes().into();
    reply(server, asker, Head { status, content_type: TEXT, length: None, more, keeps_alive: false }, body, false);
}

/// What somebody is told who speaks another protocol, most likely that of the other port.
fn not_http(server: &Server) -> String {
    let port = server.config.shown_port();
    format!("This is metrics-port, where HTTP is spoken. The Redis protocol is spoken on port {port}.\n")
}

/// Gives an answer whose body is there. Its length and whether the connection is kept are filled in.
pub fn reply(server: &mut Server, asker: Asker, head: Head<'_>, body: Arc<[u8]>, is_head: bool) {
    let now = server.clock.unix_ms() / 1000;
    let Some(exchange) = server.web.asker(asker) else { return };
    let keeps_alive = head.status == Status::Ok && exchange.keeps_alive();
    let head = Head { length: Some(body.len()), keeps_alive, ..head };
    exchange.answer(head.to_bytes(now), (!is_head).then_some(body), keeps_alive);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_a_name_and_a_password_behind_the_first_colon() {
        let of = |header: &str| credentials(header.as_bytes());
        assert_eq!(of("Basic dXNlcjpwYTpzcw=="), Some((b"user".to_vec(), b"pa:ss".to_vec())));
        assert_eq!(of("basic  Og=="), Some((Vec::new(), Vec::new())));
        for wrong in ["", "Basic", "Basic ???", "Bearer dXNlcjpwYTpzcw==", "Basic dXNlcg=="] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn addresses_and_localhost_are_this_machine_and_no_other_names() {
        for host in
            ["127.0.0.1:9121", "127.0.0.1", "[::1]:9121", "localhost:1", "LOCALHOST.", "a.localhost", "10.0.0.1"]
        {
            assert!(is_this_machine(host), "{host}");
        }
        for host in ["evil.example:9121", "localhost.evil.example", "127.0.0.1.evil.example", "", "[evil]"] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
