//! From arguments and files to a running exchange.

use std::io::Write;
use std::path::Path;

use clap::Parser;
use paper_exchange::{ExchangeArgs, LISTEN_DEFAULT, Pacing, Source, load_world, run};
use rawe_market::ExchangeConfig;
use tokio_util::sync::CancellationToken;

use crate::support::{Exchange, at};

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: ExchangeArgs,
}

/// Arguments as typed. The environment of the test run must not matter, so what it could set is
/// typed as well.
fn args(typed: &[&str]) -> ExchangeArgs {
    let fixed = [
        "exchange",
        "--listen",
        LISTEN_DEFAULT,
        "--key-id",
        "",
        "--secret-key",
        "",
    ];
    let mut args = Command::parse_from(fixed.iter().chain(typed)).args;
    args.config = args
        .config
        .filter(|path| typed.contains(&path.to_str().unwrap()));
    args
}

fn write(path: &Path, content: &str) {
    std::fs::write(path, content).unwrap();
}

/// Hours of BTC and days of two stocks, their times stamped at the END.
const BARS: &str = "symbol,time,open,high,low,close,volume
BTC,2026-03-02T01:00:00Z,100,102,99,101,5.5
BTC,2026-03-02T02:00:00Z,101,103,100,102,5
AAPL,2026-03-02T21:00:00Z,10,12,9,11,500
AAPL,2026-03-03T21:00:00Z,11.5,13,10,12,500
AAPL,2026-03-04T21:00:00Z,12.5,14,11,13,500
";
const NEWS: &str = r#"{"id":"a","time":"2026-03-02T01:30:00Z","headline":"h","symbols":["BTC"]}
{"id":"b","time":"2026-03-03T12:00:00Z","source":"wire","headline":"i","symbols":["AAPL"]}
"#;

#[tokio::test]
async fn a_file_bar_stamped_at_its_end_is_served_with_alpacas_start() {
    let folder = tempfile::tempdir().unwrap();
    let (bars, news) = (
        folder.path().join("bars.csv.gz"),
        folder.path().join("news.jsonl"),
    );
    let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    zipped.write_all(BARS.as_bytes()).unwrap();
    std::fs::write(&bars, zipped.finish().unwrap()).unwrap();
    write(&news, NEWS);
    let typed = [
        "--bars",
        bars.to_str().unwrap(),
        "--news",
        news.to_str().unwrap(),
    ];
    let settings = args(&[&typed[..], &["--warmup-days", "1"]].concat())
        .settings()
        .unwrap();
    let world = load_world(&settings).unwrap();
    assert_eq!(
        (world.start, world.end),
        (at("2026-03-02T00:00:00Z"), at("2026-03-04T21:00:00Z"))
    );
    assert_eq!(world.warmup_until, at("2026-03-03T00:00:00Z"));
    let config = ExchangeConfig::default();
    let exchange = Exchange::start_world(world, config, Pacing::ByPacer).await;
    let day = "/v2/stocks/bars?symbols=AAPL&timeframe=1Day&start=2026-03-01";
    let served = exchange.get(day).await;
    // Only Monday has ended; its `t` is midnight New York.
    assert_eq!(served["bars"]["AAPL"].as_array().unwrap().len(), 1);
    assert_eq!(served["bars"]["AAPL"][0]["t"], "2026-03-02T05:00:00Z");
    let hours = "/v1beta3/crypto/us/bars?symbols=BTC/USD&timeframe=1Hour&start=2026-03-01";
    assert_eq!(
        exchange.get(hours).await["bars"]["BTC/USD"][1]["t"],
        "2026-03-02T01:00:00Z"
    );
    assert_eq!(
        exchange.get("/v1beta1/news").await["news"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    // A daily bar's open is a price from 9:30 on, not from its `t`.
    let trade = "/v2/stocks/trades/latest?symbols=AAPL";
    exchange.advance("2026-03-03T14:29:00Z").await;
    assert_eq!(exchange.get(trade).await["trades"]["AAPL"]["p"], 11);
    exchange.advance("2026-03-03T14:30:00Z").await;
    assert_eq!(exchange.get(trade).await["trades"]["AAPL"]["p"], 11.5);
    exchange.advance("2026-03-04T05:30:00Z").await;
    assert_eq!(exchange.get(trade).await["trades"]["AAPL"]["p"], 12);
    assert_eq!(
        exchange.get("/rawe/v1/market").await["timeframes"]["AAPL"],
        "day"
    );
    exchange.stop().await;
}

#[test]
fn a_range_cuts_bars_and_news() {
    let folder = tempfile::tempdir().unwrap();
    let (bars, news) = (
        folder.path().join("bars.csv"),
        folder.path().join("news.jsonl"),
    );
    write(&bars, BARS);
    write(&news, NEWS);
    let typed = [
        "--bars",
        bars.to_str().unwrap(),
        "--news",
        news.to_str().unwrap(),
    ];
    let load = |more: &[&str]| load_world(&args(&[&typed[..], more].concat()).settings().unwrap());
    let cut = load(&[
        "--warmup-days",
        "0",
        "--from",
        "2026-03-03",
        "--to",
        "2026-03-03",
    ])
    .unwrap();
    assert_eq!((cut.data.bar_count(), cut.news.len()), (1, 1));
    let short = load(&["--warmup-days", "30"]).unwrap_err().to_string();
    assert!(short.contains("smaller --warmup-days"), "{short}");
    assert!(load(&["--from", "2027-01-01"]).is_err());
}

#[test]
fn defaults_are_a_generated_market_on_loopback_for_a_pacer() {
    let settings = args(&[]).settings().unwrap();
    assert_eq!(
        (settings.listen.as_str(), settings.pacing),
        (LISTEN_DEFAULT, Pacing::ByPacer)
    );
    assert!(matches!(&settings.source, Source::Scenario(config) if config.seed == 7));
    let fast = args(&["--speed", "60", "--seed", "9"]).settings().unwrap();
    assert_eq!(fast.pacing, Pacing::ByWallClock(60.0));
    assert!(matches!(&fast.source, Source::Scenario(config) if config.seed == 9));
}

#[test]
fn a_file_sets_what_flags_do_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rawe.toml");
    write(
        &file,
        "[exchange]\nseed = 5\ncash = \"2500\"\nspeed = 10.0\nwarmup_days = 3\n",
    );
    let config = ["--config", file.to_str().unwrap()];
    let settings = args(&config).settings().unwrap();
    assert_eq!(settings.exchange.cash, rust_decimal::Decimal::from(2_500));
    assert_eq!(
        (settings.warmup_days, settings.pacing),
        (3, Pacing::ByWallClock(10.0))
    );
    let typed = args(&[&config[..], &["--cash", "9", "--paced"]].concat())
        .settings()
        .unwrap();
    assert_eq!(typed.exchange.cash, rust_decimal::Decimal::from(9));
    assert_eq!(typed.pacing, Pacing::ByPacer);
    assert_eq!(typed.exchange.seed, 5);
}

#[test]
fn all_problems_are_listed_at_once() {
    let typed = [
        "--listen",
        "nowhere",
        "--bars",
        "/no/such.csv",
        "--from",
        "soon",
        "--cash",
        "-1",
        "--speed",
        "0",
        "--symbol-map",
        "BTC",
        "--fee-bps-crypto",
        "6000",
    ];
    let mut arguments = ExchangeArgs::default();
    for pair in typed.chunks(2) {
        let one = Command::parse_from(["x", &format!("{}={}", pair[0], pair[1])]).args;
        match pair[0] {
            "--listen" => arguments.listen = one.listen,
            "--bars" => arguments.bars = one.bars,
            "--from" => arguments.from = one.from,
            "--cash" => arguments.cash = one.cash,
            "--speed" => arguments.speed = one.speed,
            "--symbol-map" => arguments.symbol_map = one.symbol_map,
            _ => arguments.fee_bps_crypto = one.fee_bps_crypto,
        }
    }
    let problems = arguments.settings().unwrap_err().0;
    for word in [
        "nowhere",
        "/no/such.csv",
        "soon",
        "--cash",
        "--speed",
        "--symbol-map",
        "--fee",
    ] {
        assert!(
            problems.iter().any(|p| p.contains(word)),
            "{word} is not in {problems:#?}"
        );
    }
    assert_eq!(problems.len(), 7, "{problems:#?}");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_and_shutdown_ends_the_process() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let small = ["--warmup-days", "2", "--play-days", "2"];
    let mut arguments = args(&small);
    arguments.listen = Some(address.clone());
    let failed = run(arguments.clone(), CancellationToken::new())
        .await
        .unwrap_err();
    assert!(failed.to_string().contains(&address), "{failed}");
    let shutdown = CancellationToken::new();
    arguments.listen = Some("127.0.0.1:0".to_owned());
    let running = tokio::spawn(run(arguments, shutdown.clone()));
    shutdown.cancel();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), running).await;
    ended.unwrap().unwrap().unwrap();
}
