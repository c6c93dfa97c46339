//! Frames as they are built, and what their answers are held against.

mod answers;
mod building;
