//! A BERT with a head for sentiment (FinBERT and its like) as a model of tone, by candle on the CPU.
//! Weights are not shipped: the caller reads the files of a directory that its user names.

use ahash::AHashMap;
use candle_core::{DType, Device, IndexOp as _, Tensor};
use candle_nn::{Linear, Module as _, VarBuilder, linear, ops::softmax_last_dim};
use candle_transformers::models::bert::{BertModel, Config};
use rawe_narrative::{SentimentModel, SentimentText};
use ring::digest::{Context, SHA256};
use serde::Deserialize;
use thiserror::Error;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{Model as _, Tokenizer};

/// The longest text read, in bytes; a BERT reads some 500 word pieces at most.
const TEXT_BYTES_MAX: usize = 4_000;

/// Where words are cut into pieces.
#[derive(Clone, Copy, Debug)]
pub enum Pieces<'a> {
    /// The contents of `vocab.txt`: one piece a line, for texts in lower case.
    Vocabulary(&'a str),
    /// The contents of `tokenizer.json`.
    Tokenizer(&'a [u8]),
}

/// Why files are no model of sentiment.
#[derive(Debug, Error)]
pub enum FinBertError {
    /// `config.json` cannot be read.
    #[error("reading config.json of the model: {0}")]
    Config(#[from] serde_json::Error),
    /// Its classes are not named.
    #[error(
        "config.json names no class {0:?} in id2label; take a model whose classes are named \
         positive, negative (and neutral)"
    )]
    Class(&'static str),
    /// `vocab.txt` or `tokenizer.json` cannot be used.
    #[error("reading the model's vocab.txt or tokenizer.json: {0}")]
    Pieces(String),
    /// The weights do not fit, or cannot be computed with.
    #[error("reading the model's weights, which must be safetensors of a BERT classifier: {0}")]
    Weights(#[from] candle_core::Error),
}

/// What of `config.json` is not candle's.
#[derive(Deserialize)]
struct Labels {
    #[serde(default)]
    id2label: std::collections::BTreeMap<usize, String>,
}

/// A BERT classifier of sentiment. Its score is p(positive) - p(negative).
pub struct FinBert {
    name: String,
    pieces: Tokenizer,
    bert: BertModel,
    pooler: Linear,
    classifier: Linear,
    first: u32,
    last: u32,
    pieces_max: usize,
    positive: usize,
    negative: usize,
}

impl std::fmt::Debug for FinBert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FinBert")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl FinBert {
    /// The model of the contents of `config.json`, `model.safetensors` and its word pieces.
    ///
    /// # Errors
    /// Which of them cannot be used, and why. One text is scored to be sure.
    pub fn from_bytes(
        name: &str,
        config: &[u8],
        pieces: Pieces<'_>,
        weights: Vec<u8>,
    ) -> Result<Self, FinBertError> {
        let config_bytes = config;
        let labels: Labels = serde_json::from_slice(config_bytes)?;
        let config: Config = serde_json::from_slice(config_bytes)?;
        let class = |wanted: &'static str| {
            labels
                .id2label
                .iter()
                .find(|(_, label)| label.to_lowercase().starts_with(wanted))
                .map(|(id, _)| *id)
                .ok_or(FinBertError::Class(wanted))
        };
        let (positive, negative) = (class("positive")?, class("negative")?);
        let pieces = tokenizer(pieces).map_err(|e| FinBertError::Pieces(e.to_string()))?;
        let special = |piece: &str| {
            pieces
                .token_to_id(piece)
                .ok_or_else(|| FinBertError::Pieces(format!("it has no {piece}")))
        };
        let (first, last) = (special("[CLS]")?, special("[SEP]")?);
        // A state made with other weights must not pass for one of these: the name tells them apart.
        let mut digest = Context::new(&SHA256);
        digest.update(config_bytes);
        digest.update(&weights);
        let digest = digest.finish();
        let start = digest.as_ref().first_chunk().copied().unwrap_or_default();
        let name = format!("{name} {:08x}", u32::from_be_bytes(start));
        let all = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu)?;
        let bert = if all.contains_tensor("bert.embeddings.word_embeddings.weight") {
            all.pp("bert")
        } else {
            all.clone()
        };
        let size = config.hidden_size;
        let model = Self {
            name,
            pooler: linear(size, size, bert.pp("pooler.dense"))?,
            classifier: linear(size, labels.id2label.len(), all.pp("classifier"))?,
            bert: BertModel::load(bert, &config)?,
            pieces,
            first,
            last,
            pieces_max: config.max_position_embeddings,
            positive,
            negative,
        };
        model.chances("profit rose")?;
        Ok(model)
    }

    /// The chances of all classes.
    fn chances(&self, text: &str) -> Result<Vec<f32>, FinBertError> {
        let read = self
            .pieces
            .encode(text, false)
            .map_err(|e| FinBertError::Pieces(e.to_string()))?;
        let room = self.pieces_max.saturating_sub(2);
        let inner = read.get_ids().iter().take(room).copied();
        let ids: Vec<u32> = [self.first]
            .into_iter()
            .chain(inner)
            .chain([self.last])
            .collect();
        let ids = Tensor::new(ids, &Device::Cpu)?.unsqueeze(0)?;
        let states = self.bert.forward(&ids, &ids.zeros_like()?, None)?;
        let pooled = self
            .pooler
            .forward(&states.i((.., 0))?.contiguous()?)?
            .tanh()?;
        let chances = softmax_last_dim(&self.classifier.forward(&pooled)?)?;
        Ok(chances.squeeze(0)?.to_vec1()?)
    }
}

impl SentimentModel for FinBert {
    fn name(&self) -> &str {
        &self.name
    }

    /// 0 for what cannot be computed; that the model can compute was seen when it was made.
    fn score(&self, text: &SentimentText<'_>) -> f64 {
        let joined = format!("{} {}", text.headline, text.text);
        let mut end = joined.len().min(TEXT_BYTES_MAX);
        while !joined.is_char_boundary(end) {
            end -= 1;
        }
        let chances = self
            .chances(joined.get(..end).unwrap_or("").trim())
            .unwrap_or_default();
        let chance = |class: usize| chances.get(class).copied().map_or(0.0, f64::from);
        chance(self.positive) - chance(self.negative)
    }
}

fn tokenizer(pieces: Pieces<'_>) -> tokenizers::Result<Tokenizer> {
    let mut tokenizer = match pieces {
        Pieces::Tokenizer(json) => Tokenizer::from_bytes(json)?,
        Pieces::Vocabulary(lines) => {
            let vocabulary: AHashMap<String, u32> = lines
                .lines()
                .map(|line| line.trim().to_owned())
                .zip(0..)
                .collect();
            let words = WordPiece::builder()
                .vocab(vocabulary)
                .unk_token("[UNK]".to_owned())
                .build()?;
            if words.token_to_id("[UNK]").is_none() {
                return Err("it has no [UNK]".into());
            }
            let mut tokenizer = Tokenizer::new(words);
            tokenizer.with_normalizer(Some(BertNormalizer::default()))?;
            tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
            tokenizer
        }
    };
    // Lengths are this module's.
    tokenizer.with_truncation(None)?;
    tokenizer.with_padding(None);
    Ok(tokenizer)
}
