//! Refuses the options that `--read` leaves without a meaning.

use crate::cli::args::{OptionRow, find};

/// Checks the words that [`crate::cli::argv::read`] returns.
///
/// # Errors
/// `--read` was given together with an option about servers and connections: names both.
pub fn refuse_options(words: &[String]) -> Result<(), String> {
    let mut given = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(row) = find(&|row| row.long == word) else { continue };
        given.push(row);
        if row.value.is_some() {
            words.next();
        }
    }
    match given.iter().find(|row| is_about_connections(row)) {
        Some(row) if given.iter().any(|row| row.long == "--read") => Err(format!(
            "{} and --read exclude each other: saved data is read, and no server is connected to",
            row.long
        )),
        _ => Ok(()),
    }
}

/// Returns true for the options of these groups, but for those that the messages need, and for three others.
fn is_about_connections(row: &OptionRow) -> bool {
    match row.long {
        "--dialect" | "--max-message" => false,
        "--when-full" | "--listen" | "--on-alert" => true,
        _ => ["Servers", "Connections", "Requests"].contains(&row.group),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_about_connections_is_refused_with_read_and_any_other_is_not() {
        let line = |words: &str| refuse_options(&words.split(' ').map(str::to_owned).collect::<Vec<_>>());
        for option in [
            "--uri x",
            "--ping-interval 5",
            "--header x",
            "--insecure",
            "--request x",
            "--demo ",
            "--probe h",
            "--listen 1",
            "--on-alert x",
        ] {
            let name = option.split(' ').next().unwrap_or_default();
            let why =
                format!("{name} and --read exclude each other: saved data is read, and no server is connected to");
            assert_eq!(line(&format!("--read f {option}")), Err(why.clone()));
            assert_eq!(line(&format!("{option} --read f")), Err(why));
            assert_eq!(line(option), Ok(()));
        }
        for option in
            ["--dialect x", "--max-message 5", "--every 5", "--save-data x", "--check", "--stats", "--duration 5"]
        {
            assert_eq!(line(&format!("--read f {option}")), Ok(()));
        }
        assert_eq!(line("--read --uri --template --demo"), Ok(()));
    }
}
