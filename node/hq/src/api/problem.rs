//! HQ's own refusals, beside those of every server.

use clavitor_node::http::{Code, Problem};
use http::{HeaderValue, StatusCode, header};

use crate::registry::RegisterError;

/// A refusal of HQ's own.
pub(super) struct Refusal(&'static str, StatusCode, &'static str);

/// The token is another POP's.
pub(super) const POP_TOKEN: Refusal =
    Refusal("CV-POP-TOKEN", StatusCode::FORBIDDEN, "the POP token belongs to another POP");

const POP_KNOWN: Refusal = Refusal(
    "CV-POP-KNOWN",
    StatusCode::CONFLICT,
    "the POP has a token already; a new one takes its place only if that is asked for",
);

const POPS_FULL: Refusal =
    Refusal("CV-POPS-FULL", StatusCode::CONFLICT, "HQ has as many POPs as it may have");

const CLUSTER_FULL: Refusal =
    Refusal("CV-CLUSTER-FULL", StatusCode::CONFLICT, "the cluster has as many POPs as it may have");

const CLUSTERS_FULL: Refusal =
    Refusal("CV-CLUSTERS-FULL", StatusCode::CONFLICT, "HQ has as many clusters as it may have");

impl From<Refusal> for Problem {
    fn from(Refusal(code, status, detail): Refusal) -> Self {
        Problem::new(code, status, detail)
    }
}

/// Why a POP was not registered or removed.
pub(super) fn of_registration(error: RegisterError) -> Problem {
    match error {
        RegisterError::Known => POP_KNOWN.into(),
        RegisterError::TooManyPops => POPS_FULL.into(),
        RegisterError::ClusterFull => CLUSTER_FULL.into(),
        RegisterError::TooManyClusters => CLUSTERS_FULL.into(),
        RegisterError::Full => Code::StorageFull.into(),
        RegisterError::Busy => Code::Busy.into(),
        RegisterError::Unknown => Code::OutcomeUnknown.into(),
    }
}

/// A method that a route does not take.
pub(super) fn method(allowed: &'static str) -> Problem {
    Problem::from(Code::Method).header(header::ALLOW, HeaderValue::from_static(allowed))
}
