//! `rawe fetch` downloads from a running paper exchange; killed in the middle and started again, it
//! has the same in the end as one that was never disturbed.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use rawe_core::{Bar, NewsItem};
use rawe_feed::SymbolMap;
use rawe_feed::archive::{part_path, read_manifest};
use rawe_feed::files::{read_bars, read_news};
use serde_json::Value;

use crate::harness::{Program, eventually};

/// The history of the generated market, by its default dates.
const SPAN: [&str; 4] = ["--from", "2026-01-10", "--to", "2026-05-02"];

fn fetch(folder: &Path, exchange: &str, out: &str) -> Program {
    let mut command = Program::command("rawe", folder);
    command.args(["fetch", "--json", "--alpaca-url", exchange, "--out", out]);
    command
        .args(["--symbols", "BTC/USD,ETH/USD,AAPL,KO"])
        .args(SPAN);
    Program::start(command)
}

/// What a folder holds, in its order.
fn read(folder: &Path) -> (Vec<Bar>, Vec<NewsItem>) {
    let map = SymbolMap::default();
    let bars = read_bars(&part_path(folder, "bars"), &map).unwrap();
    let news = read_news(&part_path(folder, "news"), &map).unwrap();
    // Each line once: what was written twice would be refused as a duplicate.
    assert_eq!(bars.report.refused() + news.report.refused(), 0);
    (bars.bars, news.items)
}

#[tokio::test]
async fn a_download_that_was_killed_goes_on_and_misses_and_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Program::command("paper-exchange", folder.path());
    // The clock stands where the history of 120 days ends.
    command.args(["--listen", "127.0.0.1:0", "--paced"]);
    let mut exchange = Program::start(command);
    let listening = exchange.event("exchange_listening").await;
    let url = format!("http://{}", listening["address"].as_str().unwrap());

    let mut whole = fetch(folder.path(), &url, "whole");
    let status = whole.ended_within(Duration::from_mins(2)).await;
    let output = whole.output();
    assert!(status.success(), "{status}: {output}");
    let told = output
        .lines()
        .find_map(|line| serde_json::from_str::<Value>(line).ok());
    let told = told.unwrap();
    assert_eq!(told["is_complete"], true, "{told}");
    let (bars, news) = read(&folder.path().join("whole"));
    assert_eq!(
        (told["bars"].as_u64(), told["news"].as_u64()),
        (Some(bars.len() as u64), Some(news.len() as u64))
    );
    assert!(
        bars.len() > 4_000 && !news.is_empty(),
        "{} {}",
        bars.len(),
        news.len()
    );

    let part = folder.path().join("part");
    let mut killed = fetch(folder.path(), &url, "part");
    eventually("the first windows", || async {
        let manifest = read_manifest(&part).ok()??;
        manifest.done_through.filter(|_| !manifest.is_complete)
    })
    .await;
    killed.signal(Signal::SIGKILL);
    killed.ended().await;
    let begun = read_manifest(&part).unwrap().unwrap();
    assert!(!begun.is_complete, "it was too fast to be killed");
    let mut resumed = fetch(folder.path(), &url, "part");
    let status = resumed.ended_within(Duration::from_mins(2)).await;
    assert!(status.success(), "{status}: {}", resumed.output());
    assert_eq!(read(&part), (bars, news));

    // The same folder for something else is refused, and kept.
    let mut other = Program::command("rawe", folder.path());
    other
        .args([
            "fetch",
            "--alpaca-url",
            &url,
            "--out",
            "part",
            "--symbols",
            "KO",
        ])
        .args(SPAN);
    let (code, output) = Program::run(other).await;
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("name another folder"), "{output}");
}
