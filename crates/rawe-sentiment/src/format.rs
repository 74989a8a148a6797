//! The file of a learned model: `RAWETONE`, the version, where it comes from as JSON, the weights in
//! one byte each, a checksum. What is damaged, cut or of another version is refused.

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use thiserror::Error;

use crate::features::{EXTRA, HASHED};
use crate::model::{Head, LearnedModel, Provenance};

/// The first bytes of every file.
const MAGIC: &[u8; 8] = b"RAWETONE";
/// The version written, and the only one read. It also stands for how features are made: a change
/// of the words or of their hash needs a new one.
const VERSION: u16 = 1;
/// Longer provenances are refused, bytes.
const PROVENANCE_BYTES_MAX: usize = 64 * 1024;

/// Why bytes are no model.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ModelError {
    /// Something else.
    #[error("reading a model of tone: this is no file of rawe train")]
    Unknown,
    /// From another time.
    #[error(
        "reading a model of tone: its version is {found}, this program reads {VERSION}; train it again"
    )]
    Version {
        /// The version of the file.
        found: u16,
    },
    /// Cut or changed.
    #[error("reading a model of tone: {0} is damaged; copy the file again or train it again")]
    Damaged(&'static str),
}

impl LearnedModel {
    /// The model as the bytes of a file; the same model gives the same bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let about = serde_json::to_vec(&self.provenance).unwrap_or_default();
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&u32::try_from(about.len()).unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(&about);
        for head in [&self.good, &self.bad] {
            bytes.extend_from_slice(&head.step.to_le_bytes());
            for weight in &head.extra {
                bytes.extend_from_slice(&weight.to_le_bytes());
            }
            bytes.extend(head.hashed.iter().map(|step| step.to_le_bytes()[0]));
        }
        let checksum = digest(&SHA256, &bytes);
        bytes.extend_from_slice(checksum.as_ref());
        bytes
    }

    /// Reads what [`LearnedModel::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(ModelError::Unknown)?;
        let cut = ModelError::Damaged("its length");
        let (version, _) = rest.split_first_chunk::<2>().ok_or(cut.clone())?;
        let found = u16::from_le_bytes(*version);
        if found != VERSION {
            return Err(ModelError::Version { found });
        }
        let body = bytes
            .len()
            .checked_sub(SHA256_OUTPUT_LEN)
            .ok_or(cut.clone())?;
        let (covered, checksum) = bytes.split_at_checked(body).ok_or(cut.clone())?;
        if digest(&SHA256, covered).as_ref() != checksum {
            return Err(ModelError::Damaged("its checksum"));
        }
        let rest = covered.get(MAGIC.len() + 2..).ok_or(cut.clone())?;
        let (length, rest) = rest.split_first_chunk::<4>().ok_or(cut.clone())?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (about, rest) = rest
            .split_at_checked(length)
            .filter(|_| length <= PROVENANCE_BYTES_MAX)
            .ok_or(ModelError::Damaged("what it says of its origin"))?;
        let provenance: Provenance = serde_json::from_slice(about)
            .map_err(|_| ModelError::Damaged("what it says of its origin"))?;
        let neutral = provenance.settings.neutral;
        if !(0.0..1.0).contains(&neutral) {
            return Err(ModelError::Damaged("its neutral band"));
        }
        let (good, rest) = read_head(rest)?;
        let (bad, rest) = read_head(rest)?;
        if !rest.is_empty() {
            return Err(cut);
        }
        Ok(Self::identified(provenance, good, bad))
    }

    /// A model with its identity.
    pub(crate) fn identified(provenance: Provenance, good: Head, bad: Head) -> Self {
        let mut model = Self {
            identity: String::new(),
            provenance,
            good,
            bad,
        };
        let bytes = model.to_bytes();
        let seal = bytes.len().saturating_sub(SHA256_OUTPUT_LEN);
        let seal: String = bytes
            .iter()
            .skip(seal)
            .take(4)
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|digit| char::from_digit(u32::from(digit), 16))
            .collect();
        model.identity = format!("{} {seal}", model.provenance.name);
        model
    }
}

fn read_head(bytes: &[u8]) -> Result<(Head, &[u8]), ModelError> {
    let cut = || ModelError::Damaged("its length");
    let (step, mut rest) = read_number(bytes)?;
    let mut extra = Vec::with_capacity(EXTRA);
    for _ in 0..EXTRA {
        let (weight, after) = read_number(rest)?;
        extra.push(weight);
        rest = after;
    }
    let (hashed, rest) = rest.split_at_checked(HASHED).ok_or_else(cut)?;
    let hashed = hashed
        .iter()
        .map(|byte| i8::from_le_bytes([*byte]))
        .collect();
    Ok((
        Head {
            step,
            hashed,
            extra,
        },
        rest,
    ))
}

fn read_number(bytes: &[u8]) -> Result<(f32, &[u8]), ModelError> {
    let cut = ModelError::Damaged("its length");
    let (number, rest) = bytes.split_first_chunk::<4>().ok_or(cut)?;
    let number = f32::from_le_bytes(*number);
    if number.is_finite() {
        Ok((number, rest))
    } else {
        Err(ModelError::Damaged("a weight"))
    }
}
