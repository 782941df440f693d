//! Text of others, made fit for status, events and logs.

/// The most that is kept of one text.
pub const MAX_TEXT_BYTES: usize = 1024;

/// Text of the API without what could deceive a reader: control characters are dropped (white space among them becomes a space), so
/// are those that turn the direction of writing or are invisible; what is left is trimmed and cut at [`MAX_TEXT_BYTES`] on a
/// character's border.
pub fn clean_text(text: &str) -> String {
    clean_text_to(text, MAX_TEXT_BYTES)
}

/// [`clean_text`] with another limit.
pub(crate) fn clean_text_to(text: &str, limit: usize) -> String {
    const CUT: &str = "…";
    let mut clean = String::with_capacity(text.len().min(limit));
    for c in text.trim_end().chars() {
        let c = match c {
            '\t' | '\n' | '\r' | '\u{2028}' | '\u{2029}' => ' ',
            c if c.is_control() || is_invisible(c) => continue,
            c => c,
        };
        // What is trimmed is what is left: space may come after what was dropped.
        if clean.is_empty() && c.is_whitespace() {
            continue;
        }
        if clean.len() + c.len_utf8() > limit {
            while clean.len() + CUT.len() > limit && clean.pop().is_some() {}
            clean.push_str(CUT);
            break;
        }
        clean.push(c);
    }
    clean.truncate(clean.trim_end().len());
    clean
}

fn is_invisible(c: char) -> bool {
    matches!(c,
        // Direction: Arabic letter mark, left-to-right and right-to-left marks, embeddings, overrides, isolates.
        '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'
        // Nothing to see: zero widths, word joiner, byte order mark, tags.
        | '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2064}' | '\u{FEFF}' | '\u{E0000}'..='\u{E007F}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_bidi_characters_go() {
        for (dirty, clean) in [
            ("plain", "plain"),
            ("two\nlines\r\n", "two lines"),
            ("\u{1b}[31mred\u{1b}[0m", "[31mred[0m"),
            ("nul\0del\u{7f}c1\u{9b}", "nuldelc1"),
            ("a\u{202e}b\u{2066}c\u{2069}\u{200f}\u{61c}", "abc"),
            ("z\u{200b}w\u{feff}j", "zwj"),
            ("Größe 大 🚀", "Größe 大 🚀"),
            (" \n ", ""),
            ("\0 first", "first"),
            ("last \0", "last"),
        ] {
            assert_eq!(clean_text(dirty), clean, "{dirty:?}");
        }
    }

    #[test]
    fn long_text_is_cut_on_a_character() {
        for c in ["x", "é", "大", "🚀"] {
            for lead in 0..4 {
                let cut = clean_text(&format!("{}{}", "-".repeat(lead), c.repeat(2000)));
                assert!(cut.len() <= MAX_TEXT_BYTES && cut.len() > MAX_TEXT_BYTES - 8, "{} bytes", cut.len());
                assert!(cut.ends_with('…'));
            }
        }
        assert_eq!(clean_text(&"x".repeat(MAX_TEXT_BYTES)).len(), MAX_TEXT_BYTES);
        assert!(!clean_text(&"x".repeat(MAX_TEXT_BYTES)).ends_with('…'));
    }
}
