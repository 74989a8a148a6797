//! Counts the votes and sends what the collective agrees on to the broker.
