//! Children that live, die and are stopped, as real processes.

use super::*;

fn shell(name: &str, script: &str, folder: &std::path::Path) -> ChildPlan {
    ChildPlan {
        name: name.to_owned(),
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        variables: vec![("GREETING", "hello".into())],
        stage: Stage::Agents,
        log: folder.join(format!("{name}.jsonl")),
        may_end: true,
    }
}

async fn run(script: &str) -> Vec<ChildEvent> {
    let folder = tempfile::tempdir().unwrap();
    let (sender, mut receiver) = mpsc::channel(100);
    let mut supervisor = Supervisor::new(sender);
    supervisor.start(shell("child", script, folder.path()));
    let mut events = Vec::new();
    while let Some(event) = receiver.recv().await {
        let last = matches!(
            event,
            ChildEvent::Ended { .. }
                | ChildEvent::Failed { .. }
                | ChildEvent::BadConfiguration { .. }
        );
        events.push(event);
        if last {
            break;
        }
    }
    drop(receiver);
    supervisor.stop().await;
    events
}

#[tokio::test]
async fn lines_of_both_pipes_arrive_before_the_end() {
    let events = run("echo $GREETING; echo oops >&2; exit 0").await;
    let mut lines: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            ChildEvent::Line(line) => Some(line.message.as_str()),
            _ => None,
        })
        .collect();
    lines.sort_unstable();
    assert_eq!(lines, ["hello", "oops"]);
    assert!(matches!(events.last(), Some(ChildEvent::Ended { .. })));
}

#[tokio::test]
async fn a_bad_configuration_ends_it_at_once_with_its_problems() {
    let events = run("echo 'window must be above 0' >&2; exit 64").await;
    match events.last() {
        Some(ChildEvent::BadConfiguration { tail, .. }) => {
            assert_eq!(tail, &["window must be above 0"]);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_child_that_cannot_live_is_given_up_after_five_deaths() {
    let mut plan = shell("child", "", std::path::Path::new("/nonexistent"));
    plan.program = "/nonexistent/program".into();
    let (sender, mut receiver) = mpsc::channel(100);
    let mut supervisor = Supervisor::new(sender);
    supervisor.start(plan);
    let mut died = 0;
    loop {
        match receiver.recv().await {
            Some(ChildEvent::Died { .. }) => died += 1,
            Some(ChildEvent::Failed { .. }) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(died, 4);
    supervisor.stop().await;
}

#[tokio::test]
async fn stopping_asks_first_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let order = folder.path().join("order");
    let (sender, mut receiver) = mpsc::channel(100);
    let mut supervisor = Supervisor::new(sender);
    for (name, stage) in [("bus", Stage::Bus), ("agent", Stage::Agents)] {
        let script = format!(
            "trap 'echo {name} >> {}; exit 0' TERM; echo up; while :; do sleep 0.05; done",
            order.display()
        );
        let plan = ChildPlan {
            stage,
            ..shell(name, &script, folder.path())
        };
        supervisor.start(plan);
    }
    let mut up = 0;
    while up < 2 {
        if let Some(ChildEvent::Line(_)) = receiver.recv().await {
            up += 1;
        }
    }
    drop(receiver);
    supervisor.stop().await;
    assert_eq!(std::fs::read_to_string(order).unwrap(), "agent\nbus\n");
}
