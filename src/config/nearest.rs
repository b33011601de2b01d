//! The known name that somebody may have meant.

/// The name that differs least from a word that is none, if it differs little: by a third of its letters at most.
pub fn nearest<'n>(word: &[u8], names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let close = names.filter_map(|name| {
        let edits = distance(word, name.as_bytes());
        (edits <= 1 + name.len() / 6).then_some((edits, name))
    });
    close.min().map(|(_, name)| name)
}

/// How many letters have to be put in, left out, replaced, or exchanged with their neighbour.
fn distance(one: &[u8], other: &[u8]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, known) in other.iter().enumerate() {
            let replaced = last[column] + usize::from(!letter.eq_ignore_ascii_case(known));
            let mut least = replaced.min(last[column + 1] + 1).min(next[column] + 1);
            if row > 0 && column > 0 && one[row - 1] == *known && *letter == other[column - 1] {
                least = least.min(before[column - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut last, next);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_slips_are_found_and_other_words_are_not() {
        const NAMES: [&str; 5] = ["maxmemory", "maxmemory-policy", "port", "appendonly", "loglevel"];
        let find = |word: &str| nearest(word.as_bytes(), NAMES.into_iter());
        assert_eq!(find("max-memory"), Some("maxmemory"));
        assert_eq!(find("maxmemroy"), Some("maxmemory"));
        assert_eq!(find("maxmemory_policy"), Some("maxmemory-policy"));
        assert_eq!(find("APPENDONY"), Some("appendonly"));
        assert_eq!(find("prot"), Some("port"));
        assert_eq!(find("log-level"), Some("loglevel"));
        for other in ["", "x", "policy", "whatever", "pppppp"] {
            assert_eq!(find(other), None, "{other}");
        }
    }
}
