//! Whole-system tests: real processes, a real Redis, real sockets; and the rules of the house.
//!
//! The binaries are built beforehand (`cargo build --workspace`) and found next to the test's own
//! executable. Everything lives in one test program, so that it is linked once.

#[cfg(test)]
mod alpaca_py;
#[cfg(test)]
mod chaos;
#[cfg(test)]
mod collective;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod feed_cut;
#[cfg(test)]
mod fetching;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod kill_switch;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod old_journal;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod path_bench;
#[cfg(test)]
mod recording;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod tidy;
