//! Random commands of each family of sketches. What RedisBloom itself stumbles over is not drawn: expansions of 0 by 32
//! bits, increments that break its replies, sizes it takes no care of, chunks behind a cuckoo filter, and digests of a
//! single value.

use crate::common::random::Random;

/// A family: its name and what draws a command.
pub type Family = (&'static str, fn(&mut Random) -> Vec<String>);

/// The families.
pub const FAMILIES: &[Family] =
    &[("bf", bloom), ("cf", cuckoo), ("cms", count_min), ("topk", top_k), ("tdigest", t_digest)];

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn item(random: &mut Random) -> String {
    match random.below(20) {
        0 => String::new(),
        1 => "x".repeat(random.below(70)),
        _ => format!("i{}", random.below(150)),
    }
}

fn many(random: &mut Random, most: usize, mut word: impl FnMut(&mut Random) -> String) -> Vec<String> {
    (0..1 + random.below(most)).map(|_| word(random)).collect()
}

fn command(line: String, rest: Vec<String>) -> Vec<String> {
    [words(&line), rest].concat()
}

/// A key of the family; rarely one that is missing, or holds a string.
fn key(random: &mut Random, family: &str) -> String {
    match random.below(40) {
        0 => "string".to_owned(),
        1 => "missing".to_owned(),
        _ => format!("{family}{}", random.below(4)),
    }
}

fn bloom(random: &mut Random) -> Vec<String> {
    let key = key(random, "bf");
    let error = *random.pick(&["0.1", "0.01", "0.5", "0.0001", "0.9", "0", "1", "x", "nan", "1e-30"]);
    let capacity = *random.pick(&["1", "2", "5", "20", "100", "1000", "0", "-1", "x"]);
    let expansion = *random.pick(&["1", "2", "3", "4", "0", "-1", "x"]);
    let some = |random: &mut Random| many(random, 4, item);
    match random.below(24) {
        0..4 => command(format!("bf.add {key}"), vec![item(random)]),
        4..8 => command(format!("bf.madd {key}"), some(random)),
        8..10 => command(format!("bf.exists {key}"), vec![item(random)]),
        10..12 => command(format!("bf.mexists {key}"), some(random)),
        12 => words(&format!("bf.card {key}")),
        13 => words(&format!("bf.info {key}")),
        14 => {
            let field = *random.pick(&["capacity", "SIZE", "filters", "Items", "expansion", "x"]);
            words(&format!("bf.info {key} {field}"))
        }
        15 => words(&format!("bf.debug {key}")),
        16 => words(&format!("bf.reserve {key} {error} {capacity}")),
        17 => words(&format!("bf.reserve {key} {error} {capacity} EXPANSION {expansion}")),
        18 => {
            let options = *random.pick(&["NONSCALING", "expansion", "NONSCALING EXPANSION 2", "a", "a b c d"]);
            words(&format!("bf.reserve {key} {error} {capacity} {options}"))
        }
        19 => {
            let mut line = format!("bf.insert {key}");
            for option in [
                format!("ERROR {error}"),
                format!("capacity {capacity}"),
                format!("EXPANSION {expansion}"),
                "NOCREATE".to_owned(),
                "nonscaling".to_owned(),
                "x".to_owned(),
            ] {
                if random.below(4) == 0 {
                    line = format!("{line} {option}");
                }
            }
            if random.below(10) == 0 { words(&line) } else { command(format!("{line} ITEMS"), some(random)) }
        }
        20 => words(&format!("bf.scandump {key} {}", random.pick(&["0", "1", "2", "9", "50", "-1", "x"]))),
        21 => {
            let position = *random.pick(&["1", "2", "5", "9", "17", "0", "-3", "x", "100000"]);
            let data = "ab".repeat(random.below(5));
            command(format!("bf.loadchunk {key} {position}"), vec![data])
        }
        _ => forget(random, key),
    }
}

fn forget(random: &mut Random, key: String) -> Vec<String> {
    match random.below(2) {
        0 if key != "string" => vec!["del".to_owned(), key],
        _ => vec!["exists".to_owned(), key],
    }
}

fn cuckoo(random: &mut Random) -> Vec<String> {
    let key = key(random, "cf");
    let capacity = *random.pick(&["4", "10", "50", "100", "1000", "3", "0", "-1", "x"]);
    let some = |random: &mut Random| many(random, 4, item);
    let nx = if random.below(2) == 0 { "nx" } else { "" };
    match random.below(24) {
        0..5 => command(format!("cf.add{nx} {key}"), vec![item(random)]),
        5..9 => {
            let with_capacity = format!(" CAPACITY {capacity}");
            let options = *random.pick(&["", "", "", " NOCREATE", " x", with_capacity.as_str()]);
            command(format!("cf.insert{nx} {key}{options} ITEMS"), some(random))
        }
        9 => words(&format!("cf.insert{nx} {key} {}", random.pick(&["ITEMS", "CAPACITY", "a", "nocreate"]))),
        10..12 => command(format!("cf.exists {key}"), vec![item(random)]),
        12 => command(format!("cf.mexists {key}"), some(random)),
        13 => command(format!("cf.count {key}"), vec![item(random)]),
        14..17 => command(format!("cf.del {key}"), vec![item(random)]),
        17 => words(&format!("cf.{} {key}", random.pick(&["compact", "info", "debug"]))),
        18 => words(&format!("cf.info {key}")),
        19 => {
            let mut line = format!("cf.reserve {key} {capacity}");
            for (option, values) in [
                ("BUCKETSIZE", ["1", "2", "3", "4", "0", "256", "x"]),
                ("maxiterations", ["1", "5", "20", "100", "0", "65536", "x"]),
                ("EXPANSION", ["0", "1", "2", "3", "1", "-1", "x"]),
            ] {
                if random.below(2) == 0 {
                    line = format!("{line} {option} {}", random.pick(&values));
                }
            }
            words(&line)
        }
        20 => words(&format!("cf.scandump {key} {}", random.pick(&["0", "1", "2", "9", "50", "-1", "x"]))),
        21 => {
            let position = *random.pick(&["1", "2", "5", "0", "-3", "x"]);
            let data = "ab".repeat(random.below(5));
            command(format!("cf.loadchunk {key} {position}"), vec![data])
        }
        _ => vec!["del".to_owned(), key].into_iter().map(|word| word.replace("string", "missing")).collect(),
    }
}

fn count_min(random: &mut Random) -> Vec<String> {
    let key = key(random, "cms");
    let number = |random: &mut Random| match random.below(30) {
        0 => "x".to_owned(),
        1 => "-1".to_owned(),
        2 => "4294967290".to_owned(),
        3 => "9223372036854775807".to_owned(),
        _ => random.below(100).to_string(),
    };
    match random.below(20) {
        0..6 => {
            let pairs = many(random, 3, |random| item(random) + "\n" + &number(random));
            command(format!("cms.incrby {key}"), pairs.join("\n").split('\n').map(str::to_owned).collect())
        }
        6..10 => command(format!("cms.query {key}"), many(random, 4, item)),
        10..12 => {
            let (width, depth) =
                (*random.pick(&["5", "5", "5", "7", "0", "x"]), *random.pick(&["2", "2", "3", "-1", "x"]));
            words(&format!("cms.initbydim {key} {width} {depth}"))
        }
        12 => {
            let error = *random.pick(&["0.5", "0.4", "0.03", "0", "1", "x", "nan"]);
            let probability = *random.pick(&["0.5", "0.25", "0.01", "0.99", "0", "1", "x"]);
            words(&format!("cms.initbyprob {key} {error} {probability}"))
        }
        13..17 => {
            let sources = many(random, 3, |random| self::key(random, "cms"));
            let count = match random.below(12) {
                0 => "x".to_owned(),
                1 => random.pick(&["0", "-1", "1", "9223372036854775807"]).to_string(),
                _ => sources.len().to_string(),
            };
            let weight =
                |random: &mut Random| random.pick(&["1", "2", "0", "-1", "3", "x", "1000000000000"]).to_string();
            let mut rest = sources.clone();
            if random.below(2) == 0 {
                rest.push("weights".to_owned());
                rest.extend(sources.iter().map(|_| weight(random)));
                rest.truncate(rest.len() - usize::from(random.below(12) == 0));
            }
            command(format!("cms.merge {key} {count}"), rest)
        }
        17 | 18 => words(&format!("cms.info {key}")),
        _ => forget(random, key),
    }
}

/// With a decay of 1 nothing is left to chance.
fn top_k(random: &mut Random) -> Vec<String> {
    let key = key(random, "topk");
    match random.below(20) {
        0..5 => command(format!("topk.add {key}"), many(random, 4, item)),
        5..9 => {
            let pairs = many(random, 3, |random| format!("{}\n{}", item(random), random.below(12)));
            command(format!("topk.incrby {key}"), pairs.join("\n").split('\n').map(str::to_owned).collect())
        }
        9 => {
            let increment = *random.pick(&["x", "-1", "100001", "1"]);
            command(format!("topk.incrby {key}"), vec![item(random), increment.to_owned()])
        }
        10..12 => command(format!("topk.query {key}"), many(random, 4, item)),
        12..14 => command(format!("topk.count {key}"), many(random, 4, item)),
        14 | 15 => words(&format!("topk.list {key}{}", random.pick(&["", " WITHCOUNT", " withcount", " x", " a b"]))),
        16 => words(&format!("topk.info {key}")),
        17 | 18 => {
            let k = *random.pick(&["1", "2", "3", "5", "10", "20", "0", "x"]);
            let (width, depth) =
                (*random.pick(&["1", "5", "8", "30", "0", "x"]), *random.pick(&["1", "2", "5", "-1", "x"]));
            let decay = *random.pick(&["1", "1", "1", "1", "0", "1.1", "x", "-0.5"]);
            words(&format!("topk.reserve {key} {k} {width} {depth} {decay}"))
        }
        _ => forget(random, key),
    }
}

fn t_digest(random: &mut Random) -> Vec<String> {
    let key = key(random, "tdigest");
    let value = |random: &mut Random| match random.below(40) {
        0 => random.pick(&["x", "nan", "inf", "-inf", "1e309", "-0", "1e300", "1e-300"]).to_string(),
        1..15 => random.below(10).to_string(),
        _ => format!("{}.{}", random.below(1000) as i64 - 500, random.below(1000)),
    };
    let part = |random: &mut Random| match random.below(15) {
        0 => random.pick(&["x", "nan", "-0.1", "1.1", "inf"]).to_string(),
        1 => "0".to_owned(),
        2 => "1".to_owned(),
        _ => format!("0.{:03}", random.below(1000)),
    };
    let compression = *random.pick(&["1", "5", "10", "20", "100", "0", "-1", "x"]);
    match random.below(24) {
        0..7 => {
            let two = [value(random), value(random)].to_vec();
            command(format!("tdigest.add {key}"), [two, many(random, 30, value)].concat())
        }
        7..9 => command(format!("tdigest.quantile {key}"), many(random, 4, part)),
        9..11 => command(format!("tdigest.cdf {key}"), many(random, 4, value)),
        11 => {
            let name = *random.pick(&["rank", "revrank"]);
            command(format!("tdigest.{name} {key}"), many(random, 4, value))
        }
        12 => {
            let rank = |random: &mut Random| match random.below(15) {
                0 => random.pick(&["x", "-1", "1.5", "9223372036854775807"]).to_string(),
                _ => random.below(200).to_string(),
            };
            let name = *random.pick(&["byrank", "byrevrank"]);
            command(format!("tdigest.{name} {key}"), many(random, 4, rank))
        }
        13 => words(&format!("tdigest.trimmed_mean {key} {} {}", part(random), part(random))),
        14 => words(&format!("tdigest.{} {key}", random.pick(&["min", "max"]))),
        15 | 16 => words(&format!("tdigest.info {key}")),
        17..19 => {
            let options = ["", &format!(" COMPRESSION {compression}"), " COMPRESSION", &format!(" x {compression}")];
            words(&format!("tdigest.create {key}{}", random.pick(&options)))
        }
        19 => words(&format!("tdigest.reset {key}")),
        20..23 => {
            let sources = many(random, 3, |random| self::key(random, "tdigest"));
            let count = match random.below(12) {
                0 => random.pick(&["x", "0", "-1", "9", "9223372036854775807"]).to_string(),
                _ => sources.len().to_string(),
            };
            let mut rest = sources;
            for option in [&format!("COMPRESSION {compression}"), "override", "x", "COMPRESSION"] {
                if random.below(5) == 0 {
                    rest.extend(words(option));
                }
            }
            command(format!("tdigest.merge {key} {count}"), rest)
        }
        _ => forget(random, key),
    }
}
