//! What of a voter goes into a snapshot: its experts' states, paper positions, records and counts.
//! Profiles and rules are not state: a snapshot says by its fingerprint which ones it belongs to.

use rawe_core::Timestamp;
use rawe_narrative::snapshot::{Block, Fingerprint, SnapshotError, audit};
use serde::{Deserialize, Serialize};

use super::{AssetState, BTreeMap, ClassRecord, OwnRecord, PaperPosition, ScanGrid, Symbol, Voter};
use crate::expert::{Expert, ExpertState};
use rawe_core::Timeframe;

/// Counts up when the layout of the state changes, or what a voter makes of features.
const FORMAT: u16 = 2;
/// One asset, as written.
#[derive(Serialize, Deserialize)]
struct SavedAsset {
    timeframe: Timeframe,
    experts: Vec<ExpertState>,
    collective: PaperPosition,
    own: PaperPosition,
    previous_expert: Option<f64>,
    told_narrative: String,
}

/// A voter, as written.
#[derive(Serialize, Deserialize)]
struct Saved {
    assets: BTreeMap<Symbol, SavedAsset>,
    grid: ScanGrid,
    first_bar: Option<Timestamp>,
    class_records: [ClassRecord; 2],
    own_records: [OwnRecord; 2],
    told_open: [Option<bool>; 2],
    signals_made: u64,
    stances_made: u64,
}

impl Voter {
    /// Appends the voter's state to `bytes`.
    pub(crate) fn append_snapshot(&self, bytes: &mut Vec<u8>) -> Result<(), SnapshotError> {
        self.block().append(&self.saved(), bytes)
    }

    /// Takes over the state of a voter of the same profile, collective and rules, from the front
    /// of `bytes`; returns what follows. After an error the voter is as it was.
    pub(crate) fn restore_front<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], SnapshotError> {
        let (saved, rest): (Saved, _) = self.block().take(bytes)?;
        audit(&saved)?;
        let mut assets = BTreeMap::new();
        for (symbol, asset) in saved.assets {
            assets.insert(symbol, self.asset(asset)?);
        }
        self.assets = assets;
        self.grid = saved.grid;
        self.first_bar = saved.first_bar;
        self.class_records = saved.class_records;
        self.own_records = saved.own_records;
        self.told_open = saved.told_open;
        self.signals_made = saved.signals_made;
        self.stances_made = saved.stances_made;
        Ok(rest)
    }

    fn block(&self) -> Block {
        Block {
            of: "voter",
            magic: *b"RAWE-VTR",
            format: FORMAT,
            fingerprint: Fingerprint::of(&[
                env!("CARGO_PKG_VERSION").as_bytes(),
                format!("{:?}", self.config).as_bytes(),
            ]),
        }
    }

    fn saved(&self) -> Saved {
        // Without `..`: whoever adds a field decides here whether it is state.
        let Self {
            config: _,
            paper_rules: _,
            profiles: _,
            own_index: _,
            assets,
            grid,
            first_bar,
            class_records,
            own_records,
            told_open,
            boot: _,
            ids: _,
            signals_made,
            stances_made,
        } = self;
        let assets = assets
            .iter()
            .map(|(symbol, asset)| (symbol.clone(), SavedAsset::of(asset)));
        Saved {
            assets: assets.collect(),
            grid: *grid,
            first_bar: *first_bar,
            class_records: *class_records,
            own_records: *own_records,
            told_open: *told_open,
            signals_made: *signals_made,
            stances_made: *stances_made,
        }
    }

    fn asset(&self, saved: SavedAsset) -> Result<AssetState, SnapshotError> {
        if saved.experts.len() != self.profiles.len() {
            return Err(SnapshotError::Unsound("experts without a profile"));
        }
        let experts = self.profiles.iter().zip(saved.experts);
        let experts = experts
            .map(|(profile, state)| Expert::with_state(profile, state))
            .collect::<Option<Vec<Expert>>>()
            .ok_or(SnapshotError::Unsound("an expert of another form"))?;
        Ok(AssetState {
            timeframe: saved.timeframe,
            experts,
            collective: saved.collective,
            own: saved.own,
            previous_expert: saved.previous_expert,
            told_narrative: saved.told_narrative,
        })
    }
}

impl SavedAsset {
    fn of(asset: &AssetState) -> Self {
        let AssetState {
            timeframe,
            experts,
            collective,
            own,
            previous_expert,
            told_narrative,
        } = asset;
        Self {
            timeframe: *timeframe,
            experts: experts.iter().map(Expert::state).collect(),
            collective: collective.clone(),
            own: own.clone(),
            previous_expert: *previous_expert,
            told_narrative: told_narrative.clone(),
        }
    }
}
