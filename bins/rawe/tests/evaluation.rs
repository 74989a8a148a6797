//! `rawe narrate` and `rawe evaluate` as real processes, on small made-up files.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::format_push_string,
    clippy::format_collect,
    reason = "a test fails by panicking, and makes small files"
)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use chrono::{DateTime, TimeDelta, Utc};

fn rawe(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rawe"))
        .args(arguments)
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn hour(n: i64) -> String {
    let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    (start + TimeDelta::hours(n))
        .format("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
}

fn gzip(path: &Path, content: &str) {
    let file = std::fs::File::create(path).unwrap();
    let mut writer = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    writer.write_all(content.as_bytes()).unwrap();
    writer.finish().unwrap();
}

/// Hours of the made-up crypto set: play begins after two months.
const HOURS: i64 = 24 * 100;

/// A folder with news and bars of BTC and ETH, gzipped, with one bad line each.
fn made_set(folder: &Path) -> PathBuf {
    let set = folder.join("made");
    std::fs::create_dir(&set).unwrap();
    let mut bars = String::from("symbol,time,open,high,low,close,volume\nBTC,never,1,1,1,1,1\n");
    let mut news = String::from("this is no item\n");
    for n in 0..HOURS {
        for (symbol, base) in [("BTC", 5_000.0), ("ETH", 200.0)] {
            let wave = (n as f64 / 37.0).sin() * 0.1 + ((n * 7_919) % 101) as f64 / 5_000.0;
            let close: f64 = base * (1.0 + wave);
            let (high, low) = (close * 1.01, close * 0.99);
            let time = hour(n + 1);
            bars += &format!("{symbol},{time},{close:.2},{high:.2},{low:.2},{close:.2},3\n");
        }
        if n % 2 == 0 {
            let words = [
                "surges on strong profit",
                "falls in fear of a hack",
                "is discussed",
            ];
            let word = words[usize::try_from(n / 40 % 3).unwrap()];
            news += &format!(
                "{{\"id\":\"p{n}\",\"time\":\"{}\",\"source\":\"reddit/x\",\"author\":\"a{}\",\
                 \"headline\":\"Bitcoin {word} {}\",\"symbols\":[\"BTC\"]}}\n",
                hour(n),
                n % 31,
                n % 13
            );
        }
    }
    gzip(&set.join("bars.csv.gz"), &bars);
    // The first line decides what the file is.
    let (bad, good) = news.split_once('\n').unwrap();
    gzip(&set.join("news.jsonl.gz"), &format!("{good}{bad}\n"));
    set
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// What `rawe narrate` writes for news and bars.
const TABLES: [&str; 17] = [
    "predictions.csv",
    "predictions-crowd.csv",
    "predictions-mood.csv",
    "predictions-trend.csv",
    "predictions-narrative-leads.csv",
    "predictions-capital-leads.csv",
    "predictions-divergence.csv",
    "predictions-alpha-aggressor.csv",
    "predictions-conservative-guardian.csv",
    "predictions-flux-follower.csv",
    "predictions-topological-observer.csv",
    "predictions-balanced-arbitrator.csv",
    "volatility.csv",
    "volatility-close.csv",
    "clusters.csv",
    "sentiment.csv",
    "manifest.json",
];

/// Forecasts before the session, and of the session only.
fn assert_ranges(ranges: &str) {
    assert!(ranges.starts_with("symbol,time,har,forecast\n"), "{ranges}");
    assert!(ranges.lines().count() > 20, "{ranges}");
    for line in ranges.lines().skip(1) {
        // ln(high / low - 1) of a range that is no multiple of the price.
        let values = line.split(',').skip(2);
        assert!(
            values.map(|v| v.parse::<f64>().unwrap()).all(|v| v < 0.0),
            "{line}"
        );
        assert!(line.contains("T00:00:00Z"), "{line}");
    }
}

#[test]
fn narrate_writes_every_table_the_same_twice() {
    let folder = tempfile::tempdir().unwrap();
    let set = made_set(folder.path());
    let (news, bars) = (set.join("news.jsonl.gz"), set.join("bars.csv.gz"));
    let outs = ["one", "two"].map(|name| folder.path().join(name));
    for out in &outs {
        let paths = [&news, &bars, out].map(|path| path.to_str().unwrap().to_owned());
        let done = rawe(&[
            "narrate", "--news", &paths[0], "--bars", &paths[1], "--out", &paths[2],
        ]);
        assert!(done.status.success(), "{}", text(&done.stderr));
        assert!(
            text(&done.stderr).contains("1 lines refused"),
            "{}",
            text(&done.stderr)
        );
    }
    let (one, two) = (files(&outs[0]), files(&outs[1]));
    assert_eq!(one, two);
    for name in TABLES {
        assert!(
            one.contains_key(name),
            "{name} is missing among {:?}",
            one.keys()
        );
    }
    let predictions = read(&outs[0].join("predictions.csv"));
    let lines: Vec<&str> = predictions.lines().collect();
    assert_eq!(lines[0], "symbol,time,score");
    assert_eq!(i64::try_from(lines.len()).unwrap(), 1 + 2 * HOURS);
    assert_eq!(lines[1], "BTC,2026-01-01T01:00:00Z,0.000000");
    assert_eq!(lines[2], "ETH,2026-01-01T01:00:00Z,0.000000");
    let scores: Vec<f64> = lines[1..]
        .iter()
        .map(|line| line.rsplit(',').next().unwrap().parse().unwrap())
        .collect();
    assert!(scores.iter().all(|score| (-1.0..=1.0).contains(score)));
    assert!(scores.iter().filter(|score| score.abs() > 0.01).count() > scores.len() / 2);
    assert_ranges(&read(&outs[0].join("volatility.csv")));
    assert_eq!(
        read(&outs[0].join("clusters.csv")).lines().count(),
        1 + 1_200
    );
    let sentiment = read(&outs[0].join("sentiment.csv"));
    assert!(
        sentiment.starts_with("id,score,label\np0,"),
        "{}",
        &sentiment[..60]
    );
    let manifest: serde_json::Value = serde_json::from_slice(&one["manifest.json"]).unwrap();
    assert_eq!(
        manifest["inputs"]["news"]["faults"]["unreadable"]["first_lines"][0],
        1_201
    );
    assert_eq!(
        manifest["inputs"]["bars"]["faults"]["bad_time"]["first_lines"][0],
        2
    );
    assert_eq!(manifest["outputs"]["predictions.csv"], 2 * HOURS);
}

#[test]
fn narrate_takes_labels_and_streams_alone() {
    let folder = tempfile::tempdir().unwrap();
    let labels = folder.path().join("labels.jsonl");
    std::fs::write(
        &labels,
        "{\"id\":\"a,1\",\"text\":\"Profit rose sharply\",\"label\":1}\n\
         {\"id\":\"b\",\"text\":\"Losses widened\"}\n{\"id\":\"c\"}\n",
    )
    .unwrap();
    let stream = folder.path().join("stream-x.jsonl");
    let items: String = (0..20)
        .map(|n| {
            let title = [
                "spd labor talk german coalition",
                "latvian pm resign mall disaster",
            ][n % 2];
            format!(
                "{{\"seq\":{n},\"id\":\"{n:03}\",\"text\":\"{title}\",\"cluster\":{}}}\n",
                n % 2
            )
        })
        .collect();
    std::fs::write(&stream, items).unwrap();
    let out = folder.path().join("out");
    let paths = [&labels, &stream, &out].map(|path| path.to_str().unwrap().to_owned());
    let done = rawe(&[
        "narrate", "--labels", &paths[0], "--stream", &paths[1], "--out", &paths[2],
    ]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let sentiment = read(&out.join("sentiment.csv"));
    let rows: Vec<&str> = sentiment.lines().collect();
    assert_eq!(rows.len(), 3);
    assert!(
        rows[1].starts_with("\"a,1\",0.") && rows[1].ends_with(",1"),
        "{}",
        rows[1]
    );
    assert!(
        rows[2].starts_with("b,-0.") && rows[2].ends_with(",-1"),
        "{}",
        rows[2]
    );
    let clusters = read(&out.join("clusters.csv"));
    let of = |id: &str| {
        let line = clusters
            .lines()
            .find(|line| line.starts_with(&format!("{id},")))
            .unwrap();
        line.split_once(',').unwrap().1.to_owned()
    };
    assert_eq!(of("000"), of("018"));
    assert_ne!(of("000"), of("001"));
    assert!(!out.join("predictions.csv").exists());
}

#[test]
fn wrong_uses_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.jsonl");
    std::fs::write(&empty, "").unwrap();
    let (empty, out) = (empty.to_str().unwrap(), folder.path().join("out"));
    let out = out.to_str().unwrap();
    let here = folder.path().to_str().unwrap();
    let cases: [(&[&str], &str); 6] = [
        (
            &["narrate", "--out", out],
            "nothing to narrate; give --news and --bars",
        ),
        (
            &["narrate", "--labels", empty, "--out", out],
            "holds no usable labels (it is empty)",
        ),
        (
            &["narrate", "--stream", "/no/where", "--out", out],
            "check the path",
        ),
        (&["narrate", "--news", empty, "--out", out], "--bars"),
        (&["evaluate"], "nothing to evaluate; give --set DIR"),
        (&["evaluate", "--set", here], "holds nothing to score"),
    ];
    for (arguments, wanted) in cases {
        let done = rawe(arguments);
        assert!(!done.status.success(), "{arguments:?}");
        let said = text(&done.stderr);
        assert!(said.contains(wanted), "{arguments:?}: {said}");
    }
    assert!(!Path::new(out).exists());
}

#[test]
fn evaluate_scores_a_set_and_draws_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let set = made_set(folder.path());
    let page = folder.path().join("page.html");
    let (set, page_path) = (set.to_str().unwrap(), page.to_str().unwrap());
    let first = rawe(&["evaluate", "--set", set, "--json", "--html", page_path]);
    assert!(first.status.success(), "{}", text(&first.stderr));
    let report: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
    let sections = report["sections"].as_array().unwrap();
    let parts: Vec<&str> = sections
        .iter()
        .map(|s| s["part"].as_str().unwrap())
        .collect();
    for part in ["direction", "votes", "gauges", "volatility"] {
        assert!(parts.contains(&part), "{part} is missing among {parts:?}");
    }
    assert_eq!(sections[0]["set"], "made");
    let html = read(&page);
    assert!(html.contains("<svg") && html.contains("three of five"));
    assert!(!html.contains("<script") && !html.contains("NaN"));
    let second = rawe(&["evaluate", "--set", set, "--json"]);
    assert_eq!(text(&first.stdout), text(&second.stdout));
}

/// The rows that were asked for, on the real development sets, where they are.
#[test]
fn the_development_sets_reach_what_was_asked() {
    let Some(data) = std::env::var_os("RAWE_EVALUATION_DATA").map(PathBuf::from) else {
        eprintln!(
            "SKIPPED: RAWE_EVALUATION_DATA is unset; set it to the folder of the development sets \
             to check the rows that were asked for"
        );
        return;
    };
    let mut arguments = vec!["evaluate".to_owned(), "--json".to_owned()];
    for set in [
        "phrasebank",
        "sentfin",
        "stockemo",
        "shorttext-stream",
        "crypto",
        "sn2",
        "stocknet",
    ] {
        arguments.extend([
            "--set".to_owned(),
            data.join(set).to_str().unwrap().to_owned(),
        ]);
    }
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = rawe(&words);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let report: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let mut missed = Vec::new();
    let mut checked = 0;
    for section in report["sections"].as_array().unwrap() {
        for row in section["rows"].as_array().unwrap() {
            let Some(least) = row["at_least"].as_f64() else {
                continue;
            };
            checked += 1;
            let digits = i32::try_from(row["digits"].as_i64().unwrap()).unwrap();
            if row["value"].as_f64().unwrap() + 0.5 * 10f64.powi(-digits) < least {
                missed.push(format!("{} {}", section["set"], row));
            }
        }
    }
    assert!(checked >= 10, "only {checked} rows had a target");
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}
