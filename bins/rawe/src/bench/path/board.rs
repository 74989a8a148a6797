//! What was asked for and what arrived: the moment of each completing vote, and of each order.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Assets of rounds; five letters name more.
const ROUNDS_MAX: usize = 4_000_000;
/// Lone proposals have names from here on.
pub(super) const LONE_FROM: usize = 8_000_000;

/// Shared by the generator and the endpoint.
pub(super) struct Board {
    base: Instant,
    /// Nanoseconds of the completing publish, by round; 0 is not yet.
    sent: Vec<AtomicU64>,
    orders: Vec<AtomicU32>,
    latencies: Mutex<Vec<u64>>,
    decided: AtomicU64,
    early: AtomicU64,
    duplicates: AtomicU64,
}

impl Board {
    pub(super) fn new() -> Self {
        Self {
            base: Instant::now(),
            sent: (0..ROUNDS_MAX).map(|_| AtomicU64::new(0)).collect(),
            orders: (0..ROUNDS_MAX).map(|_| AtomicU32::new(0)).collect(),
            latencies: Mutex::new(Vec::new()),
            decided: AtomicU64::new(0),
            early: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
        }
    }

    /// Nanoseconds since the board was made.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Whether there are names for `more` rounds after `round`.
    pub(super) fn has_room(round: usize, more: usize) -> bool {
        round + more < ROUNDS_MAX
    }

    /// The completing vote of a round leaves now.
    pub(super) fn completes(&self, round: usize, at: u64) {
        if let Some(sent) = self.sent.get(round) {
            sent.store(at.max(1), Ordering::Release);
        }
    }

    /// An order has arrived.
    pub(super) fn ordered(&self, symbol: &[u8], at: u64) {
        let Some((sent, orders)) =
            index_of(symbol).and_then(|round| self.sent.get(round).zip(self.orders.get(round)))
        else {
            self.early.fetch_add(1, Ordering::Relaxed);
            return;
        };
        if orders.fetch_add(1, Ordering::AcqRel) > 0 {
            self.duplicates.fetch_add(1, Ordering::Relaxed);
            return;
        }
        match sent.load(Ordering::Acquire) {
            0 => {
                self.early.fetch_add(1, Ordering::Relaxed);
            }
            sent => self.latencies().push(at.saturating_sub(sent)),
        }
        self.decided.fetch_add(1, Ordering::AcqRel);
    }

    fn latencies(&self) -> std::sync::MutexGuard<'_, Vec<u64>> {
        self.latencies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The latencies since the last call, nanoseconds.
    pub(super) fn take_latencies(&self) -> Vec<u64> {
        std::mem::take(&mut *self.latencies())
    }

    /// Rounds decided, each once.
    pub(super) fn decided(&self) -> u64 {
        self.decided.load(Ordering::Acquire)
    }

    /// Orders without a quorum.
    pub(super) fn early(&self) -> u64 {
        self.early.load(Ordering::Acquire)
    }

    /// Second orders of one round.
    pub(super) fn duplicates(&self) -> u64 {
        self.duplicates.load(Ordering::Acquire)
    }
}

/// Five capital letters for a number.
pub(super) fn symbol_of(mut index: usize) -> [u8; 5] {
    let mut symbol = [b'A'; 5];
    for letter in symbol.iter_mut().rev() {
        *letter = b'A' + u8::try_from(index % 26).unwrap_or(0);
        index /= 26;
    }
    symbol
}

fn index_of(symbol: &[u8]) -> Option<usize> {
    let is_ours = symbol.len() == 5 && symbol.iter().all(u8::is_ascii_uppercase);
    is_ours.then(|| {
        symbol
            .iter()
            .fold(0, |index, letter| index * 26 + usize::from(letter - b'A'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbers_and_orders_are_counted_once() {
        for index in [0, 1, 26, 12_345, LONE_FROM + 5_000] {
            assert_eq!(index_of(&symbol_of(index)), Some(index));
        }
        let board = Board::new();
        board.ordered(&symbol_of(3), 10);
        assert_eq!((board.early(), board.decided()), (1, 1));
        board.completes(4, 100);
        board.ordered(&symbol_of(4), 350);
        board.ordered(&symbol_of(4), 400);
        assert_eq!((board.duplicates(), board.take_latencies()), (1, vec![250]));
        board.ordered(b"rubbish", 1);
        board.ordered(&symbol_of(LONE_FROM), 1);
        assert_eq!(board.early(), 3);
    }
}
