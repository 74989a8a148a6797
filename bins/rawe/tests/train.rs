//! `rawe train` as a user calls it.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

fn rawe_train(folder: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rawe"))
        .args(["train", "--labels", "labels.jsonl"])
        .args(more)
        .current_dir(folder)
        .output()
        .unwrap()
}

#[test]
fn learns_from_a_file_and_writes_the_same_model_twice() {
    let folder = tempfile::tempdir().unwrap();
    let mut labels = String::new();
    for n in 0..120 {
        let (word, label) = [("zestful", 1), ("ordinary", 0), ("grumbly", -1)][n % 3];
        let text = format!("item {n} was {word} on day {}", n * 7 % 31);
        writeln!(labels, r#"{{"id":"{n}","text":"{text}","label":{label}}}"#).unwrap();
    }
    std::fs::write(folder.path().join("labels.jsonl"), labels).unwrap();
    let more = [
        "--out",
        "a.model",
        "--json",
        "--licence",
        "ours",
        "--folds",
        "2",
    ];
    let first = rawe_train(folder.path(), &more);
    assert!(first.status.success(), "{first:?}");
    let outcome: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
    assert!(
        outcome["learned"]["accuracy"].as_f64().unwrap() > 0.9,
        "{outcome}"
    );
    assert_eq!(outcome["provenance"]["licence"], "ours");
    assert_eq!(outcome["provenance"]["register"], "news");
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let written = read("a.model");
    assert_eq!(rawe_train(folder.path(), &more).status.code(), Some(0));
    assert_eq!(read("a.model"), written);
    let said = rawe_train(
        folder.path(),
        &["--out", "no/such/folder.model", "--folds", "2"],
    );
    assert!(!said.status.success());
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("check that its folder exists"), "{said}");
}
