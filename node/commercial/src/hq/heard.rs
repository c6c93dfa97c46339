//! HQ's answers, as they are read: what cannot be read is no answer.

use clavitor_commercial::lease::Renewed;
use clavitor_commercial::renewal::Answer;
use serde::Deserialize;

/// What comes back.
#[derive(Deserialize)]
struct Heard {
    answer: Answer,
}

/// What a watch that has news says.
#[derive(Deserialize)]
struct News {
    generation: u64,
}

/// What an answer to a renewal means.
pub fn renewed(status: u16, body: &[u8]) -> Renewed {
    let heard = serde_json::from_slice::<Heard>(body).ok();
    Renewed::of(Some(status), heard.map(|heard| heard.answer))
}

/// The newest news that an answer to a watch tells of, if it tells any.
pub fn news(body: &[u8]) -> Option<u64> {
    serde_json::from_slice::<News>(body).ok().map(|news| news.generation)
}
