//! The learned layer whole: trained on made-up texts, written, read, refused.

use std::sync::OnceLock;

use proptest::prelude::*;
use rawe_core::Register;
use rawe_narrative::{SentimentModel, SentimentText};
use ring::digest::{SHA256, digest};

use crate::{
    Classes, LabelledText, LearnedModel, ModelError, Provenance, TrainingError, TrainingSettings,
    cross_validate, train,
};

/// Words that the lexicon does not have decide the labels.
fn rows() -> Vec<LabelledText> {
    (0..180)
        .map(|n| {
            let label = i8::try_from(n % 3).unwrap() - 1;
            let word = ["grumbly", "ordinary", "zestful"][n % 3];
            LabelledText {
                id: n.to_string(),
                text: format!("item {n} of Acme was {word} on day {}", n * 7 % 31),
                label,
                entity: (n % 2 == 0).then(|| "Acme".to_owned()),
            }
        })
        .collect()
}

fn about() -> Provenance {
    Provenance {
        name: "made".to_owned(),
        sources: vec!["made.jsonl".to_owned()],
        licence: "none needed".to_owned(),
        trained_on: "2020-01-01".to_owned(),
        register: Register::News,
        classes: Classes::Two,
        rows: 0,
        settings: TrainingSettings::default(),
        cross_validated: None,
        lexicon: None,
    }
}

fn model() -> LearnedModel {
    let settings = TrainingSettings::default();
    train(&rows(), Register::News, &settings, about()).unwrap()
}

#[test]
fn learns_what_the_lexicon_does_not_know() {
    let found = cross_validate(&rows(), Register::News, &TrainingSettings::default()).unwrap();
    assert!(found.learned.accuracy > 0.95, "{:?}", found.learned);
    assert!(found.lexicon.accuracy < 0.5, "{:?}", found.lexicon);
    assert_eq!(found.classes, Classes::Three);
    let model = model();
    assert_eq!(model.provenance().rows, 180);
    assert!(model.name().starts_with("made "), "{}", model.name());
    assert_eq!(model.name().len(), "made 01234567".len());
    let score = |text: &str| {
        let shown = SentimentText {
            headline: text,
            text: "",
            register: Register::News,
        };
        (model.score(&shown), model.score_at(&shown, 0..4))
    };
    let (whole, named) = score("Acme was zestful today");
    assert!(whole > 0.1 && named > 0.1, "{whole} {named}");
    let (whole, named) = score("Acme was grumbly today");
    assert!(whole < -0.1 && named < -0.1, "{whole} {named}");
}

#[test]
fn same_texts_give_the_same_bytes_and_bytes_give_the_model_back() {
    let bytes = model().to_bytes();
    assert_eq!(bytes, model().to_bytes());
    assert!(bytes.len() < 140_000, "{}", bytes.len());
    assert_eq!(LearnedModel::from_bytes(&bytes).unwrap(), model());
}

#[test]
fn refuses_what_is_no_model() {
    let good = model().to_bytes();
    let changed = |place: usize| {
        let mut bytes = good.clone();
        bytes[place] ^= 1;
        LearnedModel::from_bytes(&bytes).unwrap_err()
    };
    assert_eq!(changed(0), ModelError::Unknown);
    assert_eq!(changed(8), ModelError::Version { found: 0 });
    assert_eq!(changed(20), ModelError::Damaged("its checksum"));
    assert_eq!(changed(good.len() - 1), ModelError::Damaged("its checksum"));
    let cut = LearnedModel::from_bytes(&good[..9]).unwrap_err();
    assert_eq!(cut, ModelError::Damaged("its length"));
    // Cut, but with a checksum that fits.
    let mut bytes = good[..1_000].to_vec();
    let checksum = digest(&SHA256, &bytes);
    bytes.extend_from_slice(checksum.as_ref());
    let cut = LearnedModel::from_bytes(&bytes).unwrap_err();
    assert_eq!(cut, ModelError::Damaged("its length"));
}

#[test]
fn says_why_it_cannot_learn() {
    let settings = TrainingSettings::default();
    let cases: [(Vec<LabelledText>, TrainingSettings, &str); 4] = [
        (
            rows()[..10].to_vec(),
            settings,
            "10 labelled texts are too few",
        ),
        (
            rows().into_iter().filter(|row| row.label != 1).collect(),
            settings,
            "are both needed",
        ),
        (
            rows()
                .into_iter()
                .map(|row| LabelledText { label: 3, ..row })
                .collect(),
            settings,
            "is labelled 3",
        ),
        (
            rows(),
            TrainingSettings {
                l2: 0.0,
                ..settings
            },
            "l2 must be above 0",
        ),
    ];
    for (rows, settings, expected) in cases {
        let error: TrainingError = cross_validate(&rows, Register::News, &settings).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

static MODEL: OnceLock<LearnedModel> = OnceLock::new();

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        version in 0u16..3,
        about in prop::collection::vec(any::<u8>(), 0..200),
        sealed in any::<bool>(),
    ) {
        let mut bytes = b"RAWETONE".to_vec();
        bytes.extend_from_slice(&version.to_le_bytes());
        bytes.extend_from_slice(&about);
        if sealed {
            let checksum = digest(&SHA256, &bytes);
            bytes.extend_from_slice(checksum.as_ref());
        }
        prop_assert!(LearnedModel::from_bytes(&bytes).is_err());
        prop_assert!(LearnedModel::from_bytes(&about).is_err());
    }

    #[test]
    fn every_text_has_a_score(text in "\\PC{0,80}", start in 0usize..90, length in 0usize..90) {
        let shown = SentimentText { headline: "", text: &text, register: Register::News };
        let model = MODEL.get_or_init(model);
        prop_assert!(model.score(&shown).abs() <= 1.0);
        prop_assert!(model.score_at(&shown, start..start + length).abs() <= 1.0);
    }
}
