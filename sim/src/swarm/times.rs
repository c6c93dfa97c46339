//! How long it took until somebody took over from primaries that died.

use std::fmt;

use crate::succession::Succession;

/// How exact times are kept, in milliseconds.
const STEP_MS: u64 = 20;

/// How many steps are told apart: what takes longer is counted with the last one.
const STEPS: usize = 6_000;

/// Times, by how often each was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    steps: Vec<u32>,
    count: u64,
    max_ms: u64,
}

/// From the death of a primary, for every one that died in a swarm.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Until DNS named the next one.
    pub dns: Spread,
    /// Until a resolver named it.
    pub resolver: Spread,
    /// Until it took a write.
    pub write: Spread,
}

impl Spread {
    /// Adds a time.
    pub fn add(&mut self, ms: u64) {
        self.steps.resize(STEPS, 0);
        let step = usize::try_from(ms / STEP_MS).unwrap_or(STEPS).min(STEPS - 1);
        if let Some(seen) = self.steps.get_mut(step) {
            *seen = seen.saturating_add(1);
        }
        self.count += 1;
        self.max_ms = self.max_ms.max(ms);
    }

    /// Adds what others have seen.
    pub fn join(&mut self, other: &Spread) {
        self.steps.resize(STEPS, 0);
        for (mine, theirs) in self.steps.iter_mut().zip(&other.steps) {
            *mine = mine.saturating_add(*theirs);
        }
        self.count += other.count;
        self.max_ms = self.max_ms.max(other.max_ms);
    }

    /// How many times there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest.
    pub fn max_ms(&self) -> u64 {
        self.max_ms
    }

    /// The time that so many of a thousand did not exceed.
    pub fn part(&self, per_mille: u64) -> u64 {
        let wanted = (self.count * per_mille).div_ceil(1_000);
        let mut seen = 0;
        let step = self.steps.iter().position(|step| {
            seen += u64::from(*step);
            seen >= wanted
        });
        let step = u64::try_from(step.unwrap_or_default()).unwrap_or_default();
        ((step + 1) * STEP_MS).min(self.max_ms)
    }
}

impl Times {
    /// Adds what a run has seen.
    pub fn add(&mut self, successions: &[Succession]) {
        for it in successions {
            self.dns.add(it.to_dns_ms);
            self.resolver.add(it.to_resolver_ms);
            self.write.add(it.to_write_ms);
        }
    }

    /// Adds what others have seen.
    pub fn join(&mut self, other: &Times) {
        let mine = [&mut self.dns, &mut self.resolver, &mut self.write];
        let theirs = [&other.dns, &other.resolver, &other.write];
        mine.into_iter().zip(theirs).for_each(|(mine, theirs)| mine.join(theirs));
    }

    /// Each with its name.
    pub fn rows(&self) -> [(&'static str, &Spread); 3] {
        [
            ("DNS names the next one", &self.dns),
            ("a resolver names it", &self.resolver),
            ("it takes a write", &self.write),
        ]
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<24}{:>8}{:>8}{:>8}{:>8}", "seconds until", "p50", "p90", "p99", "max")?;
        for (name, spread) in self.rows() {
            let all = [spread.part(500), spread.part(900), spread.part(990), spread.max_ms()];
            write!(f, "{name:<24}")?;
            all.iter().try_for_each(|ms| write!(f, "{:>5}.{:02}", ms / 1_000, ms % 1_000 / 10))?;
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_spread_are_those_of_the_sorted_times() {
        let (mut spread, mut half) = (Spread::default(), Spread::default());
        for ms in 1..=1_000 {
            if ms % 2 == 0 { spread.add(ms) } else { half.add(ms) }
        }
        spread.join(&half);
        let parts = [1, 500, 900, 990, 1_000].map(|part| spread.part(part));
        assert_eq!(parts, [20, 520, 920, 1_000, 1_000]);
        assert_eq!((spread.count(), spread.max_ms()), (1_000, 1_000));
    }

    #[test]
    fn what_takes_for_ever_is_the_longest() {
        let mut spread = Spread::default();
        assert_eq!((spread.part(500), spread.count()), (0, 0));
        spread.add(u64::MAX);
        assert_eq!(spread.max_ms(), u64::MAX);
    }
}
