//! Metrics as pure functions: classification, partitions, ranks, series and block bootstraps. What
//! is measured, on which rows and at which instants, is the protocols' business.

pub mod bootstrap;
pub mod classification;
pub mod partitions;
pub mod ranks;
pub mod series;

pub use bootstrap::{Interval, circular_blocks};
pub use classification::{Confusion, matthews};
pub use partitions::Partition;
pub use ranks::{pearson, ranks, spearman};
