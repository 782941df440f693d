//! The text of a startup script, which may hold secrets: it can be compared, sent and told apart by its hash, and is never shown.

use ring::digest::{Context, SHA256};
use secrecy::{ExposeSecret, SecretString};

/// Hex digits of the hash that are kept: enough to tell texts apart, too few to be worth guessing against.
const DIGITS: usize = 16;

/// A startup script's text.
#[derive(Clone, Debug)]
pub struct ScriptText(SecretString);

impl ScriptText {
    /// This text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// For the request that carries it.
    pub fn secret(&self) -> SecretString {
        self.0.clone()
    }

    /// The beginning of the SHA-256 of the text and of how it is run.
    pub fn hash(&self, run_once: bool) -> String {
        let mut context = Context::new(&SHA256);
        context.update(if run_once { b"once\n" } else { b"always\n" });
        context.update(self.0.expose_secret().as_bytes());
        let digest = context.finish();
        let digits = digest.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]).take(DIGITS);
        digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
    }
}

impl PartialEq for ScriptText {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_told_apart_by_its_hash_and_never_shown() {
        let text = ScriptText::new("apt install hunter2");
        assert!(!format!("{text:?}").contains("hunter2"));
        assert_eq!(text.hash(false).len(), DIGITS);
        assert_ne!(text.hash(false), text.hash(true));
        assert_ne!(text.hash(false), ScriptText::new("apt install").hash(false));
        assert_eq!(text.hash(true), text.clone().hash(true));
    }
}
