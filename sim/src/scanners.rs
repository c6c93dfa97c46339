//! Scanners: clients without an access token that look for what is not there, and how they leave.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// Scanners that come to a POP. Everything about each follows from this alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burst {
    /// How many.
    pub count: u16,
    /// Within how long, in milliseconds.
    pub over_ms: u32,
    /// From how many addresses.
    pub addresses: u8,
    /// Decides everything else.
    pub salt: u32,
}

/// The most scanners of one burst.
pub const COUNT_MAX: u16 = 2_000;

/// The longest that a burst lasts, in milliseconds.
pub const OVER_MS_MAX: u32 = 600_000;

/// The longest until a scanner leaves, in milliseconds: some stay longer than they are held.
const LEAVES_MS_MAX: u64 = 36_000;

/// How late the carrier may hear that a client has left, in milliseconds.
const LATE_MS_MAX: u64 = 3_000;

/// What is asked for, as the segments of its path, and whether the answer is prompt.
const PATHS: &[(&[&str], bool)] = &[
    (&["wp-login.php"], false),
    (&[".env"], false),
    (&["v1", "admin"], false),
    (&["v1"], false),
    (&["livez", "x"], true),
    (&["v1", "replication", "x"], true),
    (&["scim", "v2", "Users"], true),
    (&["v1", "alerts"], true),
];

/// One client of a burst.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanner {
    /// When it comes, after the burst began, in milliseconds.
    pub at_ms: u64,
    /// From where.
    pub address: IpAddr,
    /// The segments of the path that it asks for.
    pub path: &'static [&'static str],
    /// Whether that path, or its access token, earns a prompt answer.
    pub is_welcome: bool,
    /// Whether it has a valid access token after all.
    pub has_token: bool,
    /// How it leaves.
    pub leaves: Leaves,
    /// How late the server hears of that, in milliseconds.
    pub late_ms: u64,
    /// Whether the server hears of it twice.
    pub is_told_twice: bool,
}

/// How a client leaves, and how long after it came, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaves {
    /// When the server closes the connection.
    Waits,
    /// By a reset: nothing can be written any more.
    Resets(u64),
    /// By closing its half: what is written still arrives.
    HalfCloses(u64),
    /// Without a word: what is written arrives nowhere, and nobody is told.
    Vanishes(u64),
}

impl Burst {
    /// One of its clients.
    pub fn scanner(&self, nth: u16) -> Scanner {
        let mut state = u64::from(self.salt) << 16 | u64::from(nth);
        let mut draw = |bound: u64| {
            state = mixed(state);
            state.checked_rem(bound).unwrap_or_default()
        };
        let at_ms = draw(u64::from(self.over_ms) + 1);
        let place = draw(u64::from(self.addresses.max(1)));
        let address = address(u8::try_from(place).unwrap_or_default(), draw(1 << 32));
        let is_plain = draw(6) > 0;
        let choices = if is_plain { PATHS.get(..4) } else { PATHS.get(4..) }.unwrap_or(PATHS);
        let at = usize::try_from(draw(choices.len() as u64)).unwrap_or_default();
        let (path, is_exempt) = choices[at];
        let has_token = draw(12) == 0;
        let is_gone_at_once = draw(10) == 0;
        let leaves_ms = if is_gone_at_once { 0 } else { draw(LEAVES_MS_MAX) };
        let leaves = match draw(6) {
            0 | 1 => Leaves::Waits,
            2 | 3 => Leaves::Resets(leaves_ms),
            4 => Leaves::HalfCloses(leaves_ms),
            _ => Leaves::Vanishes(leaves_ms),
        };
        let late_ms = if draw(3) == 0 { draw(LATE_MS_MAX) } else { 0 };
        Scanner {
            at_ms,
            address,
            path,
            is_welcome: is_exempt || has_token,
            has_token,
            leaves,
            late_ms,
            is_told_twice: draw(4) == 0,
        }
    }
}

/// Addresses of every kind. Who has an IPv6 network has all of it.
fn address(place: u8, low: u64) -> IpAddr {
    let v4 = Ipv4Addr::new(10, 0, 0, place / 3);
    match place % 3 {
        0 => IpAddr::V4(v4),
        1 => IpAddr::V6(v4.to_ipv6_mapped()),
        _ => {
            let network = 0x2001_0db8_u128 << 96 | u128::from(place) << 64;
            IpAddr::V6(Ipv6Addr::from_bits(network | u128::from(low)))
        }
    }
}

fn mixed(state: u64) -> u64 {
    let mixed = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_has_scanners_of_every_kind_and_the_same_ones_every_time() {
        let burst = Burst { count: 300, over_ms: 500, addresses: 7, salt: 3 };
        let all: Vec<Scanner> = (0..burst.count).map(|nth| burst.scanner(nth)).collect();
        assert_eq!(all[17], burst.scanner(17));
        assert!(all.iter().all(|it| it.at_ms <= 500));
        let share = |is_it: fn(&Scanner) -> bool| all.iter().filter(|it| is_it(it)).count();
        assert!(share(|it| it.is_welcome) > 20 && share(|it| !it.is_welcome) > 150);
        assert!(share(|it| it.has_token) > 5 && share(|it| it.is_told_twice) > 20);
        assert!(share(|it| matches!(it.leaves, Leaves::Resets(_))) > 20);
        assert!(share(|it| matches!(it.leaves, Leaves::HalfCloses(_))) > 20);
        assert!(share(|it| matches!(it.leaves, Leaves::Vanishes(_))) > 20);
        assert!(share(|it| it.late_ms > 0) > 20 && share(|it| it.address.is_ipv6()) > 100);
    }
}
