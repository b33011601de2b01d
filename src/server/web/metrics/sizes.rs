//! How large values are, by powers of two: the figures of INFO keysizes, drawn anew from time to time.

use super::exposition::{Exposition, Kind};
use crate::db::Databases;
use crate::server::observe::info::keysizes::{Counts, SHOWN, counts, label};

/// Keys looked at in a database.
const LOOKED_AT: usize = 512;
/// Databases looked at: the first ones that have keys.
const DATABASES_MAX: usize = 16;
/// How long figures are good for, in milliseconds.
const KEPT_MS: i64 = 30_000;

/// The figures.
#[derive(Debug, Default)]
pub struct Sizes {
    databases: Vec<(usize, Box<Counts>)>,
    drawn_ms: Option<i64>,
}

impl Sizes {
    /// Whether there are none, or old ones.
    pub fn are_stale(&self, now_ms: i64) -> bool {
        self.drawn_ms.is_none_or(|drawn| !(0..KEPT_MS).contains(&(now_ms - drawn)))
    }

    /// Draws the figures of one database behind `from`; where to go on, if that was not the last.
    pub fn draw(&mut self, db: &Databases, from: usize, now_ms: i64) -> Option<usize> {
        if from == 0 {
            self.databases.clear();
        }
        let next = (from..db.count()).find(|index| !db.database(*index).dict.is_empty());
        match next.filter(|_| self.databases.len() < DATABASES_MAX) {
            Some(index) => {
                self.databases.push((index, Box::new(counts(db, index, LOOKED_AT))));
                Some(index + 1)
            }
            None => {
                self.drawn_ms = Some(now_ms);
                None
            }
        }
    }

    /// Writes them.
    pub fn write(&self, out: &mut Exposition) {
        if self.databases.is_empty() {
            return;
        }
        let help = "Keys by the size of their values, from so many bytes or elements on, about.";
        out.family("oxidis_db_keys_by_size", Kind::Gauge, help);
        for (index, counts) in &self.databases {
            let db = format!("db{index}");
            for ((kind, _), powers) in SHOWN.iter().zip(counts.iter()) {
                for (power, count) in powers.iter().enumerate().filter(|(_, count)| **count > 0) {
                    let labels = [("db", db.as_str()), ("type", kind.name()), ("size", &label(power))];
                    out.sample(&labels, count);
                }
            }
        }
    }
}
