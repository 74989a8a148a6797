//! A deterministic world around the collective: one 64-bit seed drives agents, bus, broker,
//! journal, clock, operator and crashes, without a network, in virtual time.
//!
//! The collective inside is the very code that trades. After every step the invariants are
//! checked; a seed that breaks one is replayed by its number. Deliberate bugs prove that the
//! simulator can find bugs. Threads, clocks and printing are the binary's.

pub mod agents;
pub mod broker;
pub mod bugs;
pub mod coverage;
pub mod effects;
pub mod invariants;
pub mod journal;
pub mod plan;
pub mod random;
pub mod settings;
mod witness;
pub mod world;

pub use bugs::Bug;
pub use coverage::Coverage;
pub use invariants::{INVARIANTS, Violation};
pub use world::{Options, Outcome, World};

/// Runs one seed.
///
/// # Errors
/// When the seed's plan is outside what the rules allow, which is a mistake of the simulator.
pub fn run(seed: u64, options: Options) -> Result<Outcome, Vec<String>> {
    World::new(seed, options).map(World::run)
}

/// The seeds that once failed, one a line, `#` begins a comment.
pub const REGRESSIONS: &str = include_str!("../regressions.txt");

/// Reads a list of seeds: hexadecimal with `0x`, or decimal.
pub fn seeds(text: &str) -> Vec<u64> {
    text.lines()
        .filter_map(|line| line.split('#').next()?.split_whitespace().next())
        .filter_map(parse_seed)
        .collect()
}

/// Reads a seed: hexadecimal with `0x`, or decimal.
pub fn parse_seed(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}
