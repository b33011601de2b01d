//! Redis's glob patterns: `*`, `?`, `[a-z]`, `[^a-z]` and `\` before a literal byte.

/// Whether the whole text matches the pattern.
pub fn matches(pattern: &[u8], text: &[u8]) -> bool {
    matches_with(pattern, text, false)
}

/// Whether the whole text matches the pattern when ASCII letters of both cases are equal.
pub fn matches_ignore_case(pattern: &[u8], text: &[u8]) -> bool {
    matches_with(pattern, text, true)
}

fn matches_with(pattern: &[u8], text: &[u8], ignore_case: bool) -> bool {
    let fold = |byte: u8| {
        if ignore_case {
            byte.to_ascii_lowercase()
        } else {
            byte
        }
    };
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some(b'?') => Some(p + 1),
            Some(b'[') => class(pattern, p + 1, text[t], &fold),
            Some(b'\\') if p + 1 < pattern.len() => {
                (fold(pattern[p + 1]) == fold(text[t])).then_some(p + 2)
            }
            Some(&byte) => (fold(byte) == fold(text[t])).then_some(p + 1),
            None => None,
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                t += 1;
            }
            (None, Some((after, from))) => {
                p = after;
                t = from + 1;
                star = Some((after, t));
            }
            (None, None) => return false,
        }
    }
    pattern
        .get(p..)
        .is_some_and(|rest| rest.iter().all(|&byte| byte == b'*'))
}

fn class(pattern: &[u8], start: usize, byte: u8, fold: &dyn Fn(u8) -> u8) -> Option<usize> {
    let mut at = start;
    let negated = pattern.get(at) == Some(&b'^');
    if negated {
        at += 1;
    }
    let mut found = false;
    while let Some(&first) = pattern.get(at) {
        match (first, pattern.get(at + 1), pattern.get(at + 2)) {
            (b']', ..) => return (found != negated).then_some(at + 1),
            (b'\\', Some(&literal), _) => {
                found |= fold(literal) == fold(byte);
                at += 2;
            }
            (_, Some(b'-'), Some(&last)) => {
                let (low, high) = (fold(first).min(fold(last)), fold(first).max(fold(last)));
                found |= (low..=high).contains(&fold(byte));
                at += 3;
            }
            _ => {
                found |= fold(first) == fold(byte);
                at += 1;
            }
        }
    }
    (found != negated).then_some(at)
}
