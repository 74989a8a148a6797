//! An agent whole: a narrative engine and the voter that reads it.

use std::sync::Arc;

use rawe_core::{AssetClass, Bar, BootId, IdentitySource, NewsItem, Timestamp};
use rawe_narrative::snapshot::SnapshotError;
use rawe_narrative::{EngineConfig, FeatureSnapshot, NarrativeEngine, SentimentModel};

use crate::voter::{ScanResult, Voter, VoterConfig};

/// An engine and a voter, fed with the same events in the same order.
#[derive(Debug)]
pub struct Agent {
    engine: NarrativeEngine,
    voter: Voter,
}

impl Agent {
    /// An agent without history. Its engine keeps the features its voter's formulas ask for.
    pub fn new(
        engine: EngineConfig,
        config: VoterConfig,
        boot: BootId,
        ids: IdentitySource,
    ) -> Self {
        let engine = EngineConfig {
            features: config.demand(),
            ..engine
        };
        Self {
            engine: NarrativeEngine::new(engine),
            voter: Voter::new(config, boot, ids),
        }
    }

    /// The same agent with another model of tone than the lexicon.
    #[must_use]
    pub fn with_sentiment(mut self, model: Arc<dyn SentimentModel>) -> Self {
        self.engine = self.engine.with_sentiment(model);
        self
    }

    /// Takes a news item. Items come in the order in which they were first seen.
    pub fn apply_item(&mut self, item: &NewsItem) {
        self.engine.apply_item(item);
    }

    /// Takes a bar. Bars come in the order of their ends.
    pub fn apply_bar(&mut self, bar: &Bar) {
        self.voter.apply_bar(bar);
        self.engine.apply_bar(bar);
    }

    /// Brings the state to a grid instant without saying anything: warm-up and catching up.
    /// Everything known at the instant must have been applied, and nothing later.
    pub fn rebuild(&mut self, instant: Timestamp) {
        let snapshots = self.features(instant);
        self.voter.rebuild(instant, &snapshots);
    }

    /// Scans at a grid instant, as [`Agent::rebuild`], and says what it thinks.
    pub fn scan(&mut self, instant: Timestamp) -> ScanResult {
        let snapshots = self.features(instant);
        self.voter.scan(instant, &snapshots)
    }

    /// Appends the state of engine and voter to `bytes`: equal states append equal bytes. Who it is
    /// (boot, ids) is not state.
    ///
    /// # Errors
    /// [`SnapshotError::Unwritable`] if the state cannot be written.
    pub fn append_snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), SnapshotError> {
        self.voter.append_snapshot(bytes)?;
        self.engine.append_snapshot(bytes)
    }

    /// Takes over the state of an agent of the same configuration. It then goes on as that one
    /// does, to the byte. An agent that could not restore must be made anew.
    ///
    /// # Errors
    /// Why the snapshot is refused. The state is then rebuilt from history.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        let engine = self.voter.restore_front(bytes)?;
        self.engine.restore(engine)
    }

    /// The personality, for its grid, records and progress.
    pub fn voter(&self) -> &Voter {
        &self.voter
    }

    /// Where the ids of signals come from, from now on.
    pub fn use_identities(&mut self, ids: IdentitySource) {
        self.voter.use_identities(ids);
    }

    /// Counts on from an earlier agent of the same boot.
    pub fn continue_sequences(&mut self, sequences: (u64, u64)) {
        self.voter.continue_sequences(sequences);
    }

    fn features(&mut self, instant: Timestamp) -> Vec<FeatureSnapshot> {
        let point = self.voter.grid().at(instant);
        let mut classes = Vec::with_capacity(2);
        if point.stocks_opening || point.stocks_hourly {
            classes.push(AssetClass::UsEquity);
        }
        if point.crypto {
            classes.push(AssetClass::Crypto);
        }
        classes
            .into_iter()
            .map(|class| self.engine.scan(instant, class))
            .collect()
    }
}
