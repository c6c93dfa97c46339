//! A caching resolver between clients and HQ's DNS.

use clavitor_core::id::PopId;
use clavitor_core::time::Instant;

/// How long an answer is kept, in milliseconds.
pub const TTL_MS: u64 = 5_000;

/// A resolver.
///
/// Invariant: what was named is used until it is too old, whatever HQ says meanwhile.
#[derive(Debug, Default)]
pub struct Resolver {
    named: Option<(PopId, Instant)>,
}

impl Resolver {
    /// Whom it last named.
    pub fn named(&self) -> Option<PopId> {
        self.named.map(|(pop, _)| pop)
    }

    /// Whom the cluster's name leads to; `asked` is what HQ would answer, `None` if it is not there.
    pub fn look_up(&mut self, now: Instant, asked: Option<PopId>) -> Option<PopId> {
        let known = self.named.filter(|(_, until)| now < *until);
        if known.is_none() {
            self.named = asked.map(|pop| (pop, now.plus_ms(TTL_MS)));
        }
        self.named.map(|(pop, _)| pop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_until_it_is_too_old() {
        let pop = |text: &str| -> Option<PopId> { text.parse().ok() };
        let (mut resolver, at) = (Resolver::default(), Instant::from_ms);
        assert_eq!(resolver.look_up(at(0), None), None);
        assert_eq!(resolver.look_up(at(1), pop("a")), pop("a"));
        assert_eq!(resolver.look_up(at(5_000), pop("b")), pop("a"));
        assert_eq!(resolver.look_up(at(5_001), pop("b")), pop("b"));
        assert_eq!(resolver.look_up(at(20_000), None), None);
    }
}
