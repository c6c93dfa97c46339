//! How times are spread: the share of all that took no longer, over time.

use super::paper::Paper;
use crate::swarm::Times;

const LEFT: f64 = 64.0;
const TOP: f64 = 72.0;
const WIDE: f64 = 760.0;
const HIGH: f64 = 300.0;

/// How many milliseconds are drawn at least.
const SHOWN_MS: u64 = 12_000;

/// How each curve looks, in the order of [`Times::rows`].
const CURVES: [&str; 3] = ["curve-one", "curve-two", "curve-three"];

/// The picture.
pub fn picture(times: &Times, title: &str) -> String {
    let longest = times.rows().iter().map(|(_, spread)| spread.part(999)).max();
    let shown_ms = longest.unwrap_or_default().max(SHOWN_MS).next_multiple_of(2_000);
    let mut paper = Paper::new(LEFT + WIDE + 40.0, TOP + HIGH + 110.0, title);
    paper.text("heading", (16.0, 26.0), title);
    let count = times.write.count();
    let about = format!(
        "from the death of a primary, for {count} that died: the share that took no longer"
    );
    paper.text("faint", (16.0, 44.0), &about);
    let x = |ms: u64| LEFT + WIDE * ms.min(shown_ms) as f64 / shown_ms as f64;
    let y = |part: u64| TOP + HIGH - HIGH * part as f64 / 1_000.0;
    for part in (0..=1_000).step_by(250) {
        paper.line("grid", (LEFT, y(part)), (LEFT + WIDE, y(part)), "");
        paper.text("right", (LEFT - 6.0, y(part) + 3.0), &format!("{} %", part / 10));
    }
    for ms in (0..=shown_ms).step_by(1_000) {
        paper.line("grid", (x(ms), TOP), (x(ms), TOP + HIGH), "");
        paper.text("middle", (x(ms), TOP + HIGH + 14.0), &format!("{} s", ms / 1_000));
    }
    for (place, ((name, spread), class)) in times.rows().into_iter().zip(CURVES).enumerate() {
        let mut steps = format!("M{:.1} {:.1}", x(0), y(0));
        for part in 1..=1_000 {
            steps += &format!("L{:.1} {:.1}", x(spread.part(part)), y(part));
        }
        paper.path(class, &steps);
        let low = TOP + HIGH + 42.0 + 18.0 * place as f64;
        paper.line(class, (LEFT, low - 4.0), (LEFT + 24.0, low - 4.0), "");
        let [half, most, longest] =
            [spread.part(500), spread.part(990), spread.max_ms()].map(|ms| ms as f64 / 1_000.0);
        let text = format!("{name}: p50 {half:.2} s, p99 {most:.2} s, longest {longest:.2} s");
        paper.text("mono", (LEFT + 32.0, low), &text);
    }
    paper.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::succession::Succession;

    #[test]
    fn every_curve_is_named_and_stays_in_the_picture() {
        let mut times = Times::default();
        let to = "b-01".parse().unwrap();
        for ms in (6_000..90_000).step_by(1_000) {
            let (to_dns_ms, to_resolver_ms, to_write_ms) = (ms, ms + 700, ms + 900);
            times.add(&[Succession { to, to_dns_ms, to_resolver_ms, to_write_ms }]);
        }
        let svg = picture(&times, "all");
        assert!(times.rows().iter().all(|(name, _)| svg.contains(name)));
        assert_eq!(svg.matches("class=\"curve-").count(), 2 * CURVES.len());
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    }
}
