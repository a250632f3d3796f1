//! What only the command has: arguments, streams, files, log, signals.

use std::io::{self, Write};
use std::process::ExitCode;

mod args;
mod habits;
// Both are unused in part until the loop reads the plan.
#[allow(dead_code)]
mod plan;
#[allow(dead_code)]
mod terminal;
mod units;

pub fn main() -> ExitCode {
    match plan::plan(std::env::args_os().skip(1), &|name| std::env::var_os(name)) {
        Ok(_plan) => ExitCode::SUCCESS,
        Err(exit) => leave(exit),
    }
}

/// Prints what there is instead of a plan. A reader that has gone is no error, a full disk is.
fn leave(exit: plan::Exit) -> ExitCode {
    let (result, code) = match &exit {
        plan::Exit::Asked(text) => (print(io::stdout(), text), 0),
        plan::Exit::Usage(text) => (print(io::stderr(), text), 2),
    };
    match result {
        Err(error) if code == 0 && error.kind() != io::ErrorKind::BrokenPipe => {
            let _ = print(io::stderr(), &format!("wsmon: stdout: {error}\n"));
            ExitCode::from(3)
        }
        _ => ExitCode::from(code),
    }
}

fn print(mut to: impl Write, text: &str) -> io::Result<()> {
    to.write_all(text.as_bytes())?;
    to.flush()
}
