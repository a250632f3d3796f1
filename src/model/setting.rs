//! The names of settings in texts for people.

use std::cell::Cell;
use std::fmt;

/// Returns the option for a setting that has one.
pub type FindOption = fn(&str) -> Option<&'static str>;

thread_local! {
    static FIND_OPTION: Cell<FindOption> = const { Cell::new(|_| None) };
}

/// Makes the texts of this thread name options in the place of settings: for a command whose users know nothing else.
pub fn name_options(find: FindOption) {
    FIND_OPTION.set(find);
}

/// Returns the program's option for a setting; `None` without one.
pub fn option(setting: &str) -> Option<&'static str> {
    (FIND_OPTION.get())(setting)
}

/// A setting in a text: its name, as in [`Server::max_message`](crate::Server::max_message), or the program's option for it.
#[derive(Clone, Copy, Debug)]
pub struct Setting(pub &'static str);

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(option(self.0).unwrap_or(self.0))
    }
}
