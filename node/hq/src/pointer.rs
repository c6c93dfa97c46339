//! Where DNS points: in the zone that HQ answers for, and at another server that is told.

use std::net::IpAddr;
use std::sync::Mutex;

use clavitor_core::id::PopId;

use crate::dns;
use crate::dns::updates::Updater;
use crate::lock;

/// Points DNS at primaries.
pub(crate) struct Pointer {
    // Whoever points looks, shows and tells in one go. Else one that looked before the primary changed
    // could show the old one after the new one was shown, and nobody would come to put that right.
    turn: Mutex<()>,
    dns: dns::Server,
    updater: Option<Updater>,
}

/// Whom a cluster's name is to stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Whom {
    /// The primary of the newest term in which a lease was given.
    pub(crate) holder: Option<PopId>,
    /// Where it is, if that is known.
    pub(crate) addresses: Vec<IpAddr>,
}

impl Pointer {
    pub(crate) fn new(dns: dns::Server, updater: Option<Updater>) -> Self {
        Self { turn: Mutex::default(), dns, updater }
    }

    /// Answers DNS from now on.
    pub(crate) fn answer(&mut self) -> Result<(), String> {
        self.dns.answer()
    }

    /// Lets DNS name whom `look` finds; a POP that it is new for goes to `tell`.
    pub(crate) fn point(
        &self,
        cluster: &str,
        look: impl FnOnce() -> Whom,
        tell: impl FnOnce(PopId),
    ) {
        let _turn = lock(&self.turn);
        let Whom { holder, addresses } = look();
        if !self.dns.change(|zone| zone.show(cluster, &addresses)) {
            return;
        }
        self.updater.iter().for_each(|updater| updater.want(cluster, &addresses));
        if let Some(pop) = holder.filter(|_| !addresses.is_empty()) {
            tell(pop);
        }
    }

    /// Where DNS points for a cluster.
    pub(crate) fn shown(&self, cluster: &str) -> Vec<IpAddr> {
        self.dns.change(|zone| zone.shown(cluster).map(<[IpAddr]>::to_vec)).unwrap_or_default()
    }

    /// What became of DNS questions.
    pub(crate) fn counts(&self) -> dns::Counts {
        self.dns.counts()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use clavitor_hq_core::dns::Zone;

    use super::*;

    fn whom(pop: &str, last: u8) -> Whom {
        let addresses = vec![IpAddr::from([192, 0, 2, last])];
        Whom { holder: Some(pop.parse().unwrap()), addresses }
    }

    #[test]
    fn whoever_looked_before_a_change_does_not_point_after_it() {
        let zone = Zone::new("vault.test", &[], 1).unwrap();
        let dns = dns::Server::bind((Ipv4Addr::LOCALHOST, 0).into(), zone).unwrap();
        let pointer = Pointer::new(dns, None);
        let primary = Mutex::new(whom("old", 1));
        let told = Mutex::new(Vec::new());
        let point = |look: &dyn Fn() -> Whom| {
            pointer.point("main", look, |pop| lock(&told).push(pop.to_string()));
        };
        let (looked, change) = mpsc::channel();
        thread::scope(|scope| {
            let (primary, point) = (&primary, &point);
            scope.spawn(move || {
                change.recv().unwrap();
                *lock(primary) = whom("new", 2);
                point(&|| lock(primary).clone());
            });
            point(&|| {
                let found = lock(primary).clone();
                looked.send(()).unwrap();
                // Long enough for the other one, if nothing holds it back.
                thread::sleep(Duration::from_millis(200));
                found
            });
        });
        assert_eq!(pointer.shown("main"), whom("new", 2).addresses);
        assert_eq!(*lock(&told), ["old", "new"]);
    }
}
