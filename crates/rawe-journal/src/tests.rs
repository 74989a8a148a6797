//! The journal's tests: what is written comes back, files that are not sound, older versions, and
//! what people ask. The entries they use are made in `samples`.

mod checks;
mod files;
mod reading;
mod samples;
mod versions;
mod writing;
