//! Votes as agents would send them: signals of a present-day agent, messages in the original
//! eight-field format, and a Python script that knows nothing of us.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rawe_bus::{Bus, RedisBus};
use rawe_core::channels::SIGNAL_CHANNEL;
use rawe_core::roster::FOUNDING_AGENTS;
use rawe_core::{AgentId, BootId, ProcessState, Symbol, Timestamp};
use rawe_runtime::{Heart, new_boot_id, new_uuid};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// An agent played by the test.
pub(crate) struct Voter {
    pub(crate) id: AgentId,
    pub(crate) boot: BootId,
    name: &'static str,
    sequence: u64,
    body: Option<VoterBody>,
}

/// The heartbeat of a played agent; it stops with its value.
struct VoterBody {
    shutdown: CancellationToken,
}

impl Drop for VoterBody {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl Voter {
    /// The founding agents, in the roster's order, without heartbeats.
    pub(crate) fn roster() -> Vec<Self> {
        let voter = |(id, name): &(&'static str, &'static str)| Self {
            id: AgentId::new(id).unwrap(),
            boot: new_boot_id(),
            name,
            sequence: 0,
            body: None,
        };
        FOUNDING_AGENTS.iter().map(voter).collect()
    }

    /// Begins to write heartbeats.
    pub(crate) fn live(&mut self, bus: &RedisBus) {
        let heart = Heart::new(self.id.as_str(), Some(self.id.clone()), self.boot.clone());
        heart.set_state(ProcessState::Running, "played by a test");
        let shutdown = CancellationToken::new();
        // The task ends with the token; nobody waits for it.
        drop(heart.beat(Arc::new(bus.clone()), shutdown.clone()));
        self.body = Some(VoterBody { shutdown });
    }

    /// How many signals were made so far.
    pub(crate) fn published(&self) -> u64 {
        self.sequence
    }

    /// The next signal of this agent.
    pub(crate) fn signal(&mut self, asset: &str, direction: &str, at: Timestamp) -> Value {
        self.sequence += 1;
        let mut signal = original_message(self.name, asset, direction, &at.to_rfc3339());
        signal["version"] = json!(1);
        signal["signal_id"] = json!(new_uuid().to_string());
        signal["agent"] = json!({"id": self.id, "boot_id": self.boot, "sequence": self.sequence});
        signal["ttl_ms"] = json!(60_000);
        signal
    }

    /// Makes and publishes a signal.
    pub(crate) async fn vote(
        &mut self,
        bus: &RedisBus,
        asset: &str,
        direction: &str,
        at: Timestamp,
    ) {
        let signal = self.signal(asset, direction, at).to_string();
        bus.publish(SIGNAL_CHANNEL, signal.as_bytes())
            .await
            .unwrap();
    }
}

/// A vote in the original format: the first eight fields and nothing else.
pub(crate) fn original_message(name: &str, asset: &str, direction: &str, at: &str) -> Value {
    assert!(Symbol::new(asset).is_ok());
    json!({
        "timestamp": at,
        "narrative_id": "story-1",
        "financial_asset": asset,
        "signal_type": "narrative_leads",
        "strength": 0.8,
        "expected_profit": 12.5,
        "risk_score": 0.3,
        "metadata": {
            "agent_name": name,
            "financial_asset": asset,
            "direction": direction,
            "size": 1000.0,
            "expected_profit": 12.5,
            "risk_score": 0.3,
        },
    })
}

/// Publishes over a bare socket with Python's standard library, as an agent written for the
/// original design would: naive UTC time, eight fields.
const PYTHON_AGENT: &str = r#"
import json, socket, sys
from datetime import datetime, timezone

port, channel, asset, direction = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4]
names = sys.argv[5:]
redis = socket.create_connection(("127.0.0.1", port), timeout=10)
for name in names:
    message = json.dumps({
        "timestamp": datetime.now(timezone.utc).replace(tzinfo=None).isoformat(),
        "narrative_id": "story-1",
        "financial_asset": asset,
        "signal_type": "narrative_leads",
        "strength": 0.8,
        "expected_profit": 12.5,
        "risk_score": 0.3,
        "metadata": {
            "agent_name": name,
            "financial_asset": asset,
            "direction": direction,
            "size": 1000.0,
            "expected_profit": 12.5,
            "risk_score": 0.3,
        },
    }).encode()
    words = [b"PUBLISH", channel.encode(), message]
    frame = b"*%d\r\n" % len(words)
    for word in words:
        frame += b"$%d\r\n%s\r\n" % (len(word), word)
    redis.sendall(frame)
    answer = redis.recv(100)
    assert answer.startswith(b":"), answer
"#;

/// Runs the Python agent for the agents of these names.
pub(crate) fn python_publishes(port: u16, asset: &str, direction: &str, names: &[&str]) {
    let output = Command::new("python3")
        .args([
            "-c",
            PYTHON_AGENT,
            &port.to_string(),
            SIGNAL_CHANNEL,
            asset,
            direction,
        ])
        .args(names)
        .current_dir(Path::new("/"))
        .stdin(Stdio::null())
        .output();
    let output = output.expect("this test needs python3; install it, such as with apt-get");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the Python agent failed: {told}");
}
