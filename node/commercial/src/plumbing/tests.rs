//! Whole flows: what the machine orders, what becomes of it in the store, and what others see.

mod bookkeeping;
mod clocks;
mod setbacks;
mod waiting;
