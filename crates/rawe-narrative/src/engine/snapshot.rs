//! What of an engine goes into a snapshot: all that the past has made of it. Tables that ship with
//! the crate, what can be worked out again, and buffers do not.

use serde::{Deserialize, Serialize};

use super::{EngineConfig, NarrativeEngine};
use crate::asset::AssetState;
use crate::clustering::Clusterer;
use crate::decay::Stream;
use crate::delivery::Delivered;
use crate::hash::FastMap;
use crate::seasonal::Seasonal;
use crate::snapshot::{Block, Fingerprint, SnapshotError, audit};
use crate::voices::Budgets;
use crate::volatility::VolatilityBook;

/// Counts up when the layout of the state changes, or what the engine makes of events.
const FORMAT: u16 = 4;

#[derive(Serialize)]
struct Written<'a> {
    assets: &'a [AssetState],
    crypto_market: &'a Stream,
    crypto_seasonal: &'a Seasonal,
    clusterer: &'a Clusterer,
    delivered: &'a Delivered,
    volatility: &'a VolatilityBook,
    budgets: &'a Budgets,
}

#[derive(Deserialize)]
struct Read {
    assets: Vec<AssetState>,
    crypto_market: Stream,
    crypto_seasonal: Seasonal,
    clusterer: Clusterer,
    delivered: Delivered,
    volatility: VolatilityBook,
    budgets: Budgets,
}

impl NarrativeEngine {
    /// The engine's state as bytes: equal states give equal bytes.
    ///
    /// # Errors
    /// [`SnapshotError::Unwritable`] if the state cannot be written.
    pub fn snapshot(&self) -> Result<Vec<u8>, SnapshotError> {
        let mut bytes = Vec::new();
        self.append_snapshot(&mut bytes)?;
        Ok(bytes)
    }

    /// Appends the engine's snapshot to `bytes`, for a snapshot of more than the engine.
    ///
    /// # Errors
    /// As [`NarrativeEngine::snapshot`].
    pub fn append_snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), SnapshotError> {
        // Without `..`: whoever adds a field decides here whether it is state.
        let Self {
            config: _,
            assets,
            numbers: _,
            sorted: _,
            plan: _,
            market_scan: _,
            own_scan: _,
            crypto_market,
            crypto_seasonal,
            clusterer,
            scorer: _,
            sentiment: _,
            tokens: _,
            links: _,
            weights: _,
            delivered,
            volatility,
            budgets,
        } = self;
        let state = Written {
            assets,
            crypto_market,
            crypto_seasonal,
            clusterer,
            delivered,
            volatility,
            budgets,
        };
        self.block().append(&state, bytes)
    }

    /// Takes over the state of an engine of the same configuration and model of tone. It then goes
    /// on as that one does, to the byte. After an error the engine is as it was.
    ///
    /// # Errors
    /// Why the snapshot is refused. The state is then rebuilt from history.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<(), SnapshotError> {
        match self.restore_front(bytes)? {
            [] => Ok(()),
            _ => Err(SnapshotError::Damaged("bytes after its end")),
        }
    }

    /// [`NarrativeEngine::restore`] from the front of `bytes`; returns what follows.
    ///
    /// # Errors
    /// As [`NarrativeEngine::restore`].
    pub fn restore_front<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], SnapshotError> {
        let (state, rest): (Read, _) = self.block().take(bytes)?;
        let mut engine = Self::new(self.config.clone());
        engine.sentiment.clone_from(&self.sentiment);
        engine.take_over(state)?;
        *self = engine;
        Ok(rest)
    }

    /// The engine of `config` with the lexicon's tone, from a snapshot of such an engine.
    ///
    /// # Errors
    /// As [`NarrativeEngine::restore`].
    pub fn restored(bytes: &[u8], config: EngineConfig) -> Result<Self, SnapshotError> {
        let mut engine = Self::new(config);
        engine.restore(bytes)?;
        Ok(engine)
    }

    fn block(&self) -> Block {
        let model = self.sentiment.as_ref().map_or("", |model| model.name());
        Block {
            of: "engine",
            magic: *b"RAWE-NVE",
            format: FORMAT,
            fingerprint: Fingerprint::of(&[
                env!("CARGO_PKG_VERSION").as_bytes(),
                format!("{:?}", self.config).as_bytes(),
                model.as_bytes(),
                include_bytes!("../../data/finance-lexicon.tsv"),
            ]),
        }
    }

    fn take_over(&mut self, state: Read) -> Result<(), SnapshotError> {
        let Read {
            assets,
            crypto_market,
            crypto_seasonal,
            clusterer,
            delivered,
            volatility,
            budgets,
        } = state;
        self.assets = assets;
        self.crypto_market = crypto_market;
        self.crypto_seasonal = crypto_seasonal;
        self.clusterer = clusterer;
        self.delivered = delivered;
        self.volatility = volatility;
        self.budgets = budgets;
        self.number_again()?;
        let written = Written {
            assets: &self.assets,
            crypto_market: &self.crypto_market,
            crypto_seasonal: &self.crypto_seasonal,
            clusterer: &self.clusterer,
            delivered: &self.delivered,
            volatility: &self.volatility,
            budgets: &self.budgets,
        };
        audit(&written)
    }

    /// Works out which asset has which number.
    fn number_again(&mut self) -> Result<(), SnapshotError> {
        if self.assets.len() > self.config.assets_max {
            return Err(SnapshotError::Unsound("more assets than are kept"));
        }
        let mut sorted: Vec<u32> = (0_u32..).take(self.assets.len()).collect();
        let symbol = |number: &u32| self.assets.get(*number as usize).map(|a| &a.symbol);
        sorted.sort_by(|a, b| symbol(a).cmp(&symbol(b)));
        self.numbers = (0_u32..)
            .zip(&self.assets)
            .map(|(number, asset)| (asset.symbol.clone(), number))
            .collect::<FastMap<_, _>>();
        if self.numbers.len() != self.assets.len() {
            return Err(SnapshotError::Unsound("an asset twice"));
        }
        self.sorted = sorted;
        Ok(())
    }
}
