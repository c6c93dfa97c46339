//! What a panic says and where it was: a machine that breaks down is told of, not only survived.

use std::any::Any;
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};

thread_local! {
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// From now on the place of every panic is remembered.
pub fn remember_places() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(|place| format!("{}:{}", place.file(), place.line()));
        PLACE.with(|it| *it.borrow_mut() = place);
        if !IS_QUIET.load(Ordering::Relaxed) {
            told(panic);
        }
    }));
}

/// Whether a panic says nothing of its own: many runs are told of together.
pub fn be_quiet(is_quiet: bool) {
    IS_QUIET.store(is_quiet, Ordering::Relaxed);
}

/// What a panic that was caught on this thread said, and where, if that is remembered.
pub(crate) fn told_by(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    let text = text.unwrap_or_else(|| "a panic without a message".to_owned());
    match PLACE.with(|place| place.borrow_mut().take()) {
        Some(place) => format!("{text} ({place})"),
        None => text,
    }
}
