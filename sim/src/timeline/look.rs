//! Colours and the legend.

use super::paper::Paper;

/// Light, and dark where that is preferred.
pub(super) const STYLE: &str = "
text { font: 11px system-ui, sans-serif; fill: #333 }
.paper { fill: #fff } .heading { font-size: 15px; font-weight: 600; fill: #111 }
.mono { font-family: ui-monospace, monospace; fill: #555 } .faint { fill: #777; font-size: 10px }
.lane-name { font-size: 15px; font-weight: 600 } .right { text-anchor: end; fill: #777; font-size: 10px }
.number { font-size: 9px; font-weight: 600; text-anchor: middle; fill: #fff }
.middle { text-anchor: middle; fill: #777; font-size: 10px }
.grid { stroke: #eee } .primary { fill: #d98a00 } .backup { fill: #5b8fc9 }
.down { fill: url(#hatch); stroke: #999; stroke-width: .6 } .hatched { fill: #bbb }
.dirty { fill: none; stroke: #93c; stroke-width: 1.4 } .owed { fill: #93c; fill-opacity: .12 }
.owed-text { fill: #93c; font-size: 10px; text-anchor: end }
.frame { stroke: #1a4e8a; stroke-width: 1.7; fill: none; marker-end: url(#tip) } .tip { fill: #1a4e8a }
.answer { stroke: #4d8f5b; stroke-width: .9; fill: none; marker-end: url(#small-tip) }
.small-tip { fill: #4d8f5b }
.lost { stroke: #d22; stroke-width: 1.5; stroke-dasharray: 4 3; fill: none }
.lost-answer { stroke: #d22; stroke-width: .9; stroke-dasharray: 2 3; fill: none }
.cross { stroke: #d22; stroke-width: 1.8; fill: none }
.ask { stroke: #999; stroke-width: .8; stroke-dasharray: 1 2 } .asked { fill: #666 }
.done { stroke: #2a9d4a; stroke-width: 1.2; marker-end: url(#small-tip) }
.refused { stroke: #aaa; stroke-width: 1; stroke-dasharray: 3 2 }
.commit { fill: #fff; stroke: #333; stroke-width: 1 } .cursor { fill: #93c } .shown { fill: #a00; stroke: #fff; stroke-width: .8 } .act { fill: #b5482a }
.fault-down { fill: #888; fill-opacity: .35 } .fault-pause { fill: #2b7bba; fill-opacity: .35 }
.fault-cut { fill: #d22; fill-opacity: .28 } .fault-disk { fill: #a8743c; fill-opacity: .4 }
.fault-clock { fill: #1f9d8f; fill-opacity: .3 } .shade { fill-opacity: .09 }
.fault-text { font-size: 10px; fill: #222 } .healed { stroke: #2a9d4a; stroke-dasharray: 5 3 }
.healed-text { fill: #2a9d4a; font-size: 10px } .failed { stroke: #d00; stroke-width: 2 }
.alarm { fill: #fdeaea; stroke: #d00; stroke-width: 1 } .alarm-text { fill: #a00000; font-weight: 600 } .alarm-more { fill: #a00000; font-size: 10px }
.bar-frame { fill: #1a4e8a } .bar-lost { fill: #d22 } .bar-ask { fill: #999 } .bar-done { fill: #2a9d4a }
.curve-one, .curve-two, .curve-three { fill: none; stroke-width: 2 }
.curve-one { stroke: #1a4e8a } .curve-two { stroke: #d98a00; stroke-dasharray: 6 3 } .curve-three { stroke: #2a9d4a }
@media (prefers-color-scheme: dark) {
.curve-one { stroke: #7db4f0 }
text { fill: #ccc } .paper { fill: #16181c } .heading { fill: #eee } .mono { fill: #aaa }
.faint, .right, .middle { fill: #8a8f98 } .number { fill: #fff } .grid { stroke: #26292f }
.hatched { fill: #444 } .dirty { stroke: #c58af9 } .owed { fill: #c58af9 } .owed-text { fill: #c58af9 }
.frame { stroke: #7db4f0 } .tip { fill: #7db4f0 } .answer { stroke: #7fc48d } .small-tip { fill: #7fc48d }
.lost, .lost-answer, .cross { stroke: #ff6b6b } .ask { stroke: #777 } .commit { fill: #16181c; stroke: #ccc } .cursor { fill: #c58af9 }
.fault-text { fill: #ddd } .alarm { fill: #3a1717; stroke: #ff6b6b } .alarm-text, .alarm-more { fill: #ffb3b3 }
.failed { stroke: #ff6b6b } .bar-frame { fill: #7db4f0 } .bar-lost { fill: #ff6b6b }
}
";

/// The kinds of faults that last.
pub(super) const FAULTS: &[(&str, &str)] = &[
    ("fault-down", "killed or ending"),
    ("fault-pause", "standing still"),
    ("fault-cut", "link cut"),
    ("fault-disk", "disk full or hanging"),
    ("fault-clock", "clock wrong"),
];

/// How wide a text is, about.
pub(super) fn width_of(text: &str) -> f64 {
    text.chars().count() as f64 * 6.0
}

/// What everything means, in one or two lines from this place on.
pub(super) fn legend(paper: &mut Paper, x: f64, y: f64, is_detailed: bool) {
    let mut at = x;
    let mut item = |paper: &mut Paper, text: &str, draw: &dyn Fn(&mut Paper, f64)| {
        draw(paper, at);
        paper.text("faint", (at + 26.0, y + 4.0), text);
        at += 42.0 + width_of(text) * 0.95;
    };
    let block = |class: &'static str| {
        move |paper: &mut Paper, x: f64| paper.rect(class, [x, y - 5.0, 20.0, 10.0], "")
    };
    item(paper, "primary", &block("primary"));
    item(paper, "backup", &block("backup"));
    item(paper, "no process", &block("down"));
    let stroke = |class: &'static str| {
        move |paper: &mut Paper, x: f64| paper.line(class, (x, y), (x + 21.0, y), "")
    };
    item(paper, "records owed", &stroke("dirty"));
    if is_detailed {
        item(paper, "frame", &stroke("frame"));
        item(paper, "its answer", &stroke("answer"));
        item(paper, "lost", &stroke("lost"));
        item(paper, "acknowledged", &stroke("done"));
        item(paper, "refused or unknown", &stroke("refused"));
        item(paper, "acked by a peer", &|paper, x| paper.dot("cursor", (x + 12.0, y), 3.4, ""));
        item(paper, "commit", &|paper, x| paper.dot("commit", (x + 12.0, y), 3.0, ""));
        item(paper, "alert at HQ", &|paper, x| paper.dot("shown", (x + 12.0, y), 2.6, ""));
    } else {
        item(paper, "frames", &block("bar-frame"));
        item(paper, "lost", &block("bar-lost"));
        item(paper, "requests", &block("bar-ask"));
        item(paper, "acknowledged", &block("bar-done"));
    }
    let (y, mut at) = (y + 18.0, x);
    for (class, text) in FAULTS {
        paper.rect(class, [at, y - 5.0, 20.0, 10.0], "");
        paper.text("faint", (at + 26.0, y + 4.0), text);
        at += 42.0 + width_of(text) * 0.95;
    }
}
