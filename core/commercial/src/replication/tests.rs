use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use clavitor_core::alert::AlertType;

use super::*;
use crate::frame::Refusal;

mod answers;
mod hello;
mod identity;
pub(crate) mod received;
mod relay;
mod rig;
mod schedule;
mod sending;
mod setbacks;
mod state_machine;
mod total;
mod tries;

use rig::Rig;

pub(super) fn pop(id: &str) -> PopId {
    id.parse().unwrap()
}

/// The types of the alerts among the effects.
fn alerts(effects: &[Effect]) -> Vec<AlertType> {
    let alert = |effect: &Effect| match effect {
        Effect::RaiseAlert(alert) => Some(alert.alert_type),
        _ => None,
    };
    effects.iter().filter_map(alert).collect()
}

/// The details of the alerts among the effects.
fn details(effects: &[Effect]) -> Vec<BTreeMap<String, String>> {
    let details = |effect: &Effect| match effect {
        Effect::RaiseAlert(alert) => Some(alert.details.clone()),
        _ => None,
    };
    effects.iter().filter_map(details).collect()
}
