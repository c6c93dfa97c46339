//! The settings about what comes from outside and what goes there: proxies, the tarpit, telemetry.

use super::super::table::Key;
use super::super::url::ServerUrl;
use super::super::values;
use super::super::{HqSettings, TarpitSettings, TelemetrySettings};
use super::Assembly;
use crate::http::Network;

/// The most proxies that may be trusted.
const TRUSTED_PROXIES_MAX: usize = 32;

impl Assembly<'_> {
    /// Whose word about a client's address is taken.
    pub fn trusted_proxies(&mut self) -> Vec<Network> {
        let proxies = self.values(Key::TrustedProxy, values::network);
        if proxies.len() > TRUSTED_PROXIES_MAX {
            let naming = self.naming(Key::TrustedProxy);
            self.problems.push(format!(
                "{naming}: {} networks are given; at most {TRUSTED_PROXIES_MAX} can be",
                proxies.len()
            ));
        }
        if proxies.iter().any(Network::is_everyone) {
            let naming = self.naming(Key::TrustedProxy);
            self.warnings.push(format!(
                "{naming}: trusts everyone, so that every client can name an address of its choice"
            ));
        }
        proxies
    }

    pub(super) fn tarpit(&mut self) -> TarpitSettings {
        TarpitSettings {
            connections_max: self.value(Key::TarpitConnectionsMax, values::held).unwrap_or(0),
            per_address: self.value(Key::TarpitPerAddress, values::held_per_address),
        }
    }

    /// Where telemetry goes: to the control plane unless another host is given.
    pub(super) fn telemetry(
        &mut self,
        hq: Option<&HqSettings>,
        allow_plain_http: bool,
    ) -> Option<TelemetrySettings> {
        let host = self.value(Key::TelemetryHost, ServerUrl::parse);
        let token = self.secret(Key::TelemetryToken, Key::TelemetryTokenFile);
        let freq_s = self.value(Key::TelemetryFreq, values::telemetry_freq);
        let region = self.value(Key::PopRegion, values::region).unwrap_or_default();
        self.require_header_fits(token.as_ref(), Key::TelemetryToken, Key::TelemetryTokenFile);
        let is_read = |key: &Key| !self.items(*key).is_empty();
        if let (None, Some(hq)) = (&host, hq) {
            let (host, token) = (hq.url.clone(), token.unwrap_or_else(|| hq.token.clone()));
            return Some(TelemetrySettings { host, token: Some(token), freq_s: freq_s?, region });
        }
        let Some(host) = host else {
            let companions =
                [Key::TelemetryToken, Key::TelemetryTokenFile, Key::TelemetryFreq].into_iter();
            for key in companions.filter(is_read).collect::<Vec<_>>() {
                // A host that cannot be read is a problem of its own.
                if !self.given.contains_key(&Key::TelemetryHost) {
                    let naming = self.naming(key);
                    self.warnings.push(format!("{naming}: means nothing without --telemetry-host"));
                }
            }
            return None;
        };
        if !allow_plain_http {
            self.require_loopback_peers(Key::TelemetryHost, std::slice::from_ref(&host), None);
        }
        if token.is_none() {
            let naming = self.naming(Key::TelemetryHost);
            self.warnings.push(format!(
                "{naming}: what is sent there carries no token without --telemetry-token-file"
            ));
        }
        Some(TelemetrySettings { host: host.to_string(), token, freq_s: freq_s?, region })
    }
}
