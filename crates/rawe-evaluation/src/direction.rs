//! Direction: do the signals lead prices, and what would trading them have made, by the protocols
//! P-hour (crypto) and P-paper, P-open, P-open5 (stocks).

pub mod crypto;
pub mod stocks;
pub mod votes;

/// The outcome of a book of positions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Book {
    /// Net return of each day or session, as a share of the capital.
    pub returns: Vec<f64>,
    /// Sum of the absolute changes of position.
    pub turnover: f64,
}

#[cfg(test)]
mod tests;
