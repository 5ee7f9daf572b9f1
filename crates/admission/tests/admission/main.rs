//! Admission by one table of cases: the decision by itself, and as the API server meets it.

mod cases;
mod certificate;
mod chart;
mod decision;
mod policy;
mod translated;
mod webhook;
