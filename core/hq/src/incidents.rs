//! Alerts as operators see them: each shown once, opened, repeated, resolved.
