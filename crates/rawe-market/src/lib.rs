//! A simulated exchange: accounts, matching, fees, market clock; pure.
