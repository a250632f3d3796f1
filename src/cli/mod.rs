//! What only the command has: arguments, streams, files, log, signals.

mod args;
mod argv;
mod exit_status;
mod file;
mod filter;
mod logging;
mod plan;
#[cfg(test)]
mod properties;
mod run;
mod setup;
mod signals;
mod stream;
#[cfg(test)]
#[path = "../testing/temp_dir.rs"]
mod temp_dir;
mod terminal;
mod units;
mod view;

use std::io::{self, Write};
use std::process::ExitCode;

/// Runs the command with the process's arguments and environment.
pub fn main() -> ExitCode {
    let mut argv = std::env::args_os();
    // The program's own name.
    argv.next();
    let plan = plan::plan(&mut argv, &|name| std::env::var_os(name));
    match plan.map_err(Failure::from).and_then(run::run) {
        Ok(status) => ExitCode::from(status),
        Err(failure) => failure.report(),
    }
}

/// Why there is no run. In a box, for it passes through many hands and seldom is there.
pub struct Failure(Box<Why>);

enum Why {
    /// Arguments that ask for help, or are wrong.
    Exit(plan::Exit),
    /// Something of this machine that was needed.
    Local(String),
}

impl From<plan::Exit> for Failure {
    fn from(exit: plan::Exit) -> Self {
        Failure(Box::new(Why::Exit(exit)))
    }
}

impl Failure {
    /// Something of this machine that was needed.
    pub fn local(text: String) -> Self {
        Failure(Box::new(Why::Local(text)))
    }

    /// A local file or stream that cannot be opened: what, and why.
    pub fn io(what: &str, error: &io::Error) -> Self {
        Failure::local(format!("{what}: {}", Failure::words(error)))
    }

    /// An error without its number, and without the capital that the system's texts begin with. The rest stays as
    /// it is: it may hold a path.
    pub fn words(error: &io::Error) -> String {
        let text = error.to_string();
        let text = &text[..find(&text, " (os error").unwrap_or(text.len())];
        match text.split_at_checked(1) {
            Some((first, rest)) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => {
                first.to_ascii_lowercase() + rest
            }
            _ => text.to_owned(),
        }
    }

    /// Prints what there is instead of a run. A reader that has gone is no error, a full disk is.
    fn report(&self) -> ExitCode {
        let (result, code) = match &*self.0 {
            Why::Exit(plan::Exit::Asked(text)) => (print(io::stdout(), text), 0),
            Why::Exit(plan::Exit::Usage(text)) => (print(io::stderr(), text), 2),
            Why::Local(text) => (print(io::stderr(), &format!("wsmon: {text}\n")), 3),
        };
        match result {
            Err(error) if code == 0 && error.kind() != io::ErrorKind::BrokenPipe => {
                // With stderr gone as well there is nowhere left to tell.
                let _untold = print(io::stderr(), &format!("wsmon: stdout: {error}\n"));
                ExitCode::from(3)
            }
            _ => ExitCode::from(code),
        }
    }
}

/// Where `part` begins. The search of `str::find` is made for long texts, and 1 KB larger.
fn find(text: &str, part: &str) -> Option<usize> {
    text.as_bytes().windows(part.len()).position(|window| window == part.as_bytes())
}

fn print(mut to: impl Write, text: &str) -> io::Result<()> {
    to.write_all(text.as_bytes())?;
    to.flush()
}
