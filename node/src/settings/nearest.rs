//! Finds what somebody probably meant.

/// The candidate nearest to `word`, if one is near enough to be worth suggesting.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // A long line is not a misspelt name, and the comparison is quadratic.
    let word: Vec<char> = word.chars().take(65).collect();
    if word.len() > 64 {
        return None;
    }
    let (best, candidate) = candidates
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.chars().collect::<Vec<_>>()), candidate))
        .min_by_key(|(distance, _)| *distance)?;
    let near = 1 + word.len().max(candidate.chars().count()) / 4;
    (best <= near).then_some(candidate)
}

/// The suggestion as the end of a sentence, or nothing. `prefix` is put before the name.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    prefix: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> String {
    match nearest(word, candidates) {
        Some(name) => format!(", did you mean \"{prefix}{name}\"?"),
        None => String::new(),
    }
}

/// Insertions, deletions, substitutions and swaps of neighbours that lead from one to the other.
fn distance(from: &[char], to: &[char]) -> usize {
    let width = to.len() + 1;
    let mut before_last: Vec<usize> = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for (row, a) in from.iter().enumerate() {
        let mut current = vec![row + 1; width];
        for (column, b) in to.iter().enumerate() {
            let replaced = last[column] + usize::from(a != b);
            let mut least = replaced.min(last[column + 1] + 1).min(current[column] + 1);
            let is_swapped = row > 0 && column > 0 && *a == to[column - 1] && from[row - 1] == *b;
            if is_swapped {
                least = least.min(before_last[column - 1] + 1);
            }
            current[column + 1] = least;
        }
        before_last = std::mem::replace(&mut last, current);
    }
    last[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 4] = ["data_dir", "listen", "pop_id", "replication_backup"];

    #[test]
    fn a_slip_finds_its_name() {
        assert_eq!(nearest("lisetn", NAMES), Some("listen"));
        assert_eq!(nearest("data-dir", NAMES), Some("data_dir"));
        assert_eq!(nearest("datadir", NAMES), Some("data_dir"));
        assert_eq!(nearest("replication_backups", NAMES), Some("replication_backup"));
    }

    #[test]
    fn something_else_entirely_finds_nothing() {
        assert_eq!(nearest("wombat", NAMES), None);
        assert_eq!(nearest("", NAMES), None);
        assert_eq!(nearest(&"l".repeat(100_000), NAMES), None);
        assert_eq!(nearest("listen", []), None);
    }

    #[test]
    fn a_swap_of_neighbours_costs_one() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        assert_eq!(distance(&chars("ab"), &chars("ba")), 1);
        assert_eq!(distance(&chars(""), &chars("abc")), 3);
        assert_eq!(distance(&chars("abc"), &chars("abc")), 0);
    }
}
