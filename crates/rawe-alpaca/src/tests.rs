//! The clients against a scripted server.
