//! What somebody may have meant.

/// `; did you mean …?`, or nothing where no name is near.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    let near = known.map(|name| (distance(word, name), name)).min();
    match near {
        Some((away, name)) if away <= name.chars().count().div_ceil(3) => {
            format!("; did you mean \"{name}\"?")
        }
        _ => String::new(),
    }
}

/// How many letters have to be put in, taken out or changed. Words that are far longer than any
/// name are not looked at any closer.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) =
        (one.chars().take(80).collect(), other.chars().collect());
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, letter) in one.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], at + 1);
        for (place, its) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != its);
            diagonal = row[place + 1];
            row[place + 1] = changed.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_nonsense_is_not() {
        let known = ["swarm", "scenarios", "replay"];
        let said = |word| did_you_mean(word, known.into_iter());
        assert_eq!(said("swram"), "; did you mean \"swarm\"?");
        assert_eq!(said("scenario"), "; did you mean \"scenarios\"?");
        assert_eq!(said("helicopter"), "");
        assert_eq!(said(&"x".repeat(100_000)), "");
    }
}
