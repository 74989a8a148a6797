//! A tiny BERT with random weights, made here, as files of a directory would hold it.

#![cfg(feature = "finbert")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::HashMap;

use candle_core::{Device, Tensor};
use rawe_core::Register;

use rawe_narrative::{SentimentModel as _, SentimentText};
use rawe_sentiment::finbert::{FinBert, FinBertError, Pieces};

const PIECES: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nprofit\nrose\nfell\n##s\n,\n";
const SIZE: usize = 8;
const INNER: usize = 16;
const POSITIONS: usize = 12;

fn config(labels: &str) -> String {
    format!(
        r#"{{"vocab_size":9,"hidden_size":{SIZE},"num_hidden_layers":1,"num_attention_heads":2,
        "intermediate_size":{INNER},"hidden_act":"gelu","hidden_dropout_prob":0.1,
        "max_position_embeddings":{POSITIONS},"type_vocab_size":2,"initializer_range":0.02,
        "layer_norm_eps":1e-12,"pad_token_id":0,"model_type":"bert","id2label":{labels}}}"#
    )
}

const NAMED: &str = r#"{"0":"Positive","1":"negative","2":"neutral"}"#;

/// Numbers of a fixed stream, -1 to 1.
fn numbers(count: usize, seed: &mut u32) -> Vec<f32> {
    (0..count)
        .map(|_| {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from(u16::try_from(*seed >> 16).unwrap()) / 32_768.0 - 1.0
        })
        .collect()
}

fn weights() -> Vec<u8> {
    let mut shapes: Vec<(String, Vec<usize>)> = Vec::new();
    let mut add = |name: &str, shape: &[usize]| shapes.push((name.to_owned(), shape.to_vec()));
    let mut dense = |name: &str, from: usize, to: usize| {
        add(&format!("{name}.weight"), &[to, from]);
        add(&format!("{name}.bias"), &[to]);
    };
    let layer = "bert.encoder.layer.0";
    for part in ["query", "key", "value"] {
        dense(&format!("{layer}.attention.self.{part}"), SIZE, SIZE);
    }
    dense(&format!("{layer}.attention.output.dense"), SIZE, SIZE);
    dense(&format!("{layer}.intermediate.dense"), SIZE, INNER);
    dense(&format!("{layer}.output.dense"), INNER, SIZE);
    dense("bert.pooler.dense", SIZE, SIZE);
    dense("classifier", SIZE, 3);
    for norm in [
        "bert.embeddings.LayerNorm".to_owned(),
        format!("{layer}.attention.output.LayerNorm"),
        format!("{layer}.output.LayerNorm"),
    ] {
        add(&format!("{norm}.weight"), &[SIZE]);
        add(&format!("{norm}.bias"), &[SIZE]);
    }
    add("bert.embeddings.word_embeddings.weight", &[9, SIZE]);
    add(
        "bert.embeddings.position_embeddings.weight",
        &[POSITIONS, SIZE],
    );
    add("bert.embeddings.token_type_embeddings.weight", &[2, SIZE]);
    let mut seed = 7;
    let tensors: HashMap<String, Tensor> = shapes
        .into_iter()
        .map(|(name, shape)| {
            let values = numbers(shape.iter().product(), &mut seed);
            let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
            (name, tensor)
        })
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    candle_core::safetensors::save(&tensors, &path).unwrap();
    std::fs::read(path).unwrap()
}

fn made(labels: &str, pieces: Pieces<'_>, weights: Vec<u8>) -> Result<FinBert, FinBertError> {
    FinBert::from_bytes("tiny", config(labels).as_bytes(), pieces, weights)
}

fn score(model: &FinBert, text: &str) -> f64 {
    model.score(&SentimentText {
        headline: text,
        text: "",
        register: Register::News,
    })
}

#[test]
fn scores_texts_with_weights_made_here() {
    let model = made(NAMED, Pieces::Vocabulary(PIECES), weights()).unwrap();
    let rose = score(&model, "Profits rose");
    assert!(rose.abs() <= 1.0 && rose != 0.0);
    // Case is folded, words are read, and the same text has the same score.
    assert!((rose - score(&model, "profits ROSE")).abs() < 1e-9);
    assert!((rose - score(&model, "profits fell")).abs() > 1e-6);
    // Longer than it has places for, and nothing at all.
    assert!(score(&model, &"profit, ".repeat(2_000)).abs() <= 1.0);
    assert!(score(&model, "").abs() <= 1.0);
    assert!(model.name().starts_with("tiny "), "{}", model.name());
}

#[test]
fn the_order_of_the_classes_is_read() {
    let turned = r#"{"0":"negative","1":"positive","2":"neutral"}"#;
    let model = made(NAMED, Pieces::Vocabulary(PIECES), weights()).unwrap();
    let turned = made(turned, Pieces::Vocabulary(PIECES), weights()).unwrap();
    let text = "profit rose";
    assert!((score(&model, text) + score(&turned, text)).abs() < 1e-9);
}

#[test]
fn a_tokenizer_file_cuts_as_its_vocabulary_does() {
    let vocabulary: Vec<String> = PIECES
        .lines()
        .enumerate()
        .map(|(place, piece)| format!("\"{piece}\":{place}"))
        .collect();
    let json = format!(
        r###"{{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],
        "normalizer":{{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,
        "strip_accents":null,"lowercase":true}},"pre_tokenizer":{{"type":"BertPreTokenizer"}},
        "post_processor":null,"decoder":null,"model":{{"type":"WordPiece","unk_token":"[UNK]",
        "continuing_subword_prefix":"##","max_input_chars_per_word":100,"vocab":{{{}}}}}}}"###,
        vocabulary.join(",")
    );
    let by_json = made(NAMED, Pieces::Tokenizer(json.as_bytes()), weights()).unwrap();
    let by_lines = made(NAMED, Pieces::Vocabulary(PIECES), weights()).unwrap();
    let text = "profits, fell";
    assert!((score(&by_json, text) - score(&by_lines, text)).abs() < 1e-9);
}

#[test]
fn says_what_cannot_be_used() {
    let fine = Pieces::Vocabulary(PIECES);
    let cases = [
        (made("{}", fine, weights()), "id2label"),
        (made(NAMED, Pieces::Vocabulary("a\nb"), weights()), "[UNK]"),
        (
            made(NAMED, Pieces::Vocabulary("[UNK]\nb"), weights()),
            "[CLS]",
        ),
        (
            made(NAMED, Pieces::Tokenizer(b"{"), weights()),
            "tokenizer.json",
        ),
        (made(NAMED, fine, vec![1, 2, 3]), "weights"),
        (
            FinBert::from_bytes("none", b"[]", fine, weights()),
            "config.json",
        ),
    ];
    for (made, expected) in cases {
        let error = made.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
