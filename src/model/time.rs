//! The sooner of two deadlines.

use std::time::Instant;

/// Whichever comes first of those there are.
pub fn sooner(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_later_than_any() {
        let now = Instant::now();
        let later = Some(now + std::time::Duration::from_secs(1));
        assert_eq!(sooner(Some(now), later), Some(now));
        assert_eq!(sooner(later, Some(now)), Some(now));
        assert_eq!(sooner(None, later), later);
        assert_eq!(sooner(later, None), later);
        assert_eq!(sooner(None, None), None);
    }
}
