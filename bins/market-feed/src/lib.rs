//! News and bars into Redis Streams; the pacer of replays.
