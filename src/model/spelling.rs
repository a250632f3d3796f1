//! Suggestions for misspelled names.

/// Returns the first name with the prefix `name`, else the name at the smallest edit distance. `None` if none is close.
/// Case does not count, and `-` is the same as `_`.
#[must_use]
pub fn closest<'n>(name: &str, names: &[&'n str]) -> Option<&'n str> {
    /// In bytes; no name is as long, and the distance costs the product of both lengths.
    const LONGEST: usize = 40;
    if name.len() > LONGEST {
        return None;
    }
    let name = folded(name);
    let completed = names.iter().find(|known| name.len() > 1 && folded(known).starts_with(&name));
    if completed.is_some() {
        return completed.copied();
    }
    let (mut fewest, mut best) = (2 + name.len() / 4, None);
    for known in names {
        let edits = distance(&name, &folded(known));
        if edits < fewest {
            (fewest, best) = (edits, Some(*known));
        }
    }
    best
}

fn folded(name: &str) -> String {
    name.to_ascii_lowercase().replace('-', "_")
}

/// Returns the Levenshtein distance in bytes. Keeps one row of the matrix.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut corner = i;
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = corner + usize::from(x != y);
            corner = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_has_the_prefix_or_the_smallest_distance() {
        let names = ["cpu", "memory", "memory_used", "load1", "load5", "gpu", "up", "uptime"];
        for (name, meant) in [
            ("mem", Some("memory")),
            ("CPU", Some("cpu")),
            ("cpus", Some("cpu")),
            ("memroy", Some("memory")),
            ("memory-used", Some("memory_used")),
            ("MEMORY-U", Some("memory_used")),
            ("load", Some("load1")),
            ("uptim", Some("uptime")),
            ("bogus", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(closest(name, &names), meant, "{name}");
        }
        assert_eq!(closest(&"c".repeat(1 << 20), &names), None);
    }

    #[test]
    fn the_distance_counts_missing_surplus_and_wrong_letters() {
        for (a, b, edits) in [("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("abc", "abc", 0)] {
            assert_eq!(distance(a, b), edits);
        }
    }
}
