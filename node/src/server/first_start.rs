//! The first start: an admin access token, and three lines on what to do with it.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use clavitor_core::credential::{AccessToken, Presented, Scope, TokenId};

use super::StartError;
use crate::api::LOCAL_TOKEN;
use crate::store::{Stop, Store};
use crate::{entropy, log, program, wall};

/// The file in the data directory that holds the first admin access token.
const TOKEN_FILE: &str = "admin.token";

/// Makes the server's own admin access token if its file is not there. Whoever may delete the file
/// may replace the token: both take the data directory.
pub(super) fn ensure_admin_token(store: &Store) -> Result<(), StartError> {
    let path = store.dir().join(TOKEN_FILE);
    if path.exists() {
        return Ok(());
    }
    let presented = Presented { id: TokenId(entropy::bytes()), secret: entropy::bytes() };
    let token = AccessToken {
        id: presented.id,
        vault: None,
        scope: Scope::Admin,
        label: "first admin".into(),
        secret_hash: presented.secret_hash(),
        created: wall::unix_time(),
        expires: None,
        revoked: None,
    };
    let kept = store.write_blocking::<(), (), _>(move |txn| {
        txn.set_fact(LOCAL_TOKEN, &token).map_err(Stop::from)
    });
    kept.map_err(|_| StartError::Store(crate::store::StoreError::Full))?;
    write_secret(&path, &presented.reveal())
        .map_err(|error| StartError::Token(path.clone(), error))?;
    tell(&path);
    Ok(())
}

/// Writes a file that only its owner can read, whole or not at all.
pub fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    let partial = path.with_extension("partial");
    let _ = fs::remove_file(&partial);
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&partial)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    fs::rename(&partial, path)
}

fn tell(path: &Path) {
    log::line(&format!(
        "first start: the admin access token is in {} and readable by you alone",
        path.display()
    ));
    let (program, file) = (program::name(), path.display());
    log::line(&format!(
        "  store:  echo hello | {program} entry put my-vault my-entry - --token-file {file}"
    ));
    log::line(&format!("  read:   {program} entry get my-vault my-entry --token-file {file}"));
}
