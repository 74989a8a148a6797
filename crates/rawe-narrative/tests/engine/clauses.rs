//! Which tone reaches which asset where an item names several, and other models of tone.

use std::sync::Arc;

use rawe_core::{AssetClass, Register, Timeframe};
use rawe_narrative::{EngineConfig, NarrativeEngine, SentimentModel, SentimentText};

use crate::made::{bar, item, minute};

#[derive(Debug)]
struct Constant(f64);

impl SentimentModel for Constant {
    fn name(&self) -> &'static str {
        "constant"
    }

    fn score(&self, _: &SentimentText<'_>) -> f64 {
        self.0
    }
}

/// The tones of AAPL and MSFT after one item.
fn tones(engine: NarrativeEngine, headline: &str, register: Register) -> [f64; 2] {
    let mut engine = engine;
    for symbol in ["AAPL", "MSFT"] {
        engine.apply_bar(&bar(symbol, minute(0), Timeframe::Day, 100.0));
    }
    let mut told = item("one", minute(1), "made", &["AAPL", "MSFT"], "");
    headline.clone_into(&mut told.headline);
    told.register = register;
    engine.apply_item(&told);
    let seen = engine.scan(minute(2), AssetClass::UsEquity);
    let tones: Vec<f64> = seen.assets.iter().map(|(_, f)| f.tone).collect();
    tones.try_into().unwrap()
}

#[test]
fn each_asset_hears_its_own_clause() {
    let engine = || NarrativeEngine::new(EngineConfig::default());
    let headline = "Apple jumps 5% while Microsoft tumbles";
    let [apple, microsoft] = tones(engine(), headline, Register::News);
    assert!(apple > 0.1 && microsoft < -0.1, "{apple} {microsoft}");
    // Posts are read whole, and a model that does not tell names apart is believed.
    let [apple, microsoft] = tones(engine(), headline, Register::Social);
    assert!((apple - microsoft).abs() < 1e-12);
    let model = engine().with_sentiment(Arc::new(Constant(-0.5)));
    let [apple, microsoft] = tones(model, headline, Register::News);
    assert!((apple - microsoft).abs() < 1e-12 && apple < 0.0);
    let model = engine().with_sentiment(Arc::new(Constant(f64::NAN)));
    let [apple, microsoft] = tones(model, headline, Register::News);
    assert!(apple.abs() < 1e-15 && microsoft.abs() < 1e-15);
}
