//! A short `rawe chaos`: the real processes killed, frozen and cut for half a minute, and every
//! promise held. Longer runs are for people: `rawe chaos --minutes 30`.

use std::time::Duration;

use serde_json::Value;

use crate::harness::Program;

/// Half a minute of violence, a start, and the time that settling may take on a busy machine.
const LIMIT: Duration = Duration::from_mins(6);

#[tokio::test]
async fn half_a_minute_of_violence_breaks_no_promise() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Program::command("rawe", folder.path());
    command.args(["chaos", "--minutes", "0.5", "--seed", "11", "--json"]);
    command.args(["--run-dir", "runs", "--assets", "20"]);
    let mut chaos = Program::start(command);
    let status = chaos.ended_within(LIMIT).await;
    let output = chaos.output();
    // The report is one object over many lines; what else was written are lines of their own.
    let from = output.find("\n{\n").map_or(0, |at| at + 1);
    let to = output.rfind("\n}").map_or(output.len(), |at| at + 2);
    let report: Value = serde_json::from_str(output.get(from..to).unwrap_or_default())
        .unwrap_or_else(|error| panic!("{error} in the report:\n{output}"));
    let promises = report["promises"].as_array().unwrap();
    let broken: Vec<&Value> = promises.iter().filter(|p| p["held"] != true).collect();
    assert!(broken.is_empty(), "{broken:#?}\n{report:#}");
    assert_eq!(status.code(), Some(0), "{output}");
    assert!(
        report["orders"].as_u64().unwrap() > 0 && promises.len() >= 10,
        "{report:#}"
    );
}
