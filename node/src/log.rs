//! Lines on stderr. There is no log of what clients store or ask for.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use clavitor_core::alert::Alert;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Where the lines of alerts go.
pub type AlertLog = Arc<dyn Fn(&Alert) + Send + Sync>;

/// The longest line of a server, in bytes, its end included: a pipe that has room takes so much
/// whole and at once.
const LINE_BYTES_MAX: usize = 4_096;

/// How long a server waits for whoever reads its lines, in milliseconds, before it goes on without.
const PATIENCE_MS: i64 = 100;

static IS_SERVING: AtomicBool = AtomicBool::new(false);

static UNREAD: Mutex<Unread> = Mutex::new(Unread { lines: 0 });

/// What nobody has read.
struct Unread {
    lines: u64,
}

/// From now on no line is waited for longer than a moment: a server must not stand still because
/// nobody reads what it says.
pub fn begin_serving() {
    IS_SERVING.store(true, Ordering::Release);
}

/// Writes one line. A closed stderr is no reason to fail.
pub fn line(text: &str) {
    if !IS_SERVING.load(Ordering::Acquire) {
        write(&format!("{text}\n"));
        return;
    }
    let mut unread = UNREAD.lock().unwrap_or_else(PoisonError::into_inner);
    // Whoever did not read before is not waited for again until it does.
    let patience_ms = if unread.lines > 0 { 0 } else { PATIENCE_MS };
    if !is_read(patience_ms) {
        unread.lines += 1;
        return;
    }
    let lost = std::mem::take(&mut unread.lines);
    if lost > 0 {
        write(&format!("{lost} lines are missing here: nobody read them\n"));
    }
    write(&shortened(text));
}

/// Writes an alert's line.
pub fn alert(alert: &Alert) {
    line(&alert.to_string());
}

/// In one call, so that lines of processes that share a pipe stay whole.
fn write(line: &str) {
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

fn shortened(text: &str) -> String {
    let room = LINE_BYTES_MAX - '\n'.len_utf8();
    if text.len() <= room {
        return format!("{text}\n");
    }
    format!("{}…\n", &text[..text.floor_char_boundary(room - '…'.len_utf8())])
}

/// Whether stderr takes a line within so long.
fn is_read(patience_ms: i64) -> bool {
    let stderr = std::io::stderr();
    let mut waiting = [PollFd::new(&stderr, PollFlags::OUT)];
    let timeout = Timespec { tv_sec: 0, tv_nsec: patience_ms * 1_000_000 };
    // What cannot be asked is tried.
    !poll(&mut waiting, Some(&timeout)).is_ok_and(|ready| ready == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_cut_between_characters() {
        assert_eq!(shortened("short"), "short\n");
        let longest = "a".repeat(LINE_BYTES_MAX - 1);
        assert_eq!(shortened(&longest), format!("{longest}\n"));
        let cut = shortened(&"é".repeat(LINE_BYTES_MAX));
        assert!(cut.len() <= LINE_BYTES_MAX && cut.ends_with("é…\n"), "{}", cut.len());
    }
}
