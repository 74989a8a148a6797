//! A personality over the engine: scan, vote, size, propose; pure.
