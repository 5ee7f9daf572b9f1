//! The API server, for the node agent, admission and the scheduler's extender: a service account, JSON,
//! and sets of objects that are listed once and then watched; and where these programs listen themselves.
//!
//! It knows no kind of object and decides nothing. A client library of Kubernetes brings a hundred
//! crates for sign-ins and types that none of them has a use for.
#![forbid(unsafe_code)]

mod client;
mod flags;
mod listen;
mod trust;
mod watch;

pub use client::{ApiError, Body, Client, Lines};
pub use flags::ApiFlags;
pub use http::Method;
pub use listen::listen;
pub use watch::{Change, Meta, follow, follow_from_now, list_once, varied};

use hyper::http;
