//! The bus: publish, subscribe for ever, streams, heartbeats.
//!
//! One trait, two implementations: Redis, which everything real runs on, and memory, which tests
//! and the embedded default use. Rules of trading do not live here; neither do message types,
//! which are `rawe-core`'s.

mod bus;
mod leases;
mod memory;
mod queue;
mod redis_bus;
mod redis_error;
mod redis_subscription;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod faults;

pub use bus::{
    Bus, BusError, BusEvent, Entry, EntryId, Lease, LeaseHolder, StreamAppend, Subscription,
};
pub use memory::MemoryBus;
pub use redis_bus::{RedisBus, describe_url};
