//! Sources of news and bars: Alpaca, files, generated scenarios; the pacer of replays.
