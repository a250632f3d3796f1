//! Any server that sends JSON or text: its messages are shown as they come.

use super::{Dialect, PLAIN};

pub static DIALECT: Dialect = Dialect { name: "generic", is_quiet: |_, _| true, any_name: true, ..PLAIN };
