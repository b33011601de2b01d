//! From a long history that ends in a difference to a short script that shows it.
//!
//! Subsets are replayed on empty servers: first what shares a key with the last command, then halves, quarters and so
//! on ("Simplifying and Isolating Failure-Inducing Input", Zeller and Hildebrandt), at last words of commands.

use std::collections::HashSet;

use super::draw::Word;
use super::pair::Pair;
use super::session::{Difference, Session};
use super::unit::Unit;

/// Replays at most; what is left then is reported as it is.
const REPLAYS_MAX: usize = 1500;
/// A word longer than this is halved where that keeps the difference.
const LONG_WORD: usize = 8;

/// A script and the difference its last command shows.
#[derive(Debug)]
pub struct Shrunk {
    /// What to send.
    pub units: Vec<Unit>,
    /// What comes back.
    pub difference: Difference,
}

struct Shrinker<'p> {
    pair: &'p mut Pair,
    signature: String,
    known: HashSet<String>,
    replays: usize,
    best: Shrunk,
}

/// Shrinks `units`, whose replay must show a difference like `found`, after none but `known` ones; `None` if it does
/// not.
pub fn shrink(pair: &mut Pair, units: Vec<Unit>, found: &Difference, known: HashSet<String>) -> Option<Shrunk> {
    let best = Shrunk { units, difference: found.clone() };
    let mut shrinker = Shrinker { pair, signature: found.signature(), known, replays: 0, best };
    let all = shrinker.best.units.clone();
    if found.is_lost() {
        // Each replay takes as long as a reply is waited for.
        let last = all.last().cloned().into_iter().collect();
        return shrinker.keeps(last).then_some(shrinker.best);
    }
    if !shrinker.keeps(all) {
        return None;
    }
    shrinker.try_the_same_keys();
    shrinker.drop_units();
    shrinker.drop_commands();
    shrinker.shorten_words();
    shrinker.drop_units();
    Some(shrinker.best)
}

impl Shrinker<'_> {
    /// Replays, and takes the script as the best one if it still shows the difference.
    fn keeps(&mut self, units: Vec<Unit>) -> bool {
        self.replays += 1;
        let mut session = Session::start_ignoring(self.pair, self.known.clone());
        let Err(difference) = session.run(&units) else { return false };
        if session.is_void || difference.signature() != self.signature {
            return false;
        }
        let mut units = units;
        units.truncate(difference.unit + 1);
        self.best = Shrunk { units, difference: *difference };
        true
    }

    fn is_tired(&self) -> bool {
        self.replays >= REPLAYS_MAX
    }

    fn try_the_same_keys(&mut self) {
        let wanted: Vec<Word> = self.best.difference.command.iter().skip(1).cloned().collect();
        let shares = |unit: &Unit| unit.commands.iter().any(|c| c.words.iter().skip(1).any(|w| wanted.contains(w)));
        let last = self.best.units.len() - 1;
        let units = self.best.units.iter().enumerate();
        let related = units.filter(|(at, unit)| *at == last || shares(unit)).map(|(_, unit)| unit.clone()).collect();
        self.keeps(related);
    }

    /// The last unit shows the difference and stays; of those before it, ever smaller parts are left out.
    fn drop_units(&mut self) {
        let mut part = (self.best.units.len() / 2).max(1);
        loop {
            let mut at = 0;
            let mut has_dropped = false;
            while at + 1 < self.best.units.len() && !self.is_tired() {
                let end = (at + part).min(self.best.units.len() - 1);
                let without = [&self.best.units[..at], &self.best.units[end..]].concat();
                if self.keeps(without) {
                    has_dropped = true;
                } else {
                    at = end;
                }
            }
            if self.is_tired() || part == 1 && !has_dropped {
                return;
            }
            part = (part / 2).max(1);
        }
    }

    /// Leaves out what is asked beside the command of a unit. What else stands together means something together.
    fn drop_commands(&mut self) {
        for unit in (0..self.best.units.len()).rev() {
            let mut at = 0;
            while unit < self.best.units.len() && at < self.best.units[unit].commands.len() && !self.is_tired() {
                let mut units = self.best.units.clone();
                let removed = units[unit].commands.remove(at);
                let is_aside = removed.is("object") || removed.is("select");
                if !is_aside || units[unit].commands.is_empty() || !self.keeps(units) {
                    at += 1;
                }
            }
        }
    }

    fn shorten_words(&mut self) {
        for unit in (0..self.best.units.len()).rev() {
            for command in 0..self.best.units.get(unit).map_or(0, |unit| unit.commands.len()) {
                self.shorten_command(unit, command);
            }
        }
    }

    fn shorten_command(&mut self, unit: usize, command: usize) {
        let words = |best: &Shrunk| best.units.get(unit).map(|u| u.commands[command].words.clone());
        let mut run = words(&self.best).map_or(0, |words| words.len() / 2);
        while run > 0 {
            let mut at = 1;
            while words(&self.best).is_some_and(|words| at + run <= words.len()) && !self.is_tired() {
                let mut units = self.best.units.clone();
                units[unit].commands[command].words.drain(at..at + run);
                if !self.keeps(units) {
                    at += run;
                }
            }
            run /= 2;
        }
        let mut at = 1;
        while let Some(word) = words(&self.best).and_then(|words| words.get(at).cloned()) {
            let mut units = self.best.units.clone();
            units[unit].commands[command].words[at].truncate(word.len() / 2);
            if self.is_tired() || word.len() <= LONG_WORD || !self.keeps(units) {
                at += 1;
            }
        }
    }
}
