//! Capabilities of stdout: colours, and characters beyond ASCII.

use std::ffi::OsString;

use super::plan::{Env, Glyphs, When};

/// Decides on colours. The first of these that is set wins: the option, `NO_COLOR`, `CLICOLOR_FORCE`; then only for a
/// terminal `CLICOLOR=0` and `TERM`.
pub fn colored(when: When, stdout_is_terminal: bool, env: Env) -> bool {
    let is_set = |name| text(env, name).is_some_and(|value| !value.is_empty());
    let is_zero = |name| text(env, name).is_some_and(|value| value == "0");
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto if is_set("NO_COLOR") => false,
        When::Auto if is_set("CLICOLOR_FORCE") && !is_zero("CLICOLOR_FORCE") => true,
        When::Auto => {
            stdout_is_terminal
                && !is_zero("CLICOLOR")
                && text(env, "TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
        }
    }
}

/// Decides on characters beyond ASCII. Output to pipes and files does not depend on the locale, so that a cron job writes
/// the same as a shell.
pub fn unicode(glyphs: Glyphs, stdout_is_terminal: bool, env: Env) -> bool {
    match glyphs {
        Glyphs::Ascii => false,
        Glyphs::Unicode => true,
        Glyphs::Auto => !stdout_is_terminal || locale_is_utf_8(env),
    }
}

/// The first of the three variables that is not empty counts; with none set the locale is "C" (POSIX, 8.2).
fn locale_is_utf_8(env: Env) -> bool {
    let mut names = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter();
    let locale = names.find_map(|name| text(env, name).filter(|value| !value.is_empty()));
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    locale.split(['.', '@']).any(|part| matches!(part, "utf-8" | "utf8"))
}

fn text(env: Env, name: &str) -> Option<String> {
    env(name).map(OsString::into_string)?.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `decide` with an environment such as `"NO_COLOR=1 TERM=xterm"`.
    fn with<T>(variables: &str, decide: impl Fn(Env) -> T) -> T {
        decide(&|name: &str| {
            let mut pairs = variables.split(' ').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value.into())
        })
    }

    #[test]
    fn colour_follows_the_first_setting_that_applies() {
        for (terminal, variables, expected) in [
            (true, "TERM=xterm", true),
            (false, "TERM=xterm", false),
            (true, "TERM=xterm NO_COLOR=1", false),
            (true, "TERM=xterm NO_COLOR=", true),
            (true, "TERM=xterm NO_COLOR=1 CLICOLOR_FORCE=1", false),
            (false, "CLICOLOR_FORCE=1", true),
            (false, "TERM=dumb CLICOLOR=0 CLICOLOR_FORCE=1", true),
            (false, "TERM=xterm CLICOLOR_FORCE=0", false),
            (true, "TERM=xterm CLICOLOR_FORCE=0", true),
            (true, "TERM=xterm CLICOLOR=0", false),
            (true, "TERM=xterm CLICOLOR=1", true),
            (true, "TERM=dumb", false),
            (true, "", false),
        ] {
            let auto = with(variables, |env| colored(When::Auto, terminal, env));
            assert_eq!(auto, expected, "terminal: {terminal}, {variables}");
        }
    }

    #[test]
    fn the_option_overrides_every_variable() {
        assert!(with("NO_COLOR=1", |env| colored(When::Always, false, env)));
        assert!(!with("CLICOLOR_FORCE=1", |env| colored(When::Never, true, env)));
    }

    #[test]
    fn only_a_terminal_with_another_locale_gets_ascii() {
        for (terminal, variables, expected) in [
            (false, "", true),
            (false, "LANG=C", true),
            (true, "", false),
            (true, "LANG=C", false),
            (true, "LANG=de_DE.ISO-8859-1", false),
            (true, "LANG=en_GB.UTF-8", true),
            (true, "LANG=C.utf8", true),
            (true, "LANG=en_GB.UTF-8 LC_ALL=C", false),
            (true, "LANG=C LC_CTYPE=en_GB.UTF-8", true),
            (true, "LANG=en_GB.UTF-8 LC_ALL=", true),
        ] {
            let auto = with(variables, |env| unicode(Glyphs::Auto, terminal, env));
            assert_eq!(auto, expected, "terminal: {terminal}, {variables}");
        }
        assert!(with("LANG=C", |env| unicode(Glyphs::Unicode, true, env)));
        assert!(!with("LANG=en_GB.UTF-8", |env| unicode(Glyphs::Ascii, true, env)));
    }
}
