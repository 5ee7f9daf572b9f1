//! What is checked in is what the fetched headers give.

use codegen::nvidia;

#[test]
fn the_checked_in_nvidia_sys_is_what_the_headers_give() {
    let (headers, out) = nvidia::folders();
    for (name, fresh) in nvidia::generate(&headers).unwrap() {
        let checked_in = std::fs::read_to_string(out.join(name)).unwrap();
        assert!(checked_in == fresh, "{name} is stale: run `cargo xtask codegen`");
    }
}

#[test]
fn absent_headers_are_named_with_the_command_that_brings_them() {
    let error = nvidia::generate(std::path::Path::new("/nonexistent")).unwrap_err().to_string();
    assert!(error.contains("/nonexistent") && error.contains("cargo xtask fetch"), "{error}");
}
