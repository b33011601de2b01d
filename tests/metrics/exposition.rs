//! A strict reader of both text formats: what it lets through, any scraper reads.

use std::collections::{BTreeMap, BTreeSet};

/// The samples of a text.
pub struct Exposition {
    samples: BTreeMap<(String, BTreeMap<String, String>), f64>,
}

#[derive(Default)]
struct Family {
    name: String,
    kind: String,
}

impl Exposition {
    /// Reads a text; panics where it breaks a rule.
    pub fn parse(text: &str, is_open: bool) -> Exposition {
        let text = match is_open {
            true => text.strip_suffix("# EOF\n").expect("the end of OpenMetrics"),
            false => text,
        };
        assert!(text.ends_with('\n') && !text.contains("# EOF"));
        let (mut samples, mut seen, mut family) = (BTreeMap::new(), BTreeSet::new(), Family::default());
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help");
                assert!(is_name(name) && !help.is_empty(), "{line}");
                assert!(seen.insert(name.to_owned()), "{name} comes twice");
                family = Family { name: name.to_owned(), kind: String::new() };
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                assert_eq!(name, family.name, "{line}");
                let kinds = ["gauge", "counter", "histogram", if is_open { "unknown" } else { "summary" }];
                assert!(kinds.contains(&kind), "{line}");
                assert!(kind != "counter" || !is_open || !name.ends_with("_total"), "{line}");
                family.kind = kind.to_owned();
            } else {
                let (name, labels, value) = sample(line);
                check_belongs(&family, &name, &labels, is_open);
                assert!(family.kind != "counter" || value >= 0.0, "{line}");
                assert!(samples.insert((name, labels), value).is_none(), "{line} comes twice");
            }
        }
        let exposition = Exposition { samples };
        exposition.check_histograms();
        exposition
    }

    /// The value of a sample.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.samples.get(&(name.to_owned(), labels)).copied()
    }

    /// The labels of the first sample with a name.
    pub fn labels(&self, name: &str) -> &BTreeMap<String, String> {
        let mut found = self.samples.keys().filter(|(known, _)| known == name);
        found.next().map(|(_, labels)| labels).expect("a sample")
    }

    /// Names and labels of all samples.
    pub fn series(&self) -> impl Iterator<Item = String> {
        self.samples.keys().map(|(name, labels)| {
            let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            format!("{name}{{{}}}", labels.join(","))
        })
    }

    /// Counts grow with their bounds, and the last is that of all.
    fn check_histograms(&self) {
        let mut buckets: BTreeMap<(String, String), Vec<(f64, f64)>> = BTreeMap::new();
        for ((name, labels), value) in &self.samples {
            if let (Some(stem), Some(bound)) = (name.strip_suffix("_bucket"), labels.get("le")) {
                let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().expect("a bound") };
                buckets.entry((stem.to_owned(), labels["cmd"].clone())).or_default().push((bound, *value));
            }
        }
        for ((stem, cmd), mut counts) in buckets {
            counts.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(counts.is_sorted_by(|one, next| one.1 <= next.1), "{stem} {cmd}: {counts:?}");
            let last = counts.last().expect("a bucket");
            assert_eq!(last.0, f64::INFINITY);
            assert_eq!(self.value(&format!("{stem}_count"), &[("cmd", &cmd)]), Some(last.1));
            assert!(self.value(&format!("{stem}_sum"), &[("cmd", &cmd)]).is_some());
        }
    }
}

fn is_name(name: &str) -> bool {
    let is_begin = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.bytes().next().is_some_and(is_begin) && name.bytes().all(|byte| is_begin(byte) || byte.is_ascii_digit())
}

fn check_belongs(family: &Family, name: &str, labels: &BTreeMap<String, String>, is_open: bool) {
    let suffix = name.strip_prefix(&family.name).unwrap_or_else(|| panic!("{name} in {}", family.name));
    let fits = match (&*family.kind, suffix) {
        ("histogram", "_bucket") => labels.contains_key("le"),
        ("histogram" | "summary", "_sum" | "_count") => !labels.contains_key("le") && !labels.contains_key("quantile"),
        ("summary", "") => labels.contains_key("quantile"),
        ("counter", "_total") => is_open,
        ("counter", "") => !is_open,
        ("gauge" | "unknown", "") => true,
        _ => false,
    };
    assert!(fits, "{name} of {} {}", family.kind, family.name);
}

/// Name, labels and value of a line.
fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("{line}"));
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, behind) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            assert!(is_name(label), "{line}");
            let (value, behind) = quoted(behind);
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            match behind.strip_prefix(',') {
                Some(more) => rest = more,
                None => {
                    rest = behind.strip_prefix('}').unwrap_or_else(|| panic!("{line}"));
                    break;
                }
            }
        }
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("{line}"));
    assert!(!value.contains(' '), "{line}");
    (name.to_owned(), labels, value.parse().unwrap_or_else(|_| panic!("{line}")))
}

/// A text up to the quote that ends it, and what is behind.
fn quoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((place, character)) = characters.next() {
        match character {
            '"' => return (value, &text[place + 1..]),
            '\\' => match characters.next().map(|(_, escaped)| escaped) {
                Some('n') => value.push('\n'),
                Some(escaped @ ('\\' | '"')) => value.push(escaped),
                other => panic!("an escape of {other:?} in {text}"),
            },
            _ => value.push(character),
        }
    }
    panic!("no end of {text}")
}
