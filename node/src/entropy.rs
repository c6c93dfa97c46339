//! Random bytes from the operating system.

/// `N` random bytes.
///
/// # Panics
/// If the operating system has none: nothing that needs them can go on.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let filled = getrandom::fill(&mut bytes);
    assert!(filled.is_ok(), "the operating system has no random bytes");
    bytes
}
