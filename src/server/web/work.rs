//! Jobs: answers that take a while, made a slice per turn of the event loop.

use super::connections;
use super::routes;
use super::state::{Asker, Job, Scrapes};
use crate::db::Databases;
use crate::net::http::response::{Head, Status};
use crate::server::Server;
use crate::server::observe::info::section::Source;
use crate::util::clock::Ticks;

/// How long the loop works on jobs in one turn, in microseconds.
pub const SLICE_US: u64 = 200;

/// Goes on with the jobs for a slice.
#[cold]
pub fn work(server: &mut Server, db: &mut Databases) {
    let began = server.clock.tick();
    run(server, db, began);
    server.stats.parts.http_us += server.clock.micros_between(began, server.clock.now());
}

fn run(server: &mut Server, db: &mut Databases, began: Ticks) {
    let mut now = began;
    let until = server.clock.ticks_after(now, SLICE_US);
    while let Some(mut job) = server.web.jobs.pop_front() {
        loop {
            let done = step(server, db, &mut job);
            let before = std::mem::replace(&mut now, server.clock.tick());
            note_time(&mut job, server.clock.micros_between(before, now));
            if done {
                finish(server, job);
                break;
            }
            if now >= until {
                server.web.jobs.push_front(job);
                return;
            }
        }
        if now >= until {
            return;
        }
    }
}

/// Does a step of a job; whether that was the last.
fn step(server: &mut Server, db: &mut Databases, job: &mut Job) -> bool {
    match job {
        Job::Scrape { asker, scrape, .. } => {
            let is_gone = server.web.asker(*asker).is_none();
            is_gone || scrape.step(&Source::of(server, db))
        }
        Job::Sizes(from) => match server.web.sizes.draw(db, *from, server.clock.unix_ms()) {
            Some(next) => {
                *from = next;
                false
            }
            None => true,
        },
    }
}

fn note_time(job: &mut Job, micros: u64) {
    match job {
        Job::Scrape { scrape, .. } => scrape.took_us += micros,
        Job::Sizes(_) => {}
    }
}

fn finish(server: &mut Server, job: Job) {
    match job {
        Job::Scrape { asker, is_head, scrape } => {
            let Scrapes { count, .. } = server.web.scrapes;
            server.web.scrapes = Scrapes { count: count + 1, last_us: scrape.took_us };
            let (content_type, text) = scrape.finish();
            answer(server, asker, content_type, text, is_head);
        }
        Job::Sizes(_) => {}
    }
}

fn answer(server: &mut Server, asker: Asker, content_type: &str, text: String, is_head: bool) {
    let head = Head { status: Status::Ok, content_type, length: None, more: "", keeps_alive: true };
    routes::reply(server, asker, head, text.into_bytes().into(), is_head);
    connections::advance(server, asker.place);
}
