//! What is held per asset, found at a cost that does not grow with how many there are.

use std::collections::HashMap;

use rawe_core::Symbol;

use crate::rounds::AssetState;

/// The assets held. A hash map whose order nobody can see: it cannot be walked through, so nothing
/// can depend on it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Assets(HashMap<Symbol, Box<AssetState>>);

impl Assets {
    /// What is held of an asset, if anything.
    pub(crate) fn get(&self, asset: &Symbol) -> Option<&AssetState> {
        self.0.get(asset).map(Box::as_ref)
    }

    /// What is held of an asset, if anything, to change it.
    pub(crate) fn get_mut(&mut self, asset: &Symbol) -> Option<&mut AssetState> {
        self.0.get_mut(asset).map(Box::as_mut)
    }

    /// What is held of an asset, from now on.
    pub(crate) fn of(&mut self, asset: &Symbol) -> &mut AssetState {
        self.0.entry(asset.clone()).or_default()
    }

    /// Forgets an asset.
    pub(crate) fn remove(&mut self, asset: &Symbol) {
        self.0.remove(asset);
    }

    /// How many are held.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
