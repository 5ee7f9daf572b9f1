//! Gives the stand-in driver the name of the real one, and binds it to itself as the real one is.

fn main() {
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libcuda.so.1");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-Bsymbolic");
    println!("cargo::rustc-link-arg-examples=-Wl,-soname,libcuda.so.1");
    println!("cargo::rustc-link-arg-examples=-Wl,-Bsymbolic");
    println!("cargo::rerun-if-changed=build.rs");
}
