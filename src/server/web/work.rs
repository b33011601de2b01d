//! Answers that take a while, made a slice per turn of the event loop.

use std::collections::VecDeque;
use std::sync::Arc;

use super::event::Event;
use super::metrics::scrape::Scrape;
use super::metrics::sizes::Sizes;
use super::past::Past;
use super::state::{Asker, Scrapes, Wanted};
use super::{connections, routes};
use crate::db::Databases;
use crate::net::http::response::{Head, Status};
use crate::server::Server;
use crate::server::observe::info::section::Source;
use crate::util::clock::Ticks;

/// How long the loop works on answers in one turn, in microseconds.
pub const SLICE_US: u64 = 200;
/// How many times as long it does not afterwards, so that whoever asks for much slows nobody down.
const REST_TIMES: u64 = 4;

/// An answer on its way.
#[derive(Debug)]
enum Job {
    /// Sizes of values, from a database on: they are drawn anew for the metrics.
    Sizes(usize),
    Scrape(Asker, bool, Box<Scrape>),
    Past(Asker, bool, Box<Past>),
    Event(Option<Asker>, Box<Event>),
}

/// Makes the answers.
#[derive(Debug, Default)]
pub struct Worker {
    jobs: VecDeque<Job>,
    sizes: Sizes,
    /// It rests until then.
    rests_until: Option<Ticks>,
}

impl Worker {
    /// Whether there is something to do.
    #[inline]
    pub fn has_work(&self, server: &Server) -> bool {
        !self.jobs.is_empty() || !server.web.wanted.is_empty()
    }

    /// Goes on for a slice, unless it rests.
    #[cold]
    pub fn work(&mut self, server: &mut Server, db: &mut Databases) {
        let began = server.clock.tick();
        if self.rests_until.is_some_and(|until| began < until) {
            return;
        }
        let until = server.clock.ticks_after(began, SLICE_US);
        let mut now = began;
        while now < until {
            let Some(mut job) = self.next(server) else { break };
            let done = self.step(server, db, &mut job);
            let before = std::mem::replace(&mut now, server.clock.tick());
            if let Job::Scrape(_, _, scrape) = &mut job {
                scrape.took_us += server.clock.micros_between(before, now);
            }
            match done {
                true => finish(server, job),
                false => self.jobs.push_front(job),
            }
        }
        let ended = server.clock.tick();
        let took_us = server.clock.micros_between(began, ended);
        server.stats.parts.http_us += took_us;
        self.rests_until = Some(server.clock.ticks_after(ended, took_us * REST_TIMES));
    }

    /// The job at hand, or the next that is wanted.
    fn next(&mut self, server: &mut Server) -> Option<Job> {
        if let Some(job) = self.jobs.pop_front() {
            return Some(job);
        }
        Some(match server.web.wanted.pop_front()? {
            Wanted::Metrics(asker, format, is_head) => {
                let scrape = Job::Scrape(asker, is_head, Box::new(Scrape::new(format)));
                if !self.sizes.are_stale(server.clock.unix_ms()) {
                    return Some(scrape);
                }
                self.jobs.push_back(scrape);
                Job::Sizes(0)
            }
            Wanted::Past(asker, is_head) => Job::Past(asker, is_head, Box::default()),
            Wanted::Event(to) => {
                let known = server.web.watch.as_ref().map(|watch| watch.sent).filter(|_| to.is_none());
                Job::Event(to, Box::new(Event::new(known)))
            }
        })
    }

    /// Does a step of a job; whether that was the last. What nobody waits for any more is done.
    fn step(&mut self, server: &Server, db: &Databases, job: &mut Job) -> bool {
        match job {
            Job::Sizes(from) => match self.sizes.draw(db, *from, server.clock.unix_ms()) {
                Some(next) => {
                    *from = next;
                    false
                }
                None => true,
            },
            Job::Scrape(asker, _, scrape) => {
                !server.web.has_asker(*asker) || scrape.step(&Source::of(server, db), &self.sizes)
            }
            Job::Past(asker, _, past) => {
                let watch = server.web.watch.as_ref().filter(|_| server.web.has_asker(*asker));
                watch.is_none_or(|watch| past.step(watch))
            }
            Job::Event(to, event) => {
                to.is_some_and(|asker| !server.web.has_asker(asker)) || event.step(&Source::of(server, db))
            }
        }
    }
}

fn finish(server: &mut Server, job: Job) {
    match job {
        Job::Sizes(_) => {}
        Job::Scrape(asker, is_head, scrape) => {
            let count = server.web.scrapes.count + 1;
            server.web.scrapes = Scrapes { count, last_us: scrape.took_us };
            let (content_type, text) = scrape.finish();
            answer(server, asker, content_type, text, is_head);
        }
        Job::Past(asker, is_head, past) => answer(server, asker, "application/json", past.finish(), is_head),
        Job::Event(Some(asker), event) => tell(server, &[asker], event.finish()),
        Job::Event(None, event) => {
            server.web.tells = false;
            if let Some(watch) = &mut server.web.watch {
                watch.sent = event.versions;
            }
            let viewers = server.web.viewers();
            tell(server, &viewers, event.finish());
        }
    }
}

/// Sends an event.
fn tell(server: &mut Server, viewers: &[Asker], event: String) {
    let event: Arc<[u8]> = event.into_bytes().into();
    for viewer in viewers {
        let Some(exchange) = server.web.asker(*viewer) else { continue };
        if !exchange.push(&event) {
            server.web.missed.push(*viewer);
        }
        connections::advance(server, viewer.place);
    }
}

fn answer(server: &mut Server, asker: Asker, content_type: &str, text: String, is_head: bool) {
    let head = Head { status: Status::Ok, content_type, length: None, more: "", keeps_alive: true };
    routes::reply(server, asker, head, text.into_bytes().into(), is_head);
    if server.web.has_asker(asker) {
        connections::advance(server, asker.place);
    }
}
