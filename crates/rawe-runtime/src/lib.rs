//! What every binary's main shares: configuration, logs, the wall clock, shutdown.
