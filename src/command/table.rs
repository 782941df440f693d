//! Tables for people, as kubectl prints them.

/// Columns as wide as what is in them, three spaces apart; nothing after the last.
pub(super) fn aligned<const N: usize>(header: &[&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<[String; N]> = std::iter::once(header.map(str::to_owned)).chain(rows).collect();
    let width = |text: &str| text.chars().count();
    let widths: [usize; N] = std::array::from_fn(|column| rows.iter().map(|row| width(&row[column])).max().unwrap_or_default());
    let mut text = String::new();
    for row in rows {
        let padded = row.iter().zip(widths).map(|(cell, wide)| format!("{cell}{}", " ".repeat(wide - width(cell))));
        text.push_str(padded.collect::<Vec<_>>().join("   ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_characters_and_nothing_trails() {
        let rows = [["größer".to_owned(), "x".to_owned()], ["a".to_owned(), "-".to_owned()]];
        assert_eq!(aligned(&["NAME", "Y"], rows.into_iter()), "NAME     Y\ngrößer   x\na        -\n");
    }
}
