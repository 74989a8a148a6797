//! The language of signals: a formula over named features, read and checked once, evaluated at
//! every scan. Words, limits and meaning are in `docs/configuration.md`.
//!
//! A formula becomes a list of nodes in the order of their computation; equal parts are one node.
//! Nodes with a memory (`mean`, `learned`, `band`) have one per asset, which is the
//! [`Expert`](crate::Expert)'s. A formula is outside data: its length, depth and size are bounded.

mod compiler;
mod lexer;
mod names;
mod program;

use std::collections::BTreeMap;
use std::sync::Arc;

use rawe_narrative::Feature;

pub(crate) use compiler::{Compiler, duration_minutes};
pub use program::Constants;
pub(crate) use program::{Memory, Moment, Node, Value};

/// A checked formula. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Formula {
    nodes: Arc<[Node]>,
    needs: Arc<[Feature]>,
}

impl Default for Formula {
    /// The formula that never has a value.
    fn default() -> Self {
        Self::of_nodes(Vec::new())
    }
}

impl Formula {
    /// Reads a formula, in which the shipped signals may be named.
    ///
    /// # Errors
    /// Every problem of the text, each with its place.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        Self::parse_with(text, &BTreeMap::new())
    }

    /// Reads a formula that may also name `definitions`, which are formulas themselves.
    ///
    /// # Errors
    /// Every problem of the text and of all definitions, each with its place.
    pub fn parse_with(
        text: &str,
        definitions: &BTreeMap<String, String>,
    ) -> Result<Self, Vec<String>> {
        let shipped = crate::signal::shipped_texts();
        Compiler::new(definitions, shipped).compile("formula", text)
    }

    fn of_nodes(nodes: Vec<Node>) -> Self {
        let mut needs: Vec<Feature> = nodes.iter().filter_map(Node::measured).collect();
        needs.sort_unstable();
        needs.dedup();
        Self {
            nodes: nodes.into(),
            needs: needs.into(),
        }
    }

    /// The features it asks of the engine, sorted, each once.
    pub fn needs(&self) -> &[Feature] {
        &self.needs
    }

    /// How many nodes it has: what one evaluation costs.
    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }
}

/// Every name a formula may use: features, functions, shipped signals and their parts.
pub fn words_of_the_language() -> Vec<&'static str> {
    let shipped = crate::signal::shipped_texts();
    names::all()
        .chain(shipped.keys().map(String::as_str))
        .collect()
}

#[cfg(test)]
mod tests;
