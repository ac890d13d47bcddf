//! The nearest known name for a misspelt one.

/// The candidate within a third of `word`'s length (at least two edits, for short words one).
pub(crate) fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = word.chars().count();
    // a bound keeps a pathological key from costing a quadratic amount of work
    if length > 64 {
        return None;
    }
    let limit = if length <= 4 { 1 } else { (length / 3).max(2) };
    candidates
        .map(|c| (distance(word, c), c))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, c)| (*d, c.len().abs_diff(word.len())))
        .map(|(_, c)| c)
}

/// Edits (insert, delete, replace, swap of neighbours) between two words, case and `-`/`_` aside.
fn distance(a: &str, b: &str) -> usize {
    let fold = |s: &str| -> Vec<char> { s.to_lowercase().replace('-', "_").chars().collect() };
    let (a, b) = (fold(a), fold(b));
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |r: &[usize], k: usize| r.get(k).copied().unwrap_or(usize::MAX / 2);
            let mut best =
                (at(&above, j) + usize::from(x != y)).min(at(&above, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x) && x != y;
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_an_insertion_and_a_case_difference_are_near() {
        let names = ["auth_url", "auth_type", "password"];
        assert_eq!(nearest("auth_ulr", names.into_iter()), Some("auth_url"));
        assert_eq!(nearest("pasword", names.into_iter()), Some("password"));
        assert_eq!(nearest("Auth-URL", names.into_iter()), Some("auth_url"));
    }

    #[test]
    fn a_word_like_none_of_them_has_no_nearest() {
        assert_eq!(nearest("serviceplugins", ["auth_url", "password"].into_iter()), None);
    }

    #[test]
    fn the_distance_counts_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
