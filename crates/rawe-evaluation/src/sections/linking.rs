//! The section of linking: which assets an item names, against what people read in it.

use crate::linking::LinkingCounts;
use crate::report::{Row, Section};

/// Precision and recall on the shipped sample of a set.
pub fn linking_section(set: &str, counts: &LinkingCounts) -> Section {
    let mut section = Section::new("linking", set, "Assets named in texts");
    section.note(
        "A sample labelled by one reader; cashtags and the source's symbols are hidden, so this is about \
         names, products, people and bare tickers.",
    );
    let items = counts.items as u64;
    section.row(
        Row::new("precision", counts.precision)
            .digits(3)
            .count(items),
    );
    section.row(Row::new("recall", counts.recall).digits(3).count(items));
    section.row(Row::new("F1", counts.f1).digits(3).count(items));
    section
}
