//! The first start: the tokens of operators and of telemetry, and three lines on what to do with
//! them.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clavitor_node::log;
use clavitor_node::server::write_secret;
use clavitor_node::store::StoreError;

use crate::registry::{Credential, Registry};

/// The file in the data directory that holds the admin token.
pub(crate) const ADMIN_FILE: &str = "admin.token";

/// The file that holds the telemetry token.
pub(crate) const TELEMETRY_FILE: &str = "telemetry.token";

const ADMIN_FACT: &str = "hq_admin_token";
const TELEMETRY_FACT: &str = "hq_telemetry_token";

/// What operators, and POPs that report, prove themselves with.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    /// The admin token.
    pub(crate) admin: Credential,
    /// The telemetry token.
    pub(crate) telemetry: Credential,
}

/// Why there is no token.
#[derive(Debug)]
pub enum TokenError {
    /// The store has no room, or cannot be read.
    Store(StoreError),
    /// The file cannot be written.
    File(PathBuf, io::Error),
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        TokenError::Store(error)
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TokenError::Store(error) => write!(f, "{error}"),
            TokenError::File(path, error) => {
                write!(f, "{} cannot be written: {error}", path.display())
            }
        }
    }
}

/// The tokens; a new one for each whose file is not there. Whoever may delete the file may replace
/// the token: both take the data directory. Says what to do first if there was no admin token.
pub(crate) fn ensure(
    registry: &Registry,
    program: &str,
    listen: SocketAddr,
) -> Result<Tokens, TokenError> {
    let is_new = registry.fact::<Credential>(ADMIN_FACT)?.is_none();
    let tokens = Tokens {
        admin: ensure_one(registry, ADMIN_FILE, ADMIN_FACT)?,
        telemetry: ensure_one(registry, TELEMETRY_FILE, TELEMETRY_FACT)?,
    };
    if is_new {
        tell(registry.dir(), program, listen);
    }
    Ok(tokens)
}

fn ensure_one(
    registry: &Registry,
    file: &str,
    fact: &'static str,
) -> Result<Credential, TokenError> {
    let path = registry.dir().join(file);
    let known: Option<Credential> = registry.fact(fact)?;
    if let Some(known) = known.filter(|_| path.exists()) {
        return Ok(known);
    }
    let (presented, credential) = Credential::mint();
    registry.keep_fact(fact, credential.clone())?;
    write_secret(&path, &presented.reveal()).map_err(|error| TokenError::File(path, error))?;
    Ok(credential)
}

fn tell(dir: &Path, program: &str, listen: SocketAddr) {
    let (admin, telemetry) = (dir.join(ADMIN_FILE), dir.join(TELEMETRY_FILE));
    log::line(&format!(
        "first start: the admin token is in {} and readable by you alone; http://{listen}/ asks for it",
        admin.display()
    ));
    log::line(&format!(
        "  register: {program} hq pop add calgary-01 --cluster main --server http://{listen} \
         --token-file {} > calgary-01.token",
        admin.display()
    ));
    log::line(&format!(
        "  start it: {program} --hq http://{listen} --hq-token-file calgary-01.token …; servers without \
         such a token report with {}",
        telemetry.display()
    ));
}
