//! A personality at work: features of a grid instant in; stances, votes and notes out.
//!
//! A voter computes its own expert and those of the whole collective from the same features, so
//! that it can keep the collective's paper record and know which class of assets is open. It never
//! trades and never waits. Market data becomes features in `rawe-narrative`.

mod snapshot;

use std::collections::BTreeMap;

use rawe_core::{
    AgentRef, ArbitrageSignal, AssetClass, Bar, BootId, Direction, IdentitySource, Stance,
    StanceMessage, Symbol, Timeframe, Timestamp,
};
use rawe_narrative::{AssetFeatures, FeatureDemand, FeatureSnapshot};

use crate::draft::{Draft, vote_of};
use crate::expert::Expert;
use crate::grid::{GridPoint, ScanGrid};
use crate::note::Note;
use crate::paper::{PaperPosition, PaperRules};
use crate::profile::Profile;
use crate::record::{ClassRecord, CollectiveRules, OwnRecord};

/// The first day of the history may fall on a long weekend; so many days are forgiven.
const LONG_WEEKEND_DAYS: f64 = 4.0;
/// One scan step of open market, seconds: hourly bars, and one session for daily ones.
const SCAN_SECS_HOURLY: u32 = 3_600;
const SCAN_SECS_DAILY: u32 = 23_400;

/// What a voter is made of.
#[derive(Clone, Debug)]
pub struct VoterConfig {
    /// Who it is.
    pub profile: Profile,
    /// The roster's personalities, whose votes make the paper record; equal for all agents.
    pub collective: Vec<Profile>,
    /// The rules of that record; equal for all agents.
    pub rules: CollectiveRules,
    /// So many days of history are needed before it speaks.
    pub warmup_days: u32,
}

impl VoterConfig {
    /// What its engine must give: what the formulas of its personality and of the roster name.
    pub fn demand(&self) -> FeatureDemand {
        let profiles = self.collective.iter().chain([&self.profile]);
        FeatureDemand::new(profiles.flat_map(|profile| profile.lens.needs().iter().copied()))
    }
}

/// All that one scan says.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanResult {
    /// One stance for every asset scanned.
    pub stances: StanceMessage,
    /// The votes, by expected profit, the best first.
    pub signals: Vec<ArbitrageSignal>,
    /// For the log.
    pub notes: Vec<Note>,
}

#[derive(Clone, Debug)]
struct AssetState {
    timeframe: Timeframe,
    /// The collective's experts in order; the own one is at `Voter::own_index`.
    experts: Vec<Expert>,
    collective: PaperPosition,
    own: PaperPosition,
    previous_expert: Option<f64>,
    told_narrative: String,
}

/// One asset's outcome of a scan.
struct Opinion<'a> {
    symbol: &'a Symbol,
    nvx: f64,
    features: &'a AssetFeatures,
    expert: f64,
}

/// A personality with its state.
#[derive(Clone, Debug)]
pub struct Voter {
    config: VoterConfig,
    paper_rules: PaperRules,
    /// The collective's profiles, and the own one if it is none of them.
    profiles: Vec<Profile>,
    own_index: usize,
    assets: BTreeMap<Symbol, AssetState>,
    grid: ScanGrid,
    first_bar: Option<Timestamp>,
    class_records: [ClassRecord; 2],
    own_records: [OwnRecord; 2],
    told_open: [Option<bool>; 2],
    boot: BootId,
    ids: IdentitySource,
    signals_made: u64,
    stances_made: u64,
}

const CLASSES: [AssetClass; 2] = [AssetClass::UsEquity, AssetClass::Crypto];

fn class_index(class: AssetClass) -> usize {
    match class {
        AssetClass::UsEquity => 0,
        AssetClass::Crypto => 1,
    }
}

impl Voter {
    /// A voter without history.
    pub fn new(config: VoterConfig, boot: BootId, ids: IdentitySource) -> Self {
        let mut profiles = config.collective.clone();
        let own_index = profiles
            .iter()
            .position(|profile| *profile == config.profile)
            .unwrap_or_else(|| {
                profiles.push(config.profile.clone());
                profiles.len() - 1
            });
        Self {
            paper_rules: config.rules.paper_rules(config.collective.len()),
            config,
            profiles,
            own_index,
            assets: BTreeMap::new(),
            grid: ScanGrid::default(),
            first_bar: None,
            class_records: [ClassRecord::default(); 2],
            own_records: [OwnRecord::default(); 2],
            told_open: [None; 2],
            boot,
            ids,
            signals_made: 0,
            stances_made: 0,
        }
    }

    /// Who this is.
    pub fn profile(&self) -> &Profile {
        &self.config.profile
    }

    /// Where the ids of signals come from, from now on.
    pub fn use_identities(&mut self, ids: IdentitySource) {
        self.ids = ids;
    }

    /// How many signals and stance messages were made, for [`Voter::continue_sequences`].
    pub fn sequences(&self) -> (u64, u64) {
        (self.signals_made, self.stances_made)
    }

    /// Counts on from an earlier voter of the same boot: sequences count up per boot, whatever
    /// happens to the market data.
    pub fn continue_sequences(&mut self, (signals, stances): (u64, u64)) {
        self.signals_made = self.signals_made.max(signals);
        self.stances_made = self.stances_made.max(stances);
    }

    /// The grid of the assets seen so far.
    pub fn grid(&self) -> ScanGrid {
        self.grid
    }

    /// How many assets it has seen.
    pub fn asset_count(&self) -> usize {
        self.assets.len()
    }

    /// The collective's paper record of a class.
    pub fn class_record(&self, class: AssetClass) -> ClassRecord {
        self.class_records
            .get(class_index(class))
            .copied()
            .unwrap_or_default()
    }

    /// Whether the collective's record opens a class.
    pub fn class_is_open(&self, class: AssetClass) -> bool {
        self.class_record(class).is_open(class, &self.config.rules)
    }

    /// Days of history between the first bar and `now`.
    pub fn history_days(&self, now: Timestamp) -> f64 {
        self.first_bar
            .map_or(0.0, |first| (now - first).num_minutes() as f64 / 1_440.0)
    }

    /// Whether the history suffices to speak.
    pub fn is_warm(&self, now: Timestamp) -> bool {
        self.history_days(now) + LONG_WEEKEND_DAYS >= f64::from(self.config.warmup_days)
    }

    /// How far the warm-up is, for people: `WARMING 37/120 d`.
    pub fn warmup_progress(&self, now: Timestamp) -> String {
        let wanted = self.config.warmup_days;
        let done = self.history_days(now).floor().min(f64::from(wanted));
        format!("WARMING {done:.0}/{wanted} d")
    }

    /// Takes a bar: fills paper positions, learns of new assets.
    pub fn apply_bar(&mut self, bar: &Bar) {
        let class = bar.symbol.class();
        self.grid.include(class, bar.timeframe);
        if self.first_bar.is_none_or(|first| bar.end < first) {
            self.first_bar = Some(bar.end);
        }
        let profiles = &self.profiles;
        let state = self
            .assets
            .entry(bar.symbol.clone())
            .or_insert_with(|| AssetState {
                timeframe: bar.timeframe,
                experts: profiles.iter().map(Expert::new).collect(),
                collective: PaperPosition::default(),
                own: PaperPosition::default(),
                previous_expert: None,
                told_narrative: String::new(),
            });
        state.timeframe = bar.timeframe;
        let index = class_index(class);
        if let Some(moved) = state.collective.apply_bar(bar)
            && let Some(record) = self.class_records.get_mut(index)
        {
            record.add(moved);
        }
        if let Some(moved) = state.own.apply_bar(bar)
            && let Some(record) = self.own_records.get_mut(index)
        {
            record.add_trade(moved, self.config.rules.cost(class));
        }
    }

    /// Brings the state to a grid instant without saying anything: warm-up and catching up.
    pub fn rebuild(&mut self, instant: Timestamp, snapshots: &[FeatureSnapshot]) {
        self.advance(instant, snapshots);
    }

    /// Scans at a grid instant. While the history is too short every stance is an abstention.
    pub fn scan(&mut self, instant: Timestamp, snapshots: &[FeatureSnapshot]) -> ScanResult {
        let warm = self.is_warm(instant);
        let opinions = self.advance(instant, snapshots);
        let open = CLASSES.map(|class| self.class_is_open(class));
        let mut stances = Vec::with_capacity(opinions.len());
        let mut signals = Vec::new();
        for opinion in &opinions {
            let class = opinion.symbol.class();
            let votes = warm && open.get(class_index(class)).copied().unwrap_or(false);
            let signal = if votes {
                self.propose(instant, opinion)
            } else {
                None
            };
            stances.push(Stance {
                asset: opinion.symbol.clone(),
                direction: signal.as_ref().map(|signal| signal.metadata.direction),
                expert: if warm { opinion.expert } else { 0.0 },
            });
            signals.extend(signal);
        }
        signals.sort_by(|a, b| {
            b.expected_profit
                .total_cmp(&a.expected_profit)
                .then_with(|| a.financial_asset.cmp(&b.financial_asset))
        });
        for signal in &mut signals {
            self.signals_made += 1;
            signal.signal_id = Some(self.ids.id(instant, self.signals_made).to_string());
            signal.agent = Some(self.agent_ref(self.signals_made));
        }
        let mut notes = if warm {
            self.note_classes(&opinions)
        } else {
            Vec::new()
        };
        if warm {
            notes.extend(
                opinions
                    .iter()
                    .filter_map(|opinion| self.note_narrative(opinion)),
            );
        }
        self.stances_made += 1;
        let stances = StanceMessage {
            timestamp: instant,
            agent: self.agent_ref(self.stances_made),
            scan_secs: self.scan_secs(&opinions),
            stances,
        };
        ScanResult {
            stances,
            signals,
            notes,
        }
    }

    fn agent_ref(&self, sequence: u64) -> AgentRef {
        AgentRef {
            id: self.config.profile.id.clone(),
            boot_id: self.boot.clone(),
            sequence,
        }
    }

    /// The scan step of the assets scanned: a session where one of them has daily bars.
    fn scan_secs(&self, opinions: &[Opinion<'_>]) -> u32 {
        let is_daily = |opinion: &Opinion<'_>| {
            let state = self.assets.get(opinion.symbol);
            opinion.symbol.class() == AssetClass::UsEquity
                && state.is_some_and(|state| state.timeframe == Timeframe::Day)
        };
        if opinions.iter().any(is_daily) {
            SCAN_SECS_DAILY
        } else {
            SCAN_SECS_HOURLY
        }
    }

    /// Advances every expert and paper position; returns the own expert's value per asset.
    fn advance<'a>(
        &mut self,
        instant: Timestamp,
        snapshots: &'a [FeatureSnapshot],
    ) -> Vec<Opinion<'a>> {
        let point = self.grid.at(instant);
        let mut opinions = Vec::new();
        for snapshot in snapshots {
            for (symbol, features) in &snapshot.assets {
                if let Some(expert) =
                    self.advance_asset(instant, point, (symbol, features), snapshot.nvx)
                {
                    opinions.push(Opinion {
                        symbol,
                        nvx: snapshot.nvx,
                        features,
                        expert,
                    });
                }
            }
        }
        opinions
    }

    fn advance_asset(
        &mut self,
        instant: Timestamp,
        point: GridPoint,
        (symbol, features): (&Symbol, &AssetFeatures),
        nvx: f64,
    ) -> Option<f64> {
        let class = symbol.class();
        let state = self.assets.get_mut(symbol)?;
        if !point.includes(class, state.timeframe) {
            return None;
        }
        let shortable = class == AssetClass::UsEquity;
        let (mut longs, mut shorts) = (0, 0);
        let mut own = None;
        for (index, (expert, profile)) in state.experts.iter_mut().zip(&self.profiles).enumerate() {
            let value = expert.evaluate(instant, features, nvx);
            let vote = value.and_then(|value| vote_of(value, profile.vote_threshold));
            if index < self.config.collective.len() {
                longs += usize::from(vote == Some(Direction::Long));
                shorts += usize::from(vote == Some(Direction::Short));
            }
            if index == self.own_index {
                own = value;
            }
        }
        state
            .collective
            .decide(instant, longs, shorts, shortable, self.paper_rules);
        let vote = own.and_then(|own| vote_of(own, self.config.profile.vote_threshold));
        state.own.decide(
            instant,
            usize::from(vote == Some(Direction::Long)),
            usize::from(vote == Some(Direction::Short)),
            true,
            PaperRules::SINGLE_VOTER,
        );
        if let (Some(previous), Some(earned)) = (state.previous_expert, features.return_in_sigmas)
            && let Some(record) = self.own_records.get_mut(class_index(class))
        {
            record.add_scan(previous, earned);
        }
        state.previous_expert = own;
        Some(own.unwrap_or(0.0))
    }

    /// The vote for an asset, if the expert is beyond its threshold and no strict flag forbids it.
    fn propose(&self, instant: Timestamp, opinion: &Opinion<'_>) -> Option<ArbitrageSignal> {
        let class = opinion.symbol.class();
        let state = self.assets.get(opinion.symbol)?;
        let draft = Draft {
            profile: &self.config.profile,
            symbol: opinion.symbol,
            timeframe: state.timeframe,
            nvx: opinion.nvx,
            features: opinion.features,
            expert: opinion.expert,
            record: self
                .own_records
                .get(class_index(class))
                .copied()
                .unwrap_or_default(),
            cost: self.config.rules.cost(class),
        };
        draft.signal(instant)
    }

    fn note_classes(&mut self, opinions: &[Opinion<'_>]) -> Vec<Note> {
        let mut notes = Vec::new();
        for (class, told) in CLASSES.into_iter().zip(&mut self.told_open) {
            if !opinions
                .iter()
                .any(|opinion| opinion.symbol.class() == class)
            {
                continue;
            }
            let record = self
                .class_records
                .get(class_index(class))
                .copied()
                .unwrap_or_default();
            let rules = &self.config.rules;
            let open = record.is_open(class, rules);
            if told.replace(open) != Some(open) {
                let net = record.expected_move(class, rules) - rules.cost(class);
                notes.push(Note::ClassStatus {
                    class,
                    open,
                    expected_net_bp: net * 10_000.0,
                    trades: record.trades,
                });
            }
        }
        notes
    }

    fn note_narrative(&mut self, opinion: &Opinion<'_>) -> Option<Note> {
        let state = self.assets.get_mut(opinion.symbol)?;
        Note::of_narrative(opinion.symbol, opinion.features, &mut state.told_narrative)
    }
}
