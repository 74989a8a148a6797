//! The five agents, one binary each, and rawe-agent for a profile of the user's own.
