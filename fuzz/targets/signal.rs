//! Bytes from the bus: a signal, or refused with a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rawe_core::parse_signal;

fuzz_target!(|bytes: &[u8]| {
    let _ = parse_signal(bytes);
});
