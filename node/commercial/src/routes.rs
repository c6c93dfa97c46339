//! The edition's own routes.

use http::Method;

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// What is owed to whom.
    Replication,
    /// Another try for every peer.
    Resume,
    /// Frames from peers.
    Frames,
    /// This POP becomes primary.
    Promote,
    /// Another one does, in order.
    Switchover,
    /// Lease votes for peers.
    Votes,
    /// A vault's conflict journal.
    Conflicts,
    /// Restores an item of it.
    Restore,
}

static GET: &[Method] = &[Method::GET, Method::HEAD];
static POST: &[Method] = &[Method::POST];

impl Route {
    /// The route of a path.
    pub(crate) fn of(segments: &[Option<&str>]) -> Option<Route> {
        Some(match segments {
            [Some("v1"), Some("replication")] => Route::Replication,
            [Some("v1"), Some("replication"), Some("resume")] => Route::Resume,
            [Some("v1"), Some("replication"), Some("frames")] => Route::Frames,
            [Some("v1"), Some("replication"), Some("votes")] => Route::Votes,
            [Some("v1"), Some("node"), Some("promote")] => Route::Promote,
            [Some("v1"), Some("node"), Some("switchover")] => Route::Switchover,
            [Some("v1"), Some("vaults"), _, Some("conflicts")] => Route::Conflicts,
            [Some("v1"), Some("vaults"), _, Some("conflicts"), _, Some("restore")] => {
                Route::Restore
            }
            _ => return None,
        })
    }

    /// The methods it takes.
    pub(crate) fn methods(self) -> &'static [Method] {
        match self {
            Route::Replication | Route::Conflicts => GET,
            Route::Resume
            | Route::Frames
            | Route::Votes
            | Route::Promote
            | Route::Switchover
            | Route::Restore => POST,
        }
    }
}
