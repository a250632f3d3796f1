//! The command: a program on the library, from the command line to the exit status.
//!
//! `argv` and the table of options in `args` turn the command line into a `plan`, which `run` carries out turn by turn, for
//! servers or for saved data (`read`). Each message passes the `view`, which selects, holds, counts and formats it. The
//! lines go to the `output`, a bounded queue before each stream (`stream`), and to saved data (`file`). Beside them
//! `textfile`, `listen`, `on_alert` and `notify` tell other programs of the servers.

mod args;
mod argv;
mod check;
mod demo;
mod exit_status;
mod file;
mod filter;
mod fleet;
mod help;
mod hints;
mod interval;
mod listen;
mod logging;
mod notify;
mod on_alert;
mod output;
mod plan;
mod probe;
#[cfg(test)]
mod properties;
#[cfg(test)]
#[path = "../testing/random.rs"]
mod random;
mod read;
mod run;
mod screen;
mod server_list;
mod servers;
mod setup;
mod signals;
mod stream;
#[cfg(test)]
#[path = "../testing/temp_dir.rs"]
mod temp_dir;
mod terminal;
mod textfile;
mod units;
mod view;
mod words;

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::process::ExitCode;

use rustix::stdio;

/// Runs the command with the process's arguments and environment.
pub fn main() -> ExitCode {
    // The first word is the program's own name.
    let mut arguments = std::env::args_os();
    arguments.next();
    let mut words = Vec::new();
    for word in arguments {
        words.push(word);
    }
    let is_check = check::is_asked_for(&words) || plan::variable_asks_for_check(&|name| std::env::var_os(name));
    let plan = plan::plan(&mut words.into_iter(), &|name| std::env::var_os(name));
    match plan.map_err(Failure::from).and_then(run::run) {
        Ok(status) => ExitCode::from(status),
        Err(failure) => failure.report(is_check),
    }
}

/// Startup error. Boxed to keep `Result` small.
pub struct Failure(Box<StartError>);

enum StartError {
    /// The command line asks for help, or is wrong.
    Exit(plan::Exit),
    /// A local resource, such as a file, cannot be used.
    Local(String),
}

impl From<plan::Exit> for Failure {
    fn from(exit: plan::Exit) -> Self {
        Failure(Box::new(StartError::Exit(exit)))
    }
}

impl Failure {
    /// A local resource, such as a file, cannot be used.
    pub fn local(text: String) -> Self {
        Failure(Box::new(StartError::Local(text)))
    }

    /// An I/O error on the local file or stream `what`.
    pub fn io(what: &str, error: &io::Error) -> Self {
        Failure::local(format!("{what}: {}", Failure::words(error)))
    }

    /// An I/O error on the file of an option.
    pub fn file(option: &str, path: &Path, error: &io::Error) -> Self {
        Failure::io(&format!("{option} {}", wsmon::escape(&path.to_string_lossy())), error)
    }

    /// The text of an I/O error without `(os error N)` and without the capital that the system's texts begin with.
    /// The rest is unchanged: it may be a path.
    pub fn words(error: &io::Error) -> String {
        // C libraries have different texts for it.
        if error.kind() == io::ErrorKind::AddrInUse {
            return "address already in use".to_owned();
        }
        let text = error.to_string();
        let text = &text[..text.find(" (os error").unwrap_or(text.len())];
        match text.split_at_checked(1) {
            Some((first, rest)) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => {
                first.to_ascii_lowercase() + rest
            }
            _ => text.to_owned(),
        }
    }

    /// Returns the reason.
    pub fn why(&self) -> &str {
        match &*self.0 {
            StartError::Exit(plan::Exit::Asked(text) | plan::Exit::Usage(text)) | StartError::Local(text) => text,
        }
    }

    /// Prints help or error and returns the exit status. A closed stdout is no error, a full disk is.
    fn report(&self, is_check: bool) -> ExitCode {
        let (result, code) = match &*self.0 {
            StartError::Exit(plan::Exit::Asked(text)) => (print(stdio::stdout(), text), 0),
            StartError::Exit(plan::Exit::Usage(why)) | StartError::Local(why) if is_check => {
                (print(stdio::stdout(), &check::unknown(why)), 3)
            }
            StartError::Exit(plan::Exit::Usage(why)) => {
                (print(stdio::stderr(), &format!("wsmon: {why}\ntry wsmon --help\n")), 2)
            }
            StartError::Local(text) => (print(stdio::stderr(), &format!("wsmon: {text}\n")), 3),
        };
        match result {
            Err(error) if code == 0 && error.kind() != io::ErrorKind::BrokenPipe => {
                // If stderr fails too, nothing is left to report to.
                let _ignored = print(stdio::stderr(), &format!("wsmon: stdout: {}\n", Failure::words(&error)));
                ExitCode::from(3)
            }
            _ => ExitCode::from(code),
        }
    }
}

/// Writes to a standard stream without the buffer that std has for it. It is not duplicated: where fcntl(2) is denied or
/// no descriptor is left, the reason must be told all the same.
fn print(to: BorrowedFd<'_>, text: &str) -> io::Result<()> {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match rustix::io::write(to, rest) {
            Ok(written) => rest = rest.get(written..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
