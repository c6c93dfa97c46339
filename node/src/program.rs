//! How this program is called, for whatever tells people what to type.

use std::sync::OnceLock;

static NAME: OnceLock<&'static str> = OnceLock::new();

/// What stands for the name in tables of texts.
const PLACEHOLDER: &str = "{program}";

/// Tells the name, once, before anything is said.
pub(crate) fn is_called(name: &'static str) {
    let _ = NAME.set(name);
}

/// The program's name.
pub(crate) fn name() -> &'static str {
    NAME.get().copied().unwrap_or("clavitor")
}

/// A text from a table, with the name where it belongs.
pub(crate) fn named(text: &str) -> String {
    text.replace(PLACEHOLDER, name())
}
