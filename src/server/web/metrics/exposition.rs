//! The text formats: that of Prometheus (0.0.4), and OpenMetrics (1.0.0).

use std::fmt::{Display, Write};

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// That of Prometheus.
    Prometheus,
    /// OpenMetrics.
    OpenMetrics,
}

impl Format {
    /// The format a scraper prefers by its `Accept` header: OpenMetrics only if that is named and no less wanted.
    pub fn accepted(accept: &str) -> Format {
        let (mut open, mut plain) = (0.0_f64, 0.0_f64);
        for choice in accept.split(',') {
            let mut words = choice.split(';').map(str::trim);
            let kind = words.next().unwrap_or_default().to_ascii_lowercase();
            let (mut weight, mut version) = (1.0, "");
            for word in words {
                match word.split_once('=').map(|(name, value)| (name.trim(), value.trim().trim_matches('"'))) {
                    Some(("q", value)) => weight = value.parse().unwrap_or(0.0),
                    Some(("version", value)) => version = value,
                    _ => {}
                }
            }
            match &*kind {
                "application/openmetrics-text" if matches!(version, "" | "0.0.1" | "1.0.0") => open = open.max(weight),
                "text/plain" | "text/*" | "*/*" => plain = plain.max(weight),
                _ => {}
            }
        }
        if open > 0.0 && open >= plain { Format::OpenMetrics } else { Format::Prometheus }
    }

    /// Its name in HTTP.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// What the samples of a family are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A number that goes up and down.
    Gauge,
    /// One that only goes up.
    Counter,
    /// Counts by upper bounds.
    Histogram,
    /// Quantiles.
    Summary,
}

/// A text that is being written, family by family.
#[derive(Debug)]
pub struct Exposition {
    /// The format.
    pub format: Format,
    text: String,
    family: String,
}

impl Exposition {
    /// Nothing yet.
    pub fn new(format: Format) -> Exposition {
        Exposition { format, text: String::with_capacity(64 * 1024), family: String::new() }
    }

    /// Begins a family; its samples follow.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) {
        self.family.clear();
        self.family.push_str(name);
        let (shown, kind) = match (self.format, kind) {
            (_, Kind::Gauge) => (name, "gauge"),
            (_, Kind::Histogram) => (name, "histogram"),
            (Format::Prometheus, Kind::Counter) => (name, "counter"),
            (Format::Prometheus, Kind::Summary) => (name, "summary"),
            (Format::OpenMetrics, Kind::Summary) => (name, "unknown"),
            (Format::OpenMetrics, Kind::Counter) => match name.strip_suffix("_total") {
                Some(stem) => (stem, "counter"),
                None => (name, "unknown"),
            },
        };
        // Writing to a string cannot fail.
        let _ = write!(self.text, "# HELP {shown} ");
        self.escaped(help, self.format == Format::OpenMetrics);
        let _ = write!(self.text, "\n# TYPE {shown} {kind}\n");
    }

    /// A sample of the family.
    pub fn sample(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.sample_of("", labels, value);
    }

    /// A sample of the family whose name has something behind it.
    pub fn sample_of(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        self.text.push_str(&self.family);
        self.text.push_str(suffix);
        let mut before = '{';
        for (name, text) in labels {
            self.text.push(before);
            self.text.push_str(name);
            self.text.push_str("=\"");
            self.escaped(text, true);
            self.text.push('"');
            before = ',';
        }
        if before == ',' {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    /// A text within a line, and within quotes perhaps.
    fn escaped(&mut self, text: &str, is_quoted: bool) {
        for character in text.chars() {
            match character {
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '"' if is_quoted => self.text.push_str("\\\""),
                _ => self.text.push(character),
            }
        }
    }

    /// A family of one sample.
    pub fn single(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.sample(&[], value);
    }

    /// The text.
    pub fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_the_one_the_scraper_prefers() {
        let of_prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;\
                             q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(Format::accepted(of_prometheus), Format::OpenMetrics);
        for accept in [
            "",
            "*/*",
            "text/plain",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text; version=2.0.0",
            "application/openmetrics-text;q=0.3,text/plain;q=0.5",
        ] {
            assert_eq!(Format::accepted(accept), Format::Prometheus, "{accept}");
        }
    }

    #[test]
    fn names_are_the_same_in_both_formats_and_texts_are_escaped() {
        let write = |format| {
            let mut text = Exposition::new(format);
            text.family("a_total", Kind::Counter, "back\\slash\nand \"quotes\"");
            text.sample(&[("x", "\"\\\n"), ("y", "")], 1);
            text.single("b", Kind::Counter, "odd", 0.5);
            text.finish()
        };
        assert_eq!(
            write(Format::Prometheus),
            "# HELP a_total back\\\\slash\\nand \"quotes\"\n# TYPE a_total counter\na_total{x=\"\\\"\\\\\\n\",y=\"\"} 1\n\
             # HELP b odd\n# TYPE b counter\nb 0.5\n"
        );
        assert_eq!(
            write(Format::OpenMetrics),
            "# HELP a back\\\\slash\\nand \\\"quotes\\\"\n# TYPE a counter\na_total{x=\"\\\"\\\\\\n\",y=\"\"} 1\n\
             # HELP b odd\n# TYPE b unknown\nb 0.5\n# EOF\n"
        );
    }
}
