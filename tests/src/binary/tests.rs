use super::*;

#[test]
fn the_runtime_is_tokio_unless_another_is_asked_for() {
    let chosen = |word: &str| Runtime::chosen(Some(OsStr::new(word)));
    assert_eq!(Runtime::chosen(None), Ok(Runtime::Tokio));
    assert_eq!(chosen("tokio"), Ok(Runtime::Tokio));
    assert_eq!(chosen("smol"), Ok(Runtime::Smol));
    for word in ["", "Smol", "smol ", "clavitor-smol", "async-std"] {
        let problem = chosen(word).expect_err("neither of the two");
        assert!(problem.contains("\"tokio\"") && problem.contains("\"smol\""), "{problem}");
        assert!(problem.contains(&format!("{word:?}")), "{problem}");
    }
}

#[test]
fn a_binary_of_another_edition_or_runtime_is_refused() {
    for runtime in Runtime::ALL {
        for edition in Edition::ALL {
            let version = format!("clavitor 0.1.0 ({}, {})\n", edition.name(), runtime.name());
            for asked in Runtime::ALL {
                for wanted in Edition::ALL {
                    let is_it = (asked, wanted) == (runtime, edition);
                    assert_eq!(is_of(asked, wanted, &version).is_ok(), is_it, "{version}");
                }
            }
        }
    }
    assert!(is_of(Runtime::Tokio, Edition::Community, "").is_err());
}
