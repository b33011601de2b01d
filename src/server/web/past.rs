//! The last hour as the page asks for it when it is opened, made in steps.

use super::history::SERIES;
use super::json::Json;
use super::state::Watch;

/// Seconds written in a step.
const SECONDS: usize = 200;

/// The last hour on its way.
#[derive(Debug, Default)]
pub struct Past {
    out: Json,
    from: Option<usize>,
}

impl Past {
    /// Does the next step; whether that was the last.
    pub fn step(&mut self, watch: &Watch) -> bool {
        let out = &mut self.out;
        let from = match self.from {
            Some(from) => from,
            None => {
                out.begin_object();
                out.name("last").number(watch.history.last_ms());
                out.name("series").array(|out| SERIES.iter().for_each(|name| out.string(name)));
                watch.heat.write(out.name("heat"));
                out.name("samples").begin_array();
                0
            }
        };
        // A sample that is taken meanwhile pushes the oldest out: one is missing then, and the page does not mind.
        let done = watch.history.write(from, SECONDS, out);
        self.from = Some(from + SECONDS);
        if done {
            out.end_array();
            out.end_object();
        }
        done
    }

    /// The text.
    pub fn finish(self) -> String {
        self.out.finish()
    }
}
