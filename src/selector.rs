//! Label selectors as people write them: those of kubectl's `-l`.

use std::collections::BTreeSet;

use kube::core::{Expression, Selector};

use crate::args::is_dns_name;

const ALLOWED: &str =
    "allowed are requirements on labels, separated by commas: key, !key, key=value, key!=value, key in (a,b), key notin (a,b)";

/// What the text selects. An empty one is refused, since it would select everything.
pub(crate) fn parse(text: &str) -> Result<Selector, String> {
    let all: Option<Vec<Expression>> = parts(text).into_iter().map(|part| requirement(part.trim())).collect();
    all.map(Selector::from_iter).ok_or_else(|| ALLOWED.to_owned())
}

/// Parts separated by commas that are not between parentheses.
fn parts(text: &str) -> Vec<&str> {
    let mut inside = false;
    let separates = |c: char| {
        inside = c == '(' || inside && c != ')';
        c == ',' && !inside
    };
    text.split(separates).collect()
}

fn requirement(text: &str) -> Option<Expression> {
    if let Some(key) = text.strip_prefix('!') {
        return Some(Expression::DoesNotExist(label(key)?));
    }
    if let Some((head, list)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        let values: Option<BTreeSet<String>> = list.split(',').map(value).collect();
        let (key, operator) = head.trim().rsplit_once(char::is_whitespace)?;
        return match operator {
            "in" => Some(Expression::In(label(key)?, values?)),
            "notin" => Some(Expression::NotIn(label(key)?, values?)),
            _ => None,
        };
    }
    if let Some((key, other)) = text.split_once("!=") {
        return Some(Expression::NotEqual(label(key)?, value(other)?));
    }
    if let Some((key, same)) = text.split_once('=') {
        return Some(Expression::Equal(label(key)?, value(same.strip_prefix('=').unwrap_or(same))?));
    }
    Some(Expression::Exists(label(text)?))
}

/// The name of a label, with a prefix or without.
fn label(text: &str) -> Option<String> {
    let text = text.trim();
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    (prefix.is_none_or(is_dns_name) && !name.is_empty() && is_word(name)).then(|| text.to_owned())
}

/// A label's value, which may be empty.
fn value(text: &str) -> Option<String> {
    let text = text.trim();
    (text.is_empty() || is_word(text)).then(|| text.to_owned())
}

fn is_word(text: &str) -> bool {
    let edge = |c: char| c.is_ascii_alphanumeric();
    text.len() <= 63 && text.starts_with(edge) && text.ends_with(edge) && text.chars().all(|c| edge(c) || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use kube::core::SelectorExt as _;

    #[test]
    fn what_kubectl_selects_is_selected() {
        for (text, sent) in [
            ("team=ml", "team=ml"),
            ("team == ml , tier != dev", "team=ml,tier!=dev"),
            ("example.dev/team in (ml, web),tier notin (dev)", "example.dev/team in (ml,web),tier notin (dev)"),
            ("team,!tier", "team,!tier"),
            ("team=", "team="),
            ("A_b.c in (x)", "A_b.c in (x)"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), sent, "{text}");
        }
        let selector = parse("team in (ml,web),tier!=dev").unwrap();
        let labels = |all: &[(&str, &str)]| all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert!(selector.matches(&labels(&[("team", "web")])));
        assert!(!selector.matches(&labels(&[("team", "web"), ("tier", "dev")])));
        assert!(!selector.matches(&labels(&[])));
    }

    #[test]
    fn what_kubernetes_would_refuse_or_would_select_everything_is_refused() {
        let long = "a".repeat(64);
        for text in [
            "",
            ",",
            "a,,b",
            "=x",
            "!",
            "a b",
            "a>1",
            "a in",
            "a in b",
            "a in (b",
            "a near (b)",
            "in (b)",
            "-a=b",
            "a=-b",
            "a=b=c",
            "a=b)",
            "UP/x=1",
            "/x",
            "a/",
            "a=(b)",
            &long,
            &format!("a={long}"),
        ] {
            assert!(parse(text).unwrap_err().contains("key in (a,b)"), "{text}");
        }
    }
}
