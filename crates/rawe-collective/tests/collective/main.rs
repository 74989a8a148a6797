//! The collective from outside.

#[cfg(test)]
mod whole;
