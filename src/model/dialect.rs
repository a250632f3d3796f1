//! The names of the dialects, the kinds of servers whose messages are understood.

use std::fmt;
use std::str::FromStr;

use crate::model::api_error::{Error, ErrorKind};
use crate::model::text::escape;

macro_rules! dialects {
    ($($(#[doc = $doc:literal])* $id:ident $name:literal;)*) => {
        /// A kind of server. `Display` writes its name, [`FromStr`] reads it.
        ///
        /// ```
        /// use wsmon::Dialect;
        ///
        /// assert_eq!("pmdaemon".parse::<Dialect>()?, Dialect::Pmdaemon);
        /// assert_eq!(Dialect::Pmdaemon.to_string(), "pmdaemon");
        /// # Ok::<(), wsmon::Error>(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Dialect { $($(#[doc = $doc])* $id,)* }

        impl Dialect {
            /// Every dialect.
            pub const ALL: &[Dialect] = &[$(Dialect::$id,)*];

            /// Returns the name: `monitoring`, say.
            #[must_use]
            pub fn name(self) -> &'static str {
                const NAMES: &[&str] = &[$($name,)*];
                NAMES[self as usize]
            }
        }
    };
}

dialects! {
    /// monitoring-websocket-server.
    Monitoring "monitoring";
    /// SysMedic.
    Sysmedic "sysmedic";
    /// FastPluggy's WebSocket tool.
    Fastpluggy "fastpluggy";
    /// PMDaemon, a process manager.
    Pmdaemon "pmdaemon";
    /// NeuroGraph.
    Neurograph "neurograph";
    /// Any JSON or text, as it comes.
    Generic "generic";
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Dialect {
    type Err = Error;

    /// Reads a dialect's name.
    fn from_str(name: &str) -> Result<Self, Error> {
        Dialect::ALL.iter().copied().find(|dialect| dialect.name() == name).ok_or_else(|| {
            let names: Vec<_> = Dialect::ALL.iter().map(|dialect| dialect.name()).collect();
            Error::new(ErrorKind::Name, format!("no dialect {}: choose from {}", escape(name), names.join(", ")))
        })
    }
}
