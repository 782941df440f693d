//! All pairs: a few combinations in which any two options of any two questions meet.

use std::collections::BTreeSet;

/// Two questions, each with its option.
type Pair = ((usize, usize), (usize, usize));

/// Combinations, each an option for every question, of which there are so many.
pub(crate) fn combinations(options: &[usize]) -> Vec<Vec<usize>> {
    let mut left: BTreeSet<Pair> = all(options);
    let mut rows = Vec::new();
    while let Some(&((a, x), (b, y))) = left.first() {
        let mut row: Vec<Option<usize>> = vec![None; options.len()];
        (row[a], row[b]) = (Some(x), Some(y));
        for question in 0..options.len() {
            if row[question].is_some() {
                continue;
            }
            let known: Vec<(usize, usize)> = row.iter().enumerate().filter_map(|(q, option)| Some((q, (*option)?))).collect();
            let new = |option: &usize| known.iter().filter(|other| left.contains(&pair(**other, (question, *option)))).count();
            // Of options that are as good, the later rows do not all have the first.
            let turned = (0..options[question]).map(|option| (option + rows.len()) % options[question]);
            row[question] = turned.max_by_key(new);
        }
        let row: Vec<usize> = row.into_iter().flatten().collect();
        left.retain(|((a, x), (b, y))| row[*a] != *x || row[*b] != *y);
        rows.push(row);
    }
    rows
}

fn pair(one: (usize, usize), other: (usize, usize)) -> Pair {
    (one.min(other), one.max(other))
}

fn all(options: &[usize]) -> BTreeSet<Pair> {
    let of = |question: usize| (0..options[question]).map(move |option| (question, option));
    (0..options.len()).flat_map(|a| (a + 1..options.len()).flat_map(move |b| of(a).flat_map(move |x| of(b).map(move |y| (x, y))))).collect()
}

#[test]
fn every_pair_is_in_a_combination_and_they_are_few() {
    let options = [2, 3, 4, 2, 3, 2, 4, 2];
    let rows = combinations(&options);
    let met: BTreeSet<Pair> =
        rows.iter().flat_map(|row| (0..row.len()).flat_map(move |a| (a + 1..row.len()).map(move |b| ((a, row[a]), (b, row[b]))))).collect();
    assert_eq!(met, all(&options));
    assert!(rows.iter().all(|row| row.len() == options.len()) && (16..=24).contains(&rows.len()), "{rows:?}");
}
