//! What a person sees while it happens: lines on stderr, and on a terminal one that changes in its
//! place. What a script reads goes to stdout.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::time::Duration;

const CLEAR: &str = "\r\x1b[2K";

/// What turns while something is waited for.
const FRAMES: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// How long each is seen, in milliseconds.
const FRAME_MS: u128 = 80;

/// How a piece of text looks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Look {
    /// A heading.
    Bold,
    /// All is well.
    Good,
    /// Something is not.
    Bad,
    /// Of less weight.
    Faint,
}

/// Standard error.
///
/// Invariant: `is_open` tells whether the last line may still change.
pub(super) struct Screen {
    is_terminal: bool,
    has_colour: bool,
    is_open: Cell<bool>,
}

impl Screen {
    /// The screen of this process; `may_colour` is whether its user has nothing against colours.
    pub(super) fn new(may_colour: bool) -> Screen {
        let is_terminal = std::io::stderr().is_terminal();
        Screen { is_terminal, has_colour: may_colour && is_terminal, is_open: Cell::new(false) }
    }

    /// A line that stays.
    pub(super) fn say(&self, line: &str) {
        let clear = if self.is_open.replace(false) { CLEAR } else { "" };
        // A closed stderr is no reason to fail.
        let _ = writeln!(std::io::stderr().lock(), "{clear}{line}");
    }

    /// What is waited for, and for how long already; on a terminal alone.
    pub(super) fn wait(&self, what: &str, waited: Duration) {
        if !self.is_terminal {
            return;
        }
        let frame = usize::try_from(waited.as_millis() / FRAME_MS).unwrap_or_default();
        let frame = FRAMES.iter().cycle().nth(frame % FRAMES.len()).unwrap_or(&"");
        let line = format!("  {frame} {:4.1} s  {what}", waited.as_secs_f64());
        self.is_open.set(true);
        let mut stderr = std::io::stderr().lock();
        let _ = write!(stderr, "{CLEAR}{}", self.paint(Look::Faint, &line));
        let _ = stderr.flush();
    }

    /// The text as it is to look.
    pub(super) fn paint(&self, look: Look, text: &str) -> String {
        let code = match look {
            _ if !self.has_colour => return text.to_owned(),
            Look::Bold => "1",
            Look::Good => "32",
            Look::Bad => "31",
            Look::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.is_open.get() {
            let _ = write!(std::io::stderr().lock(), "{CLEAR}");
        }
    }
}

/// A number with a comma after each three digits.
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A time that was measured.
pub(super) fn measured(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        _ => format!("{}.{:02} s", ms / 1_000, ms % 1_000 / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_three_digits() {
        let shown = [0, 999, 1_000, 12_345, 999_999, 1_000_000].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "12,345", "999,999", "1,000,000"]);
    }

    #[test]
    fn times_are_shown_as_exactly_as_they_matter() {
        assert_eq!(
            [0, 999, 1_000, 5_418, 61_005].map(measured),
            ["0 ms", "999 ms", "1.00 s", "5.41 s", "61.00 s"]
        );
    }

    #[test]
    fn nothing_is_painted_where_no_colour_is_wanted() {
        let shown = |has_colour| {
            let screen = Screen { is_terminal: true, has_colour, is_open: Cell::new(false) };
            screen.paint(Look::Good, "well")
        };
        assert_eq!([shown(false), shown(true)], ["well", "\x1b[32mwell\x1b[0m"]);
    }
}
