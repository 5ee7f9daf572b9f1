//! Kubernetes' quantities as the API server has them: parsed, rounded up to thousandths in a resource
//! list, and written in canonical form (apimachinery `resource.Quantity`; facts/kubelet.md).

/// A number in billionths, and the form in which it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Quantity {
    pub(crate) nano: i128,
    form: Form,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Form {
    Decimal,
    Binary,
    Exponent,
}

const DECIMAL: [(&str, i32); 9] =
    [("E", 18), ("P", 15), ("T", 12), ("G", 9), ("M", 6), ("k", 3), ("", 0), ("m", -3), ("u", -6)];
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
/// Past this a quantity is cut off, as the real one is at 64 bits.
const MOST: i128 = (i64::MAX as i128) * 1_000_000_000;

impl Quantity {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let len = unsigned.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let (number, suffix) = unsigned.split_at(len);
        let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && decimals.is_empty() || decimals.contains('.') {
            return None;
        }
        let (form, power, unit) = of_suffix(suffix)?;
        let digits = format!("{whole}{decimals}");
        let digits = digits.trim_start_matches('0');
        let digits: i128 =
            if digits.is_empty() { 0 } else { digits.get(..30).unwrap_or(digits).parse().ok()? };
        let shift = power + 9 - decimals.len() as i32;
        let nano = scaled(digits.checked_mul(unit)?, shift).min(MOST);
        let nano = if text.starts_with('-') { -nano } else { nano };
        Some(Self { nano, form })
    }

    /// Rounded up to thousandths, as in every resource list that is admitted.
    pub(crate) fn in_a_list(self) -> Self {
        Self {
            nano: self.nano.div_euclid(1_000_000) * 1_000_000
                + if self.nano.rem_euclid(1_000_000) == 0 { 0 } else { 1_000_000 },
            ..self
        }
    }

    pub(crate) fn is_whole(self) -> bool {
        self.nano % 1_000_000_000 == 0
    }

    /// As the API server writes it.
    pub(crate) fn canonical(self) -> String {
        let whole = self.nano / 1_000_000_000;
        if self.form == Form::Binary && self.is_whole() && whole.abs() >= 1024 {
            let mut unit = (whole, 0);
            while unit.0 % 1024 == 0 && unit.1 < 6 {
                unit = (unit.0 / 1024, unit.1 + 1);
            }
            return format!("{}{}", unit.0, BINARY[unit.1]);
        }
        if self.nano == 0 {
            return "0".to_owned();
        }
        let fits = |(_, power): &&(&str, i32)| self.nano % 10i128.pow((power + 9) as u32) == 0;
        let (suffix, power) = DECIMAL.iter().find(fits).copied().unwrap_or(("n", -9));
        let digits = self.nano / 10i128.pow((power + 9) as u32);
        match (self.form, power) {
            (Form::Exponent, 0) => digits.to_string(),
            (Form::Exponent, _) => format!("{digits}e{power}"),
            _ => format!("{digits}{suffix}"),
        }
    }
}

/// Form, power of ten and factor.
fn of_suffix(suffix: &str) -> Option<(Form, i32, i128)> {
    if let Some(index) = BINARY.iter().skip(1).position(|unit| *unit == suffix) {
        return Some((Form::Binary, 0, 1i128 << (10 * (index + 1))));
    }
    let decimal = DECIMAL.iter().chain(&[("n", -9)]).find(|(unit, _)| *unit == suffix);
    if let Some((_, power)) = decimal {
        return Some((Form::Decimal, *power, 1));
    }
    let power = suffix.strip_prefix(['e', 'E'])?;
    Some((Form::Exponent, power.parse().ok()?, 1))
}

/// `digits × 10^shift`, rounded up.
fn scaled(digits: i128, shift: i32) -> i128 {
    let power = 10i128.checked_pow(shift.unsigned_abs());
    match (shift, power) {
        (0.., Some(power)) => digits.checked_mul(power).unwrap_or(MOST),
        (0.., None) => {
            if digits == 0 {
                0
            } else {
                MOST
            }
        }
        (_, Some(power)) => (digits + power - 1) / power,
        (_, None) => i128::from(digits != 0),
    }
}

#[test]
fn quantities_are_written_as_a_real_api_server_was_seen_to_write_them() {
    let table = [
        ("0.5", "500m"),
        (".25", "250m"),
        ("0.33333", "334m"),
        ("1e-1", "100e-3"),
        ("0.9999", "1"),
        ("5e-1", "500e-3"),
        ("1", "1"),
        ("2000", "2k"),
        ("12Gi", "12Gi"),
        ("0", "0"),
        ("-0.5", "-500m"),
    ];
    for (text, canonical) in table {
        let quantity = Quantity::parse(text).expect(text);
        assert_eq!(quantity.in_a_list().canonical(), canonical, "{text}");
    }
    for text in ["", "half", ".", "1.2.3", "1e", "--1", "5 m", "1kk"] {
        assert_eq!(Quantity::parse(text), None, "{text}");
    }
}
