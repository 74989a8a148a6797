//! Any text has a tone inside -1..1, in both registers and wherever it is cut in two.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rawe_core::Register;

fuzz_target!(|parts: (String, String)| {
    let (headline, text) = parts;
    for register in [Register::News, Register::Social] {
        let tone = rawe_narrative::tone(&headline, &text, register);
        assert!(tone.is_finite() && tone.abs() < 1.0);
    }
});
