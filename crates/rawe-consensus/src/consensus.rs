//! The consensus itself: one owner of all state, one synchronous `apply`.
//!
//! Nothing here waits, reads a clock or draws a random number; every collection iterates in order.
//! The same events at the same times give the same effects, live, in replay and in backtests. How
//! a round is judged is in `judging`, how positions end in `exits`, what is written in `records`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::TimeDelta;
use rawe_core::{AgentId, AssetClass, Purpose, Roster, Symbol, Timestamp};

use crate::config::{CloseMode, Rules};
use crate::event::{AssetFacts, Effect, Event, MarketHours, Trading, Vote};
use crate::quorum::Inserted;
use crate::rounds::{AssetState, Joined, OpenRound, Span};
use crate::standing::StanceBook;

/// How many gaps of the bus are remembered; older ones are merged.
const GAPS_MAX: usize = 64;
/// An agent of the original format counts as heard for this long after its last vote.
const ORIGINAL_HEARD: TimeDelta = TimeDelta::hours(1);
/// The span over which new positions are counted.
pub(crate) const OPENINGS_SPAN: TimeDelta = TimeDelta::hours(1);

/// What the consensus counted, for heartbeats and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsensusCounts {
    /// Votes that count in a round.
    pub counted: u64,
    /// Votes that repeat their agent's own within the window.
    pub repeated: u64,
    /// Votes seen before, byte for byte in what matters.
    pub duplicate: u64,
    /// Votes that came after their round had closed.
    pub late: u64,
    /// Stance messages that were old, from the future, or of an agent not on the roster.
    pub stances_ignored: u64,
    /// Rounds closed, decisions and near misses.
    pub rounds: u64,
}

/// The collective's state.
#[derive(Clone, Debug)]
pub struct Consensus {
    pub(crate) rules: Rules,
    pub(crate) roster: Roster,
    pub(crate) assets: BTreeMap<Symbol, AssetState>,
    pub(crate) facts: BTreeMap<Symbol, AssetFacts>,
    pub(crate) stances: StanceBook,
    /// Roster agents with a heartbeat; `None` until the shell has looked.
    pub(crate) alive: Option<BTreeSet<AgentId>>,
    /// Last vote of each agent that speaks the original format.
    pub(crate) original_speakers: BTreeMap<AgentId, Timestamp>,
    pub(crate) market: Option<MarketHours>,
    pub(crate) trading: Trading,
    pub(crate) gaps: VecDeque<Span>,
    /// Decisions to open within the last hour that were not refused.
    pub(crate) openings: VecDeque<(Timestamp, Symbol)>,
    /// Timers of open rounds.
    deadlines: BTreeSet<(Timestamp, Symbol)>,
    paced: bool,
    could_trade: Option<bool>,
    pub(crate) now: Option<Timestamp>,
    pruned: Option<Timestamp>,
    pub(crate) counts: ConsensusCounts,
}

impl Consensus {
    /// A collective without memory. It starts halted: tell it [`Event::Trading`].
    pub fn new(rules: Rules, roster: Roster) -> Self {
        Self {
            rules,
            roster,
            assets: BTreeMap::new(),
            facts: BTreeMap::new(),
            stances: StanceBook::default(),
            alive: None,
            original_speakers: BTreeMap::new(),
            market: None,
            trading: Trading::default(),
            gaps: VecDeque::new(),
            openings: VecDeque::new(),
            deadlines: BTreeSet::new(),
            paced: false,
            could_trade: None,
            now: None,
            pruned: None,
            counts: ConsensusCounts::default(),
        }
    }

    /// The counts so far.
    pub fn counts(&self) -> &ConsensusCounts {
        &self.counts
    }

    /// How many assets are remembered.
    pub fn assets_remembered(&self) -> usize {
        self.assets.len()
    }

    /// Takes in one event at market time `now` and says what to do.
    pub fn apply(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        self.now = Some(now);
        match event {
            Event::Vote(vote) => self.on_vote(vote, now),
            Event::Stances(message) => {
                self.on_stances(&message, now);
                Vec::new()
            }
            Event::Liveness(alive) => self.on_liveness(alive, now),
            Event::BusGap { from, through } => {
                self.on_gap(Span {
                    first: from,
                    last: through,
                });
                Vec::new()
            }
            Event::Market(hours) => {
                self.market = hours;
                Vec::new()
            }
            Event::Asset(symbol, facts) => {
                let unknown = AssetFacts {
                    tradable: false,
                    shortable: false,
                };
                self.facts.insert(symbol, facts.unwrap_or(unknown));
                Vec::new()
            }
            Event::Trading(trading) => {
                self.trading = trading;
                Vec::new()
            }
            Event::Paced(paced) => self.on_paced(paced, now),
            Event::InstantComplete => self.on_instant_complete(now),
            Event::Tick => self.on_tick(now),
            Event::OrderResumed {
                asset,
                purpose,
                direction,
                agreeing,
            } => {
                self.on_resumed(&asset, purpose, direction, agreeing, now);
                Vec::new()
            }
            Event::OrderRefused { asset, purpose } => {
                self.on_refused(&asset, purpose, now);
                Vec::new()
            }
            Event::OrderEnded {
                asset,
                purpose,
                filled,
                filled_at,
                position_left,
            } => {
                let filled_at = filled_at.map(|at| at.min(now));
                self.on_ended(&asset, purpose, filled, filled_at, position_left, now)
            }
            Event::PositionObserved {
                asset,
                position,
                last_fill,
            } => {
                self.on_observed(asset, position, last_fill);
                Vec::new()
            }
        }
    }

    /// The next instant of market time at which [`Event::Tick`] would change something, if any.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let exits = self
            .assets
            .iter()
            .filter_map(|(asset, state)| self.exit_due(asset, state));
        exits.chain(self.next_round_deadline()).min()
    }

    /// The part of [`Consensus::next_deadline`] that costs nothing: when the next round ends.
    pub fn next_round_deadline(&self) -> Option<Timestamp> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// Whether rounds are decided when complete rather than at the K-th vote.
    pub(crate) fn is_complete(&self) -> bool {
        let default = if self.paced {
            CloseMode::Complete
        } else {
            CloseMode::Early
        };
        self.rules.close.unwrap_or(default) == CloseMode::Complete
    }

    /// Whether the market of `asset` is known to be open.
    pub(crate) fn market_open(&self, asset: &Symbol, now: Timestamp) -> bool {
        match asset.class() {
            AssetClass::Crypto => true,
            AssetClass::UsEquity => self
                .market
                .is_some_and(|hours| hours.is_open && now < hours.until),
        }
    }

    fn on_vote(&mut self, vote: Vote, now: Timestamp) -> Vec<Effect> {
        if vote.original_format {
            self.original_speakers.insert(vote.vote.agent.clone(), now);
        }
        let asset = vote.asset;
        let instant = vote.vote.timestamp;
        let window = self.rules.window;
        let state = self.assets.entry(asset.clone()).or_default();
        let (joined, inserted) = state.join(vote.vote, now, window);
        match joined {
            Joined::Late => self.counts.late += 1,
            Joined::Duplicate => self.counts.duplicate += 1,
            Joined::Counted => self.counts.counted += 1,
        }
        if inserted == Inserted::Repeated {
            self.counts.repeated += 1;
        }
        if joined != Joined::Counted {
            return Vec::new();
        }
        let round = state
            .open
            .iter()
            .find(|round| round.span.contains(instant))
            .copied();
        self.remember_deadline(&asset);
        match round {
            Some(round) if !self.is_complete() && self.decides_early(&asset, round) => {
                self.close_rounds(vec![(asset, round)], now)
            }
            _ => Vec::new(),
        }
    }

    fn on_stances(&mut self, message: &rawe_core::StanceMessage, now: Timestamp) {
        let on_roster = self.roster.by_id(&message.agent.id).is_some();
        if on_roster && self.stances.apply(message, now) {
            self.note_scan(message);
        } else {
            self.counts.stances_ignored += 1;
        }
    }

    fn note_scan(&mut self, message: &rawe_core::StanceMessage) {
        for stance in &message.stances {
            if let Some(state) = self.assets.get_mut(&stance.asset) {
                state.scanned = state.scanned.max(Some(message.timestamp));
            }
        }
    }

    fn on_liveness(&mut self, alive: BTreeSet<AgentId>, now: Timestamp) -> Vec<Effect> {
        self.alive = Some(alive);
        let able = self.able_to_vote(now);
        let quorum = self.rules.quorum;
        let can = able >= quorum;
        if self.could_trade == Some(can) || (can && self.could_trade.is_none()) {
            self.could_trade = Some(can);
            return Vec::new();
        }
        self.could_trade = Some(can);
        if can {
            vec![Effect::CanTrade { able }]
        } else {
            vec![Effect::CannotTrade { able, quorum }]
        }
    }

    /// How many roster agents are alive or were heard in the original format of late.
    pub(crate) fn able_to_vote(&self, now: Timestamp) -> usize {
        let heard = |id: &AgentId| {
            self.original_speakers
                .get(id)
                .is_some_and(|at| now - *at <= ORIGINAL_HEARD)
        };
        let lives = |id: &AgentId| self.alive.as_ref().is_some_and(|alive| alive.contains(id));
        self.roster
            .0
            .iter()
            .filter(|agent| lives(&agent.id) || heard(&agent.id))
            .count()
    }

    fn on_gap(&mut self, gap: Span) {
        if self.gaps.len() >= GAPS_MAX
            && let Some(oldest) = self.gaps.pop_front()
            && let Some(next) = self.gaps.front_mut()
        {
            next.first = next.first.min(oldest.first);
        }
        self.gaps.push_back(gap);
    }

    /// Changing clocks makes every pending deadline meaningless: open rounds end unheard.
    fn on_paced(&mut self, paced: bool, now: Timestamp) -> Vec<Effect> {
        if self.paced == paced {
            return Vec::new();
        }
        self.paced = paced;
        let open = self.open_rounds(|_| true);
        let effects = self.abandon_rounds(open, now);
        self.openings.clear();
        self.gaps.clear();
        self.pruned = None;
        effects
    }

    fn on_instant_complete(&mut self, now: Timestamp) -> Vec<Effect> {
        let due = if self.is_complete() {
            self.open_rounds(|_| true)
        } else {
            self.open_rounds(|round| round.deadline <= now)
        };
        let mut effects = self.close_rounds(due, now);
        effects.extend(self.check_exits(now, true));
        self.prune(now);
        closes_first(effects)
    }

    fn on_tick(&mut self, now: Timestamp) -> Vec<Effect> {
        let due = self.due_rounds(now);
        let mut effects = self.close_rounds(due, now);
        effects.extend(self.check_exits(now, false));
        self.prune(now);
        closes_first(effects)
    }

    /// The rounds whose timer has run out; the others are not looked at.
    fn due_rounds(&self, now: Timestamp) -> Vec<(Symbol, OpenRound)> {
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= now);
        due.filter_map(|(_, asset)| self.assets.get(asset).map(|state| (asset, state)))
            .flat_map(|(asset, state)| state.open.iter().map(move |round| (asset, *round)))
            .filter(|(_, round)| round.deadline <= now)
            .map(|(asset, round)| (asset.clone(), round))
            .collect()
    }

    fn open_rounds(&self, wanted: impl Fn(&OpenRound) -> bool) -> Vec<(Symbol, OpenRound)> {
        let with_rounds: BTreeSet<&Symbol> =
            self.deadlines.iter().map(|(_, asset)| asset).collect();
        with_rounds
            .into_iter()
            .filter_map(|asset| self.assets.get(asset).map(|state| (asset, state)))
            .flat_map(|(asset, state)| state.open.iter().map(move |round| (asset, *round)))
            .filter(|(_, round)| wanted(round))
            .map(|(asset, round)| (asset.clone(), round))
            .collect()
    }

    /// Keeps one timer per asset: that of its oldest open round.
    pub(crate) fn remember_deadline(&mut self, asset: &Symbol) {
        let deadline = self.assets.get(asset).and_then(AssetState::round_deadline);
        let known = self.assets.get(asset).and_then(|state| state.timer);
        if deadline == known {
            return;
        }
        if let Some(at) = known {
            self.deadlines.remove(&(at, asset.clone()));
        }
        if let Some(at) = deadline {
            self.deadlines.insert((at, asset.clone()));
        }
        if let Some(state) = self.assets.get_mut(asset) {
            state.timer = deadline;
        }
    }

    /// Forgets what can no longer matter, at most once a window.
    fn prune(&mut self, now: Timestamp) {
        if self
            .pruned
            .is_some_and(|at| now - at < self.rules.window && now >= at)
        {
            return;
        }
        self.pruned = Some(now);
        let votes_before = now - self.rules.ttl_max - self.rules.window;
        let cool_down = self.rules.cool_down;
        self.assets.retain(|_, state| {
            state.forget(now, votes_before);
            !state.is_idle(now, cool_down)
        });
        self.gaps.retain(|gap| gap.last >= votes_before);
        self.openings.retain(|(at, _)| now - *at < OPENINGS_SPAN);
        self.original_speakers
            .retain(|_, at| now - *at <= ORIGINAL_HEARD);
    }
}

/// Orders that free buying power come first; otherwise the order of effects is kept.
fn closes_first(mut effects: Vec<Effect>) -> Vec<Effect> {
    effects.sort_by_key(|effect| match effect {
        Effect::Order(proposal) if proposal.purpose == Purpose::Close => 0,
        _ => 1,
    });
    effects
}
