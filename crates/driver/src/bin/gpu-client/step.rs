//! The words of a script. Pure.

use std::str::FromStr;
use std::time::Duration;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Info,
    Mem,
    Device(u32),
    Alloc(Shape),
    Fill(u64),
    CopyCheck(u64),
    Launch(u32, Duration),
    Free,
    Reset,
    Hold,
}

/// How memory is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Linear(u64),
    Pitch(u64, u64),
    Managed(u64),
}

impl Step {
    /// The word before the `=`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Mem => "mem",
            Self::Device(_) => "device",
            Self::Alloc(Shape::Linear(_)) => "alloc",
            Self::Alloc(Shape::Pitch(..)) => "pitch",
            Self::Alloc(Shape::Managed(_)) => "managed",
            Self::Fill(_) => "fill",
            Self::CopyCheck(_) => "copy-check",
            Self::Launch(..) => "launch",
            Self::Free => "free",
            Self::Reset => "reset",
            Self::Hold => "hold",
        }
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        match (name, value) {
            ("info", None) => Ok(Self::Info),
            ("mem", None) => Ok(Self::Mem),
            ("device", Some(value)) => Ok(Self::Device(number(value)?)),
            ("alloc", Some(value)) => Ok(Self::Alloc(Shape::Linear(size(value)?))),
            ("pitch", Some(value)) => pitch(value),
            ("managed", Some(value)) => Ok(Self::Alloc(Shape::Managed(size(value)?))),
            ("fill", Some(value)) => granule(value),
            ("copy-check", None) => Ok(Self::CopyCheck(1 << 20)),
            ("copy-check", Some(value)) => Ok(Self::CopyCheck(size(value)?)),
            ("launch", Some(value)) => launch(value),
            ("free", None) => Ok(Self::Free),
            ("reset", None) => Ok(Self::Reset),
            ("hold", None) => Ok(Self::Hold),
            _ => Err(format!("`{text}` is no step; --help says which there are")),
        }
    }
}

fn granule(value: &str) -> Result<Step, String> {
    match size(value)? {
        0 => Err("fill needs a size above 0, such as 2M".to_owned()),
        bytes => Ok(Step::Fill(bytes)),
    }
}

fn pitch(value: &str) -> Result<Step, String> {
    let (width, height) =
        value.split_once('x').ok_or_else(|| format!("`{value}` is not WIDTHxHEIGHT"))?;
    Ok(Step::Alloc(Shape::Pitch(size(width)?, size(height)?)))
}

fn launch(value: &str) -> Result<Step, String> {
    let (count, microseconds) = value.split_once('x').unwrap_or((value, "10"));
    let microseconds: u32 = number(microseconds)?;
    Ok(Step::Launch(number(count)?, Duration::from_micros(microseconds.into())))
}

fn size(text: &str) -> Result<u64, String> {
    let (digits, factor) = match text.chars().last() {
        Some('K') => (&text[..text.len() - 1], 1 << 10),
        Some('M') => (&text[..text.len() - 1], 1 << 20),
        Some('G') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    let bytes = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(factor));
    bytes.ok_or_else(|| format!("`{text}` is no size; write bytes, or a number with K, M or G"))
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("`{text}` is no number from 0 to {}", u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_bytes_or_a_binary_unit() {
        assert_eq!("alloc=64M".parse(), Ok(Step::Alloc(Shape::Linear(64 << 20))));
        assert_eq!("alloc=100".parse(), Ok(Step::Alloc(Shape::Linear(100))));
    }

    #[test]
    fn a_launch_takes_ten_microseconds_unless_it_says_otherwise() {
        let time = Duration::from_micros;
        assert_eq!("launch=3".parse(), Ok(Step::Launch(3, time(10))));
        assert_eq!("launch=3x500".parse(), Ok(Step::Launch(3, time(500))));
    }

    #[test]
    fn what_is_no_step_is_refused_by_its_name() {
        for text in
            ["dance", "alloc", "alloc=", "alloc=1T", "fill=0", "free=1", "pitch=4", "alloc=€"]
        {
            assert!(text.parse::<Step>().is_err(), "{text}");
        }
        let huge = "alloc=18446744073709551615G";
        assert!(huge.parse::<Step>().is_err_and(|error| error.contains("no size")));
    }
}
