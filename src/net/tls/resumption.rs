//! Sessions that are taken up again without another exchange of certificates.
//!
//! Clients are given tickets which hold their session, encrypted, so the server keeps nothing but the key, and that for
//! `tls-session-cache-timeout` seconds. Clients of TLS 1.2 that take no tickets are remembered,
//! `tls-session-cache-size` of them at most.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::server::{ProducesTickets, ServerConfig, StoresServerSessions};
use rustls::ticketer::TicketRotator;

/// Has a server resume sessions, for some seconds and so many of them.
pub fn enable(config: &mut ServerConfig, timeout_s: u32, size: usize) {
    let make = || -> Result<Box<dyn ProducesTickets>, rustls::crypto::GetRandomFailed> {
        let ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().map_err(|_| rustls::crypto::GetRandomFailed)?;
        Ok(Box::new(Ticketer(ticketer)))
    };
    match TicketRotator::new(timeout_s, make) {
        Ok(rotator) => config.ticketer = Arc::new(rotator),
        Err(error) => log::warn!("TLS sessions are not resumed by tickets: {error}"),
    }
    config.session_storage =
        Arc::new(SessionCache { size, timeout: Duration::from_secs(timeout_s.into()), entries: Mutex::default() });
}

/// Has a server resume none.
pub fn disable(config: &mut ServerConfig) {
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
}

/// One key for tickets.
#[derive(Debug)]
struct Ticketer(Arc<dyn ProducesTickets>);

impl ProducesTickets for Ticketer {
    fn enabled(&self) -> bool {
        self.0.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.0.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.0.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.0.decrypt(cipher)
    }
}

/// Sessions by their id, the oldest first.
#[derive(Debug, Default)]
struct Entries {
    by_id: HashMap<Vec<u8>, (Instant, Vec<u8>)>,
    order: VecDeque<(Instant, Vec<u8>)>,
}

/// Sessions that are remembered.
#[derive(Debug)]
struct SessionCache {
    size: usize,
    timeout: Duration,
    entries: Mutex<Entries>,
}

impl SessionCache {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put_at(&self, now: Instant, id: Vec<u8>, session: Vec<u8>) -> bool {
        let mut entries = self.entries();
        let Entries { by_id, order } = &mut *entries;
        let is_old = |at: Instant| now.saturating_duration_since(at) >= self.timeout;
        while order.front().is_some_and(|(at, _)| is_old(*at) || order.len() >= self.size.max(1)) {
            let Some((at, id)) = order.pop_front() else { break };
            // The id may have been taken, and used again.
            if by_id.get(&id).is_some_and(|(stored, _)| *stored == at) {
                by_id.remove(&id);
            }
        }
        order.push_back((now, id.clone()));
        by_id.insert(id, (now, session));
        true
    }

    fn get_at(&self, now: Instant, id: &[u8]) -> Option<Vec<u8>> {
        let entries = self.entries();
        let (at, session) = entries.by_id.get(id)?;
        (now.saturating_duration_since(*at) < self.timeout).then(|| session.clone())
    }
}

impl StoresServerSessions for SessionCache {
    fn put(&self, id: Vec<u8>, session: Vec<u8>) -> bool {
        self.size > 0 && self.put_at(Instant::now(), id, session)
    }

    fn get(&self, id: &[u8]) -> Option<Vec<u8>> {
        self.get_at(Instant::now(), id)
    }

    fn take(&self, id: &[u8]) -> Option<Vec<u8>> {
        let found = self.get(id);
        self.entries().by_id.remove(id);
        found
    }

    fn can_cache(&self) -> bool {
        self.size > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_kept_up_to_a_number_and_for_a_time() {
        let cache = SessionCache { size: 2, timeout: Duration::from_secs(5), entries: Mutex::default() };
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for (second, id) in [(0, b"a"), (1, b"b"), (2, b"c")] {
            cache.put_at(at(second), id.to_vec(), vec![second as u8]);
        }
        assert_eq!(cache.get_at(at(3), b"a"), None, "two are kept");
        assert_eq!(cache.get_at(at(3), b"b"), Some(vec![1]));
        assert_eq!(cache.get_at(at(6), b"b"), None, "for five seconds");
        assert_eq!(cache.get_at(at(6), b"c"), Some(vec![2]));
        cache.put_at(at(9), b"d".to_vec(), Vec::new());
        assert_eq!(cache.entries().by_id.len(), 1, "what is too old is gone");
        assert_eq!((cache.take(b"d"), cache.get(b"d")), (Some(Vec::new()), None));
        assert!(cache.entries().order.len() <= 2);
    }
}
