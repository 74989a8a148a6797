//! The demo, `rawe up` without any file: its market is thin and halts a stock, and both are told by
//! the story while it runs and by `rawe why` afterwards. Real processes over a real Redis.

use std::path::Path;
use std::time::{Duration, Instant};

use rawe_bus::testing::RedisServer;

use crate::harness::Program;

/// History that the agents read before they vote, days: enough for every measure they use.
const WARMUP_DAYS: &str = "60";
/// How long all of it may take, on a machine with other work to do.
const LIMIT: Duration = Duration::from_mins(8);

/// The first line of the story with these words, waited for.
async fn line_with(demo: &Program, words: &[&str], deadline: Instant) -> String {
    loop {
        let told = demo.output();
        let found = told
            .lines()
            .find(|line| words.iter().all(|word| line.contains(word)));
        if let Some(line) = found {
            return line.to_owned();
        }
        assert!(Instant::now() < deadline, "no line with {words:?}:\n{told}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The word after some others.
fn after<'a>(line: &'a str, before: &str) -> &'a str {
    let (_, rest) = line.split_once(before).unwrap();
    rest.split_whitespace().next().unwrap()
}

/// The id of the order that a line is about.
fn order_of(line: &str) -> &str {
    let (_, id) = line.rsplit_once('(').unwrap();
    id.trim_end_matches(')')
}

/// What `rawe why` says of an order.
async fn why(folder: &Path, order: &str) -> String {
    let mut command = Program::command("rawe", folder);
    command.args(["why", order]);
    let (code, said) = Program::run(command).await;
    assert_eq!(code, Some(0), "{said}");
    said
}

#[tokio::test]
async fn the_demo_tells_of_a_halted_stock_and_of_orders_that_fill_in_parts() {
    let redis = RedisServer::start().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut command = Program::command("rawe", folder.path());
    command.args(["up", "--redis-url", &redis.url(), "--require-redis"]);
    command.args(["--speed", "max", "--log-format", "pretty", "--keep"]);
    command.args(["--warmup-days", WARMUP_DAYS, "--deadline", "10m"]);
    let mut demo = Program::start(command);
    let deadline = Instant::now() + LIMIT;
    let halted = line_with(&demo, &["paper-exchange", "is halted until"], deadline).await;
    let stock = after(&halted, "trading in ").to_owned();
    let waits = format!("the order for {stock} waits at the broker");
    let delayed = line_with(&demo, &[&waits], deadline).await;
    let resumed = format!("trading in {stock} goes on");
    line_with(&demo, &["paper-exchange", &resumed], deadline).await;
    let part = line_with(&demo, &["a part of the order for", "has filled"], deadline).await;
    let parted = after(&part, "the order for ").to_owned();
    // What it came to is told, too: a position, though it may end with less than was wanted.
    let held = format!("the collective holds {parted}");
    line_with(&demo, &[&held], deadline).await;
    let (status, _) = demo.terminate().await;
    assert!(status.success(), "{status}");

    let of_halted = why(folder.path(), order_of(&delayed)).await;
    let words = format!("trading in {stock} was halted, or nobody was on the other side");
    assert!(of_halted.contains(&words), "{of_halted}");
    let of_parted = why(folder.path(), order_of(&part)).await;
    assert!(of_parted.contains("  in parts   "), "{of_parted}");
}
