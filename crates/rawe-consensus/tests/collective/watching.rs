//! Positions are looked at only when something may have changed for them. Looking at all of them at
//! every tick must give the same effects.

use proptest::prelude::*;
use rawe_consensus::{AssetFacts, ConsensusConfig, Effect, Event, MarketHours, Trading};
use rawe_core::{Direction, Purpose};

use crate::scenery::*;

const ASSETS: [&str; 3] = ["AAPL", "BTC/USD", "MSFT"];

#[derive(Clone, Debug)]
enum Step {
    Stance(usize, usize, Option<Direction>),
    Votes(usize, Direction),
    Ended(usize, Purpose, bool, bool),
    Refused(usize, Purpose),
    Market(bool, i64),
    Trading(Trading),
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let direction = prop_oneof![Just(LONG), Just(SHORT)];
    let purpose = prop_oneof![
        Just(Purpose::Open),
        Just(Purpose::Close),
        Just(Purpose::Stop)
    ];
    let view = prop_oneof![Just(None), Just(Some(LONG)), Just(Some(SHORT))];
    let trading = prop_oneof![
        Just(Trading::Active),
        Just(Trading::Reducing),
        Just(Trading::Halted)
    ];
    let pass = prop_oneof![
        Just(0_i64),
        Just(1),
        Just(10),
        Just(601),
        Just(3_600),
        Just(10_800),
        Just(43_200)
    ];
    prop_oneof![
        6 => (0_usize..5, 0_usize..3, view).prop_map(|(a, n, v)| Step::Stance(a, n, v)),
        3 => (0_usize..3, direction).prop_map(|(n, d)| Step::Votes(n, d)),
        3 => (0_usize..3, purpose.clone(), any::<bool>(), any::<bool>())
            .prop_map(|(n, p, filled, left)| Step::Ended(n, p, filled, left)),
        1 => (0_usize..3, purpose).prop_map(|(n, p)| Step::Refused(n, p)),
        1 => (any::<bool>(), 0_i64..100_000).prop_map(|(open, secs)| Step::Market(open, secs)),
        1 => trading.prop_map(Step::Trading),
        6 => pass.prop_map(Step::Pass),
    ]
}

struct Walk {
    scene: Scene,
    trading: Trading,
    looks_at_all: bool,
}

impl Walk {
    fn new(looks_at_all: bool) -> Self {
        let config = ConsensusConfig {
            cool_down_secs: 0,
            new_positions_per_hour: 1_000,
            ..ConsensusConfig::default()
        };
        let mut scene = Scene::with(&config, ASSETS[0]);
        for asset in ASSETS {
            let facts = AssetFacts {
                tradable: true,
                shortable: true,
            };
            scene.tell(Event::Asset(symbol(asset), Some(facts)));
        }
        Self {
            scene,
            trading: Trading::Active,
            looks_at_all,
        }
    }

    fn take(&mut self, step: &Step) -> Vec<Effect> {
        let scene = &mut self.scene;
        match step.clone() {
            Step::Stance(place, asset, view) => {
                scene.asset = symbol(ASSETS[asset]);
                scene.stance(place, view)
            }
            Step::Votes(asset, direction) => {
                scene.asset = symbol(ASSETS[asset]);
                scene.votes(&[0, 1, 2], direction)
            }
            Step::Ended(asset, purpose, filled, position_left) => {
                let filled_at = Some(scene.now()).filter(|_| filled);
                scene.tell(Event::OrderEnded {
                    asset: symbol(ASSETS[asset]),
                    purpose,
                    filled: u32::from(filled).into(),
                    filled_at,
                    position_left,
                })
            }
            Step::Refused(asset, purpose) => scene.tell(Event::OrderRefused {
                asset: symbol(ASSETS[asset]),
                purpose,
            }),
            Step::Market(is_open, seconds) => {
                let until = at(scene.seconds + seconds);
                scene.tell(Event::Market(Some(MarketHours { is_open, until })))
            }
            Step::Trading(trading) => {
                self.trading = trading;
                scene.tell(Event::Trading(trading))
            }
            Step::Pass(seconds) => {
                if self.looks_at_all {
                    // A change of mind about trading makes everything be looked at again.
                    let other = match self.trading {
                        Trading::Halted => Trading::Active,
                        Trading::Active | Trading::Reducing => Trading::Halted,
                    };
                    scene.tell(Event::Trading(other));
                    scene.tell(Event::Trading(self.trading));
                }
                let then = scene.seconds + seconds;
                scene.tick_at(then)
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn looking_at_all_positions_finds_nothing_more(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let (mut some, mut all) = (Walk::new(false), Walk::new(true));
        for step in &steps {
            prop_assert_eq!(some.take(step), all.take(step), "{:?}", step);
        }
    }
}

#[test]
fn the_walks_reach_exits_and_alarms() {
    // What the property compares is not empty: one walk by hand that has both.
    let mut walk = Walk::new(false);
    let mut effects = Vec::new();
    let steps = [
        Step::Stance(0, 1, Some(LONG)),
        Step::Votes(1, LONG),
        Step::Ended(1, Purpose::Open, true, true),
        Step::Pass(10_800),
        Step::Pass(43_200),
        Step::Stance(0, 1, None),
        Step::Stance(1, 1, None),
        Step::Stance(2, 1, None),
        Step::Pass(10),
    ];
    for step in steps {
        effects.extend(walk.take(&step));
    }
    let alarms = effects
        .iter()
        .filter(|e| matches!(e, Effect::StanceAlarm { .. }));
    assert!(alarms.count() >= 1, "{effects:?}");
    let closes = effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Order(order) if order.purpose == Purpose::Close));
    assert_eq!(closes.count(), 1, "{effects:?}");
}
