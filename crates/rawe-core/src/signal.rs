//! The `ArbitrageSignal` v1: the message by which an agent votes.
//!
//! The first eight fields are the contract of the original Python design and never change. How a
//! message is read from bytes and refused is in [`crate::signal_parse`]; whether its sender may
//! vote at all is decided by `rawe-consensus`.

use std::fmt;

use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{AgentId, BootId, Symbol, Timestamp};

/// The version of the signal format this build writes, and the highest it reads.
pub const SIGNAL_VERSION: u64 = 1;

/// Which way a trade goes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Profits when the price rises.
    Long,
    /// Profits when the price falls.
    Short,
}

impl Direction {
    /// The other direction.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::Long => Self::Short,
            Self::Short => Self::Long,
        }
    }

    /// +1 for long, -1 for short.
    pub fn sign(self) -> f64 {
        match self {
            Self::Long => 1.0,
            Self::Short => -1.0,
        }
    }

    /// The direction of a value's sign; `None` for zero and for what is not a number.
    pub fn of_sign(value: f64) -> Option<Self> {
        if value > 0.0 {
            Some(Self::Long)
        } else if value < 0.0 {
            Some(Self::Short)
        } else {
            None
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Long => "long",
            Self::Short => "short",
        })
    }
}

/// Who leads, the story or the price.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SignalType {
    /// The story moved and the price has not.
    NarrativeLeads,
    /// The price moved without a story.
    CapitalLeads,
    /// Story and price point opposite ways.
    Divergence,
}

impl fmt::Display for SignalType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NarrativeLeads => "narrative_leads",
            Self::CapitalLeads => "capital_leads",
            Self::Divergence => "divergence",
        })
    }
}

/// Which agent speaks, in which start, and its how-manieth message this is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AgentRef {
    /// Roster id.
    #[schemars(with = "String")]
    pub id: AgentId,
    /// This start of the process.
    #[schemars(with = "String")]
    pub boot_id: BootId,
    /// Counts up by one per message and boot, from 1, so that gaps and replays are seen.
    pub sequence: u64,
}

/// The trade an agent proposes: the signal's `metadata`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ProposedTrade {
    /// Display name of the agent, as on the roster.
    pub agent_name: String,
    /// Equal to the outer one.
    #[schemars(with = "String")]
    pub financial_asset: Symbol,
    /// Long or short: the sign of the gap between narrative and price.
    pub direction: Direction,
    /// USD notional, above 0.
    #[serde(with = "rust_decimal::serde::float")]
    #[schemars(with = "f64", extend("exclusiveMinimum" = 0))]
    pub size: Decimal,
    /// USD, net of estimated cost, for the proposed size.
    pub expected_profit: f64,
    /// How contested and fragile the narrative is, 0..1.
    #[schemars(range(min = 0, max = 1))]
    pub risk_score: f64,
    /// When the agent decided; the outer timestamp rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Timestamp>,
    /// Which narrative; as the outer one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub narrative_id: Option<String>,
    /// Name of the strategy that speaks, such as `crowd_attention`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<String>,
    /// 0..1; 0.7 is exactly the threshold of a vote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1))]
    pub confidence: Option<f64>,
    /// For how long the agent expects the move to take, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub horizon_secs: Option<u64>,
    /// The evidence: NVX, scores, coherence rating, entropy, velocity, ids of the items.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
}

/// An optional signature over the rest of the message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Signature {
    /// Which of the agent's keys.
    pub key_id: String,
    /// `ed25519`.
    pub alg: String,
    /// Base64 of the signature.
    pub value: String,
}

/// One vote, as published on the signal channel. See the field table in the documentation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ArbitrageSignal {
    /// When the agent decided, market time, RFC 3339; without an offset it is UTC.
    pub timestamp: Timestamp,
    /// Which narrative; derived from content, best-effort equal across agents.
    pub narrative_id: String,
    /// Alpaca symbol, `AAPL` or `BTC/USD`.
    #[schemars(with = "String")]
    pub financial_asset: Symbol,
    /// Who leads.
    pub signal_type: SignalType,
    /// How large the gap is, 0..1.
    #[schemars(range(min = 0, max = 1))]
    pub strength: f64,
    /// USD, net of estimated cost, for the proposed size.
    pub expected_profit: f64,
    /// How contested and fragile the narrative is, 0..1.
    #[schemars(range(min = 0, max = 1))]
    pub risk_score: f64,
    /// The proposed trade.
    pub metadata: ProposedTrade,
    /// Format version; absent means 1.
    #[serde(default = "current_version")]
    pub version: u64,
    /// UUID of version 7.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal_id: Option<String>,
    /// Who speaks; absent in the original format, where `metadata.agent_name` is matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentRef>,
    /// Past `timestamp + ttl_ms` the signal is void; absent means the consensus window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
    /// Optional signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// True if `timestamp` came without an offset and was read as UTC. Never on the wire.
    #[serde(skip)]
    #[schemars(skip)]
    pub timestamp_was_naive: bool,
}

fn current_version() -> u64 {
    SIGNAL_VERSION
}

impl ArbitrageSignal {
    /// Whether the message is in the original format, without an `agent`.
    pub fn is_original_format(&self) -> bool {
        self.agent.is_none()
    }
}

/// The JSON Schema of the signal, generated from the types above.
pub fn signal_schema() -> Value {
    let mut schema = schemars::schema_for!(ArbitrageSignal);
    schema.insert("title".to_owned(), "RAWE ArbitrageSignal v1".into());
    schema.to_value()
}
