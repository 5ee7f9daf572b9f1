//! `0.5` becomes 50 percent, exactly and without floating point.

use crate::Percent;
use crate::decimal::{Decimal, Scaled, split_sign};

/// Why a text is not a fraction of one GPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FractionError {
    /// Not a decimal number in any spelling that Kubernetes knows.
    #[error("not a number: write a fraction of one GPU such as 0.5, from 0.01 to 1")]
    NotANumber,
    /// Zero.
    #[error("zero is no share: ask for at least 0.01 of a GPU, or for none at all")]
    Zero,
    /// Below zero.
    #[error("a share cannot be negative: write a fraction of one GPU from 0.01 to 1")]
    Negative,
    /// Not a multiple of one percent.
    #[error("finer than one percent: shares go in steps of 0.01, from 0.01 to 1")]
    TooFine,
    /// More than one GPU.
    #[error(
        "more than one GPU: write a fraction of one from 0.01 to 1, or ask for whole GPUs with the \
         resource `gpu`"
    )]
    AboveOne,
}

/// Reads a fraction of one GPU in any spelling that a Kubernetes quantity has: `0.5`, `.5`,
/// `500m`, `5e-1`, `50E-2`. (Quantity grammar: apimachinery `resource.Quantity`; the binary and the
/// large suffixes name numbers above one and are answered as such.)
///
/// # Errors
/// [`FractionError`] says which rule the text breaks.
pub fn parse_fraction(text: &str) -> Result<Percent, FractionError> {
    let (negative, unsigned) = split_sign(text);
    let number = Decimal::parse(unsigned).ok_or(FractionError::NotANumber)?;
    match number.scaled(2) {
        Scaled::Zero => Err(FractionError::Zero),
        _ if negative => Err(FractionError::Negative),
        Scaled::Exact(percent) => Percent::new(percent).map_err(|_| FractionError::AboveOne),
        Scaled::Fine => Err(FractionError::TooFine),
        Scaled::Huge => Err(FractionError::AboveOne),
    }
}

/// Why a text is not a percentage of one GPU.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum WholePercentError {
    /// Not a number in any spelling that Kubernetes knows.
    #[error("not a number: write percent of one GPU such as 50, from 1 to 100")]
    NotANumber,
    /// Zero or below.
    #[error("no share: ask for 1 to 100 percent of one GPU, or for none at all")]
    NotPositive,
    /// Not a whole number.
    #[error("not a whole number: shares go in steps of one percent, from 1 to 100")]
    NotWhole,
    /// More than one GPU.
    #[error(
        "more than one GPU: write 1 to 100 percent of one, or ask for whole GPUs with the resource \
         `gpu`"
    )]
    AboveHundred,
}

/// Reads percent of one GPU in any spelling that a Kubernetes quantity has: `50`, `5e1`, `50000m`.
///
/// # Errors
/// [`WholePercentError`] says which rule the text breaks.
pub fn parse_whole_percent(text: &str) -> Result<Percent, WholePercentError> {
    let (negative, unsigned) = split_sign(text);
    let number = Decimal::parse(unsigned).ok_or(WholePercentError::NotANumber)?;
    match number.scaled(0) {
        Scaled::Zero => Err(WholePercentError::NotPositive),
        _ if negative => Err(WholePercentError::NotPositive),
        Scaled::Exact(n) => Percent::new(n).map_err(|_| WholePercentError::AboveHundred),
        Scaled::Fine => Err(WholePercentError::NotWhole),
        Scaled::Huge => Err(WholePercentError::AboveHundred),
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_legal_spelling_of_a_half_is_50_percent() {
        for text in ["0.5", ".5", "0.50", "500m", "5e-1", "50E-2", "+0.5", "0.5e0", "500000u"] {
            assert_eq!(parse_fraction(text).map(Percent::get), Ok(50), "{text}");
        }
    }

    #[test]
    fn what_is_no_share_is_refused_with_its_reason() {
        use FractionError::*;
        let table = [
            ("0", Zero),
            ("0.00", Zero),
            ("-0", Zero),
            ("-1", Negative),
            ("-0.5", Negative),
            ("1.5", AboveOne),
            ("2", AboveOne),
            ("101", AboveOne),
            ("1Ki", AboveOne),
            ("1.001", AboveOne),
            ("0.001", TooFine),
            ("0.005", TooFine),
            ("333m", TooFine),
            ("1e-99", TooFine),
            ("1.234567890123456789", AboveOne),
            ("0.9999", TooFine),
            ("123456.001", AboveOne),
            ("1e99", AboveOne),
            ("0.50000000000000000000000001", TooFine),
            ("10000000000000000000000000", AboveOne),
            ("NaN", NotANumber),
            ("half", NotANumber),
            ("", NotANumber),
            (".", NotANumber),
            ("0.5.0", NotANumber),
            ("0,5", NotANumber),
            ("50%", NotANumber),
            ("1e", NotANumber),
            ("e-1", NotANumber),
            ("--1", NotANumber),
            ("1e+-1", NotANumber),
            ("inf", NotANumber),
        ];
        for (text, reason) in table {
            assert_eq!(parse_fraction(text), Err(reason), "{text}");
        }
    }

    #[test]
    fn every_legal_spelling_of_50_percent_is_read() {
        for text in ["50", "5e1", "50000m", "0.05k", "+50", "50.0"] {
            assert_eq!(parse_whole_percent(text).map(Percent::get), Ok(50), "{text}");
        }
    }

    #[test]
    fn what_is_no_percentage_is_refused_by_its_rule() {
        use WholePercentError::*;
        let table = [
            ("", NotANumber),
            ("half", NotANumber),
            ("0", NotPositive),
            ("-5", NotPositive),
            ("0.5", NotWhole),
            ("500m", NotWhole),
            ("101", AboveHundred),
            ("1k", AboveHundred),
            ("1e300", AboveHundred),
        ];
        for (text, error) in table {
            assert_eq!(parse_whole_percent(text), Err(error), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_percent_survives_being_written_as_a_fraction(percent in 1u64..=100) {
            let texts = [
                std::format!("{}.{:02}", percent / 100, percent % 100),
                std::format!("{}m", percent * 10),
                std::format!("{percent}e-2"),
            ];
            for text in texts {
                prop_assert_eq!(parse_fraction(&text).unwrap().get() as u64, percent);
            }
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = parse_fraction(&text);
        }
    }
}
