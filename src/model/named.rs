//! Types whose values have names: the value of a name, and the error of a name that none has.

use crate::model::api_error::{Error, ErrorKind};
use crate::model::spelling::closest;
use crate::model::text::escape;

/// Finds the value of this name. Returns the names of all if there is none.
pub(crate) fn find<T: Copy>(all: &[T], name_of: fn(T) -> &'static str, name: &str) -> Result<T, Vec<&'static str>> {
    let found = all.iter().copied().find(|value| name_of(*value) == name);
    found.ok_or_else(|| all.iter().map(|value| name_of(*value)).collect())
}

/// The error of a name that nothing has, with the one that may be meant.
pub(crate) fn no_such(what: &str, name: &str, names: &[&str]) -> Error {
    let hint = closest(name, names).map_or_else(String::new, |name| format!(", did you mean {name}?"));
    Error::new(ErrorKind::Name, format!("no {what} is called '{}'{hint}", escape(name)))
}

/// The error of a name where few are possible: all of them.
pub(crate) fn choose_from(what: &str, name: &str, names: &[&str]) -> Error {
    Error::new(ErrorKind::Name, format!("no {what} {}: choose from {}", escape(name), names.join(", ")))
}
