//! The bounded queue between a subscription's link and its reader: when it is full the oldest
//! message goes, is counted, and the reader is told before the next message. It knows nothing of
//! how messages arrive.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};

use crate::BusEvent;

/// How many events may sit in the channel to the reader, besides those in the queue: enough that a
/// burst is handed over without a change of tasks for every message.
const READER_BUFFER: usize = 32;

/// Makes the channel over which a queue is read.
pub(crate) fn reader_channel() -> (mpsc::Sender<BusEvent>, mpsc::Receiver<BusEvent>) {
    mpsc::channel(READER_BUFFER)
}

/// Events that wait for their reader.
#[derive(Debug)]
pub(crate) struct EventQueue {
    state: Mutex<QueueState>,
    filled: Notify,
    capacity: usize,
}

#[derive(Debug, Default)]
struct QueueState {
    events: VecDeque<BusEvent>,
    /// Messages dropped since the reader was last told.
    lost: u64,
}

impl EventQueue {
    /// A queue of at most `capacity` events (at least one).
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::new(QueueState::default()),
            filled: Notify::new(),
            capacity: capacity.max(1),
        }
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an event; never waits. A full queue drops its oldest events.
    pub(crate) fn push(&self, event: BusEvent) {
        let mut state = self.lock();
        while state.events.len() >= self.capacity {
            match state.events.pop_front() {
                Some(BusEvent::Message(_)) => state.lost += 1,
                // An older gap is folded into the one which the overflow causes.
                Some(BusEvent::Gap { lost, .. }) => state.lost += lost,
                Some(BusEvent::Up) => {}
                None => break,
            }
        }
        state.events.push_back(event);
        drop(state);
        self.filled.notify_one();
    }

    fn pop(&self) -> Option<BusEvent> {
        let mut state = self.lock();
        if state.lost > 0 {
            let lost = std::mem::take(&mut state.lost);
            let reason = format!("the reader was too slow, {lost} messages were dropped");
            return Some(BusEvent::Gap { reason, lost });
        }
        state.events.pop_front()
    }

    /// Hands the events to the reader until it goes away.
    pub(crate) async fn forward(&self, reader: &mpsc::Sender<BusEvent>) {
        loop {
            // The permit comes first, so that an event waits in the queue, where it can be dropped.
            let Ok(permit) = reader.reserve().await else {
                return;
            };
            let event = loop {
                if let Some(event) = self.pop() {
                    break event;
                }
                tokio::select! {
                    () = self.filled.notified() => {}
                    () = reader.closed() => return,
                }
            };
            permit.send(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(number: u8) -> BusEvent {
        BusEvent::Message(vec![number])
    }

    #[test]
    fn a_full_queue_drops_the_oldest_and_says_how_many() {
        let queue = EventQueue::new(3);
        for number in 0..5 {
            queue.push(message(number));
        }
        assert!(matches!(queue.pop(), Some(BusEvent::Gap { lost: 2, .. })));
        for number in 2..5 {
            assert_eq!(queue.pop(), Some(message(number)));
        }
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn a_dropped_gap_is_not_forgotten() {
        let queue = EventQueue::new(1);
        queue.push(BusEvent::Gap {
            reason: "link".into(),
            lost: 7,
        });
        queue.push(message(1));
        assert!(matches!(queue.pop(), Some(BusEvent::Gap { lost: 7, .. })));
        assert_eq!(queue.pop(), Some(message(1)));
    }

    #[tokio::test]
    async fn forwarding_ends_with_the_reader() {
        let queue = EventQueue::new(4);
        let (sender, mut receiver) = reader_channel();
        queue.push(message(1));
        let reading = async {
            assert_eq!(receiver.recv().await, Some(message(1)));
            drop(receiver);
        };
        tokio::join!(queue.forward(&sender), reading);
    }
}
