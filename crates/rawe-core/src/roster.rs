//! The roster: who may vote. A vote of anyone else is refused at the edge.

use serde::{Deserialize, Serialize};

use crate::AgentId;
use crate::signing::PublicKey;

/// One voter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RosterAgent {
    /// Stable id, such as `alpha-aggressor`.
    pub id: AgentId,
    /// Display name, by which messages in the original format are matched.
    pub name: String,
    /// Ed25519 public key, base64; checked when votes are authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKey>,
    /// Further ones, any of which may sign: the old and the new one while keys are changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_keys: Vec<PublicKey>,
}

impl RosterAgent {
    /// A voter without a key.
    pub fn new(id: AgentId, name: impl Into<String>) -> Self {
        Self {
            id,
            name: name.into(),
            public_key: None,
            public_keys: Vec::new(),
        }
    }

    /// All its keys.
    pub fn keys(&self) -> Vec<PublicKey> {
        let keys = self.public_key.iter().chain(&self.public_keys);
        keys.cloned().collect()
    }
}

/// The configured voters, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roster(pub Vec<RosterAgent>);

/// Ids and display names of the five founding personalities.
pub const FOUNDING_AGENTS: [(&str, &str); 5] = [
    ("alpha-aggressor", "The Alpha Aggressor"),
    ("conservative-guardian", "The Conservative Guardian"),
    ("flux-follower", "The Flux Follower"),
    ("topological-observer", "The Topological Observer"),
    ("balanced-arbitrator", "The Balanced Arbitrator"),
];

impl Default for Roster {
    fn default() -> Self {
        Self(
            FOUNDING_AGENTS
                .iter()
                .map(|(id, name)| RosterAgent::new(AgentId::founding(id), *name))
                .collect(),
        )
    }
}

impl Roster {
    /// The voter with this id.
    pub fn by_id(&self, id: &AgentId) -> Option<&RosterAgent> {
        self.0.iter().find(|agent| agent.id == *id)
    }

    /// The voter with this display name or, failing that, this id as text.
    pub fn by_name(&self, name: &str) -> Option<&RosterAgent> {
        self.0
            .iter()
            .find(|agent| agent.name == name)
            .or_else(|| self.0.iter().find(|agent| agent.id.as_str() == name))
    }

    /// How many voters there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody may vote.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
