//! Quorums, rounds, stances, near misses: apply(event, now) -> effects; pure.
