//! How much of an alert goes to HQ. The local line has it whole.

use alloc::string::String;

use clavitor_core::alert::Alert;

use super::Sender;

/// The most bytes of an alert's message.
pub const MESSAGE_BYTES_MAX: usize = 512;

/// The most details of an alert.
pub const DETAILS_MAX: usize = 16;

/// The most bytes of a detail's name.
pub const DETAIL_NAME_BYTES_MAX: usize = 64;

/// The most bytes of a detail.
pub const DETAIL_BYTES_MAX: usize = 256;

/// The most bytes of a machine's name, and of a region's.
pub const SENDER_BYTES_MAX: usize = 64;

const CUT: char = '…';

const _: () = assert!(SENDER_BYTES_MAX > CUT.len_utf8(), "there is room for what was cut");

/// The alert, cut to what an item holds.
pub(super) fn bounded(alert: Alert) -> Alert {
    let Alert { alert_type, message, details } = alert;
    let details = details.into_iter().take(DETAILS_MAX);
    let cut_both = |(name, value)| (cut(name, DETAIL_NAME_BYTES_MAX), cut(value, DETAIL_BYTES_MAX));
    let details = details.map(cut_both).collect();
    Alert { alert_type, message: cut(message, MESSAGE_BYTES_MAX), details }
}

/// The sender, cut likewise.
pub(super) fn bounded_sender(sender: Sender) -> Sender {
    let Sender { hostname, region } = sender;
    Sender { hostname: cut(hostname, SENDER_BYTES_MAX), region: cut(region, SENDER_BYTES_MAX) }
}

fn cut(mut text: String, bytes_max: usize) -> String {
    if text.len() > bytes_max {
        let end = text.floor_char_boundary(bytes_max - CUT.len_utf8());
        text.truncate(end);
        text.push(CUT);
    }
    text
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use clavitor_core::alert::AlertType;

    use super::*;

    #[test]
    fn what_fits_is_left_as_it_is() {
        let alert = Alert::new(AlertType::ClockSkew, &"m".repeat(MESSAGE_BYTES_MAX));
        let alert = alert.with(&"n".repeat(DETAIL_NAME_BYTES_MAX), "v".repeat(DETAIL_BYTES_MAX));
        assert_eq!(bounded(alert.clone()), alert);
    }

    #[test]
    fn what_does_not_fit_is_cut_between_characters_and_says_so() {
        for text in ["x", "é", "€", "🔒"] {
            for bytes in MESSAGE_BYTES_MAX - 4..MESSAGE_BYTES_MAX + 4 {
                let long = "x".repeat(bytes) + text;
                let message = bounded(Alert::new(AlertType::ClockSkew, &long)).message;
                assert!(
                    message.len() <= MESSAGE_BYTES_MAX && message.len() > MESSAGE_BYTES_MAX - 7
                );
                let begin = message.strip_suffix(CUT).unwrap_or(&message);
                assert!(long.starts_with(begin) && (message == long || message.ends_with(CUT)));
            }
        }
    }

    #[test]
    fn only_so_many_details_are_taken_each_cut() {
        let alert = Alert::new(AlertType::ClockSkew, "many");
        let alert = (0..99).fold(alert, |alert, at| {
            alert.with(&(at.to_string() + &"n".repeat(99)), "v".repeat(999))
        });
        let details = bounded(alert).details;
        assert_eq!(details.len(), DETAILS_MAX);
        assert!(details.iter().all(|(name, value)| {
            (name.len(), value.len()) == (DETAIL_NAME_BYTES_MAX, DETAIL_BYTES_MAX)
        }));
    }
}
