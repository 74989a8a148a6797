//! The consensus itself: one owner of all state, one synchronous `apply`.
//!
//! Nothing here waits, reads a clock or draws a random number; every collection iterates in order.
//! The same events at the same times give the same effects, live, in replay and in backtests. How
//! a round is judged is in `judging`, how positions end in `exits`, what is written in `records`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chrono::TimeDelta;
use rawe_core::{AgentId, AssetClass, Purpose, Roster, Symbol, Timestamp};

use crate::assets::Assets;
use crate::config::{CloseMode, Rules};
use crate::event::{AssetFacts, Effect, Event, MarketHours, Trading, Vote};
use crate::exit_watch::ExitWatch;
use crate::forgetting::visit_by;
use crate::quorum::Inserted;
use crate::rounds::{AssetState, AssetTimers, Joined, OpenRound, Span};
use crate::standing::StanceBook;
use crate::voices::Voices;
use crate::weights::Weights;

/// How many gaps of the bus are remembered; older ones are merged.
const GAPS_MAX: usize = 64;
/// An agent of the original format counts as heard for this long after its last vote.
pub(crate) const ORIGINAL_HEARD: TimeDelta = TimeDelta::hours(1);
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
    pub(crate) assets: Assets,
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
    pub(crate) openings: AssetTimers,
    /// Timers of open rounds.
    deadlines: AssetTimers,
    /// When something of an asset may be forgotten.
    pub(crate) visits: AssetTimers,
    pub(crate) exits: ExitWatch,
    pub(crate) weights: Weights,
    paced: bool,
    could_trade: Option<bool>,
    pub(crate) now: Option<Timestamp>,
    pub(crate) counts: ConsensusCounts,
}

impl Consensus {
    /// A collective without memory. It starts halted: tell it [`Event::Trading`].
    pub fn new(rules: Rules, roster: Roster) -> Self {
        let weights = Weights::new(&rules, &roster);
        Self {
            rules,
            roster,
            assets: Assets::default(),
            facts: BTreeMap::new(),
            stances: StanceBook::default(),
            alive: None,
            original_speakers: BTreeMap::new(),
            market: None,
            trading: Trading::default(),
            gaps: VecDeque::new(),
            openings: AssetTimers::new(),
            deadlines: AssetTimers::new(),
            visits: AssetTimers::new(),
            exits: ExitWatch::default(),
            weights,
            paced: false,
            could_trade: None,
            now: None,
            counts: ConsensusCounts::default(),
        }
    }

    /// The counts so far.
    pub fn counts(&self) -> &ConsensusCounts {
        &self.counts
    }

    /// The voters' weights as they are earned, whether they count or not.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// Whose voice counts for how much.
    pub(crate) fn voices(&self) -> Voices<'_> {
        Voices::new(&self.rules, &self.weights)
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
                if self.market != hours {
                    self.market = hours;
                    self.exits.mark_all();
                }
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
                if self.trading != trading {
                    self.trading = trading;
                    self.exits.mark_all();
                }
                Vec::new()
            }
            Event::Paced(paced) => self.on_paced(paced, now),
            Event::InstantComplete => self.on_instant_complete(now),
            Event::Tick => self.on_tick(now),
            Event::TradeClosed(trade) => {
                let changes = self.weights.credit(&trade).into_iter();
                changes
                    .map(|change| Effect::WeightsChanged(Box::new(change)))
                    .collect()
            }
            Event::Weights(change) => {
                self.weights.restore(&change);
                Vec::new()
            }
            order => self.apply_to_holding(order, now),
        }
    }

    /// The next instant of market time at which [`Event::Tick`] would change something, if any.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let rounds = self.deadlines.first().map(|(at, _)| *at);
        let exits = self.now.and_then(|now| self.exits.next_due(now));
        rounds.into_iter().chain(exits).min()
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
        let Vote { asset, vote, .. } = vote;
        let instant = vote.timestamp;
        let window = self.rules.window;
        let visit_at = now + self.lifetime();
        let state = self.assets.of(&asset);
        let (joined, inserted) = state.join(vote, now, window);
        visit_by(&mut self.visits, &asset, state, visit_at);
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
        retime(&mut self.deadlines, &asset, state);
        if !state.votes.may_decide(self.rules.quorum) {
            return Vec::new();
        }
        let round = state
            .open
            .iter()
            .find(|round| round.span.contains(instant))
            .copied();
        match round {
            Some(round) if !self.is_complete() && self.decides_early(&asset, round) => {
                self.close_rounds(vec![(asset, round)], now)
            }
            _ => Vec::new(),
        }
    }

    fn on_stances(&mut self, message: &rawe_core::StanceMessage, now: Timestamp) {
        let on_roster = self.roster.by_id(&message.agent.id).is_some();
        let spoke = self.enough_speak();
        if on_roster && self.stances.apply(message, now) {
            self.note_scan(message);
            self.watch_stances(message, spoke);
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
        let open = self.open_rounds(None);
        let effects = self.abandon_rounds(open, now);
        self.openings.clear();
        self.gaps.clear();
        self.watch_all();
        effects
    }

    fn on_instant_complete(&mut self, now: Timestamp) -> Vec<Effect> {
        let through = (!self.is_complete()).then_some(now);
        let due = self.open_rounds(through);
        let mut effects = self.close_rounds(due, now);
        effects.extend(self.check_exits(now, true));
        self.forget(now);
        closes_first(effects)
    }

    fn on_tick(&mut self, now: Timestamp) -> Vec<Effect> {
        let due = self.open_rounds(Some(now));
        let mut effects = self.close_rounds(due, now);
        effects.extend(self.check_exits(now, false));
        self.forget(now);
        closes_first(effects)
    }

    /// The open rounds whose timers end through `through`, or all of them; by asset.
    fn open_rounds(&self, through: Option<Timestamp>) -> Vec<(Symbol, OpenRound)> {
        let wanted = |at: Timestamp| through.is_none_or(|through| at <= through);
        // An asset's timer is that of its oldest round: none of it is due before.
        let assets: BTreeSet<&Symbol> = self
            .deadlines
            .iter()
            .take_while(|(at, _)| wanted(*at))
            .map(|(_, asset)| asset)
            .collect();
        assets
            .into_iter()
            .filter_map(|asset| self.assets.get(asset).map(|state| (asset, state)))
            .flat_map(|(asset, state)| state.open.iter().map(move |round| (asset, *round)))
            .filter(|(_, round)| wanted(round.deadline))
            .map(|(asset, round)| (asset.clone(), round))
            .collect()
    }

    /// Sets an asset's timer after its rounds changed.
    pub(crate) fn remember_deadline(&mut self, asset: &Symbol) {
        if let Some(state) = self.assets.get_mut(asset) {
            retime(&mut self.deadlines, asset, state);
        }
    }
}

/// Keeps one timer per asset: that of its oldest open round.
fn retime(deadlines: &mut AssetTimers, asset: &Symbol, state: &mut AssetState) {
    let deadline = state.round_deadline();
    if deadline == state.timer {
        return;
    }
    if let Some(at) = state.timer {
        deadlines.remove(&(at, asset.clone()));
    }
    if let Some(at) = deadline {
        deadlines.insert((at, asset.clone()));
    }
    state.timer = deadline;
}

/// Orders that free buying power come first; otherwise the order of effects is kept.
fn closes_first(mut effects: Vec<Effect>) -> Vec<Effect> {
    effects.sort_by_key(|effect| match effect {
        Effect::Order(proposal) if proposal.purpose == Purpose::Close => 0,
        _ => 1,
    });
    effects
}
