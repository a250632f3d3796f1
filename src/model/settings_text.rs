//! The text of a small file that holds settings: a URI, a token, headers, a message to send.

/// Removes byte order marks, white space and line ends at both ends.
#[must_use]
pub fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c == '\u{feff}' || c.is_whitespace())
}

/// The lines that hold something, trimmed, each with its number, counted from 1. Empty lines and those that begin with
/// `#` are left out.
pub fn items(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(i, line)| (i + 1, trim(line)));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// Returns the only item of a text, `what` by name.
///
/// # Errors
/// If there is none, or a second one: names its line.
pub fn only_item<'t>(text: &'t str, what: &str) -> Result<&'t str, String> {
    let mut items = items(text);
    match (items.next(), items.next()) {
        (None, _) => Err(format!("no {what} is in it")),
        (Some((_, item)), None) => Ok(item),
        (_, Some((number, _))) => Err(format!("line {number}: only one {what} may stand in it")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_blanks_line_ends_and_comments_around_an_item_do_not_matter() {
        for text in
            ["x y", "x y\n", "\u{feff}x y\r\n", " \t\r\n\n# a comment\n  # another\n\tx y \n\n", "\u{feff}# c\nx y"]
        {
            assert_eq!(only_item(text, "word"), Ok("x y"), "{text:?}");
        }
    }

    #[test]
    fn a_missing_and_a_second_item_are_errors() {
        for text in ["", "\n", " \r\n", "\u{feff}", "# x\n"] {
            assert_eq!(only_item(text, "word"), Err("no word is in it".to_owned()), "{text:?}");
        }
        for (text, number) in [("x\ny", 2), ("# c\nx\n\n# d\ny\nz", 5)] {
            assert_eq!(only_item(text, "word"), Err(format!("line {number}: only one word may stand in it")));
        }
    }

    #[test]
    fn every_item_has_the_number_of_its_line() {
        let all: Vec<_> = items("a\n\n#b\r\n c\r\n").collect();
        assert_eq!(all, [(1, "a"), (4, "c")]);
    }
}
