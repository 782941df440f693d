//! Readers that take what the API really sends.

use serde::{Deserialize, Deserializer};

pub(super) fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(d: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Numeric {
    Number(f64),
    Text(String),
}

pub(super) fn optional_number<'de, D: Deserializer<'de>>(d: D) -> Result<Option<f64>, D::Error> {
    match Option::<Numeric>::deserialize(d)? {
        None => Ok(None),
        Some(Numeric::Number(n)) => Ok(Some(n)),
        Some(Numeric::Text(text)) => {
            let number = text.trim().parse().ok().filter(|n: &f64| n.is_finite());
            number.map(Some).ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not a number")))
        }
    }
}

pub(super) fn number<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
    Ok(optional_number(d)?.unwrap_or_default())
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Integral {
    Number(u64),
    Float(f64),
    Text(String),
}

/// 2^64.
const TOO_MANY: f64 = 18_446_744_073_709_551_616.0;

pub(super) fn integer<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    match Option::<Integral>::deserialize(d)? {
        None => Ok(0),
        Some(Integral::Number(n)) => Ok(n),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be a whole number of bytes")]
        Some(Integral::Float(n)) if (0.0..TOO_MANY).contains(&n) && n.fract() == 0.0 => Ok(n as u64),
        Some(Integral::Float(n)) => Err(serde::de::Error::custom(format!("{n} is not a number of bytes"))),
        Some(Integral::Text(text)) => {
            text.trim().parse().map_err(|_| serde::de::Error::custom(format!("{text:?} is not a number of bytes")))
        }
    }
}
