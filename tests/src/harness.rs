//! What the tests stand on: programs with their logs, a wire that can be cut, a stage with Redis, exchange and engine, and
//! the messages that agents would send. Nothing here asserts what the system should do.

mod market_file;
mod program;
mod proxy;
mod stage;
mod votes;

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep};

pub(crate) use market_file::write_bars;
pub(crate) use program::Program;
pub(crate) use proxy::{Proxy, Wire};
pub(crate) use stage::{Stage, free_url, http};
pub(crate) use votes::{Voter, original_message, python_publishes};

/// How long anything may take that should happen at once, on a machine with other work to do.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Asks again and again until there is an answer; fails, naming `what`, when there is none.
pub(crate) async fn eventually<T, F, Fut>(what: &str, mut ask: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within {SOON:?}");
        sleep(Duration::from_millis(20)).await;
    }
}
