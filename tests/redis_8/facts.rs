//! COMMAND INFO and COMMAND DOCS.

use super::*;

/// Facts about commands that differ, with the reason.
const DIFFERENCES: &[(&str, &str)] = &[
    ("lolwut complexity", "a command that is fast says so, and Redis says nothing about this one"),
    ("lolwut formulas", "as above"),
    ("xread complexity", "nor about this one, though it does about XREADGROUP"),
    ("xread formulas", "as above"),
];

fn is_different(what: &str) -> bool {
    DIFFERENCES.iter().any(|(different, _)| *different == what)
}

/// The facts of each command and subcommand, by their names.
fn infos(client: &mut Connection) -> BTreeMap<String, BTreeMap<&'static str, String>> {
    fn add(rows: &Reply, into: &mut BTreeMap<String, BTreeMap<&'static str, String>>) {
        let Reply::Array(rows) = rows else { return };
        for row in rows {
            let Reply::Array(fields) = row else { panic!("{row:?}") };
            let mut facts = BTreeMap::new();
            let plain = [(1, "arity"), (3, "first key"), (4, "last key"), (5, "step")];
            plain.iter().for_each(|(index, name)| _ = facts.insert(*name, format!("{:?}", fields[*index])));
            let sets = [(2, "flags"), (6, "categories"), (7, "tips")];
            sets.iter().for_each(|(index, name)| _ = facts.insert(*name, format!("{:?}", words(&fields[*index]))));
            facts.insert("keys", key_rules(&fields[8]));
            into.insert(fields[0].text(), facts);
            add(&fields[9], into);
        }
    }
    let mut facts = BTreeMap::new();
    add(&client.cmd(&["COMMAND"]), &mut facts);
    facts
}

/// The rules without the notes for people, which Redis has for some.
fn key_rules(rules: &Reply) -> String {
    let Reply::Array(rules) = rules else { panic!("{rules:?}") };
    let rule = |rule: &Reply| {
        let flags = words(field(rule, "flags").expect("flags"));
        format!("{flags:?} {:?} {:?}", field(rule, "begin_search"), field(rule, "find_keys"))
    };
    rules.iter().map(rule).collect::<Vec<_>>().join("\n")
}

#[test]
fn command_info_is_that_of_redis_8() {
    let Some(mut pair) = Pair::start(&[]) else { return };
    let (redis, own) = (infos(&mut pair.redis.1), infos(&mut pair.own.1));
    let common: Vec<&String> = redis.keys().filter(|name| own.contains_key(*name)).collect();
    assert!(common.len() > 350, "{} commands in common", common.len());
    let mut wrong = Vec::new();
    for name in common {
        for (fact, value) in &redis[name] {
            if own[name][fact] != *value && !is_different(&format!("{name} {fact}")) {
                wrong.push(format!("{name} {fact}: {value} in Redis, {}", own[name][fact]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for list in
        [&["COMMAND", "LIST", "FILTERBY", "ACLCAT", "geo"][..], &["COMMAND", "LIST", "FILTERBY", "PATTERN", "x*"]]
    {
        let (redis, own) = pair.both(list);
        let own = words(&own);
        let missing: Vec<String> = words(&redis).into_iter().filter(|name| !own.contains(name)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}

#[test]
fn the_keys_of_a_call_are_those_redis_8_finds() {
    let Some(mut pair) = Pair::start(&[]) else { return };
    for call in [
        "GET a",
        "MSET a 1 b 2",
        "MSET a",
        "PING",
        "NOSUCH a",
        "GET",
        "GET a b",
        "EVAL x 2 a b c",
        "EVAL x 5 a",
        "EVAL x -1 a",
        "EVAL x y a",
        "SORT a BY x* GET y* STORE b",
        "SORT a STORE b STORE c",
        "GEORADIUS a 1 2 3 m STORE b",
        "ZUNIONSTORE d 2 a b WEIGHTS 1 2",
        "XREADGROUP GROUP g c STREAMS a b > >",
        "XREAD COUNT 1 STREAMS a 0",
        "XREAD COUNT 1 STREAMS",
        "MIGRATE h 1 a 0 1",
        "MIGRATE h 1 \"\" 0 1 KEYS a b",
        "SET a 1",
        "SET a 1 GET",
        "BITFIELD a GET u8 0",
        "BITFIELD a SET u8 0 1",
        "BLPOP a b 0",
        "LMPOP 2 a b LEFT",
        "OBJECT ENCODING a",
        "MEMORY USAGE a",
        "CONFIG GET a",
        "XGROUP CREATE a g $",
        "XINFO STREAM a",
        "PFMERGE a b c",
        "COPY a b",
        "PUBLISH c m",
        "HGETEX a FIELDS 1 f",
    ] {
        for command in ["GETKEYS", "GETKEYSANDFLAGS"] {
            let mut words = vec!["COMMAND", command];
            words.extend(call.split(' ').map(|word| if word == "\"\"" { "" } else { word }));
            let (redis, own) = pair.both(&words);
            assert_eq!(own, redis, "{words:?}");
        }
    }
}

fn docs(client: &mut Connection) -> BTreeMap<String, Reply> {
    fn add(map: Reply, into: &mut BTreeMap<String, Reply>) {
        let Reply::Array(items) = map else { panic!("{map:?}") };
        for pair in items.chunks(2) {
            if let Some(subcommands) = field(&pair[1], "subcommands") {
                add(subcommands.clone(), into);
            }
            into.insert(pair[0].text(), pair[1].clone());
        }
    }
    let mut docs = BTreeMap::new();
    add(client.cmd(&["COMMAND", "DOCS"]), &mut docs);
    docs
}

/// Everything but names and sentences, which are for people: types, tokens, flags, key rules, members.
fn structure(arguments: Option<&Reply>) -> String {
    let Some(Reply::Array(arguments)) = arguments else { return String::new() };
    let one = |argument: &Reply| {
        let text = |name: &str| field(argument, name).map(Reply::text);
        let flags = field(argument, "flags").map(words).unwrap_or_default();
        let rule = field(argument, "key_spec_index").map(|rule| format!("{rule:?}"));
        assert!(field(argument, "name").is_some(), "{argument:?}");
        let kind = text("type").expect("a type");
        let is_group = kind == "oneof" || kind == "block";
        assert_eq!(field(argument, "display_text").is_some(), !is_group, "{argument:?}");
        format!("{:?}{kind}{rule:?}{flags:?}({})", text("token"), structure(field(argument, "arguments")))
    };
    arguments.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// The words to be typed as they stand.
fn tokens(arguments: Option<&Reply>) -> BTreeSet<String> {
    let Some(Reply::Array(arguments)) = arguments else { return BTreeSet::new() };
    let own = arguments.iter().filter_map(|argument| field(argument, "token")).map(Reply::text);
    let inner = arguments.iter().flat_map(|argument| tokens(field(argument, "arguments")));
    own.chain(inner).collect()
}

/// The formulas of a text about complexity: `O(…)` with its parentheses.
fn formulas(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (start, _) in text.match_indices("O(") {
        let mut depth = 0;
        let end = text[start..].find(|character| {
            depth += i32::from(character == '(') - i32::from(character == ')');
            character == ')' && depth == 0
        });
        found.extend(end.map(|end| text[start..=start + end].to_owned()));
    }
    found
}

/// What stands between backticks, without the mark that some words have in Redis.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(|word| word.trim_start_matches('!').to_owned()).collect()
}

#[test]
fn command_docs_has_the_facts_of_redis_8_in_words_of_its_own() {
    let Some(mut pair) = Pair::start(&[]) else { return };
    let (redis, own) = (docs(&mut pair.redis.1), docs(&mut pair.own.1));
    let mut wrong = Vec::new();
    for (name, redis) in redis.iter().filter(|(name, _)| own.contains_key(*name)) {
        let own = &own[name];
        let text = |docs: &Reply, fact: &str| field(docs, fact).map(Reply::text);
        let mut check = |fact: &str, redis: String, own: String| {
            if redis != own && !is_different(&format!("{name} {fact}")) {
                wrong.push(format!("{name} {fact}: {redis} in Redis, {own}"));
            }
        };
        for fact in ["since", "group", "deprecated_since"] {
            check(fact, format!("{:?}", text(redis, fact)), format!("{:?}", text(own, fact)));
        }
        let flags = |docs: &Reply| format!("{:?}", field(docs, "doc_flags").map(words));
        check("doc_flags", flags(redis), flags(own));
        let replacement = |docs: &Reply| format!("{:?}", text(docs, "replaced_by").map(|text| quoted(&text)));
        check("replaced_by", replacement(redis), replacement(own));
        let versions = |docs: &Reply| {
            let Some(Reply::Array(history)) = field(docs, "history") else { return String::new() };
            let version = |change: &Reply| match change {
                Reply::Array(pair) => pair[0].text(),
                other => panic!("{other:?}"),
            };
            format!("{:?}", history.iter().map(version).collect::<Vec<_>>())
        };
        let (redis_arguments, own_arguments) = (field(redis, "arguments"), field(own, "arguments"));
        let (redis_tokens, own_tokens) = (tokens(redis_arguments), tokens(own_arguments));
        // Options of later versions are there besides, and are told in the history.
        if own_tokens.is_superset(&redis_tokens) && own_tokens != redis_tokens {
            let kept = versions(own).starts_with(versions(redis).trim_end_matches(']'));
            check("history", "true".to_owned(), kept.to_string());
        } else {
            check("history", versions(redis), versions(own));
            check("arguments", structure(redis_arguments), structure(own_arguments));
        }
        let cost = |docs: &Reply| text(docs, "complexity");
        check("complexity", cost(redis).is_some().to_string(), cost(own).is_some().to_string());
        let formulas = |docs: &Reply| formulas(&cost(docs).unwrap_or_default());
        let beyond: Vec<String> = formulas(own).difference(&formulas(redis)).cloned().collect();
        check("formulas", "[]".to_owned(), format!("{beyond:?}"));
        let summary = |docs: &Reply| text(docs, "summary");
        assert!(summary(own).is_some_and(|text| !text.is_empty()), "{name}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
