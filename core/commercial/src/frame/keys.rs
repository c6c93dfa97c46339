//! The subkeys of the inter-POP secret.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

const FRAME_LABEL: &[u8] = b"clavitor frame v1";
const ACK_LABEL: &[u8] = b"clavitor ack v1";
const ASK_LABEL: &[u8] = b"clavitor vote v1 ask";
const VOTE_LABEL: &[u8] = b"clavitor vote v1 answer";

/// What a subkey is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Frame,
    Ack,
    Ask,
    Vote,
}

/// One key for frames, one for acks, one for questions for lease votes and one for votes, so that
/// none can be passed off as another. Deliberately without `Debug`.
#[derive(Clone)]
pub struct Keys {
    frame: Zeroizing<[u8; 32]>,
    ack: Zeroizing<[u8; 32]>,
    ask: Zeroizing<[u8; 32]>,
    vote: Zeroizing<[u8; 32]>,
}

impl Keys {
    /// Derives all from the inter-POP secret with HKDF-SHA256.
    ///
    /// # Panics
    /// Never: 32 bytes are within what HKDF can give.
    pub fn derive(secret: &[u8]) -> Self {
        let hkdf = Hkdf::<Sha256>::new(None, secret);
        let subkey = |label: &[u8]| {
            let mut key = Zeroizing::new([0; 32]);
            let filled = hkdf.expand(label, key.as_mut_slice());
            assert!(filled.is_ok(), "HKDF gives 32 bytes");
            key
        };
        Self {
            frame: subkey(FRAME_LABEL),
            ack: subkey(ACK_LABEL),
            ask: subkey(ASK_LABEL),
            vote: subkey(VOTE_LABEL),
        }
    }

    pub(crate) fn mac(&self, purpose: Purpose, bytes: &[u8]) -> [u8; 32] {
        mac(self.of(purpose), bytes).finalize().into_bytes().into()
    }

    pub(crate) fn is_mac(&self, purpose: Purpose, bytes: &[u8], presented: &[u8]) -> bool {
        mac(self.of(purpose), bytes).verify_slice(presented).is_ok()
    }

    fn of(&self, purpose: Purpose) -> &[u8; 32] {
        match purpose {
            Purpose::Frame => &self.frame,
            Purpose::Ack => &self.ack,
            Purpose::Ask => &self.ask,
            Purpose::Vote => &self.vote,
        }
    }
}

/// # Panics
/// Never: HMAC takes a key of any length.
fn mac(key: &[u8; 32], bytes: &[u8]) -> Hmac<Sha256> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        unreachable!("HMAC takes a key of any length")
    };
    mac.update(bytes);
    mac
}
