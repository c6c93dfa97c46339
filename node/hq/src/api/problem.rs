//! HQ's own refusals, beside those of every server.

use clavitor_commercial::renewal::KeptBack;
use clavitor_hq_core::control::NotSwitched;
use clavitor_node::http::{Code, Problem};
use http::{HeaderValue, StatusCode, header};

use crate::registry::KeepError;

/// A refusal of HQ's own: its code, its status, and a sentence for a person.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal(&'static str, StatusCode, &'static str);

const CONFLICT: StatusCode = StatusCode::CONFLICT;

/// The token is another POP's.
pub(super) const POP_TOKEN: Refusal =
    Refusal("CV-POP-TOKEN", StatusCode::FORBIDDEN, "the POP token belongs to another POP");

/// What a POP says makes no sense.
pub(super) const BAD_RENEWAL: Refusal = Refusal(
    "CV-BAD-RENEWAL",
    StatusCode::BAD_REQUEST,
    "the body is not a renewal: pop, cluster, renewal and about, each within its bounds",
);

/// What is sent is no alert.
pub(super) const BAD_ALERT: Refusal = Refusal(
    "CV-BAD-ALERT",
    StatusCode::BAD_REQUEST,
    "the body is not an alert: type, message, details, hostname and timestamp (RFC 3339)",
);

/// An alert has no key, or none that can be remembered.
pub(super) const BAD_KEY: Refusal = Refusal(
    "CV-BAD-KEY",
    StatusCode::BAD_REQUEST,
    "an alert needs one Idempotency-Key of 32 hexadecimal digits",
);

/// What is sent is no report.
pub(super) const BAD_REPORT: Refusal = Refusal(
    "CV-BAD-REPORT",
    StatusCode::BAD_REQUEST,
    "the body is not a report: a JSON object with a pop",
);

/// A POP id is alive twice.
pub(super) const DUPLICATE: Refusal = Refusal(
    "CV-DUPLICATE",
    CONFLICT,
    "another process, or another data directory, is alive under this POP id",
);

/// Another site's page asks.
pub(super) const ORIGIN: Refusal =
    Refusal("CV-ORIGIN", StatusCode::FORBIDDEN, "the request comes from another site's page");

const LOGIN_RATE: Refusal = Refusal(
    "CV-LOGIN-RATE",
    StatusCode::TOO_MANY_REQUESTS,
    "this token is wrong, as too many from there were in the last minute",
);

const POP_KNOWN: Refusal = Refusal(
    "CV-POP-KNOWN",
    CONFLICT,
    "the POP has a token already; a new one takes its place only if that is asked for",
);

const POPS_FULL: Refusal = Refusal("CV-POPS-FULL", CONFLICT, "HQ has as many POPs as it may have");

const CLUSTER_FULL: Refusal =
    Refusal("CV-CLUSTER-FULL", CONFLICT, "the cluster has as many POPs as it may have");

const CLUSTERS_FULL: Refusal =
    Refusal("CV-CLUSTERS-FULL", CONFLICT, "HQ has as many clusters as it may have");

impl From<Refusal> for Problem {
    fn from(Refusal(code, status, detail): Refusal) -> Self {
        Problem::new(code, status, detail)
    }
}

/// Somebody is wrong too often.
pub(super) fn login_rate() -> Problem {
    Problem::from(LOGIN_RATE).header(header::RETRY_AFTER, HeaderValue::from_static("60"))
}

/// Why something was not kept.
pub(super) fn of_keeping(error: KeepError) -> Problem {
    match error {
        KeepError::Known => POP_KNOWN.into(),
        KeepError::TooManyPops => POPS_FULL.into(),
        KeepError::ClusterFull => CLUSTER_FULL.into(),
        KeepError::TooManyClusters => CLUSTERS_FULL.into(),
        KeepError::Full => Code::StorageFull.into(),
        KeepError::Busy => Code::Busy.into(),
        KeepError::Unknown => Code::OutcomeUnknown.into(),
    }
}

/// Why a cluster's primary is still what it was.
pub(super) fn of_switchover(why: NotSwitched) -> Problem {
    let (code, detail) = match why {
        NotSwitched::UnknownCluster => return Code::NotFound.into(),
        NotSwitched::NotKept => return Code::StorageFull.into(),
        NotSwitched::NoPrimary => ("CV-NO-PRIMARY", "the cluster has no primary that renews"),
        NotSwitched::Busy => ("CV-CHANGE-UNDER-WAY", "another change is under way"),
        NotSwitched::NotFit => {
            ("CV-NOT-FIT", "the POP is no member of the cluster's grant, is away, or is not ready")
        }
        NotSwitched::NobodyFollows => ("CV-NOBODY-FOLLOWS", "no other POP could follow"),
        NotSwitched::TimedOut => ("CV-TIMED-OUT", "it took too long; look who is primary"),
        NotSwitched::KeptBack(KeptBack::TooFarBehind) => {
            ("CV-TOO-FAR-BEHIND", "the other POP could not be brought up to date in time")
        }
        NotSwitched::KeptBack(KeptBack::NotDrained) => {
            ("CV-NOT-DRAINED", "the other POP did not confirm the last writes in time")
        }
        NotSwitched::KeptBack(KeptBack::NotAPeer) => {
            ("CV-NOT-A-PEER", "the other POP is no peer of the primary")
        }
    };
    Problem::new(code, CONFLICT, detail)
}

/// A method that a route does not take.
pub(super) fn method(allowed: &'static str) -> Problem {
    Problem::from(Code::Method).header(header::ALLOW, HeaderValue::from_static(allowed))
}
