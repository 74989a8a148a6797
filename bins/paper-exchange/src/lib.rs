//! A local, Alpaca-compatible exchange over a simulated market.
