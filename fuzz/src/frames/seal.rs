//! The MAC of what POPs say to each other once more, from its description: what the product computes must be
//! what another implementation would.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a sealed message is.
#[derive(Clone, Copy)]
pub(crate) enum Purpose {
    Frame,
    Ack,
    Ask,
    Vote,
}

/// The content, followed by its HMAC-SHA256 under the subkey of the purpose.
pub(crate) fn sealed(secret: &[u8], purpose: Purpose, content: &[u8]) -> Vec<u8> {
    let label = match purpose {
        Purpose::Frame => "clavitor frame v1",
        Purpose::Ack => "clavitor ack v1",
        Purpose::Ask => "clavitor vote v1 ask",
        Purpose::Vote => "clavitor vote v1 answer",
    };
    let mut subkey = [0; 32];
    let expanded = Hkdf::<Sha256>::new(None, secret).expand(label.as_bytes(), &mut subkey);
    expanded.expect("HKDF gives 32 bytes");
    let mut mac = Hmac::<Sha256>::new_from_slice(&subkey).expect("HMAC takes a key of any length");
    mac.update(content);
    [content, &mac.finalize().into_bytes()].concat()
}
