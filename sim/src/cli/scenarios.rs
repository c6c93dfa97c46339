//! `clavitor-sim scenarios`.

use clavitor_sim::scenarios::ALL;

use super::arguments::Arguments;
use super::{Exit, Stop, say};

pub(crate) fn scenarios(_: Arguments) -> Result<Exit, Stop> {
    let widest = ALL.iter().map(|scenario| scenario.name.len()).max().unwrap_or_default();
    let line = |name: &str, about: &str| format!("{name:<widest$}  {about}\n");
    let lines: String = ALL.iter().map(|it| line(it.name, it.about)).collect();
    say(&lines)?;
    Ok(Exit::Fine)
}
