use super::*;
use crate::event::Answer;
use crate::run::Plan;
use crate::scenarios::Scenario;
use crate::script::{Action, Condition, Request};
use crate::trace::Level;
use crate::world::{Failure, Kind};

fn failure(what: &str) -> Verdict {
    Verdict::Broken(Box::new(Failure {
        kind: Kind::Safety,
        promise: "P7",
        what: what.to_owned(),
        event: 5,
        at_ms: 9,
        pending: String::new(),
    }))
}

/// Demands that tags are balanced and that nothing looks like markup that is not.
fn is_well_formed(picture: &str) -> bool {
    let mut open: Vec<&str> = Vec::new();
    for part in picture.split('<').skip(1) {
        let Some((tag, text)) = part.split_once('>') else { return false };
        let quotes = tag.bytes().filter(|byte| *byte == b'"').count();
        let entities = text.split('&').skip(1).all(|it| {
            ["amp;", "lt;", "gt;", "quot;", "#39;"].iter().any(|known| it.starts_with(known))
        });
        if quotes % 2 != 0 || !entities {
            return false;
        }
        let name = tag.split([' ', '\n']).next().unwrap_or_default();
        match name.strip_prefix('/') {
            Some(closed) if open.pop() != Some(closed) => return false,
            Some(_) => {}
            None if tag.ends_with('/') => {}
            None => open.push(name),
        }
    }
    open.is_empty() && !picture.chars().any(|char| char.is_control() && char != '\n')
}

fn picture_of(plan: &Plan) -> String {
    let outcome = Plan { level: Level::Short, ..plan.clone() }.run();
    let verdict = Verdict::from(&outcome.end);
    Subject::of("a run", "", plan.knobs.pops, &outcome, &verdict).svg()
}

#[test]
fn whatever_texts_say_the_picture_is_well_formed() {
    let hostile = "</text><script>alert(1)</script> & \"quoted\" \u{0}\u{7}\u{FFFF} ]]> 'x'";
    let marks = [
        Mark::State { at: Instant(0), pop: 0, runs: true, is_primary: true, dirty: 1 },
        Mark::Asked {
            at: Instant(3),
            pop: 0,
            id: 1,
            request: Request::Put { key: 1, bytes: 1, condition: Condition::Absent, waits: true },
        },
        Mark::Answered { at: Instant(4), pop: 0, id: 1, answer: Answer::Refused("<&>") },
        Mark::Action { at: Instant(5), action: Action::Cut { from: 0, to: 1, ms: 1 } },
    ];
    let verdict = failure(hostile);
    let subject = Subject {
        title: hostile,
        about: hostile,
        pops: 2,
        verdict: &verdict,
        marks: &marks,
        end: Instant(9),
    };
    let picture = subject.svg();
    assert!(is_well_formed(&picture), "{picture}");
    assert!(!picture.contains("<script") && picture.contains("&lt;script&gt;"));
    assert!(picture.contains("[P7]") && picture.contains("refused: &lt;&amp;&gt;"));
}

#[test]
fn the_check_of_form_sees_what_is_malformed() {
    assert!(is_well_formed("<svg><a b=\"c\"/><t>x &amp; y</t></svg>"));
    for wrong in ["<svg><a></svg>", "<svg>", "<svg>&</svg>", "<svg a=\"/>", "<svg>\u{1}</svg>"] {
        assert!(!is_well_formed(wrong), "{wrong}");
    }
}

#[test]
fn every_frame_request_and_fault_of_a_short_run_is_drawn() {
    let scenario = Scenario::named("disk-full-on-backup").expect("a scenario");
    let plan = Plan { level: Level::Short, ..scenario.plan(1) };
    let outcome = plan.run();
    let picture = Subject::of("a run", "", 2, &outcome, &Verdict::Passed).svg();
    assert!(is_well_formed(&picture));
    let count = |of: fn(&&Mark) -> bool| outcome.trace.marks().iter().filter(of).count();
    let drawn = |class: &str| picture.matches(&format!("class=\"{class}\"")).count();
    // The legend shows one of each as well.
    let frames = count(|it| matches!(it, Mark::Frame { arrives: true, is_answer: false, .. }));
    assert_eq!(drawn("frame"), frames + 1);
    let answers = count(|it| matches!(it, Mark::Frame { arrives: true, is_answer: true, .. }));
    assert_eq!(drawn("answer"), answers + 1);
    assert_eq!(drawn("commit"), count(|it| matches!(it, Mark::Committed { .. })) + 1);
    assert_eq!(drawn("fault-disk"), 1 + 1);
    assert!(picture.contains("the disk of b is full for 10 min"));
}

#[test]
fn a_lost_frame_is_drawn_as_one() {
    let frame = |arrives| Mark::Frame {
        at: Instant(0),
        until: Instant(1_000),
        from: 0,
        to: 1,
        arrives,
        is_answer: false,
    };
    let drawn = |arrives| {
        let marks = [frame(arrives)];
        let verdict = &Verdict::Passed;
        let end = Instant(2_000);
        let picture = Subject { title: "", about: "", pops: 2, verdict, marks: &marks, end }.svg();
        picture.matches("class=\"cross\"").count()
    };
    assert_eq!((drawn(true), drawn(false)), (0, 2));
}

#[test]
fn a_long_run_is_counted_and_a_long_failure_shows_its_end() {
    let year = Scenario::named("ten-writes-a-day-for-a-year").expect("a scenario").plan(1);
    let picture = picture_of(&year);
    assert!(is_well_formed(&picture));
    assert!(picture.contains("counted in columns"));
    assert!(picture.len() < 400_000, "{} bytes", picture.len());

    let outcome = Plan { level: Level::Short, ..year }.run();
    let verdict = failure("something");
    let picture = Subject::of("a run", "", 2, &outcome, &verdict).svg();
    assert!(is_well_formed(&picture));
    assert!(picture.contains("the end of a longer run"));
    assert!(picture.len() < 400_000, "{} bytes", picture.len());
}

#[test]
fn a_picture_asks_for_nothing_from_outside() {
    let picture = picture_of(&Plan::lite(1));
    for outside in ["<script", "<image", "@import", "url(http", "href"] {
        assert!(!picture.contains(outside), "{outside}");
    }
    assert!(picture.contains("prefers-color-scheme: dark"));
}
