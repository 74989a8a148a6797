//! A short `rawe bench path`: the bare relay, the relay of the packages and the engine take turns, and
//! what comes of every vote is counted. No figure of speed is looked at.

use std::time::Duration;

use serde_json::Value;

use crate::harness::Program;

/// Three processes one after the other, each for some seconds; debug builds on a busy machine.
const LIMIT: Duration = Duration::from_mins(4);
const CONFIG: &str = include_str!("../../config/bench.toml");

#[tokio::test]
async fn each_subject_of_the_path_orders_once_for_each_quorum() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bench.toml"), CONFIG).unwrap();
    let mut command = Program::command("rawe", folder.path());
    command.args(["bench", "path", "--packages", "--durability", "written"]);
    command.args(["--rate", "150", "--secs", "1", "--runs", "1", "--json"]);
    command.args(["--config", "bench.toml"]);
    let mut bench = Program::start(command);
    let status = bench.ended_within(LIMIT).await;
    let output = bench.output();
    assert_eq!(status.code(), Some(0), "{output}");
    // The report is one object over many lines; what else was written are lines of their own.
    let from = output.find("{\n").unwrap_or_default();
    let to = output.rfind("\n}").map_or(output.len(), |at| at + 2);
    let report: Value = serde_json::from_str(output.get(from..to).unwrap_or_default())
        .unwrap_or_else(|error| panic!("{error} in the report:\n{output}"));
    let compared = report["compared"].as_array().unwrap();
    let names: Vec<&str> = compared
        .iter()
        .filter_map(|of| of["subject"].as_str())
        .collect();
    let expected = ["the relay of the packages", "the engine, journal written"];
    assert_eq!(names, expected, "{report:#}");
    for subject in [&report["relay"], &compared[0]["runs"], &compared[1]["runs"]] {
        let [run] = subject.as_array().unwrap().as_slice() else {
            panic!("one run of each: {report:#}");
        };
        let paced = &run["paced"];
        assert!(paced["rounds"].as_u64().unwrap() >= 20, "{report:#}");
        for (part, wrong) in [(paced, "lost"), (run, "duplicates"), (run, "early")] {
            assert_eq!(part[wrong], 0, "{wrong}: {report:#}");
        }
    }
}
