//! Whole flows: what the machine orders, what becomes of it in the store, and what others see.

mod acknowledging;
mod bookkeeping;
mod clocks;
mod requests;
mod setbacks;
mod waiting;
