//! One connection per stream and account: who comes second finds the seat taken.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The seats that are taken, by the name of the stream.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seats(Arc<Mutex<HashSet<String>>>);

/// A seat, free again when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    seats: Seats,
    name: String,
}

impl Seats {
    /// Takes a seat, if it is free.
    pub(crate) fn take(&self, name: &str) -> Option<Seat> {
        let free = self.lock().insert(name.to_owned());
        free.then(|| Seat {
            seats: self.clone(),
            name: name.to_owned(),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().remove(&self.name);
    }
}
