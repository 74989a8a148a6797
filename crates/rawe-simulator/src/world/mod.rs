//! The world: one queue of things that will happen, at virtual times, ties in an order that the
//! seed decides. It owns the clock, the bus, the broker, the journal, the agents, the operator and
//! the life of the engine; the collective inside is the one that trades.

mod engine_side;
mod market_side;
mod network;
mod people;

use std::collections::{BTreeMap, VecDeque};

use chrono::TimeDelta;
use rawe_collective::{CollectiveSettings, Input};
use rawe_core::{ClientOrderId, Symbol, Timestamp};
use rawe_execution::broker::{OrderRequest, OrderStatus};
use rawe_execution::desk::{ControlSource, Question};
use rust_decimal::Decimal;

use crate::agents::Agents;
use crate::broker::BrokerModel;
use crate::bugs::{Bug, Engine};
use crate::coverage::Coverage;
use crate::effects::EffectLog;
use crate::invariants::{Violation, Witness};
use crate::journal::JournalModel;
use crate::plan::{Faults, Plan, part};
use crate::random::Dice;
use crate::settings;

/// How many things may happen in one run.
pub const STEPS_MAX: u64 = 60_000;
/// How long a calm world is watched before everything has to be settled.
pub(crate) const CALM: TimeDelta = TimeDelta::minutes(15);
/// How long prices are remembered: longer than a price that sizes an order may be old.
pub(crate) const PRICES_KEPT: TimeDelta = TimeDelta::minutes(25);

/// Something that will happen.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// The engine of this boot is told something.
    Told { boot: u32, input: Box<Input> },
    /// A question of this boot leaves.
    Asks { boot: u32, question: Question },
    /// A question reaches the broker; its answer gets back, or does not.
    Question {
        boot: u32,
        question: Question,
        slow: bool,
    },
    /// An order reaches the broker.
    Order {
        boot: u32,
        order: Box<OrderRequest>,
        heard: bool,
    },
    /// A request to cancel reaches the broker.
    Cancel {
        boot: u32,
        id: ClientOrderId,
        broker_order_id: String,
        heard: bool,
    },
    /// The journal is done with its oldest batch.
    Journal { boot: u32 },
    /// A deadline of the engine is there.
    Wake { boot: u32 },
    /// The engine starts again.
    Restart,
    /// An order may fill.
    Fill { place: usize },
    /// An order ends at the broker.
    Ends { place: usize, status: OrderStatus },
    /// Positions are reported as they stand.
    PositionsSeen,
    /// Fees that are due are posted.
    Fees,
    /// Prices move.
    Prices,
    /// An hour of bars has ended.
    Bars,
    /// The session closes.
    SessionCloses,
    /// Agents scan.
    Scan,
    /// Heartbeats, and what may break for a while.
    Beat,
    /// The operator may speak.
    Operator,
    /// The operator resumes.
    Resume,
    /// Somebody else may trade.
    Foreign,
    /// The broker's clock goes wrong.
    Skew,
    /// All faults stop.
    Calm,
    /// The last look.
    End,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// The first invariant that did not hold.
    pub violation: Option<Violation>,
    /// The hash of the effect log.
    pub hash: u64,
    /// How many things happened.
    pub steps: u64,
    /// What the run has seen.
    pub coverage: Coverage,
    /// The lines of the effect log that were kept.
    pub lines: Vec<String>,
}

/// How to run a seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// The bug to put in.
    pub bug: Option<Bug>,
    /// Faults stop after so many steps at the latest.
    pub steps: Option<u64>,
    /// Keep the last lines of the effect log.
    pub keeps: bool,
    /// Keep all of them.
    pub keeps_all: bool,
}

/// One run.
#[derive(Debug)]
pub struct World {
    pub(crate) plan: Plan,
    pub(crate) faults: Faults,
    pub(crate) settings: CollectiveSettings,
    pub(crate) options: Options,
    pub(crate) now: Timestamp,
    pub(crate) queue: BTreeMap<(Timestamp, u64, u64), Happening>,
    pub(crate) queued: u64,
    pub(crate) steps: u64,
    pub(crate) calm_since: Option<Timestamp>,
    pub(crate) ended: bool,
    /// The running engine; `None` between a kill and the next start.
    pub(crate) engine: Option<Engine>,
    pub(crate) boot: u32,
    pub(crate) wake_at: Option<Timestamp>,
    pub(crate) broker: BrokerModel,
    pub(crate) journal: JournalModel,
    pub(crate) agents: Agents,
    pub(crate) witness: Witness,
    pub(crate) log: EffectLog,
    pub(crate) coverage: Coverage,
    pub(crate) outage_until: Option<Timestamp>,
    /// When others last closed a position of ours.
    pub(crate) closed_by_others: BTreeMap<Symbol, Timestamp>,
    pub(crate) halt_file: bool,
    pub(crate) said: Vec<ControlSource>,
    pub(crate) prices: BTreeMap<Symbol, VecDeque<(Timestamp, Decimal)>>,
    pub(crate) bars: BTreeMap<Symbol, (Decimal, Decimal, Decimal)>,
    /// The engine broke in a way only a restart mends.
    pub(crate) needs_restart: bool,
    ties: Dice,
    pub(crate) bus: Dice,
    pub(crate) net: Dice,
    pub(crate) market: Dice,
    pub(crate) exchange: Dice,
    pub(crate) disk: Dice,
    pub(crate) person: Dice,
    pub(crate) fate: Dice,
}

impl World {
    /// The world of a seed.
    ///
    /// # Errors
    /// When the plan is not one that the collective's rules accept.
    pub fn new(seed: u64, options: Options) -> Result<Self, Vec<String>> {
        let plan = Plan::of(seed);
        let (settings, wrong) = settings::settings(&plan)?;
        let now = plan.start;
        let assets = settings::voted_on();
        let mut broker = BrokerModel::new(
            settings::listed(now, plan.whole_shares),
            plan.cash,
            plan.shorting,
        );
        let dice = |part| Dice::new(seed, part);
        if plan.skew_from <= now {
            broker.skew = plan.skew;
        }
        let mut twisted = settings.clone();
        if let Some(bug) = options.bug {
            bug.twist_settings(&mut twisted, &wrong);
        }
        let mut world = Self {
            agents: Agents::new(&plan, &settings.roster, &assets),
            witness: Witness::new(&plan, &settings),
            settings: twisted,
            options,
            now,
            queue: BTreeMap::new(),
            queued: 0,
            steps: 0,
            calm_since: None,
            ended: false,
            engine: None,
            boot: 0,
            wake_at: None,
            broker,
            journal: JournalModel::default(),
            log: EffectLog::new(options.keeps, options.keeps_all),
            coverage: Coverage::default(),
            outage_until: None,
            closed_by_others: BTreeMap::new(),
            halt_file: false,
            said: Vec::new(),
            prices: BTreeMap::new(),
            bars: BTreeMap::new(),
            needs_restart: false,
            ties: dice(part::TIES),
            bus: dice(part::BUS),
            net: dice(part::NETWORK),
            market: dice(part::MARKET),
            exchange: dice(part::BROKER),
            disk: dice(part::JOURNAL),
            person: dice(part::OPERATOR),
            fate: dice(part::CRASHES),
            faults: plan.faults.clone(),
            plan,
        };
        world.begin();
        Ok(world)
    }

    fn begin(&mut self) {
        self.broker.fees_later = self.fate.chance(self.faults.fee_delayed);
        self.foreign_at_start();
        self.remember_prices();
        self.at(TimeDelta::zero(), Happening::Restart);
        self.at(TimeDelta::seconds(30), Happening::Prices);
        self.at(TimeDelta::milliseconds(700), Happening::Beat);
        self.at(TimeDelta::seconds(20), Happening::Scan);
        self.at(TimeDelta::minutes(5), Happening::Bars);
        self.at(TimeDelta::seconds(47), Happening::Operator);
        self.at(TimeDelta::seconds(61), Happening::Foreign);
        self.at(self.plan.faults_until - self.now, Happening::Calm);
        self.at(self.plan.skew_from - self.now, Happening::Skew);
        self.schedule_session_close();
    }

    /// Runs to the end, or to the first invariant that does not hold.
    pub fn run(mut self) -> Outcome {
        while !self.ended && self.witness.violation().is_none() {
            let Some(((at, _, _), happening)) = self.queue.pop_first() else {
                break;
            };
            self.now = self.now.max(at);
            self.steps += 1;
            self.happen(happening);
            self.witness.look(&self.broker, &self.journal, self.now);
            self.bound_steps();
        }
        let mut coverage = self.coverage;
        self.witness.cover(&mut coverage);
        coverage.add("runs", 1);
        Outcome {
            seed: self.plan.seed,
            violation: self.witness.violation().cloned(),
            hash: self.log.hash(),
            steps: self.steps,
            coverage,
            lines: self.log.lines().map(str::to_owned).collect(),
        }
    }

    fn bound_steps(&mut self) {
        let limit = self.options.steps.unwrap_or(STEPS_MAX / 2);
        if self.steps == limit && self.calm_since.is_none() {
            self.happen(Happening::Calm);
        }
        if self.steps > STEPS_MAX {
            let detail = format!("{STEPS_MAX} steps and no end: something spins");
            self.witness.fail("I8", detail);
        }
    }

    /// Queues something for later.
    pub(crate) fn at(&mut self, after: TimeDelta, happening: Happening) {
        let at = self.now + after.max(TimeDelta::zero());
        let tie = self.ties.bits();
        self.queued += 1;
        self.queue.insert((at, tie, self.queued), happening);
    }

    /// A short random time, milliseconds.
    pub(crate) fn soon(dice: &mut Dice, low: i64, high: i64) -> TimeDelta {
        TimeDelta::microseconds(dice.between(low * 1_000, high * 1_000))
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm_since.is_some()
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Told { boot, input } => {
                if boot == self.boot {
                    self.tell(*input);
                }
            }
            Happening::Asks { boot, question } => self.ask(boot, question),
            Happening::Question {
                boot,
                question,
                slow,
            } => self.answer(boot, &question, slow),
            Happening::Order { boot, order, heard } => self.order_arrives(boot, &order, heard),
            Happening::Cancel {
                boot,
                id,
                broker_order_id,
                heard,
            } => {
                self.cancel_arrives(boot, id, &broker_order_id, heard);
            }
            Happening::Journal { boot } => self.journal_done(boot),
            Happening::Wake { boot } => self.wake(boot),
            Happening::Restart => self.restart(),
            Happening::Fill { place } => self.fill(place),
            Happening::Ends { place, status } => self.order_ends(place, status),
            Happening::PositionsSeen => self.broker.publish_positions(),
            Happening::Fees => self.post_fees(),
            Happening::Prices => self.move_prices(),
            Happening::Bars => self.bars(),
            Happening::SessionCloses => self.session_closes(),
            Happening::Scan => self.scan(),
            Happening::Beat => self.beat(),
            Happening::Operator => self.operator(),
            Happening::Resume => self.resume_all(),
            Happening::Foreign => self.foreign(),
            Happening::Skew => {
                if !self.is_calm() {
                    self.broker.skew = self.plan.skew;
                }
            }
            Happening::Calm => self.calm_down(),
            Happening::End => self.end(),
        }
    }

    /// All faults stop; from here on everything has to come to its end.
    fn calm_down(&mut self) {
        if self.is_calm() {
            return;
        }
        self.calm_since = Some(self.now);
        self.log.note(self.now, format_args!("== the faults stop"));
        self.faults = Faults::default();
        self.outage_until = None;
        self.journal.fails_until = None;
        self.broker.blocked = false;
        self.broker.skew = TimeDelta::zero();
        self.broker.publish_positions();
        self.witness.calm(self.now);
        if self.needs_restart || self.plan.crash_at_end {
            self.kill(usize::MAX);
        }
        if self.plan.resumed_at_end {
            // Words that are still on their way come first.
            self.at(TimeDelta::seconds(2), Happening::Resume);
        }
        for place in 0..self.broker.orders.len() {
            self.hasten(place);
        }
        self.at(TimeDelta::seconds(5), Happening::Fees);
        self.at(CALM, Happening::End);
    }

    /// The last look: everything has to be at rest.
    fn end(&mut self) {
        // An exit may just have begun: it is given time to end.
        let settled = self
            .engine
            .as_ref()
            .is_some_and(|e| e.collective().is_settled());
        let waited = self.calm_since.map_or(CALM, |since| self.now - since);
        if !settled && waited < CALM * 2 {
            self.at(TimeDelta::seconds(30), Happening::End);
            return;
        }
        if let Some(engine) = &self.engine {
            let resumed = self.plan.resumed_at_end;
            self.witness.at_rest(
                engine.collective(),
                &self.broker,
                &self.journal,
                self.now,
                resumed,
            );
        } else {
            self.witness
                .fail("I6", "the engine never came back".to_owned());
        }
        self.ended = true;
    }
}
