//! The journal of decisions and intents, on SQLite.
