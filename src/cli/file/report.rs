//! The events in the life of the file, in words for the log.

use std::fmt;
use std::io;

use wsmon::internal::duration;

use super::RETRY_AFTER;
use crate::cli::Failure;

/// An event in the life of the file, reported once. `Display` is meant to follow "PATH: ".
#[derive(Debug)]
pub enum FileReport {
    /// A write failed; lines are lost until `Recovered`.
    Lost { error: io::Error },
    /// Lines are written again.
    Recovered { lost: u64 },
    /// The file grows beyond its size.
    RotationFailed { error: io::Error },
    /// The file had been moved or removed; a new one was created.
    Recreated,
    /// The file had been moved and no new one can be created; lines still go to the moved one.
    NotRecreated { error: io::Error },
}

impl FileReport {
    /// The log level. A recovery is a warning, so that whoever sees the error sees its end too.
    pub fn level(&self) -> log::Level {
        match self {
            Self::Recovered { .. } | Self::Recreated => log::Level::Warn,
            Self::Lost { .. } | Self::RotationFailed { .. } | Self::NotRecreated { .. } => log::Level::Error,
        }
    }
}

impl fmt::Display for FileReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let every = duration::text(RETRY_AFTER);
        let words = Failure::words;
        match self {
            Self::Lost { error } => {
                write!(f, "cannot be written ({}), lines are lost; retrying every {every}", words(error))
            }
            Self::Recovered { lost: 1 } => write!(f, "written again, 1 line was lost"),
            Self::Recovered { lost } => write!(f, "written again, {lost} lines were lost"),
            Self::RotationFailed { error } => {
                write!(f, "cannot be rotated ({}) and keeps growing; retrying every {every}", words(error))
            }
            Self::Recreated => write!(f, "was moved or removed; created a new one"),
            Self::NotRecreated { error } => {
                write!(
                    f,
                    "was moved, and a new one cannot be created ({}); still writing to the moved one",
                    words(error)
                )
            }
        }
    }
}
