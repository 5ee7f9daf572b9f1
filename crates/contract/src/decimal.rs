//! Decimal numbers as Kubernetes writes quantities, exact and without floating point.

/// Whether the text begins with a minus, and what follows its sign.
pub(crate) fn split_sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

/// `digits × 10^exponent`.
pub(crate) struct Decimal {
    digits: u64,
    exponent: i32,
}

/// A decimal times a power of ten.
pub(crate) enum Scaled {
    Zero,
    Exact(u64),
    Fine,
    Huge,
}

impl Decimal {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (mut number, suffix) = Self::mantissa(text)?;
        number.exponent = number.exponent.saturating_add(suffix_exponent(suffix)?);
        Some(number)
    }

    /// The number at the beginning of `text`, and the suffix behind it.
    pub(crate) fn mantissa(text: &str) -> Option<(Self, &str)> {
        let len = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let (mantissa, suffix) = text.split_at(len);
        let mut number = Self { digits: 0, exponent: 0 };
        let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        if whole.is_empty() && decimals.is_empty() || decimals.contains('.') {
            return None;
        }
        whole.bytes().for_each(|digit| number.push(digit, false));
        decimals.bytes().for_each(|digit| number.push(digit, true));
        Some((number, suffix))
    }

    /// Appends a digit. Past 18 significant digits a decimal cannot matter except by being there,
    /// which one sticky last digit keeps.
    fn push(&mut self, digit: u8, is_decimal: bool) {
        const FULL: u64 = 1_000_000_000_000_000_000;
        let value = u64::from(digit - b'0');
        if self.digits < FULL / 10 {
            self.digits = self.digits * 10 + value;
            self.exponent = self.exponent.saturating_sub(i32::from(is_decimal));
        } else {
            self.digits |= u64::from(value != 0);
            self.exponent = self.exponent.saturating_add(i32::from(!is_decimal));
        }
    }

    /// The number times `unit`, rounded down; `None` beyond 64 bits.
    pub(crate) fn times(&self, unit: u64) -> Option<u64> {
        let product = u128::from(self.digits) * u128::from(unit);
        let power = 10u128.checked_pow(self.exponent.unsigned_abs());
        let value = match (self.exponent, power) {
            (0.., Some(power)) => product.checked_mul(power)?,
            (0.., None) => return (product == 0).then_some(0),
            (_, Some(power)) => product / power,
            (_, None) => 0,
        };
        u64::try_from(value).ok()
    }

    /// The number times `10^power`, exactly.
    pub(crate) fn scaled(&self, power: i32) -> Scaled {
        if self.digits == 0 {
            return Scaled::Zero;
        }
        let (mut digits, mut exponent) = (self.digits, self.exponent.saturating_add(power));
        while exponent < 0 && digits.is_multiple_of(10) {
            (digits, exponent) = (digits / 10, exponent + 1);
        }
        match exponent {
            0.. => (0..exponent.min(20))
                .try_fold(digits, |value, _| value.checked_mul(10))
                .map_or(Scaled::Huge, Scaled::Exact),
            // 18 digits hold less than 10^18: whatever is left over a hundred is above one.
            _ => match 10u64.checked_pow(exponent.unsigned_abs()) {
                Some(scale) if digits / scale >= 100 => Scaled::Huge,
                _ => Scaled::Fine,
            },
        }
    }
}

/// The power of ten that a quantity's suffix stands for; binary suffixes only ever say "above one"
/// here, so the nearest power of ten below serves.
fn suffix_exponent(suffix: &str) -> Option<i32> {
    Some(match suffix {
        "" => 0,
        "n" => -9,
        "u" => -6,
        "m" => -3,
        "k" | "Ki" => 3,
        "M" | "Mi" => 6,
        "G" | "Gi" => 9,
        "T" | "Ti" => 12,
        "P" | "Pi" => 15,
        "E" | "Ei" => 18,
        _ => {
            let digits = suffix.strip_prefix(['e', 'E'])?;
            let magnitude = digits.trim_start_matches(['+', '-']);
            let signs = digits.len() - magnitude.len();
            let is_number = !magnitude.is_empty() && magnitude.bytes().all(|b| b.is_ascii_digit());
            if signs > 1 || !is_number {
                return None;
            }
            let value: i32 = magnitude.parse().unwrap_or(i32::MAX / 2);
            if digits.starts_with('-') { -value } else { value }
        }
    })
}
