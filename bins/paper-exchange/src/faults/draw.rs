//! Decides which faults strike. The nth match of a rule always has the same outcome for a seed, in
//! whatever order requests of other rules come.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rawe_core::AssetClass;
use tokio::time::Instant;
use uuid::Uuid;

use super::{FaultCounts, FaultKind, FaultPlan, FaultReport, FaultRule, Rest, RuleReport, Stage};

/// What a fault may strike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    /// With or without its slash.
    pub(crate) symbol: Option<&'a str>,
    /// Its class, if it is one of the market's.
    pub(crate) class: Option<AssetClass>,
}

/// A fault that strikes now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Strike {
    pub(crate) kind: FaultKind,
    pub(crate) wait: Duration,
    pub(crate) minutes: Option<u32>,
    pub(crate) status: u16,
    pub(crate) fraction: f64,
    pub(crate) then: Rest,
}

/// The plan at work.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    active: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    plan: FaultPlan,
    matched: Vec<u64>,
    injected: Vec<u64>,
    total: FaultCounts,
    hidden: HashMap<Uuid, Instant>,
}

impl Faults {
    pub(crate) fn new(plan: FaultPlan) -> Self {
        let faults = Self::default();
        faults.set(plan);
        faults
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the plan; its counts start anew, the total goes on.
    pub(crate) fn set(&self, plan: FaultPlan) {
        let mut inner = self.inner();
        inner.matched = vec![0; plan.rules.len()];
        inner.injected = vec![0; plan.rules.len()];
        if plan.rules.is_empty() {
            inner.hidden.clear();
        }
        self.active.store(!plan.rules.is_empty(), Ordering::Release);
        inner.plan = plan;
    }

    /// Whether there is any rule: without one a request costs one load.
    pub(crate) fn active(&self) -> bool {
        self.active.load(Ordering::Acquire)
    }

    /// The faults that strike a subject at a stage, in the order of the rules.
    pub(crate) fn draw(&self, stage: Stage, subject: Subject<'_>) -> Vec<Strike> {
        if !self.active() {
            return Vec::new();
        }
        let mut inner = self.inner();
        let Inner {
            plan,
            matched,
            injected,
            total,
            ..
        } = &mut *inner;
        let mut strikes = Vec::new();
        let counts = matched.iter_mut().zip(injected.iter_mut());
        for ((index, rule), (matched, injected)) in (0_u64..).zip(&plan.rules).zip(counts) {
            if rule.fault.stage() != stage || !rule.matches(subject) {
                continue;
            }
            *matched += 1;
            let mut random = generator(plan.seed, index, *matched);
            let strikes_now =
                rule.at.contains(matched) || random.random::<f64>() < rule.probability;
            if !strikes_now || rule.times.is_some_and(|times| *injected >= times) {
                continue;
            }
            *injected += 1;
            *total.entry(rule.fault).or_default() += 1;
            let strike = rule.strike(&mut random);
            tracing::info!(
                event = "fault_injected",
                fault = rule.fault.name(),
                rule = index + 1,
                count = *injected,
                method = subject.method,
                path = subject.path,
                asset = subject.symbol,
                ms = u64::try_from(strike.wait.as_millis()).unwrap_or(u64::MAX),
                "the exchange misbehaves as it was told to"
            );
            strikes.push(strike);
        }
        strikes
    }

    /// Hides an order from look-ups for a while.
    pub(crate) fn hide(&self, order: Uuid, wait: Duration) {
        let now = Instant::now();
        let mut inner = self.inner();
        inner.hidden.retain(|_, until| *until > now);
        inner.hidden.insert(order, now + wait);
    }

    /// Whether look-ups do not show an order yet.
    pub(crate) fn hides(&self, order: Uuid) -> bool {
        self.active()
            && self
                .inner()
                .hidden
                .get(&order)
                .is_some_and(|until| *until > Instant::now())
    }

    /// The plan and what has come of it.
    pub(crate) fn report(&self) -> FaultReport {
        let inner = self.inner();
        let counts = inner.matched.iter().zip(&inner.injected);
        FaultReport {
            seed: inner.plan.seed,
            rules: inner
                .plan
                .rules
                .iter()
                .zip(counts)
                .map(|(rule, (matched, injected))| RuleReport {
                    rule: rule.clone(),
                    matched: *matched,
                    injected: *injected,
                })
                .collect(),
            injected: inner.total.clone(),
        }
    }
}

impl FaultRule {
    fn matches(&self, subject: Subject<'_>) -> bool {
        let same = |wanted: &str, symbol: &str| wanted.replace('/', "") == symbol.replace('/', "");
        let method = self.method.as_ref();
        let route = self.route.as_ref();
        method.is_none_or(|method| method.eq_ignore_ascii_case(subject.method))
            && route.is_none_or(|route| subject.path.starts_with(route.as_str()))
            && self
                .symbol
                .as_ref()
                .is_none_or(|wanted| subject.symbol.is_some_and(|symbol| same(wanted, symbol)))
            && self
                .asset_class
                .is_none_or(|wanted| subject.class == Some(wanted))
    }

    fn strike(&self, random: &mut ChaCha8Rng) -> Strike {
        let (from, to) = self.ms.map_or((0, 0), super::Milliseconds::bounds);
        let ms = random.random_range(from..=to.max(from));
        Strike {
            kind: self.fault,
            wait: Duration::from_millis(ms),
            minutes: self.minutes,
            status: self.status.unwrap_or(500),
            fraction: self.fraction.unwrap_or(0.5),
            then: self.then,
        }
    }
}

/// The randomness of one match of one rule.
fn generator(seed: u64, rule: u64, nth: u64) -> ChaCha8Rng {
    let mut bytes = [0; 32];
    for (part, number) in bytes.chunks_exact_mut(8).zip([seed, rule, nth]) {
        part.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ORDER: Subject<'static> = Subject {
        method: "POST",
        path: "/v2/orders",
        symbol: Some("BTC/USD"),
        class: Some(AssetClass::Crypto),
    };

    fn outcomes(plan: &FaultPlan, subjects: &[Subject<'_>]) -> Vec<Vec<Strike>> {
        let faults = Faults::new(plan.clone());
        let draw = |subject: &Subject<'_>| faults.draw(Stage::Request, *subject);
        subjects.iter().map(draw).collect()
    }

    #[test]
    fn rules_apply_by_method_route_and_symbol() {
        let base = FaultRule::new(FaultKind::DropAnswer, 1.0);
        let text = |text: &str| Some(text.to_owned());
        let by_method = |method| FaultRule {
            method: text(method),
            ..base.clone()
        };
        let by_route = |route| FaultRule {
            route: text(route),
            ..base.clone()
        };
        let by_symbol = |symbol| FaultRule {
            symbol: text(symbol),
            ..base.clone()
        };
        let by_class = |class| FaultRule {
            asset_class: Some(class),
            ..base.clone()
        };
        let cases = [
            (base.clone(), true),
            (by_method("post"), true),
            (by_method("GET"), false),
            (by_route("/v2/ord"), true),
            (by_route("/v2/positions"), false),
            (by_symbol("BTCUSD"), true),
            (by_symbol("ETH/USD"), false),
            (by_class(AssetClass::Crypto), true),
            (by_class(AssetClass::UsEquity), false),
        ];
        for (rule, strikes) in cases {
            let plan = FaultPlan {
                seed: 1,
                rules: vec![rule.clone()],
            };
            assert_eq!(
                !outcomes(&plan, &[ORDER])[0].is_empty(),
                strikes,
                "{rule:?}"
            );
        }
    }

    #[test]
    fn scripts_strike_where_they_say_and_no_oftener_than_told() {
        let rule = FaultRule {
            at: vec![2, 4, 5],
            times: Some(2),
            ..FaultRule::new(FaultKind::FailAnswer, 0.0)
        };
        let faults = Faults::new(FaultPlan {
            seed: 9,
            rules: vec![rule],
        });
        let struck: Vec<bool> = (0..6)
            .map(|_| !faults.draw(Stage::Request, ORDER).is_empty())
            .collect();
        assert_eq!(struck, [false, true, false, true, false, false]);
        let report = faults.report();
        assert_eq!((report.rules[0].matched, report.rules[0].injected), (6, 2));
        assert_eq!(report.injected.get(&FaultKind::FailAnswer), Some(&2));
        faults.set(FaultPlan::default());
        assert!(faults.draw(Stage::Request, ORDER).is_empty());
        assert_eq!(
            faults.report().injected.get(&FaultKind::FailAnswer),
            Some(&2)
        );
    }

    proptest! {
        #[test]
        fn one_seed_gives_one_run_whatever_comes_between(
            seed: u64,
            between in prop::collection::vec(any::<bool>(), 1..60),
        ) {
            let on_orders = FaultRule {
                symbol: Some("BTC/USD".to_owned()),
                ms: Some(super::super::Milliseconds::Between([5, 90])),
                ..FaultRule::new(FaultKind::DelayAnswer, 0.4)
            };
            let on_others = FaultRule {
                route: Some("/v2/clock".to_owned()),
                ..FaultRule::new(FaultKind::DropRequest, 0.5)
            };
            let plan = FaultPlan { seed, rules: vec![on_orders, on_others] };
            let clock = Subject { method: "GET", path: "/v2/clock", symbol: None, class: None };
            let mixed: Vec<Subject<'_>> =
                between.iter().map(|order| if *order { ORDER } else { clock }).collect();
            let count = between.iter().filter(|order| **order).count();
            let alone = outcomes(&plan, &vec![ORDER; count]);
            let among: Vec<Vec<Strike>> = outcomes(&plan, &mixed)
                .into_iter()
                .zip(&between)
                .filter_map(|(strikes, order)| order.then_some(strikes))
                .collect();
            prop_assert_eq!(&alone, &among);
            for strike in alone.into_iter().flatten() {
                prop_assert!((5..=90).contains(&strike.wait.as_millis()));
            }
        }
    }
}
