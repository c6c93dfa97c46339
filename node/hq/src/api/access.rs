//! Who asks: a POP, an operator, or whoever may report.

use clavitor_core::credential::Presented;
use clavitor_node::api::presented;
use clavitor_node::http::{Code, Problem};
use clavitor_node::runtime::Runtime;

use super::{Api, HqRequest};
use crate::registry::Name;

/// Whom a token belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Who {
    /// An operator.
    Admin,
    /// A POP.
    Pop(Name),
    /// Whoever may send alerts and telemetry.
    Telemetry,
}

impl<R: Runtime> Api<R> {
    /// Who asks, if anybody known does.
    pub(super) fn authenticate(&self, request: &HqRequest<R>) -> Result<Who, Problem> {
        let presented = presented(request).ok_or(Code::Unauthenticated)?;
        self.whose(&presented)?.ok_or_else(|| Code::Unauthenticated.into())
    }

    /// Lets nobody pass but operators.
    pub(super) fn require_admin(&self, request: &HqRequest<R>) -> Result<(), Problem> {
        match self.authenticate(request)? {
            Who::Admin => Ok(()),
            Who::Pop(_) | Who::Telemetry => Err(Code::Forbidden.into()),
        }
    }

    fn whose(&self, presented: &Presented) -> Result<Option<Who>, Problem> {
        if self.tokens.admin.is(presented) {
            return Ok(Some(Who::Admin));
        }
        if self.tokens.telemetry.is(presented) {
            return Ok(Some(Who::Telemetry));
        }
        let pop = self.registry.whose(presented).map_err(|_| Problem::from(Code::Busy))?;
        Ok(pop.map(Who::Pop))
    }
}
