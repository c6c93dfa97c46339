//! The subkeys of the inter-POP secret.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

const FRAME_LABEL: &[u8] = b"clavitor frame v1";
const ACK_LABEL: &[u8] = b"clavitor ack v1";

/// One key for frames and one for acks, so that neither can be passed off as the other.
/// Deliberately without `Debug`.
#[derive(Clone)]
pub struct Keys {
    frame: Zeroizing<[u8; 32]>,
    ack: Zeroizing<[u8; 32]>,
}

impl Keys {
    /// Derives both from the inter-POP secret with HKDF-SHA256.
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
        Self { frame: subkey(FRAME_LABEL), ack: subkey(ACK_LABEL) }
    }

    pub(super) fn frame_mac(&self, bytes: &[u8]) -> [u8; 32] {
        mac(&self.frame, bytes).finalize().into_bytes().into()
    }

    pub(super) fn ack_mac(&self, bytes: &[u8]) -> [u8; 32] {
        mac(&self.ack, bytes).finalize().into_bytes().into()
    }

    pub(super) fn is_frame_mac(&self, bytes: &[u8], presented: &[u8]) -> bool {
        mac(&self.frame, bytes).verify_slice(presented).is_ok()
    }

    pub(super) fn is_ack_mac(&self, bytes: &[u8], presented: &[u8]) -> bool {
        mac(&self.ack, bytes).verify_slice(presented).is_ok()
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
