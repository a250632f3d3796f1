//! What only the command has: arguments, streams, files, log, signals.

mod descriptor;
mod file;
mod logging;
mod queue;
mod rotation;
#[cfg(test)]
mod scratch;
mod signals;
mod sink;

use std::process::ExitCode;

pub fn main() -> ExitCode {
    ExitCode::SUCCESS
}
