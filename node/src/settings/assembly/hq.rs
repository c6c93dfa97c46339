//! The settings about the control plane.

use std::net::IpAddr;

use super::super::table::Key;
use super::super::url::ServerUrl;
use super::super::values;
use super::super::{HqSettings, Secret};
use super::{Assembly, OwnUrl};

impl Assembly<'_> {
    /// The control plane, if one is named.
    pub(super) fn hq(
        &mut self,
        own_url: &OwnUrl,
        pop_id: Option<String>,
        allow_plain_http: bool,
    ) -> Option<HqSettings> {
        let url = self.value(Key::Hq, ServerUrl::parse);
        let token = self.secret(Key::HqToken, Key::HqTokenFile);
        self.require_header_fits(token.as_ref(), Key::HqToken, Key::HqTokenFile);
        let fencing = self.value(Key::Fencing, values::fencing);
        if self.items(Key::Hq).is_empty() {
            self.warn_without_hq();
            return None;
        }
        let naming = self.naming(Key::Hq);
        let has_token =
            [Key::HqToken, Key::HqTokenFile].iter().any(|key| self.item(*key).is_some());
        let missing: Vec<&str> = [(pop_id.is_some(), "--pop-id"), (has_token, "--hq-token-file")]
            .into_iter()
            .filter_map(|(is_given, name)| (!is_given).then_some(name))
            .collect();
        if !missing.is_empty() {
            let missing = missing.join(" and ");
            self.problems.push(format!("{naming}: a control plane also needs {missing}"));
        }
        if !allow_plain_http {
            self.require_loopback_peers(Key::Hq, url.as_slice(), None);
        }
        let dns_addresses = self.dns_addresses(own_url);
        let region = self.value(Key::PopRegion, values::region).unwrap_or_default();
        Some(HqSettings {
            url: url?.to_string(),
            token: token?,
            dns_addresses,
            fencing: fencing?,
            pop_id: pop_id?,
            region,
        })
    }

    fn warn_without_hq(&mut self) {
        let keys = [Key::HqTokenFile, Key::HqToken, Key::DnsAddress, Key::Fencing];
        for key in keys.into_iter().filter(|key| !self.items(*key).is_empty()).collect::<Vec<_>>() {
            let naming = self.naming(key);
            self.warnings.push(format!("{naming}: means nothing without --hq"));
        }
    }

    /// What DNS is to answer for a server, as far as it is given.
    pub fn given_dns_addresses(&mut self) -> Vec<IpAddr> {
        let given = self.values(Key::DnsAddress, values::dns_address);
        let of_family = |is_v4: bool| given.iter().filter(move |it| it.is_ipv4() == is_v4).count();
        if of_family(true) > 1 || of_family(false) > 1 {
            let naming = self.naming(Key::DnsAddress);
            self.problems.push(format!("{naming}: one of IPv4 and one of IPv6 can be given"));
        }
        given
    }

    /// What DNS answers for this server: what is given, else the host of its URL.
    fn dns_addresses(&mut self, own_url: &OwnUrl) -> Vec<IpAddr> {
        let given = self.given_dns_addresses();
        if !given.is_empty() || !self.items(Key::DnsAddress).is_empty() {
            return given;
        }
        let own = own_url.effective();
        let address = own.as_ref().and_then(ServerUrl::ip).filter(|it| !it.is_unspecified());
        if address.is_none() && own.is_some() {
            let naming = self.naming(Key::Hq);
            self.warnings.push(format!(
                "{naming}: the URL of this server holds no IP address, so DNS has none to answer \
                 with without --dns-address"
            ));
        }
        address.into_iter().collect()
    }

    /// A token goes into a header.
    pub(super) fn require_header_fits(&mut self, token: Option<&Secret>, direct: Key, file: Key) {
        if token.is_some_and(|token| !token.expose().iter().all(u8::is_ascii_graphic)) {
            let naming = self.naming(if self.item(direct).is_some() { direct } else { file });
            self.problems.push(format!(
                "{naming}: holds more than visible ASCII characters, which is all a header can"
            ));
        }
    }
}
