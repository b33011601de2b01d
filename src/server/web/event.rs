//! What the page is told each second, made in steps.
//!
//! Most of it is INFO, so that the page shows what INFO shows. The slow log, the log and the configuration are part of an
//! event only if they have changed since the one before, or for a viewer who has just come.

use super::cluster;
use super::json::Json;
use super::state::Versions;
use crate::config::{Config, Directive, flags};
use crate::server::observe::command_log::{Kind, LoggedCommand};
use crate::server::observe::info::section::Source;
use crate::server::observe::{info, log_tail};

/// Sections of INFO that the page shows.
const SECTIONS: &[&str] =
    &["server", "clients", "memory", "persistence", "stats", "replication", "cpu", "keyspace", "errorstats"];
/// Entries of the slow log that are shown.
const SLOW_SHOWN: usize = 20;
/// Bytes of an argument, and of a value of a directive, that are shown.
const ARGUMENT_BYTES: usize = 64;
const VALUE_BYTES: usize = 200;
/// Directives compared in a step.
const DIRECTIVES: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Time,
    Section(usize),
    Watched,
    Logs,
    Directives(usize),
    Done,
}

/// An event on its way.
#[derive(Debug)]
pub struct Event {
    stage: Stage,
    out: Json,
    /// What whoever gets it has; `None` for nothing.
    known: Option<Versions>,
    /// What they have then.
    pub versions: Versions,
}

impl Event {
    /// One that has yet to begin.
    pub fn new(known: Option<Versions>) -> Event {
        let mut out = Json::default();
        out.begin_object();
        Event { stage: Stage::Time, out, known, versions: known.unwrap_or_default() }
    }

    /// Does the next step; whether that was the last.
    pub fn step(&mut self, source: &Source<'_>) -> bool {
        self.stage = match self.stage {
            Stage::Time => {
                self.out.name("t").number(source.server.clock.unix_ms());
                self.out.name("info").begin_object();
                Stage::Section(0)
            }
            Stage::Section(index) => match SECTIONS.get(index) {
                Some(name) => {
                    self.section(&info::section_lines(source, name));
                    Stage::Section(index + 1)
                }
                None => {
                    self.out.end_object();
                    Stage::Watched
                }
            },
            Stage::Watched => {
                self.watched(source);
                Stage::Logs
            }
            Stage::Logs => {
                self.logs(source);
                let version = source.server.web.config_version;
                match self.known.is_none_or(|known| known.config != version) {
                    true => {
                        self.versions.config = version;
                        self.out.name("config").begin_array();
                        Stage::Directives(0)
                    }
                    false => Stage::Done,
                }
            }
            Stage::Directives(from) => {
                directives(&source.server.config, from, &mut self.out);
                match from + DIRECTIVES < Directive::all().count() {
                    true => Stage::Directives(from + DIRECTIVES),
                    false => {
                        self.out.end_array();
                        Stage::Done
                    }
                }
            }
            Stage::Done => Stage::Done,
        };
        self.stage == Stage::Done
    }

    fn section(&mut self, lines: &str) {
        for (field, value) in lines.lines().filter_map(|line| line.split_once(':')) {
            self.out.name(field).string(value);
        }
    }

    fn watched(&mut self, source: &Source<'_>) {
        let (server, out) = (source.server, &mut self.out);
        let parts = server.stats.loop_parts(server.commands.micros());
        out.name("loop").array(|out| parts.iter().for_each(|(_, micros)| out.number(micros)));
        if let Some(state) = &server.cluster {
            cluster::write(state, out.name("cluster"));
        }
        let Some(watch) = &server.web.watch else { return };
        watch.history.write_last(out.name("sample"));
        watch.heat.write_last(out.name("heat"));
        watch.hot.write(out.name("hot"));
        if server.config.bigkeys_scan {
            watch.big.write(source.db, out.name("big"));
        }
    }

    fn logs(&mut self, source: &Source<'_>) {
        let slow = &source.server.command_log.log(Kind::Slow).entries;
        self.versions.slow = (slow.len(), slow.front().map_or(0, |entry| entry.id));
        if self.known.is_none_or(|known| known.slow != self.versions.slow) {
            self.out.name("slow").array(|out| slow.iter().take(SLOW_SHOWN).for_each(|entry| slow_command(entry, out)));
        }
        self.versions.log = log_tail::version();
        if self.known.is_none_or(|known| known.log != self.versions.log) {
            self.out.name("log").array(|out| log_tail::lines().iter().for_each(|line| out.string(line)));
        }
    }

    /// The event as it is sent.
    pub fn finish(mut self) -> String {
        self.out.end_object();
        format!("data: {}\n\n", self.out.finish())
    }
}

fn slow_command(entry: &LoggedCommand, out: &mut Json) {
    out.array(|out| {
        out.number(entry.id);
        out.number(entry.time);
        out.number(entry.value);
        out.string(&entry.peer);
        out.array(|out| entry.args.iter().for_each(|arg| out.bytes(arg, ARGUMENT_BYTES)));
    });
}

/// Writes those of some directives whose values are not the defaults: name, value, default.
fn directives(config: &Config, from: usize, out: &mut Json) {
    let default = Config::default();
    for directive in Directive::all().skip(from).take(DIRECTIVES) {
        let (value, usual) = (directive.value(config), directive.value(&default));
        if value == usual {
            continue;
        }
        out.array(|out| {
            out.string(directive.name);
            match directive.is(flags::SENSITIVE) {
                true => out.string("(hidden)"),
                false => out.bytes(&value, VALUE_BYTES),
            }
            out.bytes(&usual, VALUE_BYTES);
        });
    }
}
