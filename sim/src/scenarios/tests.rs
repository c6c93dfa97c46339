use super::*;

/// Whoever breaks a scenario is told its name.
#[test]
fn every_scenario_passes_but_for_the_year() {
    for scenario in ALL.iter().filter(|scenario| !scenario.name.contains("year")) {
        let ran = scenario.run(1, Level::Off);
        assert_eq!(ran.outcome.end, End::Passed, "{}", scenario.name);
    }
}

#[test]
fn interruptions_reach_every_event() {
    let scenario = find("crash-at-every-event-of-a-push").unwrap();
    let clean = scenario.plan(1).run();
    let ran = scenario.run(1, Level::Off);
    assert_eq!(ran.runs, 1 + 2 * clean.counts.events);
}

#[test]
fn names_are_unlike_each_other_and_every_one_is_explained() {
    for (at, scenario) in ALL.iter().enumerate() {
        assert!(ALL[at + 1..].iter().all(|other| other.name != scenario.name));
        assert!(scenario.about.len() > 20, "{}", scenario.name);
    }
}
