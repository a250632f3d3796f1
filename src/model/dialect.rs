//! The names of the dialects, the kinds of servers whose messages are understood.

use std::fmt;
use std::str::FromStr;

use crate::model::api_error::Error;
use crate::model::named::{choose_from, find};

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
        find(Dialect::ALL, Dialect::name, name).map_err(|names| choose_from("dialect", name, &names))
    }
}
