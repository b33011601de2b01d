//! Which arguments of a call are keys: the rules of the row, applied.
//!
//! Rules can't tell a word from an argument that looks like it, nor which of several options counts. So a command whose
//! keys stand among its options has a function of its own in its row, which looks for words as the handler does: with
//! the same code. For such a command the rules are only what COMMAND INFO shows.
//!
//! Rules may begin at a keyword that is absent (no keys there). No keys at all is a valid answer only for a command
//! that can do without; the caller decides.

use super::spec::{Access, Begin, Find, FoundKey, Keys, Spec};
use super::{Args, Error};
use crate::util::number;

/// The call breaks off where a rule looks for something.
const INVALID: Invalid = Invalid;

/// The arguments contradict a rule.
#[derive(Debug, PartialEq, Eq)]
struct Invalid;

/// The keys of a call whose arity is right, in the order of the rules; empty when there are none, or they can't be
/// told from these arguments.
pub fn find(row: &Spec, args: Args<'_>) -> Vec<FoundKey> {
    match row.find_keys {
        Some(find) => find(args).unwrap_or_default(),
        None => {
            by_rules(row.keys, args, number::parse_i64).or_else(|_| by_first_digits(row.keys, args)).unwrap_or_default()
        }
    }
}

/// The key of a call that has one alone, always at the same place: what [`find`] finds, without the list.
pub fn find_only(row: &Spec, args: Args<'_>) -> Option<FoundKey> {
    let (index, access) = row.only_key().filter(|_| row.find_keys.is_none())?;
    (index < args.len()).then_some(FoundKey { index, access })
}

/// The arguments of a call that are no keys but names of channels that are in slots as keys are.
pub fn find_channels(row: &Spec, args: Args<'_>) -> impl Iterator<Item = usize> {
    let rules = row.keys.iter().filter(|rule| rule.access.has(Access::NOT_KEY));
    rules.flat_map(move |rule| {
        let begin = begin(rule.begin, args).ok().flatten();
        let found = begin.and_then(|begin| range(rule.find, begin, args, number::parse_i64).ok());
        let (first, last, step) = found.unwrap_or((1, 0, 1));
        (first..=last.min(args.len() - 1)).step_by(step.max(1))
    })
}

/// Checks a call whose keys somebody asks for, and finds them.
///
/// # Errors
/// Says why it has no keys, as COMMAND GETKEYS does.
pub fn of_call(row: &Spec, args: Args<'_>) -> Result<Vec<FoundKey>, Error> {
    if !row.takes_keys() {
        return Err(Error::fixed("ERR The command has no key arguments"));
    }
    if !row.arity.allows(args.len()) {
        return Err(Error::fixed("ERR Invalid number of arguments specified for command"));
    }
    let found = find(row, args);
    if found.is_empty() && !row.flags.has(super::spec::NO_MANDATORY_KEYS) {
        return Err(Error::fixed("ERR Invalid arguments specified for command"));
    }
    Ok(found)
}

/// Keys behind a count that is none: the digits it begins with stand for it, as in C. Those that are not counted come
/// last, and nothing is told of what happens to any.
fn by_first_digits(rules: &[Keys], args: Args<'_>) -> Result<Vec<FoundKey>, Invalid> {
    let is_counted = |rule: &Keys| matches!(rule.find, Find::Count { .. });
    let (mut rules, others): (Vec<Keys>, Vec<Keys>) = rules.iter().partition(|rule| is_counted(rule));
    if rules.is_empty() {
        return Err(INVALID);
    }
    rules.extend(others);
    let found = by_rules(&rules, args, |text| Some(first_digits(text)))?;
    Ok(found.into_iter().map(|key| FoundKey { access: Access(0), ..key }).collect())
}

/// The number that a text begins with: C's `atoi`.
fn first_digits(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (is_negative, digits) = match text.split_first() {
        Some((b'-', digits)) => (true, digits),
        Some((b'+', digits)) => (false, digits),
        _ => (false, text),
    };
    let digits = digits.iter().take_while(|byte| byte.is_ascii_digit());
    let value = digits.fold(0_i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit - b'0')));
    // What is too long for an `int` loses its upper half.
    i64::from(if is_negative { -value } else { value } as i32)
}

fn by_rules(rules: &[Keys], args: Args<'_>, count: impl Fn(&[u8]) -> Option<i64>) -> Result<Vec<FoundKey>, Invalid> {
    let mut found = Vec::new();
    for rule in rules.iter().filter(|rule| !rule.access.has(Access::NOT_KEY)) {
        let Some(begin) = begin(rule.begin, args)? else { continue };
        let (first, last, step) = range(rule.find, begin, args, &count)?;
        // All arguments from one on may be none: that is no reason to forget what other rules find.
        if first == args.len() && matches!(rule.find, Find::Range { last: -1, limit: 0, .. }) {
            continue;
        }
        if first > last || last >= args.len() {
            return Err(INVALID);
        }
        found.extend((first..=last).step_by(step.max(1)).map(|index| FoundKey { index, access: rule.access }));
    }
    Ok(found)
}

/// Where a rule's search begins; `None` when its keyword is absent.
fn begin(begin: Begin, args: Args<'_>) -> Result<Option<usize>, Invalid> {
    match begin {
        Begin::Index(index) => Ok(Some(usize::from(index))),
        Begin::Keyword(word, from) if from > 0 => {
            let place = (usize::from(from.unsigned_abs())..args.len().saturating_sub(1)).find(|at| args.is(*at, word));
            Ok(place.map(|at| at + 1))
        }
        Begin::Keyword(word, from) => {
            let start = args.len().saturating_sub(usize::from(from.unsigned_abs()));
            Ok((2..=start).rev().find(|at| args.is(*at, word)).map(|at| at + 1))
        }
        Begin::Unknown => Err(INVALID),
    }
}

/// First and last key and the step between keys. `count_of` reads a count.
fn range(
    find: Find,
    begin: usize,
    args: Args<'_>,
    count_of: impl Fn(&[u8]) -> Option<i64>,
) -> Result<(usize, usize, usize), Invalid> {
    match find {
        Find::Range { last, step, limit } => {
            let behind = args.len().saturating_sub(begin);
            let last = match (usize::try_from(last), limit) {
                (Ok(last), _) => Some(begin + last),
                (Err(_), 0) => args.len().checked_sub(usize::from(last.unsigned_abs())),
                (Err(_), limit) => (begin + behind / usize::from(limit)).checked_sub(usize::from(last.unsigned_abs())),
            };
            Ok((begin, last.ok_or(INVALID)?, usize::from(step)))
        }
        Find::Count { count, first, step } => {
            let text = args.try_get(begin + usize::from(count)).ok_or(INVALID)?;
            let count = count_of(text).and_then(|count| usize::try_from(count).ok()).ok_or(INVALID)?;
            let first = begin + usize::from(first);
            let step = usize::from(step).max(1);
            let end = count.checked_mul(step).and_then(|all| first.checked_add(all));
            let last = end.and_then(|end| end.checked_sub(step)).ok_or(INVALID)?;
            Ok((first, last, step))
        }
        Find::Unknown => Err(INVALID),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::spec::{Arity, NO_MANDATORY_KEYS};
    use crate::resp::request::OwnedRequest;
    use proptest::prelude::*;

    fn row(keys: &[Keys]) -> Spec {
        Spec::new("x", Arity::at_least(2)).keys(keys.to_vec().leak())
    }

    const fn word(word: &'static str, from: i16, last: i16) -> Keys {
        let find = Find::Range { last, step: 1, limit: 0 };
        Keys { begin: Begin::Keyword(word, from), find, access: Access::RO }
    }

    const EVAL: Keys =
        Keys { begin: Begin::Index(2), find: Find::Count { count: 0, first: 1, step: 1 }, access: Access::RW };
    const XREAD: Keys = Keys {
        begin: Begin::Keyword("STREAMS", 1),
        find: Find::Range { last: -1, step: 1, limit: 2 },
        access: Access::RO,
    };
    const PATTERN: Keys = Keys { begin: Begin::Unknown, find: Find::Unknown, access: Access::RO };

    fn indices(row: &Spec, call: &str) -> Vec<usize> {
        let words: Vec<&str> = call.split(' ').collect();
        find(row, Args::from(OwnedRequest::of(&words).view())).iter().map(|key| key.index).collect()
    }

    #[test]
    fn ranges_count_from_their_first_key_or_from_the_end() {
        assert_eq!(indices(&row(&[Keys::at(1, Access::RO)]), "get k"), [1]);
        assert_eq!(indices(&row(&[Keys::range(1, 1, 1, Access::RO)]), "lcs a b LEN"), [1, 2]);
        assert_eq!(indices(&row(&[Keys::range(1, -1, 2, Access::RO)]), "mset a 1 b 2"), [1, 3]);
        assert_eq!(indices(&row(&[Keys::range(1, -2, 1, Access::RO)]), "blpop a b 0"), [1, 2]);
        assert_eq!(indices(&row(&[Keys::at(3, Access::RO)]), "x a"), [0; 0]);
        let two = row(&[Keys::at(2, Access::OW), Keys::range(3, -1, 1, Access::RO)]);
        assert_eq!(indices(&two, "bitop and d a b"), [2, 3, 4]);
        assert_eq!(indices(&two, "bitop and d"), [2]);
    }

    #[test]
    fn a_key_that_is_alone_is_found_without_a_list() {
        let rules = [Keys::at(1, Access::RO), Keys::at(2, Access::OW), Keys::range(1, 1, 1, Access::RO), EVAL];
        for rule in rules {
            let row = row(&[rule]);
            let request = OwnedRequest::of(&["x", "a", "b"]);
            let args = Args::from(request.view());
            if let Some(only) = find_only(&row, args) {
                assert_eq!(find(&row, args), [only], "{rule:?}");
            }
        }
        let words = OwnedRequest::of(&["x", "a"]);
        let args = Args::from(words.view());
        assert_eq!(find_only(&row(&[rules[0]]), args).map(|key| key.index), Some(1));
        assert_eq!(find_only(&row(&[rules[1]]), args), None);
    }

    #[test]
    fn counted_keys_need_a_true_count() {
        let eval = row(&[EVAL]);
        assert_eq!(indices(&eval, "eval script 2 a b c"), [3, 4]);
        for call in ["eval script 0", "eval script 3 a b", "eval script x a", "eval script -1 a", "eval script"] {
            assert_eq!(indices(&eval, call), [0; 0], "{call}");
        }
        assert_eq!(indices(&eval, "eval script 9223372036854775807 a"), [0; 0]);
    }

    #[test]
    fn counted_keys_may_stand_among_their_values() {
        let find = Find::Count { count: 0, first: 1, step: 2 };
        let msetex = row(&[Keys { begin: Begin::Index(1), find, access: Access::OW }]);
        assert_eq!(indices(&msetex, "msetex 2 a 1 b 2 NX"), [2, 4]);
        assert_eq!(indices(&msetex, "msetex 3 a 1 b 2 c 3"), [2, 4, 6]);
        for call in ["msetex 0 a 1", "msetex 3 a 1 b 2", "msetex 9223372036854775807 a 1", "msetex x a 1"] {
            assert_eq!(indices(&msetex, call), [0; 0], "{call}");
        }
    }

    #[test]
    fn a_count_that_is_no_number_counts_by_its_first_digits() {
        let eval = row(&[EVAL]);
        for (count, keys) in [("1.5", 1), ("2x", 2), ("+1", 1), ("\t1", 1), ("4294967297", 1), ("-1", 0), ("1e1", 1)] {
            assert_eq!(indices(&eval, &format!("eval script {count} a b")).len(), keys, "{count}");
        }
        let store = row(&[Keys::at(1, Access::OW), EVAL]);
        assert_eq!(indices(&store, "zunionstore d 2 a b"), [1, 3, 4]);
        assert_eq!(indices(&store, "zunionstore d 2. a b"), [3, 4, 1]);
    }

    #[test]
    fn keywords_are_searched_in_any_case_from_either_end() {
        let xread = row(&[XREAD]);
        assert_eq!(indices(&xread, "xread count 5 streams a b 0 0"), [4, 5]);
        assert_eq!(indices(&xread, "xread count 5 STREAMS a b 0"), [4]);
        assert_eq!(indices(&xread, "xread count 5"), [0; 0]);
        let last = row(&[word("KEYS", -2, -1)]);
        assert_eq!(indices(&last, "migrate host 1 keys 0 10 keys a b"), [7, 8]);
        assert_eq!(indices(&last, "migrate host 1 k 0 10"), [0; 0]);
    }

    #[test]
    fn the_rows_own_function_answers_in_place_of_the_rules() {
        fn last(args: Args<'_>) -> Option<Vec<FoundKey>> {
            Some(vec![FoundKey { index: args.len() - 1, access: Access::OW }])
        }
        let sort = row(&[Keys::at(1, Access::RO), PATTERN]).find_keys(last);
        assert_eq!(indices(&sort, "sort a store b"), [3]);
        let known = row(&[Keys::at(1, Access::RO)]).find_keys(last);
        assert_eq!(indices(&known, "x a b"), [2]);
        let variable = row(&[Keys::at(1, Access::RW.and(Access::VARIABLE_FLAGS))]).find_keys(last);
        assert_eq!(indices(&variable, "x a b"), [2]);
    }

    #[test]
    fn calls_without_keys_are_told_apart() {
        let check = |row: &Spec, words: &[&str]| {
            of_call(row, Args::from(OwnedRequest::of(words).view()))
                .map(|found| found.len())
                .map_err(|error| String::from_utf8_lossy(error.line()).into_owned())
        };
        let error = |text: &str| Err(format!("ERR {text}"));
        assert_eq!(check(&row(&[]), &["x", "a"]), error("The command has no key arguments"));
        let channel = row(&[Keys::at(1, Access::NOT_KEY)]);
        assert_eq!(check(&channel, &["x", "a"]), error("The command has no key arguments"));
        let get = row(&[Keys::at(1, Access::RO)]);
        assert_eq!(check(&get, &["x"]), error("Invalid number of arguments specified for command"));
        assert_eq!(check(&get, &["x", "k"]), Ok(1));
        assert_eq!(check(&row(&[EVAL]), &["eval", "s", "5", "a"]), error("Invalid arguments specified for command"));
        assert_eq!(check(&row(&[EVAL]).flags(&[NO_MANDATORY_KEYS]), &["eval", "s", "0"]), Ok(0));
    }

    proptest! {
        #[test]
        fn found_keys_are_arguments_whatever_the_rule(
            index in 0u16..6, from in -4i16..5, last in -4i16..5, step in 0u16..4, limit in 0u16..3,
            count in 0u16..4, first in 0u16..4, words in proptest::collection::vec("[kK1-9]|-1|99", 1..8),
        ) {
            let range = Find::Range { last, step, limit };
            let counted = Find::Count { count, first, step };
            let view = OwnedRequest::of(&words);
            let args = Args::from(view.view());
            for begin in [Begin::Index(index), Begin::Keyword("k", from)] {
                for find in [range, counted] {
                    let rule = Keys { begin, find, access: Access::RO };
                    let found = by_rules(&[rule], args, number::parse_i64).unwrap_or_default();
                    prop_assert!(found.iter().all(|key| key.index < words.len()), "{rule:?} {found:?}");
                }
            }
        }
    }
}
