//! What only the command has: arguments, streams, files, log, signals.

mod descriptor;
mod queue;
mod sink;

use std::process::ExitCode;

pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
