//! Reading the Prometheus text of `/metrics`.

/// One sample: name, labels as written, value.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// The metric's name.
    pub name: String,
    /// What stands between the braces, or nothing.
    pub labels: String,
    /// The value.
    pub value: f64,
}

/// Parses the text; panics on a line that is neither a comment nor a sample.
pub fn parse(text: &str) -> Vec<Sample> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(sample)
        .collect()
}

/// The sum of all samples that carry `code="<code>"`, whatever their name.
pub fn counted_under_code(text: &str, code: &str) -> f64 {
    let label = format!("code=\"{code}\"");
    parse(text).iter().filter(|sample| sample.labels.contains(&label)).map(|s| s.value).sum()
}

/// The sum of all samples of that name; 0 where there is none.
pub fn value(text: &str, name: &str) -> f64 {
    parse(text).iter().filter(|sample| sample.name == name).map(|sample| sample.value).sum()
}

fn sample(line: &str) -> Sample {
    let (series, value) = match line.find('}') {
        Some(end) => line.split_at(end + 1),
        None => line.split_once(' ').unwrap_or((line, "")),
    };
    let (name, labels) = match series.split_once('{') {
        Some((name, rest)) => (name, rest.trim_end_matches('}')),
        None => (series, ""),
    };
    let value = value.split_whitespace().next().and_then(|number| number.parse().ok());
    Sample {
        name: name.to_owned(),
        labels: labels.to_owned(),
        value: value.unwrap_or_else(|| panic!("not a Prometheus sample: {line}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read_and_summed_by_code() {
        let text =
            "# HELP a b\na 1\nb{code=\"X\",c=\"d e\"} 2\nb{code=\"X\"} 3 99\nb{code=\"Y\"} 4\n";
        assert_eq!(parse(text).len(), 4);
        assert_eq!(parse(text)[0], Sample { name: "a".into(), labels: String::new(), value: 1.0 });
        assert!((counted_under_code(text, "X") - 5.0).abs() < f64::EPSILON);
    }
}
