//! Snapshots: state as bytes that are checked before they are believed.
//!
//! A block is magic, format, fingerprint of everything the state depends on, length, state in
//! postcard's encoding, and a SHA-256 of all that. What state is belongs to the types that hold it
//! (they derive serde's traits); where bytes are kept is the shell's business. Equal state gives
//! equal bytes. A checksum proves that bytes are whole, not that they make sense: whoever restores
//! checks the state's invariants too.

mod audit;
mod encoding;

pub use audit::audit;
pub(crate) use encoding::{at_most, instant, instant_if_any, timed};

use postcard::ser_flavors::Flavor;
use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN, digest};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The largest state that is restored, bytes. A state of 600 assets has a few per cent of it.
pub const STATE_BYTES_MAX: usize = 256 << 20;

/// Magic, format, fingerprint, length.
const HEAD_BYTES: usize = 8 + 2 + SHA256_OUTPUT_LEN + 8;

/// Why a snapshot was not written or not restored. A refused one is thrown away: its state is
/// rebuilt from the history, which takes longer and gives the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Not a snapshot of this kind, or cut off.
    #[error("restoring a snapshot: these bytes are no {0} snapshot; rebuild from history")]
    Foreign(&'static str),
    /// Written by another version of the format.
    #[error("restoring a snapshot: its format is {found}, not {expected}; rebuild from history")]
    Format {
        /// The format it is in.
        found: u16,
        /// The format that can be read.
        expected: u16,
    },
    /// Written under another configuration, by another program or with other tables.
    #[error(
        "restoring a snapshot: it belongs to another {0} (configuration, version or tables); \
         rebuild from history"
    )]
    Fingerprint(&'static str),
    /// Bytes were lost, added or changed.
    #[error("restoring a snapshot: it is damaged ({0}); rebuild from history")]
    Damaged(&'static str),
    /// Whole, but not a state that can come about.
    #[error("restoring a snapshot: its state makes no sense ({0}); rebuild from history")]
    Unsound(&'static str),
    /// The state cannot be written.
    #[error("writing a snapshot: {0}; go on without one")]
    Unwritable(String),
}

impl SnapshotError {
    /// A short name for logs and counters.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Foreign(_) => "FOREIGN",
            Self::Format { .. } => "FORMAT",
            Self::Fingerprint(_) => "FINGERPRINT",
            Self::Damaged(_) => "DAMAGED",
            Self::Unsound(_) => "UNSOUND",
            Self::Unwritable(_) => "UNWRITABLE",
        }
    }
}

/// What must be the same where a snapshot is written and where it is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; SHA256_OUTPUT_LEN]);

impl Fingerprint {
    /// The fingerprint of parts, in order; their boundaries count.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        let mut print = [0; SHA256_OUTPUT_LEN];
        print.copy_from_slice(context.finish().as_ref());
        Self(print)
    }

    /// Its bytes, to be part of another fingerprint.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A kind of snapshot block: how it is told from others.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// What it is a snapshot of, for error texts.
    pub of: &'static str,
    /// Its first bytes.
    pub magic: [u8; 8],
    /// Counts up when the layout or meaning of the state changes.
    pub format: u16,
    /// Of everything else the state depends on.
    pub fingerprint: Fingerprint,
}

impl Block {
    /// Appends `state` as a block to `bytes`.
    ///
    /// # Errors
    /// [`SnapshotError::Unwritable`] if serde refuses the state; `bytes` are then as before.
    pub fn append<T: Serialize>(
        &self,
        state: &T,
        bytes: &mut Vec<u8>,
    ) -> Result<(), SnapshotError> {
        let start = bytes.len();
        bytes.extend_from_slice(&self.magic);
        bytes.extend_from_slice(&self.format.to_le_bytes());
        bytes.extend_from_slice(&self.fingerprint.0);
        bytes.extend_from_slice(&[0; 8]);
        let head_end = bytes.len();
        if let Err(error) = postcard::serialize_with_flavor(state, Sink(bytes)) {
            bytes.truncate(start);
            return Err(SnapshotError::Unwritable(error.to_string()));
        }
        let length = (bytes.len() - head_end) as u64;
        if let Some(place) = bytes.get_mut(head_end - 8..head_end) {
            place.copy_from_slice(&length.to_le_bytes());
        }
        let checksum = digest(&SHA256, bytes.get(start..).unwrap_or_default());
        bytes.extend_from_slice(checksum.as_ref());
        Ok(())
    }

    /// Reads the block at the front of `bytes` and returns its state and what follows. Nothing is
    /// decoded before the checksum holds.
    ///
    /// # Errors
    /// Every [`SnapshotError`] but [`SnapshotError::Unwritable`].
    pub fn take<'a, T: DeserializeOwned>(
        &self,
        bytes: &'a [u8],
    ) -> Result<(T, &'a [u8]), SnapshotError> {
        let foreign = SnapshotError::Foreign(self.of);
        let (head, rest) = bytes.split_at_checked(HEAD_BYTES).ok_or(foreign.clone())?;
        let (magic, head) = head.split_first_chunk::<8>().ok_or(foreign.clone())?;
        let (format, head) = head.split_first_chunk::<2>().ok_or(foreign.clone())?;
        let (print, length) = head
            .split_first_chunk::<SHA256_OUTPUT_LEN>()
            .ok_or(foreign.clone())?;
        let length = length.first_chunk::<8>().ok_or(foreign.clone())?;
        if *magic != self.magic {
            return Err(foreign);
        }
        let found = u16::from_le_bytes(*format);
        if found != self.format {
            let expected = self.format;
            return Err(SnapshotError::Format { found, expected });
        }
        if *print != self.fingerprint.0 {
            return Err(SnapshotError::Fingerprint(self.of));
        }
        let length = usize::try_from(u64::from_le_bytes(*length))
            .ok()
            .filter(|length| *length <= STATE_BYTES_MAX)
            .ok_or(SnapshotError::Damaged("its length"))?;
        let cut = SnapshotError::Damaged("cut off");
        let (state, rest) = rest.split_at_checked(length).ok_or(cut.clone())?;
        let (checksum, rest) = rest.split_at_checked(SHA256_OUTPUT_LEN).ok_or(cut)?;
        let covered = bytes.get(..HEAD_BYTES + length).unwrap_or_default();
        if digest(&SHA256, covered).as_ref() != checksum {
            return Err(SnapshotError::Damaged("its checksum"));
        }
        match postcard::take_from_bytes::<T>(state) {
            Ok((state, [])) => Ok((state, rest)),
            Ok(_) => Err(SnapshotError::Unsound("bytes after the state")),
            Err(_) => Err(SnapshotError::Unsound("not of the state's form")),
        }
    }
}

/// What postcard writes to: the end of the bytes.
struct Sink<'a>(&'a mut Vec<u8>);

impl Flavor for Sink<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
