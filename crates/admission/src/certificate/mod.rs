//! The server's certificate: brought as files, by cert-manager or by hand ([`files`]), or made, renewed
//! and made known by the server itself ([`keeper`]).

pub mod files;
mod issue;
pub mod keeper;

pub use issue::{Issued, names};
