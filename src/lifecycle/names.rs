//! Names on Paperspace: how a machine is found again, whatever was lost.
//!
//! Paperspace has no tags and no idempotency keys, and names are not unique, so the name carries a mark made from the resource's uid.

use std::fmt;

/// How many hex digits of the uid make a mark.
const MARK_LENGTH: usize = 12;
/// Longest base of a name; what Paperspace itself allows is not documented.
const BASE_LENGTH: usize = 100;

/// The first 12 hex digits of a resource's uid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(String);

impl Mark {
    /// The mark of the resource with this uid.
    pub fn of_uid(uid: &str) -> Self {
        Self(uid.chars().filter(char::is_ascii_hexdigit).take(MARK_LENGTH).map(|c| c.to_ascii_lowercase()).collect())
    }

    /// The mark that a machine's name ends in, if it ends in one.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::in_name(name).map(|mark| Self(mark.to_owned()))
    }

    /// The same as it stands there.
    pub fn in_name(name: &str) -> Option<&str> {
        let (_, tail) = name.rsplit_once('-')?;
        let is_mark = tail.len() == MARK_LENGTH && tail.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        is_mark.then_some(tail)
    }

    /// The 12 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a machine on Paperspace: base, the cluster's id if one is set, mark.
pub fn machine_name(base: &str, cluster_id: Option<&str>, mark: &Mark) -> String {
    let base = cut(base);
    match cluster_id {
        Some(cluster) => format!("{base}-{cluster}-{mark}"),
        None => format!("{base}-{mark}"),
    }
}

/// The base of a name when the spec gives none.
pub fn default_base(namespace: &str, name: &str) -> String {
    cut(&format!("{namespace}-{name}")).to_owned()
}

/// A name without the mark (and the cluster's id) that it ends in.
pub fn base_of<'a>(name: &'a str, cluster_id: Option<&str>) -> &'a str {
    let Some(mark) = Mark::of_name(name) else { return name };
    let base = &name[..name.len() - mark.0.len() - 1];
    match cluster_id.and_then(|cluster| base.strip_suffix(cluster)).and_then(|rest| rest.strip_suffix('-')) {
        Some(shorter) if !shorter.is_empty() => shorter,
        _ => base,
    }
}

/// The value of the annotation that tells a restored object from a new one.
pub fn address(team: &str, machine_id: &str, mark: &Mark) -> String {
    format!("{team}/{machine_id}/{mark}")
}

/// Team, machine and mark of such an annotation.
pub fn parse_address(value: &str) -> Option<(&str, &str, &str)> {
    let mut parts = value.split('/');
    match (parts.next()?, parts.next()?, parts.next()?, parts.next()) {
        (team, machine, mark, None) => Some((team, machine, mark)),
        _ => None,
    }
}

/// The code of a region, whichever way it is spelt: `NY2`, `ny2`, `East Coast (NY2)`.
pub fn region_code(spelt: &str) -> String {
    let inner = spelt.rsplit_once('(').and_then(|(_, tail)| tail.split_once(')')).map_or(spelt, |(code, _)| code);
    inner.trim().to_ascii_uppercase()
}

fn cut(text: &str) -> &str {
    match text.char_indices().nth(BASE_LENGTH) {
        Some((end, _)) => text[..end].trim_end_matches(['-', '.', ' ', '_']),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "3f9c2a7b-51de-4c1a-9f00-000000000001";

    #[test]
    fn a_mark_is_found_again_in_the_name_that_was_made_with_it() {
        let mark = Mark::of_uid(UID);
        assert_eq!(mark.as_str(), "3f9c2a7b51de");
        for (base, cluster) in [("train", None), ("team-a-train", Some("prod")), ("a b.c_d", None)] {
            let name = machine_name(base, cluster, &mark);
            assert_eq!(Mark::of_name(&name), Some(mark.clone()), "{name}");
            assert_eq!(base_of(&name, cluster), base, "{name}");
        }
    }

    #[test]
    fn what_does_not_end_in_a_mark_has_none() {
        for name in
            ["train", "train-", "train-3f9c2a7b51d", "train-3f9c2a7b51dee", "train-3F9C2A7B51DE", "3f9c2a7b51de", "train-3f9c2a7b51dg"]
        {
            assert_eq!(Mark::of_name(name), None, "{name}");
            assert_eq!(base_of(name, None), name);
        }
        assert_eq!(base_of("-prod-3f9c2a7b51de", Some("prod")), "-prod", "a base is never empty");
    }

    #[test]
    fn long_names_are_cut_at_a_character() {
        let base = default_base(&"n".repeat(63), &"é".repeat(253));
        assert_eq!(base.chars().count(), 100);
        assert!(machine_name(&base, Some("prod"), &Mark::of_uid(UID)).ends_with("-prod-3f9c2a7b51de"));
    }

    #[test]
    fn regions_are_one_code_however_spelt() {
        for spelt in ["NY2", "ny2", "East Coast (NY2)", " ny2 "] {
            assert_eq!(region_code(spelt), "NY2");
        }
        assert_eq!(region_code("Europe (AMS1)"), "AMS1");
    }

    #[test]
    fn an_address_is_read_back() {
        let mark = Mark::of_uid(UID);
        assert_eq!(parse_address(&address("te1", "ps1", &mark)), Some(("te1", "ps1", "3f9c2a7b51de")));
        assert_eq!(parse_address("te1/ps1"), None);
        assert_eq!(parse_address("a/b/c/d"), None);
    }
}
