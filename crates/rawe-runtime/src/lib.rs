//! What every binary's main shares: configuration, logs, the wall clock, shutdown.
//!
//! A main is one call of [`run_main`]. Rules of trading do not live here, and neither does
//! anything that only one binary needs.

mod args;
mod clock;
mod config;
mod connect;
mod heart;
mod json_lines;
mod lifeline;
mod logging;
mod pretty_lines;
mod process;
mod signing_key;

pub use args::{BrokerArgs, CommonArgs};
pub use clock::{new_boot_id, new_uuid, wall_now, wall_wait};
pub use config::{ConfigProblems, load_section};
pub use connect::connect_bus;
pub use heart::Heart;
pub use lifeline::LIFELINE_VARIABLE;
pub use logging::{LogFormat, init_logging};
pub use process::{
    EXIT_BAD_CONFIGURATION, EXIT_CLEAN, EXIT_FAILED, ShuttingDown, run_command, run_main,
    run_main_on_one_thread,
};
pub use signing_key::{read_signing_key, redis_url};
