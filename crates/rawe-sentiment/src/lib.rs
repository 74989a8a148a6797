//! Models of tone beyond the lexicon that `rawe-narrative` carries.
//!
//! Pure: a model is made of bytes that somebody else read. The lexicon itself, and the trait that
//! every model of tone implements, live in `rawe-narrative`.
