//! Latency of commands over the last hour: percentiles of each interval, for the commands that were called.
//!
//! A histogram counts since the start; what happened within an interval is the difference of its counts at
//! [`BOUNDS`], four to a power of two.

use super::json::Json;
use crate::command::table::Entry;
use crate::util::histogram::Histogram;

/// Commands told apart.
const ROWS_MAX: usize = 14;
/// Seconds of an interval.
pub const INTERVAL_S: i64 = 10;
/// Intervals kept.
const COLUMNS: usize = 360;
/// Intervals after which a command that was not called makes room for another.
const FORGOTTEN_AFTER: u64 = 30;
/// The percentiles.
const PERCENTILES: [f64; 3] = [0.5, 0.99, 0.999];
const BOUNDS_LEN: usize = 93;
/// Upper bounds of what is told apart, in nanoseconds: from 128 to a second.
const BOUNDS: [u64; BOUNDS_LEN] = {
    let mut bounds = [0; BOUNDS_LEN];
    let mut place = 0;
    while place < BOUNDS_LEN {
        bounds[place] = (4 + place as u64 % 4) << (5 + place / 4);
        place += 1;
    }
    bounds
};

/// Calls of an interval, and its percentiles in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Cell {
    calls: f32,
    micros: [f32; PERCENTILES.len()],
}

#[derive(Debug)]
struct Row {
    /// The place of the command in the table.
    command: usize,
    name: String,
    counts: [u64; BOUNDS_LEN],
    calls: u64,
    cells: Box<[Cell]>,
    active: u64,
}

/// The map.
#[derive(Debug, Default)]
pub struct Heat {
    rows: Vec<Row>,
    /// Intervals that have ended.
    column: u64,
    ends_s: i64,
    /// Calls of each command at the end of the last interval.
    calls: Vec<u64>,
}

impl Heat {
    /// Whether an interval ends now.
    pub fn is_due(&self, now_s: i64) -> bool {
        now_s >= self.ends_s || self.ends_s - now_s > INTERVAL_S
    }

    /// Ends an interval.
    pub fn take<'e>(&mut self, entries: impl Iterator<Item = &'e Entry>, now_s: i64) {
        self.ends_s = now_s - now_s.rem_euclid(INTERVAL_S) + INTERVAL_S;
        self.column += 1;
        for (command, entry) in entries.enumerate() {
            if self.calls.len() <= command {
                self.calls.push(entry.stats.calls);
            }
            let before = std::mem::replace(&mut self.calls[command], entry.stats.calls);
            let row = self.rows.iter().position(|row| row.command == command);
            let Some(histogram) = &entry.stats.latency else { continue };
            let was_called = before != entry.stats.calls || self.column == 1;
            let row = match row {
                Some(row) => row,
                None if was_called => match self.make_room() {
                    Some(place) => self.begin(place, command, entry),
                    None => continue,
                },
                None => continue,
            };
            self.rows[row].end_interval(histogram, entry.stats.calls, self.column);
        }
        for row in &mut self.rows {
            if row.active != self.column {
                row.cells[self.column as usize % COLUMNS] = Cell::default();
            }
        }
    }

    /// The place for another row, if there is one.
    fn make_room(&self) -> Option<usize> {
        if self.rows.len() < ROWS_MAX {
            return Some(self.rows.len());
        }
        let oldest = self.rows.iter().enumerate().min_by_key(|(_, row)| row.active)?;
        (self.column - oldest.1.active >= FORGOTTEN_AFTER).then_some(oldest.0)
    }

    fn begin(&mut self, place: usize, command: usize, entry: &Entry) -> usize {
        let row = Row {
            command,
            name: entry.full_name.clone(),
            counts: [0; BOUNDS_LEN],
            calls: 0,
            cells: vec![Cell::default(); COLUMNS].into(),
            active: self.column,
        };
        match self.rows.get_mut(place) {
            Some(old) => *old = row,
            None => self.rows.push(row),
        }
        place
    }

    /// Writes all columns, the oldest first.
    pub fn write(&self, out: &mut Json) {
        let kept = (self.column as usize).min(COLUMNS);
        self.write_columns(out, kept);
    }

    /// Writes the last column.
    pub fn write_last(&self, out: &mut Json) {
        self.write_columns(out, usize::from(self.column > 0));
    }

    fn write_columns(&self, out: &mut Json, count: usize) {
        out.object(|out| {
            out.name("column").number(self.column);
            out.name("step").number(INTERVAL_S);
            out.name("rows").array(|out| {
                for row in &self.rows {
                    out.object(|out| {
                        out.name("cmd").string(&row.name);
                        out.name("cells").array(|out| {
                            let first = self.column + 1 - count as u64;
                            for column in first..=self.column {
                                row.cells[column as usize % COLUMNS].write(out);
                            }
                        });
                    });
                }
            });
        });
    }
}

impl Row {
    fn end_interval(&mut self, histogram: &Histogram, calls: u64, column: u64) {
        let counts = histogram.counts_up_to(BOUNDS);
        // What was counted anew since a reset is more than nothing.
        if calls < self.calls || counts.iter().zip(&self.counts).any(|(now, before)| now < before) {
            self.counts = [0; BOUNDS_LEN];
        }
        let mut grown = [0; BOUNDS_LEN];
        for (grown, (now, before)) in grown.iter_mut().zip(counts.iter().zip(&self.counts)) {
            *grown = now - before;
        }
        (self.counts, self.calls) = (counts, calls);
        let total = grown[BOUNDS_LEN - 1];
        let cell = Cell { calls: total as f32, micros: PERCENTILES.map(|share| percentile(&grown, share)) };
        self.cells[column as usize % COLUMNS] = cell;
        if total > 0 {
            self.active = column;
        }
    }
}

impl Cell {
    fn write(self, out: &mut Json) {
        if self.calls == 0.0 {
            return out.number(0);
        }
        out.array(|out| {
            out.short(self.calls);
            self.micros.iter().for_each(|micros| out.short(*micros));
        });
    }
}

/// The bound below which a share of all that was counted is, in microseconds.
fn percentile(counts: &[u64; BOUNDS_LEN], share: f64) -> f32 {
    let rank = ((counts[BOUNDS_LEN - 1] as f64 * share).ceil() as u64).max(1);
    let place = counts.iter().position(|count| *count >= rank).unwrap_or(BOUNDS_LEN - 1);
    BOUNDS[place] as f32 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::testbed::Testbed;

    fn written(heat: &Heat) -> String {
        let mut json = Json::default();
        heat.write(&mut json);
        json.finish()
    }

    #[test]
    fn bounds_are_four_to_a_power_of_two() {
        assert_eq!(BOUNDS[..6], [128, 160, 192, 224, 256, 320]);
        assert_eq!(BOUNDS[BOUNDS_LEN - 1], 1 << 30);
    }

    #[test]
    fn each_interval_has_its_own_percentiles() {
        let mut bed = Testbed::new();
        let mut heat = Heat::default();
        let get = bed.server.commands.resolve(&crate::resp::request::OwnedRequest::of(&["get"]).view()).expect("GET");
        let call = |bed: &mut Testbed, nanos: u64, times: u64| {
            let stats = bed.server.commands.stats_mut(get);
            stats.calls += times;
            (0..times).for_each(|_| stats.latency.get_or_insert_default().record(nanos));
        };
        call(&mut bed, 1_000, 99);
        call(&mut bed, 1_000_000, 1);
        heat.take(bed.server.commands.entries(), 10);
        call(&mut bed, 2_000, 10);
        heat.take(bed.server.commands.entries(), 20);
        heat.take(bed.server.commands.entries(), 30);
        let text = written(&heat);
        let cells = r#""cells":[[100,1.02,1.02,1048.58],[10,2.05,2.05,2.05],0]"#;
        assert!(text.contains(cells), "{text}");
        bed.server.commands.reset_stats();
        call(&mut bed, 4_000, 3);
        heat.take(bed.server.commands.entries(), 40);
        assert!(
            written(&heat).contains("[3,4.1,4.1,4.1]") || written(&heat).contains("[3,4.10,"),
            "{}",
            written(&heat)
        );
        assert!(heat.is_due(50) && !heat.is_due(49) && heat.is_due(5), "also when the clock was set back");
    }

    #[test]
    fn there_are_so_many_rows_and_no_more() {
        let bed = Testbed::new();
        let mut heat = Heat::default();
        for place in 0..ROWS_MAX {
            heat.begin(place, place, bed.server.commands.entries().next().expect("a command"));
        }
        assert_eq!(heat.make_room(), None);
        heat.column = FORGOTTEN_AFTER;
        heat.rows[3].active = 0;
        (0..ROWS_MAX).filter(|place| *place != 3).for_each(|place| heat.rows[place].active = 10);
        assert_eq!(heat.make_room(), Some(3));
        assert!(size_of::<Cell>() * COLUMNS * ROWS_MAX < 100_000);
    }
}
