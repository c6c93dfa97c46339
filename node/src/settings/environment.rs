//! The environment variables that are ours.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use super::nearest::did_you_mean;
use super::table::{Setting, TABLE};

/// The variable that names the server client commands talk to.
pub const SERVER_VARIABLE: &str = "CLAVITOR_SERVER";
/// The variable that names the access token file of client commands.
pub const TOKEN_FILE_VARIABLE: &str = "CLAVITOR_TOKEN_FILE";

/// The variables of HQ's own settings. One environment may serve a server and an HQ.
pub const HQ_VARIABLES: [&str; 12] = [
    "CLAVITOR_HQ_CONFIG",
    "CLAVITOR_HQ_DATA_DIR",
    "CLAVITOR_HQ_LISTEN",
    "CLAVITOR_HQ_DNS_LISTEN",
    "CLAVITOR_HQ_DNS_ADDRESS",
    "CLAVITOR_HQ_ZONE",
    "CLAVITOR_HQ_DNS_UPDATE",
    "CLAVITOR_HQ_DNS_UPDATE_KEY_FILE",
    "CLAVITOR_HQ_LEASE_SECONDS",
    "CLAVITOR_HQ_FAILBACK_SECONDS",
    "CLAVITOR_HQ_TRUSTED_PROXY",
    "CLAVITOR_HQ_ALLOW_PLAIN_HTTP",
];

/// A copy of the environment, so that nothing else reads it behind the program's back.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
}

impl Environment {
    /// The environment of this process. Names that are not UTF-8 cannot be ours and are left out.
    pub fn of_process() -> Environment {
        let mut variables = BTreeMap::new();
        for (name, value) in std::env::vars_os() {
            if let Ok(name) = name.into_string() {
                variables.insert(name, value);
            }
        }
        Environment { variables }
    }

    /// An environment of exactly these variables.
    pub fn of<N, V>(variables: impl IntoIterator<Item = (N, V)>) -> Environment
    where
        N: Into<String>,
        V: Into<OsString>,
    {
        let pairs = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        Environment { variables: pairs.collect() }
    }

    /// The value of one variable.
    pub fn value(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(name).map(OsString::as_os_str)
    }

    /// One sentence for each `CLAVITOR_` variable that means nothing: a misspelt one must not
    /// silently leave a default in force.
    pub fn unknown_variables(&self) -> Vec<String> {
        let mut known: Vec<String> = TABLE.iter().map(Setting::variable).collect();
        known.push(SERVER_VARIABLE.to_owned());
        known.push(TOKEN_FILE_VARIABLE.to_owned());
        known.extend(HQ_VARIABLES.map(str::to_owned));
        let is_unknown = |name: &&String| {
            name.starts_with("CLAVITOR_") && !name.ends_with("_BIN") && !known.contains(name)
        };
        let describe = |name: &String| {
            let suggestion = did_you_mean(name, "", known.iter().map(String::as_str));
            format!("environment: unknown variable \"{name}\"{suggestion}")
        };
        self.variables.keys().filter(is_unknown).map(describe).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_variable_is_reported_with_its_neighbour() {
        let environment = Environment::of([("CLAVITOR_LISTNE", "x"), ("PATH", "/bin")]);
        assert_eq!(
            environment.unknown_variables(),
            [
                "environment: unknown variable \"CLAVITOR_LISTNE\", did you mean \"CLAVITOR_LISTEN\"?"
            ]
        );
    }

    #[test]
    fn variables_of_clients_and_tests_are_known() {
        let environment = Environment::of([
            ("CLAVITOR_SERVER", "x"),
            ("CLAVITOR_TOKEN_FILE", "x"),
            ("CLAVITOR_COMMUNITY_BIN", "x"),
            ("CLAVITOR_DATA_DIR", "x"),
            ("CLAVITOR_HQ_DATA_DIR", "x"),
            ("TELEMETRY_HOST", "x"),
        ]);
        assert_eq!(environment.unknown_variables(), Vec::<String>::new());
    }
}
