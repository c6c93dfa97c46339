//! Secrets: read from files, wiped from memory, never shown.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

/// The shortest secret that is accepted.
pub const SECRET_BYTES_MIN: usize = 32;
/// The fewest different bytes a secret that was drawn at random may have.
pub const SECRET_DISTINCT_MIN: usize = 10;
const SECRET_BYTES_MAX: usize = 4096;

/// A secret that is wiped when dropped and that prints as `(secret)`.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Accepts the bytes as a secret, or says why they are too weak.
    pub fn new(bytes: Vec<u8>) -> Result<Secret, String> {
        let bytes = Zeroizing::new(bytes);
        if bytes.len() < SECRET_BYTES_MIN {
            return Err(format!(
                "a secret of {} bytes is too short: it needs at least {SECRET_BYTES_MIN}, such as \
                 `openssl rand -hex 32` prints",
                bytes.len()
            ));
        }
        let mut is_seen = [false; 256];
        bytes.iter().for_each(|byte| is_seen[usize::from(*byte)] = true);
        let distinct = is_seen.iter().filter(|seen| **seen).count();
        if distinct < SECRET_DISTINCT_MIN {
            return Err(format!(
                "a secret of only {distinct} different bytes was not drawn at random: make one \
                 with `openssl rand -hex 32`"
            ));
        }
        Ok(Secret(bytes))
    }

    /// The bytes, for the code that computes with them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

/// What a small secret file holds, without the line break at its end.
pub(crate) struct SecretFile {
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    /// Whether accounts other than the owner's may read the file.
    pub(crate) is_open_to_others: bool,
}

/// Reads a secret file, or says in words what failed.
pub(crate) fn read_secret_file(path: &Path) -> Result<SecretFile, String> {
    let unreadable = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let file = File::open(path).map_err(unreadable)?;
    let mode = file.metadata().map_err(unreadable)?.permissions().mode();
    // Reserved at once, so that growing leaves no copy behind in freed memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_BYTES_MAX + 1));
    file.take(SECRET_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > SECRET_BYTES_MAX {
        return Err(format!("{} is too long for a secret", path.display()));
    }
    while matches!(bytes.last(), Some(b'\n' | b'\r')) {
        bytes.pop();
    }
    Ok(SecretFile { bytes, is_open_to_others: mode & 0o044 != 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_never_shows_itself() {
        let secret = Secret::new(b"0123456789abcdef0123456789abcdef".to_vec());
        assert_eq!(format!("{secret:?}"), "Ok((secret))");
    }

    #[test]
    fn short_and_monotonous_secrets_are_refused() {
        let refused = |bytes: &[u8]| Secret::new(bytes.to_vec()).err();
        assert!(
            refused(b"0123456789abcdef0123456789abcde").is_some_and(|e| e.contains("31 bytes"))
        );
        assert!(refused(b"").is_some());
        assert!(refused(&[b'a'; 64]).is_some_and(|e| e.contains("only 1 different")));
        assert!(refused(&b"123456789".repeat(4)).is_some_and(|e| e.contains("only 9 different")));
        assert!(refused(&b"1234567890".repeat(4)).is_none());
    }

    #[test]
    fn line_breaks_at_the_end_are_not_part_of_it() {
        let path = std::env::temp_dir().join(format!("clavitor-secret-{}", std::process::id()));
        std::fs::write(&path, "abc def\r\n\n").expect("a temporary file can be written");
        let read = read_secret_file(&path);
        std::fs::remove_file(&path).expect("the file is there");
        assert_eq!(read.map(|file| file.bytes.to_vec()), Ok(b"abc def".to_vec()));
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read_secret_file(Path::new("/nonexistent/secret")).err();
        assert!(error.is_some_and(|e| e.contains("cannot read /nonexistent/secret: No such file")));
    }
}
