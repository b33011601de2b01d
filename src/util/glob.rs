//! Glob patterns of KEYS, SCAN, PSUBSCRIBE, CONFIG GET and ACL rules.
//!
//! `*` is any run of bytes, `?` any one byte, `[a-z]` one byte of a class, `[^a-z]` one outside it, and
//! `\` takes the next byte literally. Every element but `*` consumes exactly one byte, so when a match
//! fails it is enough to let the last `*` swallow one byte more: no earlier choice could help. That keeps
//! the worst case at `pattern · text` steps, without recursion.
//!
//! Corners that clients may lean on, kept as Redis has them: an empty text matches only the empty
//! pattern; a class left open ends with the pattern; `]` right after `[` closes an empty class; a range
//! may take `]` as its end; ranges compare signed bytes; without case, an escaped byte in a class still
//! compares exactly; a text that reaches past the thousandth `*` does not match.
//!
//! Own code: crates have the patterns of shells (`/`, `{a,b}`, `**`), or none of classes, and read UTF-8 only.

/// Stars that a match may lead across, the last one at the end of a pattern not counted.
const STARS_MAX: usize = 1000;

/// Whether the whole text matches the pattern.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    run(pattern, text, false)
}

/// Whether the whole text matches the pattern when ASCII letters of both cases are equal.
pub fn matches_ignore_case(pattern: &[u8], text: &[u8]) -> bool {
    run(pattern, text, true)
}

/// Whether the pattern matches every text but the empty one, so that a scan need not ask.
pub fn matches_all(pattern: &[u8]) -> bool {
    pattern == b"*"
}

fn run(mut pattern: &[u8], mut text: &[u8], ignore_case: bool) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let mut stars = 0;
    // After the last star: the pattern behind it, and the text it has not swallowed yet.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', rest @ ..] = pattern {
            if rest.is_empty() {
                return true;
            }
            // Neighbouring stars are one.
            stars += usize::from(rest.first() != Some(&b'*'));
            if stars > STARS_MAX {
                return false;
            }
            pattern = rest;
            retry = Some((pattern, text));
            continue;
        }
        let Some((&byte, text_rest)) = text.split_first() else {
            return pattern.is_empty();
        };
        if let Some(pattern_rest) = step(pattern, byte, ignore_case) {
            (pattern, text) = (pattern_rest, text_rest);
            continue;
        }
        let Some((after_star, [_, unswallowed @ ..])) = retry else {
            return false;
        };
        (pattern, text) = (after_star, unswallowed);
        retry = Some((pattern, text));
    }
}

/// Matches one byte against the first element, which is no star; the pattern after it on success.
#[inline]
fn step(pattern: &[u8], byte: u8, ignore_case: bool) -> Option<&[u8]> {
    match pattern {
        [] => None,
        [b'?', rest @ ..] => Some(rest),
        [b'[', class @ ..] => step_class(class, byte, ignore_case),
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => equal(*literal, byte, ignore_case).then_some(rest),
    }
}

fn step_class(class: &[u8], byte: u8, ignore_case: bool) -> Option<&[u8]> {
    let (negated, mut class) = match class {
        [b'^', rest @ ..] => (true, rest),
        _ => (false, class),
    };
    let mut found = false;
    loop {
        class = match class {
            [b'\\', literal, rest @ ..] => {
                found |= *literal == byte;
                rest
            }
            [b']', rest @ ..] => return (found != negated).then_some(rest),
            [] => return (found != negated).then_some(class),
            [low, b'-', high, rest @ ..] => {
                found |= in_range(*low, *high, byte, ignore_case);
                rest
            }
            [literal, rest @ ..] => {
                found |= equal(*literal, byte, ignore_case);
                rest
            }
        };
    }
}

#[inline]
fn equal(literal: u8, byte: u8, ignore_case: bool) -> bool {
    if ignore_case { literal.eq_ignore_ascii_case(&byte) } else { literal == byte }
}

/// The ends are put in order before they lose their case, as in Redis.
fn in_range(low: u8, high: u8, byte: u8, ignore_case: bool) -> bool {
    let (low, high) = if low as i8 > high as i8 { (high, low) } else { (low, high) };
    let fold = |byte: u8| {
        if ignore_case { byte.to_ascii_lowercase() as i8 } else { byte as i8 }
    };
    (fold(low)..=fold(high)).contains(&fold(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", false),
            ("*", "a", true),
            ("**", "a", true),
            ("**a**", "a", true),
            ("a", "", false),
            ("a*", "a", true),
            ("a*b", "ab", true),
            ("a*b", "axxb", true),
            ("a*b", "axxbc", false),
            ("*a*b*", "xaybz", true),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("?", "", false),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("\\", "\\", true),
            ("a\\", "a\\", true),
            ("a\\", "a", false),
            ("[\\]]", "]", true),
            ("[a\\-z]", "-", true),
            ("[a\\-z]", "b", false),
            ("*.[ch]", "main.c", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn a_match_leads_across_a_thousand_stars_at_most() {
        let text = "a".repeat(2000);
        for (pattern, expected) in [
            ("*?".repeat(1000), true),
            ("*?".repeat(1001), false),
            ("*?".repeat(1000) + "*", true),
            ("*".repeat(5000), true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected);
        }
    }

    #[test]
    fn odd_classes_behave_as_in_redis() {
        for (pattern, text, expected) in [
            ("[", "[", false),
            ("[^", "x", true),
            ("[]", "]", false),
            ("[^]", "x", true),
            ("[^]x", "yx", true),
            ("[]a]", "a]", false),
            ("[abc", "b", true),
            ("[abc", "bc", false),
            ("x[abc", "xc", true),
            ("[a-", "a", true),
            ("[a-", "-", true),
            ("[a-]", "^", true),
            ("[a-]", "-", false),
            ("[a-]b", "b", true),
            ("[abc\\", "\\", true),
            ("[--a]", "a", true),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern:?} on {text:?}");
        }
        assert!(matches(b"[a-\xff]", b"\x10"), "bytes above 127 are below zero in a range");
        assert!(!matches(b"[a-\xff]", b"b"));
    }

    #[test]
    fn case_is_ignored_but_for_escapes_in_classes() {
        for (pattern, text, expected) in [
            ("HeLLo", "hEllO", true),
            ("[A-C]", "b", true),
            ("[Z-a]", "z", false),
            ("[\\a]", "A", false),
            ("\\a", "A", true),
            ("[^a]", "A", false),
        ] {
            assert_eq!(matches_ignore_case(pattern.as_bytes(), text.as_bytes()), expected, "{pattern:?} on {text:?}");
        }
    }

    #[test]
    fn many_stars_do_not_explode() {
        let pattern = [b"a*".repeat(500), b"b".to_vec()].concat();
        assert!(!matches(&pattern, &b"a".repeat(20_000)));
    }

    /// The straightforward recursion: every star tries every run.
    fn naive(pattern: &[u8], text: &[u8], ignore_case: bool) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => (0..=text.len()).any(|skip| naive(rest, &text[skip..], ignore_case)),
            (_, []) => false,
            (_, [byte, rest @ ..]) => match naive_element(pattern, *byte, ignore_case) {
                Some(length) => naive(&pattern[length..], rest, ignore_case),
                None => false,
            },
        }
    }

    /// The element's length if the byte matches, by index over the pattern.
    fn naive_element(pattern: &[u8], byte: u8, ignore_case: bool) -> Option<usize> {
        let fold = |byte: u8| {
            if ignore_case { byte.to_ascii_lowercase() } else { byte }
        };
        let first = *pattern.first()?;
        if first == b'?' {
            return Some(1);
        }
        if first != b'[' {
            let at = usize::from(first == b'\\' && pattern.len() > 1);
            return (fold(pattern[at]) == fold(byte)).then_some(at + 1);
        }
        let mut at = 1;
        let negated = pattern.get(at) == Some(&b'^');
        at += usize::from(negated);
        let mut found = false;
        while at < pattern.len() && pattern[at] != b']' {
            let left = pattern.len() - at;
            if pattern[at] == b'\\' && left >= 2 {
                found |= pattern[at + 1] == byte;
                at += 2;
            } else if left >= 3 && pattern[at + 1] == b'-' {
                let mut ends = [pattern[at] as i8, pattern[at + 2] as i8];
                ends.sort_unstable();
                let signed = |byte: u8| fold(byte) as i8;
                found |= signed(byte) >= signed(ends[0] as u8) && signed(byte) <= signed(ends[1] as u8);
                at += 3;
            } else {
                found |= fold(pattern[at]) == fold(byte);
                at += 1;
            }
        }
        (found != negated).then_some((at + 1).min(pattern.len()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]
        #[test]
        fn results_equal_the_naive_recursion(pattern in "[a-cA*?\\[\\]^\\\\-]{0,10}", text in "[a-cA\\]-]{1,10}", ignore_case: bool) {
            let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
            prop_assert_eq!(run(pattern, text, ignore_case), naive(pattern, text, ignore_case));
        }

        #[test]
        fn any_bytes_match_without_panic(pattern in proptest::collection::vec(any::<u8>(), 0..20), text in proptest::collection::vec(any::<u8>(), 1..20)) {
            prop_assert_eq!(matches(&pattern, &text), naive(&pattern, &text, false));
        }
    }
}
